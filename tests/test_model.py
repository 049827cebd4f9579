"""The variants as wholes: the baseline untouched, fusion that starts from it, training, resuming, predicting."""
from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from factories import LabeledSource, TinySource

from semdepth_lite.classes import TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import seed_everything
from semdepth_lite.common.storage import read_json, read_log
from semdepth_lite.data.sources import batches
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.prediction import depth_predictor, evaluate_model
from semdepth_lite.labels import pack_labels
from semdepth_lite.model import Model, Step
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.semantics import class_probabilities
from semdepth_lite.training.checkpoint import load_run
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import SSFA, VARIANTS, Branch, FromLabels, Seem, Variant, find_variant, read_changes

LITE = NetworkSettings(width=8)
FUSED = [name for name, variant in VARIANTS.items() if variant.fusion]


class PersonSource(LabeledSource):
    """Its pole is a person, so that there is a foreground."""

    thing = "person"


@pytest.fixture(scope="module")
def source() -> LabeledSource:
    return PersonSource()


def build(variant: Variant, networks: NetworkSettings = LITE) -> Model:
    seed_everything(3)
    return Model(networks, variant)


def first(source: TinySource, count: int = 2) -> Triplet:
    return source.triplet(np.arange(count))


# The baseline

@pytest.mark.slow
def test_all_variants_share_the_random_weights_of_the_baseline():
    baseline = build(VARIANTS["baseline"]).state_dict()
    for name, variant in VARIANTS.items():
        state = build(variant).state_dict()
        assert all(torch.equal(state[key], value) for key, value in baseline.items()), name
        assert name in ("baseline",) or len(state) > len(baseline)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_fusion_starts_at_the_baseline_bit_for_bit(name, mode, source):
    """Also where the fused features go on through the decoder: every disparity is the very same number."""
    batch = first(source)
    plain, fused = build(VARIANTS["baseline"]), build(VARIANTS[name])
    plain.train(mode == "train"), fused.train(mode == "train")
    expected = plain.predict(batch.target)
    found = fused.predict(batch.target, fused.semantics_of(batch))
    assert all(torch.equal(a, b) for a, b in zip(found.disps, expected.disps))


@pytest.mark.parametrize("changes", [{"fusion.form": "A"}, {"fusion.pool_keys": False}, {"fusion.levels": (4, 1)},
                                     {"branch.classes": "all"}, {"branch.share": 0.1}])
def test_attention_starts_at_the_baseline_in_other_forms_too(changes, source):
    batch = first(source)
    found = build(find_variant("attention", changes)).predict(batch.target)
    assert torch.equal(found.depth, build(VARIANTS["baseline"]).predict(batch.target).depth)


def test_as_drawn_it_does_not_start_at_the_baseline(source):
    batch = first(source)
    found = build(find_variant("attention", {"fusion.residual": False})).predict(batch.target)
    assert not torch.equal(found.depth, build(VARIANTS["baseline"]).predict(batch.target).depth)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_computes_in_float64_too(name, source):
    batch = first(source)
    wide = Triplet(batch.target.double(), batch.sources.double(), batch.K, labels=batch.labels)  # K stays float32
    plain, model = build(VARIANTS[name]).eval(), build(VARIANTS[name]).double().eval()
    expected = plain.predict(batch.target, plain.semantics_of(batch)).depth
    found = model.predict(wide.target, model.semantics_of(wide)).depth
    assert found.dtype == torch.float64 and torch.allclose(found, expected.double(), rtol=1e-4)
    terms, _ = model.train()(wide, Step(progress=1.0))
    terms.total.backward()
    assert terms.total.dtype == torch.float64 and torch.isfinite(terms.total)


# Changes to a named variant

def test_changes_are_read_from_text_and_from_values():
    expected = replace(VARIANTS["ssfa"], branch=Branch("all", weight=0.5), fusion=SSFA((3, 1), hidden=8),
                       masks=FromLabels())
    text = read_changes(["fusion.levels=3,1", "branch.class_weights=no", "branch.weight=0.5", "fusion.hidden=8",
                         "masks=labels"])
    assert find_variant("ssfa", text) == expected
    assert find_variant("ssfa", {"fusion.levels": [3, 1], "branch.class_weights": False, "branch.weight": 0.5,
                                 "fusion.hidden": 8, "masks": "labels"}) == expected
    assert find_variant("baseline") == Variant()


def test_parts_are_chosen_and_left_out():
    assert find_variant("baseline", {"branch": True, "seem": "yes", "seem.points": 99}) == Variant(
        Branch(), seem=Seem(points=99))
    assert find_variant("semdepth", {"ranking": False}) == VARIANTS["ssfa"]
    kept = find_variant("semdepth", {"ranking.cap": 0.1, "ranking": "yes"})
    assert kept.ranking.cap == 0.1


