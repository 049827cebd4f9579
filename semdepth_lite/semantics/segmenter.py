"""A segmenter that is trained before depth and frozen; the papers took a ready-made one for full-size images.

It may see an image larger than depth does, because masks are only as good as the pixels they are made from: its
probabilities are averaged over the blocks of pixels that make one pixel of depth.
Its encoder is built like the depth encoder's, so that depth can start from it; its decoder is a light feature pyramid
(after Lin et al. 2017) that stops at half resolution and predicts the 2x2 pixels of each cell.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..classes import NUM_CLASSES
from ..labels import pack_probabilities
from ..networks import Encoder, NetworkSettings
from .branch import class_probabilities, subpixels

GIVEN = NetworkSettings("lite", 16)  # networks of the segmenter that comes with the package


class Segmenter(nn.Module):
    """Predict the 19 classes of an image.

    Args:
        networks: Settings of the encoder, as for depth.
        width: Channels of the pyramid.
        scale: Factor of the height and width of its images, against depth's.
    """

    def __init__(self, networks: NetworkSettings, width: int = 24, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.encoder = Encoder(networks)
        channels = self.encoder.channels
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                          nn.ReLU(inplace=True)) for _ in channels[:-1])
        self.head = nn.Conv2d(width, 4 * NUM_CLASSES, 1)
        self.frozen = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (B, 3, H, W) in [0, 1] to logits (B, 19, H, W)."""
        features = self.encoder(images)
        x = self.lateral[-1](features[-1])
        for lateral, smooth, feature in zip(self.lateral[-2::-1], self.smooth[::-1], features[-2::-1]):
            x = smooth(F.interpolate(x, scale_factor=2, mode="nearest") + lateral(feature))
        return subpixels(self.head(x))

    def freeze(self) -> Segmenter:
        """Stop learning for good: no gradients, and batch statistics as they are."""
        self.frozen = True
        self.requires_grad_(False)
        return self.train(False)

    def thaw(self) -> Segmenter:
        """Learn again."""
        self.frozen = False
        self.requires_grad_(True)
        if hasattr(self.encoder.encoder, "fc"):
            self.encoder.encoder.fc.requires_grad_(False)
        return self.train(True)

    def train(self, mode: bool = True) -> Segmenter:
        """Switch to training mode, unless frozen."""
        return super().train(mode and not self.frozen)

    @torch.no_grad()
    def packed(self, images: torch.Tensor) -> torch.Tensor:
        """Segment images and pack the mean probabilities of each block of scale x scale pixels.

        Args:
            images: (B, 3, scale H, scale W) in [0, 1].

        Returns:
            (B, 3, H, W) uint8, see `pack_probabilities`.
        """
        return pack_probabilities(self._averaged(images))

    def packed_enlarged(self, images: torch.Tensor) -> torch.Tensor:
        """Segment images (B, 3, H, W) of depth's own size, enlarged; what their pixels do not show stays unseen."""
        return pack_probabilities(self.probabilities(images))

    @torch.no_grad()
    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (B, 19, H, W) of images (B, 3, H, W) of depth's own size, which it sees enlarged."""
        if self.scale > 1:
            images = F.interpolate(images, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return self._averaged(images)

    def _averaged(self, images: torch.Tensor) -> torch.Tensor:
        """Average the probabilities of larger images over each block of scale x scale pixels."""
        return F.avg_pool2d(class_probabilities(self(images)), self.scale)
