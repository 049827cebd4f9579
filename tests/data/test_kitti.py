"""KITTI: triplets, motion, depth and labels of a small tree made here, and numbers of the real sample."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from kitti_files import (
    DAY,
    DRIVE,
    HEIGHT,
    WIDTH,
    frame_picture,
    make_odometry,
    open_raw,
    projection,
    write_lines,
)
from PIL import Image

from semdepth_lite.camera import monodepth2_intrinsics, resize_intrinsics
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data import kitti
from semdepth_lite.data.clips import shrink_depth
from semdepth_lite.data.image_files import read_depth_png, read_image, write_depth_png
from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

# The source

def test_triplets_hold_the_neighbors_in_temporal_order(raw):
    source = open_raw(raw)
    assert len(source) == 3 and not source.has_depth and not source.has_labels
    batch = source.triplet([2, 0])
    for item, frame in enumerate((3, 1)):
        for image, at in ((batch.target[item], frame), (batch.sources[item, 0], frame - 1),
                          (batch.sources[item, 1], frame + 1)):
            assert np.array_equal((image * 255).round().byte().permute(1, 2, 0).numpy(), frame_picture(at, 2))
    assert torch.equal(batch.K[0], torch.tensor(projection()[:, :3], dtype=torch.float32))
    assert batch.depth is None and batch.labels is None and batch.T_source_target is None
    assert batch.index.tolist() == [2, 0]


def test_intrinsics_follow_the_size_or_are_monodepth2s(raw):
    K = torch.tensor(projection()[:, :3])
    half = kitti.KittiRaw(raw, HEIGHT // 2, WIDTH * 2, cache=None).triplet([0]).K[0]
    assert torch.allclose(half, resize_intrinsics(K, 2, 0.5).float())
    fixed = open_raw(raw, intrinsics="monodepth2").triplet([1]).K[0]
    assert torch.equal(fixed, monodepth2_intrinsics(HEIGHT, WIDTH))


def test_a_list_chooses_frames_and_sides(raw, tmp_path):
    path = write_lines(tmp_path / "files.txt", f"{DRIVE} 0000000002 r", "", f"{DRIVE} 1 l")
    source = open_raw(raw, frames=path)
    assert [(item.frame, item.side) for item in source.items] == [(2, "r"), (1, "l")]
    target = (source.triplet([0]).target[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(target, frame_picture(2, 3))


def test_targets_alone_need_no_neighbors(raw, tmp_path):
    source = open_raw(raw, frames=write_lines(tmp_path / "test.txt", f"{DRIVE} 0 l", f"{DRIVE} 4 l"), neighbors=())
    assert source.triplet([0, 1]).sources.shape == (2, 0, 3, HEIGHT, WIDTH)


def test_frames_of_drives_follow_the_rule(raw):
    found = kitti.frames_of_drives(raw, sides="lr")
    assert [(f.frame, f.side) for f in found] == [(n, side) for side in "lr" for n in (1, 2, 3)]
    assert len(kitti.frames_of_drives(raw, min_speed=9)) == 3
    with pytest.raises(InputError, match="yields no frame"):
        kitti.frames_of_drives(raw, min_speed=11)


def test_motion_of_the_inertial_unit_becomes_motion_of_the_camera(raw):
    T = open_raw(raw, poses=True).triplet([0]).T_source_target[0]
    # yaw 0 looks east, the way the car drives: a target point is one meter farther in the earlier camera
    expected = torch.eye(4).repeat(2, 1, 1)
    expected[0, 2, 3], expected[1, 2, 3] = 1, -1
    assert torch.allclose(T, expected, atol=1e-6)


def test_oxts_rotation_and_map_agree_with_their_formulas():
    packet = np.zeros(30)
    packet[:6] = (48.0, 8.0, 112.0, 0.1, -0.2, 0.3)
    pose = kitti.oxts_pose(packet, 48.0)
    R = pose[:3, :3]
    assert np.allclose(R @ R.T, np.eye(3)) and np.isclose(np.arctan2(R[1, 0], R[0, 0]), 0.3)
    assert np.isclose(-np.arcsin(R[2, 0]), -0.2) and np.isclose(np.arctan2(R[2, 1], R[2, 2]), 0.1)
    packet[0] += 1e-5  # degrees of latitude: the map must be true to scale where the drive is
    north = kitti.oxts_pose(packet, 48.0)[:3, 3] - pose[:3, 3]
    assert np.allclose(north, [0, 6378137 * np.radians(1e-5), 0], rtol=1e-5, atol=1e-9)


# Depth

def test_scan_becomes_depth_by_the_definition(raw):
    calibration = kitti.read_raw_calibration(raw / DAY)
    scan = kitti.read_scan(raw / DRIVE / "velodyne_points" / "data" / f"{0:010d}.bin")
    depth = kitti.scan_to_depth(scan, calibration, 2, HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH))
    for x, y, z, _ in scan.tolist():  # an explicit loop, nearest wins
        if x < 0:
            continue
        at = x - 0.27
        row, column = round(40 * -z / at + 9.5) - 1, round(40 * -y / at + 29.5) - 1
        if 0 <= row < HEIGHT and 0 <= column < WIDTH and (expected[row, column] == 0 or at < expected[row, column]):
            expected[row, column] = at
    assert np.allclose(depth, expected) and (depth > 0).sum() == 2
    forward = kitti.scan_to_depth(scan, calibration, 2, HEIGHT, WIDTH, "forward")
    assert np.allclose(forward[forward > 0], depth[depth > 0] + 0.27)


def test_depth_joins_the_triplet(raw, tmp_path):
    source = open_raw(raw, depth="camera")
    batch = source.triplet([0, 1])
    assert source.has_depth and batch.depth.shape == (2, 1, HEIGHT, WIDTH)
    assert np.array_equal(batch.depth[0, 0].numpy(), source.ground_truth(0))
    improved = tmp_path / "annotated"
    for frame in (1, 2, 3):
        depth = np.zeros((HEIGHT, WIDTH), np.float32)
        depth[3, 4] = frame
        write_depth_png(improved / "val" / Path(DRIVE).name / "proj_depth" / "groundtruth" / "image_02"
                        / f"{frame:010d}.png", depth)
    source = open_raw(raw, depth="improved", improved_root=improved)
    assert source.triplet([2]).depth[0, 0, 3, 4] == 3


def test_shrinking_keeps_the_nearest_point():
    depth = np.zeros((4, 8), np.float32)
    depth[0, 0], depth[1, 1], depth[3, 7] = 5, 3, 9
    small = shrink_depth(depth, 2, 4)
    assert small[0, 0] == 3 and small[1, 3] == 9 and (small > 0).sum() == 2
    assert np.array_equal(shrink_depth(depth, 4, 8), depth)


# Labels

def write_label(folder: Path, frame: int, labels: np.ndarray) -> None:
    path = folder / DRIVE / "image_02" / "data" / f"{frame:010d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def test_labels_come_with_their_images(raw, tmp_path):
    for frame in (1, 2, 3):
        write_label(tmp_path / "labels", frame, np.full((HEIGHT, WIDTH), 26, np.uint8))
    source = open_raw(raw, labels=tmp_path / "labels", label_ids="labelId")
    assert source.has_labels and (source.triplet([0, 2]).labels == 13).all()  # 26 is the labelId of car
    with pytest.raises(InputError, match="0000000001.png holds the id 26, which is no trainId.*labelId"):
        open_raw(raw, labels=tmp_path / "labels").triplet([0])
    write_label(tmp_path / "labels", 2, np.full((HEIGHT, WIDTH - 1), 0, np.uint8))
    with pytest.raises(InputError, match="0000000002.png has 59x20 pixels, but its image has 60x20"):
        open_raw(raw, labels=tmp_path / "labels").triplet([1])
    write_label(tmp_path / "labels", 3, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(InputError, match="0000000003.png holds mode RGB.*trainIds"):
        open_raw(raw, labels=tmp_path / "labels").triplet([2])
    (tmp_path / "labels" / DRIVE / "image_02" / "data" / "0000000002.png").unlink()
    with pytest.raises(InputError, match="has no labels: .*0000000002.png is missing"):
        open_raw(raw, labels=tmp_path / "labels")


def test_odometry_yields_true_motion(tmp_path):
    source = kitti.KittiOdometry(make_odometry(tmp_path), HEIGHT, WIDTH, ["09"], poses=True, cache=None)
    batch = source.triplet([0, 1])
    # camera 2 sits 0.2 m beside camera 0: x_2 = x_0 + 0.2, so T = shift step^-1 shift^-1 from target to next
    step = np.loadtxt(tmp_path / "poses" / "09.txt")[1].reshape(3, 4)
    T = np.vstack([step, [0, 0, 0, 1]])
    shift = np.eye(4)
    shift[0, 3] = 0.2
    expected = shift @ np.linalg.inv(T) @ np.linalg.inv(shift)
    assert np.allclose(batch.T_source_target[:, 1].numpy(), expected, atol=1e-6)
    assert np.allclose(batch.T_source_target[:, 0].numpy(), shift @ T @ np.linalg.inv(shift), atol=1e-6)
    assert np.allclose(source.trajectory("09")[0], np.eye(4)) and len(source) == 2


# The real sample

def test_real_scan_has_the_known_sum(real_data):
    root = real_data / "kitti_raw"
    source = kitti.KittiRaw(root, 192, 640, frames=[kitti.FrameName(DRIVE.replace("0001", "0005"), 0, "l")],
                            neighbors=(), depth="forward", cache=None)
    depth = source.ground_truth(0)
    assert depth.shape == (375, 1242) and (depth > 0).sum() == 20440
    assert abs(depth.sum(dtype=np.float64) - 343492.9) < 0.1


@pytest.mark.slow
def test_real_stereo_is_explained_best_at_the_true_scale(real_data):
    calibration = kitti.read_raw_calibration(real_data / "kitti_raw" / DAY)
    T = torch.from_numpy(calibration.T_camera_camera(source=3, target=2)).float()
    assert abs(calibration.K(2)[0, 0] - 721.54) < 0.01 and abs(T[0, 3] + 0.5327) < 1e-4
    images = [read_image(real_data / "kitti_raw" / DRIVE / f"image_0{camera}" / "data" / "0000000010.jpg")
              for camera in (2, 3)]
    left, right = (torch.from_numpy(image).permute(2, 0, 1)[None] / 255 for image in images)
    truth = read_depth_png(real_data / "kitti_depth_annotated" / Path(DRIVE).name / "proj_depth" / "groundtruth"
                           / "image_02" / "0000000010.png")
    depth = torch.from_numpy(truth)[None, None]
    known = depth > 0
    errors = {}
    for scale in (0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.4):
        tried = torch.where(known, depth * scale, torch.ones(()))
        warped, valid = warp(right, tried, T[None], torch.from_numpy(calibration.K(2)).float()[None])
        error = (warped - left).abs().mean(1, keepdim=True)
        errors[scale] = error[known & valid].mean().item()
    assert min(errors, key=errors.get) == 1.0
    assert errors[1.0] < 0.75 * errors[0.8] and errors[1.0] < 0.75 * errors[1.25]


def test_real_triplets_of_both_sides(real_data, tmp_path):
    root = real_data / "kitti_raw"
    source = kitti.KittiRaw(root, 96, 320, frames=kitti.frames_of_drives(root, [DRIVE], sides="lr"), depth="improved",
                            improved_root=real_data / "kitti_depth_annotated", cache=tmp_path)
    assert len(source) == 20
    batch = source.triplet([0, 19])
    assert 0.2 < batch.target.mean() < 0.6 and (batch.depth > 0).float().mean() > 0.3
    moved = photometric_error(batch.sources[:, 0], batch.target).mean()
    assert moved > 0.01
