"""Trajectory metrics: error of short snippets, of a whole path, of KITTI's segments, and of single frame pairs.

Poses are camera-to-world, (N, 4, 4). Predictions of a monocular network have no unit of length: the snippet error
fits one scale a snippet, the 7-DoF alignment one scale a path.
"""
from __future__ import annotations

import torch

from ..common.contracts import InputError, check_sizes
from ..common.precision import at_least_float32

KITTI_LENGTHS: tuple[float, ...] = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0)  # m


def snippet_ate(pred: torch.Tensor, true: torch.Tensor, length: int = 5) -> torch.Tensor:
    """Compute the position error of every run of `length` frames after fitting its start and its scale.

    Each snippet is seen from its first camera; s = sum <p*, p> / sum |p|^2; error = sqrt(sum |s p - p*|^2) / length.
    The division by the length outside the root is the field's convention: it is not a root mean square.

    Args:
        pred: (N, 4, 4) predicted camera-to-world poses, any unit of length.
        true: (N, 4, 4) true poses, m.
        length: Number of frames in a snippet.

    Returns:
        (N - length + 1,) errors, m. Source: Zhou et al. 2017 (SfMLearner), as Monodepth2 computes it.

    Raises:
        InputError: if shapes differ or there are fewer poses than one snippet.
    """
    pred, true = _checked(pred, true, length)
    here, goal = (_snippet_positions(poses, length) for poses in (pred, true))  # (M, length, 3)
    norm = here.square().sum((1, 2))
    # A prediction that stands still fits no scale: any will do.
    scale = torch.where(norm > 0, (here * goal).sum((1, 2)) / norm.clamp(min=torch.finfo(norm.dtype).tiny), 1.0)
    error = scale[:, None, None] * here - goal
    return error.square().sum((1, 2)).sqrt() / length


def _snippet_positions(poses: torch.Tensor, length: int) -> torch.Tensor:
    positions = poses[:, :3, 3].unfold(0, length, 1).transpose(1, 2)  # (M, length, 3)
    start, turn = positions[:, :1], poses[: len(positions), :3, :3]
    return (positions - start) @ turn  # rows times R is R transposed times columns: into the first camera


def align_trajectory(pred: torch.Tensor, true: torch.Tensor, dof: int = 7) -> torch.Tensor:
    """Move a predicted path rigidly onto the true one, with a scale if `dof` is 7.

    Minimizes sum |s R p + t - p*|^2 over the camera positions in closed form.

    Args:
        pred: (N, 4, 4) predicted camera-to-world poses.
        true: (N, 4, 4) true poses.
        dof: Degrees of freedom: 6 (rotation and translation) or 7 (and scale).

    Returns:
        (N, 4, 4) predicted poses in the true world. Source: Umeyama 1991.

    Raises:
        InputError: if shapes differ, there are fewer than three poses, or dof is neither 6 nor 7.
    """
    pred, true = _checked(pred, true, 3)
    if dof not in (6, 7):
        raise InputError(f"dof {dof} is not an alignment; use 6 (rigid) or 7 (rigid and scale).")
    here, goal = pred[:, :3, 3], true[:, :3, 3]
    center_here, center_goal = here.mean(0), goal.mean(0)
    covariance = (goal - center_goal).T @ (here - center_here) / len(here)
    left, values, right = torch.linalg.svd(covariance)
    signs = torch.ones_like(values)
    signs[2] = torch.sign(torch.linalg.det(left) * torch.linalg.det(right))  # no mirror images
    rotation = left @ torch.diag(signs) @ right
    variance = (here - center_here).square().sum() / len(here)
    scale = (values * signs).sum() / variance if dof == 7 and variance > 0 else 1.0
    aligned = pred.clone()
    aligned[:, :3, :3] = rotation @ pred[:, :3, :3]
    aligned[:, :3, 3] = scale * (here - center_here) @ rotation.T + center_goal
    return aligned


def trajectory_ate(pred: torch.Tensor, true: torch.Tensor, dof: int = 7) -> torch.Tensor:
    """Compute the root mean square distance of camera positions after `align_trajectory`: () in m."""
    aligned = align_trajectory(pred, true, dof)
    return (aligned[:, :3, 3] - true[:, :3, 3]).square().sum(1).mean().sqrt()


