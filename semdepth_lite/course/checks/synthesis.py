"""Exercises of lesson 02: where a pixel lies in the other view, reading there, what cannot be read, and the scale."""
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ... import camera, warp
from ...metrics import masked_mean, masked_median, median_scale
from .exercise import Case, Exercise, Mistake
from .geometry import random_intrinsics, random_motion, random_size

LESSON = "02_view_synthesis"


def _pixel_cases() -> list[Case]:
    cases = []
    for count in (1, 2, 2):
        height, width = random_size()
        depth = 5 + 30 * torch.rand(count, 1, height, width)
        cases.append(Case((depth, random_motion(count, 0.3, 3.0), random_intrinsics(count, height, width))))
    return cases


def _pixels(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    return warp.source_pixels(depth, T, K)[0]


def _with_parts(T: torch.Tensor, R: torch.Tensor | None = None, t: torch.Tensor | None = None) -> torch.Tensor:
    changed = T.clone()
    if R is not None:
        changed[:, :3, :3] = R
    if t is not None:
        changed[:, :3, 3] = t
    return changed


def _seen(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Return K (R X + t), not divided."""
    return torch.einsum("bij,bjhw->bihw", K, camera.transform_points(T, camera.backproject(depth, K)))


def _lifted_by_K(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    points = camera.backproject(depth, torch.linalg.inv(K))
    return camera.project(camera.transform_points(T, points), K)[0]


def _off_center(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    shift = torch.tensor([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    points = camera.transform_points(T, camera.backproject(depth, shift @ K))
    return camera.project(points, K)[0]


def _no_intrinsics(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    points = camera.transform_points(T, camera.backproject(depth, K))
    return points[:, :2] / points[:, 2:]


PIXELS = Exercise(
    name="source_pixels", lesson=LESSON, title="Find every pixel in the other view", difficulty=2, minutes=12,
    statement="""\
Lift, move, project: return where each pixel of the target lies in the source, $p' \\sim K(R\\,d\\,K^{-1}p + t)$,
as `(B, 2, H, W)` with $u$ first. `depth` is `(B, 1, H, W)`, `T_source_target` `(B, 4, 4)`, `K` `(B, 3, 3)`. All
points of the test lie in front of both cameras. `camera.backproject` may be used.""",
    stub='''def my_source_pixels(depth, T_source_target, K):
    ...  # your lines''',
    hint="""\
Three steps, three functions of `camera`: `backproject`, `transform_points`, `project`. If you write the steps
yourself: the depth by which you divide is the one that the point has *after* the motion.""",
    solution='''def my_source_pixels(depth, T_source_target, K):
    points = camera.backproject(depth, K)
    R, t = T_source_target[:, :3, :3], T_source_target[:, :3, 3, None, None]
    moved = torch.einsum("bij,bjhw->bihw", R, points) + t
    image = torch.einsum("bij,bjhw->bihw", K, moved)
    return image[:, :2] / image[:, 2:]''',
    teaches="warp.source_pixels", reference=_pixels, cases=_pixel_cases, gradient=0, mistakes=(
        Mistake("pose inverted", lambda d, T, K: _pixels(d, camera.invert_transform(T), K),
                "you moved the points the way that T_target_source does."),
        Mistake("rotation transposed", lambda d, T, K: _pixels(d, _with_parts(T, R=T[:, :3, :3].mT), K),
                "the translation is right, but the camera turns the other way; check the order of the indices."),
        Mistake("K not inverted", _lifted_by_K,
                "the pixels were lifted with K; a pixel needs the opposite of what K does."),
        Mistake("translation forgotten", lambda d, T, K: _pixels(d, _with_parts(T, t=torch.zeros(len(T), 3)), K),
                "your result does not depend on depth at all: there is no parallax in it."),
        Mistake("rotation forgotten", lambda d, T, K: _pixels(d, _with_parts(T, R=torch.eye(3)), K),
                "the camera moves but does not turn; far pixels show it most."),
        Mistake("moved before it was turned", lambda d, T, K: _pixels(
            d, _with_parts(T, t=torch.einsum("bij,bj->bi", T[:, :3, :3], T[:, :3, 3])), K),
                "your translation is turned as well: you move the point first and turn it afterwards."),
        Mistake("divided by the depth of the target", lambda d, T, K: _seen(d, T, K)[:, :2] / d,
                "you divided by a depth, but not by the one that the point has in the source camera."),
        Mistake("not divided", lambda d, T, K: _seen(d, T, K)[:, :2],
                "these are still points, not pixels: what does the sign ~ stand for?"),
        Mistake("intrinsics forgotten at the end", _no_intrinsics,
                "your positions are of the size of one: they are directions, and nobody made pixels of them."),
        Mistake("u and v exchanged", lambda d, T, K: _pixels(d, T, K).flip(1),
                "right numbers, but the rows come first."),
        Mistake("half a pixel", _off_center,
                "everything was lifted through a place half a pixel beside the pixel's center."),
        Mistake("shift instead of place", lambda d, T, K: _pixels(d, T, K) - _pixels(d, torch.eye(4).expand_as(T), K),
                "these are the shifts of the pixels; the places where they arrive are asked for."),
        Mistake("from -1 to 1", lambda d, T, K: 2 * _pixels(d, T, K) / _last_pixel(d) - 1,
                "your places run from -1 to 1, as grid_sample wants them; here they are asked for in pixels."),
        Mistake("cut to the image", lambda d, T, K: torch.minimum(_pixels(d, T, K).clamp(min=0), _last_pixel(d)),
                "you cut places to the image; what lands beside it has to stay beside it, or nobody can leave it out."),
        Mistake("divided twice", lambda d, T, K: _pixels(d, T, K) / _seen(d, T, K)[:, 2:],
                "you divide by the depth twice.")))


def _last_pixel(depth: torch.Tensor) -> torch.Tensor:
    """Return the largest u and v of an image."""
    return torch.tensor([depth.shape[-1] - 1.0, depth.shape[-2] - 1.0]).view(1, 2, 1, 1)


def _sample_cases() -> list[Case]:
    cases = []
    for count in (1, 2, 2):
        height, width = random_size()
        size = torch.tensor([width, height]).view(1, 2, 1, 1)
        pixels = (1.3 * torch.rand(count, 2, 5, 7) - 0.15) * size
        cases.append(Case((torch.rand(count, 3, height, width), pixels)))
    return cases


def _last(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.permute(0, 2, 3, 1)


def _reshaped(pixels: torch.Tensor) -> torch.Tensor:
    """Bring (B, 2, h, w) to the shape (B, h, w, 2) without moving a number."""
    return pixels.reshape(len(pixels), *pixels.shape[2:], 2)


def _read(image: torch.Tensor, pixels: torch.Tensor, less: int = 1, align: bool = True, flip: bool = False,
          swap: bool = False, shift: float = -1.0, mode: str = "bilinear", padding: str = "border",
          last: Callable = _last) -> torch.Tensor:
    """Sample as the package does, with one thing changed."""
    height, width = image.shape[-2:]
    size = torch.tensor([width, height] if not swap else [height, width]) - less
    grid = last(pixels) * 2 / size + shift
    return F.grid_sample(image, grid.flip(-1) if flip else grid, mode=mode, padding_mode=padding, align_corners=align)


def _grid(image: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Read at a grid as it comes."""
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


def _steps(image: torch.Tensor) -> torch.Tensor:
    """Return how many steps lead from the first center to the last, by column and row."""
    return torch.tensor([image.shape[-1] - 1.0, image.shape[-2] - 1.0])


SAMPLE = Exercise(
    name="sample", lesson=LESSON, title="Read an image between its pixels", difficulty=2, minutes=10,
    statement="""\
Read `image` `(B, C, H, W)` at the real-valued positions `pixels` `(B, 2, h, w)`, $u$ first, and return
`(B, C, h, w)`. Interpolate bilinearly; outside of the image the nearest pixel of the rim answers. Use
`F.grid_sample`, which wants positions between -1 and 1 and the coordinates last. What -1 and 1 mean is yours to
decide, as long as both sides agree.""",
    stub='''import torch.nn.functional as F

def my_sample(image, pixels):
    height, width = image.shape[-2:]
    ...  # your lines''',
    hint="""\
With `align_corners=True`, -1 is the center of the first pixel and 1 the center of the last: the pixels 0 and
$W - 1$. Look up `padding_mode`. `pixels.permute(0, 2, 3, 1)` puts the coordinates last.""",
    solution='''import torch.nn.functional as F

def my_sample(image, pixels):
    height, width = image.shape[-2:]
    size = torch.tensor([width - 1, height - 1])
    grid = 2 * pixels.permute(0, 2, 3, 1) / size - 1
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)''',
    teaches="warp.sample", reference=warp.sample, cases=_sample_cases, gradient=1, mistakes=(
        Mistake("align_corners", lambda image, pixels: _read(image, pixels, align=False),
                "your grid and your sampler disagree about what -1 and 1 mean: centers of the outer pixels, or edges "
                "of the image?"),
        Mistake("edges in the grid", lambda image, pixels: _grid(
            image, (2 * _last(pixels) + 1) / (_steps(image) + 1) - 1),
                "your grid takes -1 and 1 for the edges of the image, and your sampler for the outer centers."),
        Mistake("width for both", lambda image, pixels: _grid(image, 2 * _last(pixels) / _steps(image)[0] - 1),
                "you scale rows with the width too; the height has its own number of steps."),
        Mistake("divided by the size", lambda image, pixels: _read(image, pixels, less=0),
                "the last pixel does not arrive at 1: how many steps are there from the first center to the last?"),
        Mistake("width and height swapped", lambda image, pixels: _read(image, pixels, swap=True),
                "columns were scaled with the height, rows with the width."),
        Mistake("u and v exchanged", lambda image, pixels: _read(image, pixels, flip=True),
                "grid_sample reads the column first; you handed it the row first."),
        Mistake("reshaped", lambda image, pixels: _read(image, pixels, last=_reshaped),
                "the shape of your grid is right and its numbers are not: a reshape does not move an axis, it cuts the "
                "same row of numbers elsewhere."),
        Mistake("from 0 to 2", lambda image, pixels: _read(image, pixels, shift=0.0),
                "your grid starts at 0, so the first column is read in the middle of the image."),
        Mistake("from -1 to 0", lambda image, pixels: _grid(image, _last(pixels) / _steps(image) - 1),
                "your grid runs from -1 to 0, so the last column is read in the middle of the image: a factor is "
                "missing."),
        Mistake("zeros outside", lambda image, pixels: _read(image, pixels, padding="zeros"),
                "inside all is well; outside you read black instead of the rim."),
        Mistake("mirrored outside", lambda image, pixels: _read(image, pixels, padding="reflection"),
                "inside all is well; outside you read a mirrored image instead of the rim."),
        Mistake("nearest pixel", lambda image, pixels: _read(image, pixels, mode="nearest"),
                "you read the nearest pixel; its color jumps when the position moves, and no gradient passes."),
        Mistake("pixels as they are", lambda image, pixels: _grid(image, _last(pixels)),
                "grid_sample got pixels; it wants positions between -1 and 1."),
        Mistake("from 0 to 1", lambda image, pixels: _grid(image, _last(pixels) / _steps(image)),
                "your grid runs from 0 to 1, so only a quarter of the image is read."),
        Mistake("half a pixel to the right", lambda image, pixels: _read(image, pixels + 0.5),
                "you read half a pixel too far to the right and down."),
        Mistake("half a pixel to the left", lambda image, pixels: _read(image, pixels - 0.5),
                "you read half a pixel too far to the left and up."),
        Mistake("cubic", lambda image, pixels: _read(image, pixels, mode="bicubic"),
                "you interpolate with cubic curves; between four neighbors is asked for."),
        Mistake("cut to whole pixels", lambda image, pixels: _read(image, pixels.floor()),
                "you cut the positions to whole pixels, so nothing is interpolated and no gradient passes."),
        Mistake("turned around", lambda image, pixels: _grid(image, 1 - 2 * _last(pixels) / _steps(image)),
                "your picture stands on its head: -1 and 1 are exchanged."),
        Mistake("edges, and zeros outside", lambda image, pixels: _read(image, pixels, align=False, padding="zeros"),
                "two things: grid and sampler disagree about what -1 and 1 mean, and outside you read black.")))


def _visible_cases() -> list[Case]:
    cases = []
    for count in (1, 2):
        height, width = random_size()
        size = torch.tensor([width, height]).view(1, 2, 1, 1)
        pixels = torch.rand(count, 2, 12, 30) * (size + 3) - 2
        z = torch.randn(count, 1, 12, 30)
        z[..., 0, :5] = 0.0  # in the plane of the camera, and on the image
        pixels[..., 0, :5] = torch.rand(count, 2, 5) * (size[..., 0] - 1)
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
        Mistake("between -1 and 1", lambda p, z, h, w: _within(p, -1, 1, 1) & (z > 0),
                "your limits belong to positions between -1 and 1; here they are pixels.")))


def _scale_cases() -> list[Case]:
    cases = []
    for count in (2, 3):
        height, width = random_size()
        mask = torch.rand(count, height, width) < 0.6
        mask[:, 0, 0], mask[:, 0, 1] = True, False
        mask[0, 0, 1] = mask[0].sum() % 2 == 1  # the first image has an even number of pixels
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
        Mistake("upper median", lambda p, g, m: _each(lambda a, b: b.sort().values[len(b) // 2] / a.sort().values[len(
            a) // 2],
                                                      p, g, m),
                "with an even number of pixels, your median is the upper of the two in the middle.")))

EXERCISES = (PIXELS, SAMPLE, VISIBLE, SCALE)
