"""Trained weights that come with the package: the lite network of four methods, in half precision.

They are the first seeds of the experiment `variants`, trained no longer than the lessons' networks: longer trainings of
the baseline were no better on validation scenes.
`python -m semdepth_lite reproduce --experiment variants` trains them; `python -m tools.pretrained runs` writes
NAME.pt and its card NAME.json from the run folders. The card holds the settings, the two commands, the file's hash,
what the training cost, and how the rounded weights do on the test scenes.
"""
from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch

from .common.contracts import InputError
from .common.runtime import pick_device
from .common.storage import read_json
from .model import Model
from .training.settings import TrainSettings
from .weights import check_state

FOLDER = Path(__file__).resolve().parent / "pretrained_weights"
# the variants, each with the run folder of its first seed
PRETRAINED = {"baseline": "baseline-1-learned-0", "seedepth": "variants-3-seedepth-0",
              "semdepth": "variants-4-semdepth-0", "combined": "variants-5-combined-0"}


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
