"""Semantic-guided attention against a loop over pairs of pixels."""
from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from semantic_cases import awake, conv, random
from torch import nn
from torch.autograd import gradcheck

from semdepth_lite.common.contracts import InputError
from semdepth_lite.semantics import (
    SemanticGuidedAttention,
)


def attention_by_loops(block: SemanticGuidedAttention, depth: torch.Tensor, semantic: torch.Tensor) -> torch.Tensor:
    """The formulas of the docstring, one pair of pixels at a time."""
    def feature(b: int, y: int, x: int) -> tuple[torch.Tensor, torch.Tensor]:
        d, s = depth[b, :, y, x], semantic[b, :, y, x]
        if block.form == "A":
            return s, d
        joint = nn.functional.elu(conv(block.phi, torch.cat((d, s))))
        return joint, joint

    def cell(b: int, y: int, x: int) -> tuple[torch.Tensor, torch.Tensor]:
        pool = block.pool
        pixels = [feature(b, i, j) for i in range(y * pool, min((y + 1) * pool, height))
                  for j in range(x * pool, min((x + 1) * pool, width))]
        return tuple(torch.stack(parts).mean(0) for parts in zip(*pixels))

    batch, _, height, width = depth.shape
    result = torch.empty_like(depth)
    for b in range(batch):
        rows, columns = math.ceil(height / block.pool), math.ceil(width / block.pool)
        cells = [cell(b, y, x) for y in range(rows) for x in range(columns)]
        for y in range(height):
            for x in range(width):
                asked, given = feature(b, y, x)
                query = conv(block.query, asked)
                scores = torch.stack([query @ conv(block.key, c) / len(query) ** 0.5 for c, _ in cells])
                weights = scores.exp() / scores.exp().sum()
                found = block.gamma * sum(w * conv(block.value, v) for w, (_, v) in zip(weights, cells))
                if block.form == "A":
                    result[b, :, y, x] = depth[b, :, y, x] + conv(block.out, found)
                else:
                    enhanced = conv(block.out, given + found)
                    result[b, :, y, x] = enhanced + depth[b, :, y, x] if block.residual else enhanced
    return result


@pytest.mark.parametrize("form", ["A", "B"])
@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("residual", [True, False])
def test_attention_equals_a_loop_over_pairs_of_pixels(form, pool, residual):
    block = awake(SemanticGuidedAttention(6, 5, form, pool, residual))
    depth, semantic = random(2, 6, 3, 4), random(2, 5, 3, 4)
    torch.testing.assert_close(block(depth, semantic), attention_by_loops(block, depth, semantic))


@pytest.mark.parametrize("form", ["A", "B"])
def test_attention_gradients(form):
    block = awake(SemanticGuidedAttention(4, 3, form, 2))
    assert gradcheck(block, (random(1, 4, 4, 4, grad=True), random(1, 3, 4, 4, grad=True)))


@pytest.mark.parametrize("form", ["A", "B"])
def test_attention_map_of_a_pixel_is_its_row_of_the_affinity(form):
    block = awake(SemanticGuidedAttention(6, 5, form))
    depth, semantic = random(2, 6, 3, 4), random(2, 5, 3, 4)
    seen = block.correlations(depth, semantic, 1, 2)
    torch.testing.assert_close(seen.sum((1, 2)), torch.ones(2, dtype=torch.float64))
    # what the pixel receives is the mean of the values under this map
    given = depth if form == "A" else F.elu(block.phi(torch.cat((depth, semantic), 1)))
    found = block.gamma * (seen[:, None] * block.value(given)).sum((2, 3))
    inner = found if form == "A" else given[:, :, 1, 2] + found
    expected = depth[:, :, 1, 2] + block.out(inner[..., None, None])[..., 0, 0]
    torch.testing.assert_close(block(depth, semantic)[:, :, 1, 2], expected)
    with pytest.raises(InputError, match="outside the 3x4 map"):
        block.correlations(depth, semantic, 3, 0)


def test_pixels_of_a_class_look_at_their_class():
    """Form A with identity projections: a pixel whose semantic feature is a class vector finds that class."""
    block = SemanticGuidedAttention(4, 16, "A").double()
    for layer in (block.query, block.key):
        layer.weight.data = 6 * torch.eye(16, dtype=torch.float64)[:, :, None, None]
    labels = torch.tensor([[0, 0, 1], [1, 2, 2]])
    semantic = torch.nn.functional.one_hot(labels, 16).movedim(-1, 0)[None].double()
    seen = block.correlations(random(1, 4, 2, 3), semantic, 1, 0)[0].detach()
    assert float(seen[labels == 1].sum()) > 0.99


def test_unknown_form_is_refused():
    with pytest.raises(InputError, match="form 'C' is unknown; use A or B"):
        SemanticGuidedAttention(8, 8, "C")
