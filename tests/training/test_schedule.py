"""The order of batches, the learning rate, and the optimizer's update."""
from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_cases import TINY

from semdepth_lite.common.runtime import keep_freed_memory
from semdepth_lite.training.batches import batch_indices, load_batch
from semdepth_lite.training.optimizer import make_optimizer, update
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings, learning_rate

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