def kitti_segment_errors(pred: torch.Tensor, true: torch.Tensor, lengths: tuple[float, ...] = KITTI_LENGTHS,
                         step: int = 10, first: int = 0) -> tuple[float, float]:
    """Compute KITTI's drift: translation and rotation error of segments of 100 to 800 m.

    From every `step`-th frame and for each length, the segment ends at the first frame whose true path length from
    there exceeds it. E = inverse(predicted motion) @ true motion; t_err = |t(E)| / length, r_err = angle(E) / length,
    averaged over all segments.

    Args:
        pred: (N, 4, 4) predicted poses; a monocular path is scaled or aligned first (`align_trajectory`).
        true: (N, 4, 4) true poses, m.
        lengths: Lengths of the segments, m.
        step: Number of frames between starts.
        first: Number of the first pose in its sequence; segments start where this number is a multiple of `step`,
            as in the development kit.

    Returns:
        t_err in percent and r_err in degrees per 100 m; nan both for a path shorter than every length.
        Source: Geiger et al. 2012, KITTI odometry development kit.

    Raises:
        InputError: if shapes differ.
    """
    pred, true = _checked(pred, true, 2)
    strides = (true[1:, :3, 3] - true[:-1, :3, 3]).norm(dim=1)
    path = torch.cat([strides.new_zeros(1), strides.cumsum(0)])
    starts = torch.arange(-first % step, max(len(true), -first % step), step, device=true.device)
    length = torch.tensor(lengths, dtype=path.dtype, device=path.device)
    begin = starts[:, None].expand(-1, len(length)).flatten()
    length = length.expand(len(starts), -1).flatten()
    last = torch.searchsorted(path, path[begin] + length, right=True)
    whole = last < len(true)
    begin, last, length = begin[whole], last[whole], length[whole]
    error = _motion(pred[last], pred[begin]) @ _motion(true[begin], true[last])
    t_err = error[:, :3, 3].norm(dim=1) / length
    r_err = rotation_angle(error[:, :3, :3]) / length
    return 100 * float(t_err.mean()), 100 * float(torch.rad2deg(r_err).mean())


def _motion(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    return torch.linalg.inv(start) @ end


def rotation_angle(rotation: torch.Tensor) -> torch.Tensor:
    """Return the angle of rotation matrices (..., 3, 3), rad in 0..pi, accurate near zero too.

    angle = atan2(|v|, trace - 1) with v the vector of R - R^T, because acos loses half the digits at small angles.
    """
    rotation, = at_least_float32(rotation)
    difference = rotation - rotation.transpose(-1, -2)
    axis = torch.stack([difference[..., 2, 1], difference[..., 0, 2], difference[..., 1, 0]], -1)
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.atan2(axis.norm(dim=-1), trace - 1)


def pair_errors(pred: torch.Tensor, true: torch.Tensor, scale: float | torch.Tensor = 1.0) -> dict[str, torch.Tensor]:
    """Compare predicted with true motions between two frames.

    Args:
        pred: (N, 4, 4) predicted relative poses.
        true: (N, 4, 4) true relative poses of the same frames and direction, m.
        scale: Number or (N,), the factor that the depth of the same image was given (`median_scale`).

    Returns:
        rotation_deg: (N,) angle between the rotations; direction_deg: (N,) angle between the translations, nan where
        one is zero; length_ratio: (N,) scale |t| / |t*|, 1 if pose and depth agree on the scale, nan without motion.

    Raises:
        InputError: if shapes differ.
    """
    pred, true = _checked(pred, true, 1)
    turn = pred[:, :3, :3].transpose(1, 2) @ true[:, :3, :3]
    t_pred, t_true = pred[:, :3, 3], true[:, :3, 3]
    length_pred, length_true = t_pred.norm(dim=1), t_true.norm(dim=1)
    sine, cosine = torch.linalg.cross(t_pred, t_true).norm(dim=1), (t_pred * t_true).sum(1)
    direction = torch.where(length_pred * length_true > 0, torch.atan2(sine, cosine), torch.nan)
    ratio = torch.where(length_true > 0, scale * length_pred / length_true, torch.nan)
    return {"rotation_deg": torch.rad2deg(rotation_angle(turn)), "direction_deg": torch.rad2deg(direction),
            "length_ratio": ratio}


def _checked(pred: torch.Tensor, true: torch.Tensor, at_least: int) -> tuple[torch.Tensor, ...]:
    """Refuse poses that are no (N, 4, 4) or too few, and bring both to one type, float32 at least."""
    check_sizes(pred, "pred", "N44", **check_sizes(true, "true", "N44"))
    if len(true) < at_least:
        raise InputError(f"{len(true)} poses are too few, expected at least {at_least}; use a longer path.")
    return at_least_float32(pred, true)
