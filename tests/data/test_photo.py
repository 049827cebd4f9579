"""The stereo photograph: measured depth explains one picture by the other, and nothing is fetched from anywhere."""
from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data import photo as home
from semdepth_lite.data.by_name import DataOptions, open_data, truth_batches
from semdepth_lite.data.photo import DISPARITY, LEFT, RIGHT, depth_of_disparity, find_pictures, photo, read_disparity
from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

needs_photo = pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed")


def error_of(view: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> float:
    return float(photometric_error(view, target)[mask].mean())


@needs_photo
def test_measured_depth_explains_the_left_picture_by_the_right_one():
    """The oracle was computed apart from this package's reader, with another resampling filter: .308 and .080."""
    batch = photo().triplet([0])
    known = batch.depth > 0
    warped, visible = warp(batch.sources[:, 0], batch.depth.clamp(min=0.1), batch.T_source_target[:, 0], batch.K)
    assert error_of(batch.sources[:, 0], batch.target, known) == pytest.approx(0.308, abs=0.02)
    assert error_of(warped, batch.target, known & visible) == pytest.approx(0.080, abs=0.004)


@needs_photo
@pytest.mark.parametrize("factor", [0.9, 0.97, 1.03, 1.1])
def test_any_other_scale_explains_it_worse(factor):
    """So baseline, focal length and the shift of the principal point are right to some percent."""
    batch = photo().triplet([0])
    known, errors = batch.depth > 0, []
    for scale in (1.0, factor):
        depth = (scale * batch.depth).clamp(min=0.1)
        warped, visible = warp(batch.sources[:, 0], depth, batch.T_source_target[:, 0], batch.K)
        errors.append(error_of(warped, batch.target, known & visible))
    assert errors[1] > 1.1 * errors[0]


@needs_photo
def test_the_triplet_has_one_source_known_motion_and_measured_depth_with_holes():
    source = photo(64, 96)
    batch = source.triplet([0, 0])
    assert batch.target.shape == (2, 3, 64, 96) and batch.sources.shape == (2, 1, 3, 64, 96)
    assert torch.equal(batch.T_source_target[0, 0, :3, 3], torch.tensor([-0.193001, 0, 0]))
    assert 0.9 < float((batch.depth > 0).float().mean()) < 0.95
    assert 2.1 < float(batch.depth[batch.depth > 0].min()) and float(batch.depth.max()) < 5.1  # meters
    assert len(source) == 1 and source.has_depth and not source.has_labels


@needs_photo
def test_intrinsics_keep_the_angle_of_every_ray_at_every_size():
    """A ray through the same spot of the picture has one direction, whatever size the picture is brought to."""
    for height, width in ((256, 384), (64, 96)):
        K = photo(height, width).triplet([0]).K[0]
        left = (-0.5 - K[0, 2]) / K[0, 0]
        assert float(left) == pytest.approx((-0.5 - 311.193) / 994.978, abs=1e-5)


@needs_photo
def test_it_opens_by_name_and_is_judged_at_its_own_size():
    source = open_data("photo", 64, 96, DataOptions(neighbors=False))
    (batch,) = truth_batches(source)
    assert batch.target.shape == (1, 3, 64, 96) and batch.depth.shape == (1, 1, 500, 741)
    with pytest.raises(InputError, match="kind photo has no use for labels"):
        open_data("photo", 64, 96, DataOptions(labels="x"))


def test_depth_of_a_disparity():
    depth = depth_of_disparity(np.array([[10.0, np.nan, np.inf]]))
    assert depth[0, 0] == pytest.approx(994.978 * 0.193001 / 41.086) and not depth[0, 1:].any()


@pytest.mark.slow
@needs_photo
def test_nothing_is_downloaded():
    """In a process whose sockets are gone, and without scikit-image's own loaders being imported at all."""
    code = ("import socket, sys\n"
            "def refuse(*_, **__): raise SystemExit('the network was asked for')\n"
            "socket.socket.connect = socket.getaddrinfo = refuse\n"
            "from semdepth_lite.data.photo import photo\n"
            "photo(64, 96).triplet([0])\n"
            "assert not [name for name in sys.modules if name.split('.')[0] in ('skimage', 'pooch')]\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", [LEFT, RIGHT, DISPARITY])
def test_a_scikit_image_without_the_pair_is_refused_in_one_sentence(tmp_path, monkeypatch, missing):
    (tmp_path / "data").mkdir()
    for name in {LEFT, RIGHT, DISPARITY} - {missing}:
        (tmp_path / "data" / name).touch()
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(home.importlib.util, "find_spec", lambda _: package)
    with pytest.raises(InputError, match=f"has no {missing} .*nothing is downloaded"):
        find_pictures()


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(home.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="install the extra 'course'"):
        photo()


def test_a_damaged_disparity_is_named(tmp_path):
    path = tmp_path / DISPARITY
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_disparity(path)
    np.savez(path, np.zeros((2, 3)))
    with pytest.raises(InputError, match="shape"):
        read_disparity(path)
