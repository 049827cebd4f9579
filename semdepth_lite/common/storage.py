"""Files that are whole or not there: atomic writes, locks on folders, outputs that replace only their own kind."""
from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .contracts import InputError
from .small_files import check_regular, read_json, read_log

__all__ = ["ANOTHER_CACHE", "cache_root", "check_outputs", "check_writable", "fingerprint", "fingerprint_files",
           "is_ours", "make_folder", "read_json", "read_log", "remove_leftovers", "reserve", "sole_use",
           "temporary_folder", "write_atomically", "write_json"]

MARK = "semdepth_lite"  # stands near the beginning of every file that a command writes
ANOTHER_CACHE = "free space or name another folder with SEMDEPTH_CACHE"
_SAMPLED = 64  # files of a data set whose content goes into its fingerprint


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
        InputError: if another run is at work in it, or it cannot be made or written to.
    """
    make_folder(folder)
    check_writable(folder)
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

    Raises:
        InputError: If the folder around it cannot be made.
    """
    folder = Path(folder)
    make_folder(folder.parent)
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
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
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


def cache_root() -> Path:
    """Return the folder of all caches: the environment variable SEMDEPTH_CACHE, else ~/.cache/semdepth_lite.

    Without a home folder it is `cache` in the working folder.
    """
    named = os.environ.get("SEMDEPTH_CACHE")
    if named:
        return Path(named)
    try:
        return Path.home() / ".cache" / "semdepth_lite"
    except RuntimeError:  # neither HOME nor an entry of this user
        return Path("cache")


def fingerprint(*things: object) -> str:
    """Return 16 hexadecimal digits that differ when anything differs.

    Args:
        things: Values that JSON knows, paths (as text), arrays and tensors, in any nesting of lists and dictionaries.
    """
    digest = hashlib.sha256()

    def plain(value: Any) -> object:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        if hasattr(value, "tobytes") and hasattr(value, "dtype"):
            return [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
        return str(value)

    digest.update(json.dumps(things, sort_keys=True, default=plain).encode())
    return digest.hexdigest()[:16]


def fingerprint_files(files: Sequence[Path]) -> str:
    """Return the fingerprint of a data set: names and sizes of all files, and the content of up to 64 among them.

    It stays when the folder is copied or moved. All files of a small set are read, and evenly spaced ones of a large
    set, so that opening a large one stays fast.
    """
    rows = [[Path(file).name, os.stat(file).st_size] for file in files]
    chosen = sorted({round(i * (len(files) - 1) / max(1, _SAMPLED - 1)) for i in range(_SAMPLED)}) if files else []
    return fingerprint(rows, [hashlib.sha256(Path(files[i]).read_bytes()).hexdigest() for i in chosen])


def is_ours(path: Path, kind: str = "") -> bool:
    """Whether a file was written by a command of this package, and is of this kind where one is named."""
    try:
        check_regular(path)
        with open(path, "rb") as file:
            head = file.read(4096)
    except (OSError, InputError):
        return False
    at = head.find(MARK.encode())
    return at >= 0 and kind.encode() in head[at:at + 200]


def check_outputs(outputs: Iterable[Path], kind: str, inputs: Iterable[Path] = ()) -> None:
    """Refuse outputs, before any work begins, that would replace what is not of their own kind or cannot be written.

    Args:
        outputs: Files that a command is going to write.
        kind: Text that stands beside the mark of files that this command writes, such as "depth".
        inputs: Files that the command reads; none of them may be replaced.

    Raises:
        InputError: Naming the first such file.
    """
    read = {_identity(path) for path in inputs if Path(path).exists()}
    seen: set[str] = set()
    for output in map(Path, outputs):
        if str(output) in seen:
            raise InputError(f"{output} would be written twice; rename one of the inputs, or leave it out.")
        seen.add(str(output))
        if output.is_dir():
            raise InputError(f"{output} is a folder, but a file is to be written there; name another output.")
        if not output.exists():
            continue
        if _identity(output) in read:
            raise InputError(f"{output} is an input and would be replaced; name another output.")
        if not is_ours(output, kind):
            raise InputError(f"{output} was not written by this command and would be replaced; name another output, or "
                             "move it away.")
    for folder in {Path(path).parent for path in map(Path, seen)}:
        check_writable(folder)


def _identity(path: Path) -> tuple[int, int]:
    state = os.stat(path)
    return state.st_dev, state.st_ino


def check_writable(folder: Path, remedy: str = "name another output") -> None:
    """Refuse a folder in which nothing can be written; the nearest one that exists speaks for those to be made.

    It is tried with a file without a name: rights alone do not tell, as root has all of them, even in /proc.

    Args:
        folder: Folder that will be written to.
        remedy: Words on what to do.

    Raises:
        InputError: If a file is in the way, or nothing can be written there.
    """
    folder = Path(folder)
    there = next(parent for parent in (folder, *folder.absolute().parents) if os.path.exists(parent))
    if not there.is_dir():
        raise InputError(f"{there} is no folder, so nothing can be written into {folder}; {remedy}.")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        place = str(folder) if there == folder else f"{folder} cannot be made, because {there}"
        raise InputError(f"{place} cannot be written to ({error.strerror or error}); {remedy}.") from error


def make_folder(folder: Path, remedy: str = "name another output") -> None:
    """Make a folder, and those above it, where it is not there yet.

    Args:
        folder: Folder to make.
        remedy: Words on what to do if that fails.

    Raises:
        InputError: If it cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        check_writable(folder, remedy)
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the folder {folder} cannot be made ({reason}); {remedy}.") from error


def reserve(path: Path) -> None:
    """Claim the disk space of a sparse file now, where the system can: writing to a full disk through memory kills."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def write_json(path: Path, value: dict, indent: int | None = 1) -> None:
    """Write a JSON object atomically."""
    write_atomically(Path(path), lambda temporary: temporary.write_text(json.dumps(value, indent=indent) + "\n"))
