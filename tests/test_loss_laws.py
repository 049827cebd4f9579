"""Laws that the photometric loss obeys: mirrors, scales, and a smaller loss nearer to the truth."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from factories import scene_triplet
from loss_cases import BOTH, compare, disp_of_depth, four_scales

from semdepth_lite import fused
from semdepth_lite.camera import flip_intrinsics, flip_transform, invert_transform
from semdepth_lite.data.augmentation import flip
from semdepth_lite.fused import (
    FusedReprojection,
)
from semdepth_lite.losses import (
    LOSSES,
    LossSettings,
)


@BOTH
@pytest.mark.parametrize("name", LOSSES)
def test_a_horizontal_flip_leaves_the_loss_alone(form, name):
    scene = scene_triplet(64, 96)
    disps = four_scales(disp_of_depth(scene.depth))
    plain = form.self_supervised_loss(disps, scene.target, scene.sources, scene.K, scene.T_source_target, LOSSES[name])
    other = flip(scene, torch.tensor([True]))
    mirrored = [disp.flip(-1) for disp in disps]
    flipped = form.self_supervised_loss(mirrored, other.target, other.sources, other.K, other.T_source_target,
                                        LOSSES[name])
    for term in ("total", "photometric", "smoothness"):
        assert getattr(flipped, term).item() == pytest.approx(getattr(plain, term).item(), abs=1e-10)
    assert torch.allclose(other.K, flip_intrinsics(scene.K, 96))
    assert torch.allclose(other.T_source_target, flip_transform(scene.T_source_target))


def test_scaling_depth_and_translation_leaves_the_fused_loss_alone():
    scene = scene_triplet()
    loss = FusedReprojection(scene.target, scene.sources, LossSettings())
    scaled = scene.T_source_target.clone()
    scaled[..., :3, 3] *= 4.2
    plain = compare(loss, scene.depth, scene.T_source_target, scene.K)
    assert compare(loss, 4.2 * scene.depth, scaled, scene.K).item() == pytest.approx(plain.item(), abs=1e-10)
    assert abs(compare(loss, 4.2 * scene.depth, scene.T_source_target, scene.K) - plain) > 1e-3


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_falls_as_depth_moves_toward_the_truth(form, name):
    scene = scene_triplet(64, 96, seed=2, pole=False)
    settings = replace(LOSSES[name], automask=False, min_depth=0.1, max_depth=100.0)  # the range of `disp_of_depth`

    def loss(factor: float) -> float:
        disps = four_scales(disp_of_depth(scene.depth * factor))
        return form.self_supervised_loss(disps, scene.target, scene.sources, scene.K, scene.T_source_target,
                                         settings).photometric.item()

    for factors in ((0.4, 0.55, 0.75, 0.9, 1.0), (2.4, 1.8, 1.3, 1.1, 1.0)):
        values = [loss(factor) for factor in factors]
        assert values == sorted(values, reverse=True) and values[-1] < 0.4 * values[0]


@BOTH
def test_the_loss_falls_as_motion_moves_toward_the_truth(form):
    scene = scene_triplet(64, 96, seed=2)
    disps = four_scales(disp_of_depth(scene.depth))
    values = []
    for share in (0.0, 0.4, 0.8, 1.0):
        T = scene.T_source_target.clone()
        T[..., :3, 3] *= share
        values.append(form.self_supervised_loss(disps, scene.target, scene.sources, scene.K, T,
                                                LossSettings(automask=False)).photometric.item())
    assert values == sorted(values, reverse=True) and values[-1] < 0.4 * values[0]


def test_the_gradient_of_depth_points_away_from_the_truth():
    scene = scene_triplet(64, 96, seed=2, pole=False)
    for factor, sign in ((0.8, -1), (1.25, 1)):
        depth = (scene.depth * factor).requires_grad_()
        loss = FusedReprojection(scene.target, scene.sources, LossSettings(automask=False, mask_outside=True))
        compare(loss, depth, scene.T_source_target, scene.K).backward()
        assert (sign * depth.grad).sum() > 0
        assert ((sign * depth.grad) > 0).double().mean() > 0.6


def test_motion_given_the_wrong_way_round_is_worse():
    scene = scene_triplet(64, 96)
    disps = four_scales(disp_of_depth(scene.depth))
    right, wrong = (fused.self_supervised_loss(disps, scene.target, scene.sources, scene.K, T,
                                               LossSettings(automask=False))
                    for T in (scene.T_source_target, invert_transform(scene.T_source_target)))
    assert right.photometric < 0.3 * wrong.photometric
