"""A model and a loss that a run is given, held against its settings."""
from __future__ import annotations

from ..common.contracts import InputError
from ..common.registry import find_part
from ..model import Model, OwnLoss
from .settings import TrainSettings


def checked_model(model: Model, settings: TrainSettings) -> Model:
    """Return a model of a user's own, or refuse one that the settings do not describe."""
    if not isinstance(model, Model):
        raise InputError(f"model is {type(model).__name__}, expected a semdepth_lite Model; build one with "
                         "settings.build() and change it, or subclass Model.")
    if model.variant != settings.method:
        raise InputError(f"the model is of another variant than the settings, {settings.variant}; build it with "
                         "settings.build(), or change the settings.")
    learned = settings.pose == "learned" and settings.supervision == "video"
    named = find_part("loss", settings.loss)
    fitting = {
        "supervision": model.supervision == settings.supervision,
        "pose": (model.pose is not None) == learned,
        "alignment": model.alignment == settings.alignment,
        "fused": model.fused == settings.fused,
        "loss": model.loss == settings.loss_settings and (named is None or model.own_loss is named)}
    for name, fits in fitting.items():
        if not fits:
            raise InputError(f"the model was not built for {name} {getattr(settings, name)}, which the settings ask "
                             "for; build it with settings.build(), or change the settings.")
    return model


def give_loss(model: Model, loss: OwnLoss) -> None:
    """Put a loss of a user's own into a model, or refuse one beside another."""
    if model.own_loss is not None and model.own_loss is not loss:
        raise InputError("a loss was passed beside another one that the settings or the model name; leave one of them "
                         "out.")
    model.own_loss = loss
