"""A model's camera path: chained from motions, split where a clip breaks, and judged beside the true one."""
from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semdepth_lite.camera import rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.kitti.poses import read_odometry_poses
from semdepth_lite.data.sources import StreetSource
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.trajectories import (
    chain,
    evaluate_paths,
    find_paths,
    judge_path,
    paths_json,
    paths_table,
    predicted_and_true,
    trivial_paths,
)
from semdepth_lite.evaluation.verdict import Part
from semdepth_lite.metrics import KITTI_LENGTHS, align_trajectory, kitti_segment_errors
from semdepth_lite.street import StreetSet, StreetSettings


def walk(frames: int, stride: float = 1.0, turn: float = 0.02) -> torch.Tensor:
    """Poses of a camera that drives ahead and turns a little, camera-to-world (frames, 4, 4) float64."""
    pose, poses = torch.eye(4, dtype=torch.float64), []
    for i in range(frames):
        poses.append(pose)
        step = rigid_transform(torch.tensor([[0.0, turn * math.sin(i / 3), 0.0]], dtype=torch.float64),
                               torch.tensor([[0.0, 0.0, stride]], dtype=torch.float64))[0]
        pose = pose @ step
    return torch.stack(poses)


class Drive:
    """A source of poses alone: frames in clips, every inner frame a target."""

    def __init__(self, poses: torch.Tensor, clips: list[int]) -> None:
        self.name, self.poses = "made-up drive", poses
        starts = np.cumsum([0, *clips[:-1]])
        inner = [start + np.arange(1, count - 1) for start, count in zip(starts, clips)]
        self.targets = np.concatenate(inner)
        self.neighbors = np.stack((self.targets - 1, self.targets + 1), 1)

    def motions(self, indices) -> torch.Tensor:
        target = self.poses[self.targets[indices]]
        return torch.stack([torch.linalg.inv(self.poses[self.neighbors[indices][:, side]]) @ target
                            for side in (0, 1)], 1)

    def triplet(self, indices) -> Triplet:
        blank = torch.zeros(len(indices), 3, 2, 2)
        blank[:, 0, 0, 0] = torch.as_tensor(np.asarray(indices), dtype=torch.float32)
        return Triplet(blank, blank[:, None].repeat(1, 2, 1, 1, 1), torch.eye(3).repeat(len(indices), 1, 1),
                       T_source_target=self.motions(np.asarray(indices)))


class Seer(torch.nn.Module):
    """A pose network that knows the motion of a drive, in a unit of its own; the target's number says which."""

    def __init__(self, drive: Drive, unit: float = 1.0) -> None:
        super().__init__()
        self.drive, self.unit, self.weight = drive, unit, torch.nn.Parameter(torch.zeros(1))

    def motion(self, target, sources):
        motions = self.drive.motions(target[:, 0, 0, 0].long().numpy()).clone()
        motions[..., :3, 3] /= self.unit
        return motions


def test_chained_motions_are_the_poses_seen_from_the_first():
    poses = walk(12)
    drive = Drive(poses, [12])
    chained = chain(drive.motions(np.arange(10)))
    assert torch.allclose(chained, torch.linalg.inv(poses[0]) @ poses, atol=1e-12)


def test_paths_end_where_clips_end():
    drive = Drive(walk(20), [8, 7, 5])
    assert find_paths(drive) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13]]
    drive.neighbors = np.zeros((len(drive.targets), 0))
    with pytest.raises(InputError, match="without neighbors"):
        find_paths(drive)


def test_the_streets_paths_end_where_its_scenes_end_and_its_targets_alone_have_none():
    still = np.broadcast_to(np.eye(4), (12, 4, 4)).copy()
    plain = {name: np.zeros((12, 8, 8), kind) for name, kind in (("depth", np.float32), ("labels", np.uint8),
                                                                 ("moving", bool))}
    street = StreetSet(settings=StreetSettings(scenes=2, frames_per_scene=6, height=8, width=8), pose=still,
                       images=np.zeros((12, 8, 8, 3), np.uint8), K=np.eye(3), **plain)
    source = StreetSource(street)
    assert find_paths(source) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert find_paths(Part(source, np.array([1, 2, 5]))) == [[0, 1], [2]]
    with pytest.raises(InputError, match="without neighbors"):
        find_paths(source.targets_at(1))


def test_a_step_of_two_gives_two_interleaved_paths():
    drive = Drive(walk(9), [9])
    drive.targets = np.arange(2, 7)
    drive.neighbors = np.stack((drive.targets - 2, drive.targets + 2), 1)
    assert find_paths(drive) == [[0, 2, 4], [1, 3]]


def test_the_truth_has_no_error_in_any_unit():
    drive = Drive(walk(300), [260, 40])
    reports = evaluate_paths(Seer(drive, unit=7.0), drive)["network"]
    assert [(r.first, r.frames) for r in reports] == [(0, 260), (258, 40)]
    assert all(r.ate5 < 1e-5 and r.ate7 < 1e-4 for r in reports) and reports[0].length == pytest.approx(259, rel=1e-4)
    assert reports[0].ate6 > 10  # without a scale, a path a seventh as long is far off
    assert reports[0].t_err < 1e-3 and reports[0].r_err < 1e-3
    assert math.isnan(reports[1].t_err) and reports[1].length < KITTI_LENGTHS[0]
    metric = evaluate_paths(Seer(drive, unit=7.0), drive, factor=7.0)["network"]
    assert metric[0].ate6 < 1e-3


