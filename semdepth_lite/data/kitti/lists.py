"""Lists of frames in the field's format, one `folder frame side` a line: Eigen's test files, Zhou's training files,
and lists made from whole drives by rule.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...common.contracts import InputError
from ...common.small_files import check_folder, read_text
from ..image_files import IMAGE_SUFFIXES
from .poses import read_oxts

SIDES = {"l": 2, "r": 3}  # camera number of the color camera on each side


@dataclass(frozen=True)
class FrameName:
    """One image of KITTI raw.

    Attributes:
        folder: Day and drive, such as 2011_09_26/2011_09_26_drive_0001_sync.
        frame: Number of the frame.
        side: Side, l (camera 2) or r (camera 3).
        where: List and line it comes from, for messages.
    """

    folder: str
    frame: int
    side: str
    where: str = ""

    @property
    def camera(self) -> int:
        """The camera's number, 2 or 3."""
        return SIDES[self.side]

    @property
    def day(self) -> str:
        """The day's folder, which holds the calibration."""
        return self.folder.split("/")[0]

    def relative(self) -> str:
        """The image's path under the root, without its suffix."""
        return f"{self.folder}/image_0{self.camera}/data/{self.frame:010d}"


def read_list(path: Path) -> list[FrameName]:
    """Read a list of frames.

    Raises:
        InputError: naming file and line of whatever is wrong, or the file when it is missing or empty.
    """
    lines = read_text(path, "a list of lines 'folder frame side'").splitlines()
    frames = [_parse_line(line, f"{path} line {i}") for i, line in enumerate(lines, start=1) if line.strip()]
    if not frames:
        raise InputError(f"{path} names no frame; expected lines 'folder frame side'.")
    return frames


def _parse_line(line: str, where: str) -> FrameName:
    words = line.split()
    if len(words) != 3 or not (words[1].isascii() and words[1].isdigit()) or words[2] not in SIDES:
        raise InputError(f"{where} reads {line.strip()[:80]!r}, expected 'folder frame side' with a frame number and "
                         f"side l or r.")
    parts = words[0].replace("\\", "/").strip("/").split("/")
    if len(parts) != 2 or ".." in parts:
        raise InputError(f"{where} names the folder {words[0]!r}, expected day/drive such as "
                         f"2011_09_26/2011_09_26_drive_0001_sync.")
    return FrameName("/".join(parts), int(words[1]), words[2], where)


class FrameIndex:
    """Which frames there are under a root; each camera folder is looked at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        check_folder(self.root, "name the one that holds KITTI's days (2011_09_26, ...)")
        self._folders: dict[tuple[str, int], dict[int, Path]] = {}

    def numbered(self, folder: str, camera: int) -> dict[int, Path]:
        """Return number: image file of one camera of a drive; empty where the folder is missing."""
        key = (folder, camera)
        if key not in self._folders:
            data = self.root / folder / f"image_0{camera}" / "data"
            names = sorted(data.iterdir()) if data.is_dir() else []
            self._folders[key] = {int(path.stem): path for path in names
                                  if path.suffix.lower() in IMAGE_SUFFIXES and path.stem.isdecimal()
                                  and path.stem.isascii()}
        return self._folders[key]

    def image(self, frame: FrameName, offset: int = 0) -> Path:
        """Return the image file of a frame or of its neighbor.

        Raises:
            InputError: if it is not there.
        """
        files = self.numbered(frame.folder, frame.camera)
        if frame.frame + offset not in files:
            wanted = FrameName(frame.folder, frame.frame + offset, frame.side).relative()
            of = f", the neighbor {offset:+d} of frame {frame.frame}," if offset else ""
            where = f"{frame.where} needs" if frame.where else "the list needs"
            raise InputError(f"{where} {self.root / wanted}.png (or .jpg){of} which is missing; fetch the drive or "
                             f"take the line out.")
        return files[frame.frame + offset]


def find_drives(root: Path) -> list[str]:
    """Return every day/drive under a root, in order.

    Raises:
        InputError: if there is none.
    """
    root = Path(root)
    drives = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*_drive_*_sync") if path.is_dir())
    if not drives:
        raise InputError(f"{root} holds no drive (day/day_drive_0001_sync); name the folder of KITTI raw.")
    return drives


def frames_of_drives(root: Path, drives: Sequence[str] | None = None, sides: str = "l",
                     neighbors: Sequence[int] = (-1, 1), min_speed: float = 0.0,
                     allow_gaps: bool = False) -> list[FrameName]:
    """List every frame of whole drives whose neighbors exist.

    Args:
        root: The folder of KITTI raw.
        drives: Day/drive names; None takes all.
        sides: Sides to take, l, r or lr.
        neighbors: Offsets that must exist beside each frame.
        min_speed: Smallest speed of the car, m/s (read from oxts; 0 reads nothing). Zhou's lists leave out
            static frames by optical flow instead.
        allow_gaps: Whether missing frame numbers within a drive only split it, instead of being refused.

    Returns:
        Frames in order.

    Raises:
        InputError: if a drive has gaps or yields no frame.
    """
    index = FrameIndex(root)
    found: list[FrameName] = []
    for drive in find_drives(root) if drives is None else drives:
        before = len(found)
        for side in sides:
            if side not in SIDES:
                raise InputError(f"sides {sides!r} are unknown; use l, r or lr.")
            numbers = index.numbered(drive, SIDES[side])
            _check_gaps(numbers, f"{index.root / drive}/image_0{SIDES[side]}", allow_gaps)
            found += [FrameName(drive, n, side) for n in sorted(numbers)
                      if all(n + offset in numbers for offset in neighbors)
                      and (not min_speed or _speed(index.root / drive, n) >= min_speed)]
        if len(found) == before and drives is not None:
            raise InputError(f"{index.root / drive} yields no frame with the neighbors {list(neighbors)} on side "
                             f"{sides}; check the drive's name and images.")
    if not found:
        raise InputError(f"{index.root} yields no frame with the neighbors {list(neighbors)} on side {sides}.")
    return found


def _check_gaps(numbers: dict[int, Path], where: str, allow_gaps: bool) -> None:
    ordered = sorted(numbers)
    gaps = [a + 1 for a, b in zip(ordered, ordered[1:]) if b != a + 1]
    if gaps and not allow_gaps:
        raise InputError(f"{where} lacks frame {gaps[0]} (numbers run from {ordered[0]} to {ordered[-1]}, {len(gaps)} "
                         f"gaps); fetch the drive again, or allow gaps to split it there.")


def _speed(drive: Path, frame: int) -> float:
    return float(read_oxts(drive / "oxts" / "data" / f"{frame:010d}.txt")[8])
