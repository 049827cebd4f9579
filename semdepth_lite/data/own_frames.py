"""Frames of your own: a folder of images or a video file with one line of intrinsics, as a source of triplets; and the
scale that a known height of the camera gives."""
from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..camera import check_intrinsics
from ..camera import intrinsics as intrinsics_matrix
from ..common.contracts import InputError
from ..common.runtime import notice
from ..common.small_files import read_rows
from .clips import ClipSource
from .frame_cache import DEFAULT_CACHE
from .frame_order import FrameOrder, order_by_times, order_frames
from .image_files import find_images, image_size, read_depth_png
from .video import TIMES_FILE, unpack_video

INTRINSICS_FILE = "intrinsics.txt"


def parse_intrinsics(text: str, height: int, width: int, where: str = "intrinsics") -> torch.Tensor:
    """Read one line of intrinsics: `fx fy cx cy` in pixels, or `fov D`, the horizontal field of view in degrees.

    With a field of view: fx = fy = W / (2 tan(D / 2)), and the principal point in the middle, ((W-1)/2, (H-1)/2).

    Args:
        text: the line.
        height, width: of the images it belongs to, pixels.
        where: what the message calls it.

    Returns:
        (3, 3) K, pixels.

    Raises:
        InputError: if the line reads otherwise or cannot belong to this image size.
    """
    words = text.replace(",", " ").split()
    try:
        values = [float(word) for word in (words[1:] if words[:1] == ["fov"] else words)]
    except ValueError:
        values = []
    if words[:1] == ["fov"] and len(values) == 1:
        if not 5 <= values[0] <= 175:
            raise InputError(f"{where} gives a field of view of {values[0]:g} degrees, expected 5 to 175.")
        focal = width / (2 * math.tan(math.radians(values[0]) / 2))
        return intrinsics_matrix(focal, focal, (width - 1) / 2, (height - 1) / 2)
    if len(values) != 4:
        raise InputError(f"{where} reads {text.strip()[:60]!r}, expected 'fx fy cx cy' in pixels or 'fov D' in "
                         f"degrees.")
    K = intrinsics_matrix(*values)
    try:
        check_intrinsics(K, height, width)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return K


