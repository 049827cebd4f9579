"""From images to depth: a trained model applied to batches of a source, and to image files of any size."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ..camera import backproject, check_intrinsics
from ..common.contracts import InputError, check_divisible, check_sizes
from ..common.storage import check_outputs, remove_leftovers
from ..data.image_files import DEPTH_STEPS, find_images, read_image, write_depth_png, write_image, write_ply
from ..data.sources import Source, batches, to_image
from ..data.triplet import Triplet
from ..figures import colorize_depth
from ..metrics import evaluation_mask, median_scale
from ..model import Model
from ..semantics import predicted_labels
from ..training.segmenter import with_masks
from .protocol import Protocol
from .report import Report, evaluate


def blend_flipped(disparity: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """Blend the disparity of an image with that of its mirror image, mirrored back.

    Their mean in the middle; at the left rim, where a stereo-trained network sees no partner, the mirrored pass, at
    the right rim the plain one: weight 1 over 5 % of the width, then a linear ramp over another 5 %.

    Args:
        disparity: (B, 1, H, W) of the image as it is.
        mirrored: (B, 1, H, W) of the mirrored image, already flipped back.

    Returns:
        (B, 1, H, W). Source: Godard et al. 2017, as Monodepth2 computes it [code: MD2].

    Raises:
        InputError: if the shapes differ.
    """
    check_sizes(mirrored, "mirrored", "B1HW", **check_sizes(disparity, "disparity", "B1HW"))
    across = torch.linspace(0, 1, disparity.shape[-1], dtype=disparity.dtype, device=disparity.device)
    left = 1 - (20 * (across - 0.05)).clamp(0, 1)
    right = left.flip(0)
    return right * disparity + left * mirrored + (1 - left - right) * (disparity + mirrored) / 2


@torch.no_grad()
def predict_depth(model: Model, images: torch.Tensor, semantics: torch.Tensor | None = None, flip: bool = False
                  ) -> torch.Tensor:
    """Predict depth, as it is or with its disparity blended with that of the mirrored images (`blend_flipped`).

    Args:
        model: Model in evaluation mode.
        images: (B, 3, H, W) in [0, 1].
        semantics: Label map that some variants want, see `Model.semantics_of`.
        flip: Whether to post-process by the mirrored images.

    Returns:
        (B, 1, H, W) up to scale.
    """
    depth = model.predict(images, semantics).depth
    if not flip:
        return depth
    mirrored = model.predict(images.flip(-1), None if semantics is None else semantics.flip(-1)).depth.flip(-1)
    return 1 / blend_flipped(1 / depth, 1 / mirrored)


def depth_predictor(model: Model, flip: bool = False) -> Callable[[Triplet], torch.Tensor]:
    """Return the function of a batch that evaluation wants: target to depth (B, 1, H, W), on the model's device."""
    device = next(model.parameters()).device
    model.eval()

    def predict(batch: Triplet) -> torch.Tensor:
        there = batch.to(device)
        return predict_depth(model, there.target, model.semantics_of(there), flip).to(batch.target.device)

    return predict


def label_predictor(model: Model) -> Callable[[Triplet], torch.Tensor] | None:
    """Return the function of a batch that predicts its label ids (B, H, W); None for a model that predicts no classes.

    They come from the semantic branch (see `semantics.targets` for its ids), or from the model's own segmenter.
    """
    device = next(model.parameters()).device
    model.eval()

    @torch.no_grad()
    def branch(batch: Triplet) -> torch.Tensor:
        there = batch.to(device)
        logits = model.predict(there.target, model.semantics_of(there)).semantic_logits
        assert logits is not None  # of a model with a branch
        return predicted_labels(logits)

    def segmenter(batch: Triplet) -> torch.Tensor:
        packed = model.semantics_of(batch.to(device))
        assert packed is not None  # by a model with a segmenter
        return packed[:, 0]

    if model.semantic is not None:
        return branch
    return None if model.segmenter is None else segmenter


