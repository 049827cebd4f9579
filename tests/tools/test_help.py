"""Whatever can be run answers `--help` with help, and does nothing else."""
from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNABLE = sorted(path.relative_to(ROOT) for place in ("semdepth_lite", "tools", "tests")
                  for path in (ROOT / place).rglob("*.py")
                  if not path.name.startswith("test_")  # one of them is the worker of its own processes
                  and '\nif __name__ == "__main__"' in path.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore:.*found in sys.modules after import of package:RuntimeWarning")
@pytest.mark.parametrize("path", RUNNABLE, ids=str)
def test_help_is_answered(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    with pytest.raises(SystemExit) as ended:
        if path.parts[0] == "semdepth_lite":
            runpy.run_module(".".join(path.with_suffix("").parts), run_name="__main__")
        else:
            runpy.run_path(str(ROOT / path), run_name="__main__")
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("usage: ")
