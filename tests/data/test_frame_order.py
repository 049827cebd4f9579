"""Which frame follows which: generated names whose order is known, and every naming that people were bitten by."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.frame_order import order_by_times, order_frames

words = st.text(alphabet="abcxyz_ -", max_size=6)
endings = st.sampled_from(["", "_8bit", "_640x192", "_left", " (depth16)", "-v2.1_final", "_leftImg8bit"])


def named(names: list[str]):
    return order_frames([Path(name) for name in names])


def clips(names: list[str]) -> list[list[str]]:
    """The names of each clip, in order."""
    order = named(names)
    return [[file.stem for file, c in zip(order.files, order.clip) if c == clip] for clip in sorted(set(order.clip))]


@pytest.mark.slow
@given(words, endings, st.integers(0, 5000), st.integers(3, 30), st.integers(1, 12), st.sampled_from([0, 3, 6, 10]),
       st.randoms())
def test_numbers_are_numbers_whatever_stands_around_them(before, after, start, count, step, padding, chance):
    names = [f"{before}{start + step * i:0{padding}d}{after}.png" for i in range(count)]
    shuffled = list(names)
    chance.shuffle(shuffled)
    order = named(shuffled)
    assert [file.name for file in order.files] == names
    assert order.clip.tolist() == [0] * count and not order.gaps and not order.left_out


@pytest.mark.slow
@given(st.lists(st.integers(3, 9), min_size=2, max_size=4), st.sampled_from(
    ["cam{c}_{i:04d}", "{c:06d}_{i:06d}_leftImg8bit", "clip{c}.{i:05d}", "2024010{c}_{i}_rgb8", "n{c}-{i:03d} 16bit"]),
    st.booleans())
def test_other_cameras_and_sequences_are_other_clips(counts, pattern, goes_on):
    names, first = [], 0
    for c, count in enumerate(counts, start=1):
        names.append([pattern.format(c=c, i=first + i) for i in range(count)])
        first += count if goes_on else 0
    assert clips([f"{name}.jpg" for clip in names for name in clip]) == names


@pytest.mark.slow
@given(st.sets(st.integers(0, 60), min_size=6, max_size=50))
def test_neighbors_differ_by_the_usual_step_and_every_other_step_cuts(numbers):
    order = named([f"f_{n}.png" for n in numbers])
    values = [int(file.stem[2:]) for file in order.files]
    assert values == sorted(numbers)
    steps = np.diff(values)
    inside = steps[np.diff(order.clip) == 0]
    assert len(set(inside.tolist())) <= 1
    assert len(order.gaps) == (np.diff(order.clip) != 0).sum()
    most = max(np.bincount(steps))
    assert len(inside) == most


@pytest.mark.slow
@given(st.sampled_from([(10**9, 1_403_636_579_763_555_584, "{}"), (10**6, 1_403_636_579_763_555, "frame_{}"),
                        (10**3, 1_403_636_579_763, "{}_cam"), (10**6, 0, "{}us")]),
       st.integers(20, 200), st.lists(st.floats(-0.08, 0.08), min_size=6, max_size=20), st.integers(2, 4))
def test_time_stamps_are_neighbors_in_spite_of_jitter_and_pauses_cut(form, milliseconds, jitter, pause):
    unit, start, pattern = form
    at = [0.0]
    middle = len(jitter) // 2
    for i in range(len(jitter)):
        at.append(at[-1] + (pause if i == middle else 1))
    times = [start + round((t + j) * milliseconds * unit / 1000) for t, j in zip(at, [0.08, *jitter])]
    order = named([f"{pattern.format(max(0, t))}.png" for t in times])
    assert order.clip.tolist() == [0] * (middle + 1) + [1] * (len(times) - middle - 1)
    assert not order.gaps and order.step.endswith("ms")


@pytest.mark.slow
@given(st.integers(1, 400), st.integers(0, 86000), st.integers(6, 90), st.sampled_from(
    ["%Y-%m-%d %H.%M.%S", "IMG_%Y%m%d_%H%M%S", "%Y-%m-%dT%H-%M-%S", "PXL_%Y%m%d_%H%M%S000", "%Y%m%d%H%M%S"]))
def test_dates_go_on_over_minutes_hours_and_days(day, second, count, pattern):
    from datetime import datetime, timedelta
    first = datetime(2023, 1, 1) + timedelta(days=day, seconds=second)
    names = [(first + timedelta(seconds=i)).strftime(pattern) for i in range(count)]
    assert clips([f"{name}.png" for name in names]) == [names]


@pytest.mark.slow
@given(st.integers(5, 40), st.integers(1, 3))
def test_seconds_with_fractions(count, decimals):
    names = [f"{1305031102 + i / 30:.{decimals + 2}f}" for i in range(count)]
    assert clips([f"{name}.png" for name in names]) == [names]
    fresh = [f"{i / 30:.6f}" for i in range(count)]
    assert clips([f"{name}.png" for name in fresh]) == [fresh]


@pytest.mark.parametrize("names, expected", [
    (["1", "10", "2", "cover"], [["1", "2"], ["10"]]),  # a picture without a number never joins
    (["left_a", "left_b", "left_c"], []),
    (["0001", "0002", "0003", "0002 (1)"], [["0001", "0002", "0003"]]),  # a copy
    ([f"frame ({i})" for i in range(1, 12)], [[f"frame ({i})" for i in range(1, 12)]]),  # named so by Windows
    (["000000_10", "000000_11", "000001_10", "000001_11"], [["000000_10", "000000_11"], ["000001_10", "000001_11"]]),
    ([f"aachen_{i:06d}_000019_leftImg8bit" for i in range(3)],
     [[f"aachen_{i:06d}_000019_leftImg8bit"] for i in range(3)]),  # one frame of each sequence
    (["a_1_7", "a_2_3", "a_3_5"], [["a_1_7"], ["a_2_3"], ["a_3_5"]]),  # nobody knows which number counts
    ([f"{i:03d}_t={i / 30:.3f}" for i in range(1, 40)], [[f"{i:03d}_t={i / 30:.3f}" for i in range(1, 40)]]),
    (["f0", "f1", "f-1"], [["f0", "f1"], ["f-1"]]),
    (["shot1.0001", "shot1.0002", "shot2.0001"], [["shot1.0001", "shot1.0002"], ["shot2.0001"]]),
    ([f"20210213_{i:06d}" for i in range(57, 64)], [[f"20210213_{i:06d}" for i in range(57, 64)]]),  # no time of day
    ([f"{i:010d}" for i in (0, 1, 2, 5, 6)], [[f"{i:010d}" for i in (0, 1, 2)], [f"{i:010d}" for i in (5, 6)]]),
])
def test_names_that_people_have(names, expected):
    assert clips([f"{name}.png" for name in names]) == expected


@pytest.mark.parametrize("names", [["0001.png", "0001.jpg", "0002.png"], ["1.png", "01.png", "2.png"]])
def test_a_number_that_two_frames_have_is_refused(names):
    with pytest.raises(InputError, match="have the same number"):
        named(names)


def test_what_was_found_is_one_line():
    order = named([f"{i}.png" for i in (1, 2, 3, 7, 8)] + ["cover.png"])
    assert order.sentence() == ("5 frames in 2 clips, one every number; 1 left out, because no number or a copy's name "
                                "orders them (cover.png)")
    assert order.gaps == ["lacks frame 4 after 3.png"]
    assert named(["0.png", "2.png", "4.png", "6.png", "7.png"]).gaps == ["counts by 1 after 6.png and by 2 elsewhere"]


def test_times_of_a_video_with_pauses():
    times = [0, 0.1, 0.2, 0.3, 1.3, 1.4, 1.5, 3.5, 3.6, 3.7]
    order = order_by_times([Path(f"{i}.jpg") for i in range(10)], times)
    assert order.clip.tolist() == [0] * 4 + [1] * 3 + [2] * 3 and order.step == "100 ms"
