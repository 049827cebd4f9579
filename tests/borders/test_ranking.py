"""The ranking loss against loops: which pairs are compared, the printed sums, gradients, certainty."""
from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from semdepth_lite.borders import (
    RankingSettings,
    point_certainty,
    ranking_loss,
    sample_pairs,
)
from semdepth_lite.borders.ranking import FAR, border_anchors, border_sides, normals
from semdepth_lite.classes import GROUPS, IGNORE, TRAIN_ID
from semdepth_lite.common.contracts import InputError

CAR, BUILDING, SKY, ROAD, POLE = (TRAIN_ID[name] for name in ("car", "building", "sky", "road", "pole"))
AS_PRINTED = RankingSettings("foreground", "rest", "disp", 0.0, 0.0)


def seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def street(height: int = 48, width: int = 192, batch: int = 1) -> torch.Tensor:
    """Labels of a car on a road before a building, with a pole, sky above, and a corner without a label."""
    labels = torch.full((batch, height, width), BUILDING, dtype=torch.uint8)
    labels[:, :6] = SKY
    labels[:, 34:] = ROAD
    labels[:, 16:40, 40:90] = CAR
    labels[:, 8:36, 130:132] = POLE
    labels[:, :4, :4] = IGNORE
    return labels


# Which pairs are compared

@pytest.mark.parametrize("settings", [RankingSettings(), AS_PRINTED, RankingSettings(robust=False),
                                      RankingSettings("foreground", "rest", robust=False)])
