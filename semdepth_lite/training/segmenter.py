"""Train a segmenter, freeze it, and let it label a source."""
from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from ..common.contracts import InputError
from ..common.small_files import check_regular
from ..common.storage import reserve, write_atomically
from ..data.sources import SegmentedSource, Source, larger_targets
from ..data.triplet import Triplet
from ..model import Model
from ..networks import bias_of
from ..semantics import Segmenter, class_weights, prior_logits, semantic_loss
from ..weights import SEGMENTER_FILE
from .checkpoint import load_checkpoint, save_checkpoint
from .loop import paced

AnySource = TypeVar("AnySource", bound=Source)
RATE = 2e-3  # AdamW's highest, lowered along a cosine; measured best for 60 seconds of training


def pretrain_segmenter(segmenter: Segmenter, batch_of: Callable[[int], Triplet], steps: int, counts: torch.Tensor,
                       checkpoint: Path | None = None, save_every: int = 200, progress: bool = True) -> Segmenter:
    """Train a segmenter by cross-entropy weighted with `class_weights`, take the weights out again, and freeze it.

    The weights let rare classes be learned at all; left in, they widen them at every border, and depth's borders with
    them. Cross-entropy weighted by w_c learns w_c p_c up to a factor, so ln w_c comes off the logits.

    A step depends on its number alone, so a training that was cut off goes on from its checkpoint unharmed.

    Args:
        segmenter: Segmenter, freshly built.
        batch_of: Function from step to augmented batch with labels.
        steps: Number of optimizer steps.
        counts: (19,) pixels of each class, see `count_classes`.
        checkpoint: Path where it is kept; None = nowhere.
        save_every: Number of steps between checkpoints.
        progress: Whether to show a bar.

    Returns:
        The same segmenter, frozen.

    Raises:
        InputError: if the checkpoint cannot be read, or is one of another number of steps.
    """
    device = next(segmenter.parameters()).device
    segmenter.thaw()
    optimizer = torch.optim.AdamW(segmenter.parameters(), RATE)
    weights = class_weights(counts).to(device)
    bias_of(segmenter.head).data.copy_(prior_logits(counts, class_weights(counts)).repeat(4))
    done = _resume(segmenter, optimizer, steps, checkpoint, device)
    taken = done

    def save() -> None:
        if checkpoint is not None:
            save_checkpoint(checkpoint, segmenter, optimizer, taken, settings={"steps": steps})

    with closing(paced(done, steps, save, "train segmenter", save_every, progress)) as left:
        for step, _ in left:
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            batch = batch_of(step)
            loss = semantic_loss(segmenter(batch.target_aug), batch.require("labels"), weights=weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            taken = step + 1
    bias_of(segmenter.head).data.sub_(torch.where(weights > 0, weights, 1).log().repeat(4))
    return segmenter.freeze()


def _resume(segmenter: Segmenter, optimizer: torch.optim.Optimizer, steps: int, checkpoint: Path | None,
            device: torch.device) -> int:
    """Load a checkpoint, if there is one, and return the number of steps it has behind it."""
    if checkpoint is None or not checkpoint.exists():
        return 0
    state = load_checkpoint(checkpoint, device)
    if state["settings"].get("steps") != steps:
        raise InputError(f"{checkpoint} is of a training of {state['settings'].get('steps')} steps, not {steps}; use "
                         "another folder, or delete it.")
    try:
        segmenter.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{checkpoint} does not fit this segmenter; delete it to train the segmenter "
                         "again.") from error
    return state["step"]


def save_segmenter(segmenter: Segmenter, folder: Path) -> Path:
    """Write a trained segmenter's weights where `weights.given_segmenter` finds them, and return their file."""
    whole, path = io.BytesIO(), Path(folder) / SEGMENTER_FILE
    torch.save(segmenter.state_dict(), whole)
    write_atomically(path, lambda temporary: temporary.write_bytes(whole.getbuffer()))
    return path


def segment_all(segmenter: Segmenter, batches: Iterable[Triplet], count: int, path: Path) -> np.ndarray:
    """Segment every target once and keep the packed probabilities in a file, so that training only looks them up.

    Args:
        segmenter: Frozen segmenter.
        batches: All triplets in order, plain.
        count: Number of triplets.
        path: An .npy file; one that is already there with the right length is taken as it is.

    Returns:
        (N, 3, H, W) uint8, memory-mapped, read-only.
    """
    with suppress(OSError, ValueError):  # absent or damaged: it is made anew
        check_regular(path)
        known = np.load(path, mmap_mode="r")
        if known.dtype == np.uint8 and known.ndim == 4 and len(known) == count:
            return known
    device = next(segmenter.parameters()).device

    def write(temporary: Path) -> None:
        maps = (segmenter.packed(batch.target.to(device)).cpu().numpy() for batch in batches)
        first, done = next(maps), 0
        store = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, *first.shape[1:]))
        reserve(temporary)
        for packed in chain((first,), maps):
            store[done:done + len(packed)] = packed
            done += len(packed)
        store.flush()

    write_atomically(path, write)
    return np.load(path, mmap_mode="r")


def with_masks(source: AnySource, model: Model | None, keep: bool = False) -> AnySource | SegmentedSource:
    """Add the maps of a model's segmenter to a source's triplets, made when they are asked for, from larger images.

    Args:
        source: Any source; one that has maps already stays as it is.
        model: Model whose segmenter it is; for none, or one without a segmenter, the source stays as it is.
        keep: Whether maps stay in memory, three bytes a pixel, for a source that is gone through again and again.
    """
    segmenter = getattr(model, "segmenter", None)
    if segmenter is None or isinstance(source, SegmentedSource):
        return source
    larger, device = larger_targets(source, segmenter.scale), next(segmenter.parameters()).device
    kept: dict[tuple[int, ...], torch.Tensor] = {}

    def maps(indices: np.ndarray) -> torch.Tensor:
        key = tuple(indices.tolist())
        if key not in kept:
            found = segmenter.packed(larger.triplet(indices).target.to(device)).cpu()
            if not keep:
                return found
            kept[key] = found
        return kept[key]

    return SegmentedSource(source, maps)