def test_settings_keep_changes_in_one_spelling():
    typed = TrainSettings(variant="semdepth", changes=read_changes(["ranking.cap=0.40", "fusion.levels=2,1"]))
    called = TrainSettings(variant="semdepth", changes={"ranking.cap": 0.4, "fusion.levels": (2, 1)})
    assert typed == called and typed.method.ranking.cap == 0.4
    assert json.loads(json.dumps(asdict(typed))) == asdict(called)


@pytest.mark.parametrize(("name", "changes", "message"), [
    ("best", {}, "variant 'best' is unknown; use one of baseline, multitask"),
    ("ssfa", {"glue": 1}, "'glue' names no part of a variant; use one of branch, masks, fusion, seem, ranking"),
    ("ssfa", {"fusion.level": 2}, "'fusion.level' names no setting of fusion; use one of levels, hidden"),
    ("ssfa_labels", {"masks.depth": 2}, "names no setting of masks; use one of none"),
    ("ssfa", {"fusion.levels": "two"}, "fusion.levels is 'two', expected numbers such as 2,1,0"),
    ("ssfa", {"fusion.residual": "maybe"}, "fusion.residual is 'maybe', expected yes or no"),
    ("ssfa", {"branch.weight": "much"}, "branch.weight is 'much', expected a number"),
    ("ssfa", {"fusion.hidden": 2.5}, "fusion.hidden is 2.5, expected a whole number"),
    ("ssfa", {"fusion.levels": "5"}, "fusion.levels .* not all decoder levels; use some of 0 to 4"),
    ("ssfa", {"fusion.norm": "layer"}, "fusion.norm 'layer' is unknown; use one of group, instance, none"),
    ("attention", {"fusion.form": "C"}, "fusion.form 'C' is unknown; use one of A, B"),
    ("multitask", {"branch.classes": "cars"}, "branch.classes 'cars' is unknown"),
    ("multitask", {"branch.share": 1}, "branch.share 1.0 is outside"),
    ("multitask", {"fusion": "sum"}, "fusion is 'sum', expected attention, ssfa, none"),
    ("multitask", {"ranking.cap": 0.5}, "does not have; choose it first, with ranking=yes"),
    ("attention", {"branch": False}, "attention reads the features of the semantic branch"),
    ("baseline", {"seem": True}, "seem reads a class map, and there is none"),
    ("baseline", {"ranking": True}, "ranking.certainty=product reads a class map"),
    ("baseline", {"fusion": "ssfa"}, "ssfa reads a class map"),
    ("seem", {"seem.points": 0}, "points 0 and important 0.75 do not fit"),
    ("seem", {"seem.edges": "truth"}, "seem.edges 'truth' is unknown; use one of labels, prediction"),
    ("ranking", {"ranking.start": 2}, "ranking.start 2.0 is outside"),
    ("ranking", {"ranking.weight": float("nan")}, "ranking.weight is nan, expected a number"),
    ("ranking", {"ranking.things": "cars"}, "ranking.things 'cars' is unknown; use one of movable"),
    ("ranking", {"ranking.floor": 0.7}, "ranking.floor 0.7 is not between 0 and cap 0.6"),
])
def test_wrong_changes_are_refused_in_one_sentence(name, changes, message):
    with pytest.raises(InputError, match=message):
        TrainSettings(variant=name, changes=changes)


def test_a_change_without_a_value_is_refused():
    with pytest.raises(InputError, match="change 'seem' has no value"):
        read_changes(["seem"])


# What happens to a batch

@pytest.mark.slow
@pytest.mark.parametrize("lite", [True, False])
def test_the_branch_predicts_at_full_resolution(lite):
    networks = LITE if lite else NetworkSettings("resnet18")
    for name, outputs in (("multitask", 1), ("ssfa", 19)):
        prediction = build(VARIANTS[name], networks).predict(torch.rand(1, 3, 64, 96))
        assert prediction.semantic_logits.shape == (1, outputs, 64, 96)
    assert build(VARIANTS["baseline"]).predict(torch.rand(1, 3, 64, 96)).semantic_logits is None


def test_the_total_loss_adds_the_weighted_cross_entropy(source):
    batch = first(source)
    plain, _ = build(VARIANTS["baseline"])(batch)
    joint, _ = build(find_variant("multitask", {"branch.weight": 0.3}))(batch)
    torch.testing.assert_close(joint.total, plain.total + 0.3 * joint.semantic)
    assert plain.semantic is None and float(joint.semantic.detach()) > 0


