"""Train a depth network on one real photograph, with functions that can be exchanged: the package's or the reader's.

Notable: `Parts` holds one function for each exercise that the training uses, with the exercise's arguments. By
default all are the package's; `own_functions.yours` puts the reader's in their place.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn

from ..camera import backproject, disp_to_depth, resize_intrinsics, transform_points
from ..common.contracts import InputError
from ..common.stopwatch import Stopwatch
from ..data.triplet import Triplet
from ..losses import normalize_disp, photometric_error, pyramid, smoothness_loss, ssim_distance
from ..networks import DepthDecoder, Encoder, NetworkSettings
from ..warp import sample, source_pixels

NEAREST, FARTHEST = 1.0, 20.0  # meters, of the photograph
SMOOTHNESS = 1e-3


class Level(NamedTuple):
    """The pair at one size: target and source (B, 3, h, w), K (B, 3, 3) in pixels of that size."""

    target: torch.Tensor
    source: torch.Tensor
    K: torch.Tensor


class DepthNetwork(nn.Module):
    """The lite encoder and decoder of the package: an image to its sigmoid disparities, finest first."""

    def __init__(self, settings: NetworkSettings = NetworkSettings()) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.decoder = DepthDecoder(self.encoder.channels, settings)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (B, 3, H, W) to four maps (B, 1, H / 2^s, W / 2^s)."""
        return self.decoder(self.encoder(image))


