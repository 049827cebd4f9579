"""Mistakes of the first four lessons as students write them, each named by its own sentence, and right answers beside.

The answers are written without the check's own wrong functions, so a sentence is found by what it says, not by itself.
"""
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from semdepth_lite import camera, losses
from semdepth_lite.course import checks
from semdepth_lite.course.checks.judge import judge
from semdepth_lite.course.checks.raised import meaning
from semdepth_lite.warp import inside, sample, source_pixels, warp

inf, inv = torch.inf, torch.linalg.inv


def verdicts(name, answer):
    """Verdicts on two inputs, or on one where the exercise trains."""
    return [judge(checks.EXERCISES[name], answer, seed) for seed in ((3,) if name == "training_step" else (3, 20))]


# Lessons 01 and 02

def resized(center=lambda c, s: (c + 0.5) * s - 0.5, focal=lambda f, s: f * s):
    """Resized intrinsics by rules of one's own."""
    def answer(K, scale_x, scale_y):
        new = K.clone()
        for row, scale in enumerate((scale_x, scale_y)):
            new[row, row], new[row, 2] = focal(K[row, row], scale), center(K[row, 2], scale)
        return new
    return answer


def moved(T_world_source, T_world_target, turned=lambda R, t: -R.mT @ t):
    """The relative motion with a translation of the inverse of one's own."""
    back = T_world_source.clone()
    R, t = T_world_source[:, :3, :3], T_world_source[:, :3, 3:]
    back[:, :3, :3], back[:, :3, 3:] = R.mT, turned(R, t)
    return back @ T_world_target


def grid_of(depth, order=(0, 1)):
    """(u, v, 1) of each pixel, or (v, u, 1)."""
    v, u = torch.meshgrid(*(torch.arange(n).float() for n in depth.shape[-2:]), indexing="ij")
    return torch.stack([*((u, v)[k] for k in order), torch.ones_like(u)])


def placed(rays=lambda depth, K: depth * torch.einsum("bij,jhw->bihw", inv(K), grid_of(depth)),
           project=lambda points, K: camera.project(points, K)[0]):
    """Places in the source by other rays or another projection."""
    return lambda depth, T, K: project(camera.transform_points(T, rays(depth, K)), K)


def bilinear(weight=lambda a, right: a if right else 1 - a, swapped=False, early=True):
    """Reading between pixels by hand."""
    def answer(image, pixels):
        height, width = image.shape[-2:]
        u, v = pixels[:, 0], pixels[:, 1]
        if early:
            u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
        first, top = u.floor(), v.floor()
        a, b = (v - top, u - first) if swapped else (u - first, v - top)
        found = []
        for k, one in enumerate(image):
            total = 0
            for right in (0, 1):
                for below in (0, 1):
                    columns = (first[k] + right).clamp(0, width - 1).long()
                    rows = (top[k] + below).clamp(0, height - 1).long()
                    total = total + weight(a[k], right) * weight(b[k], below) * one[:, rows, columns]
            found.append(total)
        return torch.stack(found)
    return answer


def gridded(make, **options):
    """Reading by grid_sample with a grid of one's own."""
    def answer(image, pixels):
        steps = torch.tensor([image.shape[3] - 1.0, image.shape[2] - 1.0])
        grid = make(pixels.permute(0, 2, 3, 1), steps)
        return F.grid_sample(image, grid, **{"padding_mode": "border", "align_corners": True, **options})
    return answer


def seen(test):
    """A mask of visible points by a test of one's own."""
    return lambda pixels, z, height, width: test(pixels[:, :1], pixels[:, 1:], z, height, width)


def warped(read=sample, mask=lambda pixels, z, height, width: inside(pixels, height, width) & (z > 0)):
    """A warp that reads or masks in its own way."""
    def answer(source, depth, T, K):
        pixels, z = source_pixels(depth, T, K)
        return read(source, pixels), mask(pixels, z, *source.shape[-2:])
    return answer


def turned(angle, axis=1, translation=lambda b: (-b, 0.0, 0.0), shape=lambda T: T[0]):
    """A motion with a turn about one axis."""
    def answer(b, c):
        turn = torch.zeros(1, 3)
        turn[0, axis] = angle(b, c)
        return shape(camera.rigid_transform(turn, torch.tensor([translation(b)])))
    return answer


# Lesson 03

