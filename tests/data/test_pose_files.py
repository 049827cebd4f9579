"""Poses of a clip of its own: two formats of other tools, and the motion a folder of frames makes of them."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from semdepth_lite.camera import rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.own_frames import FrameFolder
from semdepth_lite.data.pose_files import read_poses
from semdepth_lite.evaluation.path_files import kitti_lines, tum_lines


@pytest.fixture
def walk() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return rigid_transform(torch.randn(5, 3, generator=random).double(), torch.randn(5, 3, generator=random).double())


@pytest.mark.parametrize("lines", [kitti_lines, tum_lines])
def test_both_formats_give_the_poses_back(tmp_path, walk, lines):
    (tmp_path / "path.txt").write_text("# a comment\n" + lines(walk))
    assert np.allclose(read_poses(tmp_path / "path.txt", 5), walk.numpy(), atol=1e-6)


def test_a_folder_of_frames_takes_poses(tmp_path, walk):
    (tmp_path / "clip").mkdir()
    for i in range(5):
        Image.fromarray(np.zeros((16, 32, 3), np.uint8)).save(tmp_path / "clip" / f"{i}.png")
    (tmp_path / "path.txt").write_text(kitti_lines(walk))
    source = FrameFolder(tmp_path / "clip", 16, 32, "20 21 15.5 7.5", cache=None, path=tmp_path / "path.txt")
    motion = source.triplet([1]).T_source_target[0].double()
    for neighbor, found in zip((1, 3), motion):  # the target is frame 2
        assert torch.allclose(walk[neighbor] @ found, walk[2], atol=1e-5)


@pytest.mark.parametrize("text, sentence", [
    ("1 0 0 0 0 1 0 0 0 0 1 0\n", "has 1 poses for 5 frames"), ("0 0 0 0 0 0 0 2\n" * 5, "quaternion of length 2"),
    ("0 0 0\n" * 5, "line 1 has 3 numbers, expected 12"), ("2 0 0 0 0 2 0 0 0 0 2 0\n" * 5, "no rotation")])
def test_what_is_wrong_is_named(tmp_path, text, sentence):
    (tmp_path / "path.txt").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_poses(tmp_path / "path.txt", 5)
