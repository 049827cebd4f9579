"""Settings, data and folders that do not fit a run are refused before anything is written."""
from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from factories import LabeledSource, TinySource
from training_cases import TINY, train

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import read_json, write_json
from semdepth_lite.training.checkpoint import load_run
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings


@pytest.mark.parametrize("change, reason", [
    ({"variant": "magic"}, "'magic' is unknown; use one of baseline"), ({"loss": "l2"}, "loss 'l2' is unknown"),
    ({"pose": "guessed"}, "pose 'guessed' is unknown"), ({"supervision": "lidar"}, "supervision 'lidar'"),
    ({"schedule": "linear"}, "schedule 'linear'"), ({"precision": "fp8"}, "precision 'fp8'"),
    ({"steps": 0}, "steps is 0"), ({"steps": -3}, "steps is -3"), ({"batch": 0}, "batch is 0"),
    ({"learning_rate": 0.0}, "learning_rate is 0"), ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ({"learning_rate": float("inf")}, "learning_rate is inf"), ({"seed": -1}, "seed is -1"),
    ({"seed": 2**32}, "seed is 4294967296")])
def test_impossible_settings_are_refused(change, reason):
    with pytest.raises(InputError, match=reason):
        TrainSettings(**change)


@pytest.mark.parametrize("change, reason", [
    ({"variant": "multitask"}, "made up has no semantic labels"), ({"encoder": "vgg"}, "encoder 'vgg'"),
    ({"width": 12}, "width 12")])
def test_settings_that_do_not_fit_leave_no_folder(source, tmp_path, change, reason):
    with pytest.raises(InputError, match=reason):
        Run(source, replace(TINY, **change), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


def test_masks_without_weights_leave_no_folder(tmp_path):
    settings = TrainSettings(variant="semdepth_segmenter", segmenter=str(tmp_path / "nosuch"), steps=1, batch=1)
    with pytest.raises(InputError, match=r"nosuch does not exist, so the masks .* have no weights; name the folder"):
        Run(LabeledSource(5), settings, tmp_path / "run", "cpu")
    (tmp_path / "nosuch").mkdir()
    with pytest.raises(InputError, match=r"nosuch.segmenter_weights.pt does not exist, so the masks"):
        Run(LabeledSource(5), settings, tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_run_that_fails_before_its_first_step_takes_its_settings_back(source, tmp_path, there):
    def broken(prediction, batch, settings):
        return prediction.depth.mean()  # no LossTerms

    folder = tmp_path / "run"
    if there:
        folder.mkdir()
    run = Run(source, TINY, folder, "cpu", loss=broken)
    for _ in range(2):  # the second attempt begins as the first did
        with pytest.raises(InputError, match="loss"):
            run.train(progress=False)
        assert (list(folder.iterdir()) if folder.exists() else None) == ([] if there else None)
    Run(source, TINY, folder, "cpu").train(progress=False)
    assert read_json(folder / "settings.json")["parts"] == {} and load_run(folder, "cpu")


def test_what_a_failed_run_has_kept_keeps_its_settings(source, tmp_path):
    def broken(prediction, batch, settings):
        raise InputError("no loss")

    run = Run(source, TINY, tmp_path / "run", "cpu", loss=broken)
    (tmp_path / "run" / "segmenter.pt").write_bytes(b"the work of minutes")
    with pytest.raises(InputError, match="no loss"):
        run.train(progress=False)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["segmenter.pt", "settings.json"]


def normalized_K(source):
    source.arrays["K"] = torch.tensor([[0.58, 0, 0.5], [0, 1.92, 0.5], [0, 0, 1]]).expand(5, 3, 3)


def odd_height(source):
    source.height = 70


def emptied(source):
    source.arrays = {name: value[:0] for name, value in source.arrays.items()}


@pytest.mark.parametrize("spoil, reason", [(normalized_K, "look normalized"), (emptied, "made up holds no triplet"),
                                           (odd_height, "height 70 is not a positive multiple of 32")])
def test_data_that_cannot_be_trained_on_is_refused_before_anything_is_written(tmp_path, spoil, reason):
    spoilt = TinySource(5)
    spoil(spoilt)
    with pytest.raises(InputError, match=reason):
        Run(spoilt, TINY, tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    train(source, folder, replace(TINY, steps=2))
    return folder


def copy(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


@pytest.mark.parametrize("change, data, reason", [
    ({"seed": 1}, {}, "holds a run with seed 0, not 1; use"),
    ({"loss": "monodepth2"}, {}, "holds a run with loss lesson, not monodepth2"),
    ({}, {"length": 4}, "holds a run with triplets 5, not 4"),
    ({}, {"width": 64}, "holds a run with data of width 96, not 64")])
def test_a_folder_of_another_run_is_refused_and_kept(finished, tmp_path, change, data, reason):
    folder = copy(finished, tmp_path / "run")
    with pytest.raises(InputError, match=reason):
        Run(TinySource(**{"length": 5, **data}), replace(TINY, steps=2, **change), folder, "cpu")
    assert all((folder / path.name).read_bytes() == path.read_bytes() for path in finished.iterdir())


def test_a_checkpoint_of_other_settings_is_refused_even_where_the_settings_file_was_changed(source, finished, tmp_path):
    folder = copy(finished, tmp_path / "run")
    other = replace(TINY, steps=2, width=16)
    write_json(folder / "settings.json", read_json(folder / "settings.json") | {"settings": asdict(other)})
    with pytest.raises(InputError, match="holds a run with width 8, not 16"):
        Run(source, other, folder, "cpu")


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def emptied_file(path: Path) -> None:
    path.write_bytes(b"")


def another_file(path: Path) -> None:
    torch.save({"weights": torch.ones(3)}, path)


def with_code(path: Path) -> None:
    torch.save({"model": Path("x"), "settings": {}, "step": 1}, path)  # needs unpickling of a class


@pytest.mark.parametrize("spoil", [cut_in_half, emptied_file, another_file, with_code])
def test_a_checkpoint_that_is_not_whole_is_refused_in_one_sentence(source, finished, tmp_path, spoil):
    folder = copy(finished, tmp_path / "run")
    spoil(folder / "checkpoint.pt")
    for call in (lambda: load_run(folder, "cpu"), lambda: Run(source, replace(TINY, steps=2), folder, "cpu")):
        with pytest.raises(InputError, match="is not a whole checkpoint") as caught:
            call()
        assert "\n" not in str(caught.value) and "delete it" in str(caught.value)


@pytest.mark.slow
def test_a_checkpoint_of_another_version_is_refused_in_one_sentence(finished, tmp_path):
    for name, spoil in (("key", lambda s: s["settings"].update(magic=1)), ("shape", lambda s: s["model"].popitem()),
                        ("variant", lambda s: s["settings"].update(width=16))):
        folder = copy(finished, tmp_path / name)
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        spoil(state)
        torch.save(state, folder / "checkpoint.pt")
        with pytest.raises(InputError, match="another version") as caught:
            load_run(folder, "cpu")
        assert "\n" not in str(caught.value)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no run folder; name one that `train` wrote"):
        load_run(tmp_path, "cpu")
    (tmp_path / "settings.json").write_text("{half")
    with pytest.raises(InputError, match="settings.json cannot be read as JSON"):
        read_json(tmp_path / "settings.json")
    (tmp_path / "settings.json").write_text("[1]")
    with pytest.raises(InputError, match="holds list, expected a JSON object"):
        read_json(tmp_path / "settings.json")
