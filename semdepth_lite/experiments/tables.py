"""Tables of results: means with their spread over seeds, and paired differences with intervals."""
from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from ..classes import NAMES
from ..common.contracts import InputError
from ..evaluation.significance import PairedDifference, paired_bootstrap

# How the tables name the metrics of `evaluation`, with unit and direction.
TITLES = {"abs_rel": "AbsRel ↓", "sq_rel": "SqRel ↓", "rmse": "RMSE (m) ↓", "rmse_log": "RMSElog ↓",
          "a1": "δ < 1.25 ↑", "band_abs_rel": "AbsRel at label borders ↓", "inner_abs_rel": "AbsRel inside ↓",
          "thin_abs_rel": "AbsRel on thin things ↓", "moving_abs_rel": "AbsRel on moving things ↓",
          "near_abs_rel": "AbsRel, near side ↓", "far_abs_rel": "AbsRel, far side ↓",
          "edge_f": "edge F ↑", "fat": "fattening ↓", "shr": "shrinking ↓"}
TITLES |= {f"{name.replace(' ', '_')}_abs_rel": f"AbsRel, {name} ↓" for name in NAMES}
Rows = Mapping[str, Sequence[Mapping]]  # name of a row to the contents of its runs, one a seed


def group_runs(runs: Mapping[str, Mapping]) -> dict[str, list[Mapping]]:
    """Gather runs of one name, in the order of first appearance.

    Args:
        runs: file name to content, as `notebooks.read_results` returns it.

    Raises:
        InputError: if a run lacks its name or metrics.
    """
    rows: dict[str, list[Mapping]] = {}
    for file, run in runs.items():
        if not {"name", "metrics"} <= set(run):
            raise InputError(f"The results file {file}.json lacks 'name' or 'metrics'; write it with `reproduce`.")
        rows.setdefault(run["name"], []).append(run)
    return rows


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Write the mean of some seeds with their sample standard deviation; one seed has no spread."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table, its first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |", 1) for cells in lines)


def results_table(runs: Mapping[str, Mapping], metrics: Sequence[str]) -> str:
    """Write a Markdown table with a row for each name, its seeds averaged, in the order of first appearance.

    Args:
        runs: file name to content, as `notebooks.read_results` returns it.
        metrics: keys of `metrics`; a dash stands where a row has none.

    Raises:
        InputError: if a run lacks its name or metrics.
    """
    rows = []
    for name, found in group_runs(runs).items():
        values = [[run["metrics"][m] for run in found if run["metrics"].get(m) is not None] for m in metrics]
        rows.append([name, *(mean_and_spread(some) if some else "–" for some in values), str(len(found))])
    return markdown(["", *(TITLES.get(metric, metric) for metric in metrics), "seeds"], rows)


def compare(runs: Sequence[Mapping], base: Sequence[Mapping], metric: str) -> PairedDifference | None:
    """Return the paired difference runs - base of a metric over the seeds and images that both have.

    Args:
        runs, base: contents of results files of the same images, one a seed.
        metric: one whose value in every image is kept.

    Returns:
        With a 95 % interval (`evaluation.paired_bootstrap`); None if no seed or no image is in both.

    Raises:
        InputError: if the two were judged on different images, or the metric is not kept.
    """
    for run in (*runs, *base):
        if metric not in run.get("values", {}):
            raise InputError(f"{run.get('name')} keeps no values of {metric!r} per image; compare another metric.")
    ours, theirs = ({run["seed"]: run for run in side} for side in (runs, base))
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    scenes = [run["scenes"] for side in (ours, theirs) for run in side.values()]
    if any(other != scenes[0] for other in scenes):
        raise InputError("the runs were judged on different images; compare runs of one preset and split.")
    a, b = (np.array([side[seed]["values"][metric] for seed in seeds], dtype=float) for side in (ours, theirs))
    if not (np.isfinite(a) & np.isfinite(b)).any():
        return None
    return paired_bootstrap(a, b, np.array(scenes[0]))


def differences(rows: Rows, base: str, metrics: Sequence[str]) -> dict[str, dict[str, PairedDifference | None]]:
    """Compare every row with a base row: name to metric to difference, see `compare`.

    Raises:
        InputError: if there is no such base row.
    """
    if base not in rows:
        raise InputError(f"there is no row {base!r} to compare with; use one of {', '.join(rows)}.")
    return {name: {metric: compare(runs, rows[base], metric) for metric in metrics}
            for name, runs in rows.items() if name != base}