@torch.no_grad()
def predict_image(model: Model, image: np.ndarray, height: int, width: int, flip: bool = False) -> torch.Tensor:
    """Predict depth at the image's own size.

    Args:
        model: Model in evaluation mode.
        image: (H, W, 3) uint8.
        height, width: Size at which the network works, pixels.
        flip: Whether to blend with the prediction of the mirrored image.

    Returns:
        (H, W) depth, up to scale. The image is resized by Lanczos, as for training; of the result it is the disparity
        that is resized, as in Monodepth2's evaluation [code: MD2].

    Raises:
        InputError: if the image has another shape or type, or the network's size does not fit.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3 or not image.size:
        raise InputError(f"the image has shape {np.shape(image)}, expected (H, W, 3); repeat the channel of a gray "
                         "image three times, and give the images of a batch one by one.")
    check_divisible(height, width)
    device = next(model.parameters()).device
    to_image(image)  # refuses what is no image before Pillow misreads it
    picture = Image.fromarray(np.ascontiguousarray(image))

    def resized(factor: int) -> torch.Tensor:
        """Return the picture (1, 3, H, W) at a multiple of the network's size."""
        pixels = picture.resize((factor * width, factor * height), Image.Resampling.LANCZOS)
        return to_image(np.array(pixels))[None].to(device)

    # the whole picture is there, so a segmenter sees its own size of it
    semantics = None if model.segmenter is None else model.segmenter.packed(resized(model.segmenter.scale))
    disparity = 1 / predict_depth(model, resized(1), semantics, flip)
    return 1 / F.interpolate(disparity, image.shape[:2], mode="bilinear", align_corners=False)[0, 0].cpu()


def _name(name: str, kind: str, suffix: str) -> str:
    return f"{name}.ply" if kind == "points" else f"{name}_{kind}.{suffix}"


def predict_files(model: Model, paths: Sequence[Path], output: Path, height: int, width: int,
                  scale: float | None = 1.0, K: torch.Tensor | None = None, progress: bool = True, flip: bool = False,
                  cloud_every: int = 1) -> list[dict[str, str]]:
    """Write depth for image files: NAME_depth.png (16 bit) and NAME_color.png, and NAME.ply with K.

    An image that cannot be read or predicted is passed over, and the others are written.

    Args:
        model: Model in evaluation mode.
        paths: Image files or folders.
        output: Folder to write to.
        height, width: Size at which the network works, pixels.
        scale: Factor from the model's unit to meters, of which the PNG has 256 steps each; None where it is unknown:
            the PNG then has as many steps a unit as fit, a power of two chosen by the first image.
        K: (3, 3) intrinsics of the images, pixels; a point cloud is written where it is given.
        progress: Whether to show a progress bar.
        flip: Whether to blend each prediction with that of the mirrored image.
        cloud_every: Number of images for each point cloud; 1 writes one of every image.

    Returns:
        For each image the names of what was written and the PNG's steps a unit, or the error. A file that exists
        already is made again.

    Raises:
        InputError: if no image can be predicted, or two images share a name.
    """
    from tqdm.auto import tqdm

    images = find_images(paths)
    names = [path.stem for path in images]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"several images are called {sorted(twice)[0]!r}; predict them into separate folders.")
    kinds = {"depth": "png", "color": "png"} | ({} if K is None else {"points": "ply"})
    for kind, suffix in kinds.items():
        check_outputs([output / _name(name, kind, suffix) for name in names], kind, images)
    if output.is_dir():
        remove_leftovers(output)
    written, steps = [], float(DEPTH_STEPS) if scale is not None else None
    for i, (path, name) in enumerate(zip(tqdm(images, desc="predict", unit="image", disable=not progress), names)):
        own_kinds = {kind: end for kind, end in kinds.items() if kind != "points" or i % cloud_every == 0}
        try:
            image = read_image(path)
            if K is not None:
                check_intrinsics(K, *image.shape[:2])
        except InputError as error:
            if len(images) == 1:
                raise
            written.append({"image": str(path), "error": str(error)})
            continue
        depth = predict_image(model, image, height, width, flip) * (1.0 if scale is None else scale)
        if scale is not None:
            _check_scaled(depth, scale, path)
        steps = steps or fine_steps(float(depth.max()))
        places = {kind: output / _name(name, kind, end) for kind, end in own_kinds.items()}
        _write_prediction(depth, image, places, steps, K)
        # every digit of the steps: depth is read by them
        written.append({"image": str(path), **{kind: str(place) for kind, place in places.items()},
                        "steps": f"{steps:.17g}"})
    if all("error" in row for row in written):
        raise InputError(f"none of the {len(images)} images could be predicted; the first: {written[0]['error']}")
    return written


