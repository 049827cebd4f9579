"""The evaluation against its per-image oracle, its symmetries, its report, its baselines and its bootstrap."""
from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_oracle import evaluate_image

from semdepth_lite.classes import IGNORE, NAMES
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.baselines import constant_baseline, pixel_median_baseline
from semdepth_lite.evaluation.prediction import blend_flipped, predict_depth
from semdepth_lite.evaluation.protocol import Protocol, evaluate_batch
from semdepth_lite.evaluation.report import Report, evaluate
from semdepth_lite.evaluation.significance import paired_bootstrap
from semdepth_lite.metrics.registry import METRICS

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**20)
PROTOCOLS = [Protocol(), Protocol(crop="garg", max_depth=40.0), Protocol(crop="eigen", scaling="none", band_radius=2.5),
             Protocol(scaling=1.3, dense=False), Protocol(window=3, jump=0.1, match_radius=2.0, edge_limit=12.5,
                                                          inner_radius=3.0, thin_range=10.0)]


def scene(seed, batch=2, height=24, width=40):
    """Blocky depth with holes and a far tower, blocky labels, a moving mask and a wrong prediction; float64."""
    rng = np.random.default_rng(seed)

    def blocks(choices):
        return rng.choice(choices, (batch, height // 4, width // 4)).repeat(4, 1).repeat(4, 2)

    gt = blocks([4.0, 5.0, 9.0, 30.0, 70.0, 120.0]) * rng.uniform(0.98, 1.02, (batch, height, width))
    pred = 0.2 * gt * np.exp(rng.normal(0, 0.2, gt.shape))
    gt[rng.random(gt.shape) < 0.1] = 0
    labels = blocks([0, 2, 5, 11, 13, IGNORE]).astype(np.uint8)
    moving = blocks([False, False, True])
    return (torch.from_numpy(pred)[:, None], torch.from_numpy(gt)[:, None], torch.from_numpy(labels),
            torch.from_numpy(moving))


def same(a, b, tolerance=1e-5):
    """Hold two results against each other, nan equal to nan."""
    assert set(a) == set(b)
    for name in a:
        left, right = np.asarray(a[name], dtype=float), np.asarray(b[name], dtype=float)
        assert np.allclose(left, right, rtol=tolerance, atol=tolerance, equal_nan=True), (name, left, right)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=range(len(PROTOCOLS)))
@settings(max_examples=8, deadline=None)
@given(seeds)
def test_a_batch_is_a_loop_over_images(protocol, seed):
    pred, gt, labels, moving = scene(seed)
    got = evaluate_batch(pred, gt, labels, moving, protocol)
    rows = [evaluate_image(pred[b, 0].numpy(), gt[b, 0].numpy(), labels[b].numpy(), moving[b].numpy(), protocol, NAMES)
            for b in range(len(gt))]
    same(got, {name: [row[name] for row in rows] for name in rows[0]})


def test_labels_and_moving_are_optional():
    pred, gt, labels, moving = scene(3)
    everything = evaluate_batch(pred, gt, labels, moving)
    for some in ((None, None), (labels, None), (None, moving)):
        got = evaluate_batch(pred, gt, *some)
        assert ("band_abs_rel" in got, "road_abs_rel" in got, "moving_a1" in got) == (
            some[0] is not None, some[0] is not None, some[1] is not None)
        same(got, {name: everything[name] for name in got}, 1e-12)


@pytest.mark.slow
@few
@given(seeds, st.floats(0.01, 100))
def test_median_scaling_forgets_the_unit(seed, factor):
    pred, gt, labels, moving = scene(seed)
    plain, scaled = evaluate_batch(pred, gt, labels, moving), evaluate_batch(pred * factor, gt, labels, moving)
    scaled["scale"] = scaled["scale"] * factor
    same(plain, scaled, 1e-9)


@pytest.mark.slow
@few
@given(seeds)
def test_a_mirror_image_is_judged_alike(seed):
    inputs = scene(seed)
    same(evaluate_batch(*inputs), evaluate_batch(*(x.flip(-1) for x in inputs)), 1e-6)


@few
@given(seeds)
def test_the_truth_is_perfect(seed):
    _, gt, labels, moving = scene(seed)
    got = evaluate_batch(torch.where(gt > 0, gt, 50.0), gt, labels, moving)
    for name, value in got.items():
        kept = value[torch.isfinite(value)]
        if name in METRICS and METRICS[name].better == "lower":
            assert (kept == 0).all(), name
        elif not name.endswith("pixels"):
            assert (kept == 1).all(), name


def test_images_do_not_see_each_other():
    pred, gt, labels, moving = scene(5, batch=3)
    together = evaluate_batch(pred, gt, labels, moving)
    alone = [evaluate_batch(pred[b:b + 1], gt[b:b + 1], labels[b:b + 1], moving[b:b + 1]) for b in range(3)]
    same(together, {name: torch.cat([one[name] for one in alone]) for name in together}, 1e-12)


def test_float32_agrees_with_float64():
    pred, gt, labels, moving = scene(7)
    double, single = evaluate_batch(pred, gt, labels, moving), evaluate_batch(pred.float(), gt.float(), labels, moving)
    assert single["abs_rel"].dtype == torch.float32 and double["abs_rel"].dtype == torch.float64
    same(double, single, 1e-4)


def test_an_image_without_truth_is_nan_and_counted():
    pred, gt, labels, moving = scene(9, batch=3)
    gt[1] = 0
    got = evaluate_batch(pred, gt, labels, moving)
    for name, value in got.items():
        assert value[1] == 0 if name.endswith("pixels") else torch.isnan(value[1]), name
    report = Report.of({name: value.double().numpy() for name, value in got.items()}, Protocol())
    assert report.counts["abs_rel"] == 2 and report.counts["wall_abs_rel"] == 0
    assert report.means["abs_rel"] == pytest.approx(float(got["abs_rel"][[0, 2]].mean()))
    assert math.isnan(report.means["wall_abs_rel"]) and "wall_abs_rel" not in report.summary()
    far = gt.clone()
    far[1] = 90.0  # depth beyond the cap alone: edges could be found, but nothing is judged
    assert torch.isnan(evaluate_batch(pred, far, labels, moving)["edge_f"][1])


def test_one_class_has_no_border():
    pred, gt, labels, moving = scene(11)
    got = evaluate_batch(pred, torch.full_like(gt, 10.0), torch.zeros_like(labels), moving)
    for name in ("band_abs_rel", "near_abs_rel", "far_abs_rel", "fat", "shr", "edge_f", "dbe_comp", "thin_a1"):
        assert torch.isnan(got[name]).all(), name
    assert torch.isfinite(got["inner_abs_rel"]).all() and torch.isfinite(got["road_abs_rel"]).all()


def test_bad_input_is_one_sentence():
    pred, gt, labels, moving = scene(1)
    flat = np.zeros(3)
    zero, wild = pred.clone(), pred.clone()
    zero[0, 0, 0, 0], wild[0, 0, 0, 0] = 0, math.nan
    for call in (lambda: evaluate_batch(pred[:, 0], gt), lambda: evaluate_batch(pred, gt[..., 1:]),
                 lambda: evaluate_batch(pred, gt, labels[:, 1:]), lambda: evaluate_batch(pred, gt, None, moving[:1]),
                 lambda: evaluate_batch(zero, gt), lambda: evaluate_batch(wild, gt),
                 lambda: evaluate_batch(pred * math.inf, gt),
                 lambda: Protocol(crop="grab"), lambda: Protocol(min_depth=3, max_depth=2),
                 lambda: Protocol(scaling="mean"), lambda: Protocol(scaling=-1.0), lambda: Protocol(band_radius=0.0),
                 lambda: Protocol(scaling=math.inf), lambda: Protocol(band_radius=5.0, inner_radius=4.0),
                 lambda: evaluate(lambda t: t.depth, []), lambda: Report.load("nowhere.json"),
                 lambda: evaluate(lambda t: t.depth, [Triplet(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 3, 2, 2),
                                                              torch.eye(3)[None])]),
                 lambda: constant_baseline([]), lambda: pixel_median_baseline([torch.zeros(2, 1, 3, 3)]),
                 lambda: paired_bootstrap(flat, flat, flat[:2]), lambda: paired_bootstrap(flat * math.nan, flat, flat),
                 lambda: blend_flipped(pred, pred[..., 1:])):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).endswith(".") and "\n" not in str(error.value)


