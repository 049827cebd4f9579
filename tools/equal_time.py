"""Measure how many steps each variant can take in the time of the baseline's.

`python -m tools.equal_time` writes figures/results/equal_time.json; with names of `TIMED`, it times these beside the
baseline and leaves the others as they are.
"""
from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semdepth_lite.common.stopwatch import Stopwatch
from semdepth_lite.common.storage import read_json, write_json
from semdepth_lite.data.sources import Source
from semdepth_lite.experiments.equal_time import BASE, EQUAL_TIME
from semdepth_lite.experiments.suites import MADE, SMALL, SMALL_MASKS
from semdepth_lite.presets import PRESETS, find_preset, recipe, street
from semdepth_lite.training.batches import load_batch
from semdepth_lite.training.preparation import prepare
from semdepth_lite.training.run import Run
from semdepth_lite.variants import VARIANTS
from tools import chosen_names

# what is timed: changes to a preset's settings
TIMED: dict[str, dict] = {
    **{name: {"variant": name} for name in VARIANTS if name != "ssfa_labels"},
    "ssfa_segmenter_small": {"variant": "ssfa_segmenter", "changes": SMALL_MASKS},
    "combined_small": {"variant": "combined", "changes": SMALL},
    "semdepth_made": {"variant": "semdepth_segmenter", **MADE}}


@dataclass
class Timed:
    """A variant under the clock.

    Attributes:
        run: Training run on a small street, ready for steps.
        segmenter_step: Processor seconds of one step of its own segmenter; 0 without one.
        per_image: Processor seconds of segmenting one image; 0 without a segmenter.
        seconds: Processor seconds of each timed step, before and after the ranking loss begins.
    """

    run: Run
    segmenter_step: float
    per_image: float
    seconds: tuple[list[float], list[float]]

    def step(self) -> float:
        """Return the processor seconds of a step, averaged over a training."""
        variant = self.run.model.variant
        before = variant.ranking.start if variant.ranking else 1.0
        early, late = (statistics.median(some) for some in self.seconds)
        return before * early + (1 - before) * late

    def first(self, images: int) -> float:
        """Return the processor seconds before the first step: the segmenter's training and its maps of all images."""
        return self.segmenter_step * self.run.settings.segmenter_steps + self.per_image * images


def measure(names: Sequence[str], preset: str = "lesson", rounds: int = 15) -> dict:
    """Time variants in turn, and work out their steps in the time that the preset's training takes the baseline.

    Args:
        names: Keys of `TIMED`, the baseline among them.
        preset: Preset whose image size, batch and settings are used.
        rounds: Number of timed steps of each variant, before and after the ranking loss begins.

    Returns:
        minutes, preset, and by name: steps, seconds of a step, seconds before the first; the training of a segmenter
        that is made in the run counts.
    """
    chosen = find_preset(preset)
    source = street("train", replace(chosen, scenes=PRESETS["quick"].scenes), progress=False)
    images = len(street("train", chosen, progress=False))
    with tempfile.TemporaryDirectory() as folder:
        timed = {name: ready(source, preset, name, Path(folder) / name) for name in names}
        for index in range(rounds + 1):
            for one in timed.values():
                for part, progress in enumerate((0.0, 0.999)):
                    one.seconds[part].append(step_seconds(one.run, index, progress))
        for one in timed.values():
            for part in one.seconds:
                del part[0]  # the first step is slower
    whole = timed[BASE].step() * chosen.training.steps
    found = {}
    for name, one in timed.items():
        first, step = one.first(images), one.step()
        found[name] = {"steps": max(1, round((whole - first) / step)), "step_seconds": round(step, 4),
                       "first_seconds": round(first, 1)}
    return {"minutes": round(whole / 60, 2), "preset": preset, "variants": found}


def ready(source: Source, preset: str, name: str, folder: Path) -> Timed:
    """Build a variant, time its own segmenter if it has one, and make it ready for steps."""
    run = Run(source, recipe(preset, **TIMED[name]), folder)

    def batch_of(source: Source, step: int):
        return load_batch(source, run.settings, step, run.device)

    def prepared(steps: int) -> float:
        return seconds_of(lambda: prepare(run.model, source, batch_of, steps, None, progress=False))

    segmenter_step = per_image = 0.0
    segmenter, masks = run.model.segmenter, run.model.variant.segmenter
    if segmenter is not None and masks is not None:
        prepared(1)  # warms up
        segmenter_step = (prepared(21) - prepared(1)) / 20 if masks.origin == "made" else 0.0
        larger, pack = source.targets_at(segmenter.scale), segmenter.packed
        packed = [seconds_of(lambda: pack(batch_of(larger, 0).target)) for _ in range(5)]
        per_image = statistics.median(packed) / run.settings.batch
    run.source, run.prepared = prepare(run.model, source, batch_of, 1, folder, progress=False), True
    run.model.train()
    return Timed(run, segmenter_step, per_image, ([], []))


def seconds_of(function: Callable[[], object]) -> float:
    """Return the processor seconds of a call."""
    watch = Stopwatch()
    function()
    return watch.lap().cpu


def step_seconds(run: Run, index: int, progress: float) -> float:
    """Take one step, its batch included, as if `progress` of the training were done, and return its seconds."""
    run.step = int(progress * run.settings.steps)
    return seconds_of(lambda: run.train_step(load_batch(run.source, run.settings, index, run.device)))


def joined(found: dict, known: dict) -> dict:
    """Add what was found to what is known, its seconds as on the machine of what is known: the baselines' are equal."""
    speed = known["variants"][BASE]["step_seconds"] / found["variants"][BASE]["step_seconds"]
    rows = {name: {**row, "step_seconds": round(speed * row["step_seconds"], 4),
                   "first_seconds": round(speed * row["first_seconds"], 1)}
            for name, row in found["variants"].items() if name != BASE}
    return {**known, "variants": {**known["variants"], **rows}}


def main() -> None:
    """Time what is named, or everything, and keep the steps."""
    names = chosen_names(__doc__, TIMED)
    found = measure(list(dict.fromkeys((BASE, *(names or TIMED)))))
    write_json(EQUAL_TIME, joined(found, read_json(EQUAL_TIME)) if names else found)
    for name, row in found["variants"].items():
        print(f"{name:<20}{row['first_seconds']:7.1f} s and {1000 * row['step_seconds']:6.1f} ms a step: "
              f"{row['steps']} steps in {found['minutes']:g} minutes")


if __name__ == "__main__":
    main()
