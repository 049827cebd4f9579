"""Which frame follows which: the order of a clip and its breaks, read from the names of its files.

A name is text with numbers in it, and one of the numbers counts the frames:
- Numbers are compared as numbers, whatever their padding; dates with a time of day, `seconds.fraction`, `120ms` and
  whole numbers beyond a billion are time stamps.
- The number that counts is the last one that varies. Numbers that never vary are part of the text (8 in leftImg8bit).
- Frames whose other numbers or whose text differ belong to other clips (cameras, sequences, days).
- A picture without a number, and a copy such as `0001 (1).png` beside `0001.png`, joins no clip.
- A clip is cut where numbers are missing, or where a time stamp is farther than one and a half usual steps away.
Where names allow no safe reading, every frame is a clip of its own, so that no wrong neighbors are ever made.
"""
from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..common.contracts import InputError

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)[-_ T.]{0,3}(\d\d)([-_.:h]?)(\d\d)[-_.:m]?(\d\d)"
                   r"(?:[.,](\d{1,9})|[-_]?(\d{3}))?(?!\d)")
_DECIMAL = re.compile(r"(?<!\d)(0|[1-9]\d*)\.(\d{3,9})(?!\d)")
_UNIT = re.compile(r"(?<!\d)(\d+)(ns|us|ms)(?![A-Za-z])")
_COPY = re.compile(r"^(.*\d.*?)(?: ?\(\d+\)| - Copy(?: \(\d+\))?| copy(?: \d+)?)$", re.IGNORECASE)
_PRIVATE = 0xE000  # of Unicode's private use area: stands for a time stamp while a name is read
_NANO = {"ns": 1, "us": 1000, "ms": 10**6}
_STAMPED = 10**9  # numbers from here on are seconds, milliseconds, ... since 1970: nobody counts so many frames
_FAR, _NEAR = 1.5, 0.5  # usual steps beyond and below which time stamps are no neighbors


class Number(NamedTuple):
    """A number in a name: its value (nanoseconds for time stamps), its digits, and whether it is a time stamp."""

    value: int
    digits: str
    time: bool = False


class Name(NamedTuple):
    """A file whose name was read: the text around its numbers, and the numbers."""

    path: Path
    text: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class FrameOrder:
    """Frames in order.

    Attributes:
        files: (N,) frames, clip after clip.
        clip: (N,) number of the unbroken clip that each belongs to.
        step: The usual step between neighbors, for people.
        left_out: Pictures that join no clip.
        gaps: Descriptions of missing numbers, the first ones first; pauses of time stamps are no gaps.
    """

    files: list[Path]
    clip: np.ndarray
    step: str
    left_out: list[Path]
    gaps: list[str]

    def sentence(self) -> str:
        """Describe what was found in one line."""
        count = len(set(self.clip.tolist()))
        line = f"{len(self.files)} frames in {count} clip{'s' * (count != 1)}"
        if self.step:
            line += f", one every {self.step}"
        if self.left_out:
            line += (f"; {len(self.left_out)} left out, because no number or a copy's name orders them "
                     f"({', '.join(path.name for path in self.left_out[:3])})")
        return line


def order_frames(files: Sequence[Path], where: str = "the folder") -> FrameOrder:
    """Order frames by the number in their names.

    Args:
        files: Frames in any order.
        where: What messages call their folder.

    Raises:
        InputError: If two frames of a clip have the same number.
    """
    files = sorted(files)
    copies = _copies(files)
    named = _read_names([path for path in files if path not in copies])
    left_out = [name.path for name in named if not name.numbers] + [path for path in files if path in copies]
    clips: dict[tuple, list[tuple[Number, Path]]] = {}
    for text, group in _grouped(named).items():
        for name, (prefix, number) in zip(group, _split(group)):
            clips.setdefault((text, prefix), []).append((number, name.path))
    return _cut({key: sorted(clips[key], key=lambda pair: pair[0].value) for key in sorted(clips)}, left_out, where)


