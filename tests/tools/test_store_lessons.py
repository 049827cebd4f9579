"""Lessons are stored with what a run at the lesson preset shows, its preset and its minutes."""
from __future__ import annotations

import nbformat
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import notebooks
from tools import store_lessons


def test_outputs_preset_and_minutes_are_stored(tmp_path, monkeypatch):
    folder, executed = tmp_path / "notebooks", tmp_path / "reproduced" / "11_small.ipynb"
    folder.mkdir()
    executed.parent.mkdir()
    cell = nbformat.v4.new_code_cell("1 + 1")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "11_small.ipynb")
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=7)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), executed)
    asked = []
    monkeypatch.setattr(store_lessons, "ROOT", tmp_path)
    monkeypatch.setattr(store_lessons, "reproduce", lambda *words, **options: asked.append((words, options)) or [
        {"notebook": "11_small.ipynb", "output": str(executed), "seconds": 90.0}])
    store_lessons.main(["11"])
    assert asked == [(("lesson", executed.parent, "11"), {"folder": folder})]
    stored = notebooks.load(folder / "11_small.ipynb")
    assert stored.cells[0].outputs[0].data == {"text/plain": "2"} and stored.cells[0].execution_count == 1
    assert notebooks.is_fresh(folder / "11_small.ipynb")
    assert {name: stored.metadata[notebooks.STAMP][name] for name in ("preset", "minutes")} == {
        "preset": "lesson", "minutes": 1.5}


def test_an_unknown_lesson_is_refused():
    with pytest.raises(InputError, match="77"):
        store_lessons.main(["77"])
