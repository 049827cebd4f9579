"""The exercise of lesson 04 in which a network learns: one step of training."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..photo_training import Level, our_step
from .exercise import Case, Exercise, Mistake
from .learning import LESSON
from .unmoved import UNMOVED, Watch, acts_of

STEEP = 1000.0  # makes gradients so large that to clip them changes the step


class Guesser(nn.Module):
    """A network of two numbers, small enough to be checked by hand: an image to a few maps of disparity.

    Its batch norm answers otherwise in eval mode, as that of a real network does.
    """

    def __init__(self, weight: torch.Tensor, maps: int) -> None:
        super().__init__()
        self.weight, self.maps = nn.Parameter(weight.clone()), maps
        self.norm = nn.BatchNorm2d(1, affine=False)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (B, 3, H, W) to (B, 1, H, W), (B, 1, H / 2, W / 2), and so on."""
        if not isinstance(image, torch.Tensor):
            raise TypeError(f"the network looks at one image, such as levels[0].target, and got a "
                            f"{type(image).__name__}")
        disp = torch.sigmoid(self.weight[0] * self.norm(image.mean(1, keepdim=True)) + self.weight[1])
        return _halved(disp, self.maps)


def _halved(image: torch.Tensor, count: int) -> list[torch.Tensor]:
    """Return an image at full size, at half of it, and so on."""
    return [F.avg_pool2d(image, 2**level) if level else image for level in range(count)]


def squares(disp: torch.Tensor, level: Level) -> torch.Tensor:
    """Return the loss of one map beside its level; refuse a map of another size, and what is no map.

    Raises:
        TypeError: if these are not a map and a level, in this order.
        ValueError: if the map has another size than its level.
    """
    if not isinstance(disp, torch.Tensor) or not isinstance(level, Level):
        raise TypeError("loss_of takes a map of disparity first and its whole level second, and got a "
                        f"{type(disp).__name__} and a {type(level).__name__}")
    if disp.shape[-2:] != level.target.shape[-2:]:
        (h, w), (height, width) = disp.shape[-2:], level.target.shape[-2:]
        raise ValueError(f"a map of {h} x {w} met a level of {height} x {width}: maps and levels both come finest "
                         "first, so each map has a level of its own, if the network looks at the full-size target")
    return STEEP * level.K[0, 0, 0] * (disp * level.source - level.target).square().mean()


def two_steps(answer: Callable) -> Callable:
    """Let a step train a `Guesser` twice; return its losses, the weights it leaves, and why they did not move."""
    def trial(weight, target, source, shares):
        network = Guesser(weight, len(shares))
        levels = [Level(seen, other, share * torch.eye(3)[None]) for seen, other, share in zip(
            _halved(target, len(shares)), _halved(source, len(shares)), shares)]
        optimizer = torch.optim.SGD(network.parameters(), 2 / STEEP, momentum=0.5)  # so two steps are no longer one
        watch = Watch(network.weight, optimizer)
        given = watch.twice(lambda: answer(network, optimizer, levels, squares))
        if given == [None, None] and watch.still:
            return None
        return [torch.nan if loss is None else loss for loss in given], network.weight.detach().clone(), watch.why()
    return trial


def _step(view="target", zero=True, back=1.0, levels=slice(None), join=0, late=False, returns=1.0, clip=0.0,
          of=sum) -> Callable:
    """Build a step with one thing changed; a join of 0 divides by the number of levels."""
    def wrong(network, optimizer, pyramid, loss_of):
        def loss_now() -> Any:
            disps = network(getattr(pyramid[0], view))
            return of([loss_of(*each) for each in zip(disps, pyramid)][levels]) / (join or len(pyramid))
        loss = loss_now()
        if zero:
            optimizer.zero_grad()
        (back * loss).backward()
        if clip:
            nn.utils.clip_grad_norm_(network.parameters(), clip)
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


def _step_in_order(order: str) -> Callable:
    """Build a step that does the acts of `unmoved` in another order."""
    def wrong(network, optimizer, pyramid, loss_of):
        loss: Any = sum(loss_of(*each) for each in zip(network(pyramid[0].target), pyramid)) / len(pyramid)
        acts = acts_of(loss, optimizer)
        for word in order.split():
            acts[word]()
        return loss.item()
    return wrong


