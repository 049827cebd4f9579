"""The picture of the same crops by the lessons' networks: what is drawn."""
from __future__ import annotations

import pytest
from PIL import Image

from semdepth_lite.presets import PRESETS, Preset
from tools import crops


@pytest.mark.slow
def test_every_network_has_its_picture_of_every_crop(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PRESETS, "tiny", Preset(64, 192, {"test": 2}, PRESETS["lesson"].training))
    crops.draw_crops(tmp_path / "crops.png", "tiny")
    words = Image.open(tmp_path / "crops.png").text["Description"]
    assert words.startswith("2 crops") and all(title in words for title in crops.SHOWN.values())
