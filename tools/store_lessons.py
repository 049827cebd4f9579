"""Run lessons at the lesson preset, and store in the committed notebooks what they show.

    python -m tools.store_lessons 03 [04 ...]     lessons by the beginning of their names

The executed copies stay in `reproduced/`; a lesson that was finished there, unchanged since, is not run again.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from semdepth_lite.common.contracts import RunFailed
from semdepth_lite.course.notebooks import store_outputs
from semdepth_lite.course.reproduce import reproduce
from semdepth_lite.experiments.results import ROOT
from tools import parser

PRESET = "lesson"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the named lessons, and store their outputs with the minutes that they took.

    Args:
        arguments: Arguments of the command line; None takes those of this process.

    Raises:
        InputError: If a lesson is unknown.
        NotebookFailure: If a lesson fails; those before it are stored.
    """
    command = parser(__doc__)
    command.add_argument("lessons", nargs="+", help="beginnings of the names of lessons, such as 03")
    for lesson in command.parse_args(arguments).lessons:
        for row in reproduce(PRESET, ROOT / "reproduced", lesson, folder=ROOT / "notebooks"):
            store_outputs(Path(row["output"]), ROOT / "notebooks" / row["notebook"], preset=PRESET,
                          minutes=round(row["seconds"] / 60, 2))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, RunFailed) as error:
        sys.exit(f"error: {error}")
