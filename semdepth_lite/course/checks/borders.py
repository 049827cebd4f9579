"""Exercises of lesson 06: label borders, the two cases of the ranking loss, and fattening."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from ...borders import RankingSettings
from ...classes import IGNORE
from ...labels import label_borders
from ...metrics import Sides, fattening
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "06_border_refinement"


def _label_cases() -> list[Case]:
    cases = []
    for count in (1, 2, 2):
        height, width = random_size()
        coarse = torch.randint(0, 4, (count, 1, height, width // 2)).float()
        labels = F.interpolate(coarse, scale_factor=(2, 2)).long()[:, 0]
        labels[:, 3:5, 2:5] = IGNORE
        cases.append(Case((labels,), "pixels without a label (255)"))
    return cases


def _differs(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a != b) & (a != IGNORE) & (b != IGNORE)


def _one_side(labels: torch.Tensor, differs=_differs) -> torch.Tensor:
    border = torch.zeros_like(labels, dtype=torch.bool)
    border[:, :, :-1] |= differs(labels[:, :, :-1], labels[:, :, 1:])
    border[:, :-1] |= differs(labels[:, :-1], labels[:, 1:])
    return border


def _overwritten(labels: torch.Tensor) -> torch.Tensor:
    """Mark the pairs as the solution does, with `=` for `|=`: each pair of directions wipes out what stood there."""
    border = torch.zeros_like(labels, dtype=torch.bool)
    for near, far in ((labels[:, :, :-1], labels[:, :, 1:]), (labels[:, :-1], labels[:, 1:])):
        differs = _differs(near, far)
        rows, columns = near.shape[1:]
        border[:, :rows, :columns] = differs
        border[:, -rows:, -columns:] = differs
    return border


def _along(labels: torch.Tensor, dim: int) -> torch.Tensor:
    border = torch.zeros_like(labels, dtype=torch.bool)
    size = labels.shape[dim] - 1
    differs = _differs(labels.narrow(dim, 0, size), labels.narrow(dim, 1, size))
    border.narrow(dim, 0, size).logical_or_(differs)
    border.narrow(dim, 1, size).logical_or_(differs)
    return border


def _second_only(labels: torch.Tensor, differs=_differs) -> torch.Tensor:
    return _one_side(labels.flip(1, 2), differs).flip(1, 2)


def _around(labels: torch.Tensor, steps: tuple[int, ...] = (1, -1), differs=_differs) -> torch.Tensor:
    """Compare with neighbors that wrap around the image, on one side or on both."""
    return torch.stack([differs(labels, labels.roll(by, dim)) for by in steps for dim in (1, 2)]).any(0)


def _pooled(labels: torch.Tensor) -> torch.Tensor:
    """Mark pixels in whose window of 3x3 the largest and the smallest number differ."""
    numbers = labels.float()
    return F.max_pool2d(numbers, 3, 1, 1) != -F.max_pool2d(-numbers, 3, 1, 1)


def _padded(labels: torch.Tensor, value: int, differs=_differs) -> torch.Tensor:
    """Compare with the four neighbors of an image that was extended by one number."""
    wide = F.pad(labels, (1, 1, 1, 1), value=value)
    return torch.stack([differs(labels, far) for far in (wide[:, 1:-1, 2:], wide[:, 1:-1, :-2], wide[:, 2:, 1:-1],
                                                         wide[:, :-2, 1:-1])]).any(0)


def _both(labels: torch.Tensor, differs: Callable) -> torch.Tensor:
    """Mark both pixels of each pair that differs."""
    return _one_side(labels, differs) | _second_only(labels, lambda far, near: differs(near, far))


def _eight(labels: torch.Tensor) -> torch.Tensor:
    border = label_borders(labels)
    for flip in (False, True):
        view = labels.flip(2) if flip else labels
        marked = torch.zeros_like(border)
        differs = _differs(view[:, :-1, :-1], view[:, 1:, 1:])
        marked[:, :-1, :-1] |= differs
        marked[:, 1:, 1:] |= differs
        border = border | (marked.flip(2) if flip else marked)
    return border


def _with_ignored(labels: torch.Tensor) -> torch.Tensor:
    return label_borders(torch.where(labels == IGNORE, 99, labels))


BORDERS = Exercise(
    name="label_borders", lesson=LESSON, title="Find the borders of a class map", difficulty=2, minutes=10,
    statement="""\
