"""Made-up depth, labels and a street, for the tests of the metrics."""
from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st

from semdepth_lite.classes import IGNORE

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


def near(a, b):
    return all(abs(x - y) <= 1e-6 * (1 + abs(y)) or (math.isnan(x) and math.isnan(y))
               for x, y in zip(np.ravel(a).tolist(), np.ravel(b).tolist()))