# ---- evaluate, report, baselines


def triplets(seed=0, batches=3):
    for b in range(batches):
        _, gt, labels, moving = scene(seed + b)
        image = torch.zeros(2, 3, *gt.shape[-2:])
        yield Triplet(image, image[:, None].repeat(1, 2, 1, 1, 1), torch.eye(3).repeat(2, 1, 1), depth=gt.float(),
                      labels=labels, moving=moving)


def test_report_survives_the_disk(tmp_path):
    report = evaluate(constant_baseline(t.depth for t in triplets()), triplets())
    assert len(report.values["abs_rel"]) == 6 and report.values["abs_rel"].dtype == np.float64
    report.save(tmp_path / "deep" / "report.json")
    back = Report.load(tmp_path / "deep" / "report.json")
    assert back.protocol == report.protocol and back.counts == report.counts
    same(back.means, report.means, 1e-15)
    same(back.values, report.values, 1e-4)
    assert (back.scale_mean, back.scale_spread) == (report.scale_mean, report.scale_spread)
    assert json.loads(json.dumps(report.summary(), allow_nan=False)) == report.summary()
    assert report.summary()["images"] == 6 and report.summary()["scale_mean"] == report.scale_mean
    assert "NaN" not in (tmp_path / "deep" / "report.json").read_text()
    (tmp_path / "half.json").write_text('{"protocol": ')
    with pytest.raises(InputError, match="half.json"):
        Report.load(tmp_path / "half.json")


