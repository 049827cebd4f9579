"""A puzzle of lesson 08: mend a broken training.

An answer takes a step or two with a small network, and is judged by its losses and by the weights that it leaves.
"""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ... import camera
from .broken_steps import DEPTHS, LEFT, MEANS, ORDERS, PICTURES, Step
from .exercise import Case, Exercise, Mistake
from .unmoved import Watch

NOTHING = -torch.inf  # stands for a loss that was not returned; no answer's own loss is that
STEEP = 1e4  # makes gradients so large that to clip them changes the step


class Slope(nn.Module):
    """A network of three numbers: disparity by column and row, and by the brightness of the image it looks at.

    Notable: while it trains, the mean of the brightness is taken out, as batch normalization does.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight / STEEP)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) to (B, 1, H, W)."""
        height, width = image.shape[-2:]
        u, v = camera.pixel_grid(height, width, image)
        gray = image.mean(1, keepdim=True)
        gray = gray - gray.mean() if self.training else gray
        column, row, brightness = STEEP * self.weight
        return torch.sigmoid(column * (u / width - 0.5) + row * (v / height - 0.5) + brightness * gray)


def mended(answer: Callable) -> Callable:
    """Let a step train a `Slope` some times; return its losses, the weights it leaves, and why they did not move."""
    def trial(weight, target, source, T, K, times):
        network = Slope(weight)
        optimizer = torch.optim.SGD(network.parameters(), 0.5 / STEEP**2, momentum=0.5)  # two steps are not one
        watch = Watch(network.weight, optimizer)
        given = watch.take(lambda: answer(network, optimizer, target, source, T, K), times)
        if given == times * [None] and watch.still:
            return None
        losses = [NOTHING if loss is None else loss for loss in given]
        return losses, STEEP * network.weight.detach(), watch.why()
    return trial


def _tells(losses: torch.Tensor) -> str:
    """Say that no loss came back; empty if one did."""
    return "your function returns nothing; return the loss, and the check can go on." if bool(
        (losses == NOTHING).any()) else ""


def whole_step(network, optimizer, target, source, T_source_target, K) -> float:
    """Take the step of the puzzle without any of its four faults, and return the loss."""
    return Step()(network, optimizer, target, source, T_source_target, K)


def _plane_cases() -> list[Case]:
    """Make planes; on the first a single step is taken, which already tells most of the known wrong answers apart."""
    cases = []
    for side, count, times in ((1.0, 1, 1), (-1.0, 2, 2), (1.0, 1, 2)):
        K = camera.intrinsics(14.0, 14.0, 9.5, 5.5)[None].expand(count, -1, -1)
        way = torch.tensor([[-0.3, 0.05, -0.1], [0.6, 0.1, 0.1]])[:count]  # each loses pixels of its own
        T = camera.rigid_transform(torch.zeros(count, 3), way)
        weight = torch.cat((side * (7 + torch.rand(1)), torch.randn(2)))  # from far on one side to near on the other
        cases.append(Case((weight, torch.rand(count, 3, 12, 20), torch.rand(count, 3, 12, 20), T, K, times)))
    return cases


def _silent(*args) -> None:
    """Take the right step, and return nothing."""
    whole_step(*args)


MEND = Exercise(
    name="mended_step", lesson="08_failure_museum", title="Mend a broken training", difficulty=3, minutes=20,
    statement="""\
Somebody trains with this step. The loss even falls, and the depth is worthless:

```python
def broken_step(network, optimizer, target, source, T_source_target, K):
    disp = network(target)                                   # sigmoid, (B, 1, H, W)
    warped, valid = warp(source, disp, T_source_target, K)
    error = photometric_error(warped, source)
    loss = error.mean()
    loss.backward()
    optimizer.step()
    return loss.item()
```

It has **four** faults. Write the step without them; depth runs from 0.5 to 20 m. The check says how many are left and
where they can be felt.""",
    stub='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_mended_step(network, optimizer, target, source, T_source_target, K):
    ...  # your lines''',
    hint="""\
Read every line with the question: what is this number, and what should it be? One fault is in a line that is not
there. One of them makes the loss small when nothing moves at all.""",
    solution='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_mended_step(network, optimizer, target, source, T_source_target, K):
    depth = camera.disp_to_depth(network(target), 0.5, 20.0)
    warped, valid = warp(source, depth, T_source_target, K)
    loss = photometric_error(warped, target)[valid].mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()''',
    teaches="course.checks.mending.whole_step", reference=whole_step, trial=mended, cases=_plane_cases,
    parts=("the losses that you return", "the weights that your steps leave", "the way of the gradient"),
    mistakes=(*LEFT, Mistake("nothing returned", _silent,
                             "the step is right, but your function returns nothing; return the loss."),
              *DEPTHS, *PICTURES, *MEANS, *ORDERS), tells=_tells)

EXERCISES = (MEND,)
