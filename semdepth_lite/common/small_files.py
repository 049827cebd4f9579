"""Small files from anywhere: calibrations, poses, lists, settings, cards, logs. One reader for all of them.

It takes regular files up to a size, and pipes that deliver within seconds; devices and folders are refused. Text may
begin with a byte order mark, as Windows writes it.
"""
from __future__ import annotations

import codecs
import json
import math
import os
import select
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from .contracts import InputError

LARGEST = 2**26  # bytes; a pose file of a million frames stays below
PATIENCE = 5.0  # seconds for a pipe to deliver
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def check_regular(path: Path, what: str = "a file") -> None:
    """Refuse a path that is no regular file, before anything reads it and waits.

    Args:
        path: Path to look at.
        what: Description of what was expected.

    Raises:
        InputError: If there is nothing, or a folder, a pipe or a device.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise InputError(f"{path} does not exist or cannot be reached ({_reason(error)}); expected {what}.") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is {_kind(mode)}; expected {what}.")


def check_folder(folder: Path, remedy: str) -> None:
    """Refuse a place that is no folder to read from.

    Args:
        folder: Place to look at.
        remedy: Words on what to do.

    Raises:
        InputError: If there is nothing, or no folder.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder} {'is no folder' if os.path.exists(folder) else 'does not exist'}; {remedy}.")


def read_bytes(path: Path, what: str = "a file", largest: int = LARGEST) -> bytes:
    """Read a small file whole.

    Args:
        path: File to read.
        what: Description of what was expected, for messages.
        largest: Most bytes to accept.

    Raises:
        InputError: If it is missing, unreadable, too large, a folder or a device, or a pipe that delivers nothing.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; expected {what}.") from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({_reason(error)}); expected {what}.") from error
    try:
        mode = os.fstat(handle).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InputError(f"{path} is {_kind(mode)}; expected {what}.")
        content = _read(handle, stat.S_ISFIFO(mode), largest)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({_reason(error)}); expected {what}.") from error
    finally:
        os.close(handle)
    if content is None:
        raise InputError(f"{path} is a pipe that delivered nothing whole in {PATIENCE:g} seconds; expected {what}.")
    if len(content) > largest:
        raise InputError(f"{path} holds more than {largest / 2**20:.3g} MiB, too much for {what}; name another file.")
    return content


def _read(handle: int, pipe: bool, largest: int) -> bytes | None:
    """Read up to one byte more than `largest`; None if a pipe does not come to its end in time."""
    parts, size, end = [], 0, time.monotonic() + PATIENCE
    while size <= largest:
        if pipe and not select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
            return None
        try:
            part = os.read(handle, min(2**20, largest + 1 - size))
        except BlockingIOError:
            part = None
        if part:
            parts.append(part)
            size += len(part)
        elif not pipe or (parts and part == b""):
            break
        elif time.monotonic() > end:
            return None
        else:
            time.sleep(0.01)  # nobody writes into the pipe yet
    return b"".join(parts)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def read_text(path: Path, what: str = "a text file", largest: int = LARGEST) -> str:
    """Read a small text file: UTF-8, or UTF-16 that begins with a byte order mark.

    Raises:
        InputError: As `read_bytes` does, and if it is no text.
    """
    content = read_bytes(path, what, largest)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as text ({error.reason} at byte {error.start}); expected {what} in "
                         "UTF-8.") from error
    if "\0" in text:
        raise InputError(f"{path} cannot be read as text (it holds zero bytes); expected {what}.")
    return text


def read_rows(path: Path, what: str = "a text file") -> list[tuple[int, str]]:
    """Read the lines of a small text file that say something: (line number, stripped line).

    Empty lines and those that begin with #, indented or not, do not count.
    """
    rows = [(i, line.strip()) for i, line in enumerate(read_text(path, what).split("\n"), start=1)]
    return [(i, line) for i, line in rows if line and not line.startswith("#")]


def read_json(path: Path, fields: Mapping[str, type | tuple[type, ...]] | None = None) -> dict:
    """Read a JSON object.

    Args:
        path: File to read.
        fields: Names that it must have, each with the type of its value.

    Raises:
        InputError: If the file does not hold such an object.
    """
    text = read_text(path, "a JSON object")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); delete it to start again.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__}, expected a JSON object; delete it to start again.")
    if fields:
        check_fields(value, fields, str(path))
    return value


def check_fields(value: Mapping, fields: Mapping[str, type | tuple[type, ...]], where: str) -> None:
    """Hold what a file says against its schema.

    Args:
        value: What was read.
        fields: Names that it must have, each with the type of its value; whole numbers pass as `float`, truth values
            pass as `bool` alone, and numbers must be finite.
        where: What messages call it.

    Raises:
        InputError: Naming the first field that is missing or of another type.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{where} holds {type(value).__name__}, expected named values; restore the file.")
    for name, kinds in fields.items():
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if name not in value:
            raise InputError(f"{where} lacks {name!r}; restore the file.")
        given = value[name]
        fits = isinstance(given, (*kinds, int) if float in kinds else kinds)
        if isinstance(given, bool) and bool not in kinds:
            fits = False
        if isinstance(given, float) and not math.isfinite(given):
            fits = False
        if not fits:
            wanted = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in kinds)
            raise InputError(f"{where} gives {str(given)[:60]!r} as {name!r}, expected {wanted}; restore the file.")


def read_log(path: Path) -> Iterator[dict]:
    """Yield the rows of a JSONL log; a damaged line loses itself, not the lines behind it.

    A row whose `step` is no finite number counts as damaged. The rows can be gone through once; `list` keeps them, and
    `Run.history` returns them as arrays.
    """
    for line in read_bytes(path, "a log", largest=2**30).decode("utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(row, dict):
            continue
        step = row.get("step", 0)
        if isinstance(step, (int, float)) and not isinstance(step, bool) and math.isfinite(step):
            yield row
