"""Semantic classes by their Cityscapes trainId, their palette, named groups, and the borders of a label map."""
from __future__ import annotations

import torch
import torch.nn.functional as F

from .common import InputError

# The 19 evaluation classes of Cityscapes in trainId order, each with its palette color (Cordts et al. 2016).
CLASSES: dict[str, tuple[int, int, int]] = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0), "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180),
    "person": (220, 20, 60), "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100),
    "train": (0, 80, 100), "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}
NAMES: tuple[str, ...] = tuple(CLASSES)
TRAIN_ID: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
NUM_CLASSES = len(NAMES)
IGNORE = 255  # no label: left out of every loss and every metric


def _ids(*names: str) -> tuple[int, ...]:
    return tuple(TRAIN_ID[name] for name in names)


GROUPS: dict[str, tuple[int, ...]] = {
    "movable": _ids("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    "thin": _ids("pole", "traffic light", "traffic sign", "person", "rider", "motorcycle", "bicycle"),
    "ground": _ids("road", "sidewalk", "terrain"),
    "sky": _ids("sky"),
    "backdrop": _ids("building", "sky"),  # what stands behind everything else: depth jumps at its borders (ours)
    # SemDepth's overview figure paints vehicles and humans white and leaves poles black [measured: FIG2 for
    # rider, car, bicycle and pole; the rest inferred].
    "foreground": _ids("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    # Edge of Depth's wider list adds pole, traffic light and traffic sign [code: EOD].
    "foreground_wide": _ids("pole", "traffic light", "traffic sign", "person", "rider", "car", "truck", "bus",
                            "train", "motorcycle", "bicycle"),
}


def group_mask(labels: torch.Tensor, group: str) -> torch.Tensor:
    """Mark the pixels whose class belongs to a named group.

    Args:
        labels: (...) trainIds, any integer dtype.
        group: a key of `GROUPS`.

    Returns:
        (...) bool.

    Raises:
        InputError: if the group is unknown.
    """
    if group not in GROUPS:
        raise InputError(f"label group {group!r} is unknown; use one of {', '.join(GROUPS)}.")
    lookup = torch.zeros(256, dtype=torch.bool)
    lookup[list(GROUPS[group])] = True
    lookup = lookup.to(labels.device, non_blocking=True)  # a GPU is not waited for
    return lookup.index_select(0, labels.flatten().int()).view_as(labels)  # five times as fast as lookup[labels]


def palette() -> torch.Tensor:
    """Return the (256, 3) uint8 RGB palette; ids without a class are black."""
    table = torch.zeros(256, 3, dtype=torch.uint8)
    table[:NUM_CLASSES] = torch.tensor(list(CLASSES.values()), dtype=torch.uint8)
    return table


def colorize_labels(labels: torch.Tensor) -> torch.Tensor:
    """Paint trainIds (..., H, W) in the Cityscapes palette: (..., H, W, 3) uint8."""
    return palette().to(labels.device)[labels.long()]


def label_borders(labels: torch.Tensor) -> torch.Tensor:
    """Mark both pixels of every 4-neighbor pair whose labels differ; pairs with an ignored pixel do not count.

    Args:
        labels: (B, H, W) trainIds or any integer map.

    Returns:
        (B, H, W) bool.
    """
    border, known = torch.zeros_like(labels, dtype=torch.bool), labels != IGNORE
    for dim in (1, 2):
        size = labels.shape[dim]
        near, far = labels.narrow(dim, 0, size - 1), labels.narrow(dim, 1, size - 1)
        differs = (near != far) & known.narrow(dim, 0, size - 1) & known.narrow(dim, 1, size - 1)
        border.narrow(dim, 0, size - 1).logical_or_(differs)
        border.narrow(dim, 1, size - 1).logical_or_(differs)
    return border


def dilate(mask: torch.Tensor, radius: float) -> torch.Tensor:
    """Grow a (B, H, W) bool mask by a disc of `radius` pixels (pixel centres at distance <= radius)."""
    reach = int(radius)
    if reach == 0:
        return mask.clone()
    axis = torch.arange(-reach, reach + 1, device=mask.device)
    disc = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).to(torch.float32)
    return F.conv2d(mask[:, None].float(), disc[None, None], padding=reach)[:, 0] > 0.5
