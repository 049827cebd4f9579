"""What semantics changes, as one sees it: crops of test images by two networks that come with the package."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ..data.sources import StreetSource, street_source
from ..evaluation.prediction import scaled_prediction
from ..figures import colorize_depth
from ..labels import colorize_labels, group_mask, label_borders
from ..model import Model
from ..presets import find_preset
from ..pretrained import load_pretrained
from ..training.segmenter import with_masks

NETWORKS = {"baseline": "showcase_baseline", "with semantics": "showcase_semantic"}
PRESET = "showcase"
SIDE = (128, 160)     # rows and columns of a crop, pixels
DEPTHS = (3.0, 60.0)  # ends of the color scale, meters


@dataclass(frozen=True)
class View:
    """A crop of a test image.

    Attributes:
        image: (3, H, W) in [0, 1].
        classes: (H, W) trainIds that the segmenter sees.
        depths: Title of each network and its depth (H, W) on the true scale, meters.
        truth: (H, W) meters.
    """

    image: torch.Tensor
    classes: torch.Tensor
    depths: Mapping[str, torch.Tensor]
    truth: torch.Tensor

    def row(self) -> list[tuple[object, str]]:
        """Return its pictures and their titles, for `figures.image_grid`."""
        depths = {**self.depths, "truth": self.truth}
        return [(self.image, "image"), (colorize_labels(self.classes).numpy(), "classes, predicted"),
                *((colorize_depth(depth.numpy(), DEPTHS), title) for title, depth in depths.items())]


def some_scenes(count: int = 3, preset: str = PRESET) -> StreetSource:
    """Open the first test scenes, eight frames each, rendered at the size of the preset if they have not been."""
    size = find_preset(preset)
    return street_source("test", count, size.height, size.width, progress=False)


def networks() -> dict[str, Model]:
    """Load the two networks, by their titles; the last one has a segmenter."""
    return {title: load_pretrained(name, "cpu") for title, name in NETWORKS.items()}


def pick_crops(source: StreetSource, count: int = 3, side: tuple[int, int] = SIDE) -> list[tuple[int, slice, slice]]:
    """Choose the crops with most foreground borders, each from a scene of its own: index, rows, columns.

    The choice looks at labels only, never at what a network makes of them.
    """
    height, width = (min(part, whole) for part, whole in zip(side, (source.height, source.width)))
    found: dict[int, tuple[int, int, int]] = {}  # scene to (pixels, index, first column)
    for index in range(len(source)):
        labels = source.triplet([index]).labels
        counts = (label_borders(labels) & group_mask(labels, "foreground_wide"))[0].sum(0)
        sums = counts.unfold(0, width, 1).sum(1)
        best = (int(sums.max()), index, int(sums.argmax()))
        scene = source.scene_of(index)
        found[scene] = max(found.get(scene, (0, 0, 0)), best)
    chosen = sorted(found.values(), reverse=True)[:count]
    return [(index, slice(0, height), slice(left, left + width)) for _, index, left in chosen]


def views(source: StreetSource, count: int = 3, models: Mapping[str, Model] | None = None) -> Iterator[View]:
    """Yield the crops that `pick_crops` chooses, as the networks see them.

    Args:
        source: Test scenes.
        count: Number of crops.
        models: Title and model of each network, the last with a segmenter; None takes `networks`.
    """
    models = models or networks()
    masked = with_masks(source, list(models.values())[-1])
    for index, down, along in pick_crops(source, count):
        item = masked.triplet(np.array([index]))
        depths = {title: scaled_prediction(model, item)[0, 0, down, along] for title, model in models.items()}
        yield View(item.target[0, :, down, along], item.require("semantics")[0, 0, down, along], depths,
                   item.require("depth")[0, 0, down, along])