def _write_prediction(depth: torch.Tensor, image: np.ndarray, places: dict[str, Path], steps: float,
                      K: torch.Tensor | None) -> None:
    """Write one image's depth (H, W), its picture, and its point cloud where it has a place."""
    near, far = (float(depth.quantile(q)) for q in (0.01, 0.99)) if depth.numel() < 1 << 24 else (
        float(depth.min()), float(depth.max()))
    color = colorize_depth(depth.numpy(), (near, far if far > near else near * 1.01))
    write_depth_png(places["depth"], depth.numpy(), "depth", steps)
    write_image(places["color"], color, "color")
    if K is not None and "points" in places:
        points = backproject(depth[None, None], K[None].to(depth))[0].flatten(1).T
        write_ply(places["points"], points.numpy(), image.reshape(-1, 3))


def _check_scaled(depth: torch.Tensor, scale: float, path: Path) -> None:
    """Refuse a scale with which no pixel lies between the least and the largest depth of a PNG."""
    near, far = float(depth.min()), float(depth.max())
    if not (far * DEPTH_STEPS >= 1 and near * DEPTH_STEPS <= 65535):
        raise InputError(f"with scale {scale:g} the depth of {path} runs from {near:.3g} to {far:.3g} m, and its PNG "
                         f"holds {1 / DEPTH_STEPS:.2g} to {65535 // DEPTH_STEPS} m; give meters per unit of predicted "
                         "depth.")


def fine_steps(largest: float) -> float:
    """Return the steps a unit, a power of two, with which twice the largest depth still fits into 16 bits."""
    return 2.0 ** math.floor(math.log2(65535 / (2 * largest)))


def scale_from_height(depth: torch.Tensor, K: torch.Tensor, camera_height: float) -> torch.Tensor:
    """Find the factor to meters from the height of the camera above the ground it looks at.

    A plane n . X = 1 is fitted to the points of the lower middle of the image (rows 75 to 95 %, columns 40 to 60 %),
    where a driving or walking camera sees ground; the camera is 1 / |n| above it.

    Args:
        depth: (B, 1, H, W) predicted depth, up to scale.
        K: (B, 3, 3), pixels.
        camera_height: Height of the camera above the street, meters.

    Returns:
        (B,) factor for each image; take their median for a clip.

    Raises:
        InputError: if a shape differs, the height is not positive, or depth and K give points that are not finite.
    """
    sizes = check_sizes(depth, "depth", "B1HW")
    if not camera_height > 0:
        raise InputError(f"camera height {camera_height} is not positive; give meters above the ground.")
    rows = slice(int(0.75 * sizes["H"]), int(0.95 * sizes["H"]))
    columns = slice(int(0.4 * sizes["W"]), int(0.6 * sizes["W"]))
    points = backproject(depth, K)[:, :, rows, columns].flatten(2).transpose(1, 2).double()  # (B, N, 3)
    if not (points.numel() and points.isfinite().all()):
        raise InputError("depth and K give points of the ground that are not finite, or none; check both, and take "
                         "images of 8 pixels or more on each side.")
    normal = torch.linalg.lstsq(points, torch.ones_like(points[..., :1])).solution[..., 0]
    return camera_height * normal.norm(dim=-1)


def to_scale(depth: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Multiply each predicted depth (B, 1, H, W) by median(truth) / median(depth) over the pixels with truth."""
    scale = median_scale(depth[:, 0], truth[:, 0], evaluation_mask(truth[:, 0]))
    return depth * scale[:, None, None, None]


def scaled_prediction(model: Model, batch: Triplet) -> torch.Tensor:
    """Predict the depth of a batch (B, 1, H, W), each map brought to the scale of the true one."""
    return to_scale(depth_predictor(model)(batch), batch.require("depth"))


def evaluate_model(model: Model, source: Source, protocol: Protocol = Protocol()) -> Report:
    """Judge a model on every triplet of a source; what its segmenter sees is larger, where it was trained so."""
    return evaluate(depth_predictor(model), batches(with_masks(source, model)), protocol)
