"""Border points and SEEM against loops: edge strength, where points are drawn, values and gradients of SEEM."""
from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck

from semdepth_lite.borders import (
    SEEM,
    edge_strength,
    point_count,
    strongest_points,
    training_points,
)
from semdepth_lite.borders.edges import REACH, without_repeats
from semdepth_lite.borders.seem import read_points
from semdepth_lite.common.contracts import InputError

# Edges and points

@pytest.mark.slow
def test_edge_strength_is_the_change_of_the_distribution_across_a_pixel():
    p = torch.rand(2, 5, 6, 7, dtype=torch.float64).softmax(1)
    found = edge_strength(p)
    for y, x in ((1, 1), (3, 4), (4, 5)):
        expected = 0.5 * ((p[:, :, y, x + 1] - p[:, :, y, x - 1]).abs() + (p[:, :, y + 1, x] - p[:, :, y - 1, x]).abs()
                          ).sum(1)
        torch.testing.assert_close(found[:, y, x], expected)
    both = torch.stack((p[:, 0], 1 - p[:, 0]), 1)
    torch.testing.assert_close(edge_strength(p[:, :1]), edge_strength(both))


def test_points_of_an_image_scale_with_its_pixels():
    assert (point_count(2048, 192, 640), point_count(2048, 64, 192), point_count(9, 32, 32)) == (2048, 614, 4)


@pytest.mark.parametrize("important", [0.0, 0.5, 0.75, 1.0])
def test_training_points_are_those_of_the_loop(important):
    edges = torch.zeros(2, 12, 40, dtype=torch.bool)
    edges[0, 5, 10], edges[1, :, 30] = True, True
    count, total = 16, 12 * 40
    points = training_points(edges, count, torch.Generator().manual_seed(4), important)
    near = round(important * count)
    random = torch.rand(2, 3 * count + count - near, generator=torch.Generator().manual_seed(4))
    ys, xs = np.mgrid[:12, :40]
    for image in range(2):
        pixels = [min(int(r * total), total - 1) for r in random[image]]
        places = np.argwhere(edges[image].numpy())
        distance = np.sqrt(((np.stack((ys, xs), -1)[:, :, None] - places) ** 2).sum(-1)).min(-1).clip(max=REACH).ravel()
        best = sorted(distance[pixels[:3 * count]])[:near]
        assert sorted(distance[points[image, :near].numpy()]) == pytest.approx(best)
        assert set(points[image, :near].tolist()) <= set(pixels[:3 * count])
        assert points[image, near:].tolist() == pixels[3 * count:]


