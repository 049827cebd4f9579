"""The seven depth metrics of the field, the mask they run over, and the scale a monocular prediction is given.

Every function takes a batch and returns one number for each image, (B,). An image without a pixel to judge gives
nan, never zero, so that whoever averages has to skip it and can count it.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..common.contracts import InputError
from ..common.precision import at_least_float32
from .primitives import image_dot, ranked, to_float

DEPTH_METRICS: tuple[str, ...] = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")

# Rows from, to and columns from, to as shares of the height and width, truncated to whole pixels.
# Garg et al. 2016 and Eigen et al. 2014, as Monodepth2 and SfMLearner apply them [code: MD2; the eigen rows and
# columns are the constants that public evaluation scripts agree on].
CROPS: dict[str, tuple[float, float, float, float]] = {
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "none": (0.0, 1.0, 0.0, 1.0),
}


def count(mask: torch.Tensor) -> torch.Tensor:
    """Count the masked pixels of each image: (B, ...) bool to (B,) int32."""
    return mask.flatten(1).sum(1, dtype=torch.int32)


def masked_share(hits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the share of each image's masked pixels that are hits, (B, ...) bool both; nan without any: (B,)."""
    return count(hits & mask) / count(mask)


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average each image over its masked pixels; nan for an image without any.

    Args:
        values: (B, ...) numbers; what stands outside the mask is not read, nan included.
        mask: (B, ...) bool, same shape.

    Returns:
        (B,) means.
    """
    values, = at_least_float32(values)
    return torch.where(mask, values, 0.0).flatten(1).sum(1) / count(mask)


def masked_median(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the median of each image's masked pixels, the mean of the two middle ones when their number is even.

    Args:
        values: (B, ...) numbers.
        mask: (B, ...) bool, same shape.

    Returns:
        (B,) medians; nan for an image without a masked pixel.
    """
    values, = at_least_float32(values)
    number = count(mask).long()
    middle = torch.stack([(number - 1).clamp(min=0) // 2, number // 2], 1)  # (B, 2) places of the sorted masked pixels
    masked_first = torch.where(mask, values, torch.inf).flatten(1)
    return torch.where(number > 0, ranked(masked_first, middle).mean(1), torch.nan)


def crop_mask(height: int, width: int, crop: str, device: torch.device | None = None) -> torch.Tensor:
    """Mark the pixels inside a named crop.

    Args:
        height, width: Size of the ground truth, pixels.
        crop: Name of the crop: "garg", "eigen" or "none".
        device: Device of the mask.

    Returns:
        (H, W) bool.

    Raises:
        InputError: if the crop is unknown.
    """
    if crop not in CROPS:
        raise InputError(f"crop {crop!r} is unknown; use one of {', '.join(CROPS)}.")
    top, bottom, left, right = CROPS[crop]
    mask = torch.zeros(height, width, dtype=torch.bool, device=device)
    mask[int(top * height):int(bottom * height), int(left * width):int(right * width)] = True
    return mask


def evaluation_mask(gt: torch.Tensor, crop: str = "none", min_depth: float = 1e-3,
                    max_depth: float = 80.0) -> torch.Tensor:
    """Mark the pixels that count: ground truth strictly between the caps and inside the crop.

    Args:
        gt: (..., H, W) true depth, m; 0 where there is none.
        crop: Name of the crop, see `crop_mask`.
        min_depth, max_depth: Caps of the depth, m.

    Returns:
        (..., H, W) bool.

    Raises:
        InputError: if the crop is unknown.
    """
    return (gt > min_depth) & (gt < max_depth) & crop_mask(gt.shape[-2], gt.shape[-1], crop, gt.device)


def median_scale(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the factor that brings each prediction to the ground truth: median(gt) / median(pred) over the mask.

    Args:
        pred: (B, ...) predicted depth in any unit.
        gt: (B, ...) true depth, m.
        mask: (B, ...) bool; the whole image's mask, never a border band's.

    Returns:
        (B,) factor; nan for an image without a masked pixel. Source: Zhou et al. 2017; Monodepth2 [code: MD2].

    Raises:
        InputError: if the shapes differ.
    """
    _check_same(pred, gt, mask)
    pred, gt = at_least_float32(pred, gt)
    return masked_median(gt, mask) / masked_median(pred, mask)


def scale_spread(scales: torch.Tensor) -> tuple[float, float]:
    """Return the mean of per-image scale factors and their spread std(scale / median scale), nan images left out.

    Args:
        scales: (N,) factors from `median_scale`.

    Returns:
        Mean and spread; nan both when no image has a scale. Source: Monodepth2's report [code: MD2].
    """
    finite = scales[torch.isfinite(scales)].double()
    if finite.numel() == 0:
        return float("nan"), float("nan")
    median = float(np.median(finite.cpu().numpy()))
    return float(finite.mean()), float((finite / median).std(correction=0))


@dataclass(frozen=True)
class ErrorMaps:
    """Per-pixel errors, all of one shape (B, ...) and without error outside the mask, so that plain sums need no mask.

    Attributes:
        weight: 1 for the pixels that count, else 0.
        difference: `|d - d*|`, m.
        relative: `|d - d*| / d*`.
        log_ratio: Difference ln d - ln d*.
        ratio: Ratio max(d / d*, d* / d), at least 1.
    """

    weight: torch.Tensor
    difference: torch.Tensor
    relative: torch.Tensor
    log_ratio: torch.Tensor
    ratio: torch.Tensor


def error_maps(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> ErrorMaps:
    """Compute the error of every pixel, in float32 at least.

    Args:
        pred: (B, ...) predicted depth d, already scaled and clipped, m.
        gt: (B, ...) true depth d*, m.
        mask: (B, ...) bool.

    Returns:
        The maps that `depth_errors` and the errors of regions and classes average.

    Raises:
        InputError: if the shapes differ.
    """
    _check_same(pred, gt, mask)
    pred, gt = at_least_float32(pred, gt)
    pred, gt = torch.where(mask, pred, 1.0), torch.where(mask, gt, 1.0)  # no error outside the mask
    difference = (pred - gt).abs()
    ratio = torch.maximum(pred / gt, gt / pred)
    return ErrorMaps(to_float(mask, gt.dtype), difference, difference / gt, (pred / gt).log(), ratio)


def depth_errors(errors: ErrorMaps) -> dict[str, torch.Tensor]:
    r"""Compute the seven metrics of each image over its masked pixels.

    With prediction d and truth d* over the masked pixels:
    abs_rel = mean |d - d*| / d*; sq_rel = mean (d - d*)^2 / d* (m; despite its name not the square of a relative
    error); rmse = sqrt mean (d - d*)^2 (m); rmse_log = sqrt mean (ln d - ln d*)^2;
    a1, a2, a3 = share of pixels with max(d / d*, d* / d) < 1.25, 1.25^2, 1.25^3.

    Args:
        errors: Error maps from `error_maps`.

    Returns:
        name: (B,) for each of `DEPTH_METRICS`; nan for an image without a masked pixel.
        Source: Eigen et al. 2014; definitions as in Monodepth2 [code: MD2].
    """
    pixels = errors.weight.flatten(1).sum(1)
    return {
        "abs_rel": errors.relative.flatten(1).sum(1) / pixels,
        "sq_rel": image_dot(errors.difference, errors.relative) / pixels,
        "rmse": (image_dot(errors.difference, errors.difference) / pixels).sqrt(),
        "rmse_log": (image_dot(errors.log_ratio, errors.log_ratio) / pixels).sqrt(),
        "a1": 1 - count(errors.ratio >= 1.25) / pixels,
        "a2": 1 - count(errors.ratio >= 1.25**2) / pixels,
        "a3": 1 - count(errors.ratio >= 1.25**3) / pixels,
    }


def _check_same(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> None:
    if gt.dim() < 2 or pred.shape != gt.shape or mask.shape != gt.shape:
        raise InputError(f"pred, gt and mask have shapes {tuple(pred.shape)}, {tuple(gt.shape)} and "
                         f"{tuple(mask.shape)}, expected one shape with the batch first, such as Bx1xHxW.")
