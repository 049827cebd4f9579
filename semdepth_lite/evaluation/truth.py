"""True depth in the unit of its files: scaled to meters, images without any left out and counted."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from ..common.contracts import InputError
from ..data.image_files import DEPTH_STEPS
from ..data.triplet import Triplet

# meters that one step of a 16-bit depth PNG stands for: KITTI and this package, Kinect-like cameras, TUM RGB-D
DEPTH_UNITS = {"1/256": 1 / 256, "mm": 1e-3, "cm": 1e-2, "1/5000": 1 / 5000}
PLAUSIBLE = (0.3, 150.0)  # m, between which the median distance of a camera's view lies


def parse_depth_unit(text: str) -> float:
    """Return the meters of one step of a depth PNG.

    Args:
        text: Key of `DEPTH_UNITS`, or meters as a number.

    Raises:
        InputError: If it is neither.
    """
    try:
        unit = DEPTH_UNITS[text] if text in DEPTH_UNITS else float(text)
    except ValueError:
        unit = 0.0
    if not 0 < unit < float("inf"):
        raise InputError(f"depth unit {text!r} is unknown; use {', '.join(DEPTH_UNITS)} (of a meter), or the meters of "
                         "one step as a number.")
    return unit


class TruthInUnit:
    """Batches whose true depth is scaled to meters; those without any are left out.

    Attributes:
        skipped: Number of batches that had no true depth, counted while iterating.
        median: Median of the medians of true depth, m; nan before iterating.
    """

    def __init__(self, batches: Iterable[Triplet], unit: float = 1 / DEPTH_STEPS) -> None:
        """Wrap batches.

        Args:
            batches: Triplets, as `data.by_name.truth_batches` yields them, one image each.
            unit: Meters of one step of the depth files, which were read as 1/256 m.
        """
        self.batches, self.factor = batches, unit * DEPTH_STEPS
        self.skipped, self.medians = 0, []

    def __iter__(self) -> Iterator[Triplet]:
        """Yield the batches that have true depth."""
        for batch in self.batches:
            depth = batch.require("depth")
            known = depth[depth > 0]
            if not len(known):
                self.skipped += 1
                continue
            self.medians.append(float(known.median()) * self.factor)
            yield replace(batch, depth=depth * self.factor) if self.factor != 1 else batch

    @property
    def median(self) -> float:
        """Median of the medians of true depth, m."""
        return float(torch.tensor(self.medians).median()) if self.medians else float("nan")

    def remarks(self) -> list[str]:
        """Return what a person should know of the truth: images left out, and a unit that looks wrong."""
        found = [f"{self.skipped} images without true depth were left out"] if self.skipped else []
        if not PLAUSIBLE[0] <= self.median <= PLAUSIBLE[1] and self.medians:
            found.append(f"the median of the true depth is {self.median:.3g} m, which is hardly a distance that a "
                         "camera sees: check --depth-unit")
        return found
