"""Color of visible samples: a material gives albedo and gloss, then sun, sky, haze and film."""
from __future__ import annotations

import numpy as np

from .raster import FIRST, ROAD, SKY
from .sun import open_sky, sunlight
from .things import BALL, MATERIAL, POST


def shade_samples(scene, things, shade, view, u, v, x, ids) -> np.ndarray:
    light = scene.light
    base = view.base.astype(np.float32)
    ray = [base[k, 0] * u + (base[k, 1] * v + base[k, 2]) for k in range(3)]
    out = np.empty((3, len(u)), np.float32)
    sky = ids == SKY
    out[:] = light.horizon[:, None]
    solid = np.flatnonzero(~sky)
    ids = ids[solid]
    z = 1 / x[solid]
    o = view.point.astype(np.float32)
    X = np.stack([r[solid] * z + c for r, c in zip(ray, o)])
    nplanes = len(things.planes)
    thing_of = np.concatenate([[-1, -1], things.plane_thing, np.arange(len(things))])
    t = thing_of[ids]
    normal = np.zeros((3, len(ids)), np.float32)
    normal[1] = -1
    flat = (ids >= FIRST) & (ids < FIRST + nplanes)
    normal[:, flat] = things.planes[ids[flat] - FIRST, :3].T
    curved = ids >= FIRST + nplanes
    tc = t[curved]
    M = (things.axes / things.size[:, :, None])
    M[things.kind == POST, 1] = 0
    M = M.astype(np.float32)[tc]
    q = np.einsum("nrk,nk->nr", M, (X[:, curved].T - things.origin[tc]).astype(np.float32))
    g = np.einsum("nrk,nr->kn", M, q)
    normal[:, curved] = g / np.sqrt((g * g).sum(0) + 1e-12)
    color = np.vstack([things.color, [[.1, .1, .105]]]).astype(np.float32)
    albedo = color[t].T
    way = light.sun_way / np.linalg.norm(light.sun_way)
    lam = np.maximum(sum(normal[k] * np.float32(way[k]) for k in range(3)), 0) * sunlight(shade, X, normal)
    amb = (.65 - .35 * normal[1])
    ground = normal[1] < -.9
    amb[ground] *= open_sky(shade, X[0, ground], X[2, ground])
    c = albedo * (light.ambient[:, None].astype(np.float32) * amb + light.sun[:, None].astype(np.float32) * lam)
    h = np.exp(-z * light.haze)
    c = c * h + light.horizon[:, None].astype(np.float32) * (1 - h)
    out[:, solid] = c
    return np.sqrt(out / (out + .6) * 1.5).astype(np.float32)