def test_table_says_how_it_was_judged():
    report = evaluate(constant_baseline(t.depth for t in triplets()), triplets(), Protocol(crop="garg", max_depth=60.0))
    table = report.table()
    assert table.startswith(report.protocol.card()) and "garg" in table and "60 m" in table
    assert f"{report.means['abs_rel']:.4f}" in table and f"{report.means['edge_recall']:.4f}" in table
    assert "edges" not in Protocol(dense=False).card() and "fixed x2.5" in Protocol(scaling=2.5).card()
    assert "mirror" in Protocol(flip=True).card() and "mirror" not in Protocol().card()


def test_table_counts_the_pixels_behind_every_row():
    report = evaluate(constant_baseline(t.depth for t in triplets()), triplets())
    rows = {line.split()[0]: line.split()[1:] for line in report.table().splitlines()[6:]}
    judged = [(t.depth[:, 0] > 1e-3) & (t.depth[:, 0] < 80) for t in triplets()]
    roads = sum(int((mask & (t.labels == 0)).sum()) for mask, t in zip(judged, triplets()))
    assert rows["rmse"][1:] == ["6", str(sum(int(mask.sum()) for mask in judged))]
    assert rows["road_abs_rel"] == [f"{report.means['road_abs_rel']:.4f}", "6", str(roads)]
    assert rows["band_abs_rel"][2] == str(int(report.values["band_pixels"].sum()))
    assert "wall_abs_rel" not in rows and len(rows["edge_f"]) == 2


def test_evaluate_is_evaluate_batch_in_order():
    report = evaluate(lambda t: 0.3 * t.depth.clamp(min=3.0), triplets(), Protocol(scaling=2.0))
    expected = [evaluate_batch(0.3 * t.depth.clamp(min=3.0), t.depth, t.labels, t.moving, Protocol(scaling=2.0))
                for t in triplets()]
    same(report.values, {name: torch.cat([one[name] for one in expected]) for name in report.values}, 1e-12)


def test_a_smaller_prediction_is_resized_by_its_disparity():
    constant = evaluate(lambda t: torch.full((len(t), 1, 6, 10), 2.0), triplets())
    same(constant.means, evaluate(lambda t: torch.full_like(t.depth, 2.0), triplets()).means)
    ramp = torch.tensor([1.0, 2.0]).view(1, 1, 1, 2).expand(2, 1, 24, 2)
    inverse = torch.nn.functional.interpolate(1 / ramp, (24, 40), mode="bilinear", align_corners=False)
    same(evaluate(lambda t: ramp, triplets()).means, evaluate(lambda t: 1 / inverse, triplets()).means)


def test_baselines_are_numpys_medians():
    depths = [t.depth for t in triplets()]
    depths[0][:, :, 2, 3] = depths[1][:, :, 2, 3] = depths[2][:, :, 2, 3] = 0
    triplet = next(triplets())
    stack = torch.cat(depths).numpy()
    everything = np.median(stack[stack > 0])
    constant = constant_baseline(depths)(triplet)
    assert constant.shape == (2, 1, 24, 40) and np.allclose(constant, everything)
    hidden = np.where(stack > 0, stack, np.nan)
    hidden[:, :, 2, 3] = everything
    picture = pixel_median_baseline(iter(depths))(triplet)
    assert picture.shape == (2, 1, 24, 40) and np.allclose(picture, np.nanmedian(hidden, 0)[None].repeat(2, 0))


