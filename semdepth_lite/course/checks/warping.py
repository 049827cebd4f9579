"""The exercise in which the parts of lesson 02 become one function: the whole warp."""
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ... import camera
from ...warp import inside, sample, source_pixels, warp
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "02_view_synthesis"
BEHIND = "points that end behind the source camera"


def warp_cases() -> list[Case]:
    """Draw sources with depth and motion: one to the side, two ahead, one far ahead, and some points left behind."""
    cases = []
    for count, ahead, note in ((1, -0.4, ""), (2, 0.3, ""), (1, -9.0, BEHIND)):
        height, width = random_size()
        depth = 2 + 4 * torch.rand(count, 1, height, width)
        turn = 0.05 * torch.randn(count, 3)
        move = torch.tensor([0.3, -0.1, ahead]).expand(count, 3)
        K = camera.intrinsics(0.8 * width, 0.8 * width, (width - 1) / 2, (height - 1) / 2)[None].expand(count, 3, 3)
        source = torch.rand(count, 3, *((1, 1) if note else (height, width))).expand(-1, -1, height, width)
        cases.append(Case((source.contiguous(), depth, camera.rigid_transform(turn, move), K.contiguous()), note))
    return [*cases, _passed_by()]


def _passed_by() -> Case:
    """Move two cameras forward by 4 m, past what is near, each along the ray of one of its pixels.

    `camera.project` holds z at a tiny number, so a point behind lands on the image only where the first two numbers
    of K X are 0. All numbers are short in binary, so that they are 0 without any rounding: at the point of pixel (6, 2)
    that is 2 m away, and at the whole ray of pixel (0, 0). Divided by its own z, a point behind lands mirrored, often
    on the image. Such points have no color, so the source has one color for all: who reads where does not matter.
    """
    height, width = random_size()
    focal, steps = 16.0, 4
    K = camera.intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2)[None].repeat(2, 1, 1)
    center = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    T = torch.eye(4).repeat(2, 1, 1)
    T[:, 2, 3] = -4.0
    T[:, :2, 3] = -4.0 * (torch.tensor([[3.0, 1.0], [0.0, 0.0]]) - center) / focal
    depth = 1 + torch.randint(0, 7 * steps, (2, 1, height, width)) / steps
    depth = torch.where(depth == 4, 4.5, depth)  # no point in the plane of the camera, where nothing can be divided
    depth[0, 0, 2, 6] = depth[1, 0, 0, 0] = 2.0
    depth[1, 0, 1, 1] = 0.0  # no depth there: this tells a test of depth from no test at all
    return Case((torch.rand(2, 3, 1, 1).expand(-1, -1, height, width).contiguous(), depth, T, K), BEHIND)


def _warp_with(T=lambda T: T, read=sample, frame=inside, seen=lambda inside, z: inside & (z > 0)) -> Callable:
    """Build a warp with one thing changed."""
    def wrong(source, depth, T_source_target, K):
        pixels, z = source_pixels(depth, T(T_source_target), K)
        return read(source, pixels), seen(frame(pixels, *source.shape[-2:]), z)
    return wrong


def _warp_mirrored(front=lambda depth: True) -> Callable:
    """Build a warp that divides by any z: points behind the camera land on the image, upside down, and count."""
    def wrong(source, depth, T_source_target, K):
        points = camera.transform_points(T_source_target, camera.backproject(depth, K))
        moved = torch.einsum("bij,bjhw->bihw", K, points)
        pixels = moved[:, :2] / moved[:, 2:]
        return sample(source, pixels), inside(pixels, *source.shape[-2:]) & front(depth)
    return wrong


def _warp_seen_before(source, depth, T_source_target, K):
    """Warp, and ask for the depth before the motion, where the one after it decides."""
    pixels, _ = source_pixels(depth, T_source_target, K)
    return sample(source, pixels), inside(pixels, *source.shape[-2:]) & (depth > 0)


def _sample_with(swap: bool = False, **options) -> Callable:
    def read(image, pixels):
        height, width = image.shape[-1:-3:-1] if swap else image.shape[-2:]
        grid = 2 * pixels.permute(0, 2, 3, 1) / torch.tensor([width - 1, height - 1]) - 1
        return F.grid_sample(image, grid, **{"padding_mode": "border", "align_corners": True, **options})
    return read


def _warp_masked(source, depth, T_source_target, K):
    """Warp, and black out what does not count."""
    picture, seen = warp(source, depth, T_source_target, K)
    return picture * seen, seen


def _inside_swapped(pixels, height, width):
    return inside(pixels, width, height)


