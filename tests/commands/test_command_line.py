"""The command line: help, JSON, one line and status 2 for bad input, Ctrl-C, and nothing half-written left behind."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from semdepth_lite.__main__ import COMMANDS, main
from semdepth_lite.common.storage import read_log
from semdepth_lite.data.image_files import read_depth_png, write_image
from semdepth_lite.presets import PRESETS, Preset
from semdepth_lite.training.checkpoint import load_checkpoint, load_run
from semdepth_lite.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]
TINY = Preset(64, 96, {"train": 1, "validation": 1, "test": 1}, TrainSettings(width=8, steps=3, batch=2))
QUIET = ["--quiet", "--json"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with a street cache, a trained run, a cut one, and images; the quick preset is tiny here."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMDEPTH_CACHE", str(folder / "cache"))
        patch.setitem(PRESETS, "quick", TINY)
        assert main(["train", str(folder / "run"), "--device", "cpu", *QUIET]) == 0
        (folder / "cut").mkdir()
        for path in (folder / "run").iterdir():
            (folder / "cut" / path.name).write_bytes(path.read_bytes()[:None if path.suffix == ".json" else 900])
        for i in range(4):
            write_image(folder / "clip" / f"{i}.png", np.random.RandomState(i).randint(0, 256, (64, 96, 3), np.uint8))
        write_image(folder / "other" / "0.png", np.zeros((64, 96, 3), np.uint8))
        (folder / "empty").mkdir()
        (folder / "broken").mkdir()
        (folder / "broken" / "a.png").write_bytes(b"no image")
        (folder / "file").write_text("a file")
        (folder / "other.json").write_text('{"some": "thing"}')
        yield folder


def call(arguments: list, capsys) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command in this process."""
    capsys.readouterr()
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as end:
        status = end.code
    ran = capsys.readouterr()
    return status, ran.out, ran.err


def the_one_object(out: str) -> dict:
    """The JSON object that is all of stdout, without NaN."""
    assert out.endswith("\n") and out.count("\n") == 1
    found = json.loads(out, parse_constant=pytest.fail)
    assert isinstance(found, dict) and "text" not in found
    return found


def files_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# Help

@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    status, out, err = call([command, "--help"], capsys)
    assert status == 0 and not err
    assert f"semdepth-lite {command}" in out and "--json" in out and "--quiet" in out
    assert COMMANDS[command][2].split()[0] in out


def test_the_help_names_every_command(capsys):
    status, out, _ = call(["--help"], capsys)
    assert status == 0 and all(command in out for command in COMMANDS)
    assert {"train", "evaluate", "predict", "render", "reproduce", "benchmark"} <= set(COMMANDS)


# What succeeds

