"""Materials of cars, signs, lights, plants and people."""
from __future__ import annotations

import numpy as np

from .noise import clip01, fade, fractal, grain, inside, leaf_noise, stripes
from .samples import Samples, mix


def _round_off(s: Samples, p: np.ndarray, half_x, half_y, half_z, middle_y) -> None:
    """Bend the normals of a faceted body as if it were rounded: along the gradient of a superellipsoid."""
    pull = np.stack([(p[0] / half_x) ** 3, ((p[1] - middle_y) / half_y) ** 3, (p[2] / half_z) ** 3])
    world = s.world(pull)
    s.bend(world / np.sqrt((world**2).sum(0) + 1e-6), .42)


def car(s: Samples) -> None:
    """Paint a car's body: wheel arches, seams, bumpers, lights, grille and plates."""
    p = s.local()
    width, length, height = (s.column("color2", k) for k in range(3))
    facing = s.turned(s.normal)
    x, y, z = p[0] / width, p[1] / height, p[2] / length
    fx, fy, fz = s.foot / width, s.foot / height, s.foot * s.graze / length
    side = np.abs(facing[0]) > .6
    nose, tail = ~side & (facing[2] > .5), ~side & (facing[2] < -.5)
    paint = s.colors()
    arch = np.zeros_like(x)
    for at in (-.30, .315):
        radius = np.sqrt((p[2] - at * length) ** 2 + (p[1] - .215 * height) ** 2)
        arch = np.maximum(arch, clip01((.252 * height - radius) / np.maximum(s.foot, .02) + .5))
    seams = inside(z, -.005, .005, fz) + inside(z, .205, .213, fz) + inside(z, -.215, -.207, fz)
    seams = clip01(seams) * inside(y, .2, .64, fy) * fade(s.foot, .1)
    sill = inside(y, 0., .20, fy)
    handle = inside(y, .535, .555, fy) * (inside(z, .03, .065, fz) + inside(z, -.19, -.155, fz))
    flank = mix(paint * (1 - .55 * seams), (.025, .025, .027), np.maximum(arch, .85 * sill))
    flank = mix(flank, paint * 1.5 + .08, handle * .7)
    ends = mix(paint, (.03, .03, .032), inside(y, 0., .235, fy))
    ax = np.abs(x)
    front = mix(ends, (.02, .02, .022), inside(ax, 0., .27, fx) * inside(y, .36, .46, fy))
    front = mix(front, (.75, .75, .72), inside(ax, .30, .47, fx) * inside(y, .42, .52, fy))
    rear = mix(ends, (.40, .012, .012), inside(ax, .335, .5, fx) * inside(y, .44, .60, fy))
    rear = mix(rear, (.5, .16, .03), inside(ax, .335, .5, fx) * inside(y, .44, .48, fy))
    rear = mix(rear, rear * .45, inside(ax, 0., .46, fx) * inside(y, .405, .412, fy))
    plate = inside(np.abs(p[0]), 0., .26, s.foot) * inside(p[1], .30 * height, .30 * height + .12, s.foot)
    albedo = np.where(side, flank, paint)
    albedo = np.where(nose, mix(front, (.62, .62, .58), plate), albedo)
    s.albedo = np.where(tail, mix(rear, (.62, .62, .58), plate), albedo)
    s.gloss = np.where(side & (arch + sill > .5), 0., .05).astype(np.float32)
    s.sky_share = .45 + .55 * clip01(p[1] / .55)
    _round_off(s, p, width / 2, .34 * height, length / 2, .40 * height)


