"""Equal time: how many steps each variant can take in the time of the baseline's, measured once and kept in a file.

Runs then have fixed numbers of steps, so they repeat bit for bit on a machine of any speed. The variants are timed in
turn, in one process, so that a machine whose speed drifts slows all of them alike.
"""
from __future__ import annotations

from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import read_json
from .results import RESULTS

EQUAL_TIME = RESULTS / "equal_time.json"
BASE = "baseline"


def equal_time_steps(variant: str, path: Path = EQUAL_TIME) -> int:
    """Return the steps that a variant can take in the time of the baseline's training.

    Raises:
        InputError: If the variant was not timed.
    """
    return _known(variant, path)["steps"]


def baseline_steps(variant: str, steps: int, path: Path = EQUAL_TIME) -> int:
    """Return the steps that the baseline can take in the time of so many steps of a variant.

    Raises:
        InputError: If the variant was not timed.
    """
    row = _known(variant, path)
    return round((row["first_seconds"] + steps * row["step_seconds"]) / _known(BASE, path)["step_seconds"])


def _known(variant: str, path: Path) -> dict:
    """Return what was measured of a variant."""
    if not path.exists():
        raise InputError(f"there is no {path.name} in figures/results, so equal time is not known; measure it with "
                         "`python -m tools.equal_time`.")
    known = read_json(path).get("variants", {})
    if variant not in known:
        raise InputError(f"{path.name} has no variant {variant!r}; it has {', '.join(known)}. Measure it anew with "
                         "`python -m tools.equal_time`.")
    return known[variant]
