"""What stands where, from a seed: the style of a street, its blocks, what moves in it, and the camera's drive."""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..common.contracts import InputError
from . import objects
from .buildings import row
from .things import Stage, Things, join

BLOCK = 24.0  # length of a block of the street, m
CHUNK = 16.0  # the camera's stretch that shares one set of standing things and one shadow map, m
REACH = 160.0  # how far ahead things are placed, m
BEHIND = 40.0  # how far behind, for the shadows that they throw ahead, m
CAMERA_HEIGHT = 1.6
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Light:
    """Sun, sky and air of one scene; colors are linear RGB."""

    sun_way: np.ndarray  # (3,) from a point toward the sun, per metre of height: (x, -1, z)
    sun: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    ambient: np.ndarray
    haze: float  # 1/m
    clouds: float  # 0 = clear, 1 = overcast
    exposure: float
    noise: float  # sensor noise, share of full scale

    @property
    def toward_sun(self) -> np.ndarray:
        """The unit vector (3,) float32 toward the sun."""
        return (self.sun_way / np.sqrt((self.sun_way**2).sum())).astype(np.float32)


@dataclass(frozen=True)
class Street:
    """The plan of one street."""

    road_half: float  # half the width between the kerbs, m
    lane: float  # width of a driving lane, m
    parking: tuple[bool, bool]  # parked cars on the left, on the right
    walk: tuple[float, float]  # width of the pavement left, right
    setback: float  # from pavement to houses
    city: bool
    trees: tuple[bool, bool]
    species: int
    verge: bool  # a strip of grass between kerb and pavement
    posts: float  # share of bollards


@dataclass(frozen=True)
class Mover:
    """Something that moves along z: a car or a walking person."""

    kind: str  # "car" or "person"
    seed: int
    x: float
    z: float
    speed: float  # m per frame along z, signed


class Scene:
    """One street with its light, its drive and its moving things; blocks are built when the camera nears them."""

    def __init__(self, seed: int, keyword: str = "any") -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 1])
        self.light = _light(rng)
        self.street = _street(rng)
        self.speed = float(rng.uniform(.45, 1.05))
        self.yaw = (float(rng.uniform(.004, .018)), float(rng.uniform(34, 70)), float(rng.uniform(0, 2 * np.pi)))
        self.sway = (float(rng.uniform(.0, .05)), float(rng.uniform(0, 2 * np.pi)))
        self.lane_x = self.street.lane / 2
        self.movers = _movers(np.random.default_rng([seed, 2]), self.street, self.speed, keyword)
        self._chunk: tuple[int, Things] | None = None

    def pose(self, index: int) -> np.ndarray:
        """Return the camera-to-world pose (4, 4) of frame `index`."""
        amplitude, period, phase = self.yaw
        angle = 2 * np.pi * index / period + phase
        yaw = amplitude * np.sin(angle)
        drift = -self.speed * amplitude * period / (2 * np.pi) * np.cos(angle)  # the integral of speed * yaw
        wobble = np.random.default_rng([self.seed, 3, index]).normal(0, .0008, 3)
        sway = self.sway[0] * np.sin(index * .23 + self.sway[1])
        pose = np.eye(4)
        pose[:3, :3] = _turn(yaw + wobble[0], wobble[1], .5 * wobble[2])
        pose[:3, 3] = (self.lane_x + drift + sway, -CAMERA_HEIGHT + .01 * np.sin(index * .7), self.speed * index)
        return pose

    def chunk_of(self, z: float) -> int:
        """Return the number of the stretch of street that holds z."""
        return int(np.floor(z / CHUNK))

    def standing(self, chunk: int) -> Things:
        """Return everything that stands still and can be seen from `chunk`."""
        if self._chunk is None or self._chunk[0] != chunk:
            first = int(np.floor((chunk * CHUNK - BEHIND) / BLOCK))
            last = int(np.floor((chunk * CHUNK + CHUNK + REACH) / BLOCK))
            stage = Stage()
            _grounds(stage, self.seed, first, last, self.street)
            for block in range(first, last + 1):
                _block(stage, self.seed, block, self.street)
            _hills(stage, self.seed)
            self._chunk = (chunk, stage.freeze())
        return self._chunk[1]

    def moving(self, index: int, z: float) -> Things:
        """Return everything that moves, as it is at frame `index` and near z."""
        stage = Stage()
        for mover in self.movers:
            place = mover.z + mover.speed * index
            if -12 < place - z < REACH:
                rng = np.random.default_rng([self.seed, 4, mover.seed])
                if mover.kind == "car":
                    objects.car(stage, rng, mover.x, place, 0. if mover.speed > 0 else np.pi, moving=True)
                else:
                    stride = 2 * np.pi * (abs(mover.speed) * index / 1.45) + mover.seed
                    objects.person(stage, rng, mover.x, place, 0. if mover.speed > 0 else np.pi, stride)
        return stage.freeze()

    def things(self, index: int) -> Things:
        """Return all things of frame `index`, the standing ones first."""
        z = float(self.pose(index)[2, 3])
        return join([self.standing(self.chunk_of(z)), self.moving(index, z)])


