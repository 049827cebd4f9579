"""`render`: write a street video in the layout of KITTI raw."""
from __future__ import annotations

import argparse
from pathlib import Path

from .options import whole


def add_rendering(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `render`."""
    command.add_argument("folder", type=Path, help="new or empty folder")
    command.add_argument("--frames", type=whole, default=24, help="number of frames")
    command.add_argument("--height", type=whole, default=192, help="pixels")
    command.add_argument("--width", type=whole, default=640, help="pixels")
    command.add_argument("--seed", type=whole, default=0, help="which street")


def run_render(args: argparse.Namespace) -> dict:
    """Write a street video in the layout of KITTI raw."""
    from ..street import export_kitti

    drive = export_kitti(args.seed, args.frames, args.height, args.width, args.folder, progress=not args.quiet)
    return {"drive": str(drive), "frames": args.frames,
            "text": f"{args.frames} frames in {drive}; look at {args.folder / 'preview.png'} and preview.gif"}
