"""The main job's record: two calls at once, damaged entries, kernels that are not there."""
from __future__ import annotations

import json

import nbformat
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import sole_use
from semdepth_lite.course import notebooks
from semdepth_lite.course import reproduce as job


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Two lessons whose running is only played; returns the names of those that ran."""
    lessons, ran = tmp_path / "lessons", []
    lessons.mkdir()
    for name in ("01", "02"):
        cell = nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]})
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), lessons / f"{name}.ipynb")

    def run(path, copy, parameters, progress):
        ran.append(path.stem)
        copy.write_text("executed")
        return {"notebook": path.name, "output": str(copy), "seconds": 1.0, "results": None}

    monkeypatch.setattr(job, "run_notebook", run)
    return lessons, tmp_path / "out", ran


def test_a_second_call_in_one_output_is_refused_and_loses_no_row(played):
    lessons, output, ran = played
    job.reproduce("quick", output, "01", progress=False, folder=lessons)
    with sole_use(output), pytest.raises(InputError, match="out is in use by another run"):
        job.reproduce("quick", output, "02", progress=False, folder=lessons)
    job.reproduce("quick", output, "02", progress=False, folder=lessons)
    assert ran == ["01", "02"] and json.loads((output / job.RECORD).read_text()).keys() == {"01", "02"}


@pytest.mark.parametrize("entry", [[], "x", 3, None, {}, {"row": {}}, {"row": [1]}, "no row"])
def test_a_damaged_entry_is_as_good_as_none(played, entry):
    lessons, output, ran = played
    job.reproduce("quick", output, progress=False, folder=lessons)
    record = json.loads((output / job.RECORD).read_text())
    record["01"] = {name: record["01"][name] for name in ("hash", "preset")} if entry == "no row" else entry
    (output / job.RECORD).write_text(json.dumps(record))
    rows = job.reproduce("quick", output, progress=False, folder=lessons)
    assert ran == ["01", "02", "01"] and [row["notebook"] for row in rows] == ["01.ipynb", "02.ipynb"]


@pytest.mark.parametrize("error", [RuntimeError("Kernel died before replying to kernel_info"), KeyError("python3")])
def test_a_kernel_that_is_not_there_is_one_sentence(played, tmp_path, monkeypatch, error):
    papermill = pytest.importorskip("papermill")

    def dead(*arguments, **options):
        raise error

    monkeypatch.setattr(papermill, "execute_notebook", dead)
    with pytest.raises(notebooks.NotebookFailure, match="01.ipynb has no kernel any more .*python3") as caught:
        notebooks.run_notebook(played[0] / "01.ipynb", tmp_path / "copy.ipynb", progress=False)
    assert "\n" not in str(caught.value)
