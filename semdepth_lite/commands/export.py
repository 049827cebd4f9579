"""`export`: write a trained network as ONNX or as a program of torch.export."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from ..names import PRETRAINED, listed
from .options import add_code, open_model, whole


def add_export(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    command.add_argument("source", help="run folder, or the name of weights that come with the package: "
                         f"{listed(PRETRAINED)}")
    command.add_argument("file", type=Path, help="file to write, .onnx or .pt2: images (B, 3, H, W) in [0, 1] to depth "
                         "(B, 1, H, W)")
    command.add_argument("--height", type=whole, help="image height, pixels (default: the training's)")
    command.add_argument("--width", type=whole, help="image width, pixels (default: the training's)")
    command.add_argument("--batch", type=whole, help="number of images in a batch (default: any)")
    add_code(command)
    command.set_defaults(weights=None, device="cpu")


def run_export(args: argparse.Namespace) -> dict:
    """Export a model, and tell how far the file's depth is from the model's."""
    from ..evaluation.export import TOLERANCE, export_model

    folder = Path(args.source)
    if not folder.is_dir() and args.source not in PRETRAINED:
        raise InputError(f"{args.source} is neither a run folder nor one of {', '.join(PRETRAINED)}; name one of "
                         "them, or a folder that `train` wrote.")
    args.run, args.pretrained = (folder, None) if folder.is_dir() else (None, args.source)
    model, height, width, _ = open_model(args)
    height, width = args.height or height, args.width or width
    found = export_model(model, args.file, height, width, args.batch)
    checked = "not checked, because onnxruntime is not installed" if found is None else \
        f"its depth differs from the model's by {found.largest:.1e} at most (relative)"
    if found and found.beyond:
        checked += f", and by more than {TOLERANCE:g} in {found.beyond:.2%} of the pixels, where rounding decides"
    batch = "any" if args.batch is None else args.batch
    return {"file": str(args.file), "height": height, "width": width, "batch": args.batch,
            "difference": found and found.largest, "beyond": found and found.beyond,
            "text": f"{args.file}: images of {width}x{height}, batch {batch}; {checked}"}
