"""A puzzle, one of the hardest exercises: fool the loss with a texture.

Many answers are right here, so an answer is judged by what it achieves: the trial returns zeros if it does what was
asked, and otherwise the numbers by which a known wrong answer is recognized.
"""
from __future__ import annotations

from collections.abc import Callable

import torch

from .exercise import Case, Exercise, Mistake

COLUMNS = 96


def wall_errors(paint: Callable, true_shift: float, wrong_shift: float) -> tuple[float, float, float]:
    """Measure a painted wall that two cameras see side by side.

    Args:
        paint: Brightness by position, in pixels of the target.
        true_shift: Pixels by which the wall moves between the two images.
        wrong_shift: Pixels by which it would move at the wrong depth.

    Returns:
        Mean error at the true depth, at the wrong depth, and the standard deviation of the brightness.
    """
    columns = torch.arange(COLUMNS, dtype=torch.float64)
    target = paint(columns)

    def error(shift: float) -> float:
        place = columns - shift  # where the warp reads the source, whose column v shows the paint at v + true_shift
        left = place.floor()
        share = place - left
        read = (1 - share) * paint(left + true_shift) + share * paint(left + 1 + true_shift)
        return float((read - target).abs().mean())
    return error(true_shift), error(wrong_shift), float(target.std())


def fooled(answer: Callable) -> Callable:
    """Judge a paint by what the loss makes of it: zeros if the wrong depth costs less than half of the true one.

    Otherwise a 1 and what was measured: a black wall measures 0 everywhere, and is no right answer.
    """
    def trial(true_shift, wrong_shift):
        paint = answer(true_shift, wrong_shift)
        if paint is None:
            return None
        values, again = (paint(torch.arange(COLUMNS, dtype=torch.float64)) for _ in range(2))
        if not torch.equal(values, again):
            return torch.full((6,), torch.nan)  # another wall at each look: whatever it measures is chance
        at_truth, at_wrong, contrast = wall_errors(paint, true_shift, wrong_shift)
        allowed = bool((values >= -1e-6).all() and (values <= 1 + 1e-6).all())
        if at_wrong < 0.5 * at_truth and contrast > 0.1 and allowed:
            return torch.zeros(6)
        return torch.tensor([1.0, at_truth, at_wrong, contrast, float(values.min()), float(values.max())])
    return trial


def tell_paint(found: torch.Tensor) -> str:
    """Say what the loss makes of a paint."""
    _, at_truth, at_wrong, contrast, lowest, highest = found.tolist()
    if lowest < -1e-6 or highest > 1 + 1e-6:
        return f"your brightness runs from {lowest:.2f} to {highest:.2f}; between 0 and 1 can be painted."
    return (f"the error is {at_truth:.3f} at the true depth and {at_wrong:.3f} at the wrong one, where less than half "
            f"is asked for; the standard deviation is {contrast:.2f}, and has to be above 0.1.")


def waves(period: float, low: float = 0.0, high: float = 1.0, turn: float = 2 * torch.pi) -> Callable:
    """Return a paint of smooth stripes, whose sine goes by `turn` in each period."""
    def paint(x: torch.Tensor) -> torch.Tensor:
        return low + (high - low) * (0.5 + 0.5 * torch.sin(turn * x / period))
    return paint


TRAP = Exercise(
    name="painted_trap", lesson="03_photometric_self_supervision", title="Paint a wall that fools the loss",
    difficulty=3, minutes=20, statement="""\
Two cameras stand side by side before a wall. Between their images the wall moves by `true_shift` pixels (not a whole
number); at a certain *wrong* depth it would move by `wrong_shift` pixels (a whole number). Paint the wall so that the
loss **prefers the wrong depth**: its error there must be less than half of the error at the truth. Return a function
`paint(x)` that takes a tensor of positions in pixels and returns the brightness there, between 0 and 1, with a standard
deviation of at least 0.1. Remember that the warp reads *between* pixels by mixing two of them.""",
    stub='''def my_painted_trap(true_shift, wrong_shift):
    ...  # your lines: return a function paint(x)''',
    hint="""\
Two thoughts. A pattern that repeats looks the same when it is moved by how much? And why is the error at the *truth*
not zero when the shift is not a whole number?""",
    solution='''def my_painted_trap(true_shift, wrong_shift):
    period = abs(wrong_shift - true_shift)

    def paint(x):
        return 0.5 + 0.5 * torch.sin(2 * torch.pi * x / period)
    return paint''',
    teaches="course.demos.depth_sweep", reference=lambda a, b: waves(abs(b - a)), trial=fooled, tells=tell_paint,
    cases=lambda: [Case((a + 0.5, b)) for a, b in ((int(torch.randint(3, 6, ())), 9), (9, 5), (7, 12))], mistakes=(
        Mistake("blank wall", lambda a, b: lambda x: torch.full_like(x, 0.5),
                "a blank wall prefers nothing; the brightness has to vary."),
        Mistake("period of the wrong shift", lambda a, b: waves(b),
                "your pattern repeats after the wrong shift; moved by which distance must it look the same?"),
        Mistake("period of the true shift", lambda a, b: waves(a),
                "your pattern repeats after the true shift, so the truth looks like no motion at all."),
        Mistake("period twice as long", lambda a, b: waves(2 * abs(b - a)),
                "at the wrong depth your stripes lie exactly on the gaps; they repeat too seldom."),
        Mistake("ramp", lambda a, b: lambda x: x / COLUMNS,
                "a ramp is different at every place, so the truth fits best; something has to repeat."),
        Mistake("rounded", lambda a, b: waves(round(abs(b - a))),
                "you round the period to whole pixels, and a pattern need not repeat after whole ones."),
        Mistake("sum of the shifts", lambda a, b: waves(a + b),
                "your pattern repeats after the sum of both shifts; only what lies between them counts."),
        Mistake("a turn of 1", lambda a, b: waves(abs(b - a), turn=1.0),
                "your stripes are more than six times as wide as you mean them: after which angle does a sine repeat?"),
        Mistake("a turn of 1, backward", lambda a, b: waves(-abs(b - a), turn=1.0),
                "your sine runs backward, which does no harm, and repeats more than six times too seldom, which does."),
        Mistake("degrees", lambda a, b: waves(abs(b - a), turn=360.0),
                "torch.sin takes radians: with 360 for a turn, your stripes repeat 57 times in what you mean as one."),
        Mistake("noise", lambda a, b: torch.rand_like,
                "your paint is another at each look, and both cameras see one wall: the same position has to get the "
                "same brightness."),
        Mistake("too dark", lambda a, b: waves(abs(b - a), -1.0, 1.0),
                "the idea is right, but a brightness below 0 cannot be painted."),
        Mistake("black wall", lambda a, b: torch.zeros_like,
                "a black wall looks right at every depth; the brightness has to vary."),
        Mistake("rounded down", lambda a, b: waves(abs(b - a) // 1),
                "you cut the period to whole pixels, and a pattern need not repeat after whole ones."),
        Mistake("a turn of 1, by the signed shift", lambda a, b: waves(b - a, turn=1.0),
                "your stripes are more than six times too wide: after which angle does a sine look the same again?"),
        Mistake("times the period", lambda a, b: waves(1 / abs(b - a)),
                "you multiply the position by the period where you should divide."),
        Mistake("product of the shifts", lambda a, b: waves(a * b),
                "your pattern repeats after the product of both shifts; only what lies between them counts."),
        Mistake("too faint", lambda a, b: waves(abs(b - a), 0.45, 0.55),
                "the idea is right, but the contrast is too low to be seen.")))

EXERCISES = (TRAP,)
