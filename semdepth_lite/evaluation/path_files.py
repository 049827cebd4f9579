"""Camera paths as files that other tools read: KITTI odometry's and TUM's."""
from __future__ import annotations

from pathlib import Path

import torch

from ..common.storage import write_atomically


def kitti_lines(poses: torch.Tensor) -> str:
    """Write camera-to-world poses (N, 4, 4) as KITTI odometry does: the upper three rows, twelve numbers a line."""
    return "".join(" ".join(f"{value:.9e}" for value in row) + "\n" for row in poses[:, :3].reshape(-1, 12).tolist())


def tum_lines(poses: torch.Tensor, first: int = 0) -> str:
    """Write camera-to-world poses (N, 4, 4) as TUM does: `timestamp tx ty tz qx qy qz qw`.

    Args:
        poses: Poses, in the order of the frames.
        first: Number of the first frame; frame numbers take the place of timestamps.
    """
    from scipy.spatial.transform import Rotation

    quaternions = Rotation.from_matrix(poses[:, :3, :3].double().numpy()).as_quat()
    rows = torch.cat((poses[:, :3, 3].double(), torch.from_numpy(quaternions)), 1).tolist()
    return "".join(f"{first + i} " + " ".join(f"{value:.9f}" for value in row) + "\n" for i, row in enumerate(rows))


def write_path(folder: Path, name: str, poses: torch.Tensor, first: int = 0) -> list[Path]:
    """Write a path as NAME.txt (KITTI odometry) and NAME.tum, and return both files.

    Args:
        folder: Folder to write to.
        name: Name of the files.
        poses: (N, 4, 4) camera-to-world.
        first: Number of the first frame.
    """
    files = {Path(folder) / f"{name}.txt": kitti_lines(poses), Path(folder) / f"{name}.tum": tum_lines(poses, first)}
    for path, text in files.items():
        write_atomically(path, lambda temporary, text=text: temporary.write_text(text, encoding="ascii"))
    return list(files)
