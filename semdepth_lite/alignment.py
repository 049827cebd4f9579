"""Direct alignment: improve a camera motion by Gauss-Newton steps on the photometric difference itself.

A pose network trained for minutes learns the translation but hardly the rotation, whose effect is a fraction of a
pixel; and a wrong rotation spoils exactly the far depths. Given a depth map, though, six numbers explain a whole
image, so a few least-squares steps find them (the idea of DDVO, Wang et al. 2018; ours is written from the equations
below). A residual r(p) = I_source(pi(T X_p)) - I_target(p) changes with a small twist (v, w), T <- exp(v, w) T, by

    g . (v + w x Y),   Y = T X_p,   g = (a, b, -(a Y_x + b Y_y) / Y_z),   a = I_u fx / Y_z,   b = I_v fy / Y_z,

which gives a 6x6 system of normal equations for each image, and a 7th unknown for a change of exposure.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F

from .camera import axis_angle_to_matrix, backproject
from .common.precision import at_least_float32


def with_gradient(image: torch.Tensor) -> torch.Tensor:
    """Return (B, 1, H, W) with its central differences along u and v as (B, 3, H, W); they are zero at the rim."""
    stack = image.new_zeros(len(image), 3, *image.shape[2:])
    stack[:, :1] = image
    torch.sub(image[..., 2:], image[..., :-2], out=stack[:, 1:2, :, 1:-1])
    torch.sub(image[..., 2:, :], image[..., :-2, :], out=stack[:, 2:, 1:-1])
    stack[:, 1:] *= 0.5
    return stack


def equations(g: torch.Tensor, Y: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """Return the least-squares problem of every point (N, 8, P): the derivative of the residual by twist and exposure,
    which is g, Y x g and 1, and below it the residual itself.

    Args:
        g: (N, 3, P) derivative by the point, see the head of this file.
        Y: (N, 3, P) points in the source camera.
        residual: (N, P) differences of gray values.
    """
    rows = g.new_empty(len(g), 8, g.shape[2])
    rows[:, :3], rows[:, 6], rows[:, 7] = g, 1, residual
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        torch.mul(Y[:, j], g[:, k], out=rows[:, 3 + i]).addcmul_(Y[:, k], g[:, j], value=-1)
    return rows


def twist_step(T: torch.Tensor, points: torch.Tensor, target: torch.Tensor, source: torch.Tensor, K: torch.Tensor,
               damping: float = 1e-3, reach: float = 0.02) -> torch.Tensor:
    """Take one robust Gauss-Newton step.

    Args:
        T: (N, 4, 4) T_source_target to improve.
        points: (N, 3, P) points of some pixels of the target view.
        target: (N, P) gray values of these pixels.
        source: (N, 3, H, W) gray image and its gradient.
        K: (N, 3, 3) intrinsics, pixels.
        damping: Share of the diagonal that is added to it (Levenberg-Marquardt).
        reach: Largest rotation of a step, radians.

    Returns:
        (N, 4, 4) improved motion.
    """
    height, width = source.shape[-2:]
    Y = torch.baddbmm(T[:, :3, 3:], T[:, :3, :3], points)
    x, y, one = K.unbind(1)
    to_grid = torch.stack((2 / (width - 1) * x - one, 2 / (height - 1) * y - one, one), 1)  # -1 to 1 over the image
    image = to_grid @ Y
    grid = image[:, :2].div_(image[:, 2:].clamp_(min=1e-7))                                     # (N, 2, P)
    # where depth is nan, so is the step, whatever is read there
    read = F.grid_sample(source, grid.movedim(1, -1)[:, None], mode="bilinear", padding_mode="border",
                         align_corners=True)[:, :, 0]
    residual = read[:, 0] - target
    off = grid.abs_()
    inside = off[:, 0].le_(1 + 1 / (width - 1)).mul_(off[:, 1].le_(1 + 1 / (height - 1)))
    z = Y[:, 2].clamp(min=1e-3)
    valid = inside.mul_(z.clone().gt_(1e-3))
    a, b = read[:, 1] * K[:, 0, :1] / z, read[:, 2] * K[:, 1, 1:2] / z
    rows = equations(torch.stack((a, b, (a * Y[:, 0] + b * Y[:, 1]).div_(z).neg_()), 1), Y, residual)
    # Cauchy weights: what moves by itself or is hidden has large residuals and counts little
    spread = (residual.abs() * valid).sum(1) / valid.sum(1).clamp(min=1)
    weighted = rows[:, :7] * (valid / (1 + (residual / (2 * spread[:, None] + 1e-4)) ** 2))[:, None]
    normal, right = (weighted @ rows.transpose(1, 2)).split((7, 1), 2)
    normal = normal + torch.diag_embed(damping * normal.diagonal(dim1=1, dim2=2) + 1e-8)
    twist = -torch.linalg.solve_ex(normal, right).result[:, :6, 0]
    rotation = twist[:, 3:]
    twist = twist * (reach / rotation.norm(dim=1, keepdim=True).clamp(min=reach))
    step = torch.zeros_like(T)
    step[:, :3, :3] = axis_angle_to_matrix(twist[:, 3:])
    step[:, :3, 3] = twist[:, :3]
    step[:, 3, 3] = 1
    return step @ T


@torch.no_grad()
def align_motion(T_source_target: torch.Tensor, depth: torch.Tensor, target: torch.Tensor, sources: torch.Tensor,
                 K: torch.Tensor, steps: int = 2, every: int = 2) -> torch.Tensor:
    """Improve the motion to each source by Gauss-Newton steps, with the depth as it is.

    Six numbers do not need all pixels, but they need full resolution: every second pixel along rows and columns gives
    half the rotation error of an image reduced by two, at the same cost.

    Args:
        T_source_target: (B, S, 4, 4) motions, a first estimate.
        depth: (B, 1, H, W) z of the target view, meters.
        target: (B, 1, H, W) gray image.
        sources: (B, S, 1, H, W) gray images.
        K: (B, 3, 3) intrinsics, pixels.
        steps: Number of Gauss-Newton steps.
        every: Distance of the pixels that are used, along rows and columns.

    Returns:
        (B, S, 4, 4) motions, without gradient. Where a step gives no finite motion, the first estimate stays.
    """
    T_source_target, depth, target, sources, K = at_least_float32(T_source_target, depth, target, sources, K)
    count = sources.shape[1]
    T = T_source_target.flatten(0, 1)
    chosen = (..., slice(every // 2, None, every), slice(every // 2, None, every))
    points = backproject(depth, K)[chosen].flatten(2).repeat_interleave(count, 0)
    target, K = target[chosen].flatten(1).repeat_interleave(count, 0), K.repeat_interleave(count, 0)
    views = with_gradient(sources.flatten(0, 1))
    for _ in range(steps):
        moved = twist_step(T, points, target, views, K)
        T = torch.where(torch.isfinite(moved).all((1, 2), keepdim=True), moved, T)
    return T.view_as(T_source_target)
