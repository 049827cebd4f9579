"""What semantics offers to the depth decoder, and label maps packed to three bytes a pixel."""
from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from ..common.contracts import InputError


@dataclass
class Guidance:
    """What is known of the classes of a batch of images when its depth is decoded; None = not known.

    Attributes:
        levels: Features of the semantic decoder at levels 0 to 4, (B, C_i, H / 2^i, W / 2^i); empty without one.
        logits: (B, N, H, W) of the semantic branch; one channel where it is binary.
        probabilities: (B, N, H, W) of the classes, without gradient; the label map that modulation reads.
    """

    levels: list[torch.Tensor] = field(default_factory=list)
    logits: torch.Tensor | None = None
    probabilities: torch.Tensor | None = None
    _reduced: dict[int, torch.Tensor] = field(default_factory=dict, repr=False)

    @property
    def label_map(self) -> torch.Tensor:
        """The probabilities, for a part that reads them.

        Raises:
            InputError: If the variant gives no class map to a fusion that reads one.
        """
        if self.probabilities is None:
            raise InputError("this fusion reads a class map, and the variant has none; set masks to labels, to "
                             "segmenter, or to branch (with branch=yes).")
        return self.probabilities

    def reduced(self, level: int) -> torch.Tensor:
        """Return the share of each class in cells of 2^level x 2^level pixels: (B, N, H / 2^level, W / 2^level).

        SPADE resizes its labels by the nearest pixel [code: SPADE]; the mean keeps poles that fall between samples.
        """
        if level == 0:
            return self.label_map
        if level not in self._reduced:
            self._reduced[level] = F.avg_pool2d(self.reduced(level - 1), 2)
        return self._reduced[level]
