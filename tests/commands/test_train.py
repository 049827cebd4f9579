"""Training from the command line: looks at frames that are kept back, TensorBoard, and more steps than at first."""
from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from factories import TinySource

from semdepth_lite.commands.train import Options, tensorboard_writer, train
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import read_log
from semdepth_lite.evaluation import verdict
from semdepth_lite.evaluation.verdict import keep_back, photometric_errors, watcher
from semdepth_lite.training.checkpoint import load_checkpoint, load_run
from semdepth_lite.training.settings import TrainSettings

SETTINGS = TrainSettings(width=8, steps=4, batch=2)


class Bare(TinySource):
    """Frames alone, as of a camera."""

    has_depth = False

    def triplet(self, indices):
        return replace(super().triplet(indices), depth=None)


@pytest.fixture
def short_parts(monkeypatch):
    """Clips are split from eight triplets on: five to train on, two to judge on."""
    monkeypatch.setattr(verdict, "SHORTEST", 8)
    monkeypatch.setattr(verdict, "SHARE", 4)
    monkeypatch.setattr(verdict, "draw_verdict", lambda *_: None)


def options(**changes) -> Options:
    return replace(Options("cpu", None, None, 0, False, 0, False), **changes)


@pytest.mark.slow
@pytest.mark.parametrize("kind, number", [(TinySource, "abs_rel"), (Bare, "warped")])
def test_real_frames_that_are_kept_back_choose_the_best_checkpoint(kind, number, tmp_path, short_parts):
    train(kind(8, 64, 64), SETTINGS, tmp_path, options(validate=2), None)
    looks = {row["step"]: row["watch"] for row in read_log(tmp_path / "log.jsonl") if "watch" in row}
    assert list(looks) == [2, 4]
    best = min(looks, key=lambda step: looks[step][number])
    assert load_checkpoint(tmp_path / "best.pt")["step"] == best
    trained, kept = keep_back(kind(8, 64, 64))
    assert (len(trained), len(kept)) == (5, 2)
    judged, by = watcher(kept)
    assert by == number
    assert judged(load_run(tmp_path, "cpu", best=True))[number] == pytest.approx(looks[best][number], rel=1e-4)


def test_the_true_depth_and_motion_explain_frames_that_are_kept_back():
    class Knowing(torch.nn.Module):
        """Stands for a model that knows the scene, but for a factor of depth."""

        supervision = "video"

        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor, self.weight = factor, torch.nn.Parameter(torch.zeros(1))

        def forward(self, batch):
            return None, SimpleNamespace(depth=self.factor * batch.depth, T_source_target=batch.T_source_target)

    kept = TinySource(4, 64, 64)
    (unmoved, true), (_, wrong) = (photometric_errors(Knowing(factor), kept) for factor in (1.0, 3.0))
    assert true < 0.5 * unmoved and true < 0.5 * wrong


@pytest.mark.slow
def test_more_steps_than_at_first_are_said(tmp_path, short_parts):
    source = TinySource(8, 64, 64)
    assert "extended" not in train(source, SETTINGS, tmp_path, options(), None)
    found = train(source, replace(SETTINGS, steps=5), tmp_path, options(), None)
    assert found["extended"] == [4] and "trained 5 steps, after 4 more than were meant at first;" in found["text"]


def test_tensorboard_gets_every_number_of_the_log(tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        """What TensorBoard's writer is called with."""

        def __init__(self, folder: str, purge_step: int) -> None:
            written.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=SummaryWriter))
    write = tensorboard_writer(tmp_path)
    assert not written  # a folder appears with the first row
    write({"step": 10, "loss": 0.5, "ranking": 0.25})
    write({"step": 20, "cpu_seconds": 3.0, "watch": {"abs_rel": 0.125, "bus_abs_rel": None}})
    opened, *rows = written
    assert opened == (str(tmp_path / "tensorboard"), 10)
    assert rows == [("loss", 0.5, 10), ("ranking", 0.25, 10), ("validation/cpu_seconds", 3.0, 20),
                    ("validation/abs_rel", 0.125, 20)]


def test_tensorboard_that_is_not_installed_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="--tensorboard needs the package tensorboard, which is not installed"):
        tensorboard_writer(tmp_path)


@pytest.mark.slow
def test_tensorboard_itself_reads_what_was_written(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write = tensorboard_writer(tmp_path)
    write({"step": 10, "loss": 0.5})
    write({"step": 20, "loss": 0.25})
    tensorboard_writer(tmp_path)({"step": 20, "loss": 0.125})  # the run was cut off after step 10, and goes on
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(10, 0.5), (20, 0.125)]
