"""SEEM and the ranking loss inside the model: where points come from, when the loss begins, what changes mean."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import TinySource

from semdepth_lite.borders import RankingSettings, edge_strength, point_certainty, ranking_loss, strongest_points
from semdepth_lite.classes import TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import seed_everything
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.labels import dilate, label_borders
from semdepth_lite.model import Model, Step
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import AS_PRINTED, VARIANTS, Ranking, Seem, Variant, find_variant


class LabeledSource(TinySource):
    """The pole scene: its pole is a person, its wall a building."""

    has_labels = True

    def triplet(self, indices: np.ndarray) -> Triplet:
        batch = super().triplet(indices)
        batch.labels = torch.where(batch.depth[:, 0] < 4, TRAIN_ID["person"], TRAIN_ID["building"]).to(torch.uint8)
        return batch


@pytest.fixture(scope="module")
def batch() -> Triplet:
    return LabeledSource(2).triplet(np.arange(2))


def build(name: str, changes: dict | None = None, networks: NetworkSettings = NetworkSettings(width=8)) -> Model:
    seed_everything(3)
    return Model(networks, find_variant(name, changes))


def pixels_beside_borders(labels: torch.Tensor, points: torch.Tensor) -> float:
    return float(dilate(label_borders(labels), 3).flatten(1).gather(1, points).float().mean())


# Points

def test_points_come_from_labels_while_training_and_from_the_prediction_at_test(batch):
    model = build("seem")
    trained = model.train().predict(batch.target, labels=batch.labels)
    assert trained.points.shape == (2, 307)  # 2048 * 96 / 640
    assert pixels_beside_borders(batch.labels, trained.points) > 0.4  # 17 % of the pixels are
    guessed = build("seem", {"seem.edges": "prediction"}).train().predict(batch.target, labels=batch.labels)
    assert pixels_beside_borders(batch.labels, guessed.points) < 0.3
    model.eval()
    tested = model.predict(batch.target, labels=batch.labels)
    assert torch.equal(tested.points, strongest_points(edge_strength(tested.probabilities), 307))
    again = model.predict(batch.target)
    assert torch.equal(again.points, tested.points) and torch.equal(again.depth, tested.depth)


def test_points_follow_from_the_seed_and_the_settings(batch):
    model = build("seem").train()
    first, again = (model.predict(batch.target, labels=batch.labels).points for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(model.predict(batch.target, labels=batch.labels, seed=1).points, first)
    uniform = build("seem", {"seem.points": 400, "seem.important": 0}).train()
    few = uniform.predict(batch.target, labels=batch.labels).points
    assert few.shape == (2, 60) and pixels_beside_borders(batch.labels, few) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", ["seem", "ranking"])
def test_they_start_at_the_baseline_bit_for_bit(name, mode, batch):
    plain, changed = (build(variant).train(mode == "train") for variant in ("baseline", name))
    assert torch.equal(changed.predict(batch.target, labels=batch.labels).depth, plain.predict(batch.target).depth)


def test_seem_changes_disparity_around_its_points_alone(batch):
    plain, model = build("baseline").eval(), build("seem").eval()
    torch.nn.init.normal_(model.seem.layers[2].weight)
    found, before = model.predict(batch.target), plain.predict(batch.target)
    changed = (found.disps[0] != before.disps[0]).flatten(1)
    beside = torch.zeros(2, 64 * 96).scatter_(1, found.points, 1).view(2, 1, 64, 96)
    beside = torch.nn.functional.max_pool2d(beside, 3, 1, 1).flatten(1) > 0
    assert changed.any() and not (changed & ~beside).any()
    assert all(torch.equal(a, b) for a, b in zip(found.disps[1:], before.disps[1:]))


def test_as_drawn_seem_substitutes_from_the_start(batch):
    found = build("seem", {"seem.residual": False}).eval().predict(batch.target)
    assert not torch.equal(found.depth, build("baseline").eval().predict(batch.target).depth)


@pytest.mark.slow
def test_seem_works_on_the_full_networks(batch):
    model = build("seem", networks=NetworkSettings("resnet18")).train()
    assert model.seem.layers[0].out_features == 256 and model.seem.layers[0].in_features == 256 + 2 * 112
    terms, _ = model(batch)
    terms.total.backward()
    assert float(model.seem.layers[2].weight.grad.abs().max()) > 0


# The ranking loss

@pytest.mark.slow
def test_ranking_begins_after_its_share_of_the_training(batch):
    model = build("ranking", {"ranking.start": 0.5, "ranking.weight": 0.3}).train()
    early, _ = model(batch)
    late, prediction = model(batch, Step(progress=0.5))
    assert early.ranking is None and float(late.ranking.detach()) > 0
    torch.testing.assert_close(late.total, early.total + 0.3 * late.ranking)
    certainty = point_certainty(prediction.probabilities, batch.labels, "foreground", "product")
    expected = ranking_loss(prediction.depth, batch.labels, torch.Generator().manual_seed(0), RankingSettings(),
                            certainty)
    assert torch.equal(late.ranking, expected)


@pytest.mark.slow
def test_the_training_loop_passes_progress_and_a_seed_of_the_step(tmp_path):
    settings = TrainSettings(variant="ranking", width=8, steps=10, batch=2, seed=2)
    run = Run(LabeledSource(2), settings, tmp_path, "cpu")
    steps, absent = [], []
    run.model.register_forward_pre_hook(lambda _, inputs: steps.append(inputs[1]))
    for _ in range(10):
        terms, _ = run.train_step(run.source.triplet(np.arange(2)))
        absent.append(terms.ranking is None)
    assert [step.progress for step in steps] == [i / 10 for i in range(10)]
    assert len({step.seed for step in steps}) == 10
    assert absent == [True] * 7 + [False] * 3


def test_ranking_without_classes_weighs_all_pairs_alike(batch):
    method = Variant(ranking=Ranking(certainty="none", start=0))
    seed_everything(3)
    model = Model(NetworkSettings(width=8), method).train()
    terms, prediction = model(batch)
    expected = ranking_loss(prediction.depth, batch.labels, torch.Generator().manual_seed(0),
                            RankingSettings(certainty="none"))
    assert torch.equal(terms.ranking, expected)
    with pytest.raises(InputError, match="has no semantic labels"):
        model(replace(batch, labels=None))


def test_the_form_as_drawn_is_a_set_of_changes():
    variant = find_variant("semdepth", AS_PRINTED)
    assert variant.ranking == Ranking("foreground", "rest", "disp", 0.0, 0.0, start=0.05)
    assert variant.fusion == VARIANTS["semdepth"].fusion


def test_the_named_variants_are_what_the_papers_combine():
    assert VARIANTS["seedepth"] == replace(VARIANTS["attention"], seem=Seem())
    assert VARIANTS["semdepth"] == replace(VARIANTS["ssfa"], ranking=Ranking())
    early = Ranking(signed=True, start=0.3)
    assert VARIANTS["semdepth_segmenter"] == replace(VARIANTS["ssfa_segmenter"], ranking=early)
    assert VARIANTS["combined"] == replace(VARIANTS["semdepth_segmenter"], seem=Seem())
