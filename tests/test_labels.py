"""What everything stands on: the shape contract, atomic writing, devices, classes, borders and dilation."""
from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semdepth_lite import labels as label_functions
from semdepth_lite.classes import CLASSES, GROUPS, IGNORE, NAMES, TRAIN_ID
from semdepth_lite.common.contracts import InputError, check_divisible, check_sizes
from semdepth_lite.common.runtime import pick_device, seed_everything
from semdepth_lite.common.storage import write_atomically
from semdepth_lite.labels import colorize_labels, dilate, group_mask, label_borders, palette

# The shape contract

@pytest.mark.slow
@given(st.lists(st.integers(1, 6), min_size=4, max_size=4))
def test_a_contract_returns_the_sizes_of_its_letters(shape):
    found = check_sizes(torch.empty(*shape), "x", "BCHW")
    assert found == dict(zip("BCHW", shape))
    assert check_sizes(torch.empty(shape[0], 3, shape[3]), "y", "B3W", **found) == found


@pytest.mark.parametrize("shape, contract, sizes", [
    ((2, 3, 4), "BCHW", {}), ((2, 3, 4, 5), "B1HW", {}), ((2, 3, 4, 5), "BCHW", {"H": 5}), ((4, 5), "BB", {}),
    ((), "B", {})])
def test_a_broken_contract_names_value_and_expectation(shape, contract, sizes):
    with pytest.raises(InputError) as caught:
        check_sizes(torch.empty(shape), "depth", contract, **sizes)
    text = str(caught.value)
    assert text.startswith(f"depth has shape {shape}, expected {'x'.join(contract)}") and text.endswith(".")
    assert all(f"{letter}={size}" in text for letter, size in sizes.items())


@pytest.mark.parametrize("height, width, name", [(33, 64, "height 33"), (64, 50, "width 50"), (0, 64, "height 0"),
                                                 (64, -32, "width -32"), (16, 64, "height 16"),
                                                 (64, 32, "width 32")])
def test_sizes_that_cannot_be_halved_five_times_are_refused(height, width, name):
    with pytest.raises(InputError, match=f"^{name} is not a positive multiple of 32"):
        check_divisible(height, width)


def test_the_size_proposed_instead_is_accepted():
    with pytest.raises(InputError, match="use 96\\."):
        check_divisible(100, 64)
    check_divisible(96, 64)


# Devices and seeds

def test_auto_finds_a_device_and_an_unknown_one_is_refused_in_one_line():
    assert pick_device("cpu").type == "cpu"
    assert torch.empty(1, device=pick_device("auto")).numel() == 1
    for name in ("abacus", "cuda:99"):
        with pytest.raises(InputError, match="--device cpu") as caught:
            pick_device(name)
        assert "\n" not in str(caught.value)


def test_a_seed_repeats_all_three_generators():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    seed_everything(3)
    first = draw()
    other = draw()
    seed_everything(3)
    assert draw() == first and first != other


# Atomic writing

def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_atomically(path, lambda p: p.write_text("old"))

    def broken(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, broken)
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_reader_never_sees_the_new_file_before_it_is_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def slow(temporary):
        temporary.write_text("n")
        assert path.read_text() == "old"
        temporary.write_text("new")

    write_atomically(path, slow)
    assert path.read_text() == "new" and len(list(tmp_path.iterdir())) == 1


# Classes

def test_classes_are_cityscapes_in_train_id_order():
    assert len(NAMES) == label_functions.NUM_CLASSES == 19
    assert [NAMES[i] for i in (0, 5, 8, 10, 11, 13, 18)] == ["road", "pole", "vegetation", "sky", "person", "car",
                                                             "bicycle"]
    assert len(set(CLASSES.values())) == 19
    # traffic lights, signs and poles, people, and what has two wheels
    assert set(GROUPS["thin"]) == {5, 6, 7, 11, 12, 17, 18}
    assert set(GROUPS["movable"]) == set(range(11, 19))
    assert set(GROUPS["foreground_wide"]) - set(GROUPS["foreground"]) == {5, 6, 7}


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_marks_its_members_and_nothing_else(group):
    ids = torch.arange(256, dtype=torch.uint8).view(16, 16)
    expected = torch.tensor([i in GROUPS[group] for i in range(256)]).view(16, 16)
    assert torch.equal(group_mask(ids, group), expected)
    assert torch.equal(group_mask(ids.long(), group), expected)


def test_an_unknown_group_is_refused():
    with pytest.raises(InputError, match="'trees' is unknown; use one of movable"):
        group_mask(torch.zeros(2, 2, dtype=torch.uint8), "trees")


def test_colors_follow_the_palette_and_ignored_is_black():
    ids = torch.tensor([[TRAIN_ID["road"], TRAIN_ID["car"], IGNORE]], dtype=torch.uint8)
    assert colorize_labels(ids).tolist() == [[[128, 64, 128], [0, 0, 142], [0, 0, 0]]]
    assert palette().shape == (256, 3) and palette().dtype == torch.uint8


# Borders and dilation

label_maps = st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**20)).map(
    lambda t: torch.from_numpy(np.random.RandomState(t[3]).choice([0, 1, 2, IGNORE], t[:3]).astype(np.uint8)))


@pytest.mark.slow
@given(label_maps)
def test_borders_equal_a_loop_over_neighbor_pairs(labels):
    expected = torch.zeros_like(labels, dtype=torch.bool)
    batch, height, width = labels.shape
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                for k, m in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                    if 0 <= k < height and 0 <= m < width:
                        a, c = int(labels[b, i, j]), int(labels[b, k, m])
                        expected[b, i, j] |= a != c and IGNORE not in (a, c)
    assert torch.equal(label_borders(labels), expected)


@given(st.integers(0, 2**20), st.sampled_from([0, 0.5, 1, 1.5, 2, 2.9, 4]))
def test_dilation_equals_the_distance_to_the_mask(seed, radius):
    mask = torch.from_numpy(np.random.RandomState(seed).rand(2, 7, 9) < 0.1)
    expected = torch.zeros_like(mask)
    for b, i, j in mask.nonzero().tolist():
        row, column = torch.arange(7)[:, None] - i, torch.arange(9)[None, :] - j
        expected[b] |= row**2 + column**2 <= radius**2
    assert torch.equal(dilate(mask, radius), expected)


def test_a_map_of_one_class_has_no_border():
    assert not label_borders(torch.full((2, 5, 5), 3, dtype=torch.uint8)).any()
    assert not dilate(torch.zeros(1, 5, 5, dtype=torch.bool), 3).any()


def test_void_below_zero_has_no_border():
    ids = torch.tensor([[[-1, 13, 13, 4]]])
    assert label_borders(ids).tolist() == [[[False, False, True, True]]]
    assert label_borders(torch.where(ids < 0, 255, ids)).equal(label_borders(ids))