def order_by_times(files: Sequence[Path], seconds: Sequence[float]) -> FrameOrder:
    """Order frames whose times are known, such as a video's.

    Args:
        files: Frames.
        seconds: Time of each.
    """
    stamped = sorted((Number(round(s * 1e9), "", True), path) for s, path in zip(seconds, files))
    return _cut({(): stamped}, [], "the video")


def _copies(files: list[Path]) -> set[Path]:
    """Return the files that are named as copies of another one; three or more of one name are a sequence instead."""
    stems = {path.stem.lower() for path in files}
    originals = defaultdict(list)
    for path in files:
        match = _COPY.match(path.stem)
        if match and match[1].lower() in stems:
            originals[match[1].lower()].append(path)
    return {path for paths in originals.values() if len(paths) < 3 for path in paths}


def _read_names(files: list[Path]) -> list[Name]:
    """Read every name; time stamps are read as such only where all names that look like one are one."""
    dates = [match for path in files for match in _DATE.finditer(path.stem)]
    dated = bool(dates) and all(map(_is_date, dates))
    decimal = _decimals([match for path in files if (match := _DECIMAL.search(path.stem))])
    patterns = [(_DATE, _date)] * dated + [(_DECIMAL, _seconds)] * decimal + [(_UNIT, _with_unit)]
    return [_read_name(path, patterns) for path in files]


def _read_name(path: Path, patterns: list[tuple[re.Pattern, Callable[[re.Match], int]]]) -> Name:
    """Take a name apart: time stamps first, then every other run of digits."""
    stem, stamps = path.stem, []
    for pattern, read in patterns:
        parts, at = [], 0
        for match in pattern.finditer(stem):
            stamps.append(Number(read(match), match[0], True))
            parts += [stem[at:match.start()], f"\0{chr(_PRIVATE + len(stamps))}"]
            at = match.end()
        stem = "".join((*parts, stem[at:]))
    parts = re.split(r"(\0.|\d+)", stem)
    numbers = tuple(stamps[ord(part[1]) - _PRIVATE - 1] if part[0] == "\0" else Number(int(part), part)
                    for part in parts[1::2])
    return Name(path, "#".join(parts[::2]), numbers)


def _is_date(match: re.Match) -> bool:
    """Whether there is such a day and hour."""
    try:
        _date(match)
    except ValueError:
        return False
    return True


def _date(match: re.Match) -> int:
    """Return a date with its time of day as nanoseconds."""
    year, month, day, hour, minute, second = (int(match[i]) for i in (1, 3, 4, 5, 7, 8))
    whole = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    return int(whole.timestamp()) * 10**9 + int((match[9] or match[10] or "0").ljust(9, "0"))


def _seconds(match: re.Match) -> int:
    return int(match[1]) * 10**9 + int(match[2].ljust(9, "0"))


def _with_unit(match: re.Match) -> int:
    return int(match[1]) * _NANO[match[2]]


def _decimals(matches: list[re.Match]) -> bool:
    """Whether `12.345` in names is a time in seconds, not a frame 345 of a shot 12."""
    if not matches or len({len(match[2]) for match in matches}) > 1 and any(len(match[1]) < 9 for match in matches):
        return False
    if all(len(match[1]) >= 9 for match in matches):
        return True
    shots = defaultdict(list)
    for match in matches:
        shots[match[1]].append(int(match[2]))
    steps = Counter(b - a for values in shots.values() for a, b in zip(sorted(values), sorted(values)[1:]))
    return bool(steps) and steps.most_common(1)[0][0] > 1


def _grouped(named: list[Name]) -> dict[str, list[Name]]:
    groups: dict[str, list[Name]] = {}
    for name in named:
        if name.numbers:
            groups.setdefault(name.text, []).append(name)
    return groups


