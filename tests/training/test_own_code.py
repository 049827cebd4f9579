"""Code of one's own in a run: what training calls, what it trains, what the folder remembers, and where it starts."""
from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import TinySource
from torch import nn
from training_cases import signal_after

from semdepth_lite import losses
from semdepth_lite.classes import TRAIN_ID
from semdepth_lite.common import registry
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.registry import register
from semdepth_lite.common.runtime import Terminated
from semdepth_lite.common.storage import read_json
from semdepth_lite.semantics import Guidance
from semdepth_lite.training.checkpoint import _build, check_parts, load_checkpoint, load_run
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

TINY = TrainSettings(width=8, steps=4, batch=2, segmenter_steps=2)


class Labeled(TinySource):
    """The pole scene with labels."""

    has_labels = True

    def triplet(self, indices):
        batch = super().triplet(indices)
        batch.labels = torch.where(batch.depth[:, 0] < 4, TRAIN_ID["person"], TRAIN_ID["building"]).to(torch.uint8)
        return batch


@pytest.fixture(scope="module")
def source() -> Labeled:
    return Labeled(4)


@pytest.fixture(autouse=True)
def only_here(monkeypatch):
    monkeypatch.setattr(registry, "_PARTS", {})


class Shift(nn.Module):
    """A fusion that adds a learned constant to the depth features."""

    def __init__(self, depth_channels, semantic_channels=None, classes=None) -> None:
        super().__init__()
        self.shift = nn.ParameterList(nn.Parameter(torch.zeros(channels, 1, 1)) for channels in depth_channels)

    def forward(self, level, depth, guidance):
        return depth + self.shift[level]


def squared(prediction, batch, settings) -> losses.LossTerms:
    """The error of log depth, squared."""
    error = (prediction.depth.log() - batch.require("depth").log()).pow(2).mean()
    return losses.LossTerms(error, error, 0 * error)


# What training calls

@pytest.mark.slow
def test_the_readable_loss_is_called_and_the_fast_one_equals_it(source, tmp_path, monkeypatch):
    fast, readable = (Run(source, replace(TINY, fused=fused), tmp_path / str(fused), "cpu") for fused in (True, False))
    for run in (fast, readable):
        run.train(progress=False, log_every=1)
    assert fast.history()["loss"] == pytest.approx(readable.history()["loss"], rel=1e-3)
    monkeypatch.setattr(losses, "photometric_error", lambda a, b, *rest: (a - b).pow(2).mean(1, keepdim=True))
    changed = Run(source, replace(TINY, fused=False), tmp_path / "changed", "cpu")
    changed.train(progress=False, log_every=1)
    assert (np.abs(changed.history()["loss"] - readable.history()["loss"]) > 1e-3).all()


# What it trains, and what the folder remembers

@pytest.mark.slow
def test_a_module_put_into_the_model_is_trained_and_recorded(source, tmp_path):
    run = Run(source, TINY, tmp_path, "cpu")
    run.model.fusion = Shift(run.model.depth.channels)
    run.train(progress=False)
    assert all(float(shift.detach().abs().max()) > 0 for shift in run.model.fusion.shift)
    assert read_json(tmp_path / "settings.json")["parts"]["fusion"]["name"] == "Shift"
    with pytest.raises(InputError, match="trained with the fusion Shift of module .*test_own_code, which is not here"):
        Run(source, TINY, tmp_path, "cpu")
    with pytest.raises(InputError, match="trained with the fusion Shift"):
        load_run(tmp_path, "cpu")
    model = TINY.build()
    model.fusion = Shift(model.depth.channels)
    loaded = load_run(tmp_path, "cpu", model=model)
    assert torch.equal(loaded.fusion.shift[0], run.model.fusion.shift[0])
    again = TINY.build()
    again.fusion = Shift(again.depth.channels)
    assert Run(source, TINY, tmp_path, "cpu", model=again).step == 4


def test_a_module_that_comes_too_late_is_refused(source, tmp_path):
    run = Run(source, TINY, tmp_path, "cpu")
    run.train_step(source.triplet(np.arange(2)))
    run.model.fusion = Shift(run.model.depth.channels)
    with pytest.raises(InputError, match="other parameters than at the first step"):
        run.train_step(source.triplet(np.arange(2)))


