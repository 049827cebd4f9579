"""The lessons as a copy to work in."""
from __future__ import annotations

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import notebooks
from semdepth_lite.course.checks import EXERCISES
from semdepth_lite.course.lesson_files import LESSONS, copy_lessons
from semdepth_lite.course.reproduce import find_notebooks


def test_a_copy_holds_lessons_solutions_and_glossary(tmp_path):
    copies = copy_lessons(tmp_path / "mine")
    assert [path.name for path in copies] == [path.name for path in find_notebooks()]
    assert [path.name for path in find_notebooks(folder=tmp_path / "mine")] == [path.name for path in copies]
    for path in (tmp_path / "mine").rglob("*.*"):
        assert path.read_bytes() == (LESSONS / path.relative_to(tmp_path / "mine")).read_bytes()
    others = {path.name for path in (tmp_path / "mine").iterdir() if path not in copies}
    assert others == {"glossary.md", "solutions"}
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_students_get_neither_outputs_nor_solutions(tmp_path):
    copies = copy_lessons(tmp_path / "class", "students")
    assert sorted(path.name for path in (tmp_path / "class").iterdir() if path not in copies) == ["glossary.md"]
    for path in copies:
        cells = notebooks.load(path).cells
        before = notebooks.load(LESSONS / path.name).cells
        assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")
        text = "\n".join(cell.source for cell in cells)
        assert "<summary>Solution</summary>" not in text and text.count("<summary>Hint</summary>") == sum(
            cell.source.count("<summary>Hint</summary>") for cell in before)
        assert [cell.source for cell in cells if not cell.id.startswith("exercise-")] == [
            cell.source for cell in before if not cell.id.startswith("exercise-")]


def test_teachers_get_every_mistake_that_is_known(tmp_path):
    copy_lessons(tmp_path / "desk", "teachers")
    assert (tmp_path / "desk" / "for_instructors.md").exists() and (tmp_path / "desk" / "solutions").is_dir()
    page = (tmp_path / "desk" / "mistakes.md").read_text(encoding="utf-8")
    assert all(mistake.says in page for exercise in EXERCISES.values() for mistake in exercise.mistakes)
    with pytest.raises(InputError, match="audience 'pupils' is unknown; use one of yourself, students, teachers"):
        copy_lessons(tmp_path / "other", "pupils")


def test_a_package_without_lessons_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("semdepth_lite.course.lesson_files.LESSONS", tmp_path / "nowhere")
    with pytest.raises(InputError, match="the lessons are not where this package lies"):
        copy_lessons(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_answers_are_never_overwritten(tmp_path):
    copy = copy_lessons(tmp_path / "mine")[0]
    copy.write_text("my answer")
    with pytest.raises(InputError, match="mine exists already"):
        copy_lessons(tmp_path / "mine")
    assert copy.read_text() == "my answer"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_no_lesson_is_named(tmp_path):
    with pytest.raises(InputError, match="no notebook in"):
        find_notebooks("99")
    with pytest.raises(InputError, match="no notebook in"):
        find_notebooks(folder=tmp_path)
