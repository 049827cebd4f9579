"""The seven depth metrics against golden values, loops and known answers."""
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from metric_cases import few, near, random_scene, seeds

from semdepth_lite import metrics
from semdepth_lite.common.contracts import InputError

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "monodepth2.npz")


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
