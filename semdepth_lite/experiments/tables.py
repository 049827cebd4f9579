"""Tables of results: means with their spread over seeds, and paired differences with intervals."""
from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..common.contracts import InputError
from ..evaluation.significance import PairedDifference, paired_bootstrap
from ..metrics.registry import column
from .results import Result

Rows = Mapping[str, Sequence[Result]]  # name of a row to its results, one a seed


def by_row(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Gather the results of each row, in the order of first appearance."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.name, []).append(result)
    return rows


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Write the mean of some seeds with their sample standard deviation; one seed has no spread."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table, its first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |", 1) for cells in lines)


def results_table(results: Iterable[Result], metrics: Sequence[str]) -> str:
    """Write a Markdown table with a row for each name, its seeds averaged, in the order of first appearance.

    Args:
        results: Results, as `read_results` returns them; a notebook may make its own of a name and metrics.
        metrics: Names of `METRICS`; a dash stands where a row has none.
    """
    lines = []
    for name, seeds in by_row(results).items():
        columns = [[value for result in seeds if (value := result.metrics.get(metric)) is not None]
                   for metric in metrics]
        lines.append([name, *(mean_and_spread(values) if values else "–" for values in columns), str(len(seeds))])
    return markdown(["", *map(column, metrics), "seeds"], lines)


def compare(results: Sequence[Result], base: Sequence[Result], metric: str) -> PairedDifference | None:
    """Return the paired difference results - base of a metric over the seeds and images that both have.

    Args:
        results: Results of one row, one a seed.
        base: Results of the row to compare with, judged on the same images.
        metric: Name of a metric whose value in every image is kept.

    Returns:
        The difference with a 95 % interval (`evaluation.paired_bootstrap`); None if no seed or no image is in both.

    Raises:
        InputError: If the two were judged on different images, or the metric is not kept.
    """
    for result in (*results, *base):
        if metric not in result.values:
            raise InputError(f"{result.name} keeps no values of {metric!r} per image; compare another metric.")
    ours, theirs = ({result.seed: result for result in side} for side in (results, base))
    seeds = sorted(ours.keys() & theirs.keys(), key=lambda seed: seed or 0)
    if not seeds:
        return None
    scenes = [result.scenes for side in (ours, theirs) for result in side.values()]
    if any(other != scenes[0] for other in scenes):
        raise InputError("the runs were judged on different images; compare runs of one preset and split.")
    a, b = (np.array([side[seed].values[metric] for seed in seeds], dtype=float) for side in (ours, theirs))
    if not (np.isfinite(a) & np.isfinite(b)).any():
        return None
    return paired_bootstrap(a, b, np.array(scenes[0]))


def differences(rows: Rows, base: str, metrics: Sequence[str]) -> dict[str, dict[str, PairedDifference | None]]:
    """Compare every row with a base row: name to metric to difference, see `compare`.

    Raises:
        InputError: If there is no such base row.
    """
    if base not in rows:
        raise InputError(f"there is no row {base!r} to compare with; use one of {', '.join(rows)}.")
    return {name: {metric: compare(results, rows[base], metric) for metric in metrics}
            for name, results in rows.items() if name != base}


def _percent(value: float) -> str:
    digits = 1 if 0.0005 <= abs(value) < 0.0095 else 0  # a bound of −0 would not say on which side of zero it lies
    return f"{100 * value:+.{digits}f}".replace("-", "−")


def difference_table(rows: Rows, base: str, metrics: Sequence[str]) -> str:
    """Write a Markdown table of relative differences to a base row, in percent with 95 % intervals.

    Bold where the interval leaves out zero. Whole scenes and seeds are resampled, see `evaluation.paired_bootstrap`.

    Args:
        rows: Rows, see `by_row`.
        base: Name of the row that all others are compared with.
        metrics: Names of the metrics to compare.

    Raises:
        InputError: If there is no such base row.
    """
    lines = []
    for name, row in differences(rows, base, metrics).items():
        cells = [name]
        for difference in row.values():
            text = "–" if difference is None else (f"{_percent(difference.relative)} % "
                                                   f"[{_percent(difference.relative_low)}, "
                                                   f"{_percent(difference.relative_high)}]")
            sure = difference is not None and difference.relative_low * difference.relative_high > 0
            cells.append(f"**{text}**" if sure else text)
        lines.append([*cells, str(max((difference.seeds for difference in row.values() if difference), default=0))])
    return markdown([f"against: {base}", *map(column, metrics), "seeds"], lines)


def cost_table(rows: Rows, base: str, times: Mapping[str, Mapping] | None = None) -> str:
    """Write a Markdown table of what runs cost: parameters, processor time of a run beside the base's, memory.

    Args:
        rows: Rows, see `by_row`.
        base: Name of the row whose time is the unit.
        times: Variant to its `first_seconds` and `step_seconds`, measured side by side by `tools.equal_time`; the
            times of the table then follow from them, for runs of different days and machines do not compare. A row
            whose variant is not among them gets a dash.

    Raises:
        InputError: If there is no such base row.
    """
    if base not in rows:
        raise InputError(f"there is no row {base!r} to compare with; use one of {', '.join(rows)}.")

    def mean(results: Sequence[Result], name: str) -> float:
        return statistics.fmean(result.cost[name] for result in results if result.cost is not None)

    def seconds(results: Sequence[Result]) -> float | None:
        if times is None:
            return mean(results, "cpu_seconds")
        settings = results[0].settings or {}
        known = None if settings["changes"] else times.get(settings["variant"])
        return None if known is None else known["first_seconds"] + settings["steps"] * known["step_seconds"]

    lines = []
    for name, results in rows.items():
        settings = results[0].settings
        if settings is None or any(result.cost is None for result in results):
            continue
        time, unit = seconds(results), seconds(rows[base])
        cells = ["–", "–"] if time is None else [f"{time:.0f}", "–" if unit is None else f"{time / unit:.2f}"]
        lines.append([name, f"{mean(results, 'parameters') / 1e6:.2f}", str(settings["steps"]), *cells,
                      f"{mean(results, 'peak_mib'):.0f}"])
    return markdown(["", "parameters (million)", "steps", "CPU time (s)", "× base", "peak memory (MiB)"], lines)


def speed_table(benchmarks: Sequence[Mapping]) -> str:
    """Write a Markdown table of what a training step costs, a row for each result of `benchmark`."""
    lines = []
    for benchmark in benchmarks:
        shape, seconds = benchmark["shape"], benchmark["seconds"]
        words = [f"{shape['encoder']}, {shape['width']}x{shape['height']}, batch {shape['batch']}"]
        if shape["alignment"] > 0:
            words.append("with alignment")
        if shape["precision"] == "bf16":
            words.append("bf16")
        if benchmark["device"] != "cpu":
            words.append("GPU")
        elif benchmark["threads"] > 1:
            words.append(f"{benchmark['threads']} threads")
        lines.append([", ".join(words), *(f"{seconds[part]:.3f}" for part in ("readable_step", "step", "networks")),
                      f"{benchmark['step_per_networks']:.2f}", f"{benchmark['images_per_second']:.1f}",
                      str(benchmark["peak_mib"])])
    return markdown(["", "readable step (s)", "step (s)", "its networks alone (s)", "step / networks",
                     "triplets a second", "peak memory (MiB)"], lines)
