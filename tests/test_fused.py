"""The fused form of the loss against the readable one, for every switch and every size, and its gradients."""
from __future__ import annotations

from itertools import product

import pytest
import torch
from factories import camera, poses
from loss_cases import assert_forms_agree, compare, evaluate, random_problem
from torch.autograd import gradcheck

from semdepth_lite import fused, losses
from semdepth_lite.camera import rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.fused import (
    FusedReprojection,
    fold_camera,
)
from semdepth_lite.losses import (
    LOSSES,
    LossSettings,
)

SWITCHES = ("full_resolution", "gray", "minimum", "automask", "mask_outside")


@pytest.mark.slow
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
