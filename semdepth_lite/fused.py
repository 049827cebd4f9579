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
    """Compute the statistics of shifted targets (N, 1, C, H, W)."""
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
    """Compute SSIM (N, S, C, H, W) of each shifted view with its target (N, 1, C, H, W)."""
    mean = box_sum(view).div_(9)
    B = box_sum(view * target.image).div_(9).addcmul_(mean, target.shifted_mean, value=-1).mul_(2).add_(SSIM_C2)
    D = box_sum(view * view).div_(9).addcmul_(mean, mean, value=-1).add_(target.spread)
    mean.add_(SHIFT)
    A = (mean * target.mean).mul_(2).add_(SSIM_C1)
    CD = (mean * mean).add_(target.squared).mul_(D)
    return Similarity(mean, A, B, CD, D, (A * B).div_(CD))


def view_errors(view: torch.Tensor, target: TargetStatistics, ssim: float) -> tuple[torch.Tensor, Similarity | None]:
    """Return the photometric error (N, S, H, W) of views (N, S, C, H, W), and the similarity for the gradient."""
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
        weight: (N, S, H, W).
        view: (N, S, C, H, W).
        target: its statistics, each (N, 1, C, H, W).
        parts: from `view_errors`.
        ssim: share of the SSIM term.
    """
    channels = view.shape[-3]
    weight = weight[:, :, None]
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
    """Where target pixels lie in the sources: the rays H p (N, S, 3, H, W), z, and pixel positions (N, S, H, W)."""

    rays: torch.Tensor
    z: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor


def project_folded(depth: torch.Tensor, homography: torch.Tensor, epipole: torch.Tensor) -> Projection:
    """Project every pixel of depth maps (N, H, W) with folded cameras (N, S, 3, 3) and (N, S, 3)."""
    u, v = pixel_grid(*depth.shape[-2:], depth)
    h = homography[..., None, None]
    rays = h[:, :, :, 0] * u + (h[:, :, :, 1] * v + h[:, :, :, 2])
    x, y, z = (rays * depth[:, None, None]).add_(epipole[..., None, None]).unbind(2)
    z = z.clamp(min=1e-7)
    return Projection(rays, z, x / z, y / z)


def projection_gradient(du: torch.Tensor, dv: torch.Tensor, depth: torch.Tensor, at: Projection
                        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry gradients (N, S, H, W) by pixel position back to depth, homography and epipole."""
    dx, dy = du / at.z, dv / at.z
    dz = (at.u * dx).add_(at.v * dy).neg_().mul_(at.z > 1e-7)
    points = torch.stack((dx, dy, dz), 2)
    by_depth = (points * at.rays).sum((1, 2))
    u, v = pixel_grid(*depth.shape[-2:], depth)
    lifted = points * depth[:, None, None]
    columns, rows = lifted.sum(-2), lifted.sum(-1)
    by_homography = torch.stack(((columns * u[0]).sum(-1), (rows * v[:, 0]).sum(-1), rows.sum(-1)), -1)
    return by_depth, by_homography, points.sum((-1, -2))


def inside_source(at: Projection, height: int, width: int) -> torch.Tensor:
    """Mark the samples (N, S, H, W) that lie inside their frame and in front of the camera."""
    return ((at.u >= -0.5) & (at.u <= width - 0.5) & (at.v >= -0.5) & (at.v <= height - 0.5) & (at.z > 1e-7))


