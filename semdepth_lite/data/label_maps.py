"""Label maps of real clips: read strictly, translated to trainIds, and resized."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ..classes import IGNORE
from ..common.contracts import InputError
from .image_files import read_label_map
from .label_tables import LABEL_KINDS, label_table


class LabelMaps:
    """Reads a label file at one size by the nearest pixel, and holds it against the size of its image.

    Attributes:
        table: (256,) trainId of each id in the file.
        ids: Name of the ids in the file, trainId or labelId.
        made_by: Description of how it reads, for caches.
    """

    def __init__(self, height: int, width: int, native: tuple[int, int] | None, ids: str = "trainId") -> None:
        self.height, self.width, self.native, self.ids = height, width, native, ids
        self.allowed = (native, (height, width))
        self.table = train_id_table(ids)
        self.made_by = f"labels, {ids}"

    def __call__(self, path: Path) -> np.ndarray:
        """Read a label map as trainIds (height, width)."""
        labels = to_train_ids(read_label_map(path), self.ids, path)
        if self.native is not None and labels.shape not in self.allowed:
            raise InputError(f"{path} has {labels.shape[1]}x{labels.shape[0]} pixels, but its image has "
                             f"{self.native[1]}x{self.native[0]}; labels must have the size of their image.")
        return resize_nearest(labels, self.height, self.width)


def train_id_table(ids: str) -> np.ndarray:
    """Return the (256,) uint8 table from ids in a file to trainIds; what is no id of this kind becomes 255.

    Args:
        ids: Kind of the ids, one of `label_tables.LABEL_KINDS`.

    Raises:
        InputError: If the kind is unknown.
    """
    table = np.full(256, IGNORE, dtype=np.uint8)
    known = label_table(ids)
    table[:len(known)] = known
    return table


def to_train_ids(labels: np.ndarray, ids: str, path: Path) -> np.ndarray:
    """Translate a label map to trainIds; 255 is no label in every kind.

    Args:
        labels: (H, W) uint8 as read from the file.
        ids: Kind of its ids, one of `label_tables.LABEL_KINDS`.
        path: File they come from, for the message.

    Raises:
        InputError: If an id does not belong to the kind.
    """
    largest = len(label_table(ids)) - 1
    strange = labels[(labels > largest) & (labels != IGNORE)]
    if strange.size:
        others = ", ".join(kind for kind in LABEL_KINDS if kind != ids)
        raise InputError(f"{path} holds the id {strange[0]}, which is no {ids} (0 to {largest}, or 255); read the "
                         f"folder as what it holds ({others}), or convert it.")
    return train_id_table(ids)[labels]


def resize_nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W) ids by the nearest pixel center."""
    rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(np.int64)
    return np.ascontiguousarray(labels[rows[:, None], columns[None, :]])
