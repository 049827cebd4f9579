"""Depth errors where depth breaks: bands along label borders, thin things, both sides of a jump, and the edges.

Two kinds of border live here. A *label border* is where the class changes; a *discontinuity* is where the true depth
jumps. Definitions and thresholds follow the project's prototype and are ours, except where a paper is named; the
papers do not publish their border metrics [unknown]. Pixel constants suit images 192 to 320 pixels wide.

Every function takes (B, H, W) maps; predictions come scaled by the whole image, and no function here scales again.
What compares depths across a border takes ln d, because its definitions are ratios. A result is (B,), nan for an image
that has nothing to judge.

On a CPU, a comparison that writes into a number map and is then made bool takes a third of the time of one that
makes the bool map itself; hence `(a - b).gt_(c).bool()` where one would write `a - b > c`.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..classes import IGNORE, NAMES
from ..common.contracts import InputError, check_sizes
from ..labels import group_mask, label_borders
from .depth import ErrorMaps, masked_share, to_float


def squared_distance_to(mask: torch.Tensor, limit: float) -> torch.Tensor:
    """Measure the squared distance of each pixel from the nearest masked pixel, exactly, up to a limit.

    The squared Euclidean distance separates into rows and columns (Felzenszwalb and Huttenlocher 2012); because it is
    cut at the limit, a few shifts in each direction are enough, in integers so small that memory sets the pace.

    Args:
        mask: (B, H, W) bool.
        limit: largest distance, px; everything farther, and an empty map, gets its square (rounded up).

    Returns:
        (B, H, W) squared distance between pixel centres, px^2, in the smallest integer type that holds it.

    Raises:
        InputError: if the mask is not BxHxW or the limit is not positive.
    """
    check_sizes(mask, "mask", "BHW")
    if limit <= 0:
        raise InputError(f"distance limit {limit} is not positive; use a number of pixels such as 10.")
    reach = math.ceil(limit)
    dtype = torch.uint8 if reach <= 11 else torch.int16 if reach < 128 else torch.int32  # holds 2 reach^2
    along = (~mask).to(dtype) * reach  # steps to the mask along the row
    step = 1
    while step < reach:  # steps of 1, 2, 4, ... compose every distance up to the reach
        _lower(along[..., step:], along[..., :-step] + step)
        _lower(along[..., :-step], along[..., step:] + step)
        step *= 2
    squared = along * along
    best = squared.clone()
    for row in range(1, reach):
        farther = squared + row * row
        _lower(best[:, row:], farther[:, :-row])
        _lower(best[:, :-row], farther[:, row:])
    return best.clamp_(max=math.ceil(limit**2))


def _lower(target: torch.Tensor, bound: torch.Tensor) -> None:
    torch.minimum(target, bound, out=target)


def distance_to(mask: torch.Tensor, limit: float) -> torch.Tensor:
    """Return the distance whose square is `squared_distance_to`, at most `limit`: (B, H, W) float32, px."""
    return squared_distance_to(mask, limit).float().sqrt_().clamp_(max=limit)


def border_band(labels: torch.Tensor, radius: float = 1.5, inner_radius: float = 4.0
                ) -> tuple[torch.Tensor, torch.Tensor]:
    """Split an image into a band around the label borders and the inner parts of the segments.

    A border pixel is either pixel of a 4-neighbor pair whose labels differ (`labels.label_borders`). The band holds
    the pixels at most `radius` from a border pixel, inner those more than `inner_radius` away; what lies between
    belongs to neither, and so does a pixel without a label. Borders to the sky count; the sky's own pixels have no
    depth and drop out of every error.

    Args:
        labels: (B, H, W) trainIds.
        radius: half width of the band, px.
        inner_radius: distance beyond which a pixel is inner, px.

    Returns:
        band, inner: (B, H, W) bool each.
    """
    squared = squared_distance_to(label_borders(labels), max(radius, inner_radius) + 1)
    labeled = labels != IGNORE
    return _at_most(squared, radius**2) & labeled, ~_at_most(squared, inner_radius**2) & labeled


def _at_most(integers: torch.Tensor, bound: float) -> torch.Tensor:
    # In place and in bytes a comparison is ten times as fast on a CPU as one that has to make a bool map.
    return integers.clone().le_(math.floor(bound)).bool()


def thin_structures(labels: torch.Tensor, gt: torch.Tensor, closer_than: float = 40.0) -> torch.Tensor:
    """Mark poles, lights, signs, people and two-wheelers (`labels.GROUPS["thin"]`) closer than a distance in m."""
    return group_mask(labels, "thin") & (gt < closer_than)


@dataclass(frozen=True)
class Sides:
    """The two sides of every depth discontinuity, all (B, H, W).

    near, far: bool, the pixel belongs to the object in front, to what lies behind.
    nearest, farthest: log depth of the nearest and the farthest known pixel in the window.
    """

    near: torch.Tensor
    far: torch.Tensor
    nearest: torch.Tensor
    farthest: torch.Tensor


def discontinuity_sides(log_gt: torch.Tensor, known: torch.Tensor, window: int = 5, jump: float = 0.25) -> Sides:
    """Find the discontinuities of a true depth map and tell their near from their far side.

    A known pixel lies at a discontinuity if ln d, over the known pixels of the window around it, spans more than
    `jump`. It is near if its own ln d is closer to the window's smallest than to its largest value, else far. Unknown
    pixels (the sky) are left out, so a roof against the sky is no discontinuity. Ground seen at a grazing angle close
    to the horizon spans that much too and is counted in, as in the prototype.

    Args:
        log_gt: (B, H, W) ln of the true depth; any number where there is none.
        known: (B, H, W) bool, where there is depth.
        window: odd side of the window, px.
        jump: span of ln d above which depth is discontinuous; 0.25 is a ratio of 1.28.

    Returns:
        The two sides.

    Raises:
        InputError: if shapes differ or the window is not odd.
    """
    check_sizes(known, "known", "BHW", **check_sizes(log_gt, "log_gt", "BHW"))
    if window % 2 == 0:
        raise InputError(f"window {window} is even; use an odd number of pixels such as 5.")
    unknown = ~known
    farthest = _window_max(log_gt.masked_fill(unknown, -math.inf), window)
    nearest = _window_max((-log_gt).masked_fill_(unknown, -math.inf), window).neg_()
    broken = known & (farthest - nearest).gt_(jump).bool()
    front = (farthest + nearest).gt_(2 * log_gt).bool()
    return Sides(broken & front, broken & ~front, nearest, farthest)


def _window_max(values: torch.Tensor, window: int) -> torch.Tensor:
    """Return the maximum over a square window around each pixel, cut at the image's rim: (B, H, W)."""
    half = window // 2
    for around in ((0, 0, half, half), (half, half, 0, 0)):  # a square separates into rows and columns
        dim = 1 if around[3] else 2
        values = F.pad(values, around, value=-math.inf)
        reached = 1
        while reached < window:  # the maximum of 2, 4, ... neighbors; slices are faster than max-pooling on a CPU
            step = min(reached, window - reached)
            size = values.shape[dim] - step
            values = torch.maximum(values.narrow(dim, 0, size), values.narrow(dim, step, size))
            reached += step
    return values


