"""The metrics at borders against loops over pixels, made-up worlds with known answers, and their own symmetries."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from metric_cases import few, near, random_scene, seeds

from semdepth_lite import metrics
from semdepth_lite.classes import GROUPS, IGNORE, NAMES, NUM_CLASSES
from semdepth_lite.common.contracts import InputError


def made_up_street(height=96, width=320):
    """Ground plane, houses, cars and poles seen by a pinhole camera, sky above; (1, H, W) each."""
    f, v = 0.58 * width, torch.arange(height)[:, None] - (height - 1) / 2
    u = torch.arange(width)[None] - (width - 1) / 2
    ground = 1.6 * f / v.clamp(min=0.5)
    depth = torch.where(v > 1, ground, 0.0).expand(height, width).clone()
    labels = torch.where(v > 1, 0, 10).expand(height, width).clone()
    # depth, sideways, half width, height above ground, class; far ones first
    boxes = [(60, -1, 12, 9, 2), (30, -14, 7, 8, 2), (28, 15, 7, 6, 2), (20, 9, 2, 7, 2), (18, 2, 1, 1.5, 13),
             (15, -5, 1, 1.5, 13), (14, 6, 0.2, 2.8, 5), (11, -2.5, 0.16, 2.6, 5), (8, 4, 1.2, 1.5, 13),
             (7, -5, 0.2, 3, 5)]
    for z, x, half, tall, label in boxes:
        hit = ((u * z / f - x).abs() < half) & (v * z / f < 1.6) & (v * z / f > 1.6 - tall)
        depth[hit], labels[hit] = float(z), label
    return depth[None], labels[None].to(torch.uint8)


def logs(depth):
    return depth.clamp(min=1e-3).log()


def border_pixels(labels):
    height, width = labels.shape
    found = set()
    for y in range(height):
        for x in range(width):
            for y2, x2 in ((y + 1, x), (y, x + 1)):
                if y2 < height and x2 < width and labels[y, x] != labels[y2, x2] \
                        and IGNORE not in (int(labels[y, x]), int(labels[y2, x2])):
                    found |= {(y, x), (y2, x2)}
    return found


@pytest.mark.slow
@few
@given(seeds)
def test_band_and_inner_are_distances_to_label_changes(seed):
    _, _, labels = random_scene(seed)
    band, inner = metrics.border_band(labels, 1.5, 2.0)
    for b in range(len(labels)):
        points = border_pixels(labels[b])
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                distance = min([math.hypot(y - py, x - px) for py, px in points] + [99])
                known = labels[b, y, x] != IGNORE
                assert band[b, y, x] == (known and distance <= 1.5)
                assert inner[b, y, x] == (known and distance > 2.0)


@pytest.mark.slow
@few
@given(seeds, st.sampled_from([3, 5]))
def test_sides_and_fattening_are_a_loop_over_windows(seed, window):
    pred, gt, _ = random_scene(seed)
    known, half = gt > 0, window // 2
    sides = metrics.discontinuity_sides(logs(gt), known, window, 0.25)
    shares = metrics.fattening(pred.log(), logs(gt), known, sides)
    for b in range(len(gt)):
        fat, shr = [], []
        for y in range(gt.shape[1]):
            for x in range(gt.shape[2]):
                around = gt[b, max(0, y - half):y + half + 1, max(0, x - half):x + half + 1]
                window_logs = [math.log(d) for d in around.flatten().tolist() if d > 0]
                own = math.log(gt[b, y, x]) if known[b, y, x] else None
                broken = own is not None and max(window_logs) - min(window_logs) > 0.25
                is_near = broken and own - min(window_logs) < max(window_logs) - own
                assert sides.near[b, y, x] == is_near and sides.far[b, y, x] == (broken and not is_near)
                guess = math.log(pred[b, y, x])
                if is_near:
                    shr.append(abs(guess - max(window_logs)) < abs(guess - own))
                elif broken:
                    fat.append(abs(guess - min(window_logs)) < abs(guess - own))
        expected = [sum(x) / len(x) if x else math.nan for x in (fat, shr)]
        assert near([float(shares["fat"][b]), float(shares["shr"][b])], expected)


@pytest.mark.slow
@few
@given(seeds)
def test_edges_are_a_loop_over_pixels(seed):
    _, gt, _ = random_scene(seed)
    known = gt > 0
    got = metrics.depth_edges(logs(gt), known, 0.25)

    def jump(b, y, x, dy, dx):
        places = [(y - dy, x - dx), (y, x), (y + dy, x + dx)]
        inside = all(0 <= i < gt.shape[1] and 0 <= j < gt.shape[2] and known[b, i, j] for i, j in places)
        return abs(math.log(gt[b][places[2]]) - math.log(gt[b][places[0]])) if inside else 0.0

    for b in range(len(gt)):
        for y in range(gt.shape[1]):
            for x in range(gt.shape[2]):
                expected = False
                for dy, dx in ((0, 1), (1, 0)):
                    here = jump(b, y, x, dy, dx)
                    beside = [jump(b, y - dy, x - dx, dy, dx), jump(b, y + dy, x + dx, dy, dx)]
                    expected |= here >= 0.25 and here >= max(beside)
                assert got[b, y, x] == expected


@few
@given(seeds, st.sampled_from([0.0, 0.01, 0.1]), st.sampled_from([0.0, 0.05]), st.sampled_from([3.0, 10.0]))
def test_edge_agreement_is_a_loop_over_edge_pixels(seed, often, true_often, limit):
    rng = np.random.default_rng(seed)
    pred, true = (torch.from_numpy(rng.random((2, 9, 14)) < share) for share in (often, true_often))
    got = metrics.edge_agreement(pred, true, 1.5, limit)
    for b in range(2):
        p, t = pred[b].nonzero().tolist(), true[b].nonzero().tolist()
        to_true = [min([math.dist(x, y) for y in t] + [limit]) for x in p]
        to_pred = [min([math.dist(x, y) for y in p] + [limit]) for x in t]
        if not t:
            assert all(math.isnan(value[b]) for value in got.values())
            continue
        precision = sum(d <= 1.5 for d in to_true) / len(p) if p else math.nan
        recall = sum(d <= 1.5 for d in to_pred) / len(t)
        close = [d for d in to_true if d < limit]
        expected = {"edge_precision": precision, "edge_recall": recall,
                    "edge_f": 2 * precision * recall / (precision + recall) if recall else 0.0,
                    "dbe_acc": sum(close) / len(close) if close else limit,
                    "dbe_comp": (sum(to_true) + sum(to_pred)) / (len(p) + len(t))}
        for name, value in expected.items():
            assert float(got[name][b]) == pytest.approx(value, rel=1e-5, nan_ok=True), name


@pytest.mark.slow
@few
@given(seeds)
def test_region_and_class_errors_are_the_whole_images_on_fewer_pixels(seed):
    pred, gt, labels = random_scene(seed)
    mask = gt > 0
    errors = metrics.error_maps(pred, gt, mask)
    thin = metrics.thin_structures(labels, gt, 40.0)
    member = torch.isin(labels, torch.tensor(GROUPS["thin"], dtype=torch.uint8))
    assert torch.equal(thin, member & (gt > 0) & (gt < 40)) and thin.any()
    got = metrics.region_errors(errors, {"thin": thin, "all": mask | True}) | metrics.class_errors(errors, labels)
    for name, region in {"thin": thin, "all": mask, **{NAMES[i]: labels == i for i in range(NUM_CLASSES)}}.items():
        alone = metrics.depth_errors(metrics.error_maps(pred, gt, mask & region))
        key = name.replace(" ", "_")
        assert near(got[f"{key}_abs_rel"], alone["abs_rel"])
        if f"{key}_a1" in got:
            assert near(got[f"{key}_a1"], alone["a1"])
            assert torch.equal(got[f"{key}_pixels"].int(), metrics.count(mask & region))


def test_sky_makes_neither_edge_nor_discontinuity():
    depth = torch.full((1, 12, 12), 20.0)
    depth[:, :6] = 0
    known = depth > 0
    log = logs(depth)
    sides = metrics.discontinuity_sides(log, known)
    assert not (sides.near | sides.far | metrics.depth_edges(log, known)).any()
    depth[:, 8:, 6:] = 8.0
    assert metrics.depth_edges(logs(depth), known).any()


@few
@given(seeds)
def test_a_mirror_image_has_mirrored_edges_and_sides(seed):
    _, gt, labels = random_scene(seed)
    known = gt > 0
    log = logs(gt)
    for dim in (1, 2):
        log_there, known_there = log.flip(dim), known.flip(dim)
        assert torch.equal(metrics.depth_edges(log_there, known_there), metrics.depth_edges(log, known).flip(dim))
        plain, mirrored = metrics.discontinuity_sides(log, known), metrics.discontinuity_sides(log_there, known_there)
        assert torch.equal(plain.near.flip(dim), mirrored.near) and torch.equal(plain.far.flip(dim), mirrored.far)
        for a, b in zip(metrics.border_band(labels), metrics.border_band(labels.flip(dim))):
            assert torch.equal(a.flip(dim), b)


def distorted(depth):
    """Name the ways of the prototype to spoil a true depth map, (1, H, W)."""
    filled = torch.where(depth > 0, depth, 80.0)
    box = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    wide = torch.nn.AvgPool2d(5, 1, 2, count_include_pad=False)
    middle = float(depth[depth > 0].median())
    half = filled[:, ::2, ::2].repeat_interleave(2, 1).repeat_interleave(2, 2)
    return {"truth": filled, "blur3": 1 / box(1 / filled), "blur5": 1 / wide(1 / filled), "half": half,
            "dilated": -torch.nn.functional.max_pool2d(-filled, 3, 1, 1),
            "eroded": torch.nn.functional.max_pool2d(filled, 3, 1, 1), "constant": torch.full_like(filled, middle)}


def test_distortions_rank_as_in_the_prototype():
    depth, labels = made_up_street()
    mask = metrics.evaluation_mask(depth)
    log = logs(depth)
    sides = metrics.discontinuity_sides(log, depth > 0)
    band, inner = metrics.border_band(labels)
    regions = {"band": band, "inner": inner, "near": sides.near, "far": sides.far,
               "thin": metrics.thin_structures(labels, depth)}
    table = {}
    for name, pred in distorted(depth).items():
        errors = metrics.error_maps(pred, depth, mask)
        edges = metrics.depth_edges(pred.log(), depth > 0)
        rows = {**metrics.depth_errors(errors), **metrics.region_errors(errors, regions),
                **metrics.fattening(pred.log(), log, mask, sides),
                **metrics.edge_agreement(edges, metrics.depth_edges(log, depth > 0))}
        table[name] = {key: float(value[0]) for key, value in rows.items()}

    def order(metric, *names):
        values = [table[name][metric] for name in names]
        assert all(a < b for a, b in zip(values, values[1:])), (metric, dict(zip(names, values)))

    truth = table["truth"]
    assert (truth["abs_rel"], truth["a1"], truth["fat"], truth["shr"], truth["edge_f"], truth["dbe_comp"]) == (
        0, 1, 0, 0, 1, 0)
    order("abs_rel", "truth", "blur3", "blur5", "constant")
    order("band_abs_rel", "truth", "blur3", "blur5", "constant")
    order("thin_abs_rel", "dilated", "blur3", "blur5")
    order("fat", "truth", "blur3", "blur5", "dilated")  # a dilated foreground is fattening ...
    order("far_abs_rel", "blur3", "dilated")                        # ... that harms the far side
    order("near_abs_rel", "dilated", "blur5", "eroded")             # ... and spares the near one
    order("shr", "dilated", "blur3", "eroded")
    order("edge_f", "constant", "blur5", "blur3", "dilated")        # blur loses edges, dilation only moves them
    order("dbe_comp", "dilated", "blur3", "blur5", "constant")
    order("inner_abs_rel", "truth", "constant")
    assert table["dilated"]["shr"] == 0 and 0.35 < table["dilated"]["fat"] < 0.65  # one of the window's two pixels
    assert table["constant"]["edge_f"] == 0 and table["constant"]["dbe_comp"] == table["constant"]["dbe_acc"] == 10
    assert table["blur5"]["inner_abs_rel"] < table["blur5"]["band_abs_rel"]


def test_bad_border_input_is_one_sentence():
    flat = torch.zeros(1, 8, 8)
    errors = metrics.error_maps(flat + 1, flat + 1, flat > -1)
    for call in (lambda: metrics.squared_distance_to(flat[0] > 0, 5), lambda: metrics.squared_distance_to(flat > 0, 0),
                 lambda: metrics.thin_structures(flat.byte(), flat[:, None]),
                 lambda: metrics.discontinuity_sides(flat, flat > 0, window=4),
                 lambda: metrics.depth_edges(flat, flat[:, 1:] > 0),
                 lambda: metrics.edge_agreement(flat > 0, flat[..., 1:] > 0),
                 lambda: metrics.region_errors(errors, {"half": flat[:, 4:] > 0}),
                 lambda: metrics.class_errors(errors, flat[:, 4:].to(torch.uint8))):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).endswith(".") and "\n" not in str(error.value)
