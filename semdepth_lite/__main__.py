"""The command line: `python -m semdepth_lite COMMAND`, the same as `semdepth-lite COMMAND`."""
from __future__ import annotations

import argparse
import json
import os
import sys

from . import __version__
from .commands.benchmark import add_benchmark, run_benchmark
from .commands.doctor import add_doctor, run_doctor
from .commands.download import add_download, run_download
from .commands.evaluate import add_evaluation, run_evaluate
from .commands.export import add_export, run_export
from .commands.label import add_labeling, run_label
from .commands.lessons import add_lessons, run_lessons
from .commands.options import HelpFormatter, Parser
from .commands.predict import add_prediction, run_predict
from .commands.render import add_rendering, run_render
from .commands.reproduce import add_reproduction, run_reproduce
from .commands.train import add_training, run_train
from .common.contracts import InputError, RunFailed
from .common.runtime import Terminated, share_cores

COMMANDS = {
    "lessons": (run_lessons, add_lessons, "Copy the lessons into a new folder, to work in them."),
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
    """Run a command and return the exit status.

    Returns:
        0; 1 if something broke, 2 on bad input, 130 on Ctrl-C, 143 on SIGTERM.
    """
    args = build_parser().parse_args(arguments)
    share_cores()
    try:
        found = args.function(args)
    except KeyboardInterrupt as stop:
        terminated = isinstance(stop, Terminated)
        print(f"stopped by {'SIGTERM' if terminated else 'Ctrl-C'}; the same command goes on from the last checkpoint",
              file=sys.stderr)
        return 143 if terminated else 130
    except InputError as error:
        print(f"semdepth-lite {args.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"semdepth-lite {args.command}: {error.filename or ''} {error.strerror or error}".replace("  ", " "),
              file=sys.stderr)
        return 2
    except RunFailed as error:
        print(f"semdepth-lite {args.command}: {error}", file=sys.stderr)
        return 1
    if int(os.environ.get("RANK", 0)) == 0:
        text = found.pop("text")
        try:
            print(json.dumps(found) if args.json else text, flush=True)
        except BrokenPipeError:  # whoever read has seen enough; Python would complain once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
