"""Differences between methods at a glance: one row a method, one panel a metric, an interval for every difference."""
from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

from ..common.contracts import InputError
from .style import WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETTER, WORSE, UNSURE = ("#0072B2", "o"), ("#D55E00", "s"), ("#777777", "D")  # color and marker


@styled
def difference_bars(rows: Mapping[str, Mapping[str, tuple[float, float, float] | None]], *,
                    higher_is_better: tuple[str, ...] = (), base: str = "the baseline", columns: int = 4) -> Figure:
    """Draw relative differences to a base with their intervals; the zero line is the base.

    A filled mark is a difference whose interval leaves out zero: a dot where it is better, a square where it is worse.
    An open diamond is neither.

    Args:
        rows: Name of a method, then metric, to (difference, low, high) in percent; None leaves the place empty.
        higher_is_better: Metrics for which a positive difference is better.
        base: Words for what is compared with.
        columns: Panels in a row of the figure.
    """
    metrics = list(dict.fromkeys(metric for row in rows.values() for metric in row))
    if not metrics:
        raise InputError("There are no differences to draw; pass at least one method with one metric.")
    columns = min(columns, len(metrics))
    lines = -(-len(metrics) // columns)
    figure = new_figure(WIDTH, lines * (0.3 * len(rows) + 0.75) + 0.75)
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for axis, metric in zip(axes.flat, metrics):
        sign = 1 if metric in higher_is_better else -1
        for place, row in enumerate(rows.values()):
            found = row.get(metric)
            if found is not None:
                _draw_difference(axis, place, found, sign)
        axis.axvline(0, color="#222222", linewidth=1.3)
        axis.set_title(fill(metric, 12))  # panels are narrow: a long title takes two lines, not its neighbor's place
        axis.margins(x=0.12)
        axis.locator_params(axis="x", nbins=2)  # two steps, three numbers: more would touch
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.grid(axis="both")
    for axis in axes.flat[len(metrics):]:
        axis.set_axis_off()
    axes[0, 0].set_yticks(range(len(rows)), labels=list(rows))
    axes[0, 0].set_ylim(len(rows) - 0.4, -0.6)
    figure.supxlabel(f"difference to {base} in percent, with 95 % intervals", fontsize=12)
    _legend(figure)
    return figure


def _draw_difference(axis, place: int, found: tuple[float, float, float], sign: int) -> None:
    """Draw one difference; `sign` is that of a better one."""
    value, low, high = found
    color, marker = UNSURE if low * high <= 0 else BETTER if sign * value > 0 else WORSE
    face = "white" if marker == UNSURE[1] else color
    axis.plot((low, high), (place, place), color=color, linewidth=2.2, solid_capstyle="butt")
    axis.plot(value, place, marker, color=color, markerfacecolor=face, markersize=7)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    words = ("better", "worse", "the interval holds zero")
    marks = [Line2D([], [], color=color, marker=marker, linewidth=2.2, label=text,
                    markerfacecolor="white" if marker == UNSURE[1] else color)
             for text, (color, marker) in zip(words, (BETTER, WORSE, UNSURE))]
    figure.legend(handles=marks, loc="outside upper left", ncols=3)
