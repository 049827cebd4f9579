"""How well label maps in a folder agree with true ones."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..classes import NAMES, NUM_CLASSES
from ..common.contracts import InputError
from ..data.image_files import read_label_map
from ..data.label_maps import resize_nearest, to_train_ids
from ..metrics import class_iou, confusion_matrix


@dataclass(frozen=True)
class LabelComparison:
    """What a comparison of label maps found.

    Attributes:
        images: Number of maps with a true one.
        named: Share of the pixels with a true class that were given a class.
        accuracy: Share of the pixels with a class in both that agree.
        miou: Mean IoU over the classes that occur in either, over those pixels.
        iou: IoU of each class that occurs.
    """

    images: int
    named: float
    accuracy: float
    miou: float
    iou: dict[str, float]

    def text(self) -> str:
        """Return the numbers as lines."""
        rows = [f"{name:<16}{value:>7.3f}" for name, value in self.iou.items()]
        head = (f"{self.images} images: accuracy {self.accuracy:.3f}, mIoU {self.miou:.3f} over {len(self.iou)} "
                f"classes, where both have a class ({self.named:.1%} of the true ones)")
        return "\n".join([head, *rows])


def compare_labels(files: Sequence[Path], truth: Path, ids: str = "trainId") -> LabelComparison:
    """Compare trainId maps with true ones of the same names, pixel by pixel.

    Args:
        files: Label maps, trainIds.
        truth: Folder of true label maps, anywhere under it; those without a partner are left out.
        ids: Kind of the ids of the true ones, see `data.label_tables.LABEL_KINDS`.

    Raises:
        InputError: If no map has a true one, or one cannot be read.
    """
    known = {path.stem: path for path in sorted(Path(truth).rglob("*.png"))}
    total, named, judged, images = torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.int64), 0, 0, 0
    for file in files:
        if file.stem not in known:
            continue
        path = known[file.stem]
        true = to_train_ids(read_label_map(path), ids, path)
        found = resize_nearest(to_train_ids(read_label_map(file), "trainId", file), *true.shape)
        pair = torch.from_numpy(found)[None], torch.from_numpy(true)[None]
        counted, both = pair[1] < NUM_CLASSES, (pair[0] < NUM_CLASSES) & (pair[1] < NUM_CLASSES)
        total += confusion_matrix(pair[0][both][None, None], pair[1][both][None, None])[0]
        named, judged, images = named + int(both.sum()), judged + int(counted.sum()), images + 1
    if not images:
        raise InputError(f"{truth} holds no PNG with the name of a label map, such as {files[0].name}; name the folder "
                         "of true labels.")
    iou = class_iou(total)
    scores = {name: float(value) for name, value in zip(NAMES, iou) if torch.isfinite(value)}
    accuracy = float(total.diagonal().sum() / total.sum().clamp(min=1))
    return LabelComparison(images, named / max(judged, 1), accuracy, float(iou.nanmean()), scores)
