"""The machine: seeds, devices, memory, cores, words to the user, and signals between steps."""
from __future__ import annotations

import ctypes
import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from .contracts import InputError

if TYPE_CHECKING:
    import torch


LOG = logging.getLogger("semdepth_lite")  # words to the user beside results; the command line shows them on stderr
_noticed: set[object] = set()


def notice(text: str, level: int = logging.WARNING, about: object = None) -> None:
    """Tell the user something once: what was converted, left out or found. It goes to the log `semdepth_lite`.

    Args:
        text: One sentence without a line break.
        level: `logging.WARNING` for what may surprise, `logging.INFO` for what was found.
        about: What only one such sentence is wanted for, whatever its words, such as a folder; None = the sentence.
    """
    key = text if about is None else about
    if key not in _noticed:
        _noticed.add(key)
        LOG.log(level, text)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, so that a run repeats."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_of(seed: int, step: int) -> int:
    """Return the seed of everything that is drawn in a step of a run, or for an image of a source."""
    return seed * 1_000_003 + step


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
        torch.zeros(1, device=device).item()  # meta makes tensors, but they hold nothing
        if device.type == "cpu" and device.index:
            raise RuntimeError("there is one cpu")
    except (RuntimeError, AssertionError, NotImplementedError, ImportError, AttributeError, TypeError) as error:
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


def free_memory(device: torch.device) -> float:
    """Return how many bytes this process may still take: of the device, or of the machine; inf where nobody knows.

    On a CPU the smallest counts of what the machine has with swap, what the control group allows, and what `ulimit -v`
    leaves.
    """
    if device.type == "cuda":
        import torch

        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return float("inf")
    import resource

    left = [_numbers("/proc/meminfo", "MemAvailable:", "SwapFree:")]
    most = _numbers("/sys/fs/cgroup/memory.max")
    left.append(most - _numbers("/sys/fs/cgroup/memory.stat", "anon"))
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY:
        left.append(most - _numbers("/proc/self/status", "VmSize:"))
    return min([value for value in left if np.isfinite(value)], default=float("inf"))


def _numbers(path: str, *names: str) -> float:
    """Add up the numbers of a file of the kernel that stand behind these names, or its only one, bytes; inf if none."""
    try:
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return float("inf")
    found = [int(row[1 if names else 0]) * (1024 if row[-1] == "kB" else 1) for row in rows
             if row and (row[0] in names if names else row[0].isdecimal())]
    return sum(found) if found else float("inf")


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


ENDINGS = tuple(dict.fromkeys((signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))))  # no SIGHUP on Windows


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM, as schedulers do, or by SIGHUP, as a closed terminal does.

    Attributes:
        number: Number of the signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.number = number


def process_rank() -> tuple[int, int]:
    """Return this process's number and the count of processes, as torchrun sets them; (0, 1) alone.

    Raises:
        InputError: If RANK or WORLD_SIZE is no such number.
    """
    found = []
    for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")):
        text = os.environ.get(name, default)
        if not (text.isascii() and text.isdecimal() and len(text) < 7):
            raise InputError(f"the environment variable {name} is {text!r}, expected a whole number as torchrun sets "
                             "it; unset it.")
        found.append(int(text))
    rank, count = found
    if not rank < count or (count > 1 and not ("RANK" in os.environ and "MASTER_ADDR" in os.environ)):
        raise InputError(f"the environment variables RANK {os.environ.get('RANK')} and WORLD_SIZE {count} name no "
                         "process of a torchrun; start the command by torchrun, or unset them.")
    return rank, count


@contextmanager
def interrupt_between_steps(enabled: bool = True) -> Iterator[Callable[[], KeyboardInterrupt | None]]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait for the end of a step; a second one does not wait.

    Args:
        enabled: Whether to wait; False leaves the signals as they are, which happens outside the main thread too.

    Returns:
        A function that returns the exception to raise after the step, or None.
    """
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    asked: list[KeyboardInterrupt] = []
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGINT, *ENDINGS)
              if signal.getsignal(number) != signal.SIG_IGN}

    def remember(number, frame) -> None:
        asked.append(KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: asked[0] if asked else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