def make_scene(seed: int) -> Scene:
    """Build the scene of `seed`; frames of the same scene share it.

    Raises:
        InputError: if the seed is not a whole number >= 0.
    """
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"scene seed {seed!r} is not a whole number >= 0; use scene_seeds(split, count) or any such.")
    return Scene(int(seed))


def pace_car_scene(seed: int) -> Scene:
    """Build the scene of `seed` with a car ahead that keeps pace with the camera."""
    return Scene(int(make_scene(seed).seed), "pace")


def scene_seeds(split: str, count: int) -> list[int]:
    """Return `count` scene seeds of a split; the splits share none, because the seed's remainder by 3 is the split.

    Raises:
        InputError: if the split is unknown or the count negative.
    """
    if split not in SPLITS:
        raise InputError(f"split {split!r} is unknown; use one of {', '.join(SPLITS)}.")
    if count < 0:
        raise InputError(f"count {count} of scenes is negative; use 0 or more.")
    return [3 * i + SPLITS.index(split) for i in range(count)]


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the camera-to-world rotation of small angles about y (to the right), x (up) and z."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array(((cy, 0, sy), (0, 1, 0), (-sy, 0, cy)))
    about_x = np.array(((1, 0, 0), (0, cp, -sp), (0, sp, cp)))
    about_z = np.array(((cr, -sr, 0), (sr, cr, 0), (0, 0, 1)))
    return about_y @ about_x @ about_z


def _light(rng: np.random.Generator) -> Light:
    """Choose one of five times of day and vary it."""
    names = ("noon", "afternoon", "golden", "overcast", "morning")
    name = names[int(rng.choice(5, p=(.24, .30, .18, .12, .16)))]
    elevation = {"noon": (48, 62), "afternoon": (30, 46), "golden": (15, 24), "overcast": (45, 60),
                 "morning": (22, 34)}[name]
    elevation = np.radians(rng.uniform(*elevation))
    azimuth = np.radians(rng.uniform(-155, 155))  # 0 = straight ahead
    flat = 1 / np.tan(elevation)
    way = np.array((np.sin(azimuth) * flat, -1.0, np.cos(azimuth) * flat))
    sun = {"noon": (2.5, 2.38, 2.2), "afternoon": (2.5, 2.28, 1.95), "golden": (2.7, 1.95, 1.2),
           "overcast": (.5, .5, .49), "morning": (2.1, 1.9, 1.62)}[name]
    zenith = {"noon": (.16, .34, .78), "afternoon": (.17, .35, .74), "golden": (.22, .34, .62),
              "overcast": (.58, .62, .68), "morning": (.27, .42, .70)}[name]
    horizon = {"noon": (.66, .80, .98), "afternoon": (.74, .82, .92), "golden": (1.05, .82, .58),
               "overcast": (.78, .80, .83), "morning": (.92, .90, .86)}[name]
    ambient = {"noon": (.50, .57, .70), "afternoon": (.50, .56, .67), "golden": (.50, .48, .52),
               "overcast": (.98, 1.0, 1.04), "morning": (.58, .60, .66)}[name]
    haze = {"noon": .0013, "afternoon": .0016, "golden": .0024, "overcast": .0028, "morning": .0042}[name]
    exposure = {"noon": .78, "afternoon": .86, "golden": 1.12, "overcast": 1.06, "morning": 1.0}[name]
    clouds = .97 if name == "overcast" else float(rng.uniform(.15, .6))
    return Light(way, np.array(sun) * rng.uniform(1.1, 1.3), np.array(zenith), np.array(horizon),
                 np.array(ambient) * .9, haze * float(rng.uniform(.8, 1.3)), clouds,
                 exposure * float(rng.uniform(.94, 1.06)), float(rng.uniform(.004, .011)))


