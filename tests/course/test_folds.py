"""Outcomes of stored lessons: folded, once, with nothing lost, and only where something was to be predicted."""
from __future__ import annotations

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from semdepth_lite.course import folds, notebooks

LESSONS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
PROMPT = new_markdown_cell("> **Predict, then run.** Which?")
PRINTED = new_output("stream", text="1 < 2\n")
TABLE = new_output("display_data", {"text/markdown": "| a | b |\n| --- | ---: |\n| x | 1.5 |", "text/plain": "table"})
FIGURE = new_output("display_data", {"text/html": "<figure>f</figure>", "image/png": "AA==", "text/plain": "words"})
EXPLORER = new_output("display_data", {"text/html": "<figcaption>The explorer as it starts</figcaption>"})


def after_a_prompt(*cells, prompt=PROMPT):
    """A notebook of a prompt and code cells, folded twice; its code cells."""
    notebook = new_notebook(cells=[prompt, *cells, new_markdown_cell("words"), new_code_cell("9", outputs=[PRINTED])])
    for _ in range(2):
        folds.fold_outcomes(notebook)
    assert notebook.cells[-1].outputs == [PRINTED]  # other words lie between
    return notebook.cells[1:-2]


def test_one_fold_holds_all_that_a_cell_shows():
    (cell,) = after_a_prompt(new_code_cell("show()", outputs=[FIGURE, TABLE, PRINTED]))
    (fold,) = cell.outputs
    html = fold.data["text/html"]
    assert html.startswith(f"<details><summary>{folds.SUMMARY}</summary>\n<figure>f</figure>")
    assert html.count("<details") == 1 and "<td>x</td>" in html and "1 &lt; 2" in html and html.endswith("</details>")
    assert fold.data["text/plain"].split("\n")[0] == "words" and "| x | 1.5 |" in fold.data["text/plain"]
    assert folds.is_folded(fold) and not folds.is_folded(FIGURE) and not folds.is_folded(PRINTED)


def test_where_a_form_asks_only_what_it_reveals_is_folded():
    ask, look, reveal = after_a_prompt(
        new_code_cell('guess = guesses.ask("01 a", "Which?")', outputs=[PRINTED]),
        new_code_cell("show()", outputs=[FIGURE]), new_code_cell("with guess.reveal():\n    1", outputs=[PRINTED]))
    assert ask.outputs == [PRINTED] and look.outputs == [FIGURE] and folds.is_folded(reveal.outputs[0])


def test_drawings_and_explorers_stay_open():
    drawing, explorer = after_a_prompt(new_code_cell("show(drawings.pinhole())", outputs=[FIGURE]),
                                       new_code_cell("x", outputs=[PRINTED, EXPLORER]))
    assert drawing.outputs == [FIGURE]
    assert folds.is_folded(explorer.outputs[0]) and explorer.outputs[1:] == [EXPLORER]


@pytest.mark.parametrize("words, waits", [
    ("**Before you look:** which?", True), ("> **Predict, then try.** Which?", False), ("Look.", False)])
def test_only_some_words_ask(words, waits):
    (cell,) = after_a_prompt(new_code_cell("1", outputs=[PRINTED]), prompt=new_markdown_cell(words))
    assert folds.is_folded(cell.outputs[0]) == waits


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_outcome_of_a_lesson_stands_open(path):
    notebook = notebooks.load(path)
    cells = [cell for cell in folds.outcome_cells(notebook) if cell.outputs]
    assert cells and all(folds.is_folded(cell.outputs[0]) for cell in cells)
    stored = notebook.copy()
    folds.fold_outcomes(notebook)
    assert notebook == stored, "store the outputs with `store_outputs`"
