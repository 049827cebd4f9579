"""Each fast primitive against its plain form, and the metrics in every number type against double precision."""
from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from semdepth_lite import metrics
from semdepth_lite.evaluation.protocol import evaluate_batch
from semdepth_lite.metrics import primitives

few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**20)
LOW = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)


def numbers(seed: int, *shape: int) -> torch.Tensor:
    """Random float64 numbers, some of them alike."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).mul(4).round().div(4)


@few
@given(seeds, st.integers(1, 3), st.integers(2, 30))
def test_ranked_is_what_sorting_gives(seed, batch, size):
    values = numbers(seed, batch, size)
    places = torch.randint(0, size, (batch, 2), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(primitives.ranked(values, places), values.sort(1).values.gather(1, places))


@few
@given(seeds, st.sampled_from([1, 3, 5, 7]))
def test_window_max_is_max_pooling(seed, window):
    values = numbers(seed, 2, 8, 9)
    assert torch.equal(primitives.window_max(values, window),
                       F.max_pool2d(values[:, None], window, 1, window // 2)[:, 0])


@few
@given(seeds)
def test_dot_places_and_masks_are_the_plain_forms(seed):
    a, b = numbers(seed, 2, 5, 6), numbers(seed + 1, 2, 5, 6)
    assert torch.allclose(primitives.image_dot(a, b), (a * b).sum((1, 2)), atol=1e-12)
    mask = a > 0
    assert torch.equal(primitives.true_places(mask), mask.flatten().nonzero()[:, 0])
    assert torch.equal(primitives.to_float(mask, torch.float64), mask.double())


def squared_distances(mask: torch.Tensor, limit: float) -> torch.Tensor:
    """The minimum over all pairs of pixels, (B, H, W), cut at the limit."""
    rows, columns = torch.meshgrid(*(torch.arange(size) for size in mask.shape[1:]), indexing="ij")
    squared = (rows.flatten()[:, None] - rows.flatten()) ** 2 + (columns.flatten()[:, None] - columns.flatten()) ** 2
    nearest = squared.masked_fill(~mask.flatten(1)[:, None], 10**6).amin(-1)
    return nearest.clamp(max=math.ceil(limit**2)).view(mask.shape)


@few
@given(seeds, st.sampled_from([1.0, 1.5, 4.5, 10.0, 10.5, 11.0, 20.0, 200.0]), st.sampled_from([0.0, 0.02, 0.2]))
def test_distance_is_the_nearest_of_all_pairs(seed, limit, density):
    mask = torch.rand(2, 9, 14, generator=torch.Generator().manual_seed(seed)) < density
    assert torch.equal(primitives.squared_distance_to(mask, limit).long(), squared_distances(mask, limit))


# ---- number types

def scene(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A wall with a box before it, a prediction 10 % too far, and where it counts; (1, 12, 16), whole meters."""
    gt = torch.full((1, 12, 16), 40.0, dtype=dtype)
    gt[:, 4:9, 5:11] = 10.0
    gt[:, :2] = 0
    pred = torch.where(gt > 0, gt, 40) * 1.1
    return pred.to(dtype), gt, gt > 0


@LOW
def test_an_error_of_ten_percent_is_one_in_few_digits_too(dtype):
    """In half precision a mean over 160 pixels, or a ratio near 1, has no digit left; float64 is the oracle."""
    pred, gt, mask = scene(dtype)
    got = metrics.depth_errors(metrics.error_maps(pred, gt, mask))
    exact = metrics.depth_errors(metrics.error_maps(pred.double(), gt.double(), mask))
    for name in metrics.DEPTH_METRICS:
        assert got[name].dtype == torch.float32 and float(got[name]) == pytest.approx(float(exact[name]), rel=1e-5)
    assert float(got["abs_rel"]) == pytest.approx(0.1, abs=3e-3)
    assert float(metrics.median_scale(pred, gt, mask)) == pytest.approx(1 / 1.1, rel=5e-3)
    assert float(metrics.masked_mean(gt, mask)) == pytest.approx(float(metrics.masked_mean(gt.double(), mask)))


@LOW
def test_sums_beyond_the_range_of_half_precision_are_finite(dtype):
    gt = torch.full((1, 100, 100), 80.0, dtype=dtype)
    errors = metrics.depth_errors(metrics.error_maps(gt / 2, gt, gt > 0))
    assert float(errors["rmse"]) == pytest.approx(40) and float(errors["sq_rel"]) == pytest.approx(20)


@pytest.mark.parametrize("types", [(torch.float16, torch.float16), (torch.bfloat16, torch.float32),
                                   (torch.float32, torch.float64), (torch.float32, torch.int32),
                                   (torch.float64, torch.uint8)], ids=str)
def test_the_whole_protocol_takes_every_number_type(types):
    pred, gt, _ = scene(torch.float64)
    pred, gt = pred.to(types[0])[:, None], gt.to(types[1])[:, None]
    labels = torch.where(gt[:, 0] == 10, 13, 2).to(torch.uint8)
    got = evaluate_batch(pred, gt, labels, labels == 13)
    exact = evaluate_batch(pred.double(), gt.double(), labels, labels == 13)
    assert got.keys() == exact.keys() and float(got["edge_f"]) == 1
    for name, value in exact.items():
        assert float(got[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-6, nan_ok=True), name


@LOW
def test_borders_of_depth_are_found_in_few_digits_too(dtype):
    _, gt, known = scene(dtype)
    log = gt.clamp(min=1).log()
    assert torch.equal(metrics.depth_edges(log, known), metrics.depth_edges(log.double(), known))
    low, exact = (metrics.discontinuity_sides(x, known) for x in (log, log.double()))
    assert torch.equal(low.near, exact.near) and torch.equal(low.far, exact.far) and low.near.any() and low.far.any()


@LOW
def test_motions_are_compared_in_float32_at_least(dtype):
    true = torch.eye(4).repeat(2, 1, 1)
    true[:, 2, 3] = 1.0
    pred = true.clone()
    pred[:, 0, 3] = 0.25
    got = metrics.pair_errors(pred.to(dtype), true.double())
    assert got["direction_deg"].tolist() == pytest.approx([math.degrees(math.atan(0.25))] * 2)
