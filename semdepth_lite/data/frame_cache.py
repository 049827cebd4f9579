"""Frames decoded once and kept as bytes on disk."""
from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..common.contracts import InputError
from ..common.storage import write_atomically
from .image_files import image_size, read_image

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