def _anywhere(z: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(z, dtype=torch.bool)


def _in_front(z: torch.Tensor) -> torch.Tensor:
    return z > 0


def _warp_within(low: float, less: float, above=torch.ge, below=torch.le, front=_in_front) -> Callable:
    """Build a warp whose mask runs from `low` to the size minus `less`, with these comparisons and test of z."""
    def wrong(source, depth, T_source_target, K):
        height, width = source.shape[-2:]
        pixels, z = source_pixels(depth, T_source_target, K)
        u, v = pixels[:, :1], pixels[:, 1:]
        inside = above(u, low) & below(u, width - less) & above(v, low) & below(v, height - less)
        return sample(source, pixels), inside & front(z)
    return wrong


def _cut_forms(less: float) -> tuple[Callable, ...]:
    """List masks from 0 to the size minus `less` in other forms: strictly so, and with z not tested."""
    return tuple(_warp_within(0.0, less, *comparisons, front) for comparisons in (
        (torch.ge, torch.le), (torch.ge, torch.lt), (torch.gt, torch.lt)) for front in (_in_front, _anywhere))


def _warp_undone(divide: Callable) -> Callable:
    """Build a warp that makes pixels of K (R X + t) in a way of its own, by the depth of the target."""
    def wrong(source, depth, T_source_target, K):
        points = camera.transform_points(T_source_target, camera.backproject(depth, K))
        moved = torch.einsum("bij,bjhw->bihw", K, points)
        pixels = divide(moved, depth)
        return sample(source, pixels), inside(pixels, *source.shape[-2:]) & (moved[:, 2:] > 0)
    return wrong


def _frame(axes: tuple[int, ...] = (0, 1), low: float = -0.5, more: float = -0.5) -> Callable:
    """Build the test of some of the two axes, from `low` to the size plus `more`."""
    def frame(pixels, height, width):
        found = [(pixels[:, k:k + 1] >= low) & (pixels[:, k:k + 1] <= (width, height)[k] + more) for k in axes]
        return torch.stack(found).all(0)
    return frame


WARP = Exercise(
    name="warp", lesson=LESSON, title="Paint the target with the source", difficulty=2, minutes=15,
    statement="""\
Put the pieces together. `source` is `(B, 3, H, W)`, `depth` `(B, 1, H, W)` of the target, `T_source_target`
`(B, 4, 4)`, `K` `(B, 3, 3)`. Return two things: the source painted into the target's view, `(B, 3, H, W)`, and a bool
mask `(B, 1, H, W)` of the pixels that the source can show. Use your own functions from above, or those of `camera`
and `warp`. Lesson 04 trains with what you write here.""",
    stub='''def my_warp(source, depth, T_source_target, K):
    ...  # your lines''',
    hint="""\
Lift, move, project, read: four functions. The depth that decides whether a point is in front of the source camera is
the one *after* the motion.""",
    solution='''from semdepth_lite.warp import sample

def my_warp(source, depth, T_source_target, K):
    height, width = source.shape[-2:]
    moved = camera.transform_points(T_source_target, camera.backproject(depth, K))
    pixels, z = camera.project(moved, K)
    u, v = pixels[:, :1], pixels[:, 1:]
    inside = (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)
    return sample(source, pixels), inside & (z > 0)''',
    teaches="warp.warp", reference=lambda source, depth, T, K: warp(source, depth, T, K),
    cases=warp_cases, gradient=1, parts=("the picture", "the mask"), mistakes=(
        Mistake("inverse motion", _warp_with(T=camera.invert_transform),
                "your motion takes source points to the target; the target's points have to go to the source."),
        Mistake("mirrored points count", _warp_mirrored(),
                "points behind the source camera land on the image too, mirrored, and your mask lets them count."),
        Mistake("mirrored points count, z before the motion", _warp_mirrored(lambda depth: depth > 0),
                "you divide by one z and test another: points land on the image mirrored, and they lay in front of the "
                "target camera only."),
        Mistake("z before the motion", _warp_seen_before,
                "your mask tests the depth before the motion, in the target camera; a point that lies in front of it "
                "can lie behind the source camera."),
        Mistake("z not tested", _warp_with(seen=lambda inside, z: inside),
                "your mask asks whether a point lies on the image, and not whether it lies in front of the source "
                "camera."),
        Mistake("outside counts", _warp_with(seen=lambda inside, z: z > 0),
                "your mask asks whether a point lies in front of the camera, and not whether it lies on the image."),
        Mistake("mask upside down", _warp_with(seen=lambda inside, z: ~(inside & (z > 0))),
                "your mask marks what the source can not show."),
        Mistake("half a pixel off", _warp_with(read=_sample_with(align_corners=False)),
                "your picture is stretched: the grid was made for pixel centers and is read for pixel edges."),
        Mistake("black outside", _warp_with(read=_sample_with(padding_mode="zeros")),
                "outside of the source you paint black; the nearest pixel of the rim is wanted there."),
        Mistake("nearest pixel", _warp_with(read=_sample_with(mode="nearest")),
                "you read the nearest pixel, which has no gradient by depth; read between the pixels."),
        Mistake("everything counts", _warp_with(seen=lambda inside, z: torch.ones_like(inside)),
                "your mask lets everything count, also what the source cannot show."),
        Mistake("black where it does not count", _warp_masked,
                "you black out what does not count; leave the picture as it is, the mask says it."),
        Mistake("centers for edges", _warp_within(0.0, 1.0), "your mask cuts off half of each outer pixel.",
                _cut_forms(1.0)),
        Mistake("counted from the edge", _warp_within(0.0, 0.0),
                "the limits of your mask are right if 0 is the edge of the image; here 0 is a center.",
                _cut_forms(0.0)),
        Mistake("u and v exchanged", _warp_with(read=lambda image, pixels: sample(image, pixels.flip(1))),
                "you read with rows and columns exchanged."),
        Mistake("u and v exchanged, also in the mask", _warp_with(
            read=lambda image, pixels: sample(image, pixels.flip(1)),
            frame=lambda pixels, height, width: inside(pixels.flip(1), height, width)),
                "you take rows for columns, in the picture and in the mask: u comes first."),
        Mistake("width and height swapped in the mask", _warp_with(frame=_inside_swapped),
                "your picture is right, but your mask holds u against the height and v against the width."),
        Mistake("width and height swapped in the picture", _warp_with(read=_sample_with(swap=True)),
                "your mask is right, but where you read, columns are scaled with the height and rows with the width."),
        Mistake("width and height swapped", _warp_with(read=_sample_with(swap=True), frame=_inside_swapped),
                "width and height have changed places, in the picture and in the mask: a shape ends with (height, "
                "width)."),
        Mistake("either is enough", _warp_with(seen=lambda inside, z: inside | (z > 0)),
                "your picture is right; for your mask one of two conditions is enough, and a point has to meet both."),
        Mistake("z the wrong way", _warp_with(seen=lambda inside, z: inside & (z < 0)),
                "your mask keeps the points behind the camera, which looks along +z."),
        Mistake("limits one pixel out", _warp_with(frame=_frame(low=-1, more=0)),
                "the limits of your mask are centers of pixels that lie beside the image already."),
        Mistake("upper limits too far", _warp_with(frame=_frame(more=0.5)),
                "left and top of your mask are right; at the right and the bottom it goes on for one pixel."),
        Mistake("columns alone", _warp_with(frame=_frame((0,))),
                "your mask looks at u alone; points above and below the image count."),
        Mistake("rows alone", _warp_with(frame=_frame((1,))),
                "your mask looks at v alone; points to the left and to the right of the image count."),
        Mistake("mirrored outside", _warp_with(read=_sample_with(padding_mode="reflection")),
                "outside of the source you paint its mirror image; the nearest pixel of the rim is wanted there."),
        Mistake("half a pixel off, black outside", _warp_with(read=_sample_with(
            align_corners=False, padding_mode="zeros")),
                "two things: the grid was made for pixel centers and is read for pixel edges, and outside you paint "
                "black."),
        Mistake("pixels as they are", _warp_with(read=lambda image, pixels: F.grid_sample(
            image, pixels.permute(0, 2, 3, 1), padding_mode="border", align_corners=True)),
                "your mask is right; grid_sample got pixels, and wants positions between -1 and 1."),
        Mistake("divided by the size", _warp_with(read=lambda image, pixels: sample(image, pixels * torch.tensor(
            [1 - 1 / image.shape[-1], 1 - 1 / image.shape[-2]]).view(1, 2, 1, 1))),
                "your mask is right; where you read, the last pixel does not arrive at 1: how many steps lead to it?"),
        Mistake("divided by the depth of the target", _warp_undone(lambda moved, depth: moved[:, :2] / depth),
                "you divide by the depth before the motion; the one after it makes pixels."),
        Mistake("not divided", _warp_undone(lambda moved, depth: moved[:, :2]),
                "you read at points that nobody divided by their depth."),
        Mistake("source as it is", _warp_with(read=lambda image, pixels: image),
                "your picture is the source itself; nothing has moved.")))

EXERCISES = (WARP,)
