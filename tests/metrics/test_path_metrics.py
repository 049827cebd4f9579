"""Metrics of camera paths: alignment, drift and the errors of pairs, on motions with known answers."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from semdepth_lite import metrics
from semdepth_lite.common.contracts import InputError


def turn(axis, degrees):
    angle = math.radians(degrees)
    x, y, z = (torch.tensor(axis, dtype=torch.float64) / math.hypot(*axis)).tolist()
    skew = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.eye(3, dtype=torch.float64) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew


def path(n=40, stride=1.0, bend=1.0):
    """Drive forward, turning right by `bend` degrees a frame."""
    step = torch.eye(4, dtype=torch.float64)
    step[:3, :3], step[2, 3] = turn((0.0, 1.0, 0.0), bend), stride
    poses = [torch.eye(4, dtype=torch.float64)]
    for _ in range(n - 1):
        poses.append(poses[-1] @ step)
    return torch.stack(poses)


def moved(poses, scale=1.0):
    world = torch.eye(4, dtype=torch.float64)
    world[:3, :3], world[:3, 3] = turn((1.0, 2.0, -0.5), 73), torch.tensor([4.0, -9, 2], dtype=torch.float64)
    poses = poses.clone()
    poses[:, :3, 3] *= scale
    return world @ poses


def test_alignment_undoes_a_similarity():
    true = path()
    assert torch.allclose(metrics.align_trajectory(moved(true, 0.2), true, 7), true, atol=1e-9)
    assert torch.allclose(metrics.align_trajectory(moved(true), true, 6), true, atol=1e-9)
    small = moved(true, 0.2)
    assert metrics.trajectory_ate(small, true, 7) < 1e-9 and metrics.trajectory_ate(small, true, 6) > 1
    mirrored = true.clone()
    mirrored[:, 0, 3] *= -1
    assert torch.linalg.det(metrics.align_trajectory(mirrored, true)[0, :3, :3]) == pytest.approx(1)
    straight = path(bend=0.0)  # a line fixes no roll, but its positions align
    assert metrics.trajectory_ate(moved(straight, 3.0), straight) < 1e-9


def test_ate_of_a_known_shift():
    true = torch.eye(4, dtype=torch.float64).repeat(4, 1, 1)
    true[:, :3, 3] = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]], dtype=torch.float64)
    pred = true.clone()
    pred[:, 1, 3] = torch.tensor([0.3, 0.3, -0.3, -0.3], dtype=torch.float64)  # out of the plane: no alignment helps
    assert metrics.trajectory_ate(pred, true, 6) == pytest.approx(0.3)


def test_snippet_error_is_sfmlearners():
    true, pred = path(12), path(12, stride=0.3, bend=2.5)
    got = metrics.snippet_ate(pred, true)
    assert len(got) == 8
    for start in range(8):
        runs = []
        for poses in (pred, true):
            local = [np.linalg.inv(poses[start].numpy()) @ poses[i].numpy() for i in range(start, start + 5)]
            runs.append(np.array([pose[:3, 3] for pose in local]))
        scale = np.sum(runs[1] * runs[0]) / np.sum(runs[0] ** 2)
        assert float(got[start]) == pytest.approx(np.sqrt(np.sum((runs[0] * scale - runs[1]) ** 2)) / 5)
    assert metrics.snippet_ate(moved(true, 7.0), true).max() < 1e-9
    still = torch.eye(4, dtype=torch.float64).repeat(5, 1, 1)
    assert float(metrics.snippet_ate(still, path(5, bend=0.0))[0]) == pytest.approx(math.sqrt(1 + 4 + 9 + 16) / 5)


def test_kitti_drift_of_a_scale_and_of_a_bend():
    true = path(1001, stride=1.0, bend=0.0)
    t_err, r_err = metrics.kitti_segment_errors(moved(true), true)
    assert t_err < 1e-6 and r_err < 1e-6
    pred = true.clone()
    pred[:, :3, 3] *= 1.02  # each segment ends one frame past its length, at stride 1
    lengths = np.concatenate([np.full(len(range(0, 1000 - n, 10)), n) for n in range(100, 900, 100)])
    t_err, r_err = metrics.kitti_segment_errors(pred, true)
    assert t_err == pytest.approx(100 * np.mean(0.02 * (lengths + 1) / lengths)) and r_err < 1e-6
    bent = path(1001, bend=0.01)
    assert metrics.kitti_segment_errors(bent, true)[1] == pytest.approx(np.mean((lengths + 1) / lengths), rel=1e-6)
    assert all(map(math.isnan, metrics.kitti_segment_errors(true[:50], true[:50])))


def test_pair_errors_of_known_motions():
    true = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    true[:, 2, 3] = torch.tensor([2.0, 1.0, 0.0])
    pred = true.clone()
    pred[0, :3, :3] = turn((0.3, -1.0, 0.2), 0.01)
    pred[0, :3, 3] = torch.tensor([0.5, 0.0, 0.5])
    pred[1, :3, :3], pred[1, 2, 3] = turn((0.0, 0.0, 1.0), 180), -1.0
    got = metrics.pair_errors(pred, true, scale=torch.tensor([2.0, 1.0, 1.0]))
    assert got["rotation_deg"].tolist() == pytest.approx([0.01, 180, 0], rel=1e-9, abs=1e-9)
    assert got["direction_deg"].tolist() == pytest.approx([45, 180, math.nan], nan_ok=True)
    assert got["length_ratio"].tolist() == pytest.approx([math.sqrt(0.5), 1, math.nan], nan_ok=True)


def test_bad_trajectories_are_one_sentence():
    poses = path(4)
    for call in (lambda: metrics.snippet_ate(poses, poses), lambda: metrics.align_trajectory(poses, poses, 5),
                 lambda: metrics.pair_errors(poses, poses[1:]), lambda: metrics.trajectory_ate(poses[:2], poses[:2])):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).endswith(".") and "\n" not in str(error.value)
