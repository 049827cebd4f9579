"""Where triplets come from: the contract of a source, and the street as one."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F

from ..camera import invert_transform, resize_intrinsics
from ..common.contracts import InputError
from ..common.runtime import seed_of
from ..common.storage import fingerprint
from ..street import RENDERER_VERSION, Frame, StreetSet, StreetSettings, corrupt_labels, load_street
from .triplet import Indices, StreetTriplet, Triplet


class Source(Protocol):
    """What training and evaluation need of a data set."""

    name: str
    height: int
    width: int

    @property
    def has_labels(self) -> bool:
        """Whether triplets carry semantic labels."""
        ...

    @property
    def has_depth(self) -> bool:
        """Whether triplets carry depth."""
        ...

    def __len__(self) -> int:
        """Count the triplets."""
        ...

    def triplet(self, indices: Indices) -> Triplet:
        """Load the triplets at these positions as one batch."""
        ...

    def targets_at(self, scale: int) -> Source:
        """Return the targets alone, `scale` times as high and as wide, with their labels: what a segmenter sees.

        A source without larger pictures may lack this; see `larger_targets`.
        """
        ...


def to_image(frames: np.ndarray) -> torch.Tensor:
    """Turn uint8 images (..., H, W, 3) into float images (..., 3, H, W) in [0, 1].

    Raises:
        InputError: if the images have another shape or type.
    """
    if frames.dtype != np.uint8 or frames.ndim < 3 or frames.shape[-1] != 3:
        raise InputError(f"the image has shape {frames.shape} and type {frames.dtype}, expected (H, W, 3) and uint8; "
                         "repeat the channel of a gray image three times, and scale numbers to 0 to 255.")
    # torch takes no negative strides, which an image has whose channels were reversed, as OpenCV's must be
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).to(torch.float32).div_(255)


class StreetSource:
    """Triplets of consecutive frames of the procedural street, with all of its truth.

    Args:
        street: A rendered set. Every frame with two neighbors in its scene is a target.
        cache: Folder of rendered sets, for the same scenes at another size; None = the usual one.
        neighbors: Positions of the source frames relative to the target.
        progress: Whether a bar is shown where the scenes are rendered at another size.
    """

    has_labels = has_depth = True

    def __init__(self, street: StreetSet, cache: Path | None = None, neighbors: tuple[int, ...] = (-1, 1),
                 progress: bool = True) -> None:
        self.street, self.cache, self.progress = street, cache, progress
        settings = street.settings
        self.name = f"street {settings.split}"
        self.height, self.width = settings.height, settings.width
        per_scene = settings.frames_per_scene
        frames = np.arange(settings.scenes * per_scene)
        self.targets = frames[(frames % per_scene > 0) & (frames % per_scene < per_scene - 1)]
        self.neighbors = self.targets[:, None] + np.array(neighbors, dtype=int)  # positions, as those of clips are

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of what is trained on; equal settings of one renderer give equal bytes."""
        return street_fingerprint(self.street.settings)

    def scene_of(self, index: int) -> int:
        """Return the number of the scene a triplet belongs to."""
        return int(self.targets[index]) // self.street.settings.frames_per_scene

    def triplet(self, indices: Indices) -> StreetTriplet:
        """Load the triplets at these positions as one batch."""
        street = self.street
        indices = np.asarray(indices)
        target = self.targets[indices]
        window = np.concatenate((target[:, None], self.neighbors[indices]), 1)
        frames = to_image(street.images[window.ravel()]).unflatten(0, window.shape)
        pose = torch.from_numpy(street.pose[window])
        T = invert_transform(pose[:, 1:]) @ pose[:, :1]
        K = torch.as_tensor(street.K, dtype=torch.float32).expand(len(target), 3, 3)
        return StreetTriplet(
            target=frames[:, 0], sources=frames[:, 1:], K=K,
            depth=torch.from_numpy(street.depth[target])[:, None], labels=torch.from_numpy(street.labels[target]),
            moving=torch.from_numpy(street.moving[target]).bool(), T_source_target=T.float(),
            index=torch.from_numpy(indices))

    def targets_at(self, scale: int) -> StreetSource:
        """Return the targets alone, `scale` times as high and as wide; the scenes are rendered at that size."""
        size = replace(self.street.settings, height=scale * self.height, width=scale * self.width)
        street = self.street if scale == 1 else load_street(size, self.cache, progress=self.progress)
        return StreetSource(street, self.cache, (), self.progress)


class Wrapped:
    """A source that hands out another one's triplets with something changed; what it lacks is the other's."""

    name: str
    height: int
    width: int
    has_labels: bool
    has_depth: bool
    targets_at: Callable[..., Source]

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getattr__(self, name: str):
        if name == "source":  # not there yet: a copy asks before it is filled
            raise AttributeError(name)
        return getattr(self.source, name)

    def __len__(self) -> int:
        return len(self.source)


