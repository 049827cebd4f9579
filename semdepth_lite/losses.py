"""The photometric loss: SSIM and L1, the minimum over sources, the automask, and edge-aware smoothness.

This is the loss as the lessons write it, and everything in it is differentiable, by the images too. `fused.py` holds
the same loss with a gradient written by hand, for speed; training takes that one unless its settings ask for this one.
A test holds the two equal, gradients included.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .camera import disp_to_depth, halve, resize_intrinsics
from .common.contracts import InputError, check_sizes
from .common.precision import at_least_float32
from .common.processes import mean_over_processes
from .warp import warp

SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # constants of SSIM [code: MD2]


@dataclass(frozen=True)
class LossSettings:
    """The photometric loss and its switches.

    Attributes:
        full_resolution: Whether every scale's disparity is brought to full size before comparing (Monodepth2);
            otherwise scale s is compared with images reduced by 2^s, which is cheap.
        gray: Whether the mean of the color channels is compared instead of each.
        ssim: Share of SSIM beside L1, 0.85 [code: MD2].
        minimum: Whether the better of the sources counts for each pixel; otherwise their mean.
        automask: Whether a pixel that the unmoved source explains at least as well teaches nothing (Godard et al.
            2019).
        automask_margin: Lead that the unmoved source must have before the pixel is left out; 0 in Monodepth2.
            Beyond some 30 m even the true motion moves a pixel by a fraction of its size, so while depth is still
            too near there, standing still looks better and a strict mask keeps the pixel from ever learning. Training
            drops the margin after a while, see `TrainSettings.margin_until`.
        smoothness: Weight of the edge-aware smoothness at scale 0, halved from scale to scale [code: MD2].
        mask_outside: Whether a source counts only where its sample lies inside its frame and in front of the camera;
            otherwise the color of the rim stands in (Monodepth2).
        min_depth, max_depth: Range of depth, up to scale.
        scale_weight: Weight of `scale_loss`, for a learned motion without a second camera; 0 in Monodepth2.
    """

    full_resolution: bool = True
    gray: bool = False
    ssim: float = 0.85
    minimum: bool = True
    automask: bool = True
    automask_margin: float = 0.0
    smoothness: float = 1e-3
    mask_outside: bool = False
    min_depth: float = 0.1
    max_depth: float = 100.0
    scale_weight: float = 0.0


LOSSES = {
    "monodepth2": LossSettings(),
    "lesson": LossSettings(full_resolution=False, gray=True, automask_margin=0.02, mask_outside=True),
    # a video of one's own: in the first steps it may show the pose network hardly any translation, see `scale_loss`
    "clip": LossSettings(full_resolution=False, gray=True, automask_margin=0.02, mask_outside=True, scale_weight=0.1),
    # two cameras and one near scene: nothing moves, so no automask; in a range of meters that begins nearer, depth
    # starts where no sample lies inside the other picture, and may stay there
    "photo": LossSettings(full_resolution=False, automask=False, mask_outside=True, min_depth=1.0, max_depth=20.0),
}


@dataclass
class LossTerms:
    """The loss and its parts; scalars that carry gradients.

    Attributes:
        total: Mean over the scales of photometric + weighted smoothness, plus the weighted semantic and ranking terms
            where there are any; under supervision by depth, its error in the place of the first two.
        photometric, smoothness: Plain means over the scales.
        semantic: Cross-entropy of the semantic branch, unweighted; None without a branch.
        ranking: Semantic-guided ranking loss, unweighted; None without it, and before it begins.
    """

    total: torch.Tensor
    photometric: torch.Tensor
    smoothness: torch.Tensor
    semantic: torch.Tensor | None = None
    ranking: torch.Tensor | None = None


def ssim_distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return (1 - SSIM) / 2 with 3x3 mean windows, clamped to [0, 1]; the frame is extended by reflection.

    Args:
        x, y: (B, C, H, W) images in [0, 1].

    Returns:
        (B, C, H, W); 0 where the windows agree (Wang et al. 2004, eq. 13; constants and windows [code: MD2]).

    Raises:
        InputError: if the shapes differ, or the images are too small to be extended by reflection.
    """
    sizes = check_sizes(y, "y", "BCHW", **check_sizes(x, "x", "BCHW"))
    if min(sizes["H"], sizes["W"]) < 2:
        raise InputError(f"images of {sizes['H']}x{sizes['W']} pixels have no windows of 3x3, reflection included; use "
                         "two pixels or more on each side.")
    x, y = at_least_float32(x, y)

    def mean(image: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)

    mean_x, mean_y = mean(x), mean(y)
    variance_x = mean(x * x) - mean_x**2
    variance_y = mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)
                  / ((mean_x**2 + mean_y**2 + SSIM_C1) * (variance_x + variance_y + SSIM_C2)))
    return ((1 - similarity) / 2).clamp(0, 1)


