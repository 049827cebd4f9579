"""`train`: train a variant on the street or on real data."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from ..common.contracts import InputError, check_divisible
from ..common.registry import find_part
from ..common.storage import check_writable, write_json
from ..names import ENCODERS, LOSSES, PRESETS, PRETRAINED, listed
from .options import add_code, add_data, add_device, data_options, load_code, open_street, size, whole


def add_training(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    command.add_argument("run", type=Path, nargs="?", help="run folder")
    command.add_argument("--preset", help=f"{listed(PRESETS)}: how much is rendered and trained (default: clip for "
                         "frames of your own, photo for the photo, else quick)")
    command.add_argument("--variant", help="name of the method (default: the preset's)")
    command.add_argument("--set", action="append", default=[], metavar="PART.SETTING=VALUE", help="a change to the "
                         "variant, such as ranking.cap=0.6, fusion.levels=2,1,0, seem=yes or masks.origin=made; may "
                         "be repeated")
    command.add_argument("--segmenter", action="store_true", help="train a segmenter instead, on images with labels; "
                         "its folder is what --masks names")
    command.add_argument("--masks", metavar="PLACE", help="folder or file of a segmenter's weights, for a variant "
                         "whose masks are given, such as semdepth_segmenter (default: the package's, which knows the "
                         "street)")
    command.add_argument("--segmenter-steps", type=whole, help="of a segmenter that is made (default: the preset's)")
    command.add_argument("--steps", type=whole, help="optimizer steps (default: the preset's)")
    command.add_argument("--margin-until", type=float, metavar="SHARE", help="share of the steps in which the lesson "
                         "loss's automask has its margin (default: no longer than in the preset's training)")
    command.add_argument("--batch", type=whole, help="triplets in a step, over all processes (default: the preset's)")
    command.add_argument("--height", type=size, help="of the images, pixels (default: the preset's)")
    command.add_argument("--width", type=size, help="of the images, pixels (default: the preset's)")
    command.add_argument("--encoder", help=f"{listed(ENCODERS)} (default: the preset's)")
    command.add_argument("--imagenet", metavar="FILE", help="start a ResNet from torchvision's ImageNet weights: their "
                         "file, or 'download' (default: random weights)")
    command.add_argument("--init", metavar="RUN|NAME|FILE", help="start from the weights of a run folder, of "
                         f"pretrained ones ({', '.join(PRETRAINED)}) or of a file, wherever they fit")
    command.add_argument("--freeze", action="append", metavar="PART", help="part of the model that is not trained, "
                         "such as encoder; may be repeated")
    command.add_argument("--loss", help=f"{listed(LOSSES)} (default: the preset's)")
    command.add_argument("--readable", action="store_true", help="train with the readable loss of losses.py, which is "
                         "slower, so that changes to it take effect")
    command.add_argument("--pose", help="learned, or given by the data (default: learned)")
    command.add_argument("--stereo", choices=("alone", "neighbors"), help="KITTI: learn from the second camera, whose "
                         "motion is known, so that depth is in meters: alone, or with the neighbors in time")
    command.add_argument("--supervision", help="video, or depth: the truth, as an upper bound (default: video)")
    command.add_argument("--learning-rate", type=float, help="Adam's, at its highest (default: the preset's)")
    command.add_argument("--precision", help="fp32, or bf16 in the networks where the device has it (default: fp32)")
    command.add_argument("--seed", type=whole, help="of weights, order and augmentation (default: 0)")
    command.add_argument("--workers", type=whole, default=2, help="threads that read batches ahead; 0 for none")
    command.add_argument("--validate", type=whole, default=0, metavar="EVERY", help="judge on the street's validation "
                         "scenes, or on the frames of real data that are kept back, every so many steps, and keep the "
                         "best checkpoint as best.pt: by AbsRel, or without true depth by the photometric error "
                         "(default: at the end only)")
    command.add_argument("--tensorboard", action="store_true", help="write the log for TensorBoard too")
    add_code(command)
    command.add_argument("--dry-run", type=whole, metavar="STEPS", help="only time so many steps, keep nothing, and "
                         "estimate the whole run")
    command.add_argument("--tflops", type=float, help="dry run: what another device sustains in training, TFLOP/s, "
                         "a fraction of what its maker states; gives the hours there (default: 2)")
    add_data(command)
    add_device(command)


RESNET_RATE = 1e-4  # Monodepth2's; at the lite network's rate a ResNet's depth collapses within some twenty steps
TRAINING = ("variant", "segmenter_steps", "steps", "batch", "encoder", "loss", "pose", "supervision", "margin_until",
            "learning_rate", "precision", "seed", "freeze")


@dataclass(frozen=True)
class Options:
    """How a run is taken, which does not change what it computes.

    Attributes:
        device: Device to compute on.
        imagenet: ImageNet weights to start the encoders from.
        init: Run folder or file whose weights the model starts from.
        workers: Number of threads that read ahead.
        progress: Whether to show progress bars.
        validate: Number of steps between looks at what is not trained on; 0 = at the end only.
        tensorboard: Whether to write the log for TensorBoard.
    """

    device: str
    imagenet: str | None
    init: Path | None
    workers: int
    progress: bool
    validate: int
    tensorboard: bool


def preset_of(args: argparse.Namespace) -> str:
    """Return the preset's name: the one asked for, or the one that belongs to the data."""
    belongs = {"photo": "photo", "frames": "clip"}
    return args.preset or belongs.get(args.data.partition(":")[0], "quick")


