"""KITTI: calibration, LiDAR, poses, lists of frames, the raw and the odometry sets as sources, and their download."""
from __future__ import annotations

from .calibration import Calibration, read_odometry_calibration, read_raw_calibration
from .lists import FrameName, find_drives, frames_of_drives, read_list
from .odometry import KittiOdometry
from .poses import oxts_pose, read_odometry_poses, read_oxts
from .raw import KittiRaw
from .velodyne import read_scan, scan_to_depth

__all__ = ["Calibration", "FrameName", "KittiOdometry", "KittiRaw", "find_drives", "frames_of_drives", "oxts_pose",
           "read_list", "read_odometry_calibration", "read_odometry_poses", "read_oxts", "read_raw_calibration",
           "read_scan", "scan_to_depth"]
