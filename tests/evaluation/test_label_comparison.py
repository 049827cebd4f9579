"""Label maps beside true ones: shares of pixels, counted by hand."""
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.evaluation.label_comparison import compare_labels


def write(path, rows):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(np.array(rows, np.uint8)).save(path)
    return path


def test_shares_are_those_of_the_pixels(tmp_path):
    made = write(tmp_path / "made" / "a.png", [[0, 0, 13, 255], [0, 19, 13, 13]])
    write(tmp_path / "true" / "deep" / "a.png", [[0, 0, 13, 13], [13, 0, 255, 13]])
    found = compare_labels([made], tmp_path / "true")
    # seven true pixels, five of them named; of these one road should be a car
    assert found.images == 1 and found.named == pytest.approx(5 / 7) and found.accuracy == pytest.approx(4 / 5)
    assert found.iou == pytest.approx({"road": 2 / 3, "car": 2 / 3}) and found.miou == pytest.approx(2 / 3)
    assert "accuracy 0.800, mIoU 0.667 over 2 classes" in found.text()


def test_true_labels_may_be_numbered_otherwise(tmp_path):
    made = write(tmp_path / "made" / "a.png", [[0, 13]])
    write(tmp_path / "true" / "a.png", [[7, 26]])
    assert compare_labels([made], tmp_path / "true", "labelId").accuracy == 1


def test_without_a_partner_there_is_nothing_to_compare(tmp_path):
    made = write(tmp_path / "made" / "a.png", [[0]])
    write(tmp_path / "true" / "b.png", [[0]])
    with pytest.raises(InputError, match="no PNG with the name of a label map, such as a.png"):
        compare_labels([made], tmp_path / "true")
