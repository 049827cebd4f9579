"""The readable loss and the fused one: Monodepth2's figures, loops over pixels, and what joins sources."""
from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from factories import camera, golden, scene_triplet
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import BOTH, disp_of_depth, four_scales, reduced
from torch.autograd import gradcheck

from semdepth_lite.camera import rigid_transform
from semdepth_lite.common.box_sums import box_sum, box_sum_adjoint
from semdepth_lite.losses import (
    LOSSES,
    LossSettings,
    automask,
    combine_sources,
    identity_error,
    normalize_disp,
    photometric_error,
    reprojection_error,
    reprojection_loss,
    scale_loss,
    smoothness_loss,
    ssim_distance,
)


def golden_motion(axis_angle: torch.Tensor, translation: torch.Tensor) -> torch.Tensor:
    return torch.stack((rigid_transform(axis_angle[0, :, 0], translation[0, :, 0], invert=True),
                        rigid_transform(axis_angle[1, :, 0], translation[1, :, 0])), 1)


def golden_loss(settings: LossSettings, form, dtype: torch.dtype = torch.float64):
    """The golden inputs through our loss, readable or fused, with leaves that collect gradients."""
    disps = [golden(f"loss_disp_{s}").to(dtype).requires_grad_() for s in range(4)]
    motion = [golden(f"loss_{name}").to(dtype).requires_grad_() for name in ("axisangle", "translation")]
    target, *sources, K = (golden(name).to(dtype) for name in ("image_0", "image_minus1", "image_1", "K"))
    terms = form.self_supervised_loss(disps, target, torch.stack(sources, 1), K[:, :3, :3], golden_motion(*motion),
                                      settings)
    return terms, disps, motion


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("prefix, masked", [("loss", True), ("plain_loss", False)])
def test_the_loss_and_its_gradients_are_monodepth2s(form, prefix, masked):
    """In double precision: in single, one pixel is so close to the automask's tie that builds of torch differ on it."""
    terms, disps, (axis_angle, translation) = golden_loss(LossSettings(automask=masked), form)
    assert terms.total.item() == pytest.approx(golden(f"{prefix}_total").item(), rel=1e-5)
    terms.total.backward()
    grads = {f"disp_{s}": disp.grad for s, disp in enumerate(disps)}
    grads |= {"axisangle": axis_angle.grad, "translation": translation.grad}
    for name, grad in grads.items():
        expected = golden(f"{prefix}_{name}_grad")
        assert expected.abs().max() > 0
        difference, size = (grad - expected).abs(), expected.abs().max()
        assert difference.max() < 1e-3 * size and difference.mean() < 5e-5 * size, name


@pytest.mark.parametrize("scale", range(4))
def test_each_scale_is_monodepth2s(scale):
    """The loss of a scale alone: its photometric part, and smoothness weighted by 1e-3 / 2^s."""
    settings, disp = LossSettings(), golden(f"loss_disp_{scale}")
    target, sources = golden("image_0"), torch.stack((golden("image_minus1"), golden("image_1")), 1)
    full = F.interpolate(disp, (64, 96), mode="bilinear", align_corners=False)
    T = golden_motion(golden("loss_axisangle"), golden("loss_translation"))
    photometric = reprojection_loss(target, sources, 1 / (0.01 + 9.99 * full), T, golden("K")[:, :3, :3], settings)
    smooth = smoothness_loss(normalize_disp(disp), reduced(target, scale))
    expected = golden(f"loss_scale_{scale}").item()
    assert (photometric + 1e-3 / 2**scale * smooth).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", range(4))
def test_the_automask_is_monodepth2s(scale):
    settings = LossSettings()
    target, sources = golden("image_0"), torch.stack((golden("image_minus1"), golden("image_1")), 1)
    full = F.interpolate(golden(f"loss_disp_{scale}"), (64, 96), mode="bilinear", align_corners=False)
    T = golden_motion(golden("loss_axisangle"), golden("loss_translation"))
    error, _ = reprojection_error(1 / (0.01 + 9.99 * full), T, golden("K")[:, :3, :3], target, sources, settings)
    mask = automask(error, identity_error(target, sources, settings))
    expected = golden(f"automask_{scale}").bool()
    assert 0 < expected.float().mean() < 1
    assert (mask != expected).float().mean() < 1e-3  # a tie may fall to either side by rounding


