"""KITTI raw as a source of triplets, with LiDAR or improved depth, labels and poses where asked for."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...camera import monodepth2_intrinsics
from ...common.contracts import InputError
from ...common.runtime import notice
from ..clips import ClipSource
from ..frame_cache import DEFAULT_CACHE
from ..image_files import image_size, read_depth_png
from .calibration import Calibration, read_raw_calibration
from .lists import FrameIndex, FrameName, frames_of_drives, read_list
from .poses import oxts_pose, read_oxts, relative_motion
from .velodyne import read_scan, scan_to_depth

DEPTHS = ("camera", "forward", "improved")
INTRINSICS = ("calibration", "monodepth2")


class KittiRaw(ClipSource):
    """Triplets of KITTI raw.

    Depth, where asked for, is sparse: `camera` (LiDAR, z of the camera), `forward` (LiDAR, the scanner's forward
    coordinate, as the Eigen export has it) or `improved` (accumulated over 11 scans, Uhrig et al. 2017).
    """

    name = "kitti"

    def __init__(self, root: Path, height: int, width: int, frames: Path | Sequence[FrameName] | None = None,
                 neighbors: Sequence[int] = (-1, 1), intrinsics: str = "calibration", depth: str | None = None,
                 improved_root: Path | None = None, poses: bool = False, labels: Path | None = None,
                 label_ids: str = "trainId", cache: Path | None = DEFAULT_CACHE) -> None:
        """Look the files up; images are decoded when asked for.

        Args:
            root: The folder that holds the days (2011_09_26, ...).
            height, width: Size to yield, pixels.
            frames: A list file or frames; None takes every frame of every drive, left camera.
            neighbors: Offsets of the source frames; () for targets alone, as in the Eigen test.
            intrinsics: "calibration" of each drive, or "monodepth2", its one K for all.
            depth: None, "camera", "forward" or "improved".
            improved_root: Folder of the improved depth (holds the drives, or train and val with them).
            poses: Whether to read the motion from oxts.
            labels: Folder of label PNGs: <drive>/image_02/data/<frame>.png as the images lie under `root`, or
                <drive>/labels/image_02/<frame>.png as the street is exported; of one camera of one drive also
                <frame>.png, as `label` writes them.
            label_ids: Kind of the ids, trainId or labelId.
            cache: Folder for decoded frames; None decodes at every request.

        Raises:
            InputError: naming the file, and the line of the list, of whatever is missing or wrong.
        """
        self.root, self.depth_kind, self.poses, self.offsets = Path(root), depth, poses, tuple(neighbors)
        self._check_choices(depth, improved_root, intrinsics)
        self.improved_root = None if improved_root is None else Path(improved_root)
        if frames is None:
            frames = frames_of_drives(self.root, neighbors=neighbors)
        self.items = read_list(frames) if isinstance(frames, (str, Path)) else list(frames)
        if not self.items:
            raise InputError(f"no frame of {self.root} was asked for; name at least one.")
        index = FrameIndex(self.root)
        self._leave_out_without_depth()
        self.calibrations = {day: read_raw_calibration(self.root / day) for day in sorted({f.day for f in self.items})}
        files, positions = _positions(index, self.items, (0, *self.offsets))
        native = self._native_sizes(files, positions[:, 0])
        label_files = None if labels is None else _label_files(Path(labels), self.items)
        K = np.stack([self.calibrations[item.day].K(item.camera) for item in self.items])
        super().__init__(files, positions[:, 0], positions[:, 1:], K, native, height, width, label_files, label_ids,
                         cache)
        if intrinsics == "monodepth2":
            self.K = monodepth2_intrinsics(height, width).repeat(len(self), 1, 1)

    @staticmethod
    def _check_choices(depth: str | None, improved_root: Path | None, intrinsics: str) -> None:
        if depth is not None and depth not in DEPTHS:
            raise InputError(f"depth {depth!r} is unknown; use {', '.join(DEPTHS)} or None.")
        if depth == "improved" and improved_root is None:
            raise InputError("improved depth needs improved_root, the folder of KITTI's annotated depth maps.")
        if intrinsics not in INTRINSICS:
            raise InputError(f"intrinsics {intrinsics!r} are unknown; use {' or '.join(INTRINSICS)}.")

    def _native_sizes(self, files: list[Path], targets: np.ndarray) -> np.ndarray:
        """Return each target's (height, width), held against the calibration once for each camera of each drive."""
        known: dict[tuple[str, int], tuple[int, int]] = {}
        sizes = []
        for item, position in zip(self.items, targets):
            key = (item.folder, item.camera)
            if key not in known:
                known[key] = image_size(files[position])
                expected = self.calibrations[item.day].size[item.camera]
                if known[key] != expected:
                    raise InputError(f"{files[position]} has {known[key][1]}x{known[key][0]} pixels, but "
                                     f"{self.root / item.day / 'calib_cam_to_cam.txt'} (S_rect_0{item.camera}) is for "
                                     f"{expected[1]}x{expected[0]}; use the calibration of this day, and whole images.")
            sizes.append(known[key])
        return np.array(sizes)

    @property
    def depth_files(self) -> list[Path]:
        """Files of the depth of every target; none where the source was opened without."""
        return [] if self.depth_kind is None else [self.depth_file(i) for i in range(len(self))]

    @property
    def has_depth(self) -> bool:
        """Whether triplets carry depth."""
        return self.depth_kind is not None

    def calibration(self, index: int) -> Calibration:
        """Return the calibration of a target's day."""
        return self.calibrations[self.items[index].day]

    def depth_file(self, index: int) -> Path:
        """Return the scan or the improved depth PNG of a target."""
        item = self.items[index]
        if self.depth_kind != "improved":
            return self.root / item.folder / "velodyne_points" / "data" / f"{item.frame:010d}.bin"
        drive = item.folder.split("/")[1]
        tail = Path(drive) / "proj_depth" / "groundtruth" / f"image_0{item.camera}" / f"{item.frame:010d}.png"
        assert self.improved_root is not None, "improved depth lies in a folder of its own"
        paths = [self.improved_root / part / tail for part in ("", "train", "val")]
        return next((path for path in paths if path.is_file()), paths[0])

    def _leave_out_without_depth(self) -> None:
        """Leave out targets without depth, with a word; some frames of KITTI's drives and lists have none."""
        if self.depth_kind is None:
            return
        there = [self.depth_file(i).is_file() for i in range(len(self.items))]
        if not any(there):
            item = self.items[0]
            raise InputError(f"{item.where or item.relative()} has no depth: {self.depth_file(0)} is missing, and so "
                             "is the depth of all other frames; fetch it.")
        if not all(there):
            first = self.items[there.index(False)]
            notice(f"{sum(there)} of {len(there)} frames of {self.root} have {self.depth_kind} depth; the others are "
                   f"left out ({first.relative()} first).")
        self.items = [item for item, found in zip(self.items, there) if found]

    def ground_truth(self, index: int) -> np.ndarray:
        """Return the depth of a target at its file's size: (H, W) float32 meters, 0 = none.

        Raises:
            InputError: if the source was opened without depth, or the file is missing or damaged.
        """
        if self.depth_kind is None:
            return super().ground_truth(index)
        height, width = (int(n) for n in self.native[index])
        path = self.depth_file(index)
        if self.depth_kind != "improved":
            camera = self.items[index].camera
            return scan_to_depth(read_scan(path), self.calibration(index), camera, height, width, self.depth_kind)
        depth = read_depth_png(path)
        if depth.shape != (height, width):
            raise InputError(f"{path} has {depth.shape[1]}x{depth.shape[0]} pixels, but its image has "
                             f"{width}x{height}.")
        return depth

    def pose(self, index: int, offset: int = 0) -> np.ndarray:
        """Return the pose of a target's camera, or of its neighbor's, camera-to-world (4, 4), from oxts.

        Raises:
            InputError: if a packet is missing or malformed.
        """
        item = self.items[index]
        folder = self.root / item.folder / "oxts" / "data"
        first = next(iter(sorted(folder.glob("*.txt"))), folder / "0000000000.txt")
        imu = oxts_pose(read_oxts(folder / f"{item.frame + offset:010d}.txt"), float(read_oxts(first)[0]))
        return imu @ np.linalg.inv(self.calibration(index).T_camera_imu(item.camera))

    def motion(self, index: int) -> np.ndarray | None:
        """Return T_source_target of every neighbor, (S, 4, 4), if the source was opened with poses."""
        if not self.poses:
            return None
        target = self.pose(index)
        motions = [relative_motion(self.pose(index, offset), target) for offset in self.offsets]
        return np.array(motions).reshape(-1, 4, 4)


def _positions(index: FrameIndex, items: Sequence[FrameName], offsets: Sequence[int]) -> tuple[list[Path], np.ndarray]:
    """Return all image files that are needed, each once, and (N, len(offsets)) positions in them."""
    files: dict[Path, int] = {}
    rows = [[files.setdefault(index.image(item, offset), len(files)) for offset in offsets] for item in items]
    return list(files), np.array(rows, dtype=np.int64)


def _label_files(folder: Path, items: Sequence[FrameName]) -> list[Path]:
    files = []
    alone = len({(item.folder, item.camera) for item in items}) == 1  # frame numbers alone are names enough
    for item in items:
        mirrored, name = folder / f"{item.relative()}.png", f"{item.frame:010d}.png"
        places = [folder / item.folder / "labels" / f"image_0{item.camera}" / name, *[folder / name] * alone]
        files.append(next((place for place in places if place.is_file()), mirrored))
        if not files[-1].is_file():
            raise InputError(f"{item.where or item.relative()} has no labels: {mirrored} is missing; label the images "
                             f"first (the command `label`) or train a variant without labels.")
    return files
