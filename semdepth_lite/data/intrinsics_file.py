"""Intrinsics as people write them: four numbers, a field of view, a matrix, one line or a line for each frame."""
from __future__ import annotations

import math
import re
from pathlib import Path

import torch

from ..camera import check_intrinsics
from ..camera import intrinsics as intrinsics_matrix
from ..common.contracts import InputError
from ..common.runtime import notice
from ..common.small_files import read_rows
from ..common.storage import write_atomically

INTRINSICS_FILE = "intrinsics.txt"
_FOV = re.compile(r"fov\s*[=:]?\s*(\S+?)\s*(?:deg|degrees|\u00b0)?", re.IGNORECASE)
_NAMED = re.compile(r"\b(fx|fy|cx|cy)\b[\"']?\s*[=:]\s*([-+0-9.eE]+)")
_EXPECTED = "expected 'fx fy cx cy' in pixels, the nine numbers of K, or 'fov D' in degrees"


def parse_intrinsics(text: str, height: int, width: int, where: str = "intrinsics") -> torch.Tensor:
    """Read intrinsics: `fx fy cx cy` in pixels, K (3x3) or P (3x4) row by row, or `fov D`, degrees across the width.

    With a field of view: fx = fy = W / (2 tan(D / 2)), and the principal point in the middle, ((W-1)/2, (H-1)/2).

    Args:
        text: Line, or lines, to read.
        height, width: Size of the images it belongs to, pixels.
        where: What messages call it.

    Returns:
        (3, 3) K, pixels.

    Raises:
        InputError: If the line reads otherwise or cannot belong to this image size.
    """
    plain = text.split(" #")[0].strip()
    if match := _FOV.fullmatch(plain):
        return _from_field_of_view(match[1], height, width, where, text)
    named = dict(_NAMED.findall(plain))
    words = [named[name] for name in ("fx", "fy", "cx", "cy")] if len(named) == 4 else _words(plain, where)
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    K = intrinsics_matrix(*_four(values, text, where))
    try:
        check_intrinsics(K, height, width)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    _check_center(K, height, width, where)
    return K


def _from_field_of_view(word: str, height: int, width: int, where: str, text: str) -> torch.Tensor:
    try:
        degrees = float(word.replace(",", "."))
    except ValueError:
        raise InputError(f"{where} reads {text.strip()[:60]!r}, {_EXPECTED}.") from None
    if not 5 <= degrees <= 175:
        raise InputError(f"{where} gives a field of view of {degrees:g} degrees, expected 5 to 175.")
    focal = width / (2 * math.tan(math.radians(degrees) / 2))
    return intrinsics_matrix(focal, focal, (width - 1) / 2, (height - 1) / 2)


def _words(text: str, where: str) -> list[str]:
    """Split numbers; a comma is a decimal comma only where it can be nothing else.

    Raises:
        InputError: If it could be either.
    """
    spaced = [word.strip(",") for word in re.sub(r"[\[\](){};]", " ", text).split() if word.strip(",")]
    inner = [word.count(",") for word in spaced]
    if not any(inner):
        return spaced
    if len(spaced) in (4, 9, 12) and set(inner) <= {0, 1}:
        return [word.replace(",", ".") for word in spaced]
    if len(spaced) > 1:
        raise InputError(f"{where} reads {text.strip()[:60]!r}, in which a comma may separate numbers or be a decimal "
                         "comma; write decimal points.")
    return spaced[0].split(",")


