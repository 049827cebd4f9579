"""Draw kinds x places x values, and report whatever ends in anything but a right answer or one sentence.

    python tests/hostile.py --minutes 15 --seed 0

A case is a reader with a spoiled file, a command with a hostile option or world, or a public function with arguments
that nobody means. Each runs in a process of its own with a limit of time and memory. A case is well if it returns, or
refuses in one sentence (`InputError`; status 0 or 2 of a command), and if the files that it was given are as before.
"""
from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from factories import TinySource

from semdepth_lite import __main__ as command_line
from semdepth_lite import camera, labels, losses, metrics, warp
from semdepth_lite.common.console import stop_on_signals
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.small_files import read_json, read_log, read_rows
from semdepth_lite.data import frame_order, image_files, own_frames
from semdepth_lite.data.intrinsics_file import parse_intrinsics, read_intrinsics_file
from semdepth_lite.data.kitti import read_list, read_odometry_calibration, read_odometry_poses, read_oxts, read_scan
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.prediction import predict_image, scale_from_height
from semdepth_lite.evaluation.protocol import Protocol, evaluate_batch
from semdepth_lite.evaluation.report import Report, evaluate
from semdepth_lite.experiments.results import Result
from semdepth_lite.pretrained import load_pretrained, pretrained_card
from semdepth_lite.training.checkpoint import load_checkpoint, load_run
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.weights import load_tensors

SECONDS, MEMORY = 40, 9 * 2**30

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "image": ("clip/1.png", image_files.read_image), "size": ("clip/1.png", image_files.image_size),
    "small image": ("photo.jpg", lambda path: image_files.read_image(path, 32, 32)),
    "labels": ("labels/1.png", image_files.read_label_map), "depth": ("depth/1.png", image_files.read_depth_png),
    "intrinsics": ("intrinsics.txt", lambda path: read_intrinsics_file(path, [Path("0.png")], 64, 96)),
    "folder": ("clip/1.png",
               lambda path: own_frames.FrameFolder(path.parent, 32, 32, "fov 60", cache=None).triplet([0])),
    "json": ("run/settings.json", read_json), "log": ("run/log.jsonl", lambda path: list(read_log(path))),
    "rows": ("list.txt", read_rows), "checkpoint": ("run/checkpoint.pt", load_checkpoint),
    "run": ("run/checkpoint.pt", lambda path: load_run(path.parent, "cpu")),
    "weights": ("run/checkpoint.pt", load_tensors),
    "list": ("list.txt", read_list), "oxts": ("oxts.txt", read_oxts), "poses": ("poses.txt", read_odometry_poses),
    "calibration": ("calib.txt", read_odometry_calibration), "scan": ("scan.bin", read_scan),
    "report": ("report.json", Report.load), "result": ("result.json", Result.load),
    "card": ("baseline.json", lambda path: pretrained_card("baseline", path.parent)),
    "shipped by its card": ("baseline.json", lambda path: load_pretrained("baseline", "cpu", path.parent)),
    "shipped": ("baseline.pt", lambda path: load_pretrained("baseline", "cpu", path.parent)),
}
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
    os.mkfifo(root / "pipe")


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


def draw_reader(chance: random.Random, root: Path) -> tuple[str, Callable[[], object]]:
    name = chance.choice(sorted(READERS))
    place, read = READERS[name]
    way = spoil(root / place, chance)
    return f"reader {name}: {way}", lambda: read(root / place)


