"""Figures made of lines and points: photometric and learning curves, metrics over seeds, profiles, views from above."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..classes import NAMES
from ..common.contracts import InputError
from ..labels import palette
from .style import LINES, WIDTH, as_array, as_image, draw_image, mark_pixel, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH = "#222222"
MARKERS = "os^DvPX*"


def _curve(values, name: str, length: int) -> np.ndarray:
    """Bring a curve to (length,) or a family of curves to (S, length)."""
    array = as_array(values).astype(np.float64)
    if array.ndim not in (1, 2) or array.shape[-1] != length:
        raise InputError(f"The curve {name!r} has shape {array.shape}, expected ({length},) like its positions, or "
                         f"(seeds, {length}).")
    return array


def _depth_ticks(axis, low: float, high: float) -> None:
    """Mark a logarithmic axis in plain meters: round depths, or equal steps where fewer than three of them fit."""
    from matplotlib.ticker import MaxNLocator

    def inside(depths) -> list[float]:
        return [m for m in depths if low * 0.99 <= m <= high * 1.01]

    marks = inside((1, 2, 3, 5, 10, 20, 30, 50, 80, 100))
    if len(marks) < 3:
        marks = inside(MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high))
    axis.set_ticks(marks, labels=[f"{m:g}" for m in marks])
    axis.set_ticks([], minor=True)


def _legend(axis: Axes) -> None:
    """Put the legend beside the lines, where it covers nothing."""
    axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, handlelength=2.8)


@styled
def photometric_curve(depths, errors: Mapping[str, object], *, truth: float | None = None,
                      prediction: float | None = None, image=None, pixel: tuple[float, float] | None = None) -> Figure:
    """Draw the photometric error of one pixel over the depth it might have, with each curve's minimum.

    Args:
        depths: (N,) depths tried, meters, increasing.
        errors: Name to (N,) photometric error; NaN where the pixel leaves the source frame.
        truth: True depth of the pixel, meters.
        prediction: Depth of the pixel by the network, meters.
        image: Target image, drawn above the curves with the pixel ringed.
        pixel: (u, v) of the pixel in the image.
    """
    depths = as_array(depths).astype(np.float64)
    image = None if image is None else as_image(image)
    top = 0 if image is None else 0.7 * WIDTH * image.shape[0] / image.shape[1] + 0.4
    figure = new_figure(WIDTH, 3.6 + top)
    if image is None:
        axis = figure.subplots()
    else:
        above, axis = figure.subplots(2, 1, height_ratios=(top, 3.6))
        draw_image(above, image, "target image" if pixel is None else f"target image, pixel {pixel[0]:g}, {pixel[1]:g}")
        above.set_axis_off()
        if pixel is not None:
            mark_pixel(above, pixel)
    if truth is not None:
        axis.axvline(truth, color=TRUTH, linewidth=1.5, label=f"truth: {truth:.1f} m")
    if prediction is not None:
        axis.axvline(prediction, color=TRUTH, linewidth=1.5, linestyle=(0, (4, 3)),
                     label=f"network: {prediction:.1f} m")
    for (name, values), (color, dash, marker) in zip(errors.items(), LINES):
        curve = _curve(values, name, len(depths))
        axis.plot(depths, curve, color=color, linestyle=dash)
        best = int(np.nanargmin(curve))
        flat = bool(np.nanmax(curve) == curve[best])
        where = "the same everywhere" if flat else f"minimum at {depths[best]:.1f} m"
        axis.plot([], [], color=color, linestyle=dash, marker=None if flat else marker, label=f"{name}:\n{where}")
        if not flat:
            axis.plot(depths[best], curve[best], marker, color=color, markersize=9, markeredgecolor="white")
    axis.set_xscale("log")
    _depth_ticks(axis.xaxis, depths[0], depths[-1])
    axis.set(xlabel="depth tried (m, logarithmic)", ylabel="photometric error", xlim=(depths[0], depths[-1]))
    axis.set_ylim(bottom=0)
    axis.grid(axis="y")
    _legend(axis)
    return figure


@styled
def learning_curve(histories: Mapping[str, tuple[object, object]], *, xlabel: str, ylabel: str,
                   references: Mapping[str, float] | None = None) -> Figure:
    """Draw a quantity over training, several seeds as mean and range, fixed references as thin lines.

    Args:
        histories: Name to (positions (N,), values (N,) or (S, N) for S seeds).
        xlabel: Quantity of the positions, with unit.
        ylabel: Quantity of the values, with unit.
        references: Names and values to compare with.
    """
    figure = new_figure(WIDTH, 3.7)
    axis = figure.subplots()
    for (name, (positions, values)), (color, dash, marker) in zip(histories.items(), LINES):
        positions = as_array(positions)
        family = np.atleast_2d(_curve(values, name, len(positions)))
        axis.plot(positions, family.mean(0), color=color, linestyle=dash, marker=marker,
                  markevery=max(1, len(positions) // 10), label=name)
        if len(family) > 1:
            axis.fill_between(positions, family.min(0), family.max(0), color=color, alpha=0.18, linewidth=0)
    for (name, value), dash in zip((references or {}).items(), ((0, (1, 1)), (0, (4, 2)), (0, (6, 2, 1, 2)), "-")):
        axis.axhline(value, color="#555555", linewidth=1.3, linestyle=dash, label=f"{name}: {value:.3g}")
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(axis="y")
    _legend(axis)
    return figure


@styled
def points_on_curves(curves: Mapping[str, Sequence[tuple[float, float]]],
                     points: Mapping[str, Sequence[tuple[float, float]]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw curves, and beside each of them points of the same quantity that were found in another way, as rings.

    Args:
        curves: Name to the (x, y) of a curve, in order.
        points: Name of a curve to (x, y) of its rings.
        xlabel: Quantity of x, with unit.
        ylabel: Quantity of y, with unit.
    """
    figure = new_figure(WIDTH, 3.7)
    axis = figure.subplots()
    for (name, curve), (color, dash, marker) in zip(curves.items(), LINES):
        axis.plot(*zip(*curve), color=color, linestyle=dash, marker=marker, label=name)
        if points.get(name):
            axis.plot(*zip(*points[name]), marker, color=color, markerfacecolor="none", markersize=10,
                      markeredgewidth=1.6)
    axis.axhline(0, color=TRUTH, linewidth=1)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(axis="y")
    _legend(axis)
    return figure


