"""The semantic branch: a second decoder on the encoder that depth uses too."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..networks import ConvBlock, PaddedConv, bias_of


def subpixels(x: torch.Tensor) -> torch.Tensor:
    """Spread each cell's four predictions over its 2x2 pixels: (B, 4 N, h, w) to (B, N, 2h, 2w), channels last.

    Like `pixel_shuffle`, but the four pixels come first in the order of the channels, which keeps the classes of a
    pixel together in memory and so costs half as much.
    """
    batch, channels, height, width = x.shape
    cells = x.permute(0, 2, 3, 1).reshape(batch, height, width, 2, 2, channels // 4)
    return cells.permute(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


class SemanticDecoder(nn.Module):
    """Climb from the coarsest feature map to class logits at full resolution, through levels 4 to 0.

    Five levels numbered like those of the depth decoder [figure: FIG1]; skip connections as in Monodepth2 [inferred].
    In the lite form level 0 is the logits themselves: one 1x1 convolution at half resolution predicts the 2x2 pixels of
    each cell, at a fraction of the cost of convolutions at full resolution (ours).

    Args:
        encoder_channels: Channels of the encoder's five feature maps.
        channels: Channels of the decoder's levels 0 to 4.
        outputs: Number of logits of a pixel.
        lite: Whether level 0 is the cheap one.

    Attributes:
        channels: Channels of the levels 0 to 4 that `forward` returns.
    """

    LEVELS = 5

    def __init__(self, encoder_channels: tuple[int, ...], channels: tuple[int, ...], outputs: int,
                 lite: bool = False) -> None:
        super().__init__()
        self.lite = lite
        self.channels = (outputs, *channels[1:]) if lite else tuple(channels)
        self.before, self.after = nn.ModuleList(), nn.ModuleList()
        below = encoder_channels[-1]
        for level in reversed(range(1 if lite else 0, self.LEVELS)):
            skip = encoder_channels[level - 1] if level else 0
            self.before.append(ConvBlock(below, channels[level]))
            self.after.append(ConvBlock(channels[level] + skip, channels[level]))
            below = channels[level]
        self.head = nn.Conv2d(below, 4 * outputs, 1) if lite else PaddedConv(below, outputs)

    def start_at(self, logits: torch.Tensor) -> None:
        """Set the head's bias to these logits (outputs,), see `prior_logits`."""
        bias = bias_of(self.head if isinstance(self.head, nn.Conv2d) else self.head.conv)
        bias.data.copy_(logits.repeat(len(bias) // len(logits)))

    def forward(self, features: list[torch.Tensor]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the features of levels 0 to 4 and the logits (B, outputs, H, W).

        Args:
            features: Five feature maps of the encoder, (B, C_i, H / 2^(i+1), W / 2^(i+1)).
        """
        x = features[-1]
        levels = []
        for i, (before, after) in enumerate(zip(self.before, self.after)):
            level = self.LEVELS - 1 - i
            x = F.interpolate(before(x), scale_factor=2, mode="nearest")
            if level:
                x = torch.cat((x, features[level - 1]), 1)
            x = after(x)
            levels.append(x)
        logits = self.head(x)
        if self.lite:
            logits = subpixels(logits)
            levels.append(logits)
        return levels[::-1], logits


class _ScaledGradient(torch.autograd.Function):
    """The identity whose gradient is multiplied by a factor."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, factor: float) -> torch.Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient * ctx.factor, None


def scale_gradient(features: list[torch.Tensor], factor: float) -> list[torch.Tensor]:
    """Return the features unchanged, but let only `factor` of the gradient through to what made them.

    So two tasks share an encoder in a chosen ratio; SGDepth takes 0.9 for depth and 0.1 for classes [code: SGD].
    """
    return [_ScaledGradient.apply(x, factor) for x in features]


def class_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits (B, N, H, W) into probabilities: softmax over classes, or the sigmoid of a single channel."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if logits.shape[1] == 1:
        return logits.sigmoid()
    return logits.movedim(1, -1).softmax(-1).movedim(-1, 1)


def predicted_labels(logits: torch.Tensor) -> torch.Tensor:
    """Return the likeliest class (B, H, W) int64; with a single channel, 1 = foreground where its logit is above 0."""
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)
