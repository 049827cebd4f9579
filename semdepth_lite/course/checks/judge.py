"""The judge: runs an answer on random inputs beside the package's own function, and names the mistake it recognizes.

A wrong answer is recognized by computing every known wrong answer on the same inputs and comparing. Nothing here
raises because of what a reader wrote: Run All must go through, so each outcome is one line of words.
"""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .exercise import Case, Exercise

MARKS = {"right": "OK", "open": "NOT YET", "wrong": "LOOK AGAIN"}


@dataclass(frozen=True)
class Verdict:
    """What the judge says; a notebook shows it as one line.

    Attributes:
        name: Name of the exercise.
        outcome: One of right, open (nothing was written yet) and wrong.
        text: Words of the verdict.
        mistake: Name of the recognized mistake, if any.
        seed: Seed of the inputs, to repeat the check with `seed=`.
    """

    name: str
    outcome: str
    text: str
    mistake: str | None
    seed: int

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.outcome == "right"

    def __repr__(self) -> str:
        return f"{MARKS[self.outcome]}  checks.{self.name}: {self.text}"


def judge(exercise: Exercise, answer: Callable, seed: int | None = None) -> Verdict:
    """Judge a reader's function on random inputs.

    Args:
        exercise: Exercise that was set.
        answer: The reader's function.
        seed: Seed of the inputs; None = new ones each time.

    Returns:
        The verdict; no error of the reader's function escapes.
    """
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed

    def say(outcome: str, text: str, mistake: str | None = None) -> Verdict:
        return Verdict(exercise.name, outcome, text, mistake, seed)

    if not callable(answer):
        return say("wrong", f"pass the function itself, {exercise.answer}, without calling it.", "not a function")
    tried = exercise.trial or (lambda function: function)
    answer, reference = tried(answer), tried(exercise.reference)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cases = exercise.cases()
        expected = [case.expected if case.expected is not None else reference(*_copies(case.args))
                    for case in cases]
        given = []
        for case in cases:
            args = _copies(case.args)
            try:
                given.append(answer(*args))
            except NotImplementedError:
                given.append(None)
            except Exception as error:
                return say("wrong", f"your function raised {type(error).__name__}: {_first_line(error)} "
                                    f"(inputs: {_describe(case.args)}).", "raised")
            if not all(_same(a, b) for a, b in zip(args, case.args)):
                return say("wrong", "your function changes its input in place, and whoever called it loses it; work "
                                    "on a copy (.clone()) or write the result to a new tensor.", "in place")
        if all(result is None for result in given):
            return say("open", "the function returns nothing yet. Write its body, run the cell again, and open the "
                               "hint if you are stuck.")
        if all(_same(result, right) for result, right in zip(given, expected)):
            return _judge_gradient(exercise, answer, cases[0], say, len(cases))
        for mistake in exercise.mistakes:
            if _makes(tried(mistake.wrong), cases, given):
                return say("wrong", mistake.says, mistake.name)
        return say("wrong", _unknown(cases, given, expected, seed))


def _judge_gradient(exercise: Exercise, answer: Callable, case: Case, say: Callable, count: int) -> Verdict:
    """Say that the values are right, once the gradient has been looked at where one is asked for."""
    praise = f"right on {count} random inputs, like semdepth_lite.{exercise.teaches}"
    if exercise.gradient is None:
        return say("right", praise + ".")
    gradients = []
    for function in (exercise.reference, answer):
        args = _copies(case.args)
        args[exercise.gradient].requires_grad_()
        out = _tensors(function(*args))[0]
        if not out.requires_grad:
            return say("wrong", "the values are right, but no gradient comes back to the input, so a network could not "
                                "learn through this; .item(), .detach(), numpy and no_grad cut it off.", "detached")
        gradients.append(torch.autograd.grad(out.sum(), args[exercise.gradient])[0])
    if not _same(*gradients[::-1]):
        return say("wrong", "the values are right, but the gradient is another; look for a rounding, a comparison or "
                            "a part that is detached.", "other gradient")
    return say("right", praise + ", gradient included.")


def _makes(wrong: Callable, cases: list[Case], given: list) -> bool:
    """Tell whether a known wrong answer gives just what the reader's function gave."""
    for case, result in zip(cases, given):
        try:
            if not _same(result, wrong(*_copies(case.args))):
                return False
        except Exception:  # this wrong answer cannot even be computed here
            return False
    return True


def _unknown(cases: list[Case], given: list, expected: list, seed: int) -> str:
    """Say what can be said about an answer that is wrong in an unknown way."""
    again = f" (The same inputs again: seed={seed}.)"
    bad = [i for i, (result, right) in enumerate(zip(given, expected)) if not _same(result, right)]
    case, result, right = cases[bad[0]], given[bad[0]], expected[bad[0]]
    if result is None:
        return f"your function returns nothing for {case.note or 'some inputs'}; is there a path without a return?"
    if len(bad) < len(cases) and case.note:
        return f"right on {len(cases) - len(bad)} of {len(cases)} inputs, but not for {case.note}." + again
    try:
        result, right = _tensors(result), _tensors(right)
    except (TypeError, ValueError, RuntimeError):
        return f"your function returns {type(given[bad[0]]).__name__}, expected {_describe(expected[bad[0]])}."
    shapes = [[tuple(x.shape) for x in some] for some in (result, right)]
    if shapes[0] != shapes[1]:
        return f"your result has shape {_shapes(shapes[0])}, expected {_shapes(shapes[1])}."
    a, b = (torch.cat([x.detach().flatten() for x in some]) for some in (result, right))
    if bool((a.isnan() & ~b.isnan()).any()):
        return "your result holds nan: look for a division by zero, a logarithm of zero or an empty mean." + again
    known = a.isfinite() & b.isfinite() & (b.abs() > 1e-6)
    ratio = a[known] / b[known]
    if len(ratio) and float(ratio.std(correction=0)) < 1e-3 * abs(float(ratio.mean())):
        return f"every value is {float(ratio.mean()):.3g} times what it should be; a factor or a sign is off." + again
    worst = float((a - b).nan_to_num().abs().max())
    share = 100 * float(((a - b).abs() > 1e-3 * (1 + b.abs())).float().mean())
    return (f"this is no mistake that the check knows: {share:.0f} % of the values differ, by up to {worst:.3g}. Try a "
            "tiny input by hand." + again)


def _copies(args) -> list:
    return [arg.detach().clone() if isinstance(arg, torch.Tensor) else arg for arg in args]


def _tensors(value) -> list[torch.Tensor]:
    """Bring a tensor, a number, or a tuple or list of them to a list of float64 tensors."""
    if isinstance(value, (tuple, list)):
        return [x for item in value for x in _tensors(item)]
    return [torch.as_tensor(value).to(torch.float64)]


def _same(given, expected) -> bool:
    """Compare within what float32 allows; shapes must agree, nan equals nan."""
    if given is None or expected is None:
        return given is expected
    try:
        given, expected = _tensors(given), _tensors(expected)
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


def _describe(value) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(_describe(item) for item in value)
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {_shapes([tuple(value.shape)])}"
    return repr(value)


def _shapes(shapes: list[tuple]) -> str:
    return ", ".join("x".join(map(str, shape)) or "()" for shape in shapes)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")
