"""Exercises of lesson 02: where a pixel lies in the other view, and reading there."""
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ... import camera, warp
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


def _divided(points: torch.Tensor) -> torch.Tensor:
    """Divide by z as it comes, also where that lies behind the camera."""
    return points[:, :2] / points[:, 2:]


def _lifted_by_K(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    points = camera.backproject(depth, torch.linalg.inv(K))
    return camera.project(camera.transform_points(T, points), K)[0]


def _off_center(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    shift = torch.tensor([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    points = camera.transform_points(T, camera.backproject(depth, shift @ K))
    return camera.project(points, K)[0]


def _no_intrinsics(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    return _divided(camera.transform_points(T, camera.backproject(depth, K)))


def _from_rays(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor, matrix: torch.Tensor, order: tuple = (0, 1, 2),
               unit: bool = False) -> torch.Tensor:
    """Move and project d times a matrix times (u, v, 1), whose numbers stand in some order, or d along unit rays."""
    rays = torch.einsum("bij,bjhw->bihw", matrix, _pixels_of(depth)[:, order])
    return camera.project(camera.transform_points(T, depth * (F.normalize(rays, dim=1) if unit else rays)), K)[0]


def _pixels_of(depth: torch.Tensor) -> torch.Tensor:
    """Return (u, v, 1) of each pixel, (B, 3, H, W)."""
    return camera.backproject(torch.ones_like(depth), torch.eye(3).expand(len(depth), 3, 3))


def _moved_late(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Project first, and move the pixels."""
    return _divided(camera.transform_points(T, torch.einsum("bij,bjhw->bihw", K, camera.backproject(depth, K))))


def _down_the_columns(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Lift a list of pixels that runs down the columns, where depth runs along the rows."""
    pixels = _pixels_of(depth)
    rays = torch.einsum("bij,bjhw->bihw", torch.linalg.inv(K), pixels.mT.reshape(pixels.shape))
    return camera.project(camera.transform_points(T, depth * rays), K)[0]


def _through_transposed(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Project with the transposed K."""
    return _divided(torch.einsum("bji,bjhw->bihw", K, camera.transform_points(T, camera.backproject(depth, K))))


def _centered(K: torch.Tensor, shift: float) -> torch.Tensor:
    """Move the principal point."""
    return torch.tensor([[1, 0, shift], [0, 1, shift], [0, 0, 1.0]]) @ K


def _one_focal(K: torch.Tensor, row: int) -> torch.Tensor:
    """Give both axes the focal length of one."""
    changed = K.clone()
    changed[:, 1 - row, 1 - row] = K[:, row, row]
    return changed


def _without_center(depth: torch.Tensor, T: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Project with the focal lengths alone."""
    return _pixels(depth, T, K) - K[:, :2, 2, None, None]


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
        Mistake("K not there", lambda d, T, K: _from_rays(d, T, K, torch.eye(3).expand_as(K)),
                "you multiply pixels by depth as if they were rays: the inverse of K is missing where you lift."),
        Mistake("rows before columns", lambda d, T, K: _from_rays(d, T, K, torch.linalg.inv(K), (1, 0, 2)),
                "you lift (v, u, 1): columns belong to x, and stand first."),
        Mistake("length of the ray", lambda d, T, K: _from_rays(d, T, K, torch.linalg.inv(K), unit=True),
                "you measure depth along the ray; here it is z."),
        Mistake("principal point forgotten at the end", _without_center,
                "your places are right but for the principal point, which is missing at the end."),
        Mistake("projected with the inverse", lambda d, T, K: torch.einsum("bij,bjhw->bihw", torch.linalg.inv(
            K), camera.transform_points(T, camera.backproject(d, K)))[:, :2] / camera.transform_points(
                T, camera.backproject(d, K))[:, 2:],
                "you lift with the inverse of K and project with it too; the way back is K itself."),
        Mistake("times the depth", lambda d, T, K: _seen(d, T, K)[:, :2] * _seen(d, T, K)[:, 2:],
                "you multiply by the depth where you should divide."),
        Mistake("from 0 to 1", lambda d, T, K: _pixels(d, T, K) / (_last_pixel(d) + 1),
                "you divide places by the size of the image; here they are asked for in pixels."),
        Mistake("from 0 to 1, last center", lambda d, T, K: _pixels(d, T, K) / _last_pixel(d),
                "your places run from 0 to 1, from the first center to the last; pixels are asked for."),
        Mistake("depth drops out", lambda d, T, K: _divided(_seen(torch.ones_like(d), T, K)),
                "the depth drops out of your result: it is not used, or the translation is multiplied by it too.",
                (lambda d, T, K: _pixels(torch.ones_like(d), T, K),)),
        Mistake("half a pixel both ways", lambda d, T, K: _pixels(d, T, _centered(K, -0.5)),
                "you count half a pixel in before you lift, and out again after the projection; the centers of pixels "
                "are whole numbers here, and K goes with them.", (
                    lambda d, T, K: _pixels(d, T, _centered(K, 0.5)),)),
        Mistake("moved after the projection", _moved_late,
                "you project first and move afterwards: the motion is one of points in space, not of pixels."),
        Mistake("pixels down the columns", _down_the_columns,
                "your list of pixels runs down the columns, and depth runs along the rows: does meshgrid need "
                "indexing='xy'?"),
        Mistake("one focal length for both", lambda d, T, K: _pixels(d, T, _one_focal(K, 0)),
                "you use one focal length for both axes; K holds fx and fy.", (
                    lambda d, T, K: _pixels(d, T, _one_focal(K, 1)),
                    lambda d, T, K: camera.project(camera.transform_points(T, camera.backproject(
                        d, _one_focal(K, 0))), K)[0])),
        Mistake("K transposed at the end", _through_transposed,
                "you project with the transposed K: points that are rows are multiplied by K.mT."),
        Mistake("rows times R and K", lambda d, T, K: _through_transposed(d, _with_parts(T, R=T[:, :3, :3].mT), K),
                "your points are rows, and you multiply them by R and K as they are: rows are multiplied by R.mT and "
                "K.mT."),
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


def _by_hand(image: torch.Tensor, pixels: torch.Tensor, weight: Callable, cut_first: bool = True) -> torch.Tensor:
    """Average four pixels, each with `weight(a, b, right, below)` of the distances a and b to the upper left one."""
    height, width = image.shape[-2:]
    u, v = pixels[:, 0], pixels[:, 1]
    if cut_first:
        u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
    left, top, result = u.floor(), v.floor(), torch.zeros(())
    for right in (0, 1):
        for below in (0, 1):
            place = (top + below).clamp(0, height - 1).long() * width + (left + right).clamp(0, width - 1).long()
            colors = image.flatten(2).gather(2, place.flatten(1)[:, None].expand(-1, image.shape[1], -1))
            result = result + weight(u - left, v - top, right, below)[:, None] * colors.view(
                *image.shape[:2], *place.shape[1:])
    return result


def _bilinear(a: torch.Tensor, b: torch.Tensor, right: int, below: int) -> torch.Tensor:
    return (a if right else 1 - a) * (b if below else 1 - b)


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
        Mistake("weights exchanged", lambda image, pixels: _by_hand(image, pixels, lambda a, b, right, below: _bilinear(
            1 - a, 1 - b, right, below)),
                "your weights are exchanged: the nearer a pixel is, the less it counts."),
        Mistake("weights exchanged, inside", lambda image, pixels: _by_hand(image, pixels, lambda a, b, right, below: (
            _bilinear(1 - a, 1 - b, right, below)), False),
                "inside of the image your weights are exchanged: the farther a pixel is, the more it counts."),
        Mistake("corners exchanged", lambda image, pixels: _by_hand(image, pixels, lambda a, b, right, below: _bilinear(
            b, a, right, below)),
                "the weights of the upper right and the lower left pixel are exchanged: which of them grows with u?"),
        Mistake("corners exchanged, cut late", lambda image, pixels: _by_hand(
            image, pixels, lambda a, b, right, below: _bilinear(b, a, right, below), False),
                "the weights along the rows and along the columns are exchanged: which of them comes from u?"),
        Mistake("four alike", lambda image, pixels: _by_hand(image, pixels, lambda a, b, right, below: (
            torch.full_like(a, 0.25))),
                "your four pixels count alike; the nearer one counts more."),
        Mistake("brackets too wide", lambda image, pixels: _grid(image, 2 * (_last(pixels) / _steps(image) - 1)),
                "your grid runs from -2 to 0: look at your brackets."),
        Mistake("brackets around the 1", lambda image, pixels: _grid(image, (2 * _last(pixels) - 1) / _steps(image)),
                "you divide the 1 by the size too: look at your brackets."),
        Mistake("size of the grid", lambda image, pixels: _grid(image, 2 * _last(pixels) / _steps(pixels) - 1),
                "you scale with the size of the map of positions; they are positions in the image, which has another."),
        Mistake("height for both", lambda image, pixels: _grid(image, 2 * _last(pixels) / _steps(image)[1] - 1),
                "you scale columns with the height too; the width has its own number of steps."),
        Mistake("from a half to a half", lambda image, pixels: _grid(image, _last(pixels) / _steps(image) - 0.5),
                "your grid runs from -0.5 to 0.5, so only the middle of the image is read."),
        Mistake("half a pixel the other way", lambda image, pixels: _read(image, pixels - 1.0),
                "you read a whole pixel too far to the left and up: has a half pixel the wrong sign?"),
        Mistake("edges, and zeros outside", lambda image, pixels: _read(image, pixels, align=False, padding="zeros"),
                "two things: grid and sampler disagree about what -1 and 1 mean, and outside you read black.")))

EXERCISES = (PIXELS, SAMPLE)
