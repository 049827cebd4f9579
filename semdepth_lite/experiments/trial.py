"""A trial run of an experiment: what it trains, how it is judged, and the one small JSON file it leaves."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..common.storage import read_log
from ..data.sources import SegmentedSource, Source, StreetSource, batches
from ..data.triplet import Triplet
from ..evaluation.baselines import constant_baseline, pixel_median_baseline
from ..evaluation.prediction import evaluate_model, label_predictor
from ..evaluation.protocol import Protocol
from ..evaluation.report import Predictor, Report, evaluate
from ..evaluation.segmentation import evaluate_segmentation
from ..labels import pack_labels
from ..metrics.registry import METRICS
from ..model import Model
from ..presets import data_fingerprint, street
from ..training.preparation import with_noise
from ..training.run import Run
from ..training.segmenter import with_masks
from ..training.settings import TrainSettings
from ..variants import FromLabels
from .results import Result

TRIVIAL: dict[str, Callable[..., Predictor]] = {"constant": constant_baseline, "pixel median": pixel_median_baseline}


@dataclass(frozen=True)
class Trial:
    """One run of an experiment.

    Attributes:
        file: Name of its run folder and of its results file, without .json.
        name: Row of the tables; trials of one name are its seeds.
        settings: Settings of the training; None for a predictor that needs no training.
        preset: Preset whose data it uses.
        split: Split on which it is judged.
        group: Group of rows; tables name the groups they show.
        order: Place of the row among the rows of all groups.
    """

    file: str
    name: str
    settings: TrainSettings | None
    preset: str = "lesson"
    split: str = "test"
    group: str = ""
    order: int = 0

    def path(self, results: Path) -> Path:
        """Return where its results file lies in a folder of results."""
        return results / f"{self.file}.json"


def made_of(trial: Trial) -> dict[str, str]:
    """Return the fingerprints of the data that a trial is trained and judged on."""
    return {split: data_fingerprint(split, trial.preset) for split in ("train", trial.split)}


def is_done(trial: Trial, results: Path) -> bool:
    """Tell whether a results file of exactly these settings, made of this data, is there."""
    path = trial.path(results)
    if not path.exists():
        return False
    result = Result.load(path)
    if (result.preset, result.split, result.settings is None) != (trial.preset, trial.split, trial.settings is None):
        return False
    if result.made_of and result.made_of != made_of(trial):
        return False
    # a setting that was added since had its default then
    return trial.settings is None or asdict(trial.settings) == {**asdict(TrainSettings()), **(result.settings or {})}


def execute(trial: Trial, work: Path, results: Path, progress: bool = True) -> Result:
    """Train and judge one run, and write its results.

    Args:
        trial: Run to execute.
        work: Folder of run folders; an unfinished run there is continued.
        results: Folder of results.
        progress: Whether to show a progress bar.
    """
    source = street("train", trial.preset, progress=progress)
    judged = street(trial.split, trial.preset, progress=progress)
    scenes = [judged.scene_of(i) for i in range(len(judged))]
    trained = {}
    if trial.settings is None:
        report = judge_trivial(trial, source, judged)
    else:
        run = Run(source, trial.settings, work / trial.file)
        validation = with_masks(street("validation", trial.preset, progress=progress), run.model, keep=True)
        quick = Protocol(dense=False)  # a learning curve needs no edges, which take most of an evaluation's time
        model = run.train(progress, watch=lambda m: brief(evaluate_model(m, validation, quick)),
                          watch_every=max(1, trial.settings.steps // 5))
        if isinstance(model.variant.masks, FromLabels):
            judged = with_errors(judged, trial.settings.label_noise, trial.settings.seed)
        report = evaluate_model(model, judged)
        trained = {"settings": asdict(trial.settings), "seed": trial.settings.seed, "cost": run.cost(),
                   "curve": [row for row in read_log(run.folder / "log.jsonl") if "watch" in row],
                   "segmentation": segmentation_scores(model, judged)}
    result = Result(
        trial.name, {name: rounded(value) for name, value in report.summary().items()}, trial.group, trial.order,
        trial.split, trial.preset, **trained, scenes=scenes,
        values={name: [rounded(float(value)) for value in report.values[name]]
                for name, metric in METRICS.items() if metric.kept and name in report.values}, made_of=made_of(trial))
    result.save(trial.path(results))
    return result


def with_errors(judged: StreetSource, strength: float, seed: int) -> Source:
    """Add to triplets the masks that a model trained on labels with errors is given, which err in the same manner.

    Depth is still judged by the exact labels. Without errors the source stays as it is.
    """
    noisy = with_noise(judged, strength, seed)
    if noisy is judged:
        return judged
    return SegmentedSource(judged, lambda indices: pack_labels(noisy.triplet(indices).require("labels")))


def segmentation_scores(model: Model, judged: Source) -> dict[str, float | None] | None:
    """Judge the classes that a model predicts on its way to depth, or is given with errors; None without either."""
    predict = label_predictor(model)
    if predict is None and isinstance(judged, SegmentedSource):
        predict = _given_labels
    branch = model.variant.branch
    classes = branch.classes if branch is not None else "all"
    if predict is None:
        return None
    found = evaluate_segmentation(predict, batches(with_masks(judged, model)), classes)
    return {name: rounded(value) for name, value in found.items()}


def _given_labels(batch: Triplet) -> torch.Tensor:
    """Return the class ids (B, H, W) of the masks that came with a batch."""
    return batch.require("semantics")[:, 0]


def judge_trivial(trial: Trial, source: StreetSource, judged: StreetSource) -> Report:
    """Fit a predictor that needs no training, and judge it."""
    fit = next(fit for name, fit in TRIVIAL.items() if trial.name.startswith(name))
    depths = [torch.from_numpy(np.array(source.street.depth))[:, None]]  # a copy: torch wants arrays it may write to
    return evaluate(fit(depths), batches(judged))


def brief(report: Report) -> dict[str, float | None]:
    """Return the numbers of a learning curve: AbsRel, RMSE, a1, and AbsRel at label borders and on thin things."""
    return {name: rounded(report.means[name]) for name in ("abs_rel", "rmse", "a1", "band_abs_rel", "thin_abs_rel")}


def rounded(value: float) -> float | None:
    """Round to five digits; what is not a number becomes null."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
