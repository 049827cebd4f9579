"""The photometric loss: Monodepth2's figures, loops, the fused form against the readable one, laws and gradients."""
from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from factories import camera, golden, poses, scene_triplet
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from semdepth_lite import fused, losses
from semdepth_lite.camera import flip_intrinsics, flip_transform, invert_transform, rigid_transform
from semdepth_lite.common.box_sums import box_sum, box_sum_adjoint
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.augmentation import flip
from semdepth_lite.fused import (
    FusedReprojection,
    camera_matrices,
    fold_camera,
    fused_smoothness,
)
from semdepth_lite.losses import (
    LOSSES,
    LossSettings,
    automask,
    combine_sources,
    edge_weights,
    identity_error,
    normalize_disp,
    photometric_error,
    pyramid,
    reprojection_error,
    reprojection_loss,
    smoothness_loss,
    ssim_distance,
    supervised_loss,
)

BOTH = pytest.mark.parametrize("form", [losses, fused], ids=["readable", "fused"])
SWITCHES = ("full_resolution", "gray", "minimum", "automask", "mask_outside")


def disp_of_depth(depth: torch.Tensor) -> torch.Tensor:
    """The sigmoid output that stands for a depth between 0.1 and 100."""
    return (1 / depth - 0.01) / 9.99


def reduced(image: torch.Tensor, scale: int) -> torch.Tensor:
    return F.avg_pool2d(image, 2**scale)


def four_scales(disp: torch.Tensor) -> list[torch.Tensor]:
    return [reduced(disp, scale) for scale in range(4)]


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


# Golden figures

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


# SSIM and L1

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


# Sources and masks

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


# Fused and readable

