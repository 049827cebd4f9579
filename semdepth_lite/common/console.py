"""The last line of defense of the command line: streams that cannot fail, signals, and one sentence for anything.

Work that was done is never lost because printing fails, and no traceback is shown: it goes to a file.
"""
from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .runtime import ENDINGS, LOG, Terminated
from .storage import cache_root

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc", "failed to map segment")


class _Forgiving:
    """A stream for words beside the result: what cannot be written is dropped."""

    def __init__(self, stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


def one_line(text: str) -> str:
    """Spell out line breaks and whatever else a console would obey, such as in the name of a stranger's file."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


class _OneLine(logging.Formatter):
    """Shows a notice as one line."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(record.getMessage())


@contextmanager
def steady_streams(words: bool = True) -> Iterator[None]:
    """Make standard output and error survive closed descriptors, full disks and letters that their encoding lacks.

    Args:
        words: Whether notices are shown on standard error.
    """
    before = sys.stdout, sys.stderr
    level, handler = LOG.level, None
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before Python began
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  lives as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = _Forgiving(sys.stderr)
    if words:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLine())
        LOG.addHandler(handler)
    LOG.setLevel(logging.INFO if words else logging.ERROR)
    try:
        yield
    finally:
        if handler:
            LOG.removeHandler(handler)
        LOG.setLevel(level)
        sys.stdout, sys.stderr = before[0] or sys.stdout, before[1] or sys.stderr


def show_result(text: str) -> str:
    """Print a result and return what went wrong, the empty string if nothing did."""
    try:
        print(text, flush=True)
        return ""
    except BrokenPipeError:  # whoever read has seen enough
        trouble = ""
    except OSError as error:
        trouble = error.strerror or str(error)
    with suppress(OSError, ValueError):  # Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return trouble


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP stop the work as Ctrl-C does, by `Terminated`.

    A signal that is ignored, as under nohup, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame) -> None:
        raise Terminated(number)

    before = {number: signal.signal(number, stop) for number in ENDINGS if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory of the machine or of the device is not enough."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY)


def write_details(error: BaseException) -> Path | None:
    """Write the traceback of an error into a file of its own and return where; None where nothing can be written."""
    text = "".join(traceback.format_exception(error))
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in (cache_root() / "errors", Path(tempfile.gettempdir())):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
            return folder / name
    return None