def test_a_model_of_another_variant_is_refused(source, tmp_path):
    with pytest.raises(InputError, match="of another variant than the settings, baseline"):
        Run(source, TINY, tmp_path / "run", "cpu", model=replace(TINY, variant="multitask").build())
    with pytest.raises(InputError, match="model is Linear, expected a semdepth_lite Model"):
        Run(source, TINY, tmp_path / "run", "cpu", model=nn.Linear(1, 1))
    assert not (tmp_path / "run").exists()


def test_a_registered_fusion_is_named_in_the_settings_and_loaded(source, tmp_path):
    with pytest.raises(InputError, match="fusion is 'shift', expected attention, ssfa, none, or one of your own"):
        replace(TINY, changes={"fusion": "shift"})
    register("fusion", "shift")(Shift)
    settings = replace(TINY, changes={"fusion": "shift"})
    run = Run(source, settings, tmp_path, "cpu")
    run.train(progress=False)
    assert torch.equal(load_run(tmp_path, "cpu").fusion.shift[1], run.model.fusion.shift[1])

    class Other(Shift):
        """Not what was trained."""

    register("fusion", "shift")(Other)
    with pytest.raises(InputError, match="is not the code that trained"):
        load_run(tmp_path, "cpu")
    registry._PARTS.clear()
    with pytest.raises(InputError, match="trained with the fusion Shift of module .* which is not here; register it"):
        load_run(tmp_path, "cpu")


def test_the_same_source_is_the_same_part_whatever_its_module_is_called(tmp_path):
    recorded = {"fusion": {"name": "FiLM", "module": "__main__", "sha256": "ab"}}
    check_parts(recorded, {"fusion": {**recorded["fusion"], "module": "film"}}, tmp_path)
    unknown = {"fusion": {**recorded["fusion"], "sha256": None}}
    check_parts(unknown, unknown, tmp_path)
    for change in ({"sha256": "cd"}, {"name": "Other"}, {"sha256": None}):
        with pytest.raises(InputError, match="is not the code that trained"):
            check_parts(recorded, {"fusion": {**recorded["fusion"], **change}}, tmp_path)


def test_a_fusion_without_a_class_map_is_one_sentence():
    with pytest.raises(InputError, match="set masks to labels, to segmenter, or to branch"):
        Guidance().reduced(1)


@pytest.mark.slow
def test_a_loss_of_ones_own_trains_and_is_asked_for_again(source, tmp_path):
    register("loss", "squared")(squared)
    named = Run(source, replace(TINY, loss="squared"), tmp_path / "named", "cpu")
    given = Run(source, TINY, tmp_path / "given", "cpu", loss=squared)
    for run in (named, given):
        run.train(progress=False, log_every=1)
    assert np.array_equal(named.history()["loss"], given.history()["loss"])
    with pytest.raises(InputError, match="trained with the loss squared"):
        Run(source, TINY, tmp_path / "given", "cpu")
    load_run(tmp_path / "given", "cpu")  # prediction needs no loss


def test_a_registered_loss_is_checked_like_other_parts(source, tmp_path):
    register("loss", "squared")(squared)
    Run(source, replace(TINY, loss="squared", steps=1), tmp_path, "cpu").train(progress=False)
    load_run(tmp_path, "cpu")

    @register("loss", "squared")
    def other(prediction, batch, settings):
        return squared(prediction, batch, settings)

    with pytest.raises(InputError, match="the loss .*other of module .* is not the code that trained"):
        load_run(tmp_path, "cpu")
    registry._PARTS.clear()
    with pytest.raises(InputError, match="was trained with the loss squared of module .*, which is not here; register"):
        load_run(tmp_path, "cpu")
    register("fusion", "shift")(Shift)
    parts = {place: {"name": name, "module": "a", "sha256": ""}
             for place, name in (("fusion", "Shift"), ("loss", "squared"))}
    with pytest.raises(InputError, match="trained with the loss squared"):  # the fusion is there
        _build({"changes": {"fusion": "shift"}, "loss": "squared"}, parts, tmp_path)
    with pytest.raises(InputError, match="loss 'squared' is unknown; use one of .* one of your own after `register`"):
        replace(TINY, loss="squared")


