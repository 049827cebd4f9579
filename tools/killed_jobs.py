"""The jobs of `tools/kills.py`: each does resumable work under a folder, and says what of it counts and must hold."""
from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import random
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semdepth_lite.common import storage
from semdepth_lite.common.storage import read_log
from semdepth_lite.course import reproduce as reproduction
from semdepth_lite.data.image_files import read_depth_png, read_image, read_label_map, write_image
from semdepth_lite.data.kitti.download import download_kitti
from semdepth_lite.data.labeling import convert_labels
from semdepth_lite.evaluation import prediction
from semdepth_lite.experiments.results import Result
from semdepth_lite.experiments.trial import Trial, execute, is_done
from semdepth_lite.presets import PRESETS, Preset
from semdepth_lite.street import StreetSettings, load_street
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

STREET = StreetSettings("train", scenes=2, frames_per_scene=3, height=24, width=48)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from factories import TinySource  # noqa: E402

STEPS = 12
ADDRESS: list[str] = []  # of the server of archives, once it runs


def digest(content: bytes) -> str:
    """Return a short hash."""
    return hashlib.sha256(content).hexdigest()[:16]


def train(folder: Path) -> None:
    """Train a tiny run."""
    run = Run(TinySource(4), TrainSettings(width=8, steps=STEPS, batch=1), folder / "run", "cpu")
    run.train(progress=False, log_every=1, save_every=2, workers=1, watch=lambda model: {"seen": 1.0}, watch_every=5)


def trained(folder: Path) -> dict[str, str]:
    """Return what counts of a training: its log, and the weights and the optimizer's state."""
    state = load_checkpoint(folder / "run" / "checkpoint.pt")
    tensors = {**state["model"], **{f"{i} {name}": value for i, slots in state["optimizer"]["state"].items()
                                    for name, value in slots.items()}}
    rows = [{name: value for name, value in row.items() if name != "cpu_seconds"}
            for row in read_log(folder / "run" / "log.jsonl")]
    steps = [row["step"] for row in rows if "loss" in row]
    assert steps == list(range(1, STEPS + 1)), f"steps {steps} in the log"
    return {"log": json.dumps(rows), **{name: digest(value.numpy().tobytes()) for name, value in tensors.items()}}


def street(folder: Path) -> None:
    """Render a street."""
    load_street(STREET, folder, workers=1, progress=False)


def predict(folder: Path) -> None:
    """Predict depth for some images."""
    storage.remove_leftovers(folder / "in")  # a life may end while it makes its input
    for i in range(6):
        if not (folder / "in" / f"{i}.png").exists():
            write_image(folder / "in" / f"{i}.png", np.random.RandomState(i).randint(0, 256, (64, 96, 3), np.uint8))
    model = TrainSettings(width=8).build().eval()
    prediction.predict_files(model, [folder / "in"], folder / "out", 64, 96, progress=False)


def label(folder: Path) -> None:
    """Convert some label maps, as `label --convert` does."""
    storage.remove_leftovers(folder / "in")
    for i in range(6):
        if not (folder / "in" / f"{i}.png").exists():
            write_image(folder / "in" / f"{i}.png", np.random.RandomState(i).randint(0, 34, (64, 96)).astype(np.uint8))
    convert_labels(folder / "in", folder / "out", "labelId")


class Archives(http.server.BaseHTTPRequestHandler):
    """A server of one archive that gives it out slowly, and the rest of it where that is asked for."""

    content = b""

    def do_GET(self) -> None:  # noqa: N802  the name is that of http.server
        """Answer a request."""
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        with suppress(OSError):  # the client has died
            for at in range(start, len(self.content), 1 << 12):
                self.wfile.write(self.content[at:at + (1 << 12)])
                time.sleep(0.002)

    def log_message(self, *arguments) -> None:
        """Keep quiet."""


def serve_archive() -> None:
    """Serve an archive on loopback for the rest of this process, and keep its address."""
    whole, noise = io.BytesIO(), random.Random(0)
    with zipfile.ZipFile(whole, "w") as packed:
        for i in range(8):
            packed.writestr(zipfile.ZipInfo(f"dataset/poses/{i:02d}.txt"), noise.randbytes(1 << 15))
    Archives.content = whole.getvalue()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archives)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ADDRESS.append(f"http://127.0.0.1:{server.server_port}")


def download(folder: Path) -> None:
    """Fetch and unpack a part of KITTI."""
    download_kitti(["odometry:poses"], folder / "kitti", ADDRESS[0], report=lambda line: None)


