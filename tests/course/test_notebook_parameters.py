"""Bad values of the notebooks' parameters: one sentence that names the value, and no results are left behind.

The code cells are run here, without a kernel, until one refuses; the figures on the way are not shown.
"""
from __future__ import annotations

import ast
from pathlib import Path

import pytest

from semdepth_lite import figures
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import notebooks

LESSONS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("[0-9]*.ipynb"))
BAD = {"preset": ("huge", "preset 'huge' is unknown; use one of quick, lesson, photo, clip, showcase, paper"),
       "seed": (-4, "-"),
       "data_root": ("nowhere", "nowhere"), "networks": ("mine", "networks 'mine' is unknown; use 'pretrained' or")}


def cases() -> list[tuple[Path, str]]:
    return [(path, name) for path in LESSONS for name in notebooks.parameter_literals(notebooks.load(path))
            if name in BAD]


@pytest.mark.slow
@pytest.mark.parametrize("path, name", cases(), ids=lambda value: getattr(value, "stem", value))
def test_a_bad_parameter_is_refused_in_one_sentence(path, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figures, "show", lambda figure, **words: None)
    value, sentence = BAD[name]
    scope: dict[str, object] = {}
    cells = [cell.source for cell in notebooks.code_cells(notebooks.load(path))]
    with pytest.raises(InputError) as caught:
        for source in cells:
            exec(compile(ast.parse(source), path.name, "exec"), scope)
            if name in scope and scope[name] != value:
                scope[name] = value  # what papermill does behind the cell of parameters
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / f"{path.stem}.json").exists()
