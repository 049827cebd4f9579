"""Exercises of lesson 08: where the loss sees a mover, and the scale between two frames."""
from __future__ import annotations

import torch

from ..museum import apparent_depth, scale_ratio
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "08_failure_museum"


def _mover_cases() -> list[Case]:
    cases = []
    for note in ("", "", "things as fast as the camera or faster"):
        camera = float(5 + 15 * torch.rand(()))
        share = 0.1 + 0.8 * torch.rand(12)
        if note:
            share[:4] = torch.tensor([1.0, 1.5, 2.5, 1.0])
        cases.append(Case((3 + 30 * torch.rand(12), camera, share * camera), note))
    return cases


def _unguarded(depth: torch.Tensor, camera: float, thing: torch.Tensor) -> torch.Tensor:
    return depth / (1 - thing / camera)


MOVER = Exercise(
    name="apparent_depth", lesson=LESSON, title="Find where the loss sees a mover", difficulty=1, minutes=8,
    statement="""\
A car drives ahead of the camera in its direction. `depth` `(N,)` is how far it is, `object_speed` `(N,)` how fast,
`camera_speed` is a number. The loss believes that the world stands still. Parallax goes with speed over depth, so
it finds the depth at which a *still* thing would move in the image as this one does. Return it `(N,)`, and infinity
for a car as fast as the camera or faster: no depth explains it.""",
    stub='''def my_apparent_depth(depth, camera_speed, object_speed):
    ...  # your lines''',
    hint="""\
In the image only the difference of the speeds counts. Write down the parallax of the car, and the one of a still
thing at the depth you look for; set them equal and solve.""",
    solution='''def my_apparent_depth(depth, camera_speed, object_speed):
    share = 1 - object_speed / camera_speed
    return torch.where(share > 0, depth / share, torch.inf)''',
    teaches="course.museum.apparent_depth", reference=apparent_depth, cases=_mover_cases, mistakes=(
        Mistake("upside down", lambda d, c, o: torch.where(o < c, d * (1 - o / c), torch.inf),
                "your car comes nearer the faster it is; less parallax means farther."),
        Mistake("upside down, and on beyond", lambda d, c, o: d * (1 - o / c),
                "two things: less parallax means farther, and a car as fast as the camera has no depth at all."),
        Mistake("speeds added, and on beyond", lambda d, c, o: d / (1 + o / c),
                "your car comes toward the camera, however fast it is: which sign do the speeds have when both go the "
                "same way?"),
        Mistake("speeds added", lambda d, c, o: torch.where(o < c, d / (1 + o / c), torch.inf),
                "infinity stands where it should, but a slow car comes nearer: what is left of the camera's speed?"),
        Mistake("ratio of the speeds", lambda d, c, o: torch.where(o < c, d * c / o, torch.inf),
                "you divide by the car's own speed; what counts is what is left of the camera's."),
        Mistake("difference without the camera's speed", lambda d, c, o: torch.where(o < c, d / (c - o), torch.inf),
                "your depth depends on the unit of speed; compare the difference with the camera's speed."),
        Mistake("behind the camera", _unguarded,
                "right for slow cars, but a faster one gets a depth below zero, behind the camera."),
        Mistake("sign dropped", lambda d, c, o: d / (1 - o / c).abs(),
                "a car that is faster than the camera gets a depth, although it moves in the image the wrong way."),
        Mistake("zero for no depth", lambda d, c, o: torch.where(o < c, _unguarded(d, c, o), 0.0),
                "zero stands for no depth; here the loss has a wish, and it is the far end."),
        Mistake("times the share of the car", lambda d, c, o: d * o / c,
                "you multiply by the share that the car moves along; divide by the share that is left."),
        Mistake("times the difference", lambda d, c, o: torch.where(o < c, d * (c - o), torch.inf),
                "you multiply by the difference of the speeds: your car comes nearer the faster it is."),
        Mistake("the car's share above", lambda d, c, o: torch.where(o < c, d * o / (c - o), torch.inf),
                "you compare what is left with the car's speed: where would you see a car that stands?"),
        Mistake("infinity at the wrong place", lambda d, c, o: torch.where(o > c, _unguarded(d, c, o), torch.inf),
                "your comparison is turned around: slow cars are at infinity, and fast ones get a depth."),
        Mistake("to first order", lambda d, c, o: torch.where(o < c, d * (1 + o / c), torch.inf),
                "right for slow cars: you stopped after the first term of a fraction."),
        Mistake("fraction upside down", lambda d, c, o: torch.where(o < c, d / (1 - c / o), torch.inf),
                "the fraction of the speeds stands upside down: what happens to a car that stands?"),
        Mistake("squared", lambda d, c, o: torch.where(o < c, d / (1 - o / c) ** 2, torch.inf),
                "you square the share that is left; parallax goes with it as it is."),
        Mistake("nan for no depth", lambda d, c, o: torch.where(o < c, _unguarded(d, c, o), torch.nan),
                "right for slow cars, but nan stands for an unknown depth; here it is known to be infinite."),
        Mistake("a large number for no depth", lambda d, c, o: d * c / (c - o).clamp(min=1e-6),
                "right for slow cars, but a large number is not infinity: your end of the road is a depth.", (
                    *(lambda d, c, o, small=small: d / (1 - o / c).clamp(min=small) for small in (
                        1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)),
                    *(lambda d, c, o, small=small: d * c / (c - o).clamp(min=small) for small in (1e-3, 1e-4, 1e-8)),
                    *(lambda d, c, o, end=end: torch.where(o < c, _unguarded(d, c, o), end) for end in (
                        1e3, 1e4, 1e6, 1e8, 1e9, 1e10, 80.0, 100.0)))),
        Mistake("below zero for no depth", lambda d, c, o: torch.where(o < c, _unguarded(d, c, o), -torch.inf),
                "right for slow cars, but what you put in for the others is negative, and lies behind the camera.", (
                    lambda d, c, o: torch.where(o < c, _unguarded(d, c, o), -1.0),)),
        Mistake("difference turned around", lambda d, c, o: torch.where(o < c, d * c / (o - c), torch.inf),
                "your depths are negative: which speed is taken from which?", (lambda d, c, o: d * c / (o - c),)),
        Mistake("parallax", lambda d, c, o: torch.where(o < c, (c - o) / d, torch.inf),
                "this is the parallax of the car; the depth of a still thing with the same parallax is asked for.", (
                    lambda d, c, o: (c - o) / d,)),
        Mistake("speed of all", lambda d, c, o: torch.where(o < c, d * c / (c - o.mean()), torch.inf),
                "each car has a speed of its own; you average over all."),
        Mistake("root", lambda d, c, o: torch.where(o < c, d * (c / (c - o)).sqrt(), torch.inf),
                "you take the root of the share that is left; parallax goes with it as it is."),
        Mistake("share squared", lambda d, c, o: torch.where(o < c, d / (1 - (o / c) ** 2), torch.inf),
                "you square the share of the speeds; parallax goes with it as it is."),
        Mistake("speed taken off a depth", lambda d, c, o: torch.where(o < c, d * c / c - o, torch.inf),
                "a speed, or a share of speeds, is taken off a depth or added to it: are brackets missing?", (
                    lambda d, c, o: torch.where(o < c, d / 1 - o / c, torch.inf), lambda d, c, o: d * c / c - o,
                    lambda d, c, o: d / 1 - o / c, lambda d, c, o: torch.where(o < c, d + o, torch.inf),
                    lambda d, c, o: d + o)),
        Mistake("depth as it is", lambda d, c, o: torch.where(o < c, d, torch.inf),
                "your car stays where it is, however fast; only the infinite one is right.")))