def test_code_that_broke_before_its_first_checkpoint_may_be_mended(source, tmp_path):
    def broken(prediction, batch, settings):
        return prediction.depth.mean()

    with pytest.raises(InputError, match="the loss broken returns a tensor"):
        Run(source, TINY, tmp_path, "cpu", loss=broken).train(progress=False)
    run = Run(source, TINY, tmp_path, "cpu", loss=squared)
    assert read_json(tmp_path / "settings.json")["parts"]["loss"]["name"] == "squared"
    run.save()
    with pytest.raises(InputError, match="is not the code that trained"):
        Run(source, TINY, tmp_path, "cpu", loss=broken)


class Learned(nn.Module):
    """A loss with a weight of its own, which is learned with the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.balance = nn.Parameter(torch.zeros(()))

    def forward(self, prediction, batch, settings):
        terms = squared(prediction, batch, settings)
        return replace(terms, total=terms.total * (-self.balance).exp() + self.balance)


def test_a_loss_may_be_a_module_that_learns(source, tmp_path):
    loss = Learned()
    Run(source, TINY, tmp_path, "cpu", loss=loss).train(progress=False)
    assert float(loss.balance.detach()) != 0
    assert read_json(tmp_path / "settings.json")["parts"].keys() == {"loss"}
    load_run(tmp_path, "cpu")  # prediction needs no loss
    assert Run(source, TINY, tmp_path, "cpu", loss=Learned()).model.own_loss.balance == loss.balance


def test_two_losses_or_a_model_of_other_settings_are_refused(source, tmp_path):
    register("loss", "squared")(squared)
    named = replace(TINY, loss="squared")
    Run(source, named, tmp_path / "same", "cpu", loss=squared)
    with pytest.raises(InputError, match="a loss was passed beside another one that the settings or the model name"):
        Run(source, named, tmp_path / "two", "cpu", loss=lambda *given: squared(*given))
    for changes, name in (({"alignment": 2}, "alignment 2"), ({"pose": "given"}, "pose given"),
                          ({"fused": False}, "fused False"),
                          ({"supervision": "depth"}, "supervision depth"), ({"loss": "clip"}, "loss clip"),
                          ({"loss": "squared"}, "loss squared")):
        with pytest.raises(InputError, match=f"the model was not built for {name}"):
            Run(source, replace(TINY, **changes), tmp_path / "two", "cpu", model=TINY.build())
    assert not (tmp_path / "two").exists()


def test_a_loss_without_a_gradient_is_refused(source, tmp_path):
    def blind(prediction, batch, settings):
        return losses.LossTerms(*3 * (prediction.depth.detach().mean(),))

    with pytest.raises(InputError, match="the loss does not depend on any weight that is trained"):
        Run(source, TINY, tmp_path, "cpu", loss=blind).train(progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["semdepth", "ssfa_segmenter"])
def test_an_own_loop_over_public_steps_is_prepared_like_training(source, tmp_path, name):
    settings = replace(TINY, variant=name)
    run = Run(source, settings, tmp_path / "own", "cpu")
    for batch in run.batches():
        run.train_step(batch)
    whole = Run(source, settings, tmp_path / "whole", "cpu").train(progress=False).state_dict()
    assert all(torch.equal(value, whole[key]) for key, value in run.model.state_dict().items())


# Where a run starts and where it goes on

@pytest.mark.slow
def test_a_run_starts_from_other_weights_and_keeps_frozen_parts(source, tmp_path):
    first = Run(source, TINY, tmp_path / "first", "cpu").train(progress=False)
    settings = replace(TINY, variant="multitask", freeze=("encoder",))
    run = Run(source, settings, tmp_path / "second", "cpu", init=tmp_path / "first")
    second = run.train(progress=False)
    for name, value in second.encoder.state_dict().items():
        assert torch.equal(value, first.encoder.state_dict()[name]), name
    assert not torch.equal(next(second.depth.parameters()), next(first.depth.parameters()))
    with pytest.raises(InputError, match="no part 'head' of this model to freeze; use encoder, depth"):
        Run(source, replace(TINY, freeze=["head"]), tmp_path / "third", "cpu")
    with pytest.raises(InputError, match="no weights of the encoder in .* fit this model"):
        Run(source, replace(TINY, encoder="resnet18"), tmp_path / "fourth", "cpu", init=tmp_path / "first")
    with pytest.raises(InputError, match="does not exist; name a run folder"):
        Run(source, TINY, tmp_path / "fifth", "cpu", init=tmp_path / "none")


@pytest.mark.slow
def test_a_finished_run_goes_on_and_says_so(source, tmp_path):
    Run(source, TINY, tmp_path, "cpu").train(progress=False)
    longer = Run(source, replace(TINY, steps=6), tmp_path, "cpu")
    assert longer.step == 4 and longer.extended == [4]
    longer.train(progress=False, log_every=1)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 6
    assert read_json(tmp_path / "settings.json")["extended"] == [4]
    assert Run(source, replace(TINY, steps=6), tmp_path, "cpu").extended == [4]
    with pytest.raises(InputError, match="holds a run with steps 6, not 4"):
        Run(source, TINY, tmp_path, "cpu")


def test_a_run_that_was_cut_off_goes_on_to_more_steps(source, tmp_path):
    """What was computed so far stays; from there on everything is that of the longer training."""
    short = Run(source, TINY, tmp_path, "cpu")
    for batch in short.batches():
        short.train_step(batch)
        if short.step == 2:
            break
    short.save()
    weights = {name: value.clone() for name, value in short.model.state_dict().items()}
    longer = Run(source, replace(TINY, steps=8), tmp_path, "cpu")
    assert longer.step == 2 and longer.extended == [2]
    assert all(torch.equal(value, weights[name]) for name, value in longer.model.state_dict().items())
    assert read_json(tmp_path / "settings.json")["settings"]["steps"] == 8
    assert Run(source, replace(TINY, steps=8), tmp_path, "cpu").extended == [2]
    with pytest.raises(InputError, match="holds a run with steps 8, not 4"):
        Run(source, TINY, tmp_path, "cpu")
    longer.train(progress=False)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 8
    assert read_json(tmp_path / "settings.json")["extended"] == [2]


def test_only_a_margin_that_ends_at_the_same_step_goes_on(source, tmp_path):
    """The command line lets the automask's margin end where the preset's training ends."""
    Run(source, TINY, tmp_path, "cpu").train(progress=False)
    with pytest.raises(InputError, match="holds a run with margin_until 1.0, not 0.25"):
        Run(source, replace(TINY, steps=8, margin_until=0.25), tmp_path, "cpu")
    assert Run(source, replace(TINY, steps=8, margin_until=0.5), tmp_path, "cpu").extended == [4]


@pytest.mark.slow
def test_the_best_checkpoint_and_the_history_are_kept(source, tmp_path):
    scores = iter([0.5, 0.3, 0.4, 0.6])
    run = Run(source, TINY, tmp_path, "cpu")
    run.train(progress=False, log_every=2, watch=lambda _: {"abs_rel": next(scores)}, watch_every=1,
              keep_best="abs_rel")
    assert load_checkpoint(tmp_path / "best.pt")["step"] == 2 and load_run(tmp_path, "cpu", best=True)
    assert run.history(watched=True)["abs_rel"].tolist() == [0.5, 0.3, 0.4, 0.6]
    assert run.history()["step"].tolist() == [2, 4] and run.history()["loss"].shape == (2,)


def test_the_log_is_json_whatever_a_watch_returns(source, tmp_path):
    scores = iter([{"a": torch.tensor(0.5), "b": float("nan")}, {"a": np.float32(np.inf), "b": None}])
    run = Run(source, replace(TINY, steps=2), tmp_path, "cpu")
    run.train(progress=False, watch=lambda _: next(scores), watch_every=1, keep_best="a")
    assert "NaN" not in (tmp_path / "log.jsonl").read_text() and "Inf" not in (tmp_path / "log.jsonl").read_text()
    found = run.history(watched=True)
    assert found["a"][0] == 0.5 and np.isnan([found["a"][1], *found["b"]]).all()
    assert load_checkpoint(tmp_path / "best.pt")["step"] == 1


def test_sigterm_ends_between_two_steps_with_a_checkpoint(source, tmp_path):
    run = Run(source, TINY, tmp_path, "cpu")
    signal_after(run, 2, signal.SIGTERM)
    with pytest.raises(Terminated):
        run.train(progress=False)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2


def test_checkpoints_are_written_by_time_too(source, tmp_path, monkeypatch):
    run = Run(source, TINY, tmp_path, "cpu")
    saved = []
    monkeypatch.setattr(run, "save", lambda name="checkpoint.pt": saved.append(run.step))
    run.train(progress=False, save_every=100, save_seconds=0.0)
    assert saved == [1, 2, 3, 4]
