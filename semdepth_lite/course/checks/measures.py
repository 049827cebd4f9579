"""Exercises of lesson 07: relative error, logarithmic error, and the difference of two methods, fairly paired."""
from __future__ import annotations

import math

import numpy as np
import torch

from ...evaluation.significance import paired_bootstrap
from ...metrics import depth_errors, error_maps, masked_mean
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "07_reproduction"


def _depth_cases() -> list[Case]:
    cases: list[Case] = []
    empty, holes = "an image without a single true depth", "pixels outside the mask whose true depth is 0 (none)"
    for note in ("", holes, empty):
        shape = (2, *random_size())
        gt = 2 + 50 * torch.rand(shape) ** 2
        pred = gt * torch.exp(0.5 * torch.randn(shape)) * torch.tensor([1.2, 0.6]).view(2, 1, 1)  # too far, too near
        mask = torch.rand(shape) < 0.6
        mask[:, 0, 0], mask[0, 1:3], mask[:, 3, 0] = True, True, False  # unequal numbers of pixels
        if note == empty:
            mask[1] = False
        if note == holes:
            gt[:, 3, 0] = 0.0
            gt[~mask & (torch.rand(shape) < 0.5)] = 0.0
        cases.append(Case((pred, gt, mask), note))
    return cases


def _metric(name: str):
    def metric(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return depth_errors(error_maps(pred, gt, mask))[name]
    return metric


_abs_rel, _rmse_log = _metric("abs_rel"), _metric("rmse_log")


def _times_mask(relative: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average as one does who multiplies by the mask: infinity outside of it becomes nan."""
    return (relative * mask).sum((1, 2)) / mask.sum((1, 2))


def _pooled_abs_rel(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return ((pred - gt).abs() / gt)[mask].mean().expand(len(pred))


ABS_REL = Exercise(
    name="abs_rel", lesson=LESSON, title="Measure the relative error", difficulty=1, minutes=6,
    statement="""\
Return abs_rel $= \\operatorname{mean}\\,|d - d^*| / d^*$ for each image of a batch, over the pixels of `mask`.
`pred` ($d$), `gt` ($d^*$) and `mask` are `(B, H, W)`; return `(B,)`, with nan for an image without a pixel.
Outside the mask `gt` may be 0, which means: no depth.""",
    stub='''def my_abs_rel(pred, gt, mask):
    ...  # your lines''',
    hint="""\
Sum over the masked pixels and divide by their number, image by image. In torch, zero divided by zero is nan, and so
is infinity times zero; `masked_fill` replaces whatever stands there.""",
    solution='''def my_abs_rel(pred, gt, mask):
    relative = ((pred - gt).abs() / gt).masked_fill(~mask, 0)
    return relative.sum((1, 2)) / mask.sum((1, 2))''',
    teaches="metrics.depth_errors", reference=_abs_rel, cases=_depth_cases, mistakes=(
        Mistake("relative to the prediction", lambda p, g, m: masked_mean((p - g).abs() / p, m),
                "you divide by the prediction: a network could make the error small by predicting far."),
        Mistake("absolute value forgotten", lambda p, g, m: masked_mean((p - g) / g, m),
                "too near and too far cancel."),
        Mistake("mask ignored", lambda p, g, m: ((p - g).abs() / g).mean((1, 2)),
                "pixels that do not count take part."),
        Mistake("mask of one's own", lambda p, g, m: masked_mean((p - g).abs() / g, g > 0),
                "you make a mask of your own from the truth; the one that comes in leaves out more."),
        Mistake("zeros in the mean", lambda p, g, m: ((p - g).abs() / g * m).nanmean((1, 2)),
                "nan is left out of your mean, but the zeros that the mask has made are not."),
        Mistake("absolute value of the mean", lambda p, g, m: masked_mean((p - g) / g, m).abs(),
                "too near and too far cancel: you take the absolute value after the mean."),
        Mistake("zero times infinity", lambda p, g, m: _times_mask((p - g).abs() / g, m),
                "right where every pixel has a depth, but 0 means none: you divide by it outside the mask, and "
                "infinity times zero is nan."),
        Mistake("divided by all pixels", lambda p, g, m: ((p - g).abs() / g).masked_fill(~m, 0).mean((1, 2)),
                "the sum is right, but you divide by the number of all pixels."),
        Mistake("absolute value forgotten, the other way", lambda p, g, m: masked_mean((g - p) / g, m),
                "too far and too near cancel: a difference has a sign."),
        Mistake("divided by the pixels of the batch", lambda p, g, m: ((p - g).abs() / g).masked_fill(~m, 0).sum(
            (1, 2)) / m.sum(),
                "you divide by the masked pixels of all images; each image has its own number."),
        Mistake("divided by all pixels, nan", lambda p, g, m: ((p - g).abs() / g * m).mean((1, 2)),
                "you divide by the number of all pixels; besides, infinity times zero is nan where there is no depth."),
        Mistake("ratio of the means", lambda p, g, m: masked_mean((p - g).abs(), m) / masked_mean(g, m),
                "you divide one mean by another; far pixels then decide nearly alone."),
        Mistake("one number for the batch", _pooled_abs_rel,
                "all images got one number; the field averages image by image."),
        Mistake("empty set is zero", lambda p, g, m: _abs_rel(p, g, m).nan_to_num(0.0),
                "an image without truth gets 0, a perfect score for nothing."),
        Mistake("squared", lambda p, g, m: masked_mean((p - g) ** 2 / g, m),
                "this is sq_rel."),
        Mistake("not relative", lambda p, g, m: masked_mean((p - g).abs(), m),
                "this is the error in meters; relative to the truth is asked for."),
        Mistake("median", lambda p, g, m: torch.stack([((a - b).abs() / b)[k].median() for a, b, k in zip(p, g, m)]),
                "you take the median, which does not see the worst pixels; the mean is asked for."),
        Mistake("sum", lambda p, g, m: ((p - g).abs() / g).masked_fill(~m, 0).sum((1, 2)),
                "you add up; divide by the number of pixels."),
        Mistake("logarithm", lambda p, g, m: masked_mean((p / g).log().abs(), m),
                "you average logarithms of ratios; near 1 they are alike, but this is another metric."),
        Mistake("brackets forgotten", lambda p, g, m: masked_mean(p - g.abs() / g, m),
                "the division comes before the difference: brackets are missing."),
        Mistake("row by row", lambda p, g, m: ((p - g).abs() / g).masked_fill(~m, torch.nan).nanmean(2).nanmean(1),
                "you average each row first, so a pixel of a row with few others counts more."),
        Mistake("larger ratio", lambda p, g, m: masked_mean(torch.maximum(p / g, g / p), m),
                "this is the ratio that δ < 1.25 asks about."),
        Mistake("scaled first", lambda p, g, m: masked_mean(
            (p * (masked_mean(g, m) / masked_mean(p, m))[:, None, None] - g).abs() / g, m),
                "you scale the prediction first; that is a step of its own, with the median."),
        Mistake("mask upside down", lambda p, g, m: masked_mean((p - g).abs() / g, ~m),
                "you judged exactly the pixels that do not count.")))


RMSE_LOG = Exercise(
    name="rmse_log", lesson=LESSON, title="Measure the error of ratios", difficulty=1, minutes=6,
    statement="""\
Return rmse_log $= \\sqrt{\\operatorname{mean}\\,(\\ln d - \\ln d^*)^2}$ for each image, over the pixels of
`mask`: `(B,)`, with nan for an image without a pixel. Twice too far and twice too near are equally wrong here.
Outside the mask `gt` may be 0, which means: no depth.""",
    stub='''def my_rmse_log(pred, gt, mask):
    ...  # your lines''',
    hint="""\
The order of the words tells the order of the steps, from right to left: logarithm, difference, square, mean,
root.""",
    solution='''def my_rmse_log(pred, gt, mask):
    squared = ((pred.log() - gt.log()) ** 2).masked_fill(~mask, 0)
    return (squared.sum((1, 2)) / mask.sum((1, 2))).sqrt()''',
    teaches="metrics.depth_errors", reference=_rmse_log, cases=_depth_cases, mistakes=(
        Mistake("log10 for ln", lambda p, g, m: _rmse_log(p, g, m) / math.log(10),
                "every value is 2.3 times too small, as in a few published tables: which logarithm is meant?"),
        Mistake("log2 for ln", lambda p, g, m: _rmse_log(p, g, m) / math.log(2),
                "every value is 1.44 times too large: which logarithm is meant?"),
        Mistake("zero times infinity", lambda p, g, m: _times_mask((p.log() - g.log()) ** 2, m).sqrt(),
                "right where every pixel has a depth, but 0 means none: its logarithm is infinite outside the mask, "
                "and infinity times zero is nan."),
        Mistake("root forgotten", lambda p, g, m: _rmse_log(p, g, m) ** 2,
                "this is the mean square; the R of the name is missing."),
        Mistake("mean of absolute values", lambda p, g, m: masked_mean((p / g).log().abs(), m),
                "root and square have met pixel by pixel and cancelled: where does the mean belong?"),
        Mistake("logarithm of the error", lambda p, g, m: masked_mean((p - g) ** 2, m).sqrt().log(),
                "you took the logarithm of the error; the error of the logarithms is meant."),
        Mistake("logarithm of the difference", lambda p, g, m: _times_mask(
            (p - g).abs().log().masked_fill(~m, 0) ** 2, m).sqrt(),
                "you took the logarithm of a difference; a ratio of depths is the difference of two logarithms."),
        Mistake("logarithm forgotten", lambda p, g, m: masked_mean((p - g) ** 2, m).sqrt(),
                "this is rmse, in meters."),
        Mistake("mask upside down", lambda p, g, m: _rmse_log(p, g, ~m),
                "you judged exactly the pixels that do not count."),
        Mistake("one number for the batch", lambda p, g, m: ((p / g).log() ** 2)[m].mean().sqrt().expand(len(p)),
                "all images got one number; the field averages image by image."),
        Mistake("one added", lambda p, g, m: masked_mean(((1 + p).log() - (1 + g).log()) ** 2, m).sqrt(),
                "you add 1 before the logarithm; then ratios of near depths count less."),
        Mistake("root of the sum", lambda p, g, m: ((p / g).log() ** 2).masked_fill(~m, 0).sum((1, 2)).sqrt(),
                "your error grows with the number of pixels: a mean belongs under the root."),
        Mistake("root before the division", lambda p, g, m: ((p / g).log() ** 2).masked_fill(~m, 0).sum(
            (1, 2)).sqrt() / m.sum((1, 2)),
                "you take the root of the sum and divide then; the number of pixels belongs under the root."),
        Mistake("relative error squared", lambda p, g, m: masked_mean(((p - g) / g) ** 2, m).sqrt(),
                "you square relative errors; near 1 they are like logarithms of ratios, but this is another metric."),
        Mistake("mask of one's own", lambda p, g, m: _rmse_log(p, g, g > 0),
                "you make a mask of your own from the truth; the one that comes in leaves out more."),
        Mistake("zeros in the mean", lambda p, g, m: ((p.log() - g.log()) ** 2 * m).nanmean((1, 2)).sqrt(),
                "nan is left out of your mean, but the zeros that the mask has made are not."),
        Mistake("absolute value of the mean", lambda p, g, m: masked_mean((p / g).log(), m).abs(),
                "too near and too far cancel: the square belongs before the mean."),
        Mistake("divided by all pixels", lambda p, g, m: ((p / g).log() ** 2).masked_fill(~m, 0).mean((1, 2)).sqrt(),
                "the sum is right, but you divide by the number of all pixels."),
        Mistake("quotient of the logarithms", lambda p, g, m: masked_mean((p.log() / g.log()) ** 2, m).sqrt(),
                "you divide one logarithm by the other; subtract them."),
        Mistake("divided by the pixels of the batch", lambda p, g, m: (((p / g).log() ** 2).masked_fill(~m, 0).sum(
            (1, 2)) / m.sum()).sqrt(),
                "you divide by the masked pixels of all images; each image has its own number."),
        Mistake("scale taken out", lambda p, g, m: (masked_mean((p / g).log() ** 2, m)
                                                    - masked_mean((p / g).log(), m) ** 2).clamp(min=0).sqrt(),
                "you take the mean out first, as the scale-invariant error does; this one keeps it."),
        Mistake("one pixel less", lambda p, g, m: (((p / g).log() ** 2).masked_fill(~m, 0).sum((1, 2))
                                                   / (m.sum((1, 2)) - 1)).sqrt(),
                "you divide by one pixel less, as for a standard deviation; here the mean is asked for.")))


def _pair_cases() -> list[Case]:
    cases = []
    for note in ("", "images without a value for one of the methods (nan)", "images without a value (nan)"):
        images = int(torch.randint(8, 14, ()))
        level = 0.1 + 0.4 * torch.rand(images)
        a, b = level + 0.02 * torch.randn(3, images), level + 0.03 + 0.02 * torch.randn(3, images)
        if note:
            a[0, :3], b[1, 2:5] = torch.nan, torch.nan
        cases.append(Case((a, b), note))
    return cases


def _paired(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    scenes = np.arange(a.shape[1])
    return torch.tensor(paired_bootstrap(a.numpy(), b.numpy(), scenes, n=10).difference)


PAIRED = Exercise(
    name="paired_difference", lesson=LESSON, title="Compare two methods fairly", difficulty=1, minutes=6,
    statement="""\
`a` and `b` `(S, N)` hold an error of two methods, for $S$ seeds and the same $N$ images. Some images have no
value for one of them (nan). Return the mean of $a - b$ over the pairs in which both have one: a single number,
negative if `a` is better.""",
    stub='''def my_paired_difference(a, b):
    ...  # your lines''',
    hint="""\
What is a number minus nan? Some functions of torch leave nan out.""",
    solution='''def my_paired_difference(a, b):
    return (a - b).nanmean()''',
    teaches="evaluation.significance.paired_bootstrap", reference=_paired, cases=_pair_cases, mistakes=(
        Mistake("not paired", lambda a, b: a.nanmean() - b.nanmean(),
                "you compare means over different images: whoever lacks the hard ones wins."),
        Mistake("sign", lambda a, b: _paired(b, a),
                "your difference is positive when a is better."),
        Mistake("nan spreads", lambda a, b: (a - b).mean(),
                "one missing image makes the whole comparison nan."),
        Mistake("missing is zero", lambda a, b: (a.nan_to_num(0.0) - b.nan_to_num(0.0)).mean(),
                "a missing value was taken for an error of 0, which is perfect."),
        Mistake("missing pairs counted", lambda a, b: (a - b).nan_to_num(0.0).mean(),
                "you divide by the number of all pairs, also of those that have no difference."),
        Mistake("absolute value", lambda a, b: (a - b).abs().nanmean(),
                "you lost who is better."),
        Mistake("relative", lambda a, b: ((a - b) / b).nanmean(),
                "your number is a share of b; the difference itself is asked for."),
        Mistake("median", lambda a, b: (a - b).nanmedian(), "you take the median; the mean is asked for."),
        Mistake("relative to the mean", lambda a, b: (a - b).nanmean() / b.nanmean(),
                "you divide by the mean of b; the difference itself is asked for."),
        Mistake("sum relative to the sum of b", lambda a, b: (a - b).nansum() / b.nansum(),
                "this is the change relative to b, and over all of b's images; the mean difference itself is asked "
                "for."),
        Mistake("relative to the paired sum of b", lambda a, b: (a - b).nansum() / b[(a - b).isfinite()].sum(),
                "this is the change relative to b; the mean difference itself is asked for."),
        Mistake("change of the means", lambda a, b: a.nanmean() / b.nanmean() - 1,
                "you divide two means, over different images; the mean of the differences is asked for."),
        Mistake("not paired, seed by seed", lambda a, b: (a.nanmean(1) - b.nanmean(1)).mean(),
                "you compare the means of each seed, which may stand for different images."),
        Mistake("not paired, image by image", lambda a, b: (a.nanmean(0) - b.nanmean(0)).nanmean(),
                "you compare the means of each image, which may stand for different seeds."),
        Mistake("difference of the sums", lambda a, b: a.nansum() - b.nansum(),
                "you subtract sums, and over different images; the mean of the differences is asked for."),
        Mistake("mean of the images' means", lambda a, b: (a - b).nanmean(0).nanmean(),
                "you average over the seeds first: an image with fewer seeds then counts as much as the others."),
        Mistake("mean of the seeds' means", lambda a, b: (a - b).nanmean(1).mean(),
                "you average each seed first: a pair of a seed with few images then counts more than others."),
        Mistake("sum", lambda a, b: (a - b).nansum(), "you add the differences up; divide by their number."),
        Mistake("squared", lambda a, b: ((a - b) ** 2).nanmean(),
                "you square the differences, and lost who is better."),
        Mistake("in standard deviations", lambda a, b: (a - b).nanmean() / (a - b)[(a - b).isfinite()].std(),
                "you divide by the spread; that is an effect size, and the difference itself is asked for.")))

EXERCISES = (ABS_REL, RMSE_LOG, PAIRED)
