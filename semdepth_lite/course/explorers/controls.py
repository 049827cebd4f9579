"""The controls of the explorers: sliders, choices and switches with whole labels, all reachable by keyboard."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

WIDTH, LABEL = 25.0, 11.5  # rem, of a control and of its label
ENTRY = 0.45, 2.5  # rem, of a letter in a menu and of what stands around the word


def _form(width: float = WIDTH) -> dict:
    from ipywidgets import Layout

    return {"layout": Layout(width=f"{width:g}rem", max_width="100%"), "style": {"description_width": f"{LABEL}rem"}}


def slider(label: str, low: float, high: float, value: float, step: float, digits: int = 1):
    """Make a slider over numbers; it answers while it moves, as often as there is time to draw.

    Args:
        label: Name of what it sets, with its unit in brackets.
        low, high: Ends of its range.
        value: Value at the start.
        step: Step of an arrow key.
        digits: Number of decimals shown.
    """
    from ipywidgets import FloatSlider

    return FloatSlider(description=label, min=low, max=high, value=value, step=step, readout_format=f".{digits}f",
                       continuous_update=True, **_form())


def factor_slider(label: str, low: float, high: float, exponent_step: float = 0.05):
    """Make a slider over factors from `low` to `high` or a little beyond, in equal ratios, starting at 1.

    The ends are whole steps away from 1: a browser moves a handle that stands between two steps.
    """
    from math import ceil, floor, log10

    from ipywidgets import FloatLogSlider

    first, last = floor(log10(low) / exponent_step), ceil(log10(high) / exponent_step)
    return FloatLogSlider(description=label, base=10, min=first * exponent_step, max=last * exponent_step, value=1.0,
                          step=exponent_step, readout_format=".3g", continuous_update=True, **_form())


def pixel_slider(label: str, size: int, value: int):
    """Make a slider over the columns or rows of an image of `size` pixels."""
    from ipywidgets import IntSlider

    return IntSlider(description=label, min=0, max=size - 1, value=value, continuous_update=True, **_form())


def short(value: float) -> str:
    """Write a number with two decimals at most: 0.33, 0.5, 12."""
    return f"{round(value, 2):g}"


def steps(label: str, values: Sequence, name: Callable[..., str] = short, value=None):
    """Make a slider over a few values, at `value` or the first one; `name` gives the words that stand for a value."""
    from ipywidgets import SelectionSlider

    return SelectionSlider(description=label, options=[(name(each), each) for each in values],
                           value=values[0] if value is None else value, continuous_update=True, **_form())


def spread(controls: Iterable) -> None:
    """Let sliders fill the width of the picture: each a line of its own, or two to a line if there are many."""
    sliders = [control for control in controls if hasattr(control, "continuous_update")]
    for control in sliders:
        control.layout.width, control.layout.flex = "auto", "1 1 100%" if len(sliders) <= 3 else f"1 1 {WIDTH:g}rem"


def choice(label: str, options: Sequence[str], value: str | None = None):
    """Make a list of which one entry is chosen, wide enough for the longest."""
    from ipywidgets import Dropdown

    needed = LABEL + ENTRY[0] * max(map(len, options)) + ENTRY[1]
    return Dropdown(description=label, options=list(options), value=options[0] if value is None else value,
                    **_form(max(WIDTH, needed)))


def switch(label: str, on: bool):
    """Make a box that is ticked or not."""
    from ipywidgets import Checkbox, Layout

    return Checkbox(description=label, value=on, indent=False, layout=Layout(width="auto", margin="2px 1.5rem 2px 0"))


def button(label: str, hint: str):
    """Make a button."""
    from ipywidgets import Button, Layout

    return Button(description=label, tooltip=hint, layout=Layout(width="auto"))


def text_of(control) -> str:
    """Return a control's label."""
    return control.description


def shown_value(control, value) -> str:
    """Write a value of a control as the control shows it."""
    for option in getattr(control, "options", ()):
        if isinstance(option, tuple) and option[1] == value:
            return option[0]
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
