"""`evaluate`: judge a model's depth or its camera path."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import write_json
from .options import add_data, add_device, add_model, data_options, open_model, open_street


def add_evaluation(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    add_model(command)
    command.add_argument("--split", default="test", choices=("train", "validation", "test"), help="which scenes")
    command.add_argument("--preset", default="quick", help="whose street: quick, lesson or paper")
    command.add_argument("--crop", default="none", help="none, garg or eigen")
    command.add_argument("--max-depth", type=float, default=80.0, help="cap of truth and prediction, meters")
    command.add_argument("--scale", help="median (of each image), none, or meters per unit (default: median; "
                         "5.4 for published weights that were trained with stereo)")
    command.add_argument("--band", type=float, help="half width of the band at label borders, pixels (default: 1.5 on "
                         "the street, 5 on real data)")
    command.add_argument("--flip", action="store_true", help="blend each prediction with the mirrored image's")
    command.add_argument("--poses", action="store_true", help="judge the camera's path instead of depth")
    command.add_argument("--output", type=Path, help="JSON file of the report (default: in the run folder)")
    add_data(command)
    add_device(command)


def run_evaluate(args: argparse.Namespace) -> dict:
    """Judge a model on a split of the street, or on real data with ground truth: its depth, or its camera's path."""
    model, height, width, factor = open_model(args)
    if args.poses:
        return judge_paths(args, model, height, width, factor)
    from ..data.by_name import open_data, truth_batches
    from ..data.sources import batches
    from ..evaluation.prediction import depth_predictor
    from ..evaluation.report import evaluate

    protocol, predict = protocol_of(args, factor), depth_predictor(model, args.flip)
    if args.data == "street":
        split = open_street(args, args.split)
        about, truth = f"street {args.split} of preset {args.preset}: {len(split)} images", batches(split)
        height, width = split.height, split.width
    else:
        source = open_data(args.data, height, width, data_options(args, neighbors=False))
        about, truth = f"{source.name}: {len(source)} images, truth {args.depth or 'measured'}", truth_batches(source)
    report = evaluate(predict, truth, protocol)
    output = args.output or (args.run or Path()) / f"evaluation_{args.split if args.data == 'street' else 'data'}.json"
    report.save(output)
    return {"report": str(output), **report.summary(),
            "text": f"{about}; network at {width}x{height}\n{report.table()}\nper-image values are in {output}"}


def protocol_of(args: argparse.Namespace, factor: float):
    """Gather how depth is judged; weights that were trained with stereo bring their scale."""
    from ..evaluation.protocol import Protocol

    scaling = args.scale or ("median" if factor == 1 else factor)
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


def judge_paths(args: argparse.Namespace, model, height: int, width: int, factor: float) -> dict:
    """Judge the camera's path on a split of the street, or on real data with true poses."""
    from ..data.by_name import open_data
    from ..evaluation.trajectories import evaluate_paths, paths_json, paths_table

    if args.data == "street":
        source = open_street(args, args.split)
    else:
        source = open_data(args.data, height, width, data_options(args, poses=True))
    reports = evaluate_paths(model, source, factor)
    output = args.output or (args.run or Path()) / f"paths_{args.split if args.data == 'street' else 'data'}.json"
    found = paths_json(reports)
    write_json(output, found)
    return {"report": str(output), **found, "text": f"{source.name}: {paths_table(reports)}\nwritten to {output}"}
