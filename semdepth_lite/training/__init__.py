"""Training: settings, batches, the loop, its checkpoints, what comes before it, and what it costs."""
from __future__ import annotations

from ..common.lazy import lazy_names

_HOMES = {
    "TrainSettings": "settings", "Run": "run", "TrainingError": "diagnosis", "load_run": "checkpoint",
    "load_checkpoint": "checkpoint", "diagnose": "diagnosis",
}
__all__ = list(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
