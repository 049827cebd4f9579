"""Sums over 3x3 windows of images, and their transpose, which carries gradients back; both without extra copies."""
from __future__ import annotations

import torch


def box_sum(image: torch.Tensor) -> torch.Tensor:
    """Sum 3x3 windows of (..., H, W); beyond the rim the image goes on by reflection, without being copied."""
    rows = torch.empty_like(image)
    torch.add(image[..., :-2, :], image[..., 2:, :], out=rows[..., 1:-1, :])
    torch.mul(image[..., 1, :], 2, out=rows[..., 0, :])
    torch.mul(image[..., -2, :], 2, out=rows[..., -1, :])
    rows += image
    out = torch.empty_like(image)
    torch.add(rows[..., :-2], rows[..., 2:], out=out[..., 1:-1])
    torch.mul(rows[..., 1], 2, out=out[..., 0])
    torch.mul(rows[..., -2], 2, out=out[..., -1])
    out += rows
    return out


def box_sum_adjoint(gradient: torch.Tensor) -> torch.Tensor:
    """Apply the transpose of `box_sum`: what each pixel receives from the windows it is part of."""
    columns = torch.empty_like(gradient)
    torch.add(gradient[..., :-2], gradient[..., 2:], out=columns[..., 1:-1])
    columns[..., 0], columns[..., -1] = gradient[..., 1], gradient[..., -2]
    columns[..., 1] += gradient[..., 0]
    columns[..., -2] += gradient[..., -1]
    columns += gradient
    out = torch.empty_like(gradient)
    torch.add(columns[..., :-2, :], columns[..., 2:, :], out=out[..., 1:-1, :])
    out[..., 0, :], out[..., -1, :] = columns[..., 1, :], columns[..., -2, :]
    out[..., 1, :] += columns[..., 0, :]
    out[..., -2, :] += columns[..., -1, :]
    out += columns
    return out
