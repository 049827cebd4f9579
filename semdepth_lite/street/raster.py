"""Visibility, written for speed; the readable ray-by-ray reference is tests/street/test_street_oracle.py.

It finds which thing each ray meets first, for the camera and for the sun.
Both views share one test.  Along a ray the unknown is x: inverse depth 1/z for the camera, height above the road for
the sun's parallel rays.  In both, a plane bounds x by a function that is *linear* in the picture coordinates (u, v), so
a convex solid is "the least upper bound minus the greatest lower bound", and an ellipsoid's or cylinder's outline is a
conic.  The largest x wins: the nearest surface for the camera, the highest for the sun.  Derived here.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import clip01, leaf_noise
from .things import BALL, MATERIAL, POST, Things

SMALL = 500  # a rectangle of fewer samples is drawn together with the other small ones
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
    """Look down the sun's rays on the road plane: u = x and v = z of the foot of the ray, in meters."""
    u = np.arange(x_range[0], x_range[1], step, dtype=np.float32)[None, None, :]
    v = np.arange(z_range[0], z_range[1], step, dtype=np.float32)[None, :, None]
    base = np.array(((1., 0., 0.), (0., 0., 0.), (0., 1., 0.)))
    return View(base, np.asarray(way, dtype=np.float64), False, u, v, np.zeros((1, v.size, u.size), np.float32), None,
                step)


def draw(things: Things, view: View) -> None:
    """Draw all things into `view`, keeping the largest x at each sample: large ones one by one, small ones at once."""
    rects, best = _rectangles(things, view)
    seen = (rects[:, 0] < rects[:, 1]) & (rects[:, 2] < rects[:, 3]) & (best > 0)
    if view.ids is None:
        seen &= things.casts
    solids = _solids(things, view, seen)
    curved = np.flatnonzero(seen & (things.kind < 0))
    quadrics = _quadrics(things, view, rects, curved)
    _crop_to_outlines(rects, quadrics, curved, view)
    seen &= (rects[:, 0] < rects[:, 1]) & (rects[:, 2] < rects[:, 3])
    row = np.zeros(len(things), np.int64)  # of a ball or post in `quadrics`
    row[curved] = np.arange(len(curved))
    area = (rects[:, 1] - rects[:, 0]) * (rects[:, 3] - rects[:, 2]) * len(view.x)
    large = np.flatnonzero(seen & (area > SMALL))
    large = large[np.argsort(-best[large], kind="stable")]
    limits, boxes, kinds = best.tolist(), rects.tolist(), things.kind.tolist()
    for i in large.tolist():
        u0, u1, v0, v1 = boxes[i]
        window = view.x[:, v0:v1, u0:u1]
        if view.ids is not None and window.min() >= limits[i]:
            continue
        u, v = view.u[:, :, u0:u1], view.v[:, v0:v1]
        if kinds[i] >= 0:
            x, face, hit = _meet_solid(solids, i, u, v, window)
        else:
            x, face, hit = _meet_quadric(quadrics, int(row[i]), u, v, window)
        np.copyto(window, x, where=hit)
        if view.ids is not None:
            np.copyto(view.ids[:, v0:v1, u0:u1], face, where=hit)
    small = np.flatnonzero(seen & (area <= SMALL))
    is_solid = things.kind[small] >= 0
    limit = (1.01 * best).astype(np.float32)  # no rounding of x reaches it
    _draw_small(view, rects, limit, small[is_solid], lambda i, *samples: _meet_many_solids(solids, i, *samples))
    leafy = (things.kind[small] == BALL) & (things.material[small] == MATERIAL["leaves"])
    posts, balls = things.kind[small] == POST, (things.kind[small] == BALL) & ~leafy
    for chosen in (posts, balls, leafy):
        _draw_small(view, rects, limit, small[chosen],
                    lambda i, *samples: _meet_many_quadrics(quadrics, row.take(i), *samples))


