"""The camera path that a model's pose network predicts, beside the true one and beside trivial ones.

Motions between neighboring frames are chained to a path; what breaks a clip (a gap, the end of a scene or of a drive)
begins a new one. A monocular path has no unit of length: the snippet error fits a scale to every five frames, the
7-DoF alignment one to a path, and the drift of segments is measured on the path so aligned.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from ..common.contracts import InputError
from ..data.sources import Source
from ..data.triplet import Triplet
from ..metrics import align_trajectory, kitti_segment_errors, pair_errors, snippet_ate, trajectory_ate
from ..model import Model
from .path_files import write_path
from .prediction import to_scale

SNIPPET = 5  # frames, as SfMLearner has it


@dataclass(frozen=True)
class PathReport:
    """What was found out about one unbroken path.

    Attributes:
        first: Index of its first target in the source.
        frames: Number of camera positions on it.
        length: Length of the true path, m.
        ate5, ate5_std: Mean and sample standard deviation of the five-frame error, m (`metrics.snippet_ate`).
        ate7, ate6: Error of the whole path after alignment with and without a scale, m (`metrics.trajectory_ate`);
            without one, the prediction's unit is taken for meters.
        t_err, r_err: Drift over 100 to 800 m in percent and degrees per 100 m, after the 7-DoF alignment; nan for a
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
        InputError: if the source was opened without neighbors, or does not tell the places of its targets.
    """
    if not hasattr(source, "targets"):
        raise InputError(f"{source.name} does not tell which frame of a clip each target is, so no path can be "
                         "followed; give it `targets`, the positions of these frames.")
    targets = np.asarray(source.targets)  # pyright: ignore[reportAttributeAccessIssue]
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
def predicted_and_true(model: Model, source: Source, path: list[int], align: bool = False, batch: int = 8
                       ) -> tuple[torch.Tensor, torch.Tensor]:
    """Return predicted and true poses along a path, (N + 2, 4, 4) each.

    Args:
        model: Model with a pose network.
        source: Source with true poses.
        path: Indices of the path's targets.
        align: Whether the motion is improved by the direct alignment that the model was trained with.
        batch: Number of targets read at a time.

    Raises:
        InputError: If the model has no pose network, the source no poses, or the model was trained without alignment.
    """
    if align and not model.alignment:
        raise InputError("this model was trained without alignment, so its motion cannot be aligned the same way; "
                         "leave --align out.")
    device = next(model.parameters()).device
    model.eval()
    predicted, true = [], []
    for start in range(0, len(path), batch):
        triplet = source.triplet(np.array(path[start:start + batch]))
        if triplet.T_source_target is None:
            raise InputError(f"{source.name} has no true poses, so there is no path to judge by; use KITTI odometry, "
                             "KITTI raw with oxts, or the street.")
        here = triplet.to(device)
        motion = model.motion(here.target, here.sources)
        if align:
            motion = model.aligned(motion, here, model.predict(here.target, model.semantics_of(here)).depth)
        predicted.append(motion.cpu())
        true.append(triplet.T_source_target)
    return chain(torch.cat(predicted)), chain(torch.cat(true))


def frame_number(source: Source, index: int) -> int:
    """Return the number of the first frame of a path in its sequence, which its file's name ends with; 0 if unknown."""
    neighbors, frames = getattr(source, "neighbors", None), getattr(source, "frames", None)
    if neighbors is None or frames is None:
        return 0
    digits = re.findall(r"\d+", frames.files[int(neighbors[index][0])].stem)
    return int(digits[-1]) if digits else 0


