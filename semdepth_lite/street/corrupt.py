"""Labels as a segmentation network errs: borders ragged and shifted, thin parts missed, classes confused."""
from __future__ import annotations

import numpy as np

from ..classes import GROUPS, IGNORE, TRAIN_ID
from ..common.contracts import InputError

# What a network takes a class for when it errs (ours, after the usual off-diagonal of Cityscapes confusion tables).
CONFUSED: dict[str, str] = {
    "road": "sidewalk", "sidewalk": "road", "building": "wall", "wall": "building", "fence": "vegetation",
    "pole": "building", "traffic light": "pole", "traffic sign": "building", "vegetation": "building",
    "terrain": "sidewalk", "sky": "building", "person": "rider", "rider": "person", "car": "truck", "truck": "car",
    "bus": "truck", "train": "bus", "motorcycle": "bicycle", "bicycle": "motorcycle",
}
SHIFT_PIXELS = 3.0  # how far a border wanders at strength 1
GRAIN = 8  # pixels over which the wandering keeps its direction


def corrupt_labels(labels: np.ndarray, strength: float, seed: int) -> np.ndarray:
    """Corrupt label maps with a seeded strength; a larger strength errs at every place where a smaller one does.

    Every pixel draws its thresholds once from the seed.  (1) Borders: a pixel takes the label found at a smoothly
    varying offset of up to `SHIFT_PIXELS` px plus 1 px of raggedness, once strength passes its threshold.  (2) Thin
    parts: runs of thin classes narrower than 3 px vanish into what is beside them, in patches.  (3) Confusion: patches
    of a class turn into the class that it is most often taken for.  Pixels without a label stay so.  Ours.

    Args:
        labels: (H, W) or (N, H, W) uint8 trainIds.
        strength: 0 (unchanged) to 1.
        seed: Whole number >= 0.

    Returns:
        Corrupted labels of the same shape, uint8.

    Raises:
        InputError: if the shape, the strength or the seed is out of range.
    """
    labels = np.asarray(labels)
    if labels.ndim not in (2, 3) or labels.dtype != np.uint8:
        raise InputError(f"labels have shape {labels.shape} and dtype {labels.dtype}, expected uint8 (H, W) or "
                         "(N, H, W); convert them first.")
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength} is outside [0, 1]; use 0 for unchanged labels and 1 for the worst.")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed {seed!r} is not a whole number >= 0; use 0, for instance.")
    if labels.ndim == 3:
        return np.stack([_corrupt_one(one, strength, [int(seed), i]) for i, one in enumerate(labels)]) \
            if len(labels) else labels.copy()
    return _corrupt_one(labels, strength, [int(seed), 0])


def _corrupt_one(labels: np.ndarray, strength: float, seed: list[int]) -> np.ndarray:
    """Corrupt one (H, W) map; every place switches from right to wrong at its own threshold of strength."""
    rng = np.random.default_rng(seed)
    shape = labels.shape
    wander = [_smooth(rng, shape, GRAIN) * SHIFT_PIXELS + rng.uniform(-1, 1, shape) for _ in range(2)]
    when = {name: _rank(_smooth(rng, shape, grain) + .25 * rng.normal(size=shape))
            for name, grain in (("border", 5), ("thin", 10), ("confused", 18))}
    rows, columns = np.indices(shape)
    rows = np.clip(np.rint(rows + wander[0]), 0, shape[0] - 1).astype(int)
    columns = np.clip(np.rint(columns + wander[1]), 0, shape[1] - 1).astype(int)
    moved, missed, confused = labels[rows, columns], _without_thin(labels), labels.copy()
    for name, other in CONFUSED.items():
        confused[labels == TRAIN_ID[name]] = TRAIN_ID[other]
    result = labels.copy()
    for wrong, where in ((moved, when["border"] < .9 * strength), (missed, when["thin"] < .7 * strength),
                         (confused, when["confused"] < .12 * strength)):
        change = where & (wrong != labels) & (wrong != IGNORE) & (result == labels)
        result[change] = wrong[change]
    result[labels == IGNORE] = IGNORE
    return result


def _without_thin(labels: np.ndarray) -> np.ndarray:
    """Replace horizontal runs of thin classes narrower than 3 pixels by the nearest label beside them."""
    thin = np.isin(labels, GROUPS["thin"])
    wide = np.zeros_like(thin)
    for shift in (-1, 0, 1):  # opening by a 3-pixel run
        core = thin & np.roll(thin, 1, axis=1) & np.roll(thin, -1, axis=1)
        wide |= np.roll(core, shift, axis=1)
    gone = thin & ~wide
    result = labels.copy()
    for shift in (3, -3, 2, -2, 1, -1):
        beside = np.roll(labels, shift, axis=1)
        use = gone & ~np.isin(beside, GROUPS["thin"])
        result[use] = beside[use]
    return result


def _smooth(rng: np.random.Generator, shape: tuple[int, int], grain: int) -> np.ndarray:
    """Return noise of about unit variance that varies over `grain` pixels."""
    rows, columns = shape[0] // grain + 3, shape[1] // grain + 3
    grid = rng.normal(size=(rows, columns)) * 1.5
    v, u = (np.arange(shape[0]) / grain)[:, None], (np.arange(shape[1]) / grain)[None, :]
    i, j = v.astype(int), u.astype(int)
    fv, fu = v - i, u - j
    top = grid[i, j] * (1 - fu) + grid[i, j + 1] * fu
    low = grid[i + 1, j] * (1 - fu) + grid[i + 1, j + 1] * fu
    return top * (1 - fv) + low * fv


def _rank(values: np.ndarray) -> np.ndarray:
    """Replace values by their rank in [0, 1), so that a threshold is a share of the pixels."""
    rank = np.empty(values.size)
    rank[np.argsort(values, axis=None, kind="stable")] = np.arange(values.size) / values.size
    return rank.reshape(values.shape)
