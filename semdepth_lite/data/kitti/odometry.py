"""KITTI odometry as a source of triplets: sequences, their poses and calibration."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...common.contracts import InputError
from ..clips import ClipSource
from ..frame_cache import DEFAULT_CACHE
from ..image_files import IMAGE_SUFFIXES, image_size
from .calibration import read_odometry_calibration
from .poses import read_odometry_poses, relative_motion
from .velodyne import read_scan, scan_to_depth


class KittiOdometry(ClipSource):
    """Triplets of KITTI odometry sequences, in order; `trajectory` gives the poses of a whole sequence."""

    name = "kitti-odometry"

    def __init__(self, root: Path, height: int, width: int, sequences: Sequence[str], camera: int = 2,
                 neighbors: Sequence[int] = (-1, 1), poses: bool = False, depth: str | None = None,
                 labels: Path | None = None, label_ids: str = "trainId", cache: Path | None = DEFAULT_CACHE) -> None:
        """Look the files up; images are decoded when asked for.

        Args:
            root: The folder that holds `sequences` and `poses`.
            height, width: Size to yield, pixels.
            sequences: Names such as 00.
            camera: 0 and 1 (left and right, gray), 2 and 3 (left and right, color).
            neighbors: Offsets of the source frames.
            poses: Whether triplets carry the true motion (sequences 00 to 10 have it).
            depth: None, "camera" or "forward" (LiDAR scans beside the images).
            labels: Folder of label PNGs: <sequence>/<frame>.png, or of a single sequence <frame>.png, as `label` writes
                them.
            label_ids: Kind of the ids, trainId or labelId.
            cache: Folder for decoded frames; None decodes at every request.

        Raises:
            InputError: naming the file of whatever is missing or wrong.
        """
        self.root, self.camera, self.depth_kind, self.offsets = Path(root), camera, depth, tuple(neighbors)
        if camera not in range(4) or not sequences:
            raise InputError(f"camera {camera} of sequences {list(sequences)} cannot be read; use camera 0 to 3 and "
                             f"name at least one sequence, such as 09.")
        self.items: list[tuple[str, int]] = []
        trajectories: dict[str, np.ndarray] = {}
        self.poses = trajectories if poses else None
        self.calibrations = {}
        files: list[Path] = []
        rows, K, native = [], [], []
        for name in sequences:
            folder = self.root / "sequences" / name
            images = sequence_images(folder, camera)
            self.calibrations[name] = read_odometry_calibration(folder / "calib.txt")
            size = image_size(images[0])
            _check_center(self.calibrations[name].K(camera), size, folder / "calib.txt")
            if poses:
                trajectories[name] = self.trajectory(name, len(images))
            for frame in range(len(images)):
                if all(0 <= frame + offset < len(images) for offset in self.offsets):
                    self.items.append((name, frame))
                    rows.append([len(files) + frame + offset for offset in (0, *self.offsets)])
                    K.append(self.calibrations[name].K(camera))
                    native.append(size)
            files += images
        if not rows:
            raise InputError(f"{self.root} has no frame with the neighbors {list(neighbors)} in {list(sequences)}.")
        positions = np.array(rows)
        label_files = None if labels is None else _label_files(Path(labels), self.items)
        super().__init__(files, positions[:, 0], positions[:, 1:], np.stack(K), np.array(native), height, width,
                         label_files, label_ids, cache)

    def trajectory(self, sequence: str, expected: int | None = None) -> np.ndarray:
        """Return the poses of this camera along a sequence, camera-to-world (N, 4, 4).

        Raises:
            InputError: if there are none, or as many as frames were expected.
        """
        path = self.root / "poses" / f"{sequence}.txt"
        poses = read_odometry_poses(path)
        if expected is not None and len(poses) != expected:
            raise InputError(f"{path} has {len(poses)} poses, but the sequence has {expected} images; fetch both "
                             f"again.")
        shift = self.calibrations[sequence].T_camera_cam0(self.camera)
        # the world is the first frame of this camera
        return shift @ poses @ np.linalg.inv(shift)

    @property
    def has_depth(self) -> bool:
        """Whether triplets carry depth."""
        return self.depth_kind is not None

    def ground_truth(self, index: int) -> np.ndarray:
        """Return the LiDAR depth of a target at its file's size: (H, W) float32 meters, 0 = none."""
        if self.depth_kind is None:
            return super().ground_truth(index)
        name, frame = self.items[index]
        height, width = (int(n) for n in self.native[index])
        scan = read_scan(self.root / "sequences" / name / "velodyne" / f"{frame:06d}.bin")
        return scan_to_depth(scan, self.calibrations[name], self.camera, height, width, self.depth_kind)

    def motion(self, index: int) -> np.ndarray | None:
        """Return T_source_target of every neighbor, (S, 4, 4), if the source was opened with poses."""
        if self.poses is None:
            return None
        name, frame = self.items[index]
        poses = self.poses[name]
        motions = [relative_motion(poses[frame + offset], poses[frame]) for offset in self.offsets]
        return np.array(motions).reshape(-1, 4, 4)


def sequence_images(folder: Path, camera: int) -> list[Path]:
    """Return the images of a sequence in order; they must be numbered from 0 without gaps.

    Raises:
        InputError: if there is none or a number is missing.
    """
    data = Path(folder) / f"image_{camera}"
    numbered = {int(path.stem): path for path in (sorted(data.iterdir()) if data.is_dir() else [])
                if path.suffix.lower() in IMAGE_SUFFIXES and path.stem.isdigit()}
    if not numbered:
        raise InputError(f"{data} holds no image; fetch these images of the sequence, or name another camera (0 "
                         "and 1 are gray, 2 and 3 in color).")
    for number in range(len(numbered)):
        if number not in numbered:
            raise InputError(f"{data} lacks frame {number:06d}; fetch the sequence again.")
    return [numbered[number] for number in range(len(numbered))]


def _label_files(folder: Path, items: Sequence[tuple[str, int]]) -> list[Path]:
    """Return the label PNG of every target; the names of a single sequence's frames are names enough."""
    alone = len({name for name, _ in items}) == 1 and not (folder / items[0][0]).is_dir()
    files = [(folder if alone else folder / name) / f"{frame:06d}.png" for name, frame in items]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} is missing, the labels of a frame; label the images first (the command `label`) "
                             "or train a variant without labels.")
    return files


def _check_center(K: np.ndarray, size: tuple[int, int], path: Path) -> None:
    """Refuse a calibration whose principal point lies far from the middle: it belongs to another image size."""
    height, width = size
    if not (0.4 < K[0, 2] / width < 0.6 and 0.35 < K[1, 2] / height < 0.65):
        raise InputError(f"{path} puts the principal point at ({K[0, 2]:.1f}, {K[1, 2]:.1f}), but the images have "
                         f"{width}x{height} pixels; use the calibration that came with them.")
