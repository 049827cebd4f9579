"""Our own drawing of both methods: what acts on what, and what of it is inferred.

Places are in a grid: x from 0 (image) to 17 (losses), y upward, the depth branch at about 0.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..figures.style import new_figure, styled
from ..variants import SSFA, VARIANTS
from .drawings import CLASSES, DEPTH, ENCODER, FUSION, IMAGE, INFERRED, INK, LOSS, arrow, box

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = {4: 3.6, 3: 5.1, 2: 6.6, 1: 8.1, 0: 9.6}  # decoder level to x
SEMANTIC, MIDDLE, DEPTH_ROW = 3.6, 1.75, -0.1  # y of the rows


@styled
def overview() -> Figure:
    """Draw SEEDepth above and SemDepth below, as the variants build them, with a legend of the marks."""
    figure = new_figure(10.45, 8.9)
    above, below = figure.subplots(2, 1)
    for axis, title, draw in ((above, "SEEDepth: attention, concatenation, and enhanced points at semantic edges",
                               _seedepth),
                              (below, "SemDepth: modulation by the label map, and a ranking loss at its borders",
                               _semdepth)):
        axis.set(xlim=(-0.05, 16.75), ylim=(-1.55, 4.75))
        axis.set_axis_off()
        axis.set_title(title, fontsize=13, weight="bold")
        draw(axis)
    _legend(figure)
    return figure


def _trunk(axis: Axes) -> None:
    """Draw what both methods share: image, encoder, and two decoders of five levels."""
    box(axis, 0.6, MIDDLE, "image\n$I_t$", IMAGE)
    box(axis, 2.05, MIDDLE, "shared\nencoder\n5 stages", ENCODER, 1.2, 1.5)
    arrow(axis, (1.18, MIDDLE), (1.44, MIDDLE))
    for y, edge, color in ((SEMANTIC, MIDDLE + 0.75, CLASSES), (DEPTH_ROW, MIDDLE - 0.75, DEPTH)):
        arrow(axis, (2.05, edge), (2.05, y), (LEVELS[4] - 0.59, y))
        for level, x in LEVELS.items():
            box(axis, x, y, f"level {level}", color)
            if level:
                arrow(axis, (x + 0.58, y), (x + 0.91, y))
    axis.text(LEVELS[4] - 0.55, SEMANTIC + 0.58, "semantic decoder", fontsize=9)
    axis.text(LEVELS[4] - 0.55, DEPTH_ROW - 0.74, "depth decoder", fontsize=9)


def _fuse(axis: Axes, level: int, words: str, inferred: bool) -> None:
    """Draw how semantics acts on one level of the depth decoder."""
    x = LEVELS[level]
    box(axis, x, MIDDLE, words, FUSION, inferred=inferred)
    arrow(axis, (x, SEMANTIC - 0.41), (x, MIDDLE + 0.41))
    arrow(axis, (x, MIDDLE - 0.41), (x, DEPTH_ROW + 0.41))


def _seedepth(axis: Axes) -> None:
    _trunk(axis)
    for level in LEVELS:
        _fuse(axis, level, "attention" if level >= 2 else "concat,\nconv", inferred=level >= 2)
    _classes(axis, "foreground\nprobability", "cross-entropy\nwith labels")
    box(axis, 12.75, MIDDLE, "SEEM\nat points on edges:\nfeatures of 3 levels\neach, and an MLP", FUSION, 2.4, 1.45,
         inferred=True)
    arrow(axis, (12.1, SEMANTIC - 0.41), (12.1, MIDDLE + 0.74))
    axis.text(12.25, 2.83, "edges: predicted at test,\ngiven by labels in training", fontsize=8.6, va="center",
              linespacing=1.15)
    arrow(axis, (LEVELS[0] + 0.58, SEMANTIC - 0.2), (10.45, SEMANTIC - 0.2), (10.45, MIDDLE + 0.3),
           (11.54, MIDDLE + 0.3))
    arrow(axis, (LEVELS[0] + 0.58, DEPTH_ROW + 0.2), (10.45, DEPTH_ROW + 0.2), (10.45, MIDDLE - 0.3),
           (11.54, MIDDLE - 0.3))
    arrow(axis, (1.75, MIDDLE + 0.75), (1.75, 4.6), (16.4, 4.6), (16.4, MIDDLE), (13.96, MIDDLE))
    axis.text(6.9, 4.37, "features of the encoder", fontsize=8.6, va="center")
    _finish(axis, 12.75)
    arrow(axis, (12.75, MIDDLE - 0.74), (12.75, DEPTH_ROW + 0.41))
    arrow(axis, (LEVELS[0] + 0.58, DEPTH_ROW - 0.15), (12.21, DEPTH_ROW - 0.15))


def _semdepth(axis: Axes) -> None:
    _trunk(axis)
    fusion = VARIANTS["semdepth"].fusion
    assert isinstance(fusion, SSFA)
    for level in fusion.levels:
        _fuse(axis, level, "SSFA", inferred=True)
        if level:
            arrow(axis, (LEVELS[level] + 0.91, MIDDLE), (LEVELS[level] + 0.59, MIDDLE))
    _classes(axis, "class\nprobabilities", "cross-entropy\nwith labels", inferred=True)
    box(axis, 11.6, MIDDLE, "label map,\nall classes", CLASSES, 1.5)
    arrow(axis, (11.6, SEMANTIC - 0.41), (11.6, MIDDLE + 0.41), inferred=True)
    axis.text(11.73, 2.67, "for SSFA", fontsize=8.6, va="center")
    axis.text(12.72, 1.5, "given", fontsize=8.6, ha="center", va="center")
    arrow(axis, (10.84, MIDDLE), (LEVELS[0] + 0.59, MIDDLE))
    box(axis, 15.0, MIDDLE, "ranking loss\nrobust pairs,\nuncertainty weights", LOSS, 2.5, 1.25)
    arrow(axis, (12.36, MIDDLE), (13.74, MIDDLE))
    arrow(axis, (12.41, SEMANTIC - 0.2), (13.15, SEMANTIC - 0.2), (13.15, MIDDLE + 0.35), (13.74, MIDDLE + 0.35))
    _finish(axis, 11.6)
    arrow(axis, (LEVELS[0] + 0.58, DEPTH_ROW), (11.06, DEPTH_ROW))
    arrow(axis, (13.2, DEPTH_ROW + 0.41), (13.2, MIDDLE - 0.35), (13.74, MIDDLE - 0.35))
    box(axis, 15.5, DEPTH_ROW, "snapping\n(ours, no paper)", FUSION, 2.2, inferred=True)
    arrow(axis, (13.79, DEPTH_ROW), (14.39, DEPTH_ROW), inferred=True)


def _classes(axis: Axes, output: str, taught: str, inferred: bool = False) -> None:
    """Draw the output of the semantic decoder, and the loss that teaches it."""
    box(axis, 11.6, SEMANTIC, output, IMAGE, 1.6, inferred=inferred)
    arrow(axis, (LEVELS[0] + 0.58, SEMANTIC), (10.79, SEMANTIC))
    box(axis, 15.0, SEMANTIC, taught, LOSS, 1.9)
    arrow(axis, (12.41, SEMANTIC), (14.04, SEMANTIC))


def _finish(axis: Axes, x: float) -> None:
    """Draw convolution, depth map, and the photometric loss."""
    box(axis, x, DEPTH_ROW, "conv", DEPTH, 1.05)
    box(axis, x + 1.6, DEPTH_ROW, "depth\n$D_t$", IMAGE, 1.15)
    arrow(axis, (x + 0.53, DEPTH_ROW), (x + 1.01, DEPTH_ROW))
    box(axis, x + 1.6, DEPTH_ROW - 1.1, "photometric loss, smoothness", LOSS, 3.6, 0.55)
    arrow(axis, (x + 1.6, DEPTH_ROW - 0.41), (x + 1.6, DEPTH_ROW - 0.82))


def _legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    kinds = (("semantics", CLASSES), ("depth", DEPTH), ("where they meet", FUSION), ("taught by", LOSS))
    patches = [Patch(facecolor=color, edgecolor=INK, label=text) for text, color in kinds]
    patches += [Patch(facecolor="white", edgecolor=INK, linewidth=1.5, label="solid: seen in the authors' figure"),
                Patch(facecolor="white", edgecolor=INK, linewidth=1.5, linestyle=INFERRED,
                      label="dashed: inside unknown, ours")]
    figure.legend(handles=patches, loc="outside lower left", ncols=6, handlelength=1.6, columnspacing=1.2, fontsize=10)
