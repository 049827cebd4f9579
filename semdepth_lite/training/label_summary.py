"""What label maps have to teach: which classes, how much of them, and whether a variant finds anything in them."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from ..borders.ranking import FEWEST, RankingSettings, border_anchors, border_sides
from ..classes import IGNORE, NAMES, NUM_CLASSES, OTHER
from ..common.contracts import InputError
from ..data.sources import Source
from ..labels import group_mask, label_borders
from ..variants import FromLabels, FromSegmenter, Variant
from .preparation import some_triplets

SHOWN = 0.002  # share of the pixels from which on a class is named


@dataclass
class LabelSummary:
    """What was counted over some label maps.

    Attributes:
        images: Number of maps.
        counts: (256,) pixels of each id.
        borders: Share of the pixels at borders between classes.
        anchors: Pixels at borders of a thing and what is behind it, an image on average; the ranking loss's quadruplets
            start there.
        ranked: Number of images with enough such pixels for the ranking loss to look at them.
        things: Share of the labeled pixels that belong to a foreground thing.
        top, bottom: (256,) pixels of each id in the upper and in the lower half.
    """

    images: int
    counts: np.ndarray
    borders: float
    anchors: float
    ranked: int
    things: float
    top: np.ndarray
    bottom: np.ndarray

    @property
    def labeled(self) -> float:
        """Share of the pixels that have a label."""
        return 1 - float(self.counts[IGNORE] / max(self.counts.sum(), 1))

    def text(self) -> str:
        """Return the summary in two lines, and a third where the ids are doubtful."""
        total = max(self.counts.sum(), 1)
        shares = {name: self.counts[i] / total for i, name in enumerate(NAMES)}
        shares["none of the classes"] = self.counts[OTHER] / total
        named = [f"{name} {share:.1%}" for name, share in sorted(shares.items(), key=lambda row: -row[1])
                 if share >= SHOWN]
        lines = [f"labels of {self.images} images: {', '.join(named) or 'no class'}; no label {1 - self.labeled:.1%}",
                 f"{self.borders:.2%} of the pixels lie at class borders; quadruplets of the ranking loss start at "
                 f"{self.anchors:.0f} pixels an image, and {self.ranked} of {self.images} images have enough of them"]
        return "\n".join([*lines, *(f"doubtful: {doubt}" for doubt in [self.doubt()] if doubt)])

    def doubt(self) -> str:
        """Return why these may be no trainIds, in a clause; empty where nothing speaks against them."""
        known = self.counts[:NUM_CLASSES]
        if known[12:].sum() == 0 and self.top[0] > 4 * self.bottom[0] and self.bottom[3] > 4 * self.top[3]:
            return ("what would be road (0) lies in the upper half and what would be wall (3) in the lower one, as sky "
                    "and road of CamVid do: convert with --convert camvid")
        if self.labeled < 0.5 and self.counts[OTHER] == 0:
            return (f"only {self.labeled:.0%} of the pixels have a label: trainIds read as labelIds look like that, "
                    "and so do labels of few classes without background")
        return ""


def summarize_labels(maps: Iterable[np.ndarray], ranking: RankingSettings | None = None) -> LabelSummary:
    """Count what label maps hold.

    Args:
        maps: (H, W) trainIds each, 255 = none.
        ranking: Ranking loss whose borders are looked for; None takes its default.

    Raises:
        InputError: If there is no map.
    """
    settings = ranking or RankingSettings()
    counts, top, bottom = (np.zeros(256, dtype=np.int64) for _ in range(3))
    images = ranked = borders = anchors = things = 0
    for array in maps:
        labels = torch.from_numpy(np.ascontiguousarray(array))[None]
        half = array.shape[0] // 2
        top += np.bincount(array[:half].ravel(), minlength=256)
        bottom += np.bincount(array[half:].ravel(), minlength=256)
        found = int(border_anchors(border_sides(labels, settings)).sum())
        images, anchors, ranked = images + 1, anchors + found, ranked + (found >= FEWEST * labels.shape[-1] / 640)
        borders += int(label_borders(labels).sum())
        things += int(group_mask(labels, "foreground").sum())
    counts = top + bottom
    if not images:
        raise InputError("there is no label map to look at; name a folder of them.")
    labeled = counts.sum() - counts[IGNORE]
    return LabelSummary(images, counts, borders / counts.sum(), anchors / images, ranked, things / max(labeled, 1), top,
                        bottom)


def label_summary(source: Source, variant: Variant) -> LabelSummary:
    """Count what some of a source's label maps hold, spread evenly, at the size of training."""
    maps = (labels.numpy() for part in some_triplets(source) for labels in part.require("labels", source.name))
    return summarize_labels(maps, variant.ranking)


def idle_parts(summary: LabelSummary, variant: Variant) -> list[str]:
    """Name the parts of a variant that learn nothing from such labels, each with the reason."""
    idle = []
    known = int((summary.counts[:NUM_CLASSES] > 0).sum())
    if variant.branch and variant.branch.classes != "all" and not 0 < summary.things < 1:
        idle.append("the semantic branch (" + ("no pixel is foreground" if summary.things == 0 else
                                               "no pixel is background, so it learns no difference") + ")")
    if ((variant.branch and variant.branch.classes == "all") or isinstance(variant.masks, FromSegmenter)) and known < 2:
        idle.append(f"the classes (only {known} of them occurs)")
    if isinstance(variant.masks, FromLabels) and known == 0:
        idle.append("the masks (no pixel has a class)")
    if variant.seem and variant.seem.edges == "labels" and summary.borders == 0:
        idle.append("SEEM (no class borders another one)")
    if variant.ranking and summary.ranked == 0:
        idle.append(f"the ranking loss (no image has borders of {variant.ranking.things} to {variant.ranking.against}; "
                    "ranking.against=rest takes every border of a thing)")
    return idle


def check_guidance(summary: LabelSummary, variant: Variant) -> list[str]:
    """Return which parts learn nothing from the labels, or refuse where all that need labels do.

    Raises:
        InputError: If no part of the variant that learns from labels finds anything in them.
    """
    idle = idle_parts(summary, variant)
    parts = [part for part in (variant.branch, variant.masks, variant.ranking) if part is not None]
    seem = variant.seem is not None and variant.seem.edges == "labels"
    if parts and len(idle) >= len(parts) + seem:
        raise InputError(f"these labels cannot guide this variant: nothing is learned by {', '.join(idle)}; label with "
                         "a model that names more classes or what is background, or train the baseline.")
    return idle