class NoisyLabels(Wrapped):
    """A source whose labels err like a segmentation network's, see `street.corrupt_labels`.

    Args:
        source: Source with labels.
        strength: 0 to 1.
        seed: Seed of the errors; an image always errs alike.
    """

    def __init__(self, source: Source, strength: float, seed: int = 0) -> None:
        super().__init__(source)
        self.strength, self.seed = strength, seed
        self.name = f"{source.name} with label noise {strength:g}"
        self._made: dict[int, np.ndarray] = {}

    def triplet(self, indices: Indices) -> Triplet:
        """Load the triplets at these positions as one batch, their labels corrupted."""
        triplet = self.source.triplet(indices)
        for index, labels in zip(map(int, indices), triplet.require("labels", self.source.name).numpy()):
            if index not in self._made:
                self._made[index] = corrupt_labels(labels, self.strength, seed_of(self.seed, index))
        return replace(triplet, labels=torch.from_numpy(np.stack([self._made[int(i)] for i in indices])))

    def targets_at(self, scale: int) -> NoisyLabels:
        """Return the targets alone, `scale` times as high and as wide, their labels corrupted in the same manner."""
        return NoisyLabels(larger_targets(self.source, scale), self.strength, self.seed)


class Enlarged(Wrapped):
    """The targets of a source alone, enlarged: what their pixels do not show stays unseen.

    Args:
        source: Source without larger pictures.
        scale: Factor of the height and width.
    """

    def __init__(self, source: Source, scale: int) -> None:
        super().__init__(source)
        self.scale = scale
        self.height, self.width = scale * source.height, scale * source.width

    def triplet(self, indices: Indices) -> Triplet:
        """Load the targets at these positions as one batch."""
        batch, scale = self.source.triplet(indices), self.scale
        target = F.interpolate(batch.target, scale_factor=scale, mode="bilinear", align_corners=False)
        labels = batch.labels
        if labels is not None:
            labels = labels.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        return Triplet(target, target[:, None][:, :0], resize_intrinsics(batch.K, scale, scale), labels=labels,
                       index=batch.index)

    def targets_at(self, scale: int) -> Enlarged:
        """Return the same targets, `scale` times as high and as wide."""
        return Enlarged(self, scale)


def larger_targets(source: Source, scale: int) -> Source:
    """Return the targets alone, `scale` times as high and as wide; of a source without larger pictures, enlarged."""
    return source.targets_at(scale) if hasattr(source, "targets_at") else Enlarged(source, scale)


class SegmentedSource(Wrapped):
    """A source to whose triplets a segmenter's label maps are added.

    Args:
        source: The triplets.
        maps: Function from B positions to packed maps (B, 3, H, W) uint8 (`labels.pack_probabilities`).
    """

    def __init__(self, source: Source, maps: Callable[[np.ndarray], torch.Tensor]) -> None:
        super().__init__(source)
        self.maps = maps

    def triplet(self, indices: Indices) -> Triplet:
        """Load the triplets at these positions as one batch."""
        return replace(self.source.triplet(indices), semantics=self.maps(np.asarray(indices)))


def street_fingerprint(settings: StreetSettings) -> str:
    """Return the fingerprint of a set of the street, rendered or not."""
    return fingerprint(asdict(settings), RENDERER_VERSION)


def street_source(split: str, scenes: int, height: int = 96, width: int = 320, cache: Path | None = None,
                  workers: int | None = None, progress: bool = True) -> StreetSource:
    """Render a set of street scenes, or open it if it is cached, and return its triplets.

    Args:
        split: One of train, validation and test; no scene is in two of them.
        scenes: Number of scenes of eight frames.
        height, width: Size of the images, pixels.
        cache: Folder of rendered sets.
        workers: Number of rendering processes.
        progress: Whether to show a progress bar.
    """
    settings = StreetSettings(split=split, scenes=scenes, height=height, width=width)
    street = load_street(settings, cache_dir=cache, workers=workers, progress=progress)
    return StreetSource(street, cache, progress=progress)


def prefetch(source, batches: Iterable[Indices], workers: int = 2
             ) -> Generator[Triplet, None, None]:
    """Yield `source.triplet(batch)` for each batch in order, read ahead by threads.

    Threads suffice: decoding, resizing and reading leave Python's lock to others. At most `workers` + 1 batches wait.

    Args:
        source: Source, or anything with `triplet(indices)`.
        batches: Indices of each batch.
        workers: Number of threads; 0 reads in the caller.
    """
    if workers == 0:
        yield from map(source.triplet, batches)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="prefetch") as pool:
        waiting: deque = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(source.triplet, batch))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def triplet_of(frames: Sequence[Frame]) -> StreetTriplet:
    """Make a batch of one from three rendered frames: previous, target, next.

    Raises:
        InputError: if there are not three frames.
    """
    if len(frames) != 3:
        raise InputError(f"{len(frames)} frames make no triplet, expected three: previous, target, next.")
    previous, target, following = frames
    images = to_image(np.stack([frame.image for frame in frames]))
    pose = torch.from_numpy(np.stack([frame.pose for frame in frames]))
    T_source_target = invert_transform(pose[[0, 2]]) @ pose[1]
    return StreetTriplet(
        target=images[1:2], sources=images[None, [0, 2]], K=torch.as_tensor(target.K, dtype=torch.float32)[None],
        depth=torch.from_numpy(target.depth)[None, None], labels=torch.from_numpy(target.labels)[None],
        moving=torch.from_numpy(target.moving)[None], T_source_target=T_source_target.float()[None])


def batches(source: Source, size: int = 8) -> Iterator[Triplet]:
    """Yield all triplets of a source in order, `size` at a time."""
    for start in range(0, len(source), size):
        yield source.triplet(np.arange(start, min(start + size, len(source))))
