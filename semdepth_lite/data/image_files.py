"""Files of single frames: images, label maps, 16-bit depth and point clouds, each read strictly and written whole.

Everything read here may come from a stranger, so that size and kind are judged from the header before pixels are
decoded, and whatever is wrong ends in one sentence that names the file.
"""
from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from ..common.contracts import MAX_PIXELS, InputError
from ..common.runtime import notice
from ..common.small_files import check_regular
from ..common.storage import MARK, is_ours, write_atomically

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
DEPTH_STEPS = 256  # a 16-bit depth PNG counts 1/256 m, as KITTI's do, and 0 is no depth
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError,
           Image.DecompressionBombWarning)
_STEP_OF_BITS = {"L;2": 85, "L;4": 17}  # Pillow spreads gray of few bits over 0 to 255


def find_images(places: Path | Iterable[Path], pattern: str = "*", suffixes: tuple[str, ...] = IMAGE_SUFFIXES,
                outputs: bool = False) -> list[Path]:
    """List image files: those that are named, and those in the folders that are named.

    Hidden files are left out, folders that are links are followed.

    Args:
        places: Files and folders.
        pattern: Glob under a folder: `*` takes the folder alone, `**/*` everything below it too.
        suffixes: Endings that count in a folder, lower case.
        outputs: Whether files that a command of this package wrote count too, found by the mark in them.

    Raises:
        InputError: If a place does not exist, nothing is found, or the pattern is none under a folder.
    """
    places = [Path(places)] if isinstance(places, (str, Path)) else [Path(place) for place in places]
    matches = _glob(pattern)
    found: list[Path] = []
    ours = 0
    for place in places:
        if place.is_dir():
            inside = (path for path in _walk(place, "/" in pattern or "**" in pattern)
                      if path.suffix.lower() in suffixes and matches(path.relative_to(place).as_posix()))
            files = [path for path in inside if path.is_file()]
            kept = sorted(path for path in files if outputs or not is_ours(path))
            found, ours = found + kept, ours + len(files) - len(kept)
        elif place.exists():
            found.append(place)
        else:
            raise InputError(f"{place} does not exist; give image files or a folder of them.")
    if not found and ours:
        raise InputError(f"{', '.join(map(str, places))} holds no image but {ours} that this package wrote, such as "
                         "predicted depth, which are left out; give the images themselves.")
    if not found:
        raise InputError(f"{', '.join(map(str, places))} holds no image ({', '.join(suffixes)}) under {pattern!r}; "
                         "give image files or a folder of them.")
    return found


def _walk(root: Path, deep: bool) -> Iterator[Path]:
    """Yield the files of a folder that are not hidden; each folder once, although links may form a ring."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if deep and real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        yield from (Path(folder) / name for name in files if not name.startswith("."))


def _glob(pattern: str) -> Callable[[str], object]:
    """Return whether a relative path matches a glob in which `**` stands for any folders.

    Raises:
        InputError: If the pattern is empty, absolute or leads out of the folder.
    """
    parts = pattern.split("/")
    if not pattern or pattern.startswith("/") or ".." in parts or any("**" in part and part != "**" for part in parts):
        raise InputError(f"pattern {pattern!r} cannot be looked for under a folder; use a relative one such as "
                         "**/*.png, with ** by itself.")
    pieces = []
    for part in parts:
        if part == "**":
            pieces.append("(?:[^/]+/)*")
        else:
            text = re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
            pieces.append(re.sub(r"\\\[(!?)(.+?)\\\]", lambda m: f"[{'^' * bool(m[1])}{m[2]}]", text) + "/")
    expression = "".join(pieces).removesuffix("/")
    if parts[-1] == "**":
        expression += "[^/]*"
    try:
        return re.compile(expression).fullmatch
    except re.error as error:
        raise InputError(f"pattern {pattern!r} cannot be read ({error}); use one such as **/*.png.") from error


def _open(path: Path, formats: tuple[str, ...] = ("PNG", "JPEG")) -> ImageFile.ImageFile:
    """Open an image file as far as its header, by no other decoder than those of `formats`, whatever its name."""
    check_regular(path, "an image file")
    try:
        image = Image.open(path, formats=formats)
    except _BROKEN as error:
        raise InputError(f"{path} cannot be read as {' or '.join(formats)} ({error}); convert it to "
                         "one, or replace it.") from error
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


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """Return how the pixels are stored, such as `L;4`."""
    args = image.tile[0][3] if image.tile else image.mode
    return str(args if isinstance(args, str) else args[0] if args else image.mode)


def _bits(image: ImageFile.ImageFile) -> int:
    """Return the bits of each channel as stored; Pillow cuts 16-bit color to 8 without a word."""
    return 16 if image.mode.startswith("I") or any("16" in str(tile[3]) for tile in image.tile) else 8


def _turned(image: Image.Image) -> int:
    """Return the orientation that a camera wrote into EXIF: 1 is upright, 5 to 8 lie on their side."""
    if image.format == "PNG" and "exif" not in image.info:  # asking Pillow would decode the pixels
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _BROKEN:  # EXIF that cannot be read turns nothing
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image file as it is shown, from its header, pixels.

    Raises:
        InputError: If the file is missing, no image or too large.
    """
    with _open(path) as image:
        return (image.width, image.height) if _turned(image) >= 5 else (image.height, image.width)


