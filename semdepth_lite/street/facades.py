"""Materials of what is built: facades with windows, doors and shops; roofs; plain parts, garden walls, fences."""
from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from .noise import cell_hash, clip01, fade, fractal, grain, inside, stripes
from .samples import Samples, mix
from .scene import Light

SIGNS = np.array(((.45, .04, .04), (.03, .10, .30), (.04, .20, .10), (.50, .36, .05), (.07, .06, .06), (.30, .05, .20),
                  (.55, .52, .46), (.02, .22, .26)), np.float32)


def masonry(u, h, fu, fv, style, seed) -> np.ndarray:
    """Return the tone (n,) of a wall by style: 0 plaster, 1 brick, 2 stone; u, h and footprints in meters."""
    shift = seed * 61
    mean = np.sqrt(fu * fv)
    stain = fractal(u * .9 + shift, h * .45 + shift, mean * .7)
    streak = fractal(u * 3.1 + shift, h * .35, np.maximum(fu * 3.1, fv * .35))
    rough = grain(u * 11 + shift, h * 11, mean * 11)
    tone = 1 + .05 * stain + .045 * streak + .035 * rough
    for number, pattern in ((1, _bricks), (2, _blocks)):
        rows = np.flatnonzero(style == number)
        if len(rows):
            tone[rows] = pattern(tone[rows], stain[rows], u[rows], h[rows], fu[rows], fv[rows])
    return tone


def _bricks(tone, stain, u, h, fu, fv) -> np.ndarray:
    """Lay bricks of 36 x 12 cm, each of its own tint, with pale joints."""
    course = np.floor(h / .12)
    cell = np.floor(u / .36 + .5 * (course % 2))
    tint = (cell_hash(cell, course, .7) - .5) * fade(fu, .3) * fade(fv, .12)
    joint = np.maximum(stripes(h, .12, 0., .011, fv), stripes(u + .18 * (course % 2), .36, 0., .012, fu))
    return (tone + .06 * stain + .42 * tint) * (1 + .30 * joint)


def _blocks(tone, stain, u, h, fu, fv) -> np.ndarray:
    """Lay blocks of stone of 120 x 55 cm with dark joints."""
    course = np.floor(h / .55)
    joint = np.maximum(stripes(h, .55, 0., .02, fv), stripes(u + .6 * (course % 2), 1.2, 0., .02, fu))
    tint = (cell_hash(np.floor(u / 1.2 + .5 * (course % 2)), course, .2) - .5) * fade(fu, 1.)
    return (tone + .05 * stain + .14 * tint) * (1 - .30 * joint)


@dataclass
class Front:
    """Samples on houses: place on the wall, footprints, and what the house is like; all (n,) but the colors (3, n)."""

    u: np.ndarray  # along the wall from its corner, m
    h: np.ndarray  # above the street, m
    fu: np.ndarray  # footprint along u, m
    fv: np.ndarray
    floor: np.ndarray  # height of a floor, m
    ground: np.ndarray  # height of the ground floor, m
    pitch: np.ndarray  # distance of windows, m
    style: np.ndarray  # 0 plaster, 1 brick, 2 stone
    seed: np.ndarray
    half: np.ndarray  # half the length of the wall, m
    trim: np.ndarray  # (3, n)

    def at(self, rows: np.ndarray) -> Front:
        """Return some of the samples."""
        return Front(*[np.take(getattr(self, field.name), rows, axis=-1) for field in fields(self)])


def facade(s: Samples) -> None:
    """Paint a house: windows with frames and sills, a ground floor with shops or a door, plinth and stains."""
    right, h, ahead = s.upright()
    facing = np.abs(s.normal[0]) > .5
    half = np.where(facing, s.column("size", 2), s.column("size", 0)) / 2
    floor, ground, pitch, code = (s.column("params", k) for k in range(4))
    style, kind = np.floor(code / 10), code % 10
    f = Front(np.where(facing, ahead, right) + half, h, s.foot * s.graze, s.foot, floor, ground, pitch, style, s.seed(),
              half, s.colors("color2"))
    plinth = clip01(1 - h / .55) * .8 + .25 * inside(h, 0., .5, f.fv)
    wall = s.colors() * (masonry(f.u, h, f.fu, f.fv, style, f.seed) * (1 - .28 * plinth))
    upper = (h > ground) & (h < s.column("size", 1) - .75)
    low = h <= ground
    for where, paint in ((facing & (kind < 2) & (upper | (low & (kind >= 1))), _windows),
                         (facing & (kind >= 1) & (kind < 2) & low, _door), (facing & (kind < 1) & low, _shop)):
        rows = np.flatnonzero(where)
        if len(rows):
            wall[:, rows] = paint(np.take(wall, rows, axis=1), f.at(rows), s.scene.light)
    s.albedo = wall
    s.sky_share = .72 + .28 * clip01(h / 2.5)


