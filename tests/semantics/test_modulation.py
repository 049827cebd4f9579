"""Fusion by modulation and by concatenation against their formulas, pixel by pixel."""
from __future__ import annotations

import pytest
import torch
from semantic_cases import awake, conv, random
from torch import nn
from torch.autograd import gradcheck

from semdepth_lite.classes import NUM_CLASSES
from semdepth_lite.common.contracts import InputError
from semdepth_lite.semantics import (
    SSFA,
    ClassModulation,
    ConcatenationFusion,
    Guidance,
    MultiLevelAttention,
    MultiscaleSSFA,
)

DEPTH, SEMANTIC = (8, 16, 24, 48, 96), (1, 16, 24, 48, 96)


def fusion_input(level: int, classes: int = NUM_CLASSES) -> tuple[torch.Tensor, Guidance]:
    size = (2, 96 >> level, 64 >> level)
    levels = [random(2, c, 96 >> i, 64 >> i, dtype=torch.float32) for i, c in enumerate(SEMANTIC)]
    probabilities = random(2, classes, 96, 64, dtype=torch.float32).softmax(1)
    return random(size[0], DEPTH[level], *size[1:], dtype=torch.float32), Guidance(levels, None, probabilities)


@pytest.mark.parametrize("fusion", [
    lambda: MultiLevelAttention(DEPTH, SEMANTIC), lambda: MultiLevelAttention(DEPTH, SEMANTIC, form="A"),
    lambda: MultiscaleSSFA(DEPTH, SEMANTIC, NUM_CLASSES, (4, 3, 2, 1, 0)),
    lambda: MultiscaleSSFA(DEPTH, None, NUM_CLASSES, (4, 3, 2, 1, 0), norm="none")])
def test_fusion_begins_as_the_identity_and_learns(fusion):
    module = fusion()
    for level in range(5):
        depth, guidance = fusion_input(level)
        result = module(level, depth, guidance)
        assert torch.equal(result, depth)
        result.square().sum().backward()
    touched = [name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().max() > 0]
    assert {name.split(".")[1] for name in touched} == {"0", "1", "2", "3", "4"}


def test_fusion_as_drawn_is_not_the_identity():
    module = MultiLevelAttention(DEPTH, SEMANTIC, residual=False)
    for level in range(5):
        depth, guidance = fusion_input(level)
        assert not torch.equal(module(level, depth, guidance), depth)
    assert float(module.blocks["4"].gamma.detach()) == 0


def test_levels_that_are_not_fused_pass_through():
    depth, guidance = fusion_input(3)
    assert MultiLevelAttention(DEPTH, SEMANTIC, (2,))(3, depth, guidance) is depth
    assert MultiscaleSSFA(DEPTH, None, NUM_CLASSES, (2,))(3, depth, guidance) is depth


def test_concatenation_equals_its_formula():
    block = awake(ConcatenationFusion(3, 2, residual=False))
    depth, semantic = random(1, 3, 4, 5), random(1, 2, 4, 5)
    padded = nn.functional.pad(torch.cat((depth, semantic), 1), (1, 1, 1, 1))
    for y, x in ((0, 0), (2, 3), (3, 4)):
        window = padded[0, :, y:y + 3, x:x + 3]
        value = (block.conv.weight * window).sum((1, 2, 3)) + block.conv.bias
        torch.testing.assert_close(block(depth, semantic)[0, :, y, x], nn.functional.elu(value))


def conv3(layer: nn.Conv2d, image: torch.Tensor, y: int, x: int) -> torch.Tensor:
    window = nn.functional.pad(image, (1, 1, 1, 1))[:, y:y + 3, x:x + 3]
    return (layer.weight * window).sum((1, 2, 3)) + layer.bias


def pixelwise(function, height: int, width: int) -> torch.Tensor:
    """(C, H, W) from a function of (y, x)."""
    return torch.stack([torch.stack([function(y, x) for x in range(width)], -1) for y in range(height)], -2)


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("joined", [0, 2])
def test_ssfa_equals_its_formula_pixel_by_pixel(norm, joined):
    block = awake(SSFA(3, joined, 4, hidden=5, norm=norm))
    depth, labels, semantic = random(1, 3, 4, 5), random(1, 4, 4, 5).softmax(1), random(1, 2, 4, 5)
    x = depth[0]
    if joined:
        both = torch.cat((depth, semantic), 1)[0]
        x = pixelwise(lambda i, j: conv3(block.joint, both, i, j), 4, 5)
    normed = x
    if norm == "instance":
        mean, variance = x.mean((1, 2), keepdim=True), x.var((1, 2), keepdim=True, unbiased=False)
        normed = (x - mean) / (variance + 1e-5).sqrt()

    def modulated(i: int, j: int) -> torch.Tensor:
        h = conv3(block.embedding, labels[0], i, j).clamp(min=0)
        return nn.functional.elu((1 + conv(block.scale, h)) * normed[:, i, j] + conv(block.shift, h))

    y = pixelwise(modulated, 4, 5)
    expected = depth[0] + pixelwise(lambda i, j: conv3(block.out, y, i, j), 4, 5)
    torch.testing.assert_close(block(depth, labels, semantic if joined else None)[0], expected)


def test_group_normalization_takes_groups_of_eight_channels():
    assert [SSFA(c, 0, 4).norm.num_groups for c in (4, 8, 16, 24)] == [1, 1, 2, 3]
    with pytest.raises(InputError, match="'batch' is unknown; use one of group, instance, none"):
        SSFA(8, 0, 4, norm="batch")


def test_class_modulation_scales_and_shifts_by_class():
    block = awake(ClassModulation(3, 4))
    labels = torch.tensor([[[0, 1, 2], [3, 3, 0]]])
    spread = nn.functional.one_hot(labels, 4).movedim(-1, 1).double()
    depth = random(1, 3, 2, 3)
    result = block(depth, spread)
    for y in range(2):
        for x in range(3):
            scale, shift = (layer.weight[:, labels[0, y, x], 0, 0] for layer in (block.scale, block.shift))
            torch.testing.assert_close(result[0, :, y, x], (1 + scale) * depth[0, :, y, x] + shift)


def test_modulation_gradients():
    assert gradcheck(awake(SSFA(2, 2, 3, hidden=2)), (random(1, 2, 3, 4, grad=True), random(1, 3, 3, 4, grad=True),
                                                      random(1, 2, 3, 4, grad=True)))
    assert gradcheck(awake(ClassModulation(2, 3)), (random(1, 2, 3, 4, grad=True), random(1, 3, 3, 4, grad=True)))


@pytest.mark.parametrize("level", [0, 1])
def test_permuting_classes_with_their_embedding_changes_nothing(level):
    module = awake(MultiscaleSSFA((4, 4), None, 6, (1, 0)))
    other = awake(MultiscaleSSFA((4, 4), None, 6, (1, 0)))
    other.load_state_dict(module.state_dict())
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    for name, parameter in other.named_parameters():
        if name.startswith("0.") or "blocks.0" in name or "embedding.weight" in name:
            parameter.data = parameter.data[:, order]
    probabilities, depth = random(2, 6, 4, 6).softmax(1), random(2, 4, 4 >> level, 6 >> level)
    plain = module(level, depth, Guidance(probabilities=probabilities))
    torch.testing.assert_close(other(level, depth, Guidance(probabilities=probabilities[:, order])), plain)
    assert not torch.allclose(module(level, depth, Guidance(probabilities=probabilities[:, order])), plain)
