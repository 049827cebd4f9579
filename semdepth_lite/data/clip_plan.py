"""What a clip of one's own needs before it is trained on: a size that stretches nothing, a step between frames over
which the camera moves, and the frames in which it stands left out.
"""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..common.contracts import InputError
from .by_name import DataOptions, open_data
from .clips import ClipSource
from .flow import track
from .stereo import StereoSource

PIXELS = 16384  # about as many has an image that the lite network learns in minutes
STANDING = 0.5  # px: in a pair whose median motion is smaller, the camera stands
MOVING = 1.0    # px: neighbors should be at least so far apart, or parallax drowns in noise
STEPS = (1, 2, 3, 5, 8)  # frame steps that are tried
FEW = 80        # points by which motion is measured: many pairs are looked at
LOOKED = 12     # pairs by which a step is chosen


def size_of_shape(height: int, width: int, pixels: int = PIXELS) -> tuple[int, int]:
    """Return the height and width, multiples of 32, that keep a picture's shape at about so many pixels.

    A twentieth of stretch weighs as much as a size that is off by a factor of e.

    Args:
        height, width: Size of the picture, pixels.
        pixels: Number of pixels wanted.
    """
    sides = range(64, 1025, 32)

    def cost(size: tuple[int, int]) -> float:
        return 20 * abs(math.log(size[1] / size[0] * height / width)) + abs(math.log(size[0] * size[1] / pixels))

    return min(((h, w) for h in sides for w in sides), key=cost)


def native_size(data: str, options: DataOptions) -> tuple[int, int]:
    """Return the height and width of real data's own files; nothing is decoded."""
    height, width = open_data(data, 64, 64, replace(options, cache=None)).native[0]
    return int(height), int(width)


def fitting_size(data: str, options: DataOptions, height: int | None, width: int | None) -> tuple[int, int]:
    """Return the height and width at which to open data: what was asked for, else what its pictures' shape suggests."""
    fitted = size_of_shape(*native_size(data, options))
    return height or fitted[0], width or fitted[1]


def motion_between(source: ClipSource, first: int, second: int) -> float:
    """Return the median length of the ways of points between two frames, pixels; infinite where nothing is followed.

    Args:
        source: Clip that holds the frames.
        first, second: Positions of the frames.
    """
    import torch

    a, b = torch.from_numpy(source.frames.read([first, second])).float().div_(255)
    tracks = track(a, b, count=FEW)
    return float(np.median(tracks.lengths)) if tracks.found.sum() >= 8 else math.inf


def standing_targets(source: ClipSource, progress: bool = False) -> np.ndarray:
    """Mark the targets (N,) between whose neighbors the camera stands: neither neighbor shows depth anything.

    Args:
        source: Clip, at the size of the training.
        progress: Whether to show a progress bar.
    """
    from tqdm.auto import tqdm

    known: dict[tuple[int, int], bool] = {}

    def stands(first: int, second: int) -> bool:
        pair = (min(first, second), max(first, second))
        if pair not in known:
            known[pair] = motion_between(source, *pair) < STANDING
        return known[pair]

    rows = zip(source.targets, source.neighbors)
    bar = tqdm(rows, desc="motion", unit="frame", total=len(source), disable=not progress)
    return np.array([all(stands(int(target), int(other)) for other in others) for target, others in bar], dtype=bool)


def choose_step(data: str, height: int, width: int, options: DataOptions) -> int:
    """Return the smallest step between frames over which most of a clip moves far enough to be learned from.

    Args:
        data: `frames:FOLDER`, or a video.
        height, width: Size of the training, pixels.
        options: Further options; their step is left out of account.

    Returns:
        The step; the one with most motion, if none reaches `MOVING`.
    """
    found: dict[int, float] = {}
    for step in STEPS:
        try:
            source = open_data(data, height, width, replace(options, step=step))
        except InputError:
            if not found:
                raise
            break  # too few frames for such a step
        if isinstance(source, StereoSource):
            return step  # two cameras see depth at any step
        chosen = np.unique(np.linspace(0, len(source) - 1, LOOKED).round().astype(int))
        moved = [motion_between(source, int(source.targets[i]), int(source.neighbors[i, -1])) for i in chosen]
        followed = [length for length in moved if length < math.inf]
        if len(followed) < len(moved) / 2:
            break  # so far apart that points are lost
        found[step] = float(np.quantile(followed, 0.75))  # a clip may stand for a while
        if found[step] >= MOVING:
            return step
    return max(found, key=found.__getitem__) if found else 1


def names_of_runs(source: ClipSource | StereoSource, marked: np.ndarray, shown: int = 3) -> str:
    """Name the marked targets by the first and last file of each unbroken run, the first few runs of them."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(int), [0]))))
    runs = [(source.target_file(int(a)).name, source.target_file(int(b) - 1).name)
            for a, b in zip(edges[::2], edges[1::2])]
    words = [first if first == last else f"{first} to {last}" for first, last in runs[:shown]]
    return ", ".join(words) + (f" and {len(runs) - shown} runs more" if len(runs) > shown else "")
