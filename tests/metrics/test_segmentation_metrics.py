"""Confusion, IoU and the F1 of borders against loops and pictures with known answers."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from metric_cases import few, seeds

from semdepth_lite import metrics
from semdepth_lite.classes import IGNORE
from semdepth_lite.common.contracts import InputError


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