def smooth(join=lambda x, y: x.mean() + y.mean(), differ=lambda x, dim: x.diff(dim=dim)):
    """The smoothness with another way to join its directions, or other differences."""
    def answer(disp, image):
        return join(*(differ(disp, dim).abs() * (-differ(image, dim).abs().mean(1, keepdim=True)).exp()
                      for dim in (3, 2)))
    return answer


def stepped(x, dim):
    """The difference to the next pixel but one."""
    count = x.shape[dim] - 2
    return x.narrow(dim, 2, count) - x.narrow(dim, 0, count)


def mean(image):
    """The mean over a window of three by three."""
    return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)


def structure(formula=lambda a, b, xx, yy, xy, c, d: (2 * a * b + c) * (2 * xy + d) / ((a * a + b * b + c) * (
        xx + yy + d)), vary=lambda x: mean(x * x) - mean(x) ** 2):
    """The distance of structure by another formula or other variances."""
    def answer(x, y):
        a, b = mean(x), mean(y)
        return (1 - formula(a, b, vary(x), vary(y), mean(x * y) - a * b, 0.01**2, 0.03**2)) / 2
    return answer


# Lesson 04

def trained(mode=lambda network: None, pair: Callable = zip, share=0, zero="first", step="last",
            after=lambda network: None, look=lambda levels: levels[0].target,
            meet=lambda loss_of, disp, level: loss_of(disp, level)):
    """A step that goes back inside the loop over the levels."""
    def answer(network, optimizer, levels, loss_of):
        mode(network)
        found = []
        optimizer.zero_grad()
        for disp, level in pair(network(look(levels)), levels):
            found.append(meet(loss_of, disp, level))
            if zero == "each":
                optimizer.zero_grad()
            (found[-1] / (share or len(levels))).backward(retain_graph=True)
            if step == "each":
                optimizer.step()
        if step == "last":
            optimizer.step()
        after(network)
        return float(sum(loss.item() for loss in found)) / max(share, len(levels))
    return answer


def solved(J, r, w, left=lambda w: w, right=lambda w: w):
    """Least squares with weights of one's own on each side."""
    A, b = (J * left(w)[..., None]).mT @ J, (J * right(w)[..., None]).mT @ r[..., None]
    return -torch.linalg.solve(A, b)[..., 0]


