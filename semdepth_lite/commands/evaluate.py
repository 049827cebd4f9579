"""`evaluate`: judge a model's depth or its camera path."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import MARK, check_outputs, fingerprint, write_json
from .options import add_data, add_device, add_model, data_options, open_model, open_street

OF_DEPTH = {"crop": "none", "max_depth": 80.0, "scale": None, "band": None, "flip": False,
            "depth_unit": "1/256"}  # options that have no use beside --poses, and their defaults


def add_evaluation(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    add_model(command)
    command.add_argument("--split", default="test", choices=("train", "validation", "test"), help="which scenes")
    command.add_argument("--preset", default="quick", help="whose street: quick, lesson or paper")
    command.add_argument("--crop", help="none, garg or eigen")
    command.add_argument("--max-depth", type=float, help="cap of truth and prediction, meters")
    command.add_argument("--scale", help="median (of each image), none, or meters per unit (default: median; "
                         "none for a run that learned meters; 5.4 for published weights that were trained with stereo)")
    command.add_argument("--band", type=float, help="half width of the band at label borders, pixels (default: 1.5 on "
                         "the street, 5 on real data)")
    command.add_argument("--flip", action="store_true", help="blend each prediction with the mirrored image's")
    command.add_argument("--poses", action="store_true", help="judge the camera's path instead of depth")
    command.add_argument("--align", action="store_true", help="poses: improve the motion by the alignment that "
                         "training used")
    command.add_argument("--predictions", type=Path, metavar="PLACE", help="judge another program's depth instead of a "
                         "model: a folder with a 16-bit PNG, .npy or .npz for each image, or one array file of all")
    command.add_argument("--disparity", action="store_true", help="the predictions are disparity, not depth")
    command.add_argument("--depth-unit", help="what one step of the truth's PNGs is: 1/256, mm, cm or "
                         "1/5000 (of a meter), or meters as a number")
    command.add_argument("--export", type=Path, metavar="FOLDER", help="write the judged depth as KITTI's 16-bit PNGs, "
                         "or with --poses the paths as KITTI and TUM files")
    command.add_argument("--output", type=Path, help="JSON file of the report (default: in the run folder)")
    command.set_defaults(**OF_DEPTH)
    add_data(command)
    add_device(command)


def run_evaluate(args: argparse.Namespace) -> dict:
    """Judge depth or a camera path on a split of the street, or on real data with ground truth."""
    from ..evaluation.report import evaluate

    check_evaluation(args)
    output = report_place(args)
    if args.output or args.run is None:
        check_outputs([output], "paths" if args.poses else "report")  # before anything is computed
    if args.predictions is not None:
        model, height, width, factor = None, *OUTSIDE_SIZE, None
    else:
        model, height, width, factor = open_model(args)
    if args.poses:
        return judge_paths(args, model, height, width, factor, output)
    about, truth, names, size = open_truth(args, model, height, width)
    predict, how = predictor_of(args, model, names)
    report = evaluate(predict, truth, protocol_of(args, factor), depth_writer(args.export, names))
    report.save(output, {"about": about, "model": None if model is None else fingerprint(model.state_dict()),
                         "frames": fingerprint(names)})
    remarks = truth.remarks()
    if args.data != "street":
        about += f" of median {truth.median:.3g} m, {args.depth_unit} a step"
    text = "\n".join([f"{about}; {how or f'network at {size[1]}x{size[0]}'}", report.table(), *remarks,
                      f"per-image values are in {output}"])
    return {"report": str(output), **report.summary(), "remarks": remarks, "text": text}


# at which the images of real data are read where no network sees them
OUTSIDE_SIZE = (64, 192)


def check_evaluation(args: argparse.Namespace) -> None:
    """Refuse arguments that have no use together."""
    if args.predictions is not None and (args.run or args.weights or args.pretrained or args.poses or args.flip):
        raise InputError("--predictions judges files of depth, so --run, --weights, --pretrained, --poses and --flip "
                         "have no use beside it; leave them out.")
    if args.disparity and args.predictions is None:
        raise InputError("--disparity tells what --predictions holds; name them, or leave it out.")
    idle = [name for name, default in OF_DEPTH.items() if getattr(args, name) != default]
    if args.poses and idle:
        raise InputError(f"--{idle[0].replace('_', '-')} judges depth and has no use beside --poses; leave it out.")
    if args.data == "street" and args.depth_unit != OF_DEPTH["depth_unit"]:
        raise InputError("--depth-unit belongs to the depth files of real data, and the street has none; leave it out.")
    if args.align and not args.poses:
        raise InputError("--align improves the motion of --poses; add it, or leave --align out.")


def open_truth(args: argparse.Namespace, model, height: int, width: int):
    """Open what is judged by: a sentence about it, its batches in meters, each image's name, and the images' size."""
    from ..data.by_name import open_data, truth_batches
    from ..data.sources import batches
    from ..evaluation.truth import TruthInUnit, parse_depth_unit
    from ..training.segmenter import with_masks

    unit = parse_depth_unit(args.depth_unit)
    if args.data == "street":
        split = open_street(args, args.split, *(() if args.weights or model is None else (height, width)))
        about, names = f"street {args.split} of preset {args.preset}: {len(split)} images", range(len(split))
        truth = TruthInUnit(batches(with_masks(split, model)))
        return about, truth, [f"{index:06d}" for index in names], (split.height, split.width)
    source = open_data(args.data, height, width, data_options(args, neighbors=False))
    about = f"{source.name}: {len(source)} images, truth {args.depth or 'measured'}"
    named = getattr(source, "target_file", None)  # a source of one's own may have no files
    names = [named(index).stem if named else f"{index:06d}" for index in range(len(source))]
    return about, TruthInUnit(truth_batches(with_masks(source, model)), unit), names, (height, width)


def predictor_of(args: argparse.Namespace, model, names: list[str]):
    """Return what predicts depth, a model or files, and a sentence about the files."""
    from ..evaluation.outside import OutsidePredictions
    from ..evaluation.prediction import depth_predictor

    if args.predictions is None:
        return depth_predictor(model, args.flip), ""
    outside = OutsidePredictions(args.predictions, names, args.disparity)
    return outside, f"predictions of {outside.about}"


def depth_writer(folder: Path | None, names: list[str]):
    """Return the function that writes judged depth as KITTI's PNGs; None where nothing is exported."""
    from ..data.image_files import write_depth_png

    if folder is None:
        return None
    unique = len(set(names)) == len(names)

    def write(batch, depth) -> None:
        for index, judged in zip(batch.index.tolist(), depth):
            if not judged.isfinite().all():  # its truth gave no scale
                continue
            write_depth_png(folder / f"{names[index] if unique else f'{index:010d}'}.png", judged[0].cpu().numpy())

    return write


