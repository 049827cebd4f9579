"""Training runs repeat and resume bit for bit, and learn."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import TinySource
from training_cases import TINY, assert_same_run, cut_off, train, weights

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import read_json, read_log
from semdepth_lite.evaluation.prediction import depth_predictor
from semdepth_lite.training.batches import load_batch
from semdepth_lite.training.checkpoint import load_run
from semdepth_lite.training.run import Run

# Runs repeat and resume

@pytest.mark.slow
def test_equal_runs_give_equal_bytes_and_another_seed_others(source, tmp_path):
    for name, settings in (("a", TINY), ("b", TINY), ("c", replace(TINY, seed=1))):
        train(source, tmp_path / name, settings)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "log.jsonl").read_text() != (tmp_path / "c" / "log.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 3, 4])
def test_a_run_that_was_cut_off_continues_bit_for_bit(source, tmp_path, at):
    """Before the first checkpoint, between two (its log is ahead), and right after one."""
    train(source, tmp_path / "whole")
    cut_off(source, tmp_path / "cut", at)
    assert [row["step"] for row in read_log(tmp_path / "cut" / "log.jsonl")] == list(range(1, at + 1))
    run = Run(source, TINY, tmp_path / "cut", "cpu")
    assert run.step == at - at % 2
    log = tmp_path / "cut" / "log.jsonl"
    assert [row["step"] for row in read_log(log)] == list(range(1, run.step + 1))
    run.train(progress=False, log_every=1, save_every=2)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
def test_a_line_of_the_log_that_was_cut_off_is_dropped(source, tmp_path):
    train(source, tmp_path / "whole")
    cut_off(source, tmp_path / "cut", 4)
    log = tmp_path / "cut" / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 5, "lo')
    train(source, tmp_path / "cut")
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
def test_a_finished_run_stays_as_it_is(source, tmp_path):
    run = train(source, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = train(source, tmp_path)
    assert again.step == run.step == 6 and again.seconds == pytest.approx(run.seconds)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_the_folder_holds_settings_log_and_checkpoint_and_nothing_temporary(source, tmp_path):
    run = train(source, tmp_path, log_every=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "log.jsonl", "settings.json"]
    about = read_json(tmp_path / "settings.json")
    assert about["settings"]["width"] == 8 and about["data"] == "made up" and about["triplets"] == 5
    assert about["torch"] == torch.__version__ and about["device"] == "cpu" and about["processes"] == 1
    rows = list(read_log(tmp_path / "log.jsonl"))
    assert [row["step"] for row in rows] == [4, 6]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    cost = run.cost()
    assert cost["parameters"] == sum(p.numel() for p in run.model.parameters()) and cost["peak_mib"] > 50


@pytest.mark.slow
def test_the_watch_sees_the_model_and_does_not_change_the_run(source, tmp_path):
    seen = []

    def watch(model):
        assert not model.training
        with torch.no_grad():
            seen.append(float(model.predict(source.triplet([0]).target).depth.mean()))
        torch.rand(3)
        return {"mean_depth": seen[-1]}

    run = train(source, tmp_path / "watched", watch=watch, watch_every=4)
    assert not run.model.training and len(seen) == 2
    train(source, tmp_path / "plain")
    rows = list(read_log(tmp_path / "watched" / "log.jsonl"))
    assert [row["step"] for row in rows if "watch" in row] == [4, 6]
    assert [row for row in rows if "watch" not in row] == list(read_log(tmp_path / "plain" / "log.jsonl"))
    first, second = weights(tmp_path / "watched"), weights(tmp_path / "plain")
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.slow
def test_a_loaded_run_predicts_what_the_trained_model_did(source, tmp_path):
    run = train(source, tmp_path)
    loaded = load_run(tmp_path, "cpu")
    batch = source.triplet([0, 1])
    assert not loaded.training
    assert torch.equal(depth_predictor(loaded)(batch), depth_predictor(run.model)(batch))


@pytest.mark.slow
def test_learning_learns(source, tmp_path):
    """A few steps on five triplets lower the loss, whatever is learned from."""
    for name, changes in (("video", {}), ("depth", {"supervision": "depth"})):
        settings = replace(TINY, steps=24, learning_rate=2e-3, augmentation=False, **changes)
        train(source, tmp_path / name, settings, save_every=30)
        losses = [row["loss"] for row in read_log(tmp_path / name / "log.jsonl")]
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5]), name


def test_gradients_are_clipped(source, tmp_path):
    norms = {}
    for clip in (0.0, 0.01):
        run = Run(source, replace(TINY, clip=clip), tmp_path / str(clip), "cpu")
        run.train_step(load_batch(source, run.settings, 0, run.device))
        norms[clip] = torch.stack([p.grad.norm() for p in run.parameters if p.grad is not None]).norm().item()
    assert norms[0.0] > 0.011 and norms[0.01] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lite", "resnet18"])
def test_disparity_and_motion_keep_their_digits_in_bf16(encoder, source):
    model = replace(TINY, encoder=encoder, alignment=2).build().train()
    batch = source.triplet(np.arange(2))
    with torch.autocast("cpu", torch.bfloat16):
        _, said = model(batch)
        R, T = said.T_source_target[..., :3, :3], model.motion(batch.target, batch.sources)
        aligned = model.aligned(T, batch, said.depth)
    assert all(x.dtype == torch.float32 for x in (*said.disps, T, said.T_source_target))
    assert (R @ R.mT - torch.eye(3)).abs().max() < 1e-5
    assert torch.equal(aligned, model.aligned(T, batch, said.depth))


def test_bf16_comes_close_to_fp32(source, tmp_path):
    found = {}
    for precision in ("fp32", "bf16"):
        run = Run(source, replace(TINY, precision=precision), tmp_path / precision, "cpu")
        terms, _ = run.train_step(load_batch(source, run.settings, 0, run.device))
        found[precision] = terms.total.item()
        assert all(p.dtype == torch.float32 for p in run.parameters)
    assert found["bf16"] != found["fp32"] and found["bf16"] == pytest.approx(found["fp32"], rel=0.05)


# ImageNet weights, and batches read ahead

@pytest.mark.slow
def test_a_run_starts_from_imagenet_weights_and_goes_on_without_the_file(source, tmp_path):
    settings = replace(TINY, encoder="resnet18", steps=1, learning_rate=1e-12, augmentation=False)
    published = replace(settings, seed=5).build().encoder.encoder.state_dict()
    torch.save(published, tmp_path / "resnet18.pth")
    run = Run(source, settings, tmp_path / "run", "cpu", imagenet=str(tmp_path / "resnet18.pth"))
    for encoder, images in ((run.model.encoder, 1), (run.model.pose_encoder, 2)):
        assert torch.equal(encoder.encoder.layer1[0].conv1.weight, published["layer1.0.conv1.weight"])
        assert torch.equal(encoder.encoder.conv1.weight, published["conv1.weight"].repeat(1, images, 1, 1) / images)
    run.train(progress=False)
    (tmp_path / "resnet18.pth").unlink()
    again = Run(source, settings, tmp_path / "run", "cpu", imagenet=str(tmp_path / "resnet18.pth"))
    assert again.step == 1
    assert torch.allclose(again.model.encoder.encoder.conv1.weight, published["conv1.weight"], atol=1e-6)
    with pytest.raises(InputError, match="holds a run with imagenet .*resnet18.pth, not None"):
        Run(source, settings, tmp_path / "run", "cpu")
    with pytest.raises(InputError, match="resnet18.pth does not exist"):
        Run(source, settings, tmp_path / "other", "cpu", imagenet=str(tmp_path / "resnet18.pth"))
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_batches_read_ahead_train_the_same_bytes(source, tmp_path, workers):
    train(source, tmp_path / "plain")
    train(source, tmp_path / "ahead", workers=workers)
    assert_same_run(tmp_path / "plain", tmp_path / "ahead")
    cut_off(source, tmp_path / "cut", 3, workers=workers)
    train(source, tmp_path / "cut", workers=workers)
    assert_same_run(tmp_path / "plain", tmp_path / "cut")


def test_what_the_data_lacks_is_named_before_the_folder_is_made(tmp_path):
    class Bare(TinySource):
        def triplet(self, indices):
            return replace(super().triplet(indices), depth=None, T_source_target=None)

    for changes, reason in (({"pose": "given"}, "has no camera motion"),
                            ({"supervision": "depth"}, "has no true depth")):
        with pytest.raises(InputError, match=reason):
            Run(Bare(3), replace(TINY, **changes), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()
