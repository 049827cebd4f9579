"""Materials of what is built: facades with windows, doors and shops; roofs; plain parts, garden walls, fences."""
from __future__ import annotations

import numpy as np

from .noise import cell_hash, fade, fractal, grain, inside, stripes
from .samples import Samples, mix

SIGNS = np.array(((.45, .04, .04), (.03, .10, .30), (.04, .20, .10), (.50, .36, .05), (.07, .06, .06), (.30, .05, .20),
                  (.55, .52, .46), (.02, .22, .26)), np.float32)


def masonry(u, h, fu, fv, style, seed) -> np.ndarray:
    """Return the tone (n,) of a wall by style: 0 plaster, 1 brick, 2 stone; u, h and footprints in metres."""
    shift = seed * 61
    mean = np.sqrt(fu * fv)
    stain = fractal(u * .9 + shift, h * .45 + shift, mean * .7)
    streak = fractal(u * 3.1 + shift, h * .35, np.maximum(fu * 3.1, fv * .35))
    rough = grain(u * 11 + shift, h * 11, mean * 11)
    tone = 1 + .05 * stain + .045 * streak + .035 * rough
    brick = style == 1
    if brick.any():
        course = np.floor(h / .12)
        cell = np.floor(u / .36 + .5 * (course % 2))
        tint = (cell_hash(cell, course, .7) - .5) * fade(fu, .3) * fade(fv, .12)
        joint = np.maximum(stripes(h, .12, 0., .011, fv), stripes(u + .18 * (course % 2), .36, 0., .012, fu))
        tone = np.where(brick, (tone + .06 * stain + .42 * tint) * (1 + .30 * joint), tone)
    stone = style == 2
    if stone.any():
        course = np.floor(h / .55)
        joint = np.maximum(stripes(h, .55, 0., .02, fv), stripes(u + .6 * (course % 2), 1.2, 0., .02, fu))
        tint = (cell_hash(np.floor(u / 1.2 + .5 * (course % 2)), course, .2) - .5) * fade(fu, 1.)
        tone = np.where(stone, (tone + .05 * stain + .14 * tint) * (1 - .30 * joint), tone)
    return tone


def _pane(s: Samples, u, h, row, column, size_fade, seed) -> np.ndarray:
    """Return the (3, n) color of window glass: sky in the upper part, curtains and blinds by window."""
    light = s.scene.light
    draw = cell_hash(column, row, seed)
    curtain = np.clip((draw - .55) * 6, 0, 1) * size_fade
    dark = np.array((.030, .036, .045), np.float32)[:, None] * (1 + 0 * u)
    mirrored = .16 + .22 * cell_hash(row, column, seed + .1) * size_fade + .05 * fractal(u * .7, h * .5, s.foot)
    sky = (.6 * light.horizon + .4 * light.zenith).astype(np.float32)[:, None]
    glass = dark + sky * mirrored * .55
    cloth = np.array((.38, .35, .29), np.float32)[:, None] * (.55 + .45 * cell_hash(column + 3, row, seed))
    return mix(glass, cloth, .7 * curtain)


def facade(s: Samples) -> None:
    """Paint a house: windows with frames and sills, a ground floor with shops or a door, plinth and stains."""
    right, h, ahead = s.upright()
    facing = np.abs(s.normal[0]) > .5
    half = np.where(facing, s.column("size", 2), s.column("size", 0)) / 2
    u = np.where(facing, ahead, right) + half
    fu, fv = s.foot * s.graze, s.foot
    floor, ground, pitch, code = (s.column("params", k) for k in range(4))
    style, kind = np.floor(code / 10), code % 10
    seed = s.seed()
    wall = s.colors() * masonry(u, h, fu, fv, style, seed)
    trim = s.colors("color2")
    wall = mix(wall, wall * .72, np.clip(1 - h / .55, 0, 1) * .8 + .25 * inside(h, 0., .5, fv))
    windowed = facing & (kind < 2)
    upper = (h > ground) & (h < s.column("size", 1) - .75)
    row, column = np.where(h > ground, np.floor((h - ground) / floor), -1.), np.floor(u / pitch)
    wide = np.minimum(.34 * pitch, .50 + .16 * cell_hash(row * 0, row * 0, seed))
    level = np.where(upper, h - ground, h - ground + floor)
    tall = .74 + .1 * (style == 2)
    middle = .92 + tall
    shop = windowed & (kind < 1) & ~upper & (h <= ground)
    home = windowed & ~shop & (upper | (h <= ground))
    size_fade = fade(fu, pitch * .9)
    glass_u, glass_v = stripes(u, pitch, pitch / 2, wide, fu), stripes(level, floor, middle, tall, fv)
    outer = stripes(u, pitch, pitch / 2, wide + .13, fu) * stripes(level, floor, middle, tall + .13, fv)
    sill = stripes(u, pitch, pitch / 2, wide + .2, fu) * stripes(level, floor, middle - tall - .12, .07, fv)
    bars = np.maximum(stripes(u, pitch, pitch / 2, .035, fu), stripes(level, floor, middle + .35 * tall, .03, fv))
    lintel = stripes(level, floor, middle + tall - .10, .10, fv)
    reveal = stripes(u, pitch, pitch / 2 - wide + .05, .05, fu)
    pane = _pane(s, u, h, row, column, size_fade, seed) * (1 - .55 * np.maximum(lintel, .7 * reveal))
    shown = home.astype(np.float32)
    wall = mix(wall, trim, outer * shown * .9)
    wall = mix(wall, trim * 1.08, sill * shown * .8)
    under = stripes(u, pitch, pitch / 2, wide + .2, fu) * stripes(level, floor, middle - tall - .27, .08, fv)
    wall = wall * (1 - .22 * under * shown)
    wall = mix(wall, pane, glass_u * glass_v * (1 - .8 * bars * fade(fu, .5)) * shown)
    wall = _door(s, wall, u, h, fu, fv, pitch, home & (h <= ground), seed, half)
    if shop.any():
        wall = _shop(s, wall, u, h, fu, fv, pitch, ground, shop.astype(np.float32), seed, column)
    s.albedo = wall
    s.sky_share = .72 + .28 * np.clip(h / 2.5, 0, 1)


