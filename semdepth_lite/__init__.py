"""Semantic-guided self-supervised monocular depth: a package to learn from, to run and to reuse.

The names below are the short public surface; they are loaded when first used, so that `import semdepth_lite` costs
nothing. Everything else lies in the rooms, such as `semdepth_lite.warp` or `semdepth_lite.losses`.
"""
from __future__ import annotations

from .common.lazy import lazy_names

__version__ = "0.1.0"

_HOMES = {
    "InputError": "common.contracts", "RunFailed": "common.contracts", "Triplet": "data.triplet",
    "self_supervised_loss": "losses", "LOSSES": "losses", "Model": "model", "Prediction": "model",
    "VARIANTS": "variants", "Protocol": "evaluation.protocol", "evaluate": "evaluation.report",
    "evaluate_model": "evaluation.prediction", "predict_image": "evaluation.prediction",
    "load_pretrained": "pretrained", "TrainSettings": "training.settings", "Run": "training.run",
    "load_run": "training.checkpoint", "PRESETS": "presets", "recipe": "presets",
}
__all__ = [
    "InputError", "LOSSES", "Model", "PRESETS", "Prediction", "Protocol", "Run", "RunFailed", "TrainSettings",
    "Triplet", "VARIANTS", "evaluate", "evaluate_model", "load_pretrained", "load_run", "predict_image", "recipe",
    "self_supervised_loss",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
