"""Whether a step fits into the memory, asked before the first one: what one image leaves for the backward pass."""
from __future__ import annotations

import numpy as np
import torch

from ..common.contracts import InputError
from ..common.runtime import free_memory
from ..data.sources import Source
from ..model import Model


def kept_bytes(model: Model, source: Source, precision: str = "fp32") -> int:
    """Measure what the depth network keeps of one image until the backward pass, bytes.

    The model runs in evaluation mode, so that nothing of it changes; its modes are as before in the end.

    Args:
        model: Model to train.
        source: Training triplets, the first of which is taken.
        precision: Number format of the training, fp32 or bf16.
    """
    device = next(model.parameters()).device
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}  # of each piece of memory, its bytes

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in weights:
            kept[memory.data_ptr()] = memory.nbytes()
        return tensor

    modes = {module: module.training for module in model.modules()}
    model.eval()
    batch = source.triplet(np.array([0])).to(device)
    with (torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
          torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")):
        result = model.predict(batch.target, model.semantics_of(batch))
    del result  # until here everything that it kept was alive, so that no address was given twice
    for module, training in modes.items():
        module.training = training
    return sum(kept.values())


def check_memory(model: Model, source: Source, batch: int, precision: str = "fp32") -> None:
    """Refuse a batch whose depth network alone needs more memory than there is, before a machine grinds to a halt.

    Loss, motion and gradients come on top, so a batch that is let through may still be too large.

    Args:
        model: Model to train, on its device.
        source: Training triplets.
        batch: Number of triplets a step, of this process.
        precision: Number format of the training, fp32 or bf16.

    Raises:
        InputError: Naming the batch, the size of its images, and both memories.
    """
    free = free_memory(next(model.parameters()).device)
    needed = batch * kept_bytes(model, source, precision)
    if needed > free:
        raise InputError(f"a step of batch {batch} at {source.width}x{source.height} pixels needs more than "
                         f"{needed / 2**30:.3g} GiB of memory, and {free / 2**30:.3g} GiB are free; take a smaller "
                         "batch, image or network.")
