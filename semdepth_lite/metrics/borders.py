"""Depth errors where depth breaks: bands along label borders, thin things, both sides of a jump, and the edges.

Two kinds of border live here. A *label border* is where the class changes; a *discontinuity* is where the true depth
jumps. Definitions and thresholds follow the project's prototype and are ours, except where a paper is named; the
papers do not publish their border metrics [unknown]. Pixel constants suit images 192 to 320 pixels wide.

Every function takes (B, H, W) maps; predictions come scaled by the whole image, and no function here scales again.
What compares depths across a border takes ln d, because its definitions are ratios. A result is (B,), nan for an image
that has nothing to judge.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..classes import IGNORE, NAMES
from ..common.contracts import InputError, check_sizes
from ..common.precision import at_least_float32
from ..labels import group_mask, label_borders
from .depth import ErrorMaps, masked_share
from .primitives import squared_distance_to, to_float, true_places, window_max


def border_band(labels: torch.Tensor, radius: float = 1.5, inner_radius: float = 4.0
                ) -> tuple[torch.Tensor, torch.Tensor]:
    """Split an image into a band around the label borders and the inner parts of the segments.

    A border pixel is either pixel of a 4-neighbor pair whose labels differ (`labels.label_borders`). The band holds
    the pixels at most `radius` from a border pixel, inner those more than `inner_radius` away; what lies between
    belongs to neither, and so does a pixel without a label. Borders to the sky count; the sky's own pixels have no
    depth and drop out of every error.

    Args:
        labels: (B, H, W) trainIds.
        radius: Half width of the band, px.
        inner_radius: Distance beyond which a pixel is inner, px.

    Returns:
        band, inner: (B, H, W) bool each.
    """
    squared = squared_distance_to(label_borders(labels), max(radius, inner_radius) + 1)
    labeled = labels != IGNORE
    return (squared <= radius**2) & labeled, (squared > inner_radius**2) & labeled


def thin_structures(labels: torch.Tensor, gt: torch.Tensor, closer_than: float = 40.0) -> torch.Tensor:
    """Mark poles, lights, signs, people and two-wheelers (`labels.GROUPS["thin"]`) closer than a distance.

    Args:
        labels: (B, H, W) trainIds.
        gt: (B, H, W) true depth, m; 0 where there is none, and nothing is marked there.
        closer_than: Distance, m.

    Returns:
        (B, H, W) bool.

    Raises:
        InputError: if the shapes differ.
    """
    check_sizes(gt, "gt", "BHW", **check_sizes(labels, "labels", "BHW"))
    return group_mask(labels, "thin") & (gt > 0) & (gt < closer_than)


@dataclass(frozen=True)
class Sides:
    """The two sides of every depth discontinuity, all (B, H, W).

    Attributes:
        near, far: Whether the pixel belongs to the object in front, to what lies behind, bool.
        nearest, farthest: Log depth of the nearest and the farthest known pixel in the window.
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
        window: Odd side of the window, px.
        jump: Span of ln d above which depth is discontinuous; 0.25 is a ratio of 1.28.

    Returns:
        Both sides of the discontinuities.

    Raises:
        InputError: if shapes differ or the window is not odd.
    """
    check_sizes(known, "known", "BHW", **check_sizes(log_gt, "log_gt", "BHW"))
    if window % 2 == 0:
        raise InputError(f"window {window} is even; use an odd number of pixels such as 5.")
    log_gt, = at_least_float32(log_gt)
    farthest = window_max(torch.where(known, log_gt, -math.inf), window)
    nearest = -window_max(torch.where(known, -log_gt, -math.inf), window)
    broken = known & (farthest - nearest > jump)
    front = log_gt - nearest < farthest - log_gt
    return Sides(broken & front, broken & ~front, nearest, farthest)


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
        sides: Sides of the true depth, from `discontinuity_sides`.

    Returns:
        fat, shr: (B,) shares; nan for an image without that side.
    """
    log_pred, log_gt = at_least_float32(log_pred, log_gt)
    error = (log_pred - log_gt).abs()
    taken = (log_pred - sides.nearest).abs() < error   # by the object in front
    lost = (log_pred - sides.farthest).abs() < error   # to what lies behind
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
        jump: Threshold on J, a difference of natural logarithms.

    Returns:
        (B, H, W) bool.

    Raises:
        InputError: if shapes differ.
    """
    check_sizes(known, "known", "BHW", **check_sizes(log_depth, "log_depth", "BHW"))
    log_depth, = at_least_float32(log_depth)
    edges = torch.zeros_like(known)
    for dim in (1, 2):
        size = log_depth.shape[dim]
        if size < 3:
            continue
        inner = size - 2
        judged = known.narrow(dim, 0, inner) & known.narrow(dim, 1, inner) & known.narrow(dim, 2, inner)
        difference = (log_depth.narrow(dim, 2, inner) - log_depth.narrow(dim, 0, inner)).abs()
        J = torch.zeros_like(log_depth)
        J.narrow(dim, 1, inner).copy_(torch.where(judged, difference, 0.0))
        is_edge = J >= jump
        is_edge.narrow(dim, 1, size - 1).logical_and_(J.narrow(dim, 1, size - 1) >= J.narrow(dim, 0, size - 1))
        is_edge.narrow(dim, 0, size - 1).logical_and_(J.narrow(dim, 0, size - 1) >= J.narrow(dim, 1, size - 1))
        edges |= is_edge
    return edges


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
        radius: Largest distance of a match, px.
        limit: Distance at which distances are cut, px.

    Returns:
        edge_precision, edge_recall, edge_f, dbe_acc, dbe_comp: (B,); all nan for an image without a true edge,
        precision also nan where nothing is predicted. Source of the boundary error: Koch et al. 2018, as their script
        computes it [code: IBIMS], with `depth_edges` in place of Canny and without its rescaling to [0, 1].

    Raises:
        InputError: if shapes differ, or the radius is not below the limit: where distances are cut, all would match.
    """
    check_sizes(pred_edges, "pred_edges", "BHW", **check_sizes(gt_edges, "gt_edges", "BHW"))
    check_match_radius(radius, limit)
    predicted = _edge_sums(pred_edges, gt_edges, radius, limit)
    true = _edge_sums(gt_edges, pred_edges, radius, limit)
    precision, recall = predicted.matched / predicted.pixels, true.matched / true.pixels
    f = torch.where(recall > 0, 2 * precision * recall / (precision + recall), 0.0)
    distance_of_close = predicted.distance - limit * (predicted.pixels - predicted.close)
    accuracy = torch.where(predicted.close > 0, distance_of_close / predicted.close, limit)
    completeness = (predicted.distance + true.distance) / (predicted.pixels + true.pixels)
    agreement = {"edge_precision": precision, "edge_recall": recall, "edge_f": f, "dbe_acc": accuracy,
                 "dbe_comp": completeness}
    return {name: torch.where(true.pixels > 0, value, torch.nan) for name, value in agreement.items()}


