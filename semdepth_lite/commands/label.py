"""`label`: write semantic labels for a folder of images or a video."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.runtime import pick_device
from ..common.small_files import check_folder
from ..data.label_tables import LABEL_KINDS
from .options import add_device, whole

MODEL_HELP = ("a TorchScript (.pt) or exported (.pt2) model of your own instead: (1, 3, h, w) normalized RGB to logits "
              "(1, C, h, w) or ids (1, h, w)")
COUNTED = 128  # label maps that the summary looks at


def add_labeling(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `label`."""
    command.add_argument("folder", type=Path, help="folder of images, a video, or a folder of label PNGs with "
                         "--convert")
    command.add_argument("output", type=Path, help="folder of trainId PNGs")
    command.add_argument("--segmenter", default="lraspp_mobilenet_v3_large", help="one of torchvision's")
    command.add_argument("--weights", type=Path, help="file of its weights (default: fetched by torchvision)")
    command.add_argument("--model", type=Path, help=MODEL_HELP)
    command.add_argument("--classes", default="trainId", choices=LABEL_KINDS, help="which classes the model's ids are")
    command.add_argument("--mean", type=float, nargs=3, help="of the model's normalization (default: ImageNet's)")
    command.add_argument("--std", type=float, nargs=3, help="likewise")
    command.add_argument("--input-height", type=whole, help="to which images are resized for the model, pixels "
                         "(default: their own)")
    command.add_argument("--convert", choices=LABEL_KINDS, help="convert label PNGs that hold these ids")
    command.add_argument("--compare", type=Path, metavar="TRUTH", help="folder of true label PNGs of the same names: "
                         "prints accuracy and IoU")
    command.add_argument("--truth-ids", default="trainId", choices=LABEL_KINDS, help="what the true ones hold")
    command.add_argument("--pattern", default="**/*", help="which images, a glob under the folder")
    command.add_argument("--confidence", type=float, default=0.5, help="least probability of a class that counts")
    add_device(command)


def run_label(args: argparse.Namespace) -> dict:
    """Write trainId PNGs for a folder of images or a video, or convert label PNGs; count them, and compare them."""
    from ..evaluation.label_comparison import compare_labels

    files = write_labels(args)
    summary = summary_of(files)
    found = {"labels": [str(file) for file in files], "labeled": summary.labeled}
    lines = [f"{len(files)} label maps in {args.output}; look at {args.output / 'preview'}", summary.text()]
    if args.compare:
        compared = compare_labels(files, args.compare, args.truth_ids)
        found |= {"accuracy": compared.accuracy, "miou": compared.miou, "iou": compared.iou}
        lines.append(compared.text())
    return {**found, "text": "\n".join(lines)}


def write_labels(args: argparse.Namespace) -> list[Path]:
    """Label or convert what was named, and return the label maps."""
    from ..data.frame_cache import DEFAULT_CACHE
    from ..data.labeling import convert_labels, label_folder
    from ..data.video import VIDEO_SUFFIXES, unpack_video

    folder = args.folder
    if args.convert:
        check_folder(folder, "name a folder of label PNGs")
        pattern = None if args.pattern == "**/*" else args.pattern
        return convert_labels(folder, args.output, args.convert, pattern=pattern)
    if folder.is_file() and folder.suffix.lower() in VIDEO_SUFFIXES:
        folder = unpack_video(folder, DEFAULT_CACHE)
    check_folder(folder, "name a folder of images, a video, or label PNGs")
    device = pick_device(args.device)
    return label_folder(folder, args.output, segmenter_of(args, device), args.pattern, args.confidence, device=device,
                        progress=not args.quiet)


def segmenter_of(args: argparse.Namespace, device):
    """Open the segmenter that was named."""
    from ..data.labeling import IMAGENET_MEAN, IMAGENET_STD, torchvision_segmenter, user_segmenter

    if args.model:
        return user_segmenter(args.model, device, args.input_height, args.classes, args.mean or IMAGENET_MEAN,
                              args.std or IMAGENET_STD)
    return torchvision_segmenter(args.segmenter, args.weights, device)


def summary_of(files: list[Path]):
    """Count what some of the label maps hold, spread evenly over all."""
    from ..data.image_files import read_label_map
    from ..training.label_summary import summarize_labels

    step = -(-len(files) // COUNTED)
    return summarize_labels(read_label_map(file) for file in files[::step])
