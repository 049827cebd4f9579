"""Exercise checks: `checks.NAME(your_function)` says whether an answer is right, and which mistake it looks like.

Notable: an answer is run on random inputs beside the package's own function. A wrong one is compared with the known
wrong answers, each computed on the same inputs, and the mistake is named in a sentence. `checks.names()` lists the
exercises; `checks.report(path, name)` writes what was solved to a signed file for an instructor, and
`checks.collect(paths)` joins such files to the table of a class.

An exercise of your own is an `Exercise`: words, a reference, random inputs and the wrong answers that it names.

    double = checks.Exercise(
        name="double", lesson="", title="Double a number", difficulty=1, minutes=3, statement="Return 2 x.",
        stub="def my_double(x): ...", hint="Two times.", solution="def my_double(x): return 2 * x",
        teaches="torch.mul", reference=lambda x: 2 * x, cases=lambda: [checks.Case((torch.rand(4),))],
        mistakes=(checks.Mistake("square", lambda x: x**2, "you squared."),))
    checks.check(double, my_double)
"""
from __future__ import annotations

from dataclasses import replace

from . import (
    borders,
    geometry,
    learning,
    measures,
    mending,
    museum,
    pairing,
    photometry,
    pose,
    puzzles,
    ranking,
    segmentation,
    semantic,
    similarity,
    steps,
    synthesis,
    visibility,
    warping,
)
from .class_list import collect
from .exercise import Case, Exercise, Mistake
from .judge import Verdict, judge
from .record import check, progress, read_report, report

FILES = (geometry, synthesis, visibility, warping, photometry, similarity, learning, steps, pose, semantic,
         segmentation, borders, ranking, measures, pairing, museum, puzzles, mending)
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
    exercise = EXERCISES[name]

    def check_answer(answer, seed: int | None = None) -> Verdict:
        verdict = check(exercise, answer, seed)
        return replace(verdict, progress=progress(names(exercise.lesson)))

    check_answer.__name__ = check_answer.__qualname__ = name
    check_answer.__doc__ = exercise.statement  # what help() shows
    return check_answer


def __dir__() -> list[str]:
    """List the checks beside the other names."""
    return [*__all__, *EXERCISES]
