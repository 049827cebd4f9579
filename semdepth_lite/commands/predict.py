"""`predict`: depth for image files."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from .options import add_device, add_model, open_model

STREET_ONLY = ("these weights have seen nothing but a rendered street: on real pictures expect the ground and the far "
               "end of a road, and no objects; train on your own clip for more")
CLOUDS = 10  # point clouds of a video, spread over it


def add_prediction(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    command.add_argument("images", type=Path, nargs="+", help="image files, videos or folders")
    add_model(command)
    command.add_argument("--output", type=Path, default=Path("predicted"), help="folder to write to")
    command.add_argument("--scale", type=float, help="meters per unit of predicted depth (default: unknown)")
    command.add_argument("--flip", action="store_true", help="blend each prediction with the mirrored image's")
    command.add_argument("--intrinsics", nargs="+", metavar="WORD", help="of the images: 'fx fy cx cy' in pixels or "
                         "'fov DEGREES'; writes a .ply point cloud of each, and of a video of ten frames")
    add_device(command)


def run_predict(args: argparse.Namespace) -> dict:
    """Predict depth for image files."""
    from ..evaluation.prediction import predict_files

    if args.scale is not None and not 0 < args.scale < float("inf"):
        raise InputError(f"scale {args.scale} is not positive and finite; give meters per unit of predicted depth.")
    model, height, width, factor = open_model(args)
    scale = args.scale or factor
    places = [frames_of(path) for path in args.images]
    every, K = clouds_of(places, args.intrinsics) if args.intrinsics else (1, None)
    written = predict_files(model, places, args.output, height, width, scale, K, not args.quiet, args.flip, every)
    done, failed = ([row for row in written if ("error" in row) == bad] for bad in (False, True))
    unit = "meters" if scale else (f"unknown scale, {done[0]['steps']} steps of the PNG a unit: multiply by meters per "
                                   "unit, or pass --scale")
    lines = [f"{len(done)} images to {args.output} ({unit})", *(f"left out: {row['error']}" for row in failed)]
    for path, place in zip(args.images, places):
        if place != path:
            lines.append(video_of(path, place, done, args.output))
    if args.pretrained:
        lines.append(STREET_ONLY)
    return {"written": done, "failed": failed, "unit": unit, "text": "\n".join(lines)}


def clouds_of(places: list[Path], words: list[str]):
    """Return at which images a point cloud is due, every so many, and K (3, 3) at the size of the first image."""
    from ..data.image_files import find_images, image_size
    from ..data.intrinsics_file import parse_intrinsics
    from ..data.video import TIMES_FILE

    images = find_images(places)
    video = any((place / TIMES_FILE).is_file() for place in places)
    return -(-len(images) // CLOUDS) if video else 1, parse_intrinsics(" ".join(words), *image_size(images[0]))


def video_of(path: Path, frames: Path, written: list[dict], output: Path) -> str:
    """Write a video's frames and their depth beside each other as NAME_depth.mp4, and return a line about it.

    The colors mean one depth throughout: near and far are those of the whole video.
    """
    import numpy as np

    from ..data.image_files import read_depth_png, read_image
    from ..data.video import frame_rate, write_video
    from ..figures import colorize_depth

    rows = [row for row in written if Path(row["image"]).parent == frames]
    depths = [read_depth_png(Path(row["depth"]), float(row["steps"])) for row in rows[:: -(-len(rows) // 20)]]
    seen = np.concatenate([depth[depth > 0][::50] for depth in depths])
    near, far = np.quantile(seen, (0.02, 0.95))

    def pictures():
        for row in rows:
            image = read_image(Path(row["image"]))
            depth = read_depth_png(Path(row["depth"]), float(row["steps"]))
            beside = 0 if image.shape[1] > image.shape[0] else 1
            yield np.concatenate((image, colorize_depth(depth, (near, max(far, 1.01 * near)))), beside)

    target = output / f"{path.stem}_depth.mp4"
    write_video(target, pictures(), frame_rate(frames))
    return f"the video of image and depth is {target}"


def frames_of(path: Path) -> Path:
    """Return an image or a folder as it is, and for a video the folder of its frames."""
    from ..data.frame_cache import DEFAULT_CACHE
    from ..data.video import VIDEO_SUFFIXES, unpack_video

    video = path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES
    return unpack_video(path, DEFAULT_CACHE) if video else path