@pytest.mark.slow
def test_a_trained_folder_holds_what_the_readme_says(world):
    names = files_under(world / "run")
    assert {"settings.json", "log.jsonl", "checkpoint.pt", "metrics.json"} <= set(names)
    metrics = json.loads((world / "run" / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["steps"] == 3 and metrics["validation"]["abs_rel"] > 0 and metrics["cost"]["parameters"] > 1000
    assert not [name for name in names if name.endswith(".tmp")]


@pytest.mark.slow
def test_train_says_the_same_again_and_as_text(world, capsys):
    status, out, err = call(["train", world / "run", "--device", "cpu", *QUIET], capsys)
    assert status == 0 and not err
    again = the_one_object(out)
    assert again["steps"] == 3
    status, out, _ = call(["train", world / "run", "--device", "cpu", "--quiet"], capsys)
    assert status == 0 and "abs_rel" in out and not out.startswith("{")


@pytest.mark.slow
def test_evaluate_writes_a_report(world, tmp_path, capsys):
    status, out, err = call(["evaluate", "--run", world / "run", "--device", "cpu", "--output", tmp_path / "r.json",
                             *QUIET], capsys)
    assert status == 0 and not err
    assert the_one_object(out)["abs_rel"] > 0
    assert files_under(tmp_path) == ["r.json"]
    json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.slow
def test_evaluate_judges_the_cameras_path_on_the_street(world, tmp_path, capsys):
    status, out, err = call(["evaluate", "--run", world / "run", "--device", "cpu", "--poses", "--output",
                             tmp_path / "p.json", "--export", tmp_path / "paths", *QUIET], capsys)
    assert status == 0 and not err
    assert the_one_object(out)["mean"]["ate5"] > 0
    assert files_under(tmp_path / "paths") == ["path_000000.tum", "path_000000.txt"]


@pytest.mark.slow
def test_export_reaches_the_exporter_with_a_model_of_every_source(world, tmp_path, capsys, monkeypatch):
    from semdepth_lite.evaluation import export

    asked = []
    monkeypatch.setattr(export, "export_model",
                        lambda model, *rest: asked.append(rest) or export.Agreement(1e-7, 0.0))
    for source, size in ((world / "run", (64, 96)), ("baseline", (64, 192))):
        status, out, err = call(["export", source, tmp_path / "model.pt2", *QUIET], capsys)
        assert status == 0, err
        assert the_one_object(out)["difference"] == 1e-7 and asked.pop() == (tmp_path / "model.pt2", *size, None)
    status, out, err = call(["export", "nowhere", tmp_path / "model.pt2"], capsys)
    assert status == 2 and "is neither a run folder nor one of baseline" in err


@pytest.mark.slow
def test_evaluate_says_at_which_size_the_network_ran(world, tmp_path, capsys, monkeypatch):
    """Weights of another size run at the street's own."""
    from semdepth_lite.commands import evaluate as command

    monkeypatch.setattr(command, "open_model", lambda args: (load_run(world / "run", "cpu"), 192, 640, None))
    status, out, _ = call(["evaluate", "--weights", "any", "--output", tmp_path / "r.json", "--quiet"], capsys)
    assert status == 0 and "network at 96x64\n" in out


@pytest.mark.slow
def test_predict_writes_depth_picture_and_points_at_the_images_size(world, tmp_path, capsys):
    write_image(tmp_path / "in" / "odd.png", np.random.RandomState(0).randint(0, 256, (50, 70, 3), np.uint8))
    status, out, err = call(["predict", tmp_path / "in", "--run", world / "run", "--output", tmp_path / "out",
                             "--intrinsics", 60, 60, 34.5, 24.5, "--device", "cpu", *QUIET], capsys)
    assert status == 0 and not err
    found = the_one_object(out)
    assert "unknown scale" in found["unit"] and len(found["written"]) == 1
    assert files_under(tmp_path / "out") == ["odd.ply", "odd_color.png", "odd_depth.png"]
    depth = read_depth_png(tmp_path / "out" / "odd_depth.png", float(found["written"][0]["steps"]))
    assert depth.shape == (50, 70) and (depth > 0).all()
    status, out, _ = call(["predict", tmp_path / "in", "--run", world / "run", "--output", tmp_path / "scaled",
                           "--scale", 2, "--device", "cpu", *QUIET], capsys)
    assert status == 0 and the_one_object(out)["unit"] == "meters"
    ratio = read_depth_png(tmp_path / "scaled" / "odd_depth.png") / depth
    assert np.median(ratio) == pytest.approx(2, rel=0.02)


@pytest.mark.slow
def test_benchmark_and_its_comparison(tmp_path, capsys):
    options = ["--encoder", "lite", "--height", 64, "--width", 64, "--batch", 1, "--repeats", 1, "--device", "cpu"]
    status, out, err = call(["benchmark", *options, "--output", tmp_path / "b.json", *QUIET], capsys)
    assert status == 0 and not err
    found = the_one_object(out)
    assert found["step_per_networks"] > 0 and found["seconds"]["loss"] > 0
    assert found["seconds"]["data"] > 0
    assert json.loads((tmp_path / "b.json").read_text()) == {"semdepth_lite": "benchmark", **found}
    status, out, _ = call(["benchmark", *options, "--compare", tmp_path / "b.json", "--quiet"], capsys)
    assert status == 0 and "step / networks" in out


# What is refused

BAD = {
    "no command": ([], "required: COMMAND"),
    "unknown command": (["fly"], "fly"),
    "train nothing": (["train"], "the run folder is missing; name one"),
    "preset": (["train", "new", "--preset", "huge"], "preset 'huge' is unknown; use one of quick"),
    "variant": (["train", "new", "--variant", "magic"], "variant 'magic' is unknown"),
    "part": (["train", "new", "--set", "magic=1"], "'magic' names no part of a variant"),
    "loss": (["train", "new", "--loss", "l2"], "loss 'l2' is unknown"),
    "encoder": (["train", "new", "--encoder", "vgg"], "encoder 'vgg' is unknown"),
    "pose": (["train", "new", "--pose", "guess"], "pose 'guess' is unknown"),
    "precision": (["train", "new", "--precision", "fp8"], "precision 'fp8' is unknown"),
    "steps": (["train", "new", "--steps", "-1"], "steps is -1"),
    "steps no number": (["train", "new", "--steps", "many"], "'many' is no whole number"),
    "batch": (["train", "new", "--batch", "0"], "batch is 0"),
    "learning rate": (["train", "new", "--learning-rate", "nan"], "learning_rate is nan"),
    "seed": (["train", "new", "--seed", "-1"], "seed is -1"),
    "device": (["train", "new", "--device", "abacus"], "device 'abacus' cannot be used"),
    "other seed": (["train", "{}/run", "--seed", "1"], "holds a run with seed 0, not 1"),
    "other variant": (["train", "{}/run", "--variant", "multitask"], "holds a run with variant baseline, not"),
    "cut checkpoint": (["train", "{}/cut"], "is not a whole checkpoint"),
    "folder in a file": (["train", "{}/file/run"], "file is no folder, so nothing can be written into"),
    "run is a file": (["train", "{}/file"], "file is no folder, so nothing can be written into"),
    "output in a file": (["predict", "{}/clip", "--run", "{}/run", "--output", "{}/file/x"], "file is no folder"),
    "label ids": (["train", "new", "--label-ids", "city"], "argument --label-ids: invalid choice: 'city'"),
    "masks missing": (["train", "new", "--variant", "semdepth_segmenter", "--masks", "nosuch"],
                      "nosuch does not exist, so the masks (--masks) have no weights; name the folder that"),
    "start missing": (["train", "new", "--init", "nosuch"], "nosuch does not exist; name a run folder"),
    "run missing": (["predict", "{}/clip", "--run", "nosuch"], "nosuch is no run folder; name one that `train` wrote"),
    "run an ordinary folder": (["predict", "{}/clip", "--run", "{}/clip"], "clip is no run folder; name one that"),
    "data kind": (["train", "new", "--data", "mars"], "mars"),
    "data missing": (["train", "new", "--data", "frames:{}/nowhere", "--intrinsics", "60 60 47.5 31.5"], "nowhere"),
    "data empty": (["train", "new", "--data", "frames:{}/empty", "--intrinsics", "60 60 47.5 31.5"], "empty"),
    "data broken": (["train", "new", "--data", "frames:{}/broken", "--intrinsics", "60 60 47.5 31.5"], ""),
    "normalized K": (["train", "new", "--data", "frames:{}/clip", "--intrinsics", "0.58 1.92 0.5 0.5"], "normalized"),
    "height": (["train", "new", "--data", "frames:{}/clip", "--intrinsics", "60 60 47.5 31.5", "--height", "70"],
               "height 70 is not a positive multiple of 32"),
    "labels for the street": (["train", "new", "--labels", "no"], "data of kind street has no use for labels"),
    "intrinsics for the street": (["train", "new", "--intrinsics", "fov 80"], "no use for intrinsics; leave it out"),
    "dry run with drives": (["train", "--dry-run", "1", "--drives", "a/b"], "has no use for drives"),
    "list for the street": (["evaluate", "--run", "{}/run", "--frames", "nowhere.txt"], "has no use for frames"),
    "path with sequences": (["evaluate", "--run", "{}/run", "--poses", "--sequences", "09"], "no use for sequences"),
    "no model": (["evaluate"], "name either a run folder, --pretrained"),
    "no run": (["evaluate", "--run", "{}/nowhere"], "nowhere"),
    "cut run": (["evaluate", "--run", "{}/cut"], "is not a whole checkpoint"),
    "split": (["evaluate", "--run", "{}/run", "--split", "secret"], "invalid choice: 'secret'"),
    "crop": (["evaluate", "--run", "{}/run", "--crop", "half"], "crop 'half' is unknown"),
    "cap": (["evaluate", "--run", "{}/run", "--max-depth", "-1"], "are no range"),
    "weights": (["evaluate", "--weights", "{}/empty"], "empty"),
    "no image": (["predict", "{}/nowhere.png", "--run", "{}/run"], "nowhere.png does not exist"),
    "empty folder": (["predict", "{}/empty", "--run", "{}/run"], "holds no image"),
    "unreadable image": (["predict", "{}/broken", "--run", "{}/run"], "a.png cannot be read as PNG or JPEG"),
    "two of a name": (["predict", "{}/clip", "{}/other", "--run", "{}/run"], "several images are called '0'"),
    "normalized intrinsics": (["predict", "{}/clip", "--run", "{}/run", "--intrinsics", "0.58", "1.92", "0.5", "0.5"],
                              "look normalized"),
    "negative scale": (["predict", "{}/clip", "--run", "{}/run", "--scale", "-1"], ""),
    "scale zero": (["predict", "{}/clip", "--run", "{}/run", "--scale", "0"], "scale 0.0 is not positive"),
    "scale no number": (["predict", "{}/clip", "--run", "{}/run", "--scale", "nan"], ""),
    "scale empty": (["evaluate", "--run", "{}/run", "--scale", ""], "scale '' is unknown"),
    "height zero": (["train", "new", "--height", "0"], "argument --height: 0 is no number of pixels"),
    "width zero": (["train", "new", "--width", "0"], "argument --width: 0 is no number of pixels"),
    "step beyond": (["train", "new", "--frame-step", "9" * 20], "is beyond every number that is meant here"),
    "step of letters": (["train", "new", "--frame-step", "x"], "'x' is no whole number"),
    "speed of nothing timed": (["train", "new", "--tflops", "3"], "--tflops is of another device for --dry-run"),
    "device that holds nothing": (["predict", "{}/clip", "--run", "{}/run", "--device", "meta"], "device 'meta'"),
    "no frames": (["render", "new", "--frames", "0"], "frames"),
    "no height": (["render", "new", "--height", "0"], "picture size 0x640"),
    "height beyond memory": (["render", "new", "--height", "100000", "--width", "100000"], "height 100000 and width"),
    "full folder": (["render", "{}/clip"], "clip"),
    "reproduce preset": (["reproduce", "--preset", "huge"], "preset 'huge' is unknown"),
    "reproduce only": (["reproduce", "--only", "99"], "99"),
    "reproduce elsewhere": (["reproduce", "--only", "/etc"], "no notebook in notebooks/ starts with '/etc'"),
    "experiment": (["reproduce", "--experiment", "nothing"], "experiment 'nothing' is unknown"),
    "experiment preset": (["reproduce", "--experiment", "baseline", "--preset", "huge"], "preset 'huge' is unknown"),
    "processes": (["reproduce", "--experiment", "baseline", "--preset", "quick", "--processes", "0"], "processes 0"),
    "benchmark height": (["benchmark", "--encoder", "lite", "--height", "100"], "height 100 is not a positive"),
    "benchmark below zero": (["benchmark", "--encoder", "lite", "--height", "-64"], "height -64 is not a positive"),
    "benchmark batch": (["benchmark", "--encoder", "lite", "--batch", "0"], "batch is 0"),
    "benchmark repeats": (["benchmark", "--repeats", "0"], "repeats 0"),
    "benchmark compare": (["benchmark", "--compare", "{}/nowhere.json"], "nowhere.json does not exist"),
    "benchmark compare other": (["benchmark", "--compare", "{}/other.json"], "other.json is no benchmark"),
    "doctor": (["doctor", "{}/nowhere"], "nowhere"),
    "label": (["label", "{}/nowhere", "new"], "nowhere does not exist; name a folder of images"),
    "download": (["download", "kitti", "raw:everything"], "everything"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2_and_leaves_nothing(name, world, tmp_path, capsys, monkeypatch):
    arguments, reason = BAD[name]
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in (world / "run").iterdir()}
    given = [argument.replace("{}", str(world)) for argument in arguments]
    status, out, err = call([*given, "--quiet"] if given and given[0] in COMMANDS else given, capsys)
    assert (status, out) == (2, ""), err
    assert err.endswith("\n") and err.count("\n") == 1, err
    assert err.startswith("semdepth-lite") and reason in err and "Traceback" not in err
    assert files_under(tmp_path) == []
    assert {path: path.read_bytes() for path in (world / "run").iterdir()} == before


def test_training_that_breaks_down_is_status_1_and_named(world, tmp_path, capsys):
    """Weights beyond any number: the process must survive to say so."""
    status, out, err = call(["train", tmp_path / "run", "--learning-rate", "1e30", "--device", "cpu", "--quiet"],
                            capsys)
    assert status == 1 and not out and err.count("\n") == 1
    assert "the loss is not a number: lower the learning rate" in err
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


# In a process of its own

SHIM = """
import sys
from semdepth_lite import presets
from semdepth_lite.__main__ import main
from semdepth_lite.training import TrainSettings
presets.PRESETS["quick"] = presets.Preset(64, 96, {"train": 1, "validation": 1, "test": 1},
                                          TrainSettings(width=8, steps=100000, batch=2))
sys.exit(main(sys.argv[1:]))
"""


def environment(world: Path) -> dict[str, str]:
    return {**os.environ, "SEMDEPTH_CACHE": str(world / "cache"), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_the_module_ends_with_one_line_and_no_traceback(world, tmp_path):
    ran = subprocess.run([sys.executable, "-m", "semdepth_lite", "train", "new", "--preset", "huge"], cwd=tmp_path,
                          env=environment(world), capture_output=True, text=True)
    assert ran.returncode == 2 and not ran.stdout
    assert ran.stderr == ("semdepth-lite train: preset 'huge' is unknown; use one of quick, lesson, photo, clip, "
                          "showcase, paper.\n")
    assert files_under(tmp_path) == []


@pytest.mark.parametrize("given, then", [(None, "1000"), ("7", "7")])
def test_threads_that_wait_leave_their_core_unless_set_otherwise(given, then, monkeypatch, capsys):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    if given is None:
        monkeypatch.delenv("GOMP_SPINCOUNT")
    assert call(["train", "new", "--preset", "huge"], capsys)[0] == 2
    assert os.environ["GOMP_SPINCOUNT"] == then


@pytest.mark.slow
def test_ctrl_c_is_status_130_with_a_checkpoint_to_go_on_from(world, tmp_path):
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", SHIM, "train", str(run), "--device", "cpu", *QUIET],
                               env=environment(world), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 300
        while not (run / "log.jsonl").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130 and not out
    assert err == "semdepth-lite train: stopped by Ctrl-C; the same command goes on from the last checkpoint\n"
    assert files_under(run) == ["checkpoint.pt", "log.jsonl", "settings.json"]
    step = load_checkpoint(run / "checkpoint.pt")["step"]
    assert max(row["step"] for row in read_log(run / "log.jsonl")) <= step < 100000 and step >= 10
    assert not load_run(run, "cpu").training