def gradient_of_encoder(variant: Variant, batch: Triplet, part: str) -> torch.Tensor:
    model = build(variant).double().eval()
    terms, _ = model(batch)
    (terms.semantic if part == "semantic" else terms.total - model.variant.branch.weight * terms.semantic).backward()
    return model.encoder.encoder.conv1.weight.grad


@pytest.mark.slow
def test_gradients_of_the_tasks_are_shared_out_at_the_encoder(source):
    batch = first(TinySource(2))
    batch = Triplet(batch.target.double(), batch.sources.double(), batch.K.double(),
                    T_source_target=batch.T_source_target.double(), labels=first(source).labels)
    for part, share in (("depth", 0.9), ("semantic", 0.1)):
        plain = gradient_of_encoder(VARIANTS["multitask"], batch, part)
        scaled = gradient_of_encoder(find_variant("multitask", {"branch.share": 0.1}), batch, part)
        torch.testing.assert_close(scaled, share * plain)


def test_depth_does_not_teach_the_classes_through_the_label_map(source):
    """SSFA reads the branch's own prediction without gradient; its features it may change."""
    model = build(find_variant("ssfa", {"fusion.levels": (0,)})).train()
    torch.nn.init.normal_(model.fusion.blocks["0"].scale.weight)
    model.predict(first(source).target).depth.mean().backward()
    assert model.semantic.head.weight.grad is None


def test_exact_labels_reach_the_depth(source):
    batch = first(source)
    model = build(VARIANTS["ssfa_labels"]).eval()
    torch.nn.init.normal_(model.fusion.blocks["0"].scale.weight)
    other = replace(batch, labels=torch.zeros_like(batch.labels))
    plain, changed = (model.predict(b.target, model.semantics_of(b)).depth for b in (batch, other))
    assert not torch.equal(plain, changed)
    given = replace(other, semantics=pack_labels(batch.labels))
    assert torch.equal(model.predict(batch.target, model.semantics_of(given)).depth, plain)
    with pytest.raises(InputError, match="modulates depth by a label map"):
        model.predict(batch.target)


def test_the_segmenter_is_asked_where_no_label_map_is_given(source):
    batch = first(source)
    model = build(VARIANTS["ssfa_segmenter"]).train()
    torch.nn.init.normal_(model.fusion.blocks["0"].scale.weight)
    model.eval()
    packed = model.segmenter.packed_enlarged(batch.target)
    assert torch.equal(model.semantics_of(batch), packed)
    assert torch.equal(model.predict(batch.target).depth, model.predict(batch.target, packed).depth)
    assert not any(p.requires_grad for p in model.segmenter.parameters())
    assert not model.train().segmenter.training


def test_attention_map_of_a_pixel(source):
    model = build(VARIANTS["attention"]).eval()
    for level, size in ((4, (4, 6)), (3, (4, 6)), (2, (4, 6))):
        seen = model.attention_map(first(source).target, level, 1, 2)
        assert seen.shape == (2, *size)
        torch.testing.assert_close(seen.sum((1, 2)), torch.ones(2))
    for level, name in ((1, "attention"), (2, "baseline"), (2, "ssfa")):
        with pytest.raises(InputError, match=f"no attention at level {level}"):
            build(VARIANTS[name]).attention_map(first(source).target, level, 0, 0)


# Training

def settings(name: str, **changes) -> TrainSettings:
    return TrainSettings(variant=name, width=8, batch=2, steps=4, segmenter_steps=3, **changes)


def states_equal(a: Model, b: Model) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


class Cut(Exception):
    """The power fails."""


def cut_after(run: Run, step: int) -> None:
    """Let a run stop after a step, as if its process had been killed."""
    whole = run.train_step

    def train_step(batch, forward=None):
        if run.step == step:
            raise Cut
        return whole(batch, forward)

    run.train_step = train_step


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "baseline"])
def test_variants_train_resume_evaluate_and_predict(name, source, tmp_path):
    whole = Run(source, settings(name), tmp_path / "whole", "cpu").train(progress=False, log_every=1)
    cut = Run(source, settings(name), tmp_path / "cut", "cpu")
    cut_after(cut, 3)
    with pytest.raises(Cut):
        cut.train(progress=False, log_every=1, save_every=2)
    run = Run(source, settings(name), tmp_path / "cut", "cpu")
    assert run.step == 2
    assert states_equal(whole, run.train(progress=False, log_every=1))
    rows = [list(read_log(tmp_path / part / "log.jsonl")) for part in ("whole", "cut")]
    assert rows[0] == rows[1] and len(rows[0]) == 4
    assert ("semantic" in rows[0][0]) == (VARIANTS[name].branch is not None)
    assert not (tmp_path / "cut" / "segmented.npy").exists()

    loaded = load_run(tmp_path / "cut", "cpu")
    assert states_equal(loaded, whole)
    assert evaluate_model(loaded, source).means["abs_rel"] > 0
    depth = depth_predictor(loaded)(next(batches(source, 2)))
    assert depth.shape == (2, 1, 64, 96) and bool((depth > 0).all())


