"""Figures of points over images: where a method looks, and how its points hang together."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..common.contracts import InputError
from .style import LINES, WIDTH, as_array, as_image, draw_image, image_axes, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def point_panel(panels: Mapping[str, tuple[object, Mapping[str, object]]], *, columns: int = 2, size: float = 2.0
                ) -> Figure:
    """Draw images with sets of points on them; each set has a color and a marker of its own and is named below.

    Args:
        panels: Title to (image, name of a set to its (N, 2) places (u, v)).
        columns: Pictures in a row.
        size: Size of the markers, typographic points.
    """
    images = {title: as_image(image) for title, (image, _) in panels.items()}
    shape = next(iter(images.values())).shape if images else (1, 1)
    figure, axes = image_axes(len(panels), columns, shape, extra=0.35)
    styles = {}
    for axis, (title, (_, sets)) in zip(axes, panels.items()):
        draw_image(axis, images[title], title)
        for name, points in sets.items():
            color, _, marker = styles.setdefault(name, LINES[(5, 0, 6, 1)[len(styles) % 4]])
            x, y = as_array(points).reshape(-1, 2).T
            axis.plot(x, y, marker, color=color, markersize=size, markeredgecolor="black", markeredgewidth=0.5,
                      label=name)
    handles = {h.get_label(): h for axis in axes for h in axis.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside lower left", ncols=4, markerscale=8 / size,
                  handletextpad=0.2)
    return figure


@styled
def quadruplet_picture(image, quadruplets, *, rows: tuple[int, int], columns: tuple[int, int]) -> Figure:
    """Draw quadruplets a, b, c, d over a cut-out of an image, one of them lettered.

    Args:
        image: Whole image.
        quadruplets: (N, 4, 2) places (u, v); of those that lie inside, the longest is lettered.
        rows, columns: First and last pixel of the cut-out.
    """
    picture = as_image(image)
    top, bottom = rows
    left, right = columns
    if not (0 <= top < bottom <= picture.shape[0] and 0 <= left < right <= picture.shape[1]):
        raise InputError(f"rows {rows} and columns {columns} do not lie in an image of {picture.shape[0]} rows and "
                         f"{picture.shape[1]} columns; choose a part of it.")
    figure = new_figure(WIDTH, WIDTH * (bottom - top) / (right - left) + 0.2)
    axis = figure.subplots()
    draw_image(axis, picture, "", smooth=False)
    axis.set(xlim=(left - 0.5, right - 0.5), ylim=(bottom - 0.5, top - 0.5))
    axis.set_axis_off()
    points = as_array(quadruplets).reshape(-1, 4, 2)
    inside = ((points >= (left + 1, top + 1)) & (points < (right - 1, bottom - 1))).all((1, 2))
    lengths = np.linalg.norm(points[:, 3] - points[:, 0], axis=1) * inside
    for number in np.flatnonzero(inside):
        _draw_quadruplet(axis, points[number], lettered=number == lengths.argmax())
    return figure


def _draw_quadruplet(axis: Axes, points, lettered: bool) -> None:
    """Draw a pull as a thin solid line, the push as a thick dashed one, and the four points."""
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=6, foreground="white")]
    for start, (color, dash, width) in zip(range(3), (("#0072B2", "-", 2.4), ("#D55E00", (0, (1.5, 0.8)), 3.6),
                                                      ("#0072B2", "-", 2.4))):
        x, y = points[start:start + 2].T
        axis.plot(x, y, color=color, linestyle=dash, linewidth=width, path_effects=outline)
    for (x, y), marker, color in zip(points, "oooo", ("#0072B2", "#D55E00", "#D55E00", "#0072B2")):
        axis.plot(x, y, marker, color=color, markersize=9, markeredgecolor="white")
    if lettered:
        across = points[3] - points[0]
        offset = (9, -5) if abs(across[0]) < abs(across[1]) else (-4, 9)
        for (x, y), letter in zip(points, "abcd"):
            axis.annotate(letter, (x, y), xytext=offset, textcoords="offset points", fontsize=15, weight="bold",
                          path_effects=[withStroke(linewidth=3.5, foreground="white")])
