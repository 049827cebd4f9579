"""The mechanics of the lessons: what every committed notebook must hold, and the tools that run and stamp them.

The committed notebooks are not executed here: `.ci/run` runs each of them with papermill at the quick preset and
with nbval, so that this file stays fast.
"""
from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import notebooks
from semdepth_lite.course.folds import outcome_cells
from semdepth_lite.experiments import results

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PICTURE_TYPES = ("image/png", "image/jpeg", "image/svg+xml")
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|usr|work|opt|var|mnt|Users|private)/|\b[A-Z]:\\\\?Users")


def output_texts(cell):
    """Every text an output shows to a reader, pictures left out."""
    for output in cell.get("outputs", ()):
        yield "".join(output.get("text", ""))
        for kind, value in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield re.sub(r'src="data:[^"]*"', "", "".join(value))


def headings(notebook):
    """(level, text) of every markdown heading, code blocks left out."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.S | re.M)
            yield from ((len(marks), text) for marks, text in re.findall(r"^(#{1,6})\s+(.+)$", prose, re.M))


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    """Each committed notebook in turn."""
    return request.param


def test_parameters_are_literals_with_the_lesson_preset(lesson):
    values = notebooks.parameter_literals(notebooks.load(lesson))
    assert values["preset"] == "lesson" and values.get("seed", 0) == 0  # lesson 07 draws nothing at random
    assert values["results"] == f"{lesson.stem}.json"


def test_form(lesson):
    notebook = notebooks.load(lesson)
    nbformat.validate(notebook)
    levels = [level for level, _ in headings(notebook)]
    assert levels.count(1) == 1 and levels[0] == 1, "one first-level heading, at the top"
    for above, below in zip(levels, levels[1:]):
        assert below <= above + 1, f"heading levels jump from {above} to {below}"
    read = [cell for cell in notebook.cells if not re.match("exercise-|answer-", str(cell.get("id")))]
    assert 25 <= len(read) <= 58  # half of the code cells of a lesson ask for a prediction or reveal an outcome
    for cell in notebooks.code_cells(notebook):
        assert len(cell.source.splitlines()) <= 30, f"a long cell: {cell.source[:60]!r}"
        assert all(len(line) <= 120 for line in cell.source.splitlines()), f"a long line: {cell.source[:60]!r}"
        assert notebooks.INJECTED not in cell.metadata.get("tags", [])
    assert lesson.stat().st_size <= 1_100_000
    assert notebook.metadata.kernelspec.name == "python3"


def test_prose_pictures_have_words(lesson):
    for cell in notebooks.load(lesson).cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\s*\]\(", cell.source), "a picture without alternative text"
            for tag in re.findall(r"<img\b[^>]*>", cell.source):
                assert re.search(r'alt="[^"]{10,}"', tag), tag[:80]


def test_every_code_cell_was_run_without_error(lesson):
    notebook = notebooks.load(lesson)
    counts = [cell.execution_count for cell in notebooks.code_cells(notebook) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), "run all cells from the top and store them"
    assert notebooks.stored_errors(notebook) == []


def test_stored_pictures_have_words(lesson):
    for cell in notebooks.load(lesson).cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            page = "".join(data.get("text/html", ""))
            if any(kind in data for kind in PICTURE_TYPES):
                assert "<figcaption" in page, "a picture that did not go through semdepth_lite.figures"
            for tag in re.findall(r"<img\b[^>]*>", page):
                assert re.search(r'alt="[^"]{20,}"', tag), tag[:80]


def test_checked_cells_store_what_a_run_shows(lesson):
    notebook = notebooks.load(lesson)
    outcomes = [cell.source for cell in outcome_cells(notebook)]
    for cell in notebook.cells:
        if "nbval-check-output" in cell.metadata.get("tags", []):
            assert cell.outputs, f"nothing stored to compare with: {cell.source[:60]!r}"
            assert cell.source not in outcomes, f"stored folded, which no run shows: {cell.source[:60]!r}"


def test_no_place_on_a_machine_is_named(lesson):
    for cell in notebooks.load(lesson).cells:
        for text in [cell.source, *output_texts(cell)]:
            assert not ABSOLUTE.search(text), ABSOLUTE.search(text)


@pytest.mark.slow
def test_stored_outputs_are_fresh(lesson):
    assert notebooks.is_fresh(lesson), "code or results changed after the outputs were stored; run it again"


# The tools themselves, on a notebook of four cells.

PARAMETERS = 'preset = "quick"\nseed = 0\nresults = "small.json"'
CODE = ["from semdepth_lite.experiments.results import save_results", "half = seed / 2\nprint(preset, half)",
        "save_results(results, half=half, preset=preset)"]


def small(path: Path, parameters: str = PARAMETERS, code=CODE) -> Path:
    """Write a small notebook."""
    cells = [nbformat.v4.new_markdown_cell("# Small"),
             nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
             *map(nbformat.v4.new_code_cell, code)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    nbformat.write(notebook, str(path))
    return path


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The small notebook, executed with seed 3."""
    folder = tmp_path_factory.mktemp("ran")
    path = small(folder / "small.ipynb")
    return path, notebooks.run_notebook(path, folder / "out" / "copy.ipynb", {"seed": 3}, progress=False)


