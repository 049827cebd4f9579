"""The metrics against golden values, brute-force loops, made-up worlds with known answers, and their own symmetries."""
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdepth_lite import metrics
from semdepth_lite.classes import GROUPS, IGNORE, NAMES, NUM_CLASSES
from semdepth_lite.common.contracts import InputError

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "monodepth2.npz")
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**20)


def random_scene(seed, batch=2, height=9, width=11):
    """Blocky depth with holes, blocky labels with ignored pixels, and a wrong prediction; float64."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([4.0, 5.0, 9.0, 30.0, 70.0], (batch, 5, 6))
    gt = coarse.repeat(2, 1).repeat(2, 2)[:, :height, :width] * rng.uniform(0.98, 1.02, (batch, height, width))
    pred = gt * np.exp(rng.normal(0, 0.3, gt.shape))
    gt[rng.random(gt.shape) < 0.1] = 0
    labels = rng.choice([0, 2, 5, 11, 13, IGNORE], (batch, 5, 6)).repeat(2, 1).repeat(2, 2)[:, :height, :width]
    return torch.from_numpy(pred), torch.from_numpy(gt), torch.from_numpy(labels.astype(np.uint8))


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


def near(a, b):
    return all(abs(x - y) <= 1e-6 * (1 + abs(y)) or (math.isnan(x) and math.isnan(y))
               for x, y in zip(np.ravel(a).tolist(), np.ravel(b).tolist()))


# ---- depth


def test_seven_metrics_are_monodepth2s():
    gt, pred = (torch.from_numpy(GOLDEN[name]).double()[None] for name in ("gt", "pred"))
    errors = metrics.depth_errors(metrics.error_maps(pred, gt, torch.ones_like(gt, dtype=torch.bool)))
    assert tuple(errors) == metrics.DEPTH_METRICS
    assert np.allclose([float(errors[name]) for name in metrics.DEPTH_METRICS], GOLDEN["depth_errors"], rtol=1e-6)


@few
@given(seeds)
def test_seven_metrics_are_a_loop_over_pixels(seed):
    pred, gt, _ = random_scene(seed)
    mask = gt > 0
    pred[~mask] = torch.nan  # what is not judged is not read
    got = metrics.depth_errors(metrics.error_maps(pred, gt, mask))
    for b in range(len(gt)):
        pairs = [(float(p), float(g)) for p, g in zip(pred[b].flatten(), gt[b].flatten()) if g > 0]
        n = len(pairs)
        expected = [sum(abs(p - g) / g for p, g in pairs) / n, sum((p - g) ** 2 / g for p, g in pairs) / n,
                    math.sqrt(sum((p - g) ** 2 for p, g in pairs) / n),
                    math.sqrt(sum((math.log(p) - math.log(g)) ** 2 for p, g in pairs) / n),
                    *(sum(max(p / g, g / p) < 1.25**k for p, g in pairs) / n for k in (1, 2, 3))]
        assert near(torch.stack([got[name][b] for name in metrics.DEPTH_METRICS]), expected)


@few
@given(st.lists(st.lists(st.floats(0.1, 99), min_size=0, max_size=7), min_size=1, max_size=4), seeds)
def test_median_is_numpys_and_nan_when_empty(rows, seed):
    values = torch.full((len(rows), 7), 50.0, dtype=torch.float64)
    mask = torch.zeros(len(rows), 7, dtype=torch.bool)
    for i, row in enumerate(rows):
        places = np.random.default_rng(seed + i).permutation(7)[: len(row)]
        values[i, places], mask[i, places] = torch.tensor(row, dtype=torch.float64), True
    expected = [np.median(row) if row else math.nan for row in rows]
    assert near(metrics.masked_median(values, mask), expected)
    expected = [np.mean(row) if row else math.nan for row in rows]
    assert near(metrics.masked_mean(values, mask), expected)


def test_scale_comes_from_medians_and_its_spread_from_monodepth2():
    gt = torch.tensor([[1.0, 2, 3, 8], [4, 4, 4, 4], [0, 0, 0, 0]])
    scale = metrics.median_scale(torch.full_like(gt, 2.0), gt, gt > 0)
    assert scale[:2].tolist() == [1.25, 2.0] and math.isnan(scale[2])
    mean, spread = metrics.scale_spread(scale)
    ratios = np.array([1.25, 2.0])
    assert mean == pytest.approx(1.625) and spread == pytest.approx(np.std(ratios / np.median(ratios)))
    assert all(map(math.isnan, metrics.scale_spread(scale[2:])))


def test_crops_are_the_fields_on_kitti():
    for crop, (top, bottom, left, right) in {"garg": (153, 371, 44, 1197), "eigen": (124, 342, 44, 1197),
                                             "none": (0, 375, 0, 1242)}.items():
        rows, columns = metrics.crop_mask(375, 1242, crop).nonzero().T
        assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (top, bottom, left, right)
    gt = torch.tensor([[[0.0, 1e-3, 0.5, 79.9, 80.0, 90.0]]])
    assert metrics.evaluation_mask(gt).tolist() == [[[False, False, True, True, False, False]]]


def test_bad_depth_input_is_one_sentence():
    square = torch.ones(1, 4, 4)
    for call in (lambda: metrics.error_maps(square, square[:, 1:], square > 0), lambda: metrics.crop_mask(4, 4, "grab"),
                 lambda: metrics.median_scale(square[0, 0], square[0, 0], square[0, 0] > 0)):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).endswith(".") and "\n" not in str(error.value)


# ---- borders


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


# ---- segmentation


@few
@given(seeds)
def test_confusion_and_iou_are_loops(seed):
    rng = np.random.default_rng(seed)
    true = torch.from_numpy(rng.choice([0, 1, 2, IGNORE], (2, 4, 5)))
    pred = torch.from_numpy(rng.integers(0, 4, (2, 4, 5)))
    got = metrics.confusion_matrix(pred, true, 4)
    for b in range(2):
        pairs = list(zip(true[b].flatten().tolist(), pred[b].flatten().tolist()))
        for t in range(4):
            for p in range(4):
                assert got[b, t, p] == pairs.count((t, p))
        for c, value in enumerate(metrics.class_iou(got[b]).tolist()):
            hits = sum(t == c and p == c for t, p in pairs)
            union = sum((t == c or p == c) and t != IGNORE for t, p in pairs)
            present = any(t == c for t, _ in pairs)
            assert value == pytest.approx(hits / union if present else math.nan, nan_ok=True)


def test_iou_of_a_known_picture():
    true = torch.zeros(1, 4, 4, dtype=torch.long)
    true[:, :, 2:] = 1
    pred = true.roll(1, 2)  # one column of each class is wrong
    confusion = metrics.confusion_matrix(pred, true, 3)
    assert confusion[0].tolist() == [[4, 4, 0], [4, 4, 0], [0, 0, 0]]
    assert metrics.class_iou(confusion[0]).tolist() == pytest.approx([1 / 3, 1 / 3, math.nan], nan_ok=True)
    assert metrics.class_iou(torch.zeros(3, 3)).isnan().all()
    with pytest.raises(InputError, match="label 8 is out of range"):
        metrics.confusion_matrix(pred + 7, true, 3)


def test_border_f1_allows_its_tolerance_and_no_more():
    true = torch.zeros(1, 16, 16, dtype=torch.uint8)
    true[:, :, 8:] = 2
    shifted = [metrics.border_f1(true.roll(k, 2)[..., 4:-2], true[..., 4:-2], 1.5).item() for k in range(5)]
    assert shifted[0] == shifted[1] == 1 and shifted[2] == pytest.approx(0.5) and shifted[4] == 0
    assert math.isnan(metrics.border_f1(true, torch.zeros_like(true)))
    hidden = true.clone()
    hidden[:, 8:] = IGNORE
    assert metrics.border_f1(torch.where(hidden == IGNORE, 5, true), hidden).item() == 1


# ---- trajectories


def turn(axis, degrees):
    angle = math.radians(degrees)
    x, y, z = (torch.tensor(axis, dtype=torch.float64) / math.hypot(*axis)).tolist()
    skew = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.eye(3, dtype=torch.float64) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew


def path(n=40, stride=1.0, bend=1.0):
    """Drive forward, turning right by `bend` degrees a frame."""
    step = torch.eye(4, dtype=torch.float64)
    step[:3, :3], step[2, 3] = turn((0.0, 1.0, 0.0), bend), stride
    poses = [torch.eye(4, dtype=torch.float64)]
    for _ in range(n - 1):
        poses.append(poses[-1] @ step)
    return torch.stack(poses)


def moved(poses, scale=1.0):
    world = torch.eye(4, dtype=torch.float64)
    world[:3, :3], world[:3, 3] = turn((1.0, 2.0, -0.5), 73), torch.tensor([4.0, -9, 2], dtype=torch.float64)
    poses = poses.clone()
    poses[:, :3, 3] *= scale
    return world @ poses


def test_alignment_undoes_a_similarity():
    true = path()
    assert torch.allclose(metrics.align_trajectory(moved(true, 0.2), true, 7), true, atol=1e-9)
    assert torch.allclose(metrics.align_trajectory(moved(true), true, 6), true, atol=1e-9)
    small = moved(true, 0.2)
    assert metrics.trajectory_ate(small, true, 7) < 1e-9 and metrics.trajectory_ate(small, true, 6) > 1
    mirrored = true.clone()
    mirrored[:, 0, 3] *= -1
    assert torch.linalg.det(metrics.align_trajectory(mirrored, true)[0, :3, :3]) == pytest.approx(1)
    straight = path(bend=0.0)  # a line fixes no roll, but its positions align
    assert metrics.trajectory_ate(moved(straight, 3.0), straight) < 1e-9


def test_ate_of_a_known_shift():
    true = torch.eye(4, dtype=torch.float64).repeat(4, 1, 1)
    true[:, :3, 3] = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]], dtype=torch.float64)
    pred = true.clone()
    pred[:, 1, 3] = torch.tensor([0.3, 0.3, -0.3, -0.3], dtype=torch.float64)  # out of the plane: no alignment helps
    assert metrics.trajectory_ate(pred, true, 6) == pytest.approx(0.3)


def test_snippet_error_is_sfmlearners():
    true, pred = path(12), path(12, stride=0.3, bend=2.5)
    got = metrics.snippet_ate(pred, true)
    assert len(got) == 8
    for start in range(8):
        runs = []
        for poses in (pred, true):
            local = [np.linalg.inv(poses[start].numpy()) @ poses[i].numpy() for i in range(start, start + 5)]
            runs.append(np.array([pose[:3, 3] for pose in local]))
        scale = np.sum(runs[1] * runs[0]) / np.sum(runs[0] ** 2)
        assert float(got[start]) == pytest.approx(np.sqrt(np.sum((runs[0] * scale - runs[1]) ** 2)) / 5)
    assert metrics.snippet_ate(moved(true, 7.0), true).max() < 1e-9
    still = torch.eye(4, dtype=torch.float64).repeat(5, 1, 1)
    assert float(metrics.snippet_ate(still, path(5, bend=0.0))[0]) == pytest.approx(math.sqrt(1 + 4 + 9 + 16) / 5)


def test_kitti_drift_of_a_scale_and_of_a_bend():
    true = path(1001, stride=1.0, bend=0.0)
    t_err, r_err = metrics.kitti_segment_errors(moved(true), true)
    assert t_err < 1e-6 and r_err < 1e-6
    pred = true.clone()
    pred[:, :3, 3] *= 1.02  # each segment ends one frame past its length, at stride 1
    lengths = np.concatenate([np.full(len(range(0, 1000 - n, 10)), n) for n in range(100, 900, 100)])
    t_err, r_err = metrics.kitti_segment_errors(pred, true)
    assert t_err == pytest.approx(100 * np.mean(0.02 * (lengths + 1) / lengths)) and r_err < 1e-6
    bent = path(1001, bend=0.01)
    assert metrics.kitti_segment_errors(bent, true)[1] == pytest.approx(np.mean((lengths + 1) / lengths), rel=1e-6)
    assert all(map(math.isnan, metrics.kitti_segment_errors(true[:50], true[:50])))


def test_pair_errors_of_known_motions():
    true = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    true[:, 2, 3] = torch.tensor([2.0, 1.0, 0.0])
    pred = true.clone()
    pred[0, :3, :3] = turn((0.3, -1.0, 0.2), 0.01)
    pred[0, :3, 3] = torch.tensor([0.5, 0.0, 0.5])
    pred[1, :3, :3], pred[1, 2, 3] = turn((0.0, 0.0, 1.0), 180), -1.0
    got = metrics.pair_errors(pred, true, scale=torch.tensor([2.0, 1.0, 1.0]))
    assert got["rotation_deg"].tolist() == pytest.approx([0.01, 180, 0], rel=1e-9, abs=1e-9)
    assert got["direction_deg"].tolist() == pytest.approx([45, 180, math.nan], nan_ok=True)
    assert got["length_ratio"].tolist() == pytest.approx([math.sqrt(0.5), 1, math.nan], nan_ok=True)


def test_bad_trajectories_are_one_sentence():
    poses = path(4)
    for call in (lambda: metrics.snippet_ate(poses, poses), lambda: metrics.align_trajectory(poses, poses, 5),
                 lambda: metrics.pair_errors(poses, poses[1:]), lambda: metrics.trajectory_ate(poses[:2], poses[:2])):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).endswith(".") and "\n" not in str(error.value)
