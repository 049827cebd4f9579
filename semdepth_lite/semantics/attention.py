"""Semantic-guided multi-level attention (SEEDepth): pixels that mean alike lend each other depth features.

Where the blocks sit and what they are given is read off the paper's overview figure [figure: FIG1]; that they correlate
pixels is stated in its abstract; their equations are unknown, and those below are inferred, in two forms.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..common.contracts import InputError
from ..networks import start_at_zero
from .guidance import Guidance

ATTENTION_LEVELS = (4, 3, 2)  # at levels 1 and 0 concatenation and convolution take over [figure: FIG1]
# Keys and values are averaged over cells of so many pixels a side [inferred]: at every level, 480 cells at 192x640.
# All pixels with all would be 7,680^2 scores at level 2, 236 MB an image. Measured with Monodepth2's channels, training
# on two images of 192x640: 128 MiB for the three levels, 1.4 GiB and ten times the time without pooling.
KEY_POOLING = {4: 1, 3: 2, 2: 4}


class SemanticGuidedAttention(nn.Module):
    """Semantic-guided self-attention at one decoder level [inferred]; M pixels, C' = C / 2, at least 16.

    Form A, affinity from semantics and values from depth:
        A = softmax((Wq F_S)^T (Wk F_S) / sqrt(C')),    F_D' = F_D + out((Wv F_D) A^T)
    Form B, self-attention on the joint feature X = phi([F_D; F_S]), then a projection to depth channels:
        A = softmax((Wq X)^T (Wk X) / sqrt(C')),        F_D' = F_D + out(X + gamma (Wv X) A^T)

    `out` is zero in the beginning, so that training starts at the network without attention. As drawn, B is not
    residual: F_D' = out(X + gamma ...), gamma 0 in the beginning; A keeps its F_D, and gamma stands before `out`.

    Args:
        depth_channels, semantic_channels: Channels of the features F_D and F_S.
        form: A or B [both inferred; README, "What is stated, what is inferred"].
        pool: Side of the cells over which keys and values are averaged, pixels; bounds the memory; 1 = all pixels.
        residual: False takes the form as drawn.
    """

    def __init__(self, depth_channels: int, semantic_channels: int, form: str = "B", pool: int = 1,
                 residual: bool = True) -> None:
        super().__init__()
        if form not in ("A", "B"):
            raise InputError(f"attention form {form!r} is unknown; use A or B.")
        self.form, self.pool, self.residual = form, pool, residual
        inner = max(16, depth_channels // 2)
        self.phi = nn.Conv2d(depth_channels + semantic_channels, inner, 1) if form == "B" else None
        asked, given = (inner, inner) if form == "B" else (semantic_channels, depth_channels)
        self.query, self.key = nn.Conv2d(asked, inner, 1, bias=False), nn.Conv2d(asked, inner, 1, bias=False)
        self.value = nn.Conv2d(given, inner, 1)
        self.gamma = nn.Parameter(torch.full((1,), float(residual)))
        self.out = nn.Conv2d(inner, depth_channels, 1)
        if residual:
            start_at_zero(self.out)

    def _inputs(self, depth: torch.Tensor, semantic: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the feature that is correlated and the one whose values travel."""
        if self.phi is None:
            return semantic, depth
        joint = F.elu(self.phi(torch.cat((depth, semantic), 1)))
        return joint, joint

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, self.pool, ceil_mode=True) if self.pool > 1 else x

    def forward(self, depth: torch.Tensor, semantic: torch.Tensor) -> torch.Tensor:
        """Enhance F_D (B, C, h, w) with F_S (B, C_S, h, w)."""
        asked, given = self._inputs(depth, semantic)
        q = self.query(asked)
        k, v = self.key(self._pooled(asked)), self.value(self._pooled(given))
        rows = [x.flatten(2).transpose(1, 2)[:, None] for x in (q, k, v)]          # (B, 1, M, C')
        attended = F.scaled_dot_product_attention(*rows)[:, 0].transpose(1, 2).reshape(q.shape)
        attended = self.gamma * attended
        if self.form == "A":
            return depth + self.out(attended)
        enhanced = self.out(given + attended)
        return depth + enhanced if self.residual else enhanced

    def correlations(self, depth: torch.Tensor, semantic: torch.Tensor, row: int, column: int) -> torch.Tensor:
        """Return where one pixel looks: its row of A as a picture.

        Args:
            depth, semantic: Features, as `forward` gets them.
            row, column: Pixel at this level, counted from the top left.

        Returns:
            (B, h / pool, w / pool), each image sums to 1.

        Raises:
            InputError: if the pixel lies outside the map.
        """
        height, width = depth.shape[-2:]
        if not (0 <= row < height and 0 <= column < width):
            raise InputError(f"pixel ({row}, {column}) lies outside the {height}x{width} map; choose one inside.")
        asked, _ = self._inputs(depth, semantic)
        q, k = self.query(asked)[:, :, row, column], self.key(self._pooled(asked))
        scores = torch.einsum("bc,bchw->bhw", q, k) / q.shape[1] ** 0.5
        return scores.flatten(1).softmax(1).view_as(scores)


class ConcatenationFusion(nn.Module):
    """Concatenation and convolution, for the levels that are too large for attention [figure: FIG1].

    F_D' = F_D + conv([F_D; F_S]) with a 3x3 convolution that is zero in the beginning; as drawn,
    F_D' = ELU(conv([F_D; F_S])).
    """

    def __init__(self, depth_channels: int, semantic_channels: int, residual: bool = True) -> None:
        super().__init__()
        self.residual = residual
        self.conv = nn.Conv2d(depth_channels + semantic_channels, depth_channels, 3, padding=1)
        if residual:
            start_at_zero(self.conv)

    def forward(self, depth: torch.Tensor, semantic: torch.Tensor) -> torch.Tensor:
        """Enhance F_D (B, C, h, w) with F_S (B, C_S, h, w)."""
        update = self.conv(torch.cat((depth, semantic), 1))
        return depth + update if self.residual else F.elu(update)


class MultiLevelAttention(nn.Module):
    """SEEDepth's fusion at every level of the depth decoder: attention at 4, 3, 2, concatenation at 1 and 0.

    Args:
        depth_channels, semantic_channels: Channels of the two decoders' levels 0 to 4.
        levels: Levels that are fused.
        form: A or B, see `SemanticGuidedAttention`.
        pool_keys: Whether keys and values are averaged, see `KEY_POOLING`; False correlates all pixels with all.
        residual: False takes the form as drawn.
    """

    def __init__(self, depth_channels: tuple[int, ...], semantic_channels: tuple[int, ...],
                 levels: tuple[int, ...] = (4, 3, 2, 1, 0), form: str = "B", pool_keys: bool = True,
                 residual: bool = True) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict()
        for level in levels:
            widths = depth_channels[level], semantic_channels[level]
            if level in ATTENTION_LEVELS:
                pool = KEY_POOLING[level] if pool_keys else 1
                self.blocks[str(level)] = SemanticGuidedAttention(*widths, form, pool, residual)
            else:
                self.blocks[str(level)] = ConcatenationFusion(*widths, residual)

    def forward(self, level: int, depth: torch.Tensor, guidance: Guidance) -> torch.Tensor:
        """Enhance the depth feature (B, C, h, w) of a level, if this level is fused."""
        if str(level) not in self.blocks:
            return depth
        return self.blocks[str(level)](depth, guidance.levels[level])
