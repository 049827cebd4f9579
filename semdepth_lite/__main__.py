"""The command line: `python -m semdepth_lite COMMAND`, the same as `semdepth-lite COMMAND`."""
from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from .common import Failure, InputError


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults beside the help of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        shown = action.default not in (None, False)
        return super()._get_help_string(action) if shown else action.help or ""


class Parser(argparse.ArgumentParser):
    """Reports bad usage in one line, with exit status 2."""

    def error(self, message: str) -> None:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is trained, and on what."""
    parser.add_argument("--preset", default="quick", help="quick, lesson or paper: how much is rendered and trained")
    parser.add_argument("--variant", help="name of the method (default: the preset's)")
    parser.add_argument("--steps", type=int, help="optimizer steps (default: the preset's)")
    parser.add_argument("--batch", type=int, help="triplets in a step, over all processes (default: the preset's)")
    parser.add_argument("--encoder", help="lite, resnet18, resnet34 or resnet50 (default: the preset's)")
    parser.add_argument("--loss", help="lesson or monodepth2 (default: the preset's)")
    parser.add_argument("--pose", help="learned, or given by the data (default: learned)")
    parser.add_argument("--supervision", help="video, or depth: the truth, as an upper bound (default: video)")
    parser.add_argument("--learning-rate", type=float, help="Adam's, at its highest (default: the preset's)")
    parser.add_argument("--precision", help="fp32, or bf16 in the networks where the device has it (default: fp32)")
    parser.add_argument("--seed", type=int, help="of weights, order and augmentation (default: 0)")


TRAINING = ("variant", "steps", "batch", "encoder", "loss", "pose", "supervision", "learning_rate", "precision", "seed")


def run_train(args: argparse.Namespace) -> dict:
    """Train a run, judge it on validation scenes where there is truth, and keep both in the run folder."""
    from .presets import evaluate_model, find_preset, recipe, street
    from .training import Run, write_json

    preset = find_preset(args.preset)
    settings = recipe(args.preset, **{name: getattr(args, name) for name in TRAINING})
    source = street("train", preset, progress=not args.quiet)
    run = Run(source, settings, args.run, args.device)
    model = run.train(progress=not args.quiet)
    found = {"run": str(args.run), "steps": run.step, "cost": run.cost()}
    if run.rank == 0:
        report = evaluate_model(model, street("validation", preset, progress=not args.quiet))
        found["validation"] = report.summary()
        write_json(args.run / "metrics.json", found)
        found["text"] = report.table()
    return found


def run_evaluate(args: argparse.Namespace) -> dict:
    """Judge a trained run on a split of the street."""
    from .evaluation import Protocol
    from .presets import evaluate_model, find_preset, street
    from .training import load_run

    protocol = Protocol(crop=args.crop, max_depth=args.max_depth)
    model = load_run(args.run, args.device)
    report = evaluate_model(model, street(args.split, find_preset(args.preset), progress=not args.quiet), protocol)
    report.save(args.run / f"evaluation_{args.split}.json")
    return {"run": str(args.run), "split": args.split, **report.summary(), "text": report.table()}


def run_predict(args: argparse.Namespace) -> dict:
    """Predict depth for image files."""
    from .camera import intrinsics
    from .prediction import predict_files
    from .training import load_run, read_json

    model = load_run(args.run, args.device)
    about = read_json(args.run / "settings.json")
    K = intrinsics(*args.intrinsics) if args.intrinsics else None
    written = predict_files(model, args.images, args.output, about["height"], about["width"], args.scale or 1.0, K,
                            progress=not args.quiet)
    unit = "meters" if args.scale else "unknown scale: multiply by meters per unit, or pass --scale"
    return {"written": written, "unit": unit, "text": f"{len(written)} images to {args.output} ({unit})"}


def run_render(args: argparse.Namespace) -> dict:
    """Write a street video in the layout of KITTI raw."""
    from .street import export_kitti

    drive = export_kitti(args.seed, args.frames, args.height, args.width, args.folder, progress=not args.quiet)
    return {"drive": str(drive), "frames": args.frames,
            "text": f"{args.frames} frames in {drive}; look at {args.folder / 'preview.png'} and preview.gif"}


def run_reproduce(args: argparse.Namespace) -> dict:
    """Run the notebooks, or an experiment."""
    if args.experiment:
        from .experiments import run_experiment

        files = run_experiment(args.experiment, args.preset, args.output, args.results, args.processes, not args.quiet)
        return {"results": [str(file) for file in files], "text": f"{len(files)} results in {args.results}"}
    from .reproduce import reproduce

    rows = reproduce(args.preset, args.output, args.only, progress=not args.quiet)
    text = "\n".join(f"{row['notebook']:<40} {row['seconds']:7.1f} s" for row in rows)
    return {"notebooks": rows, "text": f"{text}\nexecuted notebooks and results are in {args.output}"}


def run_benchmark(args: argparse.Namespace) -> dict:
    """Time a training step and its parts."""
    from .benchmark import Shape, benchmark, table
    from .training import read_json, write_json

    other = read_json(args.compare) if args.compare else None
    shape = Shape(args.height, args.width, args.batch, args.encoder, args.loss, args.variant, args.precision)
    found = benchmark(shape, args.device, args.repeats)
    if args.output:
        write_json(args.output, found)
    return {**found, "text": table(found, other)}


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = Parser(prog="semdepth-lite", description="Semantic-guided self-supervised monocular depth.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, function, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, formatter_class=HelpFormatter)
        command.set_defaults(function=function)
        command.add_argument("--json", action="store_true", help="print the result as one JSON object")
        command.add_argument("--quiet", action="store_true", help="no progress bars")
        return command

    def add_device(command: argparse.ArgumentParser) -> None:
        command.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto for the best there is")

    command = add("reproduce", run_reproduce, "Run all notebooks with papermill, or an experiment's list of runs.")
    command.add_argument("--preset", help="quick, lesson or paper (default: quick; lesson for an experiment)")
    command.add_argument("--output", type=Path, help="folder of executed notebooks (default: reproduced), or of an "
                         "experiment's run folders (default: runs)")
    command.add_argument("--only", help="first characters of the notebooks to run, such as 03")
    command.add_argument("--experiment", help="name of an experiment, such as baseline")
    command.add_argument("--results", type=Path, default=Path("figures/results"), help="folder of its results")
    command.add_argument("--processes", type=int, default=2, help="runs of an experiment at a time, one thread each")

    command = add("train", run_train, "Train a model on the street; an unfinished run in the folder is continued.")
    command.add_argument("run", type=Path, help="run folder")
    add_training_options(command)
    add_device(command)

    command = add("evaluate", run_evaluate, "Judge a trained run by every metric.")
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument("--split", default="test", choices=("train", "validation", "test"), help="scenes to judge on")
    command.add_argument("--preset", default="quick", help="whose street: quick, lesson or paper")
    command.add_argument("--crop", default="none", help="none, garg or eigen")
    command.add_argument("--max-depth", type=float, default=80.0, help="cap of truth and prediction, meters")
    add_device(command)

    command = add("predict", run_predict, "Write depth (16-bit PNG), a colored picture and a point cloud for images.")
    command.add_argument("run", type=Path, help="run folder of a trained model")
    command.add_argument("images", type=Path, nargs="+", help="image files or folders")
    command.add_argument("--output", type=Path, default=Path("predicted"), help="folder to write to")
    command.add_argument("--scale", type=float, help="meters per unit of predicted depth (default: unknown)")
    command.add_argument("--intrinsics", type=float, nargs=4, metavar=("FX", "FY", "CX", "CY"),
                         help="of the images, pixels; writes a .ply point cloud of each")
    add_device(command)

    command = add("render", run_render, "Write a street video in the folder layout of KITTI raw, with previews.")
    command.add_argument("folder", type=Path, help="new or empty folder")
    command.add_argument("--frames", type=int, default=24, help="number of frames")
    command.add_argument("--height", type=int, default=192, help="pixels")
    command.add_argument("--width", type=int, default=640, help="pixels")
    command.add_argument("--seed", type=int, default=0, help="which street")

    command = add("benchmark", run_benchmark, "Time a training step beside its networks alone.")
    for name, default, text in (("height", 192, "pixels"), ("width", 640, "pixels"), ("batch", 2, "triplets in a step"),
                                ("repeats", 5, "timed calls of each part")):
        command.add_argument(f"--{name}", type=int, default=default, help=text)
    command.add_argument("--encoder", default="resnet18", help="lite, resnet18, resnet34 or resnet50")
    command.add_argument("--loss", default="monodepth2", help="monodepth2 or lesson")
    command.add_argument("--variant", default="baseline", help="name of the method")
    command.add_argument("--precision", default="fp32", help="fp32 or bf16")
    command.add_argument("--output", type=Path, help="JSON file to write")
    command.add_argument("--compare", type=Path, help="JSON file of an earlier benchmark to show beside")
    add_device(command)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 if something broke, 2 on bad input, 130 on Ctrl-C."""
    args = build_parser().parse_args(arguments)
    if args.command == "reproduce":
        args.preset = args.preset or ("lesson" if args.experiment else "quick")
        args.output = args.output or Path("runs" if args.experiment else "reproduced")
    try:
        found = args.function(args)
    except KeyboardInterrupt:
        print("stopped by Ctrl-C; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    except InputError as error:
        print(f"semdepth-lite {args.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"semdepth-lite {args.command}: {error.filename or ''} {error.strerror or error}".replace("  ", " "),
              file=sys.stderr)
        return 2
    except Failure as error:
        print(f"semdepth-lite {args.command}: {error}", file=sys.stderr)
        return 1
    if int(os.environ.get("RANK", 0)) == 0:
        text = found.pop("text")
        print(json.dumps(found) if args.json else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