def fattening(log_pred: torch.Tensor, log_gt: torch.Tensor, mask: torch.Tensor, sides: Sides
              ) -> dict[str, torch.Tensor]:
    """Measure how often an object's depth runs over its border, and how often it falls short of it.

    fat = share of far-side pixels with |ln p - nearest| < |ln p - ln d|: the prediction p is closer to the depth of
    the object in front, within the window, than to the pixel's own depth d. shr (shrinking) = share of near-side
    pixels with |ln p - farthest| < |ln p - ln d|. Blur raises both; read them beside a constant prediction's.

    Args:
        log_pred: (B, H, W) ln of the predicted depth, scaled and clipped.
        log_gt: (B, H, W) ln of the true depth.
        mask: (B, H, W) bool, the pixels that count.
        sides: from `discontinuity_sides` of the true depth.

    Returns:
        fat, shr: (B,) shares; nan for an image without that side.
    """
    # p is closer to a than to d exactly when it lies beyond their middle, on a's side.
    beyond = 2 * log_pred - log_gt
    taken, lost = (beyond - sides.nearest).lt_(0).bool(), (beyond - sides.farthest).gt_(0).bool()
    return {"fat": masked_share(taken, mask & sides.far), "shr": masked_share(lost, mask & sides.near)}


def depth_edges(log_depth: torch.Tensor, known: torch.Tensor, jump: float = 0.25) -> torch.Tensor:
    """Detect the edges of a depth map with this project's own detector (not Canny).

    J_x(u, v) = |ln d(u+1, v) - ln d(u-1, v)|, likewise J_y along v: the jump over two pixels. J is 0 where one of the
    three pixels is unknown or outside. A pixel is an edge if J_x >= jump and J_x is not smaller than that of its left
    and right neighbor, or the same with J_y above and below. Both pixels of a clean step are edges, so that a
    mirrored map has mirrored edges.

    Args:
        log_depth: (B, H, W) ln of a depth map; any number where it is not known.
        known: (B, H, W) bool; use the ground truth's for a prediction too, so that the sky makes no edges.
        jump: threshold on J, a difference of natural logarithms.

    Returns:
        (B, H, W) bool.

    Raises:
        InputError: if shapes differ.
    """
    check_sizes(known, "known", "BHW", **check_sizes(log_depth, "log_depth", "BHW"))
    edges = torch.zeros_like(log_depth)
    for dim in (1, 2):
        size = log_depth.shape[dim]
        if size < 3:
            continue
        before, here, after = ((start, size - 2) for start in (0, 1, 2))
        step = torch.zeros_like(log_depth)
        inside = step.narrow(dim, *here)
        torch.sub(log_depth.narrow(dim, *after), log_depth.narrow(dim, *before), out=inside)
        judged = known.narrow(dim, *after) & known.narrow(dim, *here) & known.narrow(dim, *before)
        inside.abs_().mul_(to_float(judged, step.dtype))
        rival = step.clamp(min=jump)  # what an edge has to reach: the threshold and both neighbors
        first, second = rival.narrow(dim, 0, size - 1), rival.narrow(dim, 1, size - 1)
        torch.maximum(first, step.narrow(dim, 1, size - 1), out=first)
        torch.maximum(second, step.narrow(dim, 0, size - 1), out=second)
        torch.maximum(edges, step.ge_(rival), out=edges)
    return edges.bool()


