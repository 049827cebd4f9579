"""Submitted notebooks, checked again: what is taken from them, limits, and the table of a class."""
from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import grading, grading_worker
from semdepth_lite.course.checks import EXERCISES

SLOW = "def my_abs_rel(pred, gt, mask):\n    while True:\n        pass"
BOTH = "import torch\n" + EXERCISES["rmse_log"].solution


def hand_in(path: Path, *codes: str) -> None:
    """Write a notebook of these cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes]), str(path))


def test_only_what_defines_something_is_taken(tmp_path):
    hand_in(tmp_path / "a.ipynb", "%matplotlib inline\nimport torch as t\nSIZES = (3, 4)\nmodel = train()",
            "plain = SIZES", "def my_warp(x):\n    return x\nchecks.warp(my_warp)", "def broken(:", "raise SystemExit")
    assert grading.definitions(tmp_path / "a.ipynb").splitlines() == [
        "import torch as t", "SIZES = (3, 4)", "def my_warp(x):", "    return x"]


def judged_here(tmp_path, monkeypatch, text: str, names: list[str], seconds: float = 60.0) -> list[dict]:
    """What the process writes, run in this one and without its limit of memory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grading_worker, "limit_memory", lambda gib: None)
    (tmp_path / "answers.py").write_text(text)
    grading_worker.main(seconds, 1.0, names)
    return [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]


def test_a_process_judges_one_answer_after_the_other(tmp_path, monkeypatch):
    text = "import absent_package\n" + BOTH + "\ndef my_abs_rel(pred, gt, mask):\n    return 1 / 0"
    assert judged_here(tmp_path, monkeypatch, text, ["rmse_log", "abs_rel"]) == [
        {"outcome": "right", "mistake": None}, {"outcome": "wrong", "mistake": "raised"}]


def test_an_answer_that_hangs_is_ended_and_the_next_one_is_judged(tmp_path, monkeypatch):
    found = judged_here(tmp_path, monkeypatch, BOTH + "\n" + SLOW, ["abs_rel", "rmse_log"], seconds=0.5)
    assert [one["outcome"] for one in found] == ["wrong", "right"] and found[0]["mistake"] == "took more than 0.5 s"


def test_what_ends_the_process_ends_one_answer_only(monkeypatch):
    calls = []

    def worker(text, names, seconds, memory):
        calls.append(list(names))
        done = {names[0]: {"outcome": "right", "mistake": None}}
        return done if len(names) == 1 else {**done, names[1]: {"outcome": "wrong", "mistake": "ended"}}

    monkeypatch.setattr(grading, "_worker", worker)
    text = "\n".join(f"def {EXERCISES[name].answer}(): ..." for name in ("warp", "abs_rel", "rmse_log"))
    found = dict(grading.judge_all(text, 1.0, 1.0))
    assert calls == [["warp", "abs_rel", "rmse_log"], ["rmse_log"]]
    assert [found[name]["passed"] for name in ("warp", "abs_rel", "rmse_log")] == [True, False, True]


@pytest.mark.slow  # a process that imports torch
def test_people_are_kept_apart_and_bad_files_stop_nothing(tmp_path):
    hand_in(tmp_path / "ada" / "07.ipynb", BOTH, EXERCISES["abs_rel"].stub)
    (tmp_path / "bob.ipynb").write_text("{")
    ada, bob = grading.grade(tmp_path)
    assert (ada.name, list(ada.checks), ada.problem) == ("ada", ["rmse_log"], "")
    assert ada.checks["rmse_log"]["passed"] and bob.checks == {} and "is not a notebook" in bob.problem


def test_bad_requests_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no notebook"):
        grading.grade(tmp_path)
    hand_in(tmp_path / "a.ipynb", "")
    with pytest.raises(InputError, match="seconds 0 is no limit"):
        grading.grade(tmp_path, seconds=0)
