"""Committed results: a file says its own place in the tables, and a damaged one is named."""
from __future__ import annotations

import json

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.experiments import results
from semdepth_lite.experiments.results import Result, find_results, read_measurements, read_results
from semdepth_lite.experiments.suites import EXPERIMENTS, find_experiment


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path


def test_a_result_comes_back_as_it_was_saved(tmp_path):
    result = Result("learned", {"abs_rel": 0.1, "rmse": None}, "baseline", 3, "test", "lesson", {"steps": 2}, 1,
                    {"seconds": 1.5}, [{"step": 1}], {"miou": 0.5}, [0, 0], {"abs_rel": [0.1, None]})
    result.save(tmp_path / "x.json")
    assert Result.load(tmp_path / "x.json") == result


def test_results_are_read_by_group_in_the_order_of_rows_and_seeds(folder):
    for file, (name, group, order, seed) in {"d": ("late", "a", 5, None), "c": ("early", "b", 1, 0),
                                             "b": ("early", "b", 1, 1), "a": ("other", "c", 0, 0)}.items():
        Result(name, {}, group, order, seed=seed).save(folder / f"{file}.json")
    (folder / "benchmark-x.json").write_text('{"seconds": 1}')
    assert [(result.name, result.seed) for result in read_results("a", "b")] == [
        ("early", 0), ("early", 1), ("late", None)]
    assert [path.name for path in find_results("b")] == ["b.json", "c.json"] and find_results("none") == []
    assert read_measurements("benchmark-*") == {"benchmark-x": {"seconds": 1}}
    with pytest.raises(InputError, match="group 'none' .there are: a, b, c."):
        read_results("a", "none")
    with pytest.raises(InputError, match="matches 'nothing'"):
        read_measurements("nothing")


@pytest.mark.parametrize("text, match", [
    ('{"seed": ', "x.json cannot be used .*as JSON"), ("[1]", "x.json cannot be used .*holds list"),
    *[(json.dumps({"name": "a", "metrics": {}, "group": "a", "order": 1} | changed), f"x.json gives .* as '{field}'")
      for field, changed in [("settings", {"settings": value}) for value in ([1], "x", 3)] + [
          ("metrics", {"metrics": 3}), ("order", {"order": "x"}), ("made_of", {"made_of": []})]],
    ('{"name": "learned", "metrics": {}}', "x.json lacks 'group', 'order', so no table knows its row; run"),
    ('{"group": "a", "order": 1}', "x.json lacks 'name', 'metrics'"),
    ('{"name": "a", "metrics": {}, "group": "a", "order": 1, "colour": 1}', "x.json has the unknown entry 'colour'")])
def test_a_file_that_is_no_result_is_named(folder, text, match):
    (folder / "x.json").write_text(text)
    with pytest.raises(InputError, match=match):
        read_results("a")


@pytest.mark.slow
def test_committed_results_stand_where_the_suites_place_them():
    place = {trial.file: (trial.name, trial.group, trial.order)
             for name in EXPERIMENTS for trial in find_experiment(name)}
    rows = {}
    for name, group, order in place.values():
        assert group and rows.setdefault(order, name) == name, f"two rows share the order {order}"
    stored = {path.stem: Result.load(path) for group in {group for _, group, _ in place.values()}
              for path in find_results(group)}
    assert stored and {file: (result.name, result.group, result.order) for file, result in stored.items()} == \
        {file: place[file] for file in stored}
