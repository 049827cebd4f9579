"""The pictures that the README's command draws of the methods and of what each variant changes."""
from __future__ import annotations

import json

import numpy as np
from PIL import Image

from semdepth_lite.experiments import results
from tools import pages as readme


def run(name: str, seed: int, factor: float) -> str:
    values = {metric: (factor * (1 + np.arange(6) / 10 + seed / 20)).tolist() for metric in readme.CHARTED}
    return json.dumps({"name": name, "seed": seed, "scenes": [0, 0, 1, 1, 2, 2], "metrics": {}, "values": values})


def test_the_ablation_waits_for_results_and_names_every_variant(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    path = tmp_path / "ablation.png"
    assert not readme.draw_ablation(path) and not path.exists()
    for seed in range(2):
        (tmp_path / f"baseline-1-learned-{seed}.json").write_text(run("baseline", seed, 1.0))
        (tmp_path / f"semantics-1-multitask-{seed}.json").write_text(run("multitask", seed, 0.9))
        (tmp_path / f"semantics-3-attention-a-{seed}.json").write_text(run("not a named variant", seed, 0.5))
    assert not readme.draw_ablation(path)
    (tmp_path / "variants-1-seem-0.json").write_text(run("SEEM: points", 0, 1.1))
    assert readme.draw_ablation(path)
    words = Image.open(path).text["Description"]
    assert words.endswith("AbsRel: multitask -10 percent; SEEM +10 percent.") and "not a named" not in words


def test_the_overview_is_drawn_with_its_words(tmp_path):
    readme.draw_overview(tmp_path / "overview.png")
    assert "SEEM" in Image.open(tmp_path / "overview.png").text["Description"]


def test_the_committed_drawing_is_there():
    assert (readme.ROOT / "figures" / "overview.png").is_file()
