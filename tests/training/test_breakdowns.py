"""What ends a run before its time: Ctrl-C, a full disk, and numbers that break; its cause is named."""
from __future__ import annotations

import random
import resource
import signal

import numpy as np
import pytest
import torch
from training_cases import TINY, assert_same_run, cut_off, signal_after, train

from semdepth_lite.camera import disp_to_depth
from semdepth_lite.losses import LossTerms
from semdepth_lite.model import Prediction
from semdepth_lite.training.checkpoint import load_checkpoint, load_run
from semdepth_lite.training.diagnosis import TrainingError, diagnose
from semdepth_lite.training.run import Run

# Ctrl-C and a full disk

@pytest.mark.slow
def test_ctrl_c_lets_the_step_end_and_keeps_it(source, tmp_path):
    train(source, tmp_path / "whole", save_every=100)
    run = Run(source, TINY, tmp_path / "cut", "cpu")
    signal_after(run, 3, signal.SIGINT)
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


@pytest.mark.slow
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
