"""Looking at pairs: counts against the pairs themselves, and what the ranking loss alone asks for."""
from __future__ import annotations

import math

import pytest
import torch

from semdepth_lite.borders import RankingSettings, pair_costs, ranking_loss, sample_pairs
from semdepth_lite.classes import TRAIN_ID
from semdepth_lite.course.ranking_pairs import follow_ranking, fullest_window, judge_pairs, quadruplets, some_apart

CAR, BUILDING = TRAIN_ID["car"], TRAIN_ID["building"]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def street() -> tuple[torch.Tensor, torch.Tensor]:
    """Labels and true depth: a car at 8 m, columns 30 to 65, before a house at 20 m."""
    labels = torch.full((2, 32, 96), BUILDING)
    labels[:, 8:, 30:66] = CAR
    return labels, torch.where(labels == CAR, 8.0, 20.0)[:, None]


def test_quadruplets_run_through_the_border_from_side_to_side(street):
    labels, _ = street
    pairs = sample_pairs(labels, RankingSettings(), generator())
    places, used = quadruplets(pairs, 96)
    assert places.shape == (2, pairs.first.shape[1] // 4, 4, 2) and used.any() and not used.all()
    of_class = labels[torch.arange(2)[:, None, None], places[..., 1], places[..., 0]]
    a, b, c, d = of_class[used].unbind(-1)
    assert (a == b).all() and (c == d).all() and (b != c).all()
    flat = places[..., 1] * 96 + places[..., 0]
    assert torch.equal(flat[..., 1].flatten(1), pairs.second[:, :flat[..., 1].numel() // 2 * 3:3])


def test_true_labels_propose_right_pairs_and_counts_are_those_of_the_pairs(street):
    labels, depth = street
    found, pairs = (f() for f in (lambda: judge_pairs(labels, depth, RankingSettings(), generator()),
                                  lambda: sample_pairs(labels, RankingSettings(), generator())))
    assert found["push"] == pairs.push.sum() and found["pull"] == pairs.pull.sum()
    assert found["push_right"] == found["pull_right"] == 1
    rim = 2 * (24 + 36 + 24) + 2  # both pixels of each pair along the car's two sides and its roof, corners twice
    assert 0 < found["used"] <= found["drawn"] == 2 * min(rim - 4, 300)


def test_a_label_that_lies_proposes_wrong_pairs_and_doubt_takes_their_weight(street):
    labels, depth = street
    painted = labels.clone()
    painted[:, 8:24, 2:16] = CAR  # a car painted on the wall
    found = judge_pairs(painted, depth, RankingSettings(), generator())
    assert 0.4 < found["push_right"] < 0.95 and found["pull_right"] == 1
    sure = torch.where(painted == labels, 1.0, 0.0)
    assert judge_pairs(painted, depth, RankingSettings(), generator(), sure)["push_right"] > found["push_right"]
    nothing = judge_pairs(torch.full_like(labels, BUILDING), depth, RankingSettings(), generator())
    assert nothing["drawn"] == nothing["used"] == 0 and math.isnan(nothing["push_right"])


def test_the_sky_is_farther_than_everything(street):
    labels, depth = street
    sky = torch.where(labels == BUILDING, TRAIN_ID["sky"], labels)
    found = judge_pairs(sky, torch.where(depth == 20, 0.0, depth), RankingSettings(), generator())
    assert found["push_right"] == found["pull_right"] == 1


def test_costs_of_pairs_are_the_printed_ones():
    gap = torch.tensor([-0.7, 0.01, 0.1, 3.0], dtype=torch.float64)
    printed, pulled = pair_costs(gap, RankingSettings(floor=0, cap=0))
    assert torch.allclose(printed, torch.log(1 + torch.exp(-gap.abs()))) and torch.allclose(pulled, gap**2)
    capped, _ = pair_costs(gap, RankingSettings())
    expected = torch.log(1 + torch.exp(-gap.abs().clamp(0.02, 0.6))) - math.log(1 + math.exp(-0.6))
    assert torch.allclose(capped, expected) and capped[0] == capped[3] == 0


@pytest.mark.slow
def test_the_loss_alone_sharpens_a_soft_border_and_does_not_know_the_sign(street):
    labels, depth = street
    soft = torch.nn.functional.avg_pool2d(depth.log(), 7, 1, 3, count_include_pad=False)
    soft = (soft - math.log(12)) * 0.08 + math.log(12)
    after = follow_ranking(soft.exp(), labels, generator(), steps=60, rate=5.0)
    near, far = after[:, 0, 20, 33:36].log().mean(), after[:, 0, 20, 22:27].log().mean()
    before = soft[:, 0, 20, 22:27].mean() - soft[:, 0, 20, 33:36].mean()
    assert far - near > 1.3 * before > 0
    wrong = follow_ranking((2 * math.log(12) - soft).exp(), labels, generator(), steps=60, rate=5.0)
    assert wrong[:, 0, 20, 33:36].log().mean() - wrong[:, 0, 20, 22:27].log().mean() > 1.3 * before
    assert ranking_loss(after, labels, generator()) < ranking_loss(soft.exp(), labels, generator())


def test_quadruplets_of_a_picture_stay_apart_and_fill_the_window():
    across = torch.tensor([[0.0, 0], [4, 0], [8, 0], [12, 0]])
    places = torch.stack([across + torch.tensor(shift) for shift in ((20.0, 10), (22, 12), (20, 20), (60, 30))])
    assert torch.equal(some_apart(places, 5.0), places[[0, 2, 3]])  # the second is too near the first
    assert torch.equal(some_apart(places, 2.0), places)
    (top, bottom), (left, right) = fullest_window(places, (40, 100), (16, 30))
    assert (bottom - top, right - left) == (16, 30)
    assert top < 10 and bottom > 21 and left < 20 and right > 35  # the first three, none of them on the rim
    assert len(some_apart(places[:0], 5.0)) == 0
