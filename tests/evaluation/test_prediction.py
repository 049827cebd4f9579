"""Depth for files: resized as training resizes, fine where the unit is unknown, and not stopped by one bad picture."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.image_files import read_depth_png, read_image
from semdepth_lite.evaluation.prediction import fine_steps, predict_depth, predict_files, predict_image
from semdepth_lite.model import Model
from semdepth_lite.networks import NetworkSettings


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(NetworkSettings("lite", 8), pose="given").eval()


def picture(path, seed: int = 0):
    Image.fromarray(np.random.RandomState(seed).randint(0, 256, (150, 200, 3)).astype(np.uint8)).save(path)
    return path


def test_a_file_is_resized_as_for_training(model, tmp_path):
    """The depth of a file is that of the image which training would read, whatever its own size."""
    path = picture(tmp_path / "a.png")
    trained_on = torch.from_numpy(read_image(path, 64, 96)).permute(2, 0, 1)[None].float() / 255
    disparity = 1 / predict_depth(model, trained_on)
    expected = 1 / torch.nn.functional.interpolate(disparity, (150, 200), mode="bilinear", align_corners=False)
    assert torch.allclose(predict_image(model, read_image(path), 64, 96), expected[0, 0], rtol=1e-5)


def test_without_a_unit_depth_is_fine(model, tmp_path):
    path = picture(tmp_path / "a.png")
    (row,) = predict_files(model, [path], tmp_path / "out", 64, 96, None, progress=False)
    depth = predict_image(model, read_image(path), 64, 96).numpy()
    steps = float(row["steps"])
    written = read_depth_png(tmp_path / "out" / "a_depth.png", steps)
    assert np.abs(written - depth).max() <= 0.5 / steps + 1e-6 and steps > 10 * 256
    (row,) = predict_files(model, [path], tmp_path / "meters", 64, 96, 1.0, progress=False)
    assert row["steps"] == "256"


@pytest.mark.parametrize("largest, steps", [(1.0, 2.0**14), (100.0, 256.0), (0.9, 2.0**15)])
def test_twice_the_largest_depth_fits(largest, steps):
    assert fine_steps(largest) == steps and 2 * largest * steps <= 65535


def test_the_steps_are_written_with_every_digit(tmp_path):
    """A network whose unit is tiny has steps that six digits do not hold."""
    far = SimpleNamespace(
        eval=lambda: far, segmenter=None, parameters=lambda: iter([torch.zeros(1)]),
        predict=lambda images, semantics: SimpleNamespace(depth=torch.full((1, 1, 64, 96), 3e10)))
    (row,) = predict_files(far, [picture(tmp_path / "a.png")], tmp_path / "out", 64, 96, None, progress=False)
    assert float(row["steps"]) == fine_steps(3e10) != float(f"{fine_steps(3e10):g}")


def test_one_bad_picture_does_not_stop_the_others(model, tmp_path):
    good = [picture(tmp_path / f"{name}.png") for name in "ac"]
    (tmp_path / "b.png").write_text("no picture")
    rows = predict_files(model, [good[0], tmp_path / "b.png", good[1]], tmp_path / "out", 64, 96, progress=False)
    assert ["error" in row for row in rows] == [False, True, False] and "b.png" in rows[1]["error"]
    assert (tmp_path / "out" / "c_depth.png").exists() and not (tmp_path / "out" / "b_depth.png").exists()
    with pytest.raises(InputError, match="b.png cannot be read"):
        predict_files(model, [tmp_path / "b.png"], tmp_path / "out", 64, 96, progress=False)
