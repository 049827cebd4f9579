"""Small trees of data, and functions that spoil one file under the root of such a tree."""
from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from kitti_files import DRIVE, HEIGHT, WIDTH, make_raw
from PIL import Image

from semdepth_lite.data.image_files import write_depth_png, write_image
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.weights import _networks


class Executed:
    """What unpickles into a call, if anyone lets it."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG header for any size, and no pixels."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


# What spoils a file under the root of a tree

def edit(path: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda root: (root / path).write_text(change((root / path).read_text()))


def put(path: str, content: bytes | str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return spoil


def cut(path: str, size: int) -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:size])


def remove(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


def remove_all(folder: str) -> Callable[[Path], None]:
    return lambda root: [path.unlink() for path in (root / folder).iterdir()][:0]


def picture(path: str, mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT), value: int = 7
            ) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        dtype = np.uint16 if mode == "I;16" else np.uint8
        channels = {"RGB": (3,), "RGBA": (4,)}.get(mode, ())
        Image.fromarray(np.full((*size[::-1], *channels), value, dtype)).save(root / path, "PNG")
    return spoil


def weights(**changes) -> Callable[[Path], None]:
    """Write the two files of published weights with something changed: "file:key" is set, or taken out by None."""
    def spoil(root: Path) -> None:
        states = {name: {} for name in ("encoder", "depth")}
        built = _networks(NetworkSettings("resnet18"), states)
        for name in states:
            states[name] = {key: torch.zeros(value.shape, dtype=value.dtype)
                            for key, value in built[name].state_dict().items()}
        states["encoder"] |= {"height": 64, "width": 96, "use_stereo": False}
        for place, value in changes.items():
            file, _, key = place.partition(":")
            states[file][key] = value
            if value is None:
                del states[file][key]
        for name, state in states.items():
            torch.save(state, root / f"{name}.pth")
    return spoil


def saved(path: str, value: object) -> Callable[[Path], None]:
    return lambda root: torch.save(value, root / path)


def pickled(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes(pickle.dumps(Executed()))


# Trees that are fine

def kitti(root: Path) -> None:
    make_raw(root)
    for frame in range(5):
        name = f"{frame:010d}.png"
        depth = root / "improved" / DRIVE.split("/")[1] / "proj_depth" / "groundtruth" / "image_02" / name
        write_depth_png(depth, np.full((HEIGHT, WIDTH), 9.0))
        write_image(root / "labels" / DRIVE / "image_02" / "data" / name, np.zeros((HEIGHT, WIDTH), np.uint8))
    (root / "list.txt").write_text(f"{DRIVE} 1 l\n{DRIVE} 2 l\n")


def clip(root: Path) -> None:
    for i in range(4):
        image = np.random.RandomState(i).randint(0, 256, (64, 96, 3), np.uint8)
        write_image(root / "clip" / f"{i}.png", image)
        write_image(root / "labels" / f"{i}.png", np.zeros((64, 96), np.uint8))
        write_depth_png(root / "depth" / f"{i}.png", np.full((64, 96), 9.0))
    (root / "clip" / "intrinsics.txt").write_text("60 60 47.5 31.5\n")
