"""What lines the street: houses with roofs, cornices, balconies and awnings; garden walls, hedges and fences."""
from __future__ import annotations

import numpy as np

from .objects import pick, tree
from .things import Stage

PLASTER = ((.58, .50, .36), (.62, .58, .50), (.48, .30, .22), (.55, .42, .25), (.42, .44, .44), (.60, .46, .36),
           (.38, .45, .50), (.52, .53, .42), (.66, .62, .56), (.50, .36, .30))
BRICK = ((.30, .12, .08), (.36, .17, .11), (.26, .14, .11), (.40, .24, .17), (.22, .12, .10))
STONE = ((.46, .43, .38), (.40, .40, .39), (.52, .48, .41))
ROOFS = ((.24, .09, .06), (.14, .085, .07), (.085, .09, .10), (.30, .13, .08), (.12, .12, .125))
AWNINGS = ((.40, .05, .04), (.05, .20, .12), (.06, .12, .32), (.50, .42, .25), (.45, .22, .04))
SHOP, HOME, BLANK = 0., 1., 2.  # ground floors


def house(stage: Stage, rng: np.random.Generator, side: float, x_front: float, z_from: float, width: float,
          city: bool) -> None:
    """Build one house on z in [z_from, z_from + width] whose street front is at |x| = x_front on `side`."""
    floor = rng.uniform(2.9, 3.4)
    floors = int(rng.integers(2, 6)) if city else int(rng.integers(2, 4))
    ground = rng.uniform(3.4, 4.2) if city else floor
    height = ground + floor * (floors - 1) + rng.uniform(.4, .9)
    depth = rng.uniform(9, 13)
    style = rng.choice(3, p=(.5, .33, .17))  # plaster, brick, stone
    wall = np.array(pick(rng, (PLASTER, BRICK, STONE)[style])) * rng.uniform(.88, 1.1)
    trim = np.array((.62, .60, .55)) * rng.uniform(.7, 1.1) if style != 0 else np.clip(wall * 1.25 + .06, 0, .8)
    kind = BLANK if rng.random() < .13 else SHOP if city and rng.random() < .5 else HOME
    seed = float(rng.random())
    x, z = side * (x_front + depth / 2), z_from + width / 2
    columns = max(2, round(width / rng.uniform(2.1, 3.0)))
    stage.solid("box", (x, 0, z), (depth, height, width), "facade", "building", wall, color2=trim,
                params=(floor, ground, width / columns, kind + 10 * style), seed=seed, contact=.38)
    roof_color = np.array(pick(rng, ROOFS)) * rng.uniform(.8, 1.2)
    roof = rng.random()
    slab = x - side * .12
    if roof < .42:
        kind_of_roof = "gable" if rng.random() < .6 else "hip"
        stage.solid(kind_of_roof, (slab, height, z), (depth + .5, rng.uniform(2.2, 4.0), width), "roof", "building",
                    roof_color, seed=seed)
    elif roof < .68:
        stage.solid("mansard", (slab, height, z), (depth + .1, rng.uniform(2.6, 3.4), width), "roof", "building",
                    roof_color, params=(1., 0., width / columns, 0.), seed=seed)
    else:
        stage.solid("box", (x, height, z), (depth - .5, .7, width - .4), "plain", "building", wall * .8, seed=seed)
    stage.solid("box", (side * (x_front + .1), height - .32, z), (.8, .34, width + .02), "plain", "building", trim)
    if city and style != 1:
        stage.solid("box", (side * (x_front + .1), ground - .15, z), (.42, .2, width + .01), "plain", "building", trim)
    if rng.random() < .6:
        stage.solid("box", (x + rng.uniform(-2, 2), height + .6, z + rng.uniform(-.3, .3) * width), (.7, 3.2, .9),
                    "facade", "building", (.26, .13, .09), params=(9., 9., 9., BLANK + 10), seed=seed)
    _front_extras(stage, rng, side, x_front, z_from, width, floor, ground, floors, columns, kind, trim)


