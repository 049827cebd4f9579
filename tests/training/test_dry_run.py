"""The dry run: it times the steps of the real loop, keeps nothing, and its hours are plain arithmetic."""
from __future__ import annotations

import tempfile
from dataclasses import replace

import pytest
import torch
from factories import TinySource

from semdepth_lite.common.contracts import InputError
from semdepth_lite.presets import PRESETS
from semdepth_lite.training.dry_run import DryRun, dry_run
from semdepth_lite.training.settings import TrainSettings

TINY = TrainSettings(width=8, steps=2, batch=2)


def measured(**changes) -> DryRun:
    whole = DryRun(PRESETS["paper"].training, 192, 640, "kitti (10 triplets)", "cuda:0", [10.0, 20.0, 12.0],
                   [0.1, 0.2, 0.3], [8.0, 9.0, 11.0], 4000.0, 1.2)
    return replace(whole, **changes)


def test_hours_are_steps_times_seconds_and_work_over_speed():
    found = measured()
    assert found.seconds == 12 and found.hours() == pytest.approx(66350 * 12 / 3600)
    assert found.hours(2.0) == pytest.approx(66350 * 0.6 / 3600)
    assert measured(device="cpu, 1 thread").hours() == pytest.approx(66350 * 9 / 3600)  # others used the processor too
    assert measured(device="cpu, 2 threads").hours() == found.hours()
    said = found.to_json(2.0)
    assert said["hours_here"] == pytest.approx(221.2) and said["hours_there"] == pytest.approx(11.1)
    assert said["steps"] == 66350 and said["timed_steps"] == 3 and said["completed"] is False


def test_the_text_says_where_the_steps_come_from_and_that_nothing_was_completed():
    text = measured().text(2.0)
    assert "66350 steps = 39810 triplets / 12 x 20 epochs" in text and "Never completed here" in text
    assert "4000 MiB" in text and "221 h on this device" in text and "2 TFLOP/s" in text
    assert "triplets / 12" not in measured(settings=replace(PRESETS["paper"].training, steps=100)).text(2.0)


@pytest.mark.slow
def test_a_dry_run_takes_the_steps_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = dry_run(TinySource(5), TINY, 3, "cpu", workers=1)  # more than the two steps of the whole run
    assert len(found.step_seconds) == len(found.wait_seconds) == 3 and found.settings.steps == 2
    assert all(0 <= wait < step for wait, step in zip(found.wait_seconds, found.step_seconds))
    assert found.peak_mib > 10 and found.step_tflop > 0
    left = [path.name for path in tmp_path.iterdir()]
    assert [name for name in left if not name.startswith("torchinductor")] == []  # torch's own, from counting


@pytest.mark.slow
def test_the_work_of_a_step_grows_with_the_batch():
    one, two = (dry_run(TinySource(5), replace(TINY, batch=batch), 1, "cpu", workers=0).step_tflop for batch in (1, 2))
    assert two == pytest.approx(2 * one, rel=1e-6)


def test_the_counted_work_is_that_of_a_convolution_by_hand():
    from torch.utils.flop_counter import FlopCounterMode

    layer, image = torch.nn.Conv2d(3, 5, 3, padding=1), torch.rand(2, 3, 8, 10, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        layer(image).sum().backward()
    assert counter.get_total_flops() == 3 * (2 * 2 * 5 * 8 * 10 * 3 * 9)  # forward, and backward to image and weights


def test_what_cannot_be_timed_is_refused():
    with pytest.raises(InputError, match="0 steps times nothing"):
        dry_run(TinySource(3), TINY, 0, "cpu")
