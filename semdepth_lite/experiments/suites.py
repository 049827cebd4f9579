"""Experiments: resumable lists of trial runs, each of which leaves one small JSON file of results.

Two one-thread processes side by side beat one process with two threads at these sizes, so that is how they run.
"""
from __future__ import annotations

from collections.abc import Callable

from ..common.contracts import InputError
from ..common.storage import read_json
from ..presets import recipe
from .equal_time import baseline_steps, equal_time_steps
from .results import RESULTS
from .trial import TRIVIAL, Trial

# the methods as a whole, which get five seeds, and a comparison at equal time beside the one at equal steps
METHODS = {"baseline": "baseline, learned pose", "seedepth": "SEEDepth: attention and SEEM",
           "semdepth": "SemDepth: SSFA and ranking loss",
           "combined": "combined: frozen segmenter, SSFA, SEEM, ranking loss"}


def repeat(file: str, name: str, preset: str, seeds: int = 3, split: str = "test", **changes) -> list[Trial]:
    """Repeat the preset's training, with some changes, for several seeds."""
    return [Trial(f"{file}-{seed}", name, recipe(preset, seed=seed, **changes), preset, split)
            for seed in range(seeds)]


def learned(preset: str, seeds: int = 3) -> list[Trial]:
    """The row that every other is compared with; experiments share its files.

    Seeds beyond the third are the experiment `variants`'s, so that other tables keep theirs.
    """
    more = repeat("variants-0-learned", METHODS["baseline"], preset, seeds)[3:]
    return [*repeat("baseline-1-learned", METHODS["baseline"], preset, min(seeds, 3)), *more]


def baseline_experiment(preset: str = "lesson") -> list[Trial]:
    """The self-supervised baseline with three seeds, beside trivial predictors and runs that are told the truth."""
    trivial = [Trial(f"baseline-0-{name.replace(' ', '-')}", f"{name} of the training depth", None, preset)
               for name in TRIVIAL]
    return [*trivial, *learned(preset),
            *repeat("baseline-2-given", "baseline, true pose", preset, 1, pose="given"),
            *repeat("baseline-3-supervised", "supervised by true depth", preset, 1, supervision="depth")]


def semantics_experiment(preset: str = "lesson") -> list[Trial]:
    """The ways in which semantic features can help, at equal steps; form A of attention for one seed only."""
    return [
        *learned(preset),
        *repeat("semantics-1-multitask", "multitask", preset, variant="multitask"),
        *repeat("semantics-2-attention", "attention, form B", preset, variant="attention"),
        *repeat("semantics-3-attention-a", "attention, form A", preset, 1, variant="attention",
                changes={"fusion.form": "A"}),
        *repeat("semantics-4-ssfa", "SSFA, own prediction", preset, variant="ssfa"),
        *repeat("semantics-5-segmenter", "SSFA, frozen segmenter", preset, variant="ssfa_segmenter"),
        *repeat("semantics-6-labels", "SSFA, exact labels at test", preset, variant="ssfa_labels")]


def variants_experiment(preset: str = "lesson") -> list[Trial]:
    """The nine named variants at equal steps; those without border refinement are the experiment `semantics`'s."""
    shared = ("semantics-1", "semantics-2", "semantics-4")
    return [
        *learned(preset, 5),
        *(trial for trial in semantics_experiment(preset) if trial.file.startswith(shared)),
        *repeat("variants-1-seem", "SEEM", preset, variant="seem"),
        *repeat("variants-2-ranking", "ranking loss", preset, variant="ranking"),
        *(trial for number, variant in enumerate(("seedepth", "semdepth", "combined"), start=3)
          for trial in repeat(f"variants-{number}-{variant}", METHODS[variant], preset, 5, variant=variant))]


def time_experiment(preset: str = "lesson") -> list[Trial]:
    """The methods as a whole in the baseline's processor time, and the baseline in SemDepth's.

    A segmenter's training counts; `budget.py` gave the steps.
    """
    short = {variant: name.split(":")[0] for variant, name in METHODS.items() if variant != "baseline"}
    return [*learned(preset, 5),
            *repeat("time-0-baseline", "baseline, in SemDepth's time", preset, 3,
                    steps=baseline_steps("semdepth", recipe(preset).steps)),
            *(trial for number, (variant, name) in enumerate(short.items(), start=1)
              for trial in repeat(f"time-{number}-{variant}", f"{name}, in the baseline's time", preset, 5,
                                   variant=variant, steps=equal_time_steps(variant)))]


