"""Exercises of lesson 04: from disparity to depth, the loss of a guess, a step of training, and an alignment."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ... import camera, losses
from ...warp import warp
from ..photo_training import Level, our_step
from .exercise import Case, Exercise, Mistake
from .geometry import random_size
from .warping import warp_cases

LESSON = "04_a_network_that_learns"
# of a training step, here and in the puzzle of the broken one
UNMOVED = ("the loss is right, but the weights stay the same: no step is taken, it comes before backward, or "
           "zero_grad stands between backward and step and wipes the gradient out.")


# Disparity to depth, and the loss of a view

def _disp_cases() -> list[Case]:
    return [Case((torch.rand(count, 1, *random_size()), low, high))
            for count, low, high in ((1, 0.1, 100.0), (2, 1.0, 20.0), (1, 0.5, 8.0))]


DISP = Exercise(
    name="disp_to_depth", lesson=LESSON, title="Read depth off a sigmoid", difficulty=1, minutes=8,
    statement="""\
The network's last layer is a sigmoid: `disp` `(B, 1, H, W)` lies between 0 and 1. Turn it into meters so that 0 means
`max_depth`, 1 means `min_depth`, and *equal steps of `disp` are equal steps of inverse depth*. Return
`(B, 1, H, W)`.""",
    stub='''def my_disp_to_depth(disp, min_depth, max_depth):
    ...  # your lines''',
    hint="""\
Interpolate linearly between the two ends, but not between the two depths: between which two numbers instead? Then one
step is left.""",
    solution='''def my_disp_to_depth(disp, min_depth, max_depth):
    nearest, farthest = 1 / min_depth, 1 / max_depth
    return 1 / (farthest + (nearest - farthest) * disp)''',
    teaches="camera.disp_to_depth", reference=camera.disp_to_depth, cases=_disp_cases, gradient=0, mistakes=(
        Mistake("linear in depth", lambda d, a, b: b + (a - b) * d,
                "both ends are right, but you walk between them in equal steps of depth."),
        Mistake("ends exchanged", lambda d, a, b: 1 / (1 / a + (1 / b - 1 / a) * d),
                "the ends are exchanged: a disparity of 1 has to be near."),
        Mistake("inverse depth returned", lambda d, a, b: 1 / b + (1 / a - 1 / b) * d,
                "this is inverse depth; one step is missing."),
        Mistake("no range", lambda d, a, b: 1 / d,
                "you invert the sigmoid's output as it is, so the two depths are not used and 0 explodes."),
        Mistake("range cut instead of mapped", lambda d, a, b: (1 / d).clamp(a, b),
                "you cut depth to the range; then many disparities mean the same depth, and no gradient comes back."),
        Mistake("in equal ratios", lambda d, a, b: b * (a / b) ** d,
                "you walk between the ends in equal ratios of depth, which is another map."),
        Mistake("linear, and upward", lambda d, near, far: near + (far - near) * d,
                "two things: 0 has to be far, and equal steps are meant in inverse depth."),
        Mistake("depths for inverse depths", lambda d, near, far: 1 / (near + (far - near) * d),
                "you invert at the end, but walk between the two depths instead of their inverses."),
        Mistake("nothing taken off", lambda d, near, far: 1 / (1 / far + d / near),
                "one end is right; at the other you arrive a little too near: how long is the way between them?"),
        Mistake("brackets forgotten", lambda d, near, far: 1 / (1 / far + 1 / near - 1 / far * d),
                "only the last of your terms is multiplied by the disparity: are brackets missing?"),
        Mistake("no far end", lambda d, near, far: 1 / ((1 / near - 1 / far) * d),
                "the length of the way is right, but it starts at infinity."),
        Mistake("nearest over disparity", lambda d, near, far: near / d,
                "one end is right, but nothing keeps the other from infinity.")))


def _loss_cases() -> list[Case]:
    cases = []
    for case in warp_cases()[:2]:
        source, depth, T, K = case.args
        T[1:, 0, 3] = 2.0  # far to the side, so that two images show unequal numbers of pixels
        cases.append(Case((depth, torch.rand_like(source), source, T, K)))
    source, depth, T, K = warp_cases()[0].args
    cases.append(Case((depth, torch.rand_like(source), source, camera.invert_transform(T), K)))
    return cases


def _view_loss(depth, target, source, T, K, reduce=lambda error, valid: error[valid].mean()) -> torch.Tensor:
    warped, valid = warp(source, depth, T, K)
    return reduce(losses.photometric_error(warped, target), valid)


LOSS = Exercise(
    name="photometric_loss", lesson=LESSON, title="Make one number of a guess", difficulty=2, minutes=10,
    statement="""\
