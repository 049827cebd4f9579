"""What the semantic networks learn from and are judged by: targets, class weights, cross-entropy, mIoU, border F1."""
from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F

from ..common import InputError, check_sizes
from ..data import Triplet
from ..labels import GROUPS, IGNORE, NAMES, NUM_CLASSES, group_mask
from ..metrics import border_f1, class_iou, confusion_matrix


def output_count(classes: str) -> int:
    """Return how many logits a pixel needs: 19 for "all" classes, 1 for a named group against the rest.

    Raises:
        InputError: if `classes` is neither "all" nor a group of `labels.GROUPS`.
    """
    if classes != "all" and classes not in GROUPS:
        raise InputError(f"classes {classes!r} is unknown; use all, {', '.join(GROUPS)}.")
    return NUM_CLASSES if classes == "all" else 1


def targets(labels: torch.Tensor, classes: str) -> torch.Tensor:
    """Turn trainIds (B, H, W) into what is learned: themselves, or 1 inside the named group and 0 outside; 255 stays.

    Both papers draw the binary target; its group is measured in one and inferred in the other, see `labels.GROUPS`.
    """
    if classes == "all":
        return labels.long()
    return torch.where(labels == IGNORE, IGNORE, group_mask(labels, classes).long())


def count_classes(batches: Iterable[Triplet], classes: str = "all") -> torch.Tensor:
    """Count the labeled pixels of each class (of background and foreground, if a group is named): (N,) float64.

    Raises:
        InputError: if a batch has no labels.
    """
    count = max(2, output_count(classes))
    total = torch.zeros(count, dtype=torch.float64)
    for triplet in batches:
        found = targets(_labels(triplet), classes)
        total += torch.bincount(found[found != IGNORE], minlength=count)
    return total


def _labels(triplet: Triplet) -> torch.Tensor:
    if triplet.labels is None:
        raise InputError("the data has no semantic labels, and this needs them; choose data that has them.")
    return triplet.labels.cpu()


def class_weights(counts: torch.Tensor) -> torch.Tensor:
    """Return weights w_c = 1 / sqrt(f_c) from pixel counts (N,), with mean 1 over the pixels; absent classes get 0.

    The square root is a compromise: weights 1 / f_c would make a rare class's every mistake count, weights 1 let poles
    and people vanish (ours; measured to bring pole and person off zero in a short training).
    """
    frequency = counts / counts.sum().clamp(min=1)
    weights = torch.where(counts > 0, frequency.clamp(min=1e-12) ** -0.5, 0)
    return (weights / (weights * frequency).sum().clamp(min=1e-12)).float()


def prior_logits(counts: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the logits that say how frequent classes are: where a head's bias should start, so that it need not crawl.

    Args:
        counts: (N,) pixels of each class, or (2,) of background and foreground.
        weights: of the classes in the loss.

    Returns:
        (N,) logits, or (1,) for two classes; no share below 1e-4 (ours).
    """
    mass = counts if weights is None else counts * weights
    share = (mass / mass.sum().clamp(min=1e-12)).clamp(min=1e-4)
    return (share.log() if len(counts) > 2 else (share[1] / share[0]).log()[None]).float()


def semantic_loss(logits: torch.Tensor, labels: torch.Tensor, classes: str = "all",
                  weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the cross-entropy at full resolution, the weighted mean over pixels that have a label.

    sum_p w(p) (-log q_p[label(p)]) / sum_p w(p), q the softmax, or the sigmoid of one channel (binary). Binary
    cross-entropy at full resolution is inferred for both papers.

    Args:
        logits: (B, N, H, W).
        labels: (B, H, W) trainIds, 255 = ignore.
        classes: all, or the group that is foreground.
        weights: (N,), or (2,) for background and foreground; None = 1.

    Returns:
        Scalar; 0 where no pixel has a label.

    Raises:
        InputError: if `classes` is unknown, a shape differs, or the logits are not as many as the classes.
    """
    count = output_count(classes)
    sizes = check_sizes(logits, "logits", "BCHW")
    check_sizes(labels, "labels", "BHW", **sizes)
    if sizes["C"] != count:
        raise InputError(f"logits have {sizes['C']} channels, expected {count} for classes {classes!r}.")
    target = targets(labels, classes)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if count == 1:
        known = target != IGNORE
        weight = known.to(logits.dtype) if weights is None else known * weights[target * known]
        inside = (target == 1).to(logits.dtype)
        total = F.binary_cross_entropy_with_logits(logits[:, 0], inside, weight, reduction="sum")
        return total / weight.sum().clamp(min=1e-12)
    # classes last: a row of logits lies together in memory, as the networks leave it
    total = F.cross_entropy(logits.movedim(1, -1).reshape(-1, count), target.flatten(), weights, ignore_index=IGNORE,
                            reduction="sum")
    known = target != IGNORE
    mass = known.sum() if weights is None else (weights[target * known] * known).sum()
    return total / mass.clamp(min=1e-12)


def evaluate_segmentation(predict: Callable[[Triplet], torch.Tensor], batches: Iterable[Triplet],
                          classes: str = "all") -> dict[str, float]:
    """Judge predicted labels on a data set: mIoU, the IoU of each class that occurs, and border F1.

    Args:
        predict: takes a Triplet, returns ids (B, H, W), as `predicted_labels` gives them.
        batches: Triplets with labels.
        classes: all, or the group that is foreground.

    Returns:
        miou and iou_CLASS over all pixels together, border_f1 as the mean over images.

    Raises:
        InputError: if a batch has no labels.
    """
    names = NAMES if classes == "all" else ("background", classes)
    total = torch.zeros(len(names), len(names), dtype=torch.int64)
    borders: list[torch.Tensor] = []
    for triplet in batches:
        true = targets(_labels(triplet), classes)
        with torch.no_grad():
            pred = predict(triplet).cpu()
        total += confusion_matrix(pred, true, len(names)).sum(0)
        borders.append(border_f1(pred, true))
    iou = class_iou(total)
    scores = {"miou": float(iou.nanmean()), "border_f1": float(torch.cat(borders).nanmean())}
    return scores | {f"iou_{name}": float(value) for name, value in zip(names, iou) if torch.isfinite(value)}
