"""The size of the images that explorers are tested on, and an explorer that needs no triplet."""
from __future__ import annotations

import numpy as np

from semdepth_lite import figures
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import explorers
from semdepth_lite.course.explorers.controls import choice, slider

HEIGHT, WIDTH = 64, 96


def blank(number: float, word: str) -> explorers.Drawing:
    return explorers.Drawing([figures.image_grid([[(np.full((4, 12), number / 10), word)]])], f"number {number:g}")


class Brittle(explorers.Explorer):
    """Draws nothing but its number, and fails at seven."""

    title, alt, caption = "Brittle", "A blank picture that says nothing.", "this one fails on purpose, at seven."

    def __init__(self):
        self.drawn = 0
        super().__init__({"number": slider("number", 0, 10, 0, 1), "word": choice("word", ("a", "b"))})

    def draw(self, number, word):
        self.drawn += 1
        if number == 7:
            raise InputError("seven <is> out of range; use six.\nsecond line")
        return blank(number, word)
