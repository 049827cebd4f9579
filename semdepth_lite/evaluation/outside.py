"""Predictions of other programs, read from files and judged by the same protocol as a model's.

Accepted: a folder with one file an image, or one .npy or .npz file with all maps. A file holds depth or, if so named,
disparity: a 16-bit PNG (1/256 m, as KITTI's), or a .npy or .npz array. Any unit will do under median scaling.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..common.contracts import InputError
from ..common.small_files import check_regular
from ..data.image_files import read_depth_png
from ..data.triplet import Triplet

SUFFIXES = (".png", ".npy", ".npz")


class OutsidePredictions:
    """A predictor that reads what another program has predicted; `evaluate` judges it like a model.

    Attributes:
        about: Sentence that tells how the files were matched to the images.
    """

    def __init__(self, place: Path, names: Sequence[str], disparity: bool = False) -> None:
        """Match the files to the images.

        Args:
            place: Folder with one file an image, or one array file of shape (N, h, w).
            names: Name of each image without its suffix, in the order in which they are judged. Files are matched by
                these names (NAME.png, NAME_depth.png, NAME.npy, ...) where every image has its own, else by order.
            disparity: Whether the files hold disparity instead of depth.

        Raises:
            InputError: If there is no such file, or images and predictions do not match.
        """
        self.disparity, self.files, self.stack = disparity, [], None
        place = Path(place)
        if place.is_file():
            self.stack = read_array(place)
            if self.stack.ndim != 3 or len(self.stack) != len(names):
                raise InputError(f"{place} holds an array of shape {self.stack.shape}, expected ({len(names)}, h, w): "
                                 "one map for each image.")
            self.about = f"{place.name}, one map an image in their order"
        elif place.is_dir():
            self.files, self.about = match_files(place, names)
        else:
            raise InputError(f"{place} does not exist; name a folder of predictions, or a .npy or .npz file of them.")

    def __call__(self, batch: Triplet) -> torch.Tensor:
        """Return the depth of a batch (B, 1, h, w).

        Raises:
            InputError: If a file cannot be read, or a prediction is not positive and finite everywhere.
        """
        if batch.index is None:
            raise InputError("the batch does not say which images it holds; give it an index.")
        maps = [self._read(int(index)) for index in batch.index]
        if any(each.shape != maps[0].shape for each in maps):
            raise InputError("the predictions of one batch differ in size; write them all at one size.")
        return torch.from_numpy(np.stack(maps))[:, None]

    def _read(self, index: int) -> np.ndarray:
        """Read one prediction as depth (h, w)."""
        if self.stack is not None:
            name, values = f"map {index}", self.stack[index]
        else:
            path = self.files[index]
            name, values = path.name, read_depth_png(path) if path.suffix.lower() == ".png" else read_array(path)
            values = values[0] if values.ndim == 3 and len(values) == 1 else values
        if values.ndim != 2:
            raise InputError(f"{name} has shape {values.shape}, expected (height, width).")
        values = values.astype(np.float32)
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            kind = "disparity" if self.disparity else "depth"
            raise InputError(f"{name} has {int(bad.sum())} of {bad.size} pixels without a positive finite {kind}; "
                             "predictions must be dense.")
        return 1 / values if self.disparity else values


def read_array(path: Path) -> np.ndarray:
    """Read the array of a .npy file, or the only one of a .npz file.

    Raises:
        InputError: If the file is damaged, holds several arrays, or no numbers.
    """
    check_regular(path, "an array file")
    try:
        content = np.load(path, allow_pickle=False)
        if hasattr(content, "files"):
            if len(content.files) != 1:
                raise InputError(f"{path} holds the arrays {', '.join(content.files) or 'none'}, expected one.")
            content = content[content.files[0]]
    except InputError:
        raise
    except Exception as error:  # zip and header readers raise anything on a stranger's bytes
        raise InputError(f"{path} cannot be read as an array ({error}); write it with numpy.save.") from error
    if content.dtype.kind not in "fiu":
        raise InputError(f"{path} holds values of type {content.dtype}, expected numbers.")
    return content


def match_files(folder: Path, names: Sequence[str]) -> tuple[list[Path], str]:
    """Find the prediction of each image, by name or else by order, and tell how.

    Raises:
        InputError: If files and images do not match.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES
                   and not path.name.startswith(".") and not path.stem.endswith("_color"))
    by_name = {path.stem.removesuffix("_depth").removesuffix("_disp"): path for path in files}
    if len(set(names)) == len(names) and all(name in by_name for name in names):
        return [by_name[name] for name in names], f"{folder.name}, matched by name"
    if len(files) == len(names):
        return files, f"{folder.name}, matched by order"
    missing = next((name for name in names if name not in by_name), names[0])
    raise InputError(f"{folder} holds {len(files)} predictions ({', '.join(SUFFIXES)}) for {len(names)} images, and "
                     f"none for {missing!r}, for instance; write one file an image.")