def join_sources(errors: torch.Tensor, valid: torch.Tensor | None, minimum: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Join the errors (N, S, H, W) to one, and return it with each source's share in it.

    The error is infinite where no source is valid.
    """
    count = errors.shape[1]
    if minimum:
        if valid is not None:
            errors = errors.masked_fill(~valid, torch.inf)
        error, winner = errors.min(1)
        order = torch.arange(count, device=errors.device)[:, None, None]
        return error, (order == winner[:, None]).to(errors.dtype)
    if valid is None:
        return errors.mean(1), torch.full_like(errors, 1 / count)
    share = valid.to(errors.dtype) / valid.sum(1, keepdim=True).clamp(min=1)
    return (errors * share).sum(1).masked_fill(~valid.any(1), torch.inf), share


class Prepared(NamedTuple):
    """What does not depend on depth: shifted sources (N, S, C, H, W), target statistics, and the error (N, H, W) of
    the unmoved sources where they may win, or None."""

    sources: torch.Tensor
    target: TargetStatistics
    identity: torch.Tensor | None


def reprojection(depth: torch.Tensor, homography: torch.Tensor, epipole: torch.Tensor, images: Prepared, ssim: float,
                 minimum: bool, mask_outside: bool, gradients: bool) -> tuple[torch.Tensor, ...]:
    """Return the summed photometric error of some images, and its gradients by depth, homography and epipole.

    Args:
        depth: (N, H, W).
        homography: (N, S, 3, 3).
        epipole: (N, S, 3).
        images: what was prepared for them.
        ssim, minimum, mask_outside: as in LossSettings.
        gradients: whether gradients are wanted.
    """
    height, width = depth.shape[-2:]
    at = project_folded(depth, homography, epipole)
    grid = torch.stack((at.u * (2 / (width - 1)) - 1, at.v * (2 / (height - 1)) - 1), -1).flatten(0, 1)
    sources = images.sources.flatten(0, 1)
    view = F.grid_sample(sources, grid, mode="bilinear", padding_mode="border", align_corners=True)
    view = view.view_as(images.sources)
    errors, parts = view_errors(view, images.target, ssim)
    error, share = join_sources(errors, inside_source(at, height, width) if mask_outside else None, minimum)
    floor = images.identity if images.identity is not None else torch.zeros_like(error)
    lost = torch.isinf(error) if images.identity is None else error >= floor
    total = torch.where(lost, floor, error).sum()
    if not gradients:
        return (total,)
    by_view = view_gradient(share.masked_fill_(lost[:, None], 0), view, images.target, parts, ssim).flatten(0, 1)
    _, by_grid = torch.ops.aten.grid_sampler_2d_backward(by_view, sources, grid, 0, 1, True, [False, True])
    du, dv = (by_grid * by_grid.new_tensor((2 / (width - 1), 2 / (height - 1)))).view(*errors.shape, 2).unbind(-1)
    return total, *projection_gradient(du, dv, depth, at)


class _Reprojection(torch.autograd.Function):
    """The mean error of a batch; its gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx, depth, homography, epipole, prepared):
        wanted = any(ctx.needs_input_grad)
        rows = [reprojection(depth[part], homography[part], epipole[part], images, *prepared.switches, wanted)
                for part, images in prepared.chunks]
        scale = 1 / depth.numel()
        total, *gradients = zip(*rows)
        ctx.save_for_backward(*(torch.cat(parts).mul_(scale) for parts in gradients))
        return torch.stack(total).sum() * scale

    @staticmethod
    def backward(ctx, upstream):
        return *(gradient * upstream for gradient in ctx.saved_tensors), None


class FusedReprojection:
    """The photometric loss at one resolution: made once for a batch, called for each scale compared there.

    On a CPU the batch goes through in chunks whose buffers stay in the cache; elsewhere in one.

    Args:
        target: (B, C, H, W).
        sources: (B, S, C, H, W).
        ssim, minimum, automask, mask_outside: as in LossSettings.
    """

    CHUNK = 500_000  # numbers in one (N, S, C, H, W) buffer on a CPU

    def __init__(self, target: torch.Tensor, sources: torch.Tensor, ssim: float, minimum: bool, automask: bool,
                 mask_outside: bool) -> None:
        self.switches = ssim, minimum, mask_outside
        size = max(1, self.CHUNK // sources[0].numel()) if target.device.type == "cpu" else len(target)
        self.chunks: list[tuple[slice, Prepared]] = []
        for start in range(0, len(target), size):
            part = slice(start, start + size)
            statistics = target_statistics(target[part, None] - SHIFT)
            views, identity = sources[part] - SHIFT, None
            if automask:
                identity, _ = join_sources(view_errors(views, statistics, ssim)[0], None, minimum)
            self.chunks.append((part, Prepared(views, statistics, identity)))

    def __call__(self, depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        """Return the mean photometric loss, differentiable by depth (B, 1, H, W) and motion (B, S, 4, 4)."""
        batch, count = T_source_target.shape[:2]
        homography, epipole = fold_camera(T_source_target.flatten(0, 1), K.repeat_interleave(count, 0))
        return _Reprojection.apply(depth[:, 0], homography.view(batch, count, 3, 3), epipole.view(batch, count, 3),
                                   self)
