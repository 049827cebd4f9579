"""The world of `tests/hostile.py`: one good file of every kind, words that nobody means, and ways to spoil files."""
from __future__ import annotations

import hashlib
import json
import os
import random
import warnings
from pathlib import Path

import numpy as np
import torch
from factories import TinySource
from kitti_files import make_odometry, make_raw

from semdepth_lite.data import image_files
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.report import evaluate
from semdepth_lite.experiments.results import Result
from semdepth_lite.street import StreetSet, StreetSettings, load_street
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

STREET = StreetSettings("test", scenes=1, frames_per_scene=3, height=16, width=32)


class Guess(torch.nn.Module):
    """A segmenter of somebody's own that always says the same."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (1, 19, h, w)."""
        return image[:, :1].repeat(1, 19, 1, 1) * 0 + torch.arange(19.0).view(1, 19, 1, 1)


WORDS = ["", " ", "0", "-1", "1", "1.5", "nan", "inf", "-inf", "1e308", "99999999999999999999", "abc", "\u0663",
         "\u00e4\ud800", "a b", "../..", "/", "/dev/null", "/dev/zero", "/proc/self/mem", "x" * 5000, "none", "auto",
         "cpu:99", "meta",
         "frames:", "kitti:{}", "odometry:{}/clip", "frames:{}/clip", "frames:{}/labels", "{}/clip", "{}/run",
         "{}/run/checkpoint.pt", "{}/clip/1.png", "{}/pipe", "{}/list.txt", "{}/depth", "fov 60", "fov",
         "500 500 48 32", "{", "[]", "levels=", "a=b", "yes", "True", "**", "**/*.png", "lite", "semdepth", "median",
         "garg", "-", "--", "C:\\x", "\n"]




def build_world(root: Path) -> None:
    """Write one good file of every kind."""
    for i in range(5):
        image = np.random.RandomState(i).randint(0, 256, (64, 96, 3)).astype(np.uint8)
        image_files.write_image(root / "clip" / f"{i}.png", image)
        image_files.write_image(root / "labels" / f"{i}.png", (image[..., 0] % 19).astype(np.uint8))
        image_files.write_depth_png(root / "depth" / f"{i}.png", image[..., 1] / 5.0 + 1)
    image_files.write_image(root / "photo.jpg", image)
    for name in ("clip/intrinsics.txt", "intrinsics.txt"):
        (root / name).write_text("80 80 47.5 31.5\n")
    run = Run(TinySource(3), TrainSettings(width=8, steps=1, batch=1), root / "run", "cpu")
    run.train(progress=False, log_every=1)
    (root / "list.txt").write_text("2011_09_26/2011_09_26_drive_0001_sync 5 l\n")
    (root / "oxts.txt").write_text(" ".join(["49.0", "8.4", "112"] + ["0.1"] * 27))
    (root / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n" * 3)
    (root / "calib.txt").write_text("".join(f"P{i}: 700 0 600 0 0 700 170 0 0 0 1 0\n" for i in range(4)))
    (root / "scan.bin").write_bytes(np.random.RandomState(0).rand(20, 4).astype("<f4").tobytes())
    depth = torch.full((2, 1, 16, 16), 5.0)
    batch = Triplet(torch.zeros(2, 3, 16, 16), torch.zeros(2, 2, 3, 16, 16), torch.eye(3).repeat(2, 1, 1), depth=depth)
    evaluate(lambda triplet: depth * 1.1, [batch]).save(root / "report.json")
    state = TrainSettings(width=8).build().state_dict()
    torch.save({name: value.half() if value.is_floating_point() else value for name, value in state.items()},
               root / "baseline.pt")
    card = {"sha256": hashlib.sha256((root / "baseline.pt").read_bytes()).hexdigest(), "settings": {"width": 8},
            "height": 64, "width": 96}
    (root / "baseline.json").write_text(json.dumps(card))
    Result("learned", {"abs_rel": 0.1}, "learned", 1, settings={"width": 8}, seed=0).save(root / "result.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(Guess()), root / "guess.pt")
    np.save(root / "depths.npy", np.full((5, 16, 24), 5.0, np.float32))
    np.savez(root / "depths.npz", depth=np.full((5, 16, 24), 5.0, np.float32))
    (root / "path.tum").write_text("".join(f"{i} 0 0 {i} 0 0 0 1\n" for i in range(5)))
    make_raw(root / "raw", range(4))
    make_odometry(root / "odometry")
    street = load_street(STREET, root / "street", workers=1, progress=False)
    (root / "street.sha256").write_text(digest(street))
    os.mkfifo(root / "pipe")


def digest(street: StreetSet) -> str:
    """Hash the images and poses of a street."""
    return hashlib.sha256(np.asarray(street.images).tobytes() + np.asarray(street.pose).tobytes()).hexdigest()


def check_street(folder: Path) -> None:
    """Check that a street comes out of its cache as it was rendered, whatever became of the cache."""
    found = digest(load_street(STREET, folder, workers=1, progress=False))
    assert found == folder.with_suffix(".sha256").read_text(), "another street"


def spoil(path: Path, chance: random.Random) -> str:
    """Spoil a file in one drawn way and name it."""
    content = path.read_bytes()
    way = chance.choice(["flip", "flips", "cut", "grow", "noise", "empty", "pipe", "zero", "folder", "gone", "number",
                         "text", "mark", "link", "other"])
    if way in ("pipe", "zero", "folder", "gone", "link"):
        path.unlink()
    if way in ("flip", "flips"):
        spoiled = bytearray(content)
        for _ in range(1 if way == "flip" else 40):
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
        path.write_bytes(spoiled)
    elif way == "cut":
        path.write_bytes(content[:chance.randrange(len(content))])
    elif way == "grow":
        path.write_bytes(content + chance.randbytes(chance.randrange(1, 4000)))
    elif way == "noise":
        path.write_bytes(chance.randbytes(chance.randrange(1, 4000)))
    elif way == "empty":
        path.write_bytes(b"")
    elif way == "pipe":
        os.mkfifo(path)
    elif way == "zero":
        path.symlink_to("/dev/zero")
    elif way == "link":
        path.symlink_to(path)
    elif way == "folder":
        path.mkdir()
    elif way == "number":  # one number in a text becomes another one
        words = content.split(b" ")
        words[chance.randrange(len(words))] = chance.choice(WORDS[:12]).encode("utf-8", "surrogatepass")
        path.write_bytes(b" ".join(words))
    elif way == "text":
        path.write_bytes(chance.choice(WORDS).encode("utf-8", "surrogatepass"))
    elif way == "mark":
        path.write_bytes(chance.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\0"]) + content)
    elif way == "other":
        others = [p for p in sorted(path.parent.iterdir()) if p.is_file() and p != path]
        if others:
            path.write_bytes(chance.choice(others).read_bytes())
    return way