def test_pairs_obey_their_rules_one_by_one(settings):
    labels = street(batch=2)
    pairs = sample_pairs(labels, settings, seed(1))
    count = round(2000 * 192 / 640)
    assert pairs.first.shape == (2, 4 * count)
    things = set(GROUPS[settings.things])

    def side(label: int) -> str:
        if label == IGNORE:
            return "none"
        if label in things:
            return "thing"
        return "behind" if settings.against == "rest" or label in GROUPS["backdrop"] else "none"

    def unlike(p: int, q: int) -> bool:
        return {side(p), side(q)} == {"thing", "behind"}

    def same(p: int, q: int) -> bool:
        return IGNORE not in (p, q) and (side(p) == side(q) if settings.against == "rest" else p == q)

    for image in range(2):
        flat = labels[image].flatten().tolist()
        a, b = ([flat[i] for i in part[image]] for part in (pairs.first, pairs.second))
        push, pull = pairs.push[image].tolist(), pairs.pull[image].tolist()
        for i, (p, q) in enumerate(zip(a, b)):
            assert not push[i] or unlike(p, q)
            assert not pull[i] or (same(p, q) and i < 3 * count
                                   and (settings.against == "rest" or q not in GROUPS["ground"]))
        used = {i // 3 for i in range(3 * count) if push[i] or pull[i]}
        for j in used if settings.robust else ():
            labels_of = [a[3 * j], b[3 * j], b[3 * j + 1], b[3 * j + 2]]
            assert same(*labels_of[:2]) and unlike(*labels_of[1:3]) and same(*labels_of[2:])
        assert len(used) > 20 and sum(push[3 * count:]) > 20


def test_quadruplets_lie_on_the_normal_with_a_dead_zone():
    """Beside a straight vertical border every pair is a row, and b and c keep away from the border."""
    labels = torch.full((1, 192, 640), BUILDING, dtype=torch.uint8)
    labels[:, :, 320:] = CAR
    pairs = sample_pairs(labels, RankingSettings(), seed(2))
    quads = torch.stack((pairs.first[0, :6000:3], pairs.second[0, :6000:3], pairs.second[0, 1:6000:3],
                         pairs.second[0, 2:6000:3]), 1)[pairs.push[0, 1:6000:3]]
    assert len(quads) == 384  # as many as there are border pixels
    assert bool((quads // 640 == quads[:, :1] // 640).all())
    from_border = quads % 640 - 319.5
    assert bool((from_border[:, :2] < 0).all()) and bool((from_border[:, 2:] > 0).all())
    a, b, c, d = from_border.abs().unbind(1)
    assert float(b.min()) >= 1.5 and float(c.min()) >= 1.5 and float(torch.cat((b, c)).max()) <= 8.5
    assert bool((a > b).all()) and bool((d > c).all()) and float(torch.cat((a, d)).max()) <= FAR + 0.5
    reach = [len(x.unique()) for x in (a, b, c, d)]
    assert min(reach) >= 7


def test_normals_point_to_the_thing():
    ys, xs = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    disc = ((ys - 20) ** 2 + (xs - 20) ** 2 < 100)[None]
    anchors = border_anchors(torch.where(disc, 1, 2))
    points = anchors[0].flatten().nonzero()[:, 0][None]
    found = normals(disc, points, 2.0)[0]
    expected = torch.stack((20 - points[0] % 40, 20 - points[0] // 40), -1).float()
    cosine = (found * expected / expected.norm(dim=1, keepdim=True)).sum(1)
    assert float(cosine.min()) > 0.97
    assert not normals(disc, torch.tensor([[0, 5]]), 2.0).any()


def test_anchors_are_the_borders_between_things_and_what_is_behind():
    labels = street()
    sides = border_sides(labels, RankingSettings())
    assert set(sides[labels == CAR].tolist()) == {1} and set(sides[labels == ROAD].tolist()) == {0}
    anchors = border_anchors(sides)[0]
    assert bool(anchors[20, 39]) and bool(anchors[20, 40]) and not bool(anchors[39, 60])  # a car stands on the road
    assert bool(border_anchors(border_sides(labels, AS_PRINTED))[0, 39, 60])
    assert not bool(border_anchors(border_sides(labels, AS_PRINTED))[0, 20, 130])              # a pole is no foreground


def test_pairs_follow_from_the_seed_alone():
    first, again, other = (sample_pairs(street(), RankingSettings(), seed(i)) for i in (1, 1, 2))
    assert torch.equal(first.first, again.first) and not torch.equal(first.first, other.first)


# The value of the loss

def loss_by_loop(depth: torch.Tensor, labels: torch.Tensor, settings: RankingSettings, certainty: torch.Tensor | None,
                 number: int) -> float:
    """The printed sums, pair by pair."""
    pairs = sample_pairs(labels, settings, seed(number))
    count = pairs.first.shape[1] // 4
    total = 0.0
    for image in range(len(depth)):
        z = depth[image, 0].flatten().tolist()
        mean = sum(1 / v for v in z) / len(z)
        value = {"log": math.log, "disp": lambda v, mean=mean: 1 / v / mean, "depth": float}[settings.variable]
        sums, quads, others = [0.0, 0.0], set(), 0
        for i, (p, q) in enumerate(zip(pairs.first[image].tolist(), pairs.second[image].tolist())):
            push, pull = bool(pairs.push[image, i]), bool(pairs.pull[image, i])
            in_pool = i >= 3 * count
            others += in_pool and push
            if not in_pool and push:
                quads.add(i // 3)
            x = abs(value(z[p]) - value(z[q]))
            cost = x * x if pull else 0.0
            if push:
                cap = settings.cap or math.inf
                gap = max(x, settings.floor)
                if settings.signed:  # how much farther it is behind than on the thing
                    thing, behind = (p, q) if labels[image].flatten()[p] in (CAR, POLE) else (q, p)
                    gap = value(z[behind]) - value(z[thing])
                    gap = -gap if settings.variable == "disp" else gap
                cost = math.log(1 + math.exp(-min(gap, cap))) - math.log(1 + math.exp(-cap))
            if certainty is not None:
                cost *= float(certainty[image].flatten()[p] * certainty[image].flatten()[q])
            sums[in_pool] += cost
        total += (sums[0] / (3 * len(quads)) if quads else 0) + (sums[1] / others if others else 0)
    return total / len(depth)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [RankingSettings(), AS_PRINTED, RankingSettings(variable="depth", cap=0.0),
                                      RankingSettings(signed=True), RankingSettings(signed=True, variable="disp")])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_equals_the_printed_sums(settings, weighted):
    labels = street(batch=2)
    labels[1] = BUILDING
    depth = (torch.randn(2, 1, 48, 192, dtype=torch.float64) * 0.2).exp() * 8
    certainty = torch.rand(2, 48, 192, dtype=torch.float64) if weighted else None
    found = ranking_loss(depth, labels, seed(5), settings, certainty)
    assert float(found) == pytest.approx(loss_by_loop(depth, labels, settings, certainty, 5), rel=1e-5)


def test_unlike_pairs_are_driven_apart():
    """A car that is a little nearer than the building gets nearer still, and the building farther."""
    labels = torch.full((1, 64, 192), BUILDING, dtype=torch.uint8)
    labels[:, :, 96:] = CAR
    depth = torch.where(labels == CAR, 9.0, 10.0).double()[:, None].requires_grad_()
    ranking_loss(depth, labels, seed()).backward()
    downhill = -depth.grad[0, 0]
    car, wall = downhill[:, 97:99].sum(0), downhill[:, 93:95].sum(0)  # where b and c lie
    assert bool((car < -1e-4).all()) and bool((wall > 1e-4).all())
    assert not downhill[:, :88].any() and not downhill[:, 104:].any()


@pytest.mark.parametrize(("signed", "forward"), [(False, False), (True, True)])
def test_only_signed_pairs_bring_a_thing_forward_that_is_too_far(signed, forward):
    labels = torch.full((1, 64, 192), BUILDING, dtype=torch.uint8)
    labels[:, :, 96:] = CAR
    depth = torch.where(labels == CAR, 11.0, 10.0).double()[:, None].requires_grad_()
    ranking_loss(depth, labels, seed(), RankingSettings(signed=signed)).backward()
    downhill = -depth.grad[0, 0]
    assert bool((downhill[:, 97:99].sum(0) < 0).all()) == bool((downhill[:, 93:95].sum(0) > 0).all()) == forward


@pytest.mark.parametrize(("gap", "moves"), [(0.0, False), (0.01, False), (0.05, True), (0.59, True), (0.65, False)])
def test_pairs_are_left_alone_below_the_floor_and_above_the_cap(gap, moves):
    labels = torch.full((1, 64, 192), BUILDING, dtype=torch.uint8)
    labels[:, :, 96:] = CAR
    depth = torch.where(labels == CAR, 8.0, 8.0 * math.exp(gap)).double()[:, None].requires_grad_()
    ranking_loss(depth, labels, seed()).backward()
    assert bool(depth.grad.abs().max() > 1e-9) == moves
    if gap:  # as drawn it pushes at any gap
        drawn, = torch.autograd.grad(ranking_loss(depth, labels, seed(), AS_PRINTED), depth)
        assert float(drawn.abs().max()) > 1e-6


def test_like_pairs_are_pulled_by_their_difference():
    labels = torch.full((1, 64, 192), BUILDING, dtype=torch.uint8)
    labels[:, :, 96:] = CAR
    torch.manual_seed(0)
    depth = (10 * (0.01 * torch.randn(1, 1, 64, 192, dtype=torch.float64)).exp()).requires_grad_()
    # all unlike differences stay below the floor, so that the pull is alone
    ranking_loss(depth, labels, seed(), RankingSettings(floor=1.0, cap=2.0)).backward()
    pairs = sample_pairs(labels, RankingSettings(), seed())
    d = depth.detach().flatten().log()
    spread = [float((x[pairs.first] - x[pairs.second])[pairs.pull].square().mean())
              for x in (d, (depth - 100 * depth.grad).detach().flatten().log())]
    assert spread[1] < spread[0]


@pytest.mark.parametrize("labels", [torch.full((2, 32, 96), IGNORE, dtype=torch.uint8),
                                    torch.full((2, 32, 96), CAR, dtype=torch.uint8),
                                    torch.full((2, 32, 96), BUILDING, dtype=torch.uint8)])
@pytest.mark.parametrize("settings", [RankingSettings(), AS_PRINTED, RankingSettings(robust=False)])
def test_images_without_borders_cost_exactly_nothing(labels, settings):
    depth = torch.rand(2, 1, 32, 96).add(1).requires_grad_()
    loss = ranking_loss(depth, labels, seed(), settings)
    loss.backward()
    assert float(loss.detach()) == 0 and not depth.grad.any()


def test_a_few_border_pixels_are_not_enough():
    labels = torch.full((1, 64, 192), BUILDING, dtype=torch.uint8)
    labels[:, 30, 60] = CAR
    assert not sample_pairs(labels, RankingSettings(robust=False), seed()).push.any()


def test_the_loss_has_a_gradient_that_is_its_slope():
    labels = street(32, 96)
    depth = (torch.randn(1, 1, 32, 96, dtype=torch.float64) * 0.1).exp().requires_grad_()
    assert gradcheck(lambda d: ranking_loss(d, labels, seed(), AS_PRINTED), depth, fast_mode=True)


def test_flat_depth_has_a_finite_gradient():
    depth = torch.ones(1, 1, 48, 192, requires_grad=True)
    for settings in (RankingSettings(), AS_PRINTED):
        gradient, = torch.autograd.grad(ranking_loss(depth, street(), seed(), settings), depth)
        assert bool(torch.isfinite(gradient).all())


# Certainty

@pytest.mark.parametrize("kind", ["product", "margin", "entropy"])
def test_certainty_equals_its_formula(kind):
    labels = torch.tensor([[[CAR, BUILDING, POLE, IGNORE]]], dtype=torch.uint8)
    inside = torch.tensor([0.9, 0.2, 0.5, 1.0], dtype=torch.float64)
    expected = {"product": [0.9, 0.8, 0.5, 0.0], "margin": [0.8, 0.6, 0.0, 1.0],
                "entropy": [1 + (s * math.log2(s) + (1 - s) * math.log2(1 - s)) if s < 1 else 1.0
                            for s in inside.tolist()]}[kind]
    binary = point_certainty(inside.view(1, 1, 1, 4), labels, "foreground_wide", kind)
    torch.testing.assert_close(binary[0, 0], torch.tensor(expected, dtype=torch.float64))
    spread = torch.zeros(1, 19, 1, 4, dtype=torch.float64)
    spread[0, CAR, 0], spread[0, POLE, 0], spread[0, ROAD, 0] = inside * 0.7, inside * 0.3, 1 - inside
    torch.testing.assert_close(point_certainty(spread, labels, "foreground_wide", kind), binary)


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="variable 'log2' is unknown; use one of log, disp, depth"):
        RankingSettings(variable="log2")
    with pytest.raises(InputError, match="floor 0.7 is not between 0 and cap 0.6"):
        RankingSettings(floor=0.7)
