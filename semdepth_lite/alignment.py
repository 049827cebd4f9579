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

from .camera import axis_angle_to_matrix, backproject, project, transform_points
from .warp import inside, sample


def image_gradient(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return central differences of (B, 1, H, W) along u and v; zero at the rim."""
    du, dv = torch.zeros_like(image), torch.zeros_like(image)
    du[..., 1:-1] = (image[..., 2:] - image[..., :-2]) / 2
    dv[..., 1:-1, :] = (image[..., 2:, :] - image[..., :-2, :]) / 2
    return du, dv


def twist_step(T: torch.Tensor, points: torch.Tensor, target: torch.Tensor, source: torch.Tensor, K: torch.Tensor,
               damping: float = 1e-3, reach: float = 0.02) -> torch.Tensor:
    """Take one robust Gauss-Newton step.

    Args:
        T: (N, 4, 4) T_source_target to improve.
        points: (N, 3, h, w) of some pixels of the target view.
        target: (N, 1, h, w) their gray values.
        source: (N, 1, H, W) gray image.
        K: (N, 3, 3), pixels.
        damping: share of the diagonal added to it (Levenberg-Marquardt).
        reach: largest rotation of a step, radians.

    Returns:
        (N, 4, 4).
    """
    moved = transform_points(T, points)
    pixels, z = project(moved, K)
    read = sample(torch.cat((source, *image_gradient(source)), 1), pixels)
    residual = read[:, :1] - target
    valid = inside(pixels, *source.shape[-2:]) & (z > 1e-3)
    z = z.clamp(min=1e-3)
    a, b = read[:, 1:2] * K[:, 0, 0, None, None, None] / z, read[:, 2:] * K[:, 1, 1, None, None, None] / z
    g = torch.cat((a, b, -(a * moved[:, :1] + b * moved[:, 1:2]) / z), 1)
    J = torch.cat((g, torch.linalg.cross(moved, g, dim=1), torch.ones_like(residual)), 1).flatten(2)
    # Cauchy weights: what moves by itself or is hidden has large residuals and counts little
    spread = (residual.abs() * valid).flatten(1).sum(1) / valid.flatten(1).sum(1).clamp(min=1)
    weight = (valid / (1 + (residual / (2 * spread[:, None, None, None] + 1e-4)) ** 2)).flatten(2)
    weighted = J * weight
    normal = weighted @ J.transpose(1, 2)
    normal = normal + torch.diag_embed(damping * normal.diagonal(dim1=1, dim2=2) + 1e-8)
    twist = -torch.linalg.solve(normal, weighted @ residual.flatten(2).transpose(1, 2))[:, :6, 0]
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
        T_source_target: (B, S, 4, 4) a first estimate.
        depth: (B, 1, H, W).
        target: (B, 1, H, W) gray.
        sources: (B, S, 1, H, W) gray.
        K: (B, 3, 3), pixels.
        steps: Gauss-Newton steps.
        every: which pixels are used, along rows and columns.

    Returns:
        (B, S, 4, 4), without gradient. Where a step gives no finite motion, the first estimate stays.
    """
    count = sources.shape[1]
    T = T_source_target.flatten(0, 1)
    chosen = (..., slice(every // 2, None, every), slice(every // 2, None, every))
    points = backproject(depth, K)[chosen].repeat_interleave(count, 0)
    target, K = target[chosen].repeat_interleave(count, 0), K.repeat_interleave(count, 0)
    for _ in range(steps):
        moved = twist_step(T, points, target, sources.flatten(0, 1), K)
        T = torch.where(torch.isfinite(moved).all((1, 2), keepdim=True), moved, T)
    return T.view_as(T_source_target)
