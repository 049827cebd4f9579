"""What a scene is made of: convex solids, balls (ellipsoids) and posts (cylinders), as flat arrays.

World axes: x right, y down, z forward, in meters; the road is the plane y = 0.  A thing has a base point, three axes
(right, up, forward), a size and looks (material, two colors, four parameters, a seed in [0, 1)).
"""
from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..classes import TRAIN_ID
from .shapes import NAMES, TEMPLATES

MATERIALS: tuple[str, ...] = ("road", "pavement", "grass", "facade", "roof", "plain", "metal", "sign", "light", "car",
                              "cabin", "tyre", "bark", "leaves", "hedge", "cloth", "skin", "wall", "fence", "hill")
MATERIAL: dict[str, int] = {name: i for i, name in enumerate(MATERIALS)}
BALL, POST = -1, -2  # kinds of quadric; a solid's kind is the index of its template


@dataclass
class Things:
    """Flat arrays of T things; solids own rows plane_start[i] : plane_start[i + 1] of `planes`."""

    kind: np.ndarray  # (T,) template index, BALL or POST
    origin: np.ndarray  # (T, 3) base point of a solid or post, center of a ball
    axes: np.ndarray  # (T, 3, 3) rows right, up, forward in world coordinates
    size: np.ndarray  # (T, 3) extents of a solid, radii of a ball; (radius, length, radius) of a post
    color: np.ndarray  # (T, 3) linear RGB
    color2: np.ndarray  # (T, 3) linear RGB
    params: np.ndarray  # (T, 4) meaning by material
    seed: np.ndarray  # (T,) in [0, 1)
    material: np.ndarray  # (T,)
    label: np.ndarray  # (T,) trainId
    moving: np.ndarray  # (T,) bool
    casts: np.ndarray  # (T,) bool, throws a shadow
    contact: np.ndarray  # (T,) darkening of the ground below and beside, 0 = none
    corners: np.ndarray  # (T, 8, 3) corners of the oriented bounding box
    plane_start: np.ndarray  # (T + 1,)
    planes: np.ndarray  # (P, 4) unit normal and offset in world coordinates
    plane_thing: np.ndarray  # (P,)

    def __len__(self) -> int:
        return len(self.kind)


class Stage:
    """A list of things under construction."""

    def __init__(self) -> None:
        self.rows: list[tuple] = []

    def add(self, kind: int, origin, axes, size, material: str, label: str, color, color2=(0., 0., 0.),
            params=(0., 0., 0., 0.), seed: float = 0., moving: bool = False, casts: bool = True,
            contact: float = 0.) -> None:
        """Append one thing; see `Things` for the meaning of the fields."""
        self.rows.append((kind, origin, axes, size, color, color2, params, seed, MATERIAL[material], TRAIN_ID[label],
                          moving, casts, contact))

    def solid(self, template: str, base, size, material: str, label: str, color, yaw: float = 0., **looks) -> None:
        """Stand a convex template on `base` = (x, height above the road, z), turned by `yaw` about the vertical."""
        c, s = np.cos(yaw), np.sin(yaw)
        axes = ((c, 0., -s), (0., -1., 0.), (s, 0., c))
        self.add(NAMES.index(template), (base[0], -base[1], base[2]), axes, size, material, label, color, **looks)

    def ball(self, center, radii, material: str, label: str, color, axes=None, **looks) -> None:
        """Hang an ellipsoid at `center` = (x, height, z)."""
        axes = ((1., 0., 0.), (0., -1., 0.), (0., 0., 1.)) if axes is None else axes
        self.add(BALL, (center[0], -center[1], center[2]), axes, radii, material, label, color, **looks)

    def post(self, start, end, radius: float, material: str, label: str, color, **looks) -> None:
        """Draw a round bar from `start` to `end`, both (x, height, z)."""
        foot = (start[0], -start[1], start[2])
        along = (end[0] - start[0], start[1] - end[1], end[2] - start[2])
        length = (along[0] ** 2 + along[1] ** 2 + along[2] ** 2) ** .5
        up = (along[0] / length, along[1] / length, along[2] / length)
        right = cross(up, (0., 0., 1.) if abs(up[2]) < .9 else (1., 0., 0.))
        norm = (right[0] ** 2 + right[1] ** 2 + right[2] ** 2) ** .5
        right = (right[0] / norm, right[1] / norm, right[2] / norm)
        self.add(POST, foot, (right, up, cross(right, up)), (radius, length, radius), material, label, color, **looks)

    def freeze(self) -> Things:
        """Return the arrays of everything added so far."""
        columns = list(zip(*self.rows)) if self.rows else [()] * 13
        kind = np.array(columns[0], dtype=np.int64)
        shapes = ((3,), (3, 3), (3,), (3,), (3,), (4,), ())
        origin, axes, size, color, color2, params, seed = (
            np.array(column, dtype=np.float64).reshape((len(kind), *shape))
            for column, shape in zip(columns[1:8], shapes))
        planes, start = _world_planes(kind, origin, axes, size)
        return Things(kind, origin, axes, size, color, color2, params, seed, np.array(columns[8], dtype=np.int64),
                      np.array(columns[9], dtype=np.uint8), np.array(columns[10], dtype=bool),
                      np.array(columns[11], dtype=bool), np.array(columns[12], dtype=np.float64),
                      _corners(kind, origin, axes, size), start, planes,
                      np.repeat(np.arange(len(kind)), np.diff(start)))


def cross(a, b) -> tuple[float, float, float]:
    """Return the cross product of two triples (NumPy's is slow for one)."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _world_planes(kind, origin, axes, size) -> tuple[np.ndarray, np.ndarray]:
    """Place each solid's template planes in the world: n_w = A^T (n / size), d_w = d + n_w . origin, unit normals."""
    counts = np.array([len(TEMPLATES[name]) for name in NAMES] + [0, 0])[kind] if len(kind) else np.zeros(0, int)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    planes = np.zeros((start[-1], 4))
    for index in np.unique(kind[kind >= 0]):
        rows = np.flatnonzero(kind == index)
        local = TEMPLATES[NAMES[index]]
        normal = np.einsum("pj,tj,tjk->tpk", local[:, :3], 1 / size[rows], axes[rows])
        offset = local[None, :, 3] + np.einsum("tpk,tk->tp", normal, origin[rows])
        length = np.sqrt((normal**2).sum(-1))
        where = start[rows][:, None] + np.arange(len(local))
        planes[where, :3] = normal / length[..., None]
        planes[where, 3] = offset / length
    return planes, start


def _corners(kind, origin, axes, size) -> np.ndarray:
    """Return the (T, 8, 3) corners of the oriented boxes around the things."""
    low = np.where((kind == BALL)[:, None], -size, 0.)
    low[:, 0], low[:, 2] = np.where(kind < 0, -size[:, 0], -size[:, 0] / 2), np.where(kind < 0, -size[:, 2],
                                                                                   -size[:, 2] / 2)
    high = np.where((kind < 0)[:, None], size, size / 2)
    high[:, 1] = size[:, 1]
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    local = np.where(bits[None], high[:, None], low[:, None])  # (T, 8, 3)
    return origin[:, None] + np.einsum("tcj,tjk->tck", local, axes)


def join(parts: list[Things]) -> Things:
    """Concatenate several sets of things into one."""
    values = {}
    for field in fields(Things):
        values[field.name] = np.concatenate([getattr(part, field.name) for part in parts])
    sizes = np.concatenate([np.diff(part.plane_start) for part in parts])
    values["plane_start"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    values["plane_thing"] = np.repeat(np.arange(len(sizes)), sizes)
    return Things(**values)
