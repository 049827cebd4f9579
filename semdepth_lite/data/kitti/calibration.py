"""KITTI's calibration files, parsed strictly: every key once, each with its count of numbers, nothing else.

Rectified cameras share orientation: x_camera = K^-1 P (R_rect_00 T_cam0_velo x_velo), with P = K [I | t]
(Geiger et al. 2013, eqs. 3 to 8).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...common.contracts import InputError
from ...common.small_files import read_text

LARGEST_NUMBER = 1e9  # pixels, meters, degrees
_CAMERA = {"S": 2, "K": 9, "D": 5, "R": 9, "T": 3, "S_rect": 2, "R_rect": 9, "P_rect": 12}
CAM_TO_CAM = {"calib_time": None, "corner_dist": 1,
              **{f"{key}_0{camera}": count for camera in range(4) for key, count in _CAMERA.items()}}
VELO_TO_CAM = {"calib_time": None, "R": 9, "T": 3, "delta_f": 2, "delta_c": 2}
IMU_TO_VELO = {"calib_time": None, "R": 9, "T": 3}
ODOMETRY = {"P0": 12, "P1": 12}
ODOMETRY_COLOR = {"P2": 12, "P3": 12}  # left out where only the gray pair was published


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        InputError: If it is missing, no regular file or no text.
    """
    return read_text(path, "a text file of KITTI").splitlines()


def parse_numbers(words: list[str], count: int, where: str) -> np.ndarray:
    """Turn exactly `count` words into finite numbers.

    Raises:
        InputError: naming `where`, if the count differs or a word is no finite number.
    """
    if len(words) != count:
        raise InputError(f"{where} has {len(words)} numbers, expected {count}.")
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"{where} holds something that is no number ({error}).") from error
    if not (np.abs(numbers) < LARGEST_NUMBER).all():
        raise InputError(f"{where} holds a number that is not finite or beyond {LARGEST_NUMBER:g}, which nothing in "
                         "KITTI is; fetch the file again.")
    return numbers


def parse_calibration(path: Path, expected: Mapping[str, int | None],
                      optional: dict[str, int] | None = None) -> dict[str, np.ndarray]:
    """Read `key: numbers` lines.

    Args:
        path: The file.
        expected: Number of values of each key; None for text that is not kept.
        optional: Keys that may be absent.

    Returns:
        key: (n,) float64.

    Raises:
        InputError: naming file and line for a malformed, doubled or unknown key, and the file for a missing one.
    """
    values: dict[str, np.ndarray] = {}
    seen: set[str] = set()
    known = {**expected, **(optional or {})}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        key, colon, rest = line.partition(":")
        key = key.strip()
        if not colon or key not in known:
            raise InputError(f"{where} has the key {key[:40]!r}, which this file does not know; expected one of "
                             f"{', '.join(list(known)[:4])} and so on.")
        if key in seen:
            raise InputError(f"{where} repeats the key {key!r}; keep one of the two lines.")
        seen.add(key)
        if known[key] is not None:
            values[key] = parse_numbers(rest.split(), known[key], f"{where} ({key})")
    missing = [key for key in expected if key not in seen]
    if missing:
        raise InputError(f"{path} lacks the key {missing[0]!r} ({len(missing)} missing in all); fetch the file again.")
    return values


def rigid(R: np.ndarray, T: np.ndarray, where: str) -> np.ndarray:
    """Join a rotation (9,) and a translation (3,) to (4, 4).

    Raises:
        InputError: if R is no rotation.
    """
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = R.reshape(3, 3), T
    check_rotation(matrix[:3, :3], where)
    return matrix


def check_rotation(R: np.ndarray, where: str) -> None:
    """Refuse a (3, 3) matrix that is no rotation to within 1e-3, the rounding of KITTI's files allowed for."""
    if np.abs(R @ R.T - np.eye(3)).max() > 1e-3 or np.linalg.det(R) < 0:
        raise InputError(f"{where} holds a matrix that is no rotation; fetch the file again.")


