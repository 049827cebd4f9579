"""Looking at the ranking loss's pairs: which are used, which are right by the true depth, and where they pull depth.

Only lessons and experiments look in here; training never does.
"""
from __future__ import annotations

import math

import torch

from ..borders import RankingSettings, ranking_loss, sample_pairs
from ..borders.edges import read_map
from ..borders.ranking import ANCHORS, FEWEST, Pairs, border_anchors, border_sides
from ..common.contracts import check_sizes

RIGHT = math.log(1.1)  # pairs should be pushed if their true depths differ by more than this ratio, pulled if by less


def quadruplets(pairs: Pairs, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the quadruplets behind sampled pairs, and which of them are used.

    Args:
        pairs: Pairs of `sample_pairs`: the three of each of J quadruplets, then J others.
        width: Width of the image, pixels.

    Returns:
        (B, J, 4, 2) places (u, v) of a, b, c, d; (B, J) bool, a pair of it pushes or pulls.
    """
    count = pairs.first.shape[1] // 4
    first, second, used = (part[:, :3 * count].unflatten(1, (count, 3))
                           for part in (pairs.first, pairs.second, pairs.push | pairs.pull))
    points = torch.cat((first, second[..., 2:]), 2)
    return torch.stack((points % width, points // width), -1), used.any(2)


def some_apart(places: torch.Tensor, apart: float) -> torch.Tensor:
    """Keep quadruplets whose lines stay apart from each other, the first ones first, so that a picture can show them.

    Args:
        places: (N, 4, 2) places (u, v) of a, b, c, d.
        apart: Smallest distance between two lines, pixels.

    Returns:
        (M, 4, 2), M <= N.
    """
    kept: list[torch.Tensor] = []
    lines: list[torch.Tensor] = []
    share = torch.linspace(0, 1, 9)[:, None]
    for quadruplet in places:
        line = quadruplet[0] + share * (quadruplet[3] - quadruplet[0])
        if all(float(torch.cdist(line, other).min()) >= apart for other in lines):
            kept.append(quadruplet)
            lines.append(line)
    return torch.stack(kept) if kept else places[:0]


def fullest_window(places: torch.Tensor, image: tuple[int, int], window: tuple[int, int]
                   ) -> tuple[tuple[int, int], tuple[int, int]]:
    """Find the part of an image in which the most quadruplets lie wholly, a pixel from its rim at least.

    Args:
        places: (N, 4, 2) places (u, v).
        image: Rows and columns of the image.
        window: Rows and columns of the part.

    Returns:
        The first row and the one after the last; the same for columns.
    """
    low, high = places.amin(1), places.amax(1)  # (N, 2) u, v
    inside = []
    for axis in (1, 0):
        first = torch.arange(image[1 - axis] - window[1 - axis] + 1)[:, None]
        inside.append((low[:, axis] > first) & (high[:, axis] < first + window[1 - axis] - 1))
    count = inside[0].float() @ inside[1].float().T
    top, left = divmod(int(count.argmax()), count.shape[1])
    return (top, top + window[0]), (left, left + window[1])


def judge_pairs(labels: torch.Tensor, depth: torch.Tensor, settings: RankingSettings, generator: torch.Generator,
                certainty: torch.Tensor | None = None) -> dict[str, float]:
    """Ask the true depth whether the pairs that labels propose are right. Ours.

    A pushed pair is right if its true depths differ by more than a tenth, a pulled pair if by less. The sky is
    farther than everything; a pair of two sky pixels agrees.

    Args:
        labels: (B, H, W) trainIds, as the loss sees them, right or wrong.
        depth: (B, 1, H, W) true depth, 0 = sky.
        settings: Settings of what is compared.
        generator: Generator on the CPU; decides which pairs are drawn.
        certainty: (B, H, W) weights of the points, see `point_certainty`; they weigh the shares, not the counts.

    Returns:
        drawn, used: quadruplets that were laid through a border pixel, and those of them that act on depth;
        push, pull: pairs that act, the extra ones included; push_right, pull_right: shares of them, nan without any.

    Raises:
        InputError: if the sizes of depth and labels differ.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    check_sizes(labels, "labels", "BHW", **sizes)
    pairs = sample_pairs(labels, settings, generator)
    _, used = quadruplets(pairs, labels.shape[2])
    log_depth = torch.where(depth > 0, depth, 1e4)[:, 0].log()
    differs = pairs.difference(log_depth).abs() > RIGHT
    total = border_anchors(border_sides(labels, settings)).flatten(1).sum(1)
    scale = labels.shape[2] / 640
    drawn = torch.where(total >= FEWEST * scale, total.clamp(max=max(1, round(ANCHORS * scale))), 0)
    weight = torch.ones_like(log_depth) if certainty is None else certainty
    weight = read_map(weight, pairs.first) * read_map(weight, pairs.second)
    right = {name: float((weight * agree * acts).sum() / (weight * acts).sum())
             for name, agree, acts in (("push_right", differs, pairs.push), ("pull_right", ~differs, pairs.pull))}
    return {"drawn": float(drawn.sum()), "used": float(used.sum()), "push": float(pairs.push.sum()),
            "pull": float(pairs.pull.sum()), **right}


def follow_ranking(depth: torch.Tensor, labels: torch.Tensor, generator: torch.Generator,
                   settings: RankingSettings = RankingSettings(), steps: int = 200, rate: float = 1.0) -> torch.Tensor:
    """Let the ranking loss alone move a depth map: gradient descent on ln d, no network and no image. Ours.

    What comes out is no better depth, but a picture of what the loss asks for.

    Args:
        depth: (B, 1, H, W) to start from.
        labels: (B, H, W) trainIds.
        generator: Generator on the CPU; new pairs are drawn in every step.
        settings: Settings of the loss.
        steps, rate: Steps and rate of the descent; the loss is a mean over thousands of pairs, hence the large rate.

    Returns:
        (B, 1, H, W).
    """
    log_depth = depth.detach().log().requires_grad_()
    for _ in range(steps):
        loss = ranking_loss(log_depth.exp(), labels, generator, settings) * len(depth)
        slope, = torch.autograd.grad(loss, log_depth)
        with torch.no_grad():
            log_depth -= rate * slope
    return log_depth.detach().exp()
