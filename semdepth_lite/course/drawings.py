"""Drawings of the geometry and of the methods, beside the lessons that explain them; all by code, in one style.

Notable: every drawing is made of boxes, arrows and words on an empty axis, with the colors of `methods_drawing`.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..figures.style import LINES, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGE, ENCODER, CLASSES, DEPTH, FUSION, LOSS = "#FFFFFF", "#DDDDDD", "#F7D9A8", "#B9DCF2", "#BFE5D3", "#F3D3E4"
INK, INFERRED = "#222222", (0, (4, 2))
BLUE, ORANGE, GREEN = LINES[0][0], LINES[1][0], LINES[2][0]


def sheet(width: float, height: float, x: tuple[float, float], y: tuple[float, float]) -> tuple[Figure, Axes]:
    """Make a figure of a size in inches with one empty axis of equal units."""
    figure = new_figure(width, height)
    axis = figure.subplots()
    axis.set(xlim=x, ylim=y, aspect="equal")
    axis.set_axis_off()
    return figure, axis


def box(axis: Axes, x: float, y: float, text: str, color: str, width: float = 1.15, height: float = 0.8,
        inferred: bool = False, size: float = 9) -> None:
    """Draw a box around its middle; a dashed outline marks what is inferred."""
    from matplotlib.patches import FancyBboxPatch

    axis.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, facecolor=color, edgecolor=INK,
                                  boxstyle="round,pad=0,rounding_size=0.12", linewidth=1.5,
                                  linestyle=INFERRED if inferred else "-"))
    axis.text(x, y, text, ha="center", va="center", fontsize=size, color=INK, linespacing=1.15)


def arrow(axis: Axes, *points: tuple[float, float], inferred: bool = False, color: str = INK, width: float = 1.4
          ) -> None:
    """Draw an arrow from the first point over the others to the last."""
    for start, end in zip(points[:-2], points[1:-1]):
        axis.plot(*zip(start, end), color=color, linewidth=width, linestyle=INFERRED if inferred else "-",
                  solid_capstyle="round")
    axis.annotate("", points[-1], points[-2], arrowprops={
        "arrowstyle": "-|>", "color": color, "linewidth": width, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13,
        "linestyle": INFERRED if inferred else "-"})


def label(axis: Axes, x: float, y: float, text: str, color: str = INK, size: float = 11, **where) -> None:
    """Write a word beside something."""
    axis.text(x, y, text, color=color, fontsize=size, **{"ha": "center", "va": "center", **where})


def _camera(axis: Axes, x: float, y: float, turn: float, name: str, color: str = INK) -> np.ndarray:
    """Draw a camera from above, looking up when `turn` is 0 degrees; return the unit vectors of its axes x and z."""
    angle = np.deg2rad(turn)
    z, right = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    center = np.array([x, y])
    corners = [center, center + 0.9 * z - 0.62 * right, center + 0.9 * z + 0.62 * right, center]
    axis.plot(*np.array(corners).T, color=color, linewidth=1.8)
    axis.plot(x, y, "o", color=color, markersize=6)
    label(axis, x, y - 0.42, name, color)
    return np.stack((right, z))


@styled
def pinhole() -> Figure:
    """Draw the pinhole camera from the side: center, image, axes, the ray of a pixel, and the similar triangles."""
    figure, axis = sheet(9.0, 3.7, (-1.1, 10.4), (-2.7, 2.1))
    arrow(axis, (0, 0), (10.0, 0), width=1.6)
    label(axis, 10.15, 0, "$z$ (ahead)", ha="left")
    arrow(axis, (0, 0), (0, -1.5), width=1.6)
    label(axis, 0, -1.75, "$y$ (down)")
    label(axis, -0.75, 0.75, "$x$ (right) points\ninto the page", size=9.5)
    axis.plot([3, 3], [-1.5, 1.5], color=BLUE, linewidth=3)
    label(axis, 3, 1.8, "image", BLUE)
    axis.plot(8.4, -1.68, "o", color=ORANGE, markersize=9)
    label(axis, 8.65, -1.68, "point $(x, y, z)$", ORANGE, ha="left")
    axis.plot([0, 8.4], [0, -1.68], color=ORANGE, linewidth=1.8)
    axis.plot([8.4, 8.4], [0, -1.68], color=INK, linewidth=1.2, linestyle=":")
    label(axis, 8.55, -0.8, "$y$", ha="left")
    axis.plot(3, -0.6, "s", color=BLUE, markersize=8)
    label(axis, 3.2, -1.2, "pixel: $v = f_y\\,\\frac{y}{z} + c_y$", BLUE, ha="left", size=13)
    axis.plot(3, 0, "o", color=BLUE, markersize=5)
    label(axis, 3.15, 0.3, "$(c_x, c_y)$", BLUE, ha="left")
    axis.plot(0, 0, "o", color=INK, markersize=7)
    label(axis, -0.15, 0.25, "camera", ha="right")
    for start, end, y, text in ((0, 3, -2.15, "$f$"), (0, 8.4, -2.5, "depth $z$ (not the length of the ray)")):
        axis.annotate("", (start, y), (end, y), arrowprops={"arrowstyle": "<->", "color": INK})
        label(axis, (start + end) / 2, y + 0.18, text, size=10)
    return figure


@styled
def two_cameras() -> Figure:
    """Draw two cameras and a point from above: where a pixel goes, for the true and for a wrong depth."""
    figure, axis = sheet(9.0, 4.7, (-3.4, 7.9), (-1.0, 5.4))
    _camera(axis, 0, 0, 8, "target", BLUE)
    source = np.array([3.6, 0.2])
    _, ahead = _camera(axis, 3.6, 0.2, -32, "source", GREEN)
    ray = np.array([0.33, 1.0])
    axis.plot(*np.array([(0, 0), 5.2 * ray]).T, color=BLUE, linewidth=1.6)
    for depth, name, color in ((2.2, "half the depth", LINES[3][0]), (4.4, "point at depth $d$", ORANGE)):
        x, y = depth * ray
        axis.plot(x, y, "o", color=color, markersize=9)
        label(axis, x - 0.2, y + 0.15, name, color, ha="right")
        axis.plot([source[0], x], [source[1], y], color=color, linewidth=1.6, linestyle="--")
        seen = depth * ray - source
        axis.plot(*(source + 0.9 * seen / (seen @ ahead)), "s", color=color, markersize=8)  # the pixel p'
    label(axis, 1.95, 5.25, "one pixel of the target,\nall depths", BLUE, size=10, ha="left", va="top")
    label(axis, 4.75, 1.2, "two depths,\ntwo pixels $p'$ of the source:\nthat is how depth can be learned", GREEN,
          size=10, ha="left")
    arrow(axis, (0.4, -0.62), (3.1, -0.62), color=INK)
    label(axis, 1.75, -0.85, "$T_{\\mathrm{source\\_target}}$ takes points from here to there", size=10)
    label(axis, -3.3, 4.4, "lift      $X = d\\,K^{-1}p$\nmove     $Y = R\\,X + t$\nproject  $p' \\sim K\\,Y$\n"
                           "read     $I_s(p')$", ha="left", size=11.5, linespacing=1.7)
    return figure


@styled
def pipeline() -> Figure:
    """Draw what one training step does: two networks, the warp, the comparison, and the gradient back."""
    figure, axis = sheet(9.6, 3.4, (-0.2, 12.9), (-0.3, 4.3))
    box(axis, 0.7, 3.1, "target\n$I_t$", IMAGE)
    box(axis, 0.7, 0.6, "source\n$I_s$", IMAGE)
    box(axis, 3.2, 3.1, "depth network\nencoder, decoder,\nsigmoid", DEPTH, 2.2, 1.1)
    box(axis, 3.2, 0.9, "pose network\nboth images", ENCODER, 2.2, 1.1)
    box(axis, 5.9, 3.1, "depth $d$", IMAGE, 1.3)
    box(axis, 5.9, 0.9, "motion $T$", IMAGE, 1.3)
    box(axis, 8.1, 2.0, "warp\nlift, move,\nproject, read", FUSION, 1.8, 1.3)
    box(axis, 10.3, 2.0, "$I_{s \\to t}$", IMAGE, 1.1)
    box(axis, 12.1, 2.0, "compare\nSSIM, L1,\nmask", LOSS, 1.4, 1.3)
    for points in (((1.28, 3.1), (2.09, 3.1)), ((1.28, 0.8), (2.09, 0.8)), ((0.7, 2.69), (0.7, 1.9), (2.6, 1.9),
                    (2.6, 1.46)),
                   ((4.31, 3.1), (5.24, 3.1)), ((4.31, 0.9), (5.24, 0.9)),
                   ((6.56, 3.1), (7.6, 3.1), (7.6, 2.66)),
                   ((6.56, 0.9), (7.6, 0.9), (7.6, 1.34)), ((9.01, 2.0), (9.74, 2.0)), ((10.86, 2.0), (11.39, 2.0)),
                   ((0.7, 0.19), (0.7, -0.1), (8.4, -0.1), (8.4, 1.34)),
                   ((0.7, 3.51), (0.7, 3.95), (12.1, 3.95), (12.1, 2.66))):
        arrow(axis, *points)
    for points in (((11.39, 1.72), (10.86, 1.72)), ((9.74, 1.72), (9.01, 1.72)),  # the way back, through the warp
                   ((7.3, 2.66), (7.3, 2.86), (6.56, 2.86)), ((5.24, 2.86), (4.31, 2.86)),
                   ((7.3, 1.34), (7.3, 1.14), (6.56, 1.14)), ((5.24, 1.14), (4.31, 1.14))):
        arrow(axis, *points, color=ORANGE, width=2)
    label(axis, 10.65, 0.85, "gradient: back through the warp\nto both networks", ORANGE, size=10)
    return figure


@styled
def network() -> Figure:
    """Draw the depth network: encoder down, decoder up, skips across, a sigmoid at four levels."""
    figure, axis = sheet(9.6, 4.2, (-0.3, 13.2), (-0.4, 5.6))
    box(axis, 0.5, 4.9, "image\n$H \\times W$", IMAGE, 1.2)
    for level in range(5):
        x, y, tall = 2.1 + 0.85 * level, 4.3 - 0.95 * level, 0.75
        box(axis, x, y, f"$\\frac{{1}}{{{2 ** (level + 1)}}}$", ENCODER, 1.15, tall, size=12)
        back = 10.4 - 0.85 * level
        box(axis, back, y, f"level {level}", DEPTH, 1.15, tall)
        if level < 4:
            arrow(axis, (x + 0.4, y - 0.38), (x + 0.75, y - 0.56))
            arrow(axis, (back - 0.75, y - 0.56), (back - 0.4, y - 0.38))
        if level:
            up = y + 0.95
            arrow(axis, (2.1 + 0.85 * (level - 1) + 0.58, up - 0.18), (10.4 - 0.85 * level, up - 0.18),
                  (10.4 - 0.85 * level, y + 0.4), inferred=True)
    arrow(axis, (1.11, 4.9), (2.1, 4.9), (2.1, 4.7))
    arrow(axis, (6.08, 0.5), (6.42, 0.5))
    label(axis, 1.0, 1.9, "encoder:\nhalf the size,\nmore channels,\nfive times", size=10)
    label(axis, 6.25, 4.75, "skips carry fine detail across", size=10)
    for level in range(4):
        x, y = 10.4 - 0.85 * level, 4.3 - 0.95 * level
        arrow(axis, (x + 0.58, y), (x + 1.0, y), color=GREEN)
        label(axis, x + 1.1, y, "sigmoid" if level else "sigmoid: disparity at full size", GREEN, size=10, ha="left")
    label(axis, 11.4, 0.75, "decoder: twice the size,\nskips joined, convolved", size=10)
    return figure


@styled
def attention() -> Figure:
    """Draw semantic-guided attention on one level, as in SEEDepth; what is inside is our reconstruction."""
    figure, axis = sheet(9.0, 2.5, (-0.2, 12.2), (0.1, 3.4))
    box(axis, 0.8, 2.7, "semantic\n$F_S$", CLASSES, 1.4)
    box(axis, 0.8, 0.9, "depth\n$F_D$", DEPTH, 1.4)
    box(axis, 3.1, 1.8, "join,\nconv: $X$", FUSION, 1.4, inferred=True)
    box(axis, 5.7, 2.7, "who asks, who answers\n$A = $ softmax$(Q^\\top K / \\sqrt{C})$", FUSION, 2.9, inferred=True)
    box(axis, 8.6, 1.8, "borrow\n$X + \\lambda V A^\\top$", FUSION, 1.7, inferred=True)
    box(axis, 11.1, 0.9, "depth,\nenhanced", DEPTH, 1.5)
    for points in (((1.51, 2.7), (2.0, 2.7), (2.0, 1.95), (2.39, 1.95)),
                   ((1.51, 1.1), (2.0, 1.1), (2.0, 1.65), (2.39, 1.65)),
                   ((3.81, 1.95), (4.0, 1.95), (4.0, 2.7), (4.24, 2.7)),
                   ((7.16, 2.7), (7.4, 2.7), (7.4, 1.95), (7.74, 1.95)),
                   ((3.81, 1.65), (7.74, 1.65)), ((9.46, 1.8), (11.1, 1.8), (11.1, 1.31)), ((1.51, 0.7), (10.34, 0.7))):
        arrow(axis, *points)
    label(axis, 5.7, 0.45, "the depth feature itself passes by: at the start nothing is added", size=9.5)
    return figure


@styled
def modulation() -> Figure:
    """Draw the modulation of a depth feature by a label map (SSFA); the operator is our reconstruction."""
    figure, axis = sheet(9.0, 2.5, (-0.2, 12.2), (0.1, 3.4))
    box(axis, 0.9, 2.7, "label map $S$", CLASSES, 1.6)
    box(axis, 0.9, 0.9, "depth\n$F_D$", DEPTH, 1.4)
    box(axis, 3.6, 2.7, "two small\nconvolutions", FUSION, 1.7, inferred=True)
    box(axis, 3.6, 1.2, "normalize\n$(X - \\mu)/\\sigma$", FUSION, 1.7, inferred=True)
    box(axis, 7.3, 1.6, "$Y = (1 + \\gamma)\\,\\hat X + \\beta$", FUSION, 2.7, 0.9, inferred=True, size=11)
    box(axis, 11.1, 0.9, "depth,\nmodulated", DEPTH, 1.5)
    for points in (((1.71, 2.7), (2.74, 2.7)), ((1.61, 1.1), (2.74, 1.1)), ((4.46, 1.35), (5.94, 1.35)),
                   ((4.46, 2.8), (6.9, 2.8), (6.9, 2.06)), ((4.46, 2.5), (6.3, 2.5), (6.3, 2.06)),
                   ((8.66, 1.6), (11.1, 1.6), (11.1, 1.31)), ((1.61, 0.6), (10.34, 0.6))):
        arrow(axis, *points)
    label(axis, 7.0, 2.98, "scale $\\gamma(S)$ and shift $\\beta(S)$: a pair for each pixel and channel", size=9.5,
          ha="left")
    return figure


@styled
def enhanced_points() -> Figure:
    """Draw what SEEM does at one point on an edge; the inside is our reconstruction."""
    figure, axis = sheet(9.0, 2.7, (-0.3, 12.4), (-0.1, 3.6))
    for y, name, color in ((3.0, "encoder", ENCODER), (1.8, "semantic decoder", CLASSES),
                           (0.6, "depth decoder", DEPTH)):
        for k in range(3):
            box(axis, 1.0 + 0.16 * k, y - 0.1 * k, "", color, 2.3, 0.75)
        label(axis, 1.45, y - 0.2, name, size=9)
        axis.plot(0.4, y + 0.08, "*", color=ORANGE, markersize=12)
        arrow(axis, (2.64, y - 0.1), (3.9, 1.72 + 0.22 * (y - 1.8)))
    label(axis, 3.2, 3.05, "read at one point\nof an edge", ORANGE, size=10, ha="left")
    box(axis, 5.0, 1.7, "features of\n3 levels each", IMAGE, 1.9)
    box(axis, 7.5, 1.7, "MLP of\nthree layers", FUSION, 1.6, inferred=True)
    box(axis, 10.5, 1.7, "depth feature of\nthat point, plus $g_p$", DEPTH, 2.4, inferred=True)
    arrow(axis, (5.96, 1.7), (6.69, 1.7))
    arrow(axis, (8.31, 1.7), (9.29, 1.7))
    label(axis, 8.2, 0.5, "no other feature is touched", size=10)
    return figure


@styled
def pushed_pairs() -> Figure:
    """Draw the pairs of the ranking loss: across a border pushed, on one side pulled."""
    figure, axis = sheet(9.0, 2.6, (-0.2, 12.2), (0.0, 3.4))
    axis.axvspan(0.2, 6.0, 0.12, 0.88, color=DEPTH)
    axis.axvspan(6.0, 11.8, 0.12, 0.88, color=ENCODER)
    axis.plot([6, 6], [1.15, 3.0], color=INK, linewidth=2.2)
    label(axis, 1.5, 2.7, "a car, say its labels")
    label(axis, 10.3, 2.7, "a house")
    places = {"a": 2.2, "b": 4.6, "c": 7.4, "d": 9.8}
    for first, second, color, style, word in (("a", "b", BLUE, "-", "pull: $(d_a - d_b)^2$"),
                                              ("c", "d", BLUE, "-", "pull"),
                                              ("b", "c", ORANGE, "--", "push: $\\log(1 + e^{-|d_b - d_c|})$")):
        axis.plot([places[first], places[second]], [1.5, 1.5], color=color, linewidth=3, linestyle=style)
        label(axis, (places[first] + places[second]) / 2, 1.9 if color == BLUE else 0.95, word, color, size=10.5)
    for name, x in places.items():
        axis.plot(x, 1.5, "o", color=INK, markersize=8)
        label(axis, x, 1.12, name)
    label(axis, 6.0, 3.2, "border of the label map", size=10)
    return figure
