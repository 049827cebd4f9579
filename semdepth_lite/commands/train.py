"""`train`: train a variant on the street or on real data."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError, check_divisible
from ..common.storage import write_json
from .options import add_data, add_device, data_options, open_street


def add_training(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    command.add_argument("run", type=Path, nargs="?", help="run folder")
    command.add_argument("--preset", help="quick, lesson, photo or paper: how much is rendered and trained (default: "
                         "photo for the photo, else quick)")
    command.add_argument("--variant", help="name of the method (default: the preset's)")
    command.add_argument("--set", action="append", default=[], metavar="PART.SETTING=VALUE", help="a change to the "
                         "variant, such as ranking.cap=0.6, fusion.levels=2,1,0 or seem=yes; may be repeated")
    command.add_argument("--steps", type=int, help="optimizer steps (default: the preset's)")
    command.add_argument("--batch", type=int, help="triplets in a step, over all processes (default: the preset's)")
    command.add_argument("--height", type=int, help="of real images, pixels (default: the preset's)")
    command.add_argument("--width", type=int, help="of real images, pixels (default: the preset's)")
    command.add_argument("--encoder", help="lite, resnet18, resnet34 or resnet50 (default: the preset's)")
    command.add_argument("--imagenet", metavar="FILE", help="start a ResNet from torchvision's ImageNet weights: their "
                         "file, or 'download' (default: random weights)")
    command.add_argument("--loss", help="lesson or monodepth2 (default: the preset's)")
    command.add_argument("--pose", help="learned, or given by the data (default: learned)")
    command.add_argument("--stereo", choices=("alone", "neighbors"), help="KITTI: learn from the second camera, whose "
                         "motion is known, so that depth is in meters: alone, or with the neighbors in time")
    command.add_argument("--supervision", help="video, or depth: the truth, as an upper bound (default: video)")
    command.add_argument("--learning-rate", type=float, help="Adam's, at its highest (default: the preset's)")
    command.add_argument("--precision", help="fp32, or bf16 in the networks where the device has it (default: fp32)")
    command.add_argument("--seed", type=int, help="of weights, order and augmentation (default: 0)")
    command.add_argument("--workers", type=int, default=2, help="threads that read batches ahead; 0 for none")
    command.add_argument("--dry-run", type=int, metavar="STEPS", help="only time so many steps, keep nothing, and "
                         "estimate the whole run")
    command.add_argument("--tflops", type=float, default=2.0, help="dry run: what another device sustains in "
                         "training, TFLOP/s, a fraction of what its maker states; gives the hours there")
    add_data(command)
    add_device(command)

TRAINING = ("variant", "steps", "batch", "encoder", "loss", "pose", "supervision", "learning_rate",
            "precision", "seed")


def preset_of(args: argparse.Namespace) -> str:
    """Return the preset's name: the one asked for, or the one that belongs to the data."""
    return args.preset or ("photo" if args.data == "photo" else "quick")


def training_source(args: argparse.Namespace):
    """Open what is trained on: the street, or real data by name."""
    from ..data.by_name import open_data
    from ..presets import find_preset

    preset = find_preset(preset_of(args))
    if args.data == "street":
        for name in ("height", "width"):
            if getattr(args, name) is not None:
                raise InputError(f"the street has the preset's size, so {name} {getattr(args, name)} has no use; leave "
                                 "it out, or name other data.")
        return open_street(args, "train")
    height, width = args.height or preset.height, args.width or preset.width
    check_divisible(height, width)  # before frames are cached at this size
    moving = args.pose == "given" and args.stereo != "alone" and not args.data.startswith(("frames:", "photo"))
    return open_data(args.data, height, width, data_options(args, poses=moving))


def run_train(args: argparse.Namespace) -> dict:
    """Train a run, judge it on validation scenes where there is truth, and keep both in the run folder."""
    from ..evaluation.prediction import evaluate_model
    from ..presets import recipe
    from ..training.run import Run
    from ..variants import read_changes

    check_workers(args.workers)
    changed = {name: getattr(args, name) for name in TRAINING}
    if args.stereo == "alone":
        changed |= {"pose": args.pose or "given", "alignment": 0}
    settings = recipe(preset_of(args), changes=read_changes(args.set), **changed)
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
    from ..training.dry_run import dry_run

    if not 0 < args.tflops < float("inf"):
        raise InputError(f"tflops {args.tflops} is no speed of a device; use 2, for instance.")
    found = dry_run(training_source(args), settings, args.dry_run, args.device, args.workers)
    return {**found.to_json(args.tflops), "text": found.text(args.tflops)}
