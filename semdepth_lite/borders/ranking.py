r"""SemDepth's semantic-guided ranking loss: across a mask's border depths differ, inside a mask they agree.

Printed in the overview figure [figure: FIG2]:

    L_SR = log(1 + exp(-|d0 - d1|))   for one of two cases,
           (d0 - d1)^2                for the other;
    L'_SR = 1/(3 J) sum_j L_SR over the pairs of quadruplet j  +  1/K sum_k L_SR of pair k.

That the first case belongs to unlike labels, that a quadruplet a, b, c, d lies along the normal of a border with the
pairs (a, b), (b, c), (c, d), and that K pairs drawn at random are added, is inferred (the scheme is that of Xian et al.
2020 [code: LERES]). Robust sampling and uncertainty weights are stated; their rules are ours.

The loss has no sign: it makes depths differ without knowing which is nearer, so it enlarges whatever difference there
is, right or wrong. Measured in the project's prototype: unbounded and started early it did great harm (AbsRel 0.175 to
0.238, while the edge metrics looked excellent); started late, at low weight, on log depth, silent below a difference
whose sign means nothing and above one that is enough, it sharpened borders and harmed nothing. That form is the default
here; cap and weight were chosen on validation scenes (experiment `search`). `AS_PRINTED` in `variants.py` names the
printed one.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..classes import GROUPS, IGNORE
from ..common.contracts import InputError, check_choices, check_sizes
from ..labels import group_mask
from .edges import draw

# At 640 pixels of width, scaled with the width [inferred]; in parentheses what they do not fall below (ours).
ANCHORS = 2000      # quadruplets of an image, J, and as many random pairs, K
FEWEST = 50         # border pixels without which an image is left out
NEAR = (2.0, 8.0)   # px from the border to b and c (1, 2); closer, labels are not to be trusted
FAR = 20.0          # px from the border to a and d at most (4)
SMOOTHING = 2.0     # px, of the mask whose gradient is the border's normal (1)


@dataclass(frozen=True)
class RankingSettings:
    """What is compared, and how.

    Attributes:
        things: group of `labels.GROUPS` that stands in front; its borders are sampled. The papers' foreground leaves
            poles and signs out [measured: FIG2], the default includes them.
        against: rest, and every border of a thing counts, two labels being alike if both are things or neither is (as
            drawn); backdrop, and only borders to `labels.GROUPS["backdrop"]` count, because a car touches the road it
            stands on at equal depth; alike are then pixels of one class, the ground left out, which is slanted.
        variable: log (of depth), disp (divided by its mean over the image) or depth (as drawn, in the model's unit).
        floor: difference below which unlike pairs are left alone, as its sign is unknown; 0 = none (as drawn).
        cap: difference above which they are, as it is enough; 0 = none (as drawn).
        certainty: how the predicted classes weigh a point: product (probability of the side its label says), margin
            |2 s - 1|, entropy 1 - H(s) / ln 2, or none. The paper's formula is unknown.
        robust: keep a dead zone along the border, and drop a quadruplet whose labels do not agree on each side.
    """

    things: str = "foreground_wide"
    against: str = "backdrop"
    variable: str = "log"
    floor: float = 0.02
    cap: float = 0.6
    certainty: str = "product"
    robust: bool = True

    def __post_init__(self) -> None:
        check_choices(self, {
            "things": tuple(GROUPS), "against": ("backdrop", "rest"), "variable": ("log", "disp", "depth"),
            "certainty": ("product", "margin", "entropy", "none")})
        if not 0 <= self.floor < (self.cap or math.inf):
            raise InputError(f"floor {self.floor} is not between 0 and cap {self.cap}; use 0.02 and "
                             "0.6, for instance.")


@dataclass
class Pairs:
    """Pairs of pixels to compare, (B, P) each.

    Attributes:
        first, second: flat indices row * W + column.
        push, pull: bool, the pair's depths shall differ, shall agree; neither = the pair was rejected.
        share: the factor of the pair in its image's loss, 1 / (3 J) or 1 / K over the pairs that were not rejected.
    """

    first: torch.Tensor
    second: torch.Tensor
    push: torch.Tensor
    pull: torch.Tensor
    share: torch.Tensor


THING, BEHIND = 1, 2  # sides of a border; 0 = neither, and only the product of the two is 2


def border_sides(labels: torch.Tensor, settings: RankingSettings) -> torch.Tensor:
    """Tell which pixels of a label map (B, H, W) stand in front (1) and which behind (2); the others are 0."""
    thing = group_mask(labels, settings.things)
    behind = group_mask(labels, "backdrop") if settings.against == "backdrop" else labels != IGNORE
    return torch.where(thing, THING, torch.where(behind, BEHIND, 0))


def border_anchors(sides: torch.Tensor) -> torch.Tensor:
    """Mark both pixels of every 4-neighbor pair of a thing and what is behind it: (B, H, W) bool."""
    anchors = torch.zeros_like(sides, dtype=torch.bool)
    for dim in (1, 2):
        size = sides.shape[dim] - 1
        meets = sides.narrow(dim, 0, size) * sides.narrow(dim, 1, size) == THING * BEHIND
        anchors.narrow(dim, 0, size).logical_or_(meets)
        anchors.narrow(dim, 1, size).logical_or_(meets)
    return anchors


def normals(things: torch.Tensor, points: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Return the unit vectors (x, y) toward the things of a mask, at some of its pixels; 0 where there is none.

    They are the gradient of the mask after a Gaussian of `smoothing` pixels.

    Args:
        things: (B, H, W) bool.
        points: (B, N) flat indices.
        smoothing: px.

    Returns:
        (B, N, 2).
    """
    reach = math.ceil(2 * smoothing)
    axis = torch.arange(-reach, reach + 1, device=things.device)
    bell = torch.exp(-0.5 * (axis / smoothing) ** 2)
    bell = bell / bell.sum()
    x = F.pad(things[:, None].float(), (reach + 1,) * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, bell.view(1, 1, -1, 1)), bell.view(1, 1, 1, -1))[:, 0]
    right = _at(x[:, 1:-1, 2:] - x[:, 1:-1, :-2], points)
    down = _at(x[:, 2:, 1:-1] - x[:, :-2, 1:-1], points)
    length = torch.hypot(right, down)[..., None]
    return torch.where(length > 1e-3, torch.stack((right, down), -1) / length.clamp(min=1e-3), 0)