def _door(s: Samples, wall, u, h, fu, fv, pitch, where, seed, half) -> np.ndarray:
    """Put one door into the ground floor of a house."""
    count = np.maximum(np.rint(2 * half / pitch), 1)
    place = (np.floor(seed * 7.93 % 1 * count) + .5) * pitch
    share = where.astype(np.float32)
    frame = inside(u - place, -.68, .68, fu) * inside(h, 0., 2.42, fv) * share
    leaf = inside(u - place, -.52, .52, fu) * inside(h, .12, 2.25, fv) * share
    light = inside(u - place, -.36, .36, fu) * inside(h, 1.75, 2.12, fv) * share
    color = SIGNS.T[:, (seed * 7919 % 8).astype(np.int32)] * .6
    wall = mix(wall, s.colors("color2"), frame)
    wall = mix(wall, color, leaf)
    return mix(wall, (.10, .12, .14), light)


def _shop(s: Samples, wall, u, h, fu, fv, pitch, ground, share, seed, column) -> np.ndarray:
    """Open a shop: wide panes with goods behind, a dark frame, a colored sign band with letters."""
    number = (seed * 7919).astype(np.int32)
    color = SIGNS.T[:, number % 8]
    wall = mix(wall, color * .55 + .03, share * inside(h, 0., ground - .30, fv))
    pane = stripes(u, pitch, pitch / 2, .44 * pitch, fu) * inside(h, .45, ground - 1.15, fv) * share
    goods = fractal(u * 9 + seed * 50, h * 7, np.maximum(fu * 9, fv * 7))
    shelf = inside(h, .45, 1.55, fv) * (.6 + .4 * cell_hash(np.floor(u / .42), np.floor(h / .37), seed))
    warm = np.array((.16, .12, .075), np.float32)[:, None] * (.25 + .9 * shelf * fade(fu, .4))
    inner = warm * (1 + .55 * goods * fade(fu, .5))
    sky = (.5 * s.scene.light.horizon).astype(np.float32)[:, None]
    inner = inner + sky * (.05 + .13 * np.clip((h - 1.0) / 1.8, 0, 1))
    wall = mix(wall, inner, pane)
    band = inside(h, ground - .98, ground - .38, fv) * share
    wall = mix(wall, color, band)
    word = cell_hash(np.floor(u / .26), column * 0, seed) > .38
    name = stripes(u, pitch * 2, pitch, pitch * .62, fu)
    letters = inside(h, ground - .83, ground - .53, fv) * stripes(u, .26, .13, .085, fu) * np.where(word, name, 0)
    pale = np.where(number % 8 == 6, .06, .62)[None]
    return mix(wall, np.broadcast_to(pale, wall.shape), letters * share * fade(fu, .35))


def roof(s: Samples) -> None:
    """Tile a roof; a mansard (first parameter 1) has dormer windows."""
    right, h, ahead = s.upright()
    facing = np.abs(s.normal[0]) > .3
    u = np.where(facing, ahead, right)
    fu, fv = s.foot * s.graze, s.foot * 1.5
    rows = stripes(h, .26, 0., .035, fv) + .5 * stripes(u, .3, 0., .03, fu)
    tone = 1 + .10 * fractal(u * 1.7, h * 1.7, np.maximum(fu, fv) * 1.7) - .35 * np.clip(rows, 0, 1)
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
    s.albedo = s.colors() * tone * (.72 + .28 * np.clip(h / .6, 0, 1))
    s.sky_share = .7 + .3 * np.clip(h / 1.2, 0, 1)


def fence(s: Samples) -> None:
    """Paint pickets with dark gaps and two rails; the fence is a closed surface for the rays."""
    right, h, ahead = s.upright()
    u = np.where(np.abs(s.normal[0]) > .5, ahead, right)
    step, tall = s.column("params", 0), s.column("params", 1)
    pickets = stripes(u, step, step / 2, step * .34, s.foot * s.graze)
    rails = inside(h, tall * .2, tall * .28, s.foot) + inside(h, tall * .82, tall * .9, s.foot)
    s.albedo = mix(s.colors() * .45, s.colors(), np.clip(pickets + rails, 0, 1))
