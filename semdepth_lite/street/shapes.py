"""Convex templates of the street: boxes, roofs, discs, wheels and car bodies, each as a list of planes.

A template lives in a unit box: x (right) and z (forward) in [-0.5, 0.5], y (up) in [0, 1].  Its planes are rows
(nx, ny, nz, d) with n . p <= d inside, so that everything solid goes through one ray test.
"""
from __future__ import annotations

import numpy as np


def _planes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


def _through(p: tuple[float, float], q: tuple[float, float]) -> tuple[float, float, float]:
    """Return (a, b, d) of the line a s + b t = d through p and q whose inside is on the left of p -> q."""
    a, b = q[1] - p[1], p[0] - q[0]
    return a, b, a * p[0] + b * p[1]


def _profile(points: list[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    """Extrude a counterclockwise convex (z, y) polygon along x."""
    rows = []
    for p, q in zip(points, points[1:] + points[:1]):
        a, b, d = _through(p, q)
        rows.append((0.0, b, a, d))
    return rows


def _sides(half_low: float, y_low: float, half_high: float, y_high: float) -> list[tuple[float, float, float, float]]:
    """Two side planes through x = half_low at y_low and x = half_high at y_high, mirrored."""
    rise, lean = y_high - y_low, half_low - half_high
    d = rise * half_low + lean * y_low
    return [(rise, lean, 0.0, d), (-rise, lean, 0.0, d)]


def _plan_corners(x_in: float, z_in: float) -> list[tuple[float, float, float, float]]:
    """Cut the four vertical edges: planes through (0.5, z_in) and (x_in, 0.5) in the plan."""
    a, b = 0.5 - z_in, 0.5 - x_in
    d = a * 0.5 + b * z_in
    return [(sx * a, 0.0, sz * b, d) for sx in (1, -1) for sz in (1, -1)]


def _box() -> np.ndarray:
    return _planes((1, 0, 0, .5), (-1, 0, 0, .5), (0, 1, 0, 1), (0, -1, 0, 0), (0, 0, 1, .5), (0, 0, -1, .5))


def _bevel_box(edge: float) -> np.ndarray:
    rows = [tuple(row) for row in _box()] + _plan_corners(.5 - edge, .5 - edge)
    top = [(.7 * sx, .7, .7 * sz, .7 * (.5 - edge) + .7) for sx, sz in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    return _planes(*rows, *top)


def _gable(steep: float) -> np.ndarray:
    """A roof whose ridge runs along z; `steep` = 0.5 keeps upright gable ends, less leans them in (hipped)."""
    ends = [(0, .5 - steep, 1, .5), (0, .5 - steep, -1, .5)]
    return _planes((1, .5, 0, .5), (-1, .5, 0, .5), (0, -1, 0, 0), *ends)


def _mansard() -> np.ndarray:
    return _planes(*_sides(.5, 0, .42, .7), *[(0, lean, s, .5) for s, lean in ((1, .06), (-1, .06))],
                   (.6, .55, 0, .6 * .42 + .55 * .7), (-.6, .55, 0, .6 * .42 + .55 * .7), (0, -1, 0, 0), (0, 1, 0, 1))


def _disc(count: int, turn: float) -> np.ndarray:
    """A regular polygon in the (x, y) plane around (0, 0.5), a plate from z = -0.5 to 0.5."""
    angles = 2 * np.pi * (np.arange(count) + turn) / count
    rows = [(np.cos(a), np.sin(a), 0.0, .5 + .5 * np.sin(a)) for a in angles]
    return _planes(*rows, (0, 0, 1, .5), (0, 0, -1, .5))


def _triangle() -> np.ndarray:
    return _planes((1, .5, 0, .5), (-1, .5, 0, .5), (0, -1, 0, 0), (0, 0, 1, .5), (0, 0, -1, .5))


def _wheel() -> np.ndarray:
    angles = 2 * np.pi * np.arange(12) / 12
    rows = [(0.0, np.cos(a), np.sin(a), .5 + .5 * np.cos(a)) for a in angles]
    return _planes(*rows, (1, 0, 0, .5), (-1, 0, 0, .5))


def _car_body(hood: float, hood_z: float, tail: float, tail_z: float) -> np.ndarray:
    """The lower body: bumpers, a sloping hood from `hood_z` on, a tail, tumblehome and rounded corners."""
    profile = _profile([(-.47, .12), (.47, .12), (.5, .2), (.497, .40), (.46, hood - .03), (.42, hood),
                        (hood_z, .63), (tail_z, .64), (-.47, tail), (-.49, tail - .06), (-.5, .3)])
    return _planes(*profile, *_sides(.5, .44, .46, .68), *_sides(.47, .12, .5, .38), *_plan_corners(.36, .455))


def _car_cabin(base_rear: float, base_front: float, rear: float, front: float) -> np.ndarray:
    """The glass house: from base_rear to base_front at mid height, its roof from rear to front."""
    middle = .5 * (rear + front)
    profile = _profile([(base_rear, .6), (base_front, .6), (front + .015, .93), (front - .05, .985), (middle, 1.),
                        (rear + .05, .985), (rear - .015, .93)])
    return _planes(*profile, *_sides(.47, .62, .37, .96), *_sides(.43, .9, .3, 1.0))


TEMPLATES: dict[str, np.ndarray] = {
    "box": _box(), "bevel": _bevel_box(.12), "gable": _gable(.5), "hip": _gable(.15), "mansard": _mansard(),
    "disc": _disc(16, 0.), "octagon": _disc(8, .5), "plate": _box(), "triangle": _triangle(), "wheel": _wheel(),
    "sedan_body": _car_body(.54, .22, .60, -.42), "hatch_body": _car_body(.55, .24, .62, -.45),
    "wagon_body": _car_body(.54, .22, .62, -.46), "van_body": _car_body(.52, .34, .63, -.47),
    "sedan_cabin": _car_cabin(-.41, .26, -.24, .07), "hatch_cabin": _car_cabin(-.485, .30, -.40, .08),
    "wagon_cabin": _car_cabin(-.485, .25, -.43, .06), "van_cabin": _car_cabin(-.495, .40, -.485, .20),
}
NAMES: tuple[str, ...] = tuple(TEMPLATES)
