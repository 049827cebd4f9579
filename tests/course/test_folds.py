"""Outcomes of stored lessons: folded, once, with nothing lost, and only where something was to be predicted."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from semdepth_lite.course import folds, notebooks

LESSONS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
REVEAL = "with guesses.reveal():\n    show()"
PROMPT = re.compile(r"\*\*(?:Predict, then run\.|Before you look:)\*\*")
PRINTED = new_output("stream", text="1 < 2\n")
TABLE = new_output("display_data", {"text/markdown": "| a | b |\n| --- | ---: |\n| x | 1.5 |", "text/plain": "table"})
FIGURE = new_output("display_data", {"text/html": "<figure>f</figure>", "image/png": "AA==", "text/plain": "words"})
EXPLORER = new_output("display_data", {"text/html": "<figcaption>The explorer as it starts</figcaption>"})


def folded_twice(*cells):
    """The code cells, folded twice: the second time changes nothing."""
    notebook = new_notebook(cells=[new_markdown_cell("words"), *cells])
    for _ in range(2):
        folds.fold_outcomes(notebook)
    return notebook.cells[1:]


def test_one_fold_holds_all_that_a_cell_shows():
    (cell,) = folded_twice(new_code_cell(REVEAL, outputs=[FIGURE, TABLE, PRINTED]))
    (fold,) = cell.outputs
    html = fold.data["text/html"]
    assert html.startswith(f"<details><summary>{folds.SUMMARY}</summary>\n<figure>f</figure>")
    assert html.count("<details") == 1 and "<td>x</td>" in html and "1 &lt; 2" in html and html.endswith("</details>")
    assert fold.data["text/plain"].split("\n")[0] == "words" and "| x | 1.5 |" in fold.data["text/plain"]
    assert folds.is_folded(fold) and not folds.is_folded(FIGURE) and not folds.is_folded(PRINTED)


def test_only_what_is_revealed_is_folded():
    ask, look, form, text = folded_twice(
        new_code_cell('guess = guesses.ask("01 a", "Which?")', outputs=[PRINTED]),
        new_code_cell("show()", outputs=[FIGURE]), new_code_cell("with guess.reveal():\n    1", outputs=[PRINTED]),
        new_code_cell(REVEAL, outputs=[PRINTED]))
    assert ask.outputs == [PRINTED] and look.outputs == [FIGURE]
    assert folds.is_folded(form.outputs[0]) and folds.is_folded(text.outputs[0])


def test_explorers_stay_open():
    (explorer,) = folded_twice(new_code_cell(REVEAL, outputs=[PRINTED, EXPLORER]))
    assert folds.is_folded(explorer.outputs[0]) and explorer.outputs[1:] == [EXPLORER]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_question_of_the_text_is_answered_by_what_is_revealed(path):
    cells = notebooks.load(path).cells
    for asked, cell in enumerate(cells):
        if cell.cell_type == "markdown" and PROMPT.search(cell.source):
            answer = next(cell.source for cell in cells[asked + 1:]
                          if cell.cell_type == "code" and folds.REVEALED.search(cell.source))
            between = [cell.source for cell in cells[asked + 1:] if cell.cell_type == "code"]
            form = any("guesses.ask(" in source for source in between[:between.index(answer)])
            assert form == ("with guesses.reveal():" not in answer), cell.source[-80:]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_outcome_of_a_lesson_stands_open(path):
    notebook = notebooks.load(path)
    cells = [cell for cell in folds.outcome_cells(notebook) if cell.outputs]
    assert cells and all(folds.is_folded(cell.outputs[0]) for cell in cells)
    stored = notebook.copy()
    folds.fold_outcomes(notebook)
    assert notebook == stored, "store the outputs with `store_outputs`"
