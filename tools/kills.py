"""Kill jobs at random moments, let them go on, and hold what they leave against an undisturbed one, byte for byte.

    python tools/kills.py --kills 50 --seed 0

A job is a training run, the street cache, a prediction over a folder, or notebooks run in turn. Each life of a job is
a forked process. Most lives are ended from outside by SIGKILL after a random time; the others kill themselves inside a
write: when a file is half written, or when it is whole but not yet in its place. After every death: at most one
temporary file lies about, every file in its place is whole, and no checkpoint is older than one before. When a job has
come to its end: nothing temporary is left, and every byte that counts is that of the undisturbed job.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from semdepth_lite.common import storage as common
from semdepth_lite.common.storage import read_log
from semdepth_lite.course import reproduce as reproduce_room
from semdepth_lite.data.image_files import read_depth_png, read_image, write_image
from semdepth_lite.evaluation import prediction
from semdepth_lite.street import StreetSettings, load_street
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

STREET = StreetSettings("train", scenes=2, frames_per_scene=3, height=24, width=48)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from factories import TinySource  # noqa: E402

STEPS = 24


# The jobs: each does resumable work under a folder, and says what of it counts

def train(folder: Path) -> None:
    """Train a tiny run."""
    run = Run(TinySource(4), TrainSettings(width=8, steps=STEPS, batch=1), folder / "run", "cpu")
    run.train(progress=False, log_every=1, save_every=2, workers=1, watch=lambda model: {"seen": 1.0}, watch_every=5)


def trained(folder: Path) -> dict[str, str]:
    """Return what counts of a training: its log, and the weights and the optimizer's state."""
    state = load_checkpoint(folder / "run" / "checkpoint.pt")
    tensors = {**state["model"], **{f"{i} {name}": value for i, slots in state["optimizer"]["state"].items()
                                    for name, value in slots.items()}}
    rows = [{name: value for name, value in row.items() if name != "cpu_seconds"}
            for row in read_log(folder / "run" / "log.jsonl")]
    steps = [row["step"] for row in rows if "loss" in row]
    assert steps == list(range(1, STEPS + 1)), f"steps {steps} in the log"
    return {"log": json.dumps(rows), **{name: digest(value.numpy().tobytes()) for name, value in tensors.items()}}


def street(folder: Path) -> None:
    """Render a street."""
    load_street(STREET, folder, workers=1, progress=False)


def predict(folder: Path) -> None:
    """Predict depth for some images."""
    common.remove_leftovers(folder / "in")  # a life may end while it makes its input
    for i in range(6):
        if not (folder / "in" / f"{i}.png").exists():
            write_image(folder / "in" / f"{i}.png", np.random.RandomState(i).randint(0, 256, (64, 96, 3), np.uint8))
    model = TrainSettings(width=8).build().eval()
    prediction.predict_files(model, [folder / "in"], folder / "out", 64, 96, progress=False)


def notebooks(folder: Path) -> None:
    """Run notebooks, which are only played."""
    reproduce_room.find_notebooks = lambda only=None, folder=None: [Path(f"{i}.ipynb") for i in range(4)]
    reproduce_room.notebook_hash = lambda path: path.stem
    reproduce_room.load, reproduce_room.parameter_literals = lambda path: path, lambda notebook: {}

    def run_notebook(path: Path, copy: Path, parameters: dict, progress: bool) -> dict:
        with open(folder / "ran.txt", "a") as ran:  # one line for each time a notebook is begun
            ran.write(f"{path.stem}\n")
        time.sleep(0.02)
        common.write_atomically(copy, lambda temporary: temporary.write_text(f"executed {path.stem}"))
        return {"notebook": path.name, "output": str(copy.name), "seconds": 1.0, "results": None}

    reproduce_room.run_notebook = run_notebook
    reproduce_room.reproduce("quick", folder / "reproduced", progress=False)


def every_file(folder: Path) -> dict[str, str]:
    """Return what counts of a folder: each file."""
    return {str(path.relative_to(folder)): digest(path.read_bytes()) for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "ran.txt"}


# What must hold after every death

