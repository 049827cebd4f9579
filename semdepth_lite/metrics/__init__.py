"""Metrics: torch in, torch out, a whole batch at once, one number an image, nan where there is nothing to judge."""
from __future__ import annotations

from .borders import (
    Sides,
    border_band,
    check_match_radius,
    class_errors,
    depth_edges,
    discontinuity_sides,
    edge_agreement,
    fattening,
    region_errors,
    thin_structures,
)
from .depth import (
    CROPS,
    DEPTH_METRICS,
    ErrorMaps,
    count,
    crop_mask,
    depth_errors,
    error_maps,
    evaluation_mask,
    masked_mean,
    masked_median,
    masked_share,
    median_scale,
    scale_spread,
)
from .primitives import squared_distance_to
from .segmentation import border_f1, class_iou, confusion_matrix
from .trajectory import (
    KITTI_LENGTHS,
    align_trajectory,
    kitti_segment_errors,
    pair_errors,
    rotation_angle,
    snippet_ate,
    trajectory_ate,
)

__all__ = [
    "CROPS", "DEPTH_METRICS", "ErrorMaps", "KITTI_LENGTHS", "Sides", "align_trajectory",
    "border_band", "border_f1", "check_match_radius", "class_errors", "class_iou", "confusion_matrix", "count",
    "crop_mask", "depth_edges", "depth_errors", "discontinuity_sides", "edge_agreement", "error_maps",
    "evaluation_mask", "fattening", "kitti_segment_errors", "masked_mean", "masked_median", "masked_share",
    "median_scale", "pair_errors", "region_errors", "rotation_angle", "scale_spread", "snippet_ate",
    "squared_distance_to", "thin_structures", "trajectory_ate",
]
