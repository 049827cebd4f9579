"""An exercise of lesson 07: the difference of two methods, fairly paired."""
from __future__ import annotations

import numpy as np
import torch

from ...evaluation.significance import paired_bootstrap
from .exercise import Case, Exercise, Mistake
from .measures import LESSON


def _pair_cases() -> list[Case]:
    cases = []
    for note in ("", "images without a value for one of the methods (nan)", "images without a value (nan)"):
        images = int(torch.randint(8, 14, ()))
        level = 0.1 + 0.4 * torch.rand(images)
        better = 0.03 if len(cases) < 2 else -0.03  # by which a errs less than b
        a, b = level + 0.02 * torch.randn(3, images), level + better + 0.02 * torch.randn(3, images)
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
        Mistake("absolute value of the mean", lambda a, b: _paired(a, b).abs(),
                "right where b is better; the sign of the mean says who, and you take it off."),
        Mistake("complete images alone", lambda a, b: (a - b).mean(0).nanmean(),
                "an image that lacks one seed is left out with all of its seeds; every pair that has both counts."),
        Mistake("complete seeds alone", lambda a, b: (a - b).mean(1).nanmean(),
                "a seed that lacks one image is left out with all of its images; every pair that has both counts."),
        Mistake("zeros in the sum", lambda a, b: (a.nan_to_num() - b.nan_to_num()).sum() / (a - b).isfinite().sum(),
                "you divide by the right number, but a missing value is 0 in your sum, and its partner is not.", (
                    lambda a, b: (a.nansum() - b.nansum()) / (a - b).isfinite().sum(),)),
        Mistake("divided by what a has", lambda a, b: (a - b).nansum() / (~a.isnan()).sum(),
                "you divide by the number of values of one method; pairs in which both have one are fewer.", (
                    lambda a, b: (a - b).nansum() / (~b.isnan()).sum(),)),
        Mistake("divided by the seeds", lambda a, b: (a - b).nansum() / len(a),
                "you divide by the number of seeds, or of images; the number of pairs is larger.", (
                    lambda a, b: (a - b).nansum() / a.shape[1],)),
        Mistake("who is better", lambda a, b: (a < b).float().mean(),
                "you count who is better, pair by pair; by how much is asked for.", (
                    lambda a, b: (a < b)[(a - b).isfinite()].float().mean(),
                    lambda a, b: (a > b).float().mean(), lambda a, b: (a > b)[(a - b).isfinite()].float().mean(),
                    lambda a, b: (a - b)[(a - b).isfinite()].sign().mean())),
        Mistake("relative", lambda a, b: ((a - b) / b).nanmean(),
                "your number is a share of b; the difference itself is asked for."),
        Mistake("relative to a", lambda a, b: ((a - b) / a).nanmean(),
                "you divide by an error; the difference itself is asked for.", (
                    lambda a, b: (2 * (a - b) / (a + b)).nanmean(), lambda a, b: (a / b).nanmean())),
        Mistake("logarithms", lambda a, b: (a.log() - b.log()).nanmean(),
                "you compare logarithms; the difference of the errors themselves is asked for."),
        Mistake("difference of the medians", lambda a, b: a.nanmedian() - b.nanmedian(),
                "you subtract medians, and over different images; the mean of the differences is asked for."),
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
                "you square the differences, and lost who is better.", (
                    lambda a, b: ((a - b) ** 2).nanmean().sqrt(),)),
        Mistake("in standard deviations", lambda a, b: (a - b).nanmean() / (a - b)[(a - b).isfinite()].std(),
                "you divide by the spread; that is an effect size, and the difference itself is asked for.", (
                    lambda a, b: (a - b).nanmean() / (a - b)[(a - b).isfinite()].std() * (
                        a - b).isfinite().sum().sqrt(),))))

EXERCISES = (PAIRED,)
