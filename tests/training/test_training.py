"""The training loop: order, schedule, resume bit for bit, logs, refusals, and the name of what broke."""
from __future__ import annotations

import json
import math
import random
import resource
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import TinySource
from hypothesis import given
from hypothesis import strategies as st

from semdepth_lite import presets as presets_room
from semdepth_lite.camera import disp_to_depth
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import keep_freed_memory
from semdepth_lite.common.storage import read_json, read_log, write_json
from semdepth_lite.evaluation.prediction import depth_predictor, evaluate_model
from semdepth_lite.evaluation.protocol import Protocol
from semdepth_lite.experiments.runner import plan
from semdepth_lite.experiments.trial import Trial, execute, is_done, rounded
from semdepth_lite.losses import LossTerms
from semdepth_lite.model import Prediction
from semdepth_lite.presets import PRESETS, Preset, find_preset, recipe
from semdepth_lite.training.batches import batch_indices, load_batch
from semdepth_lite.training.checkpoint import load_checkpoint, load_run
from semdepth_lite.training.diagnosis import TrainingError, diagnose
from semdepth_lite.training.run import Run, make_optimizer, update
from semdepth_lite.training.settings import TrainSettings, learning_rate

TINY = TrainSettings(width=8, steps=6, batch=2)


@pytest.fixture(scope="module")
def source() -> TinySource:
    return TinySource(5)


def train(source, folder: Path, settings: TrainSettings = TINY, **options) -> Run:
    run = Run(source, settings, folder, "cpu")
    run.train(progress=False, **{"log_every": 1, "save_every": 2, **options})
    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_checkpoint(folder / "checkpoint.pt")
    moments = {f"adam {i} {name}": value for i, slots in state["optimizer"]["state"].items()
               for name, value in slots.items()}
    return {**state["model"], **moments}


def assert_same_run(a: Path, b: Path) -> None:
    """Weights, Adam's moments and log lines agree bit for bit."""
    assert (a / "log.jsonl").read_text() == (b / "log.jsonl").read_text()
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


class Cut(Exception):
    """Stands for whatever ends a process."""


def cut_off(source, folder: Path, at: int, settings: TrainSettings = TINY, **options) -> None:
    """Train until step `at` has begun, and stop there."""
    run = Run(source, settings, folder, "cpu")
    step = run.train_step

    def dying(*arguments):
        if run.step == at:
            raise Cut
        return step(*arguments)

    run.train_step = dying
    with pytest.raises(Cut):
        run.train(progress=False, **{"log_every": 1, "save_every": 2, **options})


# Order and schedule

@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000))
def test_every_epoch_is_a_permutation_also_across_batches(length, batch, seed):
    steps = 3 * length  # whole epochs, whatever the batch
    drawn = np.concatenate([batch_indices(length, batch, step, seed) for step in range(steps)])
    for epoch in drawn.reshape(-1, length):
        assert sorted(epoch) == list(range(length))
    assert np.array_equal(batch_indices(length, batch, 2, seed), drawn[2 * batch:3 * batch])


def test_epochs_and_seeds_differ():
    epochs = [tuple(batch_indices(50, 50, step, seed)) for step, seed in ((0, 0), (1, 0), (0, 1))]
    assert len(set(epochs)) == 3


