"""An explorer of a car that drives ahead: the faster it is, the farther away the photometric error believes it."""
from __future__ import annotations

import torch

from ...classes import TRAIN_ID
from ...figures import colorize_depth, image_grid, photometric_curve
from ...losses import LossSettings, automask, identity_error, reprojection_error
from ...street import Scene
from ..demos import at_share_of_pace, best_depth, depth_sweep, far_sky, pick_pixel
from .base import Drawing, Explorer
from .controls import steps, switch
from .curves import as_the_loss_sees, joined
from .pixels import ringed

SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1)
DEPTHS = torch.logspace(0.5, 2, 32)  # 3.2 to 100 m, in equal ratios


def in_words(depth: float) -> str:
    """Write a depth that was found by trying `DEPTHS`; the farthest of them may be the end of the search only."""
    end = float(DEPTHS[-1])
    return f"the far end of what was tried ({end:.0f} m)" if depth > 0.99 * end else f"{depth:.1f} m"


class PaceCarExplorer(Explorer):
    """The speed of a car ahead, the depth that explains it best, and the automask that silences it.

    The street is rendered and swept over depth once for each speed, in a few seconds.

    Args:
        scene: Scene of `street.pace_car_scene`.
        height, width: Size of the images, pixels.
    """

    title = "A car that keeps pace"
    alt = ("Above, a street image with a ring on the car ahead, and the depth that explains each pixel best, near "
           "being bright. Below, the photometric error of the ringed pixel over depth from 3 to 100 meters, with its "
           "minimum and a line at the true depth.")
    caption = ("the car does not move in the image, so the best depth lies far away. Switch the automask on, "
               "and most of its pixels are left out, drawn gray.")
    moment = {"share": 1.0}

    def __init__(self, scene: Scene, height: int = 64, width: int = 192) -> None:
        self.batches = {share: at_share_of_pace(scene, share, height, width) for share in SHARES}
        self.errors = {share: joined(depth_sweep(batch, DEPTHS), minimum=True) for share, batch in self.batches.items()}
        self.identity = {share: identity_error(batch.target, batch.sources, LossSettings())[0]
                         for share, batch in self.batches.items()}
        self.at_truth = {share: reprojection_error(far_sky(batch.depth), batch.T_source_target, batch.K, batch.target,
                                                   batch.sources, LossSettings())[0][0]
                         for share, batch in self.batches.items()}
        self.u, self.v = self._telling_pixel()
        super().__init__({
            "share": steps("speed, of the camera's", SHARES, lambda share: f"{100 * share:.0f} %"),
            "mask": switch("automask", False)})

    def _telling_pixel(self) -> tuple[int, int]:
        """Pick the pixel of a car that the truth explains worst and standing still best, at equal speed."""
        return pick_pixel(self.at_truth[1.0] - 3 * self.identity[1.0], self.moving_cars(1.0))

    def moving_cars(self, share: float) -> torch.Tensor:
        """Mark the pixels (H, W) of all cars that move."""
        batch = self.batches[share]
        return batch.moving[0] & (batch.labels[0] == TRAIN_ID["car"])

    def car(self, share: float) -> torch.Tensor:
        """Mark the pixels (H, W) of the car ahead: moving cars about as far as the ringed pixel."""
        depth = self.batches[share].depth[0, 0]
        return self.moving_cars(share) & ((depth / depth[self.v, self.u] - 1).abs() < 0.4)

    def draw(self, share: float, mask: bool) -> Drawing:
        """Read what was found at this speed."""
        batch, u, v = self.batches[share], self.u, self.v
        preferred = best_depth(self.errors[share], DEPTHS)
        silent = ~automask(self.at_truth[share], self.identity[share])
        title = "best depth of each pixel" + (", masked ones gray" if mask else "")
        images = image_grid([[(ringed(batch.target[0], u, v), "the car ahead, a pixel ringed"),
                              (colorize_depth(preferred.masked_fill(silent & mask, 0)), title)]])
        curves = {"both neighbors": self.errors[share][:, v, u]}
        if mask:
            curves["with automask"], _ = as_the_loss_sees(curves["both neighbors"], self.identity[share][v, u], True)
        chart = photometric_curve(DEPTHS, curves, truth=float(batch.depth[0, 0, v, u]))
        car = self.car(share)
        numbers = {"truth": float(batch.depth[0, 0, v, u]), "best": float(preferred[v, u]),
                   "car_best": float(preferred[car].median()),
                   "silent_percent": 100 * float(silent[car].float().mean())}
        sentence = (f"The car drives at {100 * share:.0f} % of the camera's speed, {numbers['truth']:.1f} m ahead. The "
                    f"error of this pixel is lowest at {in_words(numbers['best'])}; the median over the car lies at "
                    f"{in_words(numbers['car_best'])}.")
        if mask:
            sentence += (f" At the true depth the automask silences {numbers['silent_percent']:.0f} % of the car, this "
                         f"pixel {'too' if bool(silent[v, u]) else 'not'}.")
        return Drawing([images, chart], sentence, numbers)
