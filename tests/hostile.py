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
from hostile_world import WORDS, build_world, check_street, spoil

from semdepth_lite import __main__ as command_line
from semdepth_lite import camera, labels, losses, metrics, warp
from semdepth_lite.common.console import stop_on_signals
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.small_files import read_json, read_log, read_rows
from semdepth_lite.data import frame_order, image_files, own_frames
from semdepth_lite.data.intrinsics_file import parse_intrinsics, read_intrinsics_file
from semdepth_lite.data.kitti import read_list, read_odometry_calibration, read_odometry_poses, read_oxts, read_scan
from semdepth_lite.data.labeling import user_segmenter
from semdepth_lite.data.pose_files import read_poses
from semdepth_lite.evaluation.outside import read_array
from semdepth_lite.evaluation.prediction import predict_image, scale_from_height
from semdepth_lite.evaluation.protocol import Protocol, evaluate_batch
from semdepth_lite.evaluation.report import Report
from semdepth_lite.experiments.results import Result
from semdepth_lite.pretrained import load_pretrained, pretrained_card
from semdepth_lite.training.checkpoint import load_checkpoint, load_run, read_about, read_weights
from semdepth_lite.training.history import read_history
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import VARIANTS, find_variant
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
    "settings": ("run/settings.json", read_about), "history": ("run/log.jsonl", lambda path: read_history(path.parent)),
    "start": ("run/checkpoint.pt", read_weights), "path": ("path.tum", lambda path: read_poses(path, 5)),
    "array": ("depths.npy", read_array), "arrays": ("depths.npz", read_array),
    "segmenter": ("guess.pt", user_segmenter),
    **{f"street {name}": (f"street/*/{name}", lambda path: check_street(path.parents[1]))
       for name in ("manifest.json", "images.npy", "pose.npy")},
    "shipped": ("baseline.pt", lambda path: load_pretrained("baseline", "cpu", path.parent)),
}
def draw_reader(chance: random.Random, root: Path) -> tuple[str, Callable[[], object]]:
    name = chance.choice(sorted(READERS))
    pattern, read = READERS[name]
    place = sorted(root.glob(pattern))[0]
    way = spoil(place, chance)
    return f"reader {name}: {way}", lambda: read(place)


JUDGE = ["--run", "{}/run", "--output", "r.json"]
SPOILED = ("clip/1.png", "labels/2.png", "depth/2.png", "clip/intrinsics.txt", "run/*", "raw/*/*.txt",
           "raw/**/data/*2.*", "odometry/**/*.txt", "odometry/**/*1.png", "depths.npy", "guess.pt")


def draw_command(chance: random.Random, root: Path) -> tuple[str, Callable[[], object]]:
    """Draw a command with one or two hostile options, or with a spoiled file below it."""
    base = {"predict": ["{}/clip", "--run", "{}/run", "--output", "out"], "doctor": ["{}/clip", "--pairs", "1"],
            "train": ["new", "--data", "frames:{}/clip", "--steps", "1", "--batch", "1", "--height", "64", "--width",
                      "96"],
            "evaluate": ["--run", "{}/run", "--data", "frames:{}/clip", "--depth", "{}/depth", "--output", "r.json"],
            "label": ["{}/labels", "out", "--convert", "trainId"], "render": ["new", "--frames", "1", "--height", "16",
                                                                             "--width", "32"],
            "evaluate the path": [*JUDGE, "--poses", "--data", "odometry:{}/odometry", "--sequences", "09"],
            "evaluate KITTI": [*JUDGE, "--data", "kitti:{}/raw", "--depth", "forward"],
            "evaluate others": ["--predictions", "{}/depths.npy", "--data", "frames:{}/clip", "--depth", "{}/depth",
                                "--output", "r.json"],
            "train by labels": ["new", "--data", "frames:{}/clip", "--steps", "1", "--batch", "1", "--height", "64",
                                "--width", "96", "--variant", "ssfa", "--labels", "{}/labels"],
            "train KITTI": ["new", "--data", "kitti:{}/raw", "--steps", "1", "--batch", "1", "--height", "64",
                            "--width", "96", "--preset", "quick"],
            "label by a model": ["{}/clip", "out", "--model", "{}/guess.pt"], "lessons": ["new"],
            "download": ["kitti", "odometry:poses", "--base-url", "http://127.0.0.1:9", "--root", "down"]}
    form = chance.choice(sorted(base))
    name = form.split()[0]
    words = [*base[form], "--quiet"]
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
        place = chance.choice(sorted(path for pattern in SPOILED for path in root.glob(pattern) if path.is_file()))
        done.append(f"{place.relative_to(root)} {spoil(place, chance)}")
    around = {}
    if chance.random() < 0.1:
        around = {chance.choice(["RANK", "WORLD_SIZE", "SEMDEPTH_CACHE", "HOME", "TMPDIR"]): chance.choice(WORDS)}
        around = {key: value.replace("{}", str(root)) for key, value in around.items() if "\ud800" not in value}
        done.append(f"environment {around}")
    words = [word.replace("{}", str(root)) for word in words]
    if name in ("train", "evaluate", "predict", "label") and "--device" not in words:
        words += ["--device", "cpu"]

    def call() -> None:
        os.environ.update(around)
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

    return f"command {form}: {', '.join(done)}", call


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
    "snippet_ate": (metrics.snippet_ate, ("path", "path")), "pair_errors": (metrics.pair_errors, ("path", "path")),
    "kitti_segment_errors": (metrics.kitti_segment_errors, ("path", "path")),
    "border_f1": (metrics.border_f1, ("labels", "labels")), "colorize_labels": (labels.colorize_labels, ("labels",)),
    "disp_to_depth": (camera.disp_to_depth, ("depth",)),
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
        (f"function find_variant({field!r}, {word[:40]!r}: {value!r})",
         lambda: find_variant(chance.choice(sorted(VARIANTS)), {word: value, "ranking.cap": value})),
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
        ours = "evaluation_" in path.name or "street" in path.parts  # which a command may write anew
        if path.is_file() and not path.is_symlink() and not ours:
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
