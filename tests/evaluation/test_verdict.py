"""The verdict after training: frames are really kept back, and good depth is distinguished from useless depth."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.sources import StreetSource
from semdepth_lite.evaluation.verdict import Verdict, draw_verdict, judge, keep_back, warped_error
from semdepth_lite.model import Prediction
from semdepth_lite.presets import street


@pytest.fixture
def source(monkeypatch, tmp_path) -> StreetSource:
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path))
    return street("train", "quick", progress=False)


class Knowing(torch.nn.Module):
    """Stands for a model: it knows depth and motion of a batch, spoiled by a factor."""

    supervision, pose, alignment = "video", None, 0

    def __init__(self, spoil: float = 1.0) -> None:
        super().__init__()
        self.spoil, self.weight = spoil, torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch):
        depth = torch.where(batch.depth > 0, batch.depth, 1000.0) * self.spoil
        return None, SimpleNamespace(depth=depth, T_source_target=batch.T_source_target)

    def predict(self, images, semantics=None):
        near_below = torch.linspace(60, 4, images.shape[-2])[:, None].expand(images.shape[-2:])
        return SimpleNamespace(depth=near_below.expand(len(images), 1, -1, -1))

    def semantics_of(self, batch):
        return None


@pytest.mark.slow
def test_the_truth_explains_frames_and_a_wrong_depth_does_not(source):
    good, bad = (judge(Knowing(spoil), source, source) for spoil in (1.0, 0.1))
    assert good.unmoved == bad.unmoved and good.warped < 0.7 * good.unmoved and bad.warped > 1.5 * good.warped
    assert list(good.depth) == ["network", "constant", "pixel median"] and good.path is None
    assert good.depth["pixel median"] < good.depth["constant"]
    assert "explain the frames" in good.lines()[1] and "of the training, for the clip is short" in good.lines()[0]


def test_a_prediction_without_motion_cannot_warp(source):
    depth = torch.ones(1, 1, 4, 4)
    with pytest.raises(InputError, match="has no motion"):
        warped_error(Prediction([], depth), source.triplet([0]))


def test_frames_are_kept_back_with_a_gap():
    class Clip:
        name, has_depth, targets = "clip", False, np.arange(1, 51)
        neighbors = np.stack((targets - 1, targets + 1), 1)

        def __len__(self):
            return 50

    trained, kept = keep_back(Clip())
    assert (len(trained), len(kept)) == (44, 5)
    assert not set(trained.targets) & set(kept.neighbors.ravel()) and kept.targets.tolist() == [46, 47, 48, 49, 50]


def test_sentences_name_what_is_no_better_than_nothing():
    lines = Verdict(5, True, 0.1, 0.095, {"network": 0.4, "constant": 0.3, "pixel median": 0.2},
                    {"network": 0.01, "standing still": 0.8, "straight ahead": 0.03}).lines()
    assert "hardly more than no motion" in lines[1] and lines[2].endswith("no better than the best of them")
    assert lines[3].endswith("straight ahead 0.03 m: better than all of them") and "kept back" in lines[0]
    assert "no true depth is known" in Verdict(5, True, 0.1, None, None, None).lines()[-1]


@pytest.mark.slow
def test_the_picture_shows_ten_frames(source, tmp_path):
    draw_verdict(Knowing(), source, tmp_path / "verdict.png")
    picture = Image.open(tmp_path / "verdict.png")
    assert picture.text["Description"].startswith("10 frames of street train") and picture.width > picture.height