`labels` `(B, H, W)` holds class numbers. Mark **both** pixels of every pair of neighbors (left and right, above
and below) whose classes differ: a bool map `(B, H, W)`. A pixel with label 255 has no class, so a pair with it is
no border; and what lies beyond the rim is no neighbor.""",
    stub='''def my_label_borders(labels):
    ...  # your lines''',
    hint="""\
Compare `labels[:, :, :-1]` with `labels[:, :, 1:]`: one bool for each pair. Then mark the left pixels of the
pairs, and the right ones. The same for rows.""",
    solution='''def my_label_borders(labels):
    border = torch.zeros_like(labels, dtype=torch.bool)
    for near, far in ((labels[:, :, :-1], labels[:, :, 1:]), (labels[:, :-1], labels[:, 1:])):
        differs = (near != far) & (near != 255) & (far != 255)
        rows, columns = near.shape[1:]
        border[:, :rows, :columns] |= differs
        border[:, -rows:, -columns:] |= differs
    return border''',
    teaches="labels.label_borders", reference=label_borders, cases=_label_cases, mistakes=(
        Mistake("one pixel of each pair", _one_side,
                "you marked one pixel of each pair; a mirrored map would have other borders."),
        Mistake("pixels without a label count", _with_ignored,
                "the rim of what has no label is no border of anything."),
        Mistake("around the rim", _around,
                "the left column was compared with the right one: torch.roll goes around the image."),
        Mistake("around the rim, one side", lambda labels: _around(labels, (1,)),
                "two things: torch.roll goes around the image, and only one pixel of each pair is marked."),
        Mistake("around the rim, the other side", lambda labels: _around(labels, (-1,)),
                "two things: torch.roll goes around the image, and you mark the left and the upper pixel of each pair "
                "alone."),
        Mistake("around the rim, blind to 255", lambda labels: _around(labels, differs=torch.ne),
                "two things: torch.roll goes around the image, and 255 is no class."),
        Mistake("around the rim, 255 left out afterward", lambda labels: _around(
            labels, differs=torch.ne) & (labels != IGNORE),
                "two things: torch.roll goes around the image, and the neighbors of pixels without a label stay "
                "marked."),
        Mistake("a window of nine, blind to 255", _pooled,
                "a window also reaches pixels that meet at a corner only, and 255 counts as a class in it."),
        Mistake("a window of nine", lambda labels: _pooled(labels) & (labels != IGNORE),
                "your window reaches pixels that meet at a corner, and those beside a pixel without a class."),
        Mistake("along rows only", lambda labels: _along(labels, 2),
                "you compared left with right; borders that run from left to right are missing."),
        Mistake("along columns only", lambda labels: _along(labels, 1),
                "you compared above with below; upright borders, such as those of poles, are missing."),
        Mistake("eight neighbors", _eight,
                "pixels that meet at a corner only are no neighbors here."),
        Mistake("mask upside down", lambda labels: ~label_borders(labels),
                "you marked the inside of the classes."),
        Mistake("the other pixel of each pair", _second_only,
                "you marked the right and the lower pixel of each pair; the border has a left and an upper side too."),
        Mistake("one side, blind to 255", lambda labels: _one_side(labels, torch.ne),
                "two things: you mark the left and the upper pixel of each pair alone, and 255 is no class."),
        Mistake("the other side, blind to 255", lambda labels: _second_only(labels, torch.ne),
                "two things: you mark the right and the lower pixel of each pair alone, and 255 is no class."),
        Mistake("one side, around the rim, blind to 255", lambda labels: _around(labels, (1,), torch.ne),
                "three things: torch.roll goes around, one pixel of each pair is missing, and 255 is no class."),
        Mistake("the other side, around the rim, blind to 255", lambda labels: _around(labels, (-1,), torch.ne),
                "three things: torch.roll goes around, the right and lower pixels are missing, and 255 is no class."),
        Mistake("255 left out afterward", lambda labels: _with_ignored(labels) & (labels != IGNORE),
                "you take the pixels without a label out afterward; their neighbors are still marked."),
        Mistake("overwritten", _overwritten,
                "each assignment with = wipes out what an earlier one had marked; what is marked has to stay marked."),
        Mistake("overwritten, columns first", lambda labels: _overwritten(labels.mT).mT,
                "each assignment with = wipes out what an earlier one had marked, rows wipe out what columns left."),
        Mistake("a rim of class 0", lambda labels: _padded(labels, 0),
                "you extend the image by 0, which is a class: what lies beyond the rim is no neighbor."),
        Mistake("a rim of class 0, blind to 255", lambda labels: _padded(labels, 0, torch.ne),
                "two things: you extend the image by 0, which is a class, and 255 is none."),
        Mistake("a rim of 255, blind to 255", lambda labels: _padded(labels, IGNORE, torch.ne),
                "beyond the rim you put 255, which is right if a pair with 255 is no border; to you it is."),
        Mistake("only the neighbor tested for 255", lambda labels: _padded(labels, IGNORE, lambda a, b: (a != b) & (
            b != IGNORE)),
                "you ask whether the neighbor has a class, and not whether the pixel itself has one."),
        Mistake("only the pixel tested for 255", lambda labels: _padded(labels, IGNORE, lambda a, b: (a != b) & (
            a != IGNORE)),
                "you ask whether the pixel has a class, and not whether its neighbor has one."),
        Mistake("a rim of class -1", lambda labels: _padded(labels, -1),
                "you extend the image by a number that no class has, so it differs from all: the whole rim is marked."),
        Mistake("only the first tested for 255", lambda labels: _both(labels, lambda a, b: (a != b) & (a != IGNORE)),
                "of each pair you test only the left or the upper pixel for 255; either can be without a class."),
        Mistake("only the second tested for 255", lambda labels: _both(labels, lambda a, b: (a != b) & (b != IGNORE)),
                "of each pair you test only the right or the lower pixel for 255; either can be without a class."),
        Mistake("both directions", lambda labels: _along(labels, 1) & _along(labels, 2),
                "you want a border in both directions at once; one is enough.")))


def _pair_cases() -> list[Case]:
    return [Case((2 * torch.rand(n), 2 * torch.rand(n), torch.rand(n) < 0.5)) for n in (6, 9, 12)]


def ranking_case(d0: torch.Tensor, d1: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Return the loss of each pair: (d0 - d1)^2 on one side of a border, log(1 + exp(-|d0 - d1|)) across it.

    What `borders.ranking_loss` adds up without floor and cap; a test holds the two together. Both formulas are printed
    in SemDepth's overview figure [figure: FIG2]; which case belongs to which pair is inferred.

    Args:
        d0, d1: (N,) depth of the two points, normalized.
        same: (N,) bool, both points have one label.

    Returns:
        (N,).
    """
    gap = d0 - d1
    return torch.where(same, gap**2, F.softplus(-gap.abs()))


