"""Exercise checks: `checks.NAME(your_function)` says whether an answer is right, and which mistake it looks like.

Notable: an answer is run on random inputs beside the package's own function. A wrong one is compared with the known
wrong answers, each computed on the same inputs, and the mistake is named in a sentence. `checks.names()` lists the
exercises; `checks.report(path, name)` writes what was solved to a signed file for an instructor.
"""
from __future__ import annotations

from functools import partial

from . import borders, geometry, learning, measures, museum, photometry, puzzles, semantic, synthesis, warping
from .exercise import Case, Exercise, Mistake
from .judge import Verdict, judge
from .record import check, collect, read_report, report

FILES = (geometry, synthesis, warping, photometry, learning, semantic, borders, measures, museum, puzzles)
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for exercise in sorted(
    (exercise for file in FILES for exercise in file.EXERCISES), key=lambda exercise: exercise.lesson)}

__all__ = ["Case", "EXERCISES", "Exercise", "Mistake", "Verdict", "check", "collect", "judge", "names", "of_lesson",
           "read_report", "report"]


def names(lesson: str = "") -> list[str]:
    """List the exercises, or those of the lesson whose name starts so, such as "03"."""
    return [name for name, exercise in EXERCISES.items() if exercise.lesson.startswith(lesson)]


def of_lesson(lesson: str) -> list[Exercise]:
    """Return the exercises of a lesson, named by the stem of its notebook or the beginning of it."""
    return [EXERCISES[name] for name in names(lesson)]


def __getattr__(name: str):
    """Return the check of an exercise: a function of the reader's function."""
    if name not in EXERCISES:
        raise AttributeError(f"there is no check {name!r}; there are {', '.join(EXERCISES)}")
    return partial(check, EXERCISES[name])


def __dir__() -> list[str]:
    """List the checks beside the other names."""
    return [*__all__, *EXERCISES]