def draw_command(chance: random.Random, root: Path) -> tuple[str, Callable[[], object]]:
    """Draw a command with one or two hostile options, or with a spoiled file below it."""
    base = {"predict": ["{}/clip", "--run", "{}/run", "--output", "out"], "doctor": ["{}/clip", "--pairs", "1"],
            "train": ["new", "--data", "frames:{}/clip", "--steps", "1", "--batch", "1", "--height", "64", "--width",
                      "96"],
            "evaluate": ["--run", "{}/run", "--data", "frames:{}/clip", "--depth", "{}/depth", "--output", "r.json"],
            "label": ["{}/labels", "out", "--convert", "trainId"], "render": ["new", "--frames", "1", "--height", "16",
                                                                             "--width", "32"],
            "download": ["kitti", "odometry:poses", "--base-url", "http://127.0.0.1:9", "--root", "down"]}
    name = chance.choice(sorted(base))
    words = [*base[name], "--quiet"]
    done = []
    parser = command_line.build_parser()._subparsers._group_actions[0].choices[name]
    for _ in range(chance.choice([0, 1, 1, 2])):
        value = chance.choice(WORDS)
        action = chance.choice([a for a in parser._actions if a.dest not in ("help",)])
        if action.option_strings:
            words += [action.option_strings[-1]] + ([] if action.nargs == 0 else [value])
        else:
            words[0] = value
        done.append(f"{action.dest}={value[:40]!r}")
    if not done or chance.random() < 0.3:
        place = chance.choice(["clip/1.png", "labels/2.png", "depth/2.png", "clip/intrinsics.txt", "run/settings.json",
                               "run/checkpoint.pt", "run/log.jsonl"])
        done.append(f"{place} {spoil(root / place, chance)}")
    words = [word.replace("{}", str(root)) for word in words]
    if name in ("train", "evaluate", "predict") and "--device" not in words:
        words += ["--device", "cpu"]

    def call() -> None:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = command_line.main(words)
            except SystemExit as end:
                status = end.code or 0
        shown = err.getvalue()
        assert status in (0, 1, 2) and "Traceback" not in shown and "unexpected" not in shown, (status, shown[-400:])
        if status:
            assert shown.count("\n") == 1 and not out.getvalue(), (status, shown[-400:])

    return f"command {name}: {', '.join(done)}", call


def draw_tensor(chance: random.Random) -> object:
    """Draw an argument that is or is not what a function means."""
    shape = chance.choice([(1, 1, 16, 24), (1, 3, 16, 24), (2, 1, 16, 24), (1, 16, 24), (16, 24), (1, 3, 3), (1, 4, 4),
                           (0,), (), (1, 1, 0, 24), (1, 1, 1, 1), (1, 1, 2, 2)])
    kind = chance.choice([*[torch.float32] * 4, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64,
                          torch.bool])
    value = chance.choice([0.0, 1.0, 5.0, -1.0, float("nan"), float("inf"), 1e30, 255.0])
    tensor = torch.full(shape, value) if chance.random() < 0.4 else torch.rand(shape) * 10 + 0.1
    return tensor.nan_to_num(0, 9, -9).to(kind) if not kind.is_floating_point else tensor.to(kind)


def fitting(chance: random.Random, what: str) -> object:
    """Draw what a function means, most of the time."""
    if chance.random() < 0.25:
        return draw_tensor(chance)
    return {"depth": torch.rand(1, 1, 16, 24) * 10 + 0.5, "image": torch.rand(1, 3, 16, 24),
            "K": camera.intrinsics(20, 20, 11.5, 7.5)[None], "T": torch.eye(4)[None],
            "labels": torch.randint(0, 19, (1, 16, 24), dtype=torch.uint8), "points": torch.rand(1, 3, 16, 24) + 1,
            "path": torch.eye(4).repeat(6, 1, 1), "views": torch.rand(1, 2, 3, 16, 24), "error": torch.rand(1, 16, 24),
            "pixels": torch.rand(1, 2, 5, 7) * 20, "turn": torch.rand(1, 3)}[what]


FUNCTIONS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "backproject": (camera.backproject, ("depth", "K")), "project": (camera.project, ("points", "K")),
    "warp": (warp.warp, ("image", "depth", "T", "K")), "occluded": (warp.occluded, ("depth", "depth", "T", "K")),
    "photometric_error": (losses.photometric_error, ("image", "image")),
    "smoothness_loss": (losses.smoothness_loss, ("depth", "image")),
    "source_errors": (losses.source_errors, ("views", "image")), "automask": (losses.automask, ("error", "error")),
    "supervised_loss": (lambda d, t: losses.supervised_loss([d], t), ("depth", "depth")),
    "transform_points": (camera.transform_points, ("T", "points")), "sample": (warp.sample, ("image", "pixels")),
    "rigid_transform": (camera.rigid_transform, ("turn", "turn")),
    "ssim_distance": (losses.ssim_distance, ("image", "image")),
    "evaluate_batch": (lambda p, t, seg: evaluate_batch(p, t, seg, None, Protocol()), ("depth", "depth", "labels")),
    "scale_from_height": (lambda d, k: scale_from_height(d, k, 1.5), ("depth", "K")),
    "group_mask": (lambda seg: labels.group_mask(seg, "movable"), ("labels",)),
    "label_borders": (labels.label_borders, ("labels",)),
    "confusion_matrix": (metrics.confusion_matrix, ("labels", "labels")),
    "trajectory_ate": (metrics.trajectory_ate, ("path", "path")),
}


