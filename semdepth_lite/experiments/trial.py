"""A trial run of an experiment: what it trains, how it is judged, and the one small JSON file it leaves."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..common.storage import read_json, read_log, write_json
from ..data.sources import StreetSource, batches
from ..evaluation.baselines import constant_baseline, pixel_median_baseline
from ..evaluation.prediction import evaluate_model, label_predictor
from ..evaluation.protocol import Protocol
from ..evaluation.report import Predictor, Report, evaluate
from ..evaluation.segmentation import evaluate_segmentation
from ..model import Model
from ..presets import street
from ..training.run import Run
from ..training.settings import TrainSettings

# the metrics whose value in every image is kept, for paired comparisons
KEPT = ("abs_rel", "rmse", "a1", "band_abs_rel", "inner_abs_rel", "near_abs_rel", "far_abs_rel", "thin_abs_rel",
        "moving_abs_rel", "fat", "shr", "edge_f",
        *(f"{name}_abs_rel" for name in ("road", "sidewalk", "building", "pole", "traffic_sign", "vegetation",
                                         "person", "car")))
TRIVIAL: dict[str, Callable[..., Predictor]] = {"constant": constant_baseline, "pixel median": pixel_median_baseline}


@dataclass(frozen=True)
class Trial:
    """One run of an experiment.

    Attributes:
        file: name of its results file, without .json.
        name: its row in the tables.
        settings: what to train; None for a predictor that needs no training.
        preset: whose data it uses.
        split: where it is judged.
    """

    file: str
    name: str
    settings: TrainSettings | None
    preset: str = "lesson"
    split: str = "test"


def is_done(trial: Trial, results: Path) -> bool:
    """Tell whether a results file of exactly these settings is there."""
    path = results / f"{trial.file}.json"
    if not path.exists():
        return False
    known = read_json(path)
    about = known.get("preset"), known.get("split"), known.get("settings") is None
    if about != (trial.preset, trial.split, trial.settings is None):
        return False
    # a setting that was added since had its default then
    return trial.settings is None or asdict(trial.settings) == {**asdict(TrainSettings()), **known["settings"]}


def execute(trial: Trial, work: Path, results: Path, progress: bool = True) -> dict:
    """Train and judge one run, and write its results.

    Args:
        trial: the run.
        work: folder of run folders; an unfinished run there is continued.
        results: folder of results.
        progress: show a progress bar.
    """
    source = street("train", trial.preset, progress=progress)
    judged = street(trial.split, trial.preset, progress=progress)
    content = {"name": trial.name, "split": trial.split, "preset": trial.preset, "settings": None, "seed": None}
    if trial.settings is None:
        report = judge_trivial(trial, source, judged)
    else:
        run = Run(source, trial.settings, work / trial.file)
        validation = street("validation", trial.preset, progress=progress)
        quick = Protocol(dense=False)  # a learning curve needs no edges, which take most of an evaluation's time
        model = run.train(progress, watch=lambda m: brief(evaluate_model(m, validation, quick)),
                          watch_every=max(1, trial.settings.steps // 5))
        report = evaluate_model(model, judged)
        content |= {"settings": asdict(trial.settings), "seed": trial.settings.seed, "cost": run.cost(),
                    "curve": [row for row in read_log(run.folder / "log.jsonl") if "watch" in row]}
        content["segmentation"] = segmentation_scores(model, judged)
    content["metrics"] = {name: rounded(value) for name, value in report.summary().items()}
    content["scenes"] = [judged.scene_of(i) for i in range(len(judged))]
    content["values"] = {name: [rounded(float(v)) for v in report.values[name]] for name in KEPT}
    write_json(results / f"{trial.file}.json", content, indent=None)
    return content


def segmentation_scores(model: Model, judged: StreetSource) -> dict[str, float] | None:
    """Judge the classes that a model predicts on its way to depth; None if it predicts none."""
    predict = label_predictor(model)
    branch = model.variant.branch
    classes = branch.classes if branch is not None else "all"
    if predict is None:
        return None
    return {name: rounded(value) for name, value in evaluate_segmentation(predict, batches(judged), classes).items()}


def judge_trivial(trial: Trial, source: StreetSource, judged: StreetSource) -> Report:
    """Fit a predictor that needs no training, and judge it."""
    fit = next(fit for name, fit in TRIVIAL.items() if trial.name.startswith(name))
    depths = [torch.from_numpy(np.array(source.street.depth))[:, None]]  # a copy: torch wants arrays it may write to
    return evaluate(fit(depths), batches(judged))


def brief(report: Report) -> dict[str, float | None]:
    """Return the few numbers of a learning curve."""
    return {name: rounded(report.means[name]) for name in ("abs_rel", "rmse", "a1", "band_abs_rel", "thin_abs_rel")}


def rounded(value: float) -> float | None:
    """Round to five digits; what is not a number becomes null."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
