"""Parts of the metrics that are written for the processor; a test holds each to its plain form, given in its docstring.

Everything else in this folder is written as one would write it on paper.
"""
from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from ..common.contracts import InputError, check_sizes


def to_float(mask: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Turn a bool mask into 0.0 and 1.0: `mask.to(dtype)`, by way of bytes, which is many times as fast on a CPU."""
    return mask.view(torch.uint8).to(dtype)


def image_dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Sum a * b over each image: `(a * b).flatten(1).sum(1)`, without writing the product to memory."""
    return (a.flatten(1)[:, None] @ b.flatten(1)[:, None].mT)[:, 0, 0]


def true_places(mask: torch.Tensor) -> torch.Tensor:
    """Return where the flat mask is True: `mask.flatten().nonzero()[:, 0]`; NumPy is twice as fast on a CPU."""
    if mask.device.type != "cpu":
        return mask.flatten().nonzero()[:, 0]
    return torch.from_numpy(np.flatnonzero(mask.numpy()))


def ranked(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return what stands at some places of the sorted rows: `values.sort(1).values.gather(1, places)`.

    On a CPU NumPy finds two places four times as fast as it sorts; torch, which carries the indices, is far slower.

    Args:
        values: (B, N) numbers.
        places: (B, R) indices below N.

    Returns:
        (B, R) numbers.
    """
    if values.device.type != "cpu":
        return values.sort(1).values.gather(1, places)
    rows = zip(values.detach().numpy(), places.numpy())
    return torch.from_numpy(np.stack([np.partition(row, wanted)[wanted] for row, wanted in rows]))


def window_max(values: torch.Tensor, window: int) -> torch.Tensor:
    """Return the maximum over a square window around each pixel, cut at the rim of the image.

    The plain form is `F.max_pool2d(values[:, None], window, 1, window // 2)[:, 0]`.

    Args:
        values: (B, H, W) numbers.
        window: Odd side of the window, pixels.

    Returns:
        (B, H, W) maxima.
    """
    half = window // 2
    for around in ((0, 0, half, half), (half, half, 0, 0)):  # a square separates into rows and columns
        dim = 1 if around[3] else 2
        values = F.pad(values, around, value=-math.inf)
        reached = 1
        while reached < window:  # the maximum of 2, 4, ... neighbors
            step = min(reached, window - reached)
            size = values.shape[dim] - step
            values = torch.maximum(values.narrow(dim, 0, size), values.narrow(dim, step, size))
            reached += step
    return values


def squared_distance_to(mask: torch.Tensor, limit: float) -> torch.Tensor:
    """Measure the squared distance of each pixel from the nearest masked pixel, exactly, up to a limit.

    The plain form is a minimum over all pairs of pixels. The squared Euclidean distance separates into rows and columns
    (Felzenszwalb and Huttenlocher 2012); because it is cut at the limit, a few shifts in each direction are enough, in
    integers so small that memory sets the pace.

    Args:
        mask: (B, H, W) bool.
        limit: Largest distance, px; everything farther, and an empty map, gets its square (rounded up).

    Returns:
        (B, H, W) squared distance between pixel centers, px^2, in the smallest integer type that holds it.

    Raises:
        InputError: if the mask is not BxHxW or the limit is not positive.
    """
    check_sizes(mask, "mask", "BHW")
    if limit <= 0:
        raise InputError(f"distance limit {limit} is not positive; use a number of pixels such as 10.")
    reach = math.ceil(limit)
    dtype = torch.uint8 if reach <= 11 else torch.int16 if reach < 128 else torch.int32  # holds 2 reach^2
    along = (~mask).to(dtype) * reach  # steps to the mask along the row
    step = 1
    while step < reach:  # steps of 1, 2, 4, ... compose every distance up to the reach
        _lower(along[..., step:], along[..., :-step] + step)
        _lower(along[..., :-step], along[..., step:] + step)
        step *= 2
    squared = along * along
    best = squared.clone()
    for row in range(1, reach):
        farther = squared + row * row
        _lower(best[:, row:], farther[:, :-row])
        _lower(best[:, :-row], farther[:, row:])
    return best.clamp_(max=math.ceil(limit**2))


def _lower(target: torch.Tensor, bound: torch.Tensor) -> None:
    torch.minimum(target, bound, out=target)