def _street(rng: np.random.Generator) -> Street:
    """Choose the plan of a street."""
    city = bool(rng.random() < .5)
    lane = float(rng.uniform(3.0, 3.5))
    parking = (bool(rng.random() < .62), bool(rng.random() < .55))
    half = lane + (2.2 if any(parking) else .5)
    trees = (bool(rng.random() < .5), bool(rng.random() < .5))
    return Street(half, lane, parking, (float(rng.uniform(2.4, 3.6)), float(rng.uniform(2.4, 3.6))),
                  0. if city else float(rng.uniform(3., 6.)), city, trees, int(rng.choice(3, p=(.5, .2, .3))),
                  bool(not city and rng.random() < .6), float(rng.random()))


def _movers(rng: np.random.Generator, street: Street, ego: float, keyword: str) -> tuple[Mover, ...]:
    """Choose the moving cars and people of a scene."""
    movers: list[Mover] = []
    lead = rng.random()
    if keyword == "pace" or lead < .16:
        movers.append(Mover("car", 1, street.lane / 2 + .1, float(rng.uniform(8, 14)), ego))
    elif lead < .42:
        movers.append(Mover("car", 1, street.lane / 2, float(rng.uniform(9, 22)), ego * float(rng.uniform(.9, 1.3))))
    if rng.random() < .6:
        z = float(rng.uniform(14, 40))
        for i in range(8):
            movers.append(Mover("car", 10 + i, -street.lane / 2, z, -float(rng.uniform(.6, .62))))
            z += float(rng.uniform(16, 70))
    for i in range(int(rng.integers(7, 12))):
        side = -1 if rng.random() < .5 else 1
        walk = street.walk[0 if side < 0 else 1]
        x = side * (street.road_half + rng.uniform(.3, .85) * walk)
        z = rng.uniform(7, 20) if i < 6 else rng.uniform(10, 60)
        speed = float(rng.uniform(.10, .16)) * (1 if rng.random() < .5 else -1)
        movers.append(Mover("person", 100 + i, float(x), float(z), speed))
    return tuple(movers)


@lru_cache(maxsize=4096)
def is_junction(seed: int, block: int) -> bool:
    """Tell whether a side street crosses at `block`; never where the drive begins."""
    return block > 0 and bool(np.random.default_rng([seed, 5, block + 1000]).random() < .22)


def _block(stage: Stage, seed: int, block: int, street: Street) -> None:
    """Build one block of the street: ground, fronts, parked cars and furniture on both sides."""
    rng = np.random.default_rng([seed, 6, block + 1000])
    start = block * BLOCK
    junction = is_junction(seed, block)
    spans = _spans(junction)
    for k, side in enumerate((-1., 1.)):
        edge = street.road_half + street.walk[k]
        for low, high in spans:
            z, length = start + low, high - low
            row(stage, rng, side, edge + street.setback, edge, z, z + length, street.city)
            _furniture(stage, rng, side, street, k, z, length)
            if street.parking[k] and not junction:
                _parked(stage, rng, side, street, z, z + length)
        if junction:
            _side_street(stage, rng, side, start)
            objects.traffic_light(stage, rng, side * (street.road_half + .5), start + (4.8 if side > 0 else 19.), side,
                                  arm=side > 0 and rng.random() < .6)


def _spans(junction: bool) -> tuple[tuple[float, float], ...]:
    """Return the stretches of a block that have a pavement."""
    return ((0., 6.5), (17.5, BLOCK)) if junction else ((0., BLOCK),)


def _grounds(stage: Stage, seed: int, first: int, last: int, street: Street) -> None:
    """Lay the ground of several blocks, in as few pieces as the side streets allow."""
    runs: list[list[float]] = []
    for block in range(first, last + 1):
        for low, high in _spans(is_junction(seed, block)):
            if runs and runs[-1][1] == block * BLOCK + low:
                runs[-1][1] = block * BLOCK + high
            else:
                runs.append([block * BLOCK + low, block * BLOCK + high])
    for z_from, z_to in runs:
        for k, side in enumerate((-1., 1.)):
            _ground(stage, side, street, k, z_from, z_to - z_from)


