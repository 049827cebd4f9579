"""What the commands of the command line do, each a function of the parsed arguments that returns its result.

A result is a dictionary for `--json`; its entry `text` is what a person is shown instead.
"""
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from .common import InputError, check_divisible, pick_device, read_json, write_json

TRAINING = ("variant", "switches", "steps", "batch", "encoder", "loss", "pose", "supervision", "learning_rate",
            "precision", "seed")


def training_source(args: argparse.Namespace):
    """Open what is trained on: the street, or real data by name."""
    from .datasets import open_data
    from .presets import find_preset

    preset = find_preset(args.preset)
    if args.data == "street":
        for name in ("height", "width"):
            if getattr(args, name) is not None:
                raise InputError(f"the street has the preset's size, so {name} {getattr(args, name)} has no use; leave "
                                 "it out, or name other data.")
        return open_street(args, "train")
    height, width = args.height or preset.height, args.width or preset.width
    check_divisible(height, width)  # before frames are cached at this size
    moving = args.pose == "given" and not args.data.startswith("frames:")
    return open_data(args.data, height, width, data_options(args, poses=moving))


def open_street(args: argparse.Namespace, split: str):
    """Open a split of the street, which has no use for what is said about real data."""
    from .datasets import check_options
    from .presets import street

    check_options("street", data_options(args))
    return street(split, args.preset, progress=not args.quiet)


def data_options(args: argparse.Namespace, **changes):
    """Gather what was said about real data."""
    from .datasets import DataOptions

    options = DataOptions(frames=args.frames, drives=tuple(args.drives or ()), intrinsics=args.intrinsics,
                          step=args.frame_step, labels=args.labels, label_ids=args.label_ids, depth=args.depth,
                          improved_root=args.improved_depth, sequences=tuple(args.sequences or ()),
                          allow_gaps=args.allow_gaps)
    return replace(options, **changes)


def open_model(args: argparse.Namespace):
    """Load the model of a run folder, pretrained or published weights; return it with its image size and unit.

    Raises:
        InputError: if none or several are named.
    """
    from .training import load_run
    from .weights import STEREO_SCALE, read_monodepth2

    if sum(map(bool, (args.run, args.weights, args.pretrained))) != 1:
        raise InputError("name either a run folder, --pretrained with weights that come with the package, or --weights "
                         "with a folder of Monodepth2's files.")
    if args.pretrained:
        from .pretrained import load_pretrained, pretrained_card

        card = pretrained_card(args.pretrained)
        return load_pretrained(args.pretrained, args.device), card["height"], card["width"], 1.0
    if args.run:
        about = read_json(args.run / "settings.json")
        height, width = about.get("height"), about.get("width")
        if not (isinstance(height, int) and isinstance(width, int)):
            raise InputError(f"{args.run / 'settings.json'} gives the image size {width}x{height}, expected two whole "
                             "numbers of pixels; restore it, or train again.")
        check_divisible(height, width)
        return load_run(args.run, args.device), height, width, 1.0
    from .model import Model

    published = read_monodepth2(args.weights)
    pose = "learned" if "pose" in published.states else "given"
    model = Model(published.networks, pose=pose)
    published.load_into(model)
    model = model.to(pick_device(args.device)).eval()
    return model, published.height, published.width, STEREO_SCALE if published.stereo else 1.0


def run_train(args: argparse.Namespace) -> dict:
    """Train a run, judge it on validation scenes where there is truth, and keep both in the run folder."""
    from .presets import evaluate_model, recipe
    from .training import Run

    check_workers(args.workers)
    settings = recipe(args.preset, **{name: getattr(args, name) for name in TRAINING})
    if args.dry_run is not None:
        return dry_run_of(args, settings)
    if args.run is None:
        raise InputError("the run folder is missing; name one, such as runs/mine.")
    run = Run(training_source(args), settings, args.run, args.device, args.imagenet)
    model = run.train(progress=not args.quiet, workers=args.workers)
    found = {"run": str(args.run), "steps": run.step, "cost": run.cost()}
    if run.rank == 0:
        found["text"] = f"trained {run.step} steps; the model is in {args.run}"
        if args.data == "street":
            report = evaluate_model(model, open_street(args, "validation"))
            found |= {"validation": report.summary(), "text": report.table()}
        write_json(args.run / "metrics.json", {name: value for name, value in found.items() if name != "text"})
    return found


