"""Numbers, words and files of every kind: a result of the promised shape, or a refusal in one sentence."""
from __future__ import annotations

import io
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from semdepth_lite import camera, labels
from semdepth_lite.alignment import align_motion
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import read_json, read_log
from semdepth_lite.data import image_files as files
from semdepth_lite.data.clips import shrink_depth
from semdepth_lite.data.intrinsics_file import parse_intrinsics, read_intrinsics_file
from semdepth_lite.data.kitti import read_list, read_odometry_calibration, read_odometry_poses, read_oxts, read_scan
from semdepth_lite.data.label_maps import resize_nearest
from semdepth_lite.evaluation.protocol import evaluate_batch
from semdepth_lite.evaluation.report import Report
from semdepth_lite.figures import colorize_depth
from semdepth_lite.street import corrupt_labels
from semdepth_lite.training.checkpoint import load_checkpoint
from semdepth_lite.variants import VARIANTS, find_variant
from semdepth_lite.warp import occluded, sample, warp
from semdepth_lite.weights import load_tensors

wild = st.floats(width=32)  # nan and both infinities among them
few = settings(max_examples=30)
in_files = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
sizes = st.integers(1, 5)


def refuses_or_returns(call):
    """The result, or None where the input was refused in one sentence; any other error goes on."""
    try:
        return call()
    except InputError as error:
        assert re.fullmatch(r"[^\n]{15,}\.", str(error)), str(error)
        return None


# Numbers of every kind, sizes down to one pixel

@few
@given(st.data(), sizes, sizes)
def test_warping_survives_every_number(data, height, width):
    depth = data.draw(arrays.arrays(np.float32, (1, 1, height, width), elements=wild))
    motion = data.draw(arrays.arrays(np.float32, (1, 4, 4), elements=wild))
    picture = torch.rand(1, 3, height, width)
    camera_K = camera.intrinsics(max(width, 2), max(height, 2), (width - 1) / 2, (height - 1) / 2)[None]
    warped, valid = warp(picture, torch.from_numpy(depth), torch.from_numpy(motion), camera_K)
    assert warped.shape == picture.shape and valid.shape == (1, 1, height, width) and valid.dtype == torch.bool
    assert torch.isfinite(warped).all(1, keepdim=True)[valid].all()
    assert not ((warped < 0) | (warped > 1.0001)).any()


@few
@given(st.data(), sizes, sizes)
def test_occlusion_survives_every_number(data, height, width):
    depth, other = (torch.from_numpy(data.draw(arrays.arrays(np.float32, (1, 1, height, width), elements=wild)))
                    for _ in range(2))
    motion = torch.from_numpy(data.draw(arrays.arrays(np.float32, (1, 4, 4), elements=wild)))
    camera_K = camera.intrinsics(max(width, 2), max(height, 2), (width - 1) / 2, (height - 1) / 2)[None]
    hidden = occluded(depth, other, motion, camera_K)
    assert hidden.shape == depth.shape and hidden.dtype == torch.bool and not hidden[depth.isnan()].any()


@few
@given(sizes, sizes)
def test_sampling_at_the_pixels_returns_the_image_down_to_one_pixel(height, width):
    picture = torch.rand(2, 3, height, width)
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack((u, v)).float().expand(2, 2, height, width)
    assert torch.allclose(sample(picture, pixels), picture, atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.uint8, torch.bool])
def test_sampling_takes_maps_of_every_type(kind):
    given = (torch.rand(1, 2, 4, 6) * 3).to(kind)
    v, u = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    read = sample(given, torch.stack((u, v))[None])
    assert torch.allclose(read.double(), given.double(), atol=1e-5)


@few
@given(st.data(), sizes, sizes)
def test_evaluation_survives_every_truth(data, height, width):
    truth = torch.from_numpy(data.draw(arrays.arrays(np.float32, (1, 1, height, width), elements=wild)))
    ids = torch.from_numpy(data.draw(arrays.arrays(np.uint8, (1, height, width))))
    found = refuses_or_returns(lambda: evaluate_batch(torch.full_like(truth, 3.0), truth, ids))
    assert found is None or all(value.shape == (1,) for value in found.values())
    assert found is None or found["pixels"] == ((truth > 1e-3) & (truth < 80)).sum()


@few
@given(arrays.arrays(np.float32, (3, 3), elements=wild), st.integers(1, 2000), st.integers(1, 2000))
def test_intrinsics_are_taken_or_refused(matrix, height, width):
    refuses_or_returns(lambda: camera.check_intrinsics(torch.from_numpy(matrix), height, width))


@few
@given(arrays.arrays(np.float32, st.tuples(sizes, sizes), elements=wild), sizes, sizes)
def test_depth_maps_are_shrunk_and_colored_without_complaint(depth, height, width):
    known = np.where(np.isfinite(depth) & (depth > 0), depth, 0)
    small = shrink_depth(known, height, width)
    assert small.shape == (height, width) and set(small.ravel()) <= {0.0, *known.ravel()}
    assert colorize_depth(known).shape == (*known.shape, 3)


