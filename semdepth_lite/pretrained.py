"""Trained weights that come with the package, in half precision: the lite network of several methods, and a segmenter.

Most are the first seeds of the experiment `variants`, trained no longer than the lessons' networks: longer trainings of
the baseline were no better on validation scenes. `combined` makes its masks from depth's own pixels. The segmenter of
twice the pixels gives its masks to the others, see `variants.FromSegmenter` and `weights.given_segmenter`. The two
`showcase` networks see four times the pixels; the pictures are drawn from them, see `course.showcase`.
`python -m tools.pretrained` writes NAME.pt and its card NAME.json: settings, the commands that made it, the file's
hash, what the training cost, and how the rounded weights do on the test scenes.
"""
from __future__ import annotations

from pathlib import Path

import torch

from .common.contracts import InputError, check_divisible
from .common.runtime import pick_device
from .model import Model
from .names import PRETRAINED
from .training.settings import TrainSettings
from .weights import CARD as ANY_CARD
from .weights import FOLDER, check_state, read_card, read_shipped

CARD = {**ANY_CARD, "settings": dict, "height": int, "width": int}  # what must stand on the card of a network


def check_name(name: str) -> str:
    """Return the name, or refuse one that no weights have."""
    if name not in PRETRAINED:
        raise InputError(f"there are no pretrained weights {name!r}; use one of {', '.join(PRETRAINED)}.")
    return name


def pretrained_card(name: str, folder: Path = FOLDER) -> dict:
    """Return what is known of pretrained weights: settings, height, width, commands, sha256, cost, test metrics.

    Raises:
        InputError: if there are none of that name, or the card lacks something.
    """
    card = read_card(check_name(name), folder, CARD)
    check_divisible(card["height"], card["width"])
    return card


def load_pretrained(name: str, device: str = "auto", folder: Path = FOLDER) -> Model:
    """Load a trained network of the lite family, in evaluation mode and single precision.

    Args:
        name: One of `PRETRAINED`.
        device: Device to load to, `auto` for CUDA where there is one.
        folder: Folder of the weights.

    Raises:
        InputError: if there are none of that name, or the file is not the one its card describes.
    """
    card, state = read_shipped(check_name(name), folder, CARD)
    try:
        settings = TrainSettings(**card["settings"])
    except TypeError as error:
        raise InputError(f"{name}.json holds settings that are not known here ({error}); install the package "
                         "again.") from error
    return build_trained(settings, state, f"{name}.pt").to(pick_device(device))


def build_trained(settings: TrainSettings, weights: dict[str, torch.Tensor], where: str) -> Model:
    """Build a model in single precision and evaluation mode from weights of any precision.

    Args:
        settings: Settings of its training.
        weights: State_dict.
        where: Name of its file, for messages.

    Raises:
        InputError: if the weights belong to another network.
    """
    model = settings.build()
    check_state(weights, model.state_dict(), where)
    model.load_state_dict(weights)  # which converts to the parameters' own type
    return model.eval()
