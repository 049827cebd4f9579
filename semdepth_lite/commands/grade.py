"""`grade`: check submitted notebooks again, and write the table of a class."""
from __future__ import annotations

import argparse
from pathlib import Path


def add_grading(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `grade`."""
    command.add_argument("folder", type=Path, help="what was handed in: a folder of notebooks for each person, or one "
                         "notebook for each")
    command.add_argument("--required", nargs="+", default=[], metavar="NAME", help="exercises that were set (default: "
                         "all that anybody tried)")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write the table as CSV too")
    command.add_argument("--seconds", type=float, default=20.0, help="time that one answer may take")
    command.add_argument("--memory", type=float, default=2.0, metavar="GIB", help="memory that answers may take, "
                         "beyond what torch itself needs")


def run_grade(args: argparse.Namespace) -> dict:
    """Check the notebooks again."""
    from ..course.checks.class_list import class_table
    from ..course.grading import grade

    class_table([], args.required)  # a wrong name is refused before anything runs
    rows = grade(args.folder, args.seconds, args.memory)
    table = class_table(rows, args.required, args.csv)
    people = [{"name": row.name, "checks": row.checks, "problem": row.problem} for row in rows]
    return {"people": people, "text": table.rstrip()}