NAMED = [
    ("resize_intrinsics", resized(lambda c, s: (c + 0.5) * s), "stayed there"),
    ("resize_intrinsics", resized(lambda c, s: c * s - 0.5), "without having gone there"),
    ("resize_intrinsics", resized(lambda c, s: c * s + 0.5), "only add half a pixel at the end"),
    ("resize_intrinsics", resized(lambda c, s: (c + 0.5) * s + 0.5), "add it once more on the way back"),
    ("resize_intrinsics", resized(lambda c, s: (c - 0.5) * s - 0.5), "one of the two has the wrong sign"),
    ("resize_intrinsics", resized(focal=lambda f, s: (f + 0.5) * s - 0.5), "a distance, not a place"),
    ("resize_intrinsics", resized(focal=lambda f, s: (f + 0.5) * s), "which are distances"),
    ("resize_intrinsics", resized(lambda c, s: c * s, lambda f, s: (f + 0.5) * s - 0.5), "you gave it to the focal"),
    ("resize_intrinsics", resized(lambda c, s: (c + 0.5) / s - 0.5), "the principal point was resized the other way"),
    ("relative_motion", lambda s, t: (inv(s) @ t)[:, :3], "your motion has three rows"),
    ("relative_motion", lambda s, t: F.pad((inv(s) @ t)[:, :3], (0, 0, 0, 1)), "your last row is 0 everywhere"),
    ("relative_motion", lambda s, t: moved(s, t, lambda R, t: -R @ t), "turned by the rotation of the pose itself"),
    ("relative_motion", lambda s, t: inv(s @ t), "you invert the product of both"),
    ("backproject", lambda d, K: torch.cat((camera.backproject(torch.ones_like(d), K)[:, :2], d), 1),
     "x and y are those of points 1 m away"),
    ("backproject", lambda d, K: d + camera.backproject(torch.ones_like(d), K), "a ray is stretched, not shifted"),
    ("backproject", lambda d, K: d * torch.cat(((grid_of(d)[:2] - K[:, :2, 2, None, None]), torch.ones_like(d)), 1),
     "a focal length is missing"),
    ("source_pixels", placed(lambda d, K: d * grid_of(d)), "the inverse of K is missing where you lift"),
    ("source_pixels", placed(lambda d, K: d * torch.einsum("bij,jhw->bihw", inv(K), grid_of(d, (1, 0)))),
     "you lift (v, u, 1)"),
    ("source_pixels", placed(lambda d, K: d * F.normalize(camera.backproject(torch.ones_like(d), K), dim=1)),
     "you measure depth along the ray"),
    ("source_pixels", placed(project=lambda X, K: X[:, :2] / X[:, 2:] * torch.stack((K[:, 0, 0], K[:, 1, 1]), 1)[
        ..., None, None]), "right but for the principal point"),
    ("sample", bilinear(lambda a, right: 1 - a if right else a), "the nearer a pixel is, the less it counts"),
    ("sample", bilinear(lambda a, right: 1 - a if right else a, early=False), "the farther a pixel is"),
    ("sample", bilinear(swapped=True), "the upper right and the lower left pixel are exchanged"),
    ("sample", bilinear(lambda a, right: 0.5 + 0 * a), "your four pixels count alike"),
    ("sample", gridded(lambda p, steps: 2 * (p / steps - 1)), "from -2 to 0"),
    ("sample", gridded(lambda p, steps: (2 * p - 1) / steps), "you divide the 1 by the size too"),
    ("sample", gridded(lambda p, steps: 2 * p / steps[1] - 1), "you scale columns with the height too"),
    ("visible", seen(lambda u, v, z, h, w: (u.abs() <= w - 0.5) & (v.abs() <= h - 0.5) & (z > 0)),
     "your absolute value mirrors the image"),
    ("visible", seen(lambda u, v, z, h, w: (u >= -0.5) & (u <= w - 0.5) & (v >= -0.5) & (v <= w - 0.5) & (z > 0)),
     "you hold v against the width"),
    ("visible", seen(lambda u, v, z, h, w: (u >= 0) & (u <= w - 1) & (v >= 0) & (v <= h - 1)),
     "half of each outer pixel, and points behind"),
    ("median_scale", lambda p, g, m: torch.stack([g[i].quantile(0.5) / p[i][m[i]].quantile(0.5) for i in range(
        len(p))]), "the prediction is masked and the truth is not"),
    ("median_scale", lambda p, g, m: (g[m].median() / p[m].median()).expand(len(p)), "all images got one factor"),
    ("warp", warped(mask=lambda pixels, z, h, w: inside(pixels, h, w) | (z > 0)), "one of two conditions is enough"),
    ("warp", warped(gridded(lambda p, steps: p)), "grid_sample got pixels"),
    ("warp", warped(gridded(lambda p, steps: 2 * p / (steps + 1) - 1)), "the last pixel does not arrive at 1"),
    ("minimum_over_sources", lambda e, v: e.masked_fill(~v, inf).min(1).indices, "which of the sources that see is"),
    ("minimum_over_sources", lambda e, v: e.masked_fill(~v, inf).amin(0).masked_fill(~v.any(0), 0), "over the images"),
    ("minimum_over_sources", lambda e, v: e.masked_fill(~v, inf).amin(0), "and infinity is left over"),
    ("minimum_over_sources", lambda e, v: e.amin(1) * v.gather(1, e.argmin(1, True))[:, 0], "you choose first"),
    ("minimum_over_sources", lambda e, v: (e + ~v * 1e6).amin(1), "your 1e+06 is left"),
    ("automask", lambda r, i, m=0.0: ~(i < r + m), "ties stay, and the margin makes it harder"),
    ("smoothness", smooth(differ=lambda x, dim: x - x.roll(1, dim)), "torch.roll goes around the image"),
    ("smoothness", smooth(differ=lambda x, dim: x.roll(-1, dim) - x), "torch.roll goes around the image"),
    ("smoothness", smooth(lambda x, y: torch.cat((x.flatten(), y.flatten())).mean()), "one mean over the steps of"),
    ("smoothness", smooth(lambda x, y: (F.pad(x, (0, 1)) + F.pad(y, (0, 0, 0, 1))).mean()), "the number of pixels"),
    ("smoothness", smooth(lambda x, y: (x[..., :-1, :] + y[..., :-1]).mean()), "cut both directions to one size"),
    ("smoothness", smooth(lambda x, y: x.mean() * y.mean()), "you multiply the two directions"),
    ("smoothness", lambda d, i: sum(d.diff(dim=k).abs().mean() * (-i.diff(dim=k).abs().mean(1)).exp().mean() for k in (
        3, 2)), "you average steps and weights, and multiply then"),
    ("smoothness", smooth(lambda x, y: max(x.mean(), y.mean())), "the larger of the two directions"),
    ("smoothness", smooth(lambda x, y: min(x.mean(), y.mean())), "the smaller of the two directions"),
    ("smoothness", smooth(differ=stepped), "the next but one"),
    ("smoothness", lambda d, i: sum((d.diff(dim=k).abs() * (-i.diff(dim=k).abs().mean(1)).exp()).mean() for k in (
        3, 2)), "lost without keepdim=True"),
    ("smoothness", lambda d, i: sum((d.diff(dim=k) * (-i.diff(dim=k).abs().mean(1, True)).exp()).mean().abs() for k in (
        3, 2)), "steps up and steps down have cancelled"),
    ("ssim", structure(lambda a, b, xx, yy, xy, c, d: (2 * a * b + c) * (2 * xy + d) / (a * a + b * b + c) * (
        xx + yy + d)), "both stand below the fraction"),
    ("ssim", structure(lambda a, b, xx, yy, xy, c, d: (a * b + c) * (xy + d) / ((a * a + b * b + c) * (xx + yy + d))),
     "yours count once"),
    ("ssim", structure(vary=lambda x: mean(x * x) - mean(x)), "take the mean off, not its square"),
    ("ssim", structure(vary=lambda x: mean((x - mean(x)) ** 2)), "held against a mean of its own"),
    ("ssim", structure(lambda a, b, xx, yy, xy, c, d: ((2 * a * b + c) * (2 * xy + d) / (
        (a * a + b * b + c) * (xx + yy + d))).clamp(0, 1)), "you cut the similarity at 0"),
    ("ssim", structure(lambda a, b, xx, yy, xy, c, d: (2 * a * b + c) * (2 * xy + d) / ((a * a + b * b + c) * (
        2 * xx + d))), "y has one of its own"),
    ("photometric", lambda x, y: torch.maximum(0.85 * losses.ssim_distance(x, y).mean(1, True), 0.15 * (x - y).abs(
        ).mean(1, True)), "you take the larger of the two parts"),
    ("disp_to_depth", lambda d, a, b: 1 / (1 / a + (1 / a - 1 / b) * d), "you start at the near end"),
    ("disp_to_depth", lambda d, a, b: 1 / (1 / b) + (1 / a - 1 / b) * d, "you add inverse depth to depth"),
    ("photometric_loss", lambda d, t, s, T, K: losses.photometric_error(warp(s, d, T, K)[0], t)[warp(
        s, d, T, K)[1]].square().mean().sqrt(), "the root of the mean square"),
    ("training_step", trained(mode=lambda network: network.eval()), "your network is in eval mode"),
    ("training_step", trained(mode=lambda network: network.train(False)), "your network is in eval mode"),
    ("training_step", trained(after=lambda network: network.eval()), "after it the network stands in eval mode"),
    ("training_step", trained(share=1, zero="each", step="each"), "wipes out, goes back and steps in each turn"),
    ("training_step", trained(zero="each", step="each"), "steps down each level's share"),
    ("training_step", trained(share=1, step="each"), "down the sum of all levels so far"),
    ("training_step", trained(step="each"), "down all shares so far"),
    ("training_step", trained(zero="each"), "zero_grad stands in the loop, and wipes out"),
    ("training_step", trained(zero="each", share=1), "the last level alone moves the weights"),
    ("training_step", trained(share=4), "as many levels as come in"),
    ("normal_equations", lambda J, r, w: solved(J, r, w.sqrt()), "with the root of the weights"),
    ("normal_equations", lambda J, r, w: solved(J, r, w, right=torch.sqrt), "only the root of the weights"),
    ("normal_equations", lambda J, r, w: solved(J, r, w, right=torch.square), "the left side has the weights once"),
    ("hidden_turn", turned(lambda b, c: 100 * b * c), "a hundred times too large"),
    ("hidden_turn", turned(lambda b, c: 1e4 * b * c), "ten thousand times too large"),
    ("hidden_turn", turned(lambda b, c: b * c, shape=lambda T: T[0, :3]), "what you return is none"),
    ("hidden_turn", turned(lambda b, c: b * c, shape=lambda T: "turn"), "what you return is none"),
    ("hidden_turn", turned(lambda b, c: b * c, translation=lambda b: (0.0, 0.0, -b)), "moves along z"),
    ("hidden_turn", turned(lambda b, c: b * c * torch.pi / 180), "57 times too small"),
    ("painted_trap", lambda a, b: lambda x: 0 * x, "a black wall looks right at every depth"),
    ("painted_trap", lambda a, b: lambda x: 0.5 + 0.5 * torch.sin(x / (b - a)), "after which angle does a sine"),
]


