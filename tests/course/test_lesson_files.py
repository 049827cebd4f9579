"""The lessons as a copy to work in."""
from __future__ import annotations

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course.lesson_files import LESSONS, copy_lessons
from semdepth_lite.course.reproduce import find_notebooks


def test_a_copy_holds_lessons_solutions_and_pages(tmp_path):
    copies = copy_lessons(tmp_path / "mine")
    assert [path.name for path in copies] == [path.name for path in find_notebooks()]
    assert [path.name for path in find_notebooks(folder=tmp_path / "mine")] == [path.name for path in copies]
    for path in (tmp_path / "mine").rglob("*.*"):
        assert path.read_bytes() == (LESSONS / path.relative_to(tmp_path / "mine")).read_bytes()
    for part in ("solutions", "glossary.md", "for_instructors.md"):
        assert (tmp_path / "mine" / part).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


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
