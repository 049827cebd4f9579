"""Semantics against loops and formulas: attention, modulation, losses, packed label maps, the branch, the segmenter."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from factories import TinySource
from torch import nn
from torch.autograd import gradcheck

from semdepth_lite.classes import IGNORE, NUM_CLASSES, TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.augmentation import flip
from semdepth_lite.data.sources import NoisyLabels, SegmentedSource
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.segmentation import evaluate_segmentation
from semdepth_lite.labels import pack_labels, pack_probabilities, unpack
from semdepth_lite.networks import Encoder, NetworkSettings
from semdepth_lite.semantics import (
    SSFA,
    ClassModulation,
    ConcatenationFusion,
    Guidance,
    MultiLevelAttention,
    MultiscaleSSFA,
    Segmenter,
    SemanticDecoder,
    SemanticGuidedAttention,
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
from semdepth_lite.training.preparation import count_classes
from semdepth_lite.training.segmenter import pretrain_segmenter, segment_all

LITE = NetworkSettings(width=8)


def random(*shape: int, dtype: torch.dtype = torch.float64, grad: bool = False) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, requires_grad=grad)


def awake(module: nn.Module) -> nn.Module:
    """The module in float64 with every weight drawn anew, so that nothing is zero."""
    module = module.double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def conv(layer: nn.Conv2d, column: torch.Tensor) -> torch.Tensor:
    """A 1x1 convolution at one pixel (C,)."""
    out = layer.weight[:, :, 0, 0] @ column
    return out if layer.bias is None else out + layer.bias


# Attention

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


# Zero-initialized fusion

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


# Modulation

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


def test_reduced_label_maps_are_shares_of_cells():
    probabilities = random(2, 3, 8, 8).softmax(1)
    guidance = Guidance(probabilities=probabilities)
    assert guidance.reduced(0) is probabilities
    torch.testing.assert_close(guidance.reduced(2)[1, 2, 1, 0], probabilities[1, 2, 4:8, 0:4].mean())


# Packed label maps

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


# Supervision

def test_targets():
    labels = torch.tensor([[[TRAIN_ID["car"], TRAIN_ID["road"], TRAIN_ID["pole"], IGNORE]]], dtype=torch.uint8)
    assert targets(labels, "foreground").tolist() == [[[1, 0, 0, IGNORE]]]
    assert targets(labels, "foreground_wide").tolist() == [[[1, 0, 1, IGNORE]]]
    assert targets(labels, "all").tolist() == labels.tolist()
    assert (output_count("all"), output_count("foreground")) == (19, 1)
    with pytest.raises(InputError, match="classes 'cars' is unknown; use all, movable"):
        output_count("cars")


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


# The branch

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


# Data with labels

class LabeledSource(TinySource):
    """The pole scene with labels: the pole is a pole, the wall a building, and one corner has no label."""

    has_labels = True

    def triplet(self, indices: np.ndarray) -> Triplet:
        batch = super().triplet(indices)
        near = batch.depth[:, 0] < 4
        batch.labels = torch.where(near, TRAIN_ID["pole"], TRAIN_ID["building"]).to(torch.uint8)
        batch.labels[:, :4, :4] = IGNORE
        return batch


@pytest.fixture(scope="module")
def source() -> LabeledSource:
    return LabeledSource()


def everything(source: LabeledSource) -> list[Triplet]:
    return [source.triplet(np.arange(len(source)))]


def test_counting_classes(source):
    labels = everything(source)[0].labels
    counts = count_classes(everything(source))
    assert int(counts.sum()) == int((labels != IGNORE).sum())
    assert int(counts[TRAIN_ID["pole"]]) == int((labels == TRAIN_ID["pole"]).sum()) > 0
    wide = count_classes(everything(source), "foreground_wide")
    assert int(wide[1]) == int(counts[TRAIN_ID["pole"]])
    with pytest.raises(InputError, match="no semantic labels"):
        count_classes(everything(TinySource(2)))


@pytest.mark.slow
def test_segmenter_learns_freezes_and_resumes_bit_for_bit(source, tmp_path):
    counts = count_classes(everything(source))

    def batch_of(step: int) -> Triplet:
        return source.triplet(np.array([step % 6, (step + 1) % 6]))

    def train(steps: int, checkpoint=None, stop: int | None = None) -> Segmenter:
        torch.manual_seed(0)
        segmenter = Segmenter(LITE, 8)
        def batches(step: int) -> Triplet:
            if step == stop:
                raise KeyboardInterrupt
            return batch_of(step)
        return pretrain_segmenter(segmenter, batches, steps, counts, checkpoint, save_every=4, progress=False)

    torch.manual_seed(0)
    fresh = Segmenter(LITE, 8).eval()
    whole = train(24, tmp_path / "whole.pt")
    labels = everything(source)[0].labels
    before, after = (semantic_loss(s(everything(source)[0].target).detach(), labels) for s in (fresh, whole))
    assert float(after) < 0.3 * float(before)
    assert not any(p.requires_grad for p in whole.parameters()) and not whole.train().training

    with pytest.raises(KeyboardInterrupt):
        train(24, tmp_path / "cut.pt", stop=10)
    resumed = train(24, tmp_path / "cut.pt")
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values()):
        assert torch.equal(a, b)
    with pytest.raises(InputError, match="a training of 24 steps, not 12"):
        train(12, tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes(b"half")
    with pytest.raises(InputError, match="not a whole checkpoint"):
        train(24, tmp_path / "cut.pt")

    longer = train(72)  # rare classes come late, since their weights in the loss are taken off the logits again
    scores = evaluate_segmentation(lambda batch: predicted_labels(longer(batch.target)), everything(source))
    assert scores["miou"] == pytest.approx((scores["iou_pole"] + scores["iou_building"]) / 2)
    assert 0.5 < scores["miou"] <= 1 and 0 < scores["border_f1"] <= 1


def test_perfect_segmentation_scores_one(source):
    scores = evaluate_segmentation(lambda b: targets(b.labels, "foreground_wide") % 255, everything(source),
                                   "foreground_wide")
    assert scores == {"miou": 1.0, "border_f1": 1.0, "iou_background": 1.0, "iou_foreground_wide": 1.0}


def test_label_maps_are_made_once_and_handed_out_with_their_triplets(source, tmp_path):
    segmenter = Segmenter(LITE, 8).freeze()
    packed = segment_all(segmenter, everything(source), len(source), tmp_path / "maps.npy")
    assert np.array_equal(packed, segmenter.packed(everything(source)[0].target).numpy())
    again = segment_all(segmenter, [], len(source), tmp_path / "maps.npy")
    assert np.array_equal(again, packed)
    wrapped = SegmentedSource(source, lambda indices: torch.from_numpy(packed[indices]))
    assert len(wrapped) == len(source) and wrapped.name == source.name
    assert np.array_equal(wrapped.triplet(np.array([3, 1])).semantics.numpy(), packed[[3, 1]])


def test_noisy_labels_err_alike_every_time(source):
    noisy, other = NoisyLabels(source, 0.8, seed=1), NoisyLabels(source, 0.8, seed=2)
    labels = noisy.triplet(np.array([0, 4])).labels
    exact = source.triplet(np.array([4, 0])).labels
    assert torch.equal(noisy.triplet(np.array([4, 0])).labels, labels.flip(0))
    assert torch.equal(NoisyLabels(source, 0.8, seed=1).triplet(np.array([4])).labels, labels[1:])
    assert not torch.equal(labels.flip(0), exact)
    assert not torch.equal(other.triplet(np.array([0, 4])).labels, labels)
    assert torch.equal(NoisyLabels(source, 0.0).triplet(np.array([4, 0])).labels, exact)
    with pytest.raises(InputError, match="no semantic labels"):
        NoisyLabels(TinySource(2), 0.5).triplet(np.array([0]))
