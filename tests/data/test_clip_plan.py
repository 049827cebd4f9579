"""What a clip of its own decides by itself: its size, the frame step, and which frames are left out."""
from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from semdepth_lite.data.by_name import DataOptions
from semdepth_lite.data.clip_plan import choose_step, names_of_runs, native_size, size_of_shape, standing_targets
from semdepth_lite.data.own_frames import FrameFolder

LINE = "100 100 63.5 47.5"


def pan(folder, shifts, size=(96, 128)):
    """A clip of windows into one textured wall, each shifted to the right by so many pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (size[0], size[1] + 64, 3), np.uint8)
    wall = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))
    folder.mkdir()
    for i, shift in enumerate(shifts):
        wall.crop((shift, 0, shift + size[1], size[0])).save(folder / f"{i:04d}.png")
    return folder


@pytest.mark.parametrize("shape", [(360, 480), (1080, 1920), (1920, 1080), (375, 1242), (480, 640), (1000, 1000)])
def test_a_size_keeps_the_shape_of_the_picture(shape):
    height, width = size_of_shape(*shape)
    assert height % 32 == width % 32 == 0 and 64 <= min(height, width)
    assert abs(math.log(width / height * shape[0] / shape[1])) < 0.02
    assert 8000 < height * width < 33000


def test_a_size_of_a_whole_multiple_is_that_shape_itself():
    assert size_of_shape(480, 640) == (96, 128) and size_of_shape(640, 480) == (128, 96)
    assert size_of_shape(300, 300, 64 * 64) == (64, 64)


def test_frames_in_which_the_camera_stands_are_found_and_named(tmp_path):
    shifts = [0, 3, 6, 9, 9, 9, 9, 12, 15]  # frames 3 to 6 show the same; 4 and 5 have no neighbor that differs
    source = FrameFolder(pan(tmp_path / "clip", shifts), 96, 128, LINE, cache=None)
    standing = standing_targets(source)
    assert np.flatnonzero(standing).tolist() == [3, 4]  # targets begin at frame 1
    assert names_of_runs(source, standing) == "0004.png to 0005.png"
    several = np.array([True, False, True, True, False, True, True], dtype=bool)
    assert names_of_runs(source, several, shown=1) == "0001.png and 2 runs more"


def test_the_step_is_the_first_over_which_the_camera_moves(tmp_path):
    clip = pan(tmp_path / "clip", range(0, 30, 2), (192, 256))  # 1 px a frame at half the size
    options = DataOptions(intrinsics="200 200 127.5 95.5", cache=None)
    assert native_size(f"frames:{clip}", options) == (192, 256)
    assert choose_step(f"frames:{clip}", 96, 128, options) in (1, 2)
    slow = pan(tmp_path / "slow", range(0, 15), (192, 256))  # half a pixel a frame
    assert choose_step(f"frames:{slow}", 96, 128, options) in (2, 3)
