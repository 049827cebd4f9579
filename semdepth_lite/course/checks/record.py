"""What was solved: the verdicts of this session, and reports for instructors that show when they were edited.

A report carries a hash over its content. It shows an edit by accident or by hand; whoever reads this file can make a
valid one, so it is a seal and no lock. Reports hold the text of each solution, which an instructor can read.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from ...common.contracts import InputError
from ...common.storage import read_json, write_json
from .exercise import Exercise
from .judge import Verdict, judge
from .source import lost_by, text_of

KEPT = Path("my_answers.json")  # right answers of all lessons in this folder: name of the exercise to its text

_session: dict[str, dict] = {}


def check(exercise: Exercise, answer: Callable, seed: int | None = None) -> Verdict:
    """Judge an answer and remember the verdict for `report`.

    Args:
        exercise: Exercise that was set.
        answer: The reader's function.
        seed: Seed of the random inputs; None = new ones each time.
    """
    verdict = judge(exercise, answer, seed)
    if verdict.outcome != "open":
        row = _session.setdefault(exercise.name, {"passed": False, "tries": 0, "mistakes": []})
        row["tries"] += 1
        row["passed"] |= verdict.passed
        if verdict.mistake and verdict.mistake not in row["mistakes"]:
            row["mistakes"].append(verdict.mistake)
        if verdict.passed:
            row.setdefault("passed_at", datetime.now(timezone.utc).isoformat(timespec="minutes"))
            row["answer"] = text_of(answer)
            if lost := lost_by(answer):
                return replace(verdict, text=f"{verdict.text} It cannot be kept for later lessons, because it needs "
                                             f"{', '.join(map('`{}`'.format, lost))} of this notebook; make that "
                                             "inside your function, and run the cell again.")
            keep(exercise.name, row["answer"])
    return verdict


def progress(names: list[str]) -> str:
    """Say how many of these exercises are passed, in this session or kept from an earlier one."""
    kept = read_json(KEPT) if KEPT.exists() else {}
    passed = sum(name in kept or _session.get(name, {}).get("passed", False) for name in names)
    return f"{passed} of {len(names)} exercises of this lesson passed."


def keep(name: str, text: str) -> None:
    """Keep a right answer beside the notebooks, so that later lessons can train with it; only inside a notebook."""
    from IPython.core.getipython import get_ipython

    if text and get_ipython() is not None:
        write_json(KEPT, {**(read_json(KEPT) if KEPT.exists() else {}), name: text})


def report(path: str | Path, name: str) -> str:
    """Write what was solved in this session to a signed JSON file; results of earlier sessions in it are kept.

    Args:
        path: The file, for example checks.json.
        name: Name of the reader.

    Returns:
        One line that says what was written.

    Raises:
        InputError: if the name is empty, or the file is somebody else's or was edited.
    """
    if not name.strip():
        raise InputError("The name is empty; pass your name, so that the report differs from those of others.")
    path = Path(path)
    solved: dict[str, dict] = {}
    if path.exists():
        before = read_report(path)
        if before["name"] != name:
            raise InputError(f"{path} is the report of {before['name']!r}, not of {name!r}; write to another file.")
        solved = before["checks"]
    for key, row in _session.items():
        old = solved.get(key, {"passed": False, "tries": 0, "mistakes": []})
        tries = row["tries"] - row.get("written", 0) + old["tries"]
        mistakes = list(dict.fromkeys([*old["mistakes"], *row["mistakes"]]))
        answer = row.get("answer") or old.get("answer", "")
        passed_at = old.get("passed_at") or row.get("passed_at", "")
        solved[key] = {"passed": row["passed"] or old["passed"], "tries": tries, "mistakes": mistakes,
                       "passed_at": passed_at, "answer": answer}
        row["written"] = row["tries"]
    content = {"name": name, "checks": solved}
    write_json(path, {**content, "hash": _sign(content)})
    return f"{sum(row['passed'] for row in solved.values())} of {len(solved)} tried exercises passed, written to {path}"


def read_report(path: str | Path) -> dict:
    """Read a report and hold it against its hash.

    Raises:
        InputError: if the file is no report, or was changed after it was written.
    """
    value = read_json(Path(path))
    content = {key: value.get(key) for key in ("name", "checks")}
    if None in content.values():
        raise InputError(f"{path} is no report of checks; ask for the file that checks.report wrote.")
    if value.get("hash") != _sign(content):
        raise InputError(f"{path} was changed after it was written; ask {content['name']!r} to write it again.")
    return content


def _sign(content: dict) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(f"semdepth_lite checks\n{text}".encode()).hexdigest()[:32]