def _split(group: list[Name]) -> list[tuple[tuple[int, ...], Number]]:
    """Return for each name of a group what its clip is called, and the number that counts."""
    columns = list(zip(*(name.numbers for name in group)))
    varying = [c for c, column in enumerate(columns) if len({n.value for n in column}) > 1]
    alone = [(tuple(n.value for n in name.numbers), name.numbers[-1]) for name in group]
    if not varying:
        return alone
    kept = _independent(columns, varying)
    if kept is None:
        return alone
    for c in reversed(kept):
        prefixes = [tuple(columns[k][i].value for k in kept if k != c) for i in range(len(group))]
        if len(set(prefixes)) < len(group):
            break
    else:
        return alone
    if _is_sequence_number(columns, c):
        return alone
    return [(prefix, _stamped(number)) for prefix, number in zip(prefixes, columns[c])]


def _independent(columns: list[tuple[Number, ...]], varying: list[int]) -> list[int] | None:
    """Drop numbers that only repeat another one, as a time beside a counter does; None if two repeat in disorder."""
    kept: list[int] = []
    for c in varying:
        values = [n.value for n in columns[c]]
        for k in kept:
            pairs = sorted({(n.value, value) for n, value in zip(columns[k], values)})
            if len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}):
                if [b for _, b in pairs] != sorted(b for _, b in pairs):
                    return None
                if _stamped(columns[c][0]).time:
                    kept[kept.index(k)] = c
                break
        else:
            kept.append(c)
    return kept


def _is_sequence_number(columns: list[tuple[Number, ...]], c: int) -> bool:
    """Whether an equally padded number that never varies follows: then that one counts, and c names the sequence."""
    widths = {len(n.digits) for n in columns[c]}
    return any(len({n.digits for n in column}) == 1 and column[0].digits.startswith("0")
               and len(column[0].digits) >= 4 and widths == {len(column[0].digits)} for column in columns[c + 1:])


def _stamped(number: Number) -> Number:
    """Read a whole number beyond a billion as seconds, milliseconds, microseconds or nanoseconds since 1970."""
    if number.time or number.value < _STAMPED:
        return number
    scale = next(scale for top, scale in ((10**11, 10**9), (10**14, 10**6), (10**17, 1000), (None, 1))
                 if top is None or number.value < top)
    return Number(number.value * scale, number.digits, True)


def _cut(clips: dict[tuple, list[tuple[Number, Path]]], left_out: list[Path], where: str) -> FrameOrder:
    """Cut clips at gaps and pauses and string them together."""
    counted = Counter(b.value - a.value for numbers in clips.values() for (a, _), (b, _) in zip(numbers, numbers[1:])
                      if not b.time)
    stride = min(counted, key=lambda step: (-counted[step], step)) if counted else 1
    files, clip, gaps, usual = [], [], [], []
    for frames in clips.values():
        steps = np.array([b.value - a.value for (a, _), (b, _) in zip(frames, frames[1:])], dtype=object)
        if (steps == 0).any():
            first = int(np.argmax(steps == 0))
            raise InputError(f"{frames[first][1].name} and {frames[first + 1][1].name} in {where} have the same "
                             "number; keep one of them, and one clip in a folder.")
        if frames[0][0].time and len(steps):
            median = float(np.median(steps.astype(float)))
            usual.append(median)
            cut = (steps > _FAR * median) | (steps < _NEAR * median)
        else:
            cut = steps != stride
            gaps += [_gap(*frames[i], int(steps[i]), stride) for i in np.flatnonzero(cut)]
        start = clip[-1] + 1 if clip else 0
        clip += [start, *(start + np.cumsum(cut.astype(np.int64))).tolist()]
        files += [path for _, path in frames]
    step = _duration(float(np.median(usual))) if usual else (f"number{'' if stride == 1 else f' {stride} apart'}"
                                                            if counted else "")
    return FrameOrder(files, np.array(clip, dtype=np.int64), step, left_out, gaps)


def _gap(number: Number, path: Path, step: int, stride: int) -> str:
    if step % stride == 0:
        return f"lacks frame {number.value + stride} after {path.name}"
    return f"counts by {step} after {path.name} and by {stride} elsewhere"


def _duration(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e9:.4g} s" if nanoseconds >= 1e9 else f"{nanoseconds / 1e6:.4g} ms"
