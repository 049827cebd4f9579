"""Camera poses of a clip of one's own, as other tools write them: KITTI odometry's lines, or TUM's."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ..common.contracts import InputError
from ..common.small_files import read_rows
from .kitti.calibration import check_rotation, parse_numbers

_EXPECTED = "a line for each frame: the twelve numbers of KITTI odometry, or TUM's 'timestamp tx ty tz qx qy qz qw'"


def read_poses(path: Path, count: int) -> np.ndarray:
    """Read the camera-to-world poses of frames, in the frames' order; lines that begin with # do not count.

    Args:
        path: Text file of KITTI odometry's lines (twelve numbers, the upper three rows) or of TUM's (eight).
        count: Number of frames.

    Returns:
        (count, 4, 4) float64, meters where the file has meters.

    Raises:
        InputError: Naming file and line of whatever is wrong.
    """
    rows = read_rows(path, _EXPECTED)
    if len(rows) != count:
        raise InputError(f"{path} has {len(rows)} poses for {count} frames, expected {_EXPECTED}.")
    poses = np.tile(np.eye(4), (count, 1, 1))
    for pose, (number, line) in zip(poses, rows):
        where, words = f"{path} line {number}", line.replace(",", " ").split()
        if len(words) == 8:
            values = parse_numbers(words, 8, where)
            pose[:3, 3], pose[:3, :3] = values[1:4], rotation_of_quaternion(values[4:], where)
        else:
            pose[:3] = parse_numbers(words, 12, where).reshape(3, 4)
            check_rotation(pose[:3, :3], where)
    return poses


def rotation_of_quaternion(q: np.ndarray, where: str) -> np.ndarray:
    """Return the rotation (3, 3) of a quaternion x y z w, which need not be quite of length one.

    Args:
        q: (4,) x, y, z, w.
        where: What messages call it.

    Raises:
        InputError: If its length is far from one.
    """
    length = float(np.linalg.norm(q))
    if abs(length - 1) > 0.01:
        raise InputError(f"{where} has a quaternion of length {length:.3g}, expected 1; TUM has qx qy qz qw at the "
                         "end of a line.")
    x, y, z, w = q / length
    return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                     [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                     [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])
