"""Judging a model: protocol, reports, baselines, significance, prediction, camera paths."""
from __future__ import annotations

from ..common.lazy import lazy_names

_HOMES = {
    "Protocol": "protocol", "evaluate_batch": "protocol", "Report": "report", "evaluate": "report",
    "constant_baseline": "baselines", "pixel_median_baseline": "baselines", "paired_bootstrap": "significance",
    "depth_predictor": "prediction", "predict_depth": "prediction", "predict_files": "prediction",
    "predict_image": "prediction", "evaluate_model": "prediction", "to_scale": "prediction",
    "evaluate_segmentation": "segmentation", "motion_errors": "trajectories", "evaluate_paths": "trajectories",
    "OutsidePredictions": "outside", "export_model": "export", "judge": "verdict",
}
__all__ = list(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
