"""What masks are worth: quality and gain of each row, as they were put into made-up results."""
from __future__ import annotations

import pytest

from semdepth_lite.experiments import mask_quality, results
from semdepth_lite.experiments.mask_quality import CURVE, SEGMENTERS, gains, masked_rows, worth_of_masks
from semdepth_lite.experiments.results import Result, read_results


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path


def store(folder, group: str, name: str, seed: int, factor: float, miou: float | None = None) -> None:
    values = [factor * (scene + 1.0) for scene in (0, 0, 1, 1)]
    result = Result(name, {"abs_rel": sum(values) / 4}, group, seed=seed, scenes=[0, 0, 1, 1],
                    values={metric: values for metric in mask_quality.GAINS},
                    segmentation=None if miou is None else {"miou": miou})
    result.save(folder / f"{group}-{len(list(folder.iterdir()))}.json")


def test_gains_are_ordered_by_quality_and_relative_to_the_baseline(folder):
    assert worth_of_masks() is None
    for seed in (0, 1):
        store(folder, "baseline", "baseline, learned pose", seed, 1.0)
        store(folder, "masks", CURVE[1][1], seed, 0.5)
        store(folder, "noise", f"{CURVE[0][1]} of strength 1", seed, 0.9, 0.3 + 0.2 * seed)
        store(folder, "noise", f"{CURVE[0][1]} of strength 0.5", seed, 0.7, 0.6)
        store(folder, "noise", "SSFA and ranking, no safeguards", seed, 2.0, 0.5)
    store(folder, "baseline-more", "baseline, learned pose", 3, 1.0)
    store(folder, "given", SEGMENTERS[1][1], 0, 0.6, 0.65)
    base = read_results("baseline", "baseline-more")
    found = gains(masked_rows(CURVE), base, "abs_rel")
    assert [quality for quality, _ in found] == pytest.approx([0.4, 0.6, 1.0])
    assert [gain for _, gain in found] == pytest.approx([-10, -30, -50])
    assert gains(masked_rows(SEGMENTERS), base, "abs_rel") == [pytest.approx((0.65, -40))]
    figure, words = worth_of_masks()
    lines = figure.axes[0].get_lines()
    assert lines[0].get_xdata() == pytest.approx([0.4, 0.6, 1.0]) and lines[1].get_ydata() == pytest.approx([-40])
    assert "AbsRel: -10 percent at 0.40, -30 percent at 0.60, -50 percent at 1.00" in words
