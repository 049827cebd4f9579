"""Visibility: which thing each ray meets first, for the camera and for the sun.

Both views share one test.  Along a ray the unknown is x: inverse depth 1/z for the camera, height above the road for
the sun's parallel rays.  In both, a plane bounds x by a function that is *linear* in the picture coordinates (u, v), so
a convex solid is "the least upper bound minus the greatest lower bound", and an ellipsoid's or cylinder's outline is a
conic.  The largest x wins: the nearest surface for the camera, the highest for the sun.  Derived here.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import leaf_noise
from .things import BALL, MATERIAL, POST, Things

SKY, ROAD, FIRST = 0, 1, 2  # ids: sky, road plane, then planes of solids, then things (balls and posts)


@dataclass
class View:
    """Rays X = (base @ (u, v, 1) + x * point) / (x if perspective else 1), sampled on layers of regular grids."""

    base: np.ndarray  # (3, 3)
    point: np.ndarray  # (3,) camera center, or the way to the sun per metre of height
    perspective: bool
    u: np.ndarray  # (L, 1, w) picture coordinates of the samples
    v: np.ndarray  # (L, h, 1)
    x: np.ndarray  # (L, h, w) float32, best x so far
    ids: np.ndarray | None  # (L, h, w) int32, what is seen; None when only x matters
    step: float  # picture units between samples


def camera_view(K: np.ndarray, pose: np.ndarray, height: int, width: int) -> View:
    """Aim a view at pixel centers (layer 0) and at the shared pixel corners (layer 1)."""
    base = pose[:3, :3] @ np.linalg.inv(K)
    columns, rows = np.arange(width + 1, dtype=np.float32), np.arange(height + 1, dtype=np.float32)
    u = np.stack([columns, columns - .5])[:, None, :]
    v = np.stack([rows, rows - .5])[:, :, None]
    ground = (base[1] / -pose[1, 3]).astype(np.float32)  # the road plane y = 0
    x = np.maximum(ground[0] * u + (ground[1] * v + ground[2]), 0).astype(np.float32)
    ids = np.where(x > 1 / 4000, ROAD, SKY).astype(np.int32)
    x[ids == SKY] = 0
    return View(base, pose[:3, 3].copy(), True, u, v, x, ids, 1.)


def sun_view(way: np.ndarray, x_range: tuple[float, float], z_range: tuple[float, float], step: float) -> View:
    """Look down the sun's rays on the road plane: u = x and v = z of the foot of the ray, in metres."""
    u = np.arange(x_range[0], x_range[1], step, dtype=np.float32)[None, None, :]
    v = np.arange(z_range[0], z_range[1], step, dtype=np.float32)[None, :, None]
    base = np.array(((1., 0., 0.), (0., 0., 0.), (0., 1., 0.)))
    return View(base, np.asarray(way, dtype=np.float64), False, u, v, np.zeros((1, v.size, u.size), np.float32), None,
                step)


def draw(things: Things, view: View) -> None:
    """Draw all things into `view`, the nearest first, keeping the largest x at each sample."""
    rects, best = _rectangles(things, view)
    chosen = np.flatnonzero((rects[:, 0] < rects[:, 1]) & (rects[:, 2] < rects[:, 3]) & (best > 0))
    if view.ids is None:
        chosen = chosen[things.casts[chosen]]
    chosen = chosen[np.argsort(-best[chosen], kind="stable")]
    bounds, upper = _plane_bounds(things, view)
    quadrics = _quadrics(things, view, rects)
    starts, kinds, leafy = things.plane_start.tolist(), things.kind.tolist(), things.material == MATERIAL["leaves"]
    first_thing = FIRST + len(things.planes)
    limits, boxes = best.tolist(), rects.tolist()
    for i in chosen.tolist():
        u0, u1, v0, v1 = boxes[i]
        window = view.x[:, v0:v1, u0:u1]
        if view.ids is not None and window.min() >= limits[i]:
            continue
        u, v = view.u[:, :, u0:u1], view.v[:, v0:v1]
        ids = None if view.ids is None else view.ids[:, v0:v1, u0:u1]
        if kinds[i] >= 0:
            _draw_solid(bounds, upper, starts[i], starts[i + 1], u, v, window, ids)
        else:
            _draw_quadric(quadrics, i, kinds[i], bool(leafy[i]), u, v, window, ids, first_thing + i)


