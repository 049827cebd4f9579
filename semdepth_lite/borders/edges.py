"""Where masks end: edge strength of a label map, and the points that are sampled along it.

A point is a flat pixel index, row * W + column. While training, points follow PointRend's pattern (Kirillov
et al. 2020), which is what SEEDepth's overview figure shows: a jittered band along the semantic edges plus a sparse
scatter over the whole image [figure + measured: FIG1]. At test they are the strongest edges of the prediction, without
chance [inferred].
"""
from __future__ import annotations

import torch

from ..common.contracts import InputError, check_sizes
from ..common.processes import draw
from ..metrics import squared_distance_to

IMPORTANT = 0.75    # share of points near edges [code: PREND]
OVERSAMPLING = 3    # candidates for each important point [code: PREND]
STEPS = 510 * 256   # of an edge's strength, which is a multiple of 1/510 where probabilities are bytes (ours)
SCATTER = 1_000_003  # a prime; its multiples go through the pixels of an image in a scattered order (ours)
REACH = 10.0        # px from an edge; beyond, all pixels count as equally far (ours)


def read_map(image: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Read a map (B, H, W) at flat indices (B, ...)."""
    return image.flatten(1).gather(1, points.flatten(1)).view(points.shape)


def pixels_beside(anchors: torch.Tensor, offset: torch.Tensor, height: int, width: int
                  ) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the pixels that lie at some offsets from anchors.

    Args:
        anchors: (B, J) flat indices.
        offset: (B, J, N, 2) steps along x and y, px.
        height, width: Size of the image, pixels.

    Returns:
        points (B, J, N), flat indices of the nearest pixels, and (B, J, N) bool, which of them lie in the image.
    """
    x = (anchors[..., None] % width + offset[..., 0]).round().long()
    y = (anchors[..., None] // width + offset[..., 1]).round().long()
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return y.clamp(0, height - 1) * width + x.clamp(0, width - 1), inside


def point_count(count: int, height: int, width: int) -> int:
    """Scale a number of points, given for a width of 640 pixels, with the width of an image, as borders do; at least 4.

    Scaled with the number of pixels instead, the points of a small image reach a third as much of its borders.
    """
    return min(int(height * width), max(4, round(count * int(width) / 640)))  # int: tracing gives tensors


def edge_strength(probabilities: torch.Tensor) -> torch.Tensor:
    """Measure how much the predicted classes change across a pixel.

    E(u, v) = 1/2 sum_c |p_c(u+1, v) - p_c(u-1, v)| + 1/2 sum_c |p_c(u, v+1) - p_c(u, v-1)|, the sum running over
    foreground and background if there is one channel. Each half is the total variation distance of two
    distributions. Ours; Edge of Depth thresholds the Sobel filter of a binary mask [code: EOD]. 0 on the frame's rim.

    Args:
        probabilities: (B, N, H, W), or (B, 1, H, W) of the foreground.

    Returns:
        (B, H, W) in [0, 2].

    Raises:
        InputError: if probabilities have another number of dimensions.
    """
    check_sizes(probabilities, "probabilities", "BNHW")
    factor = 1.0 if probabilities.shape[1] == 1 else 0.5
    along_x = (probabilities[..., 2:] - probabilities[..., :-2]).abs().sum(1)
    along_y = (probabilities[..., 2:, :] - probabilities[..., :-2, :]).abs().sum(1)
    strength = torch.zeros_like(probabilities[:, 0])
    strength[..., 1:-1] += factor * along_x
    strength[..., 1:-1, :] += factor * along_y
    return strength


def training_points(edges: torch.Tensor, count: int, generator: torch.Generator, important: float = IMPORTANT,
                    oversampling: int = OVERSAMPLING) -> torch.Tensor:
    """Sample points, most of them near edges: of `oversampling` * N random pixels the nearest to an edge, plus others.

    Args:
        edges: (B, H, W) bool.
        count: Number N of points in an image.
        generator: Generator on the CPU; it alone decides what is drawn.
        important: Share beta of the points that are near edges; the others are uniform over the image.
        oversampling: Factor k; of k N uniform candidates the beta N nearest to an edge stay [code: PREND].

    Returns:
        (B, N) flat indices; a pixel may occur twice. In an image without edges all are uniform.

    Raises:
        InputError: if the share is outside [0, 1].
    """
    if not 0 <= important <= 1:
        raise InputError(f"the share of important points is {important}, expected a number in [0, 1] such as 0.75.")
    batch, height, width = edges.shape
    near = round(important * count)
    random = draw((batch, oversampling * count + count - near), generator, edges.device)
    pixels = (random * (height * width)).long().clamp(max=height * width - 1)
    candidates, scattered = pixels[:, :oversampling * count], pixels[:, oversampling * count:]
    distance = squared_distance_to(edges, REACH).flatten(1).gather(1, candidates)
    best = distance.float().topk(near, 1, largest=False).indices
    return torch.cat((candidates.gather(1, best), scattered), 1)


def strongest_points(strength: torch.Tensor, count: int) -> torch.Tensor:
    """Return the flat indices (B, N) of the N pixels with the strongest edges of a map (B, H, W) in [0, 2].

    Masks of bytes make many edges equally strong, up to rounding. Among those, pixels scattered over the image come
    first, in a fixed order, so that the choice is the same wherever it is made.
    """
    pixels = strength[0].numel()
    order = torch.arange(pixels, device=strength.device) * SCATTER % pixels
    return ((strength.flatten(1).float() * STEPS).round().long() * pixels + order).topk(count, 1).indices


def without_repeats(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sort points (B, N) and mark the first of each pixel, so that nothing is counted twice: indices, (B, N) bool."""
    points = points.sort(1).values
    first = torch.ones_like(points, dtype=torch.bool)
    first[:, 1:] = points[:, 1:] != points[:, :-1]
    return points, first