def _cases(d0: torch.Tensor, d1: torch.Tensor, same: torch.Tensor, apart=None, together=None) -> torch.Tensor:
    gap = d0 - d1
    return torch.where(same, together(gap) if together else gap**2, apart(gap) if apart else F.softplus(-gap.abs()))


RANKING = Exercise(
    name="ranking_loss", lesson=LESSON, title="Push apart, pull together", difficulty=2, minutes=10,
    statement="""\
Pairs of points are given by their depths `d0` and `d1` `(N,)` and by `same` `(N,)`: whether both have one label.
By the reading above, pairs across a border are pushed apart by $\\log(1 + \\exp(-|d_0 - d_1|))$ and pairs with one
label pulled together by $(d_0 - d_1)^2$, here without floor and cap. Return the loss of each pair, `(N,)`, in the
order of the pairs.""",
    stub='''def my_ranking_loss(d0, d1, same):
    ...  # your lines''',
    hint="""\
Both formulas can be computed for all pairs; `torch.where(same, ..., ...)` then chooses between them, pair by pair.""",
    solution='''def my_ranking_loss(d0, d1, same):
    gap = d0 - d1
    apart = torch.log(1 + torch.exp(-gap.abs()))
    return torch.where(same, gap**2, apart)''',
    teaches="borders.ranking_loss", reference=ranking_case, cases=_pair_cases, gradient=0, mistakes=(
        Mistake("sign of the exponent", lambda a, b, s: _cases(a, b, s, apart=lambda g: F.softplus(g.abs())),
                "across a border your loss grows when the depths move apart."),
        Mistake("cases exchanged", lambda a, b, s: ranking_case(a, b, ~s),
                "you pull together what the labels hold apart, and push apart what they hold together."),
        Mistake("absolute value forgotten", lambda a, b, s: _cases(a, b, s, apart=lambda g: F.softplus(-g)),
                "your loss wants the first point to be the farther one; a label does not say which is nearer."),
        Mistake("another logarithm", lambda a, b, s: _cases(
            a, b, s, apart=lambda g: F.softplus(-g.abs()) / math.log(10)),
                "the case across a border is 2.3 times too small: which logarithm is meant?"),
        Mistake("logarithm of base 2", lambda a, b, s: _cases(
            a, b, s, apart=lambda g: F.softplus(-g.abs()) / math.log(2)),
                "the case across a border is 1.44 times too large: which logarithm is meant?"),
        Mistake("not squared", lambda a, b, s: _cases(a, b, s, together=torch.abs),
                "on one side of a border, the difference should count by its square."),
        Mistake("only across borders", lambda a, b, s: _cases(a, b, s, together=torch.zeros_like),
                "pairs with one label cost nothing: then nothing keeps an object in one piece."),
        Mistake("only within one label", lambda a, b, s: _cases(a, b, s, apart=torch.zeros_like),
                "pairs across a border cost nothing: then nothing pushes them apart."),
        Mistake("one formula for all, pulling", lambda a, b, s: (a - b) ** 2,
                "you pull all pairs together; `same` is not used."),
        Mistake("one formula for all, pushing", lambda a, b, s: F.softplus(-(a - b).abs()),
                "you push all pairs apart; `same` is not used."),
        Mistake("order of the pairs lost", lambda a, b, s: torch.cat([ranking_case(a, b, s)[s], ranking_case(
            a, b, s)[~s]]),
                "the right numbers in another order: you put one kind of pairs behind the other."),
        Mistake("order of the pairs lost, across first", lambda a, b, s: torch.cat([ranking_case(a, b, s)[~s],
                                                                                   ranking_case(a, b, s)[s]]),
                "the right numbers in another order: those across a border have moved to the front."),
        Mistake("squared in the exponent", lambda a, b, s: _cases(a, b, s, apart=lambda g: F.softplus(-(g**2))),
                "across a border you square the difference in the exponent, where its absolute value belongs."),
        Mistake("difference of the squares", lambda a, b, s: _cases(a**2, b**2, s, together=lambda g: g, apart=(
            lambda g: F.softplus(-(a - b).abs()))),
                "you subtract squares; the difference is squared, not each depth."),
        Mistake("mean over the pairs", lambda a, b, s: ranking_case(a, b, s).mean(),
                "this is the mean; the loss of each pair is asked for, because the two pools are averaged apart."),
        Mistake("both cases added", lambda a, b, s: (a - b) ** 2 + F.softplus(-(a - b).abs()),
                "every pair pays both; `same` decides which of the two."),
        Mistake("in logarithms", lambda a, b, s: ranking_case(a.log(), b.log(), s),
                "a good idea, see above; here the depths are compared as they are."),
        Mistake("first point nearer", lambda a, b, s: _cases(a, b, s, apart=F.softplus),
                "your loss wants the first point to be the nearer one; a label does not say which is nearer."),
        Mistake("exponential alone", lambda a, b, s: _cases(a, b, s, apart=lambda g: torch.exp(-g.abs())),
                "across a border the logarithm and the 1 are missing."),
        Mistake("1 forgotten", lambda a, b, s: _cases(a, b, s, apart=lambda g: -g.abs()),
                "across a border the 1 in the logarithm is missing, so log and exp cancel."),
        Mistake("1 outside", lambda a, b, s: _cases(a, b, s, apart=lambda g: 1 - g.abs()),
                "across a border the 1 stands outside of the logarithm, so log and exp cancel."),
        Mistake("cap of the lesson", lambda a, b, s: _cases(a, b, s, apart=lambda g: torch.where(
            g.abs() < RankingSettings().cap, F.softplus(-g.abs()), 0)),
                "you stop pushing at the lesson's cap; here the printed formula is asked for, without it."),
        Mistake("margin", lambda a, b, s: _cases(a, b, s, apart=lambda g: (1 - g.abs()).clamp(min=0)),
                "across a border you use a hinge; the formula of the figure is another.")))


