"""Exercises of lesson 06 on what happens at borders: the two cases of the ranking loss, and fattening."""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ...borders import RankingSettings
from ...metrics import Sides, fattening
from .borders import LESSON
from .exercise import Case, Exercise, Mistake
from .geometry import random_size


def _pair_cases() -> list[Case]:
    """Make pairs of both kinds, then of one kind alone: a decision for all pairs at once is right on some of these."""
    cases = []
    for n, share in ((6, 0.5), (9, 0.5), (12, 0.5), (5, 0.0), (7, 1.0)):
        same = torch.rand(n) < share
        same[:2] = torch.tensor([share > 0, share == 1])
        cases.append(Case((2 * torch.rand(n), 2 * torch.rand(n), same)))
    return cases


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


def _for_all(d0: torch.Tensor, d1: torch.Tensor, together: torch.Tensor) -> torch.Tensor:
    return (d0 - d1) ** 2 if together else F.softplus(-(d0 - d1).abs())


def _mean(d0: torch.Tensor, d1: torch.Tensor) -> torch.Tensor:
    return torch.cat((d0, d1)).mean()


RANKING = Exercise(
    name="ranking_loss", lesson=LESSON, title="Push apart, pull together", difficulty=2, minutes=10,
    statement="""\
Pairs of points are given by their depths `d0` and `d1` `(N,)` and by `same` `(N,)`: whether both have one label.
By the reading above, pairs across a border are pushed apart by $\\log(1 + \\exp(-|d_0 - d_1|))$ and pairs with one
label pulled together by $(d_0 - d_1)^2$, here without normalization, floor and cap. Return the loss of each
pair, `(N,)`, in the order of the pairs.""",
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
        Mistake("one decision for all", lambda a, b, s: _for_all(a, b, s.all()),
                "one decision is made for all pairs at once, as `if` makes one; each pair has its own.", (
                    lambda a, b, s: _for_all(a, b, s.any()), lambda a, b, s: _for_all(a, b, s[0]),
                    lambda a, b, s: _for_all(a, b, s[-1]), lambda a, b, s: _for_all(a, b, s.float().mean() > 0.5),
                    lambda a, b, s: _for_all(a, b, s.float().mean() >= 0.5))),
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
        Mistake("exponential forgotten", lambda a, b, s: _cases(a, b, s, apart=lambda g: torch.log(1 + g.abs())),
                "across a border the exponential is missing, so the loss grows when the depths move apart."),
        Mistake("minus for plus", lambda a, b, s: _cases(a, b, s, apart=lambda g: torch.log(1 - torch.exp(-g.abs()))),
                "across a border you take exp from 1; the formula adds it."),
        Mistake("1 added twice", lambda a, b, s: _cases(a, b, s, apart=lambda g: torch.log1p(1 + torch.exp(-g.abs()))),
                "across a border the 1 is in twice: log1p brings one along."),
        Mistake("sigmoid", lambda a, b, s: _cases(a, b, s, apart=lambda g: torch.sigmoid(-g.abs())),
                "across a border you take a sigmoid, which is the slope of the formula, not the formula."),
        Mistake("sign outside", lambda a, b, s: _cases(a, b, s, apart=lambda g: -F.softplus(g.abs())),
                "across a border your loss is negative and falls without end: where does the minus belong?", (
                    lambda a, b, s: _cases(a, b, s, apart=lambda g: -(g**2)),)),
        Mistake("negative", lambda a, b, s: _cases(a, b, s, apart=lambda g: -F.softplus(-g.abs())),
                "across a border every value has the wrong sign, and your loss grows when the depths move apart."),
        Mistake("sum of the depths", lambda a, b, s: _cases(a, b, s, apart=lambda g: F.softplus(-(a + b).abs())),
                "across a border the two depths are added, not subtracted: are brackets missing behind a minus?"),
        Mistake("hinge at zero", lambda a, b, s: _cases(a, b, s, apart=lambda g: F.relu(-g)),
                "across a border you cut at zero, so pairs in one of the two orders cost nothing.", (
                    lambda a, b, s: _cases(a, b, s, apart=F.relu, together=None),)),
        Mistake("both within one label", lambda a, b, s: s * (a - b) ** 2 + F.softplus(-(a - b).abs()),
                "pairs with one label pay for both formulas, pulled together and pushed apart."),
        Mistake("both across a border", lambda a, b, s: (a - b) ** 2 + ~s * F.softplus(-(a - b).abs()),
                "pairs across a border pay for both formulas, pulled together and pushed apart."),
        Mistake("mask on the difference", lambda a, b, s: (s * (a - b)) ** 2 + F.softplus(-(~s * (a - b)).abs()),
                "you multiply the differences by the mask, and a difference of 0 still costs log 2."),
        Mistake("difference as it is", lambda a, b, s: _cases(a, b, s, together=lambda g: g),
                "on one side of a border the square is missing, so the loss can be negative.", (
                    lambda a, b, s: _cases(a, b, s, together=lambda g: 2 * g),)),
        Mistake("third power", lambda a, b, s: _cases(a, b, s, together=lambda g: g**3),
                "on one side of a border you take the third power; the square is asked for."),
        Mistake("mean of the squares", lambda a, b, s: _cases(a, b, s, together=lambda g: (g**2).mean()),
                "on one side of a border every pair gets a mean over many; each has its own difference.", (
                    lambda a, b, s: _cases(a, b, s, together=lambda g: (g[s] ** 2).mean()),)),
        Mistake("normalized", lambda a, b, s: ranking_case(a / _mean(a, b), b / _mean(a, b), s),
                "you divide the depths by their mean; here they are compared as they come.", (
                    lambda a, b, s: ranking_case(a / a.mean(), b / b.mean(), s),
                    lambda a, b, s: ranking_case(a / a.mean(), b / a.mean(), s))),
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
                "by your count no pixel is ever taken: do you compare distances, or differences with their signs?"),
        Mistake("or for and", lambda p, g, n, f: (_taken(p, g, n) | f).sum((1, 2)) / f.sum((1, 2)),
                "your share is above 1: | counts what is taken *or* far, and both are meant."),
        Mistake("zero is not below zero", lambda p, g, n, f: (((p - n) * f).abs() <= ((p - g) * f).abs()).sum(
            (1, 2)) / f.sum((1, 2)),
                "you multiply distances by the mask, and where both are 0 then, <= counts the pixel as taken.", (
                    lambda p, g, n, f: (((p - n) * f).abs() <= ((p - g) * f).abs()).float().mean((1, 2)),)),
        Mistake("divided by what is left", lambda p, g, n, f: (_taken(p, g, n) & f).sum((1, 2)) / (
            ~_taken(p, g, n) & f).sum((1, 2)),
                "you divide by the pixels that are not taken; a share is one of all far-side pixels."),
        Mistake("divided by the pixels of the batch", lambda p, g, n, f: (_taken(p, g, n) & f).sum((1, 2)) / f.sum(),
                "you divide by the far-side pixels of all images; each image has its own number."),
        Mistake("row by row", lambda p, g, n, f: ((_taken(p, g, n) & f).sum(2) / f.sum(2)).nanmean(1),
                "you average rows or columns first, so a pixel of one with few others counts more.", (
                    lambda p, g, n, f: ((_taken(p, g, n) & f).sum(1) / f.sum(1)).nanmean(1),
                    lambda p, g, n, f: ((_taken(p, g, n) & f).sum(1) / f.sum(1)).mean(1),
                    lambda p, g, n, f: ((_taken(p, g, n) & f).sum(2) / f.sum(2)).mean(1))),
        Mistake("logarithms once more", lambda p, g, n, f: _share((p.log() - n.log()).abs() < (
            p.log() - g.log()).abs(), f),
                "these are logarithms already: subtract them, and neither divide nor take logarithms once more.", (
                    lambda p, g, n, f: _share((p / n - 1).abs() < (p / g - 1).abs(), f),)),
        Mistake("mean distance", lambda p, g, n, f: ((p - n).abs() * f).sum((1, 2)) / f.sum((1, 2)),
                "this is a mean distance; the share of pixels that are closer to the object is asked for.", (
                    lambda p, g, n, f: ((p - g).abs() * f).sum((1, 2)) / f.sum((1, 2)),))))

EXERCISES = (RANKING, FATTENING)
