"""What goes into a model and what comes out of its parts, refused in one sentence.

A part may be a user's own, see `registry.register`; without these checks a shape that does not fit shows as an error of
torch, somewhere behind the part.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from .contracts import InputError

STRIDES = (2, 4, 8, 16, 32)  # of the encoder's feature maps


def check_range(images: torch.Tensor) -> None:
    """Refuse images that cannot be meant as values in [0, 1]; resizing may overshoot that a little.

    Where no value can be read, as while a network is traced or exported or under `torch.func.vmap`, nothing is checked.

    Raises:
        InputError: if a value lies more than a quarter outside, or is no number.
    """
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    if tracing or torch.compiler.is_compiling():
        return
    try:
        low, high = (float(value) for value in images.detach().aminmax())
    except RuntimeError:
        return
    if not (low >= -0.25 and high <= 1.25):
        raise InputError(f"images go from {low:g} to {high:g}, expected [0, 1]; divide bytes by 255, and leave out any "
                         "other normalization, which the network does itself.")


def check_built(part: object, what: str, name: str) -> None:
    """Refuse a part that is no module, and an encoder that does not tell the channels of its five feature maps.

    Args:
        part: What the registered class or function made.
        what: Kind of part, fusion or encoder.
        name: Name under which it is registered.

    Raises:
        InputError: if it is something else.
    """
    if not isinstance(part, nn.Module):
        raise InputError(f"the {what} {name!r} makes {_described(part)}, expected a torch.nn.Module.")
    if what == "encoder":
        _channels_of(part)


def check_features(features: Any, encoder: nn.Module, images: torch.Tensor) -> None:
    """Refuse what is not the five feature maps that an encoder promises.

    Args:
        features: What the encoder returned.
        encoder: Encoder, whose `channels` tell those of the maps.
        images: (B, 3, H, W) that it saw.

    Raises:
        InputError: naming the first map that does not fit.
    """
    name = f"the encoder {type(encoder).__name__}"
    if not isinstance(features, list | tuple) or len(features) != len(STRIDES):
        raise InputError(f"{name} returns {_described(features)}, expected a list of five feature maps, at strides "
                         f"{_words(STRIDES)}.")
    batch, _, height, width = images.shape
    for feature, count, stride in zip(features, _channels_of(encoder), STRIDES):
        _check_map(feature, (batch, count, height // stride, width // stride), images, f"{name} at stride {stride}")


def check_fused(fused: Any, depth: torch.Tensor, fusion: nn.Module, level: int) -> None:
    """Refuse what a fusion returns in place of a depth feature of its shape.

    Args:
        fused: What the fusion returned.
        depth: (B, C, h, w) depth feature that it was given.
        fusion: The fusion.
        level: Level of the depth decoder, 0 to 4.

    Raises:
        InputError: if it has another shape or type than the depth feature.
    """
    _check_map(fused, tuple(depth.shape), depth, f"the fusion {type(fusion).__name__} at level {level}")


def check_terms(terms: Any, kind: type, loss: object) -> None:
    """Refuse what is not the terms of a loss: tensors without dimensions, of which some may be None.

    Args:
        terms: What the loss returned.
        kind: Class of the terms, `losses.LossTerms`.
        loss: The loss.

    Raises:
        InputError: naming the first term that does not fit.
    """
    name = f"the loss {getattr(loss, '__name__', type(loss).__name__)}"
    if not isinstance(terms, kind):
        raise InputError(f"{name} returns {_described(terms)}, expected losses.{kind.__name__}(total, photometric, "
                         "smoothness).")
    for field in fields(terms):  # pyright: ignore[reportArgumentType]
        term = getattr(terms, field.name)
        if term is None and field.default is None:
            continue
        if not isinstance(term, torch.Tensor) or term.dim() or not term.is_floating_point():
            raise InputError(f"{name} returns {_described(term)} as {field.name}, expected one floating-point number "
                             "as a tensor of shape (); take its mean.")


def _channels_of(encoder: nn.Module) -> Sequence[int]:
    """Return the channels of an encoder's feature maps, or refuse an encoder that does not tell them."""
    channels: Any = getattr(encoder, "channels", None)
    if not (isinstance(channels, list | tuple) and len(channels) == len(STRIDES)
            and all(isinstance(count, int) and count > 0 for count in channels)):
        raise InputError(f"the encoder {type(encoder).__name__} has channels {channels!r}, expected five whole "
                         f"numbers, of its feature maps at strides {_words(STRIDES)}.")
    return channels


def _check_map(found: Any, shape: tuple[int, ...], like: torch.Tensor, name: str) -> None:
    """Refuse a feature map of another shape, or of another type where no autocast brings the types together."""
    if not isinstance(found, torch.Tensor) or found.shape != shape:
        raise InputError(f"{name} returns {_described(found)}, expected shape {tuple(shape)}.")
    if found.dtype != like.dtype and not torch.is_autocast_enabled(like.device.type):
        raise InputError(f"{name} returns {_type_of(found)}, expected {_type_of(like)}.")


def _described(value: Any) -> str:
    """Return what a value is, in words."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {_type_of(value)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _type_of(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _words(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
