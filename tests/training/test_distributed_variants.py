"""Every variant in two real processes: the gradients and the log of one process with the joined batch.

BatchNorm stays as it is, for in training each process normalizes its own share.
"""
from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import TinySource
from test_distributed import torchrun
from torch import nn

from semdepth_lite.classes import IGNORE, TRAIN_ID
from semdepth_lite.common.storage import read_log
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import VARIANTS

CLOSE = 1e-5  # of the largest gradient of a variant


class Street(TinySource):
    """The pole scene with labels, more of them unknown from image to image."""

    has_labels = True

    def triplet(self, indices):
        batch = super().triplet(indices)
        batch.labels = torch.where(batch.depth[:, 0] < 4, TRAIN_ID["person"], TRAIN_ID["building"]).to(torch.uint8)
        for image, index in enumerate(np.asarray(indices)):
            batch.labels[image, :8 * (index + 1)] = IGNORE
        return batch


def first_gradients(name: str, folder: Path) -> list[torch.Tensor]:
    """Take one step of a variant as this process, and return the gradients that the optimizer got."""
    changes = {"ranking.start": 0.0} if VARIANTS[name].ranking else {}
    settings = TrainSettings(variant=name, changes=changes, width=8, steps=1, batch=4, alignment=1)
    run = Run(Street(4, 64, 64), settings, folder / name, "cpu")
    if run.model.seem is not None:
        nn.init.normal_(run.model.seem.layers[2].weight, generator=torch.Generator().manual_seed(0))
    run.prepare()
    gradients = []
    step = run.optimizer.step
    run.optimizer.step = lambda: (gradients.extend(p.grad.clone() for p in run.parameters), step())

    def frozen(mode: bool = True) -> nn.Module:
        """Only the model itself trains, which draws SEEM's points."""
        nn.Module.train(run.model, False)
        run.model.training = mode
        return run.model

    run.model.train = frozen
    run.train(progress=False, log_every=1)
    return gradients


def main(folder: Path) -> None:
    """Leave the first gradients of every variant, as one of the processes that torchrun started."""
    torch.set_num_threads(1)
    found = {name: first_gradients(name, folder / "runs") for name in VARIANTS}
    torch.save(found, folder / f"rank{os.environ['RANK']}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    """The folder that two processes left."""
    folder = tmp_path_factory.mktemp("together")
    done = torchrun([__file__, str(folder)], folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_and_log_are_those_of_the_joined_batch(name, together, tmp_path):
    alone = first_gradients(name, tmp_path)
    first, second = (torch.load(together / f"rank{rank}.pt", weights_only=True)[name] for rank in range(2))
    largest = max(float(mine.abs().max()) for mine in alone)
    assert largest > 1e-3 and len(alone) == len(first)
    for mine, theirs, again in zip(alone, first, second, strict=True):
        assert torch.equal(theirs, again) and (mine - theirs).abs().max() <= CLOSE * largest
    (whole,), (shared,) = (list(read_log(folder / name / "log.jsonl")) for folder in (tmp_path, together / "runs"))
    assert shared == pytest.approx(whole, rel=1e-5)
    assert set(whole) >= {part for part in ("ranking",) if VARIANTS[name].ranking}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
