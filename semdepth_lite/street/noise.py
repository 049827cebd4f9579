"""Cheap textures: a tiled noise with mip levels, a noise volume for leaves, hashed cells and box-filtered stripes.

Every pattern is fixed to a surface and filtered to the footprint of the sample, so that frames agree.
"""
from __future__ import annotations

import numpy as np

SIZE, LEVELS = 256, 8
_HASH = np.random.default_rng(20).random(8192, dtype=np.float32)


def _lattice(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Return a (size, size) periodic value noise with `cells` cells a side."""
    grid = rng.normal(size=(cells, cells))
    at = np.arange(size) * cells / size
    low = np.floor(at).astype(int)
    share = at - low
    share = share * share * (3 - 2 * share)
    high = (low + 1) % cells
    rows = grid[low] * (1 - share)[:, None] + grid[high] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, high] * share


def _build_mips(seed: int, octaves: tuple[int, ...], slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Return all levels of a tile of value noise with these cells a side, flat, and the offset of each level."""
    rng = np.random.default_rng(seed)
    tile = np.asarray(sum(_lattice(rng, SIZE, cells) * (cells / octaves[0]) ** -slope for cells in octaves))
    tile = (tile - tile.mean()) / tile.std()
    parts, offsets = [], []
    for _ in range(LEVELS):
        offsets.append(sum(part.size for part in parts))
        parts.append(tile.astype(np.float32).ravel())
        tile = .25 * (tile[::2, ::2] + tile[1::2, ::2] + tile[::2, 1::2] + tile[1::2, 1::2])
    return np.concatenate(parts), np.array(offsets, dtype=np.int32)


_FRACTAL, _OFFSET = _build_mips(21, (4, 8, 16, 32, 64, 128, 256), .55)
_GRAIN, _ = _build_mips(24, (64, 128, 256), .2)
_SHIFT = np.array([8 - level for level in range(LEVELS)], dtype=np.int32)
_MASK = (1 << _SHIFT) - np.int32(1)
_SCALE = (2. ** -np.arange(LEVELS)).astype(np.float32)


def _build_volume() -> np.ndarray:
    """Return a flat 64^3 periodic noise volume in [0, 1], uniform in rank, smooth over about 3 cells."""
    rng = np.random.default_rng(22)
    spectrum = np.fft.rfftn(rng.normal(size=(64, 64, 64)))
    f = np.sqrt(np.fft.fftfreq(64)[:, None, None] ** 2 + np.fft.fftfreq(64)[None, :, None] ** 2
                + np.fft.rfftfreq(64)[None, None, :] ** 2)
    smooth = np.fft.irfftn(spectrum * np.exp(-(f / .15) ** 2), s=(64, 64, 64), axes=(0, 1, 2))
    rank = np.empty(smooth.size, dtype=np.float32)
    rank[np.argsort(smooth.ravel())] = np.linspace(0, 1, smooth.size, dtype=np.float32)
    return rank


_VOLUME = _build_volume()


def fractal(u: np.ndarray, v: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Look up clouds of all sizes (mean 0, variance 1 unfiltered) at texel coordinates, filtered to `footprint` texels.

    The largest clouds are 64 texels wide.
    """
    return _look_up(_FRACTAL, u, v, footprint)


def grain(u: np.ndarray, v: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Look up fine grain, like `fractal` but without clouds of more than 4 texels."""
    return _look_up(_GRAIN, u, v, footprint)


def _look_up(tile: np.ndarray, u: np.ndarray, v: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Interpolate a tile bilinearly at the mip level of `footprint`."""
    level = np.log2(np.minimum(np.maximum(footprint, 1), 120.)) + np.float32(.5)
    level = level.astype(np.int32)
    scale, shift, mask = _SCALE.take(level), _SHIFT.take(level), _MASK.take(level)
    u, v = u * scale - .5, v * scale - .5
    fu, fv = np.floor(u), np.floor(v)
    iu, iv = fu.astype(np.int32), fv.astype(np.int32)
    fu, fv = u - fu, v - fv
    base = _OFFSET.take(level)
    row0, row1 = base + ((iv & mask) << shift), base + (((iv + 1) & mask) << shift)
    iu, right = iu & mask, (iu + 1) & mask
    top = tile.take(row0 + iu)
    top += fu * (tile.take(row0 + right) - top)
    low = tile.take(row1 + iu)
    low += fu * (tile.take(row1 + right) - low)
    return top + fv * (low - top)


def leaf_noise(q, radius, seed) -> np.ndarray:
    """Look up noise in [0, 1] at unit-ball coordinates q (three arrays) of balls of `radius` meters; `seed` integer."""
    k = radius * np.float32(19.)
    i, j, m = ((c * k + np.float32(512)).astype(np.int32) + (seed >> np.int32(4 * n)) for n, c in enumerate(q))
    return _VOLUME.take(((i & 63) << 12) | ((j & 63) << 6) | (m & 63))


def cell_hash(i: np.ndarray, j: np.ndarray, seed) -> np.ndarray:
    """Return a number in [0, 1) for each integer cell (i, j); `seed` in [0, 1) may be an array."""
    key = i.astype(np.int32) * np.int32(73) + j.astype(np.int32) * np.int32(1571)
    return _HASH.take((key + np.asarray(seed * 8191, dtype=np.int32) * np.int32(37)) & 8191)


def clip01(values: np.ndarray) -> np.ndarray:
    """Clip to [0, 1]; several times faster than np.clip on short arrays."""
    return np.minimum(np.maximum(values, 0), 1)


def inside(s: np.ndarray, low, high, width: np.ndarray) -> np.ndarray:
    """Share of a box of `width` around s that lies in [low, high]."""
    half = .5 * width
    return np.maximum(np.minimum(s + half, high) - np.maximum(s - half, low), 0) / width


def stripes(s: np.ndarray, period, center, half, width: np.ndarray) -> np.ndarray:
    """Share of a box of `width` around s that lies in stripes `center` +- `half`, repeated every `period`.

    Fades to the mean 2 half / period as the box grows to a period, so that it never aliases.
    """
    t = s - center
    t = np.abs(t - period * np.rint(t / period))
    share = clip01((half - t) / width + .5)
    blend = clip01(width / period * 2 - .6)
    return share + blend * (2 * half / period - share)


def fade(footprint: np.ndarray, cell) -> np.ndarray:
    """Return 1 where a detail of size `cell` is resolved, falling to 0 where the footprint swallows it."""
    return clip01(1.6 - footprint / cell)
