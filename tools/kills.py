"""Kill jobs at random moments, let them go on, and hold what they leave against an undisturbed one, byte for byte.

    python -m tools.kills --kills 50 --seed 0

A job is a training run, the street cache, a prediction over a folder, labels that are converted, a download from a
server on this machine, an experiment of two tiny runs, or notebooks run in turn. Each life of a job is a forked
process. Most lives are ended from outside by SIGKILL or SIGTERM after a random time; the others kill themselves inside
a write: when a file is half written, or when it is whole but not yet in its place. After every death: at most one
temporary file lies about, none after SIGTERM, every file in its place is whole, and no checkpoint is older than one
before. When a job has come to its end: nothing temporary is left, and every byte that counts is that of the undisturbed
job.
"""
from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from semdepth_lite.common.console import stop_on_signals
from semdepth_lite.common.runtime import Terminated
from tools.killed_jobs import JOBS, Job, serve_archive


def die_in_write(number: int, share: float | None) -> None:
    """Arrange this process's death in its `number`-th write: with a share of the file written, or, for None, with all
    of it, before it is moved into place. A folder is whole when it is moved.
    """
    left = [number]

    def deadly(move: Callable) -> Callable:
        def killed(source, target, **options) -> None:
            left[0] -= 1
            if left[0] == 0:
                if share is not None and os.path.isfile(source):
                    os.truncate(source, int(share * os.path.getsize(source)))
                os.kill(os.getpid(), signal.SIGKILL)
            move(source, target, **options)
        return killed

    os.replace, os.rename = deadly(os.replace), deadly(os.rename)


def live(job: Job, folder: Path, most: float, write: tuple[int, float | None] | None, by: int = signal.SIGKILL) -> int:
    """Let a job live for `most` seconds, or until it dies in a write; return 0 if it came to its end, else the signal.

    Args:
        job: What is done.
        folder: Where.
        most: Longest life, s.
        write: Write in which it kills itself, see `die_in_write`; None for none.
        by: Signal that ends it after `most` seconds.

    Raises:
        AssertionError: if it ended in any other way.
    """
    sys.stdout.flush()
    process = os.fork()
    if not process:
        status = 1
        try:
            if write is not None:
                die_in_write(*write)
            with stop_on_signals():  # as the command line does
                job.work(folder)
            status = 0
        except Terminated:
            status = 128 + signal.SIGTERM
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    end = time.monotonic() + most
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            break
        time.sleep(0.002)
    else:
        os.kill(process, by)
        _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 128 + signal.SIGTERM:
        return signal.SIGTERM
    if os.WIFSIGNALED(status):
        ended = os.WTERMSIG(status)  # SIGTERM's own death comes before the work has begun to heed it
        assert ended in (signal.SIGKILL, by), f"a life ended with signal {ended}"
        return ended
    assert os.WEXITSTATUS(status) == 0, "a life ended with an error"
    return 0


def leftovers(folder: Path) -> list[str]:
    """Name the temporary files and folders that lie about; what lies inside a temporary folder is part of it."""
    found = [path.relative_to(folder) for path in folder.rglob(".*.tmp")]
    return [str(path) for path in found if not set(path.parents) & set(found)]


@dataclass
class Toll:
    """What was counted: jobs brought to their end, deaths from outside and those by SIGTERM, in a write, leftovers."""

    jobs: int = 0
    outside: int = 0
    terminated: int = 0
    in_write: int = 0
    leftovers: int = 0
    lives: list[int] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """All deaths."""
        return self.outside + self.in_write


def torment(name: str, kills: int, seed: int, folder: Path, most_in_a_job: int = 10) -> Toll:
    """Kill a job until `kills` deaths are counted, and compare every job that comes to its end.

    Raises:
        AssertionError: naming what is not as it should be.
    """
    job, chance, toll = JOBS[name], random.Random(f"{name} {seed}"), Toll()
    calm = folder / "calm"
    calm.mkdir(parents=True)
    began = time.monotonic()
    assert live(job, calm, 3600, None) == 0
    whole = time.monotonic() - began
    expected = job.result(calm)
    assert leftovers(calm) == []
    while toll.kills < kills:
        place, deaths, before, lying = folder / f"job {toll.jobs}", 0, {}, []
        place.mkdir()
        while True:
            spared = deaths >= min(most_in_a_job, kills - toll.kills + deaths)
            inside = not spared and chance.random() < 0.4
            write = (chance.randint(1, 6), chance.choice((None, 0.0, chance.random()))) if inside else None
            by = chance.choice((signal.SIGKILL, signal.SIGTERM))
            died = live(job, place, 3600 if spared or inside else chance.uniform(0, 0.8) * whole, write, by)
            if died == 0:
                break
            deaths += 1
            toll.terminated += died == signal.SIGTERM
            toll.in_write += inside
            toll.outside += not inside
            left = leftovers(place)
            toll.leftovers += len(left)
            most = max(len(lying), died == signal.SIGKILL)  # SIGTERM leaves nothing beside what lay there before
            assert len(left) <= min(most, 1), f"{name}: {left} lie about after death by signal {died}"
            lying = left
            job.check(place, before)
        assert leftovers(place) == [], f"{name}: {leftovers(place)} were not cleaned"
        found = job.result(place)
        differ = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
        assert not differ, f"{name}: {differ[:3]} differ from the undisturbed job after {deaths} deaths"
        toll.jobs += 1
        toll.lives.append(deaths + 1)
    return toll


def main() -> None:
    """Torment every job and print the tolls."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each job (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of moments and writes (default: 0)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="which (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    serve_archive()
    for name in args.jobs:
        with tempfile.TemporaryDirectory() as folder:
            toll = torment(name, args.kills, args.seed, Path(folder))
        print(f"{name}: {toll.kills} kills ({toll.outside} at random moments, {toll.terminated} of them by SIGTERM; "
              f"{toll.in_write} inside a write) over "
              f"{toll.jobs} jobs; {toll.leftovers} temporary files seen and cleaned; every result equal to the "
              "undisturbed one, byte for byte", flush=True)


if __name__ == "__main__":
    main()
