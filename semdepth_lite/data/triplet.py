"""The `Triplet` that every source yields: a batch of target frames with their neighbors and what is known of them."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from ..common.contracts import InputError

# what a field is called in messages, and what to do where it is missing
MISSING = {
    "depth": ("true depth", "name its depth, or take data that has it"),
    "labels": ("semantic labels", "add label maps to the data, or train the baseline"),
    "T_source_target": ("camera motion", "train with a learned pose, or take data that has it"),
}
Indices = Sequence[int] | np.ndarray  # positions of triplets in a source
_PLAIN: Any = None  # until `__post_init__` puts the plain pictures in its place


@dataclass
class Triplet:
    """A batch of target frames with their neighbors, and whatever truth the source has (None where it has none).

    Attributes:
        target: (B, 3, H, W) image in [0, 1], as photographed; the loss looks at this one.
        sources: (B, S, 3, H, W) neighbors in temporal order, previous first; a second camera's picture comes last. A
            motion that is learned is that of the first two; with a motion that is given there may be any number.
        K: (B, 3, 3) intrinsics, pixels.
        target_aug, sources_aug: The same frames as the networks see them, with jittered colors.
        depth: (B, 1, H, W) z of the target view, meters, 0 = none.
        labels: (B, H, W) uint8 trainIds, 255 = none.
        semantics: (B, 3, H, W) uint8, what an outside segmenter says, packed (`labels.pack_probabilities`).
        moving: (B, H, W) bool, the pixel belongs to an object that moves in the world.
        T_source_target: (B, S, 4, 4) true motion; nan for neighbors in time where only a second camera's is known.
        index: (B,) position of the target in its source, for caches.
    """

    target: torch.Tensor
    sources: torch.Tensor
    K: torch.Tensor
    target_aug: torch.Tensor = _PLAIN
    sources_aug: torch.Tensor = _PLAIN
    depth: torch.Tensor | None = None
    labels: torch.Tensor | None = None
    semantics: torch.Tensor | None = None
    moving: torch.Tensor | None = None
    T_source_target: torch.Tensor | None = None
    index: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.target_aug is None:
            self.target_aug = self.target
        if self.sources_aug is None:
            self.sources_aug = self.sources

    def __len__(self) -> int:
        return self.target.shape[0]

    def require(self, name: str, owner: str = "the data") -> torch.Tensor:
        """Return a field that the source may lack.

        Args:
            name: Name of the field, such as labels or depth.
            owner: Name of the source, for the message.

        Raises:
            InputError: If the batch does not have it.
        """
        value = getattr(self, name)
        if value is None:
            what, remedy = MISSING.get(name, (name, "take data that has it"))
            raise InputError(f"{owner} has no {what}, which this needs; {remedy}.")
        return value

    def to(self, device: torch.device) -> Triplet:
        """Move every tensor to a device."""
        moved: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        same = {name: moved.pop(name) is getattr(self, plain)
                for name, plain in (("target_aug", "target"), ("sources_aug", "sources"))}
        moved = {name: value if value is None else value.to(device, non_blocking=True) for name, value in moved.items()}
        for name, plain in (("target_aug", "target"), ("sources_aug", "sources")):
            moved[name] = moved[plain] if same[name] else getattr(self, name).to(device, non_blocking=True)
        return Triplet(**moved)


class StreetTriplet(Triplet):
    """A batch of the street, of which all truth is known."""

    depth: torch.Tensor
    labels: torch.Tensor
    moving: torch.Tensor
    T_source_target: torch.Tensor
