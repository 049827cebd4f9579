"""How each failure of the museum comes about: one function a failure, made of the package's own parts.

Every function takes a `World` and a strength from 0 (healthy) to 1 and returns a `Failure`. No trained network is
needed: where something has to learn depth, the loss is asked directly, over all depths (`matched_depth`) or by its
gradient (`refined_depth`); only the collapse trains a real network, for a few steps.
"""
from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from ... import fused
from ...alignment import align_motion
from ...borders import snap_depth
from ...camera import backproject, disp_to_depth, project, resize_intrinsics, rigid_transform, transform_points
from ...classes import TRAIN_ID
from ...data.triplet import StreetTriplet
from ...evaluation.prediction import to_scale
from ...labels import group_mask
from ...losses import (
    LossSettings,
    automask,
    edge_weights,
    identity_error,
    reprojection_error,
)
from ...metrics import (
    border_band,
    depth_errors,
    discontinuity_sides,
    error_maps,
    evaluation_mask,
    fattening,
    masked_median,
)
from ...street import corrupt_labels
from ...training.diagnosis import diagnose
from ...training.settings import TrainSettings
from ...warp import sample
from ..demos import best_depth, far_sky, misread_pixels, resize_foreground
from .world import DEPTHS, World, averaged_sweep, experience, matched_depth

SILENT = 0.1  # a pixel whose error over all depths spans less than this says nothing


@dataclass(frozen=True)
class Failure:
    """One failure at one strength.

    Attributes:
        image: (3, H, W) what the camera sees.
        healthy, broken, mended: Results without the failure, with it, and with the remedy: depth (H, W),
            0 = none, or a curve (N,).
        values: The exhibit's measure for each of the three, by these names.
        words: Words of a program about it; empty for most.
        untouched: The measure of what the failure begins with, where that is not what is healthy.
    """

    image: torch.Tensor
    healthy: torch.Tensor
    broken: torch.Tensor
    mended: torch.Tensor
    values: dict[str, float]
    words: str = ""
    untouched: float | None = None


def _three(image: torch.Tensor, maps: Sequence[torch.Tensor], measure: Callable[[torch.Tensor], torch.Tensor | float],
           words: str = "") -> Failure:
    """Join three results and measure each."""
    healthy, broken, mended = maps
    values = {"healthy": float(measure(healthy)), "broken": float(measure(broken)), "mended": float(measure(mended))}
    return Failure(image, healthy, broken, mended, values, words)