def our_pixels(depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Return where each pixel lies in the source: (B, 2, H, W)."""
    return source_pixels(depth, T_source_target, K)[0]


def our_visible(pixels: torch.Tensor, z: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Mark (B, 1, h, w) what the source can show."""
    u, v = pixels[:, :1], pixels[:, 1:]
    return (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5) & (z > 0)


def our_step(network: nn.Module, optimizer: torch.optim.Optimizer, levels: Sequence[Level], loss_of: Callable
             ) -> float:
    """Take one training step: predict, compare at every level, go down the gradient."""
    disps = network(levels[0].target)
    loss = torch.zeros(())
    for disp, level in zip(disps, levels):
        loss = loss + loss_of(disp, level)
    loss = loss / len(levels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@dataclass(frozen=True)
class Parts:
    """The functions that a training is made of, each named like its exercise; None = put together from the others.

    Attributes:
        own: Names of the functions that the reader wrote.
        ran: Names of those among them that have run; `own_functions.yours` lets them note it.
    """

    backproject: Callable = backproject
    source_pixels: Callable = our_pixels
    sample: Callable = sample
    visible: Callable = our_visible
    warp: Callable | None = None
    ssim: Callable = ssim_distance
    photometric: Callable | None = None
    smoothness: Callable = smoothness_loss
    disp_to_depth: Callable = disp_to_depth
    photometric_loss: Callable | None = None
    training_step: Callable = our_step
    own: tuple[str, ...] = field(default=())
    ran: set[str] = field(default_factory=set, compare=False)

    def warped(self, source: torch.Tensor, depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor
               ) -> tuple[torch.Tensor, torch.Tensor]:
        """Paint the target with the source: (B, C, H, W), and where that is possible: (B, 1, H, W) bool."""
        if self.warp is not None:
            return self.warp(source, depth, T_source_target, K)
        pixels = self.source_pixels(depth, T_source_target, K)
        z = transform_points(T_source_target, self.backproject(depth, K))[:, 2:]
        return self.sample(source, pixels), self.visible(pixels, z, *source.shape[-2:])

    def error(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare two images: (B, 1, H, W)."""
        if self.photometric is not None:
            return self.photometric(prediction, target)
        difference = (prediction - target).abs().mean(1, keepdim=True)
        return 0.85 * self.ssim(prediction, target).mean(1, keepdim=True) + 0.15 * difference

    def loss(self, disp: torch.Tensor, level: Level, T_source_target: torch.Tensor) -> torch.Tensor:
        """Return the loss of one level: the photometric loss and a little smoothness."""
        depth = self.disp_to_depth(disp, NEAREST, FARTHEST)
        if self.photometric_loss is not None:
            photometric = self.photometric_loss(depth, level.target, level.source, T_source_target, level.K)
        else:
            warped, valid = self.warped(level.source, depth, T_source_target, level.K)
            photometric = self.error(warped, level.target)[valid].mean()
        return photometric + SMOOTHNESS * self.smoothness(normalize_disp(disp), level.target)


@dataclass(frozen=True)
class Moment:
    """What a training had reached.

    Attributes:
        step: Steps taken.
        loss: Loss of the last of them.
        depth: (1, 1, H, W) meters.
        warped: (1, 3, H, W), the source painted into the target's view.
        error: (H, W) photometric error; nan where the source shows nothing.
        abs_rel: Mean error relative to the measured depth.
    """

    step: int
    loss: float
    depth: torch.Tensor
    warped: torch.Tensor
    error: torch.Tensor
    abs_rel: float


@dataclass
class Training:
    """A finished training: its network, what it had reached on the way, what it took, and whose functions ran."""

    network: DepthNetwork
    moments: list[Moment]
    losses: list[float]
    seconds: float
    used: tuple[str, ...] = ()


def levels_of(pair: Triplet, count: int = 4) -> list[Level]:
    """Return the pair at full size, at half of it, and so on."""
    targets, sources = pyramid(pair.target, count), pyramid(pair.sources[:, 0], count)
    return [Level(targets[s], sources[s], resize_intrinsics(pair.K, 0.5**s, 0.5**s)) for s in range(count)]


def train(pair: Triplet, parts: Parts = Parts(), steps: int = 300, moments: int = 30, seed: int = 0,
          rate: float = 2e-3) -> Training:
    """Train a fresh network on one pair of views with known motion.

    Args:
        pair: Batch of one with one source, its motion, and its depth, which is only used to measure.
        parts: Functions to train with.
        steps: Steps of Adam; the learning rate falls along a cosine.
        moments: How many moments are kept; they lie closer in the beginning, where more happens.
        seed: Seed of the random weights.
        rate: Learning rate of the first step.
    """
    if seed < 0:
        raise InputError(f"seed {seed} is below 0; use a whole number from 0 on.")
    torch.manual_seed(seed)
    network, T = DepthNetwork(), pair.require("T_source_target")[:, 0]
    optimizer = torch.optim.Adam(network.parameters(), rate)
    levels = levels_of(pair, DepthDecoder.SCALES)
    kept = {round(steps * (i / (moments - 1)) ** 2) for i in range(moments)}
    found, losses, used, clock = [], [], (), Stopwatch()
    for step in range(steps + 1):
        if step in kept:
            found.append(look(network, pair, parts, step, losses[-1] if losses else math.nan))
        if step < steps:
            for group in optimizer.param_groups:
                group["lr"] = 0.5 * rate * (1 + math.cos(math.pi * step / steps))
            parts.ran.clear()  # to look draws a warp, which teaches nothing
            losses.append(parts.training_step(network, optimizer, levels, lambda d, level: parts.loss(d, level, T)))
            used = tuple(name for name in parts.own if name in parts.ran)
    return Training(network, found, losses, clock.lap().cpu, used)


def look(network: DepthNetwork, pair: Triplet, parts: Parts, step: int, loss: float) -> Moment:
    """Look at what a network says now, without changing it."""
    with torch.no_grad():
        depth = parts.disp_to_depth(network(pair.target)[0], NEAREST, FARTHEST)
        T, measured = pair.require("T_source_target")[:, 0], pair.require("depth")
        warped, valid = parts.warped(pair.sources[:, 0], depth, T, pair.K)
        error = photometric_error(warped, pair.target)[0, 0].masked_fill(~valid[0, 0], torch.nan)
        abs_rel = float((depth / measured - 1).abs()[measured > 0].mean())
    return Moment(step, loss, depth, warped, error, abs_rel)
