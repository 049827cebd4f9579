"""Exercises of lesson 02: which points the source can show, and the scale of a prediction."""
from __future__ import annotations

import torch

from ... import warp
from ...metrics import masked_mean, masked_median, median_scale
from .exercise import Case, Exercise, Mistake
from .geometry import random_size
from .synthesis import LESSON


def _visible_cases() -> list[Case]:
    cases = []
    for count in (1, 2):
        height, width = random_size()
        size = torch.tensor([width, height]).view(1, 2, 1, 1)
        pixels = torch.rand(count, 2, 12, 30) * (size + 3) - 2
        z = torch.randn(count, 1, 12, 30)
        z[..., 0, :5] = 0.0  # in the plane of the camera, and on the image
        pixels[..., 0, :5] = torch.rand(count, 2, 5) * (size[..., 0] - 1)
        pixels[..., 1, :9] = pixels[..., 1, :9] - size[..., 0]  # where an absolute value brings them back
        z[..., 1, :9] = z[..., 1, :9].abs() + 0.1
        cases.append(Case((pixels, z, height, width)))
    return cases


def _visible(pixels: torch.Tensor, z: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return warp.inside(pixels, height, width) & (z > 1e-7)


def _within(pixels: torch.Tensor, left: float, right: float, bottom: float, top: float | None = None) -> torch.Tensor:
    u, v = pixels[:, :1], pixels[:, 1:]
    return (u >= left) & (u <= right) & (v >= (left if top is None else top)) & (v <= bottom)


VISIBLE = Exercise(
    name="visible", lesson=LESSON, title="Mark what the source can show", difficulty=1, minutes=8,
    statement="""\
`pixels` `(B, 2, h, w)` says where each point lies in the source view, `z` `(B, 1, h, w)` how far in front of the
source camera. Return a bool mask `(B, 1, h, w)` of the points that the source can show: in front of the camera,
and on the image of `height` times `width` pixels. A pixel is a square: the image ends half a pixel beyond the
outer centers.""",
    stub='''def my_visible(pixels, z, height, width):
    u, v = pixels[:, :1], pixels[:, 1:]
    ...  # your lines''',
    hint="""\
Five comparisons, joined with `&`. Write down where the image begins and where it ends, in coordinates whose zero
is the center of the first pixel.""",
    solution='''def my_visible(pixels, z, height, width):
    u, v = pixels[:, :1], pixels[:, 1:]
    inside = (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)
    return inside & (z > 0)''',
    teaches="warp.inside", reference=_visible, cases=_visible_cases, mistakes=(
        Mistake("mask upside down", lambda p, z, h, w: ~_visible(p, z, h, w),
                "you marked exactly the points that the source cannot show."),
        Mistake("behind forgotten", lambda p, z, h, w: warp.inside(p, h, w),
                "points behind the camera pass: dividing by a negative z mirrors them into the image."),
        Mistake("frame forgotten", lambda p, z, h, w: z > 0,
                "points in front of the camera but beside the image pass."),
        Mistake("only between the centers", lambda p, z, h, w: _within(p, 0, w - 1, h - 1) & (z > 0),
                "you cut off half of each outer pixel."),
        Mistake("counted from the edge", lambda p, z, h, w: _within(p, 0, w, h) & (z > 0),
                "these limits are right if 0 is the edge of the image; here 0 is a center."),
        Mistake("either is enough", lambda p, z, h, w: warp.inside(p, h, w) | (z > 0),
                "a point must meet all conditions, not any of them."),
        Mistake("width and height swapped", lambda p, z, h, w: warp.inside(p, w, h) & (z > 0),
                "your image stands upright: which limit belongs to u?"),
        Mistake("z the wrong way", lambda p, z, h, w: warp.inside(p, h, w) & (z < 0),
                "the camera looks along +z; you kept what is behind it."),
        Mistake("upper limits too far", lambda p, z, h, w: _within(p, -0.5, w + 0.5, h + 0.5) & (z > 0),
                "half a pixel beyond the last center is right, but the last center is not where you think."),
        Mistake("lower limits on the center", lambda p, z, h, w: _within(p, 0, w - 0.5, h - 0.5) & (z > 0),
                "right and bottom are right; at the left and the top you cut off half a pixel."),
        Mistake("upper limits on the center", lambda p, z, h, w: _within(p, -0.5, w - 1, h - 1) & (z > 0),
                "left and top are right; at the right and the bottom you cut off half a pixel."),
        Mistake("half a pixel inward", lambda p, z, h, w: _within(p, 0.5, w + 0.5, h + 0.5) & (z > 0),
                "your half pixel has the wrong sign: the image begins before its first center."),
        Mistake("columns alone", lambda p, z, h, w: _within(p, -0.5, w - 0.5, torch.inf, -torch.inf) & (z > 0),
                "you look at u alone; points above and below the image pass."),
        Mistake("rows alone", lambda p, z, h, w: _within(p, -torch.inf, torch.inf, h - 0.5, -0.5) & (z > 0),
                "you look at v alone; points to the left and to the right of the image pass."),
        Mistake("lower limits alone", lambda p, z, h, w: _within(p, -0.5, torch.inf, torch.inf) & (z > 0),
                "your image has a beginning and no end."),
        Mistake("upper limits alone", lambda p, z, h, w: _within(p, -torch.inf, w - 0.5, h - 0.5) & (z > 0),
                "your image has an end and no beginning."),
        Mistake("outside", lambda p, z, h, w: ~warp.inside(p, h, w),
                "you marked what lies beside the image, and z is not used."),
        Mistake("limits one pixel out", lambda p, z, h, w: _within(p, -1, w, h) & (z > 0),
                "your limits are the centers of pixels that lie beside the image already; go half as far beyond the "
                "outer centers."),
        Mistake("z not zero", lambda p, z, h, w: warp.inside(p, h, w) & (z != 0),
                "you ask whether z differs from 0; a point behind the camera differs too."),
        Mistake("z of 0 counts", lambda p, z, h, w: warp.inside(p, h, w) & (z >= 0),
                "a point with z = 0 lies in the plane of the camera, not in front of it; divided by 0, it has no "
                "place."),
        Mistake("absolute values", lambda p, z, h, w: _within(p.abs(), -0.5, w - 0.5, h - 0.5) & (z > 0),
                "your absolute value mirrors the image: as much lies on it to the left and above as to the right and "
                "below."),
        Mistake("width for both", lambda p, z, h, w: _within(p, -0.5, w - 0.5, w - 0.5) & (z > 0),
                "you hold v against the width; the height is its limit."),
        Mistake("height for both", lambda p, z, h, w: _within(p, -0.5, h - 0.5, h - 0.5) & (z > 0),
                "you hold u against the height; the width is its limit."),
        Mistake("between the centers, z not tested", lambda p, z, h, w: _within(p, 0, w - 1, h - 1),
                "two things: you cut off half of each outer pixel, and points behind the camera pass."),
        Mistake("counted from the edge, z not tested", lambda p, z, h, w: _within(p, 0, w, h),
                "two things: your limits count from the edge of the image, and points behind the camera pass."),
        Mistake("between -1 and 1", lambda p, z, h, w: _within(p, -1, 1, 1) & (z > 0),
                "your limits belong to positions between -1 and 1; here they are pixels.")))


def _scale_cases() -> list[Case]:
    cases = []
    for count in (2, 3):
        height, width = random_size()
        mask = torch.rand(count, height, width) < 0.6
        mask[:, 0, 0], mask[:, 0, 1] = True, False
        mask[:2, 0, 1] = mask[:2].sum((1, 2)) % 2 == 1  # the first two images have even numbers of pixels
        gt = 2 + 60 * torch.rand(count, height, width) ** 2
        pred = gt * torch.exp(0.4 * torch.randn_like(gt)) * torch.rand(count, 1, 1)
        cases.append(Case((pred, gt, mask)))
    return cases


def _each(function, pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([function(p[m], g[m]) for p, g, m in zip(pred, gt, mask)])


def _ratio_of_means(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return masked_mean(gt, mask) / masked_mean(pred, mask)


def _middle(values: torch.Tensor) -> torch.Tensor:
    return values.flatten(1).quantile(0.5, 1)


def _pooled(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return median_scale(pred[None], gt[None], mask[None]).expand(len(pred))


SCALE = Exercise(
    name="median_scale", lesson=LESSON, title="Give a prediction its scale", difficulty=1, minutes=8,
    statement="""\
Return, for each image of a batch, the factor that brings the prediction to the size of the truth:
$\\operatorname{median}(\\text{truth}) / \\operatorname{median}(\\text{prediction})$ over the pixels of `mask`.
`pred`, `gt` and `mask` are `(B, H, W)`; return `(B,)`. The median of an even number of values is the mean of the
two in the middle.""",
    stub='''def my_median_scale(pred, gt, mask):
    ...  # your lines''',
    hint="""\
A loop over the images is fine: `pred[i][mask[i]]` is a flat list of values. Read what `torch.median` says about
an even number of values; `torch.quantile` does it differently.""",
    solution='''def my_median_scale(pred, gt, mask):
    factors = [gt[i][mask[i]].quantile(0.5) / pred[i][mask[i]].quantile(0.5) for i in range(len(pred))]
    return torch.stack(factors)''',
    teaches="metrics.median_scale", reference=median_scale, cases=_scale_cases, mistakes=(
        Mistake("mean instead of median", _ratio_of_means,
                "you compare means: a few far pixels, wrong by much, decide your scale."),
        Mistake("inverted", lambda p, g, m: 1 / median_scale(p, g, m),
                "your factor takes the truth to the prediction."),
        Mistake("mask ignored", lambda p, g, m: median_scale(p, g, torch.ones_like(m)),
                "pixels that do not count take part."),
        Mistake("mask upside down", lambda p, g, m: median_scale(p, g, ~m),
                "you used exactly the pixels that do not count."),
        Mistake("prediction not masked", lambda p, g, m: masked_median(g, m) / p.flatten(1).quantile(0.5, 1),
                "the truth is masked and the prediction is not."),
        Mistake("median of the ratios", lambda p, g, m: masked_median(g / p, m),
                "you took the median of the ratios; the field takes the ratio of the medians."),
        Mistake("one scale for the batch", _pooled,
                "all images got one factor; each image of a monocular network has a scale of its own."),
        Mistake("lower median", lambda p, g, m: _each(lambda a, b: b.median() / a.median(), p, g, m),
                "with an even number of pixels, your median is the lower of the two in the middle."),
        Mistake("mean of the ratios", lambda p, g, m: masked_mean(g / p, m),
                "you took the mean of the ratios; the field takes the ratio of the medians."),
        Mistake("lower median of the ratios", lambda p, g, m: _each(lambda a, b: (b / a).median(), p, g, m),
                "two things: the ratio of the medians is meant, and torch.median takes the lower of two."),
        Mistake("masked pixels are zero", lambda p, g, m: _middle(g * m) / _middle(p * m),
                "you multiply by the mask, and its zeros take part in the median."),
        Mistake("masked pixels are zero, lower median", lambda p, g, m: (g * m).flatten(1).median(1).values
                / (p * m).flatten(1).median(1).values,
                "two things: zeros outside of the mask take part, and torch.median takes the lower of two."),
        Mistake("difference", lambda p, g, m: _each(lambda a, b: b.quantile(0.5) - a.quantile(0.5), p, g, m),
                "you subtract the medians; a scale is a factor."),
        Mistake("mean of the logarithms", lambda p, g, m: _each(lambda a, b: (b.log().mean() - a.log().mean()).exp(
            ), p, g, m),
                "you compare mean logarithms: a good factor too, but the convention takes medians."),
        Mistake("truth not masked", lambda p, g, m: g.flatten(1).quantile(0.5, 1) / masked_median(p, m),
                "the prediction is masked and the truth is not."),
        Mistake("mask ignored, lower median", lambda p, g, m: g.flatten(1).median(1).values / p.flatten(1).median(
            1).values,
                "two things: pixels that do not count take part, and torch.median takes the lower of two."),
        Mistake("one scale for the batch, lower median", lambda p, g, m: (g[m].median() / p[m].median()).expand(len(p)),
                "two things: all images got one factor, and torch.median takes the lower of two."),
        Mistake("median of the inverted ratios", lambda p, g, m: masked_median(p / g, m),
                "two things: your ratio is upside down, and the ratio of the medians is meant."),
        Mistake("least squares", lambda p, g, m: (p * g * m).sum((1, 2)) / (p * p * m).sum((1, 2)),
                "this is the factor of least squares: a few far pixels decide it; medians are asked for."),
        Mistake("not sorted", lambda p, g, m: _each(lambda a, b: b[len(b) // 2] / a[len(a) // 2], p, g, m),
                "you take what stands in the middle of the list; a median is in the middle of the sorted one."),
        Mistake("upper median", lambda p, g, m: _each(lambda a, b: b.sort().values[len(b) // 2] / a.sort().values[len(
            a) // 2],
                                                      p, g, m),
                "with an even number of pixels, your median is the upper of the two in the middle.")))

EXERCISES = (VISIBLE, SCALE)
