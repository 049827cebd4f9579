"""Experiments: resumable lists of trial runs, each of which leaves one small JSON file of results.

Each row of a table has a group, which tables name, and an order, its place among the rows of all groups.
"""
from __future__ import annotations

from collections.abc import Callable

from ..common.contracts import InputError
from ..common.storage import read_json
from ..presets import recipe
from ..variants import VARIANTS
from .equal_time import EQUAL_TIME, baseline_steps, equal_time_steps
from .results import RESULTS
from .trial import TRIVIAL, Trial

# the methods as a whole, which get five seeds, and a comparison at equal time beside the one at equal steps
METHODS = {"baseline": "baseline, learned pose", "seedepth": "SEEDepth: attention and SEEM",
           "semdepth": "SemDepth: SSFA and ranking loss",
           "combined": "combined: SSFA, SEEM and ranking loss, masks given",
           "semdepth_segmenter": "SemDepth with a segmenter: SSFA and ranking loss, masks given"}


def repeat(group: str, order: int, file: str, name: str, preset: str, seeds: int = 3, split: str = "test",
           **changes) -> list[Trial]:
    """Repeat the preset's training, with some changes, for several seeds; they are one row of the tables."""
    return [Trial(f"{file}-{seed}", name, recipe(preset, seed=seed, **changes), preset, split, group, order)
            for seed in range(seeds)]


def learned(preset: str, seeds: int = 3) -> list[Trial]:
    """List the runs of the row that every other is compared with; experiments share its files.

    Seeds beyond the third belong to the group `baseline-more`, so that tables of three seeds keep theirs.
    """
    more = repeat("baseline-more", 10, "variants-0-learned", METHODS["baseline"], preset, seeds)[3:]
    return [*repeat("baseline", 10, "baseline-1-learned", METHODS["baseline"], preset, min(seeds, 3)), *more]


def baseline_experiment(preset: str = "lesson") -> list[Trial]:
    """Set the self-supervised baseline beside trivial predictors and runs that are given the truth."""
    trivial = [Trial(f"baseline-0-{name.replace(' ', '-')}", f"{name} of the training depth", None, preset,
                     group="trivial", order=order) for order, name in enumerate(TRIVIAL)]
    return [*trivial, *learned(preset),
            *repeat("truth", 11, "baseline-2-given", "baseline, true pose", preset, 1, pose="given"),
            *repeat("truth", 12, "baseline-3-supervised", "supervised by true depth", preset, 1, supervision="depth")]


def feature_trials(preset: str) -> list[Trial]:
    """List the runs of the named variants that help depth by semantic features alone."""
    return [*repeat("features", 20, "semantics-1-multitask", "multitask", preset, variant="multitask"),
            *repeat("features", 21, "semantics-2-attention", "attention, form B", preset, variant="attention"),
            *repeat("features", 23, "semantics-4-ssfa", "SSFA, own prediction", preset, variant="ssfa")]


def semantics_experiment(preset: str = "lesson") -> list[Trial]:
    """Compare the ways in which semantic features can help, at equal steps; form A of attention for one seed only."""
    return [
        *learned(preset), *feature_trials(preset),
        *repeat("features-other", 22, "semantics-3-attention-a", "attention, form A", preset, 1, variant="attention",
                changes={"fusion.form": "A"}),
        *repeat("features-other", 24, "semantics-5-segmenter", "SSFA, masks given", preset,
                variant="ssfa_segmenter"),
        *repeat("features-other", 25, "semantics-6-labels", "SSFA, exact labels at test", preset,
                variant="ssfa_labels")]


def variants_experiment(preset: str = "lesson") -> list[Trial]:
    """Compare the named variants at equal steps."""
    methods = [variant for variant in METHODS if variant != "baseline"]
    return [
        *learned(preset, 5), *feature_trials(preset),
        *repeat("refinement", 30, "variants-1-seem", "SEEM", preset, variant="seem"),
        *repeat("refinement", 31, "variants-2-ranking", "ranking loss", preset, variant="ranking"),
        *(trial for number, variant in enumerate(methods) for trial in
          repeat("given" if VARIANTS[variant].segmenter else "methods", 32 + number,
                 f"variants-{3 + number}-{variant}", METHODS[variant], preset, 5, variant=variant))]


# a segmenter that sees no more than depth does, made in the run, its encoder shared; and the ranking loss as before
SMALL_MASKS = {"masks.origin": "made", "masks.scale": 1, "masks.share_encoder": True}
SMALL = {**SMALL_MASKS, "ranking.signed": False, "ranking.start": 0.7}
# a segmenter like the one of the package, but trained in the run: everything included
MADE = {"changes": {"masks.origin": "made"}, "segmenter_steps": 1500}


