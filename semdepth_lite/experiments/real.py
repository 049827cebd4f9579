"""The experiment on real data: does semantic guidance help on real video, as far as two short clips can tell?

- KITTI in stereo: the frames of one drive, the right camera as the only source, labels of an outside network, judged by
  the annotated depth of the same frames, which training never sees. A fit of a clip, not generalization.
- The same frames as video of one camera, with learned motion, and rows that ask what stereo has and video has not.
- A street clip with true labels on every frame and without true depth: learned motion, judged on frames kept back at
  the clip's end by what warping explains, and by depth edges against the borders of things in the labels.

Rows of a clip get about the same processor time, not the same steps; one row tells these two apart. The data is the
user's own: nothing of it is committed but the numbers.
"""
from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..classes import IGNORE
from ..common.contracts import InputError
from ..data.by_name import DataOptions, open_data
from ..data.frame_cache import DEFAULT_CACHE
from ..data.sources import Source, batches
from ..evaluation.baselines import constant_baseline
from ..evaluation.prediction import depth_predictor
from ..evaluation.protocol import Protocol
from ..evaluation.report import evaluate
from ..evaluation.verdict import keep_back, warped_error
from ..labels import group_mask, label_borders
from ..losses import LossSettings, identity_error
from ..metrics import depth_edges, edge_agreement
from ..metrics.registry import METRICS
from ..model import Model
from ..training.run import Run
from ..training.segmenter import with_masks
from ..training.settings import TrainSettings
from .results import RESULTS, Result
from .trial import Trial, is_done, rounded

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"
SEEDS = 3
EDGE = 0.1  # jump of ln depth over two pixels that is an edge in video, whose depth is too soft for the street's 0.25
STEREO = {"preset": "kitti stereo", "split": "clip", "group": "real-kitti"}
MONO = {"preset": "kitti video", "split": "clip", "group": "real-mono"}
TRIVIAL_ROWS = {"real-kitti": "one constant depth", "real-mono": "one constant depth",
                "real-street": "unmoved neighbors"}
VIDEO = {"preset": "street clip", "split": "kept back", "group": "real-street"}


def stereo_trials() -> list[Trial]:
    """List the runs on KITTI in stereo."""
    rows = {"baseline, stereo": ("baseline", 720, {}),
            "SSFA, labels of an outside network": ("ssfa", 500, {}),
            "SemDepth: SSFA and ranking loss, the same labels": ("semdepth", 500, {}),
            "baseline, stereo, as many steps as these": ("baseline", 500, {})}
    return _trials("real-kitti", rows, 200, STEREO, loss="lesson", pose="given", batch=4)


def mono_trials() -> list[Trial]:
    """List the runs on KITTI as video of one camera; a ranking loss that knows which side is in front is tried too."""
    rows = {"baseline, video": ("baseline", 800, {}),
            "SSFA, labels of an outside network": ("ssfa", 560, {}),
            "SemDepth: SSFA and ranking loss, the same labels": ("semdepth", 560, {}),
            "SemDepth, sides by class": ("semdepth", 560, {"ranking.signed": True, "ranking.start": 0.3}),
            "baseline, video, as many steps as these": ("baseline", 560, {})}
    return _trials("real-mono", rows, 220, MONO, loss="lesson", alignment=2, batch=4)


def street_trials() -> list[Trial]:
    """List the runs on the street clip."""
    made = {"masks.origin": "made", "masks.scale": 1}
    rows = {"baseline, video": ("baseline", 1000, {}),
            "SemDepth: SSFA and ranking loss, the clip's labels": ("semdepth", 690, {}),
            "SSFA, a segmenter of the clip's own": ("ssfa_segmenter", 625, made)}
    return _trials("real-street", rows, 210, VIDEO, loss="clip", margin_until=0.5, alignment=2, batch=4,
                   segmenter_steps=300)


def _trials(file: str, rows: dict, order: int, about: dict, **settings) -> list[Trial]:
    """List what needs no training, then one run for each row and seed."""
    trivial = Trial(f"{file}-trivial", TRIVIAL_ROWS[file], None, order=order - 1,
                    **{**about, "group": f"{file}-trivial"})
    return [trivial, *(Trial(f"{file}-{number}-{variant.replace('_', '-')}-{seed}", name,
                      TrainSettings(variant=variant, steps=steps, changes=changes, seed=seed, **settings),
                      order=order + number, **about)
              for seed in range(SEEDS) for number, (name, (variant, steps, changes)) in enumerate(rows.items()))]


@dataclass(frozen=True)
class Clip:
    """Real data of one kind, and what is done with it.

    Attributes:
        trained: Triplets to train on.
        judged: Triplets to judge by.
        judge: Function of a model and the judged triplets to each metric's value in every frame; without a model it
            judges what needs no training.
        trials: Runs on it.
    """

    trained: Source
    judged: Source
    judge: Callable[[Model | None, Source], dict[str, np.ndarray]]
    trials: list[Trial]


def open_kitti(folder: Path, cache: Path | None = DEFAULT_CACHE, stereo: str | None = "alone") -> Clip:
    """Open the frames of one drive with labels of an outside network; annotated depth only to judge by."""
    blind = DataOptions(drives=(DRIVE,), stereo=stereo, cache=cache,
                        labels=folder / "pseudo_labels" / "drive_0001_image_02")
    seen = replace(blind, depth="improved", improved_root=folder / "kitti_depth_annotated")
    trained, judged = (open_data(f"kitti:{folder / 'kitti_raw'}", 96, 320, options) for options in (blind, seen))
    return Clip(trained, judged, judge_depth, stereo_trials() if stereo else mono_trials())