@styled
def metric_dots(rows: Mapping[str, Mapping[str, Sequence[float]]], *, better: Mapping[str, str] | None = None,
                digits: int = 3) -> Figure:
    """Draw metrics over seeds: a small ring for each seed, a dot at the mean, mean and standard deviation in words.

    Args:
        rows: Row name to metric name to the values of its seeds.
        better: Metric name to "lower" or "higher", written above its column.
        digits: Decimals of the words.
    """
    metrics = list(dict.fromkeys(name for row in rows.values() for name in row))
    if not metrics:
        raise InputError("There are no metrics to draw; pass rows with at least one metric.")
    figure = new_figure(WIDTH, 0.62 * len(rows) + 0.9)
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics):
        for place, row in enumerate(rows.values()):
            values = np.asarray(row.get(metric, ()), dtype=np.float64)
            if not values.size:
                continue
            color, _, marker = LINES[place % len(LINES)]
            spread = f" ± {values.std(ddof=1):.{digits}f}" if values.size > 1 else ""
            axis.plot(values, np.full(values.size, place), "o", color=color, markerfacecolor="none", markersize=8,
                      markeredgewidth=1.2)
            axis.plot(values.mean(), place, marker, color=color)
            axis.annotate(f"{values.mean():.{digits}f}{spread}", (values.mean(), place), xytext=(0, 9),
                          textcoords="offset points", ha="center", fontsize=10.5)
        direction = (better or {}).get(metric)
        axis.set_title(f"{metric}\n({direction} is better)" if direction else metric)
        axis.margins(x=0.3)
        axis.locator_params(axis="x", nbins=4)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.grid(axis="y")
    axes[0].set_yticks(range(len(rows)), labels=list(rows))
    axes[0].set_ylim(len(rows) - 0.5, -0.75)
    return figure


