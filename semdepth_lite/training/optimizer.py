"""Adam, in the form that the device has."""
from __future__ import annotations

import torch

from ..common.contracts import InputError


def make_optimizer(parameters: list[torch.nn.Parameter], rate: float) -> torch.optim.Adam:
    """Return Adam in the form that goes through all weights in one call, where the device has it.

    Args:
        parameters: Parameters of one device, one at least; groups of parameters are not taken.
        rate: Learning rate.

    Raises:
        InputError: If it is something else.
    """
    if not parameters or not all(isinstance(parameter, torch.nn.Parameter) for parameter in parameters):
        raise InputError("an optimizer was asked for without a list of parameters; give it list(model.parameters()).")
    return torch.optim.Adam(parameters, rate, fused=parameters[0].device.type in ("cpu", "cuda"))


def update(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], clip: float) -> None:
    """Clip the gradients' norm, if it is limited, and take Adam's step. Nothing in here waits for a GPU."""
    if clip:
        torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
    optimizer.step()
