"""The same seed gives the same bytes: of every variant, with threads that read ahead or none, with a bar or none.

On another machine it gives nearly the same metrics.
"""
from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import TinySource

from semdepth_lite.classes import NUM_CLASSES
from semdepth_lite.evaluation.prediction import evaluate_model
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import VARIANTS

TINY = TrainSettings(width=8, steps=2, batch=2, segmenter_steps=1)


class Labeled(TinySource):
    """Triplets of the pole scene with made-up labels in blocks."""

    has_labels = True

    def triplet(self, indices):
        blocks = [np.random.RandomState(int(i)).randint(0, NUM_CLASSES, (4, 6)) for i in np.asarray(indices)]
        labels = np.stack(blocks).repeat(self.height // 4, 1).repeat(self.width // 6, 2)
        return replace(super().triplet(indices), labels=torch.from_numpy(labels.astype(np.uint8)))


@pytest.fixture(scope="module")
def source() -> Labeled:
    return Labeled(3)


def train(source, folder: Path, settings: TrainSettings, **options) -> dict[str, object]:
    """The bytes of a run: of its weights, of Adam's moments and of its log."""
    Run(source, settings, folder, "cpu").train(log_every=1, **options)
    state = load_checkpoint(folder / "checkpoint.pt")
    moments = {f"adam {i} {name}": value for i, slots in state["optimizer"]["state"].items()
               for name, value in slots.items()}
    tensors = {name: value.numpy().tobytes() for name, value in {**state["model"], **moments}.items()}
    return {**tensors, "log": (folder / "log.jsonl").read_bytes()}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_repeats_to_the_last_bit(variant, source, tmp_path):
    settings = replace(TINY, variant=variant)
    one = train(source, tmp_path / "one", settings, progress=False, workers=0)
    two = train(source, tmp_path / "two", settings, progress=True, workers=2)
    assert [name for name in one if one[name] != two.get(name)] == [] and one.keys() == two.keys()
    assert b"nan" not in one["log"].lower()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")  # of the switch itself, whatever it is set to
@pytest.mark.parametrize("variant", VARIANTS)
def test_metrics_of_a_short_run_agree_to_one_percent_on_another_machine(variant, source, tmp_path):
    # Another machine rounds otherwise, because it adds in another order. Other convolution kernels do so here.
    settings, found = replace(TINY, variant=variant, steps=4), []
    for name, fast in (("one", True), ("two", False)):
        with torch.backends.mkldnn.flags(enabled=fast):
            model = Run(source, settings, tmp_path / name, "cpu").train(progress=False)
            found.append((evaluate_model(model, source).means, next(model.depth.parameters()).detach().clone()))
    (one, weights), (two, others) = found
    assert not torch.equal(weights, others)  # it did round otherwise
    for metric in ("abs_rel", "rmse", "a1"):
        assert two[metric] == pytest.approx(one[metric], rel=0.01), metric


@pytest.mark.slow
def test_another_seed_gives_other_weights(source, tmp_path):
    one = train(source, tmp_path / "one", TINY, progress=False)
    two = train(source, tmp_path / "two", replace(TINY, seed=1), progress=False)
    assert any(one[name] != two[name] for name in one if name.startswith("encoder"))


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(source, tmp_path, monkeypatch):
    calm = train(source, tmp_path / "calm", TINY, progress=False)
    hours = iter(range(10**6))
    plain = time.time
    monkeypatch.setattr(time, "time", lambda: plain() + 3600 * (-1) ** next(hours))  # an hour ahead, an hour back
    jumping = train(source, tmp_path / "jumping", TINY, progress=False, workers=1)
    assert calm == jumping
