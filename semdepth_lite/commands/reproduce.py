"""`reproduce`: run all notebooks, or the runs of an experiment."""
from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from ..common.contracts import InputError
from .options import whole


def add_reproduction(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `reproduce`."""
    command.add_argument("--preset", help="quick, lesson or paper (default: quick; lesson for an experiment)")
    command.add_argument("--output", type=Path, help="folder of executed notebooks (default: reproduced), or of an "
                         "experiment's run folders (default: runs)")
    command.add_argument("--lessons", type=Path, help="folder of notebooks to run (default: those of the package)")
    command.add_argument("--only", help="first characters of the notebooks to run, such as 03")
    command.add_argument("--experiment", help="name of an experiment, such as baseline, or real")
    command.add_argument("--data", type=Path, metavar="FOLDER", help="experiment real: folder of real data, laid out "
                         "as docs/results.md tells")
    command.add_argument("--results", type=Path, default=Path("figures/results"), help="folder of its results")
    command.add_argument("--processes", type=whole, default=2, help="runs of an experiment at a time, one thread each")


def run_reproduce(args: argparse.Namespace) -> dict:
    """Run the notebooks, or an experiment."""
    if args.data is not None and args.experiment != "real":
        raise InputError(f"--data {args.data} belongs to --experiment real; leave it out.")
    if args.experiment == "real":
        from ..experiments.real import run_real

        if args.data is None:
            raise InputError("the experiment on real data needs --data FOLDER; docs/results.md tells what is in it.")
        files = run_real(args.data, args.output or Path("runs"), args.results, not args.quiet)
        done = sum(file.is_file() for file in files)
        return {"results": [str(file) for file in files], "text": f"{done} results in {args.results}"}
    if args.experiment:
        from ..experiments.runner import run_experiment

        files = run_experiment(args.experiment, args.preset or "lesson", args.output or Path("runs"), args.results,
                               args.processes, not args.quiet)
        return {"results": [str(file) for file in files], "text": f"{len(files)} results in {args.results}"}
    if not find_spec("papermill"):
        raise InputError("running notebooks needs papermill, which is not installed; run: pip install "
                         "'semdepth-lite[course]'")
    from ..course.lesson_files import LESSONS
    from ..course.reproduce import reproduce

    output = args.output or Path("reproduced")
    rows = reproduce(args.preset or "quick", output, args.only, not args.quiet, args.lessons or LESSONS)
    text = "\n".join(f"{row['notebook']:<40} {row['seconds']:7.1f} s" for row in rows)
    return {"notebooks": rows, "text": f"{text}\nexecuted notebooks and results are in {output}"}
