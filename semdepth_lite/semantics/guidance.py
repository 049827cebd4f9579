"""What semantics offers to the depth decoder, and label maps packed to three bytes a pixel."""
from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from ..common import check_sizes
from ..labels import IGNORE, NUM_CLASSES


@dataclass
class Guidance:
    """What is known of the classes of a batch of images when its depth is decoded; None = not known.

    Attributes:
        levels: features of the semantic decoder at levels 0 to 4, (B, C_i, H / 2^i, W / 2^i).
        logits: (B, N, H, W) of the semantic branch; one channel where it is binary.
        probabilities: (B, N, H, W) of the classes, without gradient; the label map that modulation reads.
    """

    levels: list[torch.Tensor] | None = None
    logits: torch.Tensor | None = None
    probabilities: torch.Tensor | None = None
    _reduced: dict[int, torch.Tensor] = field(default_factory=dict, repr=False)

    def reduced(self, level: int) -> torch.Tensor:
        """Return the share of each class in cells of 2^level x 2^level pixels: (B, N, H / 2^level, W / 2^level).

        SPADE resizes its labels by the nearest pixel [code: SPADE]; the mean keeps poles that fall between samples.
        """
        if level == 0:
            return self.probabilities
        if level not in self._reduced:
            self._reduced[level] = F.avg_pool2d(self.reduced(level - 1), 2)
        return self._reduced[level]


def pack_labels(labels: torch.Tensor) -> torch.Tensor:
    """Pack hard labels (B, H, W) uint8, 255 = none, like probabilities: (B, 3, H, W) uint8.

    Raises:
        InputError: if labels have another number of dimensions.
    """
    check_sizes(labels, "labels", "BHW")
    labels = labels.to(torch.uint8)
    return torch.stack((labels, labels, torch.full_like(labels, 255)), 1)


def pack_probabilities(probabilities: torch.Tensor) -> torch.Tensor:
    """Keep the two likeliest classes of each pixel and how they share: three bytes instead of one float a class.

    Args:
        probabilities: (B, N, H, W).

    Returns:
        (B, 3, H, W) uint8: the best class, the second, and 255 times the best one's share of the two.
    """
    value, index = probabilities.topk(2, 1)
    share = value[:, :1] / value.sum(1, keepdim=True)
    return torch.cat((index.to(torch.uint8), (255 * share).round().to(torch.uint8)), 1)


def unpack(packed: torch.Tensor, classes: int = NUM_CLASSES) -> torch.Tensor:
    """Return the probabilities (B, classes, H, W) of packed labels; a pixel without a label has none, all zero.

    Raises:
        InputError: if the shape is not that of packed labels (B, 3, H, W).
    """
    check_sizes(packed, "packed labels", "B3HW")
    batch, _, height, width = packed.shape
    index = packed[:, :2].movedim(1, -1).long()                                    # (B, H, W, 2)
    known = index != IGNORE
    share = packed[:, 2].float() / 255
    spread = torch.zeros(batch, height, width, classes, device=packed.device)
    spread.scatter_add_(-1, index * known, torch.stack((share, 1 - share), -1) * known)
    return spread.movedim(-1, 1)
