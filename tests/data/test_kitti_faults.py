"""Faults of KITTI folders, each named in a sentence with its file and line: calibration, lists, scans, poses, gaps."""
from __future__ import annotations

import numpy as np
import pytest
from kitti_files import (
    DAY,
    DRIVE,
    HEIGHT,
    WIDTH,
    make_odometry,
    make_raw,
    numbers,
    open_raw,
    write_lines,
)
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data import kitti


def test_odometry_refuses_what_does_not_match(tmp_path):
    root = make_odometry(tmp_path / "a")
    poses = root / "poses" / "09.txt"
    text = poses.read_text()
    poses.write_text("".join(text.splitlines(keepends=True)[:3]))
    with pytest.raises(InputError, match="09.txt has 3 poses, but the sequence has 4 images"):
        kitti.KittiOdometry(root, HEIGHT, WIDTH, ["09"], poses=True, cache=None)
    lines = text.splitlines()
    poses.write_text("\n".join([lines[0], "x" + lines[1][1:], *lines[2:]]))
    with pytest.raises(InputError, match="09.txt line 2 holds something that is no number"):
        kitti.KittiOdometry(root, HEIGHT, WIDTH, ["09"], poses=True, cache=None)
    poses.write_text(numbers(2 * np.eye(4)[:3]) + "\n")
    with pytest.raises(InputError, match="line 1 holds a matrix that is no rotation"):
        kitti.read_odometry_poses(poses)
    (root / "sequences" / "09" / "image_2" / "000002.png").unlink()
    with pytest.raises(InputError, match="image_2 lacks frame 000002"):
        kitti.KittiOdometry(root, HEIGHT, WIDTH, ["09"], cache=None)


def test_odometry_calibration_of_another_size_is_refused(tmp_path):
    root = make_odometry(tmp_path)
    for file in (root / "sequences" / "09" / "image_2").iterdir():
        Image.fromarray(np.zeros((40, 120, 3), np.uint8)).save(file)
    with pytest.raises(InputError, match=r"principal point at \(29.5, 9.5\), but the images have 120x40"):
        kitti.KittiOdometry(root, HEIGHT, WIDTH, ["09"], cache=None)


@pytest.mark.parametrize("file, change, sentence", [
    ("calib_cam_to_cam.txt", lambda t: t.replace("P_rect_02", "P_rect_2"), "line 26 has the key 'P_rect_2'"),
    ("calib_cam_to_cam.txt", lambda t: t + "extra: 1\n", "line 35 has the key 'extra'"),
    ("calib_cam_to_cam.txt", lambda t: "\n".join(x for x in t.splitlines() if "P_rect_02" not in x),
     "lacks the key 'P_rect_02'"),
    ("calib_cam_to_cam.txt", lambda t: t + "corner_dist: 1\n", "line 35 repeats the key 'corner_dist'"),
    ("calib_velo_to_cam.txt", lambda t: t.replace("T: 0 0", "T: 0"), r"line 3 \(T\) has 2 numbers, expected 3"),
    ("calib_velo_to_cam.txt", lambda t: t.replace("-0.27", "nan"), r"line 3 \(T\) holds a number that is not finite"),
    ("calib_velo_to_cam.txt", lambda t: t.replace("-0.27", "far"), r"line 3 \(T\) holds something that is no number"),
    ("calib_velo_to_cam.txt", lambda t: t.replace("R: 0", "R: 3"), "no rotation"),
    ("calib_imu_to_velo.txt", lambda t: "", "lacks the key 'calib_time'"),
    ("calib_cam_to_cam.txt", lambda t: t.replace(f"S_rect_02: {WIDTH}", "S_rect_02: 61"),
     "has 60x20 pixels, but .*calib_cam_to_cam.txt .S_rect_02. is for 61x20"),
])
def test_broken_calibration_is_named_with_its_line(raw, file, change, sentence):
    path = raw / DAY / file
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=sentence) as caught:
        open_raw(raw)
    assert file in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("line, sentence", [
    (f"{DRIVE} 2", "line 2 reads"), (f"{DRIVE} 2 x", "line 2 reads"), (f"{DRIVE} -2 l", "line 2 reads"),
    ("drive 2 l", "line 2 names the folder 'drive'"), ("../.. 2 l", "line 2 names the folder"),
    (f"{DRIVE} 9 l", r"line 2 needs .*0000000009.png \(or .jpg\) which is missing"),
    (f"{DRIVE} 4 l", r"line 2 needs .*0000000005.png \(or .jpg\), the neighbor \+1 of frame 4, which is missing")])
def test_a_bad_list_is_named_with_its_line(raw, tmp_path, line, sentence):
    with pytest.raises(InputError, match=f"files.txt {sentence}"):
        open_raw(raw, frames=write_lines(tmp_path / "files.txt", f"{DRIVE} 2 l", line))


def test_missing_things_are_named(raw, tmp_path):
    with pytest.raises(InputError, match="list.txt does not exist"):
        open_raw(raw, frames=tmp_path / "list.txt")
    with pytest.raises(InputError, match="names no frame"):
        open_raw(raw, frames=write_lines(tmp_path / "empty.txt", ""))
    with pytest.raises(InputError, match="does not exist; name the one that holds KITTI's days"):
        kitti.KittiRaw(tmp_path / "nowhere", HEIGHT, WIDTH, frames=[kitti.FrameName(DRIVE, 1, "l")], cache=None)
    with pytest.raises(InputError, match="holds no drive"):
        kitti.KittiRaw(tmp_path, HEIGHT, WIDTH, cache=None)
    with pytest.raises(InputError, match="depth 'lidar' is unknown"):
        open_raw(raw, depth="lidar")
    with pytest.raises(InputError, match="improved_root"):
        open_raw(raw, depth="improved")
    with pytest.raises(InputError, match="has no depth: .*groundtruth.*missing"):
        open_raw(raw, depth="improved", improved_root=tmp_path)
    with pytest.raises(InputError, match="indices .7. do not lie in 0 to 2"):
        open_raw(raw).triplet([7])
    with pytest.raises(InputError, match="has no depth"):
        open_raw(raw).ground_truth(0)


def test_a_truncated_scan_is_refused(raw):
    path = raw / DRIVE / "velodyne_points" / "data" / f"{1:010d}.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="0000000001.bin has 59 bytes, expected a multiple of 16"):
        open_raw(raw, depth="camera").triplet([0])


def test_gaps_are_named_or_split_the_drive(tmp_path):
    root = make_raw(tmp_path, frames=(0, 1, 2, 4, 5, 6))
    with pytest.raises(InputError, match="lacks frame 3 .numbers run from 0 to 6, 1 gaps."):
        open_raw(root)
    assert [f.frame for f in kitti.frames_of_drives(root, allow_gaps=True)] == [1, 5]


def test_a_damaged_frame_is_named_when_it_is_read(raw):
    path = raw / DRIVE / "image_02" / "data" / f"{2:010d}.png"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="0000000002.png is damaged"):
        open_raw(raw).triplet([0])
