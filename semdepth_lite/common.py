"""Shape contract, bad input, seeds, devices, files written whole, Ctrl-C: what every room needs.

Fixed letters in shape contracts: B batch, C channels, H height, W width, N points, S source frames.
"""
from __future__ import annotations

import ctypes
import glob
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # loading torch takes seconds, and those who render or read --help need none of it
    import torch


MAX_PIXELS = 2**26  # of one image: more than any camera, less than would fill the memory


class InputError(ValueError):
    """Bad input, told in one sentence: the value, what was expected, what to do."""


class Failure(RuntimeError):
    """Something broke that no other input would have prevented, told in one sentence with what to try."""


def check_sizes(tensor: torch.Tensor, name: str, shape: str, **sizes: int) -> dict[str, int]:
    """Hold a tensor against a shape contract and return the size of each letter.

    A digit in `shape` is that very size; a letter stands for any size, but for one size throughout,
    also across calls when the letters of an earlier call are passed on as `sizes`.

    Args:
        tensor: the tensor (or array) to check.
        name: what the message calls it.
        shape: one character for each dimension, such as "B3HW".
        sizes: sizes that letters already have.

    Returns:
        The sizes of all letters, for the next call.

    Raises:
        InputError: if the number of dimensions or a size differs.
    """
    actual = tuple(tensor.shape)
    if len(actual) == len(shape):
        for letter, size in zip(shape, actual):
            expected = int(letter) if letter.isdigit() else sizes.setdefault(letter, size)
            if size != expected:
                break
        else:
            return sizes
    known = ", ".join(f"{k}={v}" for k, v in sizes.items())
    raise InputError(f"{name} has shape {actual}, expected {'x'.join(shape)}" + (f" with {known}." if known else "."))


def check_divisible(height: int, width: int, factor: int = 32) -> None:
    """Refuse an image size that the encoder cannot halve five times, two pixels being left, or that no camera has.

    Raises:
        InputError: if height or width is not a multiple of `factor` (pixels), two times `factor` or more, or both
            together make more than `MAX_PIXELS`.
    """
    for name, size in (("height", height), ("width", width)):
        if size < 2 * factor or size % factor:
            near = max(2 * factor, round(size / factor) * factor)
            raise InputError(f"{name} {size} is not a positive multiple of {factor} from {2 * factor} on, because the "
                             f"encoder halves the image five times and needs two pixels then; use {near}.")
    check_pixels(height, width)


def check_pixels(height: int, width: int) -> None:
    """Refuse an image size that no camera has.

    Raises:
        InputError: if height and width (pixels) together make more than `MAX_PIXELS`.
    """
    if height * width > MAX_PIXELS:
        raise InputError(f"height {height} and width {width} make more than the {MAX_PIXELS} pixels accepted here; use "
                         "192 and 640, for instance.")


def check_choices(settings: object, choices: dict[str, tuple[str, ...]], prefix: str = "") -> None:
    """Refuse attributes that are none of their choices.

    Args:
        settings: whose attributes.
        choices: attribute to the values it may have.
        prefix: what the message puts before the attribute's name.

    Raises:
        InputError: naming the first such attribute.
    """
    for name, allowed in choices.items():
        if getattr(settings, name) not in allowed:
            raise InputError(f"{prefix}{name} {getattr(settings, name)!r} is unknown; use one of "
                             f"{', '.join(allowed)}.")


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, so that a run repeats."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def kept_randomness() -> Iterator[None]:
    """Leave Python's, NumPy's and torch's random numbers as they were before."""
    import torch

    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def pick_device(name: str = "auto") -> torch.device:
    """Return the named device; `auto` takes CUDA, else the CPU.

    MPS must be named: before torch 2.13 it cannot sample images the way a warp does.

    Raises:
        InputError: if torch cannot use the named device here.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used here ({reason}); use --device cpu.") from error
    return device


def peak_mib(device: torch.device) -> float:
    """Return the peak memory of this process so far, MiB: of the device, or resident; 0 where nobody counts it."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def halve(image: torch.Tensor) -> torch.Tensor:
    """Average (..., H, W) over blocks of 2x2 pixels."""
    rows = image[..., ::2, :] + image[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def keep_freed_memory() -> bool:
    """Have this process keep the memory it frees for its next use, and return whether that could be arranged.

    Every step asks for the same buffers. glibc hands large ones back to the system, which must then clear every page
    of them anew: a fifth of a small step's time on a CPU. Elsewhere nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library than glibc, Windows
        return False
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h; bytes, their highest
    return bool(mallopt(mmap_threshold, 2**25) and mallopt(trim_threshold, 2**31 - 1))


def share_cores() -> None:
    """Have threads that wait for each other leave their core soon; to be called before torch is loaded.

    torch's threads meet thousands of times in a step, and GNU OpenMP lets those who wait turn on the spot for
    milliseconds. Beside another training that is the core which somebody else is waiting for: two trainings of two
    threads each on two cores took 75 times as long as one of one thread, and take 2.5 times as long so. A training
    that has the cores for itself is as fast. What is set in the environment stays.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # turns


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


def read_json(path: Path) -> dict:
    """Read a JSON object.

    Raises:
        InputError: if the file does not hold one.
    """
    try:
        value = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); delete it to start again.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__}, expected a JSON object; delete it to start again.")
    return value


def write_json(path: Path, value: dict, indent: int | None = 1) -> None:
    """Write a JSON object atomically."""
    write_atomically(Path(path), lambda temporary: temporary.write_text(json.dumps(value, indent=indent) + "\n"))


def read_log(path: Path) -> Iterator[dict]:
    """Yield the rows of a JSONL log, leaving out a last line that was cut off."""
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(row, dict):
            return
        yield row


@contextmanager
def interrupt_between_steps(enabled: bool = True) -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of a step; a second one does not wait.

    Args:
        enabled: False leaves Ctrl-C as it is, which happens outside the main thread too.

    Returns:
        A function that tells whether Ctrl-C was pressed.
    """
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed = []
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def remember(number, frame) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