def check_workers(workers: int) -> None:
    """Refuse a number of threads that nobody means."""
    if not 0 <= workers <= 64:
        raise InputError(f"workers {workers} is no number of threads to read ahead with; use 0 to 64.")


def dry_run_of(args: argparse.Namespace, settings) -> dict:
    """Time a few steps of a run and estimate the rest."""
    from .dryrun import dry_run

    if not 0 < args.tflops < float("inf"):
        raise InputError(f"tflops {args.tflops} is no speed of a device; use 2, for instance.")
    found = dry_run(training_source(args), settings, args.dry_run, args.device, args.workers)
    return {**found.to_json(args.tflops), "text": found.text(args.tflops)}


def run_evaluate(args: argparse.Namespace) -> dict:
    """Judge a model on a split of the street, or on real data with ground truth: its depth, or its camera's path."""
    model, height, width, factor = open_model(args)
    if args.poses:
        return judge_paths(args, model, height, width, factor)
    from .datasets import open_data, truth_batches
    from .evaluation import evaluate
    from .prediction import batches, depth_predictor

    protocol, predict = protocol_of(args, factor), depth_predictor(model, args.flip)
    if args.data == "street":
        split = open_street(args, args.split)
        about, truth = f"street {args.split} of preset {args.preset}: {len(split)} images", batches(split)
        height, width = split.height, split.width
    else:
        source = open_data(args.data, height, width, data_options(args, neighbors=False))
        about, truth = f"{source.name}: {len(source)} images, truth {args.depth}", truth_batches(source)
    report = evaluate(predict, truth, protocol)
    output = args.output or (args.run or Path()) / f"evaluation_{args.split if args.data == 'street' else 'data'}.json"
    report.save(output)
    return {"report": str(output), **report.summary(),
            "text": f"{about}; network at {width}x{height}\n{report.table()}\nper-image values are in {output}"}


def protocol_of(args: argparse.Namespace, factor: float):
    """Gather how depth is judged; weights that were trained with stereo bring their scale."""
    from .evaluation import Protocol

    scaling = args.scale or ("median" if factor == 1 else factor)
    if isinstance(scaling, str) and scaling not in ("median", "none"):
        try:
            scaling = float(scaling)
        except ValueError:
            raise InputError(f"scale {scaling!r} is unknown; use median, none or meters per unit, such as "
                             "5.4.") from None
    dense = args.data == "street"
    band = (1.5 if dense else 5.0) if args.band is None else args.band
    return Protocol(crop=args.crop, max_depth=args.max_depth, scaling=scaling, dense=dense, band_radius=band,
                    inner_radius=max(band, 4.0), flip=args.flip)


def judge_paths(args: argparse.Namespace, model, height: int, width: int, factor: float) -> dict:
    """Judge the camera's path on a split of the street, or on real data with true poses."""
    from .datasets import open_data
    from .trajectories import evaluate_paths, paths_json, paths_table

    if args.data == "street":
        source = open_street(args, args.split)
    else:
        source = open_data(args.data, height, width, data_options(args, poses=True))
    reports = evaluate_paths(model, source, factor)
    output = args.output or (args.run or Path()) / f"paths_{args.split if args.data == 'street' else 'data'}.json"
    found = paths_json(reports)
    write_json(output, found)
    return {"report": str(output), **found, "text": f"{source.name}: {paths_table(reports)}\nwritten to {output}"}


def run_predict(args: argparse.Namespace) -> dict:
    """Predict depth for image files."""
    from .camera import intrinsics
    from .prediction import predict_files

    if args.scale is not None and not 0 < args.scale < float("inf"):
        raise InputError(f"scale {args.scale} is not positive and finite; give meters per unit of predicted depth.")
    model, height, width, factor = open_model(args)
    scale = args.scale or (factor if factor != 1 else None)
    K = intrinsics(*args.intrinsics) if args.intrinsics else None
    written = predict_files(model, args.images, args.output, height, width, scale or 1.0, K, not args.quiet,
                            args.flip)
    unit = "meters" if scale else "unknown scale: multiply by meters per unit, or pass --scale"
    return {"written": written, "unit": unit, "text": f"{len(written)} images to {args.output} ({unit})"}


