"""Committed results: what a run came to, where the files lie, reading and writing them.

A file under figures/results/ is either a `Result`, which says itself in which group of rows it stands and where, or
another measurement (a benchmark, the times of `tools.equal_time`, published numbers), which is read by its name.
"""
from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from ..common.contracts import InputError
from ..common.small_files import check_fields, read_json
from ..common.storage import write_atomically, write_json

ROOT = Path(__file__).resolve().parents[2]
IN_WHEEL = Path(__file__).with_name("committed")
RESULTS = IN_WHEEL if IN_WHEEL.is_dir() else ROOT / "figures" / "results"
_NONE = type(None)
SCHEMA = {"name": str, "metrics": dict, "group": str, "order": int, "split": str, "preset": str,
          "settings": (dict, _NONE), "seed": (int, _NONE), "cost": (dict, _NONE), "curve": list,
          "segmentation": (dict, _NONE), "scenes": list, "values": dict, "made_of": dict}


@dataclass(frozen=True)
class Result:
    """What one run came to.

    Attributes:
        name: Row of the tables; results of one name are the seeds of one row.
        metrics: Metric to its mean over the images, None where there is none (`metrics.registry.METRICS`).
        group: Group of rows; tables name the groups they show.
        order: Place of the row among the rows of all groups.
        split: Split on which it was judged.
        preset: Preset whose data it used.
        settings: Training settings; None for a predictor that needs no training.
        seed: Seed of the training; None without one.
        cost: Seconds, peak memory and parameters of the training.
        curve: Metrics on validation scenes over the training.
        segmentation: Metrics of the predicted classes; None where none are predicted.
        scenes: Scene of each judged image.
        values: Metric to its value in each image, for paired comparisons.
        made_of: Split to the fingerprint of its data, of what it was trained and judged on; empty in files that are
            older than these fingerprints.
    """

    name: str
    metrics: dict[str, float | None]
    group: str = ""
    order: int = 0
    split: str = ""
    preset: str = ""
    settings: dict | None = None
    seed: int | None = None
    cost: dict | None = None
    curve: list[dict] = field(default_factory=list)
    segmentation: dict[str, float | None] | None = None
    scenes: list[int] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=dict)
    made_of: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the result as JSON."""
        write_json(path, asdict(self), indent=None)

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read a result that `save` wrote.

        Raises:
            InputError: If the file is not JSON, or is no result with a place in the tables.
        """
        return cls._of(_read(path), path)

    @classmethod
    def _of(cls, content: dict, path: Path) -> Result:
        """Make a result of the content of a file."""
        if lacking := [name for name in ("name", "metrics", "group", "order") if name not in content]:
            raise InputError(f"The results file {path.name} lacks {', '.join(map(repr, lacking))}, so no table knows "
                             "its row; run its experiment again with `reproduce --experiment`.")
        if unknown := content.keys() - {each.name for each in fields(cls)}:
            raise InputError(f"The results file {path.name} has the unknown entry {min(unknown)!r}; run its experiment "
                             "again with `reproduce --experiment`.")
        check_fields(content, {name: kinds for name, kinds in SCHEMA.items() if name in content},
                     f"The results file {path.name}")
        return cls(**content)


def find_results(*groups: str) -> list[Path]:
    """List the committed files of results of some groups, sorted by name; empty where there are none.

    Raises:
        InputError: If a results file is damaged or has no group.
    """
    return [path for path, result in _stored() if result.group in groups]


def read_results(*groups: str) -> list[Result]:
    """Read the committed results of some groups, in the order of their rows and seeds.

    A notebook gives the groups as literals, because its stored outputs are stale when these results change.

    Args:
        groups: Groups of rows, such as "baseline" or "features".

    Raises:
        InputError: If a group has no results, or a results file is damaged or has no group.
    """
    stored = [result for _, result in _stored()]
    known = sorted({result.group for result in stored})
    for group in groups:
        if group not in known:
            raise InputError(f"No committed results belong to the group {group!r} (there are: "
                             f"{', '.join(known) or 'none'}); run the experiment that makes them, or work in a full "
                             "checkout of the repository.")
    return _in_order(result for result in stored if result.group in groups)


def stored_results(*groups: str) -> list[Result]:
    """Read the committed results of those of some groups that are at hand, so that a lesson runs without them.

    Args:
        groups: As for `read_results`, literals in a notebook.
    """
    stored = [result for _, result in _stored()]
    return [result for group in groups for result in _in_order(each for each in stored if each.group == group)]


def find_measurements(pattern: str) -> list[Path]:
    """List the files under figures/results/ whose name without .json matches a pattern, sorted by name."""
    return sorted(RESULTS.glob(f"{pattern}.json"), key=lambda path: path.stem)


def read_measurements(pattern: str) -> dict[str, dict]:
    """Read other measurements than results of experiments, such as benchmarks, in the order of their names.

    A notebook gives the pattern as a literal, because its stored outputs are stale when these files change.

    Args:
        pattern: File name under figures/results/ without .json; `*` stands for any characters.

    Returns:
        File name without .json to its content.

    Raises:
        InputError: If no file matches, or one is not JSON.
    """
    paths = find_measurements(pattern)
    if not paths:
        raise InputError(f"No committed measurement matches {pattern!r} in figures/results; run the command that makes "
                         "it, or work in a full checkout of the repository.")
    return {path.stem: _read(path) for path in paths}


def _in_order(results: Iterable[Result]) -> list[Result]:
    """Sort results by their rows, and the seeds of a row by number."""
    return sorted(results, key=lambda result: (result.order, -1 if result.seed is None else result.seed))


def _stored() -> list[tuple[Path, Result]]:
    """Read every result among the committed files, sorted by file name."""
    contents = ((path, _read(path)) for path in find_measurements("*"))
    return [(path, Result._of(content, path)) for path, content in contents if {"group", "metrics"} & content.keys()]


def _read(path: Path) -> dict:
    """Read one file of figures/results."""
    try:
        return read_json(path)
    except InputError as error:
        reason = str(error).partition("; ")[0]
        raise InputError(f"The results file {path.name} cannot be used ({reason}); restore it, or run its experiment "
                         "again.") from error


def save_results(path: str | Path, **results) -> None:
    """Write a notebook's results as JSON; call it in the last code cell, with every number that the prose shows.

    Args:
        path: Value of the notebook's parameter `results`, relative to where the notebook runs.
        results: Values that JSON knows, numpy numbers and arrays, tensors, and mappings and lists of them.

    Raises:
        InputError: If a value cannot be written as JSON, NaN and infinity included.
    """
    try:
        text = json.dumps(results, indent=1, sort_keys=True, default=_plain, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"These results cannot be written as JSON ({error}); save finite numbers, texts, lists and "
                         "mappings.") from error
    write_atomically(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _plain(value):
    """Turn numpy values and tensors into plain Python for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} {value!r} is no JSON value")
