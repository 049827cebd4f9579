"""An explorer of a real photograph: one depth for the whole picture, and the ghost that vanishes where it is right."""
from __future__ import annotations

import torch

from ...data.triplet import Triplet
from ...figures import image_grid, overlay
from ...losses import photometric_error
from ...warp import warp
from .base import Drawing, Explorer
from .controls import slider


class GhostExplorer(Explorer):
    """Paint one view with the other as if everything stood at one depth, and lay both on top of each other.

    Args:
        pair: Batch of one with one source, its motion and measured depth.
    """

    title = "Everything at one depth"
    alt = ("Two photographs of a motorcycle on top of each other, the second one moved as if everything stood at one "
           "depth; what stands there is sharp and everything else doubled. Beside it the error, dark where they agree, "
           "and orange where the second photograph shows nothing.")
    caption = "what is sharp stands at this depth; nearer and farther things are doubled."
    moment = {"depth": 3.0}

    def __init__(self, pair: Triplet) -> None:
        self.pair = pair
        super().__init__({"depth": slider("depth (m)", 1.5, 8.0, 6.0, 0.1)})

    def draw(self, depth: float) -> Drawing:
        """Paint and compare."""
        pair = self.pair
        flat = torch.full_like(pair.target[:, :1], depth)
        painted, valid = warp(pair.sources[:, 0], flat, pair.require("T_source_target")[:, 0], pair.K)
        error = photometric_error(painted, pair.target).masked_fill(~valid, 0)[0, 0]
        measured = pair.require("depth")
        there = (measured > 0.95 * depth) & (measured < 1.05 * depth)
        share = 100 * float(there.float().mean())
        ghost = 0.5 * pair.target[0] + 0.5 * painted[0]
        map_ = overlay((2 * error).clamp(max=1), ~valid[0, 0], strength=0.8)
        figure = image_grid([[(ghost, "both on top of each other"), (map_, "error; orange has no source")]])
        words = f"At {depth:.1f} m: {share:.0f} % of the picture stand within a twentieth of this depth"
        at, elsewhere = (float(error[where[0, 0]].mean()) for where in (valid & there, valid & ~there))
        words += f"; there the error is {at:.3f}, elsewhere {elsewhere:.3f}." if share else "."
        return Drawing([figure], words, {"depth": depth, "share": share})