def run_render(args: argparse.Namespace) -> dict:
    """Write a street video in the layout of KITTI raw."""
    from .street import export_kitti

    drive = export_kitti(args.seed, args.frames, args.height, args.width, args.folder, progress=not args.quiet)
    return {"drive": str(drive), "frames": args.frames,
            "text": f"{args.frames} frames in {drive}; look at {args.folder / 'preview.png'} and preview.gif"}


def run_reproduce(args: argparse.Namespace) -> dict:
    """Run the notebooks, or an experiment."""
    if args.experiment:
        from .experiments import run_experiment

        files = run_experiment(args.experiment, args.preset or "lesson", args.output or Path("runs"), args.results,
                               args.processes, not args.quiet)
        return {"results": [str(file) for file in files], "text": f"{len(files)} results in {args.results}"}
    from .reproduce import reproduce

    output = args.output or Path("reproduced")
    rows = reproduce(args.preset or "quick", output, args.only, progress=not args.quiet)
    text = "\n".join(f"{row['notebook']:<40} {row['seconds']:7.1f} s" for row in rows)
    return {"notebooks": rows, "text": f"{text}\nexecuted notebooks and results are in {output}"}


def run_benchmark(args: argparse.Namespace) -> dict:
    """Time a training step and its parts."""
    from .benchmark import Shape, benchmark, table

    other = read_json(args.compare) if args.compare else None
    if other is not None and not isinstance(other.get("seconds"), dict):
        raise InputError(f"{args.compare} is no benchmark; name a file that benchmark --output wrote.")
    shape = Shape(args.height, args.width, args.batch, args.encoder, args.loss, args.variant, args.precision,
                  args.alignment)
    found = benchmark(shape, args.device, args.repeats)
    if args.output:
        write_json(args.output, found)
    return {**found, "text": table(found, other)}


def run_doctor(args: argparse.Namespace) -> dict:
    """Look at a clip before training."""
    from .datasets import open_data
    from .doctor import examine, overall, report
    from .files import write_image

    data = args.folder if ":" in args.folder else f"frames:{args.folder}"
    source = open_data(data, args.height, args.width, data_options(args))
    findings = examine(source, args.pairs, progress=not args.quiet)
    for finding in findings:
        if args.output and finding.picture is not None:
            write_image(args.output / f"{finding.name}.png", finding.picture)
    return {"verdict": overall(findings), "findings": [finding.to_json() for finding in findings],
            "text": report(findings)}


def run_download(args: argparse.Namespace) -> dict:
    """Fetch parts of KITTI."""
    from .kitti.download import BASE_URL, download_kitti

    say = (lambda _: None) if args.quiet or args.json else print
    markers = download_kitti(args.parts, args.root, args.base_url or BASE_URL, report=say)
    return {"root": str(args.root), "parts": args.parts, "text": f"{len(markers)} parts are in {args.root}"}


def run_label(args: argparse.Namespace) -> dict:
    """Write trainId PNGs for a folder of images, or convert labelId PNGs."""
    from .labeling import convert_labels, label_folder, torchvision_segmenter, user_segmenter

    if not args.folder.is_dir():
        raise InputError(f"{args.folder} is not a folder; name a folder of images or label PNGs.")
    if args.convert:
        files = convert_labels(args.folder, args.output, args.convert)
    else:
        device = pick_device(args.device)
        segmenter = (user_segmenter(args.model, device) if args.model
                     else torchvision_segmenter(args.segmenter, args.weights, device))
        files = label_folder(args.folder, args.output, segmenter, args.pattern, args.confidence, device=device,
                             progress=not args.quiet)
    return {"labels": [str(file) for file in files],
            "text": f"{len(files)} label maps in {args.output}; look at {args.output / 'preview'}"}