def photometric_error(prediction: torch.Tensor, target: torch.Tensor, ssim: float = 0.85) -> torch.Tensor:
    """Compare a synthesized view with the target: ssim (1 - SSIM)/2 + (1 - ssim) |difference|, averaged over colors.

    Args:
        prediction, target: (B, C, H, W) images in [0, 1]; the range is not checked.
        ssim: Share of the SSIM term.

    Returns:
        (B, 1, H, W) error, in float32 at least.

    Raises:
        InputError: if the shapes differ, or the images are too small for SSIM (`ssim_distance`).
    """
    sizes = check_sizes(prediction, "prediction", "BCHW")
    check_sizes(target, "target", "BCHW", **sizes)
    prediction, target = at_least_float32(prediction, target)
    error = (1 - ssim) * (prediction - target).abs().mean(1, keepdim=True)
    if ssim:
        error = error + ssim * ssim_distance(prediction, target).mean(1, keepdim=True)
    return error


def combine_sources(errors: torch.Tensor, minimum: bool = True) -> torch.Tensor:
    """Join the sources' errors (B, S, H, W) to one (B, H, W): the minimum, or the mean.

    The minimum lets a pixel that is hidden in one source be explained by the other (Godard et al. 2019, eq. 4).
    """
    return errors.amin(1) if minimum else errors.mean(1)


def source_errors(sources: torch.Tensor, target: torch.Tensor, ssim: float = 0.85) -> torch.Tensor:
    """Return the photometric error of each view (B, S, C, H, W) against the target (B, C, H, W): (B, S, H, W).

    Raises:
        InputError: if the shapes differ.
    """
    check_sizes(sources, "sources", "BSCHW", **check_sizes(target, "target", "BCHW"))
    return torch.cat([photometric_error(view, target, ssim) for view in sources.unbind(1)], 1)


def identity_error(target: torch.Tensor, sources: torch.Tensor, settings: LossSettings) -> torch.Tensor:
    """Return the error (B, H, W) of the sources as they are, unmoved. It does not depend on depth or scale."""
    return combine_sources(source_errors(sources, target, settings.ssim), settings.minimum)


