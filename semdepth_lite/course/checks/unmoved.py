"""Why the weights of a network stay the same although somebody trains it: sentences, and what tells them apart."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from unittest import mock

import torch
from torch import nn

from .exercise import Unusable

UNMOVED = {  # each sentence, and an order of acts of which it is true
    "you never go back: `backward` is missing.": "zero step",
    "the gradient does not reach the network: no_grad, .item() or .detach() cuts it off, and `requires_grad_` does not "
    "mend that.": "zero astray step",
    "the weights stay the same: the gradient is there, and nobody takes the step.": "zero backward",
    "the weights stay the same: the step comes before backward, when no gradient is there yet.": "zero step backward",
    "the weights stay the same: zero_grad stands between backward and step, and wipes the gradient out.":
        "backward zero step"}


def acts_of(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> dict[str, Callable]:
    """Name what a step can do; astray is a way back from a loss that was cut off from the network."""
    return {"zero": optimizer.zero_grad, "backward": partial(loss.backward, retain_graph=True),
            "astray": partial(_go_back_cut_off, loss), "step": optimizer.step}


def _go_back_cut_off(loss: torch.Tensor) -> None:
    loss.detach().requires_grad_().backward()


def loss_given(loss):
    """Return what a step gave back, if it is one number or nothing.

    Raises:
        Unusable: if it is anything else.
    """
    if loss is None or isinstance(loss, (int, float)) or getattr(loss, "shape", None) == ():
        return loss
    shape = f" of shape {'x'.join(map(str, loss.shape))}" if hasattr(loss, "shape") else (
        f" of {len(loss)}" if isinstance(loss, (tuple, list)) else "")
    raise Unusable(f"each call of your step returns a {type(loss).__name__}{shape}; one number is asked for, the loss.")


class Watch:
    """A look at what a step does to the weights of a network and with its optimizer."""

    def __init__(self, weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        self.weight, self.before = weight, weight.detach().clone()
        self.went_back, self.came, self.taken = False, False, False
        weight.register_post_accumulate_grad_hook(self._gradient_comes)
        optimizer.register_step_pre_hook(self._step_is_taken)

    def _gradient_comes(self, weight: torch.Tensor) -> None:
        self.came = True

    def _step_is_taken(self, *step) -> None:
        self.taken = True

    def twice(self, step: Callable[[], object]) -> list:
        """Take a step two times; see `take`."""
        return self.take(step, 2)

    def take(self, step: Callable[[], object], times: int) -> list:
        """Take a step some times, and return what it gave.

        Raises:
            Unusable: if the weights moved without the optimizer.
        """
        with mock.patch.object(torch.autograd, "backward", wraps=torch.autograd.backward) as back:
            given = [loss_given(step()) for _ in range(times)]
        self.went_back = back.called
        if not self.still and not self.taken:
            raise Unusable("the weights move, but not by `optimizer`: take the step with the one that comes in, which "
                           "remembers the steps before; one of your own forgets them, and a line of your own too.")
        return given

    @property
    def still(self) -> bool:
        """Whether the weights are the same as before."""
        return torch.equal(self.weight, self.before)

    def why(self) -> float:
        """Return the number of the sentence of `UNMOVED`, counted from 1, that says why weights stay; 0 if not."""
        if not self.still:
            return 0.0
        if not self.came:
            return 2.0 if self.went_back else 1.0
        left = self.weight.grad
        return 3.0 if not self.taken else 4.0 if left is not None and bool(left.any()) else 5.0
