"""SEEM, SEEDepth's semantic-guided edge enhancement: features of points on the edges, enhanced and put back.

Stated and drawn [figure: FIG1]: points are sampled on semantic edges, features of the encoder, the semantic decoder and
the depth decoder are aligned over three levels, enhanced by a point network, and substituted in the level-0 depth
feature before its last convolution. The formulas below are inferred.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..networks import start_at_zero
from .edges import without_repeats


def pixel_table(image: torch.Tensor) -> torch.Tensor:
    """See (B, C, h, w) as (B, h w, C); costs nothing where channels come last in memory, as in our networks."""
    return image.permute(0, 2, 3, 1).flatten(1, 2)


def read_pixels(image: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return the pixels of (B, C, h, w) at flat indices (B, N): (B, N, C).

    This is `pixel_table(image).gather(1, index[..., None].expand(-1, -1, C))`, but whole rows of one long table are
    copied, and added up for the gradient, which takes half the time on a CPU.
    """
    table = pixel_table(image)
    first_row = torch.arange(image.shape[0], device=index.device)[:, None] * table.shape[1]
    return F.embedding(first_row + index, table.flatten(0, 1))


def read_points(image: torch.Tensor, points: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Read a feature map at pixel centers of the full image.

    Args:
        image: (B, C, h, w) features; smaller maps are read bilinearly, cut at the rim, as `F.interpolate` without
            `align_corners` would enlarge them.
        points: (B, N) flat indices row * width + column.
        height, width: Size of the full image, pixels.

    Returns:
        (B, N, C), in float32 at least.
    """
    h, w = image.shape[-2:]
    dtype = torch.promote_types(image.dtype, torch.float32)
    if (h, w) == (height, width):
        return read_pixels(image, points).to(dtype)
    y = ((points // width + 0.5) * (h / height) - 0.5).clamp(0, h - 1)
    x = ((points % width + 0.5) * (w / width) - 0.5).clamp(0, w - 1)
    top, left = y.floor(), x.floor()
    bottom, right = (top + 1).clamp(max=h - 1), (left + 1).clamp(max=w - 1)
    down, along = y - top, x - left
    corners = torch.stack((top * w + left, top * w + right, bottom * w + left, bottom * w + right), 1).long()
    weights = torch.stack(((1 - down) * (1 - along), (1 - down) * along, down * (1 - along), down * along), 1)
    colors = read_pixels(image, corners.flatten(1)).to(dtype).unflatten(1, (4, -1))      # (B, 4, N, C), in one go
    return (colors * weights[..., None].to(dtype)).sum(1)


class SEEM(nn.Module):
    """Enhance the level-0 depth feature at points [inferred].

        f_p = [F_E of stages 0, 1, 2; F_S of levels 2, 1, 0; F_D of levels 2, 1, 0] at p,  g_p = MLP(f_p)
        F_D^0(p) <- F_D^0(p) + g_p at the points; as drawn, F_D^0(p) <- g_p

    The network is three linear layers with ReLU between them, the same for all points, as PointRend's [code: PREND];
    its width is the square of the channels of F_D^0, which is PointRend's 256 for Monodepth2's decoder. With the sum
    (ours) its last layer is zero in the beginning, so that training starts at the network without SEEM. Without a
    semantic decoder there is no F_S, and the class probabilities at p take its place (ours).

    Args:
        encoder_channels: Channels of the encoder's five feature maps.
        semantic_channels: Channels of the semantic decoder's levels 0 to 4; None without one.
        depth_channels: Channels of the depth decoder's levels 0 to 4.
        classes: Number of probabilities that stand in for F_S.
        residual: Whether g is added; False substitutes as drawn.
    """

    LEVELS = (0, 1, 2)

    def __init__(self, encoder_channels: tuple[int, ...], semantic_channels: tuple[int, ...] | None,
                 depth_channels: tuple[int, ...], classes: int, residual: bool = True) -> None:
        super().__init__()
        self.residual = residual
        semantic = sum(semantic_channels[:3]) if semantic_channels else classes
        out, hidden = depth_channels[0], depth_channels[0] ** 2
        first = nn.Linear(sum(encoder_channels[:3]) + semantic + sum(depth_channels[:3]), hidden)
        second, last = nn.Linear(hidden, hidden), nn.Linear(hidden, out)
        self.layers = nn.ModuleList((first, second, last))
        for layer in (first, second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # [code: PREND]
            nn.init.zeros_(layer.bias)
        if residual:
            start_at_zero(last)

    def enhanced(self, vectors: torch.Tensor) -> torch.Tensor:
        """Map the points' vectors f (..., F) to g (..., C)."""
        first, second, last = self.layers
        return last(F.relu(second(F.relu(first(vectors)))))

    def forward(self, depth: list[torch.Tensor], encoder: list[torch.Tensor], semantic: list[torch.Tensor],
                points: torch.Tensor) -> torch.Tensor:
        """Return the level-0 depth feature (B, C, H, W), changed at the points.

        Args:
            depth: F_D of levels 0, 1, 2.
            encoder: F_E of stages 0, 1, 2.
            semantic: F_S of levels 0, 1, 2, or the probabilities alone.
            points: (B, N) flat indices at full size; repeated ones count once.

        Returns:
            (B, C, H, W) feature.
        """
        feature = depth[0]
        height, width = feature.shape[-2:]
        points, first = without_repeats(points)
        maps = [*encoder[:3], *semantic[:3], *depth[:3]]
        vectors = torch.cat([read_points(x, points, height, width) for x in maps], -1)
        change = self.enhanced(vectors).to(feature.dtype)
        if not self.residual:
            change = change - read_pixels(feature, points)
        index = points[..., None].expand_as(change)
        result = pixel_table(feature).scatter_add(1, index, change * first[..., None])
        result = result.unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return result.contiguous() if feature.is_contiguous() else result
