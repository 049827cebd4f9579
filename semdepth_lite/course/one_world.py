"""Two frames of a street brought into one world by their poses: what falls on itself there, and what has gone."""
from __future__ import annotations

import torch

from ..camera import backproject, invert_transform, project, transform_points
from ..labels import TRAIN_ID, group_mask
from ..street.render import Frame

COLORS = ((230, 120, 0), (0, 90, 180))  # of the first and of the last frame
LOW = -1.5  # meters, y points down: what is higher above the camera is left out of the picture
NEAR = 1.1  # ratio of depths up to which two points are one


def clouds(first: Frame, last: Frame, one_world: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the points of two frames without the ground, for `figures.birds_eye`.

    Args:
        first, last: Frames of one scene.
        one_world: Whether poses bring the points of the last frame to the first camera; else each stays as it was seen.

    Returns:
        (N, 3) meters; (N, 3) uint8, a color for each frame.
    """
    parts, colors = [], []
    for frame, color in zip((first, last), COLORS):
        points, _ = _points(frame)
        if one_world:
            points = transform_points(_motion(frame, first), points)
        kept = torch.from_numpy(frame.depth > 0) & ~group_mask(torch.from_numpy(frame.labels), "ground")
        kept &= points[0, 1] > LOW
        parts.append(points[0][:, kept].T)
        colors.append(torch.tensor(color, dtype=torch.uint8).expand(int(kept.sum()), 3))
    return torch.cat(parts), torch.cat(colors)


def share_gone(first: Frame, last: Frame) -> dict[str, float]:
    """Measure what is at another place in the last frame, although poses undo the camera's motion.

    A point of the first frame has gone if the last one sees through its place, to something farther away. Where
    something nearer stands in front, or the place lies outside, nobody knows, and the point does not count.

    Args:
        first, last: Frames of one scene.

    Returns:
        Kind of thing to the share of its points that have gone, percent. Kinds of which no point can be judged are left
            out.
    """
    points, K = _points(first)
    pixels, z = project(transform_points(_motion(first, last), points), K)
    column, row = pixels[0].round().long()
    height, width = first.depth.shape
    there = (z[0, 0] > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    seen = torch.from_numpy(last.depth)[row.clamp(0, height - 1), column.clamp(0, width - 1)]
    ratio = torch.where(seen > 0, seen, torch.inf) / z[0, 0]  # the sky is behind everything
    known = there & torch.from_numpy(first.depth > 0) & (ratio > 1 / NEAR)
    moving, labels = torch.from_numpy(first.moving), torch.from_numpy(first.labels)
    kinds = {"parked cars": (labels == TRAIN_ID["car"]) & ~moving, "houses": labels == TRAIN_ID["building"],
             "what moved by itself": moving}
    return {kind: 100 * float((ratio > NEAR)[where & known].float().mean()) for kind, where in kinds.items()
            if bool((where & known).any())}


def _points(frame: Frame) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the points of a frame as its camera has them, (1, 3, H, W), and its K (1, 3, 3)."""
    K = torch.from_numpy(frame.K).float()[None]
    return backproject(torch.from_numpy(frame.depth)[None, None], K), K


def _motion(source: Frame, target: Frame) -> torch.Tensor:
    """Return what takes points of one camera into another, (1, 4, 4)."""
    poses = [torch.from_numpy(frame.pose) for frame in (source, target)]
    return (invert_transform(poses[1]) @ poses[0])[None].float()
