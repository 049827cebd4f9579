"""Predictors that need no learning."""
from __future__ import annotations

from collections.abc import Iterable

import torch

from ..common.contracts import InputError, check_sizes
from ..metrics import masked_median
from .report import Predictor


def constant_baseline(depths: Iterable[torch.Tensor]) -> Predictor:
    """Fit the simplest predictor: the median of all training depth, everywhere.

    Args:
        depths: (B, 1, H, W) batches of training depth, m, 0 = none.

    Raises:
        InputError: if there is no depth to fit.
    """
    everything = torch.cat([depth.flatten() for depth in _some(depths)])[None]
    value = float(masked_median(everything, everything > 0))
    return lambda triplet: torch.full_like(triplet.target[:, :1], value)


def pixel_median_baseline(depths: Iterable[torch.Tensor]) -> Predictor:
    """Fit the prior of a forward-looking camera: at each pixel the median of the training depth there.

    A pixel that never had depth (always sky) gets the median of all of it.

    Args:
        depths: (B, 1, H, W) batches of training depth, m, 0 = none.

    Raises:
        InputError: if there is no depth to fit.
    """
    stack = torch.cat([depth[:, 0] for depth in _some(depths)])     # (N, H, W)
    columns = stack.flatten(1).T.contiguous()                       # (H W, N): the median runs over images
    medians = masked_median(columns, columns > 0)
    medians = torch.where(medians.isnan(), masked_median(stack.view(1, -1), stack.view(1, -1) > 0), medians)
    picture = medians.view(1, 1, *stack.shape[1:])
    return lambda triplet: picture.to(triplet.target.device).expand(len(triplet), -1, -1, -1)


def _some(depths: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    depths = list(depths)
    for depth in depths:
        check_sizes(depth, "depth", "B1HW")
    if not any(bool((depth > 0).any()) for depth in depths):
        raise InputError("there is no training depth to fit a baseline to; give batches of depth above 0 m.")
    return depths
