"""`lessons`: a copy of the lessons to work in, to hand out, or to teach from."""
from __future__ import annotations

import argparse
from pathlib import Path


def add_lessons(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `lessons`."""
    command.add_argument("folder", type=Path, help="new folder for the lessons")
    command.add_argument("--for", dest="audience", choices=("yourself", "students", "teachers"), default="yourself",
                         help="yourself: with outputs and solutions; students: without both; teachers: with the "
                         "instructors' page and all mistakes that the checks know")


def run_lessons(args: argparse.Namespace) -> dict:
    """Copy the lessons."""
    from ..course.lesson_files import copy_lessons

    copies = copy_lessons(args.folder, args.audience)
    return {"folder": str(args.folder), "lessons": [path.name for path in copies],
            "text": f"{len(copies)} lessons are in {args.folder}; open them with: jupyter lab {args.folder}"}