def training_source(args: argparse.Namespace):
    """Open what is trained on: the street, or real data by name."""
    from ..data.by_name import open_data
    from ..presets import find_preset

    preset = find_preset(preset_of(args))
    own = find_part("source", args.data.partition(":")[0])
    moving = args.pose == "given" and args.stereo != "alone" and not args.data.startswith(("frames:", "photo"))
    options = data_options(args, poses=moving or has_poses(args))
    if preset.fitted and not own and args.data != "street":
        from .clip import open_clip

        return open_clip(args.data, args.height, args.width, args.frame_step, options, not args.quiet)
    height, width = args.height or preset.height, args.width or preset.width
    check_divisible(height, width)  # before frames are cached at this size
    if args.data == "street":
        return open_street(args, "train", height, width)
    return open_data(args.data, height, width, options)


def has_poses(args: argparse.Namespace) -> bool:
    """Tell whether true poses are there for the verdict on the learned path."""
    kind, _, root = args.data.partition(":")
    files = [Path(root) / "poses" / f"{sequence}.txt" for sequence in args.sequences or ()]
    return kind == "odometry" and args.stereo is None and bool(files) and all(file.is_file() for file in files)


def run_train(args: argparse.Namespace) -> dict:
    """Train a run, judge it on validation scenes or on frames kept back, and keep both in the run folder."""
    from ..networks import RESNETS
    from ..presets import find_preset, fit_steps, recipe
    from ..variants import read_changes

    load_code(args.code)
    check_numbers(args.workers, args.validate)
    if args.segmenter:
        from .segmenter import run_segmenter

        return run_segmenter(args)
    changed = {name: getattr(args, name) for name in TRAINING} | {
        "fused": False if args.readable else None, "segmenter": args.masks}
    if args.stereo == "alone":
        changed |= {"pose": args.pose or "given", "alignment": 0}
    preset = find_preset(preset_of(args))
    if args.encoder in RESNETS and preset.training.encoder == "lite" and args.learning_rate is None:
        changed["learning_rate"] = RESNET_RATE
    settings = recipe(preset_of(args), changes=read_changes(args.set), **changed)
    if args.margin_until is None:  # much longer than the preset's training, the margin does harm
        usual = preset.training
        settings = replace(settings, margin_until=min(usual.margin_until, usual.steps / settings.steps))
    options = Options(args.device, args.imagenet, weights_named(args.init), args.workers, not args.quiet,
                      args.validate, args.tensorboard)
    check_before_data(args.run, settings, options)
    if args.dry_run is not None:
        tflops = 2.0 if args.tflops is None else args.tflops
        if not 0 < tflops < float("inf"):
            raise InputError(f"tflops {tflops} is no speed of a device; use 2, for instance.")
        return dry_run_of(training_source(args), settings, options, args.dry_run, tflops)
    if args.tflops is not None:
        raise InputError("--tflops is of another device for --dry-run; add that, or leave it out.")
    if args.run is None:
        raise InputError("the run folder is missing; name one, such as runs/mine.")
    validation = partial(open_street, args, "validation", args.height, args.width)
    source = training_source(args)
    if preset.fitted and args.steps is None:
        settings = replace(settings, steps=fit_steps(len(source), settings.batch))
    if args.data != "street":
        tell_labels(source, settings.method, args.quiet)
    if preset.fitted and not args.quiet:
        from .clip import plan_of

        print(plan_of(source, settings), file=sys.stderr)
    return train(source, settings, args.run, options, validation if args.data == "street" else None)