A depth map `depth` `(B, 1, H, W)` is a guess; say how good it is. Paint the target with the source, compare with the
photometric error, and return its mean over the pixels that the source can show: a scalar with a gradient by depth.
`target` and `source` are `(B, 3, H, W)`, `T_source_target` `(B, 4, 4)`, `K` `(B, 3, 3)`. `warp` and
`losses.photometric_error` are the package's; put `my_warp` and `my_photometric` in their place if you have them
here.""",
    stub='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_photometric_loss(depth, target, source, T_source_target, K):
    ...  # your lines''',
    hint="`warp` returns two things. `error[valid]` is the flat list of the errors where `valid` is true.",
    solution='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_photometric_loss(depth, target, source, T_source_target, K):
    warped, valid = warp(source, depth, T_source_target, K)
    return photometric_error(warped, target)[valid].mean()''',
    teaches="losses.reprojection_error", reference=_view_loss, cases=_loss_cases, gradient=0, mistakes=(
        Mistake("rim counts", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda error, valid: error.mean()),
                "pixels that the source cannot show count with the color of its rim."),
        Mistake("zero outside", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda e, valid: (e * valid).mean()),
                "pixels without a source count as perfect: you multiply by the mask and still divide by all pixels."),
        Mistake("inverse motion", lambda d, t, s, T, K: _view_loss(d, t, s, camera.invert_transform(T), K),
                "the motion is used the wrong way round."),
        Mistake("target warped", lambda d, t, s, T, K: _view_loss(d, s, t, T, K),
                "you move the target and compare it with the source; it is the target that is to be painted."),
        Mistake("sum", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda error, valid: error[valid].sum()),
                "your loss is a sum, so it grows with the image."),
        Mistake("median", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda error, valid: error[valid].median()),
                "you take the median, which passes a gradient to one pixel only; the mean is asked for."),
        Mistake("unmoved", lambda d, t, s, T, K: losses.photometric_error(s, t).mean() + 0 * d.mean(),
                "you compare the source as it is; depth does not enter."),
        Mistake("compared with the source", lambda d, t, s, T, K: losses.photometric_error(warp(s, d, T, K)[0], s)[
            warp(s, d, T, K)[1]].mean(),
                "you compare the painting with the source; it should look like the target."),
        Mistake("compared with the source, rim counts", lambda d, t, s, T, K: losses.photometric_error(
            warp(s, d, T, K)[0], s).mean(),
                "two things: the painting should look like the target, and the rim counts."),
        Mistake("color alone", lambda d, t, s, T, K: (warp(s, d, T, K)[0] - t).abs().mean(1, keepdim=True)[
            warp(s, d, T, K)[1]].mean(),
                "you compare colors only; the photometric error looks at structure too."),
        Mistake("squared color", lambda d, t, s, T, K: (warp(s, d, T, K)[0] - t).square().mean(1, keepdim=True)[
            warp(s, d, T, K)[1]].mean(),
                "you compare squares of color differences; the photometric error is another."),
        Mistake("structure alone", lambda d, t, s, T, K: losses.ssim_distance(
            warp(s, d, T, K)[0], t).mean(1, keepdim=True)[warp(s, d, T, K)[1]].mean(),
                "you compare structure only; the photometric error looks at color too."),
        Mistake("masked before", lambda d, t, s, T, K: losses.photometric_error(
            warp(s, d, T, K)[0] * warp(s, d, T, K)[1], t * warp(s, d, T, K)[1]).mean(),
                "you black out both images before they are compared: black agrees with black, and windows reach it."),
        Mistake("mask upside down", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: error[~valid].mean()),
                "just the pixels count that the source cannot show."),
        Mistake("mean of the images' means", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: ((error * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3))).mean()),
                "you average image by image: a pixel of an image that shows little counts more than others.")))


# A step of training

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


# Direct alignment

def _equation_cases() -> list[Case]:
    return [Case((torch.randn(count, points, 6), torch.randn(count, points), torch.rand(count, points)))
            for count, points in ((1, 40), (2, 60), (3, 50))]


def _solved(J, r, w, sign=-1.0) -> torch.Tensor:
    weighted = J * w[..., None]
    return sign * torch.linalg.solve(weighted.mT @ J, weighted.mT @ r[..., None])[..., 0]


EQUATIONS = Exercise(
    name="normal_equations", lesson=LESSON, title="Find six numbers by least squares", difficulty=2, minutes=12,
    statement="""\