@few
@given(arrays.arrays(np.uint8, st.tuples(sizes, sizes)), sizes, sizes, st.floats(0, 1))
def test_label_maps_keep_to_their_ids(ids, height, width, strength):
    small = resize_nearest(ids, height, width)
    assert small.shape == (height, width) and set(small.ravel()) <= set(ids.ravel())
    known = np.where(ids < labels.NUM_CLASSES, ids, labels.IGNORE).astype(np.uint8)
    wrong = refuses_or_returns(lambda: corrupt_labels(known, strength, 0))
    assert wrong is None or (wrong.shape == known.shape and wrong.dtype == np.uint8)
    assert labels.colorize_labels(torch.from_numpy(ids)[None]).shape == (1, *ids.shape, 3)


@few
@given(st.data(), st.integers(2, 5), st.integers(2, 5))
def test_alignment_never_returns_what_is_no_motion(data, height, width):
    depth = torch.from_numpy(data.draw(arrays.arrays(np.float32, (1, 1, height, width), elements=st.floats(
        np.float32(0.1), 100, width=32))))
    gray = torch.rand(1, 1, height, width)
    camera_K = camera.intrinsics(width, height, (width - 1) / 2, (height - 1) / 2)[None]
    found = align_motion(torch.eye(4).repeat(1, 2, 1, 1), depth, gray, gray[:, None].repeat(1, 2, 1, 1, 1), camera_K, 2)
    assert found.shape == (1, 2, 4, 4) and torch.isfinite(found).all()


# Words of every kind

@pytest.mark.slow
@settings(max_examples=60)
@given(st.one_of(st.text(max_size=30), st.lists(st.one_of(st.floats(), st.integers()), max_size=5).map(
    lambda values: " ".join(map(str, values))), st.floats().map(lambda angle: f"fov {angle}")))
def test_a_line_of_intrinsics_is_taken_or_refused(text):
    found = refuses_or_returns(lambda: parse_intrinsics(text, 64, 96))
    assert found is None or (found.shape == (3, 3) and torch.isfinite(found).all())


PATHS = [f"{part}.{each.name}" for part in ("branch", "fusion", "ranking")
         for each in fields(getattr(VARIANTS["semdepth"], part))]


@pytest.mark.slow
@settings(max_examples=60)
@given(st.one_of(st.text(max_size=20), st.sampled_from([*PATHS, "seem", "masks"])),
       st.one_of(st.text(max_size=5), st.floats(), st.integers(), st.just("yes"), st.booleans(),
                 st.lists(st.integers(), max_size=3)))
def test_changes_are_taken_or_refused(path, value):
    found = refuses_or_returns(lambda: find_variant("semdepth", {path: value}))
    assert found is None or all(np.isfinite(value) for value in vars(found.ranking or found.branch).values()
                                if isinstance(value, float))


# Files of every kind

READERS = {"image": files.read_image, "size": files.image_size, "labels": files.read_label_map,
           "depth": files.read_depth_png, "json": read_json, "weights": load_tensors, "checkpoint": load_checkpoint,
           "report": Report.load, "list": read_list, "poses": read_odometry_poses, "packet": read_oxts,
           "calibration": read_odometry_calibration, "scan": read_scan, "log": lambda path: list(read_log(path)),
           "intrinsics": lambda path: read_intrinsics_file(path, [Path("0.png")], 64, 96)}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@in_files
@given(content=st.one_of(st.binary(max_size=80), st.text(max_size=60).map(str.encode)))
def test_no_reader_trips_over_any_bytes(name, content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    refuses_or_returns(lambda: READERS[name](path))
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def good_files() -> dict[str, bytes]:
    """A whole file of each kind."""
    picture, ids = np.zeros((6, 9, 3), np.uint8), np.zeros((6, 9), np.uint8)
    whole = {}
    for name, pixels, kind in (("image", picture, "PNG"), ("size", picture, "JPEG"), ("labels", ids, "PNG"),
                               ("depth", np.full((6, 9), 256, np.uint16), "PNG")):
        Image.fromarray(pixels).save(stream := io.BytesIO(), kind)
        whole[name] = stream.getvalue()
    state = {"model": {"a": torch.ones(2)}, "optimizer": {"state": {}, "param_groups": []}, "settings": {}, "step": 1}
    torch.save(state, stream := io.BytesIO())
    whole |= dict.fromkeys(("weights", "checkpoint"), stream.getvalue())
    whole["json"] = json.dumps({"a": [1, 2.5, None], "b": {"c": "d"}}).encode()
    return whole


@pytest.mark.slow
@pytest.mark.parametrize("name", good_files())
@in_files
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(name, data, tmp_path):
    content = bytearray(good_files()[name])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path, shown = tmp_path / "file", bytes(content[:data.draw(st.integers(0, len(content)))])
    path.write_bytes(shown)
    found = refuses_or_returns(lambda: READERS[name](path))
    assert path.read_bytes() == shown and list(tmp_path.iterdir()) == [path]
    assert found is not None or shown != good_files()[name], "a whole file was refused"