def check_training(folder: Path, before: dict) -> None:
    """Check that the checkpoint never goes back."""
    path = folder / "run" / "checkpoint.pt"
    if path.exists():
        step = load_checkpoint(path)["step"]
        assert step >= before.get("step", 0), f"the checkpoint went back from step {before['step']} to {step}"
        before["step"] = step


def check_street(folder: Path, before: dict) -> None:
    """Check that a street in its place is whole."""
    for path in folder.glob("street_*"):
        assert (path / "manifest.json").is_file(), f"{path.name} is in its place and not whole"


def check_prediction(folder: Path, before: dict) -> None:
    """Check that every picture can be read."""
    for path in (folder / "out").glob("*.png"):
        (read_depth_png if path.stem.endswith("_depth") else read_image)(path)


def check_notebooks(folder: Path, before: dict) -> None:
    """Check that a finished notebook is not run again."""
    record = folder / "reproduced" / reproduce_room.RECORD
    finished = set(common.read_json(record)) if record.exists() else set()
    ran = (folder / "ran.txt").read_text().split() if (folder / "ran.txt").exists() else []
    again = [name for name in ran[before.get("ran", 0):] if name in before.get("finished", set())]
    assert not again, f"finished notebooks {again} were run again"
    assert finished >= before.get("finished", set())
    before.update(finished=finished, ran=len(ran))


@dataclass(frozen=True)
class Job:
    """What is killed: the work, what of its result counts, and what holds after every death."""

    work: Callable[[Path], None]
    result: Callable[[Path], dict[str, str]]
    check: Callable[[Path, dict], None]


JOBS = {"train": Job(train, trained, check_training), "street": Job(street, every_file, check_street),
        "predict": Job(predict, every_file, check_prediction),
        "reproduce": Job(notebooks, every_file, check_notebooks)}


def digest(content: bytes) -> str:
    """Return a short hash."""
    return hashlib.sha256(content).hexdigest()[:16]


# Lives and deaths

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


def live(job: Job, folder: Path, most: float, write: tuple[int, float | None] | None) -> int:
    """Let a job live for `most` seconds, or until it dies in a write; return 0 if it came to its end, else the signal.

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
            job.work(folder)
            status = 0
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
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"a life ended with signal {os.WTERMSIG(status)}"
        return signal.SIGKILL
    assert os.WEXITSTATUS(status) == 0, "a life ended with an error"
    return 0


def leftovers(folder: Path) -> list[str]:
    """Name the temporary files and folders that lie about; what lies inside a temporary folder is part of it."""
    found = [path.relative_to(folder) for path in folder.rglob(".*.tmp")]
    return [str(path) for path in found if not set(path.parents) & set(found)]


@dataclass
class Toll:
    """What was counted: jobs brought to their end, deaths from outside, deaths inside a write, leftovers seen."""

    jobs: int = 0
    outside: int = 0
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
        place, deaths, before = folder / f"job {toll.jobs}", 0, {}
        place.mkdir()
        while True:
            spared = deaths >= min(most_in_a_job, kills - toll.kills + deaths)
            inside = not spared and chance.random() < 0.4
            write = (chance.randint(1, 6), chance.choice((None, 0.0, chance.random()))) if inside else None
            if live(job, place, 3600 if spared or inside else chance.uniform(0, 0.8) * whole, write) == 0:
                break
            deaths += 1
            toll.in_write += inside
            toll.outside += not inside
            left = leftovers(place)
            toll.leftovers += len(left)
            assert len(left) <= 1, f"{name}: {left} lie about after a death"
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each job (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of moments and writes (default: 0)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="which (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.jobs:
        with tempfile.TemporaryDirectory() as folder:
            toll = torment(name, args.kills, args.seed, Path(folder))
        print(f"{name}: {toll.kills} kills ({toll.outside} at random moments, {toll.in_write} inside a write) over "
              f"{toll.jobs} jobs; {toll.leftovers} temporary files seen and cleaned; every result equal to the "
              "undisturbed one, byte for byte", flush=True)


if __name__ == "__main__":
    main()