def time_experiment(preset: str = "lesson") -> list[Trial]:
    """Compare the methods as a whole in the baseline's processor time, and with the baseline in SemDepth's.

    Masks that are given cost only their making; of masks that are made, the segmenter's training counts. The steps are
    those that `tools.equal_time` found; a variant that it has not timed is left out.
    """
    numbers = {"seedepth": 1, "semdepth": 2, "combined": 4, "semdepth_segmenter": 5}
    timed = read_json(EQUAL_TIME)["variants"]
    lesson = recipe(preset).steps
    included = baseline_steps("semdepth_made", lesson)  # margin: as in `speed_experiment`
    return [*learned(preset, 5),
            *repeat("time-baseline", 13, "time-0-baseline", "baseline, in SemDepth's time", preset, 3,
                    steps=baseline_steps("semdepth", lesson)),
            *repeat("time-included", 14, "time-6-included", "baseline, in the time with a segmenter's training", preset,
                    3, steps=included, margin_until=lesson / included),
            *repeat("time", 43, "time-3-small", "combined, small masks made, in the baseline's time", preset, 5,
                    variant="combined", changes=SMALL, steps=equal_time_steps("combined_small")),
            *(trial for variant, number in numbers.items() if variant in timed for trial in
              repeat("time", 40 + number, f"time-{number}-{variant}",
                     f"{METHODS[variant].split(':')[0]}, in the baseline's time", preset, 5, variant=variant,
                     steps=equal_time_steps(variant)))]


def masks_experiment(preset: str = "lesson") -> list[Trial]:
    """Measure what masks of different quality are worth at equal steps.

    Small masks are of depth's own pixels, the others of twice as many. The time of masks that are made in the run
    counts. Given masks are the rows of `semantics` and `variants`, and so are exact labels without the ranking loss.
    """
    shared = [trial for trial in (*semantics_experiment(preset), *variants_experiment(preset))
              if trial.file.startswith(("semantics-5", "semantics-6", "variants-5", "variants-6"))]
    return [*learned(preset, 5), *shared,
            *repeat("masks", 50, "masks-1-small-ssfa", "SSFA, small masks made", preset, variant="ssfa_segmenter",
                    changes=SMALL_MASKS),
            *repeat("masks", 51, "masks-1-small-combined", "combined, small masks made", preset, 5,
                    variant="combined", changes=SMALL),
            *repeat("masks", 52, "masks-2-made-ranking", "SSFA and ranking, masks made", preset,
                    variant="semdepth_segmenter", **MADE),
            *exact_trials(preset)]


def exact_trials(preset: str) -> list[Trial]:
    """List the runs of the row whose masks are exact labels, in training and at test."""
    return repeat("masks", 53, "masks-3-exact-ranking", "SSFA and ranking, exact labels", preset,
                  variant="ssfa_labels", changes=_SIGNED)


def scale_experiment(preset: str = "lesson") -> list[Trial]:
    """Ask whether the gain survives longer training, larger networks and more pixels, masks given."""
    methods = {"baseline": ("baseline", "baseline"), "semantic": ("SSFA and ranking", "semdepth_segmenter")}
    larger = {"1-steps-4000": (150, "4000 steps", {"steps": 4000, "margin_until": 1 / 4}),
              "2-width-32": (152, "width 32", {"width": 32}),
              "4-steps-12000": (156, "12,000 steps", {"steps": 12000, "margin_until": 1 / 12}),
              "5-resnet18": (158, "ResNet-18", {"encoder": "resnet18", "learning_rate": 1e-4})}
    return [*(trial for key, (order, words, changes) in larger.items()
              for number, (file, (name, variant)) in enumerate(methods.items()) for trial in
              repeat("scale", order + number, f"scale-{key}-{file}", f"{name}, {words}", preset, variant=variant,
                     **changes)),
            *showcase_experiment()]


def showcase_experiment(_: str = "") -> list[Trial]:
    """Train the networks of the pictures by the preset `showcase`, whichever was asked for.

    The segmenter sees there as many pixels as it learned from.
    """
    return [*repeat("scale", 154, "showcase-0-baseline", "baseline, 128x384", "showcase"),
            *repeat("scale", 155, "showcase-1-semantic", "SSFA and ranking, 128x384", "showcase",
                    variant="semdepth_segmenter", changes={"masks.scale": 1})]


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
    """Try settings of border refinement and of the automask's margin: one seed each, on validation scenes only."""
    margins = {"for 60 %": 0.6, "as now": 1.0}
    return [
        *(trial for number, (words, changes) in enumerate(RANKING_TRIALS.items()) for trial in
          repeat("search-ranking", 100 + number, f"search-ranking-{number:02d}", f"ranking loss: {words}", preset, 1,
                 "validation", variant="semdepth", changes=changes)),
        *(trial for number, points in enumerate((683, 2048, 6827)) for trial in
          repeat("search-seem", 120 + number, f"search-seem-{points:04d}", f"SEEM: {round(points * 0.3)} points",
                 preset, 1, "validation", variant="seem", changes={"seem.points": points})),
        *(trial for number, (words, share) in enumerate(margins.items()) for trial in
          repeat("search-margin", 130 + number, f"search-margin-{round(100 * share):03d}",
                 f"baseline, 1600 steps, margin {words}", preset, 1, "validation", steps=1600, margin_until=share))]


