"""A step on torch's meta device, which has shapes and no numbers: nothing can be read from it, so nothing may be."""
from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from semdepth_lite.data.augmentation import augment, draw_augmentation
from semdepth_lite.model import Step
from semdepth_lite.training.benchmark import Shape, made_up_batch
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import VARIANTS

# what makes the host wait for a GPU: reading a number, and whatever has as many results as there are hits
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "_linalg_check_errors", "equal.default")


def on(device: str, values: object) -> list[torch.Tensor]:
    """Return the tensors of a device among some values."""
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor) and value.device.type == device]


class Waits(TorchDispatchMode):
    """Collects the calls for which a GPU would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        there, here = on("meta", (args, kwargs, result)), [x for x in on("cpu", (args, kwargs, result)) if x.dim()]
        at_once = kwargs.get("non_blocking") or "copy_" in str(function) and args[2:] == (True,)
        if there and (any(name in str(function) for name in WAITING) or here and not at_once):
            self.calls.append(str(function))
        return result


class FromNumbers(TorchFunctionMode):
    """Collects tensors that are made on a device from Python's numbers, which is a copy that is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") in ("new_tensor", "tensor", "as_tensor") and on("meta", result):
            self.calls.append(function.__name__)
        return result


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_asks_the_device_for_nothing_and_waits_for_no_copy(variant, monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *args, **keywords: nullcontext())  # meta has none
    settings = TrainSettings(variant=variant, batch=2, alignment=2)
    model = settings.build().to("meta").train()
    batch = made_up_batch(Shape(64, 96, 2), torch.device("meta"))
    drawn = draw_augmentation(2, torch.Generator().manual_seed(0))
    with Waits() as waits, FromNumbers() as made:
        terms, _ = model(augment(batch, drawn), Step(progress=0.9))
        terms.total.backward()
    assert not waits.calls + made.calls
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("question", [lambda x: torch.linalg.inv(x), lambda x: x[x > 0], lambda x: x.nonzero(),
                                      lambda x: x.new_tensor([1.0, 2.0]), lambda x: torch.ones(3).to(x.device)])
def test_a_wait_is_noticed(question):
    with Waits() as waits, FromNumbers() as made:
        try:
            question(torch.eye(3, device="meta"))
        except (NotImplementedError, RuntimeError):  # meta cannot know how many there are
            return
    assert waits.calls + made.calls