def _share(value: float) -> str:
    digits = 1 if 0.0005 <= abs(value) < 0.0095 else 0  # a bound of −0 would not say on which side of zero it lies
    return f"{100 * value:+.{digits}f}".replace("-", "−")


def difference_table(rows: Rows, base: str, metrics: Sequence[str]) -> str:
    """Write a Markdown table of relative differences to a base row, in percent with 95 % intervals.

    Bold where the interval leaves out zero. Whole scenes and seeds are resampled, see `evaluation.paired_bootstrap`.

    Args:
        rows: name of a row to its runs, see `group_runs`.
        base: name of the row all others are compared with.
        metrics: those to compare.

    Raises:
        InputError: if there is no such base row.
    """
    lines = []
    for name, row in differences(rows, base, metrics).items():
        cells = [name]
        for found in row.values():
            text = "–" if found is None else \
                f"{_share(found.relative)} % [{_share(found.relative_low)}, {_share(found.relative_high)}]"
            sure = found is not None and found.relative_low * found.relative_high > 0
            cells.append(f"**{text}**" if sure else text)
        lines.append([*cells, str(max((found.seeds for found in row.values() if found), default=0))])
    return markdown([f"against: {base}", *(TITLES.get(metric, metric) for metric in metrics), "seeds"], lines)


def cost_table(rows: Rows, base: str, budget: Mapping[str, Mapping] | None = None) -> str:
    """Write a Markdown table of what runs cost: parameters, processor time of a run beside the base's, memory.

    Args:
        rows: name of a row to its runs, see `group_runs`.
        base: name of the row whose time is the unit.
        budget: variant to its `first_seconds` and `step_seconds`, measured side by side (`budget.measure`); times then
            follow from them, for runs of different days and machines do not compare. A row whose variant is not in it
            gets a dash.

    Raises:
        InputError: if there is no such base row.
    """
    if base not in rows:
        raise InputError(f"there is no row {base!r} to compare with; use one of {', '.join(rows)}.")

    def mean(runs: Sequence[Mapping], name: str) -> float:
        return statistics.fmean(run["cost"][name] for run in runs)

    def seconds(runs: Sequence[Mapping]) -> float | None:
        if budget is None:
            return mean(runs, "cpu_seconds")
        settings = runs[0]["settings"]
        known = None if settings["changes"] else budget.get(settings["variant"])
        return None if known is None else known["first_seconds"] + settings["steps"] * known["step_seconds"]

    lines = []
    for name, runs in rows.items():
        if any(run.get("cost") is None for run in runs):
            continue
        time, unit = seconds(runs), seconds(rows[base])
        times = ["–", "–"] if time is None else [f"{time:.0f}", "–" if unit is None else f"{time / unit:.2f}"]
        lines.append([name, f"{mean(runs, 'parameters') / 1e6:.2f}", str(runs[0]["settings"]["steps"]), *times,
                      f"{mean(runs, 'peak_mib'):.0f}"])
    return markdown(["", "parameters (million)", "steps", "CPU time (s)", "× base", "peak memory (MiB)"], lines)


def speed_table(found: Sequence[Mapping]) -> str:
    """Write a Markdown table of what a training step costs, a row for each result of `benchmark`."""
    lines = []
    for run in found:
        shape, seconds = run["shape"], run["seconds"]
        name = f"{shape['encoder']}, {shape['width']}x{shape['height']}, batch {shape['batch']}"
        name += ", with alignment" * (shape["alignment"] > 0) + ", bf16" * (shape["precision"] == "bf16")
        name += f", {run['threads']} threads" * (run["threads"] > 1)
        lines.append([name, *(f"{seconds[part]:.3f}" for part in ("readable_step", "step", "networks")),
                      f"{run['step_per_networks']:.2f}", f"{run['images_per_second']:.1f}", str(run["peak_mib"])])
    return markdown(["", "readable step (s)", "step (s)", "its networks alone (s)", "step / networks",
                     "triplets a second", "peak memory (MiB)"], lines)
