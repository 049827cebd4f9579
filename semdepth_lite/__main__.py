"""The command line: `python -m semdepth_lite COMMAND`, the same as `semdepth-lite COMMAND`."""
from __future__ import annotations

import argparse
import json
import signal
import sys

from . import __version__
from .commands.benchmark import add_benchmark, run_benchmark
from .commands.doctor import add_doctor, run_doctor
from .commands.download import add_download, run_download
from .commands.evaluate import add_evaluation, run_evaluate
from .commands.export import add_export, run_export
from .commands.grade import add_grading, run_grade
from .commands.label import add_labeling, run_label
from .commands.lessons import add_lessons, run_lessons
from .commands.options import HelpFormatter, Parser
from .commands.predict import add_prediction, run_predict
from .commands.render import add_rendering, run_render
from .commands.reproduce import add_reproduction, run_reproduce
from .commands.train import add_training, run_train
from .common.console import is_out_of_memory, one_line, show_result, steady_streams, stop_on_signals, write_details
from .common.contracts import InputError, RunFailed
from .common.runtime import process_rank, share_cores

COMMANDS = {
    "lessons": (run_lessons, add_lessons, "Copy the lessons into a new folder, to work in them."),
    "grade": (run_grade, add_grading, "Check the exercises in submitted notebooks again."),
    "reproduce": (run_reproduce, add_reproduction, "Run all notebooks with papermill, or an experiment's runs."),
    "train": (run_train, add_training, "Train a model; an unfinished run in the folder is continued."),
    "evaluate": (run_evaluate, add_evaluation, "Judge a model by every metric."),
    "predict": (run_predict, add_prediction, "Write depth (16-bit PNG), a colored picture and a point cloud."),
    "export": (run_export, add_export, "Write a trained network as ONNX or as a program of torch.export."),
    "render": (run_render, add_rendering, "Write a street video in the folder layout of KITTI raw, with previews."),
    "benchmark": (run_benchmark, add_benchmark, "Time a training step beside its networks alone."),
    "doctor": (run_doctor, add_doctor, "Look at a clip before training: intrinsics, parallax, movers, blur."),
    "download": (run_download, add_download, "Fetch named parts of KITTI and unpack them."),
    "label": (run_label, add_labeling, "Write semantic labels for a folder of images, or convert label PNGs."),
}


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = Parser(prog="semdepth-lite", description="Semantic-guided self-supervised monocular depth.")
    parser.add_argument("--version", action="version", version=f"semdepth-lite {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, (function, add_arguments, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, formatter_class=HelpFormatter)
        command.set_defaults(function=function)
        add_arguments(command)
        command.add_argument("--json", action="store_true", help="print the result as one JSON object")
        command.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 if something broke, 2 on bad input, 128 + n on signal n."""
    args = build_parser().parse_args(arguments)
    share_cores()
    with steady_streams(words=not args.quiet), stop_on_signals():
        status, sentence, found = run_command(args)
        if sentence:
            print(one_line(f"semdepth-lite {args.command}: {sentence}"), file=sys.stderr)
        elif process_rank()[0] == 0:
            text = found.pop("text")
            if trouble := show_result(json.dumps(found) if args.json else text):
                print(f"semdepth-lite {args.command}: the work is done and kept, but its result cannot be printed "
                      f"({trouble}).", file=sys.stderr)
                return 1
    return status


def run_command(args: argparse.Namespace) -> tuple[int, str, dict]:
    """Run a command; return its status, the sentence if it did not end well, and what it found."""
    try:
        process_rank()
        return 0, "", args.function(args)
    except KeyboardInterrupt as stop:
        number = getattr(stop, "number", signal.SIGINT)
        by = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        return 128 + number, f"stopped by {by}; the same command goes on from the last checkpoint", {}
    except InputError as error:
        return 2, str(error), {}
    except RunFailed as error:
        return 1, str(error), {}
    except OSError as error:
        where = f"{error.filename} cannot be read or written" if error.filename else "a file cannot be read or written"
        return 2, f"{where} ({error.strerror or error}); look at its name, its rights and the free space.", {}
    except Exception as error:  # noqa: BLE001  the last line of defense
        if is_out_of_memory(error):
            return 1, ("the memory is not enough; take a smaller batch, image or network; checkpoints are kept."), {}
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        return 1, (f"something unexpected broke ({type(error).__name__}: {reason}); finished files are kept, and the "
                   f"details are in {write_details(error)}."), {}


if __name__ == "__main__":
    sys.exit(main())
