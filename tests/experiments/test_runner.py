"""An experiment's run folders belong to one call at a time, and a signal stops its processes with it."""
from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import Terminated
from semdepth_lite.common.storage import sole_use
from semdepth_lite.experiments import runner, trial
from semdepth_lite.experiments.results import Result
from semdepth_lite.experiments.trial import Trial, is_done


def test_two_experiments_in_one_folder_of_runs(tmp_path):
    with sole_use(tmp_path / "runs"), pytest.raises(InputError, match="runs is in use by another run"):
        runner.run_experiment("baseline", "quick", tmp_path / "runs", tmp_path / "results", progress=False)


def test_results_that_cannot_be_written_are_noticed_before_anything_is_trained(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(InputError, match="results is no folder, so nothing .*; name another folder of results"):
        runner.run_experiment("baseline", "quick", tmp_path / "runs", tmp_path / "results", progress=False)
    assert not (tmp_path / "runs").exists()


def test_a_damaged_result_is_named_before_anything_is_trained(tmp_path):
    first = runner.find_experiment("baseline", "quick")[0]
    (tmp_path / f"{first.file}.json").write_text(json.dumps({"name": "a", "metrics": {}, "group": "a", "order": "x"}))
    with pytest.raises(InputError, match=f"{first.file}.json gives 'x' as 'order'"):
        runner.run_experiment("baseline", "quick", tmp_path / "runs", tmp_path, progress=False)


def test_a_result_of_other_data_is_not_done(tmp_path, monkeypatch):
    constant = Trial("constant", "constant", None, "quick", group="a")
    made = trial.made_of(constant)
    for data, done in (({}, True), (made, True), ({**made, "train": "0" * 16}, False)):
        Result("constant", {}, "a", split="test", preset="quick", made_of=data).save(tmp_path / "constant.json")
        assert is_done(constant, tmp_path) is done
    Result("constant", {}, "a", split="test", preset="quick", made_of=made).save(tmp_path / "constant.json")
    monkeypatch.setattr("semdepth_lite.data.sources.RENDERER_VERSION", -1)  # another renderer, other pictures
    assert not is_done(constant, tmp_path)


def test_a_signal_stops_the_processes_and_begins_no_other(tmp_path, monkeypatch):
    begun: list[subprocess.Popen] = []
    popen = subprocess.Popen

    def sleep(command, **options):
        begun.append(popen([sys.executable, "-c", "import time; time.sleep(600)"], **options))
        return begun[-1]

    def stop(*arguments):
        while len(begun) < 2:
            time.sleep(0.01)
        raise Terminated

    trials = [Trial(str(i), "a", None, "quick") for i in range(5)]
    monkeypatch.setattr(runner.subprocess, "Popen", sleep)
    monkeypatch.setattr(runner, "street", lambda *arguments, **options: None)
    monkeypatch.setattr(runner.ThreadPoolExecutor, "map", lambda pool, run, todo: (
        [pool.submit(run, each) for each in todo], stop()))
    began = time.monotonic()
    with pytest.raises(Terminated):
        runner._run_rest(trials, "a", "quick", Path(tmp_path), Path(tmp_path), 2, False)
    assert time.monotonic() - began < 60 and len(begun) == 2 and all(child.poll() is not None for child in begun)
