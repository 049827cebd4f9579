"""The segmenter: it learns, freezes and resumes, and hands out its maps and noisy ones."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from factories import LabeledSource, TinySource
from semantic_cases import LITE

from semdepth_lite.classes import IGNORE, TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.sources import NoisyLabels, SegmentedSource
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.segmentation import evaluate_segmentation
from semdepth_lite.semantics import (
    Segmenter,
    predicted_labels,
    semantic_loss,
    targets,
)
from semdepth_lite.training.preparation import count_classes
from semdepth_lite.training.segmenter import pretrain_segmenter, segment_all


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