def _ground(stage: Stage, side: float, street: Street, k: int, z: float, length: float) -> None:
    """Lay kerb, pavement and what lies behind it."""
    walk, half = street.walk[k], street.road_half
    tone = (.30, .29, .275)
    middle = z + length / 2
    stage.solid("box", (side * (half + .09), 0, middle), (.18, .125, length), "pavement", "sidewalk", (.36, .355, .34),
                params=(1., half, side, 0.), casts=False)
    stage.solid("box", (side * (half + .18 + walk / 2), 0, middle), (walk, .12, length), "pavement", "sidewalk", tone,
                params=(0., half, side, float(street.verge)), casts=False)
    if street.verge:
        stage.solid("box", (side * (half + .18 + .45), 0, middle), (.9, .135, length), "grass", "terrain",
                    (.075, .13, .03), casts=False)
    grass = not street.city
    stage.solid("box", (side * (half + .18 + walk + 40), 0, middle), (80., .11, length),
                "grass" if grass else "pavement", "terrain" if grass else "sidewalk",
                (.075, .13, .03) if grass else (.24, .235, .23), casts=False)


def _parked(stage: Stage, rng: np.random.Generator, side: float, street: Street, z_from: float, z_to: float) -> None:
    """Park cars along the kerb."""
    z = z_from + rng.uniform(0, 3)
    while z < z_to - 4.6:
        if rng.random() < .62:
            yaw = (0. if side > 0 else np.pi) + rng.normal(0, .015)
            objects.car(stage, rng, side * (street.road_half - 1.05 + rng.normal(0, .06)), z + 2.3, yaw)
        z += rng.uniform(5.1, 6.2)


def _furniture(stage: Stage, rng: np.random.Generator, side: float, street: Street, k: int, z: float,
               length: float) -> None:
    """Set lamps, signs, trees, bollards and standing people on the pavement."""
    kerb = side * (street.road_half + .5)
    if length > 10:
        if rng.random() < .75:
            objects.lamp(stage, kerb, z + length * .53 + rng.normal(0, 1.2), side, rng.uniform(4.6, 6.6))
        if street.trees[k]:
            for at in (.28, .78):
                objects.tree(stage, rng, kerb + side * .2, z + length * at + rng.normal(0, .6), street.species)
        if street.posts > .45 and rng.random() < .75:
            objects.bollards(stage, side * (street.road_half + .34), z + 1., z + length, 1.9 + 1.2 * street.posts,
                             (.04, .045, .045) if street.posts > .8 else (.28, .28, .28))
    for _ in range(int(rng.integers(1, 3)) if length > 10 else 1):
        objects.sign(stage, rng, kerb - side * .08, z + rng.uniform(.5, length - .5))
    for _ in range(int(rng.integers(0, 4)) if length > 10 else 1):
        x = side * (street.road_half + rng.uniform(.4, .9) * street.walk[k])
        objects.person(stage, rng, x, z + rng.uniform(.5, length - .5), rng.uniform(0, 6.28), None)


def _side_street(stage: Stage, rng: np.random.Generator, side: float, start: float) -> None:
    """Close the view along a side street with a house and trees."""
    for z in (start + 4, start + 12, start + 20):
        objects.tree(stage, rng, side * rng.uniform(48, 56), z, int(rng.integers(3)))
    stage.solid("box", (side * 66, 0, start + 12), (10., 10., 40.), "facade", "building", (.5, .45, .38),
                color2=(.6, .58, .52), params=(3.1, 3.4, 2.6, 1.), seed=float(rng.random()))


def _hills(stage: Stage, seed: int) -> None:
    """Raise wooded hills behind everything."""
    rng = np.random.default_rng([seed, 7])
    for i in range(5):
        x = -900 + 450 * i + rng.normal(0, 120)
        stage.ball((x, -20, 1500 + rng.uniform(-100, 200)), (420., rng.uniform(45, 110), 200.), "hill", "vegetation",
                   (.05, .09, .035), casts=False)
