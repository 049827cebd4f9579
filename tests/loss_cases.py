"""Made-up problems for the tests of the photometric loss."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from factories import camera

from semdepth_lite import fused, losses
from semdepth_lite.camera import rigid_transform
from semdepth_lite.fused import (
    FusedReprojection,
    camera_matrices,
)
from semdepth_lite.losses import (
    LossSettings,
)

BOTH = pytest.mark.parametrize("form", [losses, fused], ids=["readable", "fused"])


def disp_of_depth(depth: torch.Tensor) -> torch.Tensor:
    """The sigmoid output that stands for a depth between 0.1 and 100."""
    return (1 / depth - 0.01) / 9.99


def reduced(image: torch.Tensor, scale: int) -> torch.Tensor:
    return F.avg_pool2d(image, 2**scale)


def four_scales(disp: torch.Tensor) -> list[torch.Tensor]:
    return [reduced(disp, scale) for scale in range(4)]


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


def compare(loss: FusedReprojection, depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """The fused photometric loss at the size of the depth map."""
    return loss(depth, camera_matrices(T, K[None], [depth.shape[-2:]])[0])
