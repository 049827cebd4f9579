"""Bad data and bad words on the command line: one sentence that names the place and the remedy, status 2, no traceback,
and nothing half-written. Each case spoils one thing in a small tree that is otherwise fine."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import TinySource
from kitti_files import DAY, DRIVE, HEIGHT, WIDTH, make_odometry
from spoiled import (
    Executed,
    clip,
    cut,
    edit,
    kitti,
    pickled,
    picture,
    png_that_claims,
    put,
    remove,
    remove_all,
    saved,
    weights,
)

from semdepth_lite.__main__ import main
from semdepth_lite.data.image_files import write_depth_png
from semdepth_lite.presets import PRESETS, Preset
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

TINY = Preset(64, 96, {"train": 1, "validation": 1, "test": 1}, TrainSettings(width=8, steps=2, batch=2))
CAMERA, VELO = f"{DAY}/calib_cam_to_cam.txt", f"{DAY}/calib_velo_to_cam.txt"
IMAGE = f"{DRIVE}/image_02/data/0000000000.png"
SCAN = f"{DRIVE}/velodyne_points/data/0000000001.bin"
OXTS = f"{DRIVE}/oxts/data/0000000001.txt"


TREES: dict[str, Callable[[Path], None]] = {
    "kitti": kitti, "odometry": lambda root: make_odometry(root), "frames": clip, "bare": lambda root: None}
TRAIN_KITTI = ["train", "new", "--data", "kitti:{}"]
JUDGE_KITTI = ["evaluate", "--run", "{run}", "--output", "new.json", "--data", "kitti:{}"]
LIDAR, IMPROVED = ["--depth", "camera"], ["--depth", "improved", "--improved-depth", "{}/improved"]
ODOMETRY = ["evaluate", "--run", "{run}", "--poses", "--output", "new.json", "--data", "odometry:{}", "--sequences"]
FRAMES = ["train", "new", "--data", "frames:{}/clip"]
LABELED = ["--variant", "multitask", "--labels"]
PREDICT = ["predict", "{}/clip", "--output", "new", "--run"]
WEIGHTS = ["predict", "{}/clip", "--output", "new", "--weights", "{}"]


def nothing(root: Path) -> None:
    """Spoil nothing: the words are what is wrong."""


# name: (tree, what spoils it, words, what the sentence says)
CASES: dict[str, tuple[str, Callable[[Path], None], list[str], str]] = {
    # KITTI raw: calibration
    "calibration key missing": ("kitti", edit(CAMERA, lambda t: t.replace("P_rect_02", "P_rect_2")), TRAIN_KITTI,
                                "calib_cam_to_cam.txt line 26 has the key 'P_rect_2'"),
    "calibration line missing": ("kitti", edit(CAMERA, lambda t: "\n".join(t.splitlines()[:-1])), TRAIN_KITTI,
                                 "calib_cam_to_cam.txt lacks the key 'P_rect_03'"),
    "calibration key too many": ("kitti", edit(CAMERA, lambda t: t + "more: 1\n"), TRAIN_KITTI, "line 35 has the key"),
    "calibration key twice": ("kitti", edit(CAMERA, lambda t: t + "corner_dist: 1\n"), TRAIN_KITTI, "line 35 repeats"),
    "calibration number missing": ("kitti", edit(VELO, lambda t: t.replace("T: 0 0", "T: 0")), TRAIN_KITTI,
                                   "calib_velo_to_cam.txt line 3 (T) has 2 numbers"),
    "calibration no number": ("kitti", edit(VELO, lambda t: t.replace("-0.27", "far")), TRAIN_KITTI, "line 3 (T)"),
    "calibration not finite": ("kitti", edit(VELO, lambda t: t.replace("-0.27", "inf")), TRAIN_KITTI, "line 3 (T)"),
    "calibration no rotation": ("kitti", edit(VELO, lambda t: t.replace("R: 0", "R: 3")), TRAIN_KITTI, "no rotation"),
    "calibration empty": ("kitti", put(CAMERA, ""), TRAIN_KITTI, "calib_cam_to_cam.txt lacks the key"),
    "calibration absent": ("kitti", remove(CAMERA), TRAIN_KITTI, "calib_cam_to_cam.txt does not exist"),
    "calibration no text": ("kitti", put(CAMERA, b"\xff\xfe\x00"), TRAIN_KITTI, "cannot be read as text"),
    "calibration of another size": ("kitti", edit(CAMERA, lambda t: t.replace("S_rect_02: 60", "S_rect_02: 61")),
                                    TRAIN_KITTI, "has 60x20 pixels, but"),
    # KITTI raw: scans, packets and depth
    "scan cut": ("kitti", cut(SCAN, 59), [*JUDGE_KITTI, *LIDAR], "0000000001.bin has 59 bytes"),
    "scan empty": ("kitti", put(SCAN, b""), [*JUDGE_KITTI, *LIDAR], "0000000001.bin has 0 bytes"),
    "scan not finite": ("kitti", put(SCAN, np.full(8, np.nan, np.float32).tobytes()), [*JUDGE_KITTI, *LIDAR],
                        "0000000001.bin holds numbers that are not finite"),
    "scans absent": ("kitti", remove_all(f"{DRIVE}/velodyne_points/data"), [*JUDGE_KITTI, *LIDAR], ".bin is missing"),
    "packet cut": ("kitti", edit(OXTS, lambda t: t[:40]), [*JUDGE_KITTI, "--poses"], "0000000001.txt line 1 has"),
    "packet empty": ("kitti", put(OXTS, ""), [*JUDGE_KITTI, "--poses"], "0000000001.txt is empty"),
    "packet absent": ("kitti", remove(OXTS), [*JUDGE_KITTI, "--poses"], "0000000001.txt does not exist"),
    "depth not named": ("kitti", nothing, JUDGE_KITTI, "opened without depth"),
    "depth unknown": ("kitti", nothing, [*JUDGE_KITTI, "--depth", "radar"], "depth 'radar' is unknown"),
    "improved without folder": ("kitti", nothing, [*JUDGE_KITTI, "--depth", "improved"], "improved depth needs"),
    "improved absent": ("kitti", nothing, [*JUDGE_KITTI, "--depth", "improved", "--improved-depth", "{}"],
                        "groundtruth/image_02/0000000000.png is missing"),
    "improved of another size": ("kitti", lambda root: write_depth_png(
        root / "improved" / DRIVE.split("/")[1] / "proj_depth/groundtruth/image_02/0000000001.png", np.ones((9, 9))),
        [*JUDGE_KITTI, *IMPROVED], "0000000001.png has 9x9 pixels, but its image has 60x20"),
    "improved of 8 bits": ("kitti", picture(f"improved/{DRIVE.split('/')[1]}/proj_depth/groundtruth/image_02/"
                                            "0000000001.png", "L"), [*JUDGE_KITTI, *IMPROVED], "8-bit depth picture"),
    # KITTI raw: images
    "image cut": ("kitti", cut(IMAGE, 600), TRAIN_KITTI, "0000000000.png is damaged"),
    "image empty": ("kitti", put(IMAGE, b""), TRAIN_KITTI, "0000000000.png cannot be read as PNG or JPEG"),
    "image a text": ("kitti", put(IMAGE, "no image"), TRAIN_KITTI, "0000000000.png cannot be read as PNG or JPEG"),
    "image of 16 bits": ("kitti", picture(IMAGE, "I;16"), TRAIN_KITTI, "with 16 bits, expected 8-bit RGB"),
    "image with transparency": ("kitti", picture(IMAGE, "RGBA"), TRAIN_KITTI, "0000000000.png has transparent pixels"),
    "image of another size": ("kitti", picture(IMAGE, size=(70, 20)), TRAIN_KITTI, "0000000000.png has 70x20 pixels"),
    "image gigantic": ("kitti", put(IMAGE, png_that_claims(30000, 30000)), TRAIN_KITTI, "000.png cannot be read"),
    "image with a lying header": ("kitti", put(IMAGE, png_that_claims(WIDTH, HEIGHT)), TRAIN_KITTI, "is damaged"),
    # KITTI raw: lists, drives, labels
    "frame missing": ("kitti", remove(f"{DRIVE}/image_02/data/0000000002.png"), TRAIN_KITTI, "lacks frame 2"),
    "list names a missing file": ("kitti", edit("list.txt", lambda t: t + f"{DRIVE} 9 l\n"),
                                  [*TRAIN_KITTI, "--frames", "{}/list.txt"], "list.txt line 3 needs"),
    "list without a neighbor": ("kitti", edit("list.txt", lambda t: f"{DRIVE} 4 l\n"),
                                [*TRAIN_KITTI, "--frames", "{}/list.txt"], "line 1 needs"),
    "list malformed": ("kitti", put("list.txt", f"{DRIVE} one l\n"), [*TRAIN_KITTI, "--frames", "{}/list.txt"],
                       "list.txt line 1 reads"),
    "list with a third side": ("kitti", put("list.txt", f"{DRIVE} 1 m\n"), [*TRAIN_KITTI, "--frames", "{}/list.txt"],
                               "list.txt line 1 reads"),
    "list that climbs out": ("kitti", put("list.txt", "../.. 1 l\n"), [*TRAIN_KITTI, "--frames", "{}/list.txt"],
                             "list.txt line 1 names the folder '../..'"),
    "list empty": ("kitti", put("list.txt", "\n"), [*TRAIN_KITTI, "--frames", "{}/list.txt"], "names no frame"),
    "list absent": ("kitti", nothing, [*TRAIN_KITTI, "--frames", "{}/no.txt"], "no.txt does not exist"),
    "list no text": ("kitti", put("list.txt", b"\xff\x00"), [*TRAIN_KITTI, "--frames", "{}/list.txt"],
                     "list.txt cannot be read as text"),
    "option of labels without use": ("odometry", nothing, [*ODOMETRY, "09", "--label-ids", "labelId"],
                                     "none are named; name labels"),
    "list and drives": ("kitti", nothing, [*TRAIN_KITTI, "--frames", "{}/list.txt", "--drives", DRIVE],
                        "name one of them"),
    "drive unknown": ("kitti", nothing, [*TRAIN_KITTI, "--drives", "2011_09_26/none"], "none yields no frame"),
    "root without drives": ("bare", nothing, TRAIN_KITTI, "holds no drive"),
    "root absent": ("bare", nothing, ["train", "new", "--data", "kitti:{}/nowhere"], "nowhere does not exist"),
    "calibration word": ("kitti", nothing, [*TRAIN_KITTI, "--intrinsics", "guess"], "intrinsics 'guess' are unknown"),
    "option without use": ("kitti", nothing, [*TRAIN_KITTI, "--sequences", "09"], "no use for sequences"),
    "labels absent": ("kitti", nothing, [*TRAIN_KITTI, *LABELED, "{}/nowhere"], "has no labels"),
    "labels not given": ("kitti", nothing, [*TRAIN_KITTI, "--variant", "multitask"], "labels"),
    "labels of another size": ("kitti", picture(f"labels/{DRIVE}/image_02/data/0000000001.png", "L", (9, 9)),
                               [*TRAIN_KITTI, *LABELED, "{}/labels"], "0000000001.png has 9x9 pixels"),
    "labels of another palette": ("kitti", picture(f"labels/{DRIVE}/image_02/data/0000000001.png", "L", value=33),
                                  [*TRAIN_KITTI, *LABELED, "{}/labels"], "0000000001.png holds the id 33"),
    "labels with unknown ids": ("kitti", picture(f"labels/{DRIVE}/image_02/data/0000000001.png", "L", value=77),
                                [*TRAIN_KITTI, *LABELED, "{}/labels", "--label-ids", "labelId"], "holds the id 77"),
    "labels in color": ("kitti", picture(f"labels/{DRIVE}/image_02/data/0000000001.png"),
                        [*TRAIN_KITTI, *LABELED, "{}/labels"], "0000000001.png holds mode RGB"),
    "labels of 16 bits": ("kitti", picture(f"labels/{DRIVE}/image_02/data/0000000001.png", "I;16"),
                          [*TRAIN_KITTI, *LABELED, "{}/labels"], "with 16 bits"),
    # KITTI odometry
    "sequence not named": ("odometry", nothing, ODOMETRY[:-1], "name at least one sequence"),
    "sequence absent": ("odometry", nothing, [*ODOMETRY, "05"], "05/image_2 holds no image"),
    "sequence with a gap": ("odometry", remove("sequences/09/image_2/000002.png"), [*ODOMETRY, "09"],
                            "lacks frame 000002"),
    "poses too few": ("odometry", edit("poses/09.txt", lambda t: t.splitlines()[0]), [*ODOMETRY, "09"],
                      "09.txt has 1 poses, but"),
    "poses no number": ("odometry", edit("poses/09.txt", lambda t: "x" + t), [*ODOMETRY, "09"], "09.txt line 1"),
    "poses no rotation": ("odometry", edit("poses/09.txt", lambda t: t.replace("1.", "3.", 1)), [*ODOMETRY, "09"],
                          "line 1 holds a matrix that is no rotation"),
    "poses absent": ("odometry", remove("poses/09.txt"), [*ODOMETRY, "09"], "09.txt does not exist"),
    "odometry calibration": ("odometry", edit("sequences/09/calib.txt", lambda t: t.replace("P3", "P9")),
                             [*ODOMETRY, "09"], "calib.txt line 4 has the key 'P9'"),
    "path too short": ("odometry", nothing, [*ODOMETRY, "09"], "no path of 5 frames"),
    # frames of one's own
    "intrinsics absent": ("frames", remove("clip/intrinsics.txt"), FRAMES, "has no intrinsics.txt"),
    "intrinsics a word": ("frames", put("clip/intrinsics.txt", "wide\n"), FRAMES, "intrinsics.txt line 1 reads 'wide'"),
    "intrinsics three numbers": ("frames", put("clip/intrinsics.txt", "60 60 47\n"), FRAMES, "line 1 reads"),
    "intrinsics empty": ("frames", put("clip/intrinsics.txt", "# nothing\n"), FRAMES, "intrinsics.txt holds no line"),
    "intrinsics no text": ("frames", put("clip/intrinsics.txt", b"\xff\xfe\x80"), FRAMES, "cannot be read"),
    "intrinsics of another size": ("frames", nothing, [*FRAMES, "--intrinsics", "700 700 600 170"], "600"),
    "intrinsics normalized": ("frames", nothing, [*FRAMES, "--intrinsics", "0.6 1.9 0.5 0.5"], "normalized"),
    "intrinsics not finite": ("frames", nothing, [*FRAMES, "--intrinsics", "nan 60 47 31"], "intrinsics"),
    "field of view": ("frames", nothing, [*FRAMES, "--intrinsics", "fov 190"], "field of view of 190 degrees"),
    "field of view not finite": ("frames", nothing, [*FRAMES, "--intrinsics", "fov nan"], "field of view of nan"),
    "intrinsics lack a frame": ("frames", put("clip/intrinsics.txt", "0 60 60 47 31\n1 60 60 47 31\n"), FRAMES,
                                "has no line for 2.png"),
    "intrinsics of a stranger": ("frames", put("clip/intrinsics.txt", "0 60 60 47 31\n9 60 60 47 31\n"), FRAMES,
                                 "line 2 begins with '9'"),
    "sizes differ": ("frames", picture("clip/2.png", size=(90, 64)), FRAMES, "2.png has 90x64 pixels, but"),
    "frame gap": ("frames", picture("clip/7.png", size=(96, 64)), FRAMES, "lacks frame 4 after 3.png"),
    "frame number twice": ("frames", picture("clip/02.png", size=(96, 64)), FRAMES, "have the same number"),
    "too few frames": ("frames", lambda root: [(root / "clip" / f"{i}.png").unlink() for i in (2, 3)], FRAMES,
                       "too few in a row for a target"),
    "step too long": ("frames", nothing, [*FRAMES, "--frame-step", "3"], "too few in a row for a target"),
    "step zero": ("frames", nothing, [*FRAMES, "--frame-step", "0"], "step 0 is no frame step"),
    "video broken": ("frames", put("clip.mp4", "no video"), ["train", "new", "--data", "frames:{}/clip.mp4",
                                                             "--intrinsics", "fov 80"], "clip.mp4"),
    "video of no kind": ("frames", put("clip.txt", "no video"), ["train", "new", "--data", "frames:{}/clip.txt"],
                         "clip.txt is neither a folder nor a video"),
    "frame labels absent": ("frames", remove("labels/1.png"), [*FRAMES, *LABELED, "{}/labels"], "1.png is missing"),
    "frame labels of another size": ("frames", picture("labels/1.png", "L", (9, 9)),
                                     [*FRAMES, *LABELED, "{}/labels"], "1.png has 9x9 pixels"),
    "frame depth absent": ("frames", remove_all("depth"), ["evaluate", "--run", "{run}", "--output", "new.json",
                                                           "--data", "frames:{}/clip", "--depth", "{}/depth"],
                           ".png is missing"),
    "frame depth of another size": ("frames", lambda root: write_depth_png(root / "depth/1.png", np.ones((5, 5))),
                                    ["evaluate", "--run", "{run}", "--output", "new.json", "--data", "frames:{}/clip",
                                     "--depth", "{}/depth"], "1.png has 5x5 pixels"),
    "frames without a name": ("bare", nothing, ["train", "new", "--data", "frames:"], "data 'frames:' is unknown"),
    "frames without motion": ("frames", nothing, [*FRAMES, "--pose", "given"], "no camera motion"),
    "frames without depth": ("frames", nothing, [*FRAMES, "--supervision", "depth"], "no true depth"),
    "frames judged without depth": ("frames", nothing, ["evaluate", "--run", "{run}", "--output", "new.json", "--data",
                                                        "frames:{}/clip"], "opened without depth"),
    "frames without poses": ("frames", nothing, ["evaluate", "--run", "{run}", "--poses", "--output", "new.json",
                                                 "--data", "frames:{}/clip"], "no use for poses"),
    "frame depth of nothing": ("frames", lambda root: [write_depth_png(path, np.zeros((64, 96)))
                                                       for path in (root / "depth").glob("*.png")],
                               ["evaluate", "--run", "{run}", "--output", "new.json", "--data", "frames:{}/clip",
                                "--depth", "{}/depth"], "no image with true depth"),
    "a path judged like depth": ("frames", nothing, ["evaluate", "--run", "{run}", "--poses", "--crop", "garg",
                                                     "--output", "new.json"], "--crop judges depth"),
    "unit of no files": ("frames", nothing, ["evaluate", "--run", "{run}", "--depth-unit", "mm", "--output",
                                             "new.json"], "--depth-unit belongs to the depth files"),
    # published weights
    "weights absent": ("frames", nothing, WEIGHTS, "encoder.pth does not exist"),
    "weights no weights": ("frames", put("encoder.pth", "no weights"), WEIGHTS, "encoder.pth is no file of plain"),
    "weights executable": ("frames", pickled("encoder.pth"), WEIGHTS, "encoder.pth is no file of plain weights"),
    "weights executable, in torch's format": ("frames", saved("encoder.pth", {"height": Executed()}), WEIGHTS,
                                              "encoder.pth is no file of plain weights"),
    "weights a list": ("frames", saved("encoder.pth", [1, 2]), WEIGHTS, "encoder.pth holds a list"),
    "weights of something else": ("frames", saved("encoder.pth", {"height": 64, "width": 96, "a": torch.ones(1)}),
                                  WEIGHTS, "encoder.pth begins with 'a'"),
    "weights without size": ("frames", weights(**{"encoder:height": None}), WEIGHTS, "encoder.pth gives height None"),
    "weights of an odd size": ("frames", weights(**{"encoder:height": 70}), WEIGHTS, "height 70 is not a positive"),
    "weights lack a key": ("frames", weights(**{"depth:decoder.0.conv.conv.bias": None}), WEIGHTS,
                           "depth.pth lacks 'decoder.0.conv.conv.bias'"),
    "weights have a key more": ("frames", weights(**{"depth:more": torch.ones(1)}), WEIGHTS, "depth.pth has 'more'"),
    "weights of another shape": ("frames", weights(**{"depth:decoder.0.conv.conv.bias": torch.ones(3)}), WEIGHTS,
                                 "depth.pth has 'decoder.0.conv.conv.bias' with shape (3,)"),
    "weights not finite": ("frames", weights(**{"depth:decoder.0.conv.conv.bias": torch.full((256,), np.nan)}),
                           WEIGHTS, "that are not finite"),
    "weights and a run": ("frames", nothing, [*WEIGHTS, "--run", "{run}"], "name either a run folder, --pretrained"),
    # run folders
    "settings broken": ("frames", put("run/settings.json", "{"), [*PREDICT, "{}/run"], "settings.json cannot be read"),
    "settings a list": ("frames", put("run/settings.json", "[1]"), [*PREDICT, "{}/run"], "settings.json holds list"),
    "settings of other types": ("frames", put("run/settings.json", '{"height": "tall", "width": []}'),
                                [*PREDICT, "{}/run"], "settings.json"),
    "settings without size": ("frames", put("run/settings.json", "{}"), [*PREDICT, "{}/run"], "settings.json"),
    "settings too deep": ("frames", put("run/settings.json", "[" * 100000), [*PREDICT, "{}/run"], "settings.json"),
    "checkpoint executable": ("frames", lambda root: [put("run/settings.json", '{"height": 64, "width": 96}')(root),
                                                      pickled("run/checkpoint.pt")(root)], [*PREDICT, "{}/run"],
                              "checkpoint.pt is not a whole checkpoint"),
    "checkpoint of something else": ("frames", lambda root: [
        put("run/settings.json", '{"height": 64, "width": 96}')(root), saved("run/checkpoint.pt", {"a": 1})(root)],
        [*PREDICT, "{}/run"], "checkpoint.pt is not a whole checkpoint"),
    "checkpoint of another version": ("frames", lambda root: [
        put("run/settings.json", '{"height": 64, "width": 96}')(root),
        saved("run/checkpoint.pt", {"model": {}, "settings": {"magic": 1}, "step": 1})(root)], [*PREDICT, "{}/run"],
        "is not a whole checkpoint"),
    "checkpoint of odd types": ("frames", lambda root: [
        put("run/settings.json", '{"height": 64, "width": 96}')(root),
        saved("run/checkpoint.pt", {"model": 3, "settings": [1], "step": "x"})(root)], [*PREDICT, "{}/run"], "run"),
    # predict
    "output a file": ("frames", put("new", "a file"), ["predict", "{}/clip", "--output", "{}/new", "--run", "{run}"],
                      "new"),
    "points of another camera": ("frames", nothing, [*PREDICT, "{run}", "--intrinsics", "700", "700", "600", "170"],
                                 "600"),
    "output a pipe": ("frames", lambda root: os.mkfifo(root / "pipe"), ["evaluate", "--run", "{run}", "--output",
                                                                        "{}/pipe"], "pipe was not written by this"),
    "scale too small": ("frames", nothing, [*PREDICT, "{run}", "--scale", "1e-300"], "with scale 1e-300 the depth of"),
    "scale too large": ("frames", nothing, [*PREDICT, "{run}", "--scale", "1e30"], "with scale 1e+30 the depth of"),
    "a line break in a name": ("frames", nothing, [*PREDICT, "{}/no\n\x1b[2Jthing"], "no\\n\\x1b[2Jthing"),
    "scale infinite": ("frames", nothing, [*PREDICT, "{run}", "--scale", "inf"], "scale inf"),
    # labels and downloads
    "model absent": ("frames", nothing, ["label", "{}/clip", "new", "--model", "{}/no.pt"], "no.pt"),
    "model no model": ("frames", put("m.pt", "no model"), ["label", "{}/clip", "new", "--model", "{}/m.pt"], "m.pt"),
    "model executable": ("frames", pickled("m.pt"), ["label", "{}/clip", "new", "--model", "{}/m.pt"], "m.pt"),
    "model of no kind": ("frames", put("m.onnx", "x"), ["label", "{}/clip", "new", "--model", "{}/m.onnx"], "m.onnx"),
    "segmenter": ("frames", nothing, ["label", "{}/clip", "new", "--segmenter", "sam"], "sam"),
    "segmenter's weights": ("frames", put("w.pth", "x"), ["label", "{}/clip", "new", "--weights", "{}/w.pth"], "w.pth"),
    "labels to convert": ("frames", picture("labels/0.png", "L", value=99), ["label", "{}/labels", "new", "--convert",
                                                                             "labelId"], "0.png holds the id 99"),
    "labels to convert in color": ("frames", nothing, ["label", "{}/clip", "new", "--convert", "labelId"], "mode RGB"),
    "nothing to label": ("bare", nothing, ["label", "{}", "new", "--segmenter", "sam"], ""),
    "part unknown": ("bare", nothing, ["download", "kitti", "raw:2011"], "raw:2011"),
    "part that climbs out": ("bare", nothing, ["download", "kitti", "raw:../../etc"], "raw:../../etc"),
    # words
    "workers": ("bare", nothing, ["train", "new", "--workers", "-1"], "workers -1"),
    "workers by the thousand": ("bare", nothing, ["train", "new", "--workers", "5000"], "workers 5000"),
    "dry run of nothing": ("frames", nothing, [*FRAMES, "--dry-run", "0"], "a dry run of 0 steps"),
    "speed of nothing": ("frames", nothing, [*FRAMES, "--dry-run", "1", "--tflops", "0"], "tflops 0"),
    "imagenet absent": ("frames", nothing, [*FRAMES, "--encoder", "resnet18", "--imagenet", "{}/no.pth"],
                        "no.pth does not exist"),
    "imagenet for lite": ("frames", nothing, [*FRAMES, "--imagenet", "{}/no.pth"], "'lite' has no ImageNet weights"),
    "imagenet of something else": ("frames", saved("w.pth", {"a": torch.ones(1)}),
                                   [*FRAMES, "--encoder", "resnet18", "--imagenet", "{}/w.pth"], "w.pth lacks"),
    "scale to judge by": ("bare", nothing, ["evaluate", "--run", "{run}", "--scale", "big"], "scale 'big' is unknown"),
    "scale to judge by zero": ("bare", nothing, ["evaluate", "--run", "{run}", "--scale", "0"], "scaling factor 0"),
    "scale to judge by infinite": ("bare", nothing, ["evaluate", "--run", "{run}", "--scale", "inf"], "factor inf"),
    "band zero": ("bare", nothing, ["evaluate", "--run", "{run}", "--band", "0"], "a band of 0.0 px"),
    "band infinite": ("bare", nothing, ["evaluate", "--run", "{run}", "--band", "inf"], "a band of inf px"),
    "cap no number": ("bare", nothing, ["evaluate", "--run", "{run}", "--max-depth", "nan"], "are no range"),
    "levels": ("bare", nothing, ["train", "new", "--variant", "ssfa", "--set", "fusion.levels=9"], "levels"),
    "weight no number": ("bare", nothing, ["train", "new", "--variant", "multitask", "--set", "branch.weight=nan"],
                         "branch.weight nan"),
    "weight below zero": ("bare", nothing, ["train", "new", "--variant", "multitask", "--set", "branch.weight=-1"],
                          "branch.weight -1.0"),
    "channels below zero": ("bare", nothing, ["train", "new", "--variant", "ssfa", "--set", "fusion.hidden=-5"],
                            "fusion.hidden -5"),
    "change without a value": ("bare", nothing, ["train", "new", "--set", "branch.classes"], "'branch.classes'"),
    "change neither yes nor no": ("bare", nothing, ["train", "new", "--variant", "ssfa", "--set",
                                                    "branch.class_weights=2"], "expected yes or no"),
    "seed beyond": ("bare", nothing, ["train", "new", "--seed", str(2**40)], "seed is 1099511627776"),
    "learning rate infinite": ("bare", nothing, ["train", "new", "--learning-rate", "inf"], "learning_rate is inf"),
    "height gigantic": ("frames", nothing, [*FRAMES, "--height", "3200000"], "3200000"),
    "pairs": ("frames", nothing, ["doctor", "{}/clip", "--pairs", "0"], "pairs"),
    "doctor's height": ("frames", nothing, ["doctor", "{}/clip", "--height", "-5"], "height -5"),
    "benchmark of odd types": ("bare", put("b.json", '{"seconds": 3, "shape": []}'),
                               ["benchmark", "--compare", "{}/b.json"], "b.json is no benchmark"),
    "batch gigantic": ("bare", nothing, ["train", "new", "--batch", str(10**9)], "batch"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run folder with an untrained model of 64x96 pixels."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    Run(TinySource(3), TrainSettings(width=8, steps=1, batch=1), folder, "cpu").save()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_one_sentence_and_nothing_half_written(name, run, tmp_path, capsys, monkeypatch):
    tree, spoil, words, sentence = CASES[name]
    root, place = tmp_path / "data", tmp_path / "place"
    root.mkdir()
    place.mkdir()
    TREES[tree](root)
    spoil(root)
    monkeypatch.chdir(place)
    monkeypatch.setitem(PRESETS, "quick", TINY)
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "streets"))
    before = contents(root), contents(run)
    given = [word.replace("{run}", str(run)).replace("{}", str(root)) for word in words]
    capsys.readouterr()
    try:
        status = main([*given, "--quiet"] + ["--device", "cpu"] * (given[0] in ("train", "evaluate", "predict")))
    except SystemExit as end:
        status = end.code
    shown = capsys.readouterr()
    assert (status, shown.out) == (2, ""), shown.err
    assert shown.err.startswith(f"semdepth-lite {given[0]}: ") and shown.err.count("\n") == 1, shown.err
    assert sentence in shown.err and "Traceback" not in shown.err
    # frames that were decoded before a bad one was met stay in the cache, whole; nothing else is written
    assert [path for path in contents(place) if not path.startswith("cache/frames/")] == []
    assert (contents(root), contents(run)) == before


def test_there_are_as_many_cases_as_promised():
    from test_command_line import BAD

    assert len(CASES) >= 100 and len(CASES) + len(BAD) >= 200
