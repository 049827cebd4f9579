"""Write the weights and cards that come with the package.

`python -m tools.pretrained RUNS` reads a folder of run folders.
"""
from __future__ import annotations

import hashlib
import io
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import write_atomically, write_json
from semdepth_lite.evaluation.prediction import evaluate_model
from semdepth_lite.experiments.trial import rounded
from semdepth_lite.presets import find_preset, recipe, street
from semdepth_lite.pretrained import FOLDER, PRETRAINED, _whole, check_name
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.settings import TrainSettings

PRESET = "lesson"
COMMANDS = ("python -m semdepth_lite reproduce --experiment variants", "python -m tools.pretrained runs")


def pretrained_settings(name: str) -> TrainSettings:
    """Return what one of them was trained with.

    Raises:
        InputError: if there is none of that name.
    """
    return recipe(PRESET, variant=check_name(name))


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
