"""A picture with its words: the one way in which figures reach notebooks, files and the README.

Notable: notebook viewers drop the alternative text of PNG outputs, so a picture is shown as an HTML figure whose
image carries it; the PNG beside it serves viewers that strip HTML, the plain text those that show no pictures.
"""
from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.contracts import InputError
from ..common.storage import write_atomically
from .style import MARGIN

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

DPI = 120
LOSSLESS_LIMIT = 25_000  # bytes; pictures above it are stored lossy, so that a notebook stays under a megabyte
HOPELESS = 4 * LOSSLESS_LIMIT  # bytes of the plain PNG from which nothing lossless comes under the limit
SHORTEST_ALT = 20  # characters; less than this cannot say what a figure shows


@dataclass(frozen=True)
class Picture:
    """A rendered figure with its alternative text and caption; notebooks display it as an HTML figure."""

    png: bytes
    alt: str
    caption: str

    def html(self) -> str:
        """Return the HTML figure: image with alternative text, and the caption below it."""
        data = base64.b64encode(_for_screen(self.png)).decode()
        return (f'<figure style="margin: 0.6em 0"><img alt="{escape(self.alt)}" '
                f'src="data:image/webp;base64,{data}" '
                'style="max-width: 100%; height: auto; background: white">'
                f'<figcaption style="font-style: italic; max-width: 60em; padding-left: {round(MARGIN * DPI)}px">'
                f'{escape(self.caption)}</figcaption></figure>')

    def __repr__(self) -> str:
        return f"{self.caption}\n[{self.alt}]"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": repr(self),
                "image/png": base64.b64encode(_for_fallback(self.png)).decode()}


def picture(figure: Figure, *, alt: str, caption: str) -> Picture:
    """Render a figure and join it with its words; the figure is empty afterwards.

    Args:
        figure: A matplotlib figure, as the functions of `figures` return it.
        alt: What the figure shows, for a reader who does not see it; one to three sentences.
        caption: Sentence that a reader should take from it.

    Raises:
        InputError: if a text is missing, too short to say anything, or both are the same.
    """
    for name, text in (("alt text", alt), ("caption", caption)):
        if not text or len(text.strip()) < SHORTEST_ALT:
            raise InputError(f"The {name} of a figure is {text!r}; write at least {SHORTEST_ALT} characters that say "
                             f"{'what it shows' if name == 'alt text' else 'what to take from it'}.")
    if alt.strip() == caption.strip():
        raise InputError("The alt text of a figure repeats its caption; let the alt text say what is seen and the "
                         "caption what to take from it.")
    buffer = io.BytesIO()
    words = {"Title": caption, "Description": alt, "Software": None}
    figure.savefig(buffer, format="png", dpi=DPI, metadata=words, facecolor="white")
    figure.clear()
    return Picture(buffer.getvalue(), alt.strip(), caption.strip())


def stored(path: Path) -> Picture:
    """Read a picture that `save` wrote, with the words that it keeps.

    Raises:
        InputError: if there is no such picture, or it has no words.
    """
    from PIL import Image

    if not Path(path).is_file():
        raise InputError(f"there is no picture {Path(path).name}; run the command that draws it.")
    words = Image.open(path).text  # pyright: ignore[reportAttributeAccessIssue]
    if not {"Title", "Description"} <= set(words):
        raise InputError(f"{Path(path).name} keeps no alternative text; draw it again with `figures.save`.")
    return Picture(Path(path).read_bytes(), words["Description"], words["Title"])


def show(figure: Figure, *, alt: str, caption: str) -> None:
    """Display a figure with its words in the notebook; elsewhere print the words.

    Raises:
        InputError: as `picture`.
    """
    from IPython.display import display

    display(picture(figure, alt=alt, caption=caption))


def save(figure: Figure, path: str | Path, *, alt: str, caption: str) -> Picture:
    """Write a figure as PNG with its words inside the file (Title and Description) and return the picture.

    Raises:
        InputError: as `picture`, or if the path does not end in .png.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"The figure path {str(path)!r} does not end in .png; pictures are written as PNG.")
    shown = picture(figure, alt=alt, caption=caption)
    write_atomically(path, lambda temporary: temporary.write_bytes(shown.png))
    return shown


def _encoded(image: Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _for_screen(png: bytes) -> bytes:
    """Encode the image of the HTML figure as WebP: exact where that is small, else lossy, the more the larger it is."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    exact = _encoded(image, "WEBP", lossless=True) if len(png) <= HOPELESS else None
    if exact and len(exact) <= LOSSLESS_LIMIT:
        return exact
    lossy = _encoded(image, "WEBP", quality=60)
    return lossy if len(lossy) <= 2 * LOSSLESS_LIMIT else _encoded(image, "WEBP", quality=45)


def _for_fallback(png: bytes) -> bytes:
    """Encode the PNG for viewers that strip HTML: 64 colors, and half or a third of the size while it is large."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    small = b""
    for divisor in (1, 2, 3) if len(png) <= HOPELESS else (2, 3):
        less = image.resize((image.width // divisor, image.height // divisor), Image.Resampling.LANCZOS)
        small = _encoded(less.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)
        if len(small) <= LOSSLESS_LIMIT:
            break
    return small
