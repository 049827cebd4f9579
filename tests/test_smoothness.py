"""Smoothness, pyramids, margins, totals, supervision, and what the losses refuse."""
from __future__ import annotations

from itertools import product

import pytest
import torch
from factories import poses, scene_triplet
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import BOTH, assert_forms_agree, disp_of_depth, random_problem, reduced
from torch.autograd import gradcheck

from semdepth_lite import fused
from semdepth_lite.camera import rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.fused import (
    fused_smoothness,
)
from semdepth_lite.losses import (
    LOSSES,
    LossSettings,
    automask,
    edge_weights,
    normalize_disp,
    pyramid,
    reprojection_error,
    resized_disp,
    smoothness_loss,
    supervised_loss,
)


def test_smoothness_equals_a_loop():
    disp, image = torch.rand(2, 1, 4, 5, dtype=torch.float64), torch.rand(2, 3, 4, 5, dtype=torch.float64)
    totals = []
    for dy, dx in ((0, 1), (1, 0)):
        terms = []
        for b, i, j in product(range(2), range(4 - dy), range(5 - dx)):
            edge = (image[b, :, i + dy, j + dx] - image[b, :, i, j]).abs().mean()
            terms.append((disp[b, 0, i + dy, j + dx] - disp[b, 0, i, j]).abs() * torch.exp(-edge))
        totals.append(torch.stack(terms).mean())
    assert smoothness_loss(disp, image).item() == pytest.approx(sum(totals).item(), abs=1e-12)


def test_smoothness_forgives_steps_at_image_edges():
    disp = torch.cat((torch.zeros(1, 1, 4, 3), torch.ones(1, 1, 4, 3)), -1)
    edge = torch.cat((torch.zeros(1, 3, 4, 3), torch.ones(1, 3, 4, 3)), -1)
    assert smoothness_loss(disp, edge) < 0.5 * smoothness_loss(disp, torch.zeros_like(edge))
    assert smoothness_loss(torch.full((1, 1, 4, 6), 0.3), edge) == 0
    weight_x, weight_y = edge_weights(edge)
    assert weight_x.shape == (1, 1, 4, 5) and weight_y.shape == (1, 1, 3, 6)


def test_gradient_of_smoothness_and_normalization():
    disp, image = torch.rand(2, 1, 4, 5, dtype=torch.float64, requires_grad=True), torch.rand(2, 3, 4, 5).double()
    assert gradcheck(lambda d: smoothness_loss(normalize_disp(d), image), disp)


@pytest.mark.parametrize("channels", [1, 3])
def test_fused_smoothness_equals_the_readable_one(channels):
    generator = torch.Generator().manual_seed(channels)
    disp = (0.1 + torch.rand(3, 1, 6, 9, generator=generator, dtype=torch.float64)).requires_grad_()
    image = torch.rand(3, channels, 6, 9, generator=generator, dtype=torch.float64)
    slow, fast = smoothness_loss(normalize_disp(disp), image), fused_smoothness(disp, image)
    assert slow.item() == pytest.approx(fast.item(), rel=1e-13)
    by_slow, by_fast = (torch.autograd.grad(3 * loss, disp)[0] for loss in (slow, fast))
    assert (by_slow - by_fast).abs().max() < 1e-13
    assert gradcheck(lambda d: fused_smoothness(d, image), disp)


@given(st.floats(1e-3, 50))
def test_shrinking_a_disparity_does_not_pay(scale):
    generator = torch.Generator().manual_seed(0)
    disp = 0.1 + torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64)
    image = torch.rand(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    assert torch.allclose(smoothness_loss(normalize_disp(disp * scale), image),
                          smoothness_loss(normalize_disp(disp), image), rtol=1e-3)
    assert torch.allclose(normalize_disp(disp).mean((2, 3)), torch.ones(2, 1).double(), atol=1e-5)


def test_a_pyramid_holds_means_of_blocks():
    image = torch.rand(2, 2, 3, 16, 24, dtype=torch.float64)
    levels = pyramid(image, 4)
    assert levels[0] is image and len(levels) == 4
    for scale, level in enumerate(levels):
        blocks = image.unflatten(-2, (-1, 2**scale)).unflatten(-1, (-1, 2**scale)).mean((-3, -1))
        assert torch.allclose(level, blocks, atol=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.01, 0.05])
def test_fused_equals_readable_with_a_margin_in_the_automask(margin):
    assert_forms_agree(random_problem(2, 2), LossSettings(automask_margin=margin))
    assert_forms_agree(random_problem(2, 2), LossSettings(automask_margin=margin, mask_outside=True))


def test_a_margin_lets_a_pixel_learn_that_the_unmoved_source_explains_a_little_better():
    assert automask(torch.tensor([0.30, 0.33]), torch.tensor([0.29, 0.29]), 0.02).tolist() == [True, False]


def test_settings_of_the_two_losses():
    assert LOSSES["monodepth2"] == LossSettings(True, False, 0.85, True, True, 0.0, 1e-3, False, 0.1, 100.0)
    lesson = LOSSES["lesson"]
    assert lesson.gray and lesson.mask_outside and not lesson.full_resolution and lesson.minimum and lesson.automask


