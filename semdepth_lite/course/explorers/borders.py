"""An explorer of object borders: a profile of depth across a border, before and after it is snapped to labels."""
from __future__ import annotations

import torch
import torch.nn.functional as F

from ...borders import snap_depth
from ...classes import NAMES
from ...common.contracts import InputError
from ...data.triplet import StreetTriplet
from ...evaluation.prediction import scaled_prediction
from ...figures import border_profile, image_grid, overlay
from ...labels import colorize_labels, group_mask
from ...metrics import border_band, depth_errors, error_maps, evaluation_mask
from ...model import Model
from ...street import corrupt_labels
from ..demos import pick_pixel
from .base import Drawing, Explorer
from .controls import choice, steps

STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
REACHES = (1.5, 2.5, 3.5)  # pixels; how far from a label border depth is replaced
SIDE = 20  # pixels of the line to each side of the border
RANGE = (5.0, 40.0)  # meters; how far the nearer side may be
APART = 12  # pixels between two borders that are offered
RIM = 6  # rows at the top and the bottom of the image in which no border is offered
NEARBY = 6  # pixels to each side of a border that are compared with the truth
OFFERED, POOL = 6, 24  # borders to choose from, and how many are compared to find them


def telling_borders(batch: StreetTriplet, count: int = OFFERED) -> dict[str, tuple[int, int]]:
    """Pick upright borders of near objects, away from the rim: name to the pixel (u, v) left of the border.

    Raises:
        InputError: if the image has none.
    """
    depth, labels = batch.depth[0, 0], batch.labels[0]
    near = group_mask(labels, "foreground_wide")
    ends = near.diff(dim=1, append=near[:, -1:])
    both = torch.minimum(depth, depth.roll(-1, 1))
    allowed = ends & (both > RANGE[0]) & (both < RANGE[1])
    allowed[:, :SIDE], allowed[:, -SIDE - 1:] = False, False
    allowed[:RIM], allowed[-RIM:] = False, False
    if bool((alone := allowed & ~_beside_a_level_border(labels)).any()):
        allowed = alone
    jump = (depth.roll(-1, 1).clamp(min=1e-3) / depth.clamp(min=1e-3)).log().abs()
    found: dict[str, tuple[int, int]] = {}
    while len(found) < count and bool(allowed.any()):
        u, v = pick_pixel(jump, allowed)
        left, right = (NAMES[int(labels[v, x])] for x in (u, u + 1))
        found[f"{left} | {right}, row {v}, column {u}"] = u, v
        allowed[max(0, v - APART):v + APART + 1, max(0, u - APART):u + APART + 1] = False
    if not found:
        raise InputError(f"no upright border of an object {RANGE[0]:g} to {RANGE[1]:g} m away lies in this image; take "
                         "another triplet.")
    return found


def _beside_a_level_border(labels: torch.Tensor) -> torch.Tensor:
    """Mark pixels with a border above or below them so near that it may be snapped to as well: (H, W) bool."""
    level = torch.zeros_like(labels, dtype=torch.float32)
    level[1:] = (labels[1:] != labels[:-1]).float()
    rows, columns = int(max(REACHES)) + 1, NEARBY
    return F.max_pool2d(level[None], (2 * rows + 1, 2 * columns + 1), 1, (rows, columns))[0] > 0


def gain_by_snapping(depth: torch.Tensor, after: torch.Tensor, truth: torch.Tensor, u: int, v: int) -> float:
    """Return how much nearer to the truth snapping brings a border on its row, as a difference of log errors.

    Args:
        depth: Depth of the network `(H, W)`.
        after: The same after snapping.
        truth: True depth, 0 where there is none.
        u: Column left of the border.
        v: Row of the border.

    Returns:
        The mean absolute log error before less the one after, over NEARBY pixels to each side.
    """
    line = slice(u - NEARBY + 1, u + NEARBY + 1)
    known = truth[v, line] > 0
    before, behind = ((map_[v, line] / truth[v, line]).log().abs()[known].mean() for map_ in (depth, after))
    return float(before - behind)


