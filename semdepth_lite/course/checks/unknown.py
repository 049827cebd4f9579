"""What can be said of a wrong answer that is no known mistake of its exercise."""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import prod

import torch

from .compare import apart, copies, describe, flat, parts, same, shape_words, tensors
from .exercise import Case, Exercise
from .inputs import changed_input
from .relations import Pair, constant, relation, wrong_part

HAND = " Try a tiny input by hand."


def sentence(exercise: Exercise, answer: Callable, cases: Sequence[Case], given: Sequence, expected: Sequence,
             seed: int) -> str:
    """Say what can be said about an answer that is wrong in an unknown way.

    Args:
        exercise: Exercise that was set.
        answer: The reader's function, or its trial.
        cases: Inputs.
        given: What the reader's function returned for each.
        expected: What is right for each.
        seed: Seed of the inputs, to repeat the check.
    """
    again = f" (The same inputs again: seed={seed}.)"
    bad = [i for i, (result, right) in enumerate(zip(given, expected)) if not same(result, right)]
    case, result, right = cases[bad[0]], given[bad[0]], expected[bad[0]]
    if result is None:
        return f"your function returns nothing for {case.note or 'some inputs'}; is there a path without a return?"
    if wrong_form := form(result, right):
        return wrong_form
    if exercise.tells is not None and (words := exercise.tells(tensors(result)[0])):
        return words + again
    if len(bad) < len(cases) and case.note not in {"", *(each.note for i, each in enumerate(cases) if i not in bad)}:
        return f"right on {len(cases) - len(bad)} of {len(cases)} inputs, but not for {case.note}." + again
    mask = all(part.dtype == torch.bool for part in parts(right))
    if mask and not bool(((flat(result) == 0) | (flat(result) == 1)).all()):
        return "a mask is asked for, and your result holds other values than True and False." + again
    if found := _related(exercise, answer, cases, given, expected):
        return found + ("" if found[-1] == "?" else ".") + again
    if bool((flat(result).isnan() & ~flat(right).isnan()).any()):
        return ("your result holds nan: look for a division by zero, infinity times zero, a logarithm or root of what "
                "is not positive, or a mean of nothing or of nan." + again)
    a, b = flat(result), flat(right)
    if mask:
        return _mask_words(a, b) + HAND + again
    if bool((a.isinf() & b.isfinite()).any()):
        worst = "and some are infinite where they should not be"
    else:
        worst = f"by up to {float((a - b).masked_fill(b.isinf(), 0).nan_to_num().abs().max()):.3g}"
    differ = [apart(one, other).flatten() for one, other in zip(tensors(result), tensors(right))]
    share = 100 * float(torch.cat(differ).float().mean())
    return (f"this is no mistake that the check knows: {share:.0f} % of the values differ, {worst}." + HAND
            + again)


def form(result, right) -> str:
    """Say what is wrong with the type or the shape of a result; empty if nothing is."""
    if isinstance(result, (tuple, list)) and not isinstance(right, (tuple, list)):
        if hasattr(result, "indices"):
            return "along an axis torch returns the values and their places; take .values, or use amin and amax."
        return (f"your function returns a {type(result).__name__} of {len(result)} values; return one tensor "
                f"({describe(right)}): torch.stack makes one of several.")
    try:
        shapes = [[tuple(part.shape) for part in tensors(some)] for some in (result, right)]
    except (TypeError, ValueError, RuntimeError):
        return f"your function returns {type(result).__name__}, expected {describe(right)}."
    if shapes[0] == shapes[1]:
        return ""
    return f"your result has shape {shape_words(shapes[0])}, expected {shape_words(shapes[1])}{_shape_hint(*shapes)}."


def _shape_hint(given: list[tuple], right: list[tuple]) -> str:
    """Say what makes one shape of the other."""
    if len(given) != len(right):
        return f": {len(right)} things are asked for"
    if len(given) > 1 and sorted(given) == sorted(right):
        return ": the things asked for stand in another order"
    a, b = next((a, b) for a, b in zip(given, right) if a != b)
    if not b:
        return ": one number is asked for"
    if not a:
        return ": you averaged or added up over everything"
    if len(a) == len(b) == 1 and a < b:
        return ": some are left out, as by x[mask], and everything asked for keeps its place"
    lost = [axis for axis in range(len(b)) if a == (*b[:axis], *b[axis + 1:])]
    if lost == [0]:
        return ": the axis of the images is missing"
    if lost and any(b[axis] != 1 for axis in lost):
        return f": axis {lost[0]} is missing" if len(lost) == 1 else ": an axis is missing"
    if sorted(a) == sorted(b):
        return _order_words(a, b)
    if [n for n in a if n != 1] == [n for n in b if n != 1]:
        return (": an axis of size 1 is missing, and keepdim=True or [:, None] keeps it" if len(a) < len(b) else
                ": an axis of size 1 is too many")
    thin = [axis for axis in range(len(b)) if len(a) == len(b) and a[axis] != b[axis]]
    if len(thin) == 1 and a[thin[0]] == 1:
        return f": axis {thin[0]} was averaged, added up or cut, and should stay"
    if prod(a) == prod(b):
        return ": as many numbers, but another shape; view or reshape brings them there"
    less = [n - m for m, n in zip(a[-2:], b[-2:])] if len(a) == len(b) > 2 and a[:-2] == b[:-2] else [0]
    if less[0] == less[-1] in (1, 2):
        return ": it is smaller than the image, for it ends before the rim"
    if len(b) == 4 and min(less) > 0 and all(2 * m <= n for m, n in zip(a[-2:], b[-2:])):
        return ": it is much smaller than the image; a pooling goes on by its whole window, unless its stride is set"
    if len(thin) == 1:
        return f": axis {thin[0]} should hold {b[thin[0]]}, and holds {a[thin[0]]}"
    return ""