# what was tried for the ranking loss, in SemDepth: variable, cap and weight; then one setting at a time
RANKING_TRIALS = {
    "off": {"ranking": False},
    **{f"{variable}, cap {cap:g}, weight {weight:g}":
       {"ranking.variable": variable, "ranking.cap": cap, "ranking.weight": weight}
       for variable, cap, weight in (
           ("log", 0.2, 0.01), ("log", 0.2, 0.05), ("log", 0.2, 0.2), ("log", 0.4, 0.02), ("log", 0.6, 0.02),
           ("log", 1.0, 0.05), ("disp", 0.2, 0.02), ("disp", 0.2, 0.05), ("disp", 0.3, 0.02), ("disp", 0.5, 0.01),
           ("disp", 0.5, 0.02))},
    **{f"log, cap 0.2, weight 0.05, {words}": {
        "ranking.variable": "log", "ranking.cap": 0.2, "ranking.weight": 0.05, f"ranking.{setting}": value}
       for words, setting, value in (("without certainty", "certainty", "none"), ("against all", "against", "rest"),
                                     ("papers' foreground", "things", "foreground"))}}


def search_experiment(preset: str = "lesson") -> list[Trial]:
    """What was tried before border refinement was set: one seed each, judged on validation scenes only."""
    long = {"as now": 1.0, "for 60 %": 0.6}
    return [
        *(trial for number, (words, changes) in enumerate(RANKING_TRIALS.items())
          for trial in repeat(f"search-ranking-{number:02d}", f"ranking loss: {words}", preset, 1, "validation",
                               variant="semdepth", changes=changes)),
        *(trial for points in (683, 2048, 6827)
          for trial in repeat(f"search-seem-{points:04d}", f"SEEM: {round(points * 0.3)} points", preset, 1,
                               "validation", variant="seem", changes={"seem.points": points})),
        *(trial for words, share in long.items()
          for trial in repeat(f"search-margin-{round(100 * share):03d}", f"baseline, 1600 steps, margin {words}",
                               preset, 1, "validation", steps=1600, margin_until=share))]


def noise_experiment(preset: str = "lesson") -> list[Trial]:
    """Border refinement taught by corrupted labels, with the ranking loss's two safeguards and without them.

    Without noise, the ranking loss as it is and SEEM are the experiment `variants`'s.
    """
    methods = {"ranking loss": ("ranking", {}), "ranking loss, not robust": ("ranking", {"ranking.robust": False}),
               "ranking loss, no certainty": ("ranking", {"ranking.certainty": "none"}), "SEEM": ("seem", {})}
    return [trial for strength in (0.0, 0.5, 1.0) for number, (name, (variant, changes)) in enumerate(methods.items())
            if strength or changes
            for trial in repeat(f"noise-{number}-{round(100 * strength):03d}", f"{name}, noise {strength:g}", preset,
                                 variant=variant, changes=changes, label_noise=strength)]


def speed_experiment(preset: str = "lesson") -> list[Trial]:
    """What 1, 2, 5 and 10 minutes of one core buy, by the fast step and by the readable one.

    Both compute the same, so the readable step's row is trained by the fast one, for as many steps as the readable one
    takes in that time; the times of both are those of the committed benchmark. The automask keeps its margin for as
    long as in the lessons and no longer; one row shows what it does if it stays, see `TrainSettings.margin_until`.
    """
    seconds = read_json(RESULTS / "benchmark-lite-64x192-aligned.json")["seconds"]

    lesson = recipe(preset).steps
    rows = []
    for minutes in (1, 2, 5, 10):
        for kind, step in (("fast", "step"), ("readable", "readable_step")):
            steps = round(60 * minutes / seconds[step])
            rows += repeat(f"speed-{minutes:02d}-{kind}", f"{minutes} min, {kind} step", preset, 1, steps=steps,
                           margin_until=min(1.0, lesson / steps))
    return [*rows, *repeat("speed-05-fast-margin", "5 min, fast step, margin to the end", preset, 1,
                           steps=round(60 * 5 / seconds["step"]))]


def precision_experiment(preset: str = "lesson") -> list[Trial]:
    """What bfloat16 in the networks costs in accuracy: the lite recipe, and ResNet-18 with Monodepth2's loss.

    ResNet-18 starts from random weights and sees 2000 triplets, which is little; both precisions see the same ones.
    """
    resnet = {"encoder": "resnet18", "loss": "monodepth2", "batch": 4, "steps": 500, "learning_rate": 3e-4}
    return [*learned(preset),
            *repeat("precision-1-lite", "baseline, bf16", preset, precision="bf16"),
            *repeat("precision-2-resnet", "ResNet-18", preset, **resnet),
            *repeat("precision-3-resnet", "ResNet-18, bf16", preset, precision="bf16", **resnet)]


EXPERIMENTS: dict[str, Callable[[str], list[Trial]]] = {
    "baseline": baseline_experiment, "semantics": semantics_experiment, "variants": variants_experiment,
    "time": time_experiment, "noise": noise_experiment, "search": search_experiment,
    "speed": speed_experiment, "precision": precision_experiment}


def find_experiment(name: str, preset: str = "lesson") -> list[Trial]:
    """Return the runs of a named experiment.

    Raises:
        InputError: if there is none of that name.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name!r} is unknown; use one of {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name](preset)
