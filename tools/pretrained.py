"""Write the weights and cards that come with the package.

`python -m semdepth_lite reproduce --experiment variants` (or masks) trains networks of depth, and `python -m
tools.pretrained RUNS` writes those whose run folder is there. `python -m tools.pretrained --segmenter RUNS` trains the
segmenter and writes it; it comes first, because its masks are given to depth.
"""
from __future__ import annotations

import hashlib
import io
import time
from dataclasses import asdict
from pathlib import Path

import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import kept_randomness, seed_everything
from semdepth_lite.common.storage import write_atomically, write_json
from semdepth_lite.data.sources import batches
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.prediction import evaluate_model
from semdepth_lite.evaluation.segmentation import evaluate_segmentation
from semdepth_lite.experiments.suites import find_experiment
from semdepth_lite.experiments.trial import Trial, rounded
from semdepth_lite.presets import find_preset, recipe, street
from semdepth_lite.pretrained import build_trained, check_name
from semdepth_lite.semantics import GIVEN, Segmenter
from semdepth_lite.training.batches import load_batch
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.preparation import count_classes, some_triplets
from semdepth_lite.training.segmenter import pretrain_segmenter
from semdepth_lite.weights import FOLDER
from tools import parser

# name to the experiment that trains it and its run there
TRAININGS = {"baseline": ("variants", "baseline-1-learned-0"), "seedepth": ("variants", "variants-3-seedepth-0"),
             "semdepth": ("variants", "variants-4-semdepth-0"), "combined": ("masks", "masks-1-small-combined-0"),
             "semdepth_segmenter": ("variants", "variants-6-semdepth_segmenter-0"),
             "showcase_baseline": ("showcase", "showcase-0-baseline-0"),
             "showcase_semantic": ("showcase", "showcase-1-semantic-0")}
COMMANDS = "python -m semdepth_lite reproduce --experiment {}", "python -m tools.pretrained runs"
PRESET = "lesson"  # whose scenes the segmenter learns from
# the segmenter sees the lesson's training scenes at so many times depth's height and width, for so many steps
SEGMENTER_SCALE, SEGMENTER_STEPS = 2, 1500


def training_of(name: str) -> Trial:
    """Return the run that trains one of them.

    Raises:
        InputError: If there is none of that name.
    """
    experiment, file = TRAININGS[check_name(name)]
    return next(trial for trial in find_experiment(experiment) if trial.file == file)


def write_pretrained(name: str, run: Path, folder: Path = FOLDER) -> dict:
    """Write the weights of a finished run in half precision, judge what was written, and write its card.

    Args:
        name: Name of the weights.
        run: Run folder of their training.
        folder: Folder to write to.

    Returns:
        The card.

    Raises:
        InputError: if the run has other settings, or is not finished.
    """
    trial, checkpoint = training_of(name), load_checkpoint(Path(run) / "checkpoint.pt")
    settings, size = trial.settings, find_preset(trial.preset)
    commands = [command.format(TRAININGS[name][0]) for command in COMMANDS]
    if settings is None or checkpoint["settings"] != asdict(settings) or checkpoint["step"] < settings.steps:
        raise InputError(f"{run} does not hold the finished training of {name}; run `{commands[0]}` first.")
    half = {key: value.half() if value.is_floating_point() else value for key, value in checkpoint["model"].items()}
    whole = io.BytesIO()
    torch.save(half, whole)
    report = evaluate_model(build_trained(settings, half, f"{name}.pt"), street("test", trial.preset))
    card = {"name": name, "settings": asdict(settings), "height": size.height, "width": size.width,
            "commands": commands, "sha256": hashlib.sha256(whole.getbuffer()).hexdigest(),
            "cpu_seconds": round(checkpoint["cpu_seconds"]),
            "test": {metric: rounded(value) for metric, value in report.means.items()}}
    write_atomically(Path(folder) / f"{name}.pt", lambda path: path.write_bytes(whole.getbuffer()))
    write_json(Path(folder) / f"{name}.json", card)
    return card


def train_segmenter(work: Path, progress: bool = True) -> tuple[Segmenter, float]:
    """Train the segmenter that comes with the package; return it with the processor seconds that it took."""
    source = street("train", PRESET, progress=progress).targets_at(SEGMENTER_SCALE)
    settings = recipe(PRESET, steps=SEGMENTER_STEPS)
    with kept_randomness():
        seed_everything(settings.seed)
        segmenter = Segmenter(GIVEN, scale=SEGMENTER_SCALE)
    began = time.process_time()
    pretrain_segmenter(segmenter, lambda step: load_batch(source, settings, step, torch.device("cpu")), settings.steps,
                       count_classes(some_triplets(source)), Path(work) / "segmenter.pt", progress=progress)
    return segmenter, time.process_time() - began


def write_segmenter(segmenter: Segmenter, cpu_seconds: float, folder: Path = FOLDER) -> dict:
    """Write a segmenter in half precision with its card: how it was made, and its test IoU at depth's size."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in segmenter.state_dict().items()}
    whole, judged, source = io.BytesIO(), Segmenter(GIVEN, scale=segmenter.scale), street("test", PRESET)
    torch.save(state, whole)
    judged.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    judged.freeze()
    larger = source.targets_at(segmenter.scale)

    def predict(batch: Triplet) -> torch.Tensor:
        return judged.packed(larger.triplet(batch.require("index").numpy()).target)[:, 0]

    scores = evaluate_segmentation(predict, batches(source))
    card = {"name": "segmenter", "networks": asdict(GIVEN), "height": larger.height, "width": larger.width,
            "scale": segmenter.scale, "steps": SEGMENTER_STEPS,
            "commands": ["python -m tools.pretrained --segmenter runs"],
            "sha256": hashlib.sha256(whole.getbuffer()).hexdigest(), "cpu_seconds": round(cpu_seconds),
            "test": {name: rounded(value) for name, value in scores.items()}}
    write_atomically(Path(folder) / "segmenter.pt", lambda path: path.write_bytes(whole.getbuffer()))
    write_json(Path(folder) / "segmenter.json", card)
    return card


def main() -> None:
    """Train and write the segmenter, or write the weights of every finished training in a folder of run folders."""
    command = parser(__doc__)
    command.add_argument("work", type=Path, nargs="?", default=Path("runs"), help="folder of run folders (runs)")
    command.add_argument("--segmenter", action="store_true", help="train and write the segmenter alone")
    args = command.parse_args()
    work = args.work
    if args.segmenter:
        card = write_segmenter(*train_segmenter(work))
        print(f"segmenter: mIoU {card['test']['miou']:.3f} on the test scenes, {card['cpu_seconds']} s to train")
        return
    for name, (_, folder) in TRAININGS.items():
        if (work / folder / "checkpoint.pt").exists():
            card = write_pretrained(name, work / folder)
            print(f"{name}: AbsRel {card['test']['abs_rel']:.3f} on the test scenes, {card['cpu_seconds']} s to train")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(f"semdepth-lite: {error}") from None