class BorderExplorer(Explorer):
    """Depth along a line across a border: the truth, the network, and the network snapped to more or less noisy labels.

    Args:
        batch: One triplet with true depth and labels.
        model: Model whose depth is snapped.
        marked: Pixels (u, v) left of a border, by name, to choose from; by default those of `telling_borders` that
            snapping brings nearest to the truth, for there is most to be seen.
    """

    title = "A border, before and after"
    alt = ("Above, a street image with a line across an object border, and the labels that it is snapped to. "
           "Below, depth along the line: the truth is a step, the network's depth a ramp, and the snapped depth jumps "
           "mostly where the labels change, at the upright lines; a border that runs above or below the line acts on "
           "it too, if it is nearer than the reach.")
    caption = "near each label border depth is taken from farther inside, so wrong labels put the step where they err."
    moment = {"noise": 0.2}

    def __init__(self, batch: StreetTriplet, model: Model, marked: dict[str, tuple[int, int]] | None = None) -> None:
        self.batch, self.depth = batch, scaled_prediction(model, batch)
        self.labels = {noise: torch.from_numpy(corrupt_labels(batch.labels.numpy(), noise, 0)) for noise in STRENGTHS}
        self.marked = marked or self._most_mended(telling_borders(batch, POOL))
        super().__init__({"border": choice("border", list(self.marked)),
                          "noise": steps("label noise (0 to 1)", STRENGTHS),
                          "reach": steps("reach from the border (px)", REACHES)})

    def _most_mended(self, borders: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Sort borders by what snapping to exact labels gains there; keep OFFERED."""
        before, after, truth = (map_[0, 0] for map_ in (self.depth, self.snapped(0.0, REACHES[0]), self.batch.depth))

        def gain(name: str) -> float:
            return gain_by_snapping(before, after, truth, *borders[name])

        return {name: borders[name] for name in sorted(borders, key=gain, reverse=True)[:OFFERED]}

    def border_error(self, depth: torch.Tensor) -> float:
        """Return AbsRel in the band along all true label borders of the image."""
        truth, band = self.batch.depth[:, 0], border_band(self.batch.labels)[0]
        return float(depth_errors(error_maps(depth[:, 0], truth, evaluation_mask(truth) & band))["abs_rel"])

    def snapped(self, noise: float, reach: float) -> torch.Tensor:
        """Snap the network's depth to the labels (1, 1, H, W), with the smallest window that looks beyond its reach."""
        return snap_depth(self.depth, self.labels[noise], self.batch.target, reach=reach, radius=int(reach) + 1)

    def draw(self, border: str, noise: float, reach: float) -> Drawing:
        """Cut through the maps along the row of the border."""
        u, v = self.marked[border]
        height, width = self.batch.target.shape[-2:]
        line = slice(max(0, u - SIDE), min(width, u + SIDE + 2))
        labels = self.labels[noise][0]
        drawn = torch.zeros(height, width, dtype=torch.bool)
        drawn[v, line] = True
        images = image_grid([[(overlay(self.batch.target[0], drawn, strength=1.0), "image and line"),
                              (overlay(colorize_labels(labels), drawn, (1.0, 1.0, 1.0), 1.0), "labels")]])
        positions = torch.arange(width)[line]
        after = self.snapped(noise, reach)
        profiles = {"truth": self.batch.depth, "network": self.depth, "network, snapped": after}
        changes = positions[:-1][labels[v, line].int().diff() != 0] + 0.5
        chart = border_profile(positions, {name: depth[0, 0, v, line] for name, depth in profiles.items()},
                               truth="truth", borders=changes.tolist())
        on_the_line = [NAMES[c] if c < len(NAMES) else "none" for c in labels[v, line].unique_consecutive().tolist()]
        numbers = {"before": self.border_error(self.depth), "after": self.border_error(after)}
        sentence = (f"{border}: with label noise {noise:g}, snapping changes AbsRel along all true borders of this "
                    f"image from {numbers['before']:.3f} to {numbers['after']:.3f}. The labels on the line, from the "
                    f"left: {', '.join(on_the_line)}.")
        return Drawing([images, chart], sentence, numbers)
