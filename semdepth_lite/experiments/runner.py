"""Run what is left of an experiment, several one-thread processes at a time.

Two one-thread processes side by side beat one process with two threads at these sizes.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from ..common.contracts import InputError, RunFailed
from ..common.storage import check_writable, sole_use
from ..presets import PRESETS, find_preset, street
from ..training.run import Run
from ..training.settings import TrainSettings
from .results import RESULTS
from .suites import find_experiment
from .trial import Trial, execute, is_done


def plan(trials: list[Trial], results: Path, processes: int) -> tuple[list[Trial], float]:
    """Return the runs still to do, and the hours they will take, measured on a few steps of each kind of run."""
    todo = [trial for trial in trials if not is_done(trial, results)]
    todo.sort(key=lambda trial: trial.settings.seed if trial.settings else 0)  # one seed of everything comes first
    seconds: dict[tuple[str, str], float] = {}
    total = 0.0
    for trial in todo:
        if trial.settings is None:
            continue
        kind = (trial.preset, repr(replace(trial.settings, seed=0, steps=1)))
        if kind not in seconds:
            seconds[kind] = step_seconds(trial.settings, trial.preset)
        total += seconds[kind] * trial.settings.steps
    return todo, total / 3600 / processes


def step_seconds(settings: TrainSettings, preset: str, few: int = 3, more: int = 9) -> float:
    """Measure the processor time that one more step of a run takes, its share of a segmenter's training included.

    On a small street of the same size, as the difference of two short runs, so that what is done once does not count.
    """
    size = PRESETS["quick"].scenes
    source = street("train", replace(find_preset(preset), scenes=size), progress=False)

    def seconds(steps: int) -> float:
        segmenter = max(1, round(steps / settings.steps * settings.segmenter_steps))
        with tempfile.TemporaryDirectory() as folder:
            run = Run(source, replace(settings, steps=steps, segmenter_steps=segmenter), Path(folder))
            run.train(progress=False, log_every=10**9)
            return run.cpu_seconds

    return max(0.0, seconds(more) - seconds(few)) / (more - few)


def run_experiment(name: str, preset: str = "lesson", work: Path = Path("runs"), results: Path = RESULTS,
                   processes: int = 2, progress: bool = True) -> list[Path]:
    """Do what is left of an experiment, several one-thread processes at a time, and return its results files.

    Args:
        name: Key of `EXPERIMENTS`.
        preset: Preset whose data and settings are used.
        work: Folder of run folders.
        results: Folder of results.
        processes: Number of runs at a time.
        progress: Whether to print what is planned and what is done.

    Raises:
        InputError: If the experiment is unknown, there is no process to do it, or another one is at work in the
            folder of run folders.
        RunFailed: If a run fails; the others are finished first.
    """
    if processes < 1:
        raise InputError(f"processes {processes} is below 1; use 2, for instance.")
    trials = find_experiment(name, preset)
    check_outputs_of(trials, results)
    with sole_use(Path(work)):
        _run_rest(trials, name, preset, work, results, processes, progress)
    return [trial.path(results) for trial in trials]


def check_outputs_of(trials: list[Trial], results: Path) -> None:
    """Refuse a folder of results that cannot be written, or a file in it that is no result, before anything is trained.

    Raises:
        InputError: Naming the folder or the file.
    """
    check_writable(results, "name another folder of results")
    for trial in trials:
        is_done(trial, results)


def _run_rest(trials: list[Trial], name: str, preset: str, work: Path, results: Path, processes: int,
              progress: bool) -> None:
    """Run what is not done, several at a time; a signal stops them all."""
    for split in ("train", "validation", "test"):
        street(split, preset, progress=progress)
    todo, hours = plan(trials, results, processes)

    def report(text: str) -> None:
        if progress:
            print(text, file=sys.stderr, flush=True)

    def run(trial: Trial) -> str | None:
        began = time.perf_counter()
        failure = run_in_process(name, preset, trial, work, results, children)
        report(failure or f"{trial.file}: {time.perf_counter() - began:.0f} s")
        return failure

    children: set[subprocess.Popen] = set()
    report(f"experiment {name}: {len(trials)} runs, {len(todo)} to do, about {hours:.2f} hours in {processes} "
           "processes")
    with ThreadPoolExecutor(processes) as pool:
        try:
            failures = [failure for failure in pool.map(run, todo) if failure]
        except BaseException:  # a signal: nothing is begun any more, and what runs writes its checkpoint
            pool.shutdown(wait=False, cancel_futures=True)
            for child in tuple(children):
                child.terminate()
            raise
    if failures:
        raise RunFailed(f"{len(failures)} of {len(todo)} runs failed; the first: {failures[0]}")


def run_in_process(name: str, preset: str, trial: Trial, work: Path, results: Path,
                   children: set[subprocess.Popen] | None = None) -> str | None:
    """Execute one run in a process of its own, and return the last line of its error, None if all went well.

    Args:
        name, preset, trial, work, results: What is run, see `run_experiment`.
        children: Where the process stands while it lives, so that it can be stopped.
    """
    command = [sys.executable, "-m", "semdepth_lite.experiments.runner", name, preset, trial.file, work, results]
    children = set() if children is None else children
    with subprocess.Popen([str(part) for part in command], env={**os.environ, "OMP_NUM_THREADS": "1"},
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        children.add(process)
        _, shown = process.communicate()
        children.discard(process)
    if not process.returncode:
        return None
    lines = shown.strip().splitlines() or [f"ended with status {process.returncode}"]
    return f"{trial.file}: {lines[-1]}"


def main() -> None:
    """Execute one run of an experiment; this is what each process does."""
    command = argparse.ArgumentParser(description="Execute one run; `reproduce --experiment` starts it.")
    for name in ("experiment", "preset", "file"):
        command.add_argument(name)
    for name in ("work", "results"):
        command.add_argument(name, type=Path)
    args = command.parse_args()
    torch.set_num_threads(1)
    trial = next(trial for trial in find_experiment(args.experiment, args.preset) if trial.file == args.file)
    execute(trial, args.work, args.results, progress=False)


if __name__ == "__main__":
    main()
