"""Semantic-aware spatial feature alignment (SemDepth): a label map scales and shifts the depth feature, pixel by pixel.

SSFA is the name of the preprint, SSFM (modulation) of the journal. Stated: it is multi-scale, its parameters are
generated from the semantic labels, and it modulates semantic and depth features. Its equations are unknown; those below
are inferred, after SPADE (Park et al. 2019), the operator with these properties.
"""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..common.contracts import InputError
from ..networks import start_at_zero
from .guidance import Guidance

NORMALIZATIONS = ("group", "instance", "none")


def normalization(name: str, channels: int) -> nn.Module:
    """Build a parameter-free normalization of each image: over groups of eight channels, over each channel, or none.

    SPADE takes batch or instance statistics [code: SPADE]; a mean over the batch suits labels badly, since a class may
    fill one image and be absent from the next [inferred].

    Raises:
        InputError: if there is no normalization of that name.
    """
    if name not in NORMALIZATIONS:
        raise InputError(f"normalization {name!r} is unknown; use one of {', '.join(NORMALIZATIONS)}.")
    if name == "none":
        return nn.Identity()
    groups = channels if name == "instance" else math.gcd(channels, max(1, channels // 8))
    return nn.GroupNorm(groups, channels, affine=False)


class SSFA(nn.Module):
    """Modulate the joint feature of one decoder level by its label map [inferred].

        X = conv3x3([F_D; F_S]),  h = relu(conv3x3(S)),  gamma, beta = conv1x1(h)
        Y = (1 + gamma) norm(X) + beta,  F_D' = F_D + conv3x3(elu(Y))

    The last convolution is zero in the beginning, so that training starts at the network without modulation. Without a
    semantic decoder there is no F_S, and X is F_D itself.

    Args:
        depth_channels: Channels of F_D.
        semantic_channels: Channels of F_S, 0 = there is none.
        classes: Channels of the label map S.
        hidden: Channels of h (SPADE has 128 [code: SPADE]); 0 = as many as F_D has.
        norm: Normalization: group, instance or none.
        residual: False leaves out the F_D that is added.
    """

    def __init__(self, depth_channels: int, semantic_channels: int, classes: int, hidden: int = 0,
                 norm: str = "group", residual: bool = True) -> None:
        super().__init__()
        self.residual = residual
        hidden = hidden or depth_channels
        self.joint = nn.Conv2d(depth_channels + semantic_channels, depth_channels, 3, padding=1) \
            if semantic_channels else None
        self.norm = normalization(norm, depth_channels)
        self.embedding = nn.Conv2d(classes, hidden, 3, padding=1)
        self.scale, self.shift = nn.Conv2d(hidden, depth_channels, 1), nn.Conv2d(hidden, depth_channels, 1)
        self.out = nn.Conv2d(depth_channels, depth_channels, 3, padding=1)
        if residual:
            start_at_zero(self.out)

    def forward(self, depth: torch.Tensor, labels: torch.Tensor, semantic: torch.Tensor | None = None) -> torch.Tensor:
        """Modulate F_D (B, C, h, w).

        Args:
            depth: F_D.
            labels: S, (B, N, h, w) probabilities or one-hot.
            semantic: F_S, (B, C_S, h, w), or None.
        """
        x = depth if self.joint is None or semantic is None else self.joint(torch.cat((depth, semantic), 1))
        h = F.relu(self.embedding(labels))
        y = torch.addcmul(self.shift(h), 1 + self.scale(h), self.norm(x))
        update = self.out(F.elu(y))
        return depth + update if self.residual else update


class ClassModulation(nn.Module):
    """Give every class its own scale and shift: F_D' = (1 + gamma S) F_D + beta S, with gamma and beta 1x1.

    The cheap form of SSFA for full resolution (ours); zero in the beginning.
    """

    def __init__(self, depth_channels: int, classes: int) -> None:
        super().__init__()
        self.scale = nn.Conv2d(classes, depth_channels, 1, bias=False)
        self.shift = nn.Conv2d(classes, depth_channels, 1, bias=False)
        start_at_zero(self.scale)
        start_at_zero(self.shift)

    def forward(self, depth: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Modulate F_D (B, C, h, w) by S (B, N, h, w)."""
        return torch.addcmul(depth + self.shift(labels), self.scale(labels), depth)


class MultiscaleSSFA(nn.Module):
    """SemDepth's modulation between the levels of the depth decoder: SSFA at levels 4 to 1, per class at level 0.

    Which levels is unknown (README, "What is stated, what is inferred"): 4 to 1 is inferred, and 2 to 0 was measured to
    help in a short training.

    Args:
        depth_channels: Channels of the depth decoder's levels 0 to 4.
        semantic_channels: Channels of the semantic decoder's; None = there is none.
        classes: Channels of the label map.
        levels: Levels that are modulated.
        hidden, norm, residual: As in `SSFA`.
    """

    def __init__(self, depth_channels: tuple[int, ...], semantic_channels: tuple[int, ...] | None, classes: int,
                 levels: tuple[int, ...] = (2, 1, 0), hidden: int = 0, norm: str = "group",
                 residual: bool = True) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict()
        for level in levels:
            if level:
                joined = semantic_channels[level] if semantic_channels else 0
                self.blocks[str(level)] = SSFA(depth_channels[level], joined, classes, hidden, norm, residual)
            else:
                self.blocks[str(level)] = ClassModulation(depth_channels[0], classes)

    def forward(self, level: int, depth: torch.Tensor, guidance: Guidance) -> torch.Tensor:
        """Modulate the depth feature (B, C, h, w) of a level, if this level is modulated."""
        if str(level) not in self.blocks:
            return depth
        block, labels = self.blocks[str(level)], guidance.reduced(level)
        if level == 0:
            return block(depth, labels)
        return block(depth, labels, guidance.levels[level] if guidance.levels else None)
