"""The camera path that a model's pose network says, beside the true one.

Motions between neighboring frames are chained to a path; what breaks a clip (a gap, the end of a scene or of a drive)
begins a new one. A monocular path has no unit of length: the snippet error fits a scale to every five frames, the
7-DoF alignment one to a path, and the drift of segments is measured on the path so aligned.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch

from ..common.contracts import InputError
from ..data.sources import Source
from ..data.triplet import Triplet
from ..metrics import align_trajectory, kitti_segment_errors, pair_errors, snippet_ate, trajectory_ate
from ..model import Model
from .prediction import to_scale

SNIPPET = 5  # frames, as SfMLearner has it


@dataclass(frozen=True)
class PathReport:
    """What was found out about one unbroken path.

    Attributes:
        first: index of its first target in the source.
        frames: camera positions on it.
        length: of the true path, m.
        ate5, ate5_std: mean and sample standard deviation of the five-frame error, m (`metrics.snippet_ate`).
        ate7, ate6: error of the whole path after alignment with and without a scale, m (`metrics.trajectory_ate`);
            without one, the prediction's unit is taken for meters.
        t_err, r_err: drift over 100 to 800 m in percent and degrees per 100 m, after the 7-DoF alignment; nan for a
            shorter path (`metrics.kitti_segment_errors`).
    """

    first: int
    frames: int
    length: float
    ate5: float
    ate5_std: float
    ate7: float
    ate6: float
    t_err: float
    r_err: float


def find_paths(source: Source) -> list[list[int]]:
    """Split a source into paths: lists of targets, each the next neighbor of the one before.

    Raises:
        InputError: if the source was opened without neighbors.
    """
    targets = np.asarray(source.targets)
    neighbors = np.asarray(getattr(source, "neighbors", np.stack((targets - 1, targets + 1), 1)))
    if neighbors.shape[1] != 2:
        raise InputError(f"{source.name} was opened without neighbors, so no camera moves; open it with them.")
    index = {int(target): i for i, target in enumerate(targets)}
    following = [index.get(int(after)) for after in neighbors[:, 1]]
    paths = []
    for first in sorted(set(range(len(targets))) - set(following)):
        path = [first]
        while (after := following[path[-1]]) is not None:
            path.append(after)
        paths.append(path)
    return paths


def chain(motions: torch.Tensor) -> torch.Tensor:
    """Chain the motions of the targets of a path to poses.

    The path begins at the first target's previous frame and ends at the last one's next:
    P_0 = I, P_1 = P_0 T_previous_target, and P_(i+1) = P_i T_next_target^-1.

    Args:
        motions: (N, 2, 4, 4) T_source_target to the previous and the next frame of each target.

    Returns:
        (N + 2, 4, 4) float64 camera-to-world, the world being the first frame's camera.
    """
    motions = motions.double()
    poses = [torch.eye(4, dtype=torch.float64), motions[0, 0]]
    for forward in torch.linalg.inv(motions[:, 1]):
        poses.append(poses[-1] @ forward)
    return torch.stack(poses)


@torch.no_grad()
def predicted_and_true(model: Model, source: Source, path: list[int], batch: int = 8
                       ) -> tuple[torch.Tensor, torch.Tensor]:
    """Return predicted and true poses along a path, (N + 2, 4, 4) each.

    Raises:
        InputError: if the model has no pose network or the source no poses.
    """
    device = next(model.parameters()).device
    model.eval()
    said, true = [], []
    for start in range(0, len(path), batch):
        triplet = source.triplet(np.array(path[start:start + batch]))
        if triplet.T_source_target is None:
            raise InputError(f"{source.name} has no true poses, so there is no path to judge by; use KITTI odometry, "
                             "KITTI raw with oxts, or the street.")
        there = triplet.to(device)
        said.append(model.motion(there.target, there.sources).cpu())
        true.append(triplet.T_source_target)
    return chain(torch.cat(said)), chain(torch.cat(true))


def judge_path(pred: torch.Tensor, true: torch.Tensor, first: int = 0) -> PathReport:
    """Compare two paths (N, 4, 4), camera-to-world, by every metric of `PathReport`."""
    snippets = snippet_ate(pred, true, SNIPPET)
    t_err, r_err = kitti_segment_errors(align_trajectory(pred, true, 7), true)
    spread = float(snippets.std()) if len(snippets) > 1 else 0.0
    length = float((true[1:, :3, 3] - true[:-1, :3, 3]).norm(dim=1).sum())
    return PathReport(first, len(true), length, float(snippets.mean()), spread, float(trajectory_ate(pred, true, 7)),
                      float(trajectory_ate(pred, true, 6)), t_err, r_err)


def evaluate_paths(model: Model, source: Source, factor: float = 1.0) -> list[PathReport]:
    """Judge the camera path of a model on every unbroken path of at least five frames.

    Args:
        model: with a pose network.
        source: with true poses.
        factor: meters per unit of the model, where it is known; it matters to the 6-DoF error alone.

    Raises:
        InputError: if there is no such path, or poses are missing on either side.
    """
    reports = []
    for path in find_paths(source):
        if len(path) + 2 < SNIPPET:
            continue
        pred, true = predicted_and_true(model, source, path)
        pred[:, :3, 3] *= factor
        reports.append(judge_path(pred, true, path[0]))
    if not reports:
        raise InputError(f"{source.name} has no path of {SNIPPET} frames in a row; a path needs that many.")
    return reports


def mean_of(reports: list[PathReport], name: str) -> float:
    """Average one number over paths, each counted alike, those without it left out; nan if none has it."""
    values = np.array([getattr(report, name) for report in reports])
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else float("nan")


def paths_json(reports: list[PathReport]) -> dict:
    """Return the mean over paths and every path as JSON wants them, null where there is no number."""
    def plain(value: float) -> float | None:
        return value if np.isfinite(value) else None

    names = [field.name for field in fields(PathReport) if field.name != "first"]
    return {"mean": {name: plain(mean_of(reports, name)) for name in names},
            "paths": [{name: plain(value) for name, value in asdict(report).items()} for report in reports]}


def paths_table(reports: list[PathReport], most: int = 12) -> str:
    """Return a text table: one row a path (the first `most`), and their mean."""
    names = ("length", "ate5", "ate5_std", "ate7", "ate6", "t_err", "r_err")
    rows = [(str(report.first), report.frames, [getattr(report, name) for name in names]) for report in reports[:most]]
    rows.append(("mean", sum(report.frames for report in reports), [mean_of(reports, name) for name in names]))
    card = (f"{len(reports)} paths, motion of the pose network alone, frame to frame; ate5: {SNIPPET}-frame error, a "
            "scale fitted to each snippet (m)\nate7, ate6: whole path aligned with and without a scale (m); t_err (%), "
            "r_err (deg / 100 m) over 100 to 800 m after the 7-DoF alignment, - for shorter paths")
    head = f"{'first target':<14}{'frames':>8}" + "".join(f"{name:>10}" for name in names)
    lines = [f"{first:<14}{frames:>8}" + "".join(f"{value:>10.4f}" if np.isfinite(value) else f"{'-':>10}"
                                                 for value in values) for first, frames, values in rows]
    return "\n".join([card, head, *lines])


@torch.no_grad()
def motion_errors(model: Model, batches: Iterable[Triplet]) -> dict[str, float]:
    """Compare the predicted motion to the next frame with the true one, over batches with truth.

    Args:
        model: with a pose network, in evaluation mode.
        batches: with true depth, which gives each prediction its scale, and motion.

    Returns:
        Medians over the frames: direction_deg, rotation_deg and length_ratio as `metrics.pair_errors` has them, and
        rotation_deg_without, the rotation error of "the camera never turns".
    """
    device = next(model.parameters()).device
    rows = []
    for batch in batches:
        here = batch.to(device)
        depth = model.predict(here.target).depth
        scale = (to_scale(depth, here.depth) / depth)[:, 0, 0, 0]
        true = here.T_source_target[:, 1]
        found = pair_errors(model.motion(here.target, here.sources)[:, 1], true, scale)
        still = pair_errors(torch.eye(4, device=device).expand_as(true), true)
        rows.append({**found, "rotation_deg_without": still["rotation_deg"]})
    return {name: float(torch.cat([row[name] for row in rows]).nanmedian()) for name in rows[0]}
