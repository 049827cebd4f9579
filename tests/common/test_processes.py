"""Two processes, played one after the other, against one process with the joined batch."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from factories import TinySource
from torch import distributed

from semdepth_lite.classes import IGNORE, TRAIN_ID
from semdepth_lite.common.processes import draw, mean_over_processes
from semdepth_lite.common.runtime import seed_everything
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.losses import supervised_loss
from semdepth_lite.model import Model
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.variants import VARIANTS, find_variant


@pytest.fixture
def played(monkeypatch) -> Callable:
    """A function that calls another one as each of two processes, and returns both results.

    What they reduce is added up in a first round and handed out in a second one.
    """
    def play(process: Callable) -> list:
        given: list[list[torch.Tensor]] = [[], []]
        with monkeypatch.context() as patch:
            patch.setattr(distributed, "is_initialized", lambda: True)
            patch.setattr(distributed, "get_world_size", lambda: 2)
            for rank in range(2):
                patch.setattr(distributed, "get_rank", lambda rank=rank: rank)
                patch.setattr(distributed, "all_reduce", lambda value, rank=rank: given[rank].append(value.clone()))
                process(rank)
            results = []
            for rank in range(2):
                sums = iter([a + b for a, b in zip(*given, strict=True)])
                patch.setattr(distributed, "get_rank", lambda rank=rank: rank)
                patch.setattr(distributed, "all_reduce", lambda value, sums=sums: value.copy_(next(sums)))
                results.append(process(rank))
            return results

    return play


def test_together_processes_draw_what_one_draws(played):
    alone = draw((6, 3), torch.Generator().manual_seed(1), torch.device("cpu"))
    first, second = played(lambda _: draw((3, 3), torch.Generator().manual_seed(1), torch.device("cpu")))
    assert torch.equal(first, alone[0::2]) and torch.equal(second, alone[1::2])


def test_a_mean_over_processes_and_over_one(played):
    assert [float(x) for x in played(lambda rank: mean_over_processes(torch.tensor(3 + rank)))] == [3.5, 3.5]
    assert mean_over_processes(torch.tensor(3)) == 3


def labeled_batch(indices: np.ndarray) -> Triplet:
    """The pole scene with labels, more of them unknown from image to image, as is depth."""
    batch = TinySource(4).triplet(indices)
    batch.labels = torch.where(batch.depth[:, 0] < 4, TRAIN_ID["person"], TRAIN_ID["building"]).to(torch.uint8)
    for image, index in enumerate(indices):
        batch.labels[image, :10 * index] = IGNORE
        batch.depth[image, :, :10 * index] = 0
    return batch


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multitask", "seem", "ranking", "seedepth", "semdepth"])
def test_averaged_gradients_are_those_of_the_joined_batch(name, played, monkeypatch):
    """BatchNorm stays as it is, for in training each process normalizes its own share."""
    seed_everything(3)
    changes = {"ranking.start": 0.0} if VARIANTS[name].ranking else {}
    model = Model(NetworkSettings(width=8), find_variant(name, changes)).eval()
    if model.class_weights is not None:
        model.class_weights.copy_(torch.linspace(0.5, 2, len(model.class_weights)))
    if model.seem is not None:
        torch.nn.init.normal_(model.seem.layers[2].weight)
        monkeypatch.setattr(model, "training", True)  # points are drawn, and batch statistics stay as they are

    def gradients(indices: np.ndarray) -> list[torch.Tensor]:
        model.zero_grad()
        model(labeled_batch(indices))[0].total.backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    alone, (first, second) = gradients(np.arange(4)), played(lambda rank: gradients(np.arange(4)[rank::2]))
    size = max(float(gradient.abs().max()) for gradient in alone)
    for whole, one, other in zip(alone, first, second, strict=True):
        assert (whole - (one + other) / 2).abs().max() < 1e-5 * size


def test_supervision_by_sparse_depth_is_averaged_by_pixels(played):
    disps = [torch.rand(4, 1, 64, 96, generator=torch.Generator().manual_seed(0))]
    truth = labeled_batch(np.arange(4)).depth
    alone = supervised_loss(disps, truth).total
    parts = played(lambda rank: supervised_loss([disps[0][rank::2]], truth[rank::2]).total)
    assert float(sum(parts) / 2) == pytest.approx(float(alone), rel=1e-6)
