"""Parts of one's own, found by their names."""
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.registry import _PARTS, find_part, get_part, register


def test_a_registered_part_is_found_by_its_kind_and_name(monkeypatch):
    monkeypatch.setitem(_PARTS, ("fusion", "other"), len)
    register("fusion", "other")(max)
    assert find_part("fusion", "other") is get_part("fusion", "other") is max


def test_a_part_that_was_never_registered_is_refused_by_name():
    assert find_part("fusion", "nothing") is None
    with pytest.raises(InputError, match="no fusion is registered as 'nothing'"):
        get_part("fusion", "nothing")
