"""Which Cityscapes class each id of another data set is: one table for each way in which label maps are numbered.

A class without a counterpart is 255, no label. Where an id means "none of the classes that this data set names", it is
`OTHER`: a true negative for a foreground that the data set does name.
"""
from __future__ import annotations

import numpy as np

from ..classes import IGNORE, NUM_CLASSES, OTHER, TRAIN_ID
from ..common.contracts import InputError

_CITYSCAPES = {7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
               20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car",
               27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}  # Cordts et al. 2016
# Pascal VOC in torchvision's order. Its other classes (a dog, a chair) stand in front of things as well, so they are no
# negatives: 255.
_VOC = {2: "bicycle", 6: "bus", 7: "car", 14: "motorcycle", 15: "person", 19: "train"}
# CamVid's eleven classes in the order of Badrinarayanan et al. 2017; 11 is unlabeled. Its bicyclist is the person with
# the bicycle, which Cityscapes calls rider.
_CAMVID = {0: "sky", 1: "building", 2: "pole", 3: "road", 4: "sidewalk", 5: "vegetation", 6: "traffic sign",
           7: "fence", 8: "car", 9: "person", 10: "rider"}
# ADE20K's 150 classes in the order of Zhou et al. 2017, counted from 0.
_ADE20K = {0: "wall", 1: "building", 2: "sky", 4: "vegetation", 6: "road", 9: "terrain", 11: "sidewalk", 12: "person",
           13: "terrain", 17: "vegetation", 20: "car", 25: "building", 29: "terrain", 32: "fence", 43: "traffic sign",
           48: "building", 72: "vegetation", 80: "bus", 83: "truck", 87: "pole", 93: "pole", 94: "terrain",
           102: "car", 116: "motorcycle", 127: "bicycle", 136: "traffic light"}

# name: (number of ids, the class of each id)
_TABLES: dict[str, tuple[int, dict[int, str]]] = {
    "trainId": (NUM_CLASSES, {i: name for name, i in TRAIN_ID.items()}),
    "labelId": (34, _CITYSCAPES), "voc": (21, _VOC), "camvid": (12, _CAMVID), "ade20k": (150, _ADE20K),
}
LABEL_KINDS = tuple(_TABLES)


def label_table(kind: str) -> np.ndarray:
    """Return the trainId of each id that label maps of a kind hold: (C,) uint8, 255 = none, 19 = none of the others.

    Args:
        kind: Key of `LABEL_KINDS`.

    Raises:
        InputError: If the kind is unknown.
    """
    if kind not in _TABLES:
        raise InputError(f"label ids {kind!r} are unknown; use {', '.join(LABEL_KINDS)}.")
    count, classes = _TABLES[kind]
    table = np.full(count, IGNORE, dtype=np.uint8)
    for number, name in classes.items():
        table[number] = TRAIN_ID[name]
    if kind == "voc":
        table[0] = OTHER
    return np.append(table, np.uint8(OTHER)) if kind == "trainId" else table
