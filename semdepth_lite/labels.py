"""Maps of semantic classes: masks of groups, colors, borders. The classes themselves come from `classes.py`."""
from __future__ import annotations

import torch
import torch.nn.functional as F

from .classes import CLASSES, GROUPS, IGNORE, NAMES, NUM_CLASSES, OTHER, TRAIN_ID
from .common.contracts import InputError, check_sizes

__all__ = ["CLASSES", "GROUPS", "IGNORE", "NAMES", "NUM_CLASSES", "TRAIN_ID", "colorize_labels", "dilate", "group_mask",
           "label_borders", "palette"]


def group_mask(labels: torch.Tensor, group: str) -> torch.Tensor:
    """Mark the pixels whose class belongs to a named group.

    Args:
        labels: (...) trainIds, any integer dtype.
        group: Key of `GROUPS`.

    Returns:
        (...) bool.

    Raises:
        InputError: if the group is unknown, or an id is beyond 0 to 255.
    """
    if group not in GROUPS:
        raise InputError(f"label group {group!r} is unknown; use one of {', '.join(GROUPS)}.")
    check_byte_ids(labels)
    lookup = torch.zeros(256, dtype=torch.bool)
    lookup[list(GROUPS[group])] = True
    lookup = lookup.to(labels.device, non_blocking=True)  # without waiting for a GPU
    return lookup.index_select(0, labels.flatten().int()).view_as(labels)  # lookup[labels], but faster


def check_byte_ids(labels: torch.Tensor) -> None:
    """Refuse ids that do not fit into a byte, such as -1 for void or 26001 for an instance.

    Bytes always fit; other types are checked on a CPU only, as the check would make a GPU wait.

    Raises:
        InputError: naming the lowest and the highest id.
    """
    if labels.dtype in (torch.uint8, torch.bool) or labels.device.type != "cpu" or not labels.numel():
        return
    low, high = (float(bound) for bound in labels.aminmax())
    if not 0 <= low <= high <= 255:
        raise InputError(f"labels hold ids from {low:g} to {high:g}, expected trainIds 0 to {NUM_CLASSES - 1}, or "
                         f"{IGNORE} for none; convert them, instance ids without their instance.")


def palette() -> torch.Tensor:
    """Return the (256, 3) uint8 RGB palette; ids without a class are black, none of the classes dark gray."""
    table = torch.zeros(256, 3, dtype=torch.uint8)
    table[:NUM_CLASSES] = torch.tensor(list(CLASSES.values()), dtype=torch.uint8)
    table[OTHER] = 40
    return table


def colorize_labels(labels: torch.Tensor) -> torch.Tensor:
    """Paint trainIds (..., H, W) in the Cityscapes palette: (..., H, W, 3) uint8."""
    check_byte_ids(labels)
    return palette().to(labels.device)[labels.long()]


def label_borders(labels: torch.Tensor) -> torch.Tensor:
    """Mark both pixels of every 4-neighbor pair whose labels differ; pairs with an ignored pixel do not count.

    Args:
        labels: (B, H, W) trainIds or any integer map; 255 and numbers below 0 are ignored.

    Returns:
        (B, H, W) bool.

    Raises:
        InputError: if labels have another number of dimensions.
    """
    check_sizes(labels, "labels", "BHW")
    border, known = torch.zeros_like(labels, dtype=torch.bool), labels != IGNORE
    if labels.dtype != torch.uint8:
        known &= labels >= 0
    for dim in (1, 2):
        size = labels.shape[dim]
        near, far = labels.narrow(dim, 0, size - 1), labels.narrow(dim, 1, size - 1)
        differs = (near != far) & known.narrow(dim, 0, size - 1) & known.narrow(dim, 1, size - 1)
        border.narrow(dim, 0, size - 1).logical_or_(differs)
        border.narrow(dim, 1, size - 1).logical_or_(differs)
    return border


def dilate(mask: torch.Tensor, radius: float) -> torch.Tensor:
    """Grow a (B, H, W) bool mask by a disc of `radius` pixels (pixel centers at distance <= radius)."""
    reach = int(radius)
    if reach == 0:
        return mask.clone()
    axis = torch.arange(-reach, reach + 1, device=mask.device)
    disc = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).to(torch.float32)
    return F.conv2d(mask[:, None].float(), disc[None, None], padding=reach)[:, 0] > 0.5


def pack_labels(labels: torch.Tensor) -> torch.Tensor:
    """Pack hard labels (B, H, W) uint8, 255 = none, like probabilities: (B, 3, H, W) uint8.

    Raises:
        InputError: if labels have another number of dimensions.
    """
    check_sizes(labels, "labels", "BHW")
    labels = labels.to(torch.uint8)
    return torch.stack((labels, labels, torch.full_like(labels, 255)), 1)


def pack_probabilities(probabilities: torch.Tensor) -> torch.Tensor:
    """Keep the two likeliest classes of each pixel and how they share: three bytes instead of one float a class.

    Args:
        probabilities: (B, N, H, W).

    Returns:
        (B, 3, H, W) uint8: the best class, the second, and 255 times the best one's share of the two.
    """
    value, index = probabilities.topk(2, 1)
    share = value[:, :1] / value.sum(1, keepdim=True)
    return torch.cat((index.to(torch.uint8), (255 * share).round().to(torch.uint8)), 1)


def unpack(packed: torch.Tensor, classes: int = NUM_CLASSES) -> torch.Tensor:
    """Return the probabilities (B, classes, H, W) of packed labels; a pixel without a label has none, all zero.

    Raises:
        InputError: if the shape is not that of packed labels (B, 3, H, W).
    """
    check_sizes(packed, "packed labels", "B3HW")
    batch, _, height, width = packed.shape
    index = packed[:, :2].movedim(1, -1).long()                                    # (B, H, W, 2)
    known = index < classes  # leaves out OTHER and IGNORE
    share = packed[:, 2].float() / 255
    spread = torch.zeros(batch, height, width, classes, device=packed.device)
    spread.scatter_add_(-1, index * known, torch.stack((share, 1 - share), -1) * known)
    return spread.movedim(-1, 1)
