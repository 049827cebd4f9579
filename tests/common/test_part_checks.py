"""Parts of one's own that do not fit: one sentence each, with what was found and what was expected."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import TinySource
from torch import nn

from semdepth_lite.common import registry
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.registry import register
from semdepth_lite.losses import LossTerms
from semdepth_lite.training.settings import TrainSettings

TINY = TrainSettings(width=8)
CHANNELS = (8, 16, 16, 24, 32)
ZERO = torch.zeros(())


@pytest.fixture(autouse=True)
def only_here(monkeypatch):
    monkeypatch.setattr(registry, "_PARTS", {})


def batch():
    return TinySource(2).triplet(np.arange(2))


class Maps(nn.Module):
    """An encoder whose feature maps are changed by a function."""

    channels = CHANNELS

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def forward(self, images):
        b, _, h, w = images.shape
        return self.change([images.new_ones(b, c, h >> i, w >> i) for i, c in enumerate(CHANNELS, 1)])


def ran_with_encoder(change):
    register("encoder", "mine")(lambda: Maps(change))
    return replace(TINY, encoder="mine").build()(batch())


@pytest.mark.parametrize(("change", "message"), [
    (lambda maps: maps[-1], r"returns a tensor of shape .2, 32, 2, 3. and type float32, expected a list of five"),
    (lambda maps: maps[:4], "returns a list of 4, expected a list of five feature maps, at strides 2, 4, 8, 16 and 32"),
    (lambda maps: [maps[1], *maps[1:]], r"at stride 2 returns .* shape .2, 16, 16, 24. .*expected shape .2, 8, 32, 48"),
    (lambda maps: [*maps[:4], None], r"at stride 32 returns None, expected shape .2, 32, 2, 3."),
    (lambda maps: [*maps[:4], maps[4].double()], "at stride 32 returns float64, expected float32"),
])
def test_feature_maps_that_do_not_fit(change, message):
    ran_with_encoder(lambda maps: maps)
    with pytest.raises(InputError, match=f"the encoder Maps {message}"):
        ran_with_encoder(change)


def test_an_encoder_that_is_none_or_does_not_tell_its_channels():
    register("encoder", "mine")(lambda: len)
    with pytest.raises(InputError, match="the encoder 'mine' makes a value of type builtin_function"):
        replace(TINY, encoder="mine").build()
    register("encoder", "mine")(nn.Identity)
    with pytest.raises(InputError, match="the encoder Identity has channels None, expected five whole numbers"):
        replace(TINY, encoder="mine").build()


class Joined(nn.Module):
    """A fusion whose result is changed by a function."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def forward(self, level, depth, guidance):
        return self.change(depth)


@pytest.mark.parametrize(("change", "message"), [
    (lambda depth: depth[:, :4], r"at level 4 returns a tensor of shape .2, 4, 4, 6. .* expected shape .2, .*, 4, 6."),
    (lambda depth: (depth, None), "at level 4 returns a tuple of 2, expected shape"),
    (lambda depth: None, "at level 4 returns None, expected shape"),
    (lambda depth: depth.double(), "at level 4 returns float64, expected float32"),
])
def test_a_fusion_that_does_not_fit(change, message):
    register("fusion", "mine")(lambda *channels: Joined(change))
    with pytest.raises(InputError, match=f"the fusion Joined {message}"):
        replace(TINY, changes={"fusion": "mine"}).build()(batch())
    register("fusion", "mine")(lambda *channels: change)
    with pytest.raises(InputError, match="the fusion 'mine' makes a value of type function, expected a torch"):
        replace(TINY, changes={"fusion": "mine"}).build()


@pytest.mark.parametrize(("terms", "message"), [
    (ZERO, r"returns a tensor of shape .. and type float32, expected losses.LossTerms.total, photometric, smoothness."),
    (0.5, "returns a value of type float, expected losses.LossTerms"),
    (LossTerms(torch.ones(2, 1), ZERO, ZERO), r"tensor of shape .2, 1. and type float32 as total, expected one"),
    (LossTerms(ZERO, 0.0, ZERO), "returns a value of type float as photometric, expected one floating-point number"),
    (LossTerms(ZERO, ZERO, None), "returns None as smoothness, expected one"),
    (LossTerms(ZERO, ZERO, ZERO, ranking=ZERO.long()), "type int64 as ranking, expected one floating-point number"),
])
def test_a_loss_that_does_not_fit(terms, message):
    def mine(prediction, batch, settings):
        return terms

    model = TINY.build()
    model.own_loss = mine
    with pytest.raises(InputError, match=f"the loss mine .*{message}"):
        model(batch())


def test_a_model_is_called_with_a_batch_not_with_images():
    with pytest.raises(InputError, match="called with a Triplet, not with Tensor, .* use model.predict.images."):
        TINY.build()(torch.zeros(1, 3, 64, 96))
