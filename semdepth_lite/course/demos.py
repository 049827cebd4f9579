"""What the lessons try out: triplets of single frames, sweeps over depth, a foreground grown or shrunk, a wrong grid.

Nothing here trains; each function asks the loss or the warp of the package a question and returns its answer.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ..borders import training_points
from ..common.contracts import InputError, check_sizes
from ..common.stopwatch import Stopwatch
from ..data.image_files import write_depth_png, write_image
from ..data.intrinsics_file import INTRINSICS_FILE, write_intrinsics
from ..data.sources import Source, triplet_of
from ..data.triplet import StreetTriplet, Triplet
from ..experiments.results import stored_results as stored_results  # lessons call it by this place
from ..labels import TRAIN_ID, dilate, group_mask, label_borders, pack_labels
from ..losses import LossSettings, automask, identity_error, photometric_error, reprojection_error
from ..metrics import masked_mean
from ..model import Model
from ..pretrained import load_pretrained, pretrained_card
from ..street import RENDERER_VERSION, Scene, default_intrinsics, render_frame, render_scene
from ..training.run import Run
from ..training.settings import TrainSettings
from ..warp import warp

FRAMES = (2, 3, 4)  # of a scene, as the lessons look at it: previous, target, next
FAR = 1000.0  # meters; where the sky is put for a warp, so that it moves like something far away


def at_share_of_pace(scene: Scene, share: float, height: int, width: int) -> StreetTriplet:
    """Render a triplet of a pace-car scene in which the car drives at a share of the camera's speed.

    In the target frame the car is where it was; only its speed differs.

    Raises:
        InputError: if no car of the scene drives at the camera's speed.
    """
    movers = scene.movers
    if not movers or movers[0].kind != "car" or movers[0].speed != scene.speed:
        raise InputError("this scene has no car that keeps pace with the camera; use street.pace_car_scene(seed).")
    car, speed = movers[0], share * scene.speed
    scene.movers = (replace(car, speed=speed, z=car.z + (car.speed - speed) * FRAMES[1]), *movers[1:])
    try:
        return triplet_of([render_scene(scene, index, height, width) for index in FRAMES])
    finally:
        scene.movers = movers


def masked_share(batch: StreetTriplet, where: torch.Tensor, depths: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
    """Return which share of some pixels the automask leaves out, if the network puts them at each of several depths.

    Args:
        batch: Batch of one with true depth and motion; all other pixels keep their true depth.
        where: (H, W) bool, the pixels.
        depths: (N,) meters.
        margin: Margin of the automask.

    Returns:
        (N,) shares between 0 and 1.
    """
    settings = LossSettings(mask_outside=True)
    identity = identity_error(batch.target, batch.sources, settings)
    shares = []
    for depth in depths:
        guess = torch.where(where, depth, far_sky(batch.depth))
        error, usable = reprojection_error(guess, batch.T_source_target, batch.K, batch.target, batch.sources, settings)
        teaches = automask(error, identity, margin) & usable
        shares.append((~teaches)[0][where].float().mean())
    return torch.stack(shares)


def standing_still(batch: StreetTriplet, noise: float, generator: torch.Generator) -> StreetTriplet:
    """Return a triplet whose camera stands still: three times the target, each with sensor noise of its own."""
    def noisy() -> torch.Tensor:
        return (batch.target + noise * torch.randn(batch.target.shape, generator=generator)).clamp(0, 1)
    still = torch.eye(4).expand_as(batch.T_source_target).clone()
    return replace(batch, target=noisy(), sources=torch.stack([noisy() for _ in range(batch.sources.shape[1])], 1),
                   T_source_target=still)


def far_sky(depth: torch.Tensor, far: float = FAR) -> torch.Tensor:
    """Put pixels without depth (0) at `far` meters, so that a warp can move them: any shape."""
    return torch.where(depth > 0, depth, far)


def depth_sweep(batch: Triplet, depths: torch.Tensor, ssim: float = 0.85) -> torch.Tensor:
    """Ask each pixel how well every depth explains it: the photometric error of a plane at each depth.

    For each d in `depths` the whole image is warped as if it stood at z = d, so that a pixel's window is warped
    together with it (plane sweep; Collins 1996).

    Args:
        batch: A batch of one, with `T_source_target`.
        depths: (N,) meters.
        ssim: Share of SSIM in the error.

    Returns:
        (N, S, H, W) error; NaN where the pixel leaves the source's frame.

    Raises:
        InputError: if the batch does not hold exactly one item, or no motion.
    """
    if len(batch) != 1 or batch.T_source_target is None:
        raise InputError(f"a sweep needs one item with its motion, not a batch of {len(batch)}; take one triplet.")
    plane = torch.ones_like(batch.target[:, :1])
    errors = []
    for d in depths:
        views = [warp(source, d * plane, T, batch.K)
                 for source, T in zip(batch.sources.unbind(1), batch.T_source_target.unbind(1))]
        errors.append(torch.cat([photometric_error(view, batch.target, ssim).masked_fill(~valid, torch.nan)
                                 for view, valid in views], 1))
    return torch.cat(errors)


def best_depth(errors: torch.Tensor, depths: torch.Tensor) -> torch.Tensor:
    """Return the depth of the smallest error of each pixel: errors (N, H, W), NaN left out, to (H, W) meters.

    A pixel without any finite error gets 0, "no depth".
    """
    check_sizes(errors, "errors", "NHW", N=len(depths))
    known = errors.nan_to_num(nan=torch.inf)
    smallest, place = known.min(0)
    return torch.where(smallest.isfinite(), depths[place], 0)


def pick_pixel(score: torch.Tensor, where: torch.Tensor) -> tuple[int, int]:
    """Return (u, v) of the highest finite score (H, W) among the pixels `where` (H, W) bool.

    Raises:
        InputError: if there is no such pixel.
    """
    allowed = where & score.isfinite()
    if not bool(allowed.any()):
        raise InputError("no pixel is left to pick from; widen the mask, or take another scene.")
    place = int(score.masked_fill(~allowed, -torch.inf).argmax())
    return place % score.shape[-1], place // score.shape[-1]


def ring_mask(pixel: tuple[int, int], height: int, width: int, radius: float = 6.0, thickness: float = 2.0
              ) -> torch.Tensor:
    """Mark a ring around a pixel (u, v), to be drawn over an image: (H, W) bool; `radius` and `thickness` in pixels."""
    across, down = torch.arange(width) - pixel[0], torch.arange(height) - pixel[1]
    distance = torch.hypot(*torch.broadcast_tensors(across[None].double(), down[:, None].double()))
    return (distance <= radius) & (distance > radius - thickness)


def pixel_loss(batch: Triplet, depth: torch.Tensor, settings: LossSettings = LossSettings()) -> torch.Tensor:
    """Return what each pixel adds to the photometric loss at full resolution, (B, H, W), for a given depth.

    The switches are those of `losses.reprojection_loss`, whose mean this is.

    Args:
        batch: Batch with images, K and `T_source_target`.
        depth: (B, 1, H, W) meters.
        settings: `ssim`, `minimum`, `automask`, `automask_margin`, `mask_outside` and `gray` are used.
    """
    target, sources = (image.mean(-3, keepdim=True) if settings.gray else image
                       for image in (batch.target, batch.sources))
    error, usable = reprojection_error(depth, batch.require("T_source_target"), batch.K, target, sources, settings)
    if not settings.automask:
        return error
    identity = identity_error(target, sources, settings)
    return torch.where(automask(error, identity, settings.automask_margin) & usable, error, identity)


def resize_foreground(depth: torch.Tensor, foreground: torch.Tensor, pixels: int) -> torch.Tensor:
    """Let the depth of the foreground run over its border by some pixels, or fall short of it.

    A pixel whose side changes takes the depth of the nearest pixel of the side it joins; all others keep theirs.

    Args:
        depth: (B, 1, H, W) meters.
        foreground: (B, H, W) bool.
        pixels: Growth of the foreground, pixels; negative to shrink it.

    Returns:
        (B, 1, H, W) meters.
    """
    from scipy.ndimage import distance_transform_edt

    changed = depth.clone()
    for item, mask in zip(changed[:, 0], foreground.numpy() if pixels > 0 else (~foreground).numpy()):
        if not mask.any():
            continue
        distance, (row, column) = distance_transform_edt(~mask, return_indices=True)  # pyright: ignore[reportGeneralTypeIssues]
        joins = torch.from_numpy((distance > 0) & (distance <= abs(pixels)))
        item[joins] = item[torch.from_numpy(row), torch.from_numpy(column)][joins]
    return changed


def loss_at_borders(batch: StreetTriplet, pixels: int, settings: LossSettings = LossSettings(),
                    group: str = "foreground_wide", radius: float = 2.5) -> torch.Tensor:
    """Return the loss near the borders of the foreground, if its true depth is grown by some pixels or shrunk.

    Args:
        batch: Batch with true depth, labels and motion.
        pixels: Growth of the foreground, pixels; negative to shrink it, 0 for the truth.
        settings: Settings of `pixel_loss`.
        group: Group of classes that are foreground.
        radius: Radius of the band along its true borders, pixels.

    Returns:
        (B,) mean of `pixel_loss` over the band; nan for an image without such a border.
    """
    foreground = group_mask(batch.labels, group)
    band = dilate(label_borders(foreground.to(torch.uint8)), radius)
    depth = resize_foreground(far_sky(batch.depth), foreground, pixels)
    return masked_mean(pixel_loss(batch, depth, settings), band)


def run_folder(lesson: str, settings: Any, source: Source) -> Path:
    """Name the folder in which a lesson trains, so that other settings or another street never meet an old run.

    Args:
        lesson: Number of the lesson.
        settings: Dataclass of the training's settings.
        source: Source of the training triplets.
    """
    known = [asdict(settings), source.name, len(source), source.height, source.width, RENDERER_VERSION]
    return Path("runs") / f"{lesson}-{hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:8]}"


def misread_pixels(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return where a sampler really reads if its grid is normalized by W-1 and H-1 but read with align_corners=False.

    u' = u W / (W - 1) - 1/2, likewise v': half a pixel off at both rims, right only in the middle.

    Args:
        pixels: (B, 2, h, w) as (u, v), what was meant.
        height, width: Size of the image that is read, pixels.

    Returns:
        (B, 2, h, w), what is read.
    """
    size = torch.tensor([width, height], dtype=pixels.dtype, device=pixels.device).view(1, 2, 1, 1)
    return pixels * size / (size - 1) - 0.5


