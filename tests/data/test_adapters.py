"""Arrays and torch data sets as sources, and what a first batch is refused for."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import TinySource
from torch.utils.data import DataLoader

from semdepth_lite.camera import resize_intrinsics
from semdepth_lite.classes import OTHER
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data import ArraySource, DatasetSource
from semdepth_lite.data.adapters import check_labels, check_triplet
from semdepth_lite.data.sources import larger_targets
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.semantics import Segmenter
from semdepth_lite.training.batches import check_source, load_batch
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

K = np.array([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]])


def test_arrays_yield_every_frame_with_two_neighbors():
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), dtype=np.uint8)
    labels, depth = np.full((5, 64, 96), 3), np.full((5, 64, 96), 7.0)
    source = ArraySource(images, K, labels, depth)
    batch = source.triplet(np.array([0, 2]))
    assert len(source) == 3 and (source.height, source.width) == (64, 96) and source.has_labels and source.has_depth
    for row, target in enumerate((1, 3)):
        assert np.array_equal((255 * batch.target[row]).round().byte().movedim(0, -1).numpy(), images[target])
        for side, frame in enumerate((target - 1, target + 1)):
            assert np.array_equal((255 * batch.sources[row, side]).round().byte().movedim(0, -1).numpy(), images[frame])
    assert batch.labels.dtype == torch.uint8 and batch.depth.shape == (2, 1, 64, 96)
    check_source(source, TrainSettings(variant="multitask"))


@pytest.mark.parametrize("images", [np.zeros((2, 64, 96, 3), np.uint8), np.zeros((4, 64, 96, 3)),
                                    np.zeros((4, 3, 64, 96), np.uint8)])
def test_other_arrays_are_refused(images):
    with pytest.raises(InputError, match="expected .N, H, W, 3. and uint8 with at least three frames"):
        ArraySource(images, K)


def test_intrinsics_of_arrays_are_one_camera_in_pixels():
    images = np.zeros((3, 64, 96, 3), np.uint8)
    wide = np.eye(4)
    wide[:3, :3] = K
    for wrong, message in ((wide, r"K has shape .4, 4.*of a 4x4 matrix take K"), (np.stack([K] * 3), r"one camera"),
                           (K / [[96], [64], [1]], "look normalized"), (K[0], "K has shape .3,.")):
        with pytest.raises(InputError, match=message):
            ArraySource(images, wrong)
    triplet = ArraySource(images, K).triplet([0])
    with pytest.raises(InputError, match=r"K of shape .1, 4, 4., expected .1, 3, 3."):
        check_triplet(replace(triplet, K=torch.from_numpy(wide).float()[None]), "mine", 64, 96)


def test_items_of_a_data_set_may_have_double_intrinsics_and_whole_numbers_of_meters():
    tiny = TinySource(2)
    items = [{"target": tiny.arrays["target"][i], "sources": tiny.arrays["sources"][i],
              "K": tiny.arrays["K"][i].double().numpy(), "depth": tiny.arrays["depth"][i].int()} for i in range(2)]
    batch = DatasetSource(items).triplet([1])
    assert batch.K.dtype == batch.depth.dtype == torch.float32
    check_source(DatasetSource(items), TrainSettings(supervision="depth"))
    items[1].pop("K")
    with pytest.raises(InputError, match="items .0, 1. of dataset do not make a batch .*same fields"):
        DatasetSource(items).triplet([0, 1])
    items[1]["K"] = torch.eye(4)
    with pytest.raises(InputError, match="do not make a batch"):
        DatasetSource(items).triplet([0, 1])


def test_a_source_without_larger_pictures_is_enlarged_for_a_segmenter():
    """What the segmenter then sees is what the model would make of the picture itself."""
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 96, 3), dtype=np.uint8)
    source = ArraySource(images, K, labels=np.arange(4)[:, None, None].repeat(64, 1).repeat(96, 2))
    larger = larger_targets(source, 2)
    batch, plain = larger.triplet([0, 1]), source.triplet([0, 1])
    assert (larger.height, larger.width, len(larger)) == (128, 192, 2) and batch.labels.shape == (2, 128, 192)
    segmenter = Segmenter(NetworkSettings(width=8), width=8, scale=2).eval()
    assert torch.equal(segmenter.packed(batch.target), segmenter.packed_enlarged(plain.target))
    assert torch.allclose(batch.K, resize_intrinsics(plain.K, 2, 2))
    assert larger.has_labels and larger_targets(larger, 2).height == 256


def test_a_data_set_and_its_loader_are_sources():
    tiny = TinySource(3)
    items = [{name: tiny.arrays[name][i] for name in ("target", "sources", "K", "depth")} for i in range(3)]
    for dataset in (items, DataLoader(items, batch_size=2)):
        source = DatasetSource(dataset)
        batch, expected = source.triplet(np.array([2, 0])), tiny.triplet(np.array([2, 0]))
        assert torch.equal(batch.target, expected.target) and torch.equal(batch.depth, expected.depth)
        check_source(source, TrainSettings())
    for wrong in ([torch.zeros(3)], [{"image": 1}], []):
        with pytest.raises(InputError, match="expected a dictionary|holds no item"):
            DatasetSource(wrong)


@pytest.mark.parametrize(("change", "message"), [
    (lambda b: {"target": 255 * b.target}, "target from .* expected .0, 1.; divide bytes by 255"),
    (lambda b: {"target": (255 * b.target).byte()}, "target as uint8, expected float32; divide bytes by 255"),
    (lambda b: {"sources": b.sources.double()}, "sources as float64, expected float32"),
    (lambda b: {"target": b.target.numpy()}, "target as ndarray, expected a tensor"),
    (lambda b: {"sources": b.sources[..., :64]}, "sources of shape .* expected .2, 2, 3, 64, 96. at its size of 96x64"),
    (lambda b: {"target": b.target * torch.nan}, "target with values that are not finite"),
    (lambda b: {"labels": torch.full((2, 64, 96), 20)},
     "the label 20, expected trainIds 0 to 18, 19 for none of these, or 255 for no label"),
    (lambda b: {"labels": torch.full((2, 64, 96), -1)}, "the label -1, expected trainIds 0 to 18"),
    (lambda b: {"labels": torch.zeros(2, 64, 96)}, "labels as float32, expected uint8 trainIds"),
    (lambda b: {"T_source_target": torch.eye(4)}, "T_source_target of shape .4, 4."),
    (lambda b: {"depth": b.depth[:, 0]}, "depth of shape .2, 64, 96., expected .2, 1, 64, 96."),
    (lambda b: {"depth": b.depth / 0}, "depth with values that are not finite; write 0 where there is none"),
    (lambda b: {"depth": b.depth - 99}, "depth below 0, -.*; write 0 where there is none"),
])
def test_a_batch_that_is_not_what_it_promises_is_refused(change, message):
    batch = TinySource(2).triplet(np.arange(2))
    check_triplet(batch, "mine", 64, 96)
    with pytest.raises(InputError, match=f"mine gives .*{message}"):
        check_triplet(replace(batch, **change(batch)), "mine", 64, 96)


@pytest.mark.parametrize(("label", "kind"), [(33, np.uint8), (-1, np.int64), (300, np.int32)])
def test_one_wrong_label_in_a_late_frame_of_an_array_is_found(label, kind):
    images, labels = np.zeros((9, 64, 96, 3), np.uint8), np.full((9, 64, 96), 255, kind)
    labels[3] = OTHER
    assert ArraySource(images, K, labels).has_labels
    labels[8, 63, 95] = label
    with pytest.raises(InputError, match=f"arrays gives the label {label}, expected trainIds 0 to 18"):
        ArraySource(images, K, labels)


def test_a_wrong_label_is_found_in_the_batch_that_brings_it():
    source = TinySource(4)
    source.arrays["labels"] = torch.zeros(4, 64, 96, dtype=torch.uint8)
    source.arrays["labels"][3, 5, 7] = 33
    settings = TrainSettings(batch=1, augmentation=False)
    found = []
    for step in range(4):  # an epoch
        try:
            load_batch(source, settings, step, torch.device("cpu"))
        except InputError as error:
            found.append(str(error))
    assert found == ["the data gives the label 33, expected trainIds 0 to 18, 19 for none of these, or 255 for no "
                     "label."]


def test_what_is_no_source_is_refused():
    with pytest.raises(InputError, match="settings are 'quick', expected TrainSettings; use recipe.'quick'."):
        Run(TinySource(2), "quick", "never")
    with pytest.raises(InputError, match="list is no source of triplets; wrap a torch Dataset"):
        check_source([1, 2, 3], TrainSettings())
    with pytest.raises(InputError, match="mine yields dict, expected a Triplet"):
        check_triplet({}, "mine", 64, 96)


def test_every_byte_but_the_ids_is_refused():
    """The quick look at bytes against the slow one, and against the definition."""
    for label in range(256):
        for kind in (torch.uint8, torch.int64):
            labels = torch.tensor([[3, label], [255, 19]], dtype=kind)
            if label <= 19 or label == 255:
                check_labels(labels, "mine")
            else:
                with pytest.raises(InputError, match=f"mine gives the label {label}, "):
                    check_labels(labels, "mine")