def sample_pairs(labels: torch.Tensor, settings: RankingSettings, generator: torch.Generator) -> Pairs:
    """Draw the pairs that the loss compares.

    J anchors are drawn from the border pixels, with replacement, at most as many as there are. Each gives a quadruplet
    along the normal: a, b on one side, c, d on the other, b and c close to the border and a and d farther out. Robust
    sampling wants b and c on unlike sides, a like b and d like c; without it each pair counts by its own two labels.
    K = J pairs more are two random points around one border pixel that lie on unlike sides: pairs drawn from the whole
    image would pull near and far road together [inferred]. They have no dead zone, for thin objects, which are too
    narrow for a quadruplet, have only them (ours). Nothing in here waits for a GPU.

    Args:
        labels: (B, H, W) trainIds, 255 = none.
        settings: what counts as a border.
        generator: on the CPU; it alone decides what is drawn.

    Returns:
        (B, 3 J + K) pairs, those of the quadruplets first.
    """
    batch, height, width = labels.shape
    count = max(1, round(ANCHORS * width / 640))
    sides = border_sides(labels, settings)
    drawn = draw((batch, 2 * count, 5), generator, labels.device)
    anchors, there = _pick(border_anchors(sides), drawn[..., 0], FEWEST * width / 640)
    place = torch.stack((anchors % width, anchors // width), -1)[:, :, None]                  # (B, 2 J, 1, 2)
    points, inside = _around(place[:, :count], anchors[:, :count], drawn[:, :count, 1:], sides == THING, settings)
    first, second, unlike, alike, kept = _quadruplets(points, inside & there[:, :count, None], sides, labels, settings)
    other, within = _scattered(place[:, count:], drawn[:, count:, 1:], sides)
    o_first, o_second = other.unbind(-1)
    straddles = within & there[:, count:] & (_at(sides, o_first) * _at(sides, o_second) == THING * BEHIND)
    quads, others = kept.sum(1, keepdim=True).clamp(min=1), straddles.sum(1, keepdim=True).clamp(min=1)
    share = torch.cat(((1 / (3 * quads)).expand(batch, 3 * count), (1 / others).expand(batch, count)), 1)
    return Pairs(torch.cat((first, o_first), 1), torch.cat((second, o_second), 1), torch.cat((unlike, straddles), 1),
                 torch.cat((alike, torch.zeros_like(straddles)), 1), share)


def _pick(mask: torch.Tensor, random: torch.Tensor, fewest: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw pixels of a mask (B, H, W) by random numbers (B, 2 J): flat indices, and whether they count."""
    order = mask.flatten(1).long().cumsum(1)
    total = order[:, -1:]
    wanted = torch.minimum((random * total).long() + 1, total.clamp(min=1))
    picked = torch.searchsorted(order, wanted).clamp(max=order.shape[1] - 1)
    rank = torch.arange(random.shape[1], device=mask.device) % (random.shape[1] // 2)
    return picked, (rank < total) & (total >= fewest)


def _around(place: torch.Tensor, anchors: torch.Tensor, random: torch.Tensor, things: torch.Tensor,
            settings: RankingSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay a, b, c, d through each anchor: flat indices (B, J, 4), and whether they lie in the image."""
    _, height, width = things.shape
    scale = width / 640
    nearest = max(1.0, NEAR[0] * scale) if settings.robust else 0.0
    farthest, end = max(2.0, NEAR[1] * scale), max(4.0, FAR * scale)
    inner = nearest + (farthest - nearest) * random[..., 1:3]
    outer = inner + 1 + (end - inner - 1) * random[..., 0::3]
    distance = torch.stack((-outer[..., 0], -inner[..., 0], inner[..., 1], outer[..., 1]), -1)
    direction = normals(things, anchors, max(1.0, SMOOTHING * scale))[:, :, None]             # (B, J, 1, 2)
    points, inside = _flat(place + direction * distance[..., None], height, width)
    return points, inside & (direction != 0).any(-1)


def _scattered(place: torch.Tensor, random: torch.Tensor, sides: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay two random points around each anchor, in a disc: flat indices (B, J, 2), and whether both are inside."""
    _, height, width = sides.shape
    radius = max(4.0, FAR * width / 640) * random[..., :2].sqrt()
    angle = 2 * math.pi * random[..., 2:]
    offset = torch.stack((radius * angle.cos(), radius * angle.sin()), -1)
    points, inside = _flat(place + offset, height, width)
    return points, inside.all(-1)


def _flat(xy: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn positions (..., 2) into flat indices of the nearest pixels, and tell which lie in the image."""
    x, y = xy.round().long().unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return y.clamp(0, height - 1) * width + x.clamp(0, width - 1), inside


def _at(image: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Read a map (B, H, W) at flat indices (B, ...)."""
    return image.flatten(1).gather(1, points.flatten(1)).view(points.shape)


def _quadruplets(points: torch.Tensor, valid: torch.Tensor, sides: torch.Tensor, labels: torch.Tensor,
                 settings: RankingSettings) -> tuple[torch.Tensor, ...]:
    """Turn quadruplets (B, J, 4) into their pairs (B, 3 J): first, second, unlike, alike; and (B, J) which count."""
    side, label = _at(sides, points), _at(labels.long(), points)
    unlike = side[..., :-1] * side[..., 1:] == THING * BEHIND
    if settings.against == "rest":
        same = (side[..., :-1] == side[..., 1:]) & (side[..., 1:] > 0)
        alike = same
    else:
        same = (label[..., :-1] == label[..., 1:]) & (label[..., 1:] != IGNORE)
        alike = same & ~group_mask(label[..., 1:], "ground")
    kept = valid.all(-1) & (label != IGNORE).all(-1)
    if settings.robust:
        kept = kept & same[..., 0] & unlike[..., 1] & same[..., 2]
    pairs = (points[..., :-1], points[..., 1:], unlike & kept[..., None], alike & kept[..., None])
    return *(part.flatten(1) for part in pairs), kept


def point_certainty(probabilities: torch.Tensor, labels: torch.Tensor, group: str, kind: str) -> torch.Tensor:
    """Weigh each pixel by how sure the predicted classes are of its side.

    With s the probability of the group: product q = s inside the group's label and 1 - s outside, margin |2 s - 1|,
    entropy 1 - H(s) / ln 2 [inferred, the formula is unknown]. A pair's weight is the product over its two points, and
    a pair on which prediction and label disagree fades out.

    Args:
        probabilities: (B, 19, H, W), or (B, 1, H, W) of the group.
        labels: (B, H, W) trainIds.
        group: key of `labels.GROUPS`.
        kind: product, margin or entropy.

    Returns:
        (B, H, W) in [0, 1], without gradient.
    """
    probabilities = probabilities.detach()
    if probabilities.shape[1] == 1:
        inside = probabilities[:, 0]
    else:
        member = group_mask(torch.arange(probabilities.shape[1], device=labels.device), group)
        inside = probabilities.movedim(1, -1) @ member.to(probabilities.dtype)
    inside = inside.clamp(0, 1)
    if kind == "product":
        return torch.where(group_mask(labels, group), inside, 1 - inside)
    if kind == "margin":
        return (2 * inside - 1).abs()
    outside = 1 - inside
    return 1 + (torch.xlogy(inside, inside) + torch.xlogy(outside, outside)) / math.log(2)


def ranking_variable(depth: torch.Tensor, variable: str) -> torch.Tensor:
    """Return what is compared, from depth (B, 1, H, W): its logarithm, disparity over its mean, or itself; float32."""
    depth = depth if depth.dtype == torch.float64 else depth.float()
    if variable == "log":
        return depth.log()
    if variable == "disp":
        disp = 1 / depth
        return disp / disp.mean((2, 3), keepdim=True)
    return depth


def pair_costs(difference: torch.Tensor, settings: RankingSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what pairs of a difference d0 - d1 cost if they are unlike, and what they cost if they are alike.

    Unlike pairs cost log(1 + e^{-x}) - log(1 + e^{-cap}) with x = |d0 - d1| clamped to [floor, cap], which is the
    printed case [figure: FIG2] where floor is 0 and there is no cap; like pairs cost (d0 - d1)^2.
    """
    gap, cap = difference.abs(), settings.cap or math.inf
    return F.softplus(-gap.clamp(settings.floor, cap)) - math.log1p(math.exp(-cap)), gap**2


def ranking_loss(depth: torch.Tensor, labels: torch.Tensor, generator: torch.Generator,
                 settings: RankingSettings = RankingSettings(), certainty: torch.Tensor | None = None) -> torch.Tensor:
    r"""Return the semantic-guided ranking loss, the mean over the images of a batch.

    See `pair_costs` for what a pair costs, the head of this file for the sum, and for what is inferred.

    Args:
        depth: (B, 1, H, W) predicted.
        labels: (B, H, W) trainIds, 255 = none.
        generator: on the CPU; it alone decides which pairs are drawn.
        settings: what is compared, and how.
        certainty: (B, H, W) weights of the points, see `point_certainty`; None = 1.

    Returns:
        Scalar; an image without borders contributes 0.

    Raises:
        InputError: if the sizes of depth and labels differ.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    check_sizes(labels, "labels", "BHW", **sizes)
    pairs = sample_pairs(labels, settings, generator)
    values = ranking_variable(depth, settings.variable)
    pushed, pulled = pair_costs(_at(values[:, 0], pairs.first) - _at(values[:, 0], pairs.second), settings)
    cost = pairs.push * pushed + pairs.pull * pulled
    weight = pairs.share
    if certainty is not None:
        weight = weight * _at(certainty, pairs.first) * _at(certainty, pairs.second)
    return (weight * cost).sum() / len(depth)