def report_place(args: argparse.Namespace) -> Path:
    """Return where the report goes: where it was asked for, or into the run folder."""
    name = "paths" if args.poses else "evaluation"
    return args.output or (args.run or Path()) / f"{name}_{args.split if args.data == 'street' else 'data'}.json"


def protocol_of(args: argparse.Namespace, factor: float | None):
    """Gather how depth is judged; networks that learned from a known motion or from depth bring their scale."""
    from ..evaluation.protocol import Protocol

    scaling = ("median" if factor is None else "none" if factor == 1 else factor) if args.scale is None else args.scale
    if isinstance(scaling, str) and scaling not in ("median", "none"):
        try:
            scaling = float(scaling)
        except ValueError:
            raise InputError(f"scale {scaling!r} is unknown; use median, none or meters per unit, such as "
                             "5.4.") from None
    dense = args.data in ("street", "photo")
    band = (1.5 if dense else 5.0) if args.band is None else args.band
    return Protocol(crop=args.crop, max_depth=args.max_depth, scaling=scaling, dense=dense, band_radius=band,
                    inner_radius=max(band, 4.0), flip=args.flip)


def judge_paths(args: argparse.Namespace, model, height: int, width: int, factor: float | None,
                output: Path) -> dict:
    """Judge the camera's path on a split of the street, or on real data with true poses."""
    from ..data.by_name import open_data
    from ..evaluation.trajectories import evaluate_paths, paths_json, paths_table

    if args.data == "street":
        source = open_street(args, args.split, *(() if args.weights else (height, width)))
    else:
        source = open_data(args.data, height, width, data_options(args, poses=args.path is None))
    reports = evaluate_paths(model, source, factor or 1.0, args.align, args.export)
    found = paths_json(reports)
    write_json(output, {MARK: "paths", **found})
    text = f"{source.name}: {paths_table(reports, align=args.align)}\nwritten to {output}"
    return {"report": str(output), **found, "text": text}
