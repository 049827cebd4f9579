"""The committed results: where they lie, reading and writing them."""
from __future__ import annotations

import json
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import write_atomically

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "figures" / "results"


def find_results(pattern: str) -> list[Path]:
    """List the committed results files whose name without .json matches a pattern, in the order of their names."""
    return sorted(RESULTS.glob(f"{pattern}.json"))


def read_results(pattern: str) -> dict[str, dict]:
    """Read committed results of experiments, in the order of their names.

    A notebook gives the pattern as a literal, because its stored outputs are stale when these files change.

    Args:
        pattern: file name under figures/results/ without .json; `*` stands for any characters.

    Returns:
        File name without .json to its content.

    Raises:
        InputError: if no file matches, or one is not JSON.
    """
    found = {}
    for path in find_results(pattern):
        try:
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"The results file {path.name} is not JSON ({error}); restore it, or run its experiment "
                             "again.") from error
    if not found:
        raise InputError(f"No committed results match {pattern!r} in figures/results; run the experiment that makes "
                         "them, or work in a full checkout of the repository.")
    return found


def save_results(path: str | Path, **results) -> None:
    """Write a notebook's results as JSON; call it in the last code cell, with every number that the prose shows.

    Args:
        path: the notebook's parameter `results`, relative to where the notebook runs.
        results: values that JSON knows, numpy numbers and arrays, tensors, and mappings and lists of them.

    Raises:
        InputError: if a value cannot be written as JSON, NaN and infinity included.
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
