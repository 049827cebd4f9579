"""The process in which submitted answers run: `answers.py` of the working folder, one line of JSON for each verdict.

An answer that takes too long is ended by an alarm; one that catches even that is ended with the process.
"""
from __future__ import annotations

import argparse
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from .checks import EXERCISES, judge


class TooLong(BaseException):
    """The alarm; no `except Exception` of an answer catches it."""


def limit_memory(gib: float) -> None:
    """Let the process take this much more memory than it has now, where the system can limit it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + int(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def define(text: str) -> dict:
    """Execute definitions one by one; one that fails, such as the import of a missing package, is left out."""
    import ast

    world: dict = {"__name__": "answers"}
    for statement in ast.parse(text).body:
        with suppress(Exception):
            exec(compile(ast.Module([statement], []), "answers.py", "exec"), world)
    return world


def main(seconds: float, gib: float, names: list[str]) -> None:
    """Judge the named answers."""
    def ring(number: int, frame) -> None:
        raise TooLong

    limit_memory(gib)
    alarm = hasattr(signal, "SIGALRM")
    if alarm:
        signal.signal(signal.SIGALRM, ring)
    world = define(Path("answers.py").read_text(encoding="utf-8"))
    with open("verdicts.jsonl", "w", encoding="utf-8") as report:
        for name in names:
            answer: Any = world.get(EXERCISES[name].answer)
            try:
                if alarm:
                    signal.setitimer(signal.ITIMER_REAL, seconds)
                found = judge(EXERCISES[name], answer, seed=0)
                line = {"outcome": found.outcome, "mistake": found.mistake}
            except TooLong:
                line = {"outcome": "wrong", "mistake": f"took more than {seconds:g} s"}
            finally:
                if alarm:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            print(json.dumps(line), file=report, flush=True)


if __name__ == "__main__":
    command = argparse.ArgumentParser(description="Judge answers.py of this folder; `semdepth-lite grade` starts it.")
    command.add_argument("seconds", type=float, help="of one answer at most")
    command.add_argument("gib", type=float, help="of memory at most")
    command.add_argument("names", nargs="*", help="names of exercises")
    main(**vars(command.parse_args()))