def _four(values: list[float], text: str, where: str) -> list[float]:
    """Return fx fy cx cy of four, nine (K) or twelve (P) numbers.

    Raises:
        InputError: If there are other numbers, such as lens distortion, or they are no K.
    """
    count = len(values)
    if 8 <= count <= 12 and count not in (9, 12) or count in (5, 6):
        if not any(values[4:]):
            return values[:4]
        raise InputError(f"{where} has {count} numbers; if those behind fx fy cx cy are lens distortion, undistort the "
                         "frames and give the four of the undistorted images.")
    if count in (9, 12):
        rows = [values[i:i + count // 3] for i in range(0, count, count // 3)]
        (fx, skew, cx), (zero, fy, cy), last = (row[:3] for row in rows)
        if zero or last != [0, 0, 1] or abs(skew) > 1e-3 * abs(fx):
            raise InputError(f"{where} reads {text.strip()[:60]!r}, which is no K = (fx 0 cx; 0 fy cy; 0 0 1); write "
                             "it row by row, without skew.")
        return [fx, fy, cx, cy]
    if count != 4:
        raise InputError(f"{where} reads {text.strip()[:60]!r}, {_EXPECTED}.")
    return values


def _check_center(K: torch.Tensor, height: int, width: int, where: str) -> None:
    """Warn of a principal point far from the middle: it is the sign of another image size."""
    cx, cy = float(K[0, 2]), float(K[1, 2])
    if abs(cx / width - 0.5) > 0.25 or abs(cy / height - 0.5) > 0.25:
        notice(f"{where}: the principal point ({cx:.4g}, {cy:.4g}) lies far from the middle of {width}x{height} "
               f"pixels, as if it belonged to about {round(2 * cx)}x{round(2 * cy)}; check which size it was "
               "measured at.")


def write_intrinsics(folder: Path, K: torch.Tensor) -> Path:
    """Write the one line of intrinsics of a folder of frames and return its path."""
    fx, fy, cx, cy = (float(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    path = Path(folder) / INTRINSICS_FILE
    write_atomically(path, lambda temporary: temporary.write_text(f"{fx:.6f} {fy:.6f} {cx:.6f} {cy:.6f}\n"))
    return path


def read_intrinsics_file(path: Path, files: list[Path], height: int, width: int) -> torch.Tensor:
    """Read intrinsics.txt: one line for all frames, K as a matrix, or a line `NAME fx fy cx cy` (or `NAME fov D`) each.

    Args:
        path: Text file; empty lines and those that begin with # do not count.
        files: Frames.
        height, width: Size of the frames, pixels.

    Returns:
        (N, 3, 3) K of every frame, pixels.

    Raises:
        InputError: Naming file and line of whatever is wrong, or the frame that has no line.
    """
    rows = read_rows(path, "a line 'fx fy cx cy' or 'fov D'")
    if not rows:
        raise InputError(f"{path} holds no line, {_EXPECTED}.")
    names = {_spaced(name) for file in files for name in (file.name, file.stem)}
    if _is_matrix([line for _, line in rows]) or (len(rows) == 1 and _name_of(rows[0][1])[0] not in names):
        K = parse_intrinsics(" ".join(line for _, line in rows), height, width, f"{path} line {rows[0][0]}")
        return K.repeat(len(files), 1, 1)
    known: dict[str, torch.Tensor] = {}
    for number, line in rows:
        name, rest = _name_of(line)
        if name not in names:
            raise InputError(f"{path} line {number} begins with {line.split()[0]!r}, which is no frame here; with "
                             "several lines each begins with the name of its frame.")
        stem = _spaced(Path(name).stem) if name.lower().endswith((".png", ".jpg", ".jpeg")) else name
        if stem in known:
            raise InputError(f"{path} line {number} is the second one for {name}; keep one of them.")
        known[stem] = parse_intrinsics(rest, height, width, f"{path} line {number}")
    for file in files:
        if _spaced(file.stem) not in known:
            raise InputError(f"{path} has no line for {file.name}; give one line for all frames, or one for each.")
    return torch.stack([known[_spaced(file.stem)] for file in files])


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _name_of(line: str) -> tuple[str, str]:
    """Split `NAME fx fy cx cy` or `NAME fov D`; the name is empty where the line holds intrinsics alone."""
    words = line.split(" #")[0].split()
    lower = [word.lower() for word in words]
    at = lower.index("fov") if "fov" in lower else max(0, len(words) - 4)
    return " ".join(words[:at]), " ".join(words[at:])


def _is_matrix(lines: list[str]) -> bool:
    """Whether lines are the three rows of K or P, the last one 0 0 1."""
    rows = [re.sub(r"[\[\](),;]", " ", line).split() for line in lines]
    if len(rows) != 3 or {len(row) for row in rows} not in ({3}, {4}):
        return False
    try:
        return [float(word) for word in rows[2][:3]] == [0, 0, 1]
    except ValueError:
        return False
