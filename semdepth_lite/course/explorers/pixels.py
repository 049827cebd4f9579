"""Choosing a pixel: by sliders, or from marked ones."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...classes import IGNORE, NAMES
from ...common.contracts import InputError
from ...data.triplet import Triplet
from ...figures import overlay
from ...labels import group_mask
from ..demos import pick_pixel, ring_mask
from .base import Explorer
from .controls import choice, pixel_slider

BY_SLIDERS = "chosen by the sliders"
RIM = 8  # pixels; marked ones keep away from the rim of the image, where neighbors see less
BEYOND = 4.0  # meters; nearer things have often left a neighbor's frame


def marked_pixels(batch: Triplet) -> dict[str, tuple[int, int]]:
    """Mark a few telling pixels (u, v) of a triplet: the nearest thin and movable thing, the road, something far."""
    depth, labels = batch.depth[0, 0], batch.labels[0]
    allowed = torch.zeros_like(labels, dtype=torch.bool)
    allowed[RIM:-RIM, RIM:-RIM] = True
    allowed &= depth > BEYOND
    wanted = {"something thin": (-depth, group_mask(labels, "thin")),
              "something movable": (-depth, group_mask(labels, "movable")),
              "the ground": (-depth, group_mask(labels, "ground")),
              "something far": (depth, depth < 80)}
    return {name: pick_pixel(score, where & allowed) for name, (score, where) in wanted.items()
            if bool((where & allowed).any())}


def class_at(labels: torch.Tensor, u: int, v: int) -> str:
    """Name the true class of a pixel of a label map (H, W)."""
    index = int(labels[v, u])
    return "no class" if index == IGNORE else NAMES[index]


def ringed(image: torch.Tensor, u: int, v: int):
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

    def __init__(self, batch: Triplet, marked: Mapping[str, tuple[int, int]] | None,
                 controls: dict[str, Any]) -> None:
        self.marked = dict(marked or marked_pixels(batch))
        height, width = batch.target.shape[-2:]
        for name, (u, v) in self.marked.items():
            if not (0 <= u < width and 0 <= v < height):
                raise InputError(f"the marked pixel {name!r} is ({u}, {v}), outside an image of {width}x{height}; give "
                                 "(column, row) inside.")
        start = next(iter(self.marked), BY_SLIDERS)
        u, v = self.marked.get(start, (width // 2, height // 2))
        super().__init__({"pixel": choice("pixel", [*self.marked, BY_SLIDERS], start),
                          "u": pixel_slider("column u", width, u), "v": pixel_slider("row v", height, v), **controls})

    def follow(self, name: str) -> None:
        """Move the sliders to a marked pixel, or say that the sliders have chosen."""
        if name == "pixel" and self.controls["pixel"].value in self.marked:
            self.controls["u"].value, self.controls["v"].value = self.marked[self.controls["pixel"].value]
        if name in ("u", "v"):
            self.controls["pixel"].value = BY_SLIDERS
