"""The street that failures are made from, and what matching finds in it where nothing is broken."""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
import torch.nn.functional as F

from ...data.sources import triplet_of
from ...data.triplet import StreetTriplet, Triplet
from ...losses import combine_sources
from ...street import Frame, pace_car_scene, render_frame
from ..demos import FRAMES, at_share_of_pace, best_depth, depth_sweep

DEPTHS = torch.logspace(0.5, 2, 32)  # 3.2 to 100 m, in equal ratios
WINDOW = 5  # pixels over which the matcher averages its error
PACE = 4  # how far back the street with a car ahead lies in the list of seeds; the default seed finds one well seen


@dataclass(frozen=True)
class World:
    """The street that failures are made from; what is rendered is kept.

    Attributes:
        seed: Seed of the scene.
        height, width: Size of the images, pixels.
    """

    seed: int = 8
    height: int = 64
    width: int = 192

    @lru_cache(maxsize=64)  # noqa: B019 - a world is as small as its key
    def frame(self, index: int) -> Frame:
        """Render frame `index` of the scene."""
        return render_frame(self.seed, index, self.height, self.width)

    @cached_property
    def frames(self) -> list[Frame]:
        """The previous, the target and the next frame."""
        return [self.frame(index) for index in FRAMES]

    @property
    def batch(self) -> StreetTriplet:
        """The three frames as one triplet with all of its truth."""
        return triplet_of(self.frames)

    @cached_property
    def matched(self) -> torch.Tensor:
        """What matching finds where nothing is broken, (H, W) meters."""
        return matched_depth(self.batch)

    @cached_property
    def matched_behind_a_parked_car(self) -> torch.Tensor:
        """The same where the car ahead stands still, (H, W) meters."""
        return matched_depth(self.following_a_car(0.0))

    @lru_cache(maxsize=64)  # noqa: B019
    def following_a_car(self, share: float) -> StreetTriplet:
        """Render a triplet in which the car ahead drives at a share of the camera's speed."""
        return at_share_of_pace(pace_car_scene(max(self.seed - PACE, 0)), share, self.height, self.width)


def averaged_sweep(batch: Triplet, window: int = WINDOW) -> torch.Tensor:
    """Return the error (N, H, W) of a batch of one at all `DEPTHS`, averaged over a window of pixels."""
    error = combine_sources(depth_sweep(batch, DEPTHS).nan_to_num(nan=torch.inf)).clamp(max=1.0)
    half = (window // 2,) * 4
    return F.avg_pool2d(F.pad(error[:, None], half, mode="replicate"), window, 1)[:, 0]


def matched_depth(batch: Triplet) -> torch.Tensor:
    """Return the depth (H, W) that explains each pixel and its neighbors best, of a batch of one."""
    return best_depth(averaged_sweep(batch), DEPTHS)


@lru_cache(maxsize=4)
def experience(world: World, scenes: int = 6) -> torch.Tensor:
    """Return the median of what matching finds at each pixel (H, W) in other scenes: what a network would know."""
    others = (replace(world, seed=world.seed + 1 + index) for index in range(scenes))
    return torch.stack([matched_depth(other.batch) for other in others]).median(0).values
