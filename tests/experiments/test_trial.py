"""Presets, and a trial run of an experiment: its results, and going on after a cut."""
from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import TinySource
from training_cases import TINY, cut_off, train

from semdepth_lite import presets
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import seed_of
from semdepth_lite.evaluation.prediction import evaluate_model
from semdepth_lite.evaluation.protocol import Protocol
from semdepth_lite.experiments.runner import plan
from semdepth_lite.experiments.trial import Trial, execute, is_done, rounded, segmentation_scores, with_errors
from semdepth_lite.presets import PRESETS, Preset, find_preset, recipe
from semdepth_lite.street import corrupt_labels


@pytest.fixture
def tiny_preset(monkeypatch, tmp_path) -> str:
    """A preset of two scenes of 64x96, rendered into the test's own folder."""
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    preset = Preset(64, 96, {"train": 1, "validation": 1, "test": 1}, replace(TINY, steps=2, batch=2))
    monkeypatch.setitem(PRESETS, "tiny", preset)
    monkeypatch.setitem(PRESETS, "quick", preset)  # steps are timed on as many scenes as it has
    return "tiny"


def test_presets_are_found_and_changed():
    assert find_preset("quick") is PRESETS["quick"]
    assert recipe("quick", steps=None, seed=4) == replace(PRESETS["quick"].training, seed=4)
    assert recipe("paper").encoder == "resnet18" and recipe("paper").loss == "monodepth2"
    assert recipe("paper").steps == 20 * (39810 // 12) + 10  # 20 epochs of 39,810 triplets in twelves, rounded
    with pytest.raises(InputError, match="'huge' is unknown; use one of quick, lesson, photo"):
        recipe("huge")


@pytest.mark.slow
def test_a_trial_leaves_results_and_is_done(tiny_preset, tmp_path):
    learned = Trial("learned", "self-supervised", recipe(tiny_preset), tiny_preset)
    constant = Trial("constant", "constant of the training depth", None, tiny_preset)
    results = tmp_path / "results"
    assert plan([learned, constant], results, 1)[0] == [learned, constant]
    for trial in (learned, constant):
        assert not is_done(trial, results)
        content = execute(trial, tmp_path / "work", results, progress=False)
        assert is_done(trial, results)
        stored = json.loads((results / f"{trial.file}.json").read_text(), parse_constant=pytest.fail)
        assert stored["metrics"].keys() == content.metrics.keys() and stored["metrics"]["abs_rel"] > 0
        assert {len(values) for values in stored["values"].values()} == {6} and len(stored["scenes"]) == 6
    assert json.loads((results / "learned.json").read_text())["seed"] == 0
    assert plan([learned, constant], results, 1) == ([], 0.0)
    for changed in (replace(learned, settings=replace(learned.settings, seed=1)), replace(learned, split="validation"),
                    replace(learned, settings=None), replace(learned, preset="quick")):
        assert not is_done(changed, results)
    todo, hours = plan([replace(learned, settings=replace(learned.settings, seed=1)), constant], results, 1)
    assert [trial.file for trial in todo] == ["learned"] and 0 < hours < 0.1


@pytest.mark.slow
def test_an_experiments_run_continues_where_it_was_cut_off(tiny_preset, tmp_path):
    trial = Trial("learned", "self-supervised", recipe(tiny_preset), tiny_preset)
    whole = execute(trial, tmp_path / "whole", tmp_path / "a", progress=False)
    cut_off(presets.street("train", tiny_preset, progress=False), tmp_path / "work" / "learned", 1,
            trial.settings, save_every=1)
    resumed = execute(trial, tmp_path / "work", tmp_path / "b", progress=False)
    assert resumed.metrics == whole.metrics and resumed.values == whole.values


@pytest.mark.slow
def test_masks_with_errors_are_read_and_depth_is_judged_by_exact_labels(tiny_preset):
    exact = presets.street("test", tiny_preset, progress=False)
    assert with_errors(exact, 0.0, 0) is exact
    model = recipe(tiny_preset, variant="ssfa_labels").build().eval()
    worse = []
    for strength in (0.25, 1.0):
        erring = with_errors(exact, strength, seed=0)
        batch, true = erring.triplet(np.arange(len(exact))), exact.triplet(np.arange(len(exact)))
        assert torch.equal(batch.labels, true.labels)
        wanted = corrupt_labels(true.labels.numpy()[2], strength, seed_of(0, 2))
        assert np.array_equal(model.semantics_of(batch)[2, 0].numpy(), wanted)
        worse.append(segmentation_scores(model, erring)["miou"])
    assert 1 > worse[0] > worse[1] > 0
    assert segmentation_scores(model, exact) is None


def test_rounding_keeps_json_valid():
    assert rounded(0.123456789) == 0.12346 and rounded(123456.0) == 123460
    assert rounded(float("nan")) is None and rounded(float("inf")) is None


def test_a_model_is_judged_on_every_triplet(tmp_path):
    source = TinySource(5)
    run = train(source, tmp_path, replace(TINY, steps=1))
    report = evaluate_model(run.model, source, Protocol())
    assert len(report.values["abs_rel"]) == len(source) and report.means["abs_rel"] > 0