def test_a_camera_said_to_drive_straight_is_off_by_what_it_misses():
    poses = walk(6, turn=0.0)
    straight = poses.clone()
    straight[:, 0, 3] = 0.1 * torch.arange(6, dtype=torch.float64)  # drifts aside by 0.1 m a frame
    report = judge_path(straight, poses)
    # each snippet from its first frame: s = sum(i^2) / sum(1.01 i^2), error over 5 frames
    i = torch.arange(5, dtype=torch.float64)
    s = float((i * i).sum() / (1.01 * i * i).sum())
    expected = float((((s - 1) * i).square() + (0.1 * s * i).square()).sum().sqrt() / 5)
    assert report.ate5 == pytest.approx(expected, rel=1e-9) and report.ate5_std == pytest.approx(0, abs=1e-9)


def test_the_table_and_the_json_hold_every_path_and_no_nan():
    drive = Drive(walk(300), [260, 40])
    reports = evaluate_paths(Seer(drive, unit=2.0), drive)
    found = json.loads(json.dumps(paths_json(reports), allow_nan=False))
    assert len(found["paths"]) == 2 and found["paths"][1]["t_err"] is None and found["mean"]["t_err"] >= 0
    assert found["trivial"]["standing still"]["ate5"] > found["trivial"]["straight ahead"]["ate5"] > 0
    lines = paths_table(reports).splitlines()
    assert [line[:14].strip() for line in lines[-3:]] == ["mean", "standing still", "straight ahead"]
    assert "300" in lines[-3] and lines[-4].split()[-2:] == ["-", "-"]
    assert "5-frame" in lines[0] and "7-DoF" in lines[1]
    assert len(paths_table(reports, most=1).splitlines()) == len(lines) - 1


def test_trivial_paths_are_judged_by_hand():
    poses = walk(9, stride=2.0, turn=0.0)
    trivial = trivial_paths(poses)
    still, ahead = (judge_path(trivial[name], poses) for name in ("standing still", "straight ahead"))
    assert ahead.ate5 == pytest.approx(0, abs=1e-12) and ahead.ate6 == pytest.approx(0, abs=1e-12)
    assert still.ate5 == pytest.approx(math.sqrt(sum((2.0 * i) ** 2 for i in range(5))) / 5)


def test_segments_start_at_every_tenth_frame_of_the_sequence():
    true = walk(260)
    pred = true.clone()
    pred[:, 0, 3] += 0.01 * torch.arange(260, dtype=torch.float64) ** 1.5  # drifts more and more: starts matter
    whole, later = judge_path(pred, true), judge_path(pred[3:], true[3:], number=3)
    aligned = align_trajectory(pred[3:], true[3:], 7)
    expected = kitti_segment_errors(aligned[7:], true[10:])  # its first start is frame 10 of the sequence
    assert (later.t_err, later.r_err) == pytest.approx(expected) and later.t_err != pytest.approx(whole.t_err, rel=1e-3)
    assert later.t_err != pytest.approx(kitti_segment_errors(aligned, true[3:])[0], rel=1e-6)


def test_the_alignment_of_the_training_is_used_or_refused():
    drive = Drive(walk(8), [8])
    seer = Seer(drive)
    seer.alignment = 0
    with pytest.raises(InputError, match="trained without alignment"):
        evaluate_paths(seer, drive, align=True)
    calls = []
    seer.alignment, seer.semantics_of = 2, lambda batch: None
    seer.predict = lambda images, semantics: SimpleNamespace(depth=torch.ones(len(images), 1, 2, 2))

    def aligned(motion, batch, depth):
        calls.append(depth.shape)
        return drive.motions(batch.target[:, 0, 0, 0].long().numpy())

    seer.aligned, seer.motion = aligned, lambda target, sources: torch.eye(4).expand(len(target), 2, 4, 4)
    assert evaluate_paths(seer, drive, align=True)["network"][0].ate7 < 1e-6 and calls == [(6, 1, 2, 2)]


def test_paths_are_written_for_other_tools(tmp_path):
    drive = Drive(walk(20), [12, 8])
    evaluate_paths(Seer(drive, unit=2.0), drive, factor=2.0, export=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "path_000000.tum", "path_000000.txt", "path_000010.tum", "path_000010.txt"]
    true = torch.linalg.inv(drive.poses[0]) @ drive.poses[:12]
    read = read_odometry_poses(tmp_path / "path_000000.txt")
    assert np.abs(read - true.numpy()).max() < 1e-6
    rows = np.loadtxt(tmp_path / "path_000000.tum")
    assert rows[:, 0].tolist() == list(range(12)) and np.abs(rows[:, 1:4] - true[:, :3, 3].numpy()).max() < 1e-6
    x, y, z, w = rows[-1, 4:]  # back to a rotation by the formula
    column = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])
    assert np.abs(column - true[-1, :3, 0].numpy()).max() < 1e-6


def test_what_cannot_be_judged_is_refused():
    drive = Drive(walk(8), [4, 4])
    with pytest.raises(InputError, match="no path of 5 frames"):
        evaluate_paths(Seer(drive), drive)
    blind = Drive(walk(8), [8])
    whole = blind.triplet
    blind.triplet = lambda indices: Triplet(whole(indices).target, whole(indices).sources, whole(indices).K)
    with pytest.raises(InputError, match="no true poses"):
        predicted_and_true(Seer(blind), blind, [0, 1, 2])
