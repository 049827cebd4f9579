"""Checkpoints: one format for every training, what must agree to go on, and how a trained model is loaded."""
from __future__ import annotations

import io
import math
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..common.contracts import InputError
from ..common.registry import find_part, origin
from ..common.runtime import notice, pick_device
from ..common.small_files import check_fields, check_regular, read_json
from ..common.storage import write_atomically
from ..model import Model
from ..weights import check_state
from .settings import TrainSettings

SCHEMA = {"model": dict, "optimizer": dict, "settings": dict, "step": int}
OPTIONAL = {"seconds": float, "cpu_seconds": float, "best": float, "parts": dict}
SETTINGS = {"steps": int, "margin_until": float}  # numbers among the settings that are reckoned with
OURS = ("semdepth_lite", "torch", "torchvision")  # packages whose versions are recorded, so their code need not be
DEFAULTS = asdict(TrainSettings())  # what a setting was before it was kept


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, **about) -> None:
    """Write a checkpoint atomically, so that at every moment the last good one is there.

    Args:
        path: File to write.
        model: Module that is trained.
        optimizer: Its optimizer.
        step: Number of steps that are done.
        about: What else is kept: numbers, words, lists and dictionaries of them.
    """
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, **about}
    whole = io.BytesIO()  # serialized first, because torch.save wraps the errors of a full disk
    torch.save(state, whole)
    write_atomically(path, lambda temporary: temporary.write_bytes(whole.getbuffer()))


def check_run_folder(folder: Path) -> None:
    """Refuse a folder that no training wrote.

    Raises:
        InputError: If it does not exist, or holds neither settings nor a checkpoint.
    """
    if not any((Path(folder) / name).exists() for name in ("settings.json", "checkpoint.pt")):
        raise InputError(f"{folder} is no run folder; name one that `train` wrote.")


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    """Read a checkpoint and hold it against its schema; nothing in the file is executed.

    Raises:
        InputError: If the file is cut off or something else.
    """
    if not Path(path).exists():
        raise InputError(f"{path} does not exist; train a run into this folder first.")
    check_regular(path, "a checkpoint")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's, of foreign pickles
            state = torch.load(path, map_location=device, weights_only=True)
        check_fields(state, SCHEMA, str(path))
        check_fields(state["optimizer"], {"state": dict, "param_groups": list}, f"{path} ('optimizer')")
        check_fields(state, {name: kind for name, kind in OPTIONAL.items() if name in state}, str(path))
        check_fields({**DEFAULTS, **state["settings"]}, SETTINGS, f"{path} ('settings')")
    except Exception as error:
        reason = str(error).rstrip(".") if isinstance(error, InputError) else type(error).__name__
        raise InputError(f"{path} is not a whole checkpoint ({reason}); delete it to start the run again.") from error
    if state["step"] < 0:
        raise InputError(f"{path} is not a whole checkpoint (its step is {state['step']}); delete it to start the run "
                         "again.")
    return state


def read_about(path: Path) -> dict:
    """Read the settings.json of a run folder, and hold it against its schema.

    Raises:
        InputError: If it cannot be read, or something in it has another type.
    """
    about = read_json(path)
    check_fields({"parts": {}, "extended": [], **about}, {"settings": dict, "parts": dict, "extended": list}, str(path))
    check_fields({**DEFAULTS, **about["settings"]}, SETTINGS, f"{path} ('settings')")
    return about


