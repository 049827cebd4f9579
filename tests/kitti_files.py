"""Small folders in the layouts of KITTI raw and KITTI odometry, for tests."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from semdepth_lite.data.kitti import KittiRaw

DAY, DRIVE = "2011_09_26", "2011_09_26/2011_09_26_drive_0001_sync"
HEIGHT, WIDTH = 20, 60


def numbers(values) -> str:
    return " ".join(f"{value:.9e}" for value in np.ravel(values))


def projection(shift: float = 0.0) -> np.ndarray:
    return np.array([[40, 0, 29.5, 40 * shift], [0, 40, 9.5, 0], [0, 0, 1, 0.0]])


VELO_R = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0.0]])  # x forward, y left, z up -> x right, y down, z forward


def write_calibration(day: Path) -> None:
    lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.95e-02"]
    for camera in range(4):
        shift = -0.5 if camera in (1, 3) else 0.0
        lines += [f"S_0{camera}: 70 30", f"K_0{camera}: {numbers(np.eye(3))}", f"D_0{camera}: {numbers(np.zeros(5))}",
                  f"R_0{camera}: {numbers(np.eye(3))}", f"T_0{camera}: {numbers(np.zeros(3))}",
                  f"S_rect_0{camera}: {WIDTH} {HEIGHT}", f"R_rect_0{camera}: {numbers(np.eye(3))}",
                  f"P_rect_0{camera}: {numbers(projection(shift))}"]
    (day / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n")
    (day / "calib_velo_to_cam.txt").write_text(
        f"calib_time: x\nR: {numbers(VELO_R)}\nT: 0 0 -0.27\ndelta_f: 0 0\ndelta_c: 0 0\n")
    (day / "calib_imu_to_velo.txt").write_text(f"calib_time: x\nR: {numbers(np.eye(3))}\nT: -0.8 0.3 -0.8\n")


def frame_picture(frame: int, camera: int) -> np.ndarray:
    return np.random.RandomState(10 * frame + camera).randint(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def make_raw(root: Path, frames=range(5), drive: str = DRIVE) -> Path:
    """Write a little KITTI raw: a car that drives due east at 10 m/s, 10 frames a second."""
    for camera in (2, 3):
        data = root / drive / f"image_0{camera}" / "data"
        data.mkdir(parents=True)
        for frame in frames:
            Image.fromarray(frame_picture(frame, camera)).save(data / f"{frame:010d}.png")
    for folder in ("oxts", "velodyne_points"):
        (root / drive / folder / "data").mkdir(parents=True)
    write_calibration(root / drive.split("/")[0])
    for frame in frames:
        longitude = np.degrees(frame / 6378137.0)  # one meter a frame at the equator
        packet = [0.0, longitude, 100.0, *[0.0] * 5, 10.0, *[0.0] * 21]
        (root / drive / "oxts" / "data" / f"{frame:010d}.txt").write_text(numbers(packet))
        scan = np.array([[10, 0.1, 0.1, 1], [5, 0.05, 0.05, 1], [-3, 1, 0, 1], [8, 2, 1, 1]], np.float32)
        scan.tofile(root / drive / "velodyne_points" / "data" / f"{frame:010d}.bin")
    return root


def open_raw(root: Path, **options) -> KittiRaw:
    """Open such a folder at the size of its images, without a cache unless one is named."""
    return KittiRaw(root, HEIGHT, WIDTH, **{"cache": None, **options})


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


# Odometry

def make_odometry(root: Path, frames: int = 4) -> Path:
    folder = root / "sequences" / "09"
    (folder / "image_2").mkdir(parents=True)
    (root / "poses").mkdir()
    for frame in range(frames):
        Image.fromarray(frame_picture(frame, 2)).save(folder / "image_2" / f"{frame:06d}.png")
    tr = np.hstack([VELO_R, [[0], [0], [-0.27]]])
    (folder / "calib.txt").write_text("".join(f"P{i}: {numbers(projection(0.1 * i))}\n" for i in range(4))
                                      + f"Tr: {numbers(tr)}\n")
    angle = 0.1
    R = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    pose, rows = np.eye(4), []
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = R, (0, 0, 1)
    for _ in range(frames):
        rows.append(numbers(pose[:3]))
        pose = pose @ step
    (root / "poses" / "09.txt").write_text("\n".join(rows) + "\n")
    return root

