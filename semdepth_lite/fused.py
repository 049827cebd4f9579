"""The photometric loss of `losses.py` as one function that returns its own gradient: same mathematics, less work.

The loss of a scale is a scalar, so its gradient can be computed in the forward pass and multiplied by one number in
the backward pass. Nothing then has to be kept between the two but the gradient of the depth map and of the motion,
and one image at a time can go through buffers that fit the processor's cache. Statistics of the target and the error
of the unmoved sources do not depend on depth and are computed once for all scales that share a resolution. Smoothness
is written the same way.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .camera import disp_to_depth, invert_intrinsics, pixel_grid, resize_intrinsics
from .common.box_sums import box_sum, box_sum_adjoint
from .common.contracts import InputError
from .common.precision import at_least_float32
from .losses import SSIM_C1, SSIM_C2, LossSettings, LossTerms, check_loss_inputs, pyramid, resized_disp

BEHIND = 1e-7  # the smallest z; points behind the camera are set to it

# Images are shifted by this much before their windows are summed: variances do not change, but the difference
# mean(x^2) - mean(x)^2 loses fewer digits when x is near zero.
SHIFT = 0.5


class TargetStatistics(NamedTuple):
    """What SSIM needs of the target: the shifted image and its window mean, the plain window mean, its square plus
    the first constant, and the window variance plus the second constant.
    """

    image: torch.Tensor
    shifted_mean: torch.Tensor
    mean: torch.Tensor
    squared: torch.Tensor
    spread: torch.Tensor


def target_statistics(target: torch.Tensor) -> TargetStatistics:
    """Compute the statistics of shifted targets (N, 1, C, H, W)."""
    shifted_mean, spread = box_sum(torch.stack((target, target * target))).div_(9)
    spread.sub_(shifted_mean * shifted_mean).add_(SSIM_C2)
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
    products = view.new_empty(3, *view.shape)
    products[0] = view
    torch.mul(view, target.image, out=products[1])
    torch.mul(view, view, out=products[2])
    mean, B, D = box_sum(products).div_(9)
    B.addcmul_(mean, target.shifted_mean, value=-1).mul_(2).add_(SSIM_C2)
    D.addcmul_(mean, mean, value=-1).add_(target.spread)
    mean.add_(SHIFT)
    A = (mean * target.mean).mul_(2).add_(SSIM_C1)
    CD = (mean * mean).add_(target.squared).mul_(D)
    return Similarity(mean, A, B, CD, D, (A * B).div_(CD))


def channel_mean(image: torch.Tensor) -> torch.Tensor:
    """Average (..., C, H, W) over the channels; one channel is its own mean, and need not be copied."""
    return image.mean(-3) if image.shape[-3] > 1 else image.squeeze(-3)


def view_errors(view: torch.Tensor, target: TargetStatistics, ssim: float) -> tuple[torch.Tensor, Similarity | None]:
    """Return the photometric error (N, S, H, W) of views (N, S, C, H, W), and the similarity for the gradient."""
    error = channel_mean((view - target.image).abs_()).mul_(1 - ssim)
    if not ssim:
        return error, None
    parts = similarity(view, target)
    # (1 - S)/2, clamped: by Cauchy and Schwarz |S| <= 1 up to rounding
    error.add_(channel_mean((1 - parts.S).mul_(0.5).clamp_(0, 1)), alpha=ssim)
    return error, parts


def view_gradient(weight: torch.Tensor, view: torch.Tensor, target: TargetStatistics, parts: Similarity | None,
                  ssim: float) -> torch.Tensor:
    """Return the gradient of sum(weight * error) by the views.

    With window means m = mean(x), q = mean(x^2), r = mean(x y), images shifted by c, and plain means m + c:
    dS/dm = 2 (B (my + c) - A my) / (C D) - 2 S ((m + c) / C - m / D),  dS/dq = -S / D,  dS/dr = 2 A / (C D).

    Args:
        weight: (N, S, H, W) weights of the errors.
        view: (N, S, C, H, W) shifted views.
        target: Statistics of the targets, each (N, 1, C, H, W).
        parts: Parts of SSIM, from `view_errors`.
        ssim: Share of the SSIM term.
    """
    channels = view.shape[-3]
    weight = weight[:, :, None]
    gradient = (view - target.image).sign_().mul_(weight * ((1 - ssim) / channels))
    if parts is None:
        return gradient
    mean, A, B, CD, D, S = parts
    scaled = weight * (-0.5 * ssim / channels / 9)
    inverse = scaled / CD
    by_window = view.new_empty(3, *view.shape)
    by_mean, by_square, by_product = by_window
    torch.mul(A, inverse, out=by_product).mul_(2)
    torch.mul(S, scaled, out=by_square).div_(D)
    torch.mul(B, target.mean, out=by_mean).addcmul_(A, target.shifted_mean, value=-1).addcmul_(S * D, mean, value=-1)
    by_mean.mul_(inverse).addcmul_(mean - SHIFT, by_square).mul_(2)
    by_mean, by_square, by_product = box_sum_adjoint(by_window)
    gradient.add_(by_mean).addcmul_(by_square, view, value=-2)
    return gradient.addcmul_(by_product, target.image)


def fold_camera(T_source_target: torch.Tensor, K: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Fold motions (..., 4, 4) and intrinsics (..., 3, 3): the homography at infinity K R K^-1 and the epipole K t."""
    homography = K @ T_source_target[..., :3, :3] @ invert_intrinsics(K)
    epipole = (K @ T_source_target[..., :3, 3:])[..., 0]
    return homography, epipole


