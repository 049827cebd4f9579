"""The pinhole camera: intrinsics and their rules, back-projection, projection, rigid motion, depth and disparity.

Pixel centers lie at integers: (u, v) = (0, 0) is the center of the top-left pixel. The camera looks along +z,
x to the right, y down. Depth is z in meters, and 0 stands for "no depth" (sky, or no LiDAR point).
`T_source_target` maps points of the target camera into the source camera, so inner names cancel when composed:
T_a_c = T_a_b @ T_b_c.
"""
from __future__ import annotations

import math

import torch

from .common.contracts import InputError, check_sizes
from .common.precision import at_least_float32


def intrinsics(fx: float, fy: float, cx: float, cy: float) -> torch.Tensor:
    """Build the (3, 3) matrix K from focal lengths and principal point, in pixels."""
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def check_intrinsics(K: torch.Tensor, height: int, width: int) -> None:
    """Refuse intrinsics that cannot belong to an image of this size in pixels.

    Args:
        K: (3, 3) or (B, 3, 3) intrinsics, pixels.
        height, width: Size of the image, pixels.

    Raises:
        InputError: if K is not 3x3, holds a focal length that is not positive or a number that is not finite, looks
            normalized, has skewed pixels or another last row than 0, 0, 1, or has its principal point outside the image
            or less than 2 px from its left rim.
    """
    if K.shape[-2:] != (3, 3):
        cut = "; of a 4x4 matrix take K[..., :3, :3]" if K.shape[-2:] == (4, 4) else ""
        raise InputError(f"K has shape {tuple(K.shape)}, expected (3, 3) or (B, 3, 3){cut}.")
    for numbers in K.reshape(-1, 9).tolist():
        fx, slant, cx, under, fy, cy, *last = numbers
        if not (fx > 0 and fy > 0 and all(map(math.isfinite, numbers))):
            raise InputError(f"K has focal lengths {fx:.4g}, {fy:.4g} and the principal point ({cx:.4g}, {cy:.4g}); "
                             "expected finite numbers of pixels, focal lengths above 0.")
        if last != [0, 0, 1] or under or abs(slant) > 1e-6 * fx:
            raise InputError(f"K is {numbers}, row by row, expected fx, 0, cx, 0, fy, cy, 0, 0, 1; divide a scaled "
                             "matrix by its last number; skewed pixels are not supported.")
        if fx < 5 or fy < 5 or 0 <= cx <= 1 or 0 <= cy <= 1:
            raise InputError(f"K has fx {fx:.4g}, fy {fy:.4g}, cx {cx:.4g} and cy {cy:.4g}, some of which look "
                             f"normalized; expected pixels: multiply the first row by the width {width} and the second "
                             f"by the height {height}.")
        if not (2 <= cx < width and 0 <= cy < height):
            raise InputError(f"K has its principal point at ({cx:.4g}, {cy:.4g}), outside an image of {width}x{height} "
                             "pixels or at its rim; K must belong to this image size: resize it with the image.")


def resize_intrinsics(K: torch.Tensor, scale_x: float, scale_y: float) -> torch.Tensor:
    """Return K of the image resized by the given factors: cx' = (cx + 0.5) s - 0.5, fx' = fx s."""
    x, y, one = K.unbind(-2)
    return torch.stack((scale_x * x + (0.5 * scale_x - 0.5) * one, scale_y * y + (0.5 * scale_y - 0.5) * one, one), -2)


def invert_intrinsics(K: torch.Tensor) -> torch.Tensor:
    """Return K^-1 (..., 3, 3), in float32 at least; that K has one is not checked, as it would make a GPU wait."""
    K, = at_least_float32(K)
    return torch.linalg.inv_ex(K).inverse


def crop_intrinsics(K: torch.Tensor, left: float, top: float) -> torch.Tensor:
    """Return K of the image whose first `left` columns and `top` rows are cut away."""
    return torch.tensor([[1, 0, -left], [0, 1, -top], [0, 0, 1.0]]).to(K) @ K


def flip_intrinsics(K: torch.Tensor, width: int) -> torch.Tensor:
    """Return K of the horizontally mirrored image: cx' = W - 1 - cx."""
    flipped = K.clone()
    flipped[..., 0, 2] = width - 1 - K[..., 0, 2]
    return flipped


def flip_transform(T: torch.Tensor) -> torch.Tensor:
    """Mirror a rigid motion in x: T' = M T M with M = diag(-1, 1, 1, 1). Shape (..., 4, 4)."""
    mirrored = T.clone()
    mirrored[..., 0, :].neg_()
    mirrored[..., :, 0].neg_()
    return mirrored


def monodepth2_intrinsics(height: int, width: int) -> torch.Tensor:
    """Return the one K that Monodepth2 gives to every KITTI image: fx 0.58 W, fy 1.92 H, centered at W/2, H/2.

    The center lies half a pixel off our convention's (W - 1)/2; Monodepth2's published numbers need it so [code: MD2].
    """
    return intrinsics(0.58 * width, 1.92 * height, 0.5 * width, 0.5 * height)