def check_image(path: Path) -> None:
    """Refuse an image whose header says that `read_image` will not take it, before any work begins.

    Raises:
        InputError: If the file is missing, no image, too large, or neither 8-bit RGB nor gray.
    """
    with _open(path) as image:
        _check_kind(image, path)


def field_of_view(path: Path) -> float | None:
    """Return the field of view across an image as it is shown, degrees, from the focal length in its EXIF.

    The focal length is the one for 35 mm film, 36 mm wide and 24 mm high, which is compared by the longer side; None
    where the camera wrote none.

    Args:
        path: PNG or JPEG file.
    """
    height, width = image_size(path)
    with _open(path) as image:
        if image.format == "PNG" and "exif" not in image.info:
            return None
        try:
            focal = float(image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm, 0))
        except (*_BROKEN, TypeError, KeyError):
            return None
    if not 5 <= focal <= 400:  # 0 is what cameras write that do not know it
        return None
    across = 36 * width / max(height, width)
    return math.degrees(2 * math.atan(across / (2 * focal)))


def read_image(path: Path, height: int | None = None, width: int | None = None) -> np.ndarray:
    """Read an 8-bit image as it is shown, in color, resized by Lanczos when a size is given.

    Photographs that were stored on their side are turned upright (EXIF), gray and palettes become RGB, and an opaque
    alpha channel is dropped; a notice names the first such file of a folder. A JPEG that is at least twice as large as
    asked for is decoded at a half, a quarter or an eighth, which saves most of its time.

    Args:
        path: PNG or JPEG file.
        height, width: Size to return, pixels; None keeps the image's own.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: If the file is missing, damaged, of 16 bits, CMYK or with transparent pixels.
    """
    with _open(path) as image:
        turned = _turned(image)
        _check_kind(image, path)
        size = None if height is None or width is None else (width, height)
        stored = (size[1], size[0]) if size and turned >= 5 else size
        try:
            if stored and image.mode == "RGB":
                image.draft("RGB", stored)
            shown = _to_rgb(image, path)
            if stored and shown.size != stored:
                shown = shown.resize(stored, Image.Resampling.LANCZOS)
            if turned > 1:
                notice(f"{Path(path).parent} holds photographs stored on their side or mirrored ({Path(path).name} "
                       "first); they are turned upright as EXIF asks, and intrinsics must belong to the upright image.",
                       about=("turned", Path(path).parent))
                shown = shown.transpose(_TURNS[turned])
            return np.array(shown)  # a copy, because torch wants arrays it may write to
        except InputError:  # a ValueError too
            raise
        except _BROKEN as error:
            raise InputError(f"{path} is damaged ({error}); replace the file.") from error


_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}


def _check_kind(image: ImageFile.ImageFile, path: Path) -> None:
    """Refuse pixels whose colors would have to be guessed."""
    if image.mode not in ("RGB", "L", "1", "P", "LA", "RGBA", "PA") or _bits(image) != 8:
        raise InputError(f"{path} holds mode {image.mode} with {_bits(image)} bits, expected 8-bit RGB or gray; "
                         "convert the image.")
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and b"sRGB" not in profile:
        notice(f"{Path(path).parent} holds images with a color profile other than sRGB ({Path(path).name} first), "
               "which is not applied; colors may be off a little, alike in all frames.",
               about=("profile", Path(path).parent))


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Bring an image of 8 bits or less to RGB where that loses nothing.

    Raises:
        InputError: If it has transparent pixels, whose color nobody knows.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        shown = image.convert("RGBA")
        if np.asarray(shown.getchannel("A")).min() < 255:
            raise InputError(f"{path} has transparent pixels, whose color is unknown; flatten the image.")
        what, shown = "an alpha channel, which is opaque and dropped", shown.convert("RGB")
    else:
        what = "a palette" if image.mode == "P" else "gray pixels"
        shown = image.convert("RGB")
    notice(f"{Path(path).parent} holds images with {what} ({Path(path).name} first); they are read as RGB.",
           about=(what, Path(path).parent))
    return shown


