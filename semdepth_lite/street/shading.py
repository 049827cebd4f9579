"""Color of visible samples: a material gives albedo and gloss, then sun and sky light it, haze and film finish it."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import facades, ground, surfaces
from .noise import clip01, fractal
from .raster import FIRST, SKY, View
from .samples import Samples
from .scene import Light, Scene
from .sun import Shade, open_sky, sunlight
from .things import MATERIALS, POST, Things

PAINTERS: dict[str, Callable[[Samples], None]] = {
    "road": ground.road, "pavement": ground.pavement, "grass": ground.grass, "facade": facades.facade,
    "roof": facades.roof, "plain": facades.plain, "wall": facades.wall, "fence": facades.fence, "car": surfaces.car,
    "cabin": surfaces.cabin, "tyre": surfaces.tyre, "sign": surfaces.sign, "light": surfaces.light,
    "leaves": surfaces.leaves, "hedge": surfaces.hedge, "bark": surfaces.bark, "cloth": surfaces.cloth,
    "skin": surfaces.skin, "metal": surfaces.metal, "hill": surfaces.hill,
}


def shade_samples(scene: Scene, things: Things, shade: Shade, view: View, u, v, x, ids) -> np.ndarray:
    """Return display-referred colors (3, n) in [0, 1] of samples at picture coordinates (u, v).

    Args:
        scene, things, shade, view: Everything that is seen, and the maps of its shadows.
        u, v: (n,) picture coordinates.
        x: (n,) inverse depth, 1/m.
        ids: (n,) what is seen.
    """
    base = view.base.astype(np.float32)
    ray = np.stack([base[k, 0] * u + (base[k, 1] * v + base[k, 2]) for k in range(3)])
    color = np.empty((3, len(u)), np.float32)
    sky = np.flatnonzero(ids == SKY)
    color[:, sky] = sky_color(scene, ray[:, sky])
    solid = np.flatnonzero(ids != SKY)
    color[:, solid] = _surfaces(scene, things, shade, view, ray[:, solid], x[solid], ids[solid])
    return film(color, scene.light)


def film(color: np.ndarray, light: Light) -> np.ndarray:
    """Expose linear light: a soft shoulder, gamma 2, a little more color and contrast.  Ours."""
    gray = color.mean(0)
    color = np.maximum(gray + np.float32(1.12) * (color - gray), 0)
    value = np.sqrt(1 - np.exp(color * np.float32(-1.2 * light.exposure)))
    return value * (.58 + value * (1.22 - .80 * value))


def _surfaces(scene, things, shade, view, ray, x, ids) -> np.ndarray:
    """Return linear colors (3, n) of samples that see a surface, sorted by material so that each is one slice."""
    owner = np.concatenate([[0, 0], things.plane_thing, np.arange(len(things))]).astype(np.int32)
    material = np.concatenate([[0, 0], things.material[owner[FIRST:]]]).astype(np.uint8).take(ids)
    order = np.argsort(material, kind="stable")
    edges = np.searchsorted(material.take(order), np.arange(len(MATERIALS) + 1, dtype=np.uint8))
    ray, ids, z = np.take(ray, order, axis=1), ids.take(order), 1 / x.take(order)
    point = ray * z + view.point.astype(np.float32)[:, None]
    distance = np.sqrt((ray * ray).sum(0))
    toward = ray * (-1 / distance)  # unit, from the surface to the camera
    thing = owner.take(ids)
    normal = _normals(things, point, thing, ids, len(things.planes))
    foot = z * np.float32(view.base[0, 0])
    graze = 1 / np.maximum((normal * toward).sum(0), .02)
    parts = []
    for k, name in enumerate(MATERIALS):
        if edges[k] < edges[k + 1]:
            rows = slice(edges[k], edges[k + 1])
            s = Samples(things, thing[rows], point[:, rows], normal[:, rows], foot[rows], graze[rows], scene)
            PAINTERS[name](s)
            parts.append((rows, _light(scene.light, shade, s, toward[:, rows])))
    clear = np.exp(z * distance * np.float32(-scene.light.haze))
    air = scene.light.horizon.astype(np.float32)[:, None]
    color = np.empty_like(point)
    for rows, lit in parts:
        color[:, order[rows]] = air + (lit - air) * clear[rows]
    return color


def _normals(things: Things, point, thing, ids, planes: int) -> np.ndarray:
    """Return unit world normals (3, n) of the samples."""
    table = np.zeros((3, FIRST + planes + len(things)), np.float32)
    table[1, :FIRST] = -1
    table[:, FIRST:FIRST + planes] = things.planes[:, :3].T
    normal = np.take(table, ids, axis=1)
    curved = np.flatnonzero(ids >= FIRST + planes)
    if len(curved):
        scale = things.axes / things.size[:, :, None]
        scale[things.kind == POST, 1] = 0
        pick = thing[curved]
        away = point[:, curved] - things.origin.T.astype(np.float32)[:, pick]
        form = np.einsum("tji,tjk->tik", scale, scale).astype(np.float32).reshape(-1, 9).T
        rows = np.take(np.ascontiguousarray(form), pick, axis=1)
        gradient = np.stack([rows[3 * k] * away[0] + rows[3 * k + 1] * away[1] + rows[3 * k + 2] * away[2]
                             for k in range(3)])
        normal[:, curved] = gradient / np.sqrt((gradient**2).sum(0) + 1e-20)
    return normal


def _light(light: Light, shade: Shade, s: Samples, toward) -> np.ndarray:
    """Light samples by the sun (with shadows), the sky above and the ground below, and a faint mirrored sky."""
    way, normal, point = light.toward_sun, s.normal, s.point
    facing = way[0] * normal[0] + way[1] * normal[1] + way[2] * normal[2]
    direct = np.maximum(facing, 0)
    if s.backlight:
        direct += np.float32(s.backlight) * np.maximum(-facing, 0)
    lit = np.flatnonzero(direct > 0)
    direct[lit] *= sunlight(shade, np.take(point, lit, axis=1), np.take(normal, lit, axis=1))
    open_share = .62 - .38 * normal[1]  # 1 for a surface that faces up, 0.24 for one that faces down
    if s.on_ground:
        open_share *= open_sky(shade, point[0], point[2])
    if s.sky_share is not None:
        open_share *= s.sky_share
    sun, ambient = light.sun.astype(np.float32), light.ambient.astype(np.float32)
    direct += np.maximum(normal[1] + .35, 0) * np.float32(.10)  # bounced off the ground
    color = np.stack([s.albedo[k] * (sun[k] * direct + ambient[k] * open_share) for k in range(3)])
    if s.gloss is not None:
        cosine = clip01((normal * toward).sum(0))
        mirrored = 2 * cosine * normal - toward
        share = s.gloss + .35 * (1 - cosine) ** 4 * np.minimum(s.gloss * 20, 1)
        share *= clip01(-mirrored[1] * 1.6 + .15)
        spark = np.maximum(way[0] * mirrored[0] + way[1] * mirrored[1] + way[2] * mirrored[2], 0)
        for _ in range(5):
            spark = spark * spark
        spark *= direct * s.gloss * 8
        color += light.horizon.astype(np.float32)[:, None] * share + sun[:, None] * spark
    return color if s.glow is None else color + s.glow


def sky_color(scene: Scene, ray: np.ndarray) -> np.ndarray:
    """Return linear colors (3, n) of the sky along rays: a gradient, the sun's glow, clouds with lit edges."""
    light = scene.light
    unit = ray / np.sqrt((ray**2).sum(0))
    up = np.maximum(-unit[1], 0)
    horizon, zenith = light.horizon.astype(np.float32)[:, None], light.zenith.astype(np.float32)[:, None]
    color = horizon + (zenith - horizon) * (1 - np.exp(-4.2 * up))
    toward_sun = np.maximum((unit * light.toward_sun[:, None]).sum(0), 0)
    color = color + light.sun.astype(np.float32)[:, None] * (.10 * toward_sun**6 + .30 * toward_sun**60)
    spread = 1 / (up + .16)
    shift = np.float32(scene.seed % 211)
    u, v = unit[0] * spread * 9 + shift, unit[2] * spread * 9
    puffs = fractal(u, v, spread * .12) * .75 + .35 * fractal(u * 3.1 + 5, v * 3.1, spread * .37)
    cover = clip01((puffs + 2.6 * light.clouds - 1.0) * 1.1) * clip01(up * 14)
    shadow = np.clip(.98 - .16 * np.maximum(puffs, 0) - .25 * light.clouds, .5, 1.)
    cloud = (.55 * light.sun + .65 * light.ambient).astype(np.float32)[:, None]
    cloud = np.minimum(cloud / max(float(cloud.max()), 1.) * 1.55, 1.7) * shadow
    return color + (cloud - color) * (cover * .85)
