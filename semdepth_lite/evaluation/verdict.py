"""A verdict after training on real data: is the depth any good, as far as the data can tell?

Judged on frames that were kept back: does warping by the predicted depth and motion explain a frame better than the
unmoved neighbors; is depth, where its truth is known, better than a constant and than a picture of medians; is the
learned path, where poses are known, better than standing still and driving straight ahead.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..common.contracts import InputError
from ..data.sources import Source, Wrapped, batches, larger_targets
from ..data.triplet import Indices, Triplet
from ..figures import colorize_depth, image_grid, save
from ..losses import LossSettings, identity_error, reprojection_error
from ..model import Model, Prediction
from ..training.segmenter import with_masks
from .baselines import constant_baseline, pixel_median_baseline
from .prediction import depth_predictor, evaluate_model
from .protocol import Protocol
from .report import evaluate
from .trajectories import evaluate_paths, mean_of

SHARE = 10      # one frame of so many is kept back, as one unbroken part at the clip's end
SHORTEST = 40   # clips of fewer triplets are trained on as a whole, and judged on it
PICTURED = 10   # frames in the picture
FITTED = 200    # depth maps of the training that the trivial predictors are fitted to


class Part(Wrapped):
    """Some of a source's triplets."""

    source: Any  # a source that also knows the positions of its targets

    def __init__(self, source: Source, indices: np.ndarray) -> None:
        """Choose triplets.

        Args:
            source: All triplets.
            indices: Positions of those that belong to the part.
        """
        super().__init__(source)
        self.indices = np.asarray(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def targets_at(self, scale: int) -> Part:
        """Return the targets of the part alone, `scale` times as high and as wide."""
        return Part(larger_targets(self.source, scale), self.indices)

    @property
    def targets(self) -> np.ndarray:
        """Positions of the targets among the frames."""
        return self.source.targets[self.indices]

    @property
    def neighbors(self) -> np.ndarray:
        """Positions of the neighbors among the frames."""
        return self.source.neighbors[self.indices]

    def triplet(self, indices: Indices) -> Triplet:
        """Load the triplets at these positions of the part as one batch."""
        indices = np.asarray(indices)
        return replace(self.source.triplet(self.indices[indices]), index=torch.from_numpy(indices))


def keep_back(source: Source) -> tuple[Source, Source]:
    """Split a clip into what is trained on and what is kept back; a short clip is both.

    The frame between the two parts belongs to neither, because triplets share frames.
    """
    count = len(source)
    if count < SHORTEST:
        return source, source
    first = count - count // SHARE
    return Part(source, np.arange(first - 1)), Part(source, np.arange(first, count))


@dataclass(frozen=True)
class Verdict:
    """What was found on the frames that were kept back.

    Attributes:
        frames: Number of frames judged.
        kept_back: Whether training left them out.
        unmoved: Mean photometric error of the unmoved neighbors.
        warped: Mean photometric error of the neighbors warped by predicted depth and motion; None without motion.
        depth: Predictor to AbsRel, each image scaled by its median; None without true depth.
        path: Motion to its five-frame error, m; None without true poses.
    """

    frames: int
    kept_back: bool
    unmoved: float
    warped: float | None
    depth: dict[str, float] | None
    path: dict[str, float] | None

    def lines(self) -> list[str]:
        """Return the verdict as sentences."""
        where = "kept back from the training" if self.kept_back else "of the training, for the clip is short"
        found = [f"verdict on {self.frames} frames {where}:"]
        if self.warped is not None:
            good = self.warped < 0.9 * self.unmoved
            found.append(f"  photometric error: unmoved {self.unmoved:.4f}, warped {self.warped:.4f}: " + (
                "depth and motion explain the frames" if good else
                "depth and motion explain hardly more than no motion at all; look at the clip with `doctor`"))
        for words, unit, rows in (("AbsRel of depth", "", self.depth),
                                  ("five-frame error of the path", " m", self.path)):
            if rows is None:
                continue
            ours, *others = rows.values()
            better = "better than all of them" if ours < min(others) else "no better than the best of them"
            found.append(f"  {words}: " + ", ".join(f"{name} {value:.3g}{unit}" for name, value in rows.items())
                         + f": {better}")
        if self.depth is None:
            found.append("  no true depth is known here, so nothing more is known of it; look at the picture")
        return found


@torch.no_grad()
def judge(model: Model, trained: Source, kept: Source) -> Verdict:
    """Judge a model on frames that were kept back.

    Args:
        model: Trained model.
        trained: Triplets that it was trained on, whose true depth fits the trivial predictors.
        kept: Triplets to judge it on.
    """
    unmoved, warped = photometric_errors(model, kept)
    kept_back, judged = kept is not trained, with_masks(kept, model)
    return Verdict(len(kept), kept_back, unmoved, warped, depth_errors_of(model, trained, judged),
                   path_errors_of(model, judged))


@torch.no_grad()
def photometric_errors(model: Model, kept: Source) -> tuple[float, float | None]:
    """Return the mean photometric error of the unmoved neighbors, and of the warped ones; None without motion."""
    device, kept = next(model.parameters()).device, with_masks(kept, model)
    model.eval()
    unmoved, warped = [], []
    for batch in batches(kept):
        here = batch.to(device)
        unmoved.append(identity_error(here.target, here.sources, LossSettings()).mean((1, 2)))
        if model.supervision == "video":
            prediction = model(here)[1]
            warped.append(warped_error(prediction, here))
    return float(torch.cat(unmoved).mean()), float(torch.cat(warped).mean()) if warped else None


def warped_error(prediction: Prediction, batch: Triplet) -> torch.Tensor:
    """Return the mean photometric error (B,) of the neighbors warped by predicted depth and motion, where they show.

    Args:
        prediction: What a model of video predicts for the batch.
        batch: Triplets.

    Raises:
        InputError: If the prediction has no motion.
    """
    if prediction.T_source_target is None:
        raise InputError("the prediction has no motion, expected one to warp by; use a model that learns from video.")
    error, seen = reprojection_error(prediction.depth, prediction.T_source_target, batch.K, batch.target,
                                     batch.sources, LossSettings())
    return (error * seen).sum((1, 2)) / seen.sum((1, 2))


def watcher(kept: Source) -> tuple[Callable[[Model], dict[str, float]], str]:
    """Return what judges a model on the way, for `Run.train`, and the name of the number that is lowest at its best.

    Args:
        kept: Triplets that are not trained on; without true depth the photometric error decides.
    """
    quick = Protocol(dense=False)  # edges take most of an evaluation's time
    if kept.has_depth:
        return lambda model: evaluate_model(model, kept, quick).means, "abs_rel"

    def watch(model: Model) -> dict[str, float]:
        unmoved, warped = photometric_errors(model, kept)
        return {"unmoved": unmoved} | ({} if warped is None else {"warped": warped})

    return watch, "warped"


def depth_errors_of(model: Model, trained: Source, kept: Source) -> dict[str, float] | None:
    """Return AbsRel of the model and of trivial predictors; None where no truth is known."""
    if not kept.has_depth:
        return None

    def depths() -> Iterator[torch.Tensor]:
        chosen = np.linspace(0, len(trained) - 1, min(FITTED, len(trained))).round().astype(int)
        return (trained.triplet(chosen[i:i + 8]).require("depth") for i in range(0, len(chosen), 8))

    predictors = {"network": depth_predictor(model), "constant": constant_baseline(depths())}
    if len(trained) > 1:  # of a single frame it would be the truth itself
        predictors["pixel median"] = pixel_median_baseline(depths())
    protocol = Protocol(dense=False)
    return {name: evaluate(predict, batches(kept), protocol).means["abs_rel"] for name, predict in predictors.items()}


def path_errors_of(model: Model, kept: Source) -> dict[str, float] | None:
    """Return the five-frame error of the learned path and of trivial ones; None where no poses are known."""
    if model.pose is None or not hasattr(kept, "targets"):
        return None
    try:
        reports = evaluate_paths(model, kept, align=model.alignment > 0)
    except InputError:  # no true poses, or no five frames in a row
        return None
    return {name: mean_of(rows, "ate5") for name, rows in reports.items()}


def draw_verdict(model: Model, kept: Source, path: Path) -> None:
    """Draw ten of the frames that were kept back, each above its predicted depth."""
    chosen, kept = np.linspace(0, len(kept) - 1, min(PICTURED, len(kept))).round().astype(int), with_masks(kept, model)
    images, depths = [], []
    for index in chosen:
        batch = kept.triplet(np.array([index]))
        depth = depth_predictor(model)(batch)[0, 0]
        near, far = depth.quantile(0.02).item(), depth.quantile(0.98).item()
        images.append((batch.target[0], ""))
        depths.append((colorize_depth(depth.numpy(), (near, max(far, 1.01 * near))), ""))
    half = -(-len(chosen) // 2)
    rows = [row[start:start + half] for start in range(0, len(chosen), half) for row in (images, depths)]
    save(image_grid(rows), path,
         alt=f"{len(chosen)} frames of {kept.name} in rows, and below each row its predicted depth.",
         caption="Frames that were kept back and the depth predicted for them; near is bright.")
