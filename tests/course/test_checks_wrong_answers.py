"""Wrong answers as a reader writes them, some with other operations than the check's own: each is named for what it is.

The right answers beside them, written in another way than the solution, must pass.
"""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from semdepth_lite import camera
from semdepth_lite.course import checks
from semdepth_lite.course.checks.judge import judge
from semdepth_lite.course.checks.warping import warp_cases
from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import inside, sample, source_pixels, warp

SEEDS = (3, 20, 1001)


def verdicts(name, answer):
    """Verdicts on a few inputs; one input for the puzzle whose many known mistakes all train."""
    return [judge(checks.EXERCISES[name], answer, seed) for seed in SEEDS[:1 if name == "mended_step" else None]]


# The warp

def moved_image(depth, T, K):
    """K (R X + t) in homogeneous coordinates, written without the package's lifting."""
    height, width = depth.shape[-2:]
    v, u = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    fx, fy, cx, cy = (K[:, i, j, None, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    d = depth[:, 0]
    points = torch.stack(((u - cx) / fx * d, (v - cy) / fy * d, d, torch.ones_like(d)), 1).flatten(2)
    return (K @ T[:, :3] @ points).view(-1, 3, height, width)


def warp_dividing_by_any_z(front):
    """A warp that divides as it comes, as the reader's own projection does, and asks `front` of both depths."""
    def answer(source, depth, T, K):
        image = moved_image(depth, T, K)
        pixels, z = image[:, :2] / image[:, 2:], image[:, 2:]
        return sample(source, pixels), inside(pixels, *source.shape[-2:]) & front(depth, z)
    return answer


def warp_projected(front):
    """A warp by the package's projection, which sends points behind the camera far outside."""
    def answer(source, depth, T, K):
        pixels, z = source_pixels(depth, T, K)
        return sample(source, pixels), inside(pixels, *source.shape[-2:]) & front(depth, z)
    return answer


@pytest.mark.parametrize("front, mistakes", [
    (lambda depth, z: torch.ones_like(z, dtype=torch.bool), ("mirrored points count", "z not tested")),
    (lambda depth, z: depth > 0, ("mirrored points count, z before the motion", "z before the motion"))])
def test_a_warp_must_test_the_z_after_the_motion(front, mistakes):
    for build, mistake in zip((warp_dividing_by_any_z, warp_projected), mistakes):
        assert {verdict.mistake for verdict in verdicts("warp", build(front))} == {mistake}


@pytest.mark.parametrize("build", [warp_dividing_by_any_z, warp_projected])
def test_a_warp_is_right_whatever_it_does_with_points_behind_that_it_leaves_out(build):
    for front in (lambda depth, z: z > 0, lambda depth, z: (depth > 0) & (z > 1e-7)):
        assert all("gradient included" in verdict.text for verdict in verdicts("warp", build(front)))


def test_inputs_of_the_warp_leave_points_behind_that_land_on_the_image():
    for seed in SEEDS:
        torch.manual_seed(seed)
        source, depth, T, K = warp_cases()[-1].args
        image = moved_image(depth, T, K)
        behind, size = image[:, 2:] < 0, source.shape[-2:]
        held, z = source_pixels(depth, T, K)
        assert 0 < behind.float().mean() < 1 and bool((z != 0).all()), "some behind, none in the camera's plane"
        assert int((behind & inside(image[:, :2] / image[:, 2:], *size)).sum()) >= 3, "by the sign flip"
        assert bool((behind & inside(held, *size) & (depth > 0)).flatten(1).any(1).all()), "and by project's own rule"


def test_a_warp_must_pass_a_gradient_to_depth():
    for verdict in verdicts("warp", lambda source, depth, T, K: warp(source, depth.detach(), T, K)):
        assert verdict.mistake == "detached" and "no gradient comes back" in verdict.text


def warp_in_order(read_flipped=False, mask_flipped=False, swapped_read=False, swapped_mask=False):
    """A warp that takes rows for columns somewhere."""
    def answer(source, depth, T, K):
        pixels, z = source_pixels(depth, T, K)
        height, width = source.shape[-2:]
        steps = torch.tensor([height - 1, width - 1] if swapped_read else [width - 1, height - 1])
        grid = 2 * (pixels.flip(1) if read_flipped else pixels).permute(0, 2, 3, 1) / steps - 1
        picture = F.grid_sample(source, grid, padding_mode="border", align_corners=True)
        u, v = (pixels.flip(1) if mask_flipped else pixels).split(1, 1)
        right, bottom = (height, width) if swapped_mask else (width, height)
        return picture, (u >= -0.5) & (u <= right - 0.5) & (v >= -0.5) & (v <= bottom - 0.5) & (z > 0)
    return answer


@pytest.mark.parametrize("options, mistake", [
    ({"read_flipped": True}, "u and v exchanged"),
    ({"read_flipped": True, "mask_flipped": True}, "u and v exchanged, also in the mask"),
    ({"swapped_mask": True}, "width and height swapped in the mask"),
    ({"swapped_read": True}, "width and height swapped in the picture"),
    ({"swapped_read": True, "swapped_mask": True}, "width and height swapped")])
def test_a_warp_with_rows_and_columns_exchanged_is_named(options, mistake):
    assert {verdict.mistake for verdict in verdicts("warp", warp_in_order(**options))} == {mistake}


# One answer, one name

def visible_with(low, wide, front):
    """The mask of visible points, with other limits and another test of z."""
    def answer(pixels, z, height, width):
        u, v = pixels.split(1, 1)
        return (u > low) & (v > low) & (u < width - 1 + wide) & (v < height - 1 + wide) & front(z)
    return answer


def ssim_with(spread_of, distance=lambda s: (1 - s) / 2, covary=1.0):
    """The distance of structure from unfolded windows, with another measure of their spread."""
    def answer(x, y):
        shape = x.shape

        def windows(image):
            return F.unfold(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3).view(shape[0], shape[1], 9, *shape[2:])
        a, b = windows(x), windows(y)
        m, n = a.mean(2), b.mean(2)
        covariance = covary * ((a - m[:, :, None]) * (b - n[:, :, None])).mean(2)
        similarity = ((2 * m * n + 0.01**2) * (2 * covariance + 0.03**2)
                      / ((m**2 + n**2 + 0.01**2) * (spread_of(a) + spread_of(b) + 0.03**2)))
        return distance(similarity).clamp(0, 1)
    return answer


def crossed_smoothness(disp, image):
    """The smoothness of disparity with the edges of the other axis."""
    dx, dy = disp.diff(dim=3).abs(), disp.diff(dim=2).abs()
    wx, wy = ((-image.diff(dim=dim).abs().mean(1, keepdim=True)).exp() for dim in (3, 2))
    rows, columns = dy.shape[2], dx.shape[3]
    return (dx[:, :, :rows] * wy[..., :columns]).mean() + (dy[..., :columns] * wx[:, :, :rows]).mean()


def rolled(steps, differs):
    """Label borders by torch.roll, which goes around the image."""
    def answer(labels):
        border = torch.zeros_like(labels, dtype=torch.bool)
        for step in steps:
            for dim in (1, 2):
                border = border | differs(labels, torch.roll(labels, step, dim))
        return border
    return answer


def look_for_each_level(network, optimizer, levels, loss_of):
    """A step whose network looks once for each level."""
    optimizer.zero_grad()
    loss = torch.stack([loss_of(network(level.target)[0], level) for level in levels]).mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def forgetful_step(network, optimizer, levels, loss_of):
    """A step that forgets the gradient just when it is needed."""
    loss = torch.stack([loss_of(disp, level) for disp, level in zip(network(levels[0].target), levels)]).mean()
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def step_in_range(low, high):
    """The mended step with another range of depth."""
    def answer(network, optimizer, target, source, T, K):
        picture, valid = warp(source, camera.disp_to_depth(network(target), low, high), T, K)
        loss = photometric_error(picture, target)[valid].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()
    return answer


def turned(axis, angle, move=-1):
    """A motion along x with a turn about one axis."""
    def answer(b, c):
        turn = torch.zeros(1, 3)
        turn[0, axis] = angle(b, c)
        return camera.rigid_transform(turn, torch.tensor([[move * b, 0.0, 0.0]]))[0]
    return answer


def with_focal(row):
    """The lifting with one focal length for both axes."""
    def answer(depth, K):
        v, u = torch.meshgrid(*(torch.arange(n).float() for n in depth.shape[-2:]), indexing="ij")
        x, y = ((place - K[:, k, 2, None, None]) / K[:, row, row, None, None] for k, place in ((0, u), (1, v)))
        return depth * torch.stack((x, y, torch.ones_like(x)), 1)
    return answer


def inner(e, v, blind, join=torch.any):
    """The minimum over sources, with another number for a blind source or another way to find what none sees."""
    return torch.where(join(v, 1), torch.where(v, e, torch.full_like(e, blind)).min(1).values, torch.zeros(()))


@pytest.mark.parametrize("name, answer, says", [
    ("visible", visible_with(-1, 1, lambda z: z > 0), "centers of pixels that lie beside the image"),
    ("visible", visible_with(-0.5, 0.5, lambda z: z >= 0), "z = 0 lies in the plane of the camera"),
    ("minimum_over_sources", lambda e, v: inner(e, v, 1.0), "an error of 1: a larger one"),
    ("minimum_over_sources", lambda e, v: inner(e, v, 10.0), "an error of 10: a larger one of a source that sees"),
    ("minimum_over_sources", lambda e, v: torch.where(v, e, e.max()).min(1).values, "the largest error is left"),
    ("minimum_over_sources", lambda e, v: inner(e, v, torch.inf, torch.all), "`all` stands where `any` is meant"),
    ("backproject", with_focal(0), "focal length of x for both axes"),
    ("backproject", with_focal(1), "focal length of y for both axes"),
    ("relative_motion", lambda s, t: t - s, "you subtract the matrices"),
    ("relative_motion", lambda s, t: s - t, "the wrong way round too"),
    ("sample", lambda i, p: F.grid_sample(i, p.movedim(1, -1) / torch.tensor([i.shape[3] - 1, i.shape[2] - 1]) - 1,
                                          padding_mode="border", align_corners=True), "from -1 to 0"),
    ("ssim", ssim_with(lambda w: w.std(2, correction=0)), "variances, not their roots"),
    ("ssim", ssim_with(lambda w: w.var(2), covary=9 / 8), "you divide by 8"),
    ("ssim", ssim_with(lambda w: w.var(2)), "your variances are divided by 8"),
    ("ssim", ssim_with(lambda w: w.var(2, correction=0), lambda s: s), "the similarity, cut to 0"),
    ("smoothness", crossed_smoothness, "your axes are crossed"),
    ("painted_trap", lambda a, b: lambda x: 0.5 + 0.5 * torch.sin(x / abs(b - a)), "after which angle does a sine"),
    ("painted_trap", lambda a, b: lambda x: 0.5 + 0.5 * torch.sin(x / -abs(b - a)), "your sine runs backward"),
    ("painted_trap", lambda a, b: lambda x: torch.rand(x.shape), "another at each look"),
    ("painted_trap", lambda a, b: lambda x: (0.5 + 0.4 * torch.sin(2 * torch.pi * x / (b - a))
                                             + 0.05 * torch.rand(len(x))), "another at each look"),
    ("training_step", look_for_each_level, "looks at the target of every level"),
    ("training_step", forgetful_step, "zero_grad stands between backward and step"),
    ("label_borders", rolled((1, -1), torch.ne), "torch.roll goes around the image, and 255 is no class"),
    ("label_borders", rolled((-1,), torch.ne), "three things: torch.roll goes around, the right and lower"),
    ("label_borders", rolled((1, -1), lambda a, b: (a != b) & (a != 255)), "stay marked"),
    ("label_borders", rolled((1, -1), lambda a, b: (a != b) & (a != 255) & (b != 255)), "goes around the image."),
    ("fattening", lambda p, g, n, f: ((p - n).abs() < (p - g).abs()).sum((1, 2)) / f.sum((1, 2)), "the whole image"),
    ("fattening", lambda p, g, n, f: (f & ((p - n).abs() < 0.5 * (g - n).abs())).sum((1, 2)) / f.sum((1, 2)),
     "half of the jump"),
    ("fattening", lambda p, g, n, f: (f & ((p - n).abs() < 0.5 * (p - g).abs())).sum((1, 2)) / f.sum((1, 2)),
     "half of the distance to the truth"),
    ("mended_step", step_in_range(0.1, 100.0), "not over the range asked for"),
    ("hidden_turn", turned(2, lambda b, c: b * c), "about the line of sight"),
    ("hidden_turn", turned(1, lambda b, c: b * c, 1), "the true translation is by -b"),
    ("hidden_turn", turned(1, lambda b, c: c / b), "the larger the baseline"),
    ("hidden_turn", turned(1, lambda b, c: b / c), "the larger the offset"),
    ("hidden_turn", turned(1, lambda b, c: b * c / 2), "half of the harm is left"),
    ("hidden_turn", turned(1, lambda b, c: 2 * b * c), "twice as far"),
])
def test_a_wrong_answer_is_named(name, answer, says):
    for verdict in verdicts(name, answer):
        assert verdict.mistake is not None and says in verdict.text, verdict


@pytest.mark.parametrize("name, answer", [
    ("ssim", ssim_with(lambda w: w.var(2, correction=0))),
    ("visible", visible_with(-0.5, 0.5, lambda z: z > 0)),
    ("minimum_over_sources", lambda e, v: inner(e, v, 1e9)),
    ("hidden_turn", turned(1, lambda b, c: b * c)),
    ("hidden_turn", turned(1, lambda b, c: 0.9 * b * c)),
    ("painted_trap", lambda a, b: lambda x: 0.5 + 0.5 * torch.cos(2 * torch.pi * x / (b - a))),
    ("mended_step", step_in_range(0.5, 20.0))])
def test_a_right_answer_of_another_form_passes(name, answer):
    assert all(verdict.passed for verdict in verdicts(name, answer))


@pytest.mark.parametrize("share, left", [(0.75, 25), (0.6, 40), (0.25, 75), (1.5, 50)])
def test_what_a_turn_leaves_of_the_harm_is_counted_once(share, left):
    for verdict in verdicts("hidden_turn", turned(1, lambda b, c: share * b * c)):
        number = int(verdict.text.split("land ")[1].split(" %")[0])
        assert abs(number - left) <= 2, verdict  # a turn is not quite a shift, so the number is about this


def test_the_share_of_values_that_differ_counts_what_the_judge_counts():
    def slightly_off(network, optimizer, levels, loss_of):
        loss = checks.EXERCISES["training_step"].reference(network, optimizer, levels, loss_of)
        with torch.no_grad():
            network.weight[1] += 2e-4
        return loss

    for verdict in verdicts("training_step", slightly_off):
        assert verdict.outcome == "wrong" and " 0 % of the values" not in verdict.text, verdict
