"""Batches of a training step: which triplets, loaded and augmented as (seed, step) says."""
from __future__ import annotations

import numpy as np
import torch

from ..camera import check_intrinsics
from ..common.contracts import InputError, check_divisible
from ..common.runtime import seed_of
from ..data.adapters import check_labels, check_triplet
from ..data.augmentation import augment, draw_augmentation
from ..data.sources import Source
from ..data.triplet import Triplet
from .settings import TrainSettings


def batch_indices(length: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Return the triplets of a step: epochs are permutations drawn from (seed, epoch), and batches run across them."""
    positions = np.arange(step * batch, (step + 1) * batch)
    epochs = set((positions // length).tolist())
    orders = {epoch: np.random.default_rng((seed, epoch)).permutation(length) for epoch in epochs}
    return np.array([orders[p // length][p % length] for p in positions])


def load_batch(source: Source, settings: TrainSettings, step: int, device: torch.device, rank: int = 0,
               world: int = 1) -> Triplet:
    """Load and augment this process's share of a step's batch."""
    indices = batch_indices(len(source), settings.batch, step, settings.seed)[rank::world]
    return as_trained(source.triplet(indices), settings, step, device, rank, world)


def as_trained(triplet: Triplet, settings: TrainSettings, step: int, device: torch.device, rank: int = 0,
               world: int = 1) -> Triplet:
    """Move a loaded batch to the device and augment it as the step says.

    Raises:
        InputError: if one of its labels is no trainId; a batch that comes from a GPU is not looked at.
    """
    check_labels(triplet.labels, "the data")
    triplet = triplet.to(device)
    if not settings.augmentation:
        return triplet
    generator = torch.Generator().manual_seed(seed_of(settings.seed, step))
    return augment(triplet, draw_augmentation(settings.batch, generator).part(rank, world))


def check_source(source: Source, settings: TrainSettings) -> None:
    """Refuse data that cannot be trained on, by its first triplet.

    Raises:
        InputError: if the settings are none, or it is no source, is empty, its size cannot be halved five times, its
            intrinsics cannot belong to that size, or it lacks what the settings take from the data.
    """
    if not isinstance(settings, TrainSettings):
        raise InputError(f"settings are {settings!r}, expected TrainSettings; use recipe('quick'), for instance.")
    if not hasattr(source, "triplet"):
        raise InputError(f"{type(source).__name__} is no source of triplets; wrap a torch Dataset in "
                         "data.DatasetSource, and arrays in data.ArraySource.")
    if not len(source):
        raise InputError(f"{source.name} holds no triplet; a triplet is three frames in a row.")
    check_divisible(source.height, source.width)
    first = source.triplet(np.arange(1))
    check_triplet(first, source.name, source.height, source.width)
    check_intrinsics(first.K, source.height, source.width)
    for name, wanted in (("depth", settings.supervision == "depth"), ("labels", settings.method.needs_labels)):
        if wanted:
            first.require(name, source.name)
    if settings.supervision == "video":
        _check_motion(source.name, first, settings.pose)


def _check_motion(name: str, first: Triplet, pose: str) -> None:
    """Refuse a source whose motion is neither given nor can be learned."""
    if pose == "given" and not bool(first.require("T_source_target", name).isfinite().all()):
        raise InputError(f"{name} gives the motion of the second camera only; train with a learned pose, or with the "
                         "second camera alone.")
    if pose == "learned" and first.sources.shape[1] < 2:
        raise InputError(f"{name} has no neighbors in time from which motion could be learned; train with the pose "
                         "given.")