def check_before_data(folder: Path | None, settings, options: Options) -> None:
    """Refuse a folder that cannot be written to, and weights that cannot be read, before anything is rendered."""
    from ..training.checkpoint import read_weights
    from ..weights import given_segmenter, imagenet_state

    if folder is not None:
        check_writable(folder, "name another run folder")
        if (folder / "checkpoint.pt").exists():  # a run that goes on has its weights
            return
    if settings.segmenter:
        given_segmenter(settings.segmenter)
    if options.init is not None:
        read_weights(options.init)
    if options.imagenet not in (None, "download"):
        imagenet_state(settings.encoder, Path(options.imagenet))


def train(source, settings, folder: Path, options: Options, validation: Callable | None) -> dict:
    """Train a run and judge it, on validation scenes or, of real data, on frames that are kept back.

    Args:
        source: Training triplets.
        settings: What to compute.
        folder: Run folder.
        options: How the run is taken.
        validation: Function that opens the validation scenes; None where there are none.
    """
    from ..evaluation.prediction import evaluate_model
    from ..evaluation.verdict import draw_verdict, judge, keep_back, watcher
    from ..training.history import draw_history
    from ..training.run import Run

    report = tensorboard_writer(folder) if options.tensorboard else None
    trained, kept = keep_back(source) if validation is None else (source, None)
    run = Run(trained, settings, folder, options.device, options.imagenet, init=options.init)
    looks = {}
    if options.validate:
        scenes = kept if validation is None else validation()
        assert scenes is not None  # frames are kept back where there are no validation scenes
        watch, best = watcher(scenes)
        looks = {"watch": watch, "watch_every": options.validate, "keep_best": best}
    model = run.train(progress=options.progress, workers=options.workers, report=report, **looks)
    found = {"run": str(folder), "steps": run.step, "cost": run.cost()}
    if run.rank:
        return found
    longer = f", after {run.extended[-1]} more than were meant at first" if run.extended else ""
    found["text"] = f"trained {run.step} steps{longer}; the model is in {folder}"
    if validation is not None:
        judged = evaluate_model(model, validation())
        found |= {"validation": judged.summary(), "text": "\n".join([found["text"], judged.table()])}
    if kept is not None:
        verdict = judge(model, trained, kept)
        draw_verdict(model, kept, folder / "verdict.png")
        found |= {"verdict": asdict(verdict), "text": "\n".join([found["text"], *verdict.lines()])}
    if run.extended:
        found["extended"] = run.extended
    write_json(folder / "metrics.json", {name: value for name, value in found.items() if name != "text"})
    draw_history(folder)
    return found


def weights_named(name: str | None) -> Path | None:
    """Return the file or folder of weights that a name stands for: pretrained weights, or a path."""
    from ..weights import FOLDER

    if name is None:
        return None
    return FOLDER / f"{name}.pt" if name in PRETRAINED and not Path(name).exists() else Path(name)


def tensorboard_writer(folder: Path) -> Callable[[dict], None]:
    """Return a function that writes rows of the log for TensorBoard.

    Raises:
        InputError: If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError("--tensorboard needs the package tensorboard, which is not installed; pip install "
                         "tensorboard, or leave it out.") from None
    writers = []

    def write(row: dict) -> None:
        # a run that was cut off takes the steps after its checkpoint again
        writer = writers[0] if writers else SummaryWriter(str(folder / "tensorboard"), purge_step=row["step"])
        writers[:] = [writer]
        for name, value in {**row, **row.get("watch", {})}.items():
            if isinstance(value, int | float) and name != "step":
                writer.add_scalar(f"validation/{name}" if "watch" in row else name, value, row["step"])
        writer.flush()

    return write


def tell_labels(source, variant, quiet: bool) -> None:
    """Print what the labels of real data have to teach; refuse a training that they cannot guide."""
    from ..training.label_summary import check_guidance, label_summary

    if not (variant.needs_labels and source.has_labels):
        return
    summary = label_summary(source, variant)
    idle = check_guidance(summary, variant)
    if not quiet:
        print(summary.text(), *(f"nothing is learned by {part}" for part in idle), sep="\n", file=sys.stderr)


def check_numbers(workers: int, validate: int) -> None:
    """Refuse a number of threads that nobody means, and a negative number of steps."""
    if not 0 <= workers <= 64:
        raise InputError(f"workers {workers} is no number of threads to read ahead with; use 0 to 64.")
    if validate < 0:
        raise InputError(f"validate {validate} is no number of steps; use 100, for instance, or leave it out.")


def dry_run_of(source, settings, options: Options, steps: int, tflops: float) -> dict:
    """Time a few steps of a run and estimate the rest."""
    from ..training.dry_run import dry_run

    found = dry_run(source, settings, steps, options.device, options.workers)
    return {**found.to_json(tflops), "text": found.text(tflops)}
