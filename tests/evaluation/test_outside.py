"""Predictions of other programs and truth in other units are judged like a model's, or refused in one sentence."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.image_files import write_depth_png
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.outside import OutsidePredictions
from semdepth_lite.evaluation.protocol import Protocol
from semdepth_lite.evaluation.report import evaluate
from semdepth_lite.evaluation.truth import TruthInUnit, parse_depth_unit

NAMES = ["left", "right", "middle"]


@pytest.fixture
def depth() -> np.ndarray:
    return np.random.default_rng(0).uniform(4, 40, (3, 16, 24)).astype(np.float32)


def batches(depth: np.ndarray):
    for index, truth in enumerate(torch.from_numpy(depth)[:, None, None]):
        image = torch.zeros(1, 3, 8, 12)
        yield Triplet(image, image[:, None], torch.eye(3)[None], depth=truth, index=torch.tensor([index]))


def write(folder, depth, kind: str) -> None:
    folder.mkdir()
    for name, values in zip(NAMES, depth):
        if kind == "png":
            write_depth_png(folder / f"{name}_depth.png", values)
        elif kind == "npz":
            np.savez(folder / f"{name}.npz", anything=values[None])
        else:
            np.save(folder / f"{name}.npy", values)


@pytest.mark.parametrize("kind", ["png", "npy", "npz"])
def test_the_truth_as_prediction_has_no_error(tmp_path, depth, kind):
    write(tmp_path / "maps", 0.5 * depth, kind)
    outside = OutsidePredictions(tmp_path / "maps", NAMES)
    report = evaluate(outside, batches(depth))
    assert report.means["abs_rel"] < 1e-3 and report.scale_mean == pytest.approx(2, rel=1e-3)
    assert outside.about == "maps, matched by name"
    assert evaluate(outside, batches(depth), Protocol(scaling="none")).means["abs_rel"] == pytest.approx(0.5, abs=1e-2)


def test_disparity_and_one_array_of_all(tmp_path, depth):
    np.save(tmp_path / "all.npy", 7 / depth)
    assert evaluate(OutsidePredictions(tmp_path / "all.npy", NAMES, True), batches(depth)).means["rmse"] < 1e-4
    assert evaluate(OutsidePredictions(tmp_path / "all.npy", NAMES), batches(depth)).means["rmse"] > 1
    with pytest.raises(InputError, match=r"shape .3, 16, 24., expected .4, h, w."):
        OutsidePredictions(tmp_path / "all.npy", [*NAMES, "four"])


def test_files_are_matched_by_order_where_names_repeat(tmp_path, depth):
    write(tmp_path / "maps", depth, "npy")
    by_order = OutsidePredictions(tmp_path / "maps", ["a", "a", "b"])  # left, middle, right
    assert by_order.about == "maps, matched by order"
    assert evaluate(by_order, batches(depth[[0, 2, 1]])).means["abs_rel"] < 1e-6
    (tmp_path / "maps" / "left.npy").unlink()
    with pytest.raises(InputError, match="holds 2 predictions .* for 3 images, and none for 'left'"):
        OutsidePredictions(tmp_path / "maps", NAMES)
    with pytest.raises(InputError, match="nowhere does not exist"):
        OutsidePredictions(tmp_path / "nowhere", NAMES)


def test_a_prediction_must_be_dense_numbers(tmp_path, depth):
    depth[0, :2, 0] = 0
    write(tmp_path / "maps", depth, "npy")
    with pytest.raises(InputError, match="left.npy has 2 of 384 pixels without a positive finite depth"):
        evaluate(OutsidePredictions(tmp_path / "maps", NAMES), batches(depth))
    (tmp_path / "maps" / "left.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="left.npy cannot be read as an array"):
        evaluate(OutsidePredictions(tmp_path / "maps", NAMES), batches(depth))
    np.savez(tmp_path / "two.npz", a=depth, b=depth)
    with pytest.raises(InputError, match="holds the arrays a, b, expected one"):
        OutsidePredictions(tmp_path / "two.npz", NAMES)


def test_the_depth_that_was_judged_is_handed_on(depth):
    kept = []
    evaluate(lambda batch: batch.depth / 3, batches(depth), keep=lambda batch, judged: kept.append(judged))
    assert np.allclose(torch.cat(kept)[:, 0].numpy(), depth, rtol=1e-5)


def test_no_pixel_in_any_image_is_an_error_and_not_a_row_of_nan(depth):
    with pytest.raises(InputError, match="no image has a pixel of true depth between 0.001 and 2 m"):
        evaluate(lambda batch: batch.depth, batches(depth), Protocol(max_depth=2.0))
    depth[:2] = 0
    assert evaluate(lambda batch: batch.depth + 1, batches(depth)).counts["abs_rel"] == 1


def test_truth_in_other_units_is_scaled_and_doubted(depth):
    stored = depth * 1000 / 256  # millimeters, read as if they were 1/256 m
    truth = TruthInUnit(batches(stored), parse_depth_unit("mm"))
    assert np.allclose(torch.cat([batch.depth for batch in truth])[:, 0].numpy(), depth, rtol=1e-6)
    assert truth.remarks() == [] and truth.median == pytest.approx(np.median(depth), rel=0.2)
    wrong = TruthInUnit(batches(stored), parse_depth_unit("3"))
    assert len(list(wrong)) == 3 and "hardly a distance that a camera sees: check --depth-unit" in wrong.remarks()[0]
    stored[1] = 0
    empty = TruthInUnit(batches(stored), parse_depth_unit("1/5000"))
    assert len(list(empty)) == 2 and empty.remarks()[0] == "1 images without true depth were left out"
    for text in ("inch", "-1", "nan", "0"):
        with pytest.raises(InputError, match=f"depth unit '{text}' is unknown; use 1/256, mm, cm, 1/5000"):
            parse_depth_unit(text)
