"""One frame: rays, visibility, color at two samples per pixel, and the exact depth and labels at pixel centers."""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..classes import TRAIN_ID
from ..common.contracts import InputError, check_pixels
from .raster import SKY, camera_view, draw
from .scene import Scene, make_scene
from .shading import shade_samples
from .sun import Shade, build_shade, with_movers
from .things import join

RENDERER_VERSION = 5  # raise it with every change of a pixel: cached sets of other versions are then not used


@dataclass
class Frame:
    """A picture with the truth in it."""

    image: np.ndarray  # (H, W, 3) uint8
    depth: np.ndarray  # (H, W) float32, z in meters at pixel centers, 0 = sky
    labels: np.ndarray  # (H, W) uint8 trainIds at pixel centers
    moving: np.ndarray  # (H, W) bool, the pixel belongs to something that moves in the world
    K: np.ndarray  # (3, 3) float64, pixels
    pose: np.ndarray  # (4, 4) float64, camera-to-world


def default_intrinsics(height: int, width: int) -> np.ndarray:
    """Return K of the street camera: fx = fy = 0.58 W, the principal point in the middle of the picture."""
    return np.array(((.58 * width, 0., (width - 1) / 2), (0., .58 * width, (height - 1) / 2), (0., 0., 1.)))


@lru_cache(maxsize=8)
def _scene(seed: int) -> Scene:
    return make_scene(seed)


def render_frame(seed: int, index: int, height: int, width: int) -> Frame:
    """Render frame `index` of the scene of `seed`; the same bytes whatever process or order.

    Raises:
        InputError: if the seed or the index is no whole number >= 0 or the picture is too small or too large.
    """
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        make_scene(seed)
    return render_scene(_scene(int(seed)), index, height, width)


@lru_cache(maxsize=4)
def _standing_shade(scene: Scene, chunk: int) -> Shade:
    return build_shade(scene, chunk)


def render_scene(scene: Scene, index: int, height: int, width: int) -> Frame:
    """Render frame `index` of a built scene.

    Raises:
        InputError: if the index is no whole number >= 0 or the picture is too small or too large.
    """
    if not isinstance(index, (int, np.integer)) or index < 0:
        raise InputError(f"frame index {index!r} is not a whole number >= 0; frames count from 0.")
    if min(height, width) < 8:
        raise InputError(f"picture size {height}x{width} is too small; use at least 8x8 pixels.")
    check_pixels(height, width)
    K, pose = default_intrinsics(height, width), scene.pose(index)
    chunk = scene.chunk_of(float(pose[2, 3]))
    movers = scene.moving(index, float(pose[2, 3]))
    things = join([scene.standing(chunk), movers])
    view = camera_view(K, pose, height, width)
    draw(things, view)
    shade = with_movers(_standing_shade(scene, chunk), movers)
    labels = np.concatenate([[TRAIN_ID["sky"], TRAIN_ID["road"]], things.label[things.plane_thing],
                             things.label]).astype(np.uint8)
    moving = np.concatenate([[False, False], things.moving[things.plane_thing], things.moving])
    assert view.ids is not None  # a camera's view keeps what is seen
    ids, x = view.ids[0, :height, :width], view.x[0, :height, :width]
    depth = np.where(ids == SKY, 0, 1 / np.where(ids == SKY, 1, x)).astype(np.float32)
    color = _picture(scene, view, things, shade, height, width)
    image = _sensor(color, scene, index)
    return Frame(image, depth, labels[ids], moving[ids], K, pose)


def _picture(scene, view, things, shade, height: int, width: int) -> np.ndarray:
    """Return the (3, H, W) picture: half the center sample and an eighth of each shared pixel corner.

    A corner among four centers of the same face takes their mean; only the others are shaded themselves.
    """
    ids, x = view.ids[0, :height, :width], view.x[0, :height, :width]
    corner_ids, corner_x = view.ids[1], view.x[1]
    around = np.pad(ids, 1, mode="edge")
    quads = (around[:-1, :-1], around[:-1, 1:], around[1:, :-1], around[1:, 1:])
    edge = np.zeros(corner_ids.shape, dtype=bool)
    for quad in quads:
        edge |= quad != corner_ids
    rows, columns = np.nonzero(edge)
    u = np.concatenate([np.broadcast_to(view.u[0, :, :width], ids.shape).ravel(), view.u[1, 0, columns]])
    v = np.concatenate([np.broadcast_to(view.v[0, :height], ids.shape).ravel(), view.v[1, rows, 0]])
    colors = shade_samples(scene, things, shade, view, u, v, np.concatenate([x.ravel(), corner_x[edge]]),
                           np.concatenate([ids.ravel(), corner_ids[edge]]))
    centers = colors[:, :ids.size].reshape(3, height, width)
    padded = np.pad(centers, ((0, 0), (1, 1), (1, 1)), mode="edge")
    corners = .25 * (padded[:, :-1, :-1] + padded[:, :-1, 1:] + padded[:, 1:, :-1] + padded[:, 1:, 1:])
    corners[:, edge] = colors[:, ids.size:]
    return .5 * centers + .125 * (corners[:, :-1, :-1] + corners[:, :-1, 1:] + corners[:, 1:, :-1] + corners[:, 1:, 1:])


def _sensor(color: np.ndarray, scene: Scene, index: int) -> np.ndarray:
    """Add exposure jitter and sensor noise to a display-referred (3, H, W) picture; return (H, W, 3) uint8."""
    rng = np.random.default_rng([scene.seed, 8, index])
    gain = np.float32(255 * (1 + rng.normal(0, .006)))
    pool = _noise_pool()
    start = int(rng.integers(pool.size))
    noise = pool[start:start + color.size]
    if len(noise) < color.size:  # past the end of the pool
        noise = np.take(pool, np.arange(start, start + color.size), mode="wrap")
    values = color * gain + noise.reshape(color.shape) * np.float32(255 * scene.light.noise)
    return np.clip(values + .5, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


@lru_cache(maxsize=1)
def _noise_pool() -> np.ndarray:
    """Return a long row of standard normal numbers; drawing fresh ones for each frame costs more than its light."""
    return np.random.default_rng(23).standard_normal(1 << 19, dtype=np.float32)
