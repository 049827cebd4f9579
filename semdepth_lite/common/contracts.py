"""What every folder relies on: contracts of shapes, image sizes, types and choices, and the two kinds of errors.

Fixed letters in shape contracts: B batch, C channels, H height, W width, N points, S source frames.
"""
from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


MAX_PIXELS = 2**26  # of one image: more than any camera, less than would fill the memory


class InputError(ValueError):
    """Invalid input; the message names the value, what was expected and how to fix it."""


class RunFailed(RuntimeError):
    """Something broke that no other input would have prevented; the message is one sentence with what to try."""


def check_sizes(tensor: torch.Tensor, name: str, shape: str, **sizes: int) -> dict[str, int]:
    """Hold a tensor against a shape contract and return the size of each letter.

    A digit in `shape` is that very size; a letter stands for any size, but for one size throughout,
    also across calls when the letters of an earlier call are passed on as `sizes`.

    Args:
        tensor: The tensor to check.
        name: Name of the tensor in messages.
        shape: One character for each dimension, such as "B3HW".
        sizes: Sizes that letters already have.

    Returns:
        The sizes of all letters, for the next call.

    Raises:
        InputError: if it is no tensor, or the number of dimensions or a size differs.
    """
    if not hasattr(tensor, "detach"):  # torch's own mark; torch is not imported here
        found = f"a {type(tensor).__module__} array" if hasattr(tensor, "dtype") else repr(str(tensor)[:40])
        remedy = "; use torch.from_numpy" if hasattr(tensor, "dtype") else ""
        raise InputError(f"{name} is {found}, expected a tensor of shape {'x'.join(shape)}{remedy}.")
    actual = tuple(tensor.shape)
    if len(actual) == len(shape):
        for letter, size in zip(shape, actual):
            expected = int(letter) if letter.isdigit() else sizes.setdefault(letter, size)
            if size != expected:
                break
        else:
            return sizes
    known = ", ".join(f"{k}={v}" for k, v in sizes.items())
    raise InputError(f"{name} has shape {actual}, expected {'x'.join(shape)}" + (f" with {known}." if known else "."))


def check_divisible(height: int, width: int, factor: int = 32) -> None:
    """Refuse an image size that the encoder cannot halve five times, two pixels being left, or that no camera has.

    Raises:
        InputError: if height or width is not a multiple of `factor` (pixels), two times `factor` or more, or both
            together make more than `MAX_PIXELS`.
    """
    for name, size in (("height", height), ("width", width)):
        if size < 2 * factor or size % factor:
            near = max(2 * factor, round(size / factor) * factor)
            raise InputError(f"{name} {size} is not a positive multiple of {factor} from {2 * factor} on, because the "
                             f"encoder halves the image five times and needs two pixels then; use {near}.")
    check_pixels(height, width)


def check_pixels(height: int, width: int) -> None:
    """Refuse an image size that no camera has.

    Raises:
        InputError: if height and width (pixels) together make more than `MAX_PIXELS`.
    """
    if height * width > MAX_PIXELS:
        raise InputError(f"height {height} and width {width} make more than the {MAX_PIXELS} pixels accepted here; use "
                         "192 and 640, for instance.")


_KINDS = {"int": (Integral, "a whole number"), "float": (Real, "a number"), "str": (str, "a name"),
          "bool": (bool, "True or False")}


def check_types(settings: Any) -> None:
    """Refuse attributes of a dataclass that are of other types than it declares, such as steps of 1.5.

    What is declared as something else than a number, a name or a truth value is not looked at.

    Args:
        settings: Settings whose attributes are checked.

    Raises:
        InputError: naming the first such attribute.
    """
    for each in fields(settings):
        value, declared = getattr(settings, each.name), str(each.type).split(" | ")
        kinds = [_KINDS[kind] for kind in declared if kind in _KINDS]
        fits = any(isinstance(value, kind) and isinstance(value, bool) == (kind is bool) for kind, _ in kinds)
        if kinds and not fits and not (value is None and "None" in declared):
            raise InputError(f"{each.name} is {value!r}, expected {' or '.join(words for _, words in kinds)}.")


def check_choices(settings: object, choices: dict[str, tuple[str, ...]]) -> None:
    """Refuse attributes that are none of their choices.

    Args:
        settings: Settings whose attributes are checked.
        choices: Allowed values of each attribute.

    Raises:
        InputError: naming the first such attribute.
    """
    for name, allowed in choices.items():
        if getattr(settings, name) not in allowed:
            raise InputError(f"{name} {getattr(settings, name)!r} is unknown; use one of "
                             f"{', '.join(allowed)}.")
