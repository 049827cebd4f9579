"""From images to depth: a trained model applied to batches of a source, and to image files of any size."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .camera import backproject, check_intrinsics
from .common import InputError
from .data import Triplet
from .figures import colorize_depth
from .files import IMAGE_SUFFIXES, read_image, write_depth_png, write_image, write_ply
from .model import Model
from .sources import Source, to_image


def depth_predictor(model: Model) -> Callable[[Triplet], torch.Tensor]:
    """Return the function of a batch that evaluation wants: target to depth (B, 1, H, W), on the model's device."""
    device = next(model.parameters()).device
    model.eval()

    @torch.no_grad()
    def predict(batch: Triplet) -> torch.Tensor:
        there = batch.to(device)
        return model.predict(there.target, model.semantics_of(there)).depth.to(batch.target.device)

    return predict


def batches(source: Source, size: int = 8) -> Iterator[Triplet]:
    """Yield all triplets of a source in order, `size` at a time."""
    for start in range(0, len(source), size):
        yield source.triplet(np.arange(start, min(start + size, len(source))))


def find_images(paths: Sequence[Path]) -> list[Path]:
    """List the image files among `paths`, and those directly inside folders among them, sorted by name.

    Raises:
        InputError: if a path does not exist or nothing is found.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{path} does not exist; give image files or a folder of them.")
    if not found:
        raise InputError(f"no {', '.join(IMAGE_SUFFIXES)} image in {', '.join(map(str, paths))}; give image files or "
                         "a folder of them.")
    return found


@torch.no_grad()
def predict_image(model: Model, image: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Predict depth at the image's own size.

    Args:
        model: in evaluation mode.
        image: (H, W, 3) uint8.
        height, width: size at which the network works, pixels.

    Returns:
        (H, W) depth, up to scale. The disparity is what is resized, as in Monodepth2's evaluation [code: MD2].
    """
    device = next(model.parameters()).device
    full = to_image(image)[None].to(device)
    small = F.interpolate(full, (height, width), mode="bilinear", align_corners=False, antialias=True)
    disparity = 1 / model.predict(small).depth
    return 1 / F.interpolate(disparity, image.shape[:2], mode="bilinear", align_corners=False)[0, 0].cpu()


def predict_files(model: Model, paths: Sequence[Path], output: Path, height: int, width: int, scale: float = 1.0,
                  K: torch.Tensor | None = None, progress: bool = True) -> list[dict[str, str]]:
    """Write depth for image files: NAME_depth.png (16 bit, 256 steps a unit) and NAME_color.png, and NAME.ply with K.

    Args:
        model: in evaluation mode.
        paths: image files or folders.
        output: folder.
        height, width: size at which the network works, pixels.
        scale: factor from the model's unit to meters; monocular depth is known up to it only.
        K: (3, 3) intrinsics of the images, pixels; a point cloud is written where it is given.
        progress: show a progress bar.

    Returns:
        For each image the names of what was written. A file that exists already is made again.

    Raises:
        InputError: if an image cannot be read, two images share a name, or K cannot belong to an image.
    """
    from tqdm.auto import tqdm

    images = find_images(paths)
    names = [path.stem for path in images]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"several images are called {sorted(twice)[0]!r}; predict them into separate folders.")
    written = []
    for path, name in zip(tqdm(images, desc="predict", unit="image", disable=not progress), names):
        image = read_image(path)
        if K is not None:
            check_intrinsics(K, *image.shape[:2])
        depth = predict_image(model, image, height, width) * scale
        row = {"image": str(path), **{kind: str(output / f"{name}_{kind}.png") for kind in ("depth", "color")}}
        write_depth_png(Path(row["depth"]), depth.numpy())
        near, far = (float(depth.quantile(q)) for q in (0.01, 0.99)) if depth.numel() < 1 << 24 else (
            float(depth.min()), float(depth.max()))
        write_image(Path(row["color"]), colorize_depth(depth.numpy(), (near, far if far > near else near * 1.01)))
        if K is not None:
            row["points"] = str(output / f"{name}.ply")
            points = backproject(depth[None, None], K[None].to(depth))[0].flatten(1).T
            write_ply(Path(row["points"]), points.numpy(), image.reshape(-1, 3))
        written.append(row)
    return written