def _scale_cases() -> list[Case]:
    """Make images with an even and an odd number of pixels; of the even ones, the two in the middle lie far apart."""
    cases = []
    for note in ("", "", "pixels without depth in the next frame"):
        shape = (2, 1, *random_size())
        seen = 0.2 + 3 * torch.rand(shape)
        mask = torch.rand(shape) < 0.7
        mask[:, :, 0, 0], mask[0, :, 1] = True, False
        count = mask.sum((1, 2, 3))
        mask[:, 0, -1, -1] ^= count % 2 == torch.tensor([1, 0])
        side = 1 - 2 * (mask.flatten(1).cumsum(1) % 2).view(shape)  # half of the masked pixels lie above the middle
        moved = seen * (0.5 + torch.rand(2, 1, 1, 1)) * torch.exp(side * (0.15 + 0.3 * torch.randn(shape).abs()))
        if note:
            seen = seen.masked_fill(~mask, 0)
        cases.append(Case((moved, seen, mask), note))
    return cases


def _per_image(ratio: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.quantile(r[m], 0.5) for r, m in zip(ratio, mask)])


SCALE = Exercise(
    name="scale_ratio", lesson=LESSON, title="Compare the scales of two frames", difficulty=2, minutes=10,
    statement="""\
`moved` `(B, 1, H, W)` is the depth of a frame's points after the motion into the next frame, `seen` `(B, 1, H, W)`
the next frame's own depth at the same places, and `mask` says where both are known and nothing moves. Each frame has
a unit of its own. Return `(B,)`: the median of moved / seen over the masked pixels of each image; of an even number
of pixels, the mean of the two in the middle.""",
    stub='''def my_scale_ratio(moved, seen, mask):
    ...  # your lines''',
    hint="""\
Images have different numbers of masked pixels, so a loop over the batch is fine. `torch.median` takes the lower of the
two in the middle; `torch.quantile(values, 0.5)` takes their mean.""",
    solution='''def my_scale_ratio(moved, seen, mask):
    found = []
    for a, b, keep in zip(moved, seen, mask):
        found.append(torch.quantile(a[keep] / b[keep], 0.5))
    return torch.stack(found)''',
    teaches="course.museum.scale_ratio", reference=scale_ratio, cases=_scale_cases, mistakes=(
        Mistake("upside down", lambda a, b, m: _per_image(b / a, m),
                "this is the scale of the next frame over this one; the other way round was asked for."),
        Mistake("mean", lambda a, b, m: torch.stack([(x / y)[k].mean() for x, y, k in zip(a, b, m)]),
                "you take the mean: a few hidden pixels, whose ratio is far off, then decide."),
        Mistake("mask ignored", lambda a, b, m: _per_image(a / b, torch.ones_like(m)),
                "pixels that do not count take part."),
        Mistake("mask ignored, one of the two in the middle", lambda a, b, m: (a / b).flatten(1).median(1).values,
                "two things: pixels that do not count take part, and of an even number you take one of the two in the "
                "middle.", (
                    lambda a, b, m: (a / b).flatten(1).sort(1).values[:, m[0].numel() // 2],)),
        Mistake("ratio of the medians", lambda a, b, m: _per_image(a, m) / _per_image(b, m),
                "you divide two medians, which may belong to different pixels; divide pixel by pixel first.", (
                    lambda a, b, m: (_per_image(a.log(), m) - _per_image(b.log().nan_to_num(), m)).exp(),)),
        Mistake("one number for the batch", lambda a, b, m: torch.quantile((a / b)[m], 0.5).expand(len(a)),
                "every image has a scale of its own; you mixed the batch."),
        Mistake("lower middle", lambda a, b, m: torch.stack([(x / y)[k].median() for x, y, k in zip(a, b, m)]),
                "nearly: of an even number of pixels you take one of the two in the middle.", (
                    lambda a, b, m: torch.stack([torch.quantile((x / y)[k], 0.5, interpolation="nearest")
                                                 for x, y, k in zip(a, b, m)]),)),
        Mistake("upper middle", lambda a, b, m: torch.stack([(x / y)[k].sort().values[int(k.sum()) // 2]
                                                             for x, y, k in zip(a, b, m)]),
                "nearly: of an even number of pixels you take the upper of the two in the middle."),
        Mistake("mask upside down", lambda a, b, m: _per_image(a / b, ~m),
                "you asked exactly the pixels that do not count."),
        Mistake("ratio of the means", lambda a, b, m: torch.stack([x[k].mean() / y[k].mean() for x, y, k in zip(
            a, b, m)]),
                "you divide two means; divide pixel by pixel, and take the median."),
        Mistake("ratio of lower medians", lambda a, b, m: torch.stack([
            x[k].median() / y[k].median() for x, y, k in zip(a, b, m)]),
                "you divide two medians, and each is the lower of two in the middle; divide pixel by pixel first."),
        Mistake("masked pixels are zero", lambda a, b, m: (a * m / b).nan_to_num(0.0).flatten(1).quantile(0.5, 1),
                "outside of the mask you put zeros, and they take part in the median."),
        Mistake("outside is infinite", lambda a, b, m: torch.where(m, a / b, torch.inf).flatten(1).quantile(0.5, 1),
                "outside of the mask you put infinity, and it takes part in the median.", (
                    lambda a, b, m: torch.where(m, a / b, torch.inf).flatten(1).median(1).values,)),
        Mistake("outside is a number", lambda a, b, m: (a / b).masked_fill(~m, 1).flatten(1).quantile(0.5, 1),
                "outside of the mask you put a number, and it takes part in the median.", (
                    lambda a, b, m: (a / b).masked_fill(~m, 1).flatten(1).median(1).values,
                    lambda a, b, m: (a / b.masked_fill(~m, 1)).flatten(1).quantile(0.5, 1),
                    lambda a, b, m: (a / b.masked_fill(~m, 1)).flatten(1).median(1).values)),
        Mistake("geometric middle", lambda a, b, m: torch.stack([
            (x / y)[k].log().quantile(0.5).exp() for x, y, k in zip(a, b, m)]),
                "nearly: of an even number of pixels you take another mean of the two in the middle, by logarithms or "
                "by inverses.", (
                    lambda a, b, m: torch.stack([torch.stack((torch.quantile(
                        (x / y)[k], 0.5, interpolation="lower"), torch.quantile(
                            (x / y)[k], 0.5, interpolation="higher"))).prod().sqrt() for x, y, k in zip(a, b, m)]),
                    lambda a, b, m: 1 / _per_image(b / a, m))),
        Mistake("always two", lambda a, b, m: torch.stack([(x / y)[k].sort().values[
            int(k.sum()) // 2 - 1:int(k.sum()) // 2 + 1].mean() for x, y, k in zip(a, b, m)]),
                "right of an even number of pixels, but of an odd one there is just one in the middle."),
        Mistake("whole numbers", lambda a, b, m: _per_image(a // b, m),
                "// cuts every ratio to a whole number; divide with /."),
        Mistake("not sorted", lambda a, b, m: torch.stack([(x / y)[k][int(k.sum()) // 2] for x, y, k in zip(a, b, m)]),
                "you take the middle of the list as it comes; the median needs it sorted."),
        Mistake("row by row", lambda a, b, m: torch.where(m, a / b, torch.nan).nanquantile(0.5, 3).nanquantile(0.5, 2)[
            :, 0],
                "a median of medians of rows or columns is not the median of all pixels.", (
                    lambda a, b, m: torch.where(m, a / b, torch.nan).nanmedian(3).values.nanmedian(2).values[:, 0],
                    lambda a, b, m: torch.where(m, a / b, torch.nan).nanquantile(0.5, 2).nanquantile(0.5, 2)[:, 0],
                    lambda a, b, m: torch.where(m, a / b, torch.nan).nanmedian(2).values.nanmedian(2).values[:, 0])),
        Mistake("mask of one's own", lambda a, b, m: _per_image(a / b, b > 0),
                "you make a mask of your own; the one that comes in leaves out more."),
        Mistake("relative difference", lambda a, b, m: _per_image((a - b) / b, m),
                "this is the relative difference, 0 for equal scales: the ratio itself is asked for."),
        Mistake("absolute difference", lambda a, b, m: _per_image((a - b).abs(), m),
                "you take a difference; a change of unit is a factor, with no sign to lose."),
        Mistake("largest", lambda a, b, m: torch.stack([(x / y)[k].max() for x, y, k in zip(a, b, m)]),
                "you take the largest or the smallest ratio, which a hidden pixel decides (of numbers that are all "
                "different, mode gives the smallest).", (
                    lambda a, b, m: torch.stack([(x / y)[k].min() for x, y, k in zip(a, b, m)]),)),
        Mistake("masked pixels are zero, lower middle", lambda a, b, m: (a / b).masked_fill(~m, 0.0).flatten(1).median(
            1).values,
                "two things: zeros outside of the mask take part, and torch.median takes the lower of two."),
        Mistake("mean of the logarithms", lambda a, b, m: torch.stack([
            (x[k] / y[k]).log().mean().exp() for x, y, k in zip(a, b, m)]),
                "you average logarithms: hidden pixels, whose ratio is far off, still pull."),
        Mistake("difference", lambda a, b, m: torch.stack([(x[k] - y[k]).quantile(0.5) for x, y, k in zip(a, b, m)]),
                "you subtract; a change of unit is a factor."),
        Mistake("least squares", lambda a, b, m: torch.stack([
            (x[k] * y[k]).sum() / (y[k] ** 2).sum() for x, y, k in zip(a, b, m)]),
                "you fit by least squares: far pixels and hidden ones then decide."),
        Mistake("logarithm left over", lambda a, b, m: _per_image((a / b).log(), m),
                "this is the logarithm of the ratio; go back at the end.")))

EXERCISES = (MOVER, SCALE)
