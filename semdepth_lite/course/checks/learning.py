"""Exercises of lesson 04: from disparity to depth, and the loss of a guess."""
from __future__ import annotations

import torch

from ... import camera, losses
from ...warp import warp
from .exercise import Case, Exercise, Mistake
from .geometry import random_size
from .warping import warp_cases

LESSON = "04_a_network_that_learns"


# Disparity to depth, and the loss of a view

def _disp_cases() -> list[Case]:
    return [Case((torch.rand(count, 1, *random_size()), low, high))
            for count, low, high in ((1, 0.1, 100.0), (2, 1.0, 20.0), (1, 0.5, 8.0))]


DISP = Exercise(
    name="disp_to_depth", lesson=LESSON, title="Read depth off a sigmoid", difficulty=1, minutes=8,
    statement="""\
The network's last layer is a sigmoid: `disp` `(B, 1, H, W)` lies between 0 and 1. Turn it into meters so that 0 means
`max_depth`, 1 means `min_depth`, and *equal steps of `disp` are equal steps of inverse depth*. Return
`(B, 1, H, W)`.""",
    stub='''def my_disp_to_depth(disp, min_depth, max_depth):
    ...  # your lines''',
    hint="""\
Interpolate linearly between the two ends, but not between the two depths: between which two numbers instead? Then one
step is left.""",
    solution='''def my_disp_to_depth(disp, min_depth, max_depth):
    nearest, farthest = 1 / min_depth, 1 / max_depth
    return 1 / (farthest + (nearest - farthest) * disp)''',
    teaches="camera.disp_to_depth", reference=camera.disp_to_depth, cases=_disp_cases, gradient=0, mistakes=(
        Mistake("linear in depth", lambda d, a, b: b + (a - b) * d,
                "both ends are right, but you walk between them in equal steps of depth."),
        Mistake("ends exchanged", lambda d, a, b: 1 / (1 / a + (1 / b - 1 / a) * d),
                "the ends are exchanged: a disparity of 1 has to be near."),
        Mistake("inverse depth returned", lambda d, a, b: 1 / b + (1 / a - 1 / b) * d,
                "this is inverse depth; one step is missing."),
        Mistake("no range", lambda d, a, b: 1 / d,
                "you invert the sigmoid's output as it is, so the two depths are not used and 0 explodes."),
        Mistake("no range, number added", lambda d, a, b: 1 / (d + 1e-3),
                "you invert the sigmoid's output, and the two depths are not used; a small number keeps 0 from "
                "exploding, but it is no range.", tuple(lambda d, a, b, number=number: 1 / (d + number) for number in (
                    1e-6, 1e-5, 1e-4, 1e-2))),
        Mistake("range cut instead of mapped", lambda d, a, b: (1 / d).clamp(a, b),
                "you cut depth to the range; then many disparities mean the same depth, and no gradient comes back."),
        Mistake("in equal ratios", lambda d, a, b: b * (a / b) ** d,
                "you walk between the ends in equal ratios of depth, which is another map."),
        Mistake("linear, and upward", lambda d, near, far: near + (far - near) * d,
                "two things: 0 has to be far, and equal steps are meant in inverse depth."),
        Mistake("depths for inverse depths", lambda d, near, far: 1 / (near + (far - near) * d),
                "you invert at the end, but walk between the two depths instead of their inverses.", (
                    lambda d, near, far: 1 / (far + (near - far) * d),)),
        Mistake("nothing taken off", lambda d, near, far: 1 / (1 / far + d / near),
                "one end is right; at the other you arrive a little too near: how long is the way between them?"),
        Mistake("brackets forgotten", lambda d, near, far: 1 / (1 / far + 1 / near - 1 / far * d),
                "only the last of your terms is multiplied by the disparity: are brackets missing?"),
        Mistake("no far end", lambda d, near, far: 1 / ((1 / near - 1 / far) * d),
                "the length of the way is right, but it starts at infinity."),
        Mistake("from the near end", lambda d, near, far: 1 / (1 / near + (1 / near - 1 / far) * d),
                "you start at the near end and go on to what is nearer still: 0 has to be far."),
        Mistake("brackets around the first fraction", lambda d, near, far: far + (1 / near - 1 / far) * d,
                "you add inverse depth to depth: the 1 has to be divided by the whole sum."),
        Mistake("farthest over disparity", lambda d, near, far: far / d,
                "you divide the far end by the disparity; neither end is right, and 0 explodes."),
        Mistake("disparity as a share of depth", lambda d, near, far: far * d,
                "you take disparity for a share of the largest depth: 0 has to be far."),
        Mistake("sigmoid once more", lambda d, near, far: camera.disp_to_depth(torch.sigmoid(d), near, far),
                "a sigmoid has been taken before; yours is the second one."),
        Mistake("in equal ratios, upward", lambda d, near, far: near * (far / near) ** d,
                "two things: 0 has to be far, and equal ratios of depth are not equal steps of inverse depth."),
        Mistake("range of the lesson", lambda d, near, far: camera.disp_to_depth(d, 0.1, 100.0),
                "the two ends come in as arguments; yours are fixed."),
        Mistake("stretched", lambda d, near, far: camera.disp_to_depth((d - d.min()) / (d.max() - d.min()), near, far),
                "you stretch each map to the whole range; what a disparity means must not depend on its neighbors."),
        Mistake("nearest over disparity", lambda d, near, far: near / d,
                "one end is right, but nothing keeps the other from infinity.")))