def check_match_radius(radius: float, limit: float) -> None:
    """Refuse a radius within which edges match (pixels) that is not below the limit at which distances are cut.

    Raises:
        InputError: if it is not; all edges would match.
    """
    if not 0 <= radius < limit < math.inf:
        raise InputError(f"edges that match within {radius} px and distances that are cut at {limit} px do not fit; "
                         "use a radius below the limit, such as 1.5 and 10.")


def edge_agreement(pred_edges: torch.Tensor, gt_edges: torch.Tensor, radius: float = 1.5, limit: float = 10.0
                   ) -> dict[str, torch.Tensor]:
    r"""Compare predicted with true edges: precision, recall, F, and the depth boundary error.

    With D and D' the distances to the nearest true and the nearest predicted edge:
    edge_precision = share of predicted edge pixels with D <= radius; edge_recall = share of true ones with
    D' <= radius; edge_f = 2 P R / (P + R), 0 when nothing is predicted or nothing matches.
    dbe_acc = mean D over predicted edge pixels with D < limit, and the limit if there are none;
    dbe_comp = (sum of min(D, limit) over predicted + sum of min(D', limit) over true) / (number of both).

    Args:
        pred_edges, gt_edges: (B, H, W) bool.
        radius: largest distance of a match, px.
        limit: where distances are cut, px.

    Returns:
        edge_precision, edge_recall, edge_f, dbe_acc, dbe_comp: (B,); all nan for an image without a true edge,
        precision also nan where nothing is predicted. Source of the boundary error: Koch et al. 2018, as their script
        computes it [code: IBIMS], with `depth_edges` in place of Canny and without its rescaling to [0, 1].

    Raises:
        InputError: if shapes differ, or the radius is not below the limit: where distances are cut, all would match.
    """
    check_sizes(pred_edges, "pred_edges", "BHW", **check_sizes(gt_edges, "gt_edges", "BHW"))
    check_match_radius(radius, limit)
    squared = squared_distance_to(torch.cat([gt_edges, pred_edges]), limit)  # of each kind to the other
    places = _places(torch.cat([pred_edges, gt_edges]))  # few: no maps from here on
    images = places // squared[0].numel()
    distance = squared.flatten()[places].double().sqrt().clamp(max=limit)
    facts = torch.stack([torch.ones_like(distance), distance <= radius, distance < limit, distance], 1)
    sums = facts.new_zeros(len(squared), 4).index_add_(0, images, facts).float()
    (predicted, pred_hits, close, pred_miss), (true, true_hits, _, true_miss) = sums.view(2, -1, 4).mT
    precision, recall = pred_hits / predicted, true_hits / true
    f = torch.where(recall > 0, 2 * precision * recall / (precision + recall), 0.0)
    accuracy = torch.where(close > 0, (pred_miss - limit * (predicted - close)) / close, limit)
    completeness = (pred_miss + true_miss) / (predicted + true)
    agreement = {"edge_precision": precision, "edge_recall": recall, "edge_f": f, "dbe_acc": accuracy,
                 "dbe_comp": completeness}
    return {name: torch.where(true > 0, value, torch.nan) for name, value in agreement.items()}


