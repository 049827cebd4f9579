"""What all figures share: the house style, arrays brought to one form, and a grid of axes without ticks.

Arrays may be torch tensors or numpy arrays; images (3, H, W) in [0, 1], (H, W, 3) uint8, or (H, W).
"""
from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.contracts import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.0  # inches: a notebook's text column
TITLE_HEIGHT = 0.34  # inches over each image
MARGIN = 0.06  # inches around what is drawn
NO_VALUE = (0.86, 0.86, 0.86)  # the gray of pixels without depth or error
# Okabe and Ito's colors, which color-blind readers can tell apart, each with a dash and a marker of its own.
LINES = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#CC79A7", ":", "D"),
         ("#000000", (0, (5, 1)), "v"), ("#E69F00", (0, (3, 1, 1, 1)), "P"), ("#56B4E9", (0, (1, 1)), "X"))
STYLE: dict[Any, Any] = {
    "font.size": 12, "axes.titlesize": 12, "axes.labelsize": 12, "xtick.labelsize": 11, "ytick.labelsize": 11,
    "legend.fontsize": 11, "legend.frameon": False, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": "#555555", "axes.axisbelow": True, "grid.color": "#e3e3e3",
    "lines.linewidth": 2.0, "lines.markersize": 6, "figure.constrained_layout.h_pad": MARGIN,
    "figure.constrained_layout.w_pad": MARGIN}


def styled(draw):
    """Draw under the house style without touching the reader's own settings."""
    @functools.wraps(draw)
    def styled(*args, **kwargs):
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)
    return styled


def as_array(values) -> np.ndarray:
    """Bring a tensor or anything numpy knows to a numpy array."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def as_image(values) -> np.ndarray:
    """Bring an image to (H, W, 3) or (H, W), ready for imshow."""
    image = as_array(values)
    if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
        image = image.transpose(1, 2, 0)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise InputError(f"image has shape {image.shape}, expected (3, H, W), (H, W, 3) or (H, W); pass one image "
                         "of the batch.")
    return image if image.dtype == np.uint8 else np.clip(image.astype(np.float32), 0, 1)


def as_map(values, name: str) -> np.ndarray:
    """Bring a one-channel map to (H, W)."""
    array = as_array(values)
    array = array[0] if array.ndim == 3 and array.shape[0] == 1 else array
    if array.ndim != 2:
        raise InputError(f"{name} has shape {array.shape}, expected (H, W) or (1, H, W); pass one map of the batch.")
    return array


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of a size in inches that makes space for its words, without pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def columns_of(count: int) -> int:
    """Return in how many columns pictures stand: two, or three where two would leave the last place empty."""
    return 3 if count % 2 and count % 3 == 0 else 2


def image_axes(count: int, columns: int | None, shape: tuple[int, ...], *, bar: bool = False, extra: float = 0.0):
    """Lay out `count` image axes of one aspect; return the figure and the axes, unused ones removed."""
    if count == 0:
        raise InputError("There is nothing to draw; pass at least one image.")
    columns = min(columns or columns_of(count), count)
    rows = -(-count // columns)
    cell = (WIDTH - (0.9 if bar else 0.0)) / columns
    figure = new_figure(WIDTH, rows * (cell * shape[0] / shape[1] + TITLE_HEIGHT) + extra)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    for axis in axes[:count]:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    return figure, axes[:count]


def draw_image(axis: Axes, image: np.ndarray, title: str, *, smooth: bool = True) -> None:
    """Draw one image with its title; `smooth=False` keeps pixels as squares."""
    axis.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1,
                interpolation="antialiased" if smooth else "nearest", aspect="equal")
    axis.set_title(title)


def mark_pixel(axis: Axes, pixel: tuple[float, float]) -> None:
    """Ring a pixel (u, v) in black on white, visible on every image."""
    for color, width in (("white", 3.5), ("black", 1.5)):
        axis.plot(*pixel, "o", markersize=13, markerfacecolor="none", markeredgecolor=color, markeredgewidth=width)
