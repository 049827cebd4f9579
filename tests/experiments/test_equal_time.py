"""Equal time: the arithmetic from timed steps to numbers of steps, on clocks that are made up."""
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.experiments.equal_time import baseline_steps, equal_time_steps
from semdepth_lite.experiments.suites import METHODS, find_experiment
from semdepth_lite.presets import PRESETS
from semdepth_lite.variants import find_variant
from tools import equal_time as timing
from tools.equal_time import Timed, measure


def made_up(variant: str, early: float, late: float, segmenter: float = 0.0) -> Timed:
    run = SimpleNamespace(model=SimpleNamespace(variant=find_variant(variant)),
                          settings=SimpleNamespace(segmenter_steps=600))
    return Timed(run, segmenter, segmenter / 10, ([9.0, early, early, early], [9.0, late, late, late]))


def test_a_step_counts_the_ranking_loss_for_the_share_in_which_it_works():
    assert made_up("baseline", 0.1, 0.9).step() == pytest.approx(0.1)
    assert made_up("semdepth", 0.1, 0.2).step() == pytest.approx(0.7 * 0.1 + 0.3 * 0.2)
    assert made_up("combined", 0.1, 0.2, segmenter=0.05).first(1000) == pytest.approx(600 * 0.05 + 1000 * 0.005)


def test_steps_fill_the_time_of_the_baseline(monkeypatch):
    times = {"baseline": (0.1, 0.0), "combined": (0.2, 0.1)}
    monkeypatch.setattr(timing, "street", lambda *_, **__: range(1000))

    def ready(source, preset, name, folder) -> Timed:
        return Timed(SimpleNamespace(**vars(made_up(name, 0, 0).run), name=name), times[name][1], 0.0, ([], []))

    monkeypatch.setattr(timing, "ready", ready)
    monkeypatch.setattr(timing, "step_seconds", lambda run, index, progress: times[run.name][0])
    found = measure(("baseline", "combined"), rounds=3)
    assert found["minutes"] == pytest.approx(100 / 60, abs=0.01)
    assert found["variants"]["baseline"]["steps"] == PRESETS["lesson"].training.steps == 1000
    assert found["variants"]["combined"]["steps"] == (0.1 * 1000 - 60) / 0.2


@pytest.mark.slow
def test_two_real_variants_are_timed(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path))
    found = measure(("baseline", "ssfa_segmenter"), "quick", rounds=1)["variants"]
    assert found["baseline"]["first_seconds"] == 0 < found["ssfa_segmenter"]["first_seconds"]
    assert 0 < found["baseline"]["step_seconds"] and PRESETS["quick"].scenes["train"] == 4


def test_a_missing_measurement_or_variant_is_named(tmp_path):
    path = tmp_path / "equal_time.json"
    with pytest.raises(InputError, match="no equal_time.json in .*python -m tools.equal_time"):
        equal_time_steps("baseline", path)
    path.write_text(json.dumps({"variants": {"seem": {"steps": 3}}}))
    with pytest.raises(InputError, match="no variant 'baseline'; it has seem"):
        equal_time_steps("baseline", path)
    assert equal_time_steps("seem", path) == 3


def test_the_experiment_at_equal_time_takes_its_steps_from_the_committed_times():
    trials = find_experiment("time")
    for variant in METHODS:
        small = {"combined_small"} if variant == "combined" else set()
        steps = {trial.settings.steps for trial in trials if trial.settings.variant == variant}
        assert {equal_time_steps(name) for name in {variant, *small}} <= steps
    longer = {trial.group: trial.settings.steps for trial in trials if trial.settings.steps > 1000}
    assert longer == {"time-baseline": baseline_steps("semdepth", 1000),
                      "time-included": baseline_steps("semdepth_made", 1000)}


def test_what_is_timed_later_is_counted_in_the_seconds_of_the_first_machine():
    known = {"minutes": 2, "variants": {"baseline": {"step_seconds": 0.1, "first_seconds": 0, "steps": 1000},
                                        "seem": {"step_seconds": 0.2, "first_seconds": 0, "steps": 500}}}
    found = {"minutes": 5, "variants": {"baseline": {"step_seconds": 0.3, "first_seconds": 0, "steps": 1000},
                                        "combined": {"step_seconds": 0.6, "first_seconds": 30, "steps": 450}}}
    assert timing.joined(found, known) == {"minutes": 2, "variants": {
        **known["variants"], "combined": {"step_seconds": 0.2, "first_seconds": 10, "steps": 450}}}


def test_the_baseline_takes_more_steps_in_the_time_of_another(tmp_path):
    path = tmp_path / "equal_time.json"
    path.write_text(json.dumps({"variants": {"baseline": {"step_seconds": 0.1, "first_seconds": 0},
                                             "combined": {"step_seconds": 0.2, "first_seconds": 30}}}))
    assert baseline_steps("combined", 1000, path) == (30 + 200) / 0.1