def _places(mask: torch.Tensor) -> torch.Tensor:
    """Return where the flat mask is True; NumPy is twice as fast on a CPU."""
    if mask.device.type != "cpu":
        return mask.flatten().nonzero()[:, 0]
    return torch.from_numpy(np.flatnonzero(mask.numpy()))


def region_errors(errors: ErrorMaps, regions: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Compute abs_rel and a1 (`depth_errors`) inside each of several regions, in one pass.

    Args:
        errors: of the whole image, from `error_maps`.
        regions: name: (B, H, W) bool.

    Returns:
        NAME_abs_rel, NAME_a1: (B,), nan where an image has no such pixel; NAME_pixels: (B,) their number.

    Raises:
        InputError: if a region has another size than the image.
    """
    sizes = check_sizes(errors.weight, "errors", "BHW")
    for name, region in regions.items():
        check_sizes(region, f"region {name}", "BHW", **sizes)
    maps = torch.stack([errors.relative, errors.wrong, errors.weight], 1).flatten(2)
    member = to_float(torch.stack(list(regions.values()), 1), maps.dtype).flatten(2)   # (B, R, H W)
    sums = member @ maps.mT                                                            # (B, R, 3)
    results: dict[str, torch.Tensor] = {}
    for name, (relative, wrong, pixels) in zip(regions, sums.permute(1, 2, 0)):
        results |= {f"{name}_abs_rel": relative / pixels, f"{name}_a1": 1 - wrong / pixels, f"{name}_pixels": pixels}
    return results


def class_errors(errors: ErrorMaps, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute abs_rel for each class of `labels.NAMES`, and count what it rests on.

    Args:
        errors: of the whole image, from `error_maps`.
        labels: (B, H, W) trainIds.

    Returns:
        NAME_abs_rel (spaces as underscores): (B,), nan where the class is absent; NAME_pixels: (B,) their number.

    Raises:
        InputError: if labels have another size than the image.
    """
    check_sizes(labels, "labels", "BHW", **check_sizes(errors.weight, "errors", "BHW"))
    ids = labels.flatten(1).long()
    totals, counts = (x.new_zeros(len(ids), 256).scatter_add_(1, ids, x.flatten(1))
                      for x in (errors.relative, errors.weight))
    results: dict[str, torch.Tensor] = {}
    for i, name in enumerate(NAMES):
        name = name.replace(" ", "_")
        results |= {f"{name}_abs_rel": totals[:, i] / counts[:, i], f"{name}_pixels": counts[:, i]}
    return results
