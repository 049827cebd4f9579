"""What a reader wrote is used: answers of this and of earlier lessons in the place of the package's functions."""
from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from types import FunctionType, SimpleNamespace

import torch

from .. import camera, losses, warp
from ..common.storage import read_json
from .checks import EXERCISES, judge
from .checks.record import KEPT
from .photo_training import Parts

EXERCISED = ("backproject", "source_pixels", "sample", "visible", "warp", "ssim", "photometric", "smoothness",
             "disp_to_depth", "photometric_loss", "training_step")  # lessons 01 to 04, the smaller ones first
REPLACED = {"backproject": camera.backproject, "sample": warp.sample, "warp": warp.warp, "ssim": losses.ssim_distance,
            "photometric": losses.photometric_error, "smoothness": losses.smoothness_loss,
            "disp_to_depth": camera.disp_to_depth}  # functions of the package that an answer may call


def yours(scope: Mapping[str, object]) -> Parts:
    """Take what the reader has written in place of the package's functions, as far as it passes its check.

    Answers of this notebook come first, then those that earlier lessons kept in this folder. Where an answer calls the
    package's function and the reader has written it too, it calls the reader's.

    Args:
        scope: Names of the notebook, `globals()`.
    """
    kept = read_json(KEPT) if KEPT.exists() else {}
    parts, answers, mine = Parts(), {}, {}
    for name, text in kept.items():  # each text brings its own helpers, whose names may be those of another's
        world = {"torch": torch, "camera": camera, "losses": losses, "F": torch.nn.functional}
        with suppress(Exception):  # whatever a reader's text raises, the package's function stays
            exec(compile(textwrap.dedent(text), f"<{name}>", "exec"), world)
        answers[name] = world.get(f"my_{name}")
    for name in EXERCISED:
        answer = scope.get(f"my_{name}", answers.get(name))
        if callable(answer) and judge(EXERCISES[name], answer, seed=0).passed:
            mine[name] = _noted(name, _joined(answer, mine, replace(parts, **mine)), parts.ran)
    return replace(parts, **mine, own=tuple(mine))


def _joined(answer: Callable, smaller: Mapping[str, Callable], composed: Parts) -> Callable:
    """Let an answer call the reader's smaller functions for the package's, or what is composed of them."""
    if not isinstance(answer, FunctionType):
        return answer
    of_package = {warp.warp: composed.warped, losses.photometric_error: composed.error,
                  **{REPLACED[name]: own for name, own in smaller.items() if name in REPLACED}}
    of_reader = {f"my_{name}": own for name, own in smaller.items()}

    def stands_for(name: str, value: object) -> object:
        if name in of_reader:
            return of_reader[name]
        if any(value is module for module in (camera, losses, warp)):
            return SimpleNamespace(**{key: of_package.get(each, each) if callable(each) else each
                                      for key, each in vars(value).items()})
        return of_package.get(value, value) if isinstance(value, FunctionType) else value

    world = {name: stands_for(name, value) for name, value in answer.__globals__.items()}
    joined = FunctionType(answer.__code__, world, answer.__name__, answer.__defaults__, answer.__closure__)
    joined.__kwdefaults__ = answer.__kwdefaults__
    return joined


def _noted(name: str, answer: Callable, ran: set[str]) -> Callable:
    """Let an answer note that it ran."""
    @wraps(answer)
    def call(*args, **keywords):
        ran.add(name)
        return answer(*args, **keywords)
    return call


def made_by(parts: Parts, used: tuple[str, ...]) -> str:
    """Say whose functions a training was made of.

    Args:
        parts: What it was put together from.
        used: Names of the reader's functions that ran, see `Training.used`.
    """
    idle = [name for name in parts.own if name not in used]
    others = [name for name in EXERCISED if name not in parts.own]
    words = f"This depth map was made by {len(used)} function{'s' * (len(used) != 1)} of yours"
    words += f" ({', '.join(used)})" if used else ""
    if idle:
        words += f". A larger one of yours does without {', '.join(idle)}"
    return words + (f". Yours can take the place of the package's: {', '.join(others)}." if others else "." if idle
                    else ": all of them.")
