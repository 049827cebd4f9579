"""The semantic branch and its loss: sums, weights, heads and gradients."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from semantic_cases import LITE, random
from torch import nn

from semdepth_lite.classes import IGNORE
from semdepth_lite.common.contracts import InputError
from semdepth_lite.networks import Encoder
from semdepth_lite.semantics import (
    SemanticDecoder,
    class_probabilities,
    class_weights,
    output_count,
    predicted_labels,
    prior_logits,
    scale_gradient,
    semantic_loss,
    targets,
)
from semdepth_lite.semantics.branch import subpixels


@pytest.mark.parametrize("weighted", [False, True])
def test_semantic_loss_equals_its_sum(weighted):
    labels = torch.randint(0, 19, (2, 3, 4), dtype=torch.uint8)
    labels[0, 0, :2] = IGNORE
    for classes in ("all", "foreground"):
        count = output_count(classes)
        logits = random(2, count, 3, 4, dtype=torch.float32)
        weights = torch.rand(max(2, count)) + 0.1 if weighted else torch.ones(max(2, count))
        total, mass = 0.0, 0.0
        for b, y, x in np.ndindex(2, 3, 4):
            if labels[b, y, x] == IGNORE:
                continue
            c = int(targets(labels, classes)[b, y, x])
            q = logits[b, :, y, x].sigmoid() if count == 1 else logits[b, :, y, x].softmax(0)
            p = q[c] if count > 1 else (q[0] if c else 1 - q[0])
            total, mass = total - float(weights[c]) * math.log(float(p)), mass + float(weights[c])
        found = semantic_loss(logits, labels, classes, weights if weighted else None)
        assert float(found) == pytest.approx(total / mass, rel=1e-5)


@pytest.mark.parametrize("classes", ["all", "foreground"])
def test_semantic_loss_of_an_image_without_labels_is_zero(classes):
    logits = random(1, output_count(classes), 2, 2, dtype=torch.float32, grad=True)
    loss = semantic_loss(logits, torch.full((1, 2, 2), IGNORE, dtype=torch.uint8), classes)
    loss.backward()
    assert float(loss.detach()) == 0 and float(logits.grad.abs().max()) == 0


def test_semantic_loss_refuses_a_wrong_number_of_classes():
    with pytest.raises(InputError, match="logits have 2 channels, expected 19"):
        semantic_loss(random(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8))


def test_class_weights_go_with_the_inverse_square_root():
    weights = class_weights(torch.tensor([900.0, 100.0, 0.0]))
    assert float(weights[1] / weights[0]) == pytest.approx(3)
    assert float(0.9 * weights[0] + 0.1 * weights[1]) == pytest.approx(1)
    assert float(weights[2]) == 0


def test_heads_start_at_the_frequency_of_the_classes():
    counts = torch.zeros(19)
    counts[0], counts[3] = 75, 25
    torch.testing.assert_close(prior_logits(counts).softmax(0)[[0, 3]], torch.tensor([0.75, 0.25]), atol=2e-3, rtol=0)
    two = prior_logits(torch.tensor([75.0, 25.0]), torch.tensor([1.0, 3.0]))
    assert two.tolist() == [0.0]
    for lite in (True, False):
        decoder = SemanticDecoder((8, 8, 8, 8, 8), (4, 8, 8, 8, 8), 19, lite)
        for parameter in decoder.parameters():
            nn.init.zeros_(parameter)
        decoder.start_at(prior_logits(counts))
        _, logits = decoder([torch.rand(1, 8, 64 >> i, 64 >> i) for i in range(1, 6)])
        torch.testing.assert_close(logits[0, :, 5, 6].detach(), prior_logits(counts))


@pytest.mark.parametrize("lite", [True, False])
@pytest.mark.parametrize("outputs", [1, 19])
def test_branch_returns_its_levels_and_logits_at_full_resolution(lite, outputs):
    encoder = Encoder(LITE)
    decoder = SemanticDecoder(encoder.channels, (4, 8, 16, 24, 48), outputs, lite)
    levels, logits = decoder(encoder(torch.rand(2, 3, 64, 96)))
    assert logits.shape == (2, outputs, 64, 96)
    assert [tuple(x.shape) for x in levels] == [(2, c, 64 >> i, 96 >> i) for i, c in enumerate(decoder.channels)]


def test_subpixels_are_the_cells_spread_out():
    x = random(2, 12, 2, 3)
    spread = subpixels(x)
    assert spread.shape == (2, 3, 4, 6)
    for i, j in np.ndindex(2, 2):
        part = 2 * i + j
        assert torch.equal(spread[:, :, i::2, j::2], x[:, 3 * part:3 * part + 3])


def test_gradient_scaling_leaves_the_values():
    x = random(2, 3, grad=True)
    scaled = scale_gradient([x], 0.1)[0]
    assert torch.equal(scaled, x)
    scaled.sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 0.1))


def test_predicted_labels():
    assert predicted_labels(torch.tensor([[[[-1.0, 2.0]]]])).tolist() == [[[0, 1]]]
    assert predicted_labels(torch.tensor([[[[0.0]], [[3.0]], [[1.0]]]])).tolist() == [[[1]]]
    logits = random(1, 5, 2, 2, dtype=torch.float32)
    torch.testing.assert_close(class_probabilities(logits), logits.softmax(1))
