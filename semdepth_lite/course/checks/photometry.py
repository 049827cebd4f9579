"""Exercises of lesson 03: the minimum over sources that see, the automask, and edge-aware smoothness."""
from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ... import losses
from ...fused import join_sources
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "03_photometric_self_supervision"


def _minimum_cases() -> list[Case]:
    cases = []
    for count, sources in ((2, 2), (3, 2), (2, 3)):
        shape = (count, sources, *random_size())
        valid = torch.rand(shape) < 0.7
        valid[:, :, 0, :2] = False
        valid[:, :, 1, :] = True
        valid[:, :, 2, :2] = (torch.arange(sources) == 0)[:, None]
        errors = 0.05 + 2 * torch.rand(shape)
        errors[:, 0, 2, 0] = 2.0  # the only source that sees, with an error that a blind one of 1 would beat
        errors[:, 1, 2, 0] = 0.0  # a blind one; divided by its mask it is no number
        errors[:, 0, 2, 1] = 5e4  # the only one that sees, and no error of 10 or 1000 is large beside it
        cases.append(Case((errors, valid)))
    return cases


def _minimum(errors: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    error, _ = join_sources(errors, valid, minimum=True)
    return error.masked_fill(error.isinf(), 0)


_CAN_WIN = (1.0, 2.0, 3.0, 5.0, 10.0, 100.0, 1e3, 1e4)


def _filled(errors: torch.Tensor, valid: torch.Tensor, number: float, left=False, added=False, by_number=False
            ) -> torch.Tensor:
    """Give blind sources a number, or add it to their errors; where none sees, leave it, or put a 0 in.

    By number, the 0 goes wherever the number is found.
    """
    smallest = (errors + ~valid * number if added else errors.masked_fill(~valid, number)).amin(1)
    if left:
        return smallest
    return smallest.masked_fill(smallest == number if by_number else ~valid.any(1), 0)


MINIMUM = Exercise(
    name="minimum_over_sources", lesson=LESSON, title="Listen to the source that sees", difficulty=2, minutes=10,
    statement="""\
`errors` `(B, S, H, W)` holds an error of each of $S$ sources, 0 or larger without an end, `valid` `(B, S, H, W)`
whether that source can show the pixel at all. Return `(B, H, W)`: the smallest error among the sources that can, and 0
where none can.""",
    stub='''def my_minimum_over_sources(errors, valid):
    ...  # your lines''',
    hint="""\
Give a source that must not win an error with which it cannot win (`masked_fill`). Then think of the pixels that
no source sees: what did they become?""",
    solution='''def my_minimum_over_sources(errors, valid):
    smallest = errors.masked_fill(~valid, torch.inf).amin(1)
    return smallest.masked_fill(~valid.any(1), 0)''',
    teaches="losses.reprojection_error", reference=_minimum, cases=_minimum_cases, mistakes=(
        Mistake("mean instead of minimum", lambda e, v: losses.combine_sources(e, minimum=False),
                "you average the sources: the blind one spoils the answer of the other."),
        Mistake("mean of the valid sources", lambda e, v: (e * v).sum(1) / v.sum(1).clamp(min=1),
                "you average the sources that see the pixel; a source can see it and still show something else there."),
        Mistake("maximum", lambda e, v: e.masked_fill(~v, 0).amax(1),
                "you believe the source that complains most."),
        Mistake("valid ignored", lambda e, v: losses.combine_sources(e),
                "a source that cannot show the pixel wins with the color of its rim."),
        Mistake("invisible means zero", lambda e, v: (e * v).amin(1),
                "you return 0 wherever one source is blind: its error of 0 always wins, a nan has spread, or `all` "
                "stands where `any` is meant."),
        Mistake("mask upside down", lambda e, v: _minimum(e, ~v),
                "you listen only to the sources that cannot show the pixel."),
        Mistake("infinity left over", lambda e, v: e.masked_fill(~v, torch.inf).amin(1),
                "nearly: where no source sees the pixel, infinity is left, and the mean of the loss with it."),
        Mistake("largest number left over", lambda e, v: torch.nan_to_num(e.masked_fill(~v, torch.inf).amin(1)),
                "nearly: where no source sees the pixel, nan_to_num makes of infinity the largest number there is."),
        Mistake("minimum over the images", lambda e, v: e.masked_fill(~v, torch.inf).amin(0).nan_to_num(posinf=0),
                "your minimum runs over the images of the batch; which dimension are the sources?"),
        Mistake("mean of all, blind ones as zero", lambda e, v: (e * v).mean(1),
                "you average, and blind sources count as perfect."),
        Mistake("sum", lambda e, v: (e * v).sum(1), "you add the sources up; the best one alone should count."),
        Mistake("place of the minimum", lambda e, v: e.argmin(1),
                "you return which source is best; its error is asked for."),
        Mistake("first source", lambda e, v: e[:, 0] * v[:, 0], "you look at the first source only."),
        Mistake("valid only where none sees", lambda e, v: e.amin(1) * v.any(1),
                "zero where no source sees is right, but elsewhere a blind source can still win."),
        *(Mistake(f"{number:g} left over", partial(_filled, number=number, left=True),
                  f"you give blind sources an error of {number:g}: a larger one of a source that sees loses to it, and "
                  "where no source sees it is left over.", (partial(_filled, number=number, left=True, added=True),))
          for number in _CAN_WIN),
        *(Mistake(f"{number:g} for a blind source", partial(_filled, number=number),
                  f"you give blind sources an error of {number:g}: a larger one of a source that sees loses to it; "
                  "give them one that never can win.", (partial(_filled, number=number, added=True),))
          for number in _CAN_WIN),
        Mistake("0 by the number", partial(_filled, number=10.0, by_number=True),
                "your number for blind sources is smaller than some errors, so it can win, and your 0 stands where a "
                "source sees the pixel.", tuple(partial(_filled, number=number, by_number=True) for number in (
                    1.0, 2.0))),
        *(Mistake(f"{large:g} left over", partial(_filled, number=large, left=True),
                  f"nearly: where no source sees the pixel, your {large:g} is left, and the mean of the loss with it.")
          for large in (1e5, 1e6, 1e8, 1e9, 1e10)),
        Mistake("largest error left over", lambda e, v: torch.where(v, e, e.max()).amin(1),
                "nearly: where no source sees the pixel, the largest error is left, and the mean of the loss with it.",
                (lambda e, v: torch.where(v, e, e.max() + 1).amin(1),
                 lambda e, v: torch.where(v, e, e.amax((1, 2, 3), keepdim=True)).amin(1),
                 lambda e, v: torch.where(v, e, e.amax(1, keepdim=True)).amin(1))),
        Mistake("place of the minimum among the valid", lambda e, v: e.masked_fill(~v, torch.inf).argmin(1),
                "you return which of the sources that see is best; its error is asked for."),
        Mistake("minimum over the images, infinity left", lambda e, v: e.masked_fill(~v, torch.inf).amin(0),
                "two things: your minimum runs over the images of the batch, and infinity is left over."),
        Mistake("minimum over the images, valid ignored", lambda e, v: e.amin(0),
                "two things: your minimum runs over the images of the batch, and blind sources can win."),
        Mistake("valid after the minimum", lambda e, v: e.amin(1) * v.gather(1, e.argmin(1, keepdim=True))[:, 0],
                "you choose first and ask for `valid` afterwards: where a blind source has won, nothing is left."),
        Mistake("mask upside down, infinity left", lambda e, v: e.masked_fill(v, torch.inf).amin(1),
                "two things: you listen only to the sources that cannot show the pixel, and infinity is left over."),
        Mistake("first that sees", lambda e, v: e.gather(1, v.float().argmax(1, keepdim=True))[:, 0] * v.any(1),
                "you take the first source that sees the pixel; a later one can see it with a smaller error."),
        Mistake("two sources alone", lambda e, v: _minimum(e[:, :2], v[:, :2]),
                "you look at two sources; there can be more."),
        Mistake("mask upside down, but for the 0", lambda e, v: e.masked_fill(v, torch.inf).amin(1).masked_fill(
            ~v.any(1), 0),
                "your infinity goes to the sources that see: `valid` is true where one counts."),
        Mistake("infinity times zero", lambda e, v: e.masked_fill(~v, torch.inf).amin(1) * v.any(1),
                "nearly: infinity times 0 is nan: put the 0 in with masked_fill or torch.where."),
        Mistake("zero where one sees", lambda e, v: e.masked_fill(~v, torch.inf).amin(1).masked_fill(v.any(1), 0),
                "your 0 stands where a source sees the pixel; it belongs where none does."),
        Mistake("minus infinity", lambda e, v: e.masked_fill(~v, -torch.inf).amin(1).masked_fill(~v.any(1), 0),
                "you give blind sources minus infinity, which is smaller than any error: they always win.",
                (lambda e, v: e.masked_fill(~v, -torch.inf).amin(1),
                 lambda e, v: e.masked_fill(~v, -torch.inf).amin(1) * v.any(1))),
        Mistake("two sources alone, valid ignored", lambda e, v: e[:, :2].amin(1),
                "two things: you look at two sources, where there can be more, and a blind one can win.",
                (lambda e, v: e[:, :2].amin(1) * v.any(1), lambda e, v: e[:, :2].amin(1) * v[:, :2].any(1))),
        Mistake("one where none sees", lambda e, v: torch.where(v.any(1), _minimum(e, v), 1.0),
                "where no source sees the pixel, 0 is asked for, so that nothing is learned there.")))


def _automask_cases() -> list[Case]:
    cases = []
    for margin, note in ((0.0, "ties, where both explain the pixel equally well"), (0.05, ""), (0.3, "")):
        shape = (2, *random_size())
        reprojection, identity = torch.rand(shape), torch.rand(shape)
        reprojection[:, :2] = identity[:, :2]
        cases.append(Case((reprojection, identity, margin), note))
    return cases


AUTOMASK = Exercise(
    name="automask", lesson=LESSON, title="Silence what moves with the camera", difficulty=1, minutes=6,
    statement="""\
`reprojection` `(B, H, W)` is the error of the warped sources, `identity` that of the unmoved ones. Return the
bool mask of the pixels that may teach: those that the warped sources explain better. A positive `margin` is in
favor of the warp: a pixel is left out only if the unmoved sources are better by the margin at least. With a
margin of 0, a tie is left out.""",
    stub='''def my_automask(reprojection, identity, margin=0.0):
    ...  # your lines''',
    hint="""\
One comparison. Say in words what a pixel must fulfill to stay, with margin 0; then ask on which side the margin
makes that easier.""",
    solution='''def my_automask(reprojection, identity, margin=0.0):
    return reprojection < identity + margin''',
    teaches="losses.automask", reference=losses.automask, cases=_automask_cases, mistakes=(
        Mistake("mask upside down", lambda r, i, m: ~losses.automask(r, i, m),
                "you kept the pixels that should be silent."),
        Mistake("comparison turned around", lambda r, i, m: r > i + m,
                "your mask is true where the unmoved sources win: does it mark what may teach, or what is left out?"),
        Mistake("ties kept", lambda r, i, m: r <= i + m,
                "all is right except for ties; a sky that looks the same moved and unmoved would teach."),
        Mistake("margin on the wrong side", lambda r, i, m: losses.automask(r, i, -m),
                "the margin makes it harder to stay; it should make it easier."),
        Mistake("margin ignored", lambda r, i, m: losses.automask(r, i, 0.0),
                "right without a margin, but yours is not used."),
        Mistake("errors exchanged", lambda r, i, m: losses.automask(i, r, m),
                "you ask whether standing still explains the pixel better than the warp."),
        Mistake("the error instead of a mask", lambda r, i, m: r * losses.automask(r, i, m),
                "you return the masked error; the mask alone is asked for."),
        Mistake("margin as a factor", lambda r, i, m: r < i * (1 + m),
                "your margin is relative to the error; ours is an absolute difference."),
        Mistake("any difference", lambda r, i, m: (r - i).abs() > m,
                "you keep pixels where the two errors differ; which of the two is smaller does not matter to you."),
        Mistake("no difference", lambda r, i, m: (r - i).abs() < m,
                "you keep pixels where the two errors are alike; which of the two is smaller does not matter to you."),
        Mistake("margin times the error", lambda r, i, m: r < i * m,
                "your margin multiplies the error, so a margin of 0 keeps nothing."),
        Mistake("turned around, no margin", lambda r, i, m: i < r,
                "two things: your mask is true where the unmoved sources win, and the margin is not used."),
        Mistake("margin as a factor of the other", lambda r, i, m: r * (1 + m) < i,
                "two things: your margin is relative to the error, and it makes it harder to stay."),
        Mistake("margin as a share taken off", lambda r, i, m: r * (1 - m) < i,
                "your margin takes a share off the error of the warp; ours is an absolute difference."),
        Mistake("ties kept, no margin", lambda r, i, m: r <= i,
                "two things: ties stay, and the margin is not used."),
        Mistake("ties kept, margin on the wrong side", lambda r, i, m: r <= i - m,
                "two things: ties stay, and the margin makes it harder to stay; it should make it easier."),
        Mistake("margin of the lesson", lambda r, i, m: r < i + 0.02,
                "the margin comes in as an argument; you use a fixed one.")))


def _smoothness_cases() -> list[Case]:
    cases = []
    for count, falls in ((1, False), (2, False), (2, True)):
        height, width = random_size()
        # once the steps along x are the larger ones, else those along y, once downward, so that nothing is always so
        ramp = torch.arange(width) if count == 1 else torch.arange(height)[:, None]
        disp = torch.rand(count, 1, height, width) + 2 * (ramp.flip(0) if falls else ramp)
        cases.append(Case((_divided_by_mean(disp), torch.rand(count, 3, height, width))))
    return cases


def _divided_by_mean(disp: torch.Tensor) -> torch.Tensor:
    return disp / disp.mean((2, 3), keepdim=True)


def _steps(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]


def _smooth(disp: torch.Tensor, image: torch.Tensor, step=torch.abs, weight=None, join=torch.mean) -> torch.Tensor:
    """Compute the loss with one thing changed: the step of disparity, the weight of the image, or the average."""
    weight = weight or (lambda d: torch.exp(-d.abs().mean(1, keepdim=True)))
    x, y = (join(step(d) * weight(i)) for d, i in zip(_steps(disp), _steps(image)))
    return x + y


def _smooth_crossed(disp: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Compute the loss with the weight of the other axis, where both have one."""
    (step_x, step_y), (along_x, along_y) = _steps(disp), losses.edge_weights(image)
    return ((step_x.abs()[..., :-1, :] * along_y[..., :-1]).mean()
            + (step_y.abs()[..., :-1] * along_x[..., :-1, :]).mean())


def _smooth_joined(join, apart=_steps):
    """Build the loss with another way to join the maps of the two directions, or with other differences."""
    def wrong(disp: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return join(*(d.abs() * torch.exp(-i.abs().mean(1, keepdim=True)) for d, i in zip(apart(disp), apart(image))))
    return wrong


def _smooth_by(average):
    """Build the loss with another average of one direction, made of the absolute steps of disparity and image."""
    def wrong(disp: torch.Tensor, image: torch.Tensor) -> Any:
        return sum(average(d.abs(), i.abs()) for d, i in zip(_steps(disp), _steps(image)))
    return wrong


def _both(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the means of both directions added."""
    return x.mean() + y.mean()


SMOOTHNESS = Exercise(
    name="smoothness", lesson=LESSON, title="Let depth be smooth where the image is", difficulty=2, minutes=12,
    statement="""\
Write the edge-aware smoothness of disparity `disp` `(B, 1, H, W)`, already divided by its mean, beside an image
`(B, 3, H, W)`: $L_s = \\operatorname{mean}|\\partial_x d|\\,e^{-|\\partial_x I|}$, and the same along $y$ added to it.
Differences are those of neighboring pixels; $|\\partial I|$ is averaged over the three colors before the
exponential. Return a scalar.""",
    stub='''def my_smoothness(disp, image):
    ...  # your lines''',
    hint="""\
`x[..., 1:] - x[..., :-1]` is the difference along the rows of pixels; the other direction needs one more colon.
`mean(1, keepdim=True)` averages the colors.""",
    solution='''def my_smoothness(disp, image):
    total = 0
    for dim in (3, 2):
        step = disp.diff(dim=dim).abs()
        change = image.diff(dim=dim).abs().mean(1, keepdim=True)
        total = total + (step * torch.exp(-change)).mean()
    return total''',
    teaches="losses.smoothness_loss", reference=losses.smoothness_loss, cases=_smoothness_cases, gradient=0,
    before=_divided_by_mean, mistakes=(
        Mistake("sign of the exponent", lambda d, i: _smooth(
            d, i, weight=lambda x: torch.exp(x.abs().mean(1, keepdim=True))),
                "your depth is punished most where the image has an edge; it should be free there."),
        Mistake("absolute value of the step forgotten", lambda d, i: _smooth(d, i, step=lambda x: x),
                "steps up and steps down cancel in your sum."),
        Mistake("absolute value of the image forgotten", lambda d, i: _smooth(
            d, i, weight=lambda x: torch.exp(-x.mean(1, keepdim=True))),
                "an edge from bright to dark counts for you, one from dark to bright does the opposite."),
        Mistake("exponential before the colors", lambda d, i: _smooth(
            d, i, weight=lambda x: torch.exp(-x.abs()).mean(1, keepdim=True)),
                "you average the weights of the three colors; average the differences first."),
        Mistake("sum instead of mean", lambda d, i: _smooth(d, i, join=torch.sum),
                "your loss grows with the size of the image."),
        Mistake("gray image", lambda d, i: _smooth(d, i.mean(1, keepdim=True)),
                "you average over the colors before the absolute value, so a rise in one color and a fall in another "
                "cancel."),
        Mistake("image ignored", lambda d, i: _smooth(d, i, weight=lambda x: 1.0),
                "your loss does not look at the image, so it smooths over borders as well."),
        Mistake("squared step", lambda d, i: _smooth(d, i, step=torch.square),
                "you square the steps; that makes one large step dearer than many small ones, and blurs borders."),
        Mistake("one direction", lambda d, i: (_steps(d)[0].abs() * losses.edge_weights(i)[0]).mean(),
                "you look along one direction only."),
        Mistake("colors added up", lambda d, i: _smooth(d, i, weight=lambda x: torch.exp(-x.abs().sum(
            1, keepdim=True))),
                "you add the three colors up where they should be averaged."),
        Mistake("strongest color", lambda d, i: _smooth(d, i, weight=lambda x: torch.exp(-x.abs().amax(
            1, keepdim=True))),
                "you take the color that changes most; the average of the three is asked for."),
        Mistake("length of the color's step", lambda d, i: _smooth(d, i, weight=lambda x: torch.exp(-x.norm(
            dim=1, keepdim=True))),
                "you take the length of the difference of the colors; the mean of its absolute values is asked for."),
        Mistake("squared difference of the image", lambda d, i: _smooth(
            d, i, weight=lambda x: torch.exp(-x.square().mean(1, keepdim=True))),
                "you square the differences of the image; their absolute values are wanted."),
        Mistake("straight weight", lambda d, i: _smooth(d, i, weight=lambda x: 1 - x.abs().mean(1, keepdim=True)),
                "your weight falls along a straight line; an exponential is wanted, which never gets below 0."),
        Mistake("no exponential", lambda d, i: _smooth(d, i, weight=lambda x: x.abs().mean(1, keepdim=True)),
                "you multiply by the change of the image itself, so plain surfaces cost nothing."),
        Mistake("rows alone", lambda d, i: (_steps(d)[1].abs() * losses.edge_weights(i)[1]).mean(),
                "you look from row to row only."),
        Mistake("directions multiplied", lambda d, i: (_steps(d)[0].abs() * losses.edge_weights(i)[0]).mean()
                * (_steps(d)[1].abs() * losses.edge_weights(i)[1]).mean(),
                "you multiply the two directions; add them."),
        Mistake("images added up", lambda d, i: len(d) * _smooth(d, i),
                "you add the images of a batch up; the mean runs over them too."),
        Mistake("edges of the other axis", _smooth_crossed,
                "your axes are crossed: a step of disparity along x has to meet the change of the image along x."),
        Mistake("around the image", _smooth_joined(_both, lambda image: tuple(
            image - image.roll(1, dim) for dim in (-1, -2))),
                "torch.roll goes around the image: the first pixel of a row is no neighbor of the last."),
        Mistake("torch.gradient", _smooth_joined(_both, lambda image: torch.gradient(image, dim=(-1, -2))),
                "you take central differences, as torch.gradient does: half of that between the neighbors on both "
                "sides, where the difference of a pixel to its neighbor is asked for."),
        Mistake("a step of two", _smooth_joined(_both, lambda image: (
            image[..., 2:] - image[..., :-2], image[..., 2:, :] - image[..., :-2, :])),
                "you compare each pixel with the next but one."),
        Mistake("a step of two, halved", _smooth_joined(_both, lambda image: (
            (image[..., 2:] - image[..., :-2]) / 2, (image[..., 2:, :] - image[..., :-2, :]) / 2)),
                "you take half of the difference to the next but one, over two pixels; neighbors are asked for."),
        Mistake("curvature", _smooth_joined(_both, lambda image: (image.diff(n=2, dim=3), image.diff(n=2, dim=2))),
                "you take differences twice, so a plane that leans costs nothing; one difference is asked for."),
        Mistake("one mean of all", _smooth_joined(lambda x, y: (x.sum() + y.sum()) / (x.numel() + y.numel())),
                "you take one mean over the steps of both directions; each has a mean of its own, and they are added."),
        Mistake("divided by the pixels", _smooth_joined(lambda x, y: (x.sum() + y.sum()) / len(
            x) / x.shape[-2] / y.shape[-1]),
                "you divide by the number of pixels; along each direction there is one step less than pixels."),
        Mistake("cut to one size", _smooth_joined(lambda x, y: (x[..., :-1, :] + y[..., :-1]).mean()),
                "you cut both directions to one size before you average, so the steps of the last row and column are "
                "lost."),
        Mistake("larger direction", _smooth_joined(lambda x, y: torch.maximum(x.mean(), y.mean())),
                "you take the larger of the two directions; add them."),
        Mistake("smaller direction", _smooth_joined(lambda x, y: torch.minimum(x.mean(), y.mean())),
                "you take the smaller of the two directions; add them."),
        Mistake("directions averaged", _smooth_joined(lambda x, y: _both(x, y) / 2),
                "you average the two directions; add them."),
        Mistake("directions subtracted", _smooth_joined(lambda x, y: x.mean() - y.mean()),
                "you subtract one direction from the other; add them."),
        Mistake("one direction twice", _smooth_joined(lambda x, y: 2 * x.mean()),
                "you count the steps along x twice, and those along y are missing."),
        Mistake("the other direction twice", _smooth_joined(lambda x, y: 2 * y.mean()),
                "you count the steps along y twice, and those along x are missing."),
        Mistake("length of the slope", _smooth_joined(lambda x, y: (
            x[..., :-1, :].square() + y[..., :-1].square()).sqrt().mean()),
                "you take the length of both steps together; their means are added."),
        Mistake("sum over each image", _smooth_joined(lambda x, y: (x.sum() + y.sum()) / len(x)),
                "you average over the batch alone, and add up over the pixels."),
        Mistake("medians", _smooth_joined(lambda x, y: x.median() + y.median()),
                "you take medians; means are asked for."),
        Mistake("averaged before they meet", _smooth_by(lambda d, i: d.mean() * torch.exp(-i.mean(
            1, keepdim=True)).mean()),
                "you average steps and weights, and multiply then: each step has to meet the weight of its own place."),
        Mistake("averaged before the exponential", _smooth_by(lambda d, i: d.mean() * torch.exp(-i.mean())),
                "your weight is one number for the whole image; each place has a weight of its own."),
        Mistake("every image with every other", _smooth_by(lambda d, i: (d * torch.exp(-i.mean(1))).mean()),
                "the axis of the colors is lost without keepdim=True: every disparity of a batch meets every image."),
        Mistake("mean over the batch", _smooth_by(lambda d, i: (d * torch.exp(-i.mean(0, keepdim=True))).mean()),
                "you average the change over the images of the batch; average it over the colors."),
        Mistake("absolute value after the mean", lambda d, i: sum((x * torch.exp(-g.abs().mean(
            1, keepdim=True))).mean().abs() for x, g in zip(_steps(d), _steps(i))),
                "you take the absolute value of the mean, where steps up and steps down have cancelled already."),
        Mistake("image and disparity exchanged", lambda d, i: _smooth(i, d),
                "you smooth the image beside the disparity.")))

EXERCISES = (MINIMUM, AUTOMASK, SMOOTHNESS)