def _fat_cases() -> list[Case]:
    cases = []
    for note in ("", "", "an image without a far side"):
        shape = (2, *random_size())
        log_gt = 1 + 2 * torch.rand(shape)
        nearest = log_gt - 1.5 * torch.rand(shape)
        log_pred = log_gt + 1.5 * torch.randn(shape)
        far = torch.rand(shape) < 0.5
        if note:
            far[1] = False
        cases.append(Case((log_pred, log_gt, nearest, far), note))
    return cases


def _fattening(log_pred: torch.Tensor, log_gt: torch.Tensor, nearest: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
    sides = Sides(~far, far, nearest, log_gt)
    return fattening(log_pred, log_gt, torch.ones_like(far), sides)["fat"]


def _taken(log_pred: torch.Tensor, log_gt: torch.Tensor, nearest: torch.Tensor) -> torch.Tensor:
    return (log_pred - nearest).abs() < (log_pred - log_gt).abs()


def _share(taken: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
    return (taken & far).sum((1, 2)) / far.sum((1, 2))


def _meters(log_pred: torch.Tensor, log_gt: torch.Tensor, nearest: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
    taken = _taken(log_pred.exp(), log_gt.exp(), nearest.exp())
    return (taken & far).sum((1, 2)) / far.sum((1, 2))


FATTENING = Exercise(
    name="fattening", lesson=LESSON, title="Count the pixels an object has taken", difficulty=2, minutes=10,
    statement="""\
At a jump of depth, `far` `(B, H, W)` marks the pixels behind the object. `log_pred` and `log_gt` are the
logarithms of predicted and true depth, `nearest` that of the object in front. A far-side pixel is *taken* if its
prediction is closer to the object than to its own truth. Return the share of the far-side pixels that are taken,
for each image: `(B,)`. An image without far-side pixels has no share: nan.""",
    stub='''def my_fattening(log_pred, log_gt, nearest, far):
    ...  # your lines''',
    hint="""\
Two distances, one comparison, then a count divided by a count. In torch, zero divided by zero is nan, and for
once this is what we want.""",
    solution='''def my_fattening(log_pred, log_gt, nearest, far):
    taken = (log_pred - nearest).abs() < (log_pred - log_gt).abs()
    return (taken & far).sum((1, 2)) / far.sum((1, 2))''',
    teaches="metrics.fattening", reference=_fattening, cases=_fat_cases, mistakes=(
        Mistake("upside down", lambda p, g, n, f: 1 - _fattening(p, g, n, f),
                "you counted the pixels that the object has not taken."),
        Mistake("near side", lambda p, g, n, f: _fattening(p, g, n, ~f),
                "you counted on the object itself; an object cannot take its own pixels."),
        Mistake("divided by all pixels", lambda p, g, n, f: (_taken(p, g, n) & f).float().mean((1, 2)),
                "you divide by all pixels of the image: a small object would look harmless."),
        Mistake("far side ignored", lambda p, g, n, f: _taken(p, g, n).float().mean((1, 2)),
                "pixels that lie at no jump take part."),
        Mistake("empty set is zero", lambda p, g, n, f: _fattening(p, g, n, f).nan_to_num(0.0),
                "an image without far-side pixels gets 0, which looks like a perfect result."),
        Mistake("meters instead of logarithms", _meters,
                "you compare in meters; what is closer was meant as a ratio."),
        Mistake("one share for the batch", lambda p, g, n, f: ((_taken(p, g, n) & f).sum() / f.sum()).expand(len(p)),
                "all images got one share; averages over images need one for each."),
        Mistake("nearer than the object", lambda p, g, n, f: _share(p < n, f),
                "you count pixels that are even nearer than the object; closer to it than to the truth is enough."),
        Mistake("nearer than the truth", lambda p, g, n, f: _share(p < g, f),
                "you count every pixel that is too near, by however little."),
        Mistake("number instead of share", lambda p, g, n, f: (_taken(p, g, n) & f).sum((1, 2)),
                "you return a number of pixels; their share is asked for."),
        Mistake("divided by what is taken", lambda p, g, n, f: (_taken(p, g, n) & f).sum((1, 2)) / _taken(p, g, n).sum(
            (1, 2)),
                "you divide by all taken pixels, also those that lie at no jump."),
        Mistake("far side in the count below alone", lambda p, g, n, f: _taken(p, g, n).sum((1, 2)) / f.sum((1, 2)),
                "you divide by the far-side pixels, but count what is taken over the whole image."),
        Mistake("half of its own distance", lambda p, g, n, f: _share((p - n).abs() < (p - g).abs() / 2, f),
                "you ask for half of the distance to the truth; closer to the object than to the truth is enough."),
        Mistake("within the jump", lambda p, g, n, f: _share((p - n).abs() < (g - n).abs(), f),
                "you compare with the distance from the object to the truth; the prediction has one to each."),
        Mistake("divided by the near side", lambda p, g, n, f: (_taken(p, g, n) & f).sum((1, 2)) / (~f).sum((1, 2)),
                "you divide by the pixels of the near side."),
        Mistake("within half of the jump", lambda p, g, n, f: _share((p - n).abs() < (g - n).abs() / 2, f),
                "you count what lies within half of the jump around the object; whatever is nearer is taken too."),
        Mistake("signs kept", lambda p, g, n, f: _share((p - n) < (p - g), f),
                "you compare differences with their signs; a distance has none.")))

EXERCISES = (BORDERS, RANKING, FATTENING)