@pytest.mark.parametrize("name, answer, says", NAMED)
def test_what_a_student_got_wrong_is_named(name, answer, says):
    for verdict in verdicts(name, answer):
        assert verdict.mistake is not None and says in verdict.text, verdict


@pytest.mark.parametrize("name, answer", [
    ("resize_intrinsics", lambda K, x, y: torch.tensor([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]]) @ K),
    ("resize_intrinsics", lambda K, x, y: resized()(K.double(), x, y)),
    ("relative_motion", lambda s, t: torch.linalg.solve(s, t)), ("relative_motion", moved),
    ("relative_motion", lambda s, t: torch.stack([inv(a) @ b for a, b in zip(s, t)])),
    ("backproject", lambda d, K: torch.stack([z * torch.einsum("ij,jhw->ihw", inv(k), grid_of(z)) for z, k in zip(
        d, K)])),
    ("backproject", lambda d, K: (inv(K).double() @ grid_of(d).double().flatten(1)).unflatten(2, d.shape[2:]) * d),
    ("source_pixels", placed()),
    ("source_pixels", lambda d, T, K: source_pixels(d.double(), T.double(), K.double())[0]),
    ("source_pixels", lambda d, T, K: torch.cat([source_pixels(*each)[0] for each in zip(
        d.split(1), T.split(1), K.split(1))])),
    ("sample", bilinear()), ("sample", bilinear(early=False)),
    ("sample", gridded(lambda p, steps: (2 * p + 1) / (steps + 1) - 1, align_corners=False)),
    ("visible", seen(lambda u, v, z, h, w: (u.round() >= 0) & (u.round() < w) & (v.round() >= 0) & (v.round() < h) & (
        z > 0))),
    ("median_scale", lambda p, g, m: g.where(m, torch.nan).flatten(1).nanquantile(0.5, 1)
     / p.where(m, torch.nan).flatten(1).nanquantile(0.5, 1)),
    ("warp", warped()), ("warp", lambda *args: list(warp(*args))),
    ("minimum_over_sources", lambda e, v: torch.stack([torch.stack([x[m].min() if m.any() else x.new_zeros(
        ()) for x, m in zip(a.flatten(1).T, b.flatten(1).T)]).view(a.shape[1:]) for a, b in zip(e, v)])),
    ("automask", lambda r, i, m=0.0: i - r > -m), ("automask", lambda r, i, m=0.0: ~(r >= i + m)),
    ("smoothness", smooth()), ("smoothness", lambda d, i: smooth()(d.double(), i.double())),
    ("smoothness", lambda d, i: torch.stack([smooth()(a[None], b[None]) for a, b in zip(d, i)]).mean()),
    ("ssim", structure()), ("ssim", lambda x, y: torch.cat([structure()(a, b) for a, b in zip(
        x.split(1, 1), y.split(1, 1))], 1)),
    ("photometric", lambda x, y: torch.stack([0.85 * losses.ssim_distance(x, y)[:, k] + 0.15 * F.l1_loss(
        x, y, reduction="none")[:, k] for k in range(3)]).mean(0)[:, None]),
    ("disp_to_depth", lambda d, a, b: a * b / (b * d + a * (1 - d))),
    ("disp_to_depth", lambda d, a, b: 1 / torch.lerp(torch.tensor(1 / b), torch.tensor(1 / a), d)),
    ("photometric_loss", lambda d, t, s, T, K: (losses.photometric_error(t, warp(s, d, T, K)[0]) * warp(
        s, d, T, K)[1]).sum() / warp(s, d, T, K)[1].sum()),
    ("training_step", trained()), ("training_step", trained(mode=lambda network: network.train())),
    ("training_step", trained(pair=lambda disps, levels: zip(disps[::-1], levels[::-1]))),
    ("normal_equations", solved), ("normal_equations", lambda J, r, w: -torch.linalg.lstsq(
        J.double() * w.sqrt()[..., None], (r * w.sqrt())[..., None].double()).solution[..., 0]),
    ("normal_equations", lambda J, r, w: torch.stack([solved(*(x[None] for x in each))[0] for each in zip(J, r, w)])),
    ("hidden_turn", turned(lambda b, c: b * c, shape=lambda T: T)),  # a batch of one, as the statement allows
    ("hidden_turn", turned(lambda b, c: b * c, shape=lambda T: T[0].tolist())),
    ("hidden_turn", turned(lambda b, c: b * c, shape=lambda T: T[0].double())),
])
def test_a_right_answer_of_another_idiom_passes(name, answer):
    for verdict in verdicts(name, answer):
        assert verdict.passed, verdict