def _step_each_level(network, optimizer, pyramid, loss_of, shared: bool = False) -> float:
    """Step inside the loop over the levels, each down its whole loss, or down its share of the mean."""
    losses = []
    for i, level in enumerate(pyramid):
        loss = loss_of(network(pyramid[0].target)[i], level)
        optimizer.zero_grad()
        (loss / len(pyramid) if shared else loss).backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def _step_in_loop(zero="each", share=0, move="each", once=False) -> Callable:
    """Build a step that goes back inside the loop over the levels, down the maps of one look.

    Args:
        zero: Where the gradient is wiped out: in "each" turn of the loop, or "first".
        share: Number by which each loss is divided; 0 = the number of levels.
        move: Whether a step is taken in "each" turn, or "last".
        once: Whether only the last loss goes back, after the loop.
    """
    def wrong(network, optimizer, pyramid, loss_of):
        losses: list[Any] = []
        loss: Any = 0
        optimizer.zero_grad()
        for disp, level in zip(network(pyramid[0].target), pyramid):
            losses.append(loss_of(disp, level))
            loss = losses[-1] / (share or len(pyramid))
            if zero == "each":
                optimizer.zero_grad()
            if not once:
                loss.backward(retain_graph=True)
            if move == "each":
                optimizer.step()
        if once:
            loss.backward()
        if move == "last":
            optimizer.step()
        return loss.item() if once else torch.stack(losses).mean().item()
    return wrong


def _step_then_eval(network, optimizer, pyramid, loss_of) -> float:
    loss = _step()(network, optimizer, pyramid, loss_of)
    network.eval()
    return loss


def _step_returning(which: int) -> Callable:
    """Build a right step that returns the loss of one level."""
    def wrong(network, optimizer, pyramid, loss_of):
        losses = [loss_of(*each) for each in zip(network(pyramid[0].target), pyramid)]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
        return losses[which].item()
    return wrong


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


def _step_mean_but_first(network, optimizer, pyramid, loss_of) -> float:
    return _step(levels=slice(1, None), join=len(pyramid) - 1)(network, optimizer, pyramid, loss_of)


def _step_down_the_sum(network, optimizer, pyramid, loss_of) -> float:
    return _step(back=len(pyramid))(network, optimizer, pyramid, loss_of)


def _step_of_ends(network, optimizer, pyramid, loss_of) -> float:
    return _step(levels=slice(None, None, len(pyramid) - 1), join=2)(network, optimizer, pyramid, loss_of)


def _step_at_full_size(network, optimizer, pyramid, loss_of) -> float:
    def beside_the_finest(disp: torch.Tensor, level: Level) -> torch.Tensor:
        size = pyramid[0].target.shape[-2:]
        return loss_of(F.interpolate(disp, size, mode="bilinear", align_corners=False), pyramid[0])
    return _step()(network, optimizer, pyramid, beside_the_finest)


def _running(losses: list) -> Any:
    """Take the mean of the last mean and the next loss, turn by turn."""
    return reduce(lambda mean, loss: (mean + loss) / 2, losses)


def _dwindling(losses: list) -> Any:
    """Divide the sum so far in each turn."""
    return reduce(lambda total, loss: (total + loss) / len(losses), losses, 0)


def _step_growing(divided=False, moves=False) -> Callable:
    """Build a step that goes down the sum so far in each turn of the loop."""
    def wrong(network, optimizer, pyramid, loss_of):
        loss: Any = 0
        optimizer.zero_grad()
        for disp, level in zip(network(pyramid[0].target), pyramid):
            loss = loss + loss_of(disp, level) / (len(pyramid) if divided else 1)
            loss.backward(retain_graph=True)
            if moves:
                optimizer.step()
        if not moves:
            optimizer.step()
        return loss.item() / (1 if divided else len(pyramid))
    return wrong