def _draw_small(view: View, rects: np.ndarray, limit: np.ndarray, things: np.ndarray, meet) -> None:
    """Draw many small things at once: all pairs of a thing and a sample of its rectangle in flat arrays.

    Pairs are left out where something beyond the `limit` of the thing's x stands already.
    """
    if not len(things):
        return
    u0, u1, v0, v1 = rects[things].T
    lines = v1 - v0
    line_of = np.repeat(np.arange(len(things)), lines)  # one entry for each line of each rectangle
    width = (u1 - u0)[line_of]
    v = _ramps(lines) + v0[line_of]
    iu = _ramps(width) + np.repeat(u0[line_of], width)
    i, iv = np.repeat(things[line_of], width), np.repeat(v, width)
    layers, height, columns = view.x.shape
    flat = iv * columns + iu
    for layer in range(layers):
        x, ids = view.x[layer].ravel(), None if view.ids is None else view.ids[layer].ravel()  # views, not copies
        window = x.take(flat)
        free = np.flatnonzero(window < limit.take(i))
        hit, found, face = meet(i.take(free), view.u[layer, 0].take(iu.take(free)),
                                view.v[layer, :, 0].take(iv.take(free)), window.take(free))
        order = np.argsort(found, kind="stable")  # the largest x is written last and stays
        place = flat.take(free.take(hit.take(order)))
        x[place] = found.take(order)
        if ids is not None:
            ids[place] = face.take(order)


