"""What the semantic networks learn from: targets, class weights, where their bias starts, and the cross-entropy."""
from __future__ import annotations

import torch
import torch.nn.functional as F

from ..classes import GROUPS, IGNORE, NUM_CLASSES, OTHER
from ..common.contracts import InputError, check_sizes
from ..common.processes import mean_over_processes
from ..labels import group_mask


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

    A pixel known to be none of the 19 classes lies outside of every group, and of all classes it has none.

    Both papers draw the binary target; its group is measured in one and inferred in the other, see `labels.GROUPS`.
    """
    if classes == "all":
        return torch.where(labels == OTHER, IGNORE, labels.long())
    return torch.where(labels == IGNORE, IGNORE, group_mask(labels, classes).long())


def class_weights(counts: torch.Tensor) -> torch.Tensor:
    """Return weights w_c = 1 / sqrt(f_c) from pixel counts (N,), with mean 1 over the pixels; absent classes get 0.

    The square root is a compromise: weights 1 / f_c would make a rare class's every mistake count, weights 1 let poles
    and people vanish (ours; measured to bring pole and person off zero in a short training).
    """
    frequency = counts / counts.sum().clamp(min=1)
    weights = torch.where(counts > 0, frequency.clamp(min=1e-12) ** -0.5, 0)
    return (weights / (weights * frequency).sum().clamp(min=1e-12)).float()


def prior_logits(counts: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the logits of the class frequencies: the start of a head's bias, which would take long to get there.

    Args:
        counts: (N,) pixels of each class, or (2,) of background and foreground.
        weights: Weights of the classes in the loss.

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
        logits: (B, N, H, W) scores of the classes.
        labels: (B, H, W) trainIds, 255 = ignore.
        classes: Name of the classes: all, or the group that is foreground.
        weights: (N,) weights of the classes, or (2,) for background and foreground; None = 1.

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
        return total / mean_over_processes(weight.sum()).clamp(min=1e-12)
    # classes last: a row of logits lies together in memory, as the networks leave it
    total = F.cross_entropy(logits.movedim(1, -1).reshape(-1, count), target.flatten(), weights, ignore_index=IGNORE,
                            reduction="sum")
    known = target != IGNORE
    mass = known.sum() if weights is None else (weights[target * known] * known).sum()
    return total / mean_over_processes(mass).clamp(min=1e-12)