def restore(state: dict, model: nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Bring a model and its optimizer to the state of a checkpoint.

    Args:
        state: Checkpoint.
        model: Model that is to go on.
        optimizer: Optimizer that is to go on.
        path: File of the checkpoint, for messages.

    Raises:
        InputError: If a time is missing, or something does not fit or is not finite.
    """
    check_fields(state, {"seconds": float, "cpu_seconds": float}, str(path))
    _check_moments(state, optimizer, path)
    try:
        check_state(state["model"], model.state_dict(), "it")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path} does not fit this model ({str(error).splitlines()[0].rstrip('.:')}); use another "
                         "folder, or pass the model that it was trained with.") from error


def _check_moments(state: dict, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Refuse an optimizer's state that torch would take, and stumble over in the next step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, slots in state["optimizer"]["state"].items():
        known = isinstance(index, int) and index < len(parameters) and isinstance(slots, dict)
        kept: dict[str, Any] = slots if known else {"its parameter": None}
        for name, value in kept.items():
            if not (isinstance(value, torch.Tensor) and value.shape in ((), parameters[index].shape)
                    and value.is_floating_point() and bool(value.isfinite().all())):
                raise InputError(f"{path} keeps for the optimizer's parameter {index} a {name!r} that does not fit it; "
                                 "delete the file to start the run again.")


def own_parts(model: Model) -> dict[str, dict]:
    """Return which parts of a model are a user's own: where in the model, and where their code comes from."""
    own = {name or "model": type(module) for name, module in model.named_modules()
           if type(module).__module__.partition(".")[0] not in OURS and name.partition(".")[0] != "own_loss"}
    parts: dict = dict(zip(own.values(), own))  # one place for each class
    found = {place: origin(part) for part, place in parts.items()}
    if model.own_loss is not None:
        found["loss"] = origin(model.own_loss)
    return found


def check_parts(recorded: dict[str, dict], found: dict[str, dict], folder: Path) -> None:
    """Refuse code of a user's own that is not the code that trained.

    Args:
        recorded: Parts as the run folder keeps them, see `own_parts`.
        found: Parts of the model at hand.
        folder: Run folder, for the message.

    Raises:
        InputError: Naming the first part that differs.
    """
    for place, part in sorted({**recorded, **found}.items()):
        if _same_code(recorded.get(place), found.get(place)):
            continue
        what = f"the {place} {part['name']} of module {part['module']}"
        if place not in found:
            raise InputError(f"{folder} was trained with {what}, which is not here; register it (--code FILE), or pass "
                             "the model or loss that uses it.")
        if place not in recorded:
            raise InputError(f"{folder} was trained without {what}; use another folder, or leave it out.")
        raise InputError(f"{what} is not the code that trained {folder}; bring that code back, or use another folder.")


def _same_code(one: dict | None, other: dict | None) -> bool:
    """Tell whether two parts have the same source; the module is called `__main__` where the file itself is run."""
    if one is None or other is None or one["sha256"] is None:
        return one == other
    return (one["name"], one["sha256"]) == (other["name"], other["sha256"])


def check_same(known: dict, about: dict, folder: Path) -> None:
    """Refuse to go on with a run that differs, and name what does.

    A setting that was added since had its default then. More steps than before are no difference, nor is a margin
    that ends after as many steps as before.

    Args:
        known: What the folder holds.
        about: What is asked for now.
        folder: Run folder.
    """
    if "parts" in about:
        check_parts(known.get("parts") or {}, about["parts"], folder)
    settings = {**DEFAULTS, **known["settings"]}
    free = _free_to_differ(settings, about["settings"])
    pairs = [(name, settings.get(name), value) for name, value in about["settings"].items() if name not in free]
    pairs += [(f"data of {name}" if name in ("height", "width") else name, known.get(name), value)
              for name, value in about.items() if name not in ("settings", "parts")]
    for name, then, now in pairs:
        if then != now:
            raise InputError(f"{folder} holds a run with {name} {then}, not {now}; use another folder, or delete this "
                             "one.")


def _free_to_differ(known: dict, now: dict) -> tuple[str, ...]:
    """Return the settings in which a longer training may differ from the one it goes on with."""
    if not known["steps"] < now["steps"]:
        return ()
    margins = (each["margin_until"] * each["steps"] for each in (known, now))
    return ("steps", "margin_until") if math.isclose(*margins) else ("steps",)


def load_run(folder: Path, device: str = "auto", model: Model | None = None, best: bool = False) -> Model:
    """Load the trained model of a run folder, in evaluation mode.

    Parts of your own that the settings name must be registered, by the code that trained; a loss that was passed to
    the run is not asked for, because prediction needs none.

    Args:
        folder: Run folder.
        device: Device to load to, `auto` for CUDA where there is one.
        model: Model to load the weights into, for a run that was given one of your own.
        best: Whether to load the best checkpoint by validation, not the last.

    Raises:
        InputError: If there is no readable checkpoint of this version, or the code of a part of your own differs.
    """
    where = pick_device(device)
    check_run_folder(folder)
    state = load_checkpoint(Path(folder) / ("best.pt" if best else "checkpoint.pt"), where)
    planned = state["settings"].get("steps", 0)
    if not best and state["step"] < planned:
        notice(f"the run in {folder} is not finished: it has taken {state['step']} of {planned} steps; the command "
               "that began it goes on.")
    parts = state.get("parts") or {}
    if model is None:
        model = _build(state["settings"], parts, folder)
    found, weights = own_parts(model), state["model"]
    if "loss" not in found:  # one that was passed to the run; prediction needs none
        parts = {place: part for place, part in parts.items() if place != "loss"}
        weights = {name: value for name, value in weights.items() if not name.startswith("own_loss.")}
    check_parts(parts, found, folder)
    try:
        check_state(weights, model.state_dict(), str(folder))
        model.load_state_dict(weights)
    except (RuntimeError, InputError) as error:
        raise _of_another_version(folder, error) from error
    return model.to(where).eval()


def _build(settings: dict, parts: dict[str, dict], folder: Path) -> Model:
    """Build the model of a run folder, for which parts of a user's own must be registered."""
    try:
        return TrainSettings(**settings).build()
    except TypeError as error:
        raise _of_another_version(folder, error) from error
    except InputError as error:
        named = {**settings, "fusion": (settings.get("changes") or {}).get("fusion")}
        there = [place for place in parts if find_part(kind := place.partition(".")[0], str(named.get(kind)))]
        check_parts({place: part for place, part in parts.items() if place not in there}, {}, folder)
        raise _of_another_version(folder, error) from error


def _of_another_version(folder: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0].rstrip(".:")
    return InputError(f"{folder} holds a run of another version of semdepth_lite ({reason}); train it again.")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a run folder, a checkpoint, or a file of weights alone, in single precision.

    Raises:
        InputError: If there are none.
    """
    path = Path(path)
    file = path / "checkpoint.pt" if path.is_dir() else path
    try:
        check_regular(file, "a file of weights")
        state = torch.load(file, map_location="cpu", weights_only=True)
        state = state.get("model", state)
        return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    except Exception as error:
        if not file.exists():
            raise InputError(f"{file} does not exist; name a run folder, a file of weights, or pretrained "
                             "weights.") from None
        raise InputError(f"{file} holds no weights ({type(error).__name__}); name a run folder, or a checkpoint of "
                         "one.") from error


def start_from(model: Model, path: Path) -> int:
    """Give a model the weights of another training wherever name and shape fit, and return how many tensors did.

    Raises:
        InputError: If none of the encoder's fits.
    """
    own, given = model.state_dict(), read_weights(path)
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    if not any(name.startswith("encoder.") and value.dim() > 1 for name, value in fitting.items()):
        raise InputError(f"no weights of the encoder in {path} fit this model; name a run with the same encoder and "
                         "width.")
    model.load_state_dict({**own, **fitting})
    return len(fitting)
