"""The samples of one material: where they are, on what, and how large a pixel is there."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .scene import Scene
from .things import Things


@dataclass
class Samples:
    """n visible samples of one material; materials fill `albedo` and may change the other outputs."""

    things: Things
    thing: np.ndarray  # (n,) index into things
    point: np.ndarray  # (3, n) world
    normal: np.ndarray  # (3, n) world, unit; a material may bend it for the lighting
    foot: np.ndarray  # (n,) width of a pixel at that depth, m
    graze: np.ndarray  # (n,) how much longer a pixel is along the slanted direction
    scene: Scene
    albedo: np.ndarray = field(init=False)  # (3, n) linear RGB
    gloss: np.ndarray | None = None  # (n,) mirror share at normal incidence
    glow: np.ndarray | None = None  # (3, n) light given off
    sky_share: np.ndarray | None = None  # (n,) factor on ambient light
    backlight: float = 0.  # share of sun that passes through from behind
    on_ground: bool = False  # darkened where things stand

    def column(self, name: str, k: int) -> np.ndarray:
        """Return column k of a field of the samples' things as float32."""
        return getattr(self.things, name)[:, k].astype(np.float32).take(self.thing)

    def seed(self) -> np.ndarray:
        """Return the seeds of the samples' things."""
        return self.things.seed.astype(np.float32).take(self.thing)

    def colors(self, name: str = "color") -> np.ndarray:
        """Return the (3, n) colors of the samples' things."""
        return np.take(np.ascontiguousarray(getattr(self.things, name).T.astype(np.float32)), self.thing, axis=1)

    def upright(self) -> np.ndarray:
        """Return (3, n) coordinates right, up, ahead of the base point of things that are not turned, meters."""
        origin = np.take(np.ascontiguousarray(self.things.origin.T.astype(np.float32)), self.thing, axis=1)
        away = self.point - origin
        np.negative(away[1], out=away[1])
        return away

    def local(self) -> np.ndarray:
        """Return (3, n) coordinates right, up, ahead of the thing's base point, meters."""
        away = self.point - np.take(self.things.origin.T.astype(np.float32), self.thing, axis=1)
        return self.turned(away)

    def turned(self, vectors: np.ndarray) -> np.ndarray:
        """Return (3, n) world vectors in the axes of the samples' things."""
        axes = self.things.axes.astype(np.float32).reshape(-1, 9)
        rows = np.take(np.ascontiguousarray(axes.T), self.thing, axis=1)
        return np.stack([rows[3 * k] * vectors[0] + rows[3 * k + 1] * vectors[1] + rows[3 * k + 2] * vectors[2]
                         for k in range(3)])

    def world(self, vectors: np.ndarray) -> np.ndarray:
        """Return (3, n) vectors given in the axes of the samples' things in world axes."""
        axes = self.things.axes.astype(np.float32).reshape(-1, 9)
        rows = np.take(np.ascontiguousarray(axes.T), self.thing, axis=1)
        return np.stack([rows[k] * vectors[0] + rows[3 + k] * vectors[1] + rows[6 + k] * vectors[2]
                         for k in range(3)])

    def bend(self, away: np.ndarray, share: float) -> None:
        """Turn the normal toward the world vectors `away` (3, n) by `share`."""
        mixed = self.normal * np.float32(1 - share) + away * np.float32(share)
        self.normal = mixed / np.sqrt((mixed**2).sum(0) + 1e-12)


def mix(a: np.ndarray, b, share: np.ndarray) -> np.ndarray:
    """Blend colors a (3, n) toward b, an RGB triple or (3, n), by share (n,)."""
    b = np.asarray(b, dtype=np.float32)
    b = b[:, None] if b.ndim == 1 else b
    return a + (b - a) * share