def test_ssim_error_and_smoothness_are_monodepth2s():
    x, y = golden("image_0"), golden("image_1")
    assert torch.allclose(ssim_distance(x, y), golden("ssim_loss"), atol=2e-6)
    assert torch.allclose(photometric_error(x, y), golden("photometric_error"), atol=2e-6)
    smooth = smoothness_loss(normalize_disp(golden("disp_in")), x)
    assert smooth.item() == pytest.approx(golden("smooth_loss").item(), rel=1e-5)


def reflected(i: int, size: int) -> int:
    return -i if i < 0 else 2 * size - 2 - i if i >= size else i


def test_ssim_equals_a_loop_over_windows():
    x, y = torch.rand(2, 1, 1, 5, 6, dtype=torch.float64)
    got = ssim_distance(x, y)
    for i, j in product(range(5), range(6)):
        window = [(reflected(i + a, 5), reflected(j + b, 6)) for a, b in product((-1, 0, 1), repeat=2)]
        p, q = (torch.stack([image[0, 0, r, c] for r, c in window]) for image in (x, y))
        covariance = ((p - p.mean()) * (q - q.mean())).mean()
        ssim = ((2 * p.mean() * q.mean() + 1e-4) * (2 * covariance + 9e-4)
                / ((p.mean()**2 + q.mean()**2 + 1e-4) * (p.var(correction=0) + q.var(correction=0) + 9e-4)))
        assert got[0, 0, i, j].item() == pytest.approx((1 - ssim.item()) / 2, abs=1e-12)


@pytest.mark.slow
@given(st.integers(1, 3), st.integers(2, 6), st.integers(2, 6), st.integers(0, 2**20))
def test_the_error_is_symmetric_bounded_and_zero_for_equals(channels, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, 2, channels, height, width, generator=generator, dtype=torch.float64)
    error = photometric_error(x, y)
    assert error.shape == (2, 1, height, width)
    assert torch.allclose(error, photometric_error(y, x), atol=1e-12)
    assert 0 <= error.min() and error.max() <= 1
    assert photometric_error(x, x).abs().max() < 1e-12
    assert torch.allclose(photometric_error(x, y, ssim=0.0), (x - y).abs().mean(1, keepdim=True), atol=1e-12)
    assert torch.allclose(photometric_error(x, y, ssim=1.0), ssim_distance(x, y).mean(1, keepdim=True), atol=1e-12)