def open_kitti_video(folder: Path, cache: Path | None = DEFAULT_CACHE) -> Clip:
    """Open the same frames as video of the left camera alone."""
    return open_kitti(folder, cache, stereo=None)


def open_street_clip(folder: Path, cache: Path | None = DEFAULT_CACHE) -> Clip:
    """Open the street clip, its last tenth kept back; its intrinsics are a guess, for they are not published."""
    clip = folder / "camvid_clip"
    options = DataOptions(intrinsics="385 514 240 180", labels=clip / "labels", cache=cache)
    trained, kept = keep_back(open_data(f"frames:{clip / 'images'}", 96, 128, options))
    return Clip(trained, kept, judge_video, street_trials())


CLIPS: dict[str, tuple[str, Callable[..., Clip]]] = {  # name: its folder, and what opens it
    "stereo": ("kitti_raw", open_kitti), "video": ("kitti_raw", open_kitti_video),
    "street": ("camvid_clip", open_street_clip)}


def judge_depth(model: Model | None, judged: Source) -> dict[str, np.ndarray]:
    """Judge depth by the annotated one at the network's size, where its points lie dense enough to have two sides."""
    if model is None:  # its value is of no account, for each image is scaled by its median
        return evaluate(constant_baseline(batch.require("depth") for batch in batches(judged)), batches(judged)).values
    return evaluate(depth_predictor(model), batches(with_masks(judged, model)), Protocol()).values


@torch.no_grad()
def judge_video(model: Model | None, judged: Source) -> dict[str, np.ndarray]:
    """Judge by what warping explains, and by how depth's edges and the borders of things in the labels agree."""
    if model is None:
        errors = [identity_error(batch.target, batch.sources, LossSettings()).mean((1, 2)) for batch in batches(judged)]
        return {"warp_error": torch.cat(errors).double().numpy()}
    found: dict[str, list[torch.Tensor]] = {}
    model.eval()
    for batch in batches(with_masks(judged, model)):
        prediction = model(batch)[1]
        log_depth = prediction.depth[:, 0].log()
        edges = depth_edges(log_depth, torch.ones_like(log_depth, dtype=torch.bool), EDGE)
        agreement = edge_agreement(edges, thing_borders(batch.require("labels")))
        row = {"warp_error": warped_error(prediction, batch),
               **{f"border_{name}": agreement[f"edge_{name}"] for name in ("f", "precision", "recall")}}
        for name, values in row.items():
            found.setdefault(name, []).append(values)
    return {name: torch.cat(values).double().numpy() for name, values in found.items()}


def thing_borders(labels: torch.Tensor) -> torch.Tensor:
    """Mark the borders of things (B, H, W); a road and its sidewalk have a border too, but depth has no edge there."""
    things = group_mask(labels, "foreground_wide").to(torch.uint8)
    return label_borders(torch.where(labels == IGNORE, IGNORE, things))


def execute_real(trial: Trial, clip: Clip, work: Path, results: Path, progress: bool = False) -> Result:
    """Train and judge one run, and write its results: numbers alone, no picture of the data."""
    model, trained = None, {}
    if trial.settings is not None:
        run = Run(clip.trained, trial.settings, work / trial.file, "cpu")
        model = run.train(progress)
        trained = {"settings": asdict(trial.settings), "seed": trial.settings.seed, "cost": run.cost()}
    values = clip.judge(model, clip.judged)
    result = Result(
        trial.name, {name: rounded(float(np.nanmean(value))) for name, value in values.items()
                     if name in METRICS and np.isfinite(value).any()},
        trial.group, trial.order, trial.split, trial.preset, **trained, scenes=list(range(len(clip.judged))),
        values={name: [rounded(float(value)) for value in values[name]]
                for name, metric in METRICS.items() if metric.kept and name in values})
    result.save(trial.path(results))
    return result


def run_real(folder: Path, work: Path = Path("runs"), results: Path = RESULTS, progress: bool = True) -> list[Path]:
    """Do what is left of the experiment, one run after another, and return its results files.

    Args:
        folder: Folder of real data: `kitti_raw` (KITTI's layout, drive 0001 of 2011_09_26 in both color cameras) with
            `kitti_depth_annotated` and `pseudo_labels/drive_0001_image_02`; and `camvid_clip` with `images` and
            `labels`. Either may be absent.
        work: Folder of run folders.
        results: Folder of results.
        progress: Whether to print what is done.

    Raises:
        InputError: If the folder holds neither clip.
    """
    clips = [open_clip(folder) for place, open_clip in CLIPS.values() if (folder / place).is_dir()]
    if not clips:
        places = sorted({place for place, _ in CLIPS.values()})
        raise InputError(f"{folder} holds neither {' nor '.join(places)}; docs/results.md tells how the experiment's "
                         "folder is laid out.")
    todo = [(trial, clip) for clip in clips for trial in clip.trials if not is_done(trial, results)]
    todo.sort(key=lambda pair: pair[0].settings.seed if pair[0].settings else -1)  # one seed of everything comes first
    for number, (trial, clip) in enumerate(todo, 1):
        result = execute_real(trial, clip, work, results)
        if progress:
            seconds = result.cost["cpu_seconds"] if result.cost else 0
            print(f"{number} of {len(todo)}, {trial.file}: {seconds:.0f} s of one core", file=sys.stderr, flush=True)
    return [trial.path(results) for clip in clips for trial in clip.trials]
