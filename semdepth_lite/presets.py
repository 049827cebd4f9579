"""Presets: the few numbers that decide how much is rendered and trained, and the sources they stand for."""
from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from .common.contracts import InputError
from .data.sources import StreetSource, street_fingerprint, street_source
from .street import StreetSettings
from .street.cache import SPLITS
from .training.settings import TrainSettings


@dataclass(frozen=True)
class Preset:
    """How much of everything.

    Attributes:
        height, width: Size of the images, pixels.
        scenes: Street scenes of each split, eight frames each.
        training: Settings of a run.
        fitted: Whether a clip decides: the size keeps its shape, and its length gives the steps, see `fit_steps`.
    """

    height: int = 64
    width: int = 192
    scenes: dict[str, int] = field(default_factory=lambda: {"train": 160, "validation": 24, "test": 40})
    training: TrainSettings = TrainSettings()
    fitted: bool = False


PRESETS: dict[str, Preset] = {
    # proves that everything runs: seconds a notebook, numbers that mean nothing
    "quick": Preset(scenes={"train": 4, "validation": 2, "test": 2},
                    training=TrainSettings(steps=20, batch=4, alignment=2, segmenter_steps=20)),
    # what a student runs: minutes on two processor cores
    "lesson": Preset(training=TrainSettings(steps=1000, batch=8, alignment=2)),
    # one stereo photograph in half a minute; its motion is known, and two views differ too much to need an automask
    "photo": Preset(height=256, width=384, scenes={}, training=TrainSettings(
        steps=400, batch=1, learning_rate=2e-3, pose="given", augmentation=False, loss="photo")),
    # a video of one's own; long trainings need the margin's end, and a clip that stands for a while needs its loss
    "clip": Preset(height=96, width=128, scenes={}, fitted=True, training=TrainSettings(
        loss="clip", batch=8, alignment=2, margin_until=0.5)),
    # what the pictures are drawn from: four times the lesson's pixels
    "showcase": Preset(height=128, width=384, training=TrainSettings(
        steps=2000, batch=4, alignment=2, margin_until=0.5)),
    # Monodepth2's own settings on KITTI: 39,810 triplets / 12 x 20 epochs [code: MD2]; meant for a GPU
    "paper": Preset(height=192, width=640, training=TrainSettings(
        encoder="resnet18", loss="monodepth2", steps=66350, batch=12, learning_rate=1e-4, schedule="step", clip=0.0)),
}


def find_preset(name: str) -> Preset:
    """Return the named preset.

    Raises:
        InputError: if there is none of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"preset {name!r} is unknown; use one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def street(split: str, preset: str | Preset = "quick", cache: Path | None = None, progress: bool = True
           ) -> StreetSource:
    """Open a split of the street at a preset's size, rendering it if that has not been done yet.

    Args:
        split: One of train, validation and test.
        preset: Preset, or its name.
        cache: Folder of rendered sets.
        progress: Whether to show a progress bar.
    """
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    if split not in SPLITS:
        raise InputError(f"split {split!r} is unknown; use one of {', '.join(SPLITS)}.")
    if split not in chosen.scenes:
        having = ", ".join(name for name, each in PRESETS.items() if split in each.scenes)
        raise InputError(f"this preset has no street scenes; use one of {having}.")
    return street_source(split, chosen.scenes[split], chosen.height, chosen.width, cache, progress=progress)


def data_fingerprint(split: str, preset: str) -> str:
    """Return the fingerprint of a preset's split of the street, which need not be rendered."""
    chosen = find_preset(preset)
    return street_fingerprint(StreetSettings(split=split, scenes=chosen.scenes[split], height=chosen.height,
                                             width=chosen.width))


def fit_steps(triplets: int, batch: int) -> int:
    """Return the steps that a clip is worth: forty times through it, but 500 at least and 3000 at most."""
    return min(3000, max(500, -(-40 * triplets // batch)))


def recipe(preset: str, **changes) -> TrainSettings:
    """Return a preset's training settings with some changes; None leaves a setting as it is.

    Raises:
        InputError: if there is no such preset or setting, or a value does not fit.
    """
    known = [each.name for each in fields(TrainSettings)]
    if unknown := sorted(set(changes) - set(known)):
        raise InputError(f"{unknown[0]!r} is no setting of a training; use one of {', '.join(known)}.")
    return replace(find_preset(preset).training, **{k: v for k, v in changes.items() if v is not None})
