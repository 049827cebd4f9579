"""What all explorers share: controls, one picture that is redrawn, a sentence with its numbers, and a still picture.

Notable:
- An explorer computes nothing. It asks functions of the package and draws with those of `figures`.
- Each redraw replaces the bytes of one image of fixed size, so that nothing flickers and no list of plots grows.
- A slider answers while it is dragged. A browser sends the next place only when the last one is drawn, so there are as
  many pictures as there is time for, and never a queue of old ones.
- Over the image lies a cover with its description, which also notes where it was clicked (`pixels.py`).
- The handles of the sliders get the names and the values that stand beside them, for readers who hear them; an
  observer in the page keeps the values true while a handle moves.
- An error is shown in the explorer, because a callback that raises would be lost. Under test, and in `set`, it is
  raised as well.
"""
from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from ...common.contracts import InputError
from ...figures import Picture, picture
from ...figures.pictures import DPI
from ..folds import folded
from ..guesses import a_person_is_there
from .controls import button, shown_value, spread, text_of
from .layout import Canvas, encode

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRICT = "SEMDEPTH_STRICT_WIDGETS"  # the environment variable that makes callbacks raise what they tell
LIVE_DPI = 90
STILL = "A still picture of it, for pages without a kernel"
NAME_HANDLES = (  # a handle comes without a name, and at each move it speaks a raw number again, or an exponent
    "const box = this.closest('.widget-vbox'), name = (tries) => {{ "
    "const handles = box.querySelectorAll('.noUi-handle'); "
    "for (const handle of handles) {{ const row = handle.closest('.widget-slider'), "
    "value = row.querySelector('.widget-readout'), speak = () => {{ "
    "if (handle.getAttribute('aria-valuetext') !== value.textContent) "
    "handle.setAttribute('aria-valuetext', value.textContent); }}; "
    "handle.setAttribute('aria-label', row.querySelector('.widget-label').textContent); speak(); "
    "if (!row.dataset.named) {{ row.dataset.named = 'yes'; new MutationObserver(speak).observe(row, {{subtree: true, "
    "childList: true, characterData: true, attributes: true, attributeFilter: ['aria-valuetext']}}); }} }} "
    "if (handles.length < {count} && tries > 0) setTimeout(() => name(tries - 1), 200); }}; name(25);")
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="  # one empty pixel; that it is there calls NAME_HANDLES
WORDS = 'style="max-width: 60em; line-height: 1.4; margin: 0.2em 0"'


@dataclass
class Drawing:
    """What an explorer shows for one setting.

    Attributes:
        figures: Figures drawn below each other; all of one width.
        sentence: Sentence on what is to be seen, with its numbers.
        numbers: The same numbers, by name.
    """

    figures: Sequence[Figure]
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)