def refined_depth(batch: StreetTriplet, depth: torch.Tensor, smoothness: float = 2e-3, steps: int = 40,
                  rate: float = 0.05) -> torch.Tensor:
    """Let the gradient of the loss change a depth map, every pixel for itself: what it would tell a network.

    Args:
        batch: A batch of one with motion.
        depth: (1, 1, H, W) meters to start from.
        smoothness: Weight of the edge-aware smoothness.
        steps: Number of steps of Adam.
        rate: Learning rate of Adam, on the logit of disparity.

    Returns:
        (H, W) meters.
    """
    settings = LossSettings(smoothness=smoothness, automask=False, mask_outside=True)
    low, high = 1 / settings.max_depth, 1 / settings.min_depth
    logit = ((1 / depth - low) / (high - low)).clamp(1e-4, 0.999).logit().requires_grad_()
    optimizer = torch.optim.Adam([logit], rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = fused.self_supervised_loss([logit.sigmoid()], batch.target, batch.sources, batch.K,
                                          batch.T_source_target, settings)
        loss.total.backward()
        optimizer.step()
    return disp_to_depth(logit.detach().sigmoid(), settings.min_depth, settings.max_depth)[0, 0]


def relative_error(depth: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> float:
    """Return the median of |d - d*| / d* in percent, over pixels (H, W) with truth."""
    mask = where & evaluation_mask(truth)
    return 100 * float(masked_median((depth - truth).abs()[None] / truth.clamp(min=1e-3), mask[None]))


def car_ahead(batch: StreetTriplet) -> torch.Tensor:
    """Mark the moving car of a batch of one, other movers left out by their depth: (H, W) bool."""
    truth = batch.depth[0, 0]
    cars = batch.moving[0] & (batch.labels[0] == TRAIN_ID["car"])
    return cars & ((truth / truth[cars].median() - 1).abs() < 0.4)


def holes(world: World, strength: float) -> Failure:
    """Let the car ahead drive at a share `strength` of the camera's speed; the remedy is the automask."""
    batch = world.following_a_car(strength)
    truth, car = batch.depth[0, 0], car_ahead(batch) & car_ahead(world.following_a_car(0.0))  # the same at any strength
    settings = LossSettings()
    at_truth, _ = reprojection_error(far_sky(batch.depth), batch.T_source_target, batch.K, batch.target, batch.sources,
                                     settings)
    teaches = automask(at_truth, identity_error(batch.target, batch.sources, settings))[0]
    broken = matched_depth(batch)
    return _three(batch.target[0], (world.matched_behind_a_parked_car, broken, broken * teaches),
                  lambda depth: 100 * (depth > 1.5 * truth)[car].float().mean())


def apparent_depth(depth: torch.Tensor, camera_speed: float, object_speed: torch.Tensor) -> torch.Tensor:
    """Return where the loss sees what drives ahead of the camera, in its direction: d' = d / (1 - object / camera).

    The image moves as if the camera had only the difference of speeds; a still world explains that by a larger depth.

    Args:
        depth: Depth of any shape, meters.
        camera_speed: Speed of the camera in any unit, positive.
        object_speed: Speed of the object, of the same shape as depth, in the same unit, at least 0.

    Returns:
        meters; infinity for what is as fast as the camera or faster, which no depth explains.
    """
    share = 1 - object_speed / camera_speed
    return torch.where(share > 0, depth / share.clamp(min=1e-12), torch.inf)


def texture_copy(world: World, strength: float) -> Failure:
    """Turn the camera's motion by up to a degree; the remedy aligns the motion on the images again."""
    batch = world.batch
    turn = rigid_transform(torch.deg2rad(strength * torch.tensor([[0.7, 0.7, 0.0]])), torch.zeros(1, 3))
    wrong = replace(batch, T_source_target=turn[:, None] @ batch.require("T_source_target"))
    gray, others = batch.target.mean(1, keepdim=True), batch.sources.mean(2, keepdim=True)
    start = far_sky(batch.depth).clamp(max=90)
    aligned = replace(batch, T_source_target=align_motion(wrong.T_source_target, start, gray, others, batch.K, 4))
    surface = border_band(batch.labels, 1.5, 4.0)[1][0] & (batch.depth[0, 0] > 0)
    texture = _steps(batch.target)

    def copied(depth: torch.Tensor) -> torch.Tensor:
        return 100 * torch.corrcoef(torch.stack((_steps(depth.log()[None, None])[surface], texture[surface])))[0, 1]
    return _three(batch.target[0], tuple(refined_depth(each, start) for each in (batch, wrong, aligned)), copied)


def _steps(image: torch.Tensor) -> torch.Tensor:
    """Return how much an image (1, C, H, W) changes to the right and down from each pixel: (H, W)."""
    right, down = (-weight.log() for weight in edge_weights(image))
    return (F.pad(right, (0, 1)) + F.pad(down, (0, 0, 0, 1)))[0, 0]


def harm_by_texture(made: Failure, truth: torch.Tensor) -> tuple[float, float]:
    """Return by how much a failure raises the mean |ln(d / d*)| in the plainest and in the most textured quarter.

    Args:
        made: A failure of depth.
        truth: (H, W) true depth, meters, 0 = none; pixels without are left out.
    """
    known = evaluation_mask(truth)
    texture = _steps(made.image[None])[known]
    broken, healthy = ((depth / truth)[known].log().abs() for depth in (made.broken, made.healthy))
    plain, *_, busy = (broken - healthy)[texture.argsort()].chunk(4)
    return float(plain.mean()), float(busy.mean())


def fattened(world: World, strength: float) -> Failure:
    """Let the foreground's depth run over its border by up to 3 pixels; the remedy snaps depth to labels."""
    batch = world.batch
    pixels = round(3 * strength)
    grown = resize_foreground(far_sky(batch.depth), group_mask(batch.labels, "foreground_wide"), pixels)
    snapped = snap_depth(grown, batch.labels, batch.target, reach=max(pixels - 0.5, 0), radius=pixels + 1)
    known = evaluation_mask(batch.depth[:, 0])
    log_truth = far_sky(batch.depth)[:, 0].log()
    sides = discontinuity_sides(log_truth, known)
    maps = tuple(torch.where(batch.depth > 0, x, 0)[0, 0] for x in (far_sky(batch.depth), grown, snapped))
    return _three(batch.target[0], maps, lambda depth: 100 * fattening(
        far_sky(depth)[None].log(), log_truth, known, sides)["fat"])


def blank_walls(world: World, strength: float) -> Failure:
    """Fade the paint of all walls toward one color; the remedy asks other streets where a pixel is silent."""
    batch = world.batch
    noise = torch.Generator().manual_seed(world.seed)
    views = []
    for frame, view in zip(world.frames, (batch.sources[:, 0], batch.target, batch.sources[:, 1])):
        wall = torch.from_numpy(frame.labels == TRAIN_ID["building"])
        plain = strength * view[..., wall].mean(2)[..., None] + (1 - strength) * view[..., wall]
        faded = view.clone()
        faded[..., wall] = plain + 0.01 * strength * torch.randn(plain.shape, generator=noise)  # no sensor is silent
        views.append(faded.clamp(0, 1))
    blank = replace(batch, target=views[1], sources=torch.stack((views[0], views[2]), 1))
    truth, wall = batch.depth[0, 0], (batch.labels == TRAIN_ID["building"])[0]
    curves = averaged_sweep(blank)
    broken, silent = best_depth(curves, DEPTHS), curves.amax(0) - curves.amin(0) < SILENT
    maps = world.matched, broken, torch.where(silent, experience(world), broken)
    return _three(blank.target[0], maps, lambda depth: relative_error(depth, truth, wall))


def scale_ratio(moved: torch.Tensor, seen: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the scale of a frame over that of the next: the median of moved / seen depth over the masked pixels.

    Args:
        moved: (B, 1, H, W) z of a frame's points after the motion to the next frame, in the first one's unit.
        seen: (B, 1, H, W) the next frame's own depth where these points fall, in its unit.
        mask: (B, 1, H, W) bool, pixels that stand still and are seen in both.

    Returns:
        (B,) ratio (after the geometry consistency of Bian et al. 2019).
    """
    return masked_median(moved / seen.clamp(min=1e-6), mask)


def scale_drift(world: World, strength: float, length: int = 10) -> Failure:
    """Give every frame a scale of its own that wanders; the remedy compares the depths of neighboring frames."""
    frames = [world.frame(index) for index in range(length)]
    depths = [torch.from_numpy(frame.depth)[None, None] for frame in frames]
    poses = torch.from_numpy(np.stack([frame.pose for frame in frames]))
    motions = (torch.linalg.inv(poses[1:]) @ poses[:-1]).float()
    K = torch.as_tensor(frames[0].K, dtype=torch.float32)[None]
    steps = np.random.default_rng(world.seed).normal(0.02, 0.06, length - 1)
    scale = torch.from_numpy(np.exp(strength * np.concatenate(([0.0], np.cumsum(steps))))).float()
    found = [torch.tensor(1.0)]
    for k, T in enumerate(motions):
        scaled = T[None].clone()
        scaled[:, :3, 3] *= scale[k]
        pixels, z = project(transform_points(scaled, backproject(scale[k] * depths[k], K)), K)
        seen = scale[k + 1] * sample(depths[k + 1], pixels)
        found.append(found[-1] / scale_ratio(z, seen, evaluation_mask(depths[k]) & (seen > 0))[0])
    way = motions[:, :3, 3].norm(dim=1)
    curves = torch.ones(length), scale, scale / torch.stack(found)
    return _three(world.batch.target[0], curves, lambda curve: 100 * abs((curve[:-1] * way).sum() / way.sum() - 1))


@lru_cache(maxsize=32)
def _trained(world: World, rate: float, watchful: bool, steps: int = 8) -> tuple[torch.Tensor, str]:
    """Train a fresh network on one triplet until it breaks; if watchful, go back then, and on at a tenth of the rate.

    A run of the package stops at the first complaint, too: what a further step makes of a broken network is chance.

    Returns:
        Depth (1, 1, H, W), and the first complaint.
    """
    batch, words = world.batch, ""
    model = TrainSettings().build().train()
    start, step = copy.deepcopy(model.state_dict()), 0
    optimizer = torch.optim.Adam(model.parameters(), rate)
    while step <= steps:
        terms, prediction = model(batch)
        trouble = diagnose(terms, prediction)
        words = words or (f"step {step}: {trouble}" if trouble else "")
        if trouble and watchful:
            model.load_state_dict(start)
            rate, step = rate / 10, 0
            optimizer = torch.optim.Adam(model.parameters(), rate)
            continue
        if trouble:
            break
        if step < steps:
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
        step += 1
    with torch.no_grad():
        return model.eval().predict(batch.target).depth, words


def collapsed(world: World, strength: float) -> Failure:
    """Train a network at 1 to 1000 times its learning rate; the remedy goes back and on at a tenth."""
    batch, rate = world.batch, TrainSettings().learning_rate
    runs = [_trained(world, *how) for how in ((rate, False), (rate * 1000**strength, False),
                                              (rate * 1000**strength, True))]
    maps = tuple(to_scale(depth, batch.depth)[0, 0] for depth, _ in runs)
    return _three(batch.target[0], maps, lambda depth: 100 * (1 / depth).std() / (1 / depth).mean(), runs[1][1])


def wrong_intrinsics(world: World, strength: float) -> Failure:
    """Use the K of an image up to twice as large; the remedy resizes K with the image."""
    batch = world.batch
    factor = 1 + strength
    foreign = resize_intrinsics(batch.K, factor, factor)
    kinds = foreign, resize_intrinsics(foreign, 1 / factor, 1 / factor)
    truth, static = batch.depth[0, 0], ~batch.moving[0]
    maps = world.matched, *(matched_depth(replace(batch, K=K)) for K in kinds)
    return _three(batch.target[0], maps, lambda depth: relative_error(depth, truth, static))


def misread(world: World, strength: float) -> Failure:
    """Read the sources off their grid by a share of the half-pixel mistake; the remedy is one convention."""
    batch = world.batch
    grid = torch.stack(torch.meshgrid(torch.arange(float(world.width)), torch.arange(float(world.height)),
                                      indexing="xy"))[None]
    where = grid + strength * (misread_pixels(grid, world.height, world.width) - grid)
    off = replace(batch, sources=torch.stack([sample(view, where) for view in batch.sources.unbind(1)], 1))
    truth, far = batch.depth[0, 0], ~batch.moving[0] & (batch.depth[0, 0] > 15)
    return _three(batch.target[0], (world.matched, matched_depth(off), world.matched),
                  lambda depth: relative_error(depth, truth, far))


def label_noise(world: World, strength: float, draws: int = 7) -> Failure:
    """Snap a blurred depth to labels that err; the remedy abstains where several guesses of the labels disagree."""
    batch = world.batch
    blurred = 1 / F.avg_pool2d(F.pad(1 / far_sky(batch.depth), (2,) * 4, mode="replicate"), 5, 1)
    guesses = torch.from_numpy(np.stack([corrupt_labels(batch.labels.numpy()[0], strength, seed)
                                         for seed in range(draws)]))
    votes = F.one_hot(guesses.clamp(max=19).long(), 20)[..., :19].float().mean(0).permute(2, 0, 1)[None]
    snapped = [snap_depth(blurred, mask, batch.target) for mask in (batch.labels, guesses[:1], votes)]
    band = border_band(batch.labels)[0] & evaluation_mask(batch.depth[:, 0])

    def at_borders(depth: torch.Tensor) -> float:
        return float(100 * depth_errors(error_maps(depth[None], batch.depth[:, 0], band))["abs_rel"])
    alone = at_borders(blurred[0, 0])
    maps = tuple(torch.where(batch.depth > 0, x, 0)[0, 0] for x in snapped)
    made = _three(batch.target[0], maps, at_borders, f"not snapped at all, it would be {alone:.1f} %")
    return replace(made, untouched=alone)
