"""The weights that come with the package: written from a finished run, checked on the way in, better than nothing."""
from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import semdepth_lite
from semdepth_lite import pretrained as networks
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import demos
from semdepth_lite.data.sources import triplet_of
from semdepth_lite.evaluation.baselines import constant_baseline
from semdepth_lite.evaluation.prediction import depth_predictor
from semdepth_lite.evaluation.report import evaluate
from semdepth_lite.presets import PRESETS, Preset, street
from semdepth_lite.pretrained import PRETRAINED, load_pretrained, pretrained_card
from semdepth_lite.street import render_frame
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings
from tools.pretrained import training_of, write_pretrained


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A lesson preset of two steps on one scene."""
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    lesson = PRESETS["lesson"]
    scenes = {"train": 1, "validation": 1, "test": 1}
    monkeypatch.setitem(PRESETS, "lesson", Preset(64, 96, scenes, replace(lesson.training, batch=2, steps=2)))


def finished(folder, name="baseline", **changes):
    run = Run(street("train", "lesson", progress=False), replace(training_of(name).settings, **changes), folder, "cpu")
    return run.train(progress=False)


@pytest.mark.slow
def test_weights_are_written_from_a_finished_run_and_read_again(tiny, tmp_path):
    model = finished(tmp_path / "run")
    card = write_pretrained("baseline", tmp_path / "run", tmp_path)
    loaded = load_pretrained("baseline", "cpu", tmp_path)
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value.half().float() if value.is_floating_point() else value)
    assert not loaded.training and card["test"]["abs_rel"] > 0
    assert json.loads((tmp_path / "baseline.json").read_text()) == card == pretrained_card("baseline", tmp_path)


@pytest.mark.slow
def test_other_runs_and_other_files_are_refused(tiny, tmp_path):
    finished(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match="does not hold the finished training of baseline"):
        write_pretrained("baseline", tmp_path / "other", tmp_path)
    assert not (tmp_path / "baseline.pt").exists()
    finished(tmp_path / "run")
    write_pretrained("baseline", tmp_path / "run", tmp_path)
    content = bytearray((tmp_path / "baseline.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "baseline.pt").write_bytes(content)
    with pytest.raises(InputError, match="not the file that its card describes"):
        load_pretrained("baseline", "cpu", tmp_path)
    (tmp_path / "baseline.pt").unlink()
    with pytest.raises(InputError, match="not the file that its card describes"):
        load_pretrained("baseline", "cpu", tmp_path)
    with pytest.raises(InputError, match="no pretrained weights 'monodepth2'; use one of baseline, seedepth"):
        load_pretrained("monodepth2")


@pytest.mark.slow
def test_a_lesson_takes_weights_or_trains_its_own(tiny, tmp_path, monkeypatch):
    finished(tmp_path / "run")
    write_pretrained("baseline", tmp_path / "run", tmp_path)
    monkeypatch.setattr(demos, "load_pretrained", lambda name, device: load_pretrained(name, device, tmp_path))
    monkeypatch.setattr(demos, "pretrained_card", lambda name, folder=tmp_path: pretrained_card(name, folder))
    source, settings = street("train", "lesson", progress=False), replace(training_of("baseline").settings, steps=1)
    given, _ = demos.network("pretrained", settings, source, tmp_path / "own")
    assert not (tmp_path / "own").exists() and torch.equal(
        next(given.parameters()), next(load_pretrained("baseline", "cpu", tmp_path).parameters()))
    own, seconds = demos.network("trained here", settings, source, tmp_path / "own")
    assert seconds == round(load_checkpoint(tmp_path / "own" / "checkpoint.pt")["cpu_seconds"], 1)
    assert not torch.equal(next(own.parameters()), next(given.parameters()))
    with pytest.raises(InputError, match="networks 'mine' is unknown"):
        demos.network("mine", settings, source, tmp_path / "own")


@pytest.mark.slow
@pytest.mark.parametrize("name", PRETRAINED)
def test_what_comes_with_the_package_fits_its_card(name):
    path, card = networks.FOLDER / f"{name}.pt", pretrained_card(name)
    assert path.stat().st_size < 8 * 2**20
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    # a setting that was added since had its default then
    assert asdict(TrainSettings(**card["settings"])) == asdict(training_of(name).settings)
    model = semdepth_lite.load_pretrained(name, "cpu")
    assert model.variant == training_of(name).settings.method


@pytest.mark.slow
@pytest.mark.parametrize("name", PRETRAINED)
def test_it_sees_more_than_a_constant_on_a_street_it_never_saw(name):
    height, width = (pretrained_card(name)[side] for side in ("height", "width"))
    triplets = [triplet_of([render_frame(seed, frame, height, width) for frame in range(3)])
                for seed in (900_001, 900_002)]
    constant = constant_baseline([torch.cat([item.depth for item in triplets])])
    errors, trivial = (np.mean([evaluate(predict, [item]).means["abs_rel"] for item in triplets])
                       for predict in (depth_predictor(load_pretrained(name, "cpu")), constant))
    assert errors < 0.6 * trivial


CARDS = {
    "no hash": ({"sha256": ...}, "lacks 'sha256'"), "hash a number": ({"sha256": 3}, "gives '3' as 'sha256'"),
    "no settings": ({"settings": ...}, "lacks 'settings'"),
    "settings a list": ({"settings": [1]}, "as 'settings', expected dict"),
    "a setting too many": ({"settings": {"mine": 1}}, "settings that are not known here .*'mine'"),
    "a width of letters": ({"settings": {"width": "8"}}, "width is '8', expected a whole number"),
    "a width beyond memory": ({"settings": {"width": 8 * 10**5}}, "width 800000 is not a multiple of 8 from 8 to 512"),
}


def package_of(folder, weights, **changed):
    """Write weights and their card into a folder, with parts of the card changed or left out."""
    torch.save(weights, folder / "baseline.pt") if not isinstance(weights, bytes) else (
        folder / "baseline.pt").write_bytes(weights)
    card = {"sha256": hashlib.sha256((folder / "baseline.pt").read_bytes()).hexdigest(), "settings": {"width": 8},
            "height": 64, "width": 96} | changed
    (folder / "baseline.json").write_text(json.dumps({name: value for name, value in card.items() if value is not ...}))


@pytest.mark.parametrize("name", CARDS)
def test_a_damaged_card_is_one_sentence(name, tmp_path):
    changed, match = CARDS[name]
    package_of(tmp_path, {}, **changed)
    with pytest.raises(InputError, match=match):
        load_pretrained("baseline", "cpu", tmp_path)


@pytest.mark.parametrize("changed, match", [({"height": "x"}, "as 'height', expected int"), ({"width": ...}, "'width'"),
                                            ({"height": 0}, "height 0 is not"), ({"width": 10**9}, "width 1000000000")])
def test_a_card_without_a_size_is_one_sentence(changed, match, tmp_path):
    package_of(tmp_path, {}, **changed)
    with pytest.raises(InputError, match=match):
        pretrained_card("baseline", tmp_path)


@pytest.mark.slow
def test_weights_of_every_other_form_are_one_sentence(tmp_path):
    whole = TrainSettings(width=8).build().state_dict()
    key = "encoder.encoder.conv1.weight"
    first = whole[key]
    package_of(tmp_path, whole)
    assert torch.equal(load_pretrained("baseline", "cpu", tmp_path).state_dict()[key], first)
    for value in (first.to_sparse(), first.to("meta"), first.to(torch.complex64), first.long(), first * float("nan"),
                  first[:1], "x"):
        package_of(tmp_path, {**whole, key: value})
        with pytest.raises(InputError, match=f"baseline.pt has '{key}'"):
            load_pretrained("baseline", "cpu", tmp_path)
    for content in (b"", b"text", [1]):
        package_of(tmp_path, content)
        with pytest.raises(InputError, match=r"baseline.pt (is no file of plain weights|holds a list)"):
            load_pretrained("baseline", "cpu", tmp_path)
