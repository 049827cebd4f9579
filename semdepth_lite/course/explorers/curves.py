"""An explorer of the photometric error over depth, one pixel at a time."""
from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from ...common.contracts import InputError
from ...data.triplet import StreetTriplet
from ...evaluation.prediction import scaled_prediction
from ...figures import colorize_depth, image_grid, photometric_curve
from ...losses import LossSettings, automask, combine_sources, identity_error
from ...model import Model
from ..demos import best_depth, depth_sweep
from .base import Drawing
from .controls import switch
from .pixels import PixelExplorer, class_at, ringed
from .warps import single

DEPTHS = torch.logspace(math.log10(3), 2, 48)  # 3 to 100 m, in equal ratios


def joined(sweep: torch.Tensor, minimum: bool) -> torch.Tensor:
    """Join the sources of a sweep (N, S, H, W) to (N, H, W); the minimum leaves out a source that lost the pixel."""
    error = combine_sources(sweep.nan_to_num(nan=torch.inf) if minimum else sweep, minimum)
    return error.masked_fill(error.isinf(), torch.nan)


def as_the_loss_sees(error: torch.Tensor, unmoved: torch.Tensor, masked: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace errors that the automask leaves out by the error of the unmoved sources, as the loss does.

    Args:
        error: (N, ...) over depth; NaN where no source sees the pixel.
        unmoved: (...) error of the unmoved sources.
        masked: Whether the automask is on.

    Returns:
        The error (N, ...), and where it teaches (N, ...) bool.
    """
    known = ~error.isnan()
    teaches = automask(error, unmoved) & known if masked else known
    return torch.where(teaches | ~known, error, unmoved), teaches


class CurveExplorer(PixelExplorer):
    """The photometric error of one pixel over depth, with the minimum, the truth and the network's answer.

    The sweeps over depth are made once, in about a second, so that a slider only reads them.

    Args:
        batch: One triplet with true depth and motion.
        model: Model whose depth is marked; None leaves it out.
        marked: Pixels (u, v) to choose from, by name; by default `pixels.marked_pixels`.
        depths: (N,) depths tried, meters, increasing.
    """

    title = "What one pixel can know"
    alt = ("Above, a street image with a ring around the chosen pixel, and each pixel's depth of the lowest loss, "
           "near being bright. Below, the photometric error of the chosen pixel over depth from 3 to 100 meters: one "
           "curve for each neighbor and one for what the loss makes of both, each with its minimum marked, and upright "
           "lines at the true depth and at the network's, where they are known.")
    caption = "the lowest point of the loss is where training pulls this pixel; compare it with the truth."

    def __init__(self, batch: StreetTriplet, model: Model | None = None,
                 marked: Mapping[str, tuple[int, int]] | None = None, depths: torch.Tensor = DEPTHS) -> None:
        self.batch, self.depths = single(batch), depths
        shares = {True: LossSettings().ssim, False: 0.0}
        self.sweeps = {on: depth_sweep(batch, depths, share) for on, share in shares.items()}
        self.identity = {(on, minimum): identity_error(batch.target, batch.sources,
                                                       LossSettings(ssim=share, minimum=minimum))[0]
                         for on, share in shares.items() for minimum in (True, False)}
        self.answer = None if model is None else scaled_prediction(model, batch)[0, 0]
        super().__init__(batch, marked, {"ssim": switch("SSIM (off: color difference alone)", True),
                                         "minimum": switch("minimum over sources (off: mean)", True),
                                         "mask": switch("automask", False)})

    def curves(self, ssim: bool, minimum: bool, mask: bool) -> torch.Tensor:
        """Return the error of each pixel over depth (N, H, W); NaN where the automask, if it is on, leaves it out."""
        error = joined(self.sweeps[ssim], minimum)
        return error.masked_fill(~as_the_loss_sees(error, self.identity[ssim, minimum], mask)[1], torch.nan)

    def draw(self, pixel: str, u: int, v: int, ssim: bool, minimum: bool, mask: bool) -> Drawing:
        """Read the curves of the pixel."""
        error, teaches = as_the_loss_sees(joined(self.sweeps[ssim][..., v:v + 1, u:u + 1], minimum)[:, 0, 0],
                                          self.identity[ssim, minimum][v, u], mask)
        if bool(error.isnan().all()):
            raise InputError(f"pixel ({u}, {v}) leaves a neighbor's frame at every depth; switch the minimum over "
                             "sources on, or choose another pixel.")
        neighbors = zip(("previous frame", "next frame"), self.sweeps[ssim][:, :, v, u].T)
        curves = {name: values for name, values in neighbors if bool(values.isfinite().any())}
        curves[f"{'minimum' if minimum else 'mean'}{', automask' if mask else ''}"] = error
        truth = float(self.batch.depth[0, 0, v, u])
        answer = None if self.answer is None else float(self.answer[v, u])
        figure = photometric_curve(self.depths, curves, truth=truth or None, prediction=answer)
        everywhere = best_depth(self.curves(ssim, minimum, mask), self.depths)
        image = image_grid([[(ringed(self.batch.target[0], u, v), f"target, pixel ({u}, {v})"),
                             (colorize_depth(everywhere), "best depth of each pixel: near is bright")]])
        best = float(best_depth(error[:, None, None], self.depths)[0, 0])
        share = 100 * float(teaches.float().mean())
        known = f"the truth is {truth:.1f} m" if truth else "the sky has no depth"
        network = "" if answer is None else f", the network says {answer:.1f} m"
        quiet = f" The automask leaves {share:.0f} % of the depths tried to teach." if mask else ""
        errors = error[~error.isnan()]
        pulls = bool((errors != errors[0]).any())
        lowest = f"the loss is lowest at {best:.1f} m" if pulls else "the loss is the same at every depth"
        shows = class_at(self.batch.labels[0], u, v)
        sentence = f"Pixel ({u}, {v}) shows {shows}: {lowest}, {known}{network}.{quiet}"
        numbers = {"best": best if pulls else float("nan"), "truth": truth, "teaches_percent": share}
        return Drawing([image, figure], sentence, numbers if answer is None else {**numbers, "network": answer})
