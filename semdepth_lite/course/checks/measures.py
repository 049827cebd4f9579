"""Exercises of lesson 07 on errors of depth: relative and logarithmic."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch

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
        mask[:, 0, :2], mask[0, 1:3], mask[:, 3, 0] = True, True, False  # unequal numbers of pixels
        gt[:, 0, :2], pred[:, 0, :2] = torch.tensor([0.06, 110.0]), torch.tensor([0.08, 95.0])  # nobody cuts them off
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


def _filled(error: torch.Tensor, where: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Add up with zeros at `where`, and divide by the number of masked pixels."""
    return error.masked_fill(where, 0).sum((1, 2)) / mask.sum((1, 2))


def _scaled(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    """Scale a prediction by the medians, as tables of self-supervised methods do."""
    return torch.stack([a * (b[k].median() / a[k].median()) for a, b, k in zip(p, g, m)])


def _capped(metric, *ends: tuple[float, float]) -> tuple:
    """Make a metric that leaves out depths beyond two ends."""
    return tuple(lambda p, g, m, low=low, high=high: metric(p, g, m & (g > low) & (g < high)) for low, high in ends)


def _counted(error: Callable, root: Callable = lambda x: x) -> tuple:
    """Make metrics that fill the truth outside of the mask, and add up over all pixels or average over them."""
    return tuple(lambda p, g, m, safe=safe, mean=mean: root(mean(error(p, g.masked_fill(~m, safe)), m))
                 for safe in (1.0, 1e-3, 1e-6)
                 for mean in (lambda e, m: e.sum((1, 2)) / m.sum((1, 2)), lambda e, m: e.mean((1, 2))))


def _unmasked(*errors: Callable, root: Callable = lambda x: x) -> tuple:
    """Make metrics that average over all pixels, after something was put in against a truth of 0."""
    return tuple(lambda p, g, m, error=error, safe=safe: root(error(p, g, safe).mean((1, 2))) for error in errors
                 for small in SMALL for safe in (lambda x, small=small: x + small,
                                                 lambda x, small=small: x.clamp(min=small)))


SMALL = (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)  # put in against a division by 0
CAPS = ((1e-3, 80.0), (1e-3, 50.0), (1e-3, 100.0), (0.1, 80.0), (0.1, 100.0), (0.1, torch.inf), (1.0, torch.inf),
        (1.0, 80.0))


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
                "pixels that do not count take part.", _unmasked(
                    lambda p, g, safe: (p - g).abs() / safe(g), lambda p, g, safe: (p - safe(g)).abs() / safe(g),
                    lambda p, g, safe: (safe(p) - safe(g)).abs() / safe(g))),
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
                "you average rows or columns first, so a pixel of one with few others counts more.", (
                    lambda p, g, m: ((p - g).abs() / g).masked_fill(~m, torch.nan).nanmean(1).nanmean(1),
                    lambda p, g, m: (((p - g).abs() / g).masked_fill(~m, 0).sum(1) / m.sum(1)).mean(1),
                    lambda p, g, m: (((p - g).abs() / g).masked_fill(~m, 0).sum(2) / m.sum(2)).mean(1))),
        Mistake("larger ratio", lambda p, g, m: masked_mean(torch.maximum(p / g, g / p), m),
                "this is the ratio that δ < 1.25 asks about."),
        Mistake("scaled first", lambda p, g, m: masked_mean(
            (p * (masked_mean(g, m) / masked_mean(p, m))[:, None, None] - g).abs() / g, m),
                "you scale the prediction first; that is a step of its own, with the median.", (
                    lambda p, g, m: _abs_rel(_scaled(p, g, m), g, m),)),
        Mistake("masked pixels wiped out", lambda p, g, m: _filled((p - g).abs() / g, m, m),
                "masked_fill writes where its mask is true: you wiped out the pixels that count.", (
                    lambda p, g, m: ((p - g).abs() / g).masked_fill(m, 0).mean((1, 2)),
                    lambda p, g, m: ((p - g).abs() / g.masked_fill(m, 1)).sum((1, 2)) / m.sum((1, 2)),
                    lambda p, g, m: ((p - g).abs() / g.masked_fill(m, 1)).mean((1, 2)))),
        Mistake("truth filled, and counted", lambda p, g, m: ((p - g).abs() / g.masked_fill(~m, 1)).sum((1, 2)) / m.sum(
            (1, 2)),
                "you replace the truth outside of the mask, and the pixels there are still in your sum.", (
                    lambda p, g, m: ((p - g).abs() / g.masked_fill(~m, 1)).mean((1, 2)),
                    *_counted(lambda p, g: (p - g).abs() / g))),
        Mistake("cut below", lambda p, g, m: masked_mean((p - g).abs() / g.clamp(min=1), m),
                "you cut or shift the truth below the fraction bar: for a pixel at 6 cm that is another error.", tuple(
                    lambda p, g, m, safe=safe: masked_mean((p - g).abs() / safe(g), m) for safe in (
                        lambda g: g.clamp(min=0.1), lambda g: g.clamp(min=0.5), lambda g: g + 1, lambda g: g + 0.1,
                        lambda g: g + 1e-2, lambda g: g + 1e-3))),
        Mistake("both cut", lambda p, g, m: _abs_rel(p.clamp(1e-3, 80), g.clamp(1e-3, 80), m),
                "you cut both depths to a range; every masked pixel counts as it is.", tuple(
                    lambda p, g, m, low=low, high=high: _abs_rel(p.clamp(low, high), g.clamp(low, high), m)
                    for low, high in ((0.1, 80), (0.5, 80), (0.1, 100), (1, 80), (1, None), (0.1, None)))),
        Mistake("caps in the mask", _capped(_abs_rel, CAPS[0])[0],
                "you leave out near or far pixels that the mask has in; it is given, caps and all.", (
                    *_capped(_abs_rel, *CAPS[1:]), lambda p, g, m: _abs_rel(p, g, m & (p < 80)))),
        Mistake("relative error squared", lambda p, g, m: masked_mean(((p - g) / g) ** 2, m),
                "you square the relative error; its absolute value is asked for.", (
                    lambda p, g, m: masked_mean(((p - g) / g) ** 2, m).sqrt(),)),
        Mistake("both below", lambda p, g, m: masked_mean(2 * (p - g).abs() / (p + g), m),
                "the prediction stands below the fraction bar too; relative to the truth alone is asked for.", (
                    lambda p, g, m: masked_mean((p - g).abs() / (p + g), m),
                    lambda p, g, m: masked_mean((p - g).abs() / torch.maximum(p, g), m))),
        Mistake("inverse depths", lambda p, g, m: masked_mean((1 / p - 1 / g).abs(), m),
                "you compare inverse depths; depths are meant."),
        Mistake("ratio alone", lambda p, g, m: masked_mean((p / g).abs(), m),
                "this is the mean ratio, 1 for a perfect prediction: what is to be taken off?"),
        Mistake("rmse", lambda p, g, m: masked_mean((p - g) ** 2, m).sqrt(), "this is rmse, in meters."),
        Mistake("whole numbers", lambda p, g, m: masked_mean((p - g).abs() // g, m),
                "// cuts every relative error to a whole number; divide with /."),
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
        Mistake("mask ignored", lambda p, g, m: ((p / g).log() ** 2).mean((1, 2)).sqrt(),
                "pixels that do not count take part.", _unmasked(
                    lambda p, g, safe: (p.log() - safe(g).log()) ** 2,
                    lambda p, g, safe: (safe(p).log() - safe(g).log()) ** 2, root=torch.sqrt)),
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
                "you take the mean out first, as the scale-invariant error does; this one keeps it.", (
                    lambda p, g, m: ((masked_mean((p / g).log() ** 2, m) - masked_mean((p / g).log(), m) ** 2) * m.sum(
                        (1, 2)) / (m.sum((1, 2)) - 1)).clamp(min=0).sqrt(),)),
        Mistake("logarithm of the squares", lambda p, g, m: 2 * _rmse_log(p, g, m),
                "every value is twice too large: the logarithm of a square is twice that of the number.", (
                    lambda p, g, m: masked_mean(((p**2).log() - (g**2).log()) ** 2, m).sqrt(),)),
        Mistake("square inside", lambda p, g, m: masked_mean(((p**2).log() - (g**2).log()).abs(), m).sqrt(),
                "the square stands inside the logarithm; the difference of the logarithms is squared.", (
                    lambda p, g, m: masked_mean((p**2).log() - (g**2).log(), m).sqrt(),
                    lambda p, g, m: masked_mean((p**2).log() - (g**2).log(), m).abs().sqrt())),
        Mistake("squares of the logarithms", lambda p, g, m: masked_mean(p.log() ** 2 - g.log() ** 2, m).sqrt(),
                "you square each logarithm and subtract then; subtract first.", (
                    lambda p, g, m: masked_mean((p.log() ** 2 - g.log() ** 2).abs(), m).sqrt(),
                    lambda p, g, m: masked_mean(p.log() ** 2 - g.log() ** 2, m).abs().sqrt(),
                    lambda p, g, m: masked_mean((p.log() ** 2 - g.log() ** 2) ** 2, m).sqrt())),
        Mistake("truth squared alone", lambda p, g, m: masked_mean(p.log() - g.log() ** 2, m).abs().sqrt(),
                "only the second logarithm is squared: brackets are missing around the difference.", (
                    lambda p, g, m: masked_mean((p.log() - g.log() ** 2).abs(), m).sqrt(),)),
        Mistake("logarithm of the squared difference", lambda p, g, m: masked_mean(((p - g) ** 2).log(), m).sqrt(),
                "you take the logarithm of a squared difference; a ratio is the difference of two logarithms.", (
                    lambda p, g, m: masked_mean(((p - g) ** 2).log(), m).abs().sqrt(),
                    lambda p, g, m: masked_mean(((p - g) ** 2).log() ** 2, m).sqrt(),
                    lambda p, g, m: masked_mean((1 + (p - g) ** 2).log(), m).sqrt())),
        Mistake("prediction alone", lambda p, g, m: masked_mean(((p**2).log()) ** 2, m).sqrt(),
                "the truth does not enter.", (
                    lambda p, g, m: masked_mean(p.log() ** 2, m).sqrt(),
                    lambda p, g, m: masked_mean((p**2).log(), m).sqrt())),
        Mistake("logarithms added", lambda p, g, m: masked_mean((p.log() + g.log()) ** 2, m).sqrt(),
                "your logarithms add up, as those of a product do; a ratio is meant."),
        Mistake("masked pixels wiped out", lambda p, g, m: _filled((p / g).log() ** 2, m, m).sqrt(),
                "masked_fill writes where its mask is true: you wiped out the pixels that count.", (
                    lambda p, g, m: ((p / g).log() ** 2).masked_fill(m, 0).mean((1, 2)).sqrt(),)),
        Mistake("truth filled, and counted", lambda p, g, m: (((p / g.masked_fill(~m, 1)).log() ** 2).sum(
            (1, 2)) / m.sum((1, 2))).sqrt(),
                "you replace the truth outside of the mask, and the pixels there are still in your sum.", _counted(
                    lambda p, g: (p / g).log() ** 2, torch.sqrt)),
        Mistake("both cut", lambda p, g, m: _rmse_log(p.clamp(1e-3, 80), g.clamp(1e-3, 80), m),
                "you cut both depths to a range; every masked pixel counts as it is.", tuple(
                    lambda p, g, m, low=low, high=high: _rmse_log(p.clamp(low, high), g.clamp(low, high), m)
                    for low, high in ((0.1, 80), (0.5, 80), (0.1, 100), (1, 80), (1, None), (0.1, None)))),
        Mistake("added for safety", lambda p, g, m: _rmse_log(p + 1e-3, g + 1e-3, m),
                "you add a number to both depths; at 6 cm that changes the ratio.", (
                    lambda p, g, m: _rmse_log(p + 1e-2, g + 1e-2, m), lambda p, g, m: _rmse_log(p + 0.1, g + 0.1, m))),
        Mistake("caps in the mask", _capped(_rmse_log, CAPS[0])[0],
                "you leave out near or far pixels that the mask has in; it is given, caps and all.", (
                    *_capped(_rmse_log, *CAPS[1:]), lambda p, g, m: _rmse_log(p, g, m & (p < 80)))),
        Mistake("row by row", lambda p, g, m: ((p / g).log() ** 2).masked_fill(~m, torch.nan).nanmean(2).nanmean(
            1).sqrt(),
                "you average rows or columns first, so a pixel of one with few others counts more.", (
                    lambda p, g, m: ((p / g).log() ** 2).masked_fill(~m, torch.nan).nanmean(1).nanmean(1).sqrt(),
                    lambda p, g, m: (((p / g).log() ** 2).masked_fill(~m, 0).sum(2) / m.sum(2)).mean(1).sqrt(),
                    lambda p, g, m: (((p / g).log() ** 2).masked_fill(~m, 0).sum(1) / m.sum(1)).mean(1).sqrt())),
        Mistake("root of the number alone", lambda p, g, m: ((p / g).log() ** 2).masked_fill(~m, 0).sum(
            (1, 2)) / m.sum((1, 2)).sqrt(),
                "you take the root of the number alone; the root belongs over the whole mean."),
        Mistake("logarithm of the means", lambda p, g, m: (masked_mean(p, m) / masked_mean(g, m)).log().abs(),
                "you average depths first; each pixel has a ratio of its own."),
        Mistake("scaled first", lambda p, g, m: _rmse_log(_scaled(p, g, m), g, m),
                "you scale the prediction first; that is a step of its own, with the median."),
        Mistake("inverse depths", lambda p, g, m: masked_mean((1 / p - 1 / g) ** 2, m).sqrt(),
                "you compare inverse depths; logarithms are asked for."),
        Mistake("larger ratio", lambda p, g, m: masked_mean(torch.maximum(p / g, g / p) ** 2, m).sqrt(),
                "this is of the ratio that δ < 1.25 asks about; a logarithm is asked for."),
        Mistake("one pixel less", lambda p, g, m: (((p / g).log() ** 2).masked_fill(~m, 0).sum((1, 2))
                                                   / (m.sum((1, 2)) - 1)).sqrt(),
                "you divide by one pixel less, as for a standard deviation; here the mean is asked for.")))

EXERCISES = (ABS_REL, RMSE_LOG)
