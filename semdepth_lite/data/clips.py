"""Frames of real clips: decoded and resized once, kept as bytes in one file, and joined to triplets.

Notable:
- A frame is decoded the first time it is asked for, although three triplets share it and every epoch comes back.
- The cache is read piece by piece, not held: memory stays flat however long the clip is.
- No open file is kept, so that a source can be handed to threads and to processes.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..camera import resize_intrinsics
from ..common.contracts import MAX_PIXELS, InputError
from ..common.storage import fingerprint, fingerprint_files
from .frame_cache import DEFAULT_CACHE, FrameStore, PlanarImages
from .label_maps import LabelMaps
from .triplet import Indices, Triplet


def shrink_depth(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """Carry sparse depth to another size: each point goes to the pixel its center falls in, the nearest point wins.

    Args:
        depth: (H, W) meters, 0 = none.
        height, width: New size, pixels.

    Returns:
        (height, width) float32 meters, 0 = none.
    """
    row, column = np.nonzero(depth)
    values = depth[row, column]
    order = np.argsort(-values, kind="stable")  # far ones first, so that near ones overwrite them
    small = np.zeros((height, width), dtype=np.float32)
    new_row = (row + 0.5) * height / depth.shape[0]
    new_column = (column + 0.5) * width / depth.shape[1]
    small[new_row.astype(np.int64)[order], new_column.astype(np.int64)[order]] = values[order]
    return small


def _resized_intrinsics(K: np.ndarray, native: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Bring intrinsics (N, 3, 3) from each file's size to one size; the few that differ are computed once."""
    rows, inverse = np.unique(np.concatenate((K.reshape(-1, 9), native), 1), axis=0, return_inverse=True)
    few = [resize_intrinsics(torch.from_numpy(row[:9].reshape(3, 3)), width / row[10], height / row[9]) for row in rows]
    return torch.stack(few).float()[torch.from_numpy(inverse.reshape(-1))]


