"""The loop that every training goes through: a bar, checkpoints by step and by time, and an end between two steps."""
from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from ..common.runtime import interrupt_between_steps

SAVE_SECONDS = 600.0  # a checkpoint is never older than this, however slow the steps


def paced(done: int, total: int, save: Callable[[], None], title: str, save_every: int, progress: bool = True,
          interruptible: bool = True, save_seconds: float = SAVE_SECONDS) -> Generator[tuple[int, Any], None, None]:
    """Yield the number of each step that is left, with the progress bar, and save when it is time.

    Ctrl-C and SIGTERM wait for the end of a step, and a checkpoint is written before they end the training. Close the
    generator (`contextlib.closing`) where the steps may fail.

    Args:
        done: Steps that are done already.
        total: Steps of the whole training.
        save: Writes a checkpoint; called after a step is done.
        title: Title of the bar.
        save_every: Number of steps between checkpoints.
        progress: Whether to show the bar.
        interruptible: Whether signals wait; where several processes train together they end at once.
        save_seconds: Longest time between checkpoints, s.
    """
    from tqdm.auto import tqdm

    bar = tqdm(total=total, initial=done, disable=not progress, desc=title, unit="step")
    with bar, interrupt_between_steps(interruptible) as stopped:
        saved = time.monotonic()
        for step in range(done, total):
            yield step, bar
            bar.update()
            stop = stopped()
            late = time.monotonic() - saved > save_seconds
            if stop or late or (step + 1) % save_every == 0 or step + 1 == total:
                save()
                saved = time.monotonic()
            if stop:
                raise stop
