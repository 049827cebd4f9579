"""The page docs/extend.md, block by block: every example trains and is judged."""
from __future__ import annotations

import linecache
import re
import sys
import types
from pathlib import Path

import pytest

from semdepth_lite.common import registry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extend.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)


def run_page(steps: int, folder: Path, monkeypatch) -> dict:
    """Run the blocks as the cells of one notebook, whose source Python knows."""
    module = types.ModuleType("extend_page")
    module.__dict__.update(steps=steps, folder=folder)
    monkeypatch.setitem(sys.modules, "extend_page", module)
    monkeypatch.setattr(registry, "_PARTS", {})
    for number, block in enumerate(BLOCKS):
        name = f"<extend {number}>"
        linecache.cache[name] = len(block), None, block.splitlines(keepends=True), name
        exec(compile(block, name, "exec"), module.__dict__)
    return module.__dict__


@pytest.mark.slow
def test_every_example_trains_and_is_judged(tmp_path, monkeypatch, capsys):
    run_page(2, tmp_path, monkeypatch)
    numbers = [float(word) for word in capsys.readouterr().out.split() if re.fullmatch(r"[0-9.e-]+", word)]
    assert len(numbers) == 7 and all(number > 0 for number in numbers)
    for name in ("film", "l2", "ranked", "mobilenet", "arrays", "dataset"):
        assert (tmp_path / name / "checkpoint.pt").exists()


def test_every_example_is_short():
    assert len(BLOCKS) == 7
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 20 for block in BLOCKS)
