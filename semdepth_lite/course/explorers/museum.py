"""An explorer of the museum: choose a failure and how strong it is."""
from __future__ import annotations

from collections.abc import Mapping

from ...common.contracts import InputError
from ..museum import EXHIBITS, Failure, draw
from .base import Drawing, Explorer
from .controls import choice, short, steps


class MuseumExplorer(Explorer):
    """The failures of the museum, each healthy, broken and mended, at several strengths, the greatest one first.

    Args:
        made: Failures by exhibit and strength, as `museum.shelf` makes them; the explorer only shows them.

    Raises:
        InputError: If there is none.
    """

    title = "The museum, turned up and down"
    alt = ("A street image and three depth maps of it in a grid, near being bright: without the failure, with it, and "
           "with the remedy; for scale drift, three curves over the frames instead.")
    caption = ("turn the strength down, and broken comes near healthy; a remedy changes something even then, and not "
               "every one brings the healthy state back.")

    def __init__(self, made: Mapping[str, Mapping[float, Failure]]) -> None:
        if not made or not all(made.values()):
            raise InputError("there is nothing to show; make it with museum.shelf((0.5, 1.0)).")
        self.made = made
        self.names = {EXHIBITS[name].title: name for name in made}
        strengths = list(next(iter(made.values())))
        super().__init__({"exhibit": choice("exhibit", list(self.names)),
                          "strength": steps("strength (0 to 1)", strengths, value=strengths[-1])})

    def draw(self, exhibit: str, strength: float) -> Drawing:
        """Show the chosen failure."""
        name = self.names[exhibit]
        made, shown = self.made[name][strength], EXHIBITS[name]
        sentence = (f"{exhibit} at strength {short(strength)} ({shown.dial}): {shown.measured}: "
                    f"{shown.said(made.values)}.")
        return Drawing([draw(name, made)], sentence, made.values)
