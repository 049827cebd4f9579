"""Where the sun and the open sky reach: a map of shadow heights, and a map of darkening at contacts."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .raster import View, draw, sun_view
from .scene import CHUNK, Scene
from .things import Things

STEP = .125  # cell of the shadow map, m
SIDE = 14.5  # half width of both maps, m
AHEAD = 84.0  # length of both maps beyond the chunk, m
CONTACT_STEP = .25


@dataclass
class Shade:
    """Maps over the road plane, sampled along the sun's rays (height) and straight down (contact)."""

    way: np.ndarray  # (3,) toward the sun per metre of height
    z0: float
    height: np.ndarray  # (h, w) meters: a point is in the shade if its ray's height here exceeds its own
    contact: np.ndarray  # (h, w) share of open sky near the ground


def build_shade(scene: Scene, chunk: int) -> Shade:
    """Build both maps for everything that stands still around `chunk`."""
    things = scene.standing(chunk)
    z0, z1 = chunk * CHUNK - 8., (chunk + 1) * CHUNK + AHEAD
    view = sun_view(scene.light.sun_way, (-SIDE, SIDE), (z0, z1), STEP)
    draw(things, view)
    shape = (int(round((z1 - z0) / CONTACT_STEP)), int(round(2 * SIDE / CONTACT_STEP)))
    shade = Shade(scene.light.sun_way, z0, view.x[0], np.ones(shape, np.float32))
    stamp_contacts(shade, things)
    return shade


def with_movers(shade: Shade, movers: Things) -> Shade:
    """Return the maps with the shadows of the moving things added."""
    if not len(movers):
        return shade
    rows, columns = shade.height.shape
    view = sun_view(shade.way, (-SIDE, SIDE), (shade.z0, shade.z0 + rows * STEP - STEP / 2), STEP)
    view = View(view.base, view.point, False, view.u[:, :, :columns], view.v[:, :rows], shade.height[None].copy(), None,
                STEP)
    draw(movers, view)
    shade = Shade(shade.way, shade.z0, view.x[0], shade.contact.copy())
    stamp_contacts(shade, movers)
    return shade


def stamp_contacts(shade: Shade, things: Things) -> None:
    """Darken the contact map under and around the footprint of every thing that asks for it."""
    rows, columns = shade.contact.shape
    reach = .9
    for i in np.flatnonzero(things.contact > 0):
        x, _, z = things.origin[i]
        right, ahead = things.axes[i, 0], things.axes[i, 2]
        half = things.size[i] * (1. if things.kind[i] < 0 else .5)
        extent_x = abs(right[0]) * half[0] + abs(ahead[0]) * half[2] + reach
        extent_z = abs(right[2]) * half[0] + abs(ahead[2]) * half[2] + reach
        c0, c1 = (min(max(int((x + s * extent_x + SIDE) / CONTACT_STEP), 0), columns) for s in (-1, 1))
        r0, r1 = (min(max(int((z + s * extent_z - shade.z0) / CONTACT_STEP), 0), rows) for s in (-1, 1))
        if c0 >= c1 or r0 >= r1:
            continue
        dx = ((np.arange(c0, c1) + .5) * CONTACT_STEP - SIDE - x)[None, :]
        dz = ((np.arange(r0, r1) + .5) * CONTACT_STEP + shade.z0 - z)[:, None]
        if right[2] == 0 and ahead[0] == 0:  # not turned: each distance depends on one coordinate
            across, along = np.abs(dx * right[0]), np.abs(dz * ahead[2])
        else:
            across, along = np.abs(dx * right[0] + dz * right[2]), np.abs(dx * ahead[0] + dz * ahead[2])
        across, along = np.maximum(across - half[0], 0), np.maximum(along - half[2], 0)
        away = np.sqrt(across**2 + along**2)
        shade.contact[r0:r1, c0:c1] *= 1 - things.contact[i] * np.maximum(1 - away / reach, 0) ** 2


def _bilinear(x: np.ndarray, z: np.ndarray, shade_z0: float, step: float, shape: tuple[int, int]):
    """Return the flat index of the low cell and the shares toward the next column and row; clamped at the rim."""
    u, v = (x + np.float32(SIDE)) * np.float32(1 / step), (z - np.float32(shade_z0)) * np.float32(1 / step)
    np.clip(u, 0, shape[1] - 1.01, out=u)
    np.clip(v, 0, shape[0] - 1.01, out=v)
    iu, iv = u.astype(np.int32), v.astype(np.int32)
    return iv * np.int32(shape[1]) + iu, u - iu, v - iv


def sunlight(shade: Shade, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the share of sun (n,) that reaches points (3, n), soft over a cell of the map; outside the map it is 1."""
    away = np.float32(.13)
    height = -(point[1] + away * normal[1])
    x = point[0] + away * normal[0] - height * np.float32(shade.way[0])
    z = point[2] + away * normal[2] - height * np.float32(shade.way[2])
    flat = shade.height.ravel()
    index, fu, fv = _bilinear(x, z, shade.z0, STEP, shade.height.shape)
    width = np.int32(shade.height.shape[1])
    level = height + np.float32(.05)
    a, b, c, d = (flat.take(index + k) < level for k in (0, 1, width, width + 1))
    top = a + fu * (b.astype(np.float32) - a)
    low = c + fu * (d.astype(np.float32) - c)
    lit = top + fv * (low - top)
    outside = (np.abs(x) > SIDE - .5) | (z > shade.z0 + (shade.height.shape[0] - 2) * STEP) | (z < shade.z0)
    lit[outside] = 1
    return lit


def open_sky(shade: Shade, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the contact darkening (n,) of ground points, 1 = open."""
    index, fu, fv = _bilinear(x, z, shade.z0, CONTACT_STEP, shade.contact.shape)
    flat, width = shade.contact.ravel(), np.int32(shade.contact.shape[1])
    a, b, c, d = (flat.take(index + k) for k in (0, 1, width, width + 1))
    top, low = a + fu * (b - a), c + fu * (d - c)
    return top + fv * (low - top)
