"""Draw the explorers as strips of stills: `python -m tools.strips` writes figures/explorers/.

The web site has no kernel. There a slider moves a strip, the stills of one explorer below each other in one picture;
the sentence of each still stands in strips.json beside the pictures. One control of each explorer is moved; the others
stay as they start, and are listed there too.
"""
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from semdepth_lite import load_pretrained
from semdepth_lite.common.storage import write_atomically
from semdepth_lite.course import explorers, museum, photo_training
from semdepth_lite.course.explorers import Explorer
from semdepth_lite.course.explorers.controls import shown_value, text_of
from semdepth_lite.course.explorers.layout import Canvas
from semdepth_lite.course.explorers.pixels import BY_SLIDERS
from semdepth_lite.data.photo import photo
from semdepth_lite.data.sources import triplet_of
from semdepth_lite.experiments.results import ROOT
from semdepth_lite.street import pace_car_scene, render_frame
from tools import parser

FOLDER = ROOT / "figures" / "explorers"
WORDS = FOLDER / "strips.json"
DPI, QUALITY = 120, 60


def street():
    """Render the triplet of lessons 01 and 02."""
    return triplet_of([render_frame(8, index, 64, 192) for index in (2, 3, 4)])


def on_the_photograph() -> Iterator[tuple[Explorer, str]]:
    """Make the explorers of the real photograph, each with the control that the strip moves."""
    pair = photo(192, 288).triplet([0])
    yield explorers.GhostExplorer(pair), "depth"
    small = photo(96, 160).triplet([0])
    moments = photo_training.train(small, steps=120, moments=9).moments
    yield explorers.MomentsExplorer(moments, small.require("depth")[0, 0]), "step"


def on_the_street() -> Iterator[tuple[Explorer, str]]:
    """Make the explorers of the street, each with the control that the strip moves."""
    batch, model, attentive = street(), load_pretrained("baseline", "cpu"), load_pretrained("seedepth", "cpu")
    yield explorers.WarpExplorer(batch), "yaw"
    yield explorers.ScaleExplorer(batch), "factor"
    yield explorers.IntrinsicsExplorer(batch), "focal"
    yield explorers.CloudExplorer(batch), "top"
    yield explorers.PaceCarExplorer(pace_car_scene(4)), "share"
    yield explorers.CurveExplorer(batch, model), "pixel"
    yield explorers.AttentionExplorer(attentive, batch), "pixel"
    yield explorers.BorderExplorer(batch, model), "noise"
    yield explorers.MuseumExplorer(museum.shelf((1.0,))), "exhibit"


def stops(explorer: Explorer, name: str, count: int = 9) -> Sequence:
    """List the values at which a control stops: all of a choice that name something, else some along its range."""
    control = explorer.controls[name]
    options = getattr(control, "options", None)
    if options is not None:
        values = [option[1] if isinstance(option, tuple) else option for option in options]
        return [value for value in values if value != BY_SLIDERS]
    along = np.linspace(control.min, control.max, count)
    if hasattr(control, "base"):
        return [round(control.base ** value, 3) for value in along]
    return [round(control.min + round((value - control.min) / control.step) * control.step, 6) for value in along]


def left_out(explorer: Explorer, name: str) -> list[str]:
    """List what the explorer has in a notebook beside the control that the strip moves."""
    others = [text_of(control) for other, control in explorer.controls.items() if other != name]
    return others + ["a click on the picture"] * bool(explorer.answer_to_a_click())


def draw_strip(explorer: Explorer, name: str) -> tuple[Image.Image, dict]:
    """Draw the stills of an explorer below each other, and return them with their words."""
    control, stills, sentences = explorer.controls[name], [], []
    values = stops(explorer, name)
    for value in values:
        sentences.append(explorer.set(**{name: value}))
        stills.append(Canvas(DPI).raster(explorer.draw(**explorer.values).figures))
    tallest = max(still.shape[0] for still in stills)  # one look of the museum has more lines of text than another
    stills = [np.pad(still, ((0, tallest - len(still)), (0, 0), (0, 0)), constant_values=255) for still in stills]
    first = explorer.moment.get(name, explorer.first[name])
    start = min(range(len(values)), key=lambda i: abs(values[i] - first) if isinstance(first, float) else
                values[i] != first)
    words = {"title": explorer.title, "alt": explorer.alt, "label": text_of(control), "start": start,
             "width": stills[0].shape[1], "height": stills[0].shape[0],
             "values": [shown_value(control, value) for value in values], "sentences": sentences,
             "left_out": left_out(explorer, name)}
    return Image.fromarray(np.concatenate(stills)), words


def main() -> None:
    """Draw all strips."""
    parser(__doc__).parse_args()
    words = {}
    for make in (on_the_street, on_the_photograph):
        for explorer, name in make():
            kind = type(explorer).__name__
            strip, words[kind] = draw_strip(explorer, name)
            write_atomically(FOLDER / f"{kind}.webp",
                             lambda path, strip=strip: strip.save(path, "WEBP", quality=QUALITY, method=4))
            print(kind, strip.size, (FOLDER / f"{kind}.webp").stat().st_size, flush=True)
    text = json.dumps(dict(sorted(words.items())), indent=1, ensure_ascii=False) + "\n"
    write_atomically(WORDS, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
