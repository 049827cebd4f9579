"""Frames decoded once and kept as bytes on disk, each with its checksum, so that no wrong byte is ever used."""
from __future__ import annotations

import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path

import numpy as np

from ..common.contracts import InputError
from ..common.runtime import notice
from ..common.storage import ANOTHER_CACHE, check_writable, fingerprint, make_folder, write_atomically
from .image_files import image_size, read_image

CACHE_VERSION = 2  # raised whenever what stands in a cache file would differ
DEFAULT_CACHE = Path(os.environ.get("SEMDEPTH_CACHE") or "cache") / "frames"
_RECORD = struct.Struct("<II")  # 1 once the frame is there, and the checksum of its bytes


class FrameStore:
    """Equal-sized frames by position, from a cache file that fills as they are asked for.

    The file holds the bytes of all frames and then a record for each: whether it is there, and its checksum. Its name
    carries a fingerprint of every input and of how it is read, so that changed inputs get a file of their own. A frame
    whose checksum does not fit, a full disk, a mount that is read-only and a file that vanishes all mean that the frame
    is decoded again.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[Path], np.ndarray], shape: tuple[int, ...], name: str,
                 cache: Path | None = DEFAULT_CACHE) -> None:
        """Describe the frames; nothing is decoded yet.

        Args:
            files: One file for each frame.
            read: Reader that turns a file into a uint8 array of `shape`; its attribute `made_by` tells how it reads.
            shape: Shape of one frame.
            name: Description of what is stored, part of the cache file's name.
            cache: Folder of the cache file; None decodes at every request.

        Raises:
            InputError: If a file is missing or the disk has no space for the cache.
        """
        self.files, self.read_file, self.shape = list(files), read, shape
        self.bytes = int(np.prod(shape))
        self.name, self.cache = name, cache
        self.path = None if cache is None else self._create(Path(cache), name)

    def _create(self, folder: Path, name: str) -> Path:
        """Return the path of the cache file, made empty where there is none."""
        key = fingerprint(CACHE_VERSION, self.shape, getattr(self.read_file, "made_by", ""),
                          [_state(file) for file in self.files])
        path = folder / f"{re.sub('[^A-Za-z0-9-]+', '-', name)[:80]}-{key}.frames"
        size = len(self.files) * (self.bytes + _RECORD.size)
        if path.is_file() and path.stat().st_size == size:
            return path
        make_folder(folder, ANOTHER_CACHE)
        check_writable(folder, ANOTHER_CACHE)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise InputError(f"the cache of {len(self.files)} frames needs {size / 1e9:.1f} GB in {folder}, which has "
                             f"{free / 1e9:.1f} GB left; name another folder with SEMDEPTH_CACHE.")

        def write(temporary: Path) -> None:
            with open(temporary, "wb") as file:
                file.truncate(size)  # a sparse file of zeros

        write_atomically(path, write)
        return path

    def at(self, height: int, width: int) -> FrameStore:
        """Return the same frames at another size, in a cache file of their own."""
        reader = copy(self.read_file)
        reader.height, reader.width = height, width
        return FrameStore(self.files, reader, (*self.shape[:-2], height, width), self.name, self.cache)

    def __len__(self) -> int:
        return len(self.files)

    def _decode(self, position: int) -> np.ndarray:
        frame = self.read_file(self.files[position])
        if frame.shape != self.shape or frame.dtype != np.uint8:
            raise InputError(f"{self.files[position]} gives {frame.shape} {frame.dtype}, expected {self.shape} uint8.")
        return frame

    def _fetch(self, position: int, out: np.ndarray) -> None:
        """Copy one frame into `out`, from the cache if it is there and whole."""
        if self.path is None:
            out[...] = self._decode(position)
        elif not self._read_cached(self.path, position, out):
            out[...] = self._decode(position)
            self._keep(self.path, position, out)

    def _places(self, position: int) -> tuple[int, int]:
        """Return where a frame and its record begin in the file."""
        return position * self.bytes, len(self.files) * self.bytes + position * _RECORD.size

    def _read_cached(self, path: Path, position: int, out: np.ndarray) -> bool:
        """Fill `out` from the cache and tell whether its checksum fits."""
        start, record = self._places(position)
        view = out.data.cast("B")
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(record)
                there, checksum = _RECORD.unpack(file.read(_RECORD.size))
                if there != 1:
                    return False
                file.seek(start)
                filled = 0
                while filled < self.bytes:  # one call may read less than was asked for
                    count = file.readinto(view[filled:])
                    if not count:
                        return False
                    filled += count
        except (OSError, struct.error):
            return False
        return zlib.crc32(view) == checksum

    def _keep(self, path: Path, position: int, frame: np.ndarray) -> None:
        """Write a frame and then its record; where that fails, the frame is decoded again next time."""
        start, record = self._places(position)
        view = frame.data.cast("B")
        try:
            with open(path, "r+b", buffering=0) as file:
                _write_whole(file, start, view)
                _write_whole(file, record, _RECORD.pack(1, zlib.crc32(view)))
        except OSError as error:
            notice(f"the cache {path} cannot be written ({error.strerror}); frames are decoded each time.")

    def read(self, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return frames as (N, ...) uint8; a frame named twice is fetched once."""
        unique, inverse = np.unique(np.asarray(positions, dtype=np.int64), return_inverse=True)
        frames = np.empty((len(unique), *self.shape), dtype=np.uint8)
        for frame, position in zip(frames, unique):
            self._fetch(int(position), frame)
        return frames[inverse.reshape(-1)]


def _state(file: Path) -> list[str | int]:
    """Return what changes when a file changes, even where its size and its time were restored."""
    try:
        state = os.stat(file)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); restore the file.") from error
    return [os.path.abspath(file), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def _write_whole(file, start: int, content) -> None:
    """Write all bytes at a place; one call may write less than it was given.

    Raises:
        OSError: If the disk is full.
    """
    view, done = memoryview(content), 0
    file.seek(start)
    while done < len(view):
        count = file.write(view[done:])
        if not count:
            raise OSError(28, "No space left on device")
        done += count


class PlanarImages:
    """Reads an image file at one size, channels first; a class, so that it can go to another process.

    Attributes:
        natives: (height, width) that files may have, pixels; intrinsics belong to no other. None allows any.
        made_by: Description of how it reads, for caches.
    """

    made_by = "image, Lanczos, as shown"

    def __init__(self, height: int, width: int, natives: frozenset[tuple[int, int]] | None = None) -> None:
        self.height, self.width, self.natives = height, width, natives

    def __call__(self, path: Path) -> np.ndarray:
        """Read an image as (3, height, width)."""
        if self.natives is not None and (size := image_size(path)) not in self.natives:
            known = " or ".join(f"{width}x{height}" for height, width in sorted(self.natives))
            raise InputError(f"{path} has {size[1]}x{size[0]} pixels, but its clip has {known}; the intrinsics do not "
                             "belong to it, so restore the image.")
        return np.ascontiguousarray(read_image(path, self.height, self.width).transpose(2, 0, 1))