def _loss_cases() -> list[Case]:
    cases = []
    for case in warp_cases()[:2]:
        source, depth, T, K = case.args
        T[1:, 0, 3] = 2.0  # far to the side, so that two images show unequal numbers of pixels
        cases.append(Case((depth, torch.rand_like(source), source, T, K)))
    source, depth, T, K = warp_cases()[0].args
    cases.append(Case((depth, torch.rand_like(source), source, camera.invert_transform(T), K)))
    return cases


def _view_loss(depth, target, source, T, K, reduce=lambda error, valid: error[valid].mean()) -> torch.Tensor:
    warped, valid = warp(source, depth, T, K)
    return reduce(losses.photometric_error(warped, target), valid)


def _of_painting(depth, target, source, T, K, change, count=False) -> torch.Tensor:
    """Change the painting by the mask before it is compared: the error, or its mean over the mask."""
    warped, valid = warp(source, depth, T, K)
    error = losses.photometric_error(change(warped, valid), target)
    return error[valid].mean() if count else error.mean()


LOSS = Exercise(
    name="photometric_loss", lesson=LESSON, title="Make one number of a guess", difficulty=2, minutes=10,
    statement="""\
A depth map `depth` `(B, 1, H, W)` is a guess; say how good it is. Paint the target with the source, compare with the
photometric error, and return its mean over the pixels that the source can show: a scalar with a gradient by depth.
`target` and `source` are `(B, 3, H, W)`, `T_source_target` `(B, 4, 4)`, `K` `(B, 3, 3)`. `warp` and
`losses.photometric_error` are the package's; where you have written them in lessons 02 and 03, the training below puts
yours in their place.""",
    stub='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_photometric_loss(depth, target, source, T_source_target, K):
    ...  # your lines''',
    hint="`warp` returns two things. `error[valid]` is the flat list of the errors where `valid` is true.",
    solution='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_photometric_loss(depth, target, source, T_source_target, K):
    warped, valid = warp(source, depth, T_source_target, K)
    return photometric_error(warped, target)[valid].mean()''',
    teaches="losses.reprojection_error", reference=_view_loss, cases=_loss_cases, gradient=0, mistakes=(
        Mistake("rim counts", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda error, valid: error.mean()),
                "pixels that the source cannot show count with the color of its rim."),
        Mistake("zero outside", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda e, valid: (e * valid).mean()),
                "pixels without a source count as perfect: you set them to 0 and still divide by all pixels."),
        Mistake("inverse motion", lambda d, t, s, T, K: _view_loss(d, t, s, camera.invert_transform(T), K),
                "the motion is used the wrong way round."),
        Mistake("target warped", lambda d, t, s, T, K: _view_loss(d, s, t, T, K),
                "you move the target and compare it with the source; it is the target that is to be painted."),
        Mistake("sum", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda error, valid: error[valid].sum()),
                "your loss is a sum, so it grows with the image."),
        Mistake("median", lambda d, t, s, T, K: _view_loss(d, t, s, T, K, lambda error, valid: error[valid].median()),
                "you take the median, which passes a gradient to one pixel only; the mean is asked for."),
        Mistake("unmoved", lambda d, t, s, T, K: losses.photometric_error(s, t).mean() + 0 * d.mean(),
                "you compare the source as it is; depth does not enter."),
        Mistake("compared with the source", lambda d, t, s, T, K: losses.photometric_error(warp(s, d, T, K)[0], s)[
            warp(s, d, T, K)[1]].mean(),
                "you compare the painting with the source; it should look like the target."),
        Mistake("compared with the source, rim counts", lambda d, t, s, T, K: losses.photometric_error(
            warp(s, d, T, K)[0], s).mean(),
                "two things: the painting should look like the target, and the rim counts."),
        Mistake("color alone", lambda d, t, s, T, K: (warp(s, d, T, K)[0] - t).abs().mean(1, keepdim=True)[
            warp(s, d, T, K)[1]].mean(),
                "you compare colors only; the photometric error looks at structure too."),
        Mistake("color alone, rim counts", lambda d, t, s, T, K: (warp(s, d, T, K)[0] - t).abs().mean(),
                "two things: you compare colors only, and the rim counts.", (
                    lambda d, t, s, T, K: (warp(s, d, T, K)[0] - t).square().mean(),)),
        Mistake("squared color", lambda d, t, s, T, K: (warp(s, d, T, K)[0] - t).square().mean(1, keepdim=True)[
            warp(s, d, T, K)[1]].mean(),
                "you compare squares of color differences; the photometric error is another."),
        Mistake("structure alone", lambda d, t, s, T, K: losses.ssim_distance(
            warp(s, d, T, K)[0], t).mean(1, keepdim=True)[warp(s, d, T, K)[1]].mean(),
                "you compare structure only; the photometric error looks at color too."),
        Mistake("masked before", lambda d, t, s, T, K: losses.photometric_error(
            warp(s, d, T, K)[0] * warp(s, d, T, K)[1], t * warp(s, d, T, K)[1]).mean(),
                "you black out both images before they are compared: black agrees with black, and windows reach it."),
        Mistake("painting masked", lambda d, t, s, T, K: _of_painting(
            d, t, s, T, K, lambda warped, valid: warped * valid),
                "you black out the painting alone: where the source shows nothing, black is compared with the target."),
        Mistake("painting masked, mean of what counts", lambda d, t, s, T, K: _of_painting(
            d, t, s, T, K, lambda warped, valid: warped * valid, count=True),
                "you black out the painting, and leave those pixels out; windows at the rim still reach into black."),
        Mistake("target put in", lambda d, t, s, T, K: _of_painting(
            d, t, s, T, K, lambda warped, valid: torch.where(valid, warped, t)),
                "you put the target where the source shows nothing, which then counts as perfect; those pixels should "
                "not count."),
        Mistake("target put in, mean of what counts", lambda d, t, s, T, K: _of_painting(
            d, t, s, T, K, lambda warped, valid: torch.where(valid, warped, t), count=True),
                "you put the target where the source shows nothing; windows at the border see it, and their errors "
                "come out too small."),
        Mistake("mask upside down", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: error[~valid].mean()),
                "just the pixels count that the source cannot show."),
        Mistake("masked before, mean of what counts", lambda d, t, s, T, K: losses.photometric_error(
            warp(s, d, T, K)[0] * warp(s, d, T, K)[1], t * warp(s, d, T, K)[1])[warp(s, d, T, K)[1]].mean(),
                "you black out both images before they are compared, and windows at the border reach into black; the "
                "errors alone are left out."),
        Mistake("root of the mean square", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: error[valid].square().mean().sqrt()),
                "you take the root of the mean square of the errors; their mean is asked for."),
        Mistake("largest error", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: error[valid].max()),
                "you take the largest error; one pixel decides."),
        Mistake("sum over the colors' number", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: error[valid].sum() / t.numel()),
                "you divide by the numbers of the whole image, three for each pixel; divide by the pixels that count."),
        Mistake("sum for each image", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: error[valid].sum() / len(d)),
                "you divide by the number of images, so your loss grows with their size."),
        Mistake("mean of all over the share", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: error.mean() / valid.float().mean()),
                "you divide by what counts, but the pixels that do not are still in your sum."),
        Mistake("target painted with itself", lambda d, t, s, T, K: _view_loss(d, t, t, T, K),
                "you paint the target with its own colors; the source does not enter."),
        Mistake("automask", lambda d, t, s, T, K: torch.minimum(losses.photometric_error(
            warp(s, d, T, K)[0], t), losses.photometric_error(s, t))[warp(s, d, T, K)[1]].mean(),
                "you let the unmoved source answer too; here the moved one alone is asked for."),
        Mistake("mean of the images' means", lambda d, t, s, T, K: _view_loss(
            d, t, s, T, K, lambda error, valid: ((error * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3))).mean()),
                "you average image by image: a pixel of an image that shows little counts more than others.")))

EXERCISES = (DISP, LOSS)
