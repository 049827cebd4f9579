"""Frames of your own: a folder of images or a video file with one line of intrinsics, as a source of triplets."""
from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..camera import check_intrinsics
from ..common.contracts import InputError
from ..common.runtime import notice
from ..common.small_files import check_folder, read_rows
from .clips import ClipSource
from .frame_cache import DEFAULT_CACHE
from .frame_order import FrameOrder, order_by_times, order_frames
from .image_files import field_of_view, find_images, image_size, read_depth_png
from .intrinsics_file import INTRINSICS_FILE, parse_intrinsics, read_intrinsics_file
from .kitti.poses import relative_motion
from .pose_files import read_poses
from .video import TIMES_FILE, unpack_video


def find_frames(folder: Path, allow_gaps: bool = False, neighbors: bool = True) -> FrameOrder:
    """Find the images of a folder and order them by the number in their names, see `frame_order`.

    Args:
        folder: Folder that holds the images; nothing below it counts.
        allow_gaps: Whether missing numbers only cut the clip, instead of being refused.
        neighbors: Whether it matters which frame follows which; where it does not, unnumbered pictures count too.

    Raises:
        InputError: If there is no image, no image has a number, numbers repeat, or a number is missing.
    """
    folder = Path(folder)
    check_folder(folder, "name a folder of images or a video file")
    files = find_images(folder)
    times = folder / TIMES_FILE
    if times.is_file():
        order = order_by_times(files, _read_times(times, len(files)))
    else:
        order = order_frames(files, str(folder))
    if not neighbors:
        single = order.files + order.left_out
        return replace(order, files=single, clip=np.arange(len(single)), left_out=[], gaps=[])
    if not order.files:
        kitti = any(folder.glob("*/*_drive_*"))
        remedy = f"write kitti:{folder}, because it has KITTI's folders" if kitti else "number the frames"
        raise InputError(f"{folder} holds no image with a number in its name, so which frame follows which is unknown; "
                         f"{remedy}.")
    if order.gaps and not allow_gaps:
        raise InputError(f"{folder} {order.gaps[0]} ({len(order.gaps)} gaps); restore the frames, or allow gaps to cut "
                         "the clip there.")
    return order


def _read_times(path: Path, count: int) -> list[float]:
    """Read the time of each frame of an unpacked video, seconds."""
    rows = read_rows(path, "a time in seconds for each frame")
    try:
        times = [float(line) for _, line in rows]
    except ValueError as error:
        raise InputError(f"{path} holds something that is no time in seconds ({error}); remove the folder, and the "
                         "video is unpacked again.") from error
    if len(times) != count or not all(map(math.isfinite, times)):
        raise InputError(f"{path} has {len(times)} times for {count} frames, expected a finite one for each; remove "
                         "the folder, and the video is unpacked again.")
    return times


class FrameFolder(ClipSource):
    """Triplets of a folder of images, or of a video file.

    Intrinsics come from `intrinsics`, or else from intrinsics.txt in the folder. Labels and depth, where there are
    any, are PNGs of the same names in folders of their own.
    """

    def __init__(self, root: Path, height: int, width: int, intrinsics: str | torch.Tensor | None = None, step: int = 1,
                 labels: Path | None = None, label_ids: str = "trainId", depth: Path | None = None,
                 allow_gaps: bool = False, cache: Path | None = DEFAULT_CACHE, neighbors: bool = True,
                 path: Path | None = None) -> None:
        """Look at the names and headers of all frames; pixels are decoded when asked for.

        Args:
            root: Folder of images, or a video file, which is unpacked into the cache folder first.
            height, width: Size to yield, pixels.
            intrinsics: `fx fy cx cy` in pixels, `fov D` in degrees, or K (3, 3), all at the size of the files as shown.
            step: Number of frames from a target to its neighbors; raise it where the camera hardly moves.
            labels: Folder of label PNGs with the frames' names.
            label_ids: Name of their ids, trainId or labelId.
            depth: Folder of 16-bit depth PNGs with the frames' names, to judge by; frames without one are left out.
            allow_gaps: Whether missing frame numbers only cut the clip.
            cache: Folder for decoded frames; None decodes at every request.
            neighbors: Whether targets need neighbors; False takes every frame by itself, as prediction is judged.
            path: File of the camera's poses, a line for each frame, see `pose_files`; triplets then carry the motion.

        Raises:
            InputError: Naming the file, and the line, of whatever is missing or wrong.
        """
        root = Path(root)
        self.name, self.step = f"frames {root.name}", step
        if root.is_file():
            root = unpack_video(root, Path(cache or DEFAULT_CACHE))
        if step < 1:
            raise InputError(f"step {step} is no frame step; use 1 or more.")
        order = find_frames(root, allow_gaps, neighbors)
        files, clip = order.files, order.clip
        self.poses = None if path is None else read_poses(Path(path), len(files))
        size = _common_size(files)
        self.native_K = _all_intrinsics(root, files, size, intrinsics, needed=neighbors)
        reach = np.array([-step, step] if neighbors else [], dtype=np.int64)
        targets = np.arange(step, len(files) - step) if neighbors else np.arange(len(files))
        around = targets[:, None] + reach  # (N, 2), or (N, 0)
        whole = (clip[around] == clip[targets, None]).all(1)
        targets, around = targets[whole], around[whole]
        self.about = order.sentence() if neighbors else f"{len(files)} frames, each by itself"
        if not len(targets):
            raise InputError(f"{root} holds {self.about}: too few in a row for a target with neighbors {step} frames "
                             f"away; add frames or lower the step.")
        notice(f"{root}: {self.about}.", logging.INFO)
        if depth is not None:
            there = _with_depth(Path(depth), files, targets)
            targets, around = targets[there], around[there]
        self.depth_files = None if depth is None else _partner_files(Path(depth), files, targets, "depth")
        label_files = None if labels is None else _partner_files(Path(labels), files, targets, "labels")
        super().__init__(files, targets, around, self.native_K[targets].double().numpy(),
                         np.tile(size, (len(targets), 1)), height, width, label_files, label_ids, cache)

    def motion(self, index: int) -> np.ndarray | None:
        """Return T_source_target of every neighbor, (S, 4, 4), if the camera's poses were named."""
        if self.poses is None:
            return None
        target = self.poses[self.targets[index]]
        return np.array([relative_motion(self.poses[other], target) for other in self.neighbors[index]])

    @property
    def has_depth(self) -> bool:
        """Whether triplets carry depth."""
        return self.depth_files is not None

    def ground_truth(self, index: int) -> np.ndarray:
        """Return the depth of a target at its file's size: (H, W) float32 meters, 0 = none."""
        if self.depth_files is None:
            return super().ground_truth(index)
        depth = read_depth_png(self.depth_files[index])
        if depth.shape != tuple(self.native[index]):
            raise InputError(f"{self.depth_files[index]} has {depth.shape[1]}x{depth.shape[0]} pixels, but its image "
                             f"has {self.native[index][1]}x{self.native[index][0]}.")
        return depth


