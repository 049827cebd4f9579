"""Exercises in notebooks: the cells and the notebooks of solutions are those that the one source makes."""
from __future__ import annotations

import ast
import builtins
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import checks, notebooks
from tools import exercises as cells

LESSONS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def known_cells() -> dict[str, str]:
    return {cell.id: cell.source for exercise in checks.EXERCISES.values() for cell in cells.exercise_cells(exercise)}


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_exercises_of_a_lesson_are_its_own_and_fresh(lesson):
    notebook = notebooks.load(lesson)
    known = known_cells()
    present = [cell for cell in notebook.cells if re.match("(exercise|answer)-", str(cell.get("id")))]
    for cell in present:
        assert cell.source == known[cell.id], "run python -m tools.exercises"
    expected = [f"{kind}-{name.replace('_', '-')}" for name in checks.names(lesson.stem)
                for kind in ("exercise", "answer")]
    assert sorted(cell.id for cell in present) == sorted(expected)
    for cell, following in zip(notebook.cells, notebook.cells[1:]):
        if str(cell.get("id")).startswith("exercise-"):
            assert following.id == cell.id.replace("exercise-", "answer-"), "the stub comes right after its words"


def test_solutions_are_fresh():
    for path, text in cells.solution_files().items():
        assert path.read_text(encoding="utf-8") == text, "run python -m tools.exercises"
    assert sorted(cells.SOLUTIONS.glob("*")) == sorted(cells.solution_files())


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(cells.solution_files()), ids=lambda path: path.stem)
def test_solutions_notebooks_run_and_pass(path):
    notebook = cells.solutions_notebook(path.stem)
    nbformat.validate(notebook)
    names: dict = {}
    verdicts = []
    for cell in notebooks.code_cells(notebook):
        exec(cell.source, names)
        if (last := cell.source.splitlines()[-1]).startswith("checks."):
            verdicts.append(eval(last, names))
    assert len(verdicts) == len(checks.of_lesson(path.stem))
    assert all(verdict.passed for verdict in verdicts), verdicts


def names_of(source: str, kind) -> set[str]:
    """Names that a cell binds (`ast.Store`), imports and arguments among them, or reads (`ast.Load`)."""
    nodes = list(ast.walk(ast.parse(source)))
    found = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, kind)}
    if kind is ast.Store:
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        found |= {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}
        found |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        found |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return found


@pytest.mark.parametrize("lesson", [path for path in LESSONS if checks.of_lesson(path.stem)],
                         ids=lambda path: path.stem)
def test_a_lesson_has_the_names_that_its_solutions_and_hints_use(lesson):
    cells_by_id = {f"exercise-{each.name.replace('_', '-')}": each for each in checks.EXERCISES.values()}
    known, met = set(dir(builtins)), 0
    for cell in notebooks.load(lesson).cells:
        exercise = cells_by_id.get(cell.id)
        if exercise:
            met += 1
            missing = names_of(exercise.solution, ast.Load) - names_of(exercise.solution, ast.Store) - known
            modules = set(re.findall(r"`(torch|F|np|math|nn)\.", exercise.statement + exercise.hint))
            assert not missing | modules - known - names_of(exercise.solution, ast.Store), exercise.name
        elif cell.cell_type == "code" and not cell.id.startswith("answer-"):
            known |= names_of(cell.source, ast.Store)
    assert met == len(checks.of_lesson(lesson.stem))


@pytest.mark.parametrize("exercise", checks.EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_cells_hold_what_a_reader_needs(exercise):
    words, code = cells.exercise_cells(exercise)
    nbformat.validate(nbformat.v4.new_notebook(cells=[words, code]))
    assert words.source.startswith(f"### Exercise: {exercise.title}\n")
    assert f"about {exercise.minutes} minutes" in words.source and f"`checks.{exercise.name}`" in words.source
    assert "●" in words.source and re.search("easy|medium|hard", words.source), "difficulty, not by color alone"
    assert words.source.count("<details>") == words.source.count("</details>") == 2
    before, after = words.source.split("<details>", 1)
    # Code to be mended is shown in the statement; lines that stay as they are there are no secret.
    given = exercise.stub + "".join(re.findall("```python\n(.+?)```", exercise.statement, re.S))
    known = {line.strip() for line in given.splitlines()}
    own = [line.strip() for line in exercise.solution.splitlines() if line.strip() not in {"", *known}]
    assert own and not [line for line in own if line in before or line not in after], "the solution stays folded"
    assert code.source.splitlines()[-1] == f"checks.{exercise.name}({exercise.answer})"
    assert len(code.source.splitlines()) <= 25
    names: dict = {}
    exec(code.source, names)  # a stub must let Run All go through
    assert eval(code.source.splitlines()[-1], names).outcome == "open"


def small(path: Path) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell("1")])
    for cell, name in zip(notebook.cells, "ab"):
        cell.id = name
    nbformat.write(notebook, str(path))
    return path


def ids(path: Path) -> list[str]:
    return [cell.id for cell in notebooks.load(path).cells]


def test_insert_places_and_moves(tmp_path, monkeypatch):
    (tmp_path / "notebooks" / "solutions").mkdir(parents=True)
    for lesson in LESSONS:
        shutil.copy(lesson, tmp_path / "notebooks")
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(cells, "SOLUTIONS", tmp_path / "notebooks" / "solutions")
    path = small(tmp_path / "small.ipynb")
    cells.main([str(path), "a", "class_iou", "abs_rel"])
    new = ["exercise-class-iou", "answer-class-iou", "exercise-abs-rel", "answer-abs-rel"]
    assert ids(path) == ["a", *new, "b"]
    assert "solution-abs-rel" in ids(tmp_path / "notebooks" / "solutions" / "07_reproduction.ipynb")
    cells.insert(path, "b", ["class_iou"])
    assert ids(path) == ["a", *new[2:], "b", *new[:2]]
    with pytest.raises(InputError, match="no cell 'c'; use one of a, "):
        cells.insert(path, "c", ["class_iou"])
    with pytest.raises(InputError, match="exercise 'iou' is unknown; use one of backproject, "):
        cells.insert(path, "a", ["iou"])
    with pytest.raises(InputError, match="too few"):
        cells.main([str(path), "a"])


def test_stale_cells_are_refreshed(tmp_path):
    path = small(tmp_path / "small.ipynb")
    cells.insert(path, "a", ["class_iou"])
    notebook = notebooks.load(path)
    assert not cells.refreshed(notebook)
    notebook.cells[1].source = "old words"
    notebook.cells[3].source = "kept"
    assert cells.refreshed(notebook)
    assert notebook.cells[1].source == known_cells()["exercise-class-iou"] and notebook.cells[3].source == "kept"
