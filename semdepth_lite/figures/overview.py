"""Our own drawing of both methods: what acts on what, and what of it is inferred.

Places are in a grid: x from 0 (image) to 16 (losses), y from 0 (depth branch) upward.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from .style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGE, ENCODER, CLASSES, DEPTH, FUSION, LOSS = "#FFFFFF", "#DDDDDD", "#F7D9A8", "#B9DCF2", "#BFE5D3", "#F3D3E4"
INK, INFERRED = "#222222", (0, (4, 2))
LEVELS = {4: 3.6, 3: 5.1, 2: 6.6, 1: 8.1, 0: 9.6}  # decoder level to x


@styled
def overview() -> Figure:
    """Draw SEEDepth above and SemDepth below, with a legend of the marks."""
    figure = new_figure(10.7, 8.6)
    above, below = figure.subplots(2, 1)
    for axis, title, draw in ((above, "SEEDepth: attention, concatenation, and enhanced points at semantic edges",
                               _seedepth),
                              (below, "SemDepth: modulation by the label map, and a ranking loss at its borders",
                               _semdepth)):
        axis.set(xlim=(-0.1, 16.1), ylim=(-1.25, 4.75))
        axis.set_axis_off()
        axis.set_title(title, fontsize=13, weight="bold")
        draw(axis)
    _legend(figure)
    return figure


def _box(axis: Axes, x: float, y: float, text: str, color: str, width: float = 1.15, height: float = 0.8,
         inferred: bool = False) -> None:
    """Draw a box around its middle; a dashed outline marks what is inferred."""
    from matplotlib.patches import FancyBboxPatch

    axis.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, facecolor=color, edgecolor=INK,
                                  boxstyle="round,pad=0,rounding_size=0.12", linewidth=1.5,
                                  linestyle=INFERRED if inferred else "-"))
    axis.text(x, y, text, ha="center", va="center", fontsize=9.4, color=INK, linespacing=1.15)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], inferred: bool = False) -> None:
    axis.annotate("", end, start, arrowprops={
        "arrowstyle": "-|>", "color": INK, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13,
        "linestyle": INFERRED if inferred else "-"})


def _trunk(axis: Axes) -> None:
    """Draw what both methods share: image, encoder, and two decoders of five levels."""
    _box(axis, 0.65, 1.75, "image\n$I_t$", IMAGE)
    _box(axis, 2.15, 1.75, "shared\nencoder\n5 stages", ENCODER, 1.2, 1.5)
    _arrow(axis, (1.23, 1.75), (1.54, 1.75))
    for y, color in ((3.5, CLASSES), (0.0, DEPTH)):
        _arrow(axis, (2.76, 1.75), (LEVELS[4] - 0.57, y))
        for level, x in LEVELS.items():
            _box(axis, x, y, f"level {level}", color)
            if level:
                _arrow(axis, (x + 0.58, y), (x + 0.92, y))
    axis.text(LEVELS[4] - 0.55, 4.1, "semantic decoder", fontsize=9.4)
    axis.text(LEVELS[4] - 0.55, -0.78, "depth decoder", fontsize=9.4)


def _seedepth(axis: Axes) -> None:
    _trunk(axis)
    for level, x in LEVELS.items():
        words = "attention" if level >= 2 else "concat,\nconv"
        _box(axis, x, 1.75, words, FUSION, inferred=level >= 2)
        _arrow(axis, (x, 3.1), (x, 2.15))
        _arrow(axis, (x, 1.35), (x, 0.4))
    _foreground(axis)
    _box(axis, 12.4, 1.75, "SEEM\npoints at edges, features\nof three levels, MLP", FUSION, 2.65, 1.2, inferred=True)
    _arrow(axis, (11.7, 3.1), (11.95, 2.36))
    axis.text(11.98, 2.74, "at test; labels while training", fontsize=8.6)
    _arrow(axis, (LEVELS[0] + 0.3, 3.1), (11.14, 2.1))
    _arrow(axis, (LEVELS[0] + 0.58, 0.25), (11.25, 1.14))
    _finish(axis, 12.9)
    _arrow(axis, (12.65, 1.14), (12.82, 0.41))
    _arrow(axis, (LEVELS[0] + 0.58, -0.1), (12.36, -0.1))


def _semdepth(axis: Axes) -> None:
    _trunk(axis)
    for x in LEVELS.values():
        _box(axis, x, 1.75, "SSFA", FUSION, 1.0, 0.75, inferred=True)
        _arrow(axis, (x, 3.1), (x, 2.13))
        _arrow(axis, (x, 1.37), (x, 0.4))
    _foreground(axis)
    _box(axis, 11.9, 1.75, "label map,\nall classes", CLASSES, 1.5)
    _arrow(axis, (11.15, 1.75), (LEVELS[0] + 0.52, 1.75))
    for level in (1, 2, 3, 4):
        _arrow(axis, (LEVELS[level] + 0.98, 1.75), (LEVELS[level] + 0.52, 1.75))
    _box(axis, 14.7, 1.75, "ranking loss\nrobust pairs,\nuncertainty weights", LOSS, 2.2, 1.2)
    _arrow(axis, (12.66, 1.75), (13.58, 1.75))
    _arrow(axis, (12.18, 3.2), (13.8, 2.36))
    _finish(axis, 11.9)
    _arrow(axis, (LEVELS[0] + 0.58, 0.0), (11.33, 0.0))
    _arrow(axis, (13.9, 0.4), (14.5, 1.14))


def _foreground(axis: Axes) -> None:
    """Draw what the semantic decoder says, and the loss that teaches it."""
    _box(axis, 11.5, 3.5, "foreground\nprobability", IMAGE, 1.35)
    _arrow(axis, (LEVELS[0] + 0.58, 3.5), (10.82, 3.5))
    _box(axis, 14.7, 3.5, "cross-entropy\nwith labels", LOSS, 1.8)
    _arrow(axis, (12.18, 3.5), (13.8, 3.5))


def _finish(axis: Axes, x: float) -> None:
    """Draw convolution, depth map, the photometric loss and snapping."""
    _box(axis, x, 0.0, "conv", DEPTH, 1.05)
    _box(axis, x + 1.5, 0.0, "depth\n$D_t$", IMAGE, 1.15)
    _arrow(axis, (x + 0.53, 0.0), (x + 0.92, 0.0))
    _box(axis, x + 1.5, -0.95, "photometric loss, smoothness", LOSS, 3.15, 0.5)
    _arrow(axis, (x + 1.5, -0.4), (x + 1.5, -0.69))
    if x < 12:
        _box(axis, x + 3.25, 0.0, "snapping\n(ours, no paper)", FUSION, 1.8, inferred=True)
        _arrow(axis, (x + 2.08, 0.0), (x + 2.44, 0.0), inferred=True)


def _legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    kinds = (("semantics", CLASSES), ("depth", DEPTH), ("where they meet", FUSION), ("taught by", LOSS))
    patches = [Patch(facecolor=color, edgecolor=INK, label=text) for text, color in kinds]
    patches += [Patch(facecolor="white", edgecolor=INK, linewidth=1.5, label="solid: seen in the authors' figure"),
                Patch(facecolor="white", edgecolor=INK, linewidth=1.5, linestyle=INFERRED,
                      label="dashed: inside unknown, ours")]
    figure.legend(handles=patches, loc="outside lower left", ncols=6, handlelength=1.6, columnspacing=1.2, fontsize=10)
