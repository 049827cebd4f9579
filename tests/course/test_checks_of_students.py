"""What students typed in lessons 02 to 04: mistakes of a step of training, of its loss, and of what lies below it."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from semdepth_lite import camera, losses
from semdepth_lite.course import checks
from semdepth_lite.course.checks.judge import judge
from semdepth_lite.warp import source_pixels, warp


def trained(join):
    """A step of training with a way of its own to make one loss of those of the levels."""
    def answer(network, optimizer, levels, loss_of):
        loss = join([loss_of(disp, level) for disp, level in zip(network(levels[0].target), levels)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()
    return answer


def running(each):
    """The mean of the last mean and the next loss, turn by turn."""
    loss = each[0]
    for following in each[1:]:
        loss = (loss + following) / 2
    return loss


def divided_in_the_loop(each):
    """The sum, divided in each turn."""
    loss = 0
    for level in each:
        loss = loss + level
        loss = loss / len(each)
    return loss


def growing(network, optimizer, levels, loss_of):
    """A step that goes down the sum so far in each turn of the loop."""
    optimizer.zero_grad()
    loss = 0
    for disp, level in zip(network(levels[0].target), levels):
        loss = loss + loss_of(disp, level)
        loss.backward(retain_graph=True)
    optimizer.step()
    return (loss / len(levels)).item()


class Own:
    """Stands for an optimizer of one's own: a step down the gradient, by hand."""

    def __init__(self, parameters, rate):
        self.parameters, self.rate = list(parameters), rate

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        for parameter in self.parameters:
            parameter.data -= self.rate * parameter.grad


def projected_first(depth, T, K):
    """Pixels that are moved."""
    return in_the_image(camera.transform_points(T, torch.einsum("bij,bjhw->bihw", K, camera.backproject(depth, K))))


def in_the_image(points):
    """Points divided by their third number."""
    return points[:, :2] / points[:, 2:]


def down_the_columns(depth, T, K):
    """A list of pixels by meshgrid with the wrong indexing."""
    count, _, height, width = depth.shape
    u, v = torch.meshgrid(torch.arange(width).float(), torch.arange(height).float(), indexing="ij")
    rays = torch.linalg.inv(K) @ torch.stack([u, v, torch.ones_like(u)]).reshape(3, -1)
    moved = T[:, :3, :3] @ (depth.reshape(count, 1, -1) * rays) + T[:, :3, 3:]
    return in_the_image((K @ moved).reshape(count, 3, height, width))


def as_rows(turn, lens):
    """Points as rows, multiplied by some forms of R and K."""
    def answer(depth, T, K):
        points = camera.backproject(depth, K)
        moved = points.flatten(2).mT @ turn(T[:, :3, :3]) + T[:, None, :3, 3]
        return in_the_image((moved @ lens(K)).mT.reshape(points.shape))
    return answer


def of_painting(change, where=None):
    """The loss of a painting that was changed by its mask; its mean over the mask, or over some pixels."""
    def answer(depth, target, source, T, K):
        warped, valid = warp(source, depth, T, K)
        return losses.photometric_error(change(warped, valid, target), target)[valid if where is None else where].mean()
    return answer


def summed(network, optimizer, levels, loss_of):
    """A step that goes back for each level, and returns the mean."""
    optimizer.zero_grad()
    losses_of_levels = []
    for disp, level in zip(network(levels[0].target), levels):
        loss = loss_of(disp, level)
        loss.backward(retain_graph=True)
        losses_of_levels.append(loss.item())
    optimizer.step()
    return sum(losses_of_levels) / len(levels)


def painted(seen):
    """A warp with a mask of its own, of u, v, z, width and height."""
    def answer(source, depth, T, K):
        pixels, z = source_pixels(depth, T, K)
        return warp(source, depth, T, K)[0], seen(pixels[:, :1], pixels[:, 1:], z, source.shape[-1], source.shape[-2])
    return answer


def by_hand(align_corners):
    """A warp and a mask by positions from -1 to 1, with grid_sample's black outside."""
    def answer(source, depth, T, K):
        pixels, z = camera.project(camera.transform_points(T, camera.backproject(depth, K)), K)
        grid = 2 * pixels.permute(0, 2, 3, 1) / torch.tensor([source.shape[-1] - 1, source.shape[-2] - 1]) - 1
        seen = (grid.abs().amax(-1) <= 1)[:, None] & (z > 0)
        return F.grid_sample(source, grid, align_corners=align_corners), seen
    return answer


def copied(labels):
    """Borders whose lines for the rows are those for the columns once more, the first with =."""
    known = labels != 255
    across = (labels[:, :, 1:] != labels[:, :, :-1]) & known[:, :, 1:] & known[:, :, :-1]
    down = (labels[:, 1:] != labels[:, :-1]) & known[:, 1:] & known[:, :-1]
    border = torch.zeros_like(labels, dtype=torch.bool)
    border[:, :, :-1] = across
    border[:, :, 1:] |= across
    border[:, :-1] = down
    border[:, 1:] |= down
    return border


def structure(window):
    """The distance of structure with a window of its own."""
    def mean(image):
        return window(F.pad(image, (1, 1, 1, 1), mode="reflect"))

    def answer(x, y):
        a, b, one, two = mean(x), mean(y), 0.01**2, 0.03**2
        top = (2 * a * b + one) * (2 * (mean(x * y) - a * b) + two)
        bottom = (a**2 + b**2 + one) * (mean(x * x) - a**2 + mean(y * y) - b**2 + two)
        return (1 - top / bottom) / 2
    return answer


def smooth(change):
    """The smoothness with a change of color of its own."""
    return lambda disp, image: sum((disp.diff(dim=axis).abs() * torch.exp(-change(image.diff(dim=axis)))).mean()
                                   for axis in (2, 3))


