"""View synthesis: paint the target view with the pixels of a source view, and mark where that is possible.

One sampling convention: pixel centers at integers, grids normalized by W-1 and H-1 and read with
`align_corners=True`, so that the identity motion returns the image.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F

from .camera import backproject, project, transform_points
from .common.contracts import InputError, check_sizes
from .common.precision import at_least_float32


def sample(image: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Read an image at real-valued pixel positions, bilinearly; outside, the nearest pixel of the rim is read.

    Positions that are nan give nan. (torch would read some pixel, and crash in its backward pass on a CPU.)

    Args:
        image: (B, C, H, W) image, or any map.
        pixels: (B, 2, h, w) positions as (u, v).

    Returns:
        (B, C, h, w) colors, in float32 at least.

    Raises:
        InputError: if a shape differs, or the image is empty.
    """
    check_sizes(pixels, "pixels", "B2hw", B=check_sizes(image, "image", "BCHW")["B"])
    if not min(image.shape[-2:]):
        raise InputError(f"image has shape {tuple(image.shape)}, which has no pixel to read; give one at least.")
    image, = at_least_float32(image)
    pixels = pixels.to(image.dtype)
    height, width = image.shape[-2:]
    size = torch.tensor([max(width - 1, 1), max(height - 1, 1)], dtype=pixels.dtype, device=pixels.device)
    grid = pixels.permute(0, 2, 3, 1) * (2 / size) - 1
    lost = grid.isnan().any(-1)
    view = F.grid_sample(image, grid.masked_fill(lost[..., None], 0), mode="bilinear", padding_mode="border",
                         align_corners=True)
    return view.masked_fill(lost[:, None], torch.nan)


def inside(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Mark positions (B, 2, h, w) that lie on the image, half-pixel rims included: (B, 1, h, w) bool."""
    u, v = pixels[:, :1], pixels[:, 1:]
    return (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)


def source_pixels(depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor
                  ) -> tuple[torch.Tensor, torch.Tensor]:
    """Find where each target pixel lies in the source view: p' ~ K (R depth K^-1 p + t).

    Args:
        depth: (B, 1, H, W) z of the target view, meters.
        T_source_target: (B, 4, 4) motion from the target to the source camera.
        K: (B, 3, 3) intrinsics, pixels.

    Returns:
        pixels (B, 2, H, W) as (u, v) in the source view, and z (B, 1, H, W) there, meters.

    Raises:
        InputError: if a shape differs.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    check_sizes(T_source_target, "T_source_target", "B44", B=sizes["B"])
    return project(transform_points(T_source_target, backproject(depth, K)), K)


def warp(source: torch.Tensor, depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor
         ) -> tuple[torch.Tensor, torch.Tensor]:
    """Synthesize the target view from a source view, with the target's depth and the camera motion.

    Args:
        source: (B, C, H, W) image of the source view.
        depth: (B, 1, H, W) z of the target view, meters; 0 = none.
        T_source_target: (B, 4, 4) motion from the target to the source camera.
        K: (B, 3, 3) intrinsics, pixels.

    Returns:
        warped (B, C, H, W), in float32 at least, and valid (B, 1, H, W) bool: there is a depth, and its point lies in
        front of the source camera and inside its frame, half-pixel rims included. Where valid is False the color is no
        evidence.

    Raises:
        InputError: if a shape differs.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    check_sizes(source, "source", "BCHW", **sizes)
    check_sizes(T_source_target, "T_source_target", "B44", B=sizes["B"])
    check_sizes(K, "K", "B33", B=sizes["B"])
    source, = at_least_float32(source)
    depth, T_source_target, K = (given.to(source.dtype) for given in (depth, T_source_target, K))
    pixels, z = source_pixels(depth, T_source_target, K)
    valid = (depth > 0) & (z > 1e-7) & inside(pixels, sizes["H"], sizes["W"])
    return sample(source, pixels), valid


def occluded(depth: torch.Tensor, source_depth: torch.Tensor, T_source_target: torch.Tensor, K: torch.Tensor,
             tolerance: float = 0.05) -> torch.Tensor:
    """Mark target pixels whose point something nearer hides in the source view. Needs the depth of both views.

    Args:
        depth, source_depth: (B, 1, H, W) z, meters; 0 = none (never hides anything).
        T_source_target: (B, 4, 4) motion from the target to the source camera.
        K: (B, 3, 3) intrinsics, pixels.
        tolerance: Relative depth difference that still counts as the same surface.

    Returns:
        (B, 1, H, W) bool; False where the point falls outside the source view, or the depth is nan.

    Raises:
        InputError: if a shape differs.
    """
    check_sizes(source_depth, "source_depth", "B1HW", **check_sizes(depth, "depth", "B1HW"))
    depth, source_depth, T_source_target, K = at_least_float32(depth, source_depth, T_source_target, K)
    pixels, z = source_pixels(depth, T_source_target, K)
    height, width = depth.shape[-2:]
    column, row = pixels.round().nan_to_num(0).unbind(1)
    column, row = column.clamp(0, width - 1).long(), row.clamp(0, height - 1).long()
    seen = source_depth[:, 0].flatten(1).gather(1, (row * width + column).flatten(1)).view_as(z)
    hidden = (seen > 0) & (seen < z * (1 - tolerance)) & (depth > 0)
    return hidden & inside(pixels, height, width)
