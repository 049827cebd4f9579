"""Wrong answers that any exercise can meet: the right function, but one of its inputs was turned, changed or not used.

Notable: the sentences are made of the names of the arguments, so a new exercise has these answers for nothing.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import torch

from .compare import same
from .exercise import Case, Exercise


def _mask(arg) -> bool:
    return isinstance(arg, torch.Tensor) and arg.dtype == torch.bool


def _numbers(arg) -> bool:
    return isinstance(arg, torch.Tensor) and arg.dtype.is_floating_point


def _square(arg) -> bool:
    return _numbers(arg) and arg.dim() in (2, 3) and arg.shape[-1] == arg.shape[-2] and arg.shape[-1] in (3, 4)


def _motion(arg) -> bool:
    return _square(arg) and arg.shape[-1] == 4


def _without_rotation(T: torch.Tensor) -> torch.Tensor:
    changed = T.clone()
    changed[..., :3, :3] = torch.eye(3)
    return changed


def _without_translation(T: torch.Tensor) -> torch.Tensor:
    changed = T.clone()
    changed[..., :3, 3] = 0
    return changed


def _translation_negated(T: torch.Tensor) -> torch.Tensor:
    changed = T.clone()
    changed[..., :3, 3] *= -1
    return changed


def _rotation_turned(T: torch.Tensor) -> torch.Tensor:
    changed = T.clone()
    changed[..., :3, :3] = T[..., :3, :3].mT
    return changed


def _map(arg) -> bool:
    return _numbers(arg) and not _square(arg)


def _rest(arg: torch.Tensor) -> torch.Tensor:
    return 1 - arg


def _safety() -> Iterator[tuple[Callable, str, Callable]]:
    """List what is put in for safety, or because tables of the field do: ends that cut a number, and small numbers."""
    for low, high in ((0, None), (1e-2, None), (0.1, None), (0.5, None), (1, None), (None, 1), (0, 1), (None, 50),
                      (None, 80), (None, 100), (0.1, 80), (0.1, 100), (1, 80)):
        ends = [f"{word} {end:g}" for word, end in (("below", low), ("above", high)) if end is not None]
        yield (_map, "{} is cut on its way: nothing " + " or ".join(ends) + " is left of it",
               lambda arg, low=low, high=high: arg.clamp(low, high))
    for number in (1, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        yield _map, f"to {{}} you add {number:g}", lambda arg, number=number: arg + number


SAFETY = tuple(_safety())
CHANGES: tuple[tuple[Callable, str, Callable], ...] = (
    (_mask, "your result does not depend on {}: all places take part", torch.ones_like),
    (_mask, "{} is used upside down: just the places count that should not", torch.logical_not),
    (_square, "{} is transposed on its way", lambda arg: arg.mT),
    (_square, "{} should be used as it is, and you use its inverse, or the other way round", torch.linalg.inv),
    (_motion, "your result does not depend on the rotation of {}", _without_rotation),
    (_motion, "your result does not depend on the translation of {}", _without_translation),
    (_motion, "the translation of {} has the wrong sign", _translation_negated),
    (_motion, "the rotation of {} turns the wrong way", _rotation_turned),
    (_square, "your result does not depend on {}", lambda arg: torch.eye(arg.shape[-1]).expand_as(arg)),
    (_numbers, "you use 1 divided by {}", torch.reciprocal),
    (_numbers, "{} has the wrong sign", torch.neg),
    (_numbers, "your result does not depend on {}, as if it were 1 everywhere", torch.ones_like),
    (_numbers, "your result does not depend on {}, as if it were 0 everywhere", torch.zeros_like),
    (_numbers, "you take the logarithm of {}", torch.log),
    (_numbers, "you take the exponential of {}", torch.exp),
    (_numbers, "{} counts twice: you use its square", torch.square),
    (_numbers, "you use the absolute value of {}", torch.abs),
    (_map, "you use 1 minus {}", _rest),
    (_numbers, "{} is rounded to whole numbers on its way", torch.round),
    (_numbers, "{} is cut to whole numbers on its way", torch.trunc),
    (lambda arg: _numbers(arg) and arg.dim() == 4 and arg.shape[1] > 1, "the channels of {} are averaged first",
     lambda arg: arg.mean(1, keepdim=True).expand_as(arg)),
    (lambda arg: _numbers(arg) and arg.dim() == 4 and arg.shape[1] == 2, "the two channels of {} are exchanged",
     lambda arg: arg.flip(1)),
    (lambda arg: isinstance(arg, torch.Tensor) and arg.dim() > 1, "{} of the first image is used for all",
     lambda arg: arg[:1].expand_as(arg)),
    (lambda arg: isinstance(arg, float), "your result does not depend on {}, as if it were 0", lambda arg: 0.0),
    (lambda arg: isinstance(arg, float), "your result does not depend on {}, as if it were 1", lambda arg: 1.0),
    (lambda arg: isinstance(arg, float), "{} has the wrong sign", lambda arg: -arg), *SAFETY)


# z > 1 is log(z) > 0, and nobody took a log
LIMITS = (torch.log, torch.exp, torch.square, torch.round, torch.trunc, _rest, *(change for _, _, change in SAFETY))


def changed_input(exercise: Exercise, cases: Sequence[Case], given: Sequence, names: Sequence[str]) -> str:
    """Say which input was changed, exchanged or left out; empty if no such change gives what was given."""
    if exercise.trial is not None or any(len(case.args) != len(names) for case in cases):
        return ""
    masks = all(isinstance(result, torch.Tensor) and result.dtype == torch.bool for result in given)
    for words, change in _changes(cases, names, masks):
        with suppress(Exception):  # a change may make inputs that the reference refuses
            found = [exercise.reference(*change(case.args)) for case in cases]
            if all(same(result, wrong) for result, wrong in zip(given, found)) and not _near(exercise, cases, found):
                return words
    return ""


def _near(exercise: Exercise, cases: Sequence[Case], found: Sequence) -> bool:
    """Tell whether a change does so little that the rounding of a right answer could do the same."""
    return all(same(wrong, exercise.reference(*case.args), 3.0) for case, wrong in zip(cases, found))


def _changes(cases: Sequence[Case], names: Sequence[str], masks: bool) -> Iterator[tuple[str, Callable]]:
    """List the changes that fit every case, with their words; of masks none that only moves a limit, as a log does."""
    for place, name in enumerate(names):
        for fits, words, change in CHANGES:
            if all(fits(case.args[place]) for case in cases) and not (masks and change in LIMITS):
                yield words.format(f"`{name}`"), lambda args, place=place, change=change: [
                    change(arg) if k == place else arg for k, arg in enumerate(args)]
    for one, first in enumerate(names):
        for two in range(one + 1, len(names)):
            yield f"`{first}` and `{names[two]}` are exchanged", lambda args, one=one, two=two: [
                args[two] if k == one else args[one] if k == two else arg for k, arg in enumerate(args)]
