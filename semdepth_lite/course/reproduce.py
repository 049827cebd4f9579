"""The main job: run every notebook with papermill, and leave executed copies and their results."""
from __future__ import annotations

import sys
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import read_json, remove_leftovers, sole_use, write_json
from ..presets import find_preset
from .lesson_files import LESSONS
from .notebooks import load, notebook_hash, parameter_literals, run_notebook

RECORD = "reproduced.json"  # what is finished, so that a run that was cut off goes on where it stood


def find_notebooks(only: str | None = None, folder: Path = LESSONS) -> list[Path]:
    """List the notebooks of a folder, or those whose name starts with `only`.

    Raises:
        InputError: If there is none.
    """
    found = [path for path in sorted(Path(folder).glob("*.ipynb")) if path.name.startswith(only or "")]
    if not found:
        raise InputError(f"no notebook in {Path(folder).name}/ starts with {only or ''!r}; name one such as 03, or "
                         "another folder of lessons.")
    return found


def reproduce(preset: str = "quick", output: Path = Path("reproduced"), only: str | None = None,
              progress: bool = True, folder: Path = LESSONS) -> list[dict]:
    """Run the notebooks at a preset; those that an earlier call finished, unchanged since, are not run again.

    Args:
        preset: Name, one of quick, lesson and paper; goes into each notebook's parameter of that name.
        output: Folder for executed copies, results and the record of what is finished.
        only: First characters of the notebooks' names.
        progress: Whether to print what is done, and show bars.
        folder: Folder of the notebooks; they are only read.

    Returns:
        One row a notebook: notebook, output, seconds, results.

    Raises:
        InputError: if the preset or the notebook is unknown, or another call is at work in the output folder.
        NotebookFailure: if a notebook fails; those before it stay finished.
    """
    find_preset(preset)
    notebooks = find_notebooks(only, folder)
    with sole_use(Path(output)):  # two records at once would lose one another's rows
        return _run_all(notebooks, preset, Path(output), progress)


def _run_all(notebooks: list[Path], preset: str, output: Path, progress: bool) -> list[dict]:
    """Run what is not finished, and write the record after each notebook."""
    record_path = output / RECORD
    remove_leftovers(output)
    record = read_json(record_path) if record_path.exists() else {}
    rows = []
    for path in notebooks:
        key = {"hash": notebook_hash(path), "preset": preset}
        copy = output / path.name
        row = finished_row(record.get(path.stem), key)
        if row is not None and copy.exists():
            rows.append(row)
            continue
        if progress:
            print(f"{path.name} at preset {preset}", file=sys.stderr, flush=True)
        parameters = {"preset": preset} if "preset" in parameter_literals(load(path)) else {}
        rows.append(run_notebook(path, copy, parameters, progress))
        record[path.stem] = {**key, "row": rows[-1]}
        write_json(record_path, record)
    return rows


def finished_row(known: object, key: dict) -> dict | None:
    """Return the row that a record keeps of a notebook; None if it is of other code, of another preset, or damaged."""
    if not isinstance(known, dict) or {name: known.get(name) for name in key} != key:
        return None
    row = known.get("row")
    whole = isinstance(row, dict) and {"notebook", "output", "seconds", "results"} <= row.keys()
    return row if whole else None
