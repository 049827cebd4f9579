"""Load a run folder or a checkpoint."""
from __future__ import annotations

from pathlib import Path

import torch

from ..common.contracts import InputError
from ..common.runtime import pick_device
from ..model import Model
from .settings import TrainSettings


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    """Read a checkpoint of ours; nothing in the file is executed.

    Raises:
        InputError: if the file is cut off or something else.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        state["model"], state["settings"], state["step"]
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; train a run into this folder first.") from None
    except Exception as error:
        raise InputError(f"{path} is not a whole checkpoint ({type(error).__name__}); delete it to start the run "
                         "again.") from error
    return state


def load_run(folder: Path, device: str = "auto") -> Model:
    """Load the trained model of a run folder, in evaluation mode.

    Raises:
        InputError: if there is no readable checkpoint of this version.
    """
    where = pick_device(device)
    state = load_checkpoint(Path(folder) / "checkpoint.pt", where)
    try:
        model = TrainSettings(**state["settings"]).build()
        model.load_state_dict(state["model"])
    except (TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".:")
        raise InputError(f"{folder} holds a run of another version of semdepth_lite ({reason}); train it "
                         "again.") from error
    return model.to(where).eval()