def _ramps(counts: np.ndarray) -> np.ndarray:
    """Return 0, 1, ... counts[0] - 1, 0, 1, ... counts[1] - 1, and so on."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


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
        u, v, z = np.ascontiguousarray(local.transpose(2, 1, 0))  # (8, T) each: minima across rows are fast
        near = .25
        ahead, nearest, farthest = np.maximum(z, near), z.min(0), z.max(0)
        u, v = u / ahead, v / ahead
        low_u, high_u, low_v, high_v = u.min(0), u.max(0), v.min(0), v.max(0)
        best = 1 / np.maximum(nearest, near)
        best[farthest <= near] = 0
        half = np.flatnonzero((nearest < near) & (farthest > near))  # partly behind the camera: cut all diagonals
        cut = _cut_at(local[half], near)
        low_u[half], low_v[half] = cut.min(1, initial=np.inf, where=np.isfinite(cut)).T
        high_u[half], high_v[half] = cut.max(1, initial=-np.inf, where=np.isfinite(cut)).T
        small = np.maximum(high_u - low_u, high_v - low_v) < .7
        best[small] = 0
    rects = np.stack([np.clip(np.floor(low_u), 0, width), np.clip(np.ceil(high_u) + 2, 0, width),
                      np.clip(np.floor(low_v), 0, height), np.clip(np.ceil(high_v) + 2, 0, height)], axis=1)
    return rects.astype(np.int64), best


def _cut_at(local: np.ndarray, near: float) -> np.ndarray:
    """Return picture points (M, 72, 2) that enclose what boxes (M, 8, 3) show beyond `near`; infinite = no point."""
    z = local[..., 2]
    front = z > near
    crosses = front[:, :, None] & ~front[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = ((z[:, :, None] - near) / (z[:, :, None] - z[:, None, :]))[..., None]
        points = local[:, :, None] + share * (local[:, None] - local[:, :, None])
        points = np.where(crosses[..., None], points, np.nan).reshape(len(local), 64, 3)
        points = np.concatenate([np.where(front[..., None], local, np.nan), points], axis=1)
        return np.where(np.isnan(points[..., :2]), np.inf, points[..., :2] / points[..., 2:])


@dataclass
class _Solids:
    """Bounds on x of every plane, linear in (u, v, 1), those from above first; padded to the same count per thing."""

    upper: np.ndarray  # (T, U, 3) float32, bounds from above; padded with +inf
    lower: np.ndarray  # (T, D, 3) float32, bounds from below; padded with -inf
    face: np.ndarray  # (T, U) int32, id of the plane of each upper bound
    uppers: np.ndarray  # (T,) how many are not padding
    lowers: np.ndarray  # (T,)


def _solids(things: Things, view: View, seen: np.ndarray) -> _Solids:
    """Turn the planes of things that are seen into bounds on x, and sort them into upper and lower ones."""
    normal, offset = things.planes[:, :3], things.planes[:, 3]
    linear = normal @ view.base
    slope = normal @ view.point
    if view.perspective:
        slope = slope - offset
    else:
        linear[:, 2] -= offset
    slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    bound = (-linear / slope[:, None]).astype(np.float32)
    tables, counts = [], []
    needed = seen[things.plane_thing]
    for sign, pad in ((slope > 0, np.inf), (slope < 0, -np.inf)):
        chosen = np.flatnonzero(sign & needed)
        owner = things.plane_thing[chosen]
        count = np.bincount(owner, minlength=len(things))
        slot = np.arange(len(chosen)) - np.repeat(np.cumsum(count) - count, count)
        table = np.zeros((len(things), max(1, count.max(initial=0)), 3), np.float32)
        table[..., 2] = pad
        table[owner, slot] = bound[chosen]
        tables.append(table)
        counts.append(count)
        if pad > 0:
            face = np.zeros(table.shape[:2], np.int32)
            face[owner, slot] = FIRST + chosen
    return _Solids(tables[0], tables[1], face, counts[0], counts[1])


def _meet_solid(solids: _Solids, i: int, u, v, window):
    """Meet one convex solid: x = min of upper bounds, a hit where it exceeds `window` and the max of lower bounds.

    Returns:
        x, the id of the face, and the hits, each of the shape of `window`.
    """
    front, back = solids.uppers[i], solids.lowers[i]
    if not front:
        return window, np.int32(0), np.zeros(window.shape, bool)
    a, b, c = solids.upper[i, :front].T[:, :, None, None, None]
    by_u, by_v = a * u, b * v + c
    bounds = [np.add(by_u[k], by_v[k]) for k in range(front)]
    x = bounds[0]
    for bound in bounds[1:]:
        x = np.minimum(x, bound)
    a, b, c = solids.lower[i, :back].T[:, :, None, None, None]
    by_u, by_v = a * u, b * v + c
    floor, bound = window, np.empty_like(x)
    for k in range(back):
        floor = np.maximum(floor, np.add(by_u[k], by_v[k], out=bound))
    hit = x > floor
    face = solids.face[i, 0]
    for k in range(1, front):
        face = np.where(bounds[k] == x, solids.face[i, k], face)
    return x, face, hit


def _meet_many_solids(solids: _Solids, i: np.ndarray, u, v, window):
    """Meet solids i (n,) at samples (n,); like `_meet_solid`, slot by slot.

    Returns:
        which samples are hit, and x and the id of the face there.
    """
    x, slot = np.full(len(i), np.inf, np.float32), np.zeros(len(i), np.int32)
    for k in range(solids.uppers[i].max(initial=0)):
        a, b, c = (column.take(i) for column in solids.upper[:, k].T)
        bound = a * u + (b * v + c)
        slot[bound < x] = k
        x = np.minimum(x, bound)
    where = np.flatnonzero((x > window) & np.isfinite(x))
    i, u, v, x, floor = (values.take(where) for values in (i, u, v, x, window))
    for k in range(solids.lowers[i].max(initial=0)):
        a, b, c = (column.take(i) for column in solids.lower[:, k].T)
        floor = np.maximum(floor, a * u + (b * v + c))
    hit = np.flatnonzero(x > floor)
    where = where.take(hit)
    return where, x.take(hit), solids.face[i.take(hit), slot.take(where)]


@dataclass
class _Quadrics:
    """Coefficients of T balls and posts, relative to the middle of their rectangles; the last axis is T."""

    middle: np.ndarray  # (2, T)
    center: np.ndarray  # (2, T) middle of the outline
    linear: np.ndarray  # (3, T) -b / a
    conic: np.ndarray  # (6, T) of u^2, uv, v^2, u, v, 1: discriminant / a^2
    peak: np.ndarray  # (T,) largest discriminant / a^2, in the middle of the outline
    valid: np.ndarray  # (T,)
    along: np.ndarray  # (4, T) coordinate along a post: linear in (u, v, 1), and times x
    length: np.ndarray  # (T,)
    unit: np.ndarray  # (3, 4, T) coordinates in the unit ball: linear in (u, v, 1), and times x
    seed: np.ndarray
    radius: np.ndarray  # (T,) meters
    open: np.ndarray  # (T,) share of holes
    post: np.ndarray  # (T,) bool
    leafy: np.ndarray  # (T,) bool
    number: np.ndarray  # (T,) id
    perspective: bool


def _quadrics(things: Things, view: View, rects: np.ndarray, curved: np.ndarray) -> _Quadrics:
    """Prepare the conics of balls and posts: |x p + q(u, v)|^2 = x^2 (camera) or 1 (sun), larger root."""
    kappa = 1. if view.perspective else 0.
    rects, kind, origins = rects[curved], things.kind[curved], things.origin[curved]
    axes, size = things.axes[curved], things.size[curved]
    middle = np.stack([view.u[0, 0, np.minimum((rects[:, 0] + rects[:, 1]) // 2, view.u.shape[2] - 1)],
                       view.v[0, np.minimum((rects[:, 2] + rects[:, 3]) // 2, view.v.shape[1] - 1), 0]], axis=1)
    post = kind == POST
    scale = axes / size[:, :, None]  # (T, 3, 3) rows: unit-ball axes
    scale = np.where(post[:, None, None] & (np.arange(3) == 1)[None, :, None], 0., scale)

    def lift(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows . (X - origin) as linear (T, R, 3) and slope (T, R) parts of x."""
        linear = rows @ view.base
        linear[..., 2] += middle[:, :1] * linear[..., 0] + middle[:, 1:] * linear[..., 1]
        origin = np.einsum("trk,tk->tr", rows, origins)
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
                      disc[:, 2, 2]])
    det = 4 * conic[0] * conic[2] - conic[1] ** 2
    det = np.where(np.abs(det) < 1e-30, 1e-30, det)
    center = np.stack([conic[1] * conic[4] - 2 * conic[2] * conic[3], conic[1] * conic[3] - 2 * conic[0] * conic[4]])
    peak = conic[5] - (conic[2] * conic[3] ** 2 - conic[1] * conic[3] * conic[4] + conic[0] * conic[4] ** 2) / det
    axis_linear, axis_slope = lift(axes[:, 1:2])
    along = np.concatenate([axis_linear[:, 0], axis_slope], axis=1)
    unit = np.concatenate([q, p[..., None]], axis=2)
    single = np.float32
    return _Quadrics(middle.T.astype(single), middle.T + center / det, (-b / safe[:, None]).T.astype(single),
                     conic.astype(single), np.maximum(peak, 1e-20).astype(single), valid, along.T.astype(single),
                     size[:, 1].astype(single), unit.transpose(1, 2, 0).astype(single),
                     (things.seed[curved] * 4096).astype(np.int32), things.params[curved, 0].astype(single),
                     things.params[curved, 2].astype(single), post, things.material[curved] == MATERIAL["leaves"],
                     (FIRST + len(things.planes) + curved).astype(np.int32), view.perspective)


