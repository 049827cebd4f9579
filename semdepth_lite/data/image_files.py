"""Files of single frames: images, label maps, 16-bit depth and point clouds, each read strictly and written whole.

Everything read here may come from a stranger, so that size and kind are judged from the header before pixels are
decoded, and whatever is wrong ends in one sentence that names the file.
"""
from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from ..common.contracts import MAX_PIXELS, InputError
from ..common.storage import write_atomically

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
DEPTH_STEPS = 256  # a 16-bit depth PNG counts 1/256 m, as KITTI's do, and 0 is no depth
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError,
           Image.DecompressionBombWarning)


def _open(path: Path) -> Image.Image:
    """Open an image file as far as its header."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; expected an image file.")
    try:
        image = Image.open(path)
    except _BROKEN as error:
        raise InputError(f"{path} cannot be read as an image ({error}); replace the file.") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(f"{path} claims {image.width}x{image.height} pixels, more than the {MAX_PIXELS} accepted "
                         f"here; reduce the image.")
    return image


def _decode(image: Image.Image, path: Path) -> np.ndarray:
    """Decode the pixels of an opened image."""
    try:
        return np.array(image)  # a copy, because torch wants arrays it may write to
    except _BROKEN as error:
        raise InputError(f"{path} is damaged ({error}); replace the file.") from error


def _bits(image: Image.Image) -> int:
    """Return the bits of each channel as stored; Pillow cuts 16-bit color to 8 without a word."""
    return 16 if image.mode.startswith("I") or any("16" in str(tile[3]) for tile in image.tile) else 8


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image file from its header, pixels.

    Raises:
        InputError: if the file is missing, no image or too large.
    """
    with _open(path) as image:
        return image.height, image.width


def read_image(path: Path, height: int | None = None, width: int | None = None) -> np.ndarray:
    """Read an 8-bit color image, resized by Lanczos when a size is given.

    A JPEG that is at least twice as large as asked for is decoded at a half, a quarter or an eighth, which saves most
    of its time.

    Args:
        path: PNG or JPEG file.
        height, width: size to return, pixels; None keeps the image's own.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: if the file is missing, damaged, gray, of 16 bits or with transparency.
    """
    with _open(path) as image:
        if image.mode != "RGB" or _bits(image) != 8:
            raise InputError(f"{path} holds mode {image.mode} with {_bits(image)} bits, expected 8-bit RGB; "
                             f"convert the image.")
        if height is None or width is None or image.size == (width, height):
            return _decode(image, path)
        image.draft("RGB", (width, height))
        try:
            return np.array(image.resize((width, height), Image.Resampling.LANCZOS))
        except _BROKEN as error:
            raise InputError(f"{path} is damaged ({error}); replace the file.") from error


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an (H, W, 3) or (H, W) uint8 array as an image, its format by the suffix of `path`."""
    path = Path(path)
    kind = "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else "PNG"
    write_atomically(path, lambda temporary: Image.fromarray(image).save(temporary, kind, **_QUALITY[kind]))


_QUALITY = {"JPEG": {"quality": 95, "subsampling": 0}, "PNG": {"compress_level": 3}}


def read_label_map(path: Path) -> np.ndarray:
    """Read the ids of a single-channel 8-bit PNG (gray, or the indices of a palette) as (H, W) uint8.

    Raises:
        InputError: if the file is missing, damaged, in color or of 16 bits.
    """
    with _open(path) as image:
        if image.mode not in ("L", "P") or _bits(image) != 8:
            raise InputError(f"{path} holds mode {image.mode} with {_bits(image)} bits, expected a label map with one "
                             f"8-bit class id for each pixel; a colored map must be converted to trainIds first.")
        return _decode(image, path)


def read_depth_png(path: Path) -> np.ndarray:
    """Read a 16-bit depth PNG: depth = value / 256, 0 = none (Uhrig et al. 2017).

    Returns:
        (H, W) float32, meters.

    Raises:
        InputError: if the file is missing, damaged or not of 16 bits in one channel.
    """
    with _open(path) as image:
        if not image.mode.startswith("I"):
            raise InputError(f"{path} holds mode {image.mode}, expected a 16-bit gray PNG of depth times "
                             f"{DEPTH_STEPS}; an 8-bit depth picture carries no meters.")
        return _decode(image, path).astype(np.float32) / DEPTH_STEPS


def write_depth_png(path: Path, depth: np.ndarray) -> None:
    """Write depth as a 16-bit PNG of round(256 depth), 0 = none.

    Depth beyond 65535/256 = 255.996 m is held there, and depth under 1/256 m at 1/256 m, so that it stays valid.

    Args:
        path: file to write.
        depth: (H, W) meters.

    Raises:
        InputError: if depth is not a finite, non-negative map.
    """
    depth = np.asarray(depth)
    if depth.ndim != 2 or not np.isfinite(depth).all() or (depth < 0).any():
        raise InputError(f"depth of shape {depth.shape} cannot be written to {path}; expected (H, W) finite meters, "
                         f"0 for none.")
    steps = np.where(depth > 0, np.clip(np.round(depth * DEPTH_STEPS), 1, 65535), 0).astype(np.uint16)
    write_atomically(Path(path), lambda temporary: Image.fromarray(steps).save(temporary, "PNG", compress_level=3))


def write_ply(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write a colored point cloud as binary PLY.

    Args:
        path: file to write.
        points: (N, 3) x, y, z, meters.
        colors: (N, 3) uint8 RGB.

    Raises:
        InputError: if the shapes differ.
    """
    if points.ndim != 2 or points.shape[1] != 3 or colors.shape != points.shape or colors.dtype != np.uint8:
        raise InputError(f"points {points.shape} and colors {colors.shape} {colors.dtype} make no point cloud; "
                         f"expected (N, 3) points and (N, 3) uint8 colors.")
    rows = np.empty(len(points), dtype=[("point", "<f4", 3), ("color", "u1", 3)])
    rows["point"], rows["color"] = points, colors
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    channels = "".join(f"property uchar {channel}\n" for channel in ("red", "green", "blue"))
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{axes}{channels}end_header\n"
    write_atomically(Path(path), lambda temporary: temporary.write_bytes(header.encode("ascii") + rows.tobytes()))
