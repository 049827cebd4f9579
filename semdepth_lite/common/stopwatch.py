"""One stopwatch for everything that is timed."""
from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Lap(NamedTuple):
    """Time since the lap before, s: on the wall, and of the processor, all threads of the process together."""

    wall: float
    cpu: float


class Stopwatch:
    """Measures laps; it runs from the moment it is made.

    Args:
        device: Device whose work belongs to a lap; on a GPU, a lap waits for it.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device
        self.lap()

    def lap(self) -> Lap:
        """Return the time since the last lap, and begin the next."""
        if self.device is not None and self.device.type == "cuda":
            import torch

            torch.cuda.synchronize(self.device)
        now = time.perf_counter(), time.process_time()
        since = getattr(self, "began", now)
        self.began = now
        return Lap(now[0] - since[0], now[1] - since[1])
