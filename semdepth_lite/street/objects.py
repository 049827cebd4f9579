"""The things of a street, each built from a few convex solids, balls and posts: cars, people, trees, lamps, signs."""
from __future__ import annotations

import math

import numpy as np

from .things import Stage, cross

# linear RGB of car paint, in the rough shares of a European street
PAINTS = ((.46, .47, .49), (.03, .03, .035), (.54, .54, .52), (.16, .17, .19), (.03, .07, .22), (.36, .02, .02),
          (.04, .10, .06), (.30, .32, .35), (.42, .16, .03), (.10, .22, .30), (.55, .42, .10), (.20, .03, .05),
          (.44, .45, .46), (.02, .02, .025), (.50, .50, .49), (.11, .12, .13), (.025, .045, .12), (.22, .23, .24))
CLOTHES = ((.045, .06, .13), (.30, .05, .045), (.03, .03, .035), (.32, .29, .23), (.07, .13, .09), (.34, .21, .09),
           (.14, .22, .32), (.46, .44, .42), (.16, .07, .13), (.46, .36, .10), (.09, .09, .10), (.20, .17, .13))
TROUSERS = ((.035, .05, .11), (.05, .07, .14), (.025, .025, .03), (.09, .085, .08), (.16, .13, .09), (.08, .10, .13),
            (.24, .21, .17))
SKINS = ((.45, .26, .17), (.36, .20, .12), (.20, .10, .06), (.52, .32, .22))
# where the glass house begins and ends, as shares of the length: rear and front at its foot, at its roof
CABINS = {"sedan": (-.41, .26, -.24, .07), "hatch": (-.485, .30, -.40, .08), "wagon": (-.485, .25, -.43, .06),
          "van": (-.495, .40, -.485, .20)}
CARS = {"sedan": (4.5, 1.80, 1.45), "hatch": (4.0, 1.75, 1.50), "wagon": (4.7, 1.82, 1.52), "van": (4.9, 1.95, 1.98)}


def pick(rng: np.random.Generator, options):
    """Choose one of `options`."""
    return options[int(rng.integers(len(options)))]


def car(stage: Stage, rng: np.random.Generator, x: float, z: float, yaw: float = 0., moving: bool = False) -> None:
    """Park or drive a car whose middle is at (x, z) and whose nose points along +z (yaw 0)."""
    model = ("sedan", "hatch", "wagon", "hatch", "van")[int(rng.integers(5))]
    length, width, height = (value * rng.uniform(.96, 1.05) for value in CARS[model])
    paint = np.array(pick(rng, PAINTS)) * rng.uniform(.8, 1.15)
    seed = float(rng.random())
    looks = dict(seed=seed, moving=moving, color2=(width, length, height))
    size, base = (width, height, length), (x, 0., z)
    stage.solid(f"{model}_body", base, size, "car", "car", paint, yaw, contact=.92, **looks)
    stage.solid(f"{model}_cabin", base, size, "cabin", "car", paint, yaw, params=CABINS[model], **looks)
    radius = .215 * height if model != "van" else .17 * height
    c, s = np.cos(yaw), np.sin(yaw)
    for along in (-.30 * length, .315 * length):
        place = (x + s * along, 0., z + c * along)
        stage.solid("wheel", place, (width * .97, 2 * radius, 2 * radius), "tyre", "car", (.02, .02, .022), yaw,
                    **looks)


def person(stage: Stage, rng: np.random.Generator, x: float, z: float, heading: float, phase: float | None) -> None:
    """Stand a person at (x, z); with a `phase` (radians of the stride) the person walks along `heading`."""
    k = rng.uniform(1.55, 1.9) / 1.75
    top, trousers, skin = pick(rng, CLOTHES), pick(rng, TROUSERS), pick(rng, SKINS)
    hair = pick(rng, ((.02, .015, .01), (.10, .05, .02), (.25, .16, .07), (.18, .18, .18)))
    walking = phase is not None
    swing = .38 * math.sin(phase) if walking else .05
    c, s = math.cos(heading), math.sin(heading)
    looks = dict(moving=walking, seed=float(rng.random()))
    right = (c, 0., -s)

    def limb(side: float, angle: float, joint: float, length: float, thick: float, color) -> None:
        """Hang an arm or a leg from its joint, swung forward by `angle`."""
        ahead, down = math.sin(angle), -math.cos(angle)
        reach = length * k / 2
        out = side * k + .025 * math.copysign(1, side)
        center = (x + c * out + s * ahead * reach, joint * k + down * reach, z - s * out + c * ahead * reach)
        up = (-s * ahead, down, -c * ahead)
        stage.ball(center, (thick * k, reach * 1.06, thick * k * 1.1), "cloth", "person", color,
                   axes=(right, up, cross(right, up)), **looks)

    limb(-.085, swing, .90, .90, .080, trousers)
    limb(.085, -swing, .90, .90, .080, trousers)
    limb(-.215, -swing * .8, 1.42, .66, .052, top)
    limb(.215, swing * .8, 1.42, .66, .052, top)
    axes = ((c, 0., -s), (0., -1., 0.), (s, 0., c))
    stage.ball((x, 1.14 * k, z), (.20 * k, .37 * k, .135 * k), "cloth", "person", top, axes=axes, contact=.35, **looks)
    stage.ball((x, .93 * k, z), (.165 * k, .16 * k, .13 * k), "cloth", "person", trousers, axes=axes, **looks)
    stage.ball((x, 1.62 * k, z), (.095 * k, .135 * k, .115 * k), "skin", "person", skin, color2=hair, axes=axes,
               **looks)


