"""Masks from a segmenter that sees more pixels than depth: averaged, given or made, on streets, clips and pictures."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from factories import TinySource
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import seed_everything
from semdepth_lite.course.demos import write_clip
from semdepth_lite.data.by_name import truth_batches
from semdepth_lite.data.image_files import read_image
from semdepth_lite.data.own_frames import FrameFolder
from semdepth_lite.data.sources import NoisyLabels, batches, street_source
from semdepth_lite.evaluation.prediction import depth_predictor, evaluate_model, label_predictor, predict_image
from semdepth_lite.evaluation.verdict import Part
from semdepth_lite.labels import unpack
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.semantics import GIVEN, Segmenter, class_probabilities
from semdepth_lite.training.checkpoint import load_run
from semdepth_lite.training.preparation import LABEL_MAPS
from semdepth_lite.training.run import Run
from semdepth_lite.training.segmenter import pretrain_segmenter, with_masks
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.weights import given_segmenter

LITE = NetworkSettings(width=8)
TINY = TrainSettings(variant="ssfa_segmenter", width=8, batch=2, steps=2, segmenter_steps=2)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return street_source("validation", 2, 64, 96, tmp_path_factory.mktemp("street"), 1, progress=False)


def segmenter(scale: int) -> Segmenter:
    seed_everything(1)
    return Segmenter(LITE, 8, scale).freeze()


# The maps

def test_probabilities_are_averaged_over_the_blocks_of_a_pixel():
    images = torch.rand(2, 3, 128, 192)
    probabilities = class_probabilities(segmenter(2)(images)).double()
    blocks = probabilities.unflatten(2, (64, 2)).unflatten(4, (96, 2)).mean((3, 5))   # (2, 19, 64, 96)
    best = blocks.topk(2, 1)
    packed = segmenter(2).packed(images)
    assert packed.shape == (2, 3, 64, 96) and packed.dtype == torch.uint8
    assert (packed[:, :2] != best.indices).float().mean() < 1e-3                       # near ties may fall either way
    share = best.values[:, 0] / best.values.sum(1)
    assert float((packed[:, 2] / 255 - share).abs().max()) < 0.6 / 255


def test_a_segmenter_of_depth_s_own_size_sees_the_image_itself():
    images = torch.rand(1, 3, 64, 96)
    assert torch.equal(segmenter(1).packed(images), segmenter(1).packed_enlarged(images))
    enlarged = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(segmenter(2).packed_enlarged(images), segmenter(2).packed(enlarged))
    assert torch.equal(segmenter(1).probabilities(images), class_probabilities(segmenter(1)(images)))
    blocks = class_probabilities(segmenter(2)(enlarged)).unflatten(2, (64, 2)).unflatten(4, (96, 2)).mean((3, 5))
    torch.testing.assert_close(segmenter(2).probabilities(images), blocks)


# Larger targets

@pytest.mark.slow
def test_the_street_renders_the_same_targets_larger(street):
    small, large = (s.triplet(np.array([0, 7])) for s in (street, street.targets_at(2)))
    assert large.target.shape == (2, 3, 128, 192) and large.sources.shape == (2, 0, 3, 128, 192)
    assert float((F.avg_pool2d(large.target, 2) - small.target).abs().mean()) < 0.02
    same = large.labels[:, ::2, ::2] == small.labels
    assert float(same.float().mean()) > 0.9
    own = street.targets_at(1).triplet(np.array([0, 7]))
    assert torch.equal(own.target, small.target) and torch.equal(own.labels, small.labels)


def test_corrupted_labels_are_corrupted_at_the_larger_size_too(street):
    large = NoisyLabels(street, 1.0).targets_at(2).triplet(np.array([0]))
    clean = street.targets_at(2).triplet(np.array([0]))
    assert large.labels.shape == (1, 128, 192)
    assert 0.01 < float((large.labels != clean.labels).float().mean()) < 0.6


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    images = write_clip(folder, 7, 4, 128, 192)
    return FrameFolder(images, 64, 96, labels=folder / "labels", depth=folder / "depth", cache=folder / "cache")


@pytest.mark.slow
def test_a_clip_reads_its_targets_larger_from_its_files(clip):
    larger = clip.targets_at(2)
    batch = larger.triplet(np.array([1, 0]))
    for image, labels, index in zip(batch.target, batch.labels, (1, 0)):
        assert np.array_equal((255 * image).round().byte().permute(1, 2, 0), read_image(clip.target_file(index)))
        assert np.array_equal(labels, clip.full_labels(index))
    assert batch.sources.shape == (2, 0, 3, 128, 192) and (larger.height, larger.width) == (128, 192)
    small = clip.triplet([1])
    assert small.target.shape == (1, 3, 64, 96)
    torch.testing.assert_close(batch.K[0, 0], 2 * small.K[0, 0] + torch.tensor([0, 0, 0.5]))


def test_a_part_of_a_clip_segments_its_own_frames(clip):
    part = Part(clip, np.array([1]))
    assert torch.equal(part.targets_at(2).triplet(np.array([0])).target, clip.targets_at(2).triplet([1]).target)


def test_a_clip_is_judged_with_the_maps_of_its_full_size_frames(clip):
    model = TINY.build()
    wanted = model.segmenter.packed(clip.targets_at(2).triplet([0]).target)
    assert torch.equal(next(truth_batches(with_masks(clip, model))).semantics, wanted)
    assert not torch.equal(next(truth_batches(clip)).semantics, wanted)


# Given and made

def test_a_given_segmenter_is_the_one_that_comes_with_the_package(street, tmp_path):
    run = Run(street, replace(TINY, changes={"masks.origin": "given"}), tmp_path, "cpu")
    model = run.train(progress=False)
    for key, value in given_segmenter().items():
        assert torch.equal(model.segmenter.state_dict()[key], value), key
    assert not (tmp_path / "segmenter.pt").exists() and not (tmp_path / LABEL_MAPS).exists()
    again = load_run(tmp_path, "cpu")
    assert again.segmenter.scale == 2
    assert torch.equal(again.state_dict()["segmenter.head.weight"], model.segmenter.head.weight)


def test_depth_cannot_start_from_a_given_encoder_of_another_size():
    shared = {"masks.share_encoder": True}
    assert replace(TINY, width=16, changes=shared).build().segmenter
    with pytest.raises(InputError, match="starts from the encoder of a given segmenter, which is lite of width 16"):
        replace(TINY, changes=shared)


def test_a_given_segmenter_knows_the_street_it_never_saw(street):
    shipped = Segmenter(GIVEN, scale=2)
    shipped.load_state_dict(given_segmenter())
    maps = shipped.freeze().packed(street.targets_at(2).triplet(np.arange(12)).target)
    labels = street.triplet(np.arange(12)).labels
    known = labels != 255
    assert float((maps[:, 0] == labels)[known].float().mean()) > 0.8


@pytest.mark.slow
def test_a_made_segmenter_learns_from_the_larger_images(street, tmp_path):
    seen = []
    run = Run(street, replace(TINY, changes={"masks.origin": "made"}), tmp_path, "cpu")
    run.model.segmenter.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    run.train(progress=False)
    assert set(seen[:2]) == {(2, 3, 128, 192)} and {shape[2:] for shape in seen} == {(128, 192)}
    assert (tmp_path / "segmenter.pt").exists()


def test_given_masks_need_no_labels_and_made_ones_do(tmp_path):
    source = TinySource(4)
    assert Run(source, TINY, tmp_path / "given", "cpu").train(progress=False).segmenter
    with pytest.raises(InputError, match="made up has no semantic labels"):
        Run(source, replace(TINY, changes={"masks.origin": "made"}), tmp_path / "made", "cpu")


# At test

def test_a_model_judges_with_the_maps_of_larger_images(street, tmp_path):
    model = Run(street, TINY, tmp_path, "cpu").train(progress=False)
    torch.nn.init.normal_(model.fusion.blocks["0"].scale.weight)
    torch.nn.init.normal_(model.fusion.blocks["0"].shift.weight)
    batch = next(batches(with_masks(street, model), 4))
    assert torch.equal(batch.semantics, model.segmenter.packed(street.targets_at(2).triplet(np.arange(4)).target))
    assert torch.equal(label_predictor(model)(batch), batch.semantics[:, 0])
    wanted = model.predict(batch.target, batch.semantics).depth
    assert torch.equal(depth_predictor(model)(batch), wanted)
    lone = replace(batch, semantics=None)                    # a bare image is enlarged, which shows the segmenter less
    assert torch.equal(depth_predictor(model)(lone),
                       model.predict(batch.target, model.segmenter.packed_enlarged(batch.target)).depth)
    assert not torch.equal(depth_predictor(model)(lone), wanted)
    kept = with_masks(street, model, keep=True)
    assert evaluate_model(model, street).means["abs_rel"] == evaluate_model(model, kept).means["abs_rel"]
    baseline = replace(TINY, variant="baseline").build()
    assert with_masks(street, baseline) is street


def test_a_picture_is_segmented_in_its_own_pixels(street, tmp_path):
    model = Run(street, TINY, tmp_path, "cpu").train(progress=False)
    torch.nn.init.normal_(model.fusion.blocks["0"].shift.weight)
    image = (255 * street.targets_at(2).triplet([3]).target[0]).round().byte().permute(1, 2, 0).numpy().copy()
    whole = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    small = Image.fromarray(image).resize((96, 64), Image.Resampling.LANCZOS)
    small = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 255
    disparity = 1 / model.predict(small, model.segmenter.packed(whole)).depth
    wanted = 1 / F.interpolate(disparity, (128, 192), mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(predict_image(model, image, 64, 96), wanted)


def test_averaged_maps_are_a_distribution(street):
    maps = unpack(segmenter(2).packed(street.targets_at(2).triplet([0]).target))
    torch.testing.assert_close(maps.sum(1), torch.ones(1, 64, 96))


def test_class_weights_come_off_again_so_that_probabilities_are_frequencies():
    counts = torch.zeros(19, dtype=torch.float64)
    counts[:3] = torch.tensor([900.0, 90, 10])
    known_nothing = Segmenter(LITE, 8)
    torch.nn.init.zeros_(known_nothing.head.weight)          # the image says nothing, only the bias is left
    pretrain_segmenter(known_nothing, lambda step: None, 0, counts, progress=False)
    found = class_probabilities(known_nothing(torch.rand(1, 3, 64, 96)))[0, :3, 5, 7]
    torch.testing.assert_close(found, torch.tensor([0.9, 0.09, 0.01]), atol=2e-3, rtol=0)
