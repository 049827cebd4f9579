"""A checkpoint is held against its schema, and what does not fit is one sentence, not a fault many steps later."""
from __future__ import annotations

import math
import os

import pytest
import torch
from factories import TinySource

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import read_json, write_json
from semdepth_lite.training.checkpoint import load_checkpoint, load_run, read_weights
from semdepth_lite.training.history import read_history
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

SETTINGS = TrainSettings(width=8, steps=2, batch=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one step of two, and its checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    run = Run(TinySource(3), SETTINGS, folder, "cpu")
    for batch in run.batches():
        run.train_step(batch)
        break
    run.save()
    return folder


@pytest.fixture
def spoiled(trained, tmp_path):
    """Return a function that changes the checkpoint in a copy of the run's folder."""
    (tmp_path / "settings.json").write_bytes((trained / "settings.json").read_bytes())
    state = torch.load(trained / "checkpoint.pt", weights_only=True)

    def spoil(change):
        other = change(state)
        torch.save(state if other is None else other, tmp_path / "checkpoint.pt")
        return tmp_path

    return spoil


def set_first_moment(state: dict, value: object) -> None:
    state["optimizer"]["state"][0]["exp_avg"] = value


SCHEMA = {
    "a tensor": lambda s: torch.zeros(3),
    "a list": lambda s: [s],
    "no optimizer": lambda s: s.__delitem__("optimizer"),
    "model a list": lambda s: s.update(model=[1]),
    "model nothing": lambda s: s.update(model=None),
    "settings a list": lambda s: s.update(settings=[1]),
    "optimizer a list": lambda s: s.update(optimizer=[1]),
    "optimizer empty": lambda s: s.update(optimizer={}),
    "parts a list": lambda s: s.update(parts=[1]),
    "seconds a text": lambda s: s.update(seconds="x"),
    "steps a text": lambda s: s["settings"].update(steps="x"),
    "margin a list": lambda s: s["settings"].update(margin_until=[1]),
    **{f"step {step!r}": lambda s, step=step: s.update(step=step) for step in ("x", -5, 3.5, math.nan, None, True)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMA)
def test_a_checkpoint_of_another_form_is_refused(name, spoiled):
    folder = spoiled(SCHEMA[name])
    with pytest.raises(InputError, match=r"checkpoint.pt is not a whole checkpoint \(.+\); delete it") as caught:
        load_checkpoint(folder / "checkpoint.pt")
    assert "\n" not in str(caught.value)


FIRST = "encoder.encoder.conv1.weight"
STATES = {
    "no groups": (lambda s: s["optimizer"].update(param_groups=[]), "does not fit this model"),
    "a moment of another shape": (lambda s: set_first_moment(s, torch.zeros(1)), "parameter 0 a 'exp_avg'"),
    "a moment that is a text": (lambda s: set_first_moment(s, "x"), "parameter 0 a 'exp_avg'"),
    "a moment that is no number": (lambda s: set_first_moment(s, torch.tensor(math.nan)), "parameter 0 a 'exp_avg'"),
    "a parameter too many": (lambda s: s["optimizer"]["state"].update({9999: {}}), "parameter 9999 a 'its parameter'"),
    "no seconds": (lambda s: s.__delitem__("seconds"), "lacks 'seconds'"),
    "complex weights": (lambda s: s["model"].update({FIRST: s["model"][FIRST] + 1j}), "as torch.complex64"),
    "weights of another shape": (lambda s: s["model"].update({FIRST: torch.ones(1)}), "with shape"),
    "weights that are no number": (lambda s: s["model"].update({FIRST: s["model"][FIRST] * math.nan}), "not finite"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STATES)
def test_a_state_that_the_next_step_would_stumble_over_is_refused(name, spoiled):
    change, match = STATES[name]
    folder = spoiled(change)
    with pytest.raises(InputError, match=match):
        Run(TinySource(3), SETTINGS, folder, "cpu")


@pytest.mark.parametrize("value", [torch.zeros(1), "x", torch.tensor([1j]), torch.tensor(math.nan)])
def test_weights_that_do_not_fit_are_named(value, spoiled):
    key = "encoder.encoder.conv1.weight"

    def change(state):
        whole = state["model"][key]
        other = isinstance(value, torch.Tensor) and value.dim() and not value.is_complex()
        state["model"][key] = value if other or isinstance(value, str) else torch.full(whole.shape, value.item())

    folder = spoiled(change)
    with pytest.raises(InputError, match=f"run of another version of semdepth_lite .*{key}"):
        load_run(folder, "cpu")


def test_a_pipe_in_the_place_of_a_checkpoint_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="checkpoint.pt is a pipe"):
        load_checkpoint(tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="checkpoint.pt holds no weights"):
        read_weights(tmp_path)


@pytest.mark.parametrize("change", [{"settings": [1]}, {"settings": {"steps": "x"}}, {"parts": 3}, {"extended": "x"}])
def test_a_settings_file_of_another_form_is_refused(change, spoiled):
    folder = spoiled(lambda state: None)
    about = read_json(folder / "settings.json")
    write_json(folder / "settings.json", {**about, **change})
    with pytest.raises(InputError, match=r"settings.json.* gives .* as '(settings|steps|parts|extended)', expected"):
        Run(TinySource(3), SETTINGS, folder, "cpu")


@pytest.mark.parametrize("change", [{"changes": 3}, {"changes": {3: 4}}, {"freeze": 3}, {"freeze": "encoder"}])
def test_settings_of_other_types_are_refused(change):
    with pytest.raises(InputError, match=f"{next(iter(change))} (is|are) .*, expected"):
        TrainSettings(**change)


def test_a_whole_checkpoint_goes_on(spoiled):
    run = Run(TinySource(3), SETTINGS, spoiled(lambda state: None), "cpu")
    assert run.step == 1 and run.settings == SETTINGS


def test_a_damaged_row_of_the_log_loses_itself(tmp_path):
    rows = ['{"step": 1, "loss": "x"}', '{"loss": 2.0}', '{"step": 2, "loss": 0.5}', '{"step": 2, "watch": [1]}',
            '{"step": 3, "loss": [1]}', '{"step": 4, "loss": 0.25}', '{"step": 4, "watch": {"abs_rel": 0.1}}', "{"]
    (tmp_path / "log.jsonl").write_text("\n".join(rows))
    assert read_history(tmp_path)["step"].tolist() == [2, 4] and read_history(tmp_path)["loss"].tolist() == [0.5, 0.25]
    assert read_history(tmp_path, watched=True)["abs_rel"].tolist() == [0.1]