# what was tried to make borders thinner with masks from twice the pixels, beside SSFA: changes to `ssfa_segmenter`
_SIGNED = {"ranking": True, "ranking.signed": True, "ranking.start": 0.3}
BORDER_TRIALS = {
    "SSFA alone": {},
    "depth starts from the segmenter's encoder": {"masks.share_encoder": True},
    "ranking, blind from .7": {"ranking": True},
    "ranking, blind from .3": {"ranking": True, "ranking.start": 0.3},
    "ranking, signed from .3": _SIGNED,
    "ranking, signed from .1": {**_SIGNED, "ranking.start": 0.1},
    "ranking, signed from .3, weight .05": {**_SIGNED, "ranking.weight": 0.05}}


def borders_experiment(preset: str = "lesson") -> list[Trial]:
    """Try what makes borders thinner with good masks: one seed each, on validation scenes only."""
    return [*repeat("search-borders", 140, "search-borders-baseline", "baseline", preset, 1, "validation"),
            *(trial for number, (words, changes) in enumerate(BORDER_TRIALS.items()) for trial in
              repeat("search-borders", 141 + number, f"search-borders-{number:02d}", words, preset, 1, "validation",
                     variant="ssfa_segmenter", changes=changes))]


def noise_experiment(preset: str = "lesson") -> list[Trial]:
    """Measure what masks of known quality are worth: exact labels with errors, in training and at test alike.

    Without errors, it is the row of exact labels of `masks`; one seed shows the ranking loss without its safeguards.
    """
    bare = {"ranking.robust": False, "ranking.certainty": "none"}
    rows = [(strength, extra, safe) for strength in (0.25, 0.5, 1.0)
            for extra, safe in (({}, ""), (bare, ", no safeguards"))]
    return [*learned(preset, 5), *exact_trials(preset),
            *(trial for place, (strength, extra, safe) in enumerate(rows) for trial in
              repeat("noise", 60 + place, f"noise-{round(100 * strength):03d}{'-bare' if extra else ''}",
                     f"SSFA and ranking{safe}, labels with errors of strength {strength:g}", preset,
                     1 if extra else 3, variant="ssfa_labels", changes={**_SIGNED, **extra}, label_noise=strength))]


def speed_experiment(preset: str = "lesson") -> list[Trial]:
    """Measure what 1, 2, 5 and 10 minutes of one core buy, by the fast step and by the readable one.

    Both compute the same, so the readable step's row is trained by the fast one, for as many steps as the readable one
    takes in that time; the times of both are those of the committed benchmark. The automask keeps its margin for as
    long as in the lessons and no longer; one row shows what it does if it stays, see `TrainSettings.margin_until`.
    """
    seconds = read_json(RESULTS / "benchmark-lite-64x192-aligned.json")["seconds"]
    lesson = recipe(preset).steps
    trials = []
    for place, minutes in enumerate((1, 2, 5, 10)):
        for kind, step, offset in (("fast", "step", 0), ("readable", "readable_step", 2)):
            steps = round(60 * minutes / seconds[step])
            trials += repeat("speed", 80 + 3 * place + offset, f"speed-{minutes:02d}-{kind}",
                             f"{minutes} min, {kind} step", preset, 1, steps=steps,
                             margin_until=min(1.0, lesson / steps))
    return [*trials, *repeat("speed", 87, "speed-05-fast-margin", "5 min, fast step, margin to the end", preset, 1,
                             steps=round(60 * 5 / seconds["step"]))]


def precision_experiment(preset: str = "lesson") -> list[Trial]:
    """Measure what bfloat16 in the networks costs: the lite recipe, and ResNet-18 with Monodepth2's loss.

    ResNet-18 starts from random weights and sees 2000 triplets, which is little; both precisions see the same ones.
    """
    resnet = {"encoder": "resnet18", "loss": "monodepth2", "batch": 4, "steps": 500, "learning_rate": 3e-4}
    return [*learned(preset),
            *repeat("precision-lite", 95, "precision-1-lite", "baseline, bf16", preset, precision="bf16"),
            *repeat("precision-resnet", 96, "precision-2-resnet", "ResNet-18", preset, **resnet),
            *repeat("precision-resnet", 97, "precision-3-resnet", "ResNet-18, bf16", preset, precision="bf16",
                    **resnet)]


EXPERIMENTS: dict[str, Callable[[str], list[Trial]]] = {
    "baseline": baseline_experiment, "semantics": semantics_experiment, "variants": variants_experiment,
    "time": time_experiment, "masks": masks_experiment, "noise": noise_experiment, "scale": scale_experiment,
    "showcase": showcase_experiment, "search": search_experiment, "borders": borders_experiment,
    "speed": speed_experiment, "precision": precision_experiment}


def find_experiment(name: str, preset: str = "lesson") -> list[Trial]:
    """Return the runs of a named experiment.

    Raises:
        InputError: If there is none of that name.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name!r} is unknown; use one of {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name](preset)
