"""Label maps of real clips: reading, Cityscapes ids, resizing, and a store that keeps them."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ..classes import IGNORE, NUM_CLASSES
from ..common.contracts import InputError
from .image_files import read_label_map


class LabelMaps:
    """Reads a label file at one size by the nearest pixel, and holds it against the size of its image.

    Attributes:
        table: (256,) trainId of each id in the file.
        ids: Name of the ids in the file, trainId or labelId.
        made_by: Description of how it reads, for caches.
    """

    def __init__(self, height: int, width: int, native: tuple[int, int] | None, ids: str = "trainId") -> None:
        self.height, self.width, self.native, self.ids = height, width, native, ids
        self.table = train_id_table(ids)
        self.made_by = f"labels, {ids}"

    def __call__(self, path: Path) -> np.ndarray:
        """Read a label map as trainIds (height, width)."""
        labels = to_train_ids(read_label_map(path), self.ids, path)
        if self.native is not None and labels.shape not in (self.native, (self.height, self.width)):
            raise InputError(f"{path} has {labels.shape[1]}x{labels.shape[0]} pixels, but its image has "
                             f"{self.native[1]}x{self.native[0]}; labels must have the size of their image.")
        return resize_nearest(labels, self.height, self.width)


# Cityscapes labelIds of the 19 evaluation classes, in trainId order (Cordts et al. 2016).
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def train_id_table(ids: str) -> np.ndarray:
    """Return the (256,) uint8 table from ids in a file to trainIds.

    Raises:
        InputError: if `ids` is neither trainId nor labelId.
    """
    if ids not in ("trainId", "labelId"):
        raise InputError(f"label ids {ids!r} are unknown; use trainId or labelId.")
    table = np.full(256, IGNORE, dtype=np.uint8)
    table[list(range(NUM_CLASSES) if ids == "trainId" else LABEL_IDS)] = np.arange(NUM_CLASSES)
    return table


def to_train_ids(labels: np.ndarray, ids: str, path: Path) -> np.ndarray:
    """Translate a label map to trainIds.

    Raises:
        InputError: if an id is none of the palette's: 0 to 18 and 255 for trainIds, 0 to 33 and 255 for labelIds.
    """
    largest = NUM_CLASSES - 1 if ids == "trainId" else 33
    strange = labels[(labels > largest) & (labels != IGNORE)]
    if strange.size:
        other = "labelId" if ids == "trainId" else "trainId"
        raise InputError(f"{path} holds the id {strange[0]}, which is no {ids} (0 to {largest}, or 255); read the "
                         f"folder as {other}, or convert it.")
    return train_id_table(ids)[labels]


def resize_nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W) ids by the nearest pixel center."""
    rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(np.int64)
    return np.ascontiguousarray(labels[rows[:, None], columns[None, :]])
