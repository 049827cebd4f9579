"""`label`: write semantic labels for a folder of images."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from ..common.runtime import pick_device
from .options import add_device


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


def run_label(args: argparse.Namespace) -> dict:
    """Write trainId PNGs for a folder of images, or convert labelId PNGs."""
    from ..data.labeling import convert_labels, label_folder, torchvision_segmenter, user_segmenter

    if not args.folder.is_dir():
        raise InputError(f"{args.folder} is not a folder; name a folder of images or label PNGs.")
    if args.convert:
        pattern = None if args.pattern == "**/*" else args.pattern
        files = convert_labels(args.folder, args.output, args.convert, pattern=pattern)
    else:
        device = pick_device(args.device)
        segmenter = (user_segmenter(args.model, device) if args.model
                     else torchvision_segmenter(args.segmenter, args.weights, device))
        files = label_folder(args.folder, args.output, segmenter, args.pattern, args.confidence, device=device,
                             progress=not args.quiet)
    return {"labels": [str(file) for file in files],
            "text": f"{len(files)} label maps in {args.output}; look at {args.output / 'preview'}"}