def test_the_cosine_warms_up_and_comes_down():
    settings = TrainSettings(steps=100, learning_rate=2e-3)
    rates = [learning_rate(settings, step) for step in range(100)]
    assert rates[:3] == pytest.approx([2e-3 / 3, 4e-3 / 3, 2e-3])
    assert rates[3:] == sorted(rates[3:], reverse=True) and max(rates) == pytest.approx(2e-3)
    assert rates[3 + 97 // 2] == pytest.approx(1e-3, rel=0.05) and 0 < rates[-1] < 1e-5


def test_the_step_schedule_drops_to_a_tenth_after_three_quarters():
    settings = TrainSettings(steps=8, learning_rate=1e-4, schedule="step")
    assert [learning_rate(settings, step) for step in range(8)] == pytest.approx([1e-4] * 6 + [1e-5] * 2)


@pytest.mark.parametrize("schedule", ["cosine", "step"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_a_positive_rate(schedule, steps):
    settings = TrainSettings(steps=steps, schedule=schedule)
    assert all(0 < learning_rate(settings, step) <= 1e-3 for step in range(steps))


@pytest.mark.slow
def test_the_optimizer_follows_the_schedule(source, tmp_path, monkeypatch):
    run = Run(source, TINY, tmp_path, "cpu")
    used = []
    step = run.optimizer.step
    monkeypatch.setattr(run.optimizer, "step", lambda: (used.append(run.optimizer.param_groups[0]["lr"]), step())[1])
    run.train(progress=False)
    assert used == [learning_rate(TINY, i) for i in range(6)]


def test_a_batch_follows_from_seed_and_step_alone(source):
    first, again, other = (load_batch(source, TINY, step, torch.device("cpu")) for step in (3, 3, 4))
    assert torch.equal(first.target_aug, again.target_aug) and torch.equal(first.K, again.K)
    assert not torch.equal(first.target_aug, other.target_aug)
    plain = load_batch(source, replace(TINY, augmentation=False), 3, torch.device("cpu"))
    assert torch.equal(plain.target, source.triplet(batch_indices(5, 2, 3, 0)).target)
    shares = [load_batch(source, TINY, 3, torch.device("cpu"), rank, 2) for rank in range(2)]
    assert torch.allclose(torch.cat([share.target_aug for share in shares]), first.target_aug, atol=1e-6)


# Runs repeat and resume

@pytest.mark.slow
def test_equal_runs_give_equal_bytes_and_another_seed_others(source, tmp_path):
    for name, settings in (("a", TINY), ("b", TINY), ("c", replace(TINY, seed=1))):
        train(source, tmp_path / name, settings)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "log.jsonl").read_text() != (tmp_path / "c" / "log.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 3, 4])
def test_a_run_that_was_cut_off_continues_bit_for_bit(source, tmp_path, at):
    """Before the first checkpoint, between two (its log is ahead), and right after one."""
    train(source, tmp_path / "whole")
    cut_off(source, tmp_path / "cut", at)
    assert [row["step"] for row in read_log(tmp_path / "cut" / "log.jsonl")] == list(range(1, at + 1))
    run = Run(source, TINY, tmp_path / "cut", "cpu")
    assert run.step == at - at % 2
    log = tmp_path / "cut" / "log.jsonl"
    assert [row["step"] for row in read_log(log)] == list(range(1, run.step + 1))
    run.train(progress=False, log_every=1, save_every=2)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
def test_a_line_of_the_log_that_was_cut_off_is_dropped(source, tmp_path):
    train(source, tmp_path / "whole")
    cut_off(source, tmp_path / "cut", 4)
    log = tmp_path / "cut" / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 5, "lo')
    train(source, tmp_path / "cut")
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
def test_a_finished_run_stays_as_it_is(source, tmp_path):
    run = train(source, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = train(source, tmp_path)
    assert again.step == run.step == 6 and again.seconds == pytest.approx(run.seconds)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_the_folder_holds_settings_log_and_checkpoint_and_nothing_temporary(source, tmp_path):
    run = train(source, tmp_path, log_every=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "log.jsonl", "settings.json"]
    about = read_json(tmp_path / "settings.json")
    assert about["settings"]["width"] == 8 and about["data"] == "made up" and about["triplets"] == 5
    assert about["torch"] == torch.__version__ and about["device"] == "cpu" and about["processes"] == 1
    rows = list(read_log(tmp_path / "log.jsonl"))
    assert [row["step"] for row in rows] == [4, 6]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    cost = run.cost()
    assert cost["parameters"] == sum(p.numel() for p in run.model.parameters()) and cost["peak_mib"] > 50


@pytest.mark.slow
def test_the_watch_sees_the_model_and_does_not_change_the_run(source, tmp_path):
    seen = []

    def watch(model):
        assert not model.training
        with torch.no_grad():
            seen.append(float(model.predict(source.triplet([0]).target).depth.mean()))
        torch.rand(3)
        return {"mean_depth": seen[-1]}

    run = train(source, tmp_path / "watched", watch=watch, watch_every=4)
    assert not run.model.training and len(seen) == 2
    train(source, tmp_path / "plain")
    rows = list(read_log(tmp_path / "watched" / "log.jsonl"))
    assert [row["step"] for row in rows if "watch" in row] == [4, 6]
    assert [row for row in rows if "watch" not in row] == list(read_log(tmp_path / "plain" / "log.jsonl"))
    first, second = weights(tmp_path / "watched"), weights(tmp_path / "plain")
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.slow
def test_a_loaded_run_predicts_what_the_trained_model_did(source, tmp_path):
    run = train(source, tmp_path)
    loaded = load_run(tmp_path, "cpu")
    batch = source.triplet([0, 1])
    assert not loaded.training
    assert torch.equal(depth_predictor(loaded)(batch), depth_predictor(run.model)(batch))


@pytest.mark.slow
def test_learning_learns(source, tmp_path):
    """A few steps on five triplets lower the loss, whatever is learned from."""
    for name, changes in (("video", {}), ("depth", {"supervision": "depth"})):
        settings = replace(TINY, steps=24, learning_rate=2e-3, augmentation=False, **changes)
        train(source, tmp_path / name, settings, save_every=30)
        losses = [row["loss"] for row in read_log(tmp_path / name / "log.jsonl")]
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5]), name


def test_gradients_are_clipped(source, tmp_path):
    norms = {}
    for clip in (0.0, 0.01):
        run = Run(source, replace(TINY, clip=clip), tmp_path / str(clip), "cpu")
        run.train_step(load_batch(source, run.settings, 0, run.device))
        norms[clip] = torch.stack([p.grad.norm() for p in run.parameters if p.grad is not None]).norm().item()
    assert norms[0.0] > 0.011 and norms[0.01] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lite", "resnet18"])
def test_disparity_and_motion_keep_their_digits_in_bf16(encoder, source):
    model = replace(TINY, encoder=encoder, alignment=2).build().train()
    batch = source.triplet(np.arange(2))
    with torch.autocast("cpu", torch.bfloat16):
        _, said = model(batch)
        R, T = said.T_source_target[..., :3, :3], model.motion(batch.target, batch.sources)
        aligned = model.aligned(T, batch, said.depth)
    assert all(x.dtype == torch.float32 for x in (*said.disps, T, said.T_source_target))
    assert (R @ R.mT - torch.eye(3)).abs().max() < 1e-5
    assert torch.equal(aligned, model.aligned(T, batch, said.depth))


def test_bf16_comes_close_to_fp32(source, tmp_path):
    found = {}
    for precision in ("fp32", "bf16"):
        run = Run(source, replace(TINY, precision=precision), tmp_path / precision, "cpu")
        terms, _ = run.train_step(load_batch(source, run.settings, 0, run.device))
        found[precision] = terms.total.item()
        assert all(p.dtype == torch.float32 for p in run.parameters)
    assert found["bf16"] != found["fp32"] and found["bf16"] == pytest.approx(found["fp32"], rel=0.05)


# Ctrl-C and a full disk

@pytest.mark.slow
def test_ctrl_c_lets_the_step_end_and_keeps_it(source, tmp_path):
    train(source, tmp_path / "whole", save_every=100)
    run = Run(source, TINY, tmp_path / "cut", "cpu")
    step = run.train_step

    def interrupted(*arguments):
        found = step(*arguments)
        if run.step == 3:
            signal.raise_signal(signal.SIGINT)
        return found

    run.train_step = interrupted
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run.train(progress=False, log_every=1, save_every=100)
    assert signal.getsignal(signal.SIGINT) is before
    assert load_checkpoint(tmp_path / "cut" / "checkpoint.pt")["step"] == 3
    train(source, tmp_path / "cut", save_every=100)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_second_ctrl_c_does_not_wait(source, tmp_path):
    run = Run(source, TINY, tmp_path, "cpu")

    def impatient(*arguments):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second did wait")

    run.train_step = impatient
    with pytest.raises(KeyboardInterrupt):
        run.train(progress=False)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_full_disk_keeps_the_last_checkpoint_and_is_an_oserror(source, tmp_path):
    cut_off(source, tmp_path, 2)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    run = Run(source, TINY, tmp_path, "cpu")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) // 2, limits[1]))
    try:
        with pytest.raises(OSError):
            run.train(progress=False, log_every=1, save_every=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


# Refusals

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
def test_a_checkpoint_that_is_not_whole_is_told_in_one_sentence(source, finished, tmp_path, spoil):
    folder = copy(finished, tmp_path / "run")
    spoil(folder / "checkpoint.pt")
    for call in (lambda: load_run(folder, "cpu"), lambda: Run(source, replace(TINY, steps=2), folder, "cpu")):
        with pytest.raises(InputError, match="is not a whole checkpoint") as caught:
            call()
        assert "\n" not in str(caught.value) and "delete it" in str(caught.value)


@pytest.mark.slow
def test_a_checkpoint_of_another_version_is_told_in_one_sentence(finished, tmp_path):
    for name, spoil in (("key", lambda s: s["settings"].update(magic=1)), ("shape", lambda s: s["model"].popitem()),
                        ("variant", lambda s: s["settings"].update(width=16))):
        folder = copy(finished, tmp_path / name)
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        spoil(state)
        torch.save(state, folder / "checkpoint.pt")
        with pytest.raises(InputError, match="another version") as caught:
            load_run(folder, "cpu")
        assert "\n" not in str(caught.value)


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(InputError, match="checkpoint.pt does not exist; train a run"):
        load_run(tmp_path, "cpu")
    (tmp_path / "settings.json").write_text("{half")
    with pytest.raises(InputError, match="settings.json cannot be read as JSON"):
        read_json(tmp_path / "settings.json")
    (tmp_path / "settings.json").write_text("[1]")
    with pytest.raises(InputError, match="holds list, expected a JSON object"):
        read_json(tmp_path / "settings.json")


# What broke

def healthy() -> tuple[LossTerms, Prediction]:
    disp = 0.1 + 0.1 * torch.rand(2, 1, 8, 8)
    T = torch.eye(4).repeat(2, 2, 1, 1)
    T[..., 2, 3] = 0.1
    one = torch.tensor(0.1)
    return LossTerms(one, one, one), Prediction([disp], 1 / disp, T.requires_grad_())


def test_a_healthy_step_has_no_diagnosis():
    assert diagnose(*healthy()) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_named(value):
    terms, prediction = healthy()
    terms.total = torch.tensor(value)
    assert "not a number: lower the learning rate" in diagnose(terms, prediction)


def test_collapsed_depth_and_pose_are_named():
    terms, prediction = healthy()
    prediction.depth = torch.full((2, 1, 8, 8), 3.0)
    assert "depth has collapsed to a constant" in diagnose(terms, prediction)
    prediction.disps = [1e-7 * torch.rand(2, 1, 8, 8)]  # the far end of the sigmoid: all of it is 100 m away
    prediction.depth = disp_to_depth(prediction.disps[0])
    assert "depth has collapsed to a constant" in diagnose(terms, prediction)
    terms, prediction = healthy()
    prediction.T_source_target = torch.eye(4).repeat(2, 2, 1, 1).requires_grad_()
    assert "collapsed to standing still" in diagnose(terms, prediction)
    prediction.T_source_target = torch.eye(4).repeat(2, 2, 1, 1)  # given by the data: the car does stand still
    assert diagnose(terms, prediction) is None


def test_one_dark_image_is_no_collapse():
    terms, prediction = healthy()
    prediction.depth[0] = 3.0
    assert diagnose(terms, prediction) is None


@pytest.mark.slow
def test_a_broken_step_ends_the_run_and_never_gets_into_a_checkpoint(source, tmp_path):
    cut_off(source, tmp_path, 3)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    run = Run(source, TINY, tmp_path, "cpu")
    next(run.model.depth.parameters()).data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="step 4: the loss is not a number") as caught:
        run.train(progress=False, log_every=100, save_every=2)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


@pytest.mark.slow
def test_an_update_that_breaks_the_weights_never_gets_into_a_checkpoint(source, tmp_path):
    """The loss of a step is that of the weights before its update."""
    cut_off(source, tmp_path, 3)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    run = Run(source, TINY, tmp_path, "cpu")
    next(run.model.depth.parameters()).register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(TrainingError, match="step 3: the weights are no numbers after the update"):
        run.train(progress=False, log_every=100, save_every=3)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


@pytest.mark.slow
def test_loading_a_run_draws_no_random_numbers(source, tmp_path):
    cut_off(source, tmp_path, 3)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    load_run(tmp_path, "cpu")
    assert random.getstate() == states[0] and (np.random.get_state()[1] == states[1]).all()
    assert torch.equal(torch.get_rng_state(), states[2])


def test_without_a_checkpoint_the_message_promises_none(source, tmp_path):
    run = Run(source, TINY, tmp_path, "cpu")
    next(run.model.depth.parameters()).data.fill_(float("nan"))
    with pytest.raises(TrainingError) as caught:
        run.train(progress=False, log_every=1)
    assert "checkpoint" not in str(caught.value)


# Presets and experiments

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
    cut_off(presets_room.street("train", tiny_preset, progress=False), tmp_path / "work" / "learned", 1,
            trial.settings, save_every=1)
    resumed = execute(trial, tmp_path / "work", tmp_path / "b", progress=False)
    assert resumed.metrics == whole.metrics and resumed.values == whole.values


def test_rounding_keeps_json_valid():
    assert rounded(0.123456789) == 0.12346 and rounded(123456.0) == 123460
    assert rounded(float("nan")) is None and rounded(float("inf")) is None


def test_a_model_is_judged_on_every_triplet(source, tmp_path):
    run = train(source, tmp_path, replace(TINY, steps=1))
    report = evaluate_model(run.model, source, Protocol())
    assert len(report.values["abs_rel"]) == len(source) and report.means["abs_rel"] > 0


# ImageNet weights, and batches read ahead

@pytest.mark.slow
def test_a_run_starts_from_imagenet_weights_and_goes_on_without_the_file(source, tmp_path):
    settings = replace(TINY, encoder="resnet18", steps=1, learning_rate=1e-12, augmentation=False)
    published = replace(settings, seed=5).build().encoder.encoder.state_dict()
    torch.save(published, tmp_path / "resnet18.pth")
    run = Run(source, settings, tmp_path / "run", "cpu", imagenet=str(tmp_path / "resnet18.pth"))
    for encoder, images in ((run.model.encoder, 1), (run.model.pose_encoder, 2)):
        assert torch.equal(encoder.encoder.layer1[0].conv1.weight, published["layer1.0.conv1.weight"])
        assert torch.equal(encoder.encoder.conv1.weight, published["conv1.weight"].repeat(1, images, 1, 1) / images)
    run.train(progress=False)
    (tmp_path / "resnet18.pth").unlink()
    again = Run(source, settings, tmp_path / "run", "cpu", imagenet=str(tmp_path / "resnet18.pth"))
    assert again.step == 1
    assert torch.allclose(again.model.encoder.encoder.conv1.weight, published["conv1.weight"], atol=1e-6)
    with pytest.raises(InputError, match="holds a run with imagenet .*resnet18.pth, not None"):
        Run(source, settings, tmp_path / "run", "cpu")
    with pytest.raises(InputError, match="resnet18.pth does not exist"):
        Run(source, settings, tmp_path / "other", "cpu", imagenet=str(tmp_path / "resnet18.pth"))
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_batches_read_ahead_train_the_same_bytes(source, tmp_path, workers):
    train(source, tmp_path / "plain")
    train(source, tmp_path / "ahead", workers=workers)
    assert_same_run(tmp_path / "plain", tmp_path / "ahead")
    cut_off(source, tmp_path / "cut", 3, workers=workers)
    train(source, tmp_path / "cut", workers=workers)
    assert_same_run(tmp_path / "plain", tmp_path / "cut")


def test_what_the_data_lacks_is_told_before_the_folder_is_made(tmp_path):
    class Bare(TinySource):
        def triplet(self, indices):
            return replace(super().triplet(indices), depth=None, T_source_target=None)

    for changes, reason in (({"pose": "given"}, "has no camera motion"),
                            ({"supervision": "depth"}, "has no true depth")):
        with pytest.raises(InputError, match=reason):
            Run(Bare(3), replace(TINY, **changes), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


# Cheaper forms of the update

@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_the_update_is_adam_s_and_clips(clip):
    def train(make, step) -> torch.nn.Module:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 2)).double()
        x, optimizer = torch.randn(4, 5).double(), make(list(model.parameters()))
        for _ in range(5):
            optimizer.zero_grad()
            model(x).pow(2).sum().backward()
            step(optimizer, list(model.parameters()))
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    def plain(optimizer, parameters) -> None:
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=False)
        optimizer.step()

    ours = train(lambda p: make_optimizer(p, 0.01), lambda optimizer, p: update(optimizer, p, clip))
    theirs = train(lambda p: torch.optim.Adam(p, 0.01, foreach=False, fused=False), plain)
    assert (ours - theirs).abs().max() < 1e-12


