"""A class at a glance: who passed which exercise, as Markdown and as CSV. A bad file is a row and stops nothing."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...common.contracts import InputError
from ...common.storage import write_atomically
from .record import read_report


@dataclass
class Row:
    """One person of a class.

    Attributes:
        name: Name of the person, or of the file if nothing more is known.
        checks: Name of the exercise to a dict of passed, tries and mistakes.
        problem: What is wrong with what was handed in; empty = nothing.
    """

    name: str
    checks: dict[str, dict] = field(default_factory=dict)
    problem: str = ""

    def passed(self, names: Sequence[str]) -> int:
        """Count the exercises among `names` that are passed."""
        return sum(self.checks.get(name, {}).get("passed", False) for name in names)

    @property
    def met(self) -> str:
        """The mistakes that were met, in words."""
        return "; ".join(f"{key}: {mistake}" for key, row in self.checks.items() for mistake in row["mistakes"])


def collect(paths: Iterable[str | Path], required: Sequence[str] = (), to: str | Path | None = None) -> str:
    """Join the reports of a class to a Markdown table, one column an exercise.

    Args:
        paths: Files that `checks.report` wrote. One that cannot be read gets a row that says why.
        required: Names of the exercises that were set; empty = all that anybody tried.
        to: A CSV file for the same table; None = no file.

    Raises:
        InputError: If a required exercise is unknown.
    """
    rows = []
    for path in paths:
        try:
            found = read_report(path)
            rows.append(Row(found["name"], found["checks"]))
        except (InputError, OSError) as error:
            rows.append(Row(Path(path).name, problem=str(error)))
    return class_table(rows, required, to)


def class_table(rows: Sequence[Row], required: Sequence[str] = (), to: str | Path | None = None) -> str:
    """Write a class as Markdown: + is passed, - is tried, with the number of tries; and as CSV if `to` is a path.

    Raises:
        InputError: If a required exercise is unknown.
    """
    from . import EXERCISES

    if unknown := [name for name in required if name not in EXERCISES]:
        raise InputError(f"there is no exercise {', '.join(unknown)}; there are {', '.join(EXERCISES)}.")
    tried = {name for row in rows for name in row.checks}
    columns = list(required) or [name for name in EXERCISES if name in tried]
    ordered = sorted(rows, key=lambda row: (bool(row.problem), row.name))
    if to is not None:
        _write_csv(ordered, columns, Path(to))
    lines = [f"| name | passed of {len(columns)} | {' | '.join([*columns, 'mistakes met'])} |",
             f"| --- | ---: |{' :-: |' * len(columns)} --- |"]
    for row in ordered:
        cells = [_cell(row.checks.get(name)) for name in columns]
        met = "; ".join(filter(None, (row.problem, row.met))) or "none"
        lines.append(f"| {row.name} | {row.passed(columns)} | {' | '.join([*cells, met])} |")
    return "\n".join(lines) + "\n"


def _cell(row: dict | None) -> str:
    return "" if row is None else f"{'+' if row['passed'] else '-'} {row['tries']}"


def _write_csv(rows: Sequence[Row], columns: Sequence[str], path: Path) -> None:
    """Write name, passed, a 1, a 0 or nothing for each exercise, all tries, mistakes and problems."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["name", "passed", *columns, "tries", "mistakes met", "problem"])
    for row in rows:
        known = [row.checks.get(name) for name in columns]
        marks = ["" if one is None else int(one["passed"]) for one in known]
        tries = sum(one["tries"] for one in known if one is not None)
        table.writerow([row.name, row.passed(columns), *marks, tries, row.met, row.problem])
    write_atomically(path, lambda temporary: Path(temporary).write_text(text.getvalue(), encoding="utf-8"))
