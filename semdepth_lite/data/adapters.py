"""Other people's data as sources: arrays in memory, torch data sets, and what a first batch must look like."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..camera import check_intrinsics
from ..classes import IGNORE, NUM_CLASSES, OTHER
from ..common.contracts import InputError
from .triplet import MISSING, Indices, Triplet

FIELDS = tuple(each.name for each in fields(Triplet))


class ArraySource:
    """Consecutive frames in memory; every frame with a neighbor on both sides is a target.

    Args:
        images: (N, H, W, 3) uint8 frames of one clip, in temporal order.
        K: (3, 3) intrinsics, pixels, the same for all frames.
        labels: (N, H, W) trainIds, 255 = none.
        depth: (N, H, W) z, meters, 0 = none.
        name: Name for messages and run folders.

    Raises:
        InputError: If there are fewer than three frames, a shape or type does not fit, a label is no trainId, or K
            cannot belong to the frames.
    """

    def __init__(self, images: np.ndarray, K: np.ndarray, labels: np.ndarray | None = None,
                 depth: np.ndarray | None = None, name: str = "arrays") -> None:
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or len(images) < 3:
            raise InputError(f"images have shape {images.shape} and type {images.dtype}, expected (N, H, W, 3) and "
                             "uint8 with at least three frames.")
        labels = None if labels is None else np.asarray(labels)
        for what, array in (("labels", labels), ("depth", depth)):
            if array is not None and np.shape(array) != images.shape[:3]:
                raise InputError(f"{what} have shape {np.shape(array)}, expected {images.shape[:3]} as the images.")
        for frame in () if labels is None else labels:  # all of them: a batch of the training may come late
            check_labels(torch.from_numpy(np.ascontiguousarray(frame)), name)
        self.images, self.labels, self.depth, self.name = images, labels, depth, name
        self.height, self.width = images.shape[1:3]
        self.K = torch.as_tensor(np.asarray(K, np.float32))
        check_intrinsics(self.K, self.height, self.width)
        if self.K.dim() != 2:
            raise InputError(f"K has shape {tuple(self.K.shape)}, expected (3, 3), one camera for all frames; a "
                             "DatasetSource takes one for each.")
        self.has_labels, self.has_depth = labels is not None, depth is not None

    def __len__(self) -> int:
        return len(self.images) - 2

    def triplet(self, indices: Indices) -> Triplet:
        """Load the triplets at these positions as one batch."""
        target = np.asarray(indices) + 1
        frames = torch.from_numpy(self.images[target[:, None] + np.array([0, -1, 1])]).movedim(-1, 2).float() / 255
        labels = None if self.labels is None else torch.from_numpy(self.labels[target].astype(np.uint8))
        depth = None if self.depth is None else torch.from_numpy(self.depth[target].astype(np.float32))[:, None]
        return Triplet(frames[:, 0], frames[:, 1:], self.K.expand(len(target), 3, 3), depth=depth, labels=labels,
                       index=torch.from_numpy(np.asarray(indices)))


class DatasetSource:
    """A torch data set as a source.

    Args:
        dataset: Data set whose items are dictionaries of the fields of `Triplet` without the batch dimension: target
            (3, H, W), sources (S, 3, H, W), K (3, 3), and any of depth (1, H, W), labels (H, W), T_source_target
            (S, 4, 4), as tensors or arrays; K, depth and motion of any number type. A `DataLoader` stands for the data
            set that it reads.
        name: Name for messages and run folders.

    Raises:
        InputError: If its items are something else.
    """

    def __init__(self, dataset: Dataset | DataLoader | Sequence[Mapping[str, Any]], name: str = "dataset") -> None:
        self.dataset: Any = dataset.dataset if isinstance(dataset, DataLoader) else dataset
        self.name = name
        if not len(self.dataset):
            raise InputError(f"{name} holds no item; a triplet is three frames in a row.")
        first = self.dataset[0]
        if not isinstance(first, Mapping) or not {"target", "sources", "K"} <= first.keys() <= set(FIELDS):
            known = sorted(first) if isinstance(first, Mapping) else type(first).__name__
            raise InputError(f"an item of {name} holds {known}, expected a dictionary with target, sources and K, and "
                             f"any of {', '.join(FIELDS[3:])}.")
        self.height, self.width = np.shape(first["target"])[-2:]
        self.has_labels, self.has_depth = "labels" in first, "depth" in first

    def __len__(self) -> int:
        return len(self.dataset)

    def triplet(self, indices: Indices) -> Triplet:
        """Load the triplets at these positions as one batch."""
        items = [self.dataset[int(index)] for index in indices]
        try:
            stacked = {name: torch.stack([torch.as_tensor(item[name]) for item in items]) for name in items[0]}
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"the items {list(map(int, indices))} of {self.name} do not make a batch "
                             f"({str(error).splitlines()[0]}); each needs the same fields, as arrays of the same "
                             "shapes.") from error
        stacked |= {name: stacked[name].float() for name in ("K", "depth", "T_source_target") if name in stacked}
        return Triplet(**{"index": torch.as_tensor(np.asarray(indices)), **stacked})


def check_triplet(triplet: Triplet, name: str, height: int, width: int) -> None:
    """Refuse a batch that is not what a `Triplet` promises, in one sentence.

    Args:
        triplet: First batch of a source.
        name: Name of the source.
        height, width: Size that the source claims, pixels.

    Raises:
        InputError: Naming the first field whose kind, type, shape, range or values do not fit.
    """
    if not isinstance(triplet, Triplet):
        raise InputError(f"{name} yields {type(triplet).__name__}, expected a Triplet; wrap a torch Dataset in "
                         "data.adapters.DatasetSource, and arrays in ArraySource.")
    size, count, others = (height, width), np.shape(triplet.target)[:1], np.shape(triplet.sources)[1:2]
    shapes = {"target": (*count, 3, *size), "sources": (*count, *others, 3, *size), "K": (*count, 3, 3),
              "depth": (*count, 1, *size), "labels": (*count, *size), "T_source_target": (*count, *others, 4, 4)}
    for field, shape in shapes.items():
        value = getattr(triplet, field)
        if value is None and field in MISSING:
            continue
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{name} gives {field} as {type(value).__name__}, expected a tensor; use "
                             "torch.from_numpy.")
        if tuple(value.shape) != shape:
            raise InputError(f"{name} gives {field} of shape {tuple(value.shape)}, expected {shape} at its size of "
                             f"{width}x{height}.")
        if field != "labels" and value.dtype != torch.float32:
            raise InputError(f"{name} gives {field} as {str(value.dtype).removeprefix('torch.')}, expected float32; "
                             f"{'divide bytes by 255' if value.dtype == torch.uint8 else 'convert it with .float()'}.")
        if field in ("target", "sources", "depth") and not bool(value.isfinite().all()):
            raise InputError(f"{name} gives {field} with values that are not finite; "
                             f"{'write 0 where there is none' if field == 'depth' else 'look for broken frames'}.")
        if field == "depth" and bool((value < 0).any()):
            raise InputError(f"{name} gives depth below 0, {float(value.min()):g}; write 0 where there is none.")
    for field in ("target", "sources"):
        low, high = (float(x) for x in getattr(triplet, field).aminmax())
        if not (low >= 0 and high <= 1):
            raise InputError(f"{name} gives {field} from {low:g} to {high:g}, expected [0, 1]; divide bytes by 255.")
    check_labels(triplet.labels, name)


def check_labels(labels: torch.Tensor | None, name: str) -> None:
    """Refuse labels that are no trainIds; those on a GPU are passed, as the look would make it wait.

    Raises:
        InputError: Naming the first wrong label.
    """
    if labels is None or labels.device.type != "cpu":
        return
    if labels.is_floating_point():
        raise InputError(f"{name} gives labels as {str(labels.dtype).removeprefix('torch.')}, expected uint8 trainIds.")
    # bytes wrap around, so that the least of those below tells in one quick pass, for every batch of a training
    if labels.dtype == torch.uint8 and labels.numel() and int((labels - (OTHER + 1)).min()) >= IGNORE - OTHER - 1:
        return
    values = labels.long()
    wrong = values[(values > OTHER) & (values != IGNORE) | (values < 0)]
    if len(wrong):
        raise InputError(f"{name} gives the label {int(wrong[0])}, expected trainIds 0 to {NUM_CLASSES - 1}, "
                         f"{OTHER} for none of these, or {IGNORE} for no label.")
