"""An explorer of attention: choose a pixel, and see where it looks at each level of the decoder."""
from __future__ import annotations

from collections.abc import Mapping

import torch

from ...data.triplet import StreetTriplet
from ...figures import map_panel
from ...model import Model
from ...semantics.attention import ATTENTION_LEVELS
from .base import Drawing
from .pixels import PixelExplorer, class_at, ringed


class AttentionExplorer(PixelExplorer):
    """Where a pixel looks, at each decoder level that has attention.

    Args:
        model: Model with attention; see `variants.Attention`.
        batch: One triplet with labels, which name what is looked at.
        marked: Pixels (u, v) to choose from, by name; by default `pixels.marked_pixels`.

    Raises:
        InputError: if the model has no attention.
    """

    title = "Where does this pixel look?"
    alt = ("A street image with a ring around the pixel that asks, and for each decoder level a coarse map of the "
           "weight that it gives to every place, bright where it looks most.")
    caption = "the asking pixel is ringed; bright cells are those whose features it borrows."

    def __init__(self, model: Model, batch: StreetTriplet, marked: Mapping[str, tuple[int, int]] | None = None) -> None:
        self.model, self.batch = model.eval(), batch
        levels = getattr(model.variant.fusion, "levels", ())
        fused = [level for level in ATTENTION_LEVELS if level in levels]
        self.levels = fused or [ATTENTION_LEVELS[0]]
        super().__init__(batch, marked, {})

    def look(self, u: int, v: int) -> dict[int, torch.Tensor]:
        """Ask every level where it looks from a pixel of the image: level to (h, w), each summing to 1."""
        return {level: self.model.attention_map(self.batch.target, level, v >> level, u >> level)[0]
                for level in self.levels}

    def draw(self, pixel: str, u: int, v: int) -> Drawing:
        """Ask the model, and name what is looked at most."""
        labels = self.batch.labels[0]
        maps = self.look(u, v)
        looks, numbers = [], {}
        for level, weights in maps.items():
            row, column = divmod(int(weights.argmax()), weights.shape[1])
            cell = labels.shape[0] // weights.shape[0], labels.shape[1] // weights.shape[1]
            center = column * cell[1] + cell[1] // 2, row * cell[0] + cell[0] // 2
            numbers[f"most_{level}"] = float(weights.max())
            looks.append(f"level {level}: {100 * weights.max():.1f} % on one cell, {class_at(labels, *center)}")
        even = 100 / maps[self.levels[0]].numel()
        times = {f"level {level}": weights * weights.numel() for level, weights in maps.items()}
        most = max(float(each.max()) for each in times.values())
        figure = map_panel(times, label="attention, 1 = evenly spread", limits=(0.0, most),
                           image=ringed(self.batch.target[0], u, v))
        figure.axes[0].set_title(f"pixel ({u}, {v}) asks", loc="left")
        sentence = (f"Pixel ({u}, {v}) shows {class_at(labels, u, v)}. It looks most at: {'; '.join(looks)}. An even "
                    f"look would be {even:.1f} % on each cell.")
        return Drawing([figure], sentence, numbers)
