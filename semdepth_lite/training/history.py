"""What a run has logged: as arrays, and as a picture of its curves."""
from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..common.storage import read_log


def read_history(folder: Path, watched: bool = False) -> dict[str, np.ndarray]:
    """Return the log of a run folder as arrays, one value for each row, nan where a row lacks it.

    Args:
        folder: Run folder.
        watched: Whether to return what was found by looking on the way, not the losses.
    """
    path = Path(folder) / "log.jsonl"
    rows = list(read_log(path)) if path.exists() else []
    if watched:
        rows = [{"step": row["step"], **row["watch"]} for row in rows if isinstance(row.get("watch"), dict)]
    else:
        rows = [row for row in rows if "loss" in row]
    rows = [row for row in rows if "step" in row and all(map(_is_number, row.values()))]  # a damaged row is left out
    names = dict.fromkeys(name for row in rows for name in row)
    values = {name: [np.nan if row.get(name) is None else row[name] for row in rows] for name in names}
    return {name: np.array(column, dtype=int if name == "step" else float) for name, column in values.items()}


def plain_numbers(found: Mapping[str, Any]) -> dict[str, float | None]:
    """Return numbers of any type, such as tensors of one, as JSON knows them: what is not finite becomes None."""
    numbers = {name: math.nan if value is None else float(value) for name, value in found.items()}
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (int, float))


def draw_history(folder: Path) -> Path | None:
    """Draw the losses over the steps into curves.png of a run folder; None if nothing was logged."""
    from ..figures import learning_curve

    history = read_history(folder)
    if not history:
        return None
    steps = history["step"].tolist()
    figure = learning_curve({name: (steps, values.tolist()) for name, values in history.items() if name != "step"},
                            xlabel="step", ylabel="loss")
    path = Path(folder) / "curves.png"
    figure.savefig(path, dpi=120)
    return path
