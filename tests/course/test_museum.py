"""The museum of failures: each exhibit is harmless at strength 0, does harm at 1, and is mended as far as it says."""
from __future__ import annotations

import math
import re

import pytest
import torch

from semdepth_lite.camera import rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import museum
from semdepth_lite.course.museum import EXHIBITS, World, mechanisms, world
from semdepth_lite.figures import picture
from semdepth_lite.street import pace_car_scene
from semdepth_lite.training import run as training

WORLD = World(8, 64, 192)
PERCENT = {"collapse": 5.0}  # how much harm counts, in the exhibit's own measure; 3 for all others


@pytest.fixture(scope="module")
def shelf():
    """Every exhibit, healthy and at full strength."""
    return museum.shelf((0.0, 1.0), world=WORLD)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXHIBITS)
def test_nothing_is_broken_at_strength_zero(shelf, name):
    made = shelf[name][0.0]
    assert made.values["broken"] == pytest.approx(made.values["healthy"], abs=0.1)
    differs = (made.broken - made.healthy).abs() > 1e-3 * made.healthy
    if name == "sampling":  # reading off a grid rounds; in the sky, where all depths tie, that decides
        differs &= WORLD.batch.depth[0, 0] > 0
    assert float(differs.float().mean()) < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("name", EXHIBITS)
def test_full_strength_does_harm_and_the_remedy_helps(shelf, name):
    values = shelf[name][1.0].values
    sign = -1 if EXHIBITS[name].better == "higher" else 1
    healthy, broken, mended = (sign * values[state] for state in ("healthy", "broken", "mended"))
    harm = broken - healthy
    assert harm > PERCENT.get(name, 3.0)
    share = {"label_noise": 0.7}.get(name, 0.65)  # of the harm that may be left
    assert mended - healthy < share * harm


@pytest.mark.slow
def test_the_same_world_makes_the_same_failure(shelf):
    for name in ("scale_drift", "blank_walls", "collapse"):
        again = museum.failure(name, 1.0, World(8, 64, 192))
        assert torch.equal(again.broken, shelf[name][1.0].broken), name
        assert again.words == shelf[name][1.0].words


@pytest.mark.slow
@pytest.mark.parametrize("name", EXHIBITS)
def test_a_failure_can_be_drawn(shelf, name):
    shown = picture(museum.draw(name, shelf[name][1.0]), alt="An exhibit of the museum, drawn.",
                    caption="The picture of a test.")
    assert len(shown.png) > 5000


@pytest.mark.slow  # renders the street with a car ahead
def test_a_car_is_measured_at_the_same_pixels_at_every_strength():
    found = {museum.failure("holes", strength, WORLD).values["healthy"] for strength in (0.0, 0.4, 1.0)}
    assert len(found) == 1


def test_bad_requests_are_refused():
    with pytest.raises(InputError, match="exhibit 'hole' is unknown; use one of holes, texture_copy"):
        museum.failure("hole")
    for strength in (-0.1, 1.1):
        with pytest.raises(InputError, match="outside"):
            museum.failure("holes", strength)


# The words

@pytest.mark.parametrize("exhibit", EXHIBITS.values(), ids=EXHIBITS)
def test_an_exhibit_has_all_its_words(exhibit):
    assert exhibit.measure.endswith("(%)") and exhibit.better in ("lower", "higher")
    for words in (exhibit.because, exhibit.look, exhibit.remedy):
        assert words.endswith(".") and len(words) > 30
    assert len(exhibit.threads) >= 2
    for thread in exhibit.threads:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", thread.repository) and thread.number > 0
        assert 20 < len(thread.says) <= 130 and thread.says.endswith(".")
        assert f"https://github.com/{thread.repository}/issues/{thread.number}" in exhibit.card()
    assert f"${exhibit.cause}$" in exhibit.card()
    assert exhibit.said({"healthy": 1.25, "broken": 3}, 1) == "healthy 1.2 %, broken 3.0 %"
    assert f"{exhibit.measured} ({exhibit.unit})" == exhibit.measure


def test_threads_are_cited_once():
    cited = [(thread.repository, thread.number) for _, thread in museum.threads()]
    assert len(set(cited)) == len(cited) >= 25


@pytest.mark.slow
def test_the_overview_holds_the_numbers(shelf):
    text = museum.overview(shelf)
    assert text.count("\n") == len(EXHIBITS) + 2
    for name, row in shelf.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| {EXHIBITS[name].title} |"))
        assert [float(cell.removesuffix("% ")) for cell in line.split("|")[3:6]] == [
            round(value) for value in row[1.0].values.values()]


# The mathematics

@pytest.mark.slow
def test_a_mover_is_seen_where_the_sweep_finds_it(shelf):
    batch = WORLD.following_a_car(0.5)
    truth = batch.depth[0, 0]
    cars = batch.moving[0] & (batch.labels[0] == 13)
    car = cars & ((truth / truth[cars].median() - 1).abs() < 0.4)
    expected = museum.apparent_depth(truth[car], 2.0, torch.ones(int(car.sum()))).median()
    assert float(museum.matched_depth(batch)[car].median()) == pytest.approx(float(expected), rel=0.3)
    assert pace_car_scene(WORLD.seed - world.PACE).movers[0].kind == "car"


def test_harm_is_sorted_by_what_the_image_shows():
    truth = torch.full((8, 12), 5.0)
    image = torch.rand(3, 8, 12).where(torch.arange(12) >= 6, torch.tensor(0.5))
    broken = torch.where(torch.arange(12) >= 5, 2 * truth, truth)
    plain, busy = museum.harm_by_texture(museum.Failure(image, truth, broken, truth, {}), truth)
    assert plain == 0 and busy == pytest.approx(math.log(2))


def test_each_world_has_a_car_ahead_of_its_own():
    one, other = (museum.World(seed).following_a_car(1.0).target for seed in (8, 11))
    assert not torch.equal(one, other)


@pytest.mark.slow
def test_what_was_not_snapped_is_counted_too(shelf):
    assert f"{shelf['label_noise'][1.0].untouched:.1f} %" in shelf["label_noise"][1.0].words


def test_a_faster_car_is_at_infinity():
    found = museum.apparent_depth(torch.tensor([10.0, 10.0, 10.0]), 4.0, torch.tensor([0.0, 2.0, 4.0]))
    assert found.tolist() == [10.0, 20.0, float("inf")]


def test_scale_ratio_is_the_factor_between_two_units():
    depth = 2 + torch.rand(2, 1, 8, 9)
    mask = torch.rand(2, 1, 8, 9) < 0.8
    spoiled = torch.where(mask, 3 * depth, 1000.0)
    torch.testing.assert_close(museum.scale_ratio(spoiled, depth, mask), torch.tensor([3.0, 3.0]))


@pytest.mark.slow
def test_refining_leaves_a_perfect_depth_nearly_alone():
    batch = WORLD.batch
    batch.sources[:] = batch.target[:, None]
    batch.T_source_target[:] = rigid_transform(torch.zeros(1, 3), torch.zeros(1, 3))
    start = torch.full_like(batch.depth, 9.0)
    found = museum.refined_depth(batch, start)
    torch.testing.assert_close(found, start[0, 0], rtol=0.04, atol=0.0)


@pytest.mark.slow
def test_the_collapse_is_named_by_training(shelf):
    assert "collapsed to a constant" in shelf["collapse"][1.0].words
    assert "step" in shelf["collapse"][1.0].words and shelf["collapse"][0.0].words == ""
    assert mechanisms.diagnose is training.diagnose
