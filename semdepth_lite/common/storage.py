"""Files that are whole or not there: atomic writes, locks on folders, JSON and logs."""
from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .contracts import InputError


def _claim(path: Path) -> int | None:
    """Lock a file or a folder for this process and return its descriptor; None where the system has no such locks.

    The lock goes with the process, however that ends.

    Raises:
        BlockingIOError: if another descriptor holds the lock.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # a file system that knows no locks
        os.close(handle)
        return None
    return handle


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Keep a folder for one run at a time.

    Raises:
        InputError: if another run is at work in it.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        handle = _claim(Path(folder))
    except BlockingIOError:
        raise InputError(f"{folder} is in use by another run; wait for its end, or use another folder.") from None
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def remove_leftovers(folder: Path, pattern: str = ".*.tmp") -> None:
    """Remove temporary files and folders whose process was killed; those that a living process writes stay."""
    for path in Path(folder).glob(pattern):
        try:
            handle = _claim(path)
        except OSError:  # in use, or gone meanwhile
            continue
        if handle is not None:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            os.close(handle)


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Make a hidden folder beside `folder`, to be filled and moved into place; it is gone in the end, moved or not.

    What a killed process has left of the same name is removed first.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent, f".{glob.escape(folder.name)}.*.tmp")
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    handle = _claim(temporary)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def write_atomically(path: Path, write) -> None:
    """Give `write` a temporary path beside `path` and move it into place when it is complete.

    A reader sees the old file or the new one, never half of one; a failed write leaves nothing behind, a killed one
    what `remove_leftovers` finds.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = None
    try:
        temporary.touch()
        handle = _claim(temporary)
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def reserve(path: Path) -> None:
    """Claim the disk space of a sparse file now, where the system can: writing to a full disk through memory kills."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def write_json(path: Path, value: dict, indent: int | None = 1) -> None:
    """Write a JSON object atomically."""
    write_atomically(Path(path), lambda temporary: temporary.write_text(json.dumps(value, indent=indent) + "\n"))
