"""Explorers of one warp: a motion found by hand, the scale that nobody can see, and wrong intrinsics."""
from __future__ import annotations

from typing import Any

import torch

from ...camera import backproject, check_intrinsics, rigid_transform
from ...common.contracts import InputError
from ...data.triplet import StreetTriplet
from ...figures import birds_eye, colorize_depth, image_grid, overlay
from ...losses import photometric_error
from ...metrics import masked_mean
from ...warp import warp
from ..demos import far_sky
from .base import Drawing, Explorer
from .controls import choice, factor_slider, slider, switch

BRIGHTEST = 0.6  # the error that is drawn white


def single(batch: StreetTriplet) -> StreetTriplet:
    """Check that a triplet holds one item with depth and motion, and return it.

    Raises:
        InputError: if it does not.
    """
    if len(batch) != 1 or batch.depth is None or batch.T_source_target is None:
        raise InputError(f"an explorer needs one triplet with true depth and motion, not a batch of {len(batch)}; take "
                         "source.triplet([index]) of the street.")
    return batch


class _OneWarp(Explorer):
    """What these explorers share: one triplet, one of its sources, the error of a warp, and how both are drawn.

    Args:
        batch: One triplet with true depth and motion.
        controls: Controls of the explorer.
        source: Number of the neighbor that is warped: 0 the previous frame, 1 the next.
    """

    def __init__(self, batch: StreetTriplet, controls: dict[str, Any], source: int) -> None:
        self.batch, self.name = single(batch), ("previous", "next")[source]
        self.target, self.view, self.K = batch.target, batch.sources[:, source], batch.K
        self.depth, self.motion = far_sky(batch.depth), batch.T_source_target[:, source]
        self.at_truth = self.warped(self.depth, self.motion, self.K)[-1]
        super().__init__(controls)

    def warped(self, depth: torch.Tensor, motion: torch.Tensor, K: torch.Tensor
               ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
        """Warp the source: the view (1, 3, H, W), its error (H, W), the valid pixels (H, W) and their mean error."""
        view, valid = warp(self.view, depth, motion, K)
        error = photometric_error(view, self.target)
        return view, error[0, 0], valid[0, 0], float(masked_mean(error, valid))

    def row(self, view: torch.Tensor, error: torch.Tensor, valid: torch.Tensor,
            title: str = "source, warped into the target") -> list[tuple[object, str]]:
        """Place the view beside its error in gray, in which pixels without a source are orange."""
        picture = overlay((error / BRIGHTEST).masked_fill(~valid, 0), ~valid, strength=0.8)
        return [(view[0], title), (picture, "error: white is large, orange has no source")]


class WarpExplorer(_OneWarp):
    """Six pose sliders and a depth scale: target, source, warped source and error.

    Args:
        batch: One triplet with true depth and motion.
        source: Number of the neighbor that is warped: 0 the previous frame, 1 the next.
    """

    title = "Find the motion"
    alt = ("Four pictures of a street in a grid: the target frame, the source frame, the source warped by the chosen "
           "motion, and the photometric error, black where the two agree and white where they do not.")
    caption = "turning moves near and far pixels alike, walking moves near ones most; only one setting makes all agree."
    moment = {"yaw": 1.0}

    def __init__(self, batch: StreetTriplet, source: int = 0) -> None:
        controls = {"start": choice("start from", ("the true motion", "no motion")),
                    "scale": factor_slider("factor on the true depth", 0.25, 4)}
        for name, label in (("x", "move along x, right (m)"), ("y", "move along y, down (m)"),
                            ("z", "move along z, ahead (m)")):
            controls[name] = slider(label, -1.5, 1.5, 0.0, 0.05, 2)
        for name, label in (("pitch", "turn about x (degrees)"), ("yaw", "turn about y (degrees)"),
                            ("roll", "turn about z (degrees)")):
            controls[name] = slider(label, -3, 3, 0.0, 0.1)
        super().__init__(batch, controls, source)

    def draw(self, start: str, scale: float, x: float, y: float, z: float, pitch: float, yaw: float, roll: float
             ) -> Drawing:
        """Warp with the chosen motion after the true one, or after none."""
        extra = rigid_transform(torch.deg2rad(torch.tensor([[pitch, yaw, roll]])), torch.tensor([[x, y, z]]))
        motion = extra @ self.motion if start == "the true motion" else extra
        view, error, valid, mean = self.warped(scale * self.depth, motion, self.K)
        unmoved = float(photometric_error(self.view, self.target).mean())
        figure = image_grid([[(self.target[0], "target"), (self.view[0], f"source: the {self.name} frame")],
                             self.row(view, error, valid)])
        inside = 100 * float(valid.float().mean())
        sentence = (f"Mean photometric error {mean:.4f} over the {inside:.0f} % of pixels with a source; without any "
                    f"warp {unmoved:.4f}.")
        return Drawing([figure], sentence, {"error": mean, "unmoved": unmoved, "inside_percent": inside})


class ScaleExplorer(_OneWarp):
    """Depth and translation scaled together change nothing; depth alone does.

    Args:
        batch: One triplet with true depth and motion.
        source: Number of the neighbor that is warped: 0 the previous frame, 1 the next.
    """

    title = "The scale that nobody can see"
    alt = ("Four pictures of a street in a grid: the target frame, its depth, near being bright, the source warped "
           "with that depth, and the photometric error, black where warped source and target agree.")
    caption = ("the depth map is three times as deep and the translation three times as long, and the warped frame is "
               "the same. Images cannot tell the scale.")
    moment = {"factor": 3.0}

    def __init__(self, batch: StreetTriplet, source: int = 0) -> None:
        super().__init__(batch, {"factor": factor_slider("factor on the depth", 0.1, 10),
                                 "together": switch("scale the translation too", True)}, source)

    def draw(self, factor: float, together: bool) -> Drawing:
        """Warp with scaled depth, and with the translation scaled alike or left."""
        motion = self.motion.clone()
        if together:
            motion[:, :3, 3] *= factor
        view, error, valid, mean = self.warped(factor * self.depth, motion, self.K)
        length = float(motion[0, :3, 3].norm())
        depth = colorize_depth(factor * self.batch.depth[0, 0])
        figure = image_grid([[(self.target[0], "target"), (depth, "depth, scaled: near is bright")],
                             self.row(view, error, valid, "source, warped")])
        sentence = (f"Depth times {factor:.3g}, camera moved {length:.2f} m: mean photometric error {mean:.4f}; with "
                    f"the true scale {self.at_truth:.4f}.")
        return Drawing([figure], sentence, {"error": mean, "at_truth": self.at_truth, "meters": length})


class IntrinsicsExplorer(_OneWarp):
    """The K doctor: a wrong focal length or center, what the warp says of it, and what it does to the cloud.

    Args:
        batch: One triplet with true depth and motion.
        source: Number of the neighbor that is warped: 0 the previous frame, 1 the next.
    """

    title = "The K doctor"
    alt = ("Above, two pictures: the source warped into the target with the chosen intrinsics, and the photometric "
           "error. Below, the street from above twice: with the true intrinsics, and with the chosen ones.")
    caption = ("all widths in the map from above shrink, while the error hardly rises. A camera that drives "
               "straight ahead tells little of its focal length; look at the cloud too.")
    moment = {"focal": 1.5}
    answers = True

    def __init__(self, batch: StreetTriplet, source: int = 0) -> None:
        width = batch.target.shape[-1]
        reach = round(width / 8)
        super().__init__(batch, {
            "focal": slider("factor on the focal length", 0.5, 2.0, 1.0, 0.05, 2),
            "right": slider("center moved right (px)", -reach, reach, 0, 1, 0),
            "down": slider("center moved down (px)", -reach // 2, reach // 2, 0, 1, 0)}, source)

    def cloud(self, K: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Lift every second column of pixels, what is far above left out: points (N, 3) and colors (N, 3)."""
        depth = self.batch.depth
        points = backproject(depth, K)[0]
        kept = (depth[0, 0] > 0) & (points[1] > -2.5)
        kept[:, 1::2] = False  # half of the points show as much, in half the time
        return points[:, kept].T, self.batch.target[0][:, kept].T.mul(255).to(torch.uint8)

    def draw(self, focal: float, right: float, down: float) -> Drawing:
        """Warp and lift with the chosen K; depth and motion are the true ones."""
        K = self.K.clone()
        K[:, 0, 0] *= focal
        K[:, 1, 1] *= focal
        K[:, 0, 2] += right
        K[:, 1, 2] += down
        height, width = self.target.shape[-2:]
        check_intrinsics(K, height, width)
        view, error, valid, mean = self.warped(self.depth, self.motion, K)
        images = image_grid([self.row(view, error, valid)])
        above = birds_eye({"with the true K": self.cloud(self.K), "with this K": self.cloud(K)}, reach=(10.0, 30.0))
        angle = 2 * float(torch.rad2deg(torch.atan(width / 2 / K[0, 0, 0])))
        sentence = (f"fx {K[0, 0, 0]:.1f} px is a field of view of {angle:.0f} degrees, the center lies at "
                    f"({K[0, 0, 2]:.1f}, {K[0, 1, 2]:.1f}): mean photometric error {mean:.4f}; with the true K "
                    f"{self.at_truth:.4f}.")
        return Drawing([images, above], sentence, {"error": mean, "at_truth": self.at_truth, "field_of_view": angle})