A small change $\\xi$ of the motion, six numbers, changes the residual of pixel $p$ from $r_p$ to about
$r_p + J_p\\,\\xi$. Return the $\\xi$ that makes $\\sum_p w_p\\,(r_p + J_p\\,\\xi)^2$ smallest, for each image. `J` is
`(B, P, 6)`, the residuals `r` and their weights `w` are `(B, P)`; return `(B, 6)`.""",
    stub='''def my_normal_equations(J, r, w):
    ...  # your lines''',
    hint="""\
Set the derivative by $\\xi$ to zero: $\\sum_p w_p J_p^\\top (r_p + J_p\\,\\xi) = 0$. That is a system of six equations;
`torch.linalg.solve` takes a batch of them.""",
    solution='''def my_normal_equations(J, r, w):
    weighted = J * w[..., None]
    A = weighted.transpose(1, 2) @ J
    b = weighted.transpose(1, 2) @ r[..., None]
    return -torch.linalg.solve(A, b)[..., 0]''',
    teaches="alignment.twist_step", reference=_solved, cases=_equation_cases, mistakes=(
        Mistake("sign", lambda J, r, w: _solved(J, r, w, 1.0), "your step goes the wrong way, and just as far."),
        Mistake("weights ignored", lambda J, r, w: _solved(J, r, torch.ones_like(w)),
                "all residuals count alike; the weights are not used."),
        Mistake("weights squared", lambda J, r, w: _solved(J, r, w**2),
                "your weights count twice, once with J and once more with it or with r."),
        Mistake("weights on the right only", lambda J, r, w: -torch.linalg.solve(
            J.mT @ J, (J * w[..., None]).mT @ r[..., None])[..., 0],
                "the weights belong to both sides of the equations; yours stand on one."),
        Mistake("weights on the left only", lambda J, r, w: -torch.linalg.solve(
            (J * w[..., None]).mT @ J, J.mT @ r[..., None])[..., 0],
                "the residuals on the right side have lost their weights."),
        Mistake("gradient", lambda J, r, w: -((J * w[..., None]).mT @ r[..., None])[..., 0],
                "this is the direction of steepest descent, and not yet the minimum."),
        Mistake("right side alone inverted", lambda J, r, w: -torch.linalg.pinv(J * w[..., None]).matmul(
            r[..., None])[..., 0], "the residuals need the same weights as the rows that stand before them."),
        Mistake("root of the weights on the rows alone", lambda J, r, w: -torch.linalg.pinv(
            J * w.sqrt()[..., None]).matmul(r[..., None])[..., 0],
                "the rows have the root of their weight, and the residuals that stand beside them have none."),
        Mistake("one number at a time", lambda J, r, w: -(J * (w * r)[..., None]).sum(1) / (J * J * w[..., None]).sum(
            1),
                "you find each of the six numbers as if the others were zero; they have to be found together."),
        Mistake("downhill, twice as far", lambda J, r, w: -2 * (J * (w * r)[..., None]).sum(1),
                "this is the gradient, downhill; nothing says yet how far."),
        Mistake("damped", lambda J, r, w: -torch.linalg.solve(
            (J * w[..., None]).mT @ J + torch.eye(6), (J * w[..., None]).mT @ r[..., None])[..., 0],
                "you add something to the diagonal; that is safer and no longer the smallest sum.")))

EXERCISES = (DISP, LOSS, STEP, EQUATIONS)