# What no exercise lists

@pytest.mark.parametrize("answer, says", [
    (trained(pair=lambda disps, levels: zip(disps[::-1], levels)), "a map of 16 x 20 met a level of 64 x 80"),
    (trained(look=lambda levels: levels[1].target), "if the network looks at the full-size target"),
    (trained(look=lambda levels: levels[0]), "one image, such as levels[0].target, and got a Level"),
    (trained(meet=lambda loss_of, disp, level: loss_of(level, disp)), "a map of disparity first and its whole level"),
    (trained(meet=lambda loss_of, disp, level: loss_of(disp, level.target)), "and got a Tensor and a Tensor")])
def test_what_does_not_fit_in_a_training_step_is_refused_in_clear_words(answer, says):
    verdict = judge(checks.EXERCISES["training_step"], answer, 3)
    assert verdict.mistake == "raised" and says in verdict.text and "inputs:" not in verdict.text, verdict


@pytest.mark.parametrize("give, says", [
    (lambda loss: [loss, loss], "returns a list of 2; one number"), (lambda loss: f"{loss:.3f}", "returns a str; one"),
    (lambda loss: {"loss": loss}, "returns a dict; one"),
    (lambda loss: torch.tensor([loss]), "returns a Tensor of shape 1; one")])
@pytest.mark.parametrize("name", ["training_step", "mended_step"])
def test_a_step_that_returns_no_number_hears_what_it_returns(name, give, says):
    reference = checks.EXERCISES[name].reference
    verdict = judge(checks.EXERCISES[name], lambda *args: give(float(reference(*args))), 3)
    assert verdict.mistake == "another kind" and says in verdict.text, verdict


