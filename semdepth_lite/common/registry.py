"""Parts of your own: registered under a name, so that settings, run folders and the command line can name them.

A run folder records name, module and hash of the source of each, so that other code is not taken for the one that
trained.
"""
from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from .contracts import InputError

# what a part of each kind is called with
KINDS = {"fusion": ("depth_channels", "semantic_channels", "classes"), "encoder": (),
         "loss": ("prediction", "batch", "settings"), "source": ("place", "height", "width")}
_PARTS: dict[tuple[str, str], Callable[..., Any]] = {}


def register(kind: str, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that makes a class or function known under a name.

    Args:
        kind: Kind of part. fusion: called with (depth_channels, semantic_channels, classes), gives a module called with
            (level, depth feature, `semantics.Guidance`);
            encoder: called without arguments, returns a module with `channels` of its five feature maps at strides 2
            to 32, which it returns for images (B, 3, H, W) in [0, 1];
            loss: called with (`Prediction`, `Triplet`, `LossSettings`), returns `LossTerms`;
            source: called with the text after "NAME:", height and width, returns a `data.sources.Source`.
        name: Name to register under; registering again replaces, as running a notebook cell twice does.

    Raises:
        InputError: If the kind is unknown, or the part cannot be called in this manner.
    """
    if kind not in KINDS:
        raise InputError(f"there is no kind of part {kind!r}; use one of {', '.join(KINDS)}.")

    def remember(part: Callable[..., Any]) -> Callable[..., Any]:
        _check_call(part, kind, name)
        _PARTS[kind, name] = part
        return part

    return remember


def _check_call(part: Callable[..., Any], kind: str, name: str) -> None:
    """Refuse a part that cannot be called as those of its kind are; of some built-in ones Python does not know."""
    try:
        signature = inspect.signature(part)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*KINDS[kind])
    except TypeError:
        raise InputError(f"the {kind} {name!r} takes {signature}, and is called with ({', '.join(KINDS[kind])}); "
                         "let it take these.") from None


def find_part(kind: str, name: str) -> Callable[..., Any] | None:
    """Return the part of that name, or None if nothing is registered under it."""
    return _PARTS.get((kind, name))


def get_part(kind: str, name: str) -> Callable[..., Any]:
    """Return the part of that name.

    Raises:
        InputError: If nothing is registered under it.
    """
    part = find_part(kind, name)
    if part is None:
        raise InputError(f"no {kind} is registered as {name!r}; import the file that calls `register` first.")
    return part


def origin(part: Callable[..., Any]) -> dict[str, str | None]:
    """Return where a class or function comes from: its name, its module, and the SHA-256 of its source text.

    Of an object that is called, such as a module, it is the class that counts; of a `partial` its function and the
    values. The hash is None where Python does not know the source, as in an interactive session.
    """
    values = ""
    if isinstance(part, partial):
        part, values = part.func, f"{part.args} {sorted(part.keywords.items())}"
    if not hasattr(part, "__qualname__"):
        part = type(part)
    try:
        source = inspect.getsource(part)
    except (OSError, TypeError):
        source = _source_of_methods(part)
    digest = hashlib.sha256((source + values).encode()).hexdigest() if source else None
    return {"name": part.__qualname__, "module": part.__module__, "sha256": digest}


def _source_of_methods(part: Callable[..., Any]) -> str:
    """Return the source of a class's functions; a notebook knows that of functions, but not that of classes."""
    try:
        return "".join(inspect.getsource(function) for function in vars(part).values() if inspect.isfunction(function))
    except (OSError, TypeError):
        return ""