def _windows(wall: np.ndarray, f: Front, light: Light) -> np.ndarray:
    """Put a window into each cell of floor and pitch: frame, sill, glass with bars, shaded under the lintel."""
    high = f.h > f.ground
    level = np.where(high, f.h - f.ground, f.h - f.ground + f.floor)
    row, column = np.where(high, np.floor((f.h - f.ground) / f.floor), -1.), np.floor(f.u / f.pitch)
    wide = np.minimum(.34 * f.pitch, .50 + .16 * f.seed)
    tall = .74 + .1 * (f.style == 2)
    middle = .92 + tall
    center = f.pitch / 2
    outer = stripes(f.u, f.pitch, center, wide + .13, f.fu) * stripes(level, f.floor, middle, tall + .13, f.fv)
    ledge = stripes(f.u, f.pitch, center, wide + .2, f.fu)
    sill = ledge * stripes(level, f.floor, middle - tall - .12, .07, f.fv)
    under = ledge * stripes(level, f.floor, middle - tall - .27, .08, f.fv)
    glass = stripes(f.u, f.pitch, center, wide, f.fu) * stripes(level, f.floor, middle, tall, f.fv)
    upright, across = stripes(f.u, f.pitch, center, .035, f.fu), stripes(level, f.floor, middle + .35 * tall, .03, f.fv)
    bars = np.maximum(upright, across)
    lintel = stripes(level, f.floor, middle + tall - .10, .10, f.fv)
    reveal = stripes(f.u, f.pitch, center - wide + .05, .05, f.fu)
    pane = _pane(f, row, column, light) * (1 - .55 * np.maximum(lintel, .7 * reveal))
    wall = mix(wall * (1 - .22 * under), f.trim, outer * .9 + (1 - outer) * sill * .85)
    return mix(wall, pane, glass * (1 - .8 * bars * fade(f.fu, .5)))


def _pane(f: Front, row, column, light: Light) -> np.ndarray:
    """Return the (3, n) color of window glass: a mirrored sky, curtains and blinds by window."""
    shown = fade(f.fu, f.pitch * .9)
    draw, other = cell_hash(column, row, f.seed), cell_hash(row, column, f.seed + .1)
    mirrored = .09 + .13 * other * shown + .03 * fractal(f.u * .7, f.h * .5, f.fv)
    sky = (.6 * light.horizon + .4 * light.zenith).astype(np.float32)[:, None]
    glass = np.array((.030, .036, .045), np.float32)[:, None] + sky * mirrored
    cloth = np.array((.38, .35, .29), np.float32)[:, None] * (.55 + .45 * other)
    return mix(glass, cloth, .7 * shown * clip01((draw - .55) * 6))


def _door(wall: np.ndarray, f: Front, light: Light) -> np.ndarray:
    """Put one door into the ground floor of a house."""
    count = np.maximum(np.rint(2 * f.half / f.pitch), 1)
    away = f.u - (np.floor(f.seed * 7.93 % 1 * count) + .5) * f.pitch
    wall = mix(wall, f.trim, inside(away, -.68, .68, f.fu) * inside(f.h, 0., 2.42, f.fv))
    color = np.take(SIGNS.T, (f.seed * 7919).astype(np.int32) % 8, axis=1) * np.float32(.6)
    wall = mix(wall, color, inside(away, -.52, .52, f.fu) * inside(f.h, .12, 2.25, f.fv))
    return mix(wall, (.10, .12, .14), inside(away, -.36, .36, f.fu) * inside(f.h, 1.75, 2.12, f.fv))