def _crop_to_outlines(rects: np.ndarray, quadrics: _Quadrics, curved: np.ndarray, view: View) -> None:
    """Shrink the rectangles of balls whose outline is an ellipse to that ellipse and a sample more."""
    uu, uv, vv = (quadrics.conic[k].astype(np.float64) for k in range(3))
    det = 4 * uu * vv - uv**2
    chosen = np.flatnonzero(quadrics.valid & ~quadrics.post & (uu < 0) & (vv < 0) & (det > 1e-3 * uu * vv))
    peak = quadrics.peak[chosen].astype(np.float64)
    for k, (center, other, start) in enumerate(((quadrics.center[0], vv, view.u[0, 0, 0]),
                                                (quadrics.center[1], uu, view.v[0, 0, 0]))):
        reach = np.sqrt(-4 * other[chosen] * peak / det[chosen]) / view.step
        at = (center[chosen] - start) / view.step
        low, high = np.floor(at - reach) - 1, np.ceil(at + reach) + 3
        rects[curved[chosen], 2 * k] = np.maximum(rects[curved[chosen], 2 * k], low)
        rects[curved[chosen], 2 * k + 1] = np.minimum(rects[curved[chosen], 2 * k + 1], high)


def _outline(quadrics: _Quadrics, i, u, v):
    """Return u and v relative to the middle, and the discriminant, which is positive inside the outline.

    Here and below, i is one ball or post, or one of the same kind for each sample.
    """
    u, v = u - quadrics.middle[0].take(i), v - quadrics.middle[1].take(i)
    uu, uv, vv, u1, v1, c0 = quadrics.conic.take(i, axis=1)
    return u, v, (uu * u + u1) * u + (uv * u) * v + ((vv * v + v1) * v + c0)


