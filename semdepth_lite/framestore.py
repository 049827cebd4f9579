"""Frames of real clips: decoded and resized once, kept as bytes in one file, and joined to triplets.

Notable:
- A frame is decoded the first time it is asked for, although three triplets share it and every epoch comes back.
- The cache is read piece by piece, not held: memory stays flat however long the clip is.
- No open file is kept, so that a source can be handed to threads and to processes.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
import hashlib
import json
import os
from pathlib import Path
import re
import shutil

import numpy as np
import torch

from .camera import resize_intrinsics
from .common import MAX_PIXELS, InputError, write_atomically
from .data import Triplet
from .files import image_size, read_image, read_label_map
from .labels import IGNORE, NUM_CLASSES

CACHE_VERSION = 1  # raised whenever what stands in a cache file would differ
DEFAULT_CACHE = Path("cache") / "frames"


class FrameStore:
    """Equal-sized frames by position, from a cache file that fills as they are asked for.

    The file holds the bytes of all frames and then one byte for each, 1 once the frame is complete; its name carries
    a hash of every input's name, size and time, so that changed inputs get a file of their own.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[Path], np.ndarray], shape: tuple[int, ...], name: str,
                 cache: Path | None = DEFAULT_CACHE) -> None:
        """Describe the frames; nothing is decoded yet.

        Args:
            files: one file for each frame.
            read: turns a file into a uint8 array of `shape`.
            shape: of one frame.
            name: what is stored, part of the cache file's name.
            cache: folder of the cache file; None decodes at every request.

        Raises:
            InputError: if a file is missing or the disk has no room for the cache.
        """
        self.files, self.read_file, self.shape = list(files), read, shape
        self.bytes = int(np.prod(shape))
        self.path = None if cache is None else self._create(Path(cache), name)

    def _create(self, folder: Path, name: str) -> Path:
        """Return the path of the cache file, made empty where there is none."""
        described = []
        for file in self.files:
            try:
                state = file.stat()
            except OSError as error:
                raise InputError(f"{file} cannot be read ({error.strerror}); restore the file.") from error
            described.append((os.path.abspath(file), state.st_size, state.st_mtime_ns))
        key = hashlib.sha256(json.dumps([CACHE_VERSION, self.shape, described]).encode()).hexdigest()[:16]
        path = folder / f"{re.sub('[^A-Za-z0-9-]+', '-', name)}-{key}.frames"
        size = len(self.files) * (self.bytes + 1)
        if path.is_file() and path.stat().st_size == size:
            return path
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise InputError(f"the cache of {len(self.files)} frames needs {size / 1e9:.1f} GB in {folder}, which has "
                             f"{free / 1e9:.1f} GB left; name another folder or do without a cache (None).")

        def write(temporary: Path) -> None:
            with open(temporary, "wb") as file:
                file.truncate(size)  # a sparse file of zeros

        write_atomically(path, write)
        return path

    def __len__(self) -> int:
        return len(self.files)

    def _decode(self, position: int) -> np.ndarray:
        frame = self.read_file(self.files[position])
        if frame.shape != self.shape or frame.dtype != np.uint8:
            raise InputError(f"{self.files[position]} gives {frame.shape} {frame.dtype}, expected {self.shape} uint8.")
        return frame

    def _fetch(self, position: int, out: np.ndarray) -> None:
        """Copy one frame into `out`, from the cache if it is there."""
        if self.path is None:
            out[...] = self._decode(position)
            return
        start, flag = position * self.bytes, len(self.files) * self.bytes + position
        with open(self.path, "r+b", buffering=0) as file:
            file.seek(flag)
            if file.read(1) == b"\1":
                file.seek(start)
                if file.readinto(memoryview(out).cast("B")) != self.bytes:
                    raise InputError(f"the cache {self.path} was cut short; delete it, and it is made again.")
                return
            out[...] = self._decode(position)
            file.seek(start)
            file.write(memoryview(out).cast("B"))
            file.seek(flag)
            file.write(b"\1")

    def read(self, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return frames as (N, ...) uint8; a frame named twice is fetched once."""
        unique, inverse = np.unique(np.asarray(positions, dtype=np.int64), return_inverse=True)
        frames = np.empty((len(unique), *self.shape), dtype=np.uint8)
        for frame, position in zip(frames, unique):
            self._fetch(int(position), frame)
        return frames[inverse.reshape(-1)]


class PlanarImages:
    """Reads an image file at one size, channels first; a class, so that it can go to another process.

    Attributes:
        natives: (height, width) that files may have, pixels; intrinsics belong to no other. None allows any.
    """

    def __init__(self, height: int, width: int, natives: frozenset[tuple[int, int]] | None = None) -> None:
        self.height, self.width, self.natives = height, width, natives

    def __call__(self, path: Path) -> np.ndarray:
        if self.natives is not None and (size := image_size(path)) not in self.natives:
            known = " or ".join(f"{width}x{height}" for height, width in sorted(self.natives))
            raise InputError(f"{path} has {size[1]}x{size[0]} pixels, but its clip has {known}; the intrinsics do not "
                             "belong to it, so restore the image.")
        return np.ascontiguousarray(read_image(path, self.height, self.width).transpose(2, 0, 1))


class LabelMaps:
    """Reads a label file at one size by the nearest pixel, and holds it against the size of its image.

    Attributes:
        table: (256,) trainId of each id in the file.
        ids: what the ids are called.
    """

    def __init__(self, height: int, width: int, native: tuple[int, int] | None, ids: str = "trainId") -> None:
        self.height, self.width, self.native, self.ids = height, width, native, ids
        self.table = train_id_table(ids)

    def __call__(self, path: Path) -> np.ndarray:
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


def shrink_depth(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """Carry sparse depth to another size: each point goes to the pixel its center falls in, the nearest point wins.

    Args:
        depth: (H, W) meters, 0 = none.
        height, width: new size, pixels.

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
        name: of the source, for logs.
        height, width: size of the images it yields, pixels.
        native: (N, 2) height and width of each target's file, pixels.
        has_labels, has_depth: what its triplets carry.
    """

    name = "clip"

    def __init__(self, files: Sequence[Path], targets: np.ndarray, neighbors: np.ndarray, K: np.ndarray,
                 native: np.ndarray, height: int, width: int, label_files: Sequence[Path] | None = None,
                 label_ids: str = "trainId", cache: Path | None = DEFAULT_CACHE) -> None:
        """Join frames to triplets.

        Args:
            files: of all frames.
            targets: (N,) position of each target in `files`.
            neighbors: (N, S) positions of its neighbors, in temporal order.
            K: (N, 3, 3) intrinsics of each target at its file's size, pixels.
            native: (N, 2) height and width of each target's file, pixels.
            height, width: size to yield, pixels.
            label_files: one for each target, or None.
            label_ids: trainId or labelId.
            cache: folder for the decoded frames; None decodes at every request.
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

    def motion(self, index: int) -> np.ndarray | None:
        """Return T_source_target of every neighbor, (S, 4, 4), where poses are known."""
        return None

    def target_file(self, index: int) -> Path:
        """Return the image file of a target."""
        return self.frames.files[self.targets[index]]

    def triplet(self, indices: Sequence[int]) -> Triplet:
        """Return the targets at `indices` with their neighbors, as a batch.

        Raises:
            InputError: if an index is out of range or a file cannot be read.
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
        motions = [self.motion(i) for i in indices]
        known = None if motions[0] is None else torch.from_numpy(np.stack(motions)).float()
        return Triplet(target=images[:, 0], sources=images[:, 1:], K=self.K[indices], depth=depth, labels=labels,
                       T_source_target=known, index=torch.from_numpy(indices))


def prefetch(source, batches: Iterable[Sequence[int]], workers: int = 2) -> Iterator[Triplet]:
    """Yield `source.triplet(batch)` for each batch in order, read ahead by threads.

    Threads suffice: decoding, resizing and reading leave Python's lock to others. At most `workers` + 1 batches wait.

    Args:
        source: anything with `triplet(indices)`.
        batches: indices of each batch.
        workers: threads; 0 reads in the caller.
    """
    if workers == 0:
        yield from map(source.triplet, batches)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="prefetch") as pool:
        waiting: deque = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(source.triplet, batch))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
