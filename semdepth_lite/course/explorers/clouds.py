"""An explorer of the street from above: the points of a depth map with their labels."""
from __future__ import annotations

from ...camera import backproject
from ...classes import GROUPS
from ...data.triplet import StreetTriplet
from ...evaluation.prediction import scaled_prediction
from ...figures import birds_eye
from ...labels import group_mask
from ...model import Model
from .base import Drawing, Explorer
from .controls import choice, slider

EVERYTHING = "everything"
HEIGHT = 4.3  # inches, whatever reach is chosen


class CloudExplorer(Explorer):
    """The points of an image from above, by class, the true ones and the network's.

    Args:
        batch: One triplet with true depth and labels.
        model: Model whose points are drawn beside the true ones; None leaves it out.
    """

    title = "The street from above"
    alt = ("Points of a street seen from above, the camera at the left looking right; each class has a color and a "
           "marker of its own, named in a legend.")
    caption = "each thing shows only the sides that face the camera; behind it lies a shadow without points."

    def __init__(self, batch: StreetTriplet, model: Model | None = None) -> None:
        self.batch = batch
        self.depths = {"true depth": batch.depth}
        if model is not None:
            self.depths["network's depth, scaled"] = scaled_prediction(model, batch)
        self.clouds = {name: backproject(depth, batch.K)[0] for name, depth in self.depths.items()}
        super().__init__({"group": choice("what is shown", [EVERYTHING, *GROUPS]),
                          "top": slider("above the camera (m)", -1.5, 10.0, 2.5, 0.5),
                          "ahead": slider("as far ahead as (m)", 10, 80, 40, 5, 0),
                          "side": slider("to each side (m)", 4, 24, 12, 1, 0)})

    def draw(self, group: str, top: float, ahead: float, side: float) -> Drawing:
        """Draw the chosen points."""
        labels = self.batch.labels[0]
        chosen = self.batch.depth[0, 0] > 0
        if group != EVERYTHING:
            chosen = chosen & group_mask(labels, group)
        points, numbers = {}, {}
        for name, cloud in self.clouds.items():
            kept = chosen & (cloud[1] > -top) & (cloud[2] <= ahead) & (cloud[0].abs() <= side)
            points[name] = cloud[:, kept].T, labels[kept]
            numbers[name] = int(kept.sum())
        figure = birds_eye(points, reach=(side, ahead))
        figure.set_figheight(HEIGHT)
        counts = " and ".join(f"{count} points of the {name}" for name, count in numbers.items())
        return Drawing([figure], f"{counts} lie in view, of {group}, up to {top:g} m above the camera.", numbers)
