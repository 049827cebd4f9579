"""The networks: ResNet encoder, depth decoder and pose decoder of Monodepth2, and a lite family of the same topology.

With `NetworkSettings(encoder="resnet18")` names, shapes and numbers of every weight are Monodepth2's, so its published
files load. The lite family is a fraction as wide and differs where that made it learn in minutes on a CPU:
coordinate channels at the input of encoder and pose network, a negative bias in the disparity heads (training starts
far, not at half a meter), and a small pose network with BatchNorm and a larger output scale.
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from .camera import halve
from .common.contracts import InputError, check_types
from .common.registry import find_part


def convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution without a bias that keeps the size but for its stride."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)


def projection(channels_in: int, channels_out: int, stride: int) -> nn.Module | None:
    """Make the shortcut of a residual block where it changes the size or the channels, else None."""
    if stride == 1 and channels_in == channels_out:
        return None
    return nn.Sequential(convolution(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016).

    Args:
        channels_in: Channels of the input.
        width: Channels of the convolutions, and of the output.
        stride: Stride of the first convolution.
    """

    EXPANSION = 1

    def __init__(self, channels_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(channels_in, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = projection(channels_in, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu_(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return F.relu_(x + shortcut)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution around a shortcut (He et al. 2016).

    Args:
        channels_in: Channels of the input.
        width: Channels of the first two convolutions; the output has four times as many.
        stride: Stride of the 3x3 convolution.
    """

    EXPANSION = 4

    def __init__(self, channels_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        channels_out = width * self.EXPANSION
        self.conv1, self.bn1 = convolution(channels_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = convolution(width, channels_out, 1), nn.BatchNorm2d(channels_out)
        self.downsample = projection(channels_in, channels_out, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.relu_(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return F.relu_(x + shortcut)


# How many blocks each of the four layers has, and of which kind (He et al. 2016).
RESNETS = {"resnet18": ((2, 2, 2, 2), BasicBlock), "resnet34": ((3, 4, 6, 3), BasicBlock),
           "resnet50": ((3, 4, 6, 3), Bottleneck)}


@dataclass(frozen=True)
class NetworkSettings:
    """Which networks to build.

    Attributes:
        encoder: Name of the encoder: resnet18, resnet34 or resnet50 (Monodepth2's), or lite.
        width: Channels of the first layer of the lite family (a ResNet has 64).
    """

    encoder: str = "lite"
    width: int = 16

    def __post_init__(self) -> None:
        check_types(self)
        if self.encoder not in (*RESNETS, "lite") and not find_part("encoder", self.encoder):
            raise InputError(f"encoder {self.encoder!r} is unknown; use lite, {', '.join(RESNETS)}, or register it.")
        if not 8 <= self.width <= 512 or self.width % 8:
            raise InputError(f"width {self.width} is not a multiple of 8 from 8 to 512; use 16, for instance.")

    @property
    def lite(self) -> bool:
        """Whether this is the lite family."""
        return self.encoder == "lite"


class ResNet(nn.Module):
    """The residual network up to its last layer, with torchvision's parameter names.

    Args:
        blocks: Number of blocks in each of the four layers.
        block: Kind of the blocks.
        width: Channels of the first layer.
        channels_in: Channels of the input.
        fc: Whether the classifier is built; it is never used here, but Monodepth2's files carry it.
    """

    def __init__(self, blocks: tuple[int, ...], block: type[BasicBlock | Bottleneck], width: int, channels_in: int,
                 fc: bool) -> None:
        super().__init__()

        def layer(channels: int, width: int, count: int, stride: int) -> nn.Sequential:
            first = block(channels, width, stride)
            return nn.Sequential(first, *(block(width * block.EXPANSION, width) for _ in range(count - 1)))

        self.conv1 = convolution(channels_in, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        out = width * block.EXPANSION
        self.layer1 = layer(width, width, blocks[0], 1)
        self.layer2 = layer(out, 2 * width, blocks[1], 2)
        self.layer3 = layer(2 * out, 4 * width, blocks[2], 2)
        self.layer4 = layer(4 * out, 8 * width, blocks[3], 2)
        if fc:
            self.fc = nn.Linear(8 * out, 1000).requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the five feature maps, at strides 2, 4, 8, 16 and 32."""
        x = F.relu_(self.bn1(self.conv1(x)))
        features = [x]
        x = F.max_pool2d(x, 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


def coordinates(like: torch.Tensor) -> torch.Tensor:
    """Return two channels (B, 2, H, W) that run from -1 to 1 along the columns and along the rows."""
    batch, _, height, width = like.shape
    x = torch.linspace(-1, 1, width, dtype=like.dtype, device=like.device).expand(height, width)
    y = torch.linspace(-1, 1, height, dtype=like.dtype, device=like.device)[:, None].expand(height, width)
    return torch.stack((x, y)).expand(batch, 2, height, width)


class Encoder(nn.Module):
    """Turn an image, or several stacked in the channels, into five feature maps.

    Images in [0, 1] are normalized as (x - 0.45) / 0.225 on all channels [code: MD2].

    Args:
        settings: Kind and width of the network.
        images: Number of stacked images.
    """

    def __init__(self, settings: NetworkSettings, images: int = 1) -> None:
        super().__init__()
        self.coordinates = settings.lite
        blocks, block = RESNETS["resnet18" if settings.lite else settings.encoder]
        width = settings.width if settings.lite else 64
        channels_in = 3 * images + (2 if self.coordinates else 0)
        self.encoder = ResNet(blocks, block, width, channels_in, fc=not settings.lite)
        self.channels = (width, *(width * block.EXPANSION * scale for scale in (1, 2, 4, 8)))

    def forward(self, images: torch.Tensor, channels_last: bool = True) -> list[torch.Tensor]:
        """Map (B, 3 * images, H, W) to five feature maps at strides 2 to 32; channels last in memory is faster."""
        x = (images - 0.45) / 0.225
        if self.coordinates:
            x = torch.cat((x, coordinates(x)), 1)
        return self.encoder(x.contiguous(memory_format=torch.channels_last) if channels_last else x)


def full_precision(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Apply the last layer of a network in the precision of its weights, under automatic mixed precision too.

    bfloat16 has hardly three digits: too few for the disparity of far things and for turns of a fraction of a degree.
    """
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.to(next(layer.parameters()).dtype))


def bias_of(layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    """Return the bias of a layer that was built with one."""
    assert layer.bias is not None
    return layer.bias


def start_at_zero(layer: nn.Module) -> None:
    """Set a layer's weights and bias to zero, so that what its output is added to begins unchanged."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class PaddedConv(nn.Module):
    """A 3x3 convolution whose input is extended by reflection, so that the frame's rim is not dark."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        return self.conv(F.pad(x, (1, 1, 1, 1), mode="reflect"))


class _ExpELU(torch.autograd.Function):
    """ELU as max(x, 0) + exp(min(x, 0)) - 1, which keeps its result alone: its derivative is min(result, 0) + 1."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0).add_(x.clamp(max=0).exp_().sub_(1))

    @staticmethod
    def setup_context(ctx, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, upstream: torch.Tensor) -> torch.Tensor:
        result, = ctx.saved_tensors
        return (result.clamp(max=0) + 1) * upstream


def elu(x: torch.Tensor) -> torch.Tensor:
    """Return x where it is positive and exp(x) - 1 elsewhere; x itself may be written over.

    On a CPU exp(x) - 1 is computed as it stands: it is as exact as its sum with anything near 1, and expm1 takes ten
    times as long. In bfloat16 it would have hardly a digit near zero.
    """
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return F.elu_(x)
    if x.requires_grad and torch.is_grad_enabled():
        return _ExpELU.apply(x)
    return _ExpELU.forward(x)  # plain operations, which can be traced and exported


class ConvBlock(nn.Module):
    """A padded convolution followed by ELU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = PaddedConv(channels_in, channels_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        return elu(self.conv(x))


def decoder_channels(settings: NetworkSettings) -> tuple[int, ...]:
    """Return the channels of decoder levels 0 to 4."""
    if not settings.lite:
        return (16, 32, 64, 128, 256)
    width = settings.width
    return (width // 2, width, width * 3 // 2, width * 3, width * 6)


class DepthDecoder(nn.Module):
    """Climb from the coarsest feature map to full resolution, in levels 4 to 0, with a disparity head at four of them.

    Each level: convolution, nearest upsampling by 2, concatenation with the encoder's map of that size (none at level
    0), convolution. The heads are 3x3 convolutions with a sigmoid.

    Args:
        encoder_channels: Channels of the encoder's five feature maps.
        settings: Kind and width of the network.
    """

    LEVELS = 5
    SCALES = 4

    def __init__(self, encoder_channels: tuple[int, ...], settings: NetworkSettings) -> None:
        super().__init__()
        channels = decoder_channels(settings)
        blocks: list[nn.Module] = []
        below = encoder_channels[-1]
        for level in reversed(range(self.LEVELS)):
            skip = encoder_channels[level - 1] if level else 0
            blocks += [ConvBlock(below, channels[level]), ConvBlock(channels[level] + skip, channels[level])]
            below = channels[level]
        heads = [PaddedConv(channels[scale], 1) for scale in range(self.SCALES)]
        self.decoder, self.channels = nn.ModuleList([*blocks, *heads]), channels
        for head in heads if settings.lite else ():
            nn.init.constant_(bias_of(head.conv), -2.0)

    def level(self, level: int, x: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
        """Go through one level: (B, C, h, w) of the level below to (B, C', 2h, 2w)."""
        first = 2 * (self.LEVELS - 1 - level)
        x = F.interpolate(self.decoder[first](x), scale_factor=2, mode="nearest")
        if level:
            x = torch.cat((x, features[level - 1]), 1)
        return self.decoder[first + 1](x)

    def head(self, scale: int, x: torch.Tensor) -> torch.Tensor:
        """Turn the feature of a level into sigmoid disparity (B, 1, H / 2^scale, W / 2^scale)."""
        return torch.sigmoid(full_precision(self.decoder[2 * self.LEVELS + scale], x))

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map the encoder's five features to disparities at scales 0 to 3, finest first."""
        x, disps = features[-1], []
        for level in reversed(range(self.LEVELS)):
            x = self.level(level, x, features)
            if level < self.SCALES:
                disps.append(self.head(level, x))
        return disps[::-1]


class PoseDecoder(nn.Module):
    """Turn the features of an image pair into one rigid motion: four convolutions and a spatial mean, times 0.01."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        # the last convolution has 12 outputs, two motions of which the first is used [code: MD2]
        self.net = nn.ModuleList([nn.Conv2d(channels_in, 256, 1), nn.Conv2d(256, 256, 3, 1, 1),
                                  nn.Conv2d(256, 256, 3, 1, 1), nn.Conv2d(256, 12, 1)])

    def forward(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return axis-angle (B, 3) in radians and translation (B, 3), from the earlier to the later frame."""
        x = features[-1]
        for layer in self.net[:3]:
            x = F.relu_(layer(x))
        motion = 0.01 * full_precision(self.net[3], x).mean((2, 3))
        return motion[:, 0:3], motion[:, 3:6]


class LitePoseEncoder(nn.Module):
    """Four strided convolutions with BatchNorm over an image pair at half resolution, with coordinate channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [8, width, width * 2, width * 4, width * 8]
        kernels = (7, 5, 3, 3)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, k, 2, k // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
            for (a, b), k in zip(pairwise(channels), kernels))
        self.channels = tuple(channels[1:])

    def forward(self, pair: torch.Tensor, channels_last: bool = True) -> list[torch.Tensor]:
        """Map (B, 6, H, W) to four feature maps at strides 4 to 32; channels last in memory is faster."""
        x = (halve(pair) - 0.45) / 0.225
        x = torch.cat((x, coordinates(x)), 1)
        if channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


class LitePoseDecoder(nn.Module):
    """One linear map from the pooled pair features to a rigid motion.

    Its translation scale is 0.1 and its bias points backward through the scene: with the earlier frame first, the
    later camera sees points come nearer, t_z < 0. Without such a start, training may settle on standing still.
    """

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels_in, 64, 1)
        self.motion = nn.Linear(64, 6)
        nn.init.normal_(self.motion.weight, std=0.01)
        self.motion.bias.data.copy_(torch.tensor([0, 0, 0, 0, 0, -0.2]))

    def forward(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return axis-angle (B, 3) in radians and translation (B, 3), from the earlier to the later frame."""
        x = F.relu(self.squeeze(features[-1])).mean((2, 3))
        motion = full_precision(self.motion, x)
        return 0.01 * motion[:, :3], 0.1 * motion[:, 3:]


def build_pose_network(settings: NetworkSettings) -> tuple[nn.Module, nn.Module]:
    """Build the pose encoder and the pose decoder."""
    if settings.lite:
        encoder = LitePoseEncoder(settings.width)
        return encoder, LitePoseDecoder(encoder.channels[-1])
    encoder = Encoder(settings, images=2)
    return encoder, PoseDecoder(encoder.channels[-1])
