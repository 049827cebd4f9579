"""The photometric loss of `losses.py` as one function that returns its own gradient: same mathematics, less work.

The loss of a scale is a scalar, so its gradient can be computed in the forward pass and multiplied by one number in
the backward pass. Nothing then has to be kept between the two but the gradient of the depth map and of the motion,
and one image at a time can go through buffers that fit the processor's cache. Statistics of the target and the error
of the unmoved sources do not depend on depth and are computed once for all scales that share a resolution.
"""
from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

from .camera import pixel_grid
from .warp import fold_camera

SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


def box_sum(image: torch.Tensor) -> torch.Tensor:
    """Sum 3x3 windows of (..., H, W); beyond the rim the image goes on by reflection, without being copied."""
    rows = image.clone()
    rows[..., 1:, :] += image[..., :-1, :]
    rows[..., :-1, :] += image[..., 1:, :]
    rows[..., 0, :] += image[..., 1, :]
    rows[..., -1, :] += image[..., -2, :]
    out = rows.clone()
    out[..., 1:] += rows[..., :-1]
    out[..., :-1] += rows[..., 1:]
    out[..., 0] += rows[..., 1]
    out[..., -1] += rows[..., -2]
    return out


def box_sum_adjoint(gradient: torch.Tensor) -> torch.Tensor:
    """Apply the transpose of `box_sum`: what each pixel receives from the windows it is part of."""
    columns = gradient.clone()
    columns[..., 1:] += gradient[..., :-1]
    columns[..., :-1] += gradient[..., 1:]
    columns[..., 1] += gradient[..., 0]
    columns[..., -2] += gradient[..., -1]
    out = columns.clone()
    out[..., 1:, :] += columns[..., :-1, :]
    out[..., :-1, :] += columns[..., 1:, :]
    out[..., 1, :] += columns[..., 0, :]
    out[..., -2, :] += columns[..., -1, :]
    return out


# Images are shifted by this much before their windows are summed: variances do not change, but the difference
# mean(x^2) - mean(x)^2 loses fewer digits when x is near zero.
SHIFT = 0.5


class TargetStatistics(NamedTuple):
    """What SSIM needs of the target: the shifted image and its window mean, the plain window mean, its square plus
    the first constant, and the window variance plus the second constant."""

    image: torch.Tensor
    shifted_mean: torch.Tensor
    mean: torch.Tensor
    squared: torch.Tensor
    spread: torch.Tensor


def target_statistics(target: torch.Tensor) -> TargetStatistics:
    """Compute the statistics of a shifted target (..., H, W)."""
    shifted_mean = box_sum(target).div_(9)
    spread = box_sum(target * target).div_(9).sub_(shifted_mean * shifted_mean).add_(SSIM_C2)
    mean = shifted_mean + SHIFT
    return TargetStatistics(target, shifted_mean, mean, (mean * mean).add_(SSIM_C1), spread)


class Similarity(NamedTuple):
    """SSIM of a view with the target, and its parts: S = A B / (C D), with the plain mean of the view."""

    mean: torch.Tensor
    A: torch.Tensor
    B: torch.Tensor
    CD: torch.Tensor
    D: torch.Tensor
    S: torch.Tensor


def similarity(view: torch.Tensor, target: TargetStatistics) -> Similarity:
    """Compute SSIM (S, C, H, W) of each shifted view with the target (C, H, W)."""
    mean = box_sum(view).div_(9)
    B = box_sum(view * target.image).div_(9).addcmul_(mean, target.shifted_mean, value=-1).mul_(2).add_(SSIM_C2)
    D = box_sum(view * view).div_(9).addcmul_(mean, mean, value=-1).add_(target.spread)
    mean.add_(SHIFT)
    A = (mean * target.mean).mul_(2).add_(SSIM_C1)
    CD = (mean * mean).add_(target.squared).mul_(D)
    return Similarity(mean, A, B, CD, D, (A * B).div_(CD))


