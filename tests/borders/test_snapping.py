"""Snapping: exact where the mask is, silent where it is unsure, and never far from a border."""
from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from semdepth_lite.borders import snap_depth
from semdepth_lite.classes import IGNORE
from semdepth_lite.common.contracts import InputError


def step(height: int = 12, width: int = 24, border: int = 12, shift: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels 0 and 1 left and right of a border, and depth 20 and 5 whose jump is shifted."""
    columns = torch.arange(width).expand(1, height, width)
    return (columns >= border).long(), torch.where(columns >= border + shift, 5.0, 20.0).double()[:, None]


def random_scene(seed: int = 0, height: int = 15, width: int = 20) -> tuple[torch.Tensor, ...]:
    """Depth, blobs of labels, an image, in float64."""
    torch.manual_seed(seed)
    coarse = torch.randint(0, 3, (2, 1, height // 5, width // 5)).float()
    labels = F.interpolate(coarse, (height, width), mode="nearest")[:, 0].long()
    labels[0, :3, :3] = IGNORE
    depth = (torch.randn(2, 1, height, width, dtype=torch.float64) * 0.3).exp() * 10
    depth[1, 0, 5:8, 5:8] = 0
    return depth, labels, torch.rand(2, 3, height, width, dtype=torch.float64)


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("turned", [False, True])
def test_a_shifted_depth_border_moves_to_the_mask_s(shift, turned):
    labels, depth = step(shift=shift)
    _, exact = step()
    if turned:
        labels, depth, exact = (x.mT for x in (labels, depth, exact))
    assert not torch.equal(depth, exact)
    torch.testing.assert_close(snap_depth(depth, labels), exact, rtol=1e-12, atol=0)
    image = torch.rand(1, 3, *labels.shape[1:], dtype=torch.float64)
    torch.testing.assert_close(snap_depth(depth, labels, image), exact, rtol=1e-12, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("radius", [1, 2, 3])
@pytest.mark.parametrize("colored", [False, True])
def test_snapping_equals_a_loop_over_pixels(radius, colored):
    depth, labels, image = random_scene()
    found = snap_depth(depth, labels, image if colored else None, radius=radius)
    batch, height, width = labels.shape
    for b in range(batch):
        label = labels[b].numpy()
        border = np.zeros((height, width), bool)
        for y in range(height):
            for x in range(width):
                for i, j in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                    if 0 <= i < height and 0 <= j < width and IGNORE not in (label[y, x], label[i, j]):
                        border[y, x] |= label[y, x] != label[i, j]
        places = np.argwhere(border)
        near = np.array([[((places - (y, x)) ** 2).sum(1).min() <= 2.25 for x in range(width)] for y in range(height)])
        for y in range(height):
            for x in range(width):
                d = float(depth[b, 0, y, x])
                total = weight = 0.0
                for i in range(max(0, y - radius), min(height, y + radius + 1)):
                    for j in range(max(0, x - radius), min(width, x + radius + 1)):
                        if near[i, j] or label[i, j] != label[y, x] or depth[b, 0, i, j] == 0:
                            continue
                        off = float((image[b, :, i, j] - image[b, :, y, x]).abs().mean()) if colored else 0.0
                        w = np.exp(-0.5 * (off / 0.1) ** 2)
                        total, weight = total + w * np.log(float(depth[b, 0, i, j])), weight + w
                if near[y, x] and label[y, x] != IGNORE and d > 0 and weight > 0:
                    d = np.exp(total / weight)
                assert float(found[b, 0, y, x]) == pytest.approx(d, rel=1e-9)
    assert 0.1 < float((found != depth).double().mean()) < 0.9


def test_pixels_far_from_borders_keep_their_bits():
    labels, _ = step()
    depth = torch.rand(1, 1, 12, 24) + 1
    found = snap_depth(depth, labels)
    band = torch.zeros(24, dtype=torch.bool)
    band[10:14] = True
    assert torch.equal(found[..., ~band], depth[..., ~band])
    assert bool((found[..., band] != depth[..., band]).all())
    assert torch.equal(snap_depth(depth, torch.zeros_like(labels)), depth)


def test_it_abstains_where_the_segmenter_is_unsure():
    labels, depth = step(shift=1)
    sure = F.one_hot(labels, 2).movedim(-1, 1).double() * 0.96 + 0.02
    assert torch.equal(snap_depth(depth, sure), snap_depth(depth, labels))
    unsure = sure.clone()
    unsure[:, 0, :6, 12], unsure[:, 1, :6, 12] = 0.3, 0.7  # the misplaced pixels of the upper half
    found = snap_depth(depth, unsure)
    assert torch.equal(found[..., :6, 12], depth[..., :6, 12])
    assert float(found[..., 7, 12]) == pytest.approx(5)
    assert torch.equal(snap_depth(depth, unsure, confidence=0.6), snap_depth(depth, labels))
    vague = torch.full_like(sure, 0.5)
    assert torch.equal(snap_depth(depth, vague), depth)


def test_unsure_pixels_are_not_asked_either():
    labels, depth = step(shift=1)
    depth[..., 15] = 1.0  # inside the right side, wrong, and unsure
    mask = F.one_hot(labels, 2).movedim(-1, 1).double()
    mask[:, :, :, 15] = torch.tensor([0.4, 0.6], dtype=torch.float64)[:, None]
    assert float(snap_depth(depth, mask, radius=3)[0, 0, 6, 12]) == pytest.approx(5)
    assert float(snap_depth(depth, labels, radius=3)[0, 0, 6, 12]) < 4


def test_thin_objects_have_no_inside_and_stay():
    labels = torch.zeros(1, 12, 24, dtype=torch.long)
    labels[..., 11:13] = 1
    depth = torch.where(labels == 1, 4.0, 20.0)[:, None] + 0.01 * torch.rand(1, 1, 12, 24)
    found = snap_depth(depth, labels)
    assert torch.equal(found[..., 11:13], depth[..., 11:13])
    assert not torch.equal(found[..., 9:11], depth[..., 9:11])


def test_color_tells_which_pixels_are_asked():
    labels, depth = step()
    depth[0, 0, :6, 14:] = 8.0
    image = torch.zeros(1, 3, 12, 24, dtype=torch.float64)
    image[..., :6, 14:] = 1.0
    image[..., 5, 12:14] = 1.0  # this pixel looks like the upper half, whose depth is 8
    found = snap_depth(depth, labels, image)
    assert float(found[0, 0, 5, 12]) == pytest.approx(8, rel=1e-6)
    assert 5 < float(snap_depth(depth, labels)[0, 0, 5, 12]) < 8


@pytest.mark.parametrize("dim", [-1, -2])
def test_a_mirrored_map_is_snapped_to_the_mirrored_result(dim):
    depth, labels, image = random_scene(3)
    found = snap_depth(depth, labels, image)
    mirrored = snap_depth(depth.flip(dim), labels.flip(dim), image.flip(dim))
    torch.testing.assert_close(mirrored.flip(dim), found, rtol=1e-12, atol=0)
    assert torch.equal(mirrored.flip(dim) == depth, found == depth)


def test_one_channel_is_the_foreground():
    labels, depth = step(shift=-1)
    foreground = labels.double()[:, None]
    assert torch.equal(snap_depth(depth, foreground), snap_depth(depth, labels))


def test_pixels_without_a_label_have_no_side():
    labels, depth = step(shift=1)
    labels[:, :, 12:14] = IGNORE
    assert torch.equal(snap_depth(depth, labels), depth)
    spread = F.one_hot(labels.clamp(max=2), 3).movedim(-1, 1)[:, :2].double()  # none of the classes, as `unpack` says
    assert torch.equal(snap_depth(depth, spread), depth)


def test_wrong_input_is_refused():
    labels, depth = step()
    with pytest.raises(InputError, match="mask has shape"):
        snap_depth(depth, labels[:, 1:])
    with pytest.raises(InputError, match="confidence 2, reach 1.5, radius 2"):
        snap_depth(depth, labels, confidence=2)
