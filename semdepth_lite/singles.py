"""A single run of an experiment: what it trains, how it is judged, and the one small JSON file it leaves."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from .evaluation import Predictor, Protocol, Report, constant_baseline, evaluate, pixel_median_baseline
from .model import Model
from .prediction import batches, label_predictor
from .presets import evaluate_model, street
from .semantics import evaluate_segmentation
from .sources import StreetSource
from .training import Run, TrainSettings, read_json, read_log, write_json

# the metrics whose value in every image is kept, for paired comparisons
KEPT = ("abs_rel", "rmse", "a1", "band_abs_rel", "inner_abs_rel", "near_abs_rel", "far_abs_rel", "thin_abs_rel",
        "moving_abs_rel", "fat", "shr", "edge_f",
        *(f"{name}_abs_rel" for name in ("road", "sidewalk", "building", "pole", "traffic_sign", "vegetation",
                                         "person", "car")))
TRIVIAL: dict[str, Callable[..., Predictor]] = {"constant": constant_baseline, "pixel median": pixel_median_baseline}


@dataclass(frozen=True)
class Single:
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


def is_done(single: Single, results: Path) -> bool:
    """Tell whether a results file of exactly these settings is there."""
    path = results / f"{single.file}.json"
    if not path.exists():
        return False
    known = read_json(path)
    about = known.get("preset"), known.get("split"), known.get("settings") is None
    if about != (single.preset, single.split, single.settings is None):
        return False
    # a setting that was added since had its default then
    return single.settings is None or asdict(single.settings) == {**asdict(TrainSettings()), **known["settings"]}


def execute(single: Single, work: Path, results: Path, progress: bool = True) -> dict:
    """Train and judge one run, and write its results.

    Args:
        single: the run.
        work: folder of run folders; an unfinished run there is continued.
        results: folder of results.
        progress: show a progress bar.
    """
    source = street("train", single.preset, progress=progress)
    judged = street(single.split, single.preset, progress=progress)
    content = {"name": single.name, "split": single.split, "preset": single.preset, "settings": None, "seed": None}
    if single.settings is None:
        report = judge_trivial(single, source, judged)
    else:
        run = Run(source, single.settings, work / single.file)
        validation = street("validation", single.preset, progress=progress)
        quick = Protocol(dense=False)  # a learning curve needs no edges, which take most of an evaluation's time
        model = run.train(progress, watch=lambda m: brief(evaluate_model(m, validation, quick)),
                          watch_every=max(1, single.settings.steps // 5))
        report = evaluate_model(model, judged)
        content |= {"settings": asdict(single.settings), "seed": single.settings.seed, "cost": run.cost(),
                    "curve": [row for row in read_log(run.folder / "log.jsonl") if "watch" in row]}
        content["segmentation"] = segmentation_scores(model, judged)
    content["metrics"] = {name: rounded(value) for name, value in report.summary().items()}
    content["scenes"] = [judged.scene_of(i) for i in range(len(judged))]
    content["values"] = {name: [rounded(float(v)) for v in report.values[name]] for name in KEPT}
    write_json(results / f"{single.file}.json", content, indent=None)
    return content


def segmentation_scores(model: Model, judged: StreetSource) -> dict[str, float] | None:
    """Judge the classes that a model predicts on its way to depth; None if it predicts none."""
    predict = label_predictor(model)
    classes = model.variant.classes if model.semantic is not None else "all"
    if predict is None:
        return None
    return {name: rounded(value) for name, value in evaluate_segmentation(predict, batches(judged), classes).items()}


def judge_trivial(single: Single, source: StreetSource, judged: StreetSource) -> Report:
    """Fit a predictor that needs no training, and judge it."""
    fit = next(fit for name, fit in TRIVIAL.items() if single.name.startswith(name))
    depths = [torch.from_numpy(np.array(source.street.depth))[:, None]]  # a copy: torch wants arrays it may write to
    return evaluate(fit(depths), batches(judged))


def brief(report: Report) -> dict[str, float | None]:
    """Return the few numbers of a learning curve."""
    return {name: rounded(report.means[name]) for name in ("abs_rel", "rmse", "a1", "band_abs_rel", "thin_abs_rel")}


def rounded(value: float) -> float | None:
    """Round to five digits; what is not a number becomes null."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
