"""Short training runs for the tests, cut off where they say, and what makes two of them the same."""
from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

TINY = TrainSettings(width=8, steps=6, batch=2)


def train(source, folder: Path, settings: TrainSettings = TINY, **options) -> Run:
    run = Run(source, settings, folder, "cpu")
    run.train(progress=False, **{"log_every": 1, "save_every": 2, **options})
    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_checkpoint(folder / "checkpoint.pt")
    moments = {f"adam {i} {name}": value for i, slots in state["optimizer"]["state"].items()
               for name, value in slots.items()}
    return {**state["model"], **moments}


def assert_same_run(a: Path, b: Path) -> None:
    """Weights, Adam's moments and log lines agree bit for bit."""
    assert (a / "log.jsonl").read_text() == (b / "log.jsonl").read_text()
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


class Cut(Exception):
    """Stands for whatever ends a process."""


def cut_off(source, folder: Path, at: int, settings: TrainSettings = TINY, **options) -> None:
    """Train until step `at` has begun, and stop there."""
    run = Run(source, settings, folder, "cpu")
    step = run.train_step

    def dying(*arguments):
        if run.step == at:
            raise Cut
        return step(*arguments)

    run.train_step = dying
    with pytest.raises(Cut):
        run.train(progress=False, **{"log_every": 1, "save_every": 2, **options})


def signal_after(run: Run, steps: int, number: int) -> None:
    """Have a signal raised once a run has taken so many steps."""
    take = run.train_step

    def then_raise(*arguments):
        found = take(*arguments)
        if run.step == steps:
            signal.raise_signal(number)
        return found

    run.train_step = then_raise