def view_errors(view: torch.Tensor, target: TargetStatistics, ssim: float) -> tuple[torch.Tensor, Similarity | None]:
    """Return the photometric error (S, H, W) of views (S, C, H, W), and the similarity for the gradient."""
    error = (view - target.image).abs_().mean(-3).mul_(1 - ssim)
    if not ssim:
        return error, None
    parts = similarity(view, target)
    # (1 - S)/2, clamped: by Cauchy and Schwarz |S| <= 1 up to rounding
    error.add_((1 - parts.S).mul_(0.5).clamp_(0, 1).mean(-3), alpha=ssim)
    return error, parts


def view_gradient(weight: torch.Tensor, view: torch.Tensor, target: TargetStatistics, parts: Similarity | None,
                  ssim: float) -> torch.Tensor:
    """Return the gradient of sum(weight * error) by the views.

    With window means m = mean(x), q = mean(x^2), r = mean(x y), images shifted by c, and plain means m + c:
    dS/dm = 2 (B (my + c) - A my) / (C D) - 2 S ((m + c) / C - m / D),  dS/dq = -S / D,  dS/dr = 2 A / (C D).

    Args:
        weight: (S, H, W).
        view: (S, C, H, W).
        target: its statistics, each (C, H, W).
        parts: from `view_errors`.
        ssim: share of the SSIM term.
    """
    channels = view.shape[-3]
    weight = weight[:, None]
    gradient = (view - target.image).sign_().mul_(weight * ((1 - ssim) / channels))
    if parts is None:
        return gradient
    mean, A, B, CD, D, S = parts
    scaled = weight * (-0.5 * ssim / channels / 9)
    inverse = scaled / CD
    by_product = (A * 2).mul_(inverse)
    by_square = (S * scaled).div_(D)
    by_mean = (B * target.mean).addcmul_(A, target.shifted_mean, value=-1).addcmul_(S * D, mean, value=-1)
    by_mean.mul_(inverse).addcmul_(mean - SHIFT, by_square).mul_(2)
    gradient.add_(box_sum_adjoint(by_mean))
    gradient.sub_(box_sum_adjoint(by_square).mul_(view), alpha=2)
    return gradient.add_(box_sum_adjoint(by_product).mul_(target.image))


class Projection(NamedTuple):
    """Where target pixels lie in the sources: the rays H p (S, 3, H, W), z, and pixel positions (S, H, W)."""

    rays: torch.Tensor
    z: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor


def project_folded(depth: torch.Tensor, homography: torch.Tensor, epipole: torch.Tensor) -> Projection:
    """Project every pixel of a depth map (H, W) with folded cameras (S, 3, 3) and (S, 3)."""
    u, v = pixel_grid(*depth.shape, depth)
    h = homography[..., None, None]
    rays = h[:, :, 0] * u + (h[:, :, 1] * v + h[:, :, 2])
    x, y, z = (rays * depth).add_(epipole[..., None, None]).unbind(1)
    z = z.clamp(min=1e-7)
    return Projection(rays, z, x / z, y / z)


