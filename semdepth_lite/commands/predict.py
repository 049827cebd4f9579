"""`predict`: depth for image files."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from .options import add_device, add_model, open_model


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


def run_predict(args: argparse.Namespace) -> dict:
    """Predict depth for image files."""
    from ..camera import intrinsics
    from ..evaluation.prediction import predict_files

    if args.scale is not None and not 0 < args.scale < float("inf"):
        raise InputError(f"scale {args.scale} is not positive and finite; give meters per unit of predicted depth.")
    model, height, width, factor = open_model(args)
    scale = args.scale or (factor if factor != 1 else None)
    K = intrinsics(*args.intrinsics) if args.intrinsics else None
    written = predict_files(model, args.images, args.output, height, width, scale or 1.0, K, not args.quiet,
                            args.flip)
    unit = "meters" if scale else "unknown scale: multiply by meters per unit, or pass --scale"
    return {"written": written, "unit": unit, "text": f"{len(written)} images to {args.output} ({unit})"}