def _shop(wall: np.ndarray, f: Front, light: Light) -> np.ndarray:
    """Open a shop: wide panes with goods behind, a dark frame, a colored sign band with letters."""
    number = (f.seed * 7919).astype(np.int32) % 8
    color = np.take(SIGNS.T, number, axis=1)
    wall = mix(wall, color * np.float32(.55) + np.float32(.03), inside(f.h, 0., f.ground - .30, f.fv))
    pane = stripes(f.u, f.pitch, f.pitch / 2, .44 * f.pitch, f.fu) * inside(f.h, .45, f.ground - 1.15, f.fv)
    goods = fractal(f.u * 9 + f.seed * 50, f.h * 7, np.maximum(f.fu * 9, f.fv * 7))
    shelf = inside(f.h, .45, 1.55, f.fv) * (.6 + .4 * cell_hash(np.floor(f.u / .42), np.floor(f.h / .37), f.seed))
    warm = np.array((.16, .12, .075), np.float32)[:, None] * (.25 + .9 * shelf * fade(f.fu, .4))
    sky = (.5 * light.horizon).astype(np.float32)[:, None]
    inner = warm * (1 + .55 * goods * fade(f.fu, .5)) + sky * (.05 + .13 * clip01((f.h - 1.0) / 1.8))
    wall = mix(wall, inner, pane)
    wall = mix(wall, color, inside(f.h, f.ground - .98, f.ground - .38, f.fv))
    word = cell_hash(np.floor(f.u / .26), np.zeros_like(f.u), f.seed) > .38
    name = stripes(f.u, f.pitch * 2, f.pitch, f.pitch * .62, f.fu)
    letters = inside(f.h, f.ground - .83, f.ground - .53, f.fv) * stripes(f.u, .26, .13, .085, f.fu) * word * name
    pale = np.where(number == 6, np.float32(.06), np.float32(.62))[None]
    return mix(wall, np.broadcast_to(pale, wall.shape), letters * fade(f.fu, .35))


def roof(s: Samples) -> None:
    """Tile a roof; a mansard (first parameter 1) has dormer windows."""
    right, h, ahead = s.upright()
    facing = np.abs(s.normal[0]) > .3
    u = np.where(facing, ahead, right)
    fu, fv = s.foot * s.graze, s.foot * 1.5
    rows = stripes(h, .26, 0., .035, fv) + .5 * stripes(u, .3, 0., .03, fu)
    tone = 1 + .10 * fractal(u * 1.7, h * 1.7, np.maximum(fu, fv) * 1.7) - .35 * clip01(rows)
    tone += .22 * (cell_hash(np.floor(u / .3), np.floor(h / .26), .5) - .5) * fade(np.maximum(fu, fv), .28)
    color = s.colors() * tone
    dormer = (s.column("params", 0) > .5) & facing
    if dormer.any():
        pitch = np.where(dormer, s.column("params", 2), 1.)
        u = u + s.column("size", 2) / 2
        share = dormer.astype(np.float32)
        frame = stripes(u, pitch, pitch / 2, .62, fu) * inside(h, .45, 2.0, fv) * share
        glass = stripes(u, pitch, pitch / 2, .45, fu) * inside(h, .6, 1.82, fv) * share
        color = mix(color, (.45, .44, .41), frame)
        color = mix(color, (.10, .12, .15), glass * (1 - stripes(u, pitch, pitch / 2, .03, fu)))
    s.albedo = color


def plain(s: Samples) -> None:
    """Paint cornices, slabs and awnings (first parameter 1: striped)."""
    right, h, ahead = s.upright()
    fu = s.foot * s.graze
    tone = 1 + .04 * fractal(ahead * 1.5, h * 2 + right, fu * 1.5)
    color = s.colors() * tone
    awning = (s.column("params", 0) > .5).astype(np.float32)
    s.albedo = mix(color, (.55, .53, .48), awning * stripes(ahead, .5, 0., .125, fu))


def wall(s: Samples) -> None:
    """Build a garden wall of plaster, brick or stone; its foot is damp."""
    right, h, ahead = s.upright()
    u = np.where(np.abs(s.normal[0]) > .5, ahead, right)
    tone = masonry(u, h, s.foot * s.graze, s.foot, s.column("params", 0), s.seed())
    s.albedo = s.colors() * tone * (.72 + .28 * clip01(h / .6))
    s.sky_share = .7 + .3 * clip01(h / 1.2)


def fence(s: Samples) -> None:
    """Paint pickets with dark gaps and two rails; the fence is a closed surface for the rays."""
    right, h, ahead = s.upright()
    u = np.where(np.abs(s.normal[0]) > .5, ahead, right)
    step, tall = s.column("params", 0), s.column("params", 1)
    pickets = stripes(u, step, step / 2, step * .34, s.foot * s.graze)
    rails = inside(h, tall * .2, tall * .28, s.foot) + inside(h, tall * .82, tall * .9, s.foot)
    s.albedo = mix(s.colors() * .45, s.colors(), clip01(pickets + rails))
