"""Arguments that several commands share, and what they open."""
from __future__ import annotations

import argparse
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

from ..common.console import one_line
from ..common.contracts import InputError, check_divisible
from ..common.registry import find_part
from ..common.runtime import pick_device
from ..common.storage import read_json
from ..data.label_tables import LABEL_KINDS
from ..names import PRETRAINED, listed


def open_street(args: argparse.Namespace, split: str, height: int | None = None, width: int | None = None):
    """Open a split of the street at the preset's size or another; it has no use for what is said about real data."""
    from ..data.by_name import check_options
    from ..presets import find_preset, street

    check_options("street", data_options(args))
    preset = find_preset(args.preset or "quick")
    size = replace(preset, height=height or preset.height, width=width or preset.width)
    return street(split, size, progress=not args.quiet)


def size_to_open(args: argparse.Namespace, data: str, options) -> tuple[int, int]:
    """Return the height and width at which data is opened: what was asked for, else one of the pictures' own shape.

    A source of one's own is opened at the size of the preset, as by `train`.
    """
    from ..data.clip_plan import fitting_size
    from ..presets import find_preset

    if find_part("source", data.partition(":")[0]):
        preset = find_preset(getattr(args, "preset", None) or "quick")
        return args.height or preset.height, args.width or preset.width
    return fitting_size(data, options, args.height, args.width)


def data_options(args: argparse.Namespace, **changes):
    """Gather what was said about real data."""
    from ..data.by_name import DataOptions

    step = 1 if args.frame_step is None else args.frame_step
    options = DataOptions(frames=args.frames, drives=tuple(args.drives or ()), intrinsics=args.intrinsics,
                          step=step, labels=args.labels, label_ids=args.label_ids, depth=args.depth,
                          path=args.path, improved_root=args.improved_depth, sequences=tuple(args.sequences or ()),
                          allow_gaps=args.allow_gaps, camera=args.camera, stereo=getattr(args, "stereo", None))
    return replace(options, **changes)


def open_model(args: argparse.Namespace):
    """Load the model of a run folder, pretrained or published weights; return it with its image size and unit.

    The unit is meters per unit of depth: 1 for a run that learned meters, None where it is unknown.

    Raises:
        InputError: if none or several are named.
    """
    from ..training.checkpoint import check_run_folder, load_run
    from ..weights import STEREO_SCALE, read_monodepth2

    load_code(args.code)
    if sum(map(bool, (args.run, args.weights, args.pretrained))) != 1:
        raise InputError("name either a run folder, --pretrained with weights that come with the package, or --weights "
                         "with a folder of Monodepth2's files.")
    if args.pretrained:
        from ..pretrained import load_pretrained, pretrained_card

        card = pretrained_card(args.pretrained)
        return load_pretrained(args.pretrained, args.device), card["height"], card["width"], None
    if args.run:
        check_run_folder(args.run)
        about = read_json(args.run / "settings.json")
        height, width = about.get("height"), about.get("width")
        if not (isinstance(height, int) and isinstance(width, int)):
            raise InputError(f"{args.run / 'settings.json'} gives the image size {width}x{height}, expected two whole "
                             "numbers of pixels; restore it, or train again.")
        check_divisible(height, width)
        return load_run(args.run, args.device), height, width, 1.0 if learned_meters(about) else None
    from ..model import Model

    published = read_monodepth2(args.weights)
    pose = "learned" if "pose" in published.states else "given"
    model = Model(published.networks, pose=pose)
    published.load_into(model)
    model = model.to(pick_device(args.device)).eval()
    return model, published.height, published.width, STEREO_SCALE if published.stereo else None


def learned_meters(about: dict) -> bool:
    """Tell from a run's settings.json whether its depth is in meters: from a known motion, a second camera, or depth.

    Poses of one's own are taken for meters too, as they stand in their file.
    """
    settings = about.get("settings") or {}
    return (settings.get("pose") == "given" or settings.get("supervision") == "depth"
            or "stereo" in str(about.get("data", "")).split())


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults beside the help of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        shown = action.default not in (None, False)
        return (super()._get_help_string(action) if shown else action.help) or ""


