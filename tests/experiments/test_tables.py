"""Tables of results: every cell is recomputed by hand."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.evaluation.significance import paired_bootstrap
from semdepth_lite.experiments.results import Result
from semdepth_lite.experiments.tables import (
    by_row,
    compare,
    cost_table,
    difference_table,
    mean_and_spread,
    results_table,
    speed_table,
)

SCENES = [0, 0, 1, 1, 2, 2]


def run(name: str, seed: int, values: list[float | None]) -> Result:
    known = [value for value in values if value is not None]
    return Result(name, {"abs_rel": float(np.mean(known)) if known else None}, seed=seed, scenes=SCENES,
                  values={"abs_rel": values}, settings={"steps": 10},
                  cost={"parameters": 1_500_000, "cpu_seconds": 100.0 * (1 + seed), "peak_mib": 800})


@pytest.fixture
def runs() -> list[Result]:
    generator = np.random.default_rng(4)
    made = []
    for seed in range(3):
        base = generator.uniform(0.2, 0.3, 6)
        made += [run("base", seed, base.tolist()), run("better", seed, (0.8 * base).tolist())]
    second = next(result for result in made if result.seed == 1)
    return [*made, run("once", 1, [*second.values["abs_rel"][:5], None])]


def test_rows_are_gathered_by_name_in_order(runs):
    rows = by_row(runs)
    assert list(rows) == ["base", "better", "once"] and [len(seeds) for seeds in rows.values()] == [3, 3, 1]


def test_the_spread_is_the_sample_standard_deviation():
    assert mean_and_spread([1.0, 2.0, 3.0]) == "2.000 ± 1.000" and mean_and_spread([0.5]) == "0.500"


def test_results_are_averaged_over_seeds(runs):
    mean = np.mean([result.metrics["abs_rel"] for result in by_row(runs)["base"]])
    line = results_table(runs, ["abs_rel", "rmse"]).splitlines()[2]
    assert line.startswith(f"| base | {mean:.3f} ± ") and line.endswith("| – | 3 |")


def test_a_comparison_pairs_equal_seeds_and_images(runs):
    rows = by_row(runs)
    found = compare(rows["better"], rows["base"], "abs_rel")
    assert found.relative == pytest.approx(-0.2) and (found.seeds, found.images, found.clusters) == (3, 18, 3)
    a, b = (np.array([result.values["abs_rel"] for result in rows[name]]) for name in ("better", "base"))
    assert found == paired_bootstrap(a, b, np.array(SCENES))
    once = compare(rows["once"], rows["base"], "abs_rel")
    assert once.difference == 0 and (once.seeds, once.images) == (1, 5)  # the null is left out on both sides
    assert compare(rows["once"], rows["base"][:1], "abs_rel") is None       # no seed in common


def test_a_comparison_refuses_other_images_and_unknown_metrics(runs):
    rows = by_row(runs)
    with pytest.raises(InputError, match="keeps no values of 'rmse'"):
        compare(rows["better"], rows["base"], "rmse")
    with pytest.raises(InputError, match="different images"):
        compare([replace(rows["better"][0], scenes=[0, 0, 1, 1, 2, 3])], rows["base"], "abs_rel")


def test_differences_are_bold_where_the_interval_leaves_out_zero(runs):
    table = difference_table(by_row(runs), "base", ["abs_rel"]).splitlines()
    assert table[0] == "| against: base | AbsRel ↓ | seeds |"
    assert table[2] == "| better | **−20 % [−20, −20]** | 3 |" and table[3] == "| once | +0 % [+0, +0] | 1 |"
    with pytest.raises(InputError, match="no row 'worst' to compare with; use one of base, better, once"):
        difference_table(by_row(runs), "worst", ["abs_rel"])


def test_costs_stand_beside_the_base(runs):
    table = cost_table(by_row(runs), "base").splitlines()
    assert table[2] == "| base | 1.50 | 10 | 200 | 1.00 | 800 |"
    assert table[4] == "| once | 1.50 | 10 | 200 | 1.00 | 800 |"
    with pytest.raises(InputError, match="no row"):
        cost_table({}, "base")


def test_measured_times_take_the_place_of_the_runs_own(runs):
    times = {"baseline": {"first_seconds": 0.0, "step_seconds": 2.0}, "seem": {"first_seconds": 5, "step_seconds": 3}}
    settings = {"base": {"variant": "baseline", "changes": {}}, "better": {"variant": "seem", "changes": {}},
                "once": {"variant": "seem", "changes": {"seem": "yes"}}}
    lines = cost_table(by_row(replace(result, settings={"steps": 10, **settings[result.name]}) for result in runs),
                       "base", times).splitlines()
    assert lines[2] == "| base | 1.50 | 10 | 20 | 1.00 | 800 |"
    assert lines[3] == "| better | 1.50 | 10 | 35 | 1.75 | 800 |"
    assert lines[4] == "| once | 1.50 | 10 | – | – | 800 |"


def test_what_a_step_costs():
    run = {"shape": {"encoder": "lite", "width": 192, "height": 64, "batch": 8, "alignment": 0, "precision": "fp32"},
           "seconds": {"readable_step": 0.2, "step": 0.1234, "networks": 0.1}, "threads": 1, "device": "cpu",
           "step_per_networks": 1.234, "images_per_second": 64.83, "peak_mib": 800}
    other = {**run, "threads": 2, "shape": {**run["shape"], "alignment": 2, "precision": "bf16"}}
    third = {**run, "threads": 16, "device": "cuda"}
    assert speed_table([run, other, third]).splitlines()[2:] == [
        "| lite, 192x64, batch 8 | 0.200 | 0.123 | 0.100 | 1.23 | 64.8 | 800 |",
        "| lite, 192x64, batch 8, with alignment, bf16, 2 threads | 0.200 | 0.123 | 0.100 | 1.23 | 64.8 | 800 |",
        "| lite, 192x64, batch 8, GPU | 0.200 | 0.123 | 0.100 | 1.23 | 64.8 | 800 |"]