def random_problem(batch: int, sources: int, height: int = 32, width: int = 32, seed: int = 0):
    """Smooth random frames, disparities and motions in float64 that reach outside the frame and behind the camera."""
    generator = torch.Generator().manual_seed(seed)

    def smooth(count, channels, h, w):
        coarse = torch.rand(count, channels, h // 4, w // 4, generator=generator, dtype=torch.float64)
        return F.interpolate(coarse, (h, w), mode="bicubic").clamp(0, 1)

    views = smooth(batch * sources, 3, height, width).view(batch, sources, 3, height, width)
    disps = [0.02 + 0.5 * torch.rand(batch, 1, height >> s, width >> s, generator=generator, dtype=torch.float64)
             for s in range(4)]
    axis_angle = 0.1 * torch.randn(batch * sources, 3, generator=generator, dtype=torch.float64)
    translation = 0.2 * torch.randn(batch * sources, 3, generator=generator, dtype=torch.float64)
    translation[-1, 2] = -0.5
    K = camera(height, width).expand(batch, 3, 3)
    return smooth(batch, 3, height, width), views, K, disps, axis_angle, translation


def evaluate(problem, settings: LossSettings, form) -> tuple[torch.Tensor, list[torch.Tensor]]:
    target, views, K, disps, axis_angle, translation = problem
    leaves = [leaf.clone().requires_grad_() for leaf in (*disps, axis_angle, translation)]
    T = rigid_transform(*leaves[4:]).view(*views.shape[:2], 4, 4)
    terms = form.self_supervised_loss(leaves[:4], target, views, K, T, settings)
    terms.total.backward()
    return terms.total.detach(), [leaf.grad for leaf in leaves]


def assert_forms_agree(problem, settings: LossSettings) -> None:
    (slow, slow_grads), (fast, fast_grads) = (evaluate(problem, settings, form) for form in (losses, fused))
    assert abs(slow - fast) < 1e-10
    for a, b in zip(slow_grads, fast_grads):
        assert a.abs().max() > 0
        assert (a - b).abs().max() < 1e-10 * max(1, a.abs().max())


@pytest.mark.parametrize("ssim", [0.85, 0.0])
@pytest.mark.parametrize("on", list(product([True, False], repeat=len(SWITCHES))),
                         ids=lambda on: "".join("01"[switch] for switch in on))
def test_fused_equals_readable_for_every_switch(on, ssim):
    assert_forms_agree(random_problem(2, 2), LossSettings(**dict(zip(SWITCHES, on)), ssim=ssim))


@pytest.mark.parametrize("batch, sources", [(1, 1), (1, 3), (3, 2)])
@pytest.mark.parametrize("name", LOSSES)
def test_fused_equals_readable_for_other_sizes(batch, sources, name):
    assert_forms_agree(random_problem(batch, sources, 64, 32, seed=batch), LOSSES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("chunk", [1, 2 * 2 * 3 * 32 * 32, 10**9])
def test_the_batch_may_go_through_in_chunks(monkeypatch, name, chunk):
    monkeypatch.setattr(FusedReprojection, "CHUNK", chunk)
    problem = random_problem(3, 2)
    assert_forms_agree(problem, LOSSES[name])
    images = problem[0], problem[1]
    sizes = [part.stop - part.start for part, _ in FusedReprojection(*images, LossSettings()).chunks]
    assert sizes[0] == {1: 1, 10**9: 10**9 // (2 * 3 * 32 * 32)}.get(chunk, 2)


def test_the_fused_loss_without_gradients_is_the_same_number():
    problem = random_problem(2, 2)
    target, views, K, disps, axis_angle, translation = problem
    T = rigid_transform(axis_angle, translation).view(2, 2, 4, 4)
    with torch.no_grad():
        quiet = fused.self_supervised_loss(disps, target, views, K, T).total
    assert not quiet.requires_grad
    assert torch.allclose(quiet, evaluate(problem, LossSettings(), fused)[0], atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("broken", ["depth", "motion"])
def test_what_is_no_number_shows_in_the_loss_and_in_its_gradient(name, broken):
    """torch reads some pixel at such a position, and its backward pass ends the process."""
    problem = random_problem(2, 2)
    if broken == "depth":
        problem[3][0][1, 0, 5, 6] = torch.nan
    else:
        problem[5][0, 0] = torch.nan
    total, gradients = evaluate(problem, LOSSES[name], fused)
    assert total.isnan() and any(gradient.isnan().any() for gradient in gradients)


def compare(loss: FusedReprojection, depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """The fused photometric loss at the size of the depth map."""
    return loss(depth, camera_matrices(T, K[None], [depth.shape[-2:]])[0])


@pytest.mark.slow
@pytest.mark.parametrize("ssim", [0.85, 0.0])
@pytest.mark.parametrize("minimum, masked, mask_outside", list(product([True, False], repeat=3)))
def test_gradient_of_the_fused_loss(ssim, minimum, masked, mask_outside):
    generator = torch.Generator().manual_seed(5)
    target = torch.rand(1, 2, 4, 5, generator=generator, dtype=torch.float64)
    views = torch.rand(1, 2, 2, 4, 5, generator=generator, dtype=torch.float64)
    depth = (3 + torch.rand(1, 1, 4, 5, generator=generator, dtype=torch.float64)).requires_grad_()
    axis_angle = (0.05 * torch.randn(2, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    translation = (0.3 * torch.randn(2, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    settings = LossSettings(ssim=ssim, minimum=minimum, automask=masked, mask_outside=mask_outside)
    loss, K = FusedReprojection(target, views, settings), camera(4, 5)
    assert gradcheck(lambda d, a, t: 3 * compare(loss, d, rigid_transform(a, t).view(1, 2, 4, 4), K),
                     (depth, axis_angle, translation))


def test_a_second_derivative_is_refused_and_not_wrong():
    problem = random_problem(1, 2)
    target, views, K, disps, axis_angle, translation = problem
    T = rigid_transform(axis_angle, translation).view(1, 2, 4, 4)
    disps[0].requires_grad_()
    torch.autograd.grad(losses.self_supervised_loss(disps, target, views, K, T).total, disps[0], create_graph=True)
    total = fused.self_supervised_loss(disps, target, views, K, T).total
    with pytest.raises(InputError, match="no second derivative; take losses.self_supervised_loss"):
        torch.autograd.grad(total, disps[0], create_graph=True)


def test_the_readable_loss_has_a_gradient_by_the_images_and_the_fused_one_names_it():
    """An exposure may be learned: the derivative of the loss by a gain of the sources, against finite differences."""
    target, views, K, disps, axis_angle, translation = random_problem(1, 2)
    T = rigid_transform(axis_angle, translation).view(1, 2, 4, 4)

    def loss(gain: torch.Tensor, form=losses) -> torch.Tensor:
        return form.self_supervised_loss(disps, target, gain * views, K, T).total

    assert gradcheck(loss, torch.tensor(0.9, dtype=torch.float64, requires_grad=True))
    with pytest.raises(InputError, match="no gradient by the images; take losses.self_supervised_loss"):
        loss(torch.tensor(0.9, dtype=torch.float64, requires_grad=True), fused)
    with torch.no_grad():
        loss(torch.tensor(0.9, dtype=torch.float64, requires_grad=True), fused)


def test_the_folded_camera_is_homography_and_epipole():
    T, K = poses(3, 2)[1:], camera(32, 48).expand(2, 3, 3)
    homography, epipole = fold_camera(T, K)
    point = torch.tensor([7.0, 9.0, 1.0], dtype=torch.float64)
    for b in range(2):
        ray = torch.linalg.solve(K[b], point)
        infinite = K[b] @ (T[b, :3, :3] @ ray)
        assert torch.allclose(homography[b] @ point, infinite, atol=1e-10)
        assert torch.allclose(epipole[b], K[b] @ T[b, :3, 3], atol=1e-10)


# Laws of the whole loss

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


# Smoothness

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


# Settings, shapes, supervision

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


def test_as_many_motions_as_sources_are_wanted():
    scene = scene_triplet()
    with pytest.raises(InputError, match="T_source_target has shape"):
        reprojection_error(scene.depth, scene.T_source_target[:, :1], scene.K, scene.target, scene.sources,
                           LossSettings())