@pytest.mark.slow
def test_depth_starts_from_the_segmenter_s_encoder(source, tmp_path):
    made = settings("ssfa_segmenter", changes={"masks.origin": "made"})
    shared = settings("ssfa_segmenter", changes={"masks.origin": "made", "masks.share_encoder": True})
    run = Run(source, shared, tmp_path / "a", "cpu")
    cut_after(run, 0)
    with pytest.raises(Cut):
        run.train(progress=False)
    pairs = list(zip(run.model.encoder.parameters(), run.model.segmenter.encoder.parameters()))
    assert all(torch.equal(a, b) for a, b in pairs)
    other = Run(source, made, tmp_path / "b", "cpu")
    cut_after(other, 0)
    with pytest.raises(Cut):
        other.train(progress=False)
    assert not torch.equal(other.model.encoder.encoder.conv1.weight, other.model.segmenter.encoder.encoder.conv1.weight)


def test_the_looked_up_label_maps_are_the_segmenter_s(source, tmp_path):
    run = Run(source, settings("ssfa_segmenter", augmentation=False), tmp_path, "cpu")
    cut_after(run, 0)
    with pytest.raises(Cut):
        run.train(progress=False)
    batch = run.source.triplet(np.array([1, 4]))
    wanted = run.model.segmenter.packed(source.targets_at(2).triplet(np.array([1, 4])).target)
    assert (batch.semantics != wanted).float().mean() < 1e-3


@pytest.mark.slow
def test_joint_training_learns_classes(source, tmp_path):
    run = Run(source, replace(settings("ssfa"), steps=30), tmp_path, "cpu")
    model = run.train(progress=False, log_every=1)
    rows = list(read_log(tmp_path / "log.jsonl"))
    assert rows[-1]["semantic"] < 0.7 * rows[0]["semantic"]
    assert float(model.class_weights[TRAIN_ID["person"]]) > float(model.class_weights[TRAIN_ID["building"]]) > 0
    logits = model.predict(first(source).target).semantic_logits.detach()
    person = class_probabilities(logits)[:, TRAIN_ID["person"]]
    labels = first(source).labels
    assert float(person[labels == TRAIN_ID["person"]].mean()) > float(person[labels == TRAIN_ID["building"]].mean())


@pytest.mark.parametrize("name", [name for name, variant in VARIANTS.items() if variant.needs_labels])
def test_data_without_labels_is_refused_before_training(name, tmp_path):
    with pytest.raises(InputError, match="made up has no semantic labels") as error:
        Run(TinySource(2), settings(name), tmp_path / "run", "cpu")
    assert str(error.value).count(". ") == 0 and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_label_noise_changes_what_is_learned(source, tmp_path):
    clean = Run(source, settings("multitask"), tmp_path / "clean", "cpu").train(progress=False)
    noisy = Run(source, settings("multitask", label_noise=1.0), tmp_path / "noisy", "cpu").train(progress=False)
    assert not states_equal(clean, noisy)
    assert read_json(tmp_path / "noisy" / "settings.json")["data"] == "made up with label noise 1"
    with pytest.raises(InputError, match="label_noise 2.0 is outside"):
        settings("multitask", label_noise=2.0)


@pytest.mark.parametrize("wrong", [lambda x: 255 * x, lambda x: (255 * x).byte(), lambda x: (x - 0.45) / 0.225,
                                   lambda x: x * float("nan")])
def test_images_far_from_0_to_1_are_refused(wrong):
    images = torch.linspace(0, 1, 64 * 64).view(1, 1, 64, 64).expand(1, 3, 64, 64)
    model = Model(NetworkSettings(width=8)).eval()
    with pytest.raises(InputError, match=r"images go from .* expected \[0, 1\]; divide bytes by 255"):
        model.predict(wrong(images))
    model.predict(1.1 * images - 0.05)  # a resized image may overshoot


@pytest.mark.parametrize("name", ["baseline", "semdepth_segmenter"])
def test_images_of_any_number_type_are_taken(name, source):
    model, images = build(VARIANTS[name]).eval(), first(source).target
    with torch.no_grad():
        expected = model.predict(images).depth
        assert torch.equal(model.predict(images.double()).depth, expected)
        for dtype, tolerance in ((torch.float16, 0.01), (torch.bfloat16, 0.1)):
            assert torch.allclose(model.predict(images.to(dtype)).depth, expected, rtol=tolerance)
        assert model.double().predict(images).depth.dtype == torch.float64
