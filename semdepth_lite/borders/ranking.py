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
from ..common.contracts import InputError, check_choices, check_sizes, check_types
from ..common.precision import at_least_float32
from ..common.processes import draw
from ..labels import group_mask
from .edges import pixels_beside, read_map

# At 640 pixels of width, scaled with the width [inferred]; in parentheses what they do not fall below (ours).
ANCHORS = 2000      # quadruplets of an image, J, and as many random pairs, K
FEWEST = 50         # border pixels without which an image is left out
NEAR = (2.0, 8.0)   # px from the border to b and c (1, 2); closer, labels are not to be trusted
FAR = 20.0          # px from the border to a and d at most (4)
SMOOTHING = 2.0     # px, of the mask whose gradient is the border's normal (1)

THING, BEHIND = 1, 2  # the two sides of a border; 0 = neither


@dataclass(frozen=True)
class RankingSettings:
    """What is compared, and how.

    Attributes:
        things: Group of `labels.GROUPS` that stands in front; its borders are sampled. The papers' foreground leaves
            poles and signs out [measured: FIG2], the default includes them.
        against: Neighbor that makes a border of a thing count. With rest every border counts, and two labels are alike
            if both are things or neither is (as drawn). With backdrop only borders to `labels.GROUPS["backdrop"]`
            count, because a car touches the road it stands on at equal depth; alike are then pixels of one class, but
            not of the ground, which is slanted.
        variable: Quantity that is compared: log (of depth), disp (divided by its mean over the image) or depth (as
            drawn, in the model's unit).
        floor: Difference below which unlike pairs are left alone, as its sign is unknown; 0 = none (as drawn).
        cap: Difference above which unlike pairs are left alone, as it is enough; 0 = none (as drawn).
        certainty: Weight of a point by its predicted classes: product (probability of the side of its label), margin
            |2 s - 1|, entropy 1 - H(s) / ln 2, or none. The paper's formula is unknown.
        robust: Whether a dead zone is kept along the border, and a quadruplet is dropped whose labels do not agree on
            each side.
        signed: Whether unlike pairs know which side is in front: the thing. Without it they only have to differ (as
            drawn).
    """

    things: str = "foreground_wide"
    against: str = "backdrop"
    variable: str = "log"
    floor: float = 0.02
    cap: float = 0.6
    certainty: str = "product"
    robust: bool = True
    signed: bool = False

    def __post_init__(self) -> None:
        check_types(self)
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
        first, second: Flat indices row * W + column.
        push: Whether the depths of the pair shall differ, bool.
        pull: Whether they shall agree, bool; a pair that is neither pushed nor pulled was rejected.
        share: Factor of the pair in the loss of its image, 1 / (3 J) or 1 / K over the pairs that were not rejected.
        front: Whether the first lies on the thing, which stands in front, bool.
    """

    first: torch.Tensor
    second: torch.Tensor
    push: torch.Tensor
    pull: torch.Tensor
    share: torch.Tensor
    front: torch.Tensor

    def followed_by(self, others: Pairs) -> Pairs:
        """Append the pairs of the same images."""
        return Pairs(*(torch.cat(both, 1) for both in zip(vars(self).values(), vars(others).values())))

    def difference(self, image: torch.Tensor) -> torch.Tensor:
        """Return the value of a map (B, H, W) at the first point minus that at the second: (B, P)."""
        return read_map(image, self.first) - read_map(image, self.second)


@dataclass
class Quadruplets:
    """Four pixels a, b, c, d along the normal through each of J border pixels; the border runs between b and c.

    Attributes:
        points: (B, J, 4) flat indices of a, b, c, d.
        valid: (B, J) bool, all four lie in the image, and there is a border pixel with a normal.
    """

    points: torch.Tensor
    valid: torch.Tensor

    def pairs(self, labels: torch.Tensor, sides: torch.Tensor, settings: RankingSettings) -> Pairs:
        """Compare a with b, b with c and c with d: (B, 3 J) pairs, the three of a quadruplet side by side.

        Args:
            labels: (B, H, W) trainIds.
            sides: (B, H, W) from `border_sides`.
            settings: `against` decides which labels are alike, `robust` which quadruplets are kept.
        """
        first, second = self.points[..., :-1], self.points[..., 1:]
        unlike = opposite(read_map(sides, first), read_map(sides, second))
        if settings.against == "rest":
            same = (read_map(sides, first) == read_map(sides, second)) & (read_map(sides, second) > 0)
            alike = same
        else:
            same = (read_map(labels, first) == read_map(labels, second)) & (read_map(labels, second) != IGNORE)
            alike = same & ~group_mask(read_map(labels, second), "ground")
        kept = self.valid & (read_map(labels, self.points) != IGNORE).all(-1)
        if settings.robust:
            ab_same, bc_unlike, cd_same = same[..., 0], unlike[..., 1], same[..., 2]
            kept = kept & ab_same & bc_unlike & cd_same
        share = 1 / (3 * kept.sum(1, keepdim=True).clamp(min=1))
        push, pull = unlike & kept[..., None], alike & kept[..., None]
        front = read_map(sides, first) == THING
        return Pairs(first.flatten(1), second.flatten(1), push.flatten(1), pull.flatten(1),
                     share.expand(-1, push[0].numel()), front.flatten(1))


def border_sides(labels: torch.Tensor, settings: RankingSettings) -> torch.Tensor:
    """Mark which pixels of a label map (B, H, W) stand in front (1) and which behind (2); the others are 0."""
    thing = group_mask(labels, settings.things)
    behind = group_mask(labels, "backdrop") if settings.against == "backdrop" else labels != IGNORE
    return torch.where(thing, THING, torch.where(behind, BEHIND, 0))


def opposite(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mark where of two sides one is a thing and the other is behind: any shape."""
    return one * other == THING * BEHIND


