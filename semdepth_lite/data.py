"""The `Triplet` every source yields, and augmentation that keeps intrinsics and poses right."""
from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch

from .camera import flip_intrinsics, flip_transform


@dataclass
class Triplet:
    """A batch of target frames with their neighbors, and whatever truth the source has (None where it has none).

    Attributes:
        target: (B, 3, H, W) image in [0, 1], as photographed; the loss looks at this one.
        sources: (B, S, 3, H, W) neighbors in temporal order, previous first.
        K: (B, 3, 3) intrinsics, pixels.
        target_aug, sources_aug: the same frames as the networks see them, with jittered colors.
        depth: (B, 1, H, W) z of the target view, meters, 0 = none.
        labels: (B, H, W) uint8 trainIds, 255 = none.
        semantics: (B, 3, H, W) uint8, what an outside segmenter says, packed (`semantics.pack_probabilities`).
        moving: (B, H, W) bool, the pixel belongs to an object that moves in the world.
        T_source_target: (B, S, 4, 4) true motion.
        index: (B,) position of the target in its source, for caches.
    """

    target: torch.Tensor
    sources: torch.Tensor
    K: torch.Tensor
    target_aug: torch.Tensor | None = None
    sources_aug: torch.Tensor | None = None
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

    def to(self, device: torch.device) -> Triplet:
        """Move every tensor to a device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        same = {name: moved.pop(name) is getattr(self, plain)
                for name, plain in (("target_aug", "target"), ("sources_aug", "sources"))}
        moved = {name: value if value is None else value.to(device, non_blocking=True) for name, value in moved.items()}
        for name, plain in (("target_aug", "target"), ("sources_aug", "sources")):
            moved[name] = moved[plain] if same[name] else getattr(self, name).to(device, non_blocking=True)
        return Triplet(**moved)


def flip(triplet: Triplet, mask: torch.Tensor) -> Triplet:
    """Mirror the marked items of a batch: images, depth, labels, masks, and with them K and the motion.

    Args:
        triplet: the batch, before color jitter.
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
        triplet: the batch.
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
