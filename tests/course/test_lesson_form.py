"""The form of the lessons: objectives, key points, a questionnaire, minutes, predictions, sizes, pages beside them."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from semdepth_lite.course import folds, guesses, notebooks
from tools import pages as readme

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
DETAILS = re.compile(r"<details>.*?</details>", re.S)
VARIES = {"preset", "seed", "data_root"}  # the parameters on which results may depend


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    """Each committed notebook in turn."""
    return notebooks.load(request.param)


def section(notebook, title: str) -> str:
    """The text under a second-level heading, up to the next one."""
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", prose, re.S | re.M)
    assert found, f"no section {title!r}"
    return found[1]


def read_cells(notebook) -> list:
    """The cells that are no exercise."""
    return [cell for cell in notebook.cells if not re.match("exercise-|answer-", str(cell.get("id")))]


def test_objectives_time_and_the_way_on(lesson):
    first = lesson.cells[0].source
    objectives = first.split("**You will be able to**")[1].split("\n\n")[1]
    assert len(re.findall(r"^- \w", objectives, re.M)) >= 3
    assert re.findall(r"^\*Time:\*.*$", first, re.M) == [readme.time_line(lesson)], "run python -m tools.pages"
    run = lesson.metadata.get(notebooks.STAMP) or pytest.fail("run the lesson at its preset and store the outputs")
    assert run["preset"] == "lesson" and run["minutes"] > 0


def test_key_points_and_questionnaire(lesson):
    assert len(re.findall(r"^- ", section(lesson, "Key points"), re.M)) >= 3
    questions = section(lesson, "Questions")
    asked, answers = DETAILS.sub("", questions), DETAILS.search(questions)
    assert answers and "<summary>Answers</summary>" in answers[0]
    numbers = [re.findall(r"^(\d+)\. ", text, re.M) for text in (asked, answers[0])]
    assert numbers[0] == numbers[1] == [str(i + 1) for i in range(len(numbers[0]))] and len(numbers[0]) >= 3


def test_sizes(lesson):
    read = read_cells(lesson)
    prose = DETAILS.sub("", "\n".join(cell.source for cell in read if cell.cell_type == "markdown"))
    assert 1200 <= len(re.findall(r"[A-Za-z][\w'’-]*", re.sub(r"\$[^$]*\$", "", prose))) <= 2500
    code = [line for cell in read if cell.cell_type == "code" for line in cell.source.splitlines() if line.strip()]
    assert len(code) <= 330  # asking, revealing and comparing take a third of them


def test_headings_are_unique(lesson):
    prose = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    titles = re.findall(r"^(#{1,6}) (.+)$", re.sub(r"^```.*?^```", "", prose, flags=re.S | re.M), re.M)
    assert len({title for _, title in titles}) == len(titles)
    assert max(len(marks) for marks, _ in titles) <= 3


def test_links_lead_somewhere(lesson):
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                assert "://" in target or (FOLDER / target).exists(), f"{target} is missing"


def test_pages_lead_somewhere():
    for page in FOLDER.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert len(re.findall(r"^# ", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)) == 1
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (FOLDER / target).exists(), f"{target} is missing"


def test_the_instructors_page_is_fresh():
    text = readme.INSTRUCTORS.read_text(encoding="utf-8")
    assert readme.fill_instructors(text) == text, "run python -m tools.pages"
    assert "checks.backproject" in text


# Predictions

@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_prediction_is_asked_for_and_compared(path):
    cells = [cell.source for cell in notebooks.code_cells(notebooks.load(path))]
    asked = [i for i, source in enumerate(cells) if "guesses.ask(" in source]
    compared = [i for i, source in enumerate(cells) if ".compare(" in source]
    assert asked and len("".join(cells).split("guesses.ask(")) == len("".join(cells).split(".compare("))
    assert all(a < c for a, c in zip(asked, compared)), "the prediction comes before the outcome"
    assert not set(asked) & set(compared), "a question and its outcome are two cells"
    assert all(folds.REVEALED.search(cells[i]) for i in compared), "an outcome waits for its prediction"
    keys = re.findall(r'guesses\.ask\("([^"]+)"', "\n".join(cells))
    assert len(set(keys)) == len(keys) and all(key.startswith(path.stem[:2]) for key in keys)
    assert callable(guesses.ask)


# Cells that nbval compares

def names(tree, kind) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, kind)}


def tainted_checked_cells(notebook) -> list[str]:
    """Checked cells that use a name which follows, over any number of cells, from a parameter that varies."""
    tainted, found = set(VARIES), []
    for cell in notebooks.code_cells(notebook):
        tree = ast.parse("\n".join("" if line.startswith(("%", "!")) else line for line in cell.source.splitlines()))
        for statement in tree.body:
            if names(statement, ast.Load) & tainted:
                tainted |= names(statement, ast.Store)
                tainted |= {statement.name} if isinstance(statement, (ast.FunctionDef, ast.ClassDef)) else set()
        if "nbval-check-output" in cell.metadata.get("tags", []) and names(tree, ast.Load) & tainted:
            found.append(cell.source)
    return found


def test_checked_cells_depend_on_neither_preset_nor_training(lesson):
    assert tainted_checked_cells(lesson) == []


def test_a_tainted_cell_is_found():
    checked = {"tags": ["nbval-check-output"]}
    cells = [nbformat.v4.new_code_cell("steps = 2 if preset == 'quick' else 9\nother = 3"),
             nbformat.v4.new_code_cell("def twice():\n    return 2 * steps"),
             nbformat.v4.new_code_cell("print(other)", metadata=checked),
             nbformat.v4.new_code_cell("print(twice())", metadata=checked)]
    assert tainted_checked_cells(nbformat.v4.new_notebook(cells=cells)) == ["print(twice())"]