@pytest.mark.slow
def test_run_writes_results_beside_the_copy(ran):
    path, record = ran
    written = Path(record["output"]).parent / "small.json"
    assert json.loads(written.read_text()) == {"half": 1.5, "preset": "quick"} == record["results"]
    assert record["notebook"] == "small.ipynb" and record["seconds"] > 0
    assert not (path.parent / "small.json").exists()


def test_outputs_are_moved_and_defaults_stay(ran, tmp_path):
    path = small(tmp_path / "small.ipynb")
    assert not notebooks.is_fresh(path)
    notebooks.store_outputs(ran[1]["output"], path, preset="lesson", minutes=0.1)
    stored = notebooks.load(path)
    assert notebooks.is_fresh(path)
    assert notebooks.parameter_literals(stored)["seed"] == 0
    assert [cell.execution_count for cell in notebooks.code_cells(stored)] == [1, 2, 3, 4]
    assert stored.cells[3].outputs[0].text == "quick 1.5\n"
    assert "papermill" not in stored.metadata
    assert stored.metadata.semdepth_lite["preset"] == "lesson" and stored.metadata.semdepth_lite["minutes"] == 0.1


def test_views_of_widgets_are_not_stored(ran, tmp_path):
    copy = notebooks.load(ran[1]["output"])
    view = nbformat.v4.new_output("display_data", {notebooks.WIDGET_VIEW: {"model_id": "7"}, "text/plain": "Box()"})
    cell = next(cell for cell in notebooks.code_cells(copy) if cell.outputs)
    cell.outputs.insert(0, view)
    copy.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"7": {"state": {}}}}}
    nbformat.write(copy, str(tmp_path / "copy.ipynb"))
    path = small(tmp_path / "small.ipynb")
    notebooks.store_outputs(tmp_path / "copy.ipynb", path)
    stored = notebooks.load(path)
    assert [output.text for cell in stored.cells for output in cell.get("outputs", ())] == ["quick 1.5\n"]
    assert "widgets" not in stored.metadata


def test_a_changed_cell_is_stale_and_prose_is_not(ran, tmp_path):
    path = small(tmp_path / "small.ipynb")
    notebooks.store_outputs(ran[1]["output"], path)
    notebook = notebooks.load(path)
    notebook.cells[0].source = "# Small, reworded"
    nbformat.write(notebook, str(path))
    assert notebooks.is_fresh(path)
    notebook.cells[3].source = "half = seed / 4"
    nbformat.write(notebook, str(path))
    assert not notebooks.is_fresh(path)
    with pytest.raises(InputError, match="run it again"):
        notebooks.store_outputs(ran[1]["output"], path)


@pytest.mark.parametrize("other, same", [
    ('show(\n    1,  # one\n    text=f"a "\n         f"{x}")', True), ("show(1, text=f'a {x}')", True),
    ("show(2, text=f'a {x}')", False), ("show(1, text=f'a {x}')\n%time", False)])
def test_a_cell_means_the_same_however_its_lines_are_broken(other, same):
    assert (notebooks.meaning('show(1, text=f"a {x}")') == notebooks.meaning(other)) == same