def trivial_paths(true: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the paths that need no network: a camera that stands still, and one that drives straight ahead.

    The second has the true path's mean speed along the first camera's axis.

    Args:
        true: (N, 4, 4) true poses, m.
    """
    still = torch.eye(4, dtype=true.dtype).repeat(len(true), 1, 1)
    ahead = still.clone()
    ahead[:, 2, 3] = torch.arange(len(true), dtype=true.dtype) * (true[1:, :3, 3] - true[:-1, :3, 3]).norm(dim=1).mean()
    return {"standing still": still, "straight ahead": ahead}


def judge_path(pred: torch.Tensor, true: torch.Tensor, first: int = 0, number: int = 0) -> PathReport:
    """Compare two paths by every metric of `PathReport`.

    Args:
        pred: (N, 4, 4) predicted poses, camera-to-world.
        true: (N, 4, 4) true poses, m.
        first: Index of the path's first target in its source.
        number: Number of the path's first frame in its sequence, from which segments are counted.
    """
    snippets = snippet_ate(pred, true, SNIPPET)
    t_err, r_err = kitti_segment_errors(align_trajectory(pred, true, 7), true, first=number)
    spread = float(snippets.std()) if len(snippets) > 1 else 0.0
    length = float((true[1:, :3, 3] - true[:-1, :3, 3]).norm(dim=1).sum())
    return PathReport(first, len(true), length, float(snippets.mean()), spread, float(trajectory_ate(pred, true, 7)),
                      float(trajectory_ate(pred, true, 6)), t_err, r_err)


def evaluate_paths(model: Model, source: Source, factor: float = 1.0, align: bool = False,
                   export: Path | None = None) -> dict[str, list[PathReport]]:
    """Judge the camera path of a model on every unbroken path of at least five frames, beside trivial paths.

    Args:
        model: Model with a pose network.
        source: Source with true poses.
        factor: Meters per unit of the model, where it is known; it matters to the 6-DoF error alone.
        align: Whether the motion is improved by the direct alignment that the model was trained with.
        export: Folder for the predicted paths as KITTI and TUM files; None writes none.

    Returns:
        "network", "standing still" and "straight ahead", each with one report a path.

    Raises:
        InputError: If there is no such path, or poses are missing on either side.
    """
    reports: dict[str, list[PathReport]] = {}
    for path in find_paths(source):
        if len(path) + 2 < SNIPPET:
            continue
        pred, true = predicted_and_true(model, source, path, align)
        pred[:, :3, 3] *= factor
        number = frame_number(source, path[0])
        for name, poses in {"network": pred, **trivial_paths(true)}.items():
            reports.setdefault(name, []).append(judge_path(poses, true, path[0], number))
        if export is not None:
            write_path(export, f"path_{path[0]:06d}", pred, number)
    if not reports:
        raise InputError(f"{source.name} has no path of {SNIPPET} frames in a row; a path needs that many.")
    return reports


def mean_of(reports: list[PathReport], name: str) -> float:
    """Average one number over paths, each counted alike, those without it left out; nan if none has it."""
    values = np.array([getattr(report, name) for report in reports])
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else float("nan")


def paths_json(reports: dict[str, list[PathReport]]) -> dict:
    """Return the means over paths and every path of the network as JSON wants them, null where there is no number."""
    def plain(value: float) -> float | None:
        return value if np.isfinite(value) else None

    names = [field.name for field in fields(PathReport) if field.name != "first"]
    means = {kind: {name: plain(mean_of(rows, name)) for name in names} for kind, rows in reports.items()}
    return {"mean": means.pop("network"), "trivial": means,
            "paths": [{name: plain(value) for name, value in asdict(row).items()} for row in reports["network"]]}


def paths_table(reports: dict[str, list[PathReport]], most: int = 12, align: bool = False) -> str:
    """Return a text table: one row a path of the network (the first `most`), their mean, and that of trivial paths."""
    names = ("length", "ate5", "ate5_std", "ate7", "ate6", "t_err", "r_err")
    network = reports["network"]
    rows = [(str(row.first), row.frames, [getattr(row, name) for name in names]) for row in network[:most]]
    rows += [("mean" if kind == "network" else kind, sum(row.frames for row in some),
              [mean_of(some, name) for name in names]) for kind, some in reports.items()]
    motion = "improved by the alignment of the training" if align else "alone"
    card = (f"{len(network)} paths, motion of the pose network {motion}, frame to frame; ate5: {SNIPPET}-frame error, "
            "a scale fitted to each snippet (m)\nate7, ate6: whole path aligned with and without a scale (m); "
            "t_err (%), r_err (deg / 100 m) over 100 to 800 m from every tenth frame of the sequence, after the 7-DoF "
            "alignment, - for shorter paths")
    head = f"{'first target':<16}{'frames':>8}" + "".join(f"{name:>10}" for name in names)
    lines = [f"{first:<16}{frames:>8}" + "".join(f"{value:>10.4f}" if np.isfinite(value) else f"{'-':>10}"
                                                 for value in values) for first, frames, values in rows]
    return "\n".join([card, head, *lines])


@torch.no_grad()
def motion_errors(model: Model, batches: Iterable[Triplet]) -> dict[str, float]:
    """Compare the predicted motion to the next frame with the true one, over batches with truth.

    Args:
        model: Model with a pose network, in evaluation mode.
        batches: Batches with true depth, which gives each prediction its scale, and motion.

    Returns:
        Medians over the frames: direction_deg, rotation_deg and length_ratio as `metrics.pair_errors` has them, and
        rotation_deg_without, the rotation error of "the camera never turns".
    """
    device = next(model.parameters()).device
    rows = []
    for batch in batches:
        here = batch.to(device)
        depth = model.predict(here.target).depth
        scale = (to_scale(depth, here.require("depth")) / depth)[:, 0, 0, 0]
        true = here.require("T_source_target")[:, 1]
        found = pair_errors(model.motion(here.target, here.sources)[:, 1], true, scale)
        still = pair_errors(torch.eye(4, device=device).expand_as(true), true)
        rows.append({**found, "rotation_deg_without": still["rotation_deg"]})
    return {name: float(torch.cat([row[name] for row in rows]).nanmedian()) for name in rows[0]}