class Explorer(ABC):
    """Sliders that redraw a picture; a subclass says which, and what is drawn.

    `show` puts it into a notebook, a still picture with it. From the kernel, `set` moves the controls, `numbers` and
    `sentence` say what is shown, and `image.value` holds the PNG.

    Args:
        controls: Ipywidgets controls by name, as `controls.slider` and its neighbors make them.
    """

    title: ClassVar[str]  # a few words
    alt: ClassVar[str]  # what the picture shows, for a reader who does not see it
    caption: ClassVar[str]  # what to take from it
    moment: dict[str, object] = {}  # the setting of the still picture, where it is not the first one
    answers: ClassVar[bool] = False  # whether the still picture answers what the reader is asked to find out

    def __init__(self, controls: dict[str, Any]) -> None:
        from ipywidgets import HTML, Box, GridBox, Image, Layout, VBox

        self.controls = controls
        self.first = {name: control.value for name, control in controls.items()}
        self.sentence, self.numbers = "", {}
        self._silent, self._canvas = False, Canvas(LIVE_DPI)
        here = {"max_width": "100%", "margin": "0", "grid_area": "1 / 1 / 2 / 2"}
        self.image = Image(format="png", layout=Layout(object_fit="contain", **here))
        self.cover = HTML(layout=Layout(**here))
        self.status = HTML(layout=Layout(max_width="100%"))
        for name, control in controls.items():
            control.observe(lambda change, name=name: self._answer(name), "value")
        back = button("Reset", "back to the first setting")
        back.on_click(lambda _: self._reset())
        spread(controls.values())
        self._row = Box([*controls.values(), back],
                        layout=Layout(flex_flow="row wrap", align_items="center", max_width="100%"))
        heading = HTML(f"<b>{escape(self.title)}</b>")
        picture = GridBox([self.image, self.cover], layout=Layout(max_width="100%", justify_content="flex-start"))
        self.box = VBox([heading, self._row, self.status, picture])
        self.redraw()

    @abstractmethod
    def draw(self, **values) -> Drawing:
        """Draw the picture of a setting; each control's value comes by its name."""

    def follow(self, name: str) -> None:  # noqa: B027 - most explorers have nothing to do here
        """Adjust other controls after the control `name` was moved; by default none depends on another."""

    @property
    def values(self) -> dict[str, object]:
        """The present setting: control name to value."""
        return {name: control.value for name, control in self.controls.items()}

    def redraw(self) -> None:
        """Draw the present setting; what fails is raised."""
        drawing = self.draw(**self.values)
        pixels = self._canvas.raster(drawing.figures)
        height, width = pixels.shape[:2]
        self.image.width, self._row.layout.width = str(width), f"{width}px"
        self.image.value = encode(pixels)
        self.cover.value = (f'<div role="img" aria-label="{escape(self.alt)}" {self.answer_to_a_click()} style="width: '
                            f'{width}px; max-width: 100%; aspect-ratio: {width} / {height}"></div>')
        self.sentence, self.numbers = drawing.sentence, drawing.numbers
        sliders = sum(hasattr(control, "continuous_update") for control in self.controls.values())
        self.status.value = (f'<div role="status" aria-live="polite" {WORDS}>{escape(drawing.sentence)}</div>'
                             f'<img src="{PIXEL}" alt="" hidden onload="'
                             f'{escape(NAME_HANDLES.format(count=sliders))}">')

    def answer_to_a_click(self) -> str:
        """Return the attribute of the picture's cover that answers a click; empty where nothing can be chosen."""
        return ""

    def set(self, **values) -> str:
        """Move controls, redraw once and return the sentence.

        Raises:
            InputError: if there is no such control or it does not take the value; and whatever drawing raises.
        """
        for name in values:
            if name not in self.controls:
                raise InputError(f"{type(self).__name__} has no control {name!r}; it has {', '.join(self.controls)}.")
        with self._silence():
            for name, value in values.items():
                self._move(name, value)
                self.follow(name)
        self._redraw_or_tell(strict=True)
        return self.sentence

    def still(self) -> Picture:
        """Draw the same picture as a still figure with alternative text and caption, at the setting `moment`."""
        from matplotlib.figure import Figure

        values = {**self.first, **self.moment}
        drawing = self.draw(**values)
        pixels = Canvas(LIVE_DPI).raster(drawing.figures)
        still = Figure(figsize=(pixels.shape[1] / DPI, pixels.shape[0] / DPI), dpi=DPI)
        still.figimage(pixels)
        where = " and ".join(f'"{text_of(control)}" at {shown_value(control, values[name])}'
                             for name, control in self.controls.items() if name in self.moment)
        seen = f"The explorer with {where}" if where else "The explorer as it starts"
        return picture(still, alt=f"{self.alt} {drawing.sentence}", caption=f"{seen}: {self.caption}")

    def show(self) -> None:
        """Display the explorer and a still picture below it, folded where a person has the live one or it answers."""
        from IPython.core.display import HTML
        from IPython.display import display

        display(self.box)
        still = self.still()
        display(HTML(folded(still.html(), STILL)) if self.answers or a_person_is_there() else still)

    def _move(self, name: str, value) -> None:
        from traitlets import TraitError

        control = self.controls[name]
        before = control.value
        try:
            control.value = value
            taken = control.value == value
        except (TraitError, ValueError, TypeError):
            taken = False
        if not taken:
            control.value = before
            raise InputError(f"The control {text_of(control)!r} does not take {value!r}; use a value that a person "
                             "could choose with it.")

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """Let controls move without a redraw for each."""
        before, self._silent = self._silent, True
        try:
            yield
        finally:
            self._silent = before

    def _answer(self, name: str) -> None:
        """Redraw after a person moved a control."""
        if self._silent:
            return
        with self._silence():
            self.follow(name)
        self._redraw_or_tell(strict=bool(os.environ.get(STRICT)))

    def _reset(self) -> None:
        with self._silence():
            for name, value in self.first.items():
                self.controls[name].value = value
        self._redraw_or_tell(strict=bool(os.environ.get(STRICT)))

    def _redraw_or_tell(self, strict: bool) -> None:
        """Redraw; tell an error in one line, the old picture staying, and raise it if `strict`."""
        try:
            self.redraw()
        except Exception as error:
            first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.status.value = (f'<div role="alert" {WORDS}><b>Error:</b> {escape(first_line)} '
                                 "The picture below still shows the setting before.</div>")
            if strict:
                raise