def _order_words(a: tuple, b: tuple) -> str:
    """Say how the axes of one shape stand in another order in the other."""
    last, moved = len(b) == 4 and a == (b[0], *b[2:], b[1]), sum(m != n for m, n in zip(a, b))
    if last and moved > 2:
        return ": the axis of the channels stands last; here it comes second"
    return ": two axes have changed places" if moved == 2 and not last else ": the axes stand in another order"


def _related(exercise: Exercise, answer: Callable, cases: Sequence[Case], given: Sequence, expected: Sequence) -> str:
    """Say how the whole answer, or the only part of it that is wrong, is related to the right one."""
    if any(form(result, right) for result, right in zip(given, expected)):
        return ""
    if not any(bool(flat(result).isfinite().any()) for result in given):
        return ""
    if (found := _everywhere(given, expected)) is not None:
        mask = any(part.dtype == torch.bool for right in expected for part in parts(right))
        return "" if mask else f"your result is {found:.3g} everywhere, whatever comes in"
    names = _names(exercise)
    if found := changed_input(exercise, cases, given, names):
        return found
    split = [list(zip(_things(result), _things(right))) for result, right in zip(given, expected)]
    wrong = [k for k in range(len(split[0])) if not all(same(*each[k]) for each in split)]
    pairs: list[Pair] = [(each[wrong[0]][0].detach(), each[wrong[0]][1].detach()) for each in split]
    if len(wrong) == 1 and exercise.parts:
        right = ", ".join(name for k, name in enumerate(exercise.parts) if k != wrong[0])
        inside = _of_mask(pairs) if parts(expected[0])[wrong[0]].dtype == torch.bool else relation(pairs)
        return f"{right}: right; {exercise.parts[wrong[0]]}: wrong" + (f", {inside}" if inside else "")
    if len(wrong) > 1:
        return ""
    return relation(pairs) or wrong_part(pairs, [case.args for case in cases], names,
                                         lambda: _mixed(exercise, answer, cases, given, expected))


def _mixed(exercise: Exercise, answer: Callable, cases: Sequence[Case], given: Sequence, expected: Sequence) -> bool:
    """Tell whether an image alone gets another answer than in its batch, where the right function gives it the same."""
    for case, result, right in zip(cases, given, expected):
        count = len(_things(right)[0])
        for k in range(count if count > 1 else 0):
            alone = [arg[k:k + 1] if isinstance(arg, torch.Tensor) and len(arg.shape) and len(arg) == count else arg
                     for arg in case.args]
            if _gives_slice(exercise.reference, alone, right, k) and not _gives_slice(answer, alone, result, k):
                return True
    return False


def _gives_slice(function: Callable, alone: Sequence, together, k: int) -> bool:
    """Tell whether a function gives an image alone what it gave in a batch, as the image of that number."""
    with suppress(Exception):  # a function that takes no image alone gives it nothing
        found = _things(function(*copies(alone)))
        return same(found, [thing[k:k + 1] for thing in _things(together)])
    return False


def _everywhere(given: Sequence, expected: Sequence) -> float | None:
    """Return the one number that an answer gives for whatever comes in; None if there is none, or if one is right."""
    if constant([flat(right) for right in expected]) is not None:
        return None
    return constant([flat(result) for result in given])


def _things(value) -> list[torch.Tensor]:
    """Bring what was returned to one tensor for each thing asked for; a list of numbers in a tuple is one thing."""
    found = [tensors(item) for item in value] if isinstance(value, tuple) else [[each] for each in tensors(value)]
    return [each[0] if len(each) == 1 else torch.stack(each) for each in found]


def _names(exercise: Exercise) -> list[str]:
    """Return the names of the arguments, as the stub has them."""
    found = re.search(rf"def {exercise.answer}\((.*?)\)", exercise.stub)
    return [] if found is None else [word.split("=")[0].strip() for word in found[1].split(",")]


def _of_mask(pairs: Sequence[Pair]) -> str:
    return _mask_words(*(torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))).rstrip(".")


def _mask_words(given: torch.Tensor, right: torch.Tensor) -> str:
    """Compare two masks by what was marked and what was left out."""
    many, few = int((given.bool() & ~right.bool()).sum()), int((~given.bool() & right.bool()).sum())
    why = (": a condition is missing, or a limit is too wide" if not few else
           ": a condition is too strict, or one too many" if not many else "")
    return f"your mask marks {many} places too many and leaves out {few} of {int(right.sum())}{why}."
