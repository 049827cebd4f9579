"""Parts of one's own: found by their names, held to how they are called, known by their source."""
from functools import partial

import pytest
from torch import nn

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.registry import _PARTS, find_part, get_part, origin, register


def test_a_registered_part_is_found_by_its_kind_and_name(monkeypatch):
    monkeypatch.setitem(_PARTS, ("fusion", "other"), len)
    register("fusion", "other")(max)
    assert find_part("fusion", "other") is get_part("fusion", "other") is max


def test_a_part_that_was_never_registered_is_refused_by_name():
    assert find_part("fusion", "nothing") is None
    with pytest.raises(InputError, match="no fusion is registered as 'nothing'"):
        get_part("fusion", "nothing")


def test_a_part_that_cannot_be_called_as_its_kind_is_refused(monkeypatch):
    monkeypatch.setattr("semdepth_lite.common.registry._PARTS", {})
    with pytest.raises(InputError, match=r"the loss 'short' takes .a, b., and is called with .prediction, batch, sett"):
        register("loss", "short")(lambda a, b: a)
    with pytest.raises(InputError, match=r"the encoder 'sized' takes .width., and is called with ..; let it"):
        register("encoder", "sized")(lambda width: width)
    with pytest.raises(InputError, match="no kind of part 'losses'; use one of fusion, encoder, loss, source"):
        register("losses", "mine")
    register("loss", "wide")(lambda a, b, c, weight=0.5: a)
    assert find_part("loss", "short") is None and find_part("loss", "wide")


class Weighted(nn.Module):
    """A loss that is an object."""


def weighted(prediction, batch, settings, weight):
    return weight


def test_objects_are_known_by_their_class_and_partials_by_their_values():
    assert origin(Weighted()) == origin(Weighted) and origin(Weighted)["name"] == "Weighted"
    one, two = (origin(partial(weighted, weight=weight)) for weight in (0.1, 0.2))
    assert one["name"] == "weighted" and one == origin(partial(weighted, weight=0.1))
    assert len({one["sha256"], two["sha256"], origin(weighted)["sha256"]}) == 3