def swap_labels(model: Model, batch: StreetTriplet, where: torch.Tensor, classes: Sequence[str]
                ) -> dict[str, torch.Tensor]:
    """Ask a network that is given labels what becomes of depth if some pixels are called something else.

    Args:
        model: Model with modulation by given labels.
        batch: One triplet with labels.
        where: (H, W) bool, the pixels whose label changes.
        classes: Names of the classes that they are called, one after the other.

    Returns:
        Class to (H, W), the depth with its label over the depth with the true labels.
    """
    true = batch.labels[0].long()

    def depth(labels: torch.Tensor) -> torch.Tensor:
        return model.predict(batch.target, pack_labels(labels[None])).depth[0, 0]

    with torch.no_grad():
        usual = depth(true)
        return {name: depth(torch.where(where, TRAIN_ID[name], true)) / usual for name in classes}


def seem_points(model: Model, batch: StreetTriplet, found: torch.Tensor, generator: torch.Generator
                ) -> dict[str, torch.Tensor]:
    """Return the points at which SEEM acts, while training from the labels and at test from the prediction.

    Args:
        model: Model with SEEM.
        batch: One triplet with labels.
        found: (N,) points at test, as `predict` returns them.
        generator: Generator on the CPU; draws the points of the training.

    Returns:
        Name of a set to its (M, 2) places (u, v): "near edges" and "anywhere" while training, and "strongest edges" at
            test.

    Raises:
        InputError: if the model has no SEEM.
    """
    settings, width = model.variant.seem, batch.target.shape[3]
    if settings is None:
        raise InputError("this model has no SEEM, so there are no points of it; take the model combined or seem.")
    drawn = training_points(label_borders(batch.labels), len(found), generator, settings.important)[0]
    near = round(len(found) * settings.important)
    sets = {"near edges": drawn[:near], "anywhere": drawn[near:], "strongest edges": found}
    return {name: torch.stack((points % width, points // width), 1) for name, points in sets.items()}


def processor_seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the processor time of a call, the mean over some repetitions."""
    clock = Stopwatch()
    for _ in range(repeats):
        call()
    return clock.lap().cpu / repeats


def write_clip(folder: Path, seed: int, frames: int, height: int, width: int) -> Path:
    """Write a rendered street as a plain folder: images/, intrinsics.txt in it, and labels/ and depth/ beside it.

    Intrinsics are written last; a folder that has them is complete and is used again.

    Args:
        folder: Folder to write to.
        seed: Seed of the street.
        frames: Number of frames.
        height, width: Size of the images, pixels.

    Returns:
        The folder of images.
    """
    images = Path(folder) / "images"
    if (images / INTRINSICS_FILE).is_file():
        return images
    for index in range(frames):
        frame, name = render_frame(seed, index, height, width), f"{index:06d}.png"
        write_image(images / name, frame.image)
        write_image(Path(folder) / "labels" / name, frame.labels)
        write_depth_png(Path(folder) / "depth" / name, frame.depth)
    write_intrinsics(images, torch.from_numpy(default_intrinsics(height, width)))
    return images


def network(which: str, settings: TrainSettings, source: Source, folder: Path) -> tuple[Model, float]:
    """Return a lesson's network and the processor seconds that its training took.

    Args:
        which: "pretrained", the weights that come with the package, or "trained here".
        settings: Settings of the training; of pretrained weights only the variant counts.
        source: Source of the training triplets.
        folder: Run folder; a finished run of these settings in it is loaded.

    Raises:
        InputError: if `which` is neither, or there are no pretrained weights of the variant.
    """
    if which == "pretrained":
        return load_pretrained(settings.variant, "cpu"), pretrained_card(settings.variant)["cpu_seconds"]
    if which != "trained here":
        raise InputError(f"networks {which!r} is unknown; use 'pretrained' or 'trained here'.")
    run = Run(source, settings, folder)
    return run.train(progress=False).cpu(), run.cost()["cpu_seconds"]
