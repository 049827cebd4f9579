"""Where the lessons lie, in a checkout or in an installed wheel, and a copy of them to work in."""
from __future__ import annotations

import shutil
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import temporary_folder
from ..experiments.results import ROOT

IN_WHEEL = Path(__file__).with_name("lessons")
LESSONS = IN_WHEEL if IN_WHEEL.is_dir() else ROOT / "notebooks"


def copy_lessons(folder: str | Path) -> list[Path]:
    """Copy the lessons, their solutions, the glossary and the instructors' page into a new folder.

    Args:
        folder: New folder.

    Returns:
        Paths of the lessons' notebooks in the folder.

    Raises:
        InputError: If the folder exists, because a reader's answers are never overwritten.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder} exists already; name a new folder for the lessons.")
    with temporary_folder(folder) as temporary:
        for pattern in ("*.ipynb", "*.md", "solutions/*.ipynb"):
            for path in LESSONS.glob(pattern):
                copy = temporary / path.relative_to(LESSONS)
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, copy)
        temporary.chmod(0o755)  # a temporary folder is closed to others
        temporary.rename(folder)
    return sorted(folder.glob("*.ipynb"))