def reprojection_error(depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor, target: torch.Tensor,
                       sources: torch.Tensor, settings: LossSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the error of the warped sources, joined, and where it may be used.

    Args:
        depth: (B, 1, H, W) z of the target view, meters.
        T_source_target: (B, S, 4, 4) motions.
        K: (B, 3, 3) intrinsics, pixels.
        target: (B, C, H, W) image in [0, 1].
        sources: (B, S, C, H, W) images in [0, 1].
        settings: Switches; `ssim`, `minimum` and `mask_outside` are used.

    Returns:
        error (B, H, W), and usable (B, H, W) bool: some source shows the pixel; True everywhere unless `mask_outside`.

    Raises:
        InputError: if a shape differs.
    """
    sizes = check_sizes(sources, "sources", "BSCHW", **check_sizes(target, "target", "BCHW"))
    check_sizes(T_source_target, "T_source_target", "BS44", B=sizes["B"], S=sizes["S"])
    views, valid = zip(*(warp(source, depth, T, K)
                         for source, T in zip(sources.unbind(1), T_source_target.unbind(1))))
    errors = source_errors(torch.stack(views, 1), target, settings.ssim)
    valid = torch.cat(valid, 1)
    if not settings.mask_outside:
        return combine_sources(errors, settings.minimum), torch.ones_like(valid[:, 0])
    if settings.minimum:
        error = errors.masked_fill(~valid, torch.inf).amin(1)
    else:
        error = (errors * valid).sum(1) / valid.sum(1).clamp(min=1)
    usable = valid.any(1)
    return error.masked_fill(~usable, 0), usable


def automask(reprojection: torch.Tensor, identity: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
    """Mark pixels (B, H, W) where the warped sources explain the target better than the unmoved ones plus a margin.

    Ties go to the unmoved sources, by order instead of by random noise, so that runs repeat.

    Raises:
        InputError: if the shapes differ; one image may stand for the whole batch.
    """
    try:
        np.broadcast_shapes(reprojection.shape, identity.shape)  # torch's own imports its compiler, for two seconds
    except ValueError:
        raise InputError(f"reprojection has shape {tuple(reprojection.shape)} and identity {tuple(identity.shape)}, "
                         "expected errors (B, H, W) of the same pixels.") from None
    return reprojection < identity + margin


def reprojection_loss(target: torch.Tensor, sources: torch.Tensor, depth: torch.Tensor, T_source_target: torch.Tensor,
                      K: torch.Tensor, settings: LossSettings) -> torch.Tensor:
    """Return the mean photometric loss of one scale.

    A masked pixel contributes its identity error, whose gradient is zero [code: MD2]; a pixel without any source
    contributes 0.
    """
    error, usable = reprojection_error(depth, T_source_target, K, target, sources, settings)
    if settings.automask:
        identity = identity_error(target, sources, settings)
        error = torch.where(automask(error, identity, settings.automask_margin) & usable, error, identity)
    return error.mean()


def edge_weights(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return exp(-|dI|) along x (B, 1, H, W-1) and along y (B, 1, H-1, W), the mean over colors taken first."""
    image, = at_least_float32(image)
    dx = (image[..., 1:] - image[..., :-1]).abs().mean(1, keepdim=True)
    dy = (image[..., 1:, :] - image[..., :-1, :]).abs().mean(1, keepdim=True)
    return torch.exp(-dx), torch.exp(-dy)


def smoothness_loss(disp: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Penalize disparity steps where the image has none: mean |dx d| e^-|dx I| + mean |dy d| e^-|dy I|.

    Args:
        disp: (B, 1, H, W) disparity, usually divided by its mean, so that shrinking it does not pay.
        image: (B, C, H, W) image of the same size.

    Returns:
        Scalar (Godard et al. 2019, eq. 3).

    Raises:
        InputError: if the sizes differ.
    """
    sizes = check_sizes(disp, "disp", "B1HW")
    check_sizes(image, "image", "BCHW", **sizes)
    disp, image = at_least_float32(disp, image)
    weight_x, weight_y = edge_weights(image)
    dx = (disp[..., 1:] - disp[..., :-1]).abs()
    dy = (disp[..., 1:, :] - disp[..., :-1, :]).abs()
    return (dx * weight_x).mean() + (dy * weight_y).mean()


def normalize_disp(disp: torch.Tensor) -> torch.Tensor:
    """Divide a disparity map (B, 1, H, W) by its mean, image by image."""
    disp, = at_least_float32(disp)
    return disp / (disp.mean((2, 3), keepdim=True) + 1e-7)


def pyramid(image: torch.Tensor, levels: int) -> list[torch.Tensor]:
    """Return the image (..., H, W) and its averages over blocks of 2, 4, ... pixels, `levels` images in all."""
    images = list(at_least_float32(image))
    while len(images) < levels:
        images.append(halve(images[-1]))
    return images


def resized_disp(disp: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Bring a disparity map (B, 1, h, w) to the size of an image (B, C, H, W), bilinearly."""
    disp, = at_least_float32(disp)
    if disp.shape[-2:] == image.shape[-2:]:
        return disp
    return F.interpolate(disp, image.shape[-2:], mode="bilinear", align_corners=False)


def check_scales(disps: list[torch.Tensor], sizes: dict[str, int]) -> None:
    """Refuse disparities that are not those of an image's scales, finest first.

    Raises:
        InputError: if there is none, or a shape differs.
    """
    if not disps:
        raise InputError("disps is empty, expected a disparity (B, 1, H / 2^s, W / 2^s) of each scale s.")
    for scale, disp in enumerate(disps):
        check_sizes(disp, f"disps[{scale}]", "B1HW", B=sizes["B"], H=sizes["H"] >> scale, W=sizes["W"] >> scale)


def check_loss_inputs(disps: list[torch.Tensor], target: torch.Tensor, sources: torch.Tensor, K: torch.Tensor,
                      T_source_target: torch.Tensor) -> None:
    """Refuse what `self_supervised_loss` cannot compare.

    Raises:
        InputError: if a shape differs, or the image is too small for so many scales.
    """
    sizes = check_sizes(target, "target", "B3HW")
    sizes = check_sizes(sources, "sources", "BS3HW", **sizes)
    check_sizes(K, "K", "B33", **sizes)
    check_sizes(T_source_target, "T_source_target", "BS44", **sizes)
    height, width = sizes["H"], sizes["W"]
    check_scales(disps, sizes)
    block = 2 ** (len(disps) - 1)
    if height % block or width % block or min(height, width) < 2 * block:
        raise InputError(f"an image of {width}x{height} pixels cannot be halved {len(disps) - 1} times to two "
                         "pixels or more; resize it to multiples of 32 from 64 on.")


def self_supervised_loss(disps: list[torch.Tensor], target: torch.Tensor, sources: torch.Tensor, K: torch.Tensor,
                         T_source_target: torch.Tensor, settings: LossSettings = LossSettings()) -> LossTerms:
    """Compute the loss that teaches depth and motion without labels.

    Args:
        disps: Sigmoid disparities (B, 1, H / 2^s, W / 2^s), finest first.
        target: (B, 3, H, W) images in [0, 1].
        sources: (B, S, 3, H, W) images in [0, 1].
        K: (B, 3, 3) intrinsics, pixels.
        T_source_target: (B, S, 4, 4) motions.
        settings: Switches of the loss.

    Returns:
        LossTerms, differentiable by everything that goes in.

    Raises:
        InputError: if a shape differs, or the image is too small for so many scales.
    """
    check_loss_inputs(disps, target, sources, K, T_source_target)
    # Geometry and SSIM need the precision of the images, also where the networks run in bfloat16.
    target, sources = at_least_float32(target, sources)
    K, T_source_target, *disps = (x.to(target.dtype) for x in (K, T_source_target, *disps))
    with torch.autocast(target.device.type, enabled=False):
        if settings.gray:
            target, sources = target.mean(-3, keepdim=True), sources.mean(-3, keepdim=True)
        targets, views = pyramid(target, len(disps)), pyramid(sources, len(disps))
        photometric, smoothness, total = [], [], []
        for scale, disp in enumerate(disps):
            level = 0 if settings.full_resolution else scale
            depth = disp_to_depth(resized_disp(disp, targets[level]), settings.min_depth, settings.max_depth)
            K_level = resize_intrinsics(K, 0.5**level, 0.5**level)
            photometric.append(reprojection_loss(targets[level], views[level], depth, T_source_target, K_level,
                                                 settings))
            smoothness.append(smoothness_loss(normalize_disp(disp), targets[scale]))
            total.append(photometric[-1] + settings.smoothness / 2**scale * smoothness[-1])
        return LossTerms(*(torch.stack(terms).mean() for terms in (total, photometric, smoothness)))


def scale_loss(disps: list[torch.Tensor], settings: LossSettings) -> torch.Tensor:
    """Return the square of the mean ln depth over a batch, averaged over the scales: it holds the free scale at 1 unit.

    One video fixes depth and translation only up to a common factor. Where some frames stand or only turn, the pose
    network learns to shorten all its translations before it can tell which; depth follows, until it ends at the near
    limit of its range, where the sigmoid has no gradient: depth has collapsed. This term meets no other, because a
    common factor costs the photometric loss nothing [inferred; Wang et al. 2018 divide disparity by its mean instead].

    Args:
        disps: Sigmoid disparities (B, 1, H / 2^s, W / 2^s), finest first.
        settings: Settings, of which the range of depth is used.
    """
    return torch.stack([disp_to_depth(disp, settings.min_depth, settings.max_depth).log().mean() ** 2
                        for disp in at_least_float32(*disps)]).mean()


def supervised_loss(disps: list[torch.Tensor], depth: torch.Tensor, settings: LossSettings = LossSettings()
                    ) -> LossTerms:
    """Return the mean |ln predicted depth - ln true depth| over pixels with depth: what labels would teach.

    Every scale is brought to full size first. Depth learned this way has the truth's scale.

    Args:
        disps: Sigmoid disparities (B, 1, H / 2^s, W / 2^s), finest first.
        depth: (B, 1, H, W) truth, meters, 0 = none.
        settings: Settings, of which the range of depth is used.

    Returns:
        LossTerms; the smoothness is 0.

    Raises:
        InputError: if there is no disparity, or a shape differs.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    check_scales(disps, sizes)
    depth, *disps = at_least_float32(depth, *disps)
    known = depth > 0
    count = mean_over_processes(known.sum()).clamp(min=1)
    truth = torch.where(known, depth, 1).log()
    errors = []
    for disp in disps:
        predicted = disp_to_depth(resized_disp(disp, depth), settings.min_depth, settings.max_depth).log()
        errors.append(((predicted - truth).abs() * known).sum() / count)
    error = torch.stack(errors).mean()
    return LossTerms(error, error.detach(), torch.zeros_like(error.detach()))
