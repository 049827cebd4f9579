"""A street drive in the folder layout of KITTI raw, with a contact sheet and an animated preview."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..classes import CLASSES
from ..common.contracts import InputError
from ..common.storage import temporary_folder
from .render import Frame, render_scene
from .scene import make_scene

DATE = "2021_02_13"


def export_kitti(seed: int, frames: int, height: int, width: int, folder: str | Path, progress: bool = True) -> Path:
    """Write a street video in the layout of KITTI raw and return the drive's folder.

    `<DATE>/calib_cam_to_cam.txt` and, under `<DATE>/<DATE>_drive_NNNN_sync/`: `image_02/data/*.png`,
    `proj_depth/groundtruth/image_02/*.png` (16 bit, meters * 256, 0 = none), `labels/image_02/*.png` (trainIds),
    `poses.txt` (12 numbers a line, camera-to-world); and `preview.png`, `preview.gif`.  The depth of a 16-bit PNG ends
    at 255.99 m; farther surfaces are written as 0.

    Args:
        seed: Seed of the scene.
        frames: Number of frames.
        height, width: Size of the images, pixels.
        folder: Folder that does not exist or is empty; it is complete or absent afterwards.
        progress: Whether to show a progress bar.

    Raises:
        InputError: if the folder is not empty or cannot be written, frames is below 1, or the picture is too small or
            too large.
    """
    folder = Path(folder)
    if frames < 1:
        raise InputError(f"frames {frames} is below 1; ask for at least one frame.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"folder {folder} is not empty; name a new or empty folder for the video.")
    scene = make_scene(seed)
    drive = f"{DATE}/{DATE}_drive_{seed % 10000:04d}_sync"
    try:
        with temporary_folder(folder) as temporary:
            kept = []
            poses = []
            for index in tqdm(range(frames), unit="frame", desc="render drive", disable=not progress):
                frame = render_scene(scene, index, height, width)
                _write_frame(temporary / drive, index, frame)
                poses.append(" ".join(f"{value:.12e}" for value in frame.pose[:3].ravel()))
                kept.append(_preview_row(frame))
            (temporary / drive / "poses.txt").write_text("\n".join(poses) + "\n")
            (temporary / DATE / "calib_cam_to_cam.txt").write_text(_calibration(frame.K, height, width))
            _write_previews(temporary, kept)
            if folder.exists():
                folder.rmdir()
            temporary.rename(folder)
            folder.chmod(0o755)
    except OSError as error:
        raise InputError(f"the video cannot be written to {folder} ({error.strerror or error}); free space or name "
                         "another folder.") from error
    return folder / drive


def _write_frame(drive: Path, index: int, frame: Frame) -> None:
    """Write image, 16-bit depth and labels of one frame."""
    from PIL import Image

    meters = np.rint(frame.depth.astype(np.float64) * 256)
    depth = np.where(meters < 65536, meters, 0).astype(np.uint16)
    for place, array in (("image_02/data", frame.image), ("proj_depth/groundtruth/image_02", depth),
                         ("labels/image_02", frame.labels)):
        path = drive / place / f"{index:010d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)


def _calibration(K: np.ndarray, height: int, width: int) -> str:
    """Return the text of calib_cam_to_cam.txt: four equal cameras at the same place, already rectified."""

    def numbers(values) -> str:
        return " ".join(f"{value:e}" for value in np.ravel(values))

    lines = ["calib_time: 13-Feb-2021 00:00:00", "corner_dist: 1.000000e-01"]
    for camera in range(4):
        entries = {"S": (width, height), "K": K, "D": np.zeros(5), "R": np.eye(3), "T": np.zeros(3),
                   "S_rect": (width, height), "R_rect": np.eye(3), "P_rect": np.hstack([K, np.zeros((3, 1))])}
        lines += [f"{name}_{camera:02d}: {numbers(values)}" for name, values in entries.items()]
    return "\n".join(lines) + "\n"


def _preview_row(frame: Frame) -> np.ndarray:
    """Return image, inverse depth in color and labels side by side, uint8."""
    from matplotlib import colormaps

    inverse = np.where(frame.depth > 0, 1 / np.maximum(frame.depth, 1e-6), 0)
    top = max(float(np.percentile(inverse, 97)), 1e-6)
    color = (colormaps["magma"](np.clip(inverse / top, 0, 1) ** .7)[..., :3] * 255).astype(np.uint8)
    return np.concatenate([frame.image, color, np.array(list(CLASSES.values()), np.uint8)[frame.labels]], axis=1)


def _write_previews(folder: Path, rows: list[np.ndarray]) -> None:
    """Write preview.png (six frames or fewer) and preview.gif (all frames at 10 frames/s)."""
    from PIL import Image

    chosen = sorted({int(i) for i in np.linspace(0, len(rows) - 1, 6)})
    Image.fromarray(np.concatenate([rows[i] for i in chosen])).save(folder / "preview.png")
    pictures = [Image.fromarray(row) for row in rows]
    pictures = [picture.resize((960, max(1, 960 * picture.height // picture.width))) for picture in pictures]
    pictures[0].save(folder / "preview.gif", save_all=True, append_images=pictures[1:], duration=100, loop=0)
