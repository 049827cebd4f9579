"""The evaluation protocol, and every metric of a batch by it.

Every number of a table comes from `evaluate_batch`: one pass over a batch, one value an image. `report.Report` averages
over images, skips those that a metric cannot judge, and tells how many it kept.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from ..classes import IGNORE, NUM_CLASSES
from ..common.contracts import InputError, check_sizes, check_types
from ..common.precision import at_least_float32
from ..metrics import (
    CROPS,
    border_band,
    check_match_radius,
    class_errors,
    count,
    crop_mask,
    depth_edges,
    depth_errors,
    discontinuity_sides,
    edge_agreement,
    error_maps,
    evaluation_mask,
    fattening,
    median_scale,
    region_errors,
    thin_structures,
)


@dataclass(frozen=True)
class Protocol:
    """How predictions are judged; printed with every table.

    Attributes:
        crop: "none", "garg" or "eigen".
        min_depth, max_depth: Caps on the truth (left out beyond) and on the scaled prediction (clipped), m.
        scaling: "median" (each image by median(gt) / median(pred) over its whole mask), "none", or a fixed factor.
        dense: Whether the truth is dense; if not (LiDAR), discontinuities and edges are left out.
        band_radius, inner_radius: Label-border band and its inner complement, px (`metrics.border_band`).
        thin_range: Distance up to which thin structures are judged, m.
        window: Side of the window that finds discontinuities, px (`metrics.discontinuity_sides`).
        jump: Difference of ln depth that makes a discontinuity or an edge.
        match_radius: Largest distance at which edges match, px.
        edge_limit: Distance at which the depth boundary error is cut, px.
        flip: Whether each prediction was blended with that of the mirrored image (`prediction.blend_flipped`).
    """

    crop: str = "none"
    min_depth: float = 1e-3
    max_depth: float = 80.0
    scaling: str | float = "median"
    dense: bool = True
    band_radius: float = 1.5
    inner_radius: float = 4.0
    thin_range: float = 40.0
    window: int = 5
    jump: float = 0.25
    match_radius: float = 1.5
    edge_limit: float = 10.0
    flip: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        if self.crop not in CROPS:
            raise InputError(f"crop {self.crop!r} is unknown; use one of {', '.join(CROPS)}.")
        if not 0 < self.min_depth < self.max_depth:
            raise InputError(f"depth caps {self.min_depth} to {self.max_depth} m are no range; use 0.001 to 80.")
        if not 0 < self.band_radius <= self.inner_radius < float("inf"):
            raise InputError(f"a band of {self.band_radius} px and an inner part beyond {self.inner_radius} px do not "
                             "fit; use a positive band that is not wider.")
        if self.window < 1 or self.window % 2 == 0:
            raise InputError(f"a window of {self.window} px has no middle; use an odd number such as 5.")
        check_match_radius(self.match_radius, self.edge_limit)
        if isinstance(self.scaling, str) and self.scaling not in ("median", "none"):
            raise InputError(f"scaling {self.scaling!r} is unknown; use 'median', 'none' or a positive factor.")
        if not isinstance(self.scaling, str) and not 0 < self.scaling < float("inf"):
            raise InputError(f"scaling factor {self.scaling} is not positive; use a factor such as 5.4.")

    def card(self) -> str:
        """Return the protocol as the lines that stand above a table."""
        scales: dict[str | float, str] = {"median": "median of each whole image", "none": "none"}
        scale = scales.get(self.scaling, f"fixed x{self.scaling}")
        lines = [f"crop {self.crop}; truth from {self.min_depth:g} to {self.max_depth:g} m, prediction clipped to it "
                 f"after scaling; scale: {scale}; mean over images",
                 f"band <= {self.band_radius:g} px from a label border, inner > {self.inner_radius:g} px; "
                 f"thin structures < {self.thin_range:g} m"]
        if self.dense:
            lines.append(f"near and far side: ln depth spans > {self.jump:g} in {self.window}x{self.window} px; edges: "
                         f"jump > {self.jump:g} over 2 px, matched within {self.match_radius:g} px, boundary error "
                         f"cut at {self.edge_limit:g} px; sky left out")
        if self.flip:
            lines.append("each prediction blended with that of the mirrored image")
        return "\n".join(lines)


@torch.no_grad()
def evaluate_batch(depth_pred: torch.Tensor, depth_gt: torch.Tensor, labels: torch.Tensor | None = None,
                   moving: torch.Tensor | None = None, protocol: Protocol = Protocol()) -> dict[str, torch.Tensor]:
    """Compute every metric of every image of a batch.

    Args:
        depth_pred: (B, 1, H, W) predicted depth, any unit under median scaling, else m.
        depth_gt: (B, 1, H, W) true depth, m; 0, negative, infinite and nan = none.
        labels: (B, H, W) true trainIds; without them label-border, thin and class errors are left out.
        moving: (B, H, W) bool; without it moving and static errors are left out.
        protocol: Protocol to judge by.

    Returns:
        name: (B,) float; nan where an image has nothing to judge. `pixels` and NAME_pixels are counts, `scale` is
        the factor the prediction was given.

    Raises:
        InputError: if shapes differ, there is no image, or a predicted depth is not a positive number.
    """
    sizes = check_sizes(depth_gt, "depth_gt", "B1HW")
    check_sizes(depth_pred, "depth_pred", "B1HW", **sizes)
    for name, extra in (("labels", labels), ("moving", moving)):
        if extra is not None:
            check_sizes(extra, name, "BHW", **sizes)
    depth_pred, depth_gt = at_least_float32(depth_pred, depth_gt)
    depth_gt = torch.where((depth_gt > 0) & depth_gt.isfinite(), depth_gt, 0)
    if labels is not None:
        check_train_ids(labels)
    if not depth_pred.numel():
        raise InputError(f"depth_pred has shape {tuple(depth_pred.shape)}, which holds no pixel; give an image.")
    lowest, highest = depth_pred.aminmax()
    if not (lowest > 0 and torch.isfinite(highest)):
        raise InputError(f"predicted depth runs from {float(lowest):g} to {float(highest):g}, expected positive finite "
                         f"numbers; look for a prediction that diverged or a disparity of zero.")
    p, gt = protocol, depth_gt[:, 0]
    mask = evaluation_mask(gt, p.crop, p.min_depth, p.max_depth)
    scale = _scale(depth_pred[:, 0], gt, mask, p.scaling)
    pred = (depth_pred[:, 0] * scale[:, None, None]).clamp(p.min_depth, p.max_depth)

    errors = error_maps(pred, gt, mask)
    results = {"scale": scale, "pixels": count(mask), **depth_errors(errors)}
    regions: dict[str, torch.Tensor] = {}
    if labels is not None:
        regions["band"], regions["inner"] = border_band(labels, p.band_radius, p.inner_radius)
        regions["thin"] = thin_structures(labels, gt, p.thin_range)
        results |= class_errors(errors, labels)
    if moving is not None:
        regions["moving"], regions["static"] = moving, ~moving
    if p.dense:
        # Depth beyond the cap is still depth: a pole before a tower at 100 m has an edge.
        known = (gt > 0) & crop_mask(gt.shape[1], gt.shape[2], p.crop, gt.device)
        log_pred, log_gt = pred.log(), gt.clamp(p.min_depth, p.max_depth).log()
        sides = discontinuity_sides(log_gt, known, p.window, p.jump)
        regions["near"], regions["far"] = sides.near, sides.far
        edges = depth_edges(log_pred, known, p.jump), depth_edges(log_gt, known, p.jump)
        agreement = edge_agreement(*edges, p.match_radius, p.edge_limit)
        results |= fattening(log_pred, log_gt, mask, sides)
        results |= {name: torch.where(scale.isfinite(), value, torch.nan) for name, value in agreement.items()}
    if regions:
        results |= region_errors(errors, regions)
    return results


def check_train_ids(labels: torch.Tensor) -> None:
    """Refuse labels that hold anything but trainIds (0 to 18) and 255.

    Raises:
        InputError: Naming the first other id.
    """
    if labels.dtype == torch.bool or labels.is_floating_point() or labels.is_complex():
        raise InputError(f"labels are {labels.dtype}, expected whole trainIds; convert them.")
    other = labels[((labels < 0) | (labels >= NUM_CLASSES)) & (labels != IGNORE)]
    if other.numel():
        raise InputError(f"labels hold the id {int(other.flatten()[0])}, expected trainIds 0 to 18, or 255 for none; "
                         "convert void and instance ids first.")


def _scale(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor, scaling: str | float) -> torch.Tensor:
    if scaling == "median":
        return median_scale(pred, gt, mask)
    factor = torch.full_like(gt[:, 0, 0], 1.0 if scaling == "none" else float(scaling))
    return torch.where(mask.flatten(1).any(1), factor, torch.nan)