def camera_matrices(T_source_target: torch.Tensor, K: torch.Tensor, sizes: Sequence[Sequence[int]]) -> torch.Tensor:
    """Fold intrinsics, motion and the sampling grid's scale into one 3x4 matrix for each size, image and source.

    With A = K R K^-1 and e = K t, (x, y, z) = [A | e] (d u, d v, d, 1) is the pixel in the source times its z. The grid
    runs from -1 to 1 between the outer pixel centers, so x and y are scaled by 2 / (W - 1) and 2 / (H - 1).

    Args:
        T_source_target: (B, S, 4, 4).
        K: (L, B, 3, 3) intrinsics of every size, pixels.
        sizes: L heights and widths.

    Returns:
        (L, B, S, 3, 4).
    """
    homography, epipole = fold_camera(T_source_target, K[:, :, None])
    scale = torch.tensor([(2 / (width - 1), 2 / (height - 1), 1) for height, width in sizes], dtype=K.dtype)
    scale = scale.to(K.device, non_blocking=True)[:, None, None, :, None]
    return torch.cat((homography, epipole[..., None]), -1) * scale


def lift(depth: torch.Tensor) -> torch.Tensor:
    """Return (d u, d v, d, 1) of every pixel of depth maps (N, H, W), as (N, 4, H W)."""
    u, v = pixel_grid(depth.shape[-2], depth.shape[-1], depth)
    return torch.stack((depth * u, depth * v, depth, torch.ones_like(depth)), 1).flatten(2)