def _rectangles(things: Things, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Return each thing's sample rectangle (u0, u1, v0, v1), end exclusive, and an upper bound of its x."""
    height, width = view.x.shape[1:]
    if not view.perspective:
        up = -things.corners[..., 1]
        u = (things.corners[..., 0] - up * view.point[0] - view.u[0, 0, 0]) / view.step
        v = (things.corners[..., 2] - up * view.point[2] - view.v[0, 0, 0]) / view.step
        low_u, high_u, low_v, high_v = u.min(1), u.max(1), v.min(1), v.max(1)
        best = up.max(1)
    else:
        local = (things.corners - view.point) @ np.linalg.inv(view.base).T  # (T, 8, 3): (u z, v z, z)
        z = local[..., 2]
        near = .25
        picture = local[..., :2] / np.maximum(z, near)[..., None]
        low, high = picture.min(1), picture.max(1)
        low_u, high_u, low_v, high_v = low[:, 0], high[:, 0], low[:, 1], high[:, 1]
        best = 1 / np.maximum(z.min(1), near)
        best[z.max(1) <= near] = 0
        for i in np.flatnonzero((z.min(1) < near) & (z.max(1) > near)):
            front, back = local[i][z[i] > near], local[i][z[i] <= near]
            share = ((front[:, None, 2] - near) / (front[:, None, 2] - back[None, :, 2]))[..., None]
            cut = (front[:, None] + share * (back[None] - front[:, None])).reshape(-1, 3)
            points = np.concatenate([front, cut])[:, :2] / np.concatenate([front, cut])[:, 2:]
            (low_u[i], low_v[i]), (high_u[i], high_v[i]) = points.min(0), points.max(0)
        small = np.maximum(high_u - low_u, high_v - low_v) < .7
        best[small] = 0
    rects = np.stack([np.clip(np.floor(low_u), 0, width), np.clip(np.ceil(high_u) + 2, 0, width),
                      np.clip(np.floor(low_v), 0, height), np.clip(np.ceil(high_v) + 2, 0, height)], axis=1)
    return rects.astype(np.int64), best


def _plane_bounds(things: Things, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Turn every plane into a bound on x, linear in (u, v, 1): (P, 3) float32, and whether it bounds from above."""
    normal, offset = things.planes[:, :3], things.planes[:, 3]
    linear = normal @ view.base
    slope = normal @ view.point
    if view.perspective:
        slope = slope - offset
    else:
        linear[:, 2] -= offset
    slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    return (-linear / slope[:, None]).astype(np.float32), slope > 0


def _draw_solid(bounds, upper, start: int, stop: int, u, v, window, ids) -> None:
    """Draw one convex solid: x = min of upper bounds, seen where it exceeds the max of lower bounds and `window`."""
    rows, above = bounds[start:stop], upper[start:stop]
    front, back = np.flatnonzero(above), np.flatnonzero(~above)
    if not len(front):
        return
    a, b, c = rows[front].T[:, :, None, None, None]
    high = a * u + (b * v + c)
    x = high.min(0) if len(front) > 1 else high[0]
    floor = window
    if len(back):
        a, b, c = rows[back].T[:, :, None, None, None]
        low = a * u + (b * v + c)
        floor = np.maximum(low.max(0), window)
    hit = x > floor
    np.copyto(window, x, where=hit)
    if ids is not None:
        if len(front) == 1:
            np.copyto(ids, np.int32(FIRST + start + front[0]), where=hit)
        else:
            ids[hit] = (FIRST + start + front.astype(np.int32))[high[:, hit].argmin(0)]


@dataclass
class _Quadrics:
    """Per-thing coefficients of balls and posts, relative to the middle of their rectangles."""

    middle: np.ndarray  # (T, 2)
    linear: np.ndarray  # (T, 3) -b / a
    conic: np.ndarray  # (T, 6) of u^2, uv, v^2, u, v, 1: discriminant / a^2
    valid: np.ndarray  # (T,)
    along: np.ndarray  # (T, 4) coordinate along a post: linear in (u, v, 1), and times x
    length: np.ndarray  # (T,)
    unit: np.ndarray  # (T, 3, 4) coordinates in the unit ball: linear in (u, v, 1), and times x
    seed: np.ndarray
    coarse: np.ndarray  # (T,) picture units per metre is divided by the size of a leaf cluster
    open: np.ndarray  # (T,) share of holes
    perspective: bool


def _quadrics(things: Things, view: View, rects: np.ndarray) -> _Quadrics:
    """Prepare the conic of every ball and post: |x p + q(u, v)|^2 = x^2 (camera) or 1 (sun), larger root."""
    kappa = 1. if view.perspective else 0.
    middle = np.stack([view.u[0, 0, np.minimum((rects[:, 0] + rects[:, 1]) // 2, view.u.shape[2] - 1)],
                       view.v[0, np.minimum((rects[:, 2] + rects[:, 3]) // 2, view.v.shape[1] - 1), 0]], axis=1)
    scale = things.axes / things.size[:, :, None]  # (T, 3, 3) rows: unit-ball axes
    scale = np.where((things.kind == POST)[:, None, None] & (np.arange(3) == 1)[None, :, None], 0., scale)

    def lift(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows . (X - origin) as linear (T, R, 3) and slope (T, R) parts of x."""
        linear = rows @ view.base
        linear[..., 2] += middle[:, :1] * linear[..., 0] + middle[:, 1:] * linear[..., 1]
        origin = np.einsum("trk,tk->tr", rows, things.origin)
        slope = rows @ view.point
        if view.perspective:
            slope = slope - origin
        else:
            linear[..., 2] -= origin
        return linear, slope

    q, p = lift(scale)
    a = (p**2).sum(-1) - kappa
    b = np.einsum("tr,trk->tk", p, q)
    form = np.einsum("trj,trk->tjk", q, q)
    form[:, 2, 2] -= 1 - kappa
    valid = a > 1e-12
    safe = np.where(valid, a, 1.)
    disc = (b[:, :, None] * b[:, None, :] - safe[:, None, None] * form) / (safe**2)[:, None, None]
    conic = np.stack([disc[:, 0, 0], 2 * disc[:, 0, 1], disc[:, 1, 1], 2 * disc[:, 0, 2], 2 * disc[:, 1, 2],
                      disc[:, 2, 2]], axis=1)
    axis_linear, axis_slope = lift(things.axes[:, 1:2])
    along = np.concatenate([axis_linear[:, 0], axis_slope], axis=1)
    return _Quadrics(middle, -b / safe[:, None], conic, valid & (things.kind < 0), along, things.size[:, 1],
                     np.concatenate([q, p[..., None]], axis=2), things.seed, things.params[:, 0], things.params[:, 2],
                     view.perspective)


def _draw_quadric(quadrics: _Quadrics, i: int, kind: int, leafy: bool, u, v, window, ids, number: int) -> None:
    """Draw one ball or post; leaves have holes that are fixed to the ball's surface."""
    if not quadrics.valid[i]:
        return
    u, v = u - np.float32(quadrics.middle[i, 0]), v - np.float32(quadrics.middle[i, 1])
    uu, uv, vv, u1, v1, one = quadrics.conic[i].astype(np.float32)
    disc = (uu * u + u1) * u + (uv * u) * v + ((vv * v + v1) * v + one)
    a, b, c = quadrics.linear[i].astype(np.float32)
    x = a * u + (b * v + c) + np.sqrt(np.maximum(disc, 0))
    hit = (disc > 0) & (x > window)
    if kind == POST:
        a, b, c, slope = quadrics.along[i].astype(np.float32)
        along = a * u + (b * v + c) + slope * x
        hit &= (along >= 0) & (along <= (x if quadrics.perspective else 1.) * np.float32(quadrics.length[i]))
    elif leafy:
        where = np.nonzero(hit)
        if not len(where[0]):
            return
        xs = x[where]
        us, vs = u[where[0], 0, where[2]], v[where[0], where[1], 0]
        unit = quadrics.unit[i].astype(np.float32)
        q = [(r[0] * us + r[1] * vs + r[2] + r[3] * xs) / (xs if quadrics.perspective else 1.) for r in unit]
        peak = float(max(quadrics.conic[i, 5], disc.max()))
        rim = np.sqrt(disc[where] / np.float32(peak))  # 1 in the middle, 0 at the outline
        keep = leaf_noise(q, quadrics.coarse[i], quadrics.seed[i]) > quadrics.open[i] + .55 * (1 - rim) ** 2
        hit[where] = keep
    np.copyto(window, x, where=hit)
    if ids is not None:
        np.copyto(ids, np.int32(number), where=hit)
