"""The page docs/extend.md, block by block: every example trains for as long as it stands there, and is judged."""
from __future__ import annotations

import linecache
import re
import sys
import types
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semdepth_lite.commands.options import load_code
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
    assert len(BLOCKS) == 10
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 20 for block in BLOCKS)


@pytest.mark.parametrize("named, kind", [("film", "fusion"), ("npz", "source")])
def test_a_block_that_the_page_calls_a_file_is_whole(named, kind, tmp_path, monkeypatch):
    block = next(block for block in BLOCKS if f'@register("{kind}", "{named}")' in block)
    monkeypatch.setattr(registry, "_PARTS", {})
    (tmp_path / f"{named}_pasted.py").write_text(block)
    load_code([tmp_path / f"{named}_pasted.py"])
    monkeypatch.delitem(sys.modules, f"{named}_pasted")
    part = registry.get_part(kind, named)
    if kind == "fusion":
        depth = torch.rand(2, 8, 4, 6)  # whose shape a fusion returns; it begins at the baseline
        guidance = SimpleNamespace(reduced=lambda level: torch.rand(2, 19, 4, 6))
        assert torch.equal(part([8] * 5, None, 19)(0, depth, guidance), depth)
    else:
        K = [[60, 0, 48], [0, 60, 32], [0, 0, 1]]
        np.savez(tmp_path / "clip.npz", images=np.zeros((4, 64, 96, 3), np.uint8), K=K)
        assert len(part(str(tmp_path / "clip.npz"), 64, 96)) == 2
