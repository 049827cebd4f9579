"""An explorer of object borders: a profile of depth across a border, before and after it is snapped to labels."""
from __future__ import annotations

import torch

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
NEARBY, CLEAR = 4, 0.1  # pixels to each side of a border, and the step of log depth that is clear between them
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


def step_and_move(depth: torch.Tensor, after: torch.Tensor, truth: torch.Tensor, u: int, v: int) -> tuple[float, float]:
    """Measure a border on its row, in log depth: the step that the network makes, and how far snapping moves it.

    Args:
        depth: Depth of the network `(H, W)`.
        after: The same after snapping.
        truth: True depth.
        u: Column left of the border.
        v: Row of the border.

    Returns:
        The step from NEARBY pixels left of the border to as many right of it, positive where it goes the way of the
        true one, and the largest change by snapping between them.
    """
    ends = torch.tensor([u - NEARBY + 1, u + NEARBY])
    way = torch.sign(truth[v, u + 1] - truth[v, u])
    change = (after / depth).log().abs()[v, u - NEARBY + 1:u + NEARBY + 1]
    return float(way * depth[v, ends].log().diff()), float(change.max())


class BorderExplorer(Explorer):
    """Depth along a line across a border: the truth, the network, and the network snapped to more or less noisy labels.

    Args:
        batch: One triplet with true depth and labels.
        model: Model whose depth is snapped.
        marked: Pixels (u, v) left of a border, by name, to choose from; by default those of `telling_borders` that
            snapping moves most, first those where the network makes a clear step: without one there is none to move.
    """

    title = "A border, before and after"
    alt = ("Above, a street image with a line across an object border, and the labels that it is snapped to. "
           "Below, depth along the line: the truth is a step, the network's depth a ramp, and the snapped depth jumps "
           "where the labels change, at the upright lines.")
    caption = "near each label border depth is taken from farther inside, so wrong labels put the step where they err."
    moment = {"noise": 0.6}

    def __init__(self, batch: StreetTriplet, model: Model, marked: dict[str, tuple[int, int]] | None = None) -> None:
        self.batch, self.depth = batch, scaled_prediction(model, batch)
        self.labels = {noise: torch.from_numpy(corrupt_labels(batch.labels.numpy(), noise, 0)) for noise in STRENGTHS}
        self.marked = marked or self._most_moved(telling_borders(batch, POOL))
        super().__init__({"border": choice("border", list(self.marked)),
                          "noise": steps("label noise (0 to 1)", STRENGTHS),
                          "reach": steps("reach from the border (px)", REACHES)})

    def _most_moved(self, borders: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Sort borders by how far snapping to exact labels moves them, those with a clear step first; keep OFFERED."""
        after = self.snapped(0.0, REACHES[0])[0, 0]

        def order(name: str) -> tuple[bool, float]:
            step, move = step_and_move(self.depth[0, 0], after, self.batch.depth[0, 0], *borders[name])
            return step < CLEAR, -move

        return {name: borders[name] for name in sorted(borders, key=order)[:OFFERED]}

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
        numbers = {"before": self.border_error(self.depth), "after": self.border_error(after)}
        sentence = (f"{border}: with label noise {noise:g}, snapping changes AbsRel along all true borders of this "
                    f"image from {numbers['before']:.3f} to {numbers['after']:.3f}.")
        return Drawing([images, chart], sentence, numbers)
