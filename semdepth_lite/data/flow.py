"""Sparse optical flow and the camera motion behind it: enough to judge a clip before anything is trained on it.

Points are tracked by Lucas and Kanade's method over a pyramid, kept where the way there and back agree. Rotation and
direction of travel are then found together: with a rotation undone, every static point moves on a line through the
epipole, t . (p x q) = 0 (Longuet-Higgins 1981).
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..camera import axis_angle_to_matrix
from ..warp import sample

RADIUS = 7  # half the window of a tracked point, pixels
POINTS = 300  # about as many points make the grid, whatever the image size


@dataclass(frozen=True)
class Tracks:
    """Points of a grid and where they went.

    Attributes:
        points: (N, 2) u, v in the first frame, pixels.
        moved: (N, 2) u, v in the second frame, pixels.
        textured: (N,) bool, the window around the point has structure in both directions.
        found: (N,) bool, textured and tracked there and back to within half a pixel.
    """

    points: np.ndarray
    moved: np.ndarray
    textured: np.ndarray
    found: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Length of the motion of the found points, pixels."""
        return np.linalg.norm((self.moved - self.points)[self.found], axis=1)


def grid_points(height: int, width: int, count: int = POINTS) -> np.ndarray:
    """Return (N, 2) u, v of a grid of about `count` points that stays a window away from the rim, pixels."""
    spacing = max(int((height * width / count) ** 0.5), 4)
    v = np.arange(RADIUS + 1, height - RADIUS - 1, spacing)
    u = np.arange(RADIUS + 1, width - RADIUS - 1, spacing)
    return np.stack(np.meshgrid(u, v, indexing="xy"), -1).reshape(-1, 2).astype(np.float32)


def _windows(image: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Read the window around each point: image (1, C, H, W), points (N, 2) to (C, N, window)."""
    reach = torch.arange(-RADIUS, RADIUS + 1, dtype=points.dtype)
    offsets = torch.stack(torch.meshgrid(reach, reach, indexing="xy"), -1).view(1, -1, 2)
    positions = points[:, None] + offsets  # (N, window, 2)
    return sample(image, positions.permute(2, 0, 1)[None])[0]


def _gradients(image: torch.Tensor) -> torch.Tensor:
    """Return central differences of (1, 1, H, W) as (1, 2, H, W)."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    return torch.cat((padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2], padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]),
                     1) / 2


