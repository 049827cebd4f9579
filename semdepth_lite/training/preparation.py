"""What a variant needs before depth is trained: class weights, a segmenter, and that segmenter's label maps."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from ..classes import IGNORE
from ..data.sources import NoisyLabels, SegmentedSource, Source, batches, larger_targets
from ..data.triplet import Triplet
from ..model import Model
from ..semantics import class_weights, output_count, prior_logits, targets
from ..weights import check_state, given_segmenter
from .segmenter import pretrain_segmenter, segment_all, with_masks

COUNTED = 128  # images over which classes are counted
AT_ONCE = 8    # images segmented together; always the same ones, so that a resumed run finds the same label maps
LABEL_MAPS = "segmented.npy"


def with_noise(source: Source, strength: float, seed: int) -> Source:
    """Corrupt a source's labels by a strength in [0, 1]; 0 leaves the source as it is."""
    return NoisyLabels(source, strength, seed) if strength else source


def prepare(model: Model, source: Source, batch_of: Callable[[Source, int], Triplet], steps: int,
            folder: Path | None, fresh: bool = True, progress: bool = True, segmenter: str = "") -> Source:
    """Bring a model and its data to where the training of depth begins.

    Args:
        model: Model as built, or as a checkpoint left it.
        source: Training triplets.
        batch_of: Function from source and step to augmented batch, for the segmenter.
        steps: Number of steps of a segmenter that is made.
        folder: Run folder, which keeps the segmenter's checkpoint and its label maps; None keeps nothing, and every
            batch is segmented anew.
        fresh: False if the model comes from a checkpoint and has learned this already.
        progress: Whether to show bars.
        segmenter: Place of the weights of a segmenter that is given; empty takes the package's own.

    Returns:
        The source to train on.
    """
    branch, masks = model.variant.branch, model.variant.segmenter
    if fresh and branch is not None and model.semantic is not None:
        counts = count_classes(some_triplets(source), branch.classes)
        if model.class_weights is not None:
            model.class_weights.copy_(class_weights(counts))
        weights = None if model.class_weights is None else model.class_weights.cpu()
        model.semantic.start_at(prior_logits(counts, weights))
    if masks is None or model.segmenter is None:
        return source
    larger = larger_targets(source, model.segmenter.scale)
    if fresh and masks.origin == "given":
        model.segmenter.load_state_dict(given_weights(model, segmenter))
    elif fresh:
        checkpoint = None if folder is None else folder / "segmenter.pt"
        counts = count_classes(some_triplets(larger))
        pretrain_segmenter(model.segmenter, lambda step: batch_of(larger, step), steps, counts, checkpoint,
                           progress=progress)
    if fresh and masks.share_encoder:
        model.encoder.load_state_dict(model.segmenter.encoder.state_dict())
    if folder is None:
        return with_masks(source, model)
    packed = segment_all(model.segmenter, batches(larger, AT_ONCE), len(source), folder / LABEL_MAPS)
    return SegmentedSource(source, lambda indices: torch.from_numpy(packed[indices]))


def given_weights(model: Model, place: str) -> dict[str, torch.Tensor]:
    """Return the weights for a model's segmenter that is given; none for a model without one.

    Args:
        model: Model that they are for.
        place: Place of the weights; empty takes the package's own.

    Raises:
        InputError: If there are none, or they do not fit.
    """
    masks = model.variant.segmenter
    if masks is None or masks.origin != "given" or model.segmenter is None:
        return {}
    given = given_segmenter(place)
    check_state(given, model.segmenter.state_dict(), place or "the package")
    return given


def clean_up(folder: Path) -> None:
    """Remove the label maps, which are large and quickly made again."""
    (folder / LABEL_MAPS).unlink(missing_ok=True)


def take_back(folder: Path, made: bool) -> None:
    """Remove the settings of a run that failed before its first step, where nothing else is kept in its folder.

    Args:
        folder: Run folder.
        made: Whether the run made the folder, which then goes too.
    """
    clean_up(folder)
    if [path.name for path in folder.iterdir()] == ["settings.json"]:
        (folder / "settings.json").unlink()
        if made:
            folder.rmdir()


def some_triplets(source: Source) -> Iterator[Triplet]:
    """Yield some of a source's triplets in batches, evenly spread: enough to count classes on."""
    chosen = np.unique(np.linspace(0, len(source) - 1, COUNTED).round().astype(int))
    for start in range(0, len(chosen), AT_ONCE):
        yield source.triplet(chosen[start:start + AT_ONCE])


def count_classes(triplets: Iterable[Triplet], classes: str = "all") -> torch.Tensor:
    """Count the labeled pixels of each class (of background and foreground, if a group is named): (N,) float64.

    Raises:
        InputError: if a batch has no labels.
    """
    count = max(2, output_count(classes))
    total = torch.zeros(count, dtype=torch.float64)
    for triplet in triplets:
        found = targets(triplet.require("labels").cpu(), classes)
        total += torch.bincount(found[found != IGNORE], minlength=count)
    return total
