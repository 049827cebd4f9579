"""What masks are worth: differences to the baseline over the quality of the masks that depth is given."""
from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from ..figures import points_on_curves
from .results import Result, find_results, read_results, stored_results
from .suites import METHODS
from .tables import by_row, compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAINS = {"abs_rel": "AbsRel", "band_abs_rel": "at label borders", "thin_abs_rel": "on thin things",
         "near_abs_rel": "near side", "fat": "fattening"}
# rows of the curve, all of one method: labels with errors, and exact ones; then rows whose masks a segmenter made
CURVE = (("noise", "SSFA and ranking, labels with errors"), ("masks", "SSFA and ranking, exact labels"))
SEGMENTERS = (("masks", "combined, small masks made"), ("given", METHODS["semdepth_segmenter"]))

CAPTION = ("The better the masks, the more they are worth, at equal steps. Lines: SSFA and the signed ranking loss, "
           "given labels with errors of known strength, or exact ones. Hollow marks: masks made by segmenters; the "
           "better one sees twice depth's pixels, and the other's row adds SEEM and has no sign. Their ranking losses "
           "learn from exact labels, those of the lines from labels with the errors.")


def quality(runs: Sequence[Result]) -> float:
    """Return the mIoU of the masks on test scenes, averaged over seeds; exact labels have none, and count as 1."""
    return fmean((run.segmentation or {}).get("miou") or 1.0 for run in runs)


def masked_rows(rows: Sequence[tuple[str, str]]) -> list[list[Result]]:
    """Return the stored results of each row, by quality of the masks.

    Args:
        rows: Group and beginning of the name of each row.
    """
    found = [runs for group, beginning in rows for runs in by_row(
        run for run in stored_results(group) if run.name.startswith(beginning)).values()]
    return sorted(found, key=quality)


def gains(rows: Sequence[Sequence[Result]], base: Sequence[Result], metric: str) -> list[tuple[float, float]]:
    """Return quality and difference to the baseline in percent of each row that shares a seed with it."""
    return [(quality(runs), 100 * difference.relative) for runs in rows
            if (difference := compare(runs, base, metric)) is not None]


def worth_of_masks() -> tuple[Figure, str] | None:
    """Draw the chart of what masks are worth, and put it into words; None where nothing is stored.

    The curve is one method given labels with errors of known strength, in training and at test; a point apart is a
    method whose masks a segmenter made.
    """
    if not find_results("noise"):
        return None
    base = read_results("baseline", "baseline-more")
    curves, points = ({title: gains(rows, base, metric) for metric, title in GAINS.items()}
                      for rows in map(masked_rows, (CURVE, SEGMENTERS)))
    figure = points_on_curves(curves, points, xlabel="mIoU of the masks on test scenes (1: exact)",
                              ylabel="difference to the baseline in percent")

    def words(found: dict[str, list[tuple[float, float]]]) -> str:
        return "; ".join(f"{title}: " + ", ".join(f"{gain:+.0f} percent at {miou:.2f}" for miou, gain in row)
                         for title, row in found.items())

    return figure, (f"Differences to the baseline over the mIoU of the masks. Labels with errors: {words(curves)}. "
                    f"Masks of segmenters: {words(points)}.")
