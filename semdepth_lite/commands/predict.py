"""`predict`: depth for image files."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from .options import add_device, add_model, open_model

STREET_ONLY = ("these weights have seen nothing but a rendered street: on real pictures expect the ground and the far "
               "end of a road, and no objects; train on your own clip for more")


def add_prediction(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    command.add_argument("images", type=Path, nargs="+", help="image files, videos or folders")
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
    written = predict_files(model, [frames_of(path) for path in args.images], args.output, height, width, scale, K,
                            not args.quiet, args.flip)
    done, failed = ([row for row in written if ("error" in row) == bad] for bad in (False, True))
    unit = "meters" if scale else (f"unknown scale, {done[0]['steps']} steps of the PNG a unit: multiply by meters per "
                                   "unit, or pass --scale")
    lines = [f"{len(done)} images to {args.output} ({unit})", *(f"left out: {row['error']}" for row in failed)]
    if args.pretrained:
        lines.append(STREET_ONLY)
    return {"written": done, "failed": failed, "unit": unit, "text": "\n".join(lines)}


def frames_of(path: Path) -> Path:
    """Return an image or a folder as it is, and for a video the folder of its frames."""
    from ..data.frame_cache import DEFAULT_CACHE
    from ..data.video import VIDEO_SUFFIXES, unpack_video

    video = path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES
    return unpack_video(path, DEFAULT_CACHE) if video else path
