"""`download`: fetch parts of KITTI."""
from __future__ import annotations

import argparse
from pathlib import Path


def add_download(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `download`."""
    command.add_argument("dataset", choices=("kitti",), help="which data set")
    command.add_argument("parts", nargs="+", help="raw:DATE_drive_NNNN, calib:DATE, odometry:poses (calib, color, "
                         "velodyne), annotated")
    command.add_argument("--root", type=Path, default=Path("data/kitti"), help="folder to unpack into")
    command.add_argument("--base-url", help="address of a mirror (default: the data set's own)")


def run_download(args: argparse.Namespace) -> dict:
    """Fetch parts of KITTI."""
    from ..data.kitti.download import BASE_URL, download_kitti

    report = (lambda _: None) if args.quiet or args.json else print
    markers = download_kitti(args.parts, args.root, args.base_url or BASE_URL, report=report)
    return {"root": str(args.root), "parts": args.parts, "text": f"{len(markers)} parts are in {args.root}"}
