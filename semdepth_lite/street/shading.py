"""Color of visible samples: a material gives albedo and gloss, then sun and sky light it, haze and film finish it."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import facades, ground, surfaces
from .noise import fractal
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
        scene, things, shade, view: what is seen, and the maps of its shadows.
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
    """Expose linear light: a soft shoulder, gamma 2, a little contrast.  Ours."""
    value = np.sqrt(1 - np.exp(color * np.float32(-1.12 * light.exposure)))
    return value * (.80 + value * (.60 - .40 * value))


def _surfaces(scene, things, shade, view, ray, x, ids) -> np.ndarray:
    """Return linear colors (3, n) of samples that see a surface."""
    z = 1 / x
    point = ray * z + view.point.astype(np.float32)[:, None]
    distance = np.sqrt((ray**2).sum(0))
    toward = ray / -distance  # unit, from the surface to the camera
    planes = len(things.planes)
    owner = np.concatenate([[0, 0], things.plane_thing, np.arange(len(things))]).astype(np.int32)
    thing = owner.take(ids)
    normal = _normals(things, point, thing, ids, planes)
    cosine = np.maximum((normal * toward).sum(0), .02)
    foot = z * np.float32(view.base[0, 0])
    if not np.isfinite(foot).all() or foot.size == 0:
        return np.zeros_like(point)
    albedo, gloss, glow = np.zeros_like(point), np.zeros_like(x), None
    sky_share, backlight = np.ones_like(x), np.zeros_like(x)
    material = things.material.astype(np.uint8).take(thing)
    material[ids < FIRST] = 0
    order = np.argsort(material, kind="stable")
    edges = np.searchsorted(material[order], np.arange(len(MATERIALS) + 1))
    for k, name in enumerate(MATERIALS):
        rows = order[edges[k]:edges[k + 1]]
        if not len(rows):
            continue
        s = Samples(things, thing[rows], point[:, rows], normal[:, rows], foot[rows], 1 / cosine[rows], scene,
                    albedo[:, rows])
        PAINTERS[name](s)
        albedo[:, rows], normal[:, rows] = s.albedo, s.normal
        if s.gloss is not None:
            gloss[rows] = s.gloss
        if s.sky_share is not None:
            sky_share[rows] = s.sky_share
        if s.backlight:
            backlight[rows] = s.backlight
        if s.glow is not None:
            glow = (rows, s.glow)
    color = _light(scene.light, shade, point, normal, toward, albedo, gloss, sky_share, backlight)
    if glow is not None:
        color[:, glow[0]] += glow[1]
    clear = np.exp(z * distance * np.float32(-scene.light.haze))
    air = scene.light.horizon.astype(np.float32)[:, None]
    return air + (color - air) * clear


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


def _light(light: Light, shade: Shade, point, normal, toward, albedo, gloss, sky_share, backlight) -> np.ndarray:
    """Light samples by the sun (with shadows), the sky above and the ground below, and a faint mirrored sky."""
    way = (light.sun_way / np.sqrt((light.sun_way**2).sum())).astype(np.float32)
    facing = way[0] * normal[0] + way[1] * normal[1] + way[2] * normal[2]
    lambert = np.maximum(facing, 0) + backlight * np.maximum(-facing, 0)
    lambert *= np.where(lambert > 0, sunlight(shade, point, normal), 0)
    open_share = .62 - .38 * normal[1]  # 1 for a surface that faces up, 0.24 for one that faces down
    flat = np.flatnonzero((normal[1] < -.9) & (point[1] > -.3))
    open_share[flat] *= open_sky(shade, point[0, flat], point[2, flat])
    open_share *= sky_share
    sun, ambient = light.sun.astype(np.float32), light.ambient.astype(np.float32)
    bounce = np.maximum(normal[1] + .35, 0) * np.float32(.10)
    color = np.empty_like(albedo)
    for k in range(3):
        color[k] = albedo[k] * (sun[k] * (lambert + bounce) + ambient[k] * open_share)
    shiny = np.flatnonzero(gloss > 0)
    if len(shiny):
        n, t = normal[:, shiny], toward[:, shiny]
        cosine = np.clip((n * t).sum(0), 0, 1)
        mirrored = 2 * cosine * n - t
        share = gloss[shiny] + .35 * (1 - cosine) ** 4 * np.minimum(gloss[shiny] * 20, 1)
        up = np.clip(-mirrored[1] * 1.6 + .15, 0, 1)
        spark = np.maximum((mirrored * way[:, None]).sum(0), 0) ** 48 * lambert[shiny]
        for k in range(3):
            color[k, shiny] += share * up * light.horizon[k].astype(np.float32) + gloss[shiny] * 8 * sun[k] * spark
    return color


def sky_color(scene: Scene, ray: np.ndarray) -> np.ndarray:
    """Return linear colors (3, n) of the sky along rays: a gradient, the sun's glow, clouds with lit edges."""
    light = scene.light
    unit = ray / np.sqrt((ray**2).sum(0))
    up = np.maximum(-unit[1], 0)
    horizon, zenith = light.horizon.astype(np.float32)[:, None], light.zenith.astype(np.float32)[:, None]
    color = horizon + (zenith - horizon) * (1 - np.exp(-4.2 * up))
    way = (light.sun_way / np.sqrt((light.sun_way**2).sum())).astype(np.float32)
    toward_sun = np.maximum((unit * way[:, None]).sum(0), 0)
    color = color + light.sun.astype(np.float32)[:, None] * (.10 * toward_sun**6 + .30 * toward_sun**60)
    spread = 1 / (up + .16)
    shift = np.float32(scene.seed % 211)
    u, v = unit[0] * spread * 9 + shift, unit[2] * spread * 9
    puffs = fractal(u, v, spread * .12) * .75 + .35 * fractal(u * 3.1 + 5, v * 3.1, spread * .37)
    cover = np.clip((puffs + 2.6 * light.clouds - 1.0) * .75, 0, 1) * np.clip(up * 14, 0, 1)
    shadow = np.clip(.98 - .16 * np.maximum(puffs, 0) - .25 * light.clouds, .5, 1.)
    cloud = (.55 * light.sun + .65 * light.ambient).astype(np.float32)[:, None]
    cloud = np.minimum(cloud / max(float(cloud.max()), 1.) * 1.55, 1.7) * shadow
    return color + (cloud - color) * (cover * .85)