def cabin(s: Samples) -> None:
    """Glaze a car's cabin: windscreens, side windows between pillars, a painted roof."""
    p = s.local()
    width, length, height = (s.column("color2", k) for k in range(3))
    facing = s.turned(s.normal)
    y, z = p[1] / height, p[2] / length
    fy, fz = s.foot / height, s.foot * s.graze / length
    base_rear, base_front, top_rear, top_front = (s.column("params", k) for k in range(4))
    rise = clip01((y - .6) / .33)
    rear, front = base_rear + (top_rear - base_rear) * rise, base_front + (top_front - base_front) * rise
    side = np.abs(facing[0]) > .6
    top = ~side & (facing[1] > .8)
    middle = .5 * (base_rear + base_front) + .03
    flank = inside(z, rear + .035, front - .035, fz) * inside(y, .655, .905, fy)
    flank = flank * (1 - inside(z, middle - .012, middle + .012, fz))
    half = (.47 - .10 * rise) * width
    ends = inside(np.abs(p[0]), 0., half - .07, s.foot) * inside(y, .655, .92, fy)
    glass = np.where(top, 0, np.where(side, flank, ends)).astype(np.float32)
    light = s.scene.light
    sky = (.5 * light.horizon + .5 * light.zenith).astype(np.float32)[:, None]
    slope = clip01(facing[1])
    pane = np.array((.018, .022, .026), np.float32)[:, None] + sky * (.05 + .22 * slope + .16 * (y - .6))
    s.albedo = mix(s.colors(), pane, glass)
    s.gloss = (.05 + .03 * glass).astype(np.float32)
    _round_off(s, p, width * .47, .30 * height, length * .36, .72 * height)


def tyre(s: Samples) -> None:
    """Draw a tyre with a spoked rim."""
    p = s.local()
    radius = s.column("size", 1) / 2
    y = p[1] - radius
    r = np.sqrt(y**2 + p[2] ** 2) / radius
    f = s.foot / radius
    rim = inside(r, 0., .64, f)
    spokes = np.abs(np.sin(2.5 * np.arctan2(p[2], y)))
    tone = .30 * (.5 + .5 * clip01((spokes - .35) * 3) * fade(f, .5) + .15 * fade(-f + .5, .5))
    side = np.abs(s.turned(s.normal)[0]) > .6
    s.albedo = mix(s.colors(), np.stack([tone, tone, tone * 1.02]), rim * side)
    s.sky_share = np.full_like(r, .6)


def sign(s: Samples) -> None:
    """Print a traffic sign; its back is gray."""
    p = s.local()
    kind, size = s.column("params", 0), s.column("params", 1)
    f = s.foot / size
    x, y = p[0] / size, p[1] / s.column("size", 1) - .5
    r = np.sqrt(x**2 + y**2)
    red, white, blue, black = (.42, .012, .015), (.68, .68, .66), (.012, .07, .34), (.02, .02, .02)
    base = np.zeros_like(s.point)

    def paint(color, number: int, share) -> None:
        nonlocal base
        base = mix(base, color, share * (kind == number))

    def box(x0, x1, y0, y1):
        return inside(x, x0, x1, f) * inside(y, y0, y1, f)

    one = np.ones_like(x)
    for number, color in enumerate((red, white, white, blue, red, blue, blue, white)):
        paint(color, number, one)
    paint(white, 0, box(-.34, .34, -.09, .09))
    paint(red, 1, inside(r, .37, .6, f))
    paint(black, 1, box(-.20, -.04, -.16, .17) * (1 - box(-.22, -.10, -.08, -.02)) * (1 - box(-.22, -.10, .04, .09)))
    paint(black, 1, box(.04, .20, -.16, .17) * (1 - box(.09, .15, -.10, .11)))
    edge = np.minimum(y + .5, .894 * (.25 - .5 * y - np.abs(x)))
    paint(red, 2, inside(edge, -1., .10, f))
    paint(black, 2, box(-.035, .035, -.12, .16) + box(-.035, .035, -.24, -.17))
    paint(white, 3, box(-.18, -.07, -.3, .32) + box(-.18, .17, -.02, .32) * (1 - box(-.07, .07, .08, .22)))
    paint(white, 4, inside(r, .43, .47, f) + box(-.32, .32, -.10, .10) * stripes(x, .17, .085, .055, f))
    paint(white, 5, inside(np.abs(x) * 1.1 + np.abs(y + .05), -.1, .33, f) * (y > -.3))
    paint(blue, 5, box(-.05, .05, -.2, .0))
    paint(white, 6, box(-.05, .05, -.32, .1) + inside(np.abs(x) + y, -.2, .3, f) * (y > .08))
    paint(black, 7, box(-.35, .35, .08, .20) * stripes(x, .14, 0., .05, f) + box(-.3, .3, -.25, -.13))
    back = s.turned(s.normal)[2] > -.5
    s.albedo = np.where(back, np.float32(.22), base).astype(np.float32)
    s.sky_share = np.full_like(r, 1.1)