@styled
def border_profile(positions, profiles: Mapping[str, object], *, truth: str | None = None,
                   borders: Sequence[float] = (), names: tuple[str, str] | None = None) -> Figure:
    """Draw depth along a line of pixels that crosses object borders.

    Args:
        positions: (N,) pixel positions along the line.
        profiles: Name to (N,) depth, meters; 0 (no depth) leaves a gap.
        truth: Name of the profile that is the truth, drawn as steps in black.
        borders: Positions of label borders, drawn as thin upright lines.
        names: Names of what lies left and right of the first border.
    """
    figure = new_figure(WIDTH, 3.7)
    axis = figure.subplots()
    positions = as_array(positions)
    styles = iter(LINES)
    for name, values in profiles.items():
        curve = _curve(values, name, len(positions))
        curve = np.where(curve > 0, curve, np.nan)
        if name == truth:
            axis.step(positions, curve, where="mid", color=TRUTH, linewidth=2.6, label=name)
        else:
            color, dash, marker = next(styles)
            axis.plot(positions, curve, color=color, linestyle=dash, marker=marker, markersize=5, label=name)
    for number, border in enumerate(borders):
        axis.axvline(border, color="#777777", linewidth=1, linestyle=(0, (2, 2)),
                     label="label border" if number == 0 else None)
    if borders and names:
        for text, side, gap in ((names[0], "right", -6), (names[1], "left", 6)):
            axis.annotate(text, (borders[0], 1.0), xycoords=("data", "axes fraction"), xytext=(gap, 4),
                          textcoords="offset points", ha=side, va="bottom", color="#555555")
    axis.set_yscale("log")
    _depth_ticks(axis.yaxis, *axis.get_ylim())
    axis.set(xlabel="position along the line (pixels)", ylabel="depth (m, logarithmic)")
    axis.grid(axis="y")
    _legend(axis)
    return figure


@styled
def birds_eye(points: Mapping[str, tuple[object, object]], *, reach: tuple[float, float] = (15.0, 50.0)) -> Figure:
    """Draw points from above, the camera at the left looking right.

    Args:
        points: Title to (points (N, 3) in camera axes, meters; colors (N, 3) uint8 or labels (N,) trainIds).
        reach: Meters that are shown to each side and ahead.
    """
    from matplotlib.patheffects import withStroke

    side, ahead = reach
    panel = WIDTH / max(1, len(points))
    named = any(as_array(paint).ndim == 1 for _, paint in points.values())
    figure = new_figure(WIDTH, panel * 2 * side / ahead + (1.4 if named else 0.6))
    axes = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
    classes: dict[int, str] = {}
    for axis, (title, (cloud, paint)) in zip(axes, points.items()):
        cloud, paint = as_array(cloud), as_array(paint)
        seen = (np.abs(cloud[:, 0]) <= side) & (cloud[:, 2] <= ahead)
        if paint.ndim == 2:
            axis.scatter(cloud[seen, 2], -cloud[seen, 0], c=paint[seen] / 255, s=2, linewidths=0)
        else:
            for index in (int(i) for i in np.unique(paint[seen]) if i < len(NAMES)):
                marker = classes.setdefault(index, MARKERS[len(classes) % len(MARKERS)])
                chosen = seen & (paint == index)
                axis.scatter(cloud[chosen, 2], -cloud[chosen, 0], color=palette().numpy()[index] / 255, s=4,
                             marker=marker, linewidths=0, label=NAMES[index])
        axis.plot(0, 0, ">", color="black", markersize=11, clip_on=False)
        axis.annotate("camera", (0, 0), xytext=(2, 9), textcoords="offset points",
                      path_effects=[withStroke(linewidth=3, foreground="white")])
        axis.set(title=title, xlabel="ahead (m)", xlim=(0, ahead), ylim=(-side, side), aspect="equal")
        axis.grid()
    axes[0].set_ylabel("to the left (m)")
    if classes:
        handles = {h.get_label(): h for axis in axes for h in axis.get_legend_handles_labels()[0]}
        figure.legend(handles=list(handles.values()), loc="outside lower left", markerscale=4, ncols=6,
                      handletextpad=0.2, columnspacing=1.4)
    return figure