class _EdgeSums(NamedTuple):
    """Sums over the edge pixels of each image, (B,): their number, how many of them match, how many have an edge of the
    other kind closer than the limit, and their distances from it, cut at the limit.
    """

    pixels: torch.Tensor
    matched: torch.Tensor
    close: torch.Tensor
    distance: torch.Tensor


def _edge_sums(edges: torch.Tensor, others: torch.Tensor, radius: float, limit: float) -> _EdgeSums:
    """Measure how far the edge pixels of each image lie from the nearest edge of the other kind."""
    places = true_places(edges)  # few, so no maps are needed from here on
    distance = squared_distance_to(others, limit).flatten()[places].double().sqrt().clamp(max=limit)
    facts = torch.stack([torch.ones_like(distance), distance <= radius, distance < limit, distance], 1)
    image = places // edges[0].numel()
    return _EdgeSums(*facts.new_zeros(len(edges), 4).index_add_(0, image, facts).float().unbind(1))


def region_errors(errors: ErrorMaps, regions: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Compute abs_rel and a1 (`depth_errors`) inside each of several regions, in one pass.

    Args:
        errors: Errors of the whole image, from `error_maps`.
        regions: Name of each region and its mask (B, H, W) bool.

    Returns:
        NAME_abs_rel, NAME_a1: (B,), nan where an image has no such pixel; NAME_pixels: (B,) their number.

    Raises:
        InputError: if a region has another size than the image.
    """
    sizes = check_sizes(errors.weight, "errors", "BHW")
    for name, region in regions.items():
        check_sizes(region, f"region {name}", "BHW", **sizes)
    wrong = to_float(errors.ratio >= 1.25, errors.weight.dtype)
    maps = torch.stack([errors.relative, wrong, errors.weight], 1).flatten(2)          # (B, 3, H W)
    member = to_float(torch.stack(list(regions.values()), 1), maps.dtype).flatten(2)   # (B, R, H W)
    sums = member @ maps.mT                                                            # (B, R, 3)
    results: dict[str, torch.Tensor] = {}
    for name, (relative, wrong, pixels) in zip(regions, sums.permute(1, 2, 0)):
        results |= {f"{name}_abs_rel": relative / pixels, f"{name}_a1": 1 - wrong / pixels, f"{name}_pixels": pixels}
    return results


def class_errors(errors: ErrorMaps, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute abs_rel for each class of `labels.NAMES`, and count what it rests on.

    Args:
        errors: Errors of the whole image, from `error_maps`.
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
