"""A batch that cannot fit is refused before the first step, by a measure that changes nothing of the model."""
from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from factories import TinySource

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import free_memory
from semdepth_lite.training import memory
from semdepth_lite.training.memory import kept_bytes
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

TINY = TrainSettings(width=8, steps=1, batch=2)


def test_a_real_step_keeps_more_than_what_is_foreseen(tmp_path):
    source = TinySource(2)
    run = Run(source, TINY, tmp_path, "cpu")
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    foreseen = kept_bytes(run.model, source)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run.train_step(source.triplet([0, 1]))
    pixels = 4 * source.height * source.width  # bytes of one number a pixel
    assert 16 * pixels < foreseen and 2 * foreseen < sum(kept.values()) < 10 * foreseen


def test_nothing_of_the_model_changes(tmp_path):
    model = TINY.build().train()
    model.encoder.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = kept_bytes(model, TinySource(2))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and model.depth.training and not model.encoder.training
    assert kept_bytes(model, TinySource(2)) == first  # and nothing is random


def test_a_batch_too_large_is_refused_and_the_folder_takes_a_smaller_one(tmp_path, monkeypatch):
    source = TinySource(4)
    monkeypatch.setattr(memory, "free_memory", lambda device: 2.5 * kept_bytes(TINY.build(), source))
    with pytest.raises(InputError, match=r"batch 4 at 96x64 pixels needs more than \S+ GiB of memory, and \S+ GiB are"):
        Run(source, TrainSettings(width=8, steps=1, batch=4), tmp_path, "cpu").train(progress=False)
    run = Run(source, TINY, tmp_path, "cpu")
    run.train(progress=False)
    assert run.step == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's own files")
def test_free_memory_heeds_the_limit_of_the_process():
    cpu = SimpleNamespace(type="cpu")
    assert 2**20 < free_memory(cpu) < 2**50
    script = ("import resource, types; from semdepth_lite.common.runtime import free_memory\n"
              "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
              "print(free_memory(types.SimpleNamespace(type='cpu')))")
    left = float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    assert 2**28 < left < 2**30
    assert free_memory(SimpleNamespace(type="tpu")) == float("inf")