def border_anchors(sides: torch.Tensor) -> torch.Tensor:
    """Mark both pixels of every 4-neighbor pair of a thing and what is behind it: (B, H, W) bool."""
    anchors = torch.zeros_like(sides, dtype=torch.bool)
    for dim in (1, 2):
        size = sides.shape[dim] - 1
        meets = opposite(sides.narrow(dim, 0, size), sides.narrow(dim, 1, size))
        anchors.narrow(dim, 0, size).logical_or_(meets)
        anchors.narrow(dim, 1, size).logical_or_(meets)
    return anchors


def normals(things: torch.Tensor, points: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Return the unit vectors (x, y) toward the things of a mask, at some of its pixels; 0 where there is none.

    They are the gradient of the mask after a Gaussian of `smoothing` pixels.

    Args:
        things: (B, H, W) bool.
        points: (B, N) flat indices.
        smoothing: Standard deviation of the Gaussian, px.

    Returns:
        (B, N, 2).
    """
    reach = math.ceil(2 * smoothing)
    axis = torch.arange(-reach, reach + 1, device=things.device)
    bell = torch.exp(-0.5 * (axis / smoothing) ** 2)
    bell = bell / bell.sum()
    x = F.pad(things[:, None].float(), (reach + 1,) * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, bell.view(1, 1, -1, 1)), bell.view(1, 1, 1, -1))[:, 0]
    right = read_map(x[:, 1:-1, 2:] - x[:, 1:-1, :-2], points)
    down = read_map(x[:, 2:, 1:-1] - x[:, :-2, 1:-1], points)
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
        settings: Settings of what counts as a border.
        generator: Generator on the CPU; it alone decides what is drawn.

    Returns:
        (B, 3 J + K) pairs, those of the quadruplets first.
    """
    batch, _, width = labels.shape
    labels = labels.long()
    sides = border_sides(labels, settings)
    count = max(1, round(ANCHORS * width / 640))
    chance = draw((batch, 2 * count, 5), generator, labels.device)  # for each anchor: one number to pick it, four more
    anchors, there = pick_anchors(border_anchors(sides), chance[..., 0], FEWEST * width / 640)
    quadruplets = lay_quadruplets(anchors[:, :count], chance[:, :count, 1:], sides == THING, settings)
    quadruplets.valid &= there[:, :count]
    scattered = scatter_pairs(anchors[:, count:], chance[:, count:, 1:], sides, there[:, count:])
    return quadruplets.pairs(labels, sides, settings).followed_by(scattered)


def pick_anchors(mask: torch.Tensor, chance: torch.Tensor, fewest: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Pick border pixels at random: J for quadruplets, then J for scattered pairs.

    Args:
        mask: (B, H, W) bool, the border pixels.
        chance: (B, 2 J) random numbers in [0, 1).
        fewest: Number of border pixels below which an image is left out.

    Returns:
        anchors (B, 2 J), flat indices; there (B, 2 J) bool, False beyond the number of border pixels.
    """
    rank = mask.flatten(1).long().cumsum(1)                   # the k-th border pixel is the first of rank k
    total = rank[:, -1:]
    wanted = (chance * total).long() + 1
    wanted = torch.minimum(wanted, total.clamp(min=1))
    anchors = torch.searchsorted(rank, wanted).clamp(max=rank.shape[1] - 1)
    half = chance.shape[1] // 2
    number = torch.arange(chance.shape[1], device=mask.device) % half
    return anchors, (number < total) & (total >= fewest)


def lay_quadruplets(anchors: torch.Tensor, chance: torch.Tensor, things: torch.Tensor, settings: RankingSettings
                    ) -> Quadruplets:
    """Lay a, b, c, d along the normal through each anchor, a and b behind, c and d on the thing.

    Args:
        anchors: (B, J) flat indices.
        chance: (B, J, 4) random numbers in [0, 1): where a, b, c and d lie between their bounds.
        things: (B, H, W) bool.
        settings: `robust` decides whether b and c keep away from the border.
    """
    _, height, width = things.shape
    scale = width / 640
    nearest = max(1.0, NEAR[0] * scale) if settings.robust else 0.0
    farthest, end = max(2.0, NEAR[1] * scale), max(4.0, FAR * scale)
    for_a, for_b, for_c, for_d = chance.unbind(-1)
    b = nearest + (farthest - nearest) * for_b                # distances from the anchor, px
    c = nearest + (farthest - nearest) * for_c
    a = b + 1 + (end - b - 1) * for_a
    d = c + 1 + (end - c - 1) * for_d
    distance = torch.stack((-a, -b, c, d), -1)                                                # (B, J, 4)
    normal = normals(things, anchors, max(1.0, SMOOTHING * scale))                            # (B, J, 2)
    points, inside = pixels_beside(anchors, distance[..., None] * normal[:, :, None], height, width)
    return Quadruplets(points, inside.all(-1) & (normal != 0).any(-1))


def scatter_pairs(anchors: torch.Tensor, chance: torch.Tensor, sides: torch.Tensor, there: torch.Tensor) -> Pairs:
    """Lay two random points in a disc around each anchor; the pair counts if they lie on unlike sides.

    Args:
        anchors: (B, K) flat indices.
        chance: (B, K, 4) random numbers in [0, 1): two for the radius, two for the angle.
        sides: (B, H, W) from `border_sides`.
        there: (B, K) bool, which anchors count.
    """
    _, height, width = sides.shape
    radius = max(4.0, FAR * width / 640) * chance[..., :2].sqrt()
    angle = 2 * math.pi * chance[..., 2:]
    offset = torch.stack((radius * angle.cos(), radius * angle.sin()), -1)                    # (B, K, 2, 2)
    points, inside = pixels_beside(anchors, offset, height, width)
    first, second = points.unbind(-1)
    push = inside.all(-1) & there & opposite(read_map(sides, first), read_map(sides, second))
    share = 1 / push.sum(1, keepdim=True).clamp(min=1)
    front = read_map(sides, first) == THING
    return Pairs(first, second, push, torch.zeros_like(push), share.expand(push.shape), front)


def point_certainty(probabilities: torch.Tensor, labels: torch.Tensor, group: str, kind: str) -> torch.Tensor:
    """Weigh each pixel by how sure the predicted classes are of its side.

    With s the probability of the group: product q = s inside the group's label and 1 - s outside, margin |2 s - 1|,
    entropy 1 - H(s) / ln 2 [inferred, the formula is unknown]. A pair's weight is the product over its two points, and
    a pair on which prediction and label disagree fades out.

    Args:
        probabilities: (B, 19, H, W), or (B, 1, H, W) of the group.
        labels: (B, H, W) trainIds.
        group: Key of `labels.GROUPS`.
        kind: Formula: product, margin or entropy.

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
    """Return what is compared, from depth (B, 1, H, W): its logarithm, disparity over its mean, or itself."""
    depth, = at_least_float32(depth)
    if variable == "log":
        return depth.log()
    if variable == "disp":
        disp = 1 / depth
        return disp / disp.mean((2, 3), keepdim=True)
    return depth


def pair_costs(difference: torch.Tensor, settings: RankingSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what pairs with a difference d0 - d1 cost if they are unlike, and what they cost if they are alike.

    Unlike pairs cost log(1 + e^{-x}) - log(1 + e^{-cap}) with x = |d0 - d1| clamped to [floor, cap], which is the
    printed case [figure: FIG2] where floor is 0 and there is no cap; like pairs cost (d0 - d1)^2. If pairs are signed,
    d0 is what lies behind and d1 the thing, and x = d0 - d1 has no floor: a thing that is too far is brought forward.
    """
    cap = settings.cap or math.inf
    gap = difference.clamp(max=cap) if settings.signed else difference.abs().clamp(settings.floor, cap)
    return F.softplus(-gap) - math.log1p(math.exp(-cap)), difference**2


def ranking_loss(depth: torch.Tensor, labels: torch.Tensor, generator: torch.Generator,
                 settings: RankingSettings = RankingSettings(), certainty: torch.Tensor | None = None) -> torch.Tensor:
    r"""Return the semantic-guided ranking loss, the mean over the images of a batch.

    See `pair_costs` for what a pair costs, the head of this file for the sum, and for what is inferred.

    Args:
        depth: (B, 1, H, W) predicted depth.
        labels: (B, H, W) trainIds, 255 = none.
        generator: Generator on the CPU; it alone decides which pairs are drawn.
        settings: Settings of what is compared, and how.
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
    difference = pairs.difference(values[:, 0])
    if settings.signed:  # the other's farness minus the thing's; disparity is nearness
        difference = torch.where(pairs.front ^ (settings.variable == "disp"), -difference, difference)
    pushed, pulled = pair_costs(difference, settings)
    cost = pairs.push * pushed + pairs.pull * pulled
    weight = pairs.share
    if certainty is not None:
        weight = weight * read_map(certainty, pairs.first) * read_map(certainty, pairs.second)
    return (weight * cost).sum() / len(depth)