@pytest.mark.parametrize("name, answer, says", [
    ("training_step", trained(join=lambda each: sum(each[1:]) / len(each)), "the finest level is not in your sum"),
    ("training_step", trained(join=lambda each: sum(each[1:]) / (len(each) - 1)), "the finest level is not in your"),
    ("training_step", trained(join=lambda each: sum(each[:-1]) / len(each)), "the coarsest level is not in your sum"),
    ("training_step", trained(join=running), "so later levels count more"),
    ("training_step", trained(join=divided_in_the_loop), "you divide inside the loop"),
    ("training_step", trained(join=lambda each: sum(each) / 2), "as many levels as come in"),
    ("training_step", trained(join=lambda each: (each[0] + each[1]) / 2), "the mean of the two finest levels"),
    ("training_step", trained(join=lambda each: (each[0] + each[-1]) / 2), "the two levels at the ends"),
    ("training_step", growing, "so the first levels count again and again"),
    ("source_pixels", projected_first, "you project first and move afterwards"),
    ("source_pixels", down_the_columns, "your list of pixels runs down the columns"),
    ("source_pixels", as_rows(lambda R: R.mT, lambda K: K), "you project with the transposed K"),
    ("source_pixels", as_rows(lambda R: R, lambda K: K), "rows are multiplied by R.mT and K.mT"),
    ("photometric_loss", of_painting(lambda warped, valid, target: warped * valid), "you black out the painting, and"),
    ("photometric_loss", of_painting(lambda warped, valid, target: warped * valid, slice(None)), "the painting alone"),
    ("photometric_loss", of_painting(lambda warped, valid, target: torch.where(valid, warped, target)), "windows at"),
    ("photometric_loss", of_painting(lambda warped, valid, target: torch.where(valid, warped, target), slice(None)),
     "which then counts as perfect"),
    ("disp_to_depth", lambda d, near, far: 1 / (far + (near - far) * d), "the two depths instead of their inverses"),
    ("disp_to_depth", lambda d, near, far: 1 / (d + 1e-6), "a small number keeps 0 from exploding"),
    ("training_step", summed, "but you go down the sum"),
    ("warp", painted(lambda u, v, z, w, h: (u >= 0) & (u < w) & (v >= 0) & (v < h) & (z > 0)), "if 0 is the edge"),
    ("warp", painted(lambda u, v, z, w, h: (u >= 0) & (u <= w - 1) & (v >= 0) & (v <= h - 1)), "half of each outer"),
    ("warp", painted(lambda u, v, z, w, h: (u >= 0) & (u < w) & (v >= 0) & (v < h)), "if 0 is the edge"),
    ("warp", painted(lambda u, v, z, w, h: (u > 0) & (u < w - 1) & (v > 0) & (v < h - 1) & (z > 0)), "outer pixel"),
    ("warp", by_hand(align_corners=True), "outside of the source you paint black; the nearest pixel of the rim"),
    ("warp", by_hand(align_corners=True), "And your mask cuts off half of each outer pixel"),
    ("warp", by_hand(align_corners=False), "more than one thing: the grid was made for pixel centers"),
    ("label_borders", copied, "each assignment with = wipes out"),
    ("abs_rel", lambda p, g, m: ((p - g).abs() / g).masked_fill(1 - m, 0).sum((1, 2)) / m.sum((1, 2)),
     "a mask is turned around with ~"),
    ("ranking_loss", lambda a, b, same: same * (a - b) ** 2 + (1 - same) * F.softplus(-(a - b).abs()), "turned around"),
    ("semantic_loss", lambda x, y: F.cross_entropy(x, y, ignore_index=255) / (y != 255).sum().clamp(min=1), "twice"),
    ("semantic_loss", lambda x, y: -(x.log_softmax(1).gather(1, y.masked_fill(y == 255, 0)[:, None]) * (
        y != 255)).sum() / (y != 255).sum().clamp(min=1), "with the mask of every other"),
    ("source_pixels", lambda d, T, K: in_the_image(torch.einsum("bij,bjhw->bihw", K, camera.transform_points(
        T, camera.backproject(d, torch.tensor([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]]) @ K)))) - 0.5, "half a pixel"),
    ("photometric_loss", lambda d, t, s, T, K: F.l1_loss(warp(s, d, T, K)[0], t), "and the rim counts"),
    ("ssim", structure(window=lambda image: F.conv2d(image, torch.ones(3, 1, 3, 3), groups=3)), "add up where"),
    ("ssim", structure(window=lambda image: F.conv2d(image, torch.ones(3, 3, 3, 3) / 9)), "reach through all colors"),
    ("smoothness", smooth(change=lambda x: x.norm(dim=1, keepdim=True)), "the length of the difference of the colors"),
])
def test_a_mistake_is_named(name, answer, says):
    for seed in (3,) if name == "training_step" else (3, 20):
        verdict = judge(checks.EXERCISES[name], answer, seed)
        assert verdict.mistake is not None and says in verdict.text, verdict


@pytest.mark.parametrize("own", [torch.optim.Adam, torch.optim.SGD, Own])
@pytest.mark.parametrize("name", ["training_step", "mended_step"])
def test_a_step_with_an_optimizer_of_ones_own_hears_of_the_one_that_comes_in(name, own):
    def answer(network, optimizer, *others):
        return checks.EXERCISES[name].reference(network, own(network.parameters(), optimizer.defaults["lr"]), *others)
    verdict = judge(checks.EXERCISES[name], answer, 3)
    assert verdict.mistake == "another kind" and "take the step with the one that comes in" in verdict.text, verdict