def _step_cases() -> list[Case]:
    return [Case((torch.randn(2), torch.rand(1, 3, 64, 80), torch.rand(1, 3, 64, 80), shares)) for shares in (
        (1.0, 0.5, 3.0), (1.0, 1.0), (1.0, 8.0, 0.2, 5.0))]


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
    parts=("the losses that you return", "the weights that your steps leave", "the way of the gradient"), mistakes=(
        Mistake("gradients pile up", _step(zero=False),
                "the first step is right and the second is not: the old gradient is still there."),
        *(Mistake(f"weights stay, {k}", _step_in_order(order), f"the loss is right, but {says}")
          for k, (says, order) in enumerate(UNMOVED.items(), 1)),
        Mistake("uphill", _step(back=-1.0), "you climb: the loss grows with every step."),
        Mistake("uphill, minus returned", _step(back=-1.0, returns=-1.0),
                "you climb, and what you return is the negative of the loss."),
        Mistake("gradient doubled", _step(back=2.0),
                "your gradient is twice as large as it should be: do you go back twice, or down the levels' sum?"),
        Mistake("gradient of the sum", _step_down_the_sum,
                "the loss that you return is the mean, but you go down the sum: divide before you go back."),
        Mistake("gradient clipped", _step(clip=1.0),
                "you clip the gradient, which makes the step shorter; go down the gradient as it is."),
        Mistake("largest loss", _step(of=max, join=1), "you take the level with the largest loss; all of them count."),
        Mistake("smallest loss", _step(of=min, join=1),
                "you take the level with the smallest loss; all of them count."),
        Mistake("finest level alone", _step(levels=slice(1), join=1), "you look at the finest level only."),
        Mistake("finest level left out", _step(levels=slice(1, None)),
                "the finest level is not in your sum: does your loop begin at 1?", (
                    _step_mean_but_first,)),
        Mistake("coarsest level left out", _step(levels=slice(-1)),
                "the coarsest level is not in your sum: does your loop end one too early?"),
        Mistake("two levels alone", _step(levels=slice(2), join=2),
                "you take the mean of the two finest levels; there can be more."),
        Mistake("first and last level", _step_of_ends,
                "you take the mean of the two levels at the ends; those between count too."),
        Mistake("running mean", _step(of=_running, join=1),
                "you take the mean of the last mean and the next level, turn by turn, so later levels count more; add "
                "all up, then divide once."),
        Mistake("divided in the loop", _step(of=_dwindling, join=1),
                "you divide inside the loop, so what came before is divided once more in each turn; divide after it."),
        Mistake("sum of the levels", _step(join=1), "you add the levels up where their mean is wanted."),
        Mistake("looks at the source", _step(view="source"),
                "the network looks at the source; the depth of the target is wanted."),
        Mistake("loss of the next step", _step(late=True),
                "the weights are right, but the loss you return is that of the next step."),
        Mistake("nothing returned", _step(returns=0.0),
                "the weights are right, but your step returns nothing."),
        Mistake("coarse level divided by all", _step(levels=slice(1)),
                "you divide by the number of levels, but only the finest of them is in your sum."),
        Mistake("two steps", _step_twice, "you take two steps down one gradient."),
        Mistake("a look for each level", _step_each_view,
                "your network looks at the target of every level; one look at the full-size target gives all maps."),
        Mistake("a step for each level", _step_each_level,
                "you step inside the loop over the levels; their mean is one number, and one step goes down it."),
        Mistake("a step for each level, of its share", partial(_step_each_level, shared=True),
                "you step inside the loop, down each level's share of the mean; add the shares up, then step once."),
        Mistake("eval mode", lambda network, *others: _step()(network.eval(), *others),
                "your network is in eval mode, where batch norm and dropout do not work as in training; leave it "
                "in the mode in which it comes."),
        Mistake("eval mode from the second step on", _step_then_eval,
                "your first step is right; after it the network stands in eval mode, and the next step trains it so."),
        Mistake("back and step in the loop", _step_in_loop(share=1),
                "your loop over the levels wipes out, goes back and steps in each turn; take the mean first, then do "
                "each once."),
        Mistake("back and step in the loop, by shares", _step_in_loop(),
                "your loop over the levels steps down each level's share, and the first step moves the weights under "
                "the second."),
        Mistake("steps in the loop, gradients pile up", _step_in_loop("first", 1),
                "you step in each turn of the loop, down the sum of all levels so far; their mean is ready after the "
                "loop."),
        Mistake("steps in the loop by shares, gradients pile up", _step_in_loop("first"),
                "you step in each turn of the loop, down all shares so far; the step belongs after the loop."),
        Mistake("the growing sum goes back", _step_growing(),
                "you go back in each turn of the loop, down the sum so far, so the first levels count again and again; "
                "go back once, after the loop.", (_step_growing(divided=True), _step_growing(moves=True),
                                                  _step_growing(divided=True, moves=True))),
        Mistake("zero_grad in the loop", _step_in_loop(move="last"),
                "zero_grad stands in the loop, and wipes out what the levels before have given."),
        Mistake("zero_grad in the loop, no shares", _step_in_loop(share=1, move="last"),
                "zero_grad stands in the loop, so the last level alone moves the weights, and fully."),
        Mistake("last share alone", _step_in_loop(once=True, move="last"),
                "each level overwrites the loss of the one before, where they should be added up."),
        Mistake("loss of the finest level returned", _step_returning(0),
                "the weights are right, but you return the loss of the finest level; the mean is asked for."),
        Mistake("loss of the coarsest level returned", _step_returning(-1),
                "the weights are right, but you return the loss of the coarsest level; the mean is asked for."),
        Mistake("divided by another number", _step(join=4),
                "you divide by a number of your own; there are as many levels as come in.", (
                    _step(join=2), _step(join=3), _step(join=5))),
        Mistake("coarse levels count less", _step(of=lambda each: sum(loss / 2**i for i, loss in enumerate(each))),
                "you let each coarser level count half; all count alike in their mean."),
        Mistake("every map at full size", _step_at_full_size,
                "you bring every map to full size, as lesson 03 tells of Monodepth2; here each map meets a level."),
        Mistake("coarsest level alone", _step_coarsest, "you look at the coarsest level only.")))

EXERCISES = (STEP,)
