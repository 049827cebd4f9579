"""Judging predicted classes over a data set."""
from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from ..classes import NAMES
from ..data.triplet import Triplet
from ..metrics import border_f1, class_iou, confusion_matrix
from ..semantics import targets


def evaluate_segmentation(predict: Callable[[Triplet], torch.Tensor], batches: Iterable[Triplet],
                          classes: str = "all") -> dict[str, float]:
    """Judge predicted labels on a data set: mIoU, the IoU of each class that occurs, and border F1.

    Args:
        predict: Function from a Triplet to ids (B, H, W), as `predicted_labels` gives them.
        batches: Triplets with labels.
        classes: Either all, or the group that is foreground.

    Returns:
        miou and iou_CLASS over all pixels together, border_f1 as the mean over images.

    Raises:
        InputError: if a batch has no labels.
    """
    names = NAMES if classes == "all" else ("background", classes)
    total = torch.zeros(len(names), len(names), dtype=torch.int64)
    borders: list[torch.Tensor] = []
    for triplet in batches:
        true = targets(triplet.require("labels").cpu(), classes)
        with torch.no_grad():
            pred = predict(triplet).cpu()
        total += confusion_matrix(pred, true, len(names)).sum(0)
        borders.append(border_f1(pred, true))
    iou = class_iou(total)
    scores = {"miou": float(iou.nanmean()), "border_f1": float(torch.cat(borders).nanmean())}
    return scores | {f"iou_{name}": float(value) for name, value in zip(names, iou) if torch.isfinite(value)}