def locate(camera: torch.Tensor, lifted: torch.Tensor, shape: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Find every pixel in every source: places (N, S, 2, H, W) from 0 to 2, and z (N, S, H, W), held above zero."""
    points = (camera.flatten(1, 2) @ lifted).unflatten(1, (-1, 3)).unflatten(-1, shape)
    z = points[:, :, 2].clamp(min=BEHIND)
    return points[:, :, :2] / z[:, :, None], z


def location_gradient(by_places: torch.Tensor, places: torch.Tensor, z: torch.Tensor, camera: torch.Tensor,
                      lifted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Carry the gradient by the places (N, S, 2, H, W) back to depth (N, H, W) and camera (N, S, 3, 4)."""
    points = torch.empty(*z.shape[:2], 3, *z.shape[2:], dtype=z.dtype, device=z.device)
    torch.div(by_places, z[:, :, None], out=points[:, :, :2])
    torch.mul(places[:, :, 0], points[:, :, 0], out=points[:, :, 2])
    points[:, :, 2].addcmul_(places[:, :, 1], points[:, :, 1]).mul_(z.clone().gt_(BEHIND)).neg_()
    points = points.flatten(1, 2).flatten(2)                                    # (N, 3 S, H W)
    by_camera = (points @ lifted.transpose(1, 2)).unflatten(1, (-1, 3))
    by_u, by_v, by_one = (camera.flatten(1, 2)[..., :3].transpose(1, 2) @ points).unflatten(-1, z.shape[2:]).unbind(1)
    u, v = pixel_grid(z.shape[2], z.shape[3], z)
    return (by_u * u).addcmul_(by_v, v).add_(by_one), by_camera


def inside_source(grid: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Mark the samples (N, S, H, W) that lie inside their frame, half-pixel rims included, and before the camera.

    The marks are 1 and 0 in the type of z, like all masks here: on a CPU comparisons into bool take several times as
    long, and so does filling by them.

    Args:
        grid: (N, S, 2, H, W), from -1 to 1 between the outer pixel centers.
        z: (N, S, H, W).
    """
    height, width = z.shape[-2:]
    off = grid.abs()
    inside = off[:, :, 0].le_(1 + 1 / (width - 1)).mul_(off[:, :, 1].le_(1 + 1 / (height - 1)))
    return inside.mul_(z.clone().gt_(BEHIND))


def join_sources(errors: torch.Tensor, valid: torch.Tensor | None, minimum: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Join the errors (N, S, H, W) to one, and return it with each source's share in it.

    The error is infinite where no source is valid.
    """
    if minimum:
        if valid is not None:
            errors = errors + valid.to(errors.dtype).reciprocal().sub_(1)  # infinite where invalid
        error = errors.amin(1)
        best = errors.clone().eq_(error[:, None])
        return error, best.div_(best.sum(1, keepdim=True))
    if valid is None:
        return errors.mean(1), torch.full_like(errors, 1 / errors.shape[1])
    count = valid.sum(1)
    share = valid / count.clamp(min=1)[:, None]
    return (errors * share).sum(1).masked_fill_(count == 0, torch.inf), share


def refuse_second_derivative() -> None:
    """Refuse to be differentiated once more: a gradient made in the forward pass is a constant afterwards.

    Raises:
        InputError: if a graph of the backward pass is asked for.
    """
    if torch.is_grad_enabled():
        raise InputError("the fused loss has no second derivative; take losses.self_supervised_loss, which has.")


class _Smoothness(torch.autograd.Function):
    """`smoothness_loss` of disparities divided by their means; its gradient is made in the forward pass.

    With L = sum w |differences of d| and m = mean(d): d(L / m)/dd = (dL/dd - L / (m N)) / m, N pixels.
    """

    @staticmethod
    def forward(ctx, disp, image):
        mean, pixels = disp.mean((2, 3), keepdim=True) + 1e-7, disp[0].numel()
        total, gradient = torch.zeros_like(mean), torch.zeros_like(disp)
        for dim in (2, 3):
            size = disp.shape[dim] - 1
            steps = [x.narrow(dim, 1, size) - x.narrow(dim, 0, size) for x in (disp, image)]
            weight = channel_mean(steps[1].abs_()).neg_().exp_()[:, None].div_(steps[0].numel())
            signed = torch.sign(steps[0]).mul_(weight)
            total += steps[0].mul_(signed).sum((2, 3), keepdim=True)
            gradient.narrow(dim, 1, size).add_(signed)
            gradient.narrow(dim, 0, size).sub_(signed)
        total /= mean
        ctx.save_for_backward(gradient.sub_(total / pixels).div_(mean))
        return total.sum()

    @staticmethod
    def backward(ctx, upstream):
        refuse_second_derivative()
        gradient, = ctx.saved_tensors
        return gradient * upstream, None


fused_smoothness = _Smoothness.apply  # (B, 1, H, W) disparities, (B, C, H, W) images


class Prepared(NamedTuple):
    """What does not depend on depth: shifted sources (N, S, C, H, W), target statistics, and the error (N, H, W) of
    the unmoved sources where they may win, or None.
    """

    sources: torch.Tensor
    target: TargetStatistics
    identity: torch.Tensor | None


def reprojection(depth: torch.Tensor, camera: torch.Tensor, images: Prepared, settings: LossSettings,
                 gradients: bool) -> tuple[torch.Tensor, ...]:
    """Return the summed photometric error of some images, and if wanted its gradients by depth and camera.

    Args:
        depth: (N, H, W).
        camera: (N, S, 3, 4), see `camera_matrices`.
        images: Prepared images and statistics.
        settings: Switches; `ssim`, `minimum`, `automask_margin` and `mask_outside` are used.
        gradients: Whether gradients are wanted.
    """
    lifted = lift(depth)
    places, z = locate(camera, lifted, depth.shape[-2:])
    sources, grid = images.sources.flatten(0, 1), places - 1
    pairs = grid.flatten(0, 1).movedim(1, -1)
    view = F.grid_sample(sources, pairs, mode="bilinear", padding_mode="border", align_corners=True)
    view = view.view_as(images.sources)
    errors, parts = view_errors(view, images.target, settings.ssim)
    error, share = join_sources(errors, inside_source(grid, z) if settings.mask_outside else None, settings.minimum)
    unmoved = images.identity if images.identity is not None else torch.zeros_like(error)
    lost = torch.isinf(error) if images.identity is None else error >= unmoved + settings.automask_margin
    # At a nan position torch reads some pixel, so that nothing would show, and its backward pass crashes on a CPU.
    trace = places.sum()
    total = torch.where(lost, unmoved, error).sum() + 0 * trace
    if not gradients:
        return (total,)
    if depth.device.type == "cpu" and not math.isfinite(trace):
        return total, torch.full_like(depth, torch.nan), torch.full_like(camera, torch.nan)
    share = share.mul_(~lost[:, None])
    by_view = view_gradient(share, view, images.target, parts, settings.ssim).flatten(0, 1)
    _, by_pairs = torch.ops.aten.grid_sampler_2d_backward(by_view, sources, pairs, 0, 1, True, [False, True])
    by_places = by_pairs.movedim(-1, 1).contiguous().view_as(places)
    return total, *location_gradient(by_places, places, z, camera, lifted)


class _Reprojection(torch.autograd.Function):
    """The mean error of a batch; its gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx, depth, camera, prepared):
        wanted = any(ctx.needs_input_grad)
        rows = [reprojection(depth[part], camera[part], images, prepared.settings, wanted)
                for part, images in prepared.chunks]
        scale = 1 / depth.numel()
        total, *gradients = zip(*rows)
        ctx.save_for_backward(*(torch.cat(parts).mul_(scale) for parts in gradients))
        return torch.stack(total).sum() * scale

    @staticmethod
    def backward(ctx, upstream):
        refuse_second_derivative()
        return *(gradient * upstream for gradient in ctx.saved_tensors), None


class FusedReprojection:
    """The photometric loss at one resolution: made once for a batch, called for each scale compared there.

    On a CPU the batch goes through in chunks whose buffers stay in the cache; elsewhere in one.

    Args:
        target: (B, C, H, W).
        sources: (B, S, C, H, W).
        settings: Switches; `ssim`, `minimum`, `automask`, `automask_margin` and `mask_outside` are used.
    """

    CHUNK = 500_000  # numbers in one (N, S, C, H, W) buffer on a CPU

    def __init__(self, target: torch.Tensor, sources: torch.Tensor, settings: LossSettings) -> None:
        self.settings = settings
        size = max(1, self.CHUNK // sources[0].numel()) if target.device.type == "cpu" else len(target)
        self.chunks: list[tuple[slice, Prepared]] = []
        for start in range(0, len(target), size):
            part = slice(start, start + size)
            statistics = target_statistics(target[part, None] - SHIFT)
            views, identity = sources[part] - SHIFT, None
            if settings.automask:
                errors, _ = view_errors(views, statistics, settings.ssim)
                identity, _ = join_sources(errors, None, settings.minimum)
            self.chunks.append((part, Prepared(views, statistics, identity)))

    def __call__(self, depth: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
        """Return the mean photometric loss, differentiable by depth (B, 1, H, W) and `camera_matrices` (B, S, 3, 4)."""
        return _Reprojection.apply(depth[:, 0], camera, self)


def self_supervised_loss(disps: list[torch.Tensor], target: torch.Tensor, sources: torch.Tensor, K: torch.Tensor,
                         T_source_target: torch.Tensor, settings: LossSettings = LossSettings()) -> LossTerms:
    """Return what `losses.self_supervised_loss` returns, faster, and without a gradient by the images.

    Args and Returns are those of that function.

    Raises:
        InputError: if a shape differs, the image is too small for so many scales, or an image asks for its gradient.
    """
    check_loss_inputs(disps, target, sources, K, T_source_target)
    if torch.is_grad_enabled() and (target.requires_grad or sources.requires_grad):
        raise InputError("the fused loss has no gradient by the images; take losses.self_supervised_loss, which has.")
    # Geometry and SSIM need the precision of the images, also where the networks run in bfloat16.
    target, sources = at_least_float32(target, sources)
    K, T_source_target, *disps = (x.to(target.dtype) for x in (K, T_source_target, *disps))
    with torch.autocast(target.device.type, enabled=False):
        if settings.gray:
            target, sources = target.mean(-3, keepdim=True), sources.mean(-3, keepdim=True)
        targets, views = pyramid(target, len(disps)), pyramid(sources, 1 if settings.full_resolution else len(disps))
        prepared = [FusedReprojection(*images, settings) for images in zip(targets, views)]
        Ks = torch.stack([resize_intrinsics(K, 0.5**level, 0.5**level) for level in range(len(views))])
        cameras = camera_matrices(T_source_target, Ks, [view.shape[-2:] for view in views])
        photometric, smoothness, total = [], [], []
        for scale, disp in enumerate(disps):
            level = 0 if settings.full_resolution else scale
            depth = disp_to_depth(resized_disp(disp, targets[level]), settings.min_depth, settings.max_depth)
            photometric.append(prepared[level](depth, cameras[level]))
            smoothness.append(fused_smoothness(disp, targets[scale]))
            total.append(photometric[-1] + settings.smoothness / 2**scale * smoothness[-1])
        return LossTerms(*(torch.stack(terms).mean() for terms in (total, photometric, smoothness)))