class Parser(argparse.ArgumentParser):
    """Reports bad usage in one line, with exit status 2."""

    def error(self, message: str) -> None:
        """Say what was wrong with the arguments, and end."""
        self.exit(2, one_line(f"{self.prog}: {message}; see {self.prog} --help") + "\n")


def whole(text: str) -> int:
    """Read a whole number of an option, one that every number type of NumPy and torch can hold.

    Raises:
        ArgumentTypeError: If it is none.
    """
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number") from None
    if abs(number) > 2**53:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is beyond every number that is meant here")
    return number


def size(text: str) -> int:
    """Read a number of pixels; 0 is refused, not taken for an option that is left out.

    Raises:
        ArgumentTypeError: If it is no whole number from 1 on.
    """
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is no number of pixels, expected 1 or more")
    return number


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a device."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto: CUDA where there is one, else cpu")


def add_code(parser: argparse.ArgumentParser) -> None:
    """Add the files of one's own code."""
    parser.add_argument("--code", type=Path, action="append", default=[], metavar="FILE", help="Python file of your "
                        "own that registers parts (see docs/extend.md), which --set, --encoder, --loss and --data may "
                        "then name; may be repeated")


def load_code(files: list[Path]) -> None:
    """Run files of one's own, which register parts.

    Raises:
        InputError: If a file is missing or fails.
    """
    for path in files:
        if not path.is_file():
            raise InputError(f"{path} does not exist; name a Python file that registers parts.")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise InputError(f"{path} is no Python file; its name must end in .py.")
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)  # where `inspect` looks for the source of a class
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise InputError(f"{path} fails with {type(error).__name__}: {reason}.") from error


def add_data(parser: argparse.ArgumentParser, named: bool = True) -> None:
    """Add what may be said about data."""
    if named:
        parser.add_argument("--data", default="street", help="street, photo (one stereo photograph with measured "
                            "depth), kitti:ROOT, odometry:ROOT, frames:FOLDER (or a video file), or NAME:PLACE of a "
                            "source of your own (--code)")
    parser.add_argument("--frames", type=Path, help="KITTI raw: list file, lines 'folder frame side'")
    parser.add_argument("--drives", nargs="*", metavar="DAY/DRIVE", help="KITTI raw: whole drives, where there is no "
                        "list (default: all under the root)")
    parser.add_argument("--intrinsics", metavar="TEXT", help="frames: 'fx fy cx cy' in pixels or 'fov DEGREES'; KITTI "
                        "raw: calibration or monodepth2")
    parser.add_argument("--frame-step", type=whole, help="frames: distance from the target to its neighbors "
                        "(default: 1, or with the preset clip the first over which the camera moves enough)")
    parser.add_argument("--allow-gaps", action="store_true", help="frames and KITTI raw: missing frame numbers only "
                        "cut the clip")
    parser.add_argument("--labels", type=Path, help="folder of label PNGs beside the images")
    parser.add_argument("--label-ids", default="trainId", choices=LABEL_KINDS, help="what they hold")
    parser.add_argument("--depth", help="truth: camera, forward or improved for KITTI; a folder of PNGs for frames")
    parser.add_argument("--path", type=Path, metavar="FILE", help="frames: the camera's poses, a line for each frame, "
                        "KITTI's twelve numbers or TUM's eight")
    parser.add_argument("--improved-depth", type=Path, help="KITTI raw: folder of the improved depth")
    parser.add_argument("--sequences", nargs="*", help="KITTI odometry: which sequences")
    parser.add_argument("--camera", type=whole, help="KITTI odometry: 0 or 1 (gray), 2 or 3 (color) (default: 2)")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add where a model comes from."""
    parser.add_argument("--run", type=Path, help="run folder of a trained model")
    add_code(parser)
    parser.add_argument("--weights", type=Path, help="folder of Monodepth2's published weights, instead of a run")
    parser.add_argument("--pretrained", metavar="NAME", help="weights that come with the package, instead of a run: "
                        f"{listed(PRETRAINED)}, trained on the street")
