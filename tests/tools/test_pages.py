"""The pictures that the README's command draws of the methods and of what each variant changes."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys

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
    assert not readme.draw_ablation(path)
    save(tmp_path, "SemDepth, masks given", "given", 0, 0.7)
    assert readme.draw_ablation(path)
    words = Image.open(path).text["Description"]
    assert words.endswith("AbsRel: multitask -10 percent; SEEM +10 percent; SemDepth -20 percent; "
                          "SemDepth, masks given -30 percent.")
    assert "not a named" not in words


@pytest.mark.slow
def test_the_overview_is_drawn_with_its_words(tmp_path):
    readme.draw_overview(tmp_path / "overview.png")
    assert "SEEM" in Image.open(tmp_path / "overview.png").text["Description"]


def test_the_committed_drawing_is_there():
    assert (readme.ROOT / "figures" / "overview.png").is_file()


@pytest.mark.slow
def test_all_pages_are_made_by_one_command(tmp_path):
    """In a copy of the checkout, with two pages spoiled; the drawings have tests of their own."""
    copy = tmp_path / "checkout"
    for folder in ("semdepth_lite", "tools", "notebooks", "docs", "figures/results"):
        shutil.copytree(readme.ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(readme.ROOT / "README.md", copy)
    for page in ("glossary.md", "for_instructors.md"):
        text = (copy / "notebooks" / page).read_text(encoding="utf-8")
        (copy / "notebooks" / page).write_text(text.replace("| `checks.", "| spoiled `checks.").replace("**SEEM**", ""))
    code = ("from tools import pages\n"
            "pages.draw_picture = pages.draw_overview = pages.draw_ablation = lambda path: None\npages.main()")
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in ("glossary.md", "for_instructors.md"):
        made, kept = ((root / "notebooks" / page).read_text(encoding="utf-8") for root in (copy, readme.ROOT))
        assert made == kept, page
