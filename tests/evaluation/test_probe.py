"""The linear probe, against least squares written out, and on features whose classes are known."""
from __future__ import annotations

import pytest
import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.probe import LinearProbe, hypercolumns


def batch_of(target: torch.Tensor, labels: torch.Tensor | None) -> Triplet:
    return Triplet(target=target, sources=target[:, None].repeat(1, 2, 1, 1, 1), K=torch.eye(3)[None], labels=labels)


def features(images: torch.Tensor) -> torch.Tensor:
    return torch.cat((images, images[:, :1] * images[:, 1:2]), 1)


@pytest.fixture
def batch() -> Triplet:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (2, 4, 6), generator=generator).to(torch.uint8)
    labels[0, 0, 0] = 255
    return batch_of(torch.rand(2, 3, 4, 6, generator=generator), labels)


def test_the_solution_is_that_of_weighted_least_squares(batch):
    probe = LinearProbe(features, ridge=0).fit([batch])
    rows, ones, weights = [], [], []
    counts = {c: int((batch.labels == c).sum()) for c in range(3)}
    values = features(batch.target).double()
    for b in range(2):
        for v in range(4):
            for u in range(6):
                c = int(batch.labels[b, v, u])
                if c == 255:
                    continue
                rows.append([*values[b, :, v, u].tolist(), 1.0])
                ones.append([float(c == k) for k in range(19)])
                weights.append(counts[c] ** -0.5)
    w = torch.tensor(weights, dtype=torch.float64)[:, None]
    expected = torch.linalg.lstsq(w * torch.tensor(rows, dtype=torch.float64),
                                  w * torch.tensor(ones, dtype=torch.float64)).solution
    assert torch.allclose(probe.weight, expected, atol=1e-9)


def test_two_batches_are_as_good_as_one(batch):
    one, other = (batch_of(batch.target[i:i + 1], batch.labels[i:i + 1]) for i in range(2))
    assert torch.allclose(LinearProbe(features).fit([one, other]).weight, LinearProbe(features).fit([batch]).weight)


def test_classes_that_are_linear_in_the_features_are_read_without_error():
    labels = torch.tensor([[0, 0, 1, 1], [2, 2, 13, 13]], dtype=torch.uint8)[None].repeat(1, 2, 2)
    target = torch.stack([(labels == c).float() for c in (0, 1, 2)], 1)
    iou = LinearProbe(lambda images: images).fit([batch_of(target, labels)]).iou([batch_of(target, labels)])
    assert iou[[0, 1, 2, 13]].eq(1).all() and iou.isfinite().sum() == 4


def test_features_that_say_nothing_leave_one_class(batch):
    probe = LinearProbe(lambda images: torch.zeros_like(images)).fit([batch])
    assert (probe.iou([batch]) > 0).sum() <= 1


def test_cells_take_the_label_at_their_center(batch):
    _, labels = LinearProbe(lambda images: torch.nn.functional.avg_pool2d(images, 2))._samples(batch)
    assert torch.equal(labels, batch.labels[:, 1::2, 1::2])


def test_data_without_labels_is_refused(batch):
    with pytest.raises(InputError, match="no semantic labels"):
        LinearProbe(features).fit([batch_of(batch.target, None)])


def test_hypercolumns_keep_channels_apart_and_centers_in_place():
    maps = [torch.full((1, 2, 32 >> i, 64 >> i), float(i)) for i in range(1, 6)]
    joined = hypercolumns(maps)
    assert joined.shape == (1, 8, 8, 16)
    assert torch.equal(joined[0, :, 3, 5], torch.tensor([2.0, 2, 3, 3, 4, 4, 5, 5]))
