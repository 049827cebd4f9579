"""A real photograph with measured depth: the Motorcycle of the Middlebury stereo pairs, as scikit-image installs it.

The pair is one triplet with one source: the left picture is the target, the right one its source, the motion between
the two cameras is known, and so depth is in meters. Nothing is ever downloaded: the files are read where scikit-image
has put them.
"""
from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..camera import intrinsics
from ..common.contracts import InputError
from .clips import ClipSource
from .image_files import read_image
from .label_maps import resize_nearest
from .triplet import Indices, Triplet

CITATION = ("D. Scharstein, H. Hirschmueller, Y. Kitajima, G. Krathwohl, N. Nesic, X. Wang, P. Westling: "
            "High-resolution stereo datasets with subpixel-accurate ground truth. GCPR 2014. Pictures by N. Nesic, "
            "P. Westling, X. Wang, Y. Kitajima, G. Krathwohl and D. Scharstein, Middlebury College; reduced by "
            "scikit-image.")
LICENSE_NOTE = ("The page of the picture in scikit-image's documentation names its makers and the paper to cite, and "
                "no license; scikit-image itself is BSD-3-Clause. This package holds no copy of it.")

# The calibration that stands beside the reduced pictures in scikit-image's documentation, pixels and meters.
HEIGHT, WIDTH = 500, 741
FOCAL, CENTER_X, CENTER_Y = 994.978, 311.193, 254.877
CENTER_SHIFT = 31.086  # the right camera's principal point lies so much further right
BASELINE = 0.193001    # the right camera stands so much further right
LEFT, RIGHT, DISPARITY = "motorcycle_left.png", "motorcycle_right.png", "motorcycle_disp.npz"


class PhotoSource(ClipSource):
    """One stereo photograph as a source of a single triplet: left picture, right picture, K, motion, measured depth.

    The right picture is shifted by the difference of the principal points, so that one K serves both views.
    """

    name = "photo"

    def __init__(self, height: int = 256, width: int = 384) -> None:
        """Read the pair from the installed scikit-image.

        Args:
            height, width: Size to yield, pixels.

        Raises:
            InputError: if scikit-image is not installed, or installed without the pair.
        """
        folder = find_pictures()
        files = [folder / LEFT, folder / RIGHT]
        K = intrinsics(FOCAL, FOCAL, CENTER_X, CENTER_Y)[None].double().numpy()
        super().__init__(files, np.array([0]), np.array([[1]]), K, np.array([[HEIGHT, WIDTH]]), height, width,
                         cache=None)
        self.frames.read_file = self._read
        self.depth = depth_of_disparity(read_disparity(folder / DISPARITY))

    def _read(self, path: Path) -> np.ndarray:
        """Read one picture at the size to yield, (3, H, W) uint8; the right one shifted by a fraction of a pixel."""
        shift = CENTER_SHIFT if path.name == RIGHT else 0.0
        pixels = np.pad(read_image(path), ((0, 0), (0, int(np.ceil(shift))), (0, 0)), mode="edge")
        window = (shift, 0, WIDTH + shift, HEIGHT)
        picture = Image.fromarray(pixels).resize((self.width, self.height), Image.Resampling.LANCZOS, window)
        return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))

    @property
    def has_depth(self) -> bool:
        """Whether triplets carry depth."""
        return True

    def ground_truth(self, index: int) -> np.ndarray:
        """Return the measured depth at the picture's own size: (H, W) float32 meters, 0 = not measured."""
        return self.depth

    def motion(self, index: int) -> np.ndarray:
        """Return T_source_target of the right camera, (1, 4, 4): a step to the right moves all points to the left."""
        T = np.eye(4)
        T[0, 3] = -BASELINE
        return T[None]

    def triplet(self, indices: Indices) -> Triplet:
        """Return the pair as a batch, once for every index; its depth is that of the nearest pixel, for it is dense."""
        batch = super().triplet(indices)
        depth = torch.from_numpy(resize_nearest(self.depth, self.height, self.width))
        return replace(batch, depth=depth.expand(len(batch), 1, -1, -1))


def photo(height: int = 256, width: int = 384) -> PhotoSource:
    """Open the photograph: one real triplet with known motion and measured depth, see `CITATION` and `LICENSE_NOTE`.

    Args:
        height, width: Size to yield, pixels.

    Raises:
        InputError: if the installed scikit-image lacks the pair.
    """
    return PhotoSource(height, width)


def find_pictures() -> Path:
    """Return the folder in which the installed scikit-image keeps the pair.

    Its files are looked up without its loaders, which would fetch what is missing.

    Raises:
        InputError: if scikit-image, or one of the three files, is not there.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise InputError("the photograph comes with scikit-image, which is not installed; install the extra 'course' "
                         "of this package.")
    folder = Path(package.submodule_search_locations[0]) / "data"
    for name in (LEFT, RIGHT, DISPARITY):
        if not (folder / name).is_file():
            raise InputError(f"the installed scikit-image has no {name} in {folder}; install scikit-image from a wheel "
                             "of version 0.20 or newer, which brings the photograph (nothing is downloaded here).")
    return folder


def read_disparity(path: Path) -> np.ndarray:
    """Read the measured disparity: (500, 741) float64 pixels; what is not finite was not measured.

    Raises:
        InputError: if the file is damaged or of another shape.
    """
    try:
        with np.load(path) as arrays:
            disparity = np.asarray(arrays["arr_0"], dtype=np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}); install scikit-image again.") from error
    if disparity.shape != (HEIGHT, WIDTH):
        raise InputError(f"{path} holds an array of shape {disparity.shape}, expected {(HEIGHT, WIDTH)}; install "
                         "scikit-image again.")
    return disparity


def depth_of_disparity(disparity: np.ndarray) -> np.ndarray:
    """Turn disparity between the pictures as they are into depth: z = f b / (d + shift of the principal point).

    Args:
        disparity: (H, W) pixels.

    Returns:
        (H, W) float32 meters, 0 where it was not measured.
    """
    measured = np.isfinite(disparity) & (disparity + CENTER_SHIFT > 0)
    shifted = np.where(measured, disparity, 1) + CENTER_SHIFT
    return np.where(measured, FOCAL * BASELINE / shifted, 0).astype(np.float32)
