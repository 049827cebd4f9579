"""LiDAR scans and the sparse depth maps made from them."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ...common.contracts import InputError
from ...common.small_files import read_bytes
from .calibration import LARGEST_NUMBER, Calibration

DEPTH_KINDS = ("camera", "forward")


def read_scan(path: Path) -> np.ndarray:
    """Read a velodyne scan: (N, 4) float32 x forward, y left, z up in meters, and reflectance.

    Raises:
        InputError: If the file is missing, cut within a point, empty or not finite.
    """
    content = read_bytes(path, "a laser scan of the velodyne points")
    size = len(content)
    if size == 0 or size % 16:
        raise InputError(f"{path} has {size} bytes, expected a multiple of 16 (four float32 a point); the scan is "
                         f"truncated, fetch it again.")
    scan = np.frombuffer(content, dtype="<f4").reshape(-1, 4)
    if not (np.abs(scan) < LARGEST_NUMBER).all():
        raise InputError(f"{path} holds numbers that are not finite or no meters; fetch the scan again.")
    return scan


def scan_to_depth(scan: np.ndarray, calibration: Calibration, camera: int, height: int, width: int,
                  kind: str = "camera") -> np.ndarray:
    """Project a scan into a camera; where several points share a pixel, the nearest wins.

    Points behind the scanner are dropped, and a pixel is (round(u) - 1, round(v) - 1), KITTI's own one-based
    convention, as the Eigen evaluation has it [code: MD2]. Its stored value is the scanner's forward coordinate,
    which `kind="forward"` gives; z in the camera is smaller by the 0.27 m between the two.

    Args:
        scan: (N, 4) from `read_scan`.
        calibration: Calibration of the drive.
        camera: Number of the camera, 2 (left) or 3 (right).
        height, width: Size of the camera's image, pixels.
        kind: "camera" (z of the camera) or "forward" (x of the scanner).

    Returns:
        (height, width) float32, meters, 0 = none.

    Raises:
        InputError: If the kind is unknown or the calibration lacks the scanner.
    """
    if kind not in DEPTH_KINDS:
        raise InputError(f"depth kind {kind!r} is unknown; use {' or '.join(DEPTH_KINDS)}.")
    if calibration.T_cam0_velo is None:
        raise InputError("the calibration of the laser scanner (calib_velo_to_cam.txt, or Tr) is missing, so a scan "
                         "cannot be projected; fetch the calibration again.")
    points = scan[scan[:, 0] >= 0, :3].astype(np.float64)
    to_image = calibration.P[camera] @ calibration.T_cam0_velo  # (3, 4)
    u, v, z = to_image[:, :3] @ points.T + to_image[:, 3:]
    ahead = z > 0
    u, v, z, forward = u[ahead] / z[ahead], v[ahead] / z[ahead], z[ahead], points[ahead, 0]
    column, row = np.round(u) - 1, np.round(v) - 1
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    value = (z if kind == "camera" else forward)[inside]
    row, column = row[inside].astype(np.int64), column[inside].astype(np.int64)
    order = np.argsort(-value, kind="stable")  # far points first, so that near ones overwrite them
    depth = np.zeros((height, width), dtype=np.float32)
    depth[row[order], column[order]] = value[order]
    return depth