def pixel_grid(height: int, width: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return columns u (1, W) and rows v (H, 1) in pixels, which broadcast to the image."""
    u = torch.arange(width, dtype=like.dtype, device=like.device)
    v = torch.arange(height, dtype=like.dtype, device=like.device)
    return u[None, :], v[:, None]


def backproject(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Lift every pixel to its point in the camera: X = depth K^-1 (u, v, 1).

    Args:
        depth: (B, 1, H, W) z, meters.
        K: (B, 3, 3) intrinsics, pixels.

    Returns:
        (B, 3, H, W) points, meters.

    Raises:
        InputError: if a shape differs.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    check_sizes(K, "K", "B33", B=sizes["B"])
    depth, K = at_least_float32(depth, K)
    u, v = pixel_grid(sizes["H"], sizes["W"], depth)
    pixels = torch.stack(torch.broadcast_tensors(u, v, torch.ones_like(u)))
    rays = torch.einsum("bij,jhw->bihw", invert_intrinsics(K), pixels)
    return depth * rays


def transform_points(T: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Apply rigid motions T (B, 4, 4) to points (B, 3, H, W).

    Raises:
        InputError: if a shape differs.
    """
    check_sizes(T, "T", "B44", B=check_sizes(points, "points", "B3HW")["B"])
    T, points = at_least_float32(T, points)
    return torch.einsum("bij,bjhw->bihw", T[:, :3, :3], points) + T[:, :3, 3, None, None]


def project(points: torch.Tensor, K: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Project camera points to pixels: (u, v) = (K X)_xy / z.

    Points at or behind the camera plane have no image; z is held at 1e-7 for them, which sends them far outside,
    and the returned z tells them apart.

    Args:
        points: (B, 3, H, W) points of the camera, meters.
        K: (B, 3, 3) intrinsics, pixels.

    Returns:
        pixels (B, 2, H, W) as (u, v), and z (B, 1, H, W), meters.

    Raises:
        InputError: if a shape differs.
    """
    sizes = check_sizes(points, "points", "B3HW")
    check_sizes(K, "K", "B33", B=sizes["B"])
    points, K = at_least_float32(points, K)
    image = torch.einsum("bij,bjhw->bihw", K, points)
    z = image[:, 2:]
    return image[:, :2] / z.clamp(min=1e-7), z


def skew(vector: torch.Tensor) -> torch.Tensor:
    """Return the (..., 3, 3) matrix [v]x with [v]x w = v x w."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, -1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return torch.stack(rows, -2)


def axis_angle_to_matrix(axis_angle: torch.Tensor) -> torch.Tensor:
    """Turn rotation vectors into matrices: R = I + a [v]x + b [v]x^2, a = sin t / t, b = (1 - cos t) / t^2, t = |v|.

    a and b are functions of t^2, taken from their series near zero, so the gradient at zero rotation is the true one
    (dividing by the norm plus an epsilon, as is common, makes it zero there).

    Args:
        axis_angle: (..., 3) axis times angle, radians.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    squared = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = squared < 1e-6
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    a = torch.where(small, 1 - squared / 6, angle.sin() / angle)
    b = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / safe)
    V = skew(axis_angle)
    return torch.eye(3, dtype=V.dtype, device=V.device) + a * V + b * (V @ V)


def rigid_transform(axis_angle: torch.Tensor, translation: torch.Tensor, invert: bool = False) -> torch.Tensor:
    """Build T = [R | t], or its inverse [R^T | -R^T t].

    Args:
        axis_angle: (B, 3) axis times angle, radians.
        translation: (B, 3) translation, meters, up to the scale of monocular depth.
        invert: Whether to return the inverse motion.

    Returns:
        (B, 4, 4) motions.

    Raises:
        InputError: if a shape differs.
    """
    check_sizes(translation, "translation", "B3", **check_sizes(axis_angle, "axis_angle", "B3"))
    T = axis_angle.new_zeros(axis_angle.shape[0], 4, 4)
    T[:, :3, :3] = axis_angle_to_matrix(axis_angle)
    T[:, :3, 3] = translation
    T[:, 3, 3] = 1
    return invert_transform(T) if invert else T


def invert_transform(T: torch.Tensor) -> torch.Tensor:
    """Invert rigid motions (..., 4, 4): [R | t]^-1 = [R^T | -R^T t]."""
    R_inverse = T[..., :3, :3].transpose(-1, -2)
    inverse = torch.zeros_like(T)
    inverse[..., :3, :3] = R_inverse
    inverse[..., :3, 3] = -(R_inverse @ T[..., :3, 3:])[..., 0]
    inverse[..., 3, 3] = 1
    return inverse


def disp_to_depth(disp: torch.Tensor, min_depth: float = 0.1, max_depth: float = 100.0) -> torch.Tensor:
    """Turn the network's sigmoid output into depth: 1 / depth = 1/max + (1/min - 1/max) disp [code: MD2].

    Args:
        disp: Disparity in (0, 1), any shape.
        min_depth, max_depth: Range of depth, up to scale.

    Returns:
        Depth of the same shape.
    """
    return 1 / (1 / max_depth + (1 / min_depth - 1 / max_depth) * disp)


def halve(image: torch.Tensor) -> torch.Tensor:
    """Average (..., H, W) over blocks of 2x2 pixels."""
    rows = image[..., ::2, :] + image[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)
