"""Help and refusals name the same things, from one list."""
from __future__ import annotations

import pytest

from semdepth_lite import losses, names, networks, presets, pretrained
from semdepth_lite.__main__ import build_parser
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.label_tables import LABEL_KINDS


def help_of(command: str) -> dict[str, str]:
    """Return the help of each option of a command, and what it may be."""
    parser = build_parser()._subparsers._group_actions[0].choices[command]
    return {name: f"{action.help} {action.choices}" for action in parser._actions
            for name in (*action.option_strings, action.dest)}


def test_the_names_are_those_of_what_they_name():
    assert set(names.PRESETS) == set(presets.PRESETS) and set(names.LOSSES) == set(losses.LOSSES)
    assert set(names.ENCODERS) == {"lite", *networks.RESNETS}
    assert names.PRETRAINED == pretrained.PRETRAINED
    assert names.listed(("a", "b", "c")) == "a, b or c"


@pytest.mark.parametrize("command, option, known", [
    ("train", "--preset", names.PRESETS), ("train", "--loss", names.LOSSES), ("train", "--encoder", names.ENCODERS),
    ("train", "--init", names.PRETRAINED), ("predict", "--pretrained", names.PRETRAINED),
    ("export", "source", names.PRETRAINED), ("train", "--label-ids", LABEL_KINDS)])
def test_help_names_all_that_is_known(command, option, known):
    text = help_of(command)[option]
    assert [name for name in known if name not in text] == []


def test_a_split_that_the_street_lacks_differs_from_a_preset_without_a_street():
    with pytest.raises(InputError, match="split 'tst' is unknown; use one of train, validation, test"):
        presets.street("tst", "quick")
    with pytest.raises(InputError, match="no street scenes; use one of quick, lesson, showcase, paper"):
        presets.street("train", "clip")