def write_intrinsics(folder: Path, K: torch.Tensor) -> Path:
    """Write the one line of intrinsics of a folder of frames and return its path."""
    fx, fy, cx, cy = (float(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    path = Path(folder) / INTRINSICS_FILE
    path.write_text(f"{fx:.6f} {fy:.6f} {cx:.6f} {cy:.6f}\n")
    return path


def read_intrinsics_file(path: Path, files: list[Path], height: int, width: int) -> torch.Tensor:
    """Read intrinsics.txt: one line for all frames, or one line `NAME fx fy cx cy` (or `NAME fov D`) for each.

    Args:
        path: the text file; empty lines and lines that begin with # do not count.
        files: the frames.
        height, width: of the frames, pixels.

    Returns:
        (N, 3, 3) K of every frame, pixels.

    Raises:
        InputError: naming file and line of whatever is wrong, or the frame that has no line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); expected a line 'fx fy cx cy' or 'fov D'.") from error
    rows = [(i, line.split()) for i, line in enumerate(lines, start=1) if line.strip() and not line.startswith("#")]
    names = {file.name for file in files} | {file.stem for file in files}
    if len(rows) == 1 and rows[0][1][0] not in names:
        K = parse_intrinsics(" ".join(rows[0][1]), height, width, f"{path} line {rows[0][0]}")
        return K.repeat(len(files), 1, 1)
    known: dict[str, torch.Tensor] = {}
    for number, words in rows:
        if words[0] not in names:
            raise InputError(f"{path} line {number} begins with {words[0]!r}, which is no frame here; with several "
                             f"lines each begins with the name of its frame.")
        known[Path(words[0]).stem] = parse_intrinsics(" ".join(words[1:]), height, width, f"{path} line {number}")
    for file in files:
        if file.stem not in known:
            raise InputError(f"{path} has no line for {file.name}; give one line for all frames, or one for each.")
    return torch.stack([known[file.stem] for file in files])


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
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name a folder of images or a video file.")
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
        raise InputError(f"{folder} holds no image with a number in its name, so which frame follows which is unknown; "
                         "number the frames.")
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
                 allow_gaps: bool = False, cache: Path | None = DEFAULT_CACHE, neighbors: bool = True) -> None:
        """Look at the names and headers of all frames; pixels are decoded when asked for.

        Args:
            root: folder of images, or a video file, which is unpacked into the cache folder first.
            height, width: size to yield, pixels.
            intrinsics: `fx fy cx cy` in pixels, `fov D` in degrees, or K (3, 3), all at the size of the files.
            step: how many frames lie between a target and its neighbors; raise it where the camera hardly moves.
            labels: folder of label PNGs with the frames' names.
            label_ids: trainId or labelId.
            depth: folder of 16-bit depth PNGs with the frames' names, to judge by.
            allow_gaps: whether missing frame numbers only cut the clip.
            cache: folder for decoded frames; None decodes at every request.
            neighbors: False for every frame by itself, as prediction is judged.

        Raises:
            InputError: naming the file, and the line, of whatever is missing or wrong.
        """
        root = Path(root)
        self.name, self.step = f"frames {root.name}", step
        if root.is_file():
            root = unpack_video(root, Path(cache or DEFAULT_CACHE))
        if step < 1:
            raise InputError(f"step {step} is no frame step; use 1 or more.")
        order = find_frames(root, allow_gaps, neighbors)
        files, clip = order.files, order.clip
        size = _common_size(files)
        self.native_K = _all_intrinsics(root, files, size, intrinsics)
        reach = np.array([-step, step] if neighbors else [], dtype=np.int64)
        targets = np.arange(step, len(files) - step) if neighbors else np.arange(len(files))
        around = targets[:, None] + reach  # (N, 2), or (N, 0)
        whole = (clip[around] == clip[targets, None]).all(1)
        targets, around = targets[whole], around[whole]
        self.about = order.sentence()
        if not len(targets):
            raise InputError(f"{root} holds {self.about}: too few in a row for a target with neighbors {step} frames "
                             f"away; add frames or lower the step.")
        notice(f"{root}: {self.about}.", logging.INFO)
        self.depth_files = None if depth is None else _partner_files(Path(depth), files, targets, "depth")
        label_files = None if labels is None else _partner_files(Path(labels), files, targets, "labels")
        super().__init__(files, targets, around, self.native_K[targets].double().numpy(),
                         np.tile(size, (len(targets), 1)), height, width, label_files, label_ids, cache)

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


def _all_intrinsics(root: Path, files: list[Path], size: tuple[int, int],
                    given: str | torch.Tensor | None) -> torch.Tensor:
    """Return (N, 3, 3) intrinsics, from the argument or from the folder's file."""
    if isinstance(given, str):
        return parse_intrinsics(given, *size).repeat(len(files), 1, 1)
    if given is not None:
        K = torch.as_tensor(given, dtype=torch.float32)
        check_intrinsics(K, *size)
        return K.reshape(-1, 3, 3).expand(len(files), 3, 3)
    path = root / INTRINSICS_FILE
    if not path.is_file():
        raise InputError(f"{root} has no {INTRINSICS_FILE}, and no intrinsics were given; write one line 'fx fy cx cy' "
                         f"in pixels or 'fov D' in degrees.")
    return read_intrinsics_file(path, files, *size)


def _partner_files(folder: Path, files: list[Path], targets: np.ndarray, what: str) -> list[Path]:
    """Return the PNG of the same name for every target."""
    partners = [folder / f"{files[i].stem}.png" for i in targets]
    for partner in partners:
        if not partner.is_file():
            raise InputError(f"{partner} is missing; every target frame needs {what} of its name, or none.")
    return partners