def write_image(path: Path, image: np.ndarray, kind: str = "") -> None:
    """Write an (H, W, 3) or (H, W) uint8 array as an image, its format by the suffix of `path`.

    Args:
        path: File to write.
        image: Pixels.
        kind: What a command of this package calls it, such as "color"; put into the file, so that the command knows
            its own outputs again (`common.storage.is_ours`). Nothing is put in by default.

    Raises:
        InputError: If the array is no image.
    """
    path, image = Path(path), np.asarray(image)
    if image.dtype != np.uint8 or not image.size or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise InputError(f"an array of shape {image.shape} and type {image.dtype} cannot be written to {path}; "
                         "expected (H, W, 3) or (H, W) uint8.")
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    options = {"quality": 95, "subsampling": 0} if jpeg else {"compress_level": 3}
    if kind:
        options |= {"comment": f"{MARK} {kind}"} if jpeg else {"pnginfo": _mark(kind)}
    write_atomically(path, lambda temporary: Image.fromarray(image).save(temporary, "JPEG" if jpeg else "PNG",
                                                                         **options))


def _mark(kind: str) -> PngInfo:
    text = PngInfo()
    text.add_text(MARK, kind)
    return text


def read_label_map(path: Path) -> np.ndarray:
    """Read the ids of a single-channel PNG of at most 8 bits (gray, or the indices of a palette) as (H, W) uint8.

    Ids come out as they are stored: gray of 1, 2 or 4 bits is not spread to 0..255.

    Raises:
        InputError: If the file is missing, damaged, in color, of 16 bits or no PNG.
    """
    with _open(path, ("PNG",)) as image:
        if image.mode not in ("L", "P", "1") or _bits(image) != 8:
            raise InputError(f"{path} holds mode {image.mode} with {_bits(image)} bits, expected a label map with one "
                             f"8-bit class id for each pixel; a colored map must be converted to trainIds first.")
        step = _STEP_OF_BITS.get(_raw_mode(image), 1)
        if (turned := _turned(image)) > 1:
            image = _decoded(image, path).transpose(_TURNS[turned])
        return _decode(image, path).astype(np.uint8) // step


def _decoded(image: Image.Image, path: Path) -> Image.Image:
    try:
        image.load()
    except _BROKEN as error:
        raise InputError(f"{path} is damaged ({error}); replace the file.") from error
    return image


def read_depth_png(path: Path, steps: float = DEPTH_STEPS) -> np.ndarray:
    """Read a 16-bit depth PNG: depth = value / 256, 0 = none (Uhrig et al. 2017).

    Args:
        path: File to read.
        steps: Steps of a unit, where the file was written with others.

    Returns:
        (H, W) float32, meters, or the unit that the steps divide.

    Raises:
        InputError: If the file is missing, damaged or not of 16 bits in one channel.
    """
    with _open(path, ("PNG",)) as image:
        if not image.mode.startswith("I"):
            raise InputError(f"{path} holds mode {image.mode}, expected a 16-bit gray PNG of depth times "
                             f"{DEPTH_STEPS}; an 8-bit depth picture carries no meters.")
        return _decode(image, path).astype(np.float32) / steps


def write_depth_png(path: Path, depth: np.ndarray, kind: str = "", steps: float = DEPTH_STEPS) -> None:
    """Write depth as a 16-bit PNG of round(256 depth), 0 = none.

    Depth beyond 65535 steps (255.996 m) is held there, and depth under one step at one step, so that it stays valid.

    Args:
        path: File to write.
        depth: (H, W) meters.
        kind: What a command calls it, see `write_image`.
        steps: Number of steps to a unit of depth.

    Raises:
        InputError: If depth is not a finite, non-negative map.
    """
    depth = np.asarray(depth)
    if depth.ndim != 2 or not np.isfinite(depth).all() or (depth < 0).any():
        raise InputError(f"depth of shape {depth.shape} cannot be written to {path}; expected (H, W) finite meters, "
                         f"0 for none.")
    counted = np.where(depth > 0, np.clip(np.round(depth * steps), 1, 65535), 0).astype(np.uint16)
    options = {"pnginfo": _mark(kind)} if kind else {}
    write_atomically(Path(path), lambda temporary: Image.fromarray(counted).save(temporary, "PNG", compress_level=3,
                                                                               **options))


def write_ply(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write a colored point cloud as binary PLY.

    Args:
        path: File to write.
        points: (N, 3) x, y, z, meters.
        colors: (N, 3) uint8 RGB.

    Raises:
        InputError: If the shapes differ.
    """
    if points.ndim != 2 or points.shape[1] != 3 or colors.shape != points.shape or colors.dtype != np.uint8:
        raise InputError(f"points {points.shape} and colors {colors.shape} {colors.dtype} make no point cloud; "
                         f"expected (N, 3) points and (N, 3) uint8 colors.")
    rows = np.empty(len(points), dtype=[("point", "<f4", 3), ("color", "u1", 3)])
    rows["point"], rows["color"] = points, colors
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    channels = "".join(f"property uchar {channel}\n" for channel in ("red", "green", "blue"))
    header = (f"ply\nformat binary_little_endian 1.0\ncomment {MARK} points\nelement vertex {len(rows)}\n{axes}"
              f"{channels}end_header\n")
    write_atomically(Path(path), lambda temporary: temporary.write_bytes(header.encode("ascii") + rows.tobytes()))