def test_a_checkpoint_of_the_plain_adam_goes_on():
    weight = torch.nn.Parameter(torch.ones(3))
    old, new = torch.optim.Adam([weight], 0.01, fused=False), make_optimizer([weight], 0.5)
    weight.grad = torch.ones(3)
    old.step()
    new.load_state_dict(old.state_dict())
    new.step()
    assert new.param_groups[0]["lr"] == 0.01 and torch.allclose(weight, torch.full((3,), 0.98), atol=1e-6)


def page_faults(prepare: str) -> int:
    """Count the pages that a process asks the system for while it uses the same 29 MiB, 7,300 pages, over and over."""
    code = f"""import resource
from semdepth_lite.common.runtime import keep_freed_memory
kept, counts = {prepare}, []
for _ in range(20):
    [bytearray(100_000) for _ in range(300)]
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(-1 if kept is None else counts[-1] - counts[2])"""
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_freed_memory_is_kept_for_the_next_step():
    with_it = page_faults("keep_freed_memory() or None")
    if with_it < 0:
        pytest.skip("this system's C library cannot be asked")
    assert with_it < 7_300 < page_faults("False")


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_where_memory_cannot_be_kept_nothing_happens(error, monkeypatch):
    def refuse(_):
        raise error

    monkeypatch.setattr("ctypes.CDLL", refuse)
    assert keep_freed_memory() is False