class ClipSource:
    """Triplets from frames with known neighbors: what KITTI and a folder of frames have in common.

    Attributes:
        name: Name of the source, for logs.
        height, width: Size of the images it yields, pixels.
        native: (N, 2) height and width of each target's file, pixels.
        has_labels, has_depth: Whether its triplets carry.
    """

    name = "clip"

    def __init__(self, files: Sequence[Path], targets: np.ndarray, neighbors: np.ndarray, K: np.ndarray,
                 native: np.ndarray, height: int, width: int, label_files: Sequence[Path] | None = None,
                 label_ids: str = "trainId", cache: Path | None = DEFAULT_CACHE) -> None:
        """Join frames to triplets.

        Args:
            files: Files of all frames.
            targets: (N,) position of each target in `files`.
            neighbors: (N, S) positions of its neighbors, in temporal order.
            K: (N, 3, 3) intrinsics of each target at its file's size, pixels.
            native: (N, 2) height and width of each target's file, pixels.
            height, width: Size to yield, pixels.
            label_files: Files of labels, one for each target, or None.
            label_ids: Name of the ids, trainId or labelId.
            cache: Folder for the decoded frames; None decodes at every request.
        """
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise InputError(f"height {height} and width {width} make no image; use 192 and 640, for instance.")
        self.height, self.width, self.native = height, width, native
        self.targets, self.neighbors = targets, neighbors
        sizes = frozenset((int(h), int(w)) for h, w in native)
        self.frames = FrameStore(files, PlanarImages(height, width, sizes), (3, height, width), self.name, cache)
        self.K = _resized_intrinsics(K, native, height, width)
        self.label_store, self.label_ids = None, label_ids
        if label_files is not None:
            reader = LabelMaps(height, width, next(iter(sizes)) if len(sizes) == 1 else None, label_ids)
            self.label_store = FrameStore(label_files, reader, (height, width), f"{self.name}-labels", cache)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of what is trained on: frames, neighbors, intrinsics, labels and depth."""
        labels = [] if self.label_store is None else self.label_store.files
        depth = getattr(self, "depth_files", None) or []
        return fingerprint(*map(fingerprint_files, (self.frames.files, labels, depth)), self.label_ids, self.targets,
                           self.neighbors, self.K, self.native)

    @property
    def has_labels(self) -> bool:
        """Whether triplets carry semantic labels."""
        return self.label_store is not None

    @property
    def has_depth(self) -> bool:
        """Whether triplets carry depth."""
        return False

    def ground_truth(self, index: int) -> np.ndarray:
        """Return the depth of a target at its file's size: (H, W) float32 meters, 0 = none."""
        raise InputError(f"{self.name} has no depth; name a depth source.")

    def full_labels(self, index: int) -> np.ndarray:
        """Return the labels of a target at its file's size: (H, W) uint8 trainIds, 255 = none."""
        if self.label_store is None:
            raise InputError(f"{self.name} has no labels; name a folder of them.")
        height, width = (int(n) for n in self.native[index])
        return LabelMaps(height, width, (height, width), self.label_ids)(self.label_store.files[index])

    def targets_at(self, scale: int) -> ClipTargets:
        """Return the targets alone, `scale` times as high and as wide, read anew from their full-size files."""
        return ClipTargets(self, scale)

    def motion(self, index: int) -> np.ndarray | None:
        """Return T_source_target of every neighbor, (S, 4, 4), where poses are known."""
        return None

    def target_file(self, index: int) -> Path:
        """Return the image file of a target."""
        return self.frames.files[self.targets[index]]

    def triplet(self, indices: Indices) -> Triplet:
        """Return the targets at `indices` with their neighbors, as a batch.

        Raises:
            InputError: If an index is out of range or a file cannot be read.
        """
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        if not len(indices) or indices.min() < 0 or indices.max() >= len(self):
            raise InputError(f"indices {indices.tolist()} do not lie in 0 to {len(self) - 1}, the targets of "
                             f"{self.name}.")
        positions = np.concatenate((self.targets[indices, None], self.neighbors[indices]), 1)  # (B, 1 + S)
        images = torch.from_numpy(self.frames.read(positions.reshape(-1))).float().div_(255)
        images = images.view(*positions.shape, 3, self.height, self.width)
        depth = labels = None
        if self.has_depth:
            maps = [shrink_depth(self.ground_truth(i), self.height, self.width) for i in indices]
            depth = torch.from_numpy(np.stack(maps))[:, None]
        if self.label_store is not None:
            labels = torch.from_numpy(self.label_store.read(indices))
        motions = [motion for motion in map(self.motion, indices) if motion is not None]
        known = torch.from_numpy(np.stack(motions)).float() if motions else None
        return Triplet(target=images[:, 0], sources=images[:, 1:], K=self.K[indices], depth=depth, labels=labels,
                       T_source_target=known, index=torch.from_numpy(indices))


class ClipTargets:
    """The targets of a clip without their neighbors, at a multiple of its size: what a segmenter sees.

    Args:
        clip: Clip whose targets they are.
        scale: Factor of the clip's height and width.
    """

    has_depth = False

    def __init__(self, clip: ClipSource | ClipTargets, scale: int) -> None:
        self.name, self.has_labels = clip.name, clip.has_labels
        self.height, self.width = scale * clip.height, scale * clip.width
        self.frames, self.label_store = clip.frames, clip.label_store
        self.targets, self.K = clip.targets, resize_intrinsics(clip.K, scale, scale)
        if scale > 1:
            self.frames = clip.frames.at(self.height, self.width)
            self.label_store = self.label_store and self.label_store.at(self.height, self.width)

    def __len__(self) -> int:
        return len(self.targets)

    def targets_at(self, scale: int) -> ClipTargets:
        """Return the same targets, `scale` times as high and as wide."""
        return ClipTargets(self, scale)

    def triplet(self, indices: Indices) -> Triplet:
        """Return the targets at `indices` as a batch, with labels where the clip has them."""
        indices = np.asarray(indices, dtype=np.int64)
        images = torch.from_numpy(self.frames.read(self.targets[indices])).float().div_(255)
        labels = None if self.label_store is None else torch.from_numpy(self.label_store.read(indices))
        return Triplet(target=images, sources=images[:, None][:, :0], K=self.K[indices], labels=labels,
                       index=torch.from_numpy(indices))