def draw_function(chance: random.Random, root: Path) -> tuple[str, Callable[[], object]]:
    if chance.random() < 0.25:
        return draw_values(chance)
    name = chance.choice(sorted(FUNCTIONS))
    function, kinds = FUNCTIONS[name]
    arguments = [fitting(chance, kind) for kind in kinds]
    shown = ", ".join(f"{tuple(a.shape)} {str(a.dtype)[6:]}" for a in arguments)
    return f"function {name}({shown})", lambda: function(*arguments)


def draw_values(chance: random.Random) -> tuple[str, Callable[[], object]]:
    """Draw a function of plain values."""
    word = chance.choice(WORDS)
    names = [f"{chance.choice(WORDS)}{chance.randrange(10**chance.randrange(1, 20))}{chance.choice(WORDS)}.png"[:200]
             for _ in range(chance.randrange(1, 30))]
    value = chance.choice([None, -1, 0, 1.5, "x", [], float("nan"), 10**30, True])
    field = chance.choice(["steps", "batch", "seed", "learning_rate", "width", "encoder", "variant", "loss", "clip"])
    image = chance.choice([None, np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), [1]])
    return chance.choice([
        (f"function parse_intrinsics({word[:40]!r})", lambda: parse_intrinsics(word, 64, 96)),
        (f"function order_frames({names[:3]} ...)", lambda: frame_order.order_frames(list(map(Path, names)))),
        (f"function TrainSettings({field}={value!r})", lambda: TrainSettings(**{field: value}).build()),
        (f"function predict_image({type(image).__name__})",
         lambda: predict_image(TrainSettings(width=8).build().eval(), image, 64, 96))])


DRAWS = {"reader": draw_reader, "command": draw_command, "function": draw_function}


def live(case: Callable[[], object], folder: Path) -> str:
    """Run a case in a process of its own and return what was wrong with its end; the empty string if nothing was."""
    report = folder / "report"
    process = os.fork()
    if not process:
        try:
            os.chdir(folder)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            os.environ["SEMDEPTH_CACHE"] = str(folder / "cache")
            try:
                case()
            except InputError as error:
                text = str(error)
                if "\n" in text or len(text) < 15 or not text.endswith("."):
                    report.write_text(f"no sentence: {text[:300]}")
            except BaseException as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}:{place.lineno}"
                report.write_text(f"{type(error).__name__}: {str(error)[:300]} ({where})", errors="backslashreplace")
        finally:
            os._exit(0)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            if os.WIFSIGNALED(status):
                return f"died by signal {os.WTERMSIG(status)}"
            return report.read_text(errors="replace") if report.exists() else ""
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return f"no end within {SECONDS} s"


def inputs(root: Path) -> str:
    """Hash the files of the world."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and "evaluation_" not in path.name:
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Draw cases until the time is over, and print what was not well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0, help="how long (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="of the first case (default: 0); each case prints its own")
    parser.add_argument("--only", choices=DRAWS, help="one kind of place (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    end, seed, counted, found = time.monotonic() + 60 * args.minutes, args.seed, Counter(), Counter()
    with tempfile.TemporaryDirectory() as place:
        good = Path(place) / "good"
        build_world(good)
        with suppress(KeyboardInterrupt), stop_on_signals():  # what was found so far is printed
            while time.monotonic() < end:
                chance = random.Random(seed)
                torch.manual_seed(seed)
                folder = Path(place) / "case"
                folder.mkdir()
                root = folder / "world"
                shutil.copytree(good, root, ignore=shutil.ignore_patterns("pipe"))
                os.mkfifo(root / "pipe")
                kind = args.only or chance.choice(["reader", "reader", "command", "function"])
                name, case = DRAWS[kind](chance, root)
                before = inputs(root)
                trouble = live(case, folder)
                if not trouble and inputs(root) != before:
                    trouble = "a file that it was given has changed"
                counted[kind] += 1
                if trouble:
                    found[kind] += 1
                    print(f"seed {seed}: {name}\n    {trouble}", flush=True)
                shutil.rmtree(folder)
                seed += 1
    print(f"{sum(counted.values())} cases ({', '.join(f'{n} {kind}s' for kind, n in sorted(counted.items()))}), "
          f"{sum(found.values())} not well")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
