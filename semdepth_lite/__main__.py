"""The command line: `python -m semdepth_lite COMMAND`, the same as `semdepth-lite COMMAND`."""
from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import commands as do
from .common import Failure, InputError, share_cores


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults beside the help of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        shown = action.default not in (None, False)
        return super()._get_help_string(action) if shown else action.help or ""


class Parser(argparse.ArgumentParser):
    """Reports bad usage in one line, with exit status 2."""

    def error(self, message: str) -> None:
        """Say what was wrong with the arguments, and end."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a device."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto: CUDA where there is one, else cpu")


def add_data(parser: argparse.ArgumentParser, named: bool = True) -> None:
    """Add what may be said about data."""
    if named:
        parser.add_argument("--data", default="street", help="street, kitti:ROOT, odometry:ROOT, or frames:FOLDER "
                            "(or a video file)")
    parser.add_argument("--frames", type=Path, help="KITTI raw: list file, lines 'folder frame side'")
    parser.add_argument("--drives", nargs="*", metavar="DAY/DRIVE", help="KITTI raw: whole drives, where there is no "
                        "list (default: all under the root)")
    parser.add_argument("--intrinsics", metavar="TEXT", help="frames: 'fx fy cx cy' in pixels or 'fov DEGREES'; KITTI "
                        "raw: calibration or monodepth2")
    parser.add_argument("--frame-step", type=int, default=1, help="frames: distance from the target to its neighbors")
    parser.add_argument("--allow-gaps", action="store_true", help="frames and KITTI raw: missing frame numbers only "
                        "cut the clip")
    parser.add_argument("--labels", type=Path, help="folder of label PNGs beside the images")
    parser.add_argument("--label-ids", default="trainId", help="what they hold: trainId or labelId")
    parser.add_argument("--depth", help="truth: camera, forward or improved for KITTI; a folder of PNGs for frames")
    parser.add_argument("--improved-depth", type=Path, help="KITTI raw: folder of the improved depth")
    parser.add_argument("--sequences", nargs="*", help="KITTI odometry: which sequences")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add where a model comes from."""
    parser.add_argument("--run", type=Path, help="run folder of a trained model")
    parser.add_argument("--weights", type=Path, help="folder of Monodepth2's published weights, instead of a run")
    parser.add_argument("--pretrained", metavar="NAME", help="weights that come with the package, instead of a run: "
                        "baseline, seedepth, semdepth or combined, trained on the street")


