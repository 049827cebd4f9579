"""Choosing a pixel: by a click on the picture, by sliders, or from marked ones."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ...classes import IGNORE, NAMES
from ...common.contracts import InputError
from ...data.triplet import StreetTriplet
from ...figures import overlay
from ...labels import group_mask
from ..demos import pick_pixel, ring_mask
from .base import Explorer
from .controls import choice, pixel_slider

BY_SLIDERS = "chosen by the sliders"
RIM = 8  # pixels; marked ones keep away from the rim of the image, where neighbors see less
CHOOSER = "semdepth-explorer", "semdepth-click"  # classes of the explorer and of the field that a click fills
CLICK = ("const r = this.getBoundingClientRect(), field = this.closest('.{}').querySelector('.{} input'); "
         "field.value = [(event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height].join(' '); "
         "for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {{bubbles: true}}));"
         ).format(*CHOOSER)
BEYOND = 4.0  # meters; nearer things have often left a neighbor's frame


def marked_pixels(batch: StreetTriplet) -> dict[str, tuple[int, int]]:
    """Mark a few telling pixels (u, v) of a triplet: the nearest thin and movable thing, the road, something far."""
    depth, labels = batch.depth[0, 0], batch.labels[0]
    allowed = torch.zeros_like(labels, dtype=torch.bool)
    allowed[RIM:-RIM, RIM:-RIM] = True
    allowed &= depth > BEYOND
    movable = group_mask(labels, "movable")
    wanted = {"something thin": (-depth, group_mask(labels, "thin") & ~movable),  # people are thin too
              "something movable": (-depth, movable),
              "the ground": (-depth, group_mask(labels, "ground")),
              "something far": (depth, depth < 80)}
    return {name: pick_pixel(score, where & allowed) for name, (score, where) in wanted.items()
            if bool((where & allowed).any())}


def class_at(labels: torch.Tensor, u: int, v: int) -> str:
    """Name the true class of a pixel of a label map (H, W)."""
    index = int(labels[v, u])
    return "no class" if index == IGNORE else NAMES[index]


def ringed(image: torch.Tensor, u: int, v: int) -> np.ndarray:
    """Draw a ring around a pixel of an image (3, H, W): (H, W, 3) uint8."""
    height, width = image.shape[-2:]
    return overlay(image, ring_mask((u, v), height, width, 0.08 * height, 0.03 * height), strength=1.0)


class PixelExplorer(Explorer):
    """An explorer whose first controls choose a pixel.

    Args:
        batch: One triplet.
        marked: Pixels (u, v) by name; by default `marked_pixels`.
        controls: Further controls.

    Raises:
        InputError: if a marked pixel lies outside the image.
    """

    def __init__(self, batch: StreetTriplet, marked: Mapping[str, tuple[int, int]] | None,
                 controls: dict[str, Any]) -> None:
        self.marked = dict(marked or marked_pixels(batch))
        height, width = batch.target.shape[-2:]
        for name, (u, v) in self.marked.items():
            if not (0 <= u < width and 0 <= v < height):
                raise InputError(f"the marked pixel {name!r} is ({u}, {v}), outside an image of {width}x{height}; give "
                                 "(column, row) inside.")
        start = next(iter(self.marked), BY_SLIDERS)
        u, v = self.marked.get(start, (width // 2, height // 2))
        self._size = height, width
        super().__init__({"pixel": choice("pixel", [*self.marked, BY_SLIDERS], start),
                          "u": pixel_slider("column u", width, u), "v": pixel_slider("row v", height, v), **controls})
        from ipywidgets import Layout, Text

        self.clicked = Text(layout=Layout(display="none"))
        self.clicked.add_class(CHOOSER[1])
        self.clicked.observe(lambda change: self.click(change["new"]), "value")
        self.box.add_class(CHOOSER[0])
        self.box.children = [*self.box.children, self.clicked]

    def answer_to_a_click(self) -> str:
        """Let a click note its place in a hidden field."""
        return f'onclick="{CLICK}" title="click to choose a pixel"'

    def click(self, place: str) -> None:
        """Choose the pixel that was clicked; a click beside all images chooses none.

        Args:
            place: How far right and how far down in the whole picture, 0 to 1, as two numbers.
        """
        right, down = map(float, place.split())
        rows, columns = self._canvas.size
        found = self._canvas.place_in_picture(right * columns, down * rows)
        if found is not None:
            height, width = self._size
            u, v = int(found[0] * width), int(found[1] * height)
            with self._silence():
                self.controls["u"].value, self.controls["v"].value = u, v
            self._answer("u")

    def follow(self, name: str) -> None:
        """Move the sliders to a marked pixel, or say that the sliders have chosen."""
        if name == "pixel" and self.controls["pixel"].value in self.marked:
            self.controls["u"].value, self.controls["v"].value = self.marked[self.controls["pixel"].value]
        if name in ("u", "v"):
            self.controls["pixel"].value = BY_SLIDERS