def test_numbers_that_vanish_beside_the_right_ones_have_no_factor():
    def bytes_for_shares(disp, image):
        weights = [torch.exp(-255 * image.diff(dim=axis).abs().mean(1, True)) for axis in (2, 3)]
        return sum((disp.diff(dim=axis).abs() * weight).mean() for axis, weight in zip((2, 3), weights))

    for seed in (1, 2, 30):
        assert "times what" not in judge(checks.EXERCISES["smoothness"], bytes_for_shares, seed).text


@pytest.mark.parametrize("answer", [lambda e, v: (e + ~v).amin(1) * v.any(1),
                                    lambda e, v: e.masked_fill(~v, 1.0).amin(1) * v.any(1),
                                    lambda e, v: (e / v).amin(1).nan_to_num(posinf=0.0)])
def test_an_error_that_a_blind_source_is_given_can_win(answer):
    assert not any(verdict.passed for verdict in verdicts("minimum_over_sources", answer))


def test_going_back_twice_is_explained():
    x = torch.ones(2, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError) as raised:
        loss.backward()
    assert "as it does inside a loop" in meaning(raised.value)


@pytest.mark.parametrize("motion, says", [
    (turned(lambda b, c: 60 * b * c), "more than ten times as far"),
    (lambda b, c: turned(lambda b, c: b * c)(b, c) * torch.tensor([[1.0], [1.0], [1.0], [0.0]]), "the last row of a"),
    (lambda b, c: torch.eye(4) + b * c * torch.eye(4).roll(2, 1) * torch.tensor([1.0, 0, 1, 0]), "no rigid motion")])
def test_a_motion_that_is_far_off_or_none_is_judged_without_a_huge_number(motion, says):
    for verdict in verdicts("hidden_turn", motion):
        assert says in verdict.text and not any(len(word) > 4 and word.isdigit() for word in verdict.text.split(
            "(The same")[0].split()), verdict