def experiment(folder: Path) -> None:
    """Do what is left of an experiment of two runs, one after the other."""
    os.environ["SEMDEPTH_CACHE"] = str(folder.parent / "cache")  # rendered once for all lives
    settings = TrainSettings(width=8, steps=2, batch=1)
    PRESETS["tiny"] = Preset(64, 96, {"train": 1, "validation": 1, "test": 1}, settings)
    for trial in [Trial("constant", "constant", None, "tiny", group="a"), Trial("run", "run", settings, "tiny",
                                                                                group="a", order=1)]:
        storage.remove_leftovers(folder / "results")
        if not is_done(trial, folder / "results"):
            execute(trial, folder / "work", folder / "results", progress=False)


def judged(folder: Path) -> dict[str, str]:
    """Return what counts of an experiment: its results without what the trainings cost."""
    found = {path.stem: Result.load(path) for path in sorted((folder / "results").glob("*.json"))}
    return {name: digest(repr((result.metrics, result.values, result.made_of)).encode())
            for name, result in found.items()}


def notebooks(folder: Path) -> None:
    """Run notebooks, which are only played."""
    reproduction.find_notebooks = lambda only=None, folder=None: [Path(f"{i}.ipynb") for i in range(4)]
    reproduction.notebook_hash = lambda path: path.stem
    reproduction.load, reproduction.parameter_literals = lambda path: path, lambda notebook: {}

    def run_notebook(path: Path, copy: Path, parameters: dict, progress: bool) -> dict:
        with open(folder / "ran.txt", "a") as ran:  # one line for each time a notebook is begun
            ran.write(f"{path.stem}\n")
        time.sleep(0.02)
        storage.write_atomically(copy, lambda temporary: temporary.write_text(f"executed {path.stem}"))
        return {"notebook": path.name, "output": str(copy.name), "seconds": 1.0, "results": None}

    reproduction.run_notebook = run_notebook
    reproduction.reproduce("quick", folder / "reproduced", progress=False)


def every_file(folder: Path) -> dict[str, str]:
    """Return what counts of a folder: each file."""
    return {str(path.relative_to(folder)): digest(path.read_bytes()) for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "ran.txt"}


# What must hold after every death

def check_training(folder: Path, before: dict) -> None:
    """Check that the checkpoint never goes back."""
    path = folder / "run" / "checkpoint.pt"
    if path.exists():
        step = load_checkpoint(path)["step"]
        assert step >= before.get("step", 0), f"the checkpoint went back from step {before['step']} to {step}"
        before["step"] = step


def check_street(folder: Path, before: dict) -> None:
    """Check that a street in its place is whole."""
    for path in folder.glob("street_*"):
        assert (path / "manifest.json").is_file(), f"{path.name} is in its place and not whole"


def check_prediction(folder: Path, before: dict) -> None:
    """Check that every picture can be read."""
    for path in (folder / "out").glob("*.png"):
        (read_depth_png if path.stem.endswith("_depth") else read_image)(path)


def check_labels(folder: Path, before: dict) -> None:
    """Check that every label map and every preview can be read."""
    for path in (folder / "out").rglob("*.png"):
        (read_image if "preview" in path.parts[-2] else read_label_map)(path)


def check_download(folder: Path, before: dict) -> None:
    """Check that every file in its place is whole, and that a part that is done stays so."""
    for path in (folder / "kitti").rglob("*.txt"):
        assert path.stat().st_size == 1 << 15, f"{path.name} is in its place and not whole"
    done = (folder / "kitti" / ".downloads" / "data_odometry_poses.zip.done").exists()
    assert done or not before.get("done"), "a part that was complete is not any more"
    before["done"] = done


def check_experiment(folder: Path, before: dict) -> None:
    """Check that every results file can be read, and that none is made again."""
    now = {path.name: digest(path.read_bytes()) for path in (folder / "results").glob("*.json")}
    judged(folder)
    assert all(now.get(name) == value for name, value in before.get("results", {}).items()), "a result was made again"
    before["results"] = now


def check_notebooks(folder: Path, before: dict) -> None:
    """Check that a finished notebook is not run again."""
    record = folder / "reproduced" / reproduction.RECORD
    finished = set(storage.read_json(record)) if record.exists() else set()
    ran = (folder / "ran.txt").read_text().split() if (folder / "ran.txt").exists() else []
    again = [name for name in ran[before.get("ran", 0):] if name in before.get("finished", set())]
    assert not again, f"finished notebooks {again} were run again"
    assert finished >= before.get("finished", set())
    before.update(finished=finished, ran=len(ran))


@dataclass(frozen=True)
class Job:
    """What is killed: the work, what of its result counts, and what holds after every death."""

    work: Callable[[Path], None]
    result: Callable[[Path], dict[str, str]]
    check: Callable[[Path, dict], None]


JOBS = {"train": Job(train, trained, check_training), "street": Job(street, every_file, check_street),
        "predict": Job(predict, every_file, check_prediction),
        "label": Job(label, every_file, check_labels), "download": Job(download, every_file, check_download),
        "experiment": Job(experiment, judged, check_experiment),
        "reproduce": Job(notebooks, every_file, check_notebooks)}
