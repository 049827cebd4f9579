"""Segmentation metrics: confusion matrix, intersection over union, and the F score of label borders."""
from __future__ import annotations

import torch

from ..classes import IGNORE, NUM_CLASSES
from ..common.contracts import InputError, check_sizes
from ..labels import label_borders
from .borders import edge_agreement


def confusion_matrix(pred: torch.Tensor, true: torch.Tensor, num_classes: int = NUM_CLASSES) -> torch.Tensor:
    """Count, for each image, how often each true class was predicted as each class.

    Args:
        pred: (B, H, W) predicted ids in 0..num_classes-1.
        true: (B, H, W) true ids; pixels with 255 are left out.
        num_classes: Number of classes.

    Returns:
        (B, C, C) int64, rows true, columns predicted. Sum over the batch dimension for a data set.

    Raises:
        InputError: if shapes differ or an id is out of range.
    """
    check_sizes(pred, "pred", "BHW", **check_sizes(true, "true", "BHW"))
    pred, true = pred.flatten(1).long(), true.flatten(1).long()
    judged = true != IGNORE
    for name, ids in (("predicted", pred), ("true", true)):
        wrong = ids[judged & ((ids < 0) | (ids >= num_classes))]
        if wrong.numel():
            raise InputError(f"{name} label {int(wrong[0])} is out of range, expected 0 to {num_classes - 1}; "
                             f"map the labels to trainIds first.")
    image = torch.arange(len(true), device=true.device)[:, None].expand_as(true)
    cell = (image * num_classes + true) * num_classes + pred
    counts = torch.bincount(cell[judged], minlength=len(true) * num_classes**2)
    return counts.view(len(true), num_classes, num_classes)


def class_iou(confusion: torch.Tensor) -> torch.Tensor:
    """Compute the intersection over union of each class: hits / (true + predicted - hits).

    Args:
        confusion: (..., C, C) counts, rows true.

    Returns:
        (..., C); nan for a class that the truth does not contain.
    """
    hits = confusion.diagonal(dim1=-2, dim2=-1)
    true, predicted = confusion.sum(-1), confusion.sum(-2)
    return torch.where(true > 0, hits / (true + predicted - hits), torch.nan)


def border_f1(pred: torch.Tensor, true: torch.Tensor, tolerance: float = 1.5) -> torch.Tensor:
    """Compute the F score between predicted and true label borders, whatever the classes on either side.

    A border pixel is as in `labels.label_borders`; it matches if the other map has one within the tolerance.

    Args:
        pred: (B, H, W) predicted ids.
        true: (B, H, W) true ids; pixels with 255 make no borders in either map.
        tolerance: Largest distance of a match, px.

    Returns:
        (B,) F score; nan for an image without a true border. Source: after Csurka et al. 2013, pooled over classes.

    Raises:
        InputError: if the sizes differ, or the tolerance is negative or no finite number.
    """
    check_sizes(pred, "pred", "BHW", **check_sizes(true, "true", "BHW"))
    pred = torch.where(true == IGNORE, torch.full_like(pred, IGNORE), pred)
    return edge_agreement(label_borders(pred), label_borders(true), tolerance, tolerance + 1)["edge_f"]