def test_changed_results_are_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    results.Result("learned", {"abs_rel": 0.1}, "baseline").save(tmp_path / "one.json")
    path = small(tmp_path / "small.ipynb", code=['runs = read_results("baseline", "other")',
                                                 'times = read_measurements("time*")'])
    notebooks.stamp(path)
    results.Result("another", {"abs_rel": 0.1}, "elsewhere").save(tmp_path / "two.json")
    assert notebooks.is_fresh(path)
    (tmp_path / "time.json").write_text("{}")
    assert not notebooks.is_fresh(path)
    notebooks.stamp(path)
    results.Result("learned", {"abs_rel": 0.2}, "baseline").save(tmp_path / "one.json")
    assert not notebooks.is_fresh(path)
    for call in ("read_results(name)", 'read_results("baseline", name)', "read_measurements(name)"):
        with pytest.raises(InputError, match="not a literal"):
            notebooks.notebook_hash(small(path, code=[call]))


def test_save_results_knows_arrays_and_refuses_nan(tmp_path):
    path = tmp_path / "results.json"
    results.save_results(path, a=np.float32(0.5), b=torch.tensor([1, 2]), c={"d": np.arange(2)}, e=Path("x") / "y")
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [1, 2], "c": {"d": [0, 1]}, "e": "x/y"}
    for value in (float("nan"), object()):
        with pytest.raises(InputError, match="cannot be written as JSON"):
            results.save_results(path, a=value)
    assert json.loads(path.read_text())["a"] == 0.5 and list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_a_failing_notebook_is_named(tmp_path):
    path = small(tmp_path / "small.ipynb", code=["x = 1", "raise KeyError('no such street')"])
    with pytest.raises(notebooks.NotebookFailure, match=r"small.ipynb failed in its cell 3: KeyError: 'no such str"):
        notebooks.run_notebook(path, tmp_path / "copy.ipynb", progress=False)
    assert (tmp_path / "copy.ipynb").exists()


@pytest.mark.parametrize("output", [
    {"output_type": "error", "ename": "ValueError", "evalue": "inside", "traceback": []},
    {"output_type": "stream", "name": "stderr",
     "text": "Traceback (most recent call last):\n ...\nValueError: inside\n"}])
@pytest.mark.parametrize("in_widget", [False, True])
def test_errors_are_found_in_outputs_and_widgets(tmp_path, output, in_widget):
    notebook = notebooks.load(small(tmp_path / "small.ipynb"))
    assert notebooks.stored_errors(notebook) == []
    if in_widget:
        notebook.metadata["widgets"] = nbformat.from_dict({
            "application/vnd.jupyter.widget-state+json": {"state": {"7": {"state": {"outputs": [output]}}}}})
    else:
        notebook.cells[2].outputs = [nbformat.from_dict(output)]
    assert notebooks.stored_errors(notebook) == ["ValueError: inside"]


def test_alerts_of_explorers_are_errors(tmp_path):
    notebook = notebooks.load(small(tmp_path / "small.ipynb"))
    for value, errors in (('<div role="status">all well</div>', []),
                          ('<div role="alert" style="x"><b>Error:</b> no depth.</div>', ["Error: no depth."])):
        notebook.metadata["widgets"] = nbformat.from_dict({
            "application/vnd.jupyter.widget-state+json": {"state": {"7": {"state": {"value": value}}}}})
        assert notebooks.stored_errors(notebook) == errors


@pytest.mark.parametrize("parameters, complaint", [
    ("steps = 2 if quick else 100", "NAME = LITERAL"), ("import os", "NAME = LITERAL"), ("a.b = 3", "NAME = LITERAL")])
def test_a_derived_parameter_is_refused(tmp_path, parameters, complaint):
    with pytest.raises(InputError, match=complaint):
        notebooks.parameter_literals(notebooks.load(small(tmp_path / "small.ipynb", parameters)))


def test_bad_requests_are_named(tmp_path):
    path = small(tmp_path / "small.ipynb")
    with pytest.raises(InputError, match="no parameter 'sede'; it has preset, seed, results"):
        notebooks.run_notebook(path, tmp_path / "copy.ipynb", {"sede": 1})
    with pytest.raises(InputError, match="no notebook"):
        notebooks.run_notebook(tmp_path / "absent.ipynb", tmp_path / "copy.ipynb")
    (tmp_path / "torn.ipynb").write_text('{"cells": [')
    with pytest.raises(InputError, match="is not a notebook"):
        notebooks.load(tmp_path / "torn.ipynb")
    untagged = notebooks.load(path)
    untagged.cells[1].metadata.tags = []
    with pytest.raises(InputError, match="0 cells tagged"):
        notebooks.parameter_literals(untagged)
