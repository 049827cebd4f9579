"""Experiments: what is compared, who runs it, and the tables made of the results."""
from __future__ import annotations

from ..common.lazy import lazy_names

_HOMES = {
    "find_experiment": "suites", "EXPERIMENTS": "suites", "Trial": "trial", "run_experiment": "runner",
    "Result": "results", "read_results": "results", "find_results": "results", "read_measurements": "results",
    "find_measurements": "results", "save_results": "results", "results_table": "tables",
    "difference_table": "tables", "differences": "tables", "cost_table": "tables", "by_row": "tables",
    "published_table": "published",
}
__all__ = list(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
