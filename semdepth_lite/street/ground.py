"""Materials of the ground: asphalt with its markings, pavement slabs and kerbs, grass."""
from __future__ import annotations

import numpy as np

from .noise import cell_hash, clip01, fade, fractal, grain, inside, stripes
from .samples import Samples, mix
from .scene import BLOCK, is_junction

PAINT = (.52, .52, .50)


def road(s: Samples) -> None:
    """Paint asphalt: patches, tracks, cracks, manholes, lane lines, crossings."""
    x, z = s.point[0], s.point[2]
    across, along = s.foot, s.foot * s.graze
    street = s.scene.street
    seed = np.float32(s.scene.seed % 97)
    mean = np.sqrt(across * along)
    coarse = fractal(x * 1.3 + seed, z * .5, mean * .8)
    fine = grain(x * 16 + 7, z * 8, mean * 11.3)
    tone = .105 * (1 + .20 * coarse + .20 * fine)
    lane = np.abs(np.abs(x) - street.lane / 2)
    tone *= 1 - .13 * np.exp(-((lane - .75) / .28) ** 2) + .07 * np.exp(-(lane / .3) ** 2)
    tone *= 1 - .28 * clip01(1 - (street.road_half - np.abs(x)) / .45)
    cell_x, cell_z = np.floor(x / 2.1), np.floor(z / 7.3 + .37 * seed)
    patch = cell_hash(cell_x, cell_z, .3) > .86
    tone *= 1 - .33 * patch * fade(along, 7.)
    crack = fractal(x * 2.6 + 31, z * 1.1 + seed, mean * 1.7) + .35 * fine
    tone *= 1 - .42 * clip01(1 - np.abs(crack) / .085) * (coarse > .2) * fade(mean, .12)
    albedo = tone * np.array((1., .99, 1.), np.float32)[:, None]
    hole_z = z - 15 * np.rint(z / 15)
    radius = np.sqrt((x - street.lane * .5 - .5) ** 2 + hole_z**2)
    lid = clip01((.36 - radius) / np.maximum(along, .02) + .5)
    ring = clip01(1 - np.abs(radius - .34) / .05) * fade(mean, .12)
    knobs = stripes(x, .09, 0., .022, across) * fade(mean, .08)
    albedo = mix(albedo, (.075, .07, .068), lid * (.8 - .3 * knobs))
    albedo = mix(albedo, (.03, .03, .03), ring)
    worn = np.clip(.84 + .12 * coarse + .10 * fine, .3, .95)
    s.on_ground = True
    s.albedo = mix(albedo, PAINT, markings(s, x, z, across, along) * worn)


def markings(s: Samples, x, z, across, along) -> np.ndarray:
    """Return the share of road paint: dashed middle line, parking lines, crossings and stop lines."""
    street = s.scene.street
    block = np.floor(z / BLOCK).astype(np.int64)
    first = int(block.min(initial=0))
    last = int(min(block.max(initial=0), first + 24))
    flags = np.array([is_junction(s.scene.seed, b) for b in range(first, last + 1)] + [False])
    crossing = flags[np.minimum(block - first, len(flags) - 1)]
    plain = ~crossing
    middle = inside(x, -.065, .065, across) * stripes(z, 8., 2., 1.6, along)
    paint = middle
    for k, side in enumerate((-1, 1)):
        if street.parking[k]:
            edge = side * (street.road_half - 2.15)
            bay = inside(side * x, street.road_half - 2.15, street.road_half - .1, across)
            paint = paint + .9 * inside(x, edge - .05, edge + .05, across) * stripes(z, 2., 0., .5, along)
            paint = paint + .8 * bay * stripes(z, 5.6, 0., .05, along) * fade(along, 2.)
        else:
            edge = side * (street.road_half - .38)
            paint = paint + .9 * inside(x, edge - .05, edge + .05, across)
    paint = paint * plain
    if crossing.any():
        within = z - block * np.float32(BLOCK)
        zebra = inside(within, 2.2, 5.2, along) + inside(within, 18.8, 21.8, along)
        bars = stripes(x, 1.0, .5, .25, across) * (np.abs(x) < street.road_half - .2)
        stop = inside(within, .9, 1.35, along) * (x > .1) * (x < street.road_half - .2)
        paint = paint + crossing * (zebra * bars + stop)
    return clip01(paint)


def pavement(s: Samples) -> None:
    """Lay slabs on the pavement, granite along the kerb (first parameter 1)."""
    x, z = s.point[0], s.point[2]
    across, along = s.foot, s.foot * s.graze
    kerb = s.column("params", 0) > .5
    mean = np.sqrt(across * along)
    rough = fractal(x * 1.6, z * .9, mean * 1.2)
    fine = grain(x * 16, z * 10, mean * 12.6)
    size_x, size_z = np.float32(.62), np.float32(.93)
    shift = (np.floor(x / size_x) % 2) * .46
    joints = np.maximum(stripes(x, size_x, 0., .016, across), stripes(z + shift, size_z, 0., .02, along))
    joints = np.where(kerb, stripes(z, 1.0, 0., .018, along), joints)
    slab = cell_hash(np.floor(x / size_x), np.floor((z + shift) / size_z), .4) - .5
    slab = np.where(kerb, 0, slab) * fade(along, .8)
    top = s.normal[1] < -.5
    tone = (1 + .11 * rough + .09 * fine + .26 * slab) * (1 - .42 * joints)
    tone = np.where(kerb & ~top, tone * .8, tone)
    s.on_ground = True
    s.albedo = s.colors() * tone


def grass(s: Samples) -> None:
    """Grow grass: blades of light and dark, dry spots."""
    x, z = s.point[0], s.point[2]
    mean = s.foot * np.sqrt(s.graze)
    rough = fractal(x * 1.1, z * .8, mean)
    blades = grain(x * 14, z * 8, mean * 10.6)
    tone = np.clip(1 + .16 * rough + .30 * blades, .35, 1.8)
    dry = np.clip(.35 * rough - .1, 0, .5)
    s.on_ground = True
    s.albedo = mix(s.colors() * tone, (.17, .15, .06), dry)
