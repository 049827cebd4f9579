"""Figures to pixels, with the places of their axes kept from drawing to drawing.

Finding a place for all words costs matplotlib as much time as drawing them. So it is done for the first drawing, and
again only when a word would leave the figure; between that, nothing jumps while a slider moves.
"""
from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox


class Canvas:
    """Render figures below each other, and remember where their axes lie.

    Args:
        dpi: Pixels in an inch.
    """

    def __init__(self, dpi: int) -> None:
        self.dpi = dpi
        self.places: dict[tuple, list[Bbox]] = {}
        self.size = 0, 0  # rows and columns of the last raster
        self.pictures: list[tuple[float, float, float, float]] = []  # left, top, right, bottom of images, in pixels

    def raster(self, figures: Sequence[Figure]) -> np.ndarray:
        """Return figures of one width below each other: (H, W, 3) uint8."""
        self.pictures, drawn, height = [], [], 0
        for number, figure in enumerate(figures):
            drawn.append(self._render(number, figure))
            for axis in (axis for axis in figure.axes if axis.images):
                box, bottom = axis.get_window_extent(), height + drawn[-1].shape[0]
                self.pictures.append((box.x0, bottom - box.y1, box.x1, bottom - box.y0))
            height += drawn[-1].shape[0]
        self.size = height, drawn[0].shape[1]
        return np.concatenate(drawn)

    def place_in_picture(self, x: float, y: float) -> tuple[float, float] | None:
        """Return how far right and down (0 to 1) a pixel of the raster lies in the image there; None beside all."""
        for left, top, right, bottom in self.pictures:
            if left <= x < right and top <= y < bottom:
                return (x - left) / (right - left), (y - top) / (bottom - top)
        return None

    def _render(self, number: int, figure: Figure) -> np.ndarray:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure.set_dpi(self.dpi)
        figure.set_facecolor("white")
        canvas = FigureCanvasAgg(figure)
        key = number, *figure.get_size_inches(), len(figure.axes)
        engine = figure.get_layout_engine()
        if key in self.places:
            figure.set_layout_engine("none")
            for axis, place in zip(figure.axes, self.places[key]):
                axis.set_position(place)
            canvas.draw()
            if _all_inside(figure):
                return _pixels(canvas)
            figure.set_layout_engine(engine)
            for axis in figure.axes:
                axis.set_in_layout(True)  # what was placed by hand is otherwise left where it is
        canvas.draw()
        self.places[key] = [axis.get_position(original=True).frozen() for axis in figure.axes]
        return _pixels(canvas)


def encode(pixels: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 as PNG, quickly."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _pixels(canvas) -> np.ndarray:
    return np.array(canvas.buffer_rgba())[..., :3]


def _all_inside(figure: Figure) -> bool:
    """Tell whether titles, axis names and legends of a drawn figure lie inside it."""
    renderer = figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
    words = [*figure.legends]
    for axis in figure.axes:
        left = axis._left_title  # pyright: ignore[reportAttributeAccessIssue]
        words += [axis.title, left, axis.xaxis.label, axis.yaxis.label, axis.get_legend()]
    frame = figure.bbox
    for word in words:
        if word is None or not word.get_visible() or getattr(word, "get_text", lambda: "legend")() == "":
            continue
        box = word.get_window_extent(renderer)
        if box.x0 < frame.x0 - 1 or box.x1 > frame.x1 + 1 or box.y0 < frame.y0 - 1 or box.y1 > frame.y1 + 1:
            return False
    return True