def _front_extras(stage, rng, side, x_front, z_from, width, floor, ground, floors, columns, kind, trim) -> None:
    """Hang awnings and balconies on a front."""
    pitch = width / columns
    if kind == SHOP and rng.random() < .6:
        start, count = int(rng.integers(0, columns)), int(rng.integers(1, 3))
        wide = pitch * min(count, columns - start)
        stage.solid("triangle", (side * (x_front - .55), ground - 1.05, z_from + pitch * start + wide / 2),
                    (1.2, .55, wide * .94), "plain", "building", pick(rng, AWNINGS), params=(1., 0., 0., 0.),
                    seed=float(rng.random()))
    if kind != BLANK and rng.random() < .45:
        column = int(rng.integers(0, columns))
        for level in range(1, floors):
            low = ground + floor * (level - 1) - .08
            place = z_from + pitch * (column + .5)
            stage.solid("box", (side * (x_front - .4), low, place), (.95, .14, pitch * .9), "plain", "building", trim)
            stage.solid("box", (side * (x_front - .82), low + .14, place), (.06, .88, pitch * .88), "fence", "building",
                        (.045, .045, .05), params=(.14, .88, 0., 0.))


def low_front(stage: Stage, rng: np.random.Generator, side: float, x_front: float, z_from: float, length: float,
              kind: str) -> None:
    """Run a hedge, a garden wall or a fence along the street."""
    z = z_from + length / 2
    if kind == "hedge":
        tall = rng.uniform(1.1, 2.2)
        green = np.array((.055, .115, .025)) * rng.uniform(.8, 1.3)
        stage.solid("bevel", (side * (x_front + .45), 0, z), (.9, tall, length), "hedge", "vegetation", green,
                    params=(tall, 0., 0., 0.), seed=float(rng.random()), contact=.5)
    elif kind == "wall":
        tall = rng.uniform(1.3, 2.4)
        tone = np.array(pick(rng, STONE + PLASTER[:3] + BRICK[:2])) * .85
        stage.solid("box", (side * (x_front + .15), 0, z), (.3, tall, length), "wall", "wall", tone,
                    params=(float(rng.integers(3)), tall, 0., 0.), seed=float(rng.random()), contact=.4)
        stage.solid("box", (side * (x_front + .15), tall, z), (.42, .08, length), "plain", "wall", tone * 1.15)
    else:
        tall = rng.uniform(.9, 1.3)
        tone = np.array(pick(rng, ((.5, .5, .48), (.05, .06, .055), (.20, .12, .06))))
        stage.solid("box", (side * (x_front + .04), 0, z), (.08, tall, length), "fence", "fence", tone,
                    params=(.16, tall, 0., 0.), seed=float(rng.random()), contact=.25)


def row(stage: Stage, rng: np.random.Generator, side: float, x_front: float, x_walk: float, z_from: float, z_to: float,
        city: bool) -> None:
    """Fill one side of the street between z_from and z_to; `x_walk` is the outer edge of the pavement."""
    z = z_from
    while z_to - z > 4.0:
        room = z_to - z
        width = min(float(rng.uniform(7.5, 13.0)), room)
        if room - width < 5.0:
            width = room
        if width < 14 and rng.random() < (.06 if city else .16):
            low_front(stage, rng, side, x_walk, z, width, pick(rng, ("wall", "hedge", "fence")))
            for _ in range(3):
                tree(stage, rng, side * (x_walk + rng.uniform(2.5, 8)), z + rng.uniform(.1, .9) * width,
                     int(rng.integers(4)))
        else:
            gap = 0. if city else float(rng.uniform(0, 2.5))
            house(stage, rng, side, x_front + (0. if city else float(rng.uniform(0, 1.5))), z, width - gap, city)
            if x_front - x_walk > 2.5:
                front = pick(rng, ("wall", "hedge", "fence", "hedge", "open", "open"))
                if front != "open":
                    low_front(stage, rng, side, x_walk, z, width, front)
                if rng.random() < .4:
                    tree(stage, rng, side * (x_walk + 2.0), z + rng.uniform(.2, .8) * width, int(rng.integers(3)))
        z += width