def _meet_quadric(quadrics: _Quadrics, i, u, v, window):
    """Meet one ball or post; returns what `_meet_solid` does."""
    return _meet_outlined(quadrics, i, *_outline(quadrics, i, u, v), window)


def _meet_many_quadrics(quadrics: _Quadrics, i: np.ndarray, u, v, window):
    """Meet balls or posts i (n,), all of one kind, at samples (n,); returns what `_meet_many_solids` does."""
    u, v, disc = _outline(quadrics, i, u, v)
    where = np.flatnonzero(disc > 0)
    x, face, hit = _meet_outlined(quadrics, *(values.take(where) for values in (i, u, v, disc, window)))
    hit = np.flatnonzero(hit)
    return where.take(hit), x.take(hit), face.take(hit)


def _meet_outlined(quadrics: _Quadrics, i, u, v, disc, window):
    """Meet with the discriminant known; leaves have holes fixed to the ball.  Returns x, the id, and the hits."""
    a, b, c = quadrics.linear.take(i, axis=1)
    x = a * u + (b * v + c) + np.sqrt(np.maximum(disc, 0))
    hit = (disc > 0) & (x > window) & quadrics.valid[i]
    first = i if not isinstance(i, np.ndarray) else i[0] if len(i) else 0
    if quadrics.post[first]:
        a, b, c, slope = quadrics.along.take(i, axis=1)
        along = a * u + (b * v + c) + slope * x
        hit &= (along >= 0) & (along <= (x if quadrics.perspective else 1.) * quadrics.length[i])
    elif quadrics.leafy[first]:
        _punch_holes(quadrics, i, u, v, x, disc, hit)
    return x, quadrics.number[i], hit


def _punch_holes(quadrics: _Quadrics, i, u, v, x, disc, hit) -> None:
    """Clear hits where the leaf noise is low, more so toward the outline."""
    where = np.nonzero(hit)
    if not len(where[0]):
        return
    u, v = np.broadcast_to(u, hit.shape)[where], np.broadcast_to(v, hit.shape)[where]
    i = i[where] if isinstance(i, np.ndarray) else i
    x, divisor = x[where], x[where] if quadrics.perspective else 1.
    q = [(r[0] * u + r[1] * v + r[2] + r[3] * x) / divisor for r in quadrics.unit.take(i, axis=2)]
    rim = 1 - np.sqrt(clip01(disc[where] / quadrics.peak[i]))  # 0 in the middle, 1 at the outline
    hit[where] = leaf_noise(q, quadrics.radius[i], quadrics.seed[i]) > quadrics.open[i] + .55 * rim * rim