def test_the_total_is_photometric_plus_weighted_smoothness():
    problem = random_problem(1, 2)
    target, views, K, disps, *motion = problem
    T = rigid_transform(*motion).view(1, 2, 4, 4)
    smooth = [smoothness_loss(normalize_disp(disp), reduced(target, s)) for s, disp in enumerate(disps)]
    terms = fused.self_supervised_loss(disps, target, views, K, T, LossSettings(smoothness=0.1))
    weighted = sum(0.1 / 2**s * value for s, value in enumerate(smooth)) / 4
    assert terms.total.item() == pytest.approx((terms.photometric + weighted).item(), abs=1e-12)
    assert terms.smoothness.item() == pytest.approx(sum(smooth).item() / 4, abs=1e-12)


@pytest.mark.parametrize("position, replacement, name", [
    (0, [torch.rand(1, 1, 32, 33)], r"disps\[0\]"), (0, [torch.rand(1, 1, 32, 32)] * 2, r"disps\[1\]"),
    (0, [torch.rand(1, 2, 32, 32)], r"disps\[0\]"), (1, torch.rand(1, 1, 32, 32), "target"),
    (1, torch.rand(3, 32, 32), "target"), (2, torch.rand(1, 3, 32, 32), "sources"),
    (2, torch.rand(2, 2, 3, 32, 32), "sources")])
def test_wrong_shapes_are_refused(position, replacement, name):
    target, views, K, disps, *motion = random_problem(1, 2)
    arguments = [disps, target, views, K, rigid_transform(*motion).view(1, 2, 4, 4)]
    arguments[position] = replacement
    with pytest.raises(InputError, match=f"{name} has shape"):
        fused.self_supervised_loss(*arguments)


@BOTH
@pytest.mark.parametrize("position, shape, name", [(3, (3, 3), "K"), (3, (2, 3, 3), "K"), (4, (2, 4, 4), "T_source"),
                                                   (4, (1, 3, 4, 4), "T_source"), (4, (1, 2, 3, 4), "T_source")])
def test_wrong_cameras_and_motions_are_refused(form, position, shape, name):
    target, views, K, disps, *motion = random_problem(1, 2)
    arguments = [disps, target, views, K, rigid_transform(*motion).view(1, 2, 4, 4)]
    arguments[position] = torch.rand(shape, dtype=torch.float64)
    with pytest.raises(InputError, match=f"{name}.* has shape"):
        form.self_supervised_loss(*arguments)


def test_the_supervised_loss_knows_the_truth_and_survives_its_absence():
    depth = 1 + 30 * torch.rand(2, 1, 32, 32, dtype=torch.float64)
    assert supervised_loss([disp_of_depth(depth)], depth).total < 1e-12
    doubled = supervised_loss([disp_of_depth(2 * depth)], depth)
    assert doubled.total.item() == pytest.approx(0.6931471805599453)
    holes = depth.clone()
    holes[:, :, :16] = 0
    wrong_where_unknown = torch.cat((depth[:, :, :16] * 3, depth[:, :, 16:]), 2)
    assert supervised_loss([disp_of_depth(wrong_where_unknown)], holes).total < 1e-12
    disp = disp_of_depth(depth).requires_grad_()
    nothing = supervised_loss([disp], torch.zeros_like(depth))
    nothing.total.backward()
    assert nothing.total == 0 and disp.grad.abs().max() == 0


def test_poses_of_the_made_up_scene_are_proper():
    assert torch.allclose(poses(3)[0], torch.eye(4).double())


@BOTH
@pytest.mark.parametrize("images, K_type", [(torch.float16, torch.float32), (torch.bfloat16, torch.float32),
                                            (torch.float32, torch.float64)], ids=str)
def test_the_loss_of_few_digits_is_computed_in_many(form, images, K_type):
    """Windows of half-precision images have no variance left; float64 is the oracle, on the very same numbers."""
    target, views, K, disps, axis_angle, translation = random_problem(1, 2)
    T = rigid_transform(axis_angle, translation).view(1, 2, 4, 4)
    target, views, disps = target.to(images), views.to(images), [disp.to(images) for disp in disps]
    found = form.self_supervised_loss(disps, target, views, K.to(K_type), T.float())
    exact = form.self_supervised_loss([disp.double() for disp in disps], target.double(), views.double(), K, T)
    assert found.total.dtype == torch.float32
    assert found.total.item() == pytest.approx(exact.total.item(), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.int32, torch.float64], ids=str)
def test_supervision_takes_truth_of_every_number_type(dtype):
    truth = torch.randint(1, 60, (1, 1, 16, 16), generator=torch.Generator().manual_seed(0)).to(dtype)
    loss = supervised_loss([disp_of_depth(1.1 * truth.double())], truth)
    assert loss.total.item() == pytest.approx(torch.tensor(1.1).log().item(), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8], ids=str)
def test_the_parts_of_the_loss_compute_in_single_precision_whatever_comes_in(dtype):
    """float64 is the oracle, on the very same numbers."""
    values = (9 * torch.rand(1, 1, 8, 16, generator=torch.Generator().manual_seed(0)) + 1).to(dtype)
    for part in (normalize_disp, lambda x: edge_weights(x)[0], lambda x: edge_weights(x)[1], lambda x: pyramid(x, 3)[2],
                 lambda x: resized_disp(x, torch.zeros(1, 3, 16, 32))):
        found, exact = part(values), part(values.double())
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-6)


def test_as_many_motions_as_sources_are_wanted():
    scene = scene_triplet()
    with pytest.raises(InputError, match="T_source_target has shape"):
        reprojection_error(scene.depth, scene.T_source_target[:, :1], scene.K, scene.target, scene.sources,
                           LossSettings())
