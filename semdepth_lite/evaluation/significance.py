"""How sure a difference between two models is."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..common.contracts import InputError


@dataclass(frozen=True)
class PairedDifference:
    """The mean of a - b with a 95 % interval, and the same as a share of b's mean.

    `images` pairs in `clusters` scenes over `seeds` seeds entered it.
    """

    difference: float
    low: float
    high: float
    relative: float
    relative_low: float
    relative_high: float
    images: int
    clusters: int
    seeds: int

    def __str__(self) -> str:
        return (f"{self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}], {self.relative:+.1%} "
                f"[{self.relative_low:+.1%}, {self.relative_high:+.1%}]")


def paired_bootstrap(a: np.ndarray, b: np.ndarray, clusters: np.ndarray, n: int = 10000, seed: int = 0
                     ) -> PairedDifference:
    """Bound the mean paired difference a - b by a cluster bootstrap.

    Images of one scene are alike, so whole scenes are drawn with replacement, and with them, independently, whole
    seeds (Owen 2007 calls it the pigeonhole bootstrap). Each draw's difference is the sum of a - b over its number of
    pairs; the interval runs from the 2.5 % to the 97.5 % quantile of `n` draws. Pairs with a nan on either side are
    left out. Three seeds say little about the spread over seeds; the interval cannot know what it has not seen.

    Args:
        a, b: (N,) values per image, or (S, N) per seed and image; the same images in the same order.
        clusters: (N,) scene of each image.
        n: Number of draws.
        seed: Seed of the draws.

    Returns:
        The difference and its interval.

    Raises:
        InputError: if shapes differ or no pair is left.
    """
    a, b = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (a, b))
    clusters = np.asarray(clusters)
    if a.shape != b.shape or clusters.shape != a.shape[1:]:
        raise InputError(f"a, b and clusters have shapes {a.shape}, {b.shape} and {clusters.shape}, expected (seeds, "
                         f"images) twice and (images,); evaluate both on the same images.")
    paired = np.isfinite(a) & np.isfinite(b)
    if not paired.any():
        raise InputError("no image has a value on both sides; choose a metric that both reports hold.")
    names, scene = np.unique(clusters, return_inverse=True)
    member = np.eye(len(names))[scene]                              # (N, C)
    gaps, base, pairs = (np.where(paired, x, 0.0) @ member for x in (a - b, b, np.ones_like(a)))  # (S, C) each
    generator = np.random.default_rng(seed)
    seeds, scenes = len(a), len(names)
    seed_draws = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=n)       # (n, S)
    scene_draws = generator.multinomial(scenes, np.full(scenes, 1 / scenes), size=n)   # (n, C)
    gap, level, count = (((seed_draws @ sums) * scene_draws).sum(1) for sums in (gaps, base, pairs))
    drawn = count > 0
    low, high = np.quantile(gap[drawn] / count[drawn], (0.025, 0.975))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = gaps.sum() / base.sum()
        relative_low, relative_high = np.quantile(gap[drawn] / level[drawn], (0.025, 0.975))
    return PairedDifference(float(gaps.sum() / pairs.sum()), float(low), float(high), float(relative),
                            float(relative_low), float(relative_high), int(paired.sum()), scenes, seeds)
