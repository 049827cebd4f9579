"""The picture of the same crops by all variants: what is chosen, and what is drawn."""
from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from semdepth_lite.presets import PRESETS, Preset, recipe, street
from semdepth_lite.training.run import Run
from tools import crops


@pytest.fixture
def tiny(monkeypatch, tmp_path) -> str:
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    lesson = PRESETS["lesson"].training
    monkeypatch.setitem(PRESETS, "tiny", Preset(64, 96, {"train": 1, "validation": 1, "test": 2},
                                                replace(lesson, steps=1, batch=2)))
    return "tiny"


@pytest.mark.slow
def test_variants_that_were_run_are_drawn_with_their_names(tiny, tmp_path):
    run = Run(street("train", tiny, progress=False), recipe(tiny), tmp_path / "runs" / "baseline-1-learned-0", "cpu")
    run.train(progress=False)
    assert crops.draw_crops(tmp_path / "runs", tmp_path / "crops.png", tiny) == ["baseline"]
    words = Image.open(tmp_path / "crops.png").text["Description"]
    assert words.startswith("2 crops") and words.endswith("the depth by baseline.")