@few
@given(st.integers(4, 60), seeds)
def test_flip_blending_is_a_loop_over_columns(width, seed):
    plain, mirrored = torch.rand(2, 1, 2, 3, width, generator=torch.Generator().manual_seed(seed)).unbind(0)
    plain, mirrored = plain.transpose(0, 1), mirrored.transpose(0, 1)
    got = blend_flipped(plain, mirrored)
    for u in range(width):
        left = 1 - min(max(20 * (u / (width - 1) - 0.05), 0), 1)
        right = 1 - min(max(20 * ((width - 1 - u) / (width - 1) - 0.05), 0), 1)
        expected = right * plain[..., u] + left * mirrored[..., u] + (1 - left - right) * (
            plain[..., u] + mirrored[..., u]) / 2
        assert torch.allclose(got[..., u], expected, atol=1e-5)


# ---- bootstrap


def test_bootstrap_draws_whole_scenes_and_seeds():
    rng = np.random.default_rng(0)
    a, b, clusters = rng.normal(1, 0.2, (3, 12)), rng.normal(2, 0.1, (3, 12)), np.repeat([7, 3, 9], [5, 3, 4])
    a[0, 2] = b[2, 7] = np.nan
    got = paired_bootstrap(a, b, clusters, n=300, seed=4)
    generator = np.random.default_rng(4)
    seed_draws = generator.multinomial(3, [1 / 3] * 3, size=300)
    scene_draws = generator.multinomial(3, [1 / 3] * 3, size=300)
    means, shares = [], []
    for of_seeds, of_scenes in zip(seed_draws, scene_draws):
        gaps, bases = [], []
        for s, times in enumerate(of_seeds):
            for name, again in zip(sorted(set(clusters)), of_scenes):
                for i in np.flatnonzero(clusters == name):
                    if np.isfinite(a[s, i] - b[s, i]):
                        gaps += [a[s, i] - b[s, i]] * int(times * again)
                        bases += [b[s, i]] * int(times * again)
        means.append(np.mean(gaps))
        shares.append(np.sum(gaps) / np.sum(bases))
    assert (got.low, got.high) == pytest.approx(np.quantile(means, (0.025, 0.975)))
    assert (got.relative_low, got.relative_high) == pytest.approx(np.quantile(shares, (0.025, 0.975)))
    assert got.difference == pytest.approx(np.nanmean(a - b)) and (got.images, got.clusters, got.seeds) == (34, 3, 3)
    assert got.low < got.difference < got.high < 0 and f"{got.relative:+.1%}" in str(got)


def test_bootstrap_of_independent_images_is_the_standard_error():
    rng = np.random.default_rng(1)
    b = rng.normal(5, 1, 400)
    a = b + rng.normal(0.1, 0.5, 400)
    got = paired_bootstrap(a, b, np.arange(400), n=4000)
    half = 1.96 * np.std(a - b) / 20
    assert got.difference == pytest.approx(np.mean(a - b))
    assert (got.low, got.high) == pytest.approx((got.difference - half, got.difference + half), abs=0.15 * half)
    copies = paired_bootstrap(np.repeat(a, 9), np.repeat(b, 9), np.repeat(np.arange(400), 9), n=4000)
    assert copies.high - copies.low == pytest.approx(got.high - got.low)  # nine frames of a scene are no new scenes


def test_bootstrap_repeats_itself_and_knows_a_sure_thing():
    a, clusters = np.linspace(1, 2, 20), np.arange(20) // 4
    assert paired_bootstrap(a, a + 1, clusters, n=50).low == pytest.approx(-1)
    assert paired_bootstrap(a, a[::-1], clusters, n=50) == paired_bootstrap(a, a[::-1], clusters, n=50)
    assert paired_bootstrap(a, a[::-1], clusters, n=50, seed=1) != paired_bootstrap(a, a[::-1], clusters, n=50)


def test_a_model_that_is_symmetric_predicts_the_same_with_its_mirror_image_blended_in():
    class Symmetric(torch.nn.Module):
        """Depth from brightness alone, plus a tilt that post-processing has to average away."""

        def __init__(self, tilt: float) -> None:
            super().__init__()
            self.tilt, self.unused = tilt, torch.nn.Parameter(torch.zeros(1))

        def predict(self, images, semantics=None):
            across = torch.linspace(-1, 1, images.shape[-1])
            disparity = 0.2 + images.mean(1, keepdim=True) + self.tilt * across
            return type("Said", (), {"depth": 1 / disparity})

    images = torch.rand(2, 3, 4, 41)
    plain = predict_depth(Symmetric(0.0), images)
    assert torch.allclose(predict_depth(Symmetric(0.0), images, flip=True), plain)
    tilted, blended = predict_depth(Symmetric(0.1), images), predict_depth(Symmetric(0.1), images, flip=True)
    assert torch.allclose(blended[..., 5:-5], plain[..., 5:-5]) and not torch.allclose(tilted, plain)
