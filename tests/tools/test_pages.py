"""The pictures that the README's command draws of the methods and of what each variant changes."""
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from semdepth_lite.experiments import results
from semdepth_lite.experiments.results import Result
from semdepth_lite.metrics.registry import METRICS
from tools import pages as readme


def save(folder, name: str, group: str, seed: int, factor: float) -> None:
    values = {metric.name: (factor * (1 + np.arange(6) / 10 + seed / 20)).tolist()
              for metric in METRICS.values() if metric.chart}
    Result(name, {}, group, readme.ABLATION.index(group) if group in readme.ABLATION else 9, seed=seed,
           scenes=[0, 0, 1, 1, 2, 2], values=values).save(folder / f"{name.split(':')[0]}-{seed}.json")


@pytest.mark.slow
def test_the_ablation_waits_for_results_and_names_every_variant(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    path = tmp_path / "ablation.png"
    assert not readme.draw_ablation(path) and not path.exists()
    for seed in range(2):
        save(tmp_path, "baseline", "baseline", seed, 1.0)
        save(tmp_path, "multitask", "features", seed, 0.9)
        save(tmp_path, "not a named variant", "features-other", seed, 0.5)
    assert not readme.draw_ablation(path)
    save(tmp_path, "baseline", "baseline-more", 3, 1.0)
    save(tmp_path, "SEEM: points", "refinement", 0, 1.1)
    save(tmp_path, "SemDepth: both", "methods", 0, 0.8)
    assert readme.draw_ablation(path)
    words = Image.open(path).text["Description"]
    assert words.endswith("AbsRel: multitask -10 percent; SEEM +10 percent; SemDepth -20 percent.")
    assert "not a named" not in words


@pytest.mark.slow
def test_the_overview_is_drawn_with_its_words(tmp_path):
    readme.draw_overview(tmp_path / "overview.png")
    assert "SEEM" in Image.open(tmp_path / "overview.png").text["Description"]


def test_the_committed_drawing_is_there():
    assert (readme.ROOT / "figures" / "overview.png").is_file()
