"""Full disks, folders that cannot be written, data that vanishes, two runs at once: a clear end, nothing spoiled."""
from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import TinySource

from semdepth_lite.__main__ import main
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import sole_use
from semdepth_lite.data.image_files import write_image
from semdepth_lite.data.own_frames import FrameFolder
from semdepth_lite.street import StreetSettings, cache_folder, load_street
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

TINY = TrainSettings(width=8, steps=4, batch=1)


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def clip(tmp_path) -> Path:
    for i in range(5):
        image = np.random.RandomState(i).randint(0, 256, (64, 96, 3), np.uint8)
        write_image(tmp_path / "clip" / f"{i}.png", image)
    return tmp_path / "clip"


@pytest.fixture
def run(tmp_path) -> Path:
    Run(TinySource(3), TINY, tmp_path / "run", "cpu").save()
    return tmp_path / "run"


def refused(arguments: list, capsys) -> tuple[int, str]:
    """Status and the sentence of a command."""
    capsys.readouterr()
    status = main([*map(str, arguments), "--quiet", "--device", "cpu"])
    sentence = capsys.readouterr()
    assert sentence.out == "" and sentence.err.count("\n") == 1 and "Traceback" not in sentence.err
    return status, sentence.err


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def test_a_full_disk_ends_a_prediction_with_whole_files_alone(clip, run, tmp_path, capsys):
    with files_end_at(2000):
        status, sentence = refused(["predict", clip, "--run", run, "--output", tmp_path / "out"], capsys)
    assert status == 2 and "File too large" in sentence and left_in(tmp_path / "out") == []


def test_a_full_disk_ends_a_rendering(tmp_path):
    settings = StreetSettings("train", scenes=1, frames_per_scene=2, height=32, width=64)
    with files_end_at(5000), pytest.raises(InputError, match="cannot be written .*free space"):
        load_street(settings, tmp_path, workers=1, progress=False)
    assert left_in(tmp_path) == [] and not cache_folder(settings, tmp_path).exists()
    assert len(load_street(settings, tmp_path, workers=1, progress=False)) == 2


@pytest.mark.slow
def test_a_full_disk_ends_a_training_that_goes_on_later(tmp_path):
    whole = Run(TinySource(3), TINY, tmp_path / "whole", "cpu")
    whole.train(progress=False)
    run = Run(TinySource(3), TINY, tmp_path / "run", "cpu")
    with files_end_at(3000), pytest.raises(OSError):
        run.train(progress=False, log_every=1, save_every=1)
    assert [name for name in left_in(tmp_path / "run") if name.endswith(".tmp")] == []
    again = Run(TinySource(3), TINY, tmp_path / "run", "cpu")
    again.train(progress=False)
    for one, two in zip(whole.model.state_dict().values(), again.model.state_dict().values()):
        assert torch.equal(one, two)


@pytest.mark.parametrize("place", ["file/run", "/proc/nothing/run"])
def test_a_folder_that_cannot_be_written_is_named(place, clip, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a file")
    status, sentence = refused(["train", place, "--data", f"frames:{clip}", "--intrinsics", "fov 80", "--height", 64,
                         "--width", 96], capsys)
    assert status == 2 and place.split("/")[-2] in sentence
    assert (tmp_path / "file").read_text() == "a file"


@pytest.mark.slow
def test_data_that_vanishes_ends_a_training_that_goes_on_when_it_is_back(clip, tmp_path):
    def opened() -> Run:
        source = FrameFolder(clip, 64, 96, "fov 80", cache=None)
        return Run(source, TINY, tmp_path / "run", "cpu")

    run = opened()
    step, hidden = run.train_step, tmp_path / "hidden"

    def losing(*arguments):
        if run.step == 2:
            clip.rename(hidden)
        return step(*arguments)

    run.train_step = losing
    with pytest.raises(InputError, match=r"clip/\d.png does not exist"):
        run.train(progress=False, log_every=1, save_every=1)
    kept = load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"]
    assert kept == 3
    hidden.rename(clip)
    again = opened()
    assert again.step == 3
    again.train(progress=False)
    assert again.step == 4


@pytest.mark.slow
def test_two_runs_in_one_folder(tmp_path):
    first = Run(TinySource(3), TINY, tmp_path / "run", "cpu")
    with sole_use(tmp_path / "run"):
        with pytest.raises(InputError, match="run is in use by another run"):
            Run(TinySource(3), TINY, tmp_path / "run", "cpu")
        with pytest.raises(InputError, match="run is in use by another run"):
            first.train(progress=False)
    first.train(progress=False)
    with pytest.raises(InputError, match="holds a run with seed 0, not 1"):
        Run(TinySource(3), replace(TINY, seed=1), tmp_path / "run", "cpu")
