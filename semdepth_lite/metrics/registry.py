"""The registry of metrics: what each is called, in which unit, which direction is better, and where it is shown.

A new metric is a function of this folder, a line in `evaluation.protocol.evaluate_batch` that calls it, and a row here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..classes import NAMES


@dataclass(frozen=True)
class Metric:
    """One metric of a depth evaluation.

    Attributes:
        name: Key in reports and results files.
        title: Words in tables.
        unit: Unit, such as m; empty for a ratio or a share.
        better: Direction of improvement.
        chart: Short words in the chart of variants; empty for a metric that is not charted.
        kept: Whether results files keep its value in every image, for paired comparisons.
        per_class: Whether it judges a single class; reports leave out classes that no image shows.
    """

    name: str
    title: str
    unit: str = ""
    better: Literal["lower", "higher"] = "lower"
    chart: str = ""
    kept: bool = False
    per_class: bool = False

    @property
    def column(self) -> str:
        """Head of a table's column: title, unit and the direction of improvement."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit} {'↓' if self.better == 'lower' else '↑'}"


KEPT_CLASSES = ("road", "sidewalk", "building", "pole", "traffic sign", "vegetation", "person", "car")

_ROWS = (
    Metric("abs_rel", "AbsRel", chart="AbsRel", kept=True),
    Metric("sq_rel", "SqRel"),
    Metric("rmse", "RMSE", "m", kept=True),
    Metric("rmse_log", "RMSElog"),
    Metric("a1", "δ < 1.25", better="higher", kept=True),
    Metric("a2", "δ < 1.25²", better="higher"),
    Metric("a3", "δ < 1.25³", better="higher"),
    Metric("band_abs_rel", "AbsRel at label borders", chart="at label borders", kept=True),
    Metric("inner_abs_rel", "AbsRel inside", kept=True),
    Metric("thin_abs_rel", "AbsRel on thin things", chart="thin things", kept=True),
    Metric("thin_a1", "δ < 1.25 on thin things", better="higher"),
    Metric("near_abs_rel", "AbsRel, near side", chart="near side", kept=True),
    Metric("far_abs_rel", "AbsRel, far side", chart="far side", kept=True),
    Metric("moving_abs_rel", "AbsRel on moving things", kept=True),
    Metric("static_abs_rel", "AbsRel on static things"),
    Metric("fat", "fattening", chart="fattening", kept=True),
    Metric("shr", "shrinking", chart="shrinking", kept=True),
    Metric("edge_f", "edge F", better="higher", chart="edge F", kept=True),
    Metric("edge_precision", "edge precision", better="higher"),
    Metric("edge_recall", "edge recall", better="higher"),
    Metric("dbe_acc", "boundary error, accuracy", "px"),
    Metric("dbe_comp", "boundary error, completeness", "px"),
    # of video without true depth, see `experiments.real`
    Metric("warp_error", "photometric error", kept=True),
    Metric("border_f", "F of depth edges at label borders", better="higher", kept=True),
    Metric("border_precision", "of the depth edges, at label borders", better="higher", kept=True),
    Metric("border_recall", "of the label borders, with a depth edge", better="higher", kept=True),
    *(Metric(f"{name.replace(' ', '_')}_abs_rel", f"AbsRel, {name}", kept=name in KEPT_CLASSES, per_class=True)
      for name in NAMES),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ROWS}


def column(name: str) -> str:
    """Return the head of a metric's column; a name that is not registered stands for itself."""
    return METRICS[name].column if name in METRICS else name
