"""Camera poses: from the inertial packets of KITTI raw, and from the pose files of KITTI odometry."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ...common.contracts import InputError
from .calibration import check_rotation, parse_numbers, read_lines

EARTH_RADIUS = 6378137.0  # m, as KITTI's development kit has it
OXTS_COUNT = 30  # numbers in a packet: latitude, longitude, altitude, roll, pitch, yaw, ...


def read_oxts(path: Path) -> np.ndarray:
    """Read one inertial packet: (30,) float64, its first six latitude and longitude in degrees, altitude in meters,
    roll, pitch and yaw in radians; number 8 is the forward speed, m/s.

    Raises:
        InputError: Naming file and line of whatever is wrong.
    """
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path} is empty, expected {OXTS_COUNT} numbers; fetch the packet again.")
    packet = parse_numbers(lines[0].split(), OXTS_COUNT, f"{path} line 1")
    if abs(packet[0]) > 85 or abs(packet[1]) > 180 or (np.abs(packet[3:6]) > 7).any():
        raise InputError(f"{path} line 1 gives latitude {packet[0]:g}, longitude {packet[1]:g} and angles "
                         f"{packet[3]:g}, {packet[4]:g}, {packet[5]:g}, expected at most 85 and 180 degrees and a full "
                         "turn in radians; fetch the packet again.")
    return packet


def rotation_from_angles(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Return Rz(yaw) Ry(pitch) Rx(roll), (3, 3)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    Rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    Ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    Rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return Rz @ Ry @ Rx


def oxts_pose(packet: np.ndarray, first_latitude: float) -> np.ndarray:
    """Turn a packet into the pose of the inertial unit, imu-to-world, in a Mercator map.

    x = s r lon, y = s r ln tan(pi/4 + lat/2), z = altitude, with the scale s = cos(latitude of the drive's first
    packet) and the earth's radius r (Geiger et al. 2013, section on GPS and IMU).

    Args:
        packet: (30,) from `read_oxts`.
        first_latitude: Latitude of the drive's first packet, degrees; it fixes the map's scale.

    Returns:
        (4, 4) float64; the origin lies where longitude and latitude are zero.
    """
    latitude, longitude, altitude, roll, pitch, yaw = packet[:6]
    scale = np.cos(np.radians(first_latitude)) * EARTH_RADIUS
    pose = np.eye(4)
    pose[:3, :3] = rotation_from_angles(roll, pitch, yaw)
    pose[:3, 3] = (scale * np.radians(longitude), scale * np.log(np.tan(np.pi / 4 + np.radians(latitude) / 2)),
                   altitude)
    return pose


def read_odometry_poses(path: Path) -> np.ndarray:
    """Read a pose file of KITTI odometry: one line of twelve numbers for each frame, camera-0-to-world.

    Returns:
        (N, 4, 4) float64.

    Raises:
        InputError: Naming file and line of whatever is wrong.
    """
    lines = [line for line in read_lines(path) if line.strip()]
    if not lines:
        raise InputError(f"{path} is empty, expected twelve numbers for each frame.")
    poses = np.tile(np.eye(4), (len(lines), 1, 1))
    for i, line in enumerate(lines):
        where = f"{path} line {i + 1}"
        poses[i, :3] = parse_numbers(line.split(), 12, where).reshape(3, 4)
        check_rotation(poses[i, :3, :3], where)
    return poses


def relative_motion(pose_source: np.ndarray, pose_target: np.ndarray) -> np.ndarray:
    """Return T_source_target = pose_source^-1 pose_target of two camera-to-world poses (4, 4)."""
    return np.linalg.inv(pose_source) @ pose_target
