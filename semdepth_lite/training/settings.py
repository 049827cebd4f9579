"""What decides a training run: its settings, the loss of a step, and the learning rate of a step."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..common.contracts import InputError, check_choices, check_types
from ..common.registry import find_part
from ..common.runtime import kept_randomness, seed_everything
from ..losses import LOSSES, LossSettings
from ..model import Model
from ..networks import NetworkSettings
from ..semantics import GIVEN
from ..variants import Value, Variant, find_variant, spell_changes


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides what a run computes.

    Attributes:
        variant: Name of the method, a key of `VARIANTS`.
        changes: What differs from the named variant, such as {"ranking.cap": 0.4}; see `find_variant`.
        segmenter: Place of the weights of a segmenter that is given, see `weights.given_segmenter`; empty takes the
            package's own.
        segmenter_steps: Optimizer steps of a segmenter that is made, see `FromSegmenter`.
        label_noise: Strength in [0, 1] of the errors put into the training labels.
        encoder, width: Encoder and width of the networks, see `NetworkSettings`.
        loss: Name of the photometric loss, a key of `LOSSES`, or of a registered loss of one's own.
        pose: Source of the motion: learned, or given by the data.
        supervision: Either video, or depth (the truth, as an upper bound).
        margin_until: Share of the steps in which the automask has its margin. Without it far depth falls back at once;
            with it, cars that keep pace, which stand still in the image as far things do, slowly become holes, so
            trainings much longer than the lessons' should end it early.
        alignment: Gauss-Newton steps that improve the learned motion, see `alignment.py`; Monodepth2 has none.
        steps: Number of optimizer steps.
        batch: Number of triplets in a step, over all processes together.
        learning_rate: Adam's, at its highest.
        schedule: Either cosine (3 % warm-up) or step (times 0.1 after three quarters, as Monodepth2's 15 of 20 epochs).
        clip: Largest norm of the gradient, 0 = unlimited.
        augmentation: Whether flips and color jitter are on.
        seed: Seed of weights, order and augmentation.
        precision: Either fp32, or bf16 for automatic mixed precision in the networks.
        fused: Whether the loss is the fast one of `fused.py`; False trains with `losses.self_supervised_loss`, so that
            whoever changes a function of `losses.py` sees the training change.
        freeze: Parts of the model that are not trained, such as encoder.
    """

    variant: str = "baseline"
    changes: Mapping[str, Value] = field(default_factory=dict)
    segmenter: str = ""
    segmenter_steps: int = 600
    label_noise: float = 0.0
    encoder: str = "lite"
    width: int = 16
    loss: str = "lesson"
    pose: str = "learned"
    supervision: str = "video"
    margin_until: float = 1.0
    alignment: int = 0
    steps: int = 1000
    batch: int = 8
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    clip: float = 5.0
    augmentation: bool = True
    seed: int = 0
    precision: str = "fp32"
    fused: bool = True
    freeze: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._check_types()
        object.__setattr__(self, "changes", spell_changes(self.method, self.changes))
        object.__setattr__(self, "freeze", list(self.freeze))
        masks, networks = self.method.segmenter, NetworkSettings(self.encoder, self.width)
        if masks is not None and masks.share_encoder and masks.origin == "given" and networks != GIVEN:
            raise InputError(f"depth starts from the encoder of a given segmenter, which is {GIVEN.encoder} of width "
                             f"{GIVEN.width}, not {self.encoder} of width {self.width}; use those, or "
                             "masks.origin=made.")
        if self.segmenter and (masks is None or masks.origin != "given"):
            raise InputError(f"variant {self.variant} is given no segmenter, so the weights in {self.segmenter} have "
                             "no use; take a variant whose masks are, such as semdepth_segmenter.")
        if not 0 <= self.label_noise <= 1:
            raise InputError(f"label_noise {self.label_noise} is outside [0, 1]; use 0 for the labels as they are.")
        if self.loss not in LOSSES and not find_part("loss", self.loss):
            raise InputError(f"loss {self.loss!r} is unknown; use one of {', '.join(LOSSES)}, or one of your own after "
                             "`register`.")
        check_choices(self, {
            "pose": ("learned", "given"), "supervision": ("video", "depth"),
            "schedule": ("cosine", "step"), "precision": ("fp32", "bf16")})
        for name in ("steps", "batch", "learning_rate", "segmenter_steps"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}, expected a positive number.")
        if not 0 <= self.clip < math.inf:
            raise InputError(f"clip is {self.clip}, expected a positive norm, or 0 for a gradient without a limit.")
        if not 0 <= self.margin_until <= 1:
            raise InputError(f"margin_until is {self.margin_until}, expected a share of the steps in [0, 1].")
        if not (isinstance(self.alignment, int) and self.alignment >= 0):
            raise InputError(f"alignment is {self.alignment}, expected a whole number of Gauss-Newton steps; use 0 for "
                             "none.")
        if self.batch > 4096:
            raise InputError(f"batch is {self.batch}, more triplets in a step than fit anywhere; use 12, for instance.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed is {self.seed}, expected a whole number from 0 to 2^32 - 1.")

    @cached_property
    def method(self) -> Variant:
        """The variant with its changes."""
        return find_variant(self.variant, self.changes)

    @property
    def loss_settings(self) -> LossSettings:
        """Settings of the photometric loss; a loss of one's own gets those of the lessons."""
        return LOSSES.get(self.loss, LOSSES["lesson"])

    def _check_types(self) -> None:
        """Refuse values of other types than the attributes have, such as steps of 1.5."""
        check_types(self)
        if not isinstance(self.changes, Mapping) or not all(isinstance(path, str) for path in self.changes):
            raise InputError(f"changes are {self.changes!r}, expected values by name, such as {{'ranking.cap': 0.4}}.")
        if not isinstance(self.freeze, (list, tuple)) or not all(isinstance(name, str) for name in self.freeze):
            raise InputError(f"freeze is {self.freeze!r}, expected a list of parts, such as ['encoder'].")

    def loss_at(self, step: int) -> LossSettings:
        """Return the photometric loss of a step."""
        loss = self.loss_settings
        return loss if step < self.margin_until * self.steps else replace(loss, automask_margin=0.0)

    def build(self) -> Model:
        """Build the model with freshly seeded weights; the caller's random numbers stay as they were."""
        with kept_randomness():
            seed_everything(self.seed)
            return Model(NetworkSettings(self.encoder, self.width), self.method,
                         self.loss_settings, self.pose, self.supervision, self.alignment, self.fused,
                         find_part("loss", self.loss))


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Return the learning rate of a step."""
    if settings.schedule == "step":
        return settings.learning_rate * (0.1 if step >= 0.75 * settings.steps else 1.0)
    warm = max(1, round(0.03 * settings.steps))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, settings.steps - warm)))