def projection_gradient(du: torch.Tensor, dv: torch.Tensor, depth: torch.Tensor, at: Projection
                        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry gradients (S, H, W) by pixel positions back to depth (H, W), homography (S, 3, 3) and epipole (S, 3)."""
    dx, dy = du / at.z, dv / at.z
    dz = (at.u * dx).add_(at.v * dy).neg_().mul_(at.z > 1e-7)
    points = torch.stack((dx, dy, dz), 1)
    by_depth = (points * at.rays).sum((0, 1))
    u, v = pixel_grid(*depth.shape, depth)
    lifted = points * depth
    by_homography = torch.stack(((lifted.sum(2) * u).sum(-1), (lifted.sum(3) * v[:, 0]).sum(-1),
                                 lifted.sum((2, 3))), -1)
    return by_depth, by_homography, points.sum((2, 3))


def reprojection(depth: torch.Tensor, homography: torch.Tensor, epipole: torch.Tensor, sources: torch.Tensor,
                 target: TargetStatistics, identity: torch.Tensor | None, ssim: float, minimum: bool,
                 mask_outside: bool, gradients: bool) -> tuple[torch.Tensor, ...]:
    """Return the summed photometric error of one image, and its gradients by depth, homography and epipole.

    Args:
        depth: (H, W).
        homography: (S, 3, 3).
        epipole: (S, 3).
        sources: (S, C, H, W).
        target: statistics of the target, each (C, H, W).
        identity: (H, W) error of the unmoved sources where they may win, or None.
        ssim, minimum, mask_outside: as in LossSettings.
        gradients: whether gradients are wanted.
    """
    height, width = depth.shape
    at = project_folded(depth, homography, epipole)
    grid = torch.stack((at.u * (2 / (width - 1)) - 1, at.v * (2 / (height - 1)) - 1), -1)
    view = F.grid_sample(sources, grid, mode="bilinear", padding_mode="border", align_corners=True)
    errors, parts = view_errors(view, target, ssim)
    count = errors.shape[0]
    weight = torch.full_like(errors, 1 / count)
    if mask_outside:
        valid = ((at.u >= -0.5) & (at.u <= width - 0.5) & (at.v >= -0.5) & (at.v <= height - 0.5) & (at.z > 1e-7))
        errors = errors.masked_fill_(~valid, torch.inf) if minimum else errors.mul_(valid)
        weight = valid.to(depth.dtype) / valid.sum(0).clamp(min=1)
    if minimum:
        error, winner = errors.min(0)
        weight = (torch.arange(count, device=depth.device)[:, None, None] == winner).to(depth.dtype)
        lost = torch.isinf(error)
    else:
        error = (errors * weight).sum(0) if not mask_outside else errors.sum(0) / valid.sum(0).clamp(min=1)
        lost = ~valid.any(0) if mask_outside else torch.zeros_like(error, dtype=torch.bool)
    if identity is not None:
        lost = lost | (error >= identity)
        error = torch.where(lost, identity, error)
    else:
        error = error.masked_fill(lost, 0)
    total = error.sum()
    if not gradients:
        return (total,)
    weight = weight.masked_fill_(lost, 0)
    by_view = view_gradient(weight, view, target, parts, ssim)
    _, by_grid = torch.ops.aten.grid_sampler_2d_backward(by_view, sources, grid, 0, 1, True, [False, True])
    return total, *projection_gradient(by_grid[..., 0] * (2 / (width - 1)), by_grid[..., 1] * (2 / (height - 1)),
                                       depth, at)


class _Reprojection(torch.autograd.Function):
    """The mean error of a batch; its gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx, depth, homography, epipole, prepared):
        wanted = any(ctx.needs_input_grad)
        rows = [reprojection(depth[i], homography[i], epipole[i], *prepared.item(i), gradients=wanted)
                for i in range(depth.shape[0])]
        scale = 1 / depth.numel()
        total, *gradients = (torch.stack(parts) * scale for parts in zip(*rows))
        ctx.save_for_backward(*gradients)
        return total.sum()

    @staticmethod
    def backward(ctx, upstream):
        return *(gradient * upstream for gradient in ctx.saved_tensors), None


class FusedReprojection:
    """The photometric loss at one resolution: made once for a batch, called for each scale compared there.

    Args:
        target: (B, C, H, W).
        sources: (B, S, C, H, W).
        ssim, minimum, automask, mask_outside: as in LossSettings.
    """

    def __init__(self, target: torch.Tensor, sources: torch.Tensor, ssim: float, minimum: bool, automask: bool,
                 mask_outside: bool) -> None:
        self.sources = sources - SHIFT
        self.statistics = [target_statistics(image) for image in target - SHIFT]
        self.switches = ssim, minimum, mask_outside
        self.identity: list[torch.Tensor | None] = [None] * len(target)
        if automask:
            errors = [view_errors(views, image, ssim)[0] for views, image in zip(self.sources, self.statistics)]
            self.identity = [error.amin(0) if minimum else error.mean(0) for error in errors]

    def item(self, i: int) -> tuple:
        """Return what `reprojection` takes of item i, after the geometry."""
        return self.sources[i], self.statistics[i], self.identity[i], *self.switches

    def __call__(self, depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        """Return the mean photometric loss, differentiable by depth (B, 1, H, W) and motion (B, S, 4, 4)."""
        batch, count = T_source_target.shape[:2]
        homography, epipole = fold_camera(T_source_target.flatten(0, 1), K.repeat_interleave(count, 0))
        return _Reprojection.apply(depth[:, 0], homography.view(batch, count, 3, 3), epipole.view(batch, count, 3),
                                   self)
