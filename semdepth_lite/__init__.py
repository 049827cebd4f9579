"""Semantic-guided self-supervised monocular depth: a package to learn from, to run and to reuse.

The names below are the short public surface; they are loaded when first used, so that `import semdepth_lite` costs
nothing. So are the files and folders of the package, such as `semdepth_lite.warp` or `semdepth_lite.losses`.

To train: `recipe` gives `TrainSettings` of a preset, and `Run(source, settings, folder).train()` a `Model`.
To predict: `load_pretrained(name)` or `load_run(folder)`, then `model.predict(images).depth`, or `predict_image`.
To judge: `evaluate_model(model, source)`, or `evaluate(function, batches)` for anybody's predictions, by a `Protocol`.
To extend: `register` a fusion, an encoder, a loss or data of your own; docs/extend.md has an example of each.
To read: `warp`, `losses`, `networks`, `model`, top to bottom; `help(semdepth_lite.warp)` shows one file.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from .common.lazy import lazy_names

if TYPE_CHECKING:
    from .common.contracts import InputError, RunFailed
    from .common.registry import register
    from .data.triplet import Triplet
    from .evaluation.prediction import evaluate_model, predict_image
    from .evaluation.protocol import Protocol
    from .evaluation.report import evaluate
    from .losses import LOSSES, self_supervised_loss
    from .model import Model, Prediction
    from .presets import PRESETS, recipe
    from .pretrained import load_pretrained
    from .training.checkpoint import load_run
    from .training.run import Run
    from .training.settings import TrainSettings
    from .variants import VARIANTS

__version__ = "0.1.0"

_HOMES = {
    "InputError": "common.contracts", "RunFailed": "common.contracts", "Triplet": "data.triplet",
    "self_supervised_loss": "losses", "LOSSES": "losses", "Model": "model", "Prediction": "model",
    "VARIANTS": "variants", "Protocol": "evaluation.protocol", "evaluate": "evaluation.report",
    "evaluate_model": "evaluation.prediction", "predict_image": "evaluation.prediction",
    "load_pretrained": "pretrained", "TrainSettings": "training.settings", "Run": "training.run",
    "load_run": "training.checkpoint", "PRESETS": "presets", "recipe": "presets", "register": "common.registry",
}
__all__ = [
    "InputError", "LOSSES", "Model", "PRESETS", "Prediction", "Protocol", "Run", "RunFailed", "TrainSettings",
    "Triplet", "VARIANTS", "evaluate", "evaluate_model", "load_pretrained", "load_run", "predict_image", "recipe",
    "register", "self_supervised_loss",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