def _track_one_way(first: torch.Tensor, second: torch.Tensor, points: torch.Tensor, levels: int,
                   iterations: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Follow points (N, 2) from one gray image (1, 1, H, W) to the other; also the structure of their windows (N,)."""
    pyramid = [(first, second)]
    for _ in range(levels - 1):
        a, b = pyramid[-1]
        pyramid.append((F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)))
    flow = torch.zeros_like(points)
    for level in reversed(range(levels)):
        a, b = pyramid[level]
        at = (points + 0.5) / 2**level - 0.5
        template, gradient = _windows(a, at)[0], _windows(_gradients(a), at)  # (N, w), (2, N, w)
        H = torch.einsum("inw,jnw->nij", gradient, gradient)
        smallest = torch.linalg.eigvalsh(H)[:, 0]
        inverse = torch.linalg.inv(H + 1e-4 * torch.eye(2))
        for _ in range(iterations):
            difference = _windows(b, at + flow)[0] - template
            step = torch.einsum("nij,jnw,nw->ni", inverse, gradient, difference)
            flow = flow - step.clamp(-2, 2)
        if level:
            flow = flow * 2
    return points + flow, smallest


def track(first: torch.Tensor, second: torch.Tensor, levels: int = 4, iterations: int = 6, count: int = POINTS
          ) -> Tracks:
    """Track a grid of points from one image to the next.

    Args:
        first, second: (3, H, W) in [0, 1].
        levels: Number of levels of the pyramid; motion up to about 2^(levels + 1) pixels is found.
        iterations: Number of iterations at each level.
        count: Number of points, about.

    Returns:
        Tracks.
    """
    a, b = (image.mean(0)[None, None] for image in (first, second))
    height, width = a.shape[-2:]
    while levels > 1 and min(height, width) >> (levels - 1) < 2 * RADIUS:
        levels -= 1
    points = torch.from_numpy(grid_points(height, width, count))
    moved, structure = _track_one_way(a, b, points, levels, iterations)
    back, _ = _track_one_way(b, a, moved, levels, iterations)
    textured = structure > (2 * RADIUS + 1)**2 * (1.5 / 255)**2
    inside = (moved >= 0).all(1) & (moved <= torch.tensor([width - 1.0, height - 1.0])).all(1)
    found = textured & inside & ((back - points).norm(dim=1) < 0.5)
    return Tracks(points.numpy(), moved.numpy(), textured.numpy(), found.numpy())


@dataclass(frozen=True)
class CameraMotion:
    """What the tracks say about the camera.

    Attributes:
        rotation: (3, 3) of the second camera's points into the first.
        direction: (3,) unit vector of travel in the first camera.
        parallax: (N, 2) motion that the rotation leaves over, pixels.
        off_line: (N,) distance from the line on which a static point would move, pixels.
        backward: (N,) bool, the point moves along that line the wrong way, by more than a pixel.
    """

    rotation: np.ndarray
    direction: np.ndarray
    parallax: np.ndarray
    off_line: np.ndarray
    backward: np.ndarray


def _undo_rotation(vector: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Rotate rays (N, 3) by a rotation vector and bring them to z = 1."""
    angle = np.linalg.norm(vector)
    axis = vector / angle if angle > 0 else np.array([1.0, 0.0, 0.0])
    along = (rays @ axis)[:, None] * axis
    turned = along + np.cos(angle) * (rays - along) + np.sin(angle) * np.cross(axis, rays)
    return turned / turned[:, 2:]


def _distance_to_line(direction: np.ndarray, p: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return how far the turned q lies from the line through p and the epipole, with sign, in focal lengths."""
    lines = np.cross(direction[None], p)
    length = np.hypot(lines[:, 0], lines[:, 1])
    return (n @ direction) / np.maximum(length, 0.02)  # at the epipole itself there is no line


def find_motion(points: np.ndarray, moved: np.ndarray, K: np.ndarray) -> CameraMotion:
    """Find rotation and direction of travel from tracked points, robustly.

    Both minimize the points' distances to their lines, with n = p x R q and distance n . t / |(t x p)_xy|, under
    Cauchy's loss with a width of half a pixel, which leaves movers out. The search begins at the rotation that alone
    explains most, and the direction that is best with it.

    Args:
        points, moved: (N, 2) u, v, pixels; N of at least 8.
        K: (3, 3), pixels.

    Returns:
        CameraMotion.
    """
    from scipy.optimize import least_squares

    inverse = np.linalg.inv(K)
    p, q = (np.concatenate((x, np.ones((len(x), 1))), 1) @ inverse.T for x in (points, moved))
    focal = (K[0, 0] + K[1, 1]) / 2
    start = _rotation_alone(p, q)
    n = np.cross(p, _undo_rotation(start, q))
    weights = 1 / (1 + (np.linalg.norm(n, axis=1) / np.median(np.linalg.norm(n, axis=1) + 1e-9)) ** 2)
    _, axes = np.linalg.eigh((weights[:, None] * n).T @ n)
    across, first = axes[:, 1:], axes[:, 0]

    def unpack(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        direction = first + across @ values[3:]
        return start + values[:3] / focal, direction / np.linalg.norm(direction)

    def distances(values: np.ndarray) -> np.ndarray:
        vector, direction = unpack(values)
        return _distance_to_line(direction, p, np.cross(p, _undo_rotation(vector, q))) * focal

    solution = least_squares(distances, np.zeros(5), loss="cauchy", f_scale=0.5, max_nfev=30)
    vector, direction = unpack(solution.x)
    parallax = (_undo_rotation(vector, q) - p)[:, :2] * focal
    # a point in front moves away from where the camera goes: along p t_z - t, if t is turned the right way
    forward = ((p[:, :2] * direction[2] - direction[:2]) * parallax).sum(1)
    if np.median(forward) < 0:
        direction, forward = -direction, -forward
    backward = (forward < 0) & (np.linalg.norm(parallax, axis=1) > 1)
    R = axis_angle_to_matrix(torch.from_numpy(vector)).numpy()
    return CameraMotion(R, direction, parallax, np.abs(distances(solution.x)), backward)


def _rotation_alone(p: np.ndarray, q: np.ndarray, rounds: int = 5) -> np.ndarray:
    """Fit the rotation vector that alone explains most of the motion: p = q + v x q, reweighted against outliers."""
    vector = np.zeros(3)
    for _ in range(rounds):
        turned = _undo_rotation(vector, q)
        x, y = turned[:, 0], turned[:, 1]
        one = np.ones_like(x)
        # derivative of the projected ray by a small further rotation
        rows = np.stack((np.stack((-x * y, one + x * x, -y), 1), np.stack((-one - y * y, x * y, x), 1)), 1)  # (N, 2, 3)
        error = (p - turned)[:, :2]
        size = np.linalg.norm(error, axis=1)
        weights = 1 / (1 + (size / (np.median(size) + 1e-9)) ** 2)
        A = np.einsum("n,nki,nkj->ij", weights, rows, rows) + 1e-12 * np.eye(3)
        vector = vector + np.linalg.solve(A, np.einsum("n,nki,nk->i", weights, rows, error))
    return vector
