"""Where the lessons lie, in a checkout or in an installed wheel, and copies to work in, hand out or teach from."""
from __future__ import annotations

import re
import shutil
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import temporary_folder
from ..experiments.results import ROOT

IN_WHEEL = Path(__file__).with_name("lessons")
LESSONS = IN_WHEEL if IN_WHEEL.is_dir() else ROOT / "notebooks"
CARRIED = {"yourself": ("*.ipynb", "glossary.md", "solutions/*.ipynb"), "students": ("*.ipynb", "glossary.md"),
           "teachers": ("*.ipynb", "*.md", "solutions/*.ipynb")}  # what each audience gets
SOLUTION = re.compile(r"\n*<details><summary>Solution</summary>.*?</details>", re.S)


def copy_lessons(folder: str | Path, audience: str = "yourself") -> list[Path]:
    """Copy the lessons and what belongs to them into a new folder.

    Args:
        folder: New folder.
        audience: Readers of the copy: yourself (with outputs and solutions), students (without both) or teachers (with
            the instructors' page, and `mistakes.md`: every mistake that the checks know, and what they say).

    Returns:
        Paths of the lessons' notebooks in the folder.

    Raises:
        InputError: If the audience is unknown, the folder exists, because a reader's answers are never overwritten, or
            the lessons did not come with the package.
    """
    folder = Path(folder)
    if not any(LESSONS.glob("*.ipynb")):
        raise InputError("the lessons are not where this package lies; a wheel holds them, and so does the repository: "
                         "install one of the two instead of a copied folder.")
    if audience not in CARRIED:
        raise InputError(f"audience {audience!r} is unknown; use one of {', '.join(CARRIED)}.")
    if folder.exists():
        raise InputError(f"{folder} exists already; name a new folder for the lessons.")
    with temporary_folder(folder) as temporary:
        for pattern in CARRIED[audience]:
            for path in LESSONS.glob(pattern):
                copy = temporary / path.relative_to(LESSONS)
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, copy)
                if audience == "students" and path.suffix == ".ipynb":
                    strip(copy)
        if audience == "teachers":
            (temporary / "mistakes.md").write_text(mistakes_page(), encoding="utf-8")
        temporary.chmod(0o755)  # a temporary folder is closed to others
        temporary.rename(folder)
    return sorted(folder.glob("*.ipynb"))


def strip(path: Path) -> None:
    """Take outputs, solutions and the stamp of the stored run out of a notebook."""
    from .notebooks import STAMP, load, save_notebook

    notebook = load(path)
    notebook.metadata.pop(STAMP, None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        elif str(cell.get("id")).startswith("exercise-"):
            cell.source = SOLUTION.sub("", cell.source)
    save_notebook(notebook, path)


def mistakes_page() -> str:
    """Write all exercises with the wrong answers that their checks know, and the sentence for each, as Markdown."""
    from .checks import EXERCISES

    lines = ["# What goes wrong in the exercises", "", "Every wrong answer that a check knows, and what the check says "
             "to it. Beside the table of your class it prepares the next session."]
    for exercise in EXERCISES.values():
        lines += ["", f"## {exercise.lesson[:2]} {exercise.title}", "",
                  f"`checks.{exercise.name}`, about {exercise.minutes} minutes", "",
                  *(f"- **{mistake.name}**: {mistake.says}" for mistake in exercise.mistakes)]
    return "\n".join(lines) + "\n"
