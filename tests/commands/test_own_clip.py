"""A clip of one's own through the commands: the plan, a segmenter from its labels, and where its masks go."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from semdepth_lite.__main__ import main
from semdepth_lite.commands import clip as opening
from semdepth_lite.commands.options import learned_meters
from semdepth_lite.training.checkpoint import load_run
from semdepth_lite.weights import given_segmenter

LINE = ["--intrinsics", "60 60 31.5 31.5"]
SMALL = ["--height", "64", "--width", "64", "--batch", "2", "--device", "cpu", "--workers", "0"]


@pytest.fixture
def clip(tmp_path, monkeypatch) -> Path:
    """Eight frames that pan over a wall and stand for three of them, and labels: road below, a car to the right."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    wall = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.5))
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i, shift in enumerate((0, 3, 6, 6, 6, 9, 12, 15)):
        wall.crop((shift, 0, shift + 64, 64)).save(tmp_path / "images" / f"{i:04d}.png")
        labels = np.full((64, 64), 2, np.uint8)
        labels[40:], labels[30:50, 40:60] = 0, 13
        Image.fromarray(labels).save(tmp_path / "labels" / f"{i:04d}.png")
    return tmp_path


def test_a_clip_is_planned_before_it_is_trained(clip, capsys, monkeypatch):
    notices = []
    monkeypatch.setattr(opening, "notice", notices.append)
    assert main(["train", "runs/clip", "--data", "frames:images", *LINE, *SMALL, "--steps", "1"]) == 0
    printed = capsys.readouterr().err
    assert "clip: 5 targets of frames images" in printed and "64x64 seen at 64x64, 56 degrees across" in printed
    assert "1 steps of 2" in printed
    assert notices == ["1 of 6 frames are left out, because the camera stands in them: 0003.png."]
    settings = json.loads((clip / "runs/clip/settings.json").read_text())["settings"]
    assert settings["loss"] == "clip" and settings["margin_until"] == 0.5


def test_a_clip_that_stands_is_refused(clip, capsys):
    for path in (clip / "images").iterdir():
        path.write_bytes((clip / "images" / "0000.png").read_bytes())
    assert main(["train", "new", "--data", "frames:images", *LINE, *SMALL]) == 2
    assert "the camera stands in all 6 frames" in capsys.readouterr().err and not (clip / "new").exists()


@pytest.mark.slow  # two trainings and a verdict
def test_a_segmenter_of_its_own_gives_the_masks(clip, capsys):
    data = ["--data", "frames:images", "--labels", "labels"]
    assert main(["train", "own", "--segmenter", *data, *SMALL, "--steps", "2"]) == 0
    assert "mean IoU" in capsys.readouterr().out
    weights = given_segmenter("own")
    variant = ["--variant", "ssfa_segmenter", "--masks", "own", "--steps", "1", "--frame-step", "1"]
    assert main(["train", "run", *data, *LINE, *SMALL, *variant]) == 0
    used = load_run(clip / "run", "cpu").segmenter.state_dict()
    assert all(torch.equal(used[name], weights[name]) for name in weights)
    assert not torch.equal(weights["head.weight"], given_segmenter()["head.weight"])
    assert main(["train", "other", *data, *LINE, *SMALL, "--masks", "own"]) == 2
    assert "is given no segmenter" in capsys.readouterr().err


@pytest.mark.parametrize("settings, data, meters", [
    ({"pose": "learned"}, "frames clip", False), ({"pose": "given"}, "photo", True),
    ({"supervision": "depth"}, "street train", True), ({"pose": "learned"}, "kitti stereo", True),
    ({"pose": "learned"}, "frames stereo-clip", False)])
def test_a_run_that_learned_meters_is_known(settings, data, meters):
    assert learned_meters({"settings": settings, "data": data}) is meters
