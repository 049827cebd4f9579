"""Submitted notebooks, checked again: their functions run in a process of their own with limits of time and memory.

Notable: a notebook is not executed. Its imports, functions, classes and constants are taken, all other lines are left
out, and each `my_NAME` is judged as `checks.NAME` judges it. The limits stop what hangs or fills the memory; they are
no jail for somebody who means harm, so grade strangers' notebooks on a machine that you can spare.
"""
from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..common.contracts import InputError
from .checks import EXERCISES
from .checks.class_list import Row
from .notebooks import code_cells, load

START_SECONDS = 60  # to import torch, on a busy machine


def grade(folder: str | Path, seconds: float = 20.0, memory_gib: float = 2.0) -> list[Row]:
    """Check every answer in the notebooks of a folder again.

    Args:
        folder: Holds a folder of notebooks for each person, or one notebook for each.
        seconds: Time that one answer may take.
        memory_gib: Memory that answers may take beyond what torch itself needs.

    Returns:
        One row a person.

    Raises:
        InputError: If the folder holds no notebook, or a limit is no positive number.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    if not paths:
        raise InputError(f"{folder} holds no notebook (*.ipynb); name the folder of what was handed in.")
    for name, limit in (("seconds", seconds), ("memory", memory_gib)):
        if not limit > 0:
            raise InputError(f"{name} {limit:g} is no limit; give a number above zero.")
    rows: dict[str, Row] = {}
    for path in paths:
        person = path.stem if path.parent == folder else path.relative_to(folder).parts[0]
        row = rows.setdefault(person, Row(person))
        try:
            text = definitions(path)
        except InputError as error:
            row.problem = "; ".join(filter(None, (row.problem, str(error))))
            continue
        for name, verdict in judge_all(text, seconds, memory_gib):
            row.checks[name] = verdict
    return list(rows.values())


def definitions(path: str | Path) -> str:
    """Take imports, functions, classes and constants out of a notebook, in their order.

    Raises:
        InputError: If the file is no notebook.
    """
    found = []
    for cell in code_cells(load(path)):
        plain = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in cell.source.splitlines())
        try:
            statements = ast.parse(plain).body
        except SyntaxError:  # a cell that does not even parse defines nothing
            continue
        found += [ast.unparse(statement) for statement in statements if _defines(statement)]
    return "\n".join(found)


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return not any(isinstance(part, (ast.Call, ast.Name, ast.Attribute)) for part in ast.walk(statement.value))
    return isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


def judge_all(text: str, seconds: float, memory_gib: float) -> Iterator[tuple[str, dict]]:
    """Judge every answer that a text defines, each with limits; what ends the process ends one answer only.

    Args:
        text: Python that defines functions `my_NAME`.
        seconds: Time that one answer may take.
        memory_gib: Memory beyond what torch itself needs.

    Yields:
        Name of the exercise, and a dict of passed, tries and mistakes; a stub is left out.
    """
    defined = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    left = [name for name, exercise in EXERCISES.items() if exercise.answer in defined]
    while left:
        done = _worker(text, left, seconds, memory_gib)
        yield from ((name, _row(found)) for name, found in done.items() if found["outcome"] != "open")
        left = left[len(done):]


def _row(found: dict) -> dict:
    mistakes = [] if found["outcome"] == "right" else [found["mistake"] or "unknown"]
    return {"passed": found["outcome"] == "right", "tries": 1, "mistakes": mistakes}


def _worker(text: str, names: Sequence[str], seconds: float, memory_gib: float) -> dict[str, dict]:
    """Let one process judge until it is through, or one answer has ended it; at least one verdict comes back."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "answers.py").write_text(text, encoding="utf-8")
        home = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "semdepth_lite.course.grading_worker", str(seconds), str(memory_gib), *names]
        with suppress(subprocess.TimeoutExpired):  # what it has judged so far is there
            subprocess.run(command, cwd=place, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=START_SECONDS + (seconds + 1) * len(names), check=False)
        report = Path(place) / "verdicts.jsonl"
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    done = {name: json.loads(line) for name, line in zip(names, lines)}
    if len(done) < len(names):
        ended = f"took more than {seconds:g} s, or ended the process"
        done[names[len(done)]] = {"outcome": "wrong", "mistake": ended}
    return done
