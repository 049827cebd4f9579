"""Snapping a finished depth map to a mask: pixels near a mask's border take the depth of their own side.

Ours, after the idea of the project's prototype; no network is involved, and depth map and mask may come from anywhere.
It moves depth edges to where the mask has them, so it is as good as the mask: with a segmenter's prediction it can hurt
thin objects, which is why it abstains where the segmenter is unsure.
"""
from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from ..classes import IGNORE
from ..common.contracts import InputError, check_sizes
from ..common.precision import at_least_float32
from ..labels import label_borders
from ..metrics import squared_distance_to


def snap_depth(depth: torch.Tensor, mask: torch.Tensor, image: torch.Tensor | None = None, confidence: float = 0.9,
               reach: float = 1.5, radius: int = 2, color: float = 0.1) -> torch.Tensor:
    """Give pixels near a mask's border the depth of their own side.

        ln d'(p) = sum_q w(p, q) ln d(q) / sum_q w(p, q),  w(p, q) = exp(-1/2 (mean_c |I(p) - I(q)| / color)^2)

    for every pixel p at most `reach` px from a border pixel; q runs over the pixels with p's label farther than that
    from any border, inside the window of (2 radius + 1)^2 pixels around p. A pixel is left as it is where there is no
    such q, as on thin objects, where its label is unsure, and wherever it is far from borders.

    Args:
        depth: (B, 1, H, W) depth, any unit, 0 = none.
        mask: (B, H, W) labels, 255 = none; or (B, N, H, W) class probabilities, of the foreground if N is 1.
        image: (B, 3, H, W) in [0, 1]; without it w is 1.
        confidence: Probability of the likeliest class below which p is left alone and q is not used.
        reach: Distance from the nearest border pixel (either pixel of a 4-neighbor pair whose labels differ), px.
        radius: Radius of the window, px; a larger one trades thin objects for edges (measured in the prototype).
        color: Standard deviation of the color difference.

    Returns:
        (B, 1, H, W); pixels that are not snapped are the very same numbers.

    Raises:
        InputError: if sizes differ or a number is out of its range.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    if image is not None:
        check_sizes(image, "image", "B3HW", **sizes)
    if not (0 <= confidence <= 1 and reach >= 0 and radius >= 1 and color > 0):
        raise InputError(f"confidence {confidence}, reach {reach}, radius {radius}, color {color} do not fit; use a "
                         "probability, and positive numbers such as 1.5, 2, 0.1.")
    depth, = at_least_float32(depth)
    labels, sure = _labels_of(mask, confidence, sizes)
    known = sure & (labels != IGNORE) & (depth[:, 0] > 0)
    near = squared_distance_to(label_borders(labels), reach + 1).float() <= reach**2
    inner = known & ~near
    log_depth = torch.where(inner, depth[:, 0], 1).log()
    total, weight = torch.zeros_like(log_depth), torch.zeros_like(log_depth)
    for neighbor in _window(radius, *labels.shape[1:]):
        agrees = neighbor(inner, False) & (neighbor(labels, IGNORE) == labels)
        share = agrees.to(log_depth.dtype)
        if image is not None:
            difference = (neighbor(image, 0) - image).abs().mean(1)
            share = share * torch.exp(-0.5 * (difference / color) ** 2).to(share.dtype)
        total += share * neighbor(log_depth, 0)
        weight += share
    snapped = known & near & (weight > 0)
    value = (total / torch.where(snapped, weight, 1)).exp()
    return torch.where(snapped, value, depth[:, 0])[:, None]


def _labels_of(mask: torch.Tensor, confidence: float, sizes: dict[str, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return labels (B, H, W) of a mask, and where they are sure."""
    if mask.dim() == 3:
        check_sizes(mask, "mask", "BHW", **sizes)
        return mask.long(), torch.ones_like(mask, dtype=torch.bool)
    check_sizes(mask, "mask", "BNHW", **sizes)
    if mask.shape[1] == 1:
        mask = torch.cat((1 - mask, mask), 1)
    best, labels = mask.max(1)
    return torch.where(best > 0, labels, IGNORE), best >= confidence  # a pixel without a label has no probabilities


def _window(radius: int, height: int, width: int) -> Iterator:
    """Yield functions that bring, for every pixel, the value at one offset of the window; outside the image `fill`."""
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            def neighbor(x: torch.Tensor, fill: float, down: int = down, right: int = right) -> torch.Tensor:
                padded = F.pad(x, (radius,) * 4, value=fill)
                return padded[..., down:down + height, right:right + width]

            yield neighbor
