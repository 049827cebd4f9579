"""Semantic classes by their Cityscapes trainId, their palette, and named groups of them."""
from __future__ import annotations

# The 19 evaluation classes of Cityscapes in trainId order, each with its palette color (Cordts et al. 2016).
CLASSES: dict[str, tuple[int, int, int]] = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0), "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180),
    "person": (220, 20, 60), "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100),
    "train": (0, 80, 100), "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}
NAMES: tuple[str, ...] = tuple(CLASSES)
TRAIN_ID: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
NUM_CLASSES = len(NAMES)
OTHER = NUM_CLASSES  # none of the 19, as a segmenter that knows fewer classes can tell: a negative for every group
IGNORE = 255  # no label: left out of every loss and every metric


def _ids(*names: str) -> tuple[int, ...]:
    return tuple(TRAIN_ID[name] for name in names)


GROUPS: dict[str, tuple[int, ...]] = {
    "movable": _ids("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    "thin": _ids("pole", "traffic light", "traffic sign", "person", "rider", "motorcycle", "bicycle"),
    "ground": _ids("road", "sidewalk", "terrain"),
    "sky": _ids("sky"),
    "backdrop": _ids("building", "sky"),  # what stands behind everything else: depth jumps at its borders (ours)
    # SemDepth's overview figure paints vehicles and humans white and leaves poles black [measured: FIG2 for
    # rider, car, bicycle and pole; the rest inferred].
    "foreground": _ids("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    # Edge of Depth's wider list adds pole, traffic light and traffic sign [code: EOD].
    "foreground_wide": _ids("pole", "traffic light", "traffic sign", "person", "rider", "car", "truck", "bus",
                            "train", "motorcycle", "bicycle"),
}
