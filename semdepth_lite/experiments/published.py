"""Published KITTI numbers beside our own: where each was read, and how much the same method varies between codes.

The numbers are data, `figures/results/published-kitti.json`, each row with its source. What SEEDepth and SemDepth
report is unknown to us, so they have no row. A row of our own is the output of an evaluation,

    python -m semdepth_lite evaluate --run RUN --data kitti:FOLDER --depth camera --crop garg --json

kept as figures/results/kitti-NAME.json.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..common.contracts import InputError
from ..metrics.registry import column
from .tables import markdown

MARKS = {"read": "", "secondary": " (doubtful)", "recalled": " **[recalled]**"}


def _cells(metrics: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{metrics[name]:.3f}" if metrics.get(name) is not None else "–" for name in names]


def published_table(published: Mapping, ours: Mapping[str, Mapping], metrics: Sequence[str]) -> str:
    """Write a Markdown table of our own KITTI rows, if there are any, above those that others published.

    Args:
        published: Content of published-kitti.json.
        ours: File name to the output of `evaluate --json`, as `read_measurements("kitti-*")` returns it.
        metrics: Names of the metrics, one a column.

    Raises:
        InputError: If a row of ours holds none of the metrics, or a published one has an unknown mark.
    """
    rows = []
    for file, summary in ours.items():
        if not set(metrics) & set(summary):
            raise InputError(f"{file}.json holds none of {', '.join(metrics)}; write it with `evaluate --json`.")
        rows.append([f"**{file.removeprefix('kitti-')}**", "", "", *_cells(summary, metrics), "measured here"])
    for row in published["peers"]:
        if row["mark"] not in MARKS:
            raise InputError(f"{row['name']} has the mark {row['mark']!r}; use one of {', '.join(MARKS)}.")
        rows.append([row["name"], row["supervision"], row["size"], *_cells(row["metrics"], metrics),
                     row["source"] + MARKS[row["mark"]]])
    return markdown(["method", "learns from", "size", *map(column, metrics), "source"], rows)


def retraining_table(published: Mapping, metrics: Sequence[str] = ("abs_rel", "rmse", "a1")) -> str:
    """Write a Markdown table of methods as their authors report them and as others found them after training anew."""
    rows = []
    for row in published["retrained"]:
        before, after = (_cells(row[side], metrics) for side in ("reported", "retrained"))
        rows.append([f"{row['name']}, {row['size']}", *(f"{a} → {b}" for a, b in zip(before, after)), row["source"]])
    return markdown(["reported → trained anew", *map(column, metrics), "source"], rows)


def retraining_spread(published: Mapping, metric: str = "abs_rel") -> float:
    """Return the largest absolute difference between reported and retrained values of a metric."""
    return max(abs(row["reported"][metric] - row["retrained"][metric]) for row in published["retrained"])
