"""The exercise of lesson 04 in which a network learns: one step of training."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..photo_training import Level, our_step
from .exercise import Case, Exercise, Mistake
from .learning import LESSON

# of a training step, here and in the puzzle of the broken one
UNMOVED = ("the loss is right, but the weights stay the same: no step is taken, it comes before backward, or "
           "zero_grad stands between backward and step and wipes the gradient out.")

STEEP = 1000.0  # makes gradients so large that to clip them changes the step


class Guesser(nn.Module):
    """A network of two numbers, small enough to be checked by hand: an image to two maps of disparity."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (B, 3, H, W) to (B, 1, H, W) and (B, 1, H / 2, W / 2)."""
        disp = torch.sigmoid(self.weight[0] * image.mean(1, keepdim=True) + self.weight[1])
        return [disp, F.avg_pool2d(disp, 2)]


def two_steps(answer: Callable) -> Callable:
    """Let a reader's step train a `Guesser` twice, and return the losses it gave and the weights it left."""
    def trial(weight, target, source, share):
        network, levels = Guesser(weight), [Level(target, source, torch.eye(3)[None])]
        optimizer = torch.optim.SGD(network.parameters(), 2 / STEEP, momentum=0.5)  # so two steps are no longer one
        levels.append(Level(F.avg_pool2d(target, 2), F.avg_pool2d(source, 2), share * torch.eye(3)[None]))

        def loss_of(disp, level):
            return STEEP * level.K[0, 0, 0] * (disp * level.source - level.target).square().mean()
        given = [answer(network, optimizer, levels, loss_of) for _ in range(2)]
        after = network.weight.detach().clone()
        if given == [None, None] and torch.equal(after, weight):
            return None
        return [torch.nan if loss is None else loss for loss in given], after
    return trial


def _step(view="target", zero=True, back=1.0, move=True, levels=2, join=2, late=False, returns=1.0, clip=0.0,
          of=sum) -> Callable:
    """Build a step with one thing changed."""
    def wrong(network, optimizer, pyramid, loss_of):
        def loss_now() -> Any:
            disps = network(getattr(pyramid[0], view))
            return of([loss_of(*each) for each in list(zip(disps, pyramid))[:levels]]) / join
        loss = loss_now()
        if zero:
            optimizer.zero_grad()
        (back * loss).backward()
        if clip:
            nn.utils.clip_grad_norm_(network.parameters(), clip)
        if move:
            optimizer.step()
        return returns * (loss_now() if late else loss).item() if returns else None
    return wrong


def _step_twice(network, optimizer, pyramid, loss_of) -> float:
    loss: Any = sum(loss_of(*each) for each in zip(network(pyramid[0].target), pyramid)) / len(pyramid)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    optimizer.step()
    return loss.item()


def _step_each_level(network, optimizer, pyramid, loss_of, share: float = 1.0) -> float:
    """Step inside the loop over the levels."""
    losses = []
    for i, level in enumerate(pyramid):
        loss = loss_of(network(pyramid[0].target)[i], level)
        optimizer.zero_grad()
        (share * loss).backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def _step_each_view(network, optimizer, pyramid, loss_of) -> float:
    """Let the network look at the target of each level, and take its finest map."""
    loss: Any = sum(loss_of(network(level.target)[0], level) for level in pyramid) / len(pyramid)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _step_coarsest(network, optimizer, pyramid, loss_of) -> float:
    loss = loss_of(network(pyramid[0].target)[-1], pyramid[-1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _step_cases() -> list[Case]:
    return [Case((torch.randn(2), torch.rand(1, 3, 6, 8), torch.rand(1, 3, 6, 8), share)) for share in (0.5, 1.0, 8.0)]


STEP = Exercise(
    name="training_step", lesson=LESSON, title="Teach the network for one step", difficulty=3, minutes=20,
    statement="""\
The heart of it. `network(image)` gives a list of disparity maps, finest first. `levels` is the pair of views at full
size, at half of it, and so on: `levels[i].target`, `.source` and `.K`. `loss_of(disp, level)` is the loss of one map
beside its level. Let the network look at the full-size target, take the **mean** of the losses over the levels, go one
step down its gradient with `optimizer`, and return the loss as a float, or as a tensor without its graph. Your step is
called many times on the same network; every call counts for itself.""",
    stub='''def my_training_step(network, optimizer, levels, loss_of):
    ...  # your lines''',
    hint="""\
Five verbs: predict, compare, forget, go back, step. *Forget* is `optimizer.zero_grad()`: PyTorch adds new gradients to
old ones. What goes wrong in the second step without it?""",
    solution='''def my_training_step(network, optimizer, levels, loss_of):
    disps = network(levels[0].target)
    loss = sum(loss_of(disp, level) for disp, level in zip(disps, levels)) / len(levels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()''',
    teaches="course.photo_training.our_step", reference=our_step, cases=_step_cases, trial=two_steps,
    parts=("the losses that you return", "the weights that your steps leave"), mistakes=(
        Mistake("gradients pile up", _step(zero=False),
                "the first step is right and the second is not: the old gradient is still there."),
        Mistake("weights stay", _step(move=False), UNMOVED),
        Mistake("uphill", _step(back=-1.0), "you climb: the loss grows with every step."),
        Mistake("uphill, minus returned", _step(back=-1.0, returns=-1.0),
                "you climb, and what you return is the negative of the loss."),
        Mistake("gradient doubled", _step(back=2.0),
                "your gradient is twice as large as it should be: do you go back twice, or down the levels' sum?"),
        Mistake("gradient clipped", _step(clip=1.0),
                "you clip the gradient, which makes the step shorter; go down the gradient as it is."),
        Mistake("largest loss", _step(of=max, join=1), "you take the level with the largest loss; all of them count."),
        Mistake("smallest loss", _step(of=min, join=1),
                "you take the level with the smallest loss; all of them count."),
        Mistake("finest level alone", _step(levels=1, join=1), "you look at the finest level only."),
        Mistake("sum of the levels", _step(join=1), "you add the levels up where their mean is wanted."),
        Mistake("looks at the source", _step(view="source"),
                "the network looks at the source; the depth of the target is wanted."),
        Mistake("loss of the next step", _step(late=True),
                "the weights are right, but the loss you return is that of the next step."),
        Mistake("nothing returned", _step(returns=0.0),
                "the weights are right, but your step returns nothing."),
        Mistake("coarse level divided by all", _step(levels=1),
                "you divide by the number of levels, but only the finest of them is in your sum."),
        Mistake("two steps", _step_twice, "you take two steps down one gradient."),
        Mistake("a look for each level", _step_each_view,
                "your network looks at the target of every level; one look at the full-size target gives all maps."),
        Mistake("a step for each level", _step_each_level,
                "you step inside the loop over the levels; their mean is one number, and one step goes down it."),
        Mistake("a step for each level, of half a size", partial(_step_each_level, share=0.5),
                "you step inside the loop, down each level's share of the mean; add the shares up, then step once."),
        Mistake("coarsest level alone", _step_coarsest, "you look at the coarsest level only.")))

EXERCISES = (STEP,)
