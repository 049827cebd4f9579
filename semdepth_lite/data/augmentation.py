"""Augmentation of a batch: flips and color jitter, alike for all frames of a triplet."""
from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..camera import flip_intrinsics, flip_transform
from .triplet import Triplet


def flip(triplet: Triplet, mask: torch.Tensor) -> Triplet:
    """Mirror the marked items of a batch: images, depth, labels, masks, and with them K and the motion.

    Args:
        triplet: The batch, before color jitter.
        mask: (B,) bool.

    Returns:
        A new Triplet.
    """
    where = mask.view(-1, 1, 1, 1)

    def mirrored(image: torch.Tensor | None) -> torch.Tensor | None:
        if image is None:
            return None
        choose = mask.view(-1, *[1] * (image.dim() - 1))
        return torch.where(choose, image.flip(-1), image)

    width = triplet.target.shape[-1]
    T = triplet.T_source_target
    return replace(
        triplet, target=mirrored(triplet.target), sources=mirrored(triplet.sources), target_aug=None,
        sources_aug=None, depth=mirrored(triplet.depth), labels=mirrored(triplet.labels),
        semantics=mirrored(triplet.semantics), moving=mirrored(triplet.moving),
        K=torch.where(where[:, 0], flip_intrinsics(triplet.K, width), triplet.K),
        T_source_target=None if T is None else torch.where(where, flip_transform(T), T))


@dataclass
class Augmentation:
    """What is drawn at random for a batch.

    Attributes:
        mirrored: (B,) bool, flip this item.
        color: (B, 3) factors of brightness, contrast and saturation.
    """

    mirrored: torch.Tensor
    color: torch.Tensor

    def part(self, rank: int, count: int) -> Augmentation:
        """Return the share of one of several processes, every count-th item from rank on."""
        return Augmentation(self.mirrored[rank::count], self.color[rank::count])


def draw_augmentation(batch: int, generator: torch.Generator, strength: float = 0.2) -> Augmentation:
    """Draw flips with probability 1/2, and with probability 1/2 color factors from [1 - strength, 1 + strength]."""
    mirrored = torch.rand(batch, generator=generator) < 0.5
    color = 1 + strength * (2 * torch.rand(batch, 3, generator=generator) - 1)
    color[torch.rand(batch, generator=generator) < 0.5] = 1
    return Augmentation(mirrored, color)


def augment(triplet: Triplet, drawn: Augmentation) -> Triplet:
    """Flip and jitter a batch as drawn."""
    mirrored, color = (x.to(triplet.target.device, non_blocking=True) for x in (drawn.mirrored, drawn.color))
    return jitter(flip(triplet, mirrored), color)


def jitter(triplet: Triplet, color: torch.Tensor) -> Triplet:
    """Change brightness, contrast and saturation of the network inputs, alike for all frames of an item.

    The photometric loss goes on seeing the plain frames. Monodepth2 also turns the hue, by 0.1 [code: MD2]; left out
    here, because it would cost more time than the other three together.

    Args:
        triplet: The batch.
        color: (B, 3) factors of brightness, contrast and saturation.

    Returns:
        A Triplet whose `target_aug` and `sources_aug` are changed copies.
    """
    frames = torch.cat((triplet.target[:, None], triplet.sources), 1)
    brightness, contrast, saturation = color.to(frames).view(-1, 3, 1, 1, 1, 1).unbind(1)
    gray = frames.mean(2, keepdim=True)
    mean = gray.mean((1, 3, 4), keepdim=True)
    # brightness * (mean + contrast * (gray + saturation * (frames - gray) - mean)), with the constants folded
    mixed = frames * (brightness * contrast * saturation)
    mixed += brightness * (contrast * (1 - saturation) * gray + (1 - contrast) * mean)
    mixed.clamp_(0, 1)
    return replace(triplet, target_aug=mixed[:, 0], sources_aug=mixed[:, 1:])