def _common_size(files: list[Path]) -> tuple[int, int]:
    """Return the (height, width) that all frames share."""
    size = image_size(files[0])
    for file in files[1:]:
        other = image_size(file)
        if other != size:
            raise InputError(f"{file} has {other[1]}x{other[0]} pixels, but {files[0].name} has {size[1]}x{size[0]}; "
                             f"all frames of a clip need one size.")
    return size


def _all_intrinsics(root: Path, files: list[Path], size: tuple[int, int], given: str | torch.Tensor | None,
                    needed: bool) -> torch.Tensor:
    """Return (N, 3, 3) intrinsics, from the argument or from the folder's file; single frames can do without."""
    if isinstance(given, str):
        return parse_intrinsics(given, *size).repeat(len(files), 1, 1)
    if given is not None:
        K = torch.as_tensor(given, dtype=torch.float32)
        check_intrinsics(K, *size)
        return K.reshape(-1, 3, 3).expand(len(files), 3, 3)
    path = root / INTRINSICS_FILE
    if not path.exists() and not needed:
        notice(f"{root} has no intrinsics, and none were given; depth of single frames is judged without.",
               logging.INFO)
        return parse_intrinsics("fov 60", *size).repeat(len(files), 1, 1)
    if not path.exists():
        degrees = field_of_view(files[0])
        if degrees is None:
            raise InputError(f"{root} has no {INTRINSICS_FILE}, and no intrinsics were given; write one line 'fx fy cx "
                             "cy' in pixels or 'fov D' in degrees (a phone held level sees about 65).")
        notice(f"{root} has no intrinsics; a field of view of {degrees:.0f} degrees across is a guess from the focal "
               f"length that the camera wrote into {files[0].name} (EXIF), and cropping or stabilization makes it "
               "wrong: give intrinsics where you know them.")
        return parse_intrinsics(f"fov {degrees}", *size).repeat(len(files), 1, 1)
    return read_intrinsics_file(path, files, *size)


def _with_depth(folder: Path, files: list[Path], targets: np.ndarray) -> np.ndarray:
    """Return which targets have a depth PNG of their name; a notice tells how many have none."""
    there = np.array([(folder / f"{files[i].stem}.png").is_file() for i in targets])
    if not there.any():
        raise InputError(f"{folder / files[targets[0]].stem}.png is missing, and so is every other depth PNG of a "
                         "frame's name; name the folder of depth PNGs.")
    if not there.all():
        notice(f"{int(there.sum())} of {len(there)} frames have depth in {folder}; the others are left out.")
    return there


def _partner_files(folder: Path, files: list[Path], targets: np.ndarray, what: str) -> list[Path]:
    """Return the PNG of the same name for every target."""
    partners = [folder / f"{files[i].stem}.png" for i in targets]
    for partner in partners:
        if not partner.is_file():
            raise InputError(f"{partner} is missing; every target frame needs {what} of its name, or none.")
    return partners
