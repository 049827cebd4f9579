"""`doctor`: look at a clip before training."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from ..common.registry import find_part
from ..common.storage import check_outputs
from .options import add_code, add_data, data_options, load_code, size_to_open, whole


def add_doctor(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    command.add_argument("folder", help="folder of images or video file, kitti:ROOT, or NAME:PLACE of a source of your "
                         "own (--code)")
    command.add_argument("--height", type=whole, help="at which training will see it, pixels (default: that of the "
                         "preset clip, of the clip's own shape)")
    command.add_argument("--width", type=whole, help="likewise")
    command.add_argument("--pairs", type=whole, default=12, help="neighboring frames to look at")
    command.add_argument("--output", type=Path, help="folder for a picture of each finding")
    add_code(command)
    add_data(command, named=False)


def run_doctor(args: argparse.Namespace) -> dict:
    """Look at a clip before training."""
    from ..data.by_name import KINDS, open_data
    from ..data.doctor import examine, overall, report
    from ..data.image_files import write_image

    for name in ("height", "width"):
        if getattr(args, name) is not None and getattr(args, name) < 32:
            raise InputError(f"{name} {getattr(args, name)} are too few pixels to look at; use 32 or more.")
    load_code(args.code)
    kind = args.folder.partition(":")[0]
    known = kind in KINDS or find_part("source", kind) is not None  # a path may hold a colon too
    data = args.folder if known and not Path(args.folder).exists() else f"frames:{args.folder}"
    options = data_options(args)
    source = open_data(data, *size_to_open(args, data, options), options)
    findings = examine(source, args.pairs, progress=not args.quiet)
    if args.output:
        check_outputs([args.output / f"{f.name}.png" for f in findings if f.picture is not None], "finding")
    for finding in findings:
        if args.output and finding.picture is not None:
            write_image(args.output / f"{finding.name}.png", finding.picture, "finding")
    return {"verdict": overall(findings), "findings": [finding.to_json() for finding in findings],
            "text": report(findings)}
