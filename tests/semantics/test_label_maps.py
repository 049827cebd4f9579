"""Label maps that are reduced, packed, mirrored and taken as targets."""
from __future__ import annotations

import pytest
import torch
from semantic_cases import random

from semdepth_lite.classes import IGNORE, NUM_CLASSES, TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.augmentation import flip
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.labels import pack_labels, pack_probabilities, unpack
from semdepth_lite.semantics import (
    Guidance,
    output_count,
    targets,
)


def test_reduced_label_maps_are_shares_of_cells():
    probabilities = random(2, 3, 8, 8).softmax(1)
    guidance = Guidance(probabilities=probabilities)
    assert guidance.reduced(0) is probabilities
    torch.testing.assert_close(guidance.reduced(2)[1, 2, 1, 0], probabilities[1, 2, 4:8, 0:4].mean())


def test_hard_labels_survive_packing():
    labels = torch.tensor([[[0, 18, IGNORE], [5, 7, 11]]], dtype=torch.uint8)
    spread = unpack(pack_labels(labels))
    assert spread.shape == (1, NUM_CLASSES, 2, 3)
    assert torch.equal(spread.sum(1), (labels != IGNORE).float())
    assert torch.equal(spread.argmax(1)[labels != IGNORE], labels[labels != IGNORE].long())


def test_packed_probabilities_keep_the_two_likeliest_classes():
    probabilities = random(2, NUM_CLASSES, 4, 6, dtype=torch.float32).mul(3).softmax(1)
    spread = unpack(pack_probabilities(probabilities))
    value, index = probabilities.topk(2, 1)
    torch.testing.assert_close(spread.gather(1, index), value / value.sum(1, keepdim=True), atol=1 / 509, rtol=0)
    assert ((spread > 0).sum(1) <= 2).all()
    torch.testing.assert_close(spread.sum(1), torch.ones(2, 4, 6))


def test_packed_maps_are_mirrored_with_their_image():
    labels = torch.randint(0, 19, (2, 4, 6), dtype=torch.uint8)
    batch = Triplet(torch.rand(2, 3, 4, 6), torch.rand(2, 2, 3, 4, 6), torch.eye(3).expand(2, 3, 3), labels=labels,
                    semantics=pack_labels(labels))
    flipped = flip(batch, torch.tensor([True, False]))
    assert torch.equal(flipped.semantics, pack_labels(flipped.labels))
    assert not torch.equal(flipped.semantics, batch.semantics)


def test_targets():
    labels = torch.tensor([[[TRAIN_ID["car"], TRAIN_ID["road"], TRAIN_ID["pole"], IGNORE]]], dtype=torch.uint8)
    assert targets(labels, "foreground").tolist() == [[[1, 0, 0, IGNORE]]]
    assert targets(labels, "foreground_wide").tolist() == [[[1, 0, 1, IGNORE]]]
    assert targets(labels, "all").tolist() == labels.tolist()
    assert (output_count("all"), output_count("foreground")) == (19, 1)
    with pytest.raises(InputError, match="classes 'cars' is unknown; use all, movable"):
        output_count("cars")