@dataclass(frozen=True)
class Calibration:
    """What the rectified cameras of a drive need.

    Attributes:
        P: Projection (3, 4) from rectified camera 0, pixels, by camera number.
        size: Height and width of the rectified images, pixels, by camera number; empty where the file does not say.
        T_cam0_velo: (4, 4) from the laser scanner into rectified camera 0, meters; None where unknown.
        T_velo_imu: (4, 4) from the inertial unit into the laser scanner; None where unknown.
    """

    P: dict[int, np.ndarray]
    size: dict[int, tuple[int, int]]
    T_cam0_velo: np.ndarray | None = None
    T_velo_imu: np.ndarray | None = None

    def K(self, camera: int) -> np.ndarray:
        """Return the (3, 3) intrinsics of a camera, pixels."""
        return self.projection(camera)[:, :3].copy()

    def projection(self, camera: int) -> np.ndarray:
        """Return the (3, 4) projection of a camera, pixels.

        Raises:
            InputError: if the calibration does not have this camera.
        """
        if camera not in self.P:
            raise InputError(f"the calibration has no projection P{camera}, so camera {camera} cannot be used; use one "
                             f"of {', '.join(map(str, self.P))}.")
        return self.P[camera]

    def T_camera_cam0(self, camera: int) -> np.ndarray:
        """Return the (4, 4) shift from rectified camera 0: t = K^-1 p4, meters."""
        T = np.eye(4)
        P = self.projection(camera)
        T[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
        return T

    def T_camera_camera(self, source: int, target: int) -> np.ndarray:
        """Return T_source_target of two cameras of the rig, (4, 4); stereo is source 3, target 2."""
        return self.T_camera_cam0(source) @ np.linalg.inv(self.T_camera_cam0(target))

    def T_camera_imu(self, camera: int) -> np.ndarray:
        """Return the (4, 4) motion from the inertial unit into a camera."""
        if self.T_cam0_velo is None or self.T_velo_imu is None:
            raise InputError("the calibration of the laser scanner or of the inertial unit (calib_velo_to_cam.txt, "
                             "calib_imu_to_velo.txt) is missing, so poses are unknown; fetch the day's calibration.")
        return self.T_camera_cam0(camera) @ self.T_cam0_velo @ self.T_velo_imu


def read_raw_calibration(folder: Path) -> Calibration:
    """Read the calibration files of a KITTI raw day; those of scanner and inertial unit may be absent, together with
    what they calibrate.

    Args:
        folder: The day, such as 2011_09_26.

    Raises:
        InputError: naming file and line of whatever is wrong.
    """
    folder = Path(folder)
    cameras = parse_calibration(folder / "calib_cam_to_cam.txt", CAM_TO_CAM)
    R_rect = rigid(cameras["R_rect_00"], np.zeros(3), f"{folder / 'calib_cam_to_cam.txt'} (R_rect_00)")
    T_cam0_velo = _read_rigid(folder / "calib_velo_to_cam.txt", VELO_TO_CAM)
    sizes = {i: (int(height), int(width)) for i in range(4) for width, height in (cameras[f"S_rect_0{i}"],)}
    return Calibration(P={i: cameras[f"P_rect_0{i}"].reshape(3, 4) for i in range(4)}, size=sizes,
                       T_cam0_velo=None if T_cam0_velo is None else R_rect @ T_cam0_velo,
                       T_velo_imu=_read_rigid(folder / "calib_imu_to_velo.txt", IMU_TO_VELO))


def _read_rigid(path: Path, expected: Mapping[str, int | None]) -> np.ndarray | None:
    """Read a calibration file of one rigid motion; None where there is no such file."""
    if not path.exists():
        return None
    values = parse_calibration(path, expected)
    return rigid(values["R"], values["T"], str(path))


def read_odometry_calibration(path: Path) -> Calibration:
    """Read calib.txt of a KITTI odometry sequence; Tr, the laser scanner, is there in some releases only.

    Raises:
        InputError: naming file and line of whatever is wrong.
    """
    values = parse_calibration(path, ODOMETRY, optional={**ODOMETRY_COLOR, "Tr": 12})
    T = None
    if "Tr" in values:
        rows = values["Tr"].reshape(3, 4)
        T = rigid(rows[:, :3].reshape(9), rows[:, 3], f"{path} (Tr)")
    known = [camera for camera in range(4) if f"P{camera}" in values]
    return Calibration(P={i: values[f"P{i}"].reshape(3, 4) for i in known}, size={}, T_cam0_velo=T)