def add_training(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    command.add_argument("run", type=Path, nargs="?", help="run folder")
    command.add_argument("--preset", default="quick", help="quick, lesson or paper: how much is rendered and trained")
    command.add_argument("--variant", help="name of the method (default: the preset's)")
    command.add_argument("--switches", help="changes to the variant, such as 'classes=all levels=2,1,0'")
    command.add_argument("--steps", type=int, help="optimizer steps (default: the preset's)")
    command.add_argument("--batch", type=int, help="triplets in a step, over all processes (default: the preset's)")
    command.add_argument("--height", type=int, help="of real images, pixels (default: the preset's)")
    command.add_argument("--width", type=int, help="of real images, pixels (default: the preset's)")
    command.add_argument("--encoder", help="lite, resnet18, resnet34 or resnet50 (default: the preset's)")
    command.add_argument("--imagenet", metavar="FILE", help="start a ResNet from torchvision's ImageNet weights: their "
                         "file, or 'download' (default: random weights)")
    command.add_argument("--loss", help="lesson or monodepth2 (default: the preset's)")
    command.add_argument("--pose", help="learned, or given by the data (default: learned)")
    command.add_argument("--supervision", help="video, or depth: the truth, as an upper bound (default: video)")
    command.add_argument("--learning-rate", type=float, help="Adam's, at its highest (default: the preset's)")
    command.add_argument("--precision", help="fp32, or bf16 in the networks where the device has it (default: fp32)")
    command.add_argument("--seed", type=int, help="of weights, order and augmentation (default: 0)")
    command.add_argument("--workers", type=int, default=2, help="threads that read batches ahead; 0 for none")
    command.add_argument("--dry-run", type=int, metavar="STEPS", help="only time so many steps, keep nothing, and "
                         "estimate the whole run")
    command.add_argument("--tflops", type=float, default=2.0, help="dry run: what another device sustains in "
                         "training, TFLOP/s, a fraction of what its maker states; gives the hours there")
    add_data(command)
    add_device(command)


def add_reproduction(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `reproduce`."""
    command.add_argument("--preset", help="quick, lesson or paper (default: quick; lesson for an experiment)")
    command.add_argument("--output", type=Path, help="folder of executed notebooks (default: reproduced), or of an "
                         "experiment's run folders (default: runs)")
    command.add_argument("--only", help="first characters of the notebooks to run, such as 03")
    command.add_argument("--experiment", help="name of an experiment, such as baseline")
    command.add_argument("--results", type=Path, default=Path("figures/results"), help="folder of its results")
    command.add_argument("--processes", type=int, default=2, help="runs of an experiment at a time, one thread each")


def add_evaluation(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    add_model(command)
    command.add_argument("--split", default="test", choices=("train", "validation", "test"), help="which scenes")
    command.add_argument("--preset", default="quick", help="whose street: quick, lesson or paper")
    command.add_argument("--crop", default="none", help="none, garg or eigen")
    command.add_argument("--max-depth", type=float, default=80.0, help="cap of truth and prediction, meters")
    command.add_argument("--scale", help="median (of each image), none, or meters per unit (default: median; "
                         "5.4 for published weights that were trained with stereo)")
    command.add_argument("--band", type=float, help="half width of the band at label borders, pixels (default: 1.5 on "
                         "the street, 5 on real data)")
    command.add_argument("--flip", action="store_true", help="blend each prediction with the mirrored image's")
    command.add_argument("--poses", action="store_true", help="judge the camera's path instead of depth")
    command.add_argument("--output", type=Path, help="JSON file of the report (default: in the run folder)")
    add_data(command)
    add_device(command)


def add_prediction(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    command.add_argument("images", type=Path, nargs="+", help="image files or folders")
    add_model(command)
    command.add_argument("--output", type=Path, default=Path("predicted"), help="folder to write to")
    command.add_argument("--scale", type=float, help="meters per unit of predicted depth (default: unknown)")
    command.add_argument("--flip", action="store_true", help="blend each prediction with the mirrored image's")
    command.add_argument("--intrinsics", type=float, nargs=4, metavar=("FX", "FY", "CX", "CY"),
                         help="of the images, pixels; writes a .ply point cloud of each")
    add_device(command)


def add_rendering(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `render`."""
    command.add_argument("folder", type=Path, help="new or empty folder")
    command.add_argument("--frames", type=int, default=24, help="number of frames")
    command.add_argument("--height", type=int, default=192, help="pixels")
    command.add_argument("--width", type=int, default=640, help="pixels")
    command.add_argument("--seed", type=int, default=0, help="which street")


def add_benchmark(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `benchmark`."""
    for name, default, text in (("height", 192, "pixels"), ("width", 640, "pixels"), ("batch", 2, "triplets in a step"),
                                ("repeats", 5, "timed calls of each part"),
                                ("alignment", 0, "Gauss-Newton steps of the pose; the lessons use 2")):
        command.add_argument(f"--{name}", type=int, default=default, help=text)
    command.add_argument("--encoder", default="resnet18", help="lite, resnet18, resnet34 or resnet50")
    command.add_argument("--loss", default="monodepth2", help="monodepth2 or lesson")
    command.add_argument("--variant", default="baseline", help="name of the method")
    command.add_argument("--precision", default="fp32", help="fp32 or bf16")
    command.add_argument("--output", type=Path, help="JSON file to write")
    command.add_argument("--compare", type=Path, help="JSON file of an earlier benchmark to show beside")
    add_device(command)


def add_doctor(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    command.add_argument("folder", help="folder of images or video file, or kitti:ROOT")
    command.add_argument("--height", type=int, default=192, help="at which training will see it, pixels")
    command.add_argument("--width", type=int, default=640, help="likewise")
    command.add_argument("--pairs", type=int, default=12, help="neighboring frames to look at")
    command.add_argument("--output", type=Path, help="folder for a picture of each finding")
    add_data(command, named=False)


def add_download(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `download`."""
    command.add_argument("dataset", choices=("kitti",), help="which data set")
    command.add_argument("parts", nargs="+", help="raw:DATE_drive_NNNN, calib:DATE, odometry:poses (calib, color, "
                         "velodyne), annotated")
    command.add_argument("--root", type=Path, default=Path("data/kitti"), help="folder to unpack into")
    command.add_argument("--base-url", help="address of a mirror (default: the data set's own)")


def add_labeling(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `label`."""
    command.add_argument("folder", type=Path, help="folder of images, or of label PNGs with --convert")
    command.add_argument("output", type=Path, help="folder of trainId PNGs")
    command.add_argument("--segmenter", default="lraspp_mobilenet_v3_large", help="one of torchvision's")
    command.add_argument("--weights", type=Path, help="file of its weights (default: fetched by torchvision)")
    command.add_argument("--model", type=Path, help="a TorchScript (.pt) or exported (.pt2) model of your own instead")
    command.add_argument("--convert", choices=("labelId", "trainId"), help="convert label PNGs that hold these ids")
    command.add_argument("--pattern", default="**/*", help="which images, a glob under the folder")
    command.add_argument("--confidence", type=float, default=0.5, help="least probability of a class that counts")
    add_device(command)


COMMANDS = {
    "reproduce": (do.run_reproduce, add_reproduction, "Run all notebooks with papermill, or an experiment's runs."),
    "train": (do.run_train, add_training, "Train a model; an unfinished run in the folder is continued."),
    "evaluate": (do.run_evaluate, add_evaluation, "Judge a model by every metric."),
    "predict": (do.run_predict, add_prediction, "Write depth (16-bit PNG), a colored picture and a point cloud."),
    "render": (do.run_render, add_rendering, "Write a street video in the folder layout of KITTI raw, with previews."),
    "benchmark": (do.run_benchmark, add_benchmark, "Time a training step beside its networks alone."),
    "doctor": (do.run_doctor, add_doctor, "Look at a clip before training: intrinsics, parallax, movers, blur."),
    "download": (do.run_download, add_download, "Fetch named parts of KITTI and unpack them."),
    "label": (do.run_label, add_labeling, "Write semantic labels for a folder of images, or convert label PNGs."),
}


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = Parser(prog="semdepth-lite", description="Semantic-guided self-supervised monocular depth.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, (function, add_arguments, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, formatter_class=HelpFormatter)
        command.set_defaults(function=function)
        add_arguments(command)
        command.add_argument("--json", action="store_true", help="print the result as one JSON object")
        command.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 if something broke, 2 on bad input, 130 on Ctrl-C."""
    args = build_parser().parse_args(arguments)
    share_cores()
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
        try:
            print(json.dumps(found) if args.json else text, flush=True)
        except BrokenPipeError:  # whoever read has seen enough; Python would complain once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