def light(s: Samples) -> None:
    """Light one lamp of a traffic light; a thin rim marks the box."""
    p = s.local()
    y = p[1] / s.column("params", 1)
    state = s.column("params", 0)
    front = s.turned(s.normal)[2] < -.5
    s.albedo = s.colors()
    glow = np.zeros_like(s.albedo)
    lamps = ((.80, (1.0, .06, .03)), (.50, (1.0, .50, .03)), (.20, (.04, .85, .35)))
    for k, (at, color) in enumerate(lamps):
        r = np.sqrt(p[0] ** 2 + ((y - at) * .98) ** 2)
        share = clip01((.12 - r) / np.maximum(s.foot, .02) + .5) * front
        on = share * (np.abs(state - k) < .5)
        s.albedo = mix(s.albedo, np.array(color) * .12 + .02, share)
        glow += np.array(color, np.float32)[:, None] * 1.6 * on
    s.glow = glow


def leaves(s: Samples) -> None:
    """Shade a puff of leaves: clusters light and dark, the crown dark below and inside, light shining through."""
    p = s.local()
    radius = s.things.size.astype(np.float32)[s.thing].T
    seed = (s.things.seed * 4096).astype(np.int32)[s.thing]
    scale = s.column("params", 0)
    cluster = leaf_noise(p / radius, scale, seed)
    detail = leaf_noise(p / radius, scale * 1.9, seed + 77)
    crisp = fade(s.foot, .3)
    tone = (.34 + .95 * cluster ** 1.5) * (1 + .5 * (detail - .5) * crisp)
    crown = s.colors("color2")
    reach = s.column("params", 1)
    away = np.stack([s.point[0] - crown[0], s.point[1] + crown[1], s.point[2] - crown[2]])
    out = np.sqrt((away**2).sum(0))
    s.albedo = mix(s.colors() * tone, s.colors() * np.array((1.35, 1.15, .8), np.float32)[:, None],
                   .35 * detail * clip01(-away[1] / reach))
    s.bend(away / (out + 1e-6), .55)
    s.sky_share = np.clip(.45 + .5 * (-away[1] / reach) + .25 * out / reach, .28, 1.15)
    s.backlight = .35


def hedge(s: Samples) -> None:
    """Grow a clipped hedge."""
    p = s.local()
    u = p[0] + p[2]
    f = s.foot * np.sqrt(s.graze)
    rough, leaf = fractal(u * 7, p[1] * 7, f * 7), grain(u * 17 + 9, p[1] * 17, f * 17)
    tone = np.clip(.95 + .22 * rough + .40 * leaf, .2, 2.2)
    tall = s.column("params", 0)
    s.albedo = s.colors() * tone
    s.sky_share = .55 + .45 * clip01(p[1] / tall)


def bark(s: Samples) -> None:
    """Shade a trunk with upright furrows."""
    p = s.local()
    around = np.arctan2(p[2], p[0])
    s.albedo = s.colors() * (1 + .30 * grain(around * 9, p[1] * 5, s.foot * 25))
    s.sky_share = np.full(s.foot.shape, .8, np.float32)


def cloth(s: Samples) -> None:
    """Shade clothes with soft folds."""
    p = s.local()
    s.albedo = s.colors() * (1 + .12 * fractal(p[0] * 14 + s.seed() * 40, p[1] * 9, s.foot * 12))
    s.sky_share = .68 + .32 * clip01(-s.point[1] / 1.2)


def skin(s: Samples) -> None:
    """Shade a head: hair above and behind, a face in front."""
    p = s.local()
    tall = s.column("size", 1)
    hair = (p[1] > .35 * tall) | ((p[2] < -.15 * tall) & (p[1] > -.5 * tall))
    s.albedo = mix(s.colors(), s.colors("color2"), hair.astype(np.float32))


def metal(s: Samples) -> None:
    """Shade painted metal."""
    s.albedo = s.colors()
    s.gloss = np.full(s.foot.shape, .02, np.float32)


def hill(s: Samples) -> None:
    """Shade far woods."""
    s.albedo = s.colors() * (1 + .12 * fractal(s.point[0] * .06, s.point[1] * .12, s.foot * .1))
