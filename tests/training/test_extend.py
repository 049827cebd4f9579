"""The page docs/extend.md, block by block: every example trains for as long as it stands there, and is judged."""
from __future__ import annotations

import linecache
import re
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semdepth_lite.common import registry
from semdepth_lite.presets import PRESETS, Preset
from semdepth_lite.training.history import read_history

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extend.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)


def run_page(monkeypatch) -> None:
    """Run the blocks as the cells of one notebook, whose source Python knows."""
    module = types.ModuleType("extend_page")
    monkeypatch.setitem(sys.modules, "extend_page", module)
    monkeypatch.setattr(registry, "_PARTS", {})
    for number, block in enumerate(BLOCKS):
        name = f"<extend {number}>"
        linecache.cache[name] = len(block), None, block.splitlines(keepends=True), name
        exec(compile(block, name, "exec"), module.__dict__)


@pytest.mark.slow  # six trainings of 200 steps each
def test_every_example_trains_and_is_judged(tmp_path, monkeypatch, capsys):
    quick = PRESETS["quick"]
    small = Preset(64, 64, {"train": 2, "test": 1}, replace(quick.training, width=8, batch=1))
    monkeypatch.setitem(PRESETS, "quick", small)
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    run_page(monkeypatch)
    numbers = [float(word) for word in capsys.readouterr().out.split() if re.fullmatch(r"[0-9.e-]+", word)]
    assert len(numbers) == 8 and all(0 <= number < 5 for number in numbers)
    for name in ("film", "l2", "ranked", "mobilenet", "arrays", "dataset"):
        history = read_history(tmp_path / "runs" / name)
        assert history["step"][-1] == 200 and np.isfinite(history["loss"]).all(), name


def test_every_example_is_short():
    assert len(BLOCKS) == 8
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 20 for block in BLOCKS)
