"""What a CPU computes, a GPU computes too: steps, whole runs, predictions, judgments. Skipped where there is none."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import LabeledSource, TinySource, scene_triplet
from training_cases import Cut

from semdepth_lite import fused, losses
from semdepth_lite.__main__ import main
from semdepth_lite.borders.snapping import snap_depth
from semdepth_lite.common.storage import read_json, read_log
from semdepth_lite.evaluation.prediction import depth_predictor
from semdepth_lite.evaluation.report import evaluate
from semdepth_lite.pretrained import load_pretrained
from semdepth_lite.training.batches import load_batch
from semdepth_lite.training.benchmark import Shape, benchmark
from semdepth_lite.training.checkpoint import load_run
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import VARIANTS

pytestmark = [pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
              pytest.mark.filterwarnings("ignore:.*CUDA.*:UserWarning")]
SMALL = TrainSettings(width=8, steps=6, batch=2, segmenter_steps=3)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """Convolutions of a GPU round their inputs to ten bits unless this is off."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def first_step(folder, device: str, settings: TrainSettings) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Return the terms of a run's first loss and every gradient."""
    source = LabeledSource(5)
    run = Run(source, replace(settings, clip=0.0), folder / device, device)
    run.prepare()
    terms, _ = run.train_step(load_batch(run.source, run.settings, 0, run.device))
    named = {name: value.item() for name, value in vars(terms).items() if isinstance(value, torch.Tensor)
             and value.dim() == 0}
    return named, {name: p.grad.cpu() for name, p in run.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_has_the_loss_and_the_gradients_of_the_cpus(variant, tmp_path):
    settings = replace(SMALL, variant=variant, alignment=2)
    (here, slopes), (there, slopes_there) = (first_step(tmp_path, device, settings) for device in ("cpu", "cuda"))
    assert there == pytest.approx(here, rel=1e-3)
    assert slopes.keys() == slopes_there.keys()
    both = [torch.cat([s[name].flatten() for name in slopes]) for s in (slopes, slopes_there)]
    assert float(torch.cosine_similarity(*both, dim=0)) > 0.99


@pytest.mark.parametrize("changes", [{"supervision": "depth"}, {"pose": "given"}, {"encoder": "resnet18"},
                                     {"loss": "monodepth2"}, {"fused": False}, {"augmentation": False}], ids=str)
def test_so_has_a_step_of_other_settings(changes, tmp_path):
    (here, _), (there, _) = (first_step(tmp_path, device, replace(SMALL, **changes)) for device in ("cpu", "cuda"))
    assert there == pytest.approx(here, rel=2e-3)


@pytest.mark.parametrize("loss", [losses.self_supervised_loss, fused.self_supervised_loss])
def test_the_loss_in_double_precision_is_the_cpus(loss):
    batch = scene_triplet(64, 96)
    found = {}
    for device in ("cpu", "cuda"):
        there = batch.to(torch.device(device))
        disp = (1 / there.require("depth")).requires_grad_()
        terms = loss([disp], there.target, there.sources, there.K, there.require("T_source_target"))
        terms.total.backward()
        found[device] = terms.total.item(), disp.grad.cpu()
    assert found["cuda"][0] == pytest.approx(found["cpu"][0], rel=1e-9)
    assert torch.allclose(found["cuda"][1], found["cpu"][1], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_that_was_cut_off_goes_on_and_learns(precision, tmp_path):
    settings = replace(SMALL, steps=24, learning_rate=2e-3, augmentation=False, precision=precision)
    source = TinySource(5)
    run = Run(source, settings, tmp_path, "cuda")
    step = run.train_step

    def dying(*arguments):
        if run.step == 13:
            raise Cut
        return step(*arguments)

    run.train_step = dying
    with pytest.raises(Cut):
        run.train(progress=False, log_every=1, save_every=4)
    again = Run(source, settings, tmp_path, "cuda")
    assert again.step == 12
    again.train(progress=False, log_every=1, save_every=4)
    rows = [row["loss"] for row in read_log(tmp_path / "log.jsonl")]
    assert len(rows) == 24 and np.mean(rows[-5:]) < 0.9 * np.mean(rows[:5])
    assert read_json(tmp_path / "settings.json")["device"].startswith("cuda")
    assert again.cost()["peak_mib"] > 0


def test_a_run_of_a_gpu_goes_on_and_predicts_on_a_cpu(tmp_path):
    source = TinySource(5)
    Run(source, replace(SMALL, steps=4), tmp_path, "cuda").train(progress=False)
    batch = source.triplet([0, 1])
    here, there = load_run(tmp_path, "cpu"), load_run(tmp_path, "cuda")
    assert torch.allclose(depth_predictor(here)(batch), depth_predictor(there)(batch.to(torch.device("cuda"))).cpu(),
                          rtol=1e-3)
    longer = Run(source, SMALL, tmp_path, "cpu")
    assert longer.step == 4
    longer.train(progress=False)
    assert longer.step == 6


@pytest.mark.parametrize("name", ["baseline", "combined", "seedepth", "semdepth"])
def test_the_weights_of_the_package_judge_and_predict_alike(name):
    triplets = [LabeledSource(4, 64, 192).triplet([0, 1]), LabeledSource(4, 64, 192).triplet([2, 3])]
    found = [evaluate(depth_predictor(load_pretrained(name, device)), triplets).means for device in ("cpu", "cuda")]
    assert found[1] == pytest.approx(found[0], rel=5e-3, nan_ok=True)


def test_snapping_gives_the_same_map():
    batch = LabeledSource(2).triplet([0, 1])
    there = batch.to(torch.device("cuda"))
    here = snap_depth(batch.depth, batch.labels)
    assert torch.allclose(here, snap_depth(there.depth, there.labels).cpu())


def test_the_command_line_trains_judges_and_times(tmp_path, capsys):
    common = ["--device", "cuda", "--quiet", "--json"]
    assert main(["train", str(tmp_path / "run"), "--preset", "quick", "--variant", "combined", *common]) == 0
    assert main(["evaluate", "--run", str(tmp_path / "run"), "--preset", "quick", *common]) == 0
    capsys.readouterr()
    found = benchmark(Shape(64, 96, 2, "lite", "lesson"), "cuda", repeats=1)
    assert found["device"].startswith("cuda") and found["peak_mib"] > 0
