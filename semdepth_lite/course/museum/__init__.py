"""The museum of failures: each on demand from the street, with its cause, its picture, its remedy and who met it.

    failure("holes", strength=1.0)            # a Failure: healthy, broken and mended, with a number for each
    draw("holes", failure("holes", 1.0))      # the same as a figure

Notable: nothing here is simulated apart from the method. The street, the warp, the loss, the labels' errors and the
training step are the package's own; a failure is made by giving one of them the input that breaks it.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...common.contracts import InputError
from ...figures import depth_panel, learning_curve
from .exhibits import EXHIBITS, Exhibit, Thread
from .mechanisms import (
    Failure,
    apparent_depth,
    car_ahead,
    harm_by_texture,
    refined_depth,
    scale_ratio,
)
from .world import World, matched_depth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXHIBITS", "Exhibit", "Failure", "Thread", "World", "apparent_depth", "car_ahead", "draw", "failure",
           "find_exhibit", "harm_by_texture", "matched_depth", "overview", "refined_depth",
           "scale_ratio", "shelf", "threads"]

DRAWN = (3.0, 80.0)  # meters: the color scale of all depths, so that exhibits compare


def find_exhibit(name: str) -> Exhibit:
    """Return the exhibit of a name.

    Raises:
        InputError: if there is none.
    """
    if name not in EXHIBITS:
        raise InputError(f"exhibit {name!r} is unknown; use one of {', '.join(EXHIBITS)}.")
    return EXHIBITS[name]


def failure(name: str, strength: float = 1.0, world: World | None = None) -> Failure:
    """Make a failure.

    Args:
        name: Name of the exhibit, a key of `EXHIBITS`.
        strength: 0 (healthy) to 1; `Exhibit.dial` says what it turns.
        world: The street it happens in; by default a scene of 64x192 pixels.

    Returns:
        What the method says healthy, broken and mended, and the exhibit's measure of each.

    Raises:
        InputError: if the exhibit is unknown or the strength is outside [0, 1].
    """
    exhibit = find_exhibit(name)
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength} is outside [0, 1]; use 0 for the healthy method and 1 for the worst.")
    return exhibit.make(world or World(), strength)


def shelf(strengths: Iterable[float], names: Iterable[str] = tuple(EXHIBITS), world: World | None = None
          ) -> dict[str, dict[float, Failure]]:
    """Make several failures at several strengths: exhibit to strength to failure."""
    world, strengths = world or World(), tuple(strengths)
    return {name: {strength: failure(name, strength, world) for strength in strengths} for name in names}


def draw(name: str, made: Failure) -> Figure:
    """Draw a failure: the image and three depth maps with one scale in meters, or three curves over the frames."""
    unit = find_exhibit(name).unit
    titles = {title: f"{title}: {value:.0f} {unit}" for title, value in made.values.items()}
    shown = {titles[title]: getattr(made, title) for title in titles}
    if made.healthy.dim() == 1:
        return learning_curve({title: (range(len(curve)), curve) for title, curve in shown.items()},
                              xlabel="frame", ylabel="predicted / true depth")
    return depth_panel(made.image, shown, depth_range=DRAWN)


def overview(made: Mapping[str, Mapping[float, Failure]]) -> str:
    """Write a Markdown table of failures at their greatest strength: what each measure says of the three states."""
    lines = ["| exhibit | measure | healthy | broken | mended |", "| --- | --- | ---: | ---: | ---: |"]
    for name, row in made.items():
        values = row[max(row)].values
        exhibit = EXHIBITS[name]
        arrow = " ↑" if exhibit.better == "higher" else " ↓"
        lines.append(f"| {exhibit.title} | {exhibit.measured}{arrow} | "
                     + " | ".join(f"{values[state]:.0f} {exhibit.unit}" for state in ("healthy", "broken", "mended"))
                     + " |")
    return "\n".join(lines) + "\n"


def threads() -> list[tuple[str, Thread]]:
    """List all published threads, each with the name of its exhibit."""
    return [(name, thread) for name, exhibit in EXHIBITS.items() for thread in exhibit.threads]
