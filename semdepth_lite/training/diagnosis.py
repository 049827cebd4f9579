"""What can go wrong in a training step, by name, with what to try."""
from __future__ import annotations

import torch

from ..common.contracts import RunFailed
from ..losses import LossTerms
from ..model import Prediction


class TrainingError(RunFailed):
    """Training went wrong in a way that has a name; the message says what to try."""


def diagnose(terms: LossTerms, prediction: Prediction) -> str | None:
    """Name what went wrong in a step, with what to try; None if all is well."""
    if not bool(torch.isfinite(terms.total)):
        return "the loss is not a number: lower the learning rate, and look for broken frames with `doctor`"
    inverse = 1 / prediction.depth.detach().float()  # not disparity: at its far end that varies a lot around nothing
    if float((inverse.std((1, 2, 3)) / inverse.mean((1, 2, 3))).max()) < 1e-3:
        return ("depth has collapsed to a constant: lower the learning rate, and check that the camera moves and that "
                "the intrinsics belong to this image size")
    motion = prediction.T_source_target
    if motion is not None and motion.requires_grad and float(motion.detach()[..., :3, 3].norm(dim=-1).max()) < 1e-6:
        return "the pose has collapsed to standing still: lower the learning rate, or raise the frame step"
    return None