def test_training_points_crowd_at_edges_and_cover_the_image():
    edges = torch.zeros(1, 64, 192, dtype=torch.bool)
    edges[0, :, 96] = True
    drawn = torch.cat([training_points(edges, 400, torch.Generator().manual_seed(i)) for i in range(50)], 1)[0]
    beside = ((drawn % 192 - 96).abs() <= 2).float().mean()
    # 1200 candidates of which 5/192 are that near, 31 of them in the mean, all kept; and so many of the 100 others
    assert float(beside) == pytest.approx((1200 + 100) * 5 / 192 / 400, rel=0.05)
    far = drawn[(drawn % 192 - 96).abs() > 60]
    counts, _ = torch.histogram((far // 192).float(), 8)
    assert len(far) > 1000 and float(counts.min() / counts.max()) > 0.8
    plain = training_points(torch.zeros_like(edges), 8000, torch.Generator().manual_seed(0))
    assert float(plain.float().mean()) == pytest.approx(64 * 192 / 2, rel=0.03)
    with pytest.raises(InputError, match="share of important points is 2"):
        training_points(edges, 8, torch.Generator().manual_seed(0), 2)


def test_strongest_points_need_no_chance():
    strength = torch.rand(2, 5, 9)
    points = strongest_points(strength, 7)
    assert torch.equal(points, strongest_points(strength, 7))
    for image in range(2):
        assert set(points[image].tolist()) == set(np.argsort(-strength[image].flatten().numpy())[:7].tolist())


def test_equal_edges_are_chosen_in_a_fixed_order_scattered_over_the_image():
    """Masks of bytes: every edge is a multiple of 1/510, up to the rounding of a sum, which must not decide."""
    strength = torch.where(torch.rand(1, 64, 192) < 0.3, 1.0, 0.0)
    points = strongest_points(strength, 614)
    rounded = strength + 1e-7 * torch.randn(1, 64, 192)
    assert set(points[0].tolist()) == set(strongest_points(rounded, 614)[0].tolist())
    assert bool((strength.flatten()[points] == 1).all())
    rows = torch.histogram((points[0] // 192).float(), 8)[0]
    assert float(rows.min() / rows.max()) > 0.7


def test_repeated_points_count_once():
    points, first = without_repeats(torch.tensor([[5, 2, 5, 5, 9], [1, 1, 2, 3, 3]]))
    assert [sorted(row[keep].tolist()) for row, keep in zip(points, first)] == [[2, 5, 9], [1, 2, 3]]


# SEEM

def features(dtype: torch.dtype = torch.float64) -> tuple[list[torch.Tensor], ...]:
    """Encoder stages and semantic and depth levels 0 to 2 of an image of 16x24."""
    def maps(channels: tuple[int, ...], first: int) -> list[torch.Tensor]:
        return [torch.randn(2, c, 16 >> (i + first), 24 >> (i + first), dtype=dtype) for i, c in enumerate(channels)]

    return maps((3, 4, 5), 1), maps((2, 3, 4), 0), maps((4, 5, 6), 0)


def enhancement(residual: bool = True, semantic: tuple[int, ...] | None = (2, 3, 4)) -> SEEM:
    module = SEEM((3, 4, 5, 9, 9), semantic, (4, 5, 6, 9, 9), 2, residual).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_seem_equals_a_loop_over_points(residual, layout):
    module = enhancement(residual)
    encoder, semantic, depth = ([x.contiguous(memory_format=layout) for x in maps] for maps in features())
    points = torch.tensor([[0, 5, 5, 383, 200], [23, 360, 77, 78, 77]])
    found = module(depth, encoder, semantic, points)
    assert found.is_contiguous(memory_format=layout)
    whole = [F.interpolate(x, (16, 24), mode="bilinear") for x in (*encoder, *semantic, *depth)]
    expected = depth[0].clone()
    for image in range(2):
        for point in set(points[image].tolist()):
            y, x = divmod(point, 24)
            g = torch.cat([feature[image, :, y, x] for feature in whole])
            for number, layer in enumerate(module.layers):
                g = layer.weight @ g + layer.bias
                g = g.clamp(min=0) if number < 2 else g
            expected[image, :, y, x] = depth[0][image, :, y, x] * residual + g
    torch.testing.assert_close(found, expected)


def test_seem_reads_probabilities_where_there_is_no_semantic_decoder():
    encoder, _, depth = features()
    probabilities = torch.rand(2, 2, 16, 24, dtype=torch.float64)
    points = torch.tensor([[7, 30], [100, 2]])
    changed = enhancement(semantic=None)(depth, encoder, [probabilities], points) - depth[0]
    touched = changed.abs().sum(1).flatten(1).nonzero().tolist()
    assert touched == [[0, 7], [0, 30], [1, 2], [1, 100]]


def test_seem_gradients():
    module, points = enhancement(), torch.tensor([[0, 9, 9, 383], [23, 5, 77, 78]])
    encoder, semantic, depth = features()
    inputs = [x.requires_grad_() for x in (*depth, *encoder, *semantic)]
    assert gradcheck(lambda *x: module(list(x[:3]), list(x[3:6]), list(x[6:]), points), inputs, fast_mode=True)


def test_seem_begins_as_the_identity_and_learns():
    module = SEEM((3, 4, 5, 9, 9), (2, 3, 4), (4, 5, 6, 9, 9), 2)
    encoder, semantic, depth = features(torch.float32)
    found = module(depth, encoder, semantic, torch.randint(0, 384, (2, 20)))
    assert torch.equal(found, depth[0])
    found.square().sum().backward()
    assert float(module.layers[2].weight.grad.abs().max()) > 0


def test_reading_in_half_precision_keeps_the_coordinates():
    image = torch.arange(320.0).expand(1, 1, 2, 320)
    points = torch.tensor([[1, 501, 639]])
    exact = read_points(image, points, 4, 640)
    torch.testing.assert_close(read_points(image.bfloat16(), points, 4, 640), exact, rtol=2**-8, atol=1e-3)
