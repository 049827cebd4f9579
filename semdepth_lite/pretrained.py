"""Trained weights that come with the package: the lite network of four methods, in half precision.

They are the first seeds of the experiment `variants`, trained no longer than the lessons' networks: longer trainings of
the baseline were no better on validation scenes.
`python -m semdepth_lite reproduce --experiment variants` trains them; `python -m semdepth_lite.pretrained runs` writes
NAME.pt and its card NAME.json from the run folders. The card holds the settings, the two commands, the file's hash,
what the training cost, and how the rounded weights do on the test scenes.
"""
from __future__ import annotations

import hashlib
import io
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from .common import InputError, pick_device, read_json, write_atomically, write_json
from .model import Model
from .presets import evaluate_model, find_preset, recipe, street
from .singles import rounded
from .sources import Source
from .training import Run, TrainSettings, load_checkpoint
from .weights import check_state

FOLDER = Path(__file__).resolve().parent / "pretrained_weights"
# the variants, each with the run folder of its first seed
PRETRAINED = {"baseline": "baseline-1-learned-0", "seedepth": "variants-3-seedepth-0",
              "semdepth": "variants-4-semdepth-0", "combined": "variants-5-combined-0"}
PRESET = "lesson"
COMMANDS = ("python -m semdepth_lite reproduce --experiment variants", "python -m semdepth_lite.pretrained runs")


def pretrained_settings(name: str) -> TrainSettings:
    """Return what one of them was trained with.

    Raises:
        InputError: if there is none of that name.
    """
    return recipe(PRESET, variant=check_name(name))


def check_name(name: str) -> str:
    """Return the name, or refuse one that no weights have."""
    if name not in PRETRAINED:
        raise InputError(f"there are no pretrained weights {name!r}; use one of {', '.join(PRETRAINED)}.")
    return name


def pretrained_card(name: str, folder: Path = FOLDER) -> dict:
    """Return what is known of pretrained weights: settings, height, width, commands, sha256, cost, test metrics.

    Raises:
        InputError: if there are none of that name.
    """
    return read_json(Path(folder) / f"{check_name(name)}.json")


def load_pretrained(name: str, device: str = "auto", folder: Path = FOLDER) -> Model:
    """Load a trained network of the lite family, in evaluation mode and single precision.

    Args:
        name: baseline, seedepth, semdepth or combined.
        device: where to, `auto` for CUDA where there is one.
        folder: of the weights.

    Raises:
        InputError: if there are none of that name, or the file is not the one its card describes.
    """
    card, path = pretrained_card(name, folder), Path(folder) / f"{name}.pt"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise InputError(f"{path} is not the file that its card describes; install the package again.")
    half = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return _whole(TrainSettings(**card["settings"]), half, path.name).to(pick_device(device))


def _whole(settings: TrainSettings, half: dict[str, torch.Tensor], where: str) -> Model:
    """Build a model in evaluation mode and give it weights of half precision, read from the file `where`."""
    model = settings.build()
    state = {key: value.float() if value.is_floating_point() else value for key, value in half.items()}
    check_state(state, model.state_dict(), where)
    model.load_state_dict(state)
    return model.eval()


def network(which: str, settings: TrainSettings, source: Source, folder: Path) -> tuple[Model, float]:
    """Return a lesson's network and the processor seconds that its training took.

    Args:
        which: "pretrained", the weights that come with the package, or "trained here".
        settings: of the training; of pretrained weights only the variant counts.
        source: what to train on.
        folder: run folder; a finished run of these settings in it is loaded.

    Raises:
        InputError: if `which` is neither, or there are no pretrained weights of the variant.
    """
    if which == "pretrained":
        return load_pretrained(settings.variant, "cpu"), pretrained_card(settings.variant)["cpu_seconds"]
    if which != "trained here":
        raise InputError(f"networks {which!r} is unknown; use 'pretrained' or 'trained here'.")
    run = Run(source, settings, folder)
    return run.train(progress=False).cpu(), run.cost()["cpu_seconds"]


def write_pretrained(name: str, run: Path, folder: Path = FOLDER) -> dict:
    """Write the weights of a finished run in half precision, judge what was written, and write its card.

    Args:
        name: whose weights they are.
        run: its run folder.
        folder: to write to.

    Returns:
        The card.

    Raises:
        InputError: if the run has other settings, or is not finished.
    """
    settings, checkpoint = pretrained_settings(name), load_checkpoint(Path(run) / "checkpoint.pt")
    if checkpoint["settings"] != asdict(settings) or checkpoint["step"] < settings.steps:
        raise InputError(f"{run} does not hold the finished training of {name}; run `{COMMANDS[0]}` first.")
    half = {key: value.half() if value.is_floating_point() else value for key, value in checkpoint["model"].items()}
    whole, preset = io.BytesIO(), find_preset(PRESET)
    torch.save(half, whole)
    report = evaluate_model(_whole(settings, half, f"{name}.pt"), street("test", PRESET))
    card = {"name": name, "settings": asdict(settings), "height": preset.height, "width": preset.width,
            "commands": list(COMMANDS), "sha256": hashlib.sha256(whole.getbuffer()).hexdigest(),
            "cpu_seconds": round(checkpoint["cpu_seconds"]),
            "test": {metric: rounded(value) for metric, value in report.means.items()}}
    write_atomically(Path(folder) / f"{name}.pt", lambda path: path.write_bytes(whole.getbuffer()))
    write_json(Path(folder) / f"{name}.json", card)
    return card


def main(work: str = "runs") -> None:
    """Write the weights of every finished training in a folder of run folders."""
    for name, folder in PRETRAINED.items():
        if (Path(work) / folder / "checkpoint.pt").exists():
            card = write_pretrained(name, Path(work) / folder)
            print(f"{name}: AbsRel {card['test']['abs_rel']:.3f} on the test scenes, {card['cpu_seconds']} s to train")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InputError as error:
        raise SystemExit(f"semdepth-lite: {error}") from None
