"""`doctor`: look at a clip before training."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import check_outputs
from .options import add_data, data_options, whole


def add_doctor(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    command.add_argument("folder", help="folder of images or video file, or kitti:ROOT")
    command.add_argument("--height", type=whole, default=192, help="at which training will see it, pixels")
    command.add_argument("--width", type=whole, default=640, help="likewise")
    command.add_argument("--pairs", type=whole, default=12, help="neighboring frames to look at")
    command.add_argument("--output", type=Path, help="folder for a picture of each finding")
    add_data(command, named=False)


def run_doctor(args: argparse.Namespace) -> dict:
    """Look at a clip before training."""
    from ..data.by_name import KINDS, open_data
    from ..data.doctor import examine, overall, report
    from ..data.image_files import write_image

    if args.height < 32 or args.width < 32:
        raise InputError(f"height {args.height} and width {args.width} are too few pixels to look at; use 32 or more.")
    known = args.folder in KINDS or args.folder.partition(":")[0] in KINDS  # a path may hold a colon too
    data = args.folder if known and not Path(args.folder).exists() else f"frames:{args.folder}"
    source = open_data(data, args.height, args.width, data_options(args))
    findings = examine(source, args.pairs, progress=not args.quiet)
    if args.output:
        check_outputs([args.output / f"{f.name}.png" for f in findings if f.picture is not None], "finding")
    for finding in findings:
        if args.output and finding.picture is not None:
            write_image(args.output / f"{finding.name}.png", finding.picture, "finding")
    return {"verdict": overall(findings), "findings": [finding.to_json() for finding in findings],
            "text": report(findings)}
