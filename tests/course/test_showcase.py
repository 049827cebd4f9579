"""The crops that show what semantics changes: which are chosen, and what is in them."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from semdepth_lite.course.showcase import NETWORKS, pick_crops, some_scenes, views
from semdepth_lite.labels import group_mask, label_borders
from semdepth_lite.presets import PRESETS, Preset, recipe
from semdepth_lite.pretrained import PRETRAINED


@pytest.fixture
def source(monkeypatch, tmp_path):
    """Two test scenes of 64x96 pixels."""
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PRESETS, "tiny", Preset(64, 96))
    return some_scenes(2, "tiny")


@pytest.mark.slow
def test_crops_lie_where_most_foreground_borders_are_one_a_scene(source):
    chosen = pick_crops(source, side=(64, 80))
    assert len({source.scene_of(index) for index, _, _ in chosen}) == len(chosen) == 2
    for index, down, along in chosen:
        labels = source.triplet([index]).labels
        borders = (label_borders(labels) & group_mask(labels, "foreground_wide"))[0]
        inside = int(borders[down, along].sum())
        assert inside == max(int(borders[:, left:left + 80].sum()) for left in range(96 - 80 + 1))


@pytest.mark.slow
def test_a_view_shows_one_crop_of_everything_on_the_true_scale(source):
    variants = {"plain": "baseline", "guided": "ssfa_segmenter"}
    models = {title: recipe("quick", variant=variant).build().eval() for title, variant in variants.items()}
    view, = views(source, 1, models)
    (index, down, along), = pick_crops(source, 1)
    item = source.triplet([index])
    assert torch.equal(view.image, item.target[0, :, down, along])
    assert torch.equal(view.truth, item.depth[0, 0, down, along])
    assert [title for _, title in view.row()] == ["image", "classes, predicted", "plain", "guided", "truth"]
    known = view.truth > 0
    for depth in view.depths.values():  # scaled by the median of the image, of which this is nearly all
        assert 0.5 < float(depth[known].median() / view.truth[known].median()) < 2
    assert all(np.asarray(picture).shape[-2:] == (96, 3) for picture, _ in view.row()[1:])


def test_the_networks_come_with_the_package():
    assert set(NETWORKS.values()) <= set(PRETRAINED)
