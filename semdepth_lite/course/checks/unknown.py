"""What can be said of a wrong answer that is no known mistake, and how two answers are compared."""
from __future__ import annotations

from collections.abc import Sequence

import torch

from .exercise import Case


def sentence(cases: Sequence[Case], given: Sequence, expected: Sequence, seed: int) -> str:
    """Say what can be said about an answer that is wrong in an unknown way.

    Args:
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
    if len(bad) < len(cases) and case.note:
        return f"right on {len(cases) - len(bad)} of {len(cases)} inputs, but not for {case.note}." + again
    if wrong_form := _form(result, right):
        return wrong_form
    a, b = _flat(result), _flat(right)
    if bool((a.isnan() & ~b.isnan()).any()):
        return "your result holds nan: look for a division by zero, a logarithm of zero or an empty mean." + again
    if all(part.dtype == torch.bool for part in _parts(right)):
        return (f"your mask marks {int((a.bool() & ~b.bool()).sum())} places too many and leaves out "
                f"{int((~a.bool() & b.bool()).sum())} of {int(b.sum())}. Try a tiny input by hand." + again)
    if factor := _factor(given, expected):
        return f"every value is {factor:.3g} times what it should be; a factor or a sign is off." + again
    worst = float((a - b).nan_to_num().abs().max())
    share = 100 * float(((a - b).abs() > 1e-3 * (1 + b.abs())).float().mean())
    return (f"this is no mistake that the check knows: {share:.0f} % of the values differ, by up to {worst:.3g}. Try a "
            "tiny input by hand." + again)


def _form(result, right) -> str:
    """Say what is wrong with the type or the shape of a result; empty if nothing is."""
    if isinstance(result, (tuple, list)) and not isinstance(right, (tuple, list)):
        return (f"your function returns a {type(result).__name__} of {len(result)} values; return one tensor "
                f"({describe(right)}): torch.stack makes one of several.")
    try:
        shapes = [[tuple(part.shape) for part in tensors(some)] for some in (result, right)]
    except (TypeError, ValueError, RuntimeError):
        return f"your function returns {type(result).__name__}, expected {describe(right)}."
    if shapes[0] != shapes[1]:
        return f"your result has shape {_shapes(shapes[0])}, expected {_shapes(shapes[1])}."
    return ""


def _factor(given: Sequence, expected: Sequence) -> float | None:
    """Return the one factor between all that is given and all that is expected; None if there is none, or it is 1."""
    if len(given) < 2 or any(_form(result, right) for result, right in zip(given, expected)):
        return None
    a, b = (torch.cat([_flat(each) for each in some]) for some in (given, expected))
    known = a.isfinite() & b.isfinite() & (b.abs() > 1e-6)
    ratio = a[known] / b[known]
    if len(ratio) < 2:
        return None
    factor = float(ratio.mean())
    steady = float(ratio.std(correction=0)) < 1e-3 * abs(factor)
    return factor if steady and abs(factor - 1) > 0.01 else None


def tensors(value) -> list[torch.Tensor]:
    """Bring a tensor, a number, or a tuple or list of them to a list of float64 tensors."""
    return [part.to(torch.float64) for part in _parts(value)]


def _parts(value) -> list[torch.Tensor]:
    if isinstance(value, (tuple, list)):
        return [x for item in value for x in _parts(item)]
    return [torch.as_tensor(value)]


def _flat(value) -> torch.Tensor:
    return torch.cat([part.detach().flatten() for part in tensors(value)])


def same(given, expected) -> bool:
    """Compare within what float32 allows; shapes must agree, nan equals nan."""
    if given is None or expected is None:
        return given is expected
    try:
        given, expected = tensors(given), tensors(expected)
    except (TypeError, ValueError, RuntimeError):
        return False
    if [x.shape for x in given] != [x.shape for x in expected]:
        return False
    for a, b in zip(given, expected):
        a, b = a.detach(), b.detach()
        finite = b[b.isfinite()].abs()
        size = float(finite.max()) if len(finite) else 1.0
        if not torch.allclose(a, b, rtol=1e-4, atol=1e-5 * size + 1e-7, equal_nan=True):
            return False
    return True


def describe(value) -> str:
    """Name the type and the shape of a value, or of several."""
    if isinstance(value, (tuple, list)):
        return ", ".join(describe(item) for item in value)
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {_shapes([tuple(value.shape)])}"
    return repr(value)


def _shapes(shapes: list[tuple]) -> str:
    return ", ".join("x".join(map(str, shape)) or "()" for shape in shapes)


def first_line(error: Exception) -> str:
    """Return the first line of an error's words, without its full stop."""
    return (str(error).splitlines() or [""])[0].rstrip(".")
