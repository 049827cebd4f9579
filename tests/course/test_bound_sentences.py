"""What the lessons say about numbers is computed in a cell, or given; and they run where no stored result lies."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import matplotlib
import pytest

from semdepth_lite.course import notebooks
from semdepth_lite.experiments import results

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
NUMBER = re.compile(r"(?<![\w.$])\d+(?:[.,]\d+)?\s?(?:%|percent\b|times\b|px\b|ms\b)|(?<![\w.$/-])\d+\.\d+(?![\w.-])"
                    r"|\b(?:half|third|quarter|tenth)s? of (?:the|all)\b")
NO_PROSE = (r"<details>.*?</details>", r"```.*?```", r"\$\$.*?\$\$", r"\$[^$]*\$", r"`[^`]*`", r"^\|.*$",
            r"\*Time:\*[^\n]*", r"^> [^\n]*$")  # answers, code, formulas, tables, minutes, predictions
GIVEN = {  # cell to why the numbers in its prose follow from no run
    "00-22": "numbers of papers", "02-29b": "a question's case", "03-22": "four scales, each a quarter of the last",
    "03-28": "definition of a metric", "04-19": "constants of the pose network", "06-08": "definition of a metric",
    "06-37": "a question's case", "07-17": "what an interval of 95 % means", "07-21": "a case to think about",
    "07-29": "a question's case", "08-22": "what the remedy does",
    "09-35": "a question's case"}


def numbers_in_prose(cell) -> list[str]:
    """Find numbers in a Markdown cell that read like results."""
    text = cell.source
    for pattern in NO_PROSE:
        text = re.sub(pattern, "", text, flags=re.S | re.M)
    return [match[0] for match in NUMBER.finditer(text)]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_prose_states_no_result(path):
    cells = [cell for cell in notebooks.load(path).cells
             if cell.cell_type == "markdown" and not cell.id.startswith("exercise-")]
    found = {cell.id: numbers_in_prose(cell) for cell in cells if numbers_in_prose(cell)}
    assert {name: numbers for name, numbers in found.items() if name not in GIVEN} == {}
    assert {name for name in GIVEN if name[:2] == path.stem[:2]} == set(found), "a reason without a number"


def test_a_stated_result_is_found():
    import nbformat

    for text, expected in (("It is 12 % better.", ["12 %"]), ("A third of all pixels.", ["third of all"]),
                           ("AbsRel 0.21, `0.3`, $0.4$.", ["0.21"]), ("Lesson 02 has 3 cars.", [])):
        assert numbers_in_prose(nbformat.v4.new_markdown_cell(text)) == expected


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_stored_results_are_asked_for_before_they_are_read(path):
    for cell in notebooks.code_cells(notebooks.load(path)):
        called = {getattr(node.func, "id", getattr(node.func, "attr", "")) for node in ast.walk(ast.parse(
            "\n".join("" if line.startswith(("%", "!")) else line for line in cell.source.splitlines())))
            if isinstance(node, ast.Call)}
        for reader, finder in (("read_results", "find_results"), ("read_measurements", "find_measurements")):
            assert reader not in called or finder in called, cell.source[:80]


@pytest.mark.slow  # draws both methods and runs the code of a lesson
def test_the_lesson_of_stored_results_runs_without_any(tmp_path, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    for name, value in (("OMP_WAIT_POLICY", "passive"), ("KMP_BLOCKTIME", "0")):
        monkeypatch.setenv(name, value)  # the first cell sets them otherwise, for good
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(results, "RESULTS", tmp_path / "none")
    monkeypatch.setattr(results, "ROOT", tmp_path)
    names: dict = {}
    for cell in notebooks.code_cells(notebooks.load(FOLDER / "07_reproduction.ipynb")):
        exec(compile(cell.source, cell.id, "exec"), names)
    said = capsys.readouterr().out
    assert "not all stored here yet" in said and "published numbers lie in the repository's figures/results" in said
    assert (tmp_path / "07_reproduction.json").exists()