def tree(stage: Stage, rng: np.random.Generator, x: float, z: float, species: int) -> None:
    """Plant a tree: 0 round, 1 tall, 2 light and open, 3 conifer."""
    height = rng.uniform(5.5, 9.0) * (1.25 if species == 1 else 1.)
    hue = rng.uniform(0, 1)
    green = np.array((.060 + .075 * hue, .130 + .02 * hue, .022)) * rng.uniform(.8, 1.25)
    if species == 2:
        green = green * np.array((1.35, 1.15, 1.1))
    if species == 3:
        green = np.array((.030, .075, .035)) * rng.uniform(.8, 1.3)
    trunk = rng.uniform(.10, .2)
    bole = height * (.42 if species != 3 else .2)
    lean = rng.normal(0, .12, 2).tolist()
    crown = (x + lean[0], height * .66, z + lean[1])
    stage.post((x, 0, z), (x + lean[0] * .6, bole + .8, z + lean[1] * .6), trunk, "bark", "vegetation",
               (.085, .062, .045), contact=.45, seed=float(rng.random()))
    if species == 3:
        puffs = [((x, height * f, z), (1.5 * (1.08 - f) + .25, height * .17, 1.5 * (1.08 - f) + .25))
                 for f in (.3, .48, .66, .83)]
    else:
        puffs = _round_crown(rng, crown, species)
        for side in puffs[1:4]:
            stage.post((x + lean[0] * .4, bole * .85, z + lean[1] * .4), side[0], trunk * .35, "bark", "vegetation",
                       (.07, .05, .038), casts=False)
    for center, radii in puffs:
        stage.ball(center, radii, "leaves", "vegetation", green * rng.uniform(.85, 1.15), color2=crown,
                   params=(max(radii), height * .35, (.38, .36, .46, .30)[species], 0.), seed=float(rng.random()))


def _round_crown(rng: np.random.Generator, crown, species: int) -> list[tuple[tuple, tuple]]:
    """Return centers and radii of the puffs of a crown: one in the middle, eight around it."""
    wide = (1.75, 1.25, 1.6)[species] * float(rng.uniform(.85, 1.15))
    tall = (.85, 1.55, .95)[species] * wide
    count = 8
    puffs = [(crown, (wide * .78, tall * .82, wide * .78))]
    start = float(rng.uniform(0, 6))
    for k in range(count):
        turn = k * 2 * math.pi / count + start
        out, lift = wide * float(rng.uniform(.42, .78)), tall * float(rng.uniform(-.55, .8))
        size = wide * float(rng.uniform(.36, .60))
        puffs.append(((crown[0] + out * math.cos(turn), crown[1] + lift, crown[2] + out * math.sin(turn)),
                      (size, size * .8, size)))
    return puffs


def lamp(stage: Stage, x: float, z: float, side: float, tall: float) -> None:
    """Set up a street lamp whose arm reaches over the road (`side` is the sign of x of its pavement)."""
    gray = (.16, .17, .175)
    reach = x - side * 1.5
    stage.post((x, 0, z), (x, 1.1, z), .105, "metal", "pole", gray)
    stage.post((x, 1.0, z), (x, tall, z), .07, "metal", "pole", gray)
    stage.post((x, tall - .05, z), (x - side * .6, tall + .32, z), .05, "metal", "pole", gray)
    stage.post((x - side * .58, tall + .31, z), (reach, tall + .38, z), .045, "metal", "pole", gray)
    stage.solid("bevel", (reach - side * .25, tall + .29, z), (.7, .13, .26), "metal", "pole", (.25, .26, .27))


def sign(stage: Stage, rng: np.random.Generator, x: float, z: float) -> None:
    """Put up a traffic sign: 0 no entry, 1 speed limit, 2 warning, 3 parking, 4 stop, 5 priority, 6 direction."""
    kind = int(rng.integers(7))
    template = ("disc", "disc", "triangle", "plate", "octagon", "plate", "disc")[kind]
    size = rng.uniform(.68, .85)
    low = rng.uniform(1.9, 2.3)
    yaw = rng.normal(0, .06)
    stage.post((x, 0, z), (x, low + size * .9, z), .038, "metal", "pole", (.30, .31, .32))
    stage.solid(template, (x, low, z - .06), (size, size * (.9 if kind == 2 else 1.), .03), "sign", "traffic sign",
                (.5, .5, .5), yaw=yaw, params=(kind, size, 0., 0.), seed=float(rng.random()))
    if rng.random() < .35:
        stage.solid("plate", (x, low - .34, z - .06), (size * .85, .28, .03), "sign", "traffic sign", (.5, .5, .5),
                    yaw=yaw, params=(7, size, 0., 0.), seed=float(rng.random()))


def traffic_light(stage: Stage, rng: np.random.Generator, x: float, z: float, side: float, arm: bool) -> None:
    """Put up a traffic light beside the road, and over it on an arm."""
    dark = (.035, .04, .04)
    state = int(rng.integers(3))
    stage.post((x, 0, z), (x, 5.6 if arm else 3.3, z), .08, "metal", "pole", (.13, .15, .145))
    places = [(x, 2.35)]
    if arm:
        stage.post((x, 5.45, z), (x - side * 3.6, 5.6, z), .055, "metal", "pole", (.13, .15, .145))
        places.append((x - side * 3.5, 4.75))
    for px, low in places:
        stage.solid("box", (px, low, z - .16), (.36, .98, .24), "light", "traffic light", dark,
                    params=(state, .98, 0., 0.), seed=float(rng.random()))


def bollards(stage: Stage, x: float, z_from: float, z_to: float, step: float, color) -> None:
    """Line the kerb with bollards."""
    for z in np.arange(z_from, z_to, step):
        stage.post((x, .1, z), (x, 1.02, z), .062, "metal", "pole", color)
        stage.ball((x, 1.02, z), (.075, .06, .075), "metal", "pole", color, casts=False)
