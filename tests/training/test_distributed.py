"""Two processes on the CPU: gradients of one process with the joined batch, logs and checkpoints written once."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from factories import TinySource

from semdepth_lite.common.storage import read_json, read_log
from semdepth_lite.data.sources import street_source
from semdepth_lite.presets import find_preset
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = TrainSettings(width=8, steps=3, batch=4)

# Every process keeps BatchNorm in evaluation mode, trains, and leaves its first gradients and its last weights.
SCRIPT = """
import os, sys
from pathlib import Path
import torch
from factories import TinySource
from test_distributed import SETTINGS, frozen
from semdepth_lite.training import Run

torch.set_num_threads(1)
folder = Path(sys.argv[1])
run = frozen(Run(TinySource(5, 64, 64), SETTINGS, folder / "run", "cpu"))
gradients = []
step = run.optimizer.step
def remember():
    gradients.append([p.grad.clone() for p in run.parameters])
    step()
run.optimizer.step = remember
run.train(progress=False, log_every=1, save_every=1)
torch.save({"gradients": gradients[0], "weights": run.model.state_dict()}, folder / f"rank{os.environ['RANK']}.pt")
torch.distributed.destroy_process_group()
"""


def frozen(run: Run) -> Run:
    """Keep a run's BatchNorm in evaluation mode: in training each process normalizes its own share."""
    run.model.eval()
    run.model.train = lambda mode=True: run.model
    return run


def torchrun(arguments: list[str], cache: Path) -> subprocess.CompletedProcess:
    """Start two processes of one thread each."""
    search = os.pathsep.join((str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)))
    return subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
                           *arguments], capture_output=True, text=True, timeout=540,
                          env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": search,
                               "SEMDEPTH_CACHE": str(cache)})


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    """The folder that two processes left."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "script.py").write_text(SCRIPT)
    done = torchrun([str(folder / "script.py"), str(folder)], folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_gradients_are_those_of_one_process_with_the_joined_batch(together, tmp_path):
    alone = frozen(Run(TinySource(5, 64, 64), SETTINGS, tmp_path, "cpu"))
    gradients = []
    step = alone.optimizer.step
    alone.optimizer.step = lambda: (gradients.append([p.grad.clone() for p in alone.parameters]), step())
    alone.train(progress=False, log_every=1)
    first, second = (torch.load(together / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    for mine, theirs, again in zip(gradients[0], first["gradients"], second["gradients"], strict=True):
        assert torch.equal(theirs, again)
        assert (mine - theirs).abs().max() <= 1e-4 * mine.abs().max() + 1e-8
    assert max(mine.abs().max() for mine in gradients[0]) > 1e-3
    # Adam turns the rounding of a vanishing gradient into a step of its own, so weights are compared as wholes
    for name, weight in alone.model.state_dict().items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        if weight.is_floating_point():
            difference = (weight - first["weights"][name]).float().norm()
            assert difference <= 0.02 * weight.float().norm() + 1e-3, name
    losses = [row["loss"] for row in read_log(tmp_path / "log.jsonl")]
    assert len(losses) == 3


@pytest.mark.slow
def test_the_log_and_the_checkpoint_are_written_once(together):
    folder = together / "run"
    assert [row["step"] for row in read_log(folder / "log.jsonl")] == [1, 2, 3]
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pt", "log.jsonl", "settings.json"]
    assert read_json(folder / "settings.json")["processes"] == 2
    assert load_checkpoint(folder / "checkpoint.pt")["step"] == 3


@pytest.mark.slow
def test_the_command_line_trains_in_two_processes_and_speaks_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    quick = find_preset("quick")
    for split in ("train", "validation"):
        street_source(split, quick.scenes[split], quick.height, quick.width, workers=1, progress=False)
    done = torchrun(["-m", "semdepth_lite", "train", str(tmp_path / "run"), "--preset", "quick", "--steps", "2",
                     "--batch", "2", "--device", "cpu", "--json", "--quiet"], tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1 and json.loads(done.stdout)["steps"] == 2
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pt", "curves.png", "log.jsonl",
                                                              "metrics.json", "settings.json"]
    assert [row["step"] for row in read_log(folder / "log.jsonl")] == [2]
    assert load_checkpoint(folder / "checkpoint.pt")["step"] == 2


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "3", "MASTER_ADDR": "localhost"}.items():  # as torchrun sets them
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="batch 4 cannot be shared by 3 processes"):
        Run(TinySource(2, 64, 64), SETTINGS, tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()
