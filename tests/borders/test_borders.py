"""Border refinement against loops: edges, points, SEEM, the pairs and the value of the ranking loss, its gradients."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck

from semdepth_lite.borders import (
    SEEM,
    RankingSettings,
    edge_strength,
    point_certainty,
    point_count,
    ranking_loss,
    sample_pairs,
    strongest_points,
    training_points,
)
from semdepth_lite.borders.edges import REACH, without_repeats
from semdepth_lite.borders.ranking import FAR, border_anchors, border_sides, normals
from semdepth_lite.borders.seem import read_points
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


# Edges and points

@pytest.mark.slow
def test_edge_strength_is_the_change_of_the_distribution_across_a_pixel():
    p = torch.rand(2, 5, 6, 7, dtype=torch.float64).softmax(1)
    found = edge_strength(p)
    for y, x in ((1, 1), (3, 4), (4, 5)):
        expected = 0.5 * ((p[:, :, y, x + 1] - p[:, :, y, x - 1]).abs() + (p[:, :, y + 1, x] - p[:, :, y - 1, x]).abs()
                          ).sum(1)
        torch.testing.assert_close(found[:, y, x], expected)
    both = torch.stack((p[:, 0], 1 - p[:, 0]), 1)
    torch.testing.assert_close(edge_strength(p[:, :1]), edge_strength(both))


def test_points_of_an_image_scale_with_its_pixels():
    assert (point_count(2048, 192, 640), point_count(2048, 64, 192), point_count(9, 32, 32)) == (2048, 614, 4)


@pytest.mark.parametrize("important", [0.0, 0.5, 0.75, 1.0])
def test_training_points_are_those_of_the_loop(important):
    edges = torch.zeros(2, 12, 40, dtype=torch.bool)
    edges[0, 5, 10], edges[1, :, 30] = True, True
    count, total = 16, 12 * 40
    points = training_points(edges, count, seed(4), important)
    near = round(important * count)
    random = torch.rand(2, 3 * count + count - near, generator=seed(4))
    ys, xs = np.mgrid[:12, :40]
    for image in range(2):
        pixels = [min(int(r * total), total - 1) for r in random[image]]
        places = np.argwhere(edges[image].numpy())
        distance = np.sqrt(((np.stack((ys, xs), -1)[:, :, None] - places) ** 2).sum(-1)).min(-1).clip(max=REACH).ravel()
        best = sorted(distance[pixels[:3 * count]])[:near]
        assert sorted(distance[points[image, :near].numpy()]) == pytest.approx(best)
        assert set(points[image, :near].tolist()) <= set(pixels[:3 * count])
        assert points[image, near:].tolist() == pixels[3 * count:]


def test_training_points_crowd_at_edges_and_cover_the_image():
    edges = torch.zeros(1, 64, 192, dtype=torch.bool)
    edges[0, :, 96] = True
    drawn = torch.cat([training_points(edges, 400, seed(i)) for i in range(50)], 1)[0]
    beside = ((drawn % 192 - 96).abs() <= 2).float().mean()
    # 1200 candidates of which 5/192 are that near, 31 of them in the mean, all kept; and so many of the 100 others
    assert float(beside) == pytest.approx((1200 + 100) * 5 / 192 / 400, rel=0.05)
    far = drawn[(drawn % 192 - 96).abs() > 60]
    counts, _ = torch.histogram((far // 192).float(), 8)
    assert len(far) > 1000 and float(counts.min() / counts.max()) > 0.8
    plain = training_points(torch.zeros_like(edges), 8000, seed())
    assert float(plain.float().mean()) == pytest.approx(64 * 192 / 2, rel=0.03)
    with pytest.raises(InputError, match="share of important points is 2"):
        training_points(edges, 8, seed(), 2)


def test_strongest_points_need_no_chance():
    strength = torch.rand(2, 5, 9)
    points = strongest_points(strength, 7)
    assert torch.equal(points, strongest_points(strength, 7))
    for image in range(2):
        assert set(points[image].tolist()) == set(np.argsort(-strength[image].flatten().numpy())[:7].tolist())


def test_equal_edges_are_chosen_in_a_fixed_order_scattered_over_the_image():
    """Masks of bytes: every edge is a multiple of 1/510, up to the rounding of a sum, which must not decide."""
    strength = torch.where(torch.rand(1, 64, 192) < 0.3, 1.0, 0.0)
    points = strongest_points(strength, 614)
    rounded = strength + 1e-7 * torch.randn(1, 64, 192)
    assert set(points[0].tolist()) == set(strongest_points(rounded, 614)[0].tolist())
    assert bool((strength.flatten()[points] == 1).all())
    rows = torch.histogram((points[0] // 192).float(), 8)[0]
    assert float(rows.min() / rows.max()) > 0.7


def test_repeated_points_count_once():
    points, first = without_repeats(torch.tensor([[5, 2, 5, 5, 9], [1, 1, 2, 3, 3]]))
    assert [sorted(row[keep].tolist()) for row, keep in zip(points, first)] == [[2, 5, 9], [1, 2, 3]]


# SEEM

def features(dtype: torch.dtype = torch.float64) -> tuple[list[torch.Tensor], ...]:
    """Encoder stages and semantic and depth levels 0 to 2 of an image of 16x24."""
    def maps(channels: tuple[int, ...], first: int) -> list[torch.Tensor]:
        return [torch.randn(2, c, 16 >> (i + first), 24 >> (i + first), dtype=dtype) for i, c in enumerate(channels)]

    return maps((3, 4, 5), 1), maps((2, 3, 4), 0), maps((4, 5, 6), 0)


def enhancement(residual: bool = True, semantic: tuple[int, ...] | None = (2, 3, 4)) -> SEEM:
    module = SEEM((3, 4, 5, 9, 9), semantic, (4, 5, 6, 9, 9), 2, residual).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_seem_equals_a_loop_over_points(residual, layout):
    module = enhancement(residual)
    encoder, semantic, depth = ([x.contiguous(memory_format=layout) for x in maps] for maps in features())
    points = torch.tensor([[0, 5, 5, 383, 200], [23, 360, 77, 78, 77]])
    found = module(depth, encoder, semantic, points)
    assert found.is_contiguous(memory_format=layout)
    whole = [F.interpolate(x, (16, 24), mode="bilinear") for x in (*encoder, *semantic, *depth)]
    expected = depth[0].clone()
    for image in range(2):
        for point in set(points[image].tolist()):
            y, x = divmod(point, 24)
            g = torch.cat([feature[image, :, y, x] for feature in whole])
            for number, layer in enumerate(module.layers):
                g = layer.weight @ g + layer.bias
                g = g.clamp(min=0) if number < 2 else g
            expected[image, :, y, x] = depth[0][image, :, y, x] * residual + g
    torch.testing.assert_close(found, expected)


def test_seem_reads_probabilities_where_there_is_no_semantic_decoder():
    encoder, _, depth = features()
    probabilities = torch.rand(2, 2, 16, 24, dtype=torch.float64)
    points = torch.tensor([[7, 30], [100, 2]])
    changed = enhancement(semantic=None)(depth, encoder, [probabilities], points) - depth[0]
    touched = changed.abs().sum(1).flatten(1).nonzero().tolist()
    assert touched == [[0, 7], [0, 30], [1, 2], [1, 100]]


def test_seem_gradients():
    module, points = enhancement(), torch.tensor([[0, 9, 9, 383], [23, 5, 77, 78]])
    encoder, semantic, depth = features()
    inputs = [x.requires_grad_() for x in (*depth, *encoder, *semantic)]
    assert gradcheck(lambda *x: module(list(x[:3]), list(x[3:6]), list(x[6:]), points), inputs, fast_mode=True)


def test_seem_begins_as_the_identity_and_learns():
    module = SEEM((3, 4, 5, 9, 9), (2, 3, 4), (4, 5, 6, 9, 9), 2)
    encoder, semantic, depth = features(torch.float32)
    found = module(depth, encoder, semantic, torch.randint(0, 384, (2, 20)))
    assert torch.equal(found, depth[0])
    found.square().sum().backward()
    assert float(module.layers[2].weight.grad.abs().max()) > 0


def test_reading_in_half_precision_keeps_the_coordinates():
    image = torch.arange(320.0).expand(1, 1, 2, 320)
    points = torch.tensor([[1, 501, 639]])
    exact = read_points(image, points, 4, 640)
    torch.testing.assert_close(read_points(image.bfloat16(), points, 4, 640), exact, rtol=2**-8, atol=1e-3)


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