def test_gradient_of_ssim_and_of_the_error():
    x, y = (torch.rand(1, 2, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(ssim_distance, (x, y))
    assert gradcheck(photometric_error, (x, y))


@given(st.integers(2, 6), st.integers(2, 7), st.integers(0, 2**20))
def test_box_sums_are_mean_pooling_and_their_adjoint_its_transpose(height, width, seed):
    x, y = torch.randn(2, 2, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    kept = x.clone()
    assert torch.allclose(box_sum(x) / 9, F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1), atol=1e-12)
    assert (box_sum(x) * y).sum().item() == pytest.approx((x * box_sum_adjoint(y)).sum().item(), abs=1e-9)
    assert torch.equal(x, kept)


def test_sources_join_by_minimum_or_mean():
    errors = torch.tensor([[0.2, 0.6], [0.4, 0.1]]).view(1, 2, 1, 2)
    assert combine_sources(errors).flatten().tolist() == pytest.approx([0.2, 0.1])
    assert combine_sources(errors, minimum=False).flatten().tolist() == pytest.approx([0.3, 0.35])


def test_the_minimum_repairs_what_one_source_cannot_see():
    scene = scene_triplet(64, 96, seed=1)
    settings = LossSettings()
    separate = [reprojection_error(scene.depth, scene.T_source_target[:, s:s + 1], scene.K, scene.target,
                                   scene.sources[:, s:s + 1], settings)[0] for s in range(2)]
    joined, usable = reprojection_error(scene.depth, scene.T_source_target, scene.K, scene.target, scene.sources,
                                        settings)
    assert torch.allclose(joined, torch.minimum(*separate)) and usable.all()
    assert joined.mean() < 0.7 * min(error.mean() for error in separate)


@BOTH
def test_a_tie_goes_to_the_unmoved_source_and_teaches_nothing(form):
    """With a camera that stands still every pixel is a tie: the loss is there, its gradient is not."""
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    disps = [torch.full((1, 1, 32 >> s, 32 >> s), 0.02, dtype=torch.float64, requires_grad=True) for s in range(4)]
    other = (image + 0.1).clamp(0, 1)
    T = torch.eye(4, dtype=torch.float64).expand(1, 2, 4, 4)
    settings = LossSettings(smoothness=0.0, automask=True)
    terms = form.self_supervised_loss(disps, image, torch.stack((other, other), 1), camera(32, 32), T, settings)
    assert terms.total > 0.01
    assert not automask(torch.tensor([0.3, 0.2]), torch.tensor([0.3, 0.3])).equal(torch.tensor([True, True]))
    terms.total.backward()
    assert all(disp.grad.abs().max() < 1e-9 for disp in disps)


@BOTH
@pytest.mark.parametrize("minimum", [True, False])
def test_pixels_without_any_source_count_zero_or_their_identity_error(form, minimum):
    """The camera turned away altogether: no sample lies inside its frame."""
    scene = scene_triplet()
    T = scene.T_source_target.clone()
    T[..., 0, 3] = 1000.0
    disps = four_scales(disp_of_depth(scene.depth))
    settings = LossSettings(mask_outside=True, minimum=minimum, smoothness=0.0)
    arguments = disps, scene.target, scene.sources, scene.K, T
    off = form.self_supervised_loss(*arguments, replace(settings, automask=False))
    assert off.total.item() == 0
    on = form.self_supervised_loss(*arguments, replace(settings, automask=True))
    expected = identity_error(scene.target, scene.sources, settings).mean()
    assert on.total.item() == pytest.approx(expected.item(), rel=1e-9)


@BOTH
def test_outside_the_frame_only_the_other_source_counts(form):
    scene = scene_triplet(pole=False)
    T = scene.T_source_target.clone()
    T[:, 0, 0, 3] = 1000.0
    settings = LossSettings(mask_outside=True, automask=False, smoothness=0.0)
    disps = [disp_of_depth(scene.depth)]
    for minimum in (True, False):
        both = form.self_supervised_loss(disps, scene.target, scene.sources, scene.K, T,
                                         replace(settings, minimum=minimum))
        one = form.self_supervised_loss(disps, scene.target, scene.sources[:, 1:], scene.K, T[:, 1:],
                                        replace(settings, minimum=minimum))
        assert both.total.item() == pytest.approx(one.total.item(), rel=1e-9)


def test_the_free_scale_is_held_at_one_unit_and_shape_costs_nothing():
    settings = LOSSES["clip"]
    depth = torch.tensor([0.5, 1.0, 2.0, 4.0, 0.25]).double().view(1, 1, 1, 5)  # a geometric mean of 1
    assert scale_loss([disp_of_depth(depth)], settings).item() == pytest.approx(0, abs=1e-12)
    assert scale_loss([disp_of_depth(3 * depth), disp_of_depth(depth / 3)], settings).item() == pytest.approx(
        math.log(3) ** 2)
    one_near = torch.cat((depth, depth / 2))  # the mean is the batch's, so that images may differ
    assert scale_loss([disp_of_depth(one_near)], settings).item() == pytest.approx((math.log(2) / 2) ** 2)
