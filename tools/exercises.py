"""The exercises as notebook cells, and the notebooks of solutions: both made from one source, `checks.EXERCISES`.

    python -m tools.exercises
        writes notebooks/solutions/ and brings the exercise cells of all lessons up to date
    python -m tools.exercises NOTEBOOK CELL_ID NAME [NAME ...]
        puts exercises behind the cell with that id, and brings all up to date

An exercise is two cells: the statement with hint and solution folded away, and the stub with its check.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import write_atomically
from semdepth_lite.course.checks import EXERCISES, Exercise, of_lesson
from semdepth_lite.course.notebooks import load, save_notebook, title_of
from semdepth_lite.experiments.results import ROOT
from tools import parser

SOLUTIONS = ROOT / "notebooks" / "solutions"
LEVELS = {1: "●○○ easy", 2: "●●○ medium", 3: "●●● hard"}


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def statement(exercise: Exercise, folded: bool = True) -> str:
    """Return the Markdown of an exercise: heading, difficulty, minutes, statement, and hint and solution folded."""
    parts = [f"### Exercise: {exercise.title}",
             f"*{LEVELS[exercise.difficulty]}, about {exercise.minutes} minutes, checked by `checks.{exercise.name}`*",
             exercise.statement]
    if folded:
        parts += [_folded("Hint", exercise.hint), _folded("Solution", f"```python\n{exercise.solution}\n```")]
    return "\n\n".join(parts)


def code(exercise: Exercise, body: str) -> str:
    """Return the code of an exercise's cell: the stub or the solution, and the check right under it."""
    return f"from semdepth_lite.course import checks\n\n{body}\n\nchecks.{exercise.name}({exercise.answer})"


def exercise_cells(exercise: Exercise) -> list:
    """Return the two notebook cells of an exercise: Markdown and code, with ids by which they are found again."""
    import nbformat

    cells = [nbformat.v4.new_markdown_cell(statement(exercise)),
             nbformat.v4.new_code_cell(code(exercise, exercise.stub))]
    for cell, kind in zip(cells, ("exercise", "answer")):
        cell.id = _id(kind, exercise.name)
    return cells


def _id(kind: str, name: str) -> str:
    return f"{kind}-{name.replace('_', '-')}"


def insert(path: str | Path, after: str, names: list[str]) -> None:
    """Put exercises behind a cell of a notebook; those that are there already move.

    Args:
        path: Path of the notebook.
        after: Id of the cell.
        names: Names of the exercises, in order.

    Raises:
        InputError: if the cell or an exercise is unknown.
    """
    notebook = load(path)
    unknown = [name for name in names if name not in EXERCISES]
    if unknown:
        raise InputError(f"exercise {unknown[0]!r} is unknown; use one of {', '.join(EXERCISES)}.")
    cells = [cell for name in names for cell in exercise_cells(EXERCISES[name])]
    moving = {cell.id for cell in cells}
    notebook.cells = [cell for cell in notebook.cells if cell.get("id") not in moving]
    places = [i for i, cell in enumerate(notebook.cells) if cell.get("id") == after]
    if not places:
        raise InputError(f"{Path(path).name} has no cell {after!r}; use one of "
                         f"{', '.join(str(cell.get('id')) for cell in notebook.cells)}.")
    notebook.cells[places[0] + 1:places[0] + 1] = cells
    save_notebook(notebook, path)


def refreshed(notebook) -> bool:
    """Bring the exercise cells of a notebook up to date in place, and tell whether any of them changed."""
    known = {cell.id: cell.source for exercise in EXERCISES.values() for cell in exercise_cells(exercise)}
    changed = False
    for cell in notebook.cells:
        fresh = known.get(cell.get("id"), cell.source)
        changed |= fresh != cell.source
        cell.source = fresh
    return changed


def solutions_notebook(lesson: str):
    """Return the notebook of a lesson's solutions, made anew from the exercises."""
    import nbformat

    title = title_of(load(ROOT / "notebooks" / f"{lesson}.ipynb"))
    cells = [nbformat.v4.new_markdown_cell(
        f"# Solutions {lesson[:2]}, {title}\n\n<!-- Made by `python -m tools.exercises`; change the exercises in "
        f"semdepth_lite/course/checks/, not this file. -->\nThe exercises of [the lesson](../{lesson}.ipynb), each "
        "with a solution and the check that runs it on random inputs."),
        nbformat.v4.new_code_cell("import torch\n\nfrom semdepth_lite import camera")]
    cells[0].id, cells[1].id = "title", "setup"
    for exercise in of_lesson(lesson):
        words = nbformat.v4.new_markdown_cell(statement(exercise, folded=False).replace("### ", "## ", 1))
        answer = nbformat.v4.new_code_cell(code(exercise, exercise.solution))
        words.id, answer.id = _id("exercise", exercise.name), _id("solution", exercise.name)
        cells += [words, answer]
    return nbformat.v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"}})


def solution_files() -> dict[Path, str]:
    """Return the path and the text of every solutions notebook."""
    import nbformat

    lessons = dict.fromkeys(exercise.lesson for exercise in EXERCISES.values())
    return {SOLUTIONS / f"{lesson}.ipynb": nbformat.writes(solutions_notebook(lesson)) + "\n" for lesson in lessons}


def write_exercises() -> None:
    """Write the solutions, and bring the exercise cells of all lessons up to date."""
    for path, text in solution_files().items():
        write_atomically(path, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = load(path)
        if refreshed(notebook):
            save_notebook(notebook, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Put exercises into a notebook where any are named, then write the solutions and bring all cells up to date.

    Args:
        arguments: Arguments of the command line; None takes those of this process.

    Raises:
        InputError: If there are one or two arguments; and as `insert`.
    """
    command = parser(__doc__)
    command.add_argument("what", nargs="*", help="NOTEBOOK CELL_ID NAME [NAME ...]; nothing brings all up to date")
    what = command.parse_args(arguments).what
    if 0 < len(what) < 3:
        raise InputError(f"{len(what)} arguments are too few; give NOTEBOOK CELL_ID NAME [NAME ...].")
    if what:
        insert(what[0], what[1], what[2:])
    write_exercises()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
