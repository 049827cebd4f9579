"""How two answers are compared, and how a value is described in a sentence."""
from __future__ import annotations

import torch


def same(given, expected, times: float = 1.0) -> bool:
    """Compare within what float32 allows, or some times that; shapes must agree, nan equals nan."""
    if given is None or expected is None:
        return given is expected
    try:
        given, expected = tensors(given), tensors(expected)
    except (TypeError, ValueError, RuntimeError):
        return False
    if [x.shape for x in given] != [x.shape for x in expected]:
        return False
    return all(torch.allclose(a.detach(), b.detach(), rtol=1e-4 * times, atol=times * tolerance(b),
                              equal_nan=True)
               for a, b in zip(given, expected))


def tolerance(expected: torch.Tensor) -> float:
    """Return the absolute difference that does not count, by the size of what is expected."""
    finite = expected.detach()[expected.isfinite()].abs()
    return 1e-5 * (float(finite.max()) if len(finite) else 1.0) + 1e-7


def apart(given: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Mark the numbers that differ by more than `same` allows; nan differs from nothing."""
    return (given - right).abs() > tolerance(right) + 1e-4 * right.abs()


def tensors(value) -> list[torch.Tensor]:
    """Bring a tensor, a number, or a tuple or list of them to a list of float64 tensors."""
    return [part.to(torch.float64) for part in parts(value)]


def parts(value) -> list[torch.Tensor]:
    """Bring a tensor, a number, or a tuple or list of them to a list of tensors, each of its own type."""
    return [torch.as_tensor(part) for part in leaves(value)]


def leaves(value) -> list:
    """List what stands in a tuple or list, in those inside of it too; anything else is one thing."""
    return [each for item in value for each in leaves(item)] if isinstance(value, (tuple, list)) else [value]


def copies(args) -> list:
    """Copy arguments, so that whoever changes one in place changes nobody else's."""
    return [arg.detach().clone() if isinstance(arg, torch.Tensor) else arg for arg in args]


def flat(value) -> torch.Tensor:
    """Bring a tensor, a number, or a tuple or list of them to one row of float64 numbers."""
    return torch.cat([part.detach().flatten() for part in tensors(value)])


def describe(value) -> str:
    """Name the type and the shape of a value, or of several."""
    if isinstance(value, (tuple, list)):
        return ", ".join(describe(item) for item in value)
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {shape_words([tuple(value.shape)])}"
    return repr(value)


def shape_words(shapes: list[tuple]) -> str:
    """Write shapes as one says them, such as 1x3x6x10."""
    return ", ".join("x".join(map(str, shape)) or "()" for shape in shapes)
