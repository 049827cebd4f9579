"""Lessons for the web site: copies of the notebooks with their place in the sequence, pictures as files, and strips.

Nothing is executed. A picture inside a stored output becomes a file that is loaded when a reader comes near it; an
explorer's still becomes the strip of stills that `tools.strips` has drawn.
"""
from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from functools import cache
from html import escape, unescape
from pathlib import Path

import nbformat
from PIL import Image

from semdepth_lite.course import notebooks
from semdepth_lite.course.folds import STILL, is_folded
from tools.web.glossary import link_terms
from tools.web.live import without_live_words

ROOT = Path(__file__).resolve().parents[2]
STRIPS = ROOT / "figures" / "explorers"
EMBEDDED = re.compile(r'<img\b([^>]*?)src="data:image/(\w+);base64,([^"]+)"([^>]*)>')
SHOWN = re.compile(r"\b(\w+Explorer)\(.*\)\.show\(\)")
NAMED = re.compile(r"\[`?(\d\d_\w+)`?\](?=\(\1\.ipynb\))")  # a link to a lesson by the name of its file
OPENED = "This lesson's notebook needs the package: run `%pip install \"semdepth-lite[course] @ git+{address}\"` first."


def lesson_files() -> list[Path]:
    """List the lessons in their order."""
    return sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


@cache
def title_of(name: str) -> str:
    """Return a lesson's title.

    Args:
        name: Name of its file without ending.
    """
    return notebooks.title_of(notebooks.load(ROOT / "notebooks" / f"{name}.ipynb"))


def with_titles(text: str) -> str:
    """Call lessons by number and title where a text calls them by the names of their files."""
    return NAMED.sub(lambda found: f"[{found[1][:2]} {title_of(found[1])}]", text)


def place_of(path: Path, repository: str = "") -> str:
    """Return the lines under a lesson's title: its place in the sequence, and how to get or run it.

    Args:
        path: The notebook.
        repository: OWNER/NAME of the public repository; without one there are no badges.
    """
    last = lesson_files()[-1].stem[:2]
    line = f"*Lesson {path.stem[:2]} of {last}.* {{download}}`Download this notebook <originals/{path.name}>`."
    if repository:
        place = f"{repository}/blob/main/notebooks/{path.name}"
        line += f" [Open in Colab](https://colab.research.google.com/github/{place})."
        line += f" [Open in Binder](https://mybinder.org/v2/gh/{repository}/main?labpath=notebooks/{path.name})."
        line += "\n\n" + OPENED.format(address=f"https://github.com/{repository}")
    return line


def unpack_pictures(html: str, folder: Path, up: str) -> str:
    """Write the pictures inside an HTML output into a folder, and point to them.

    Args:
        html: The output.
        folder: Where the files go, named by their content.
        up: Address of that folder, seen from the page.
    """
    def write(found: re.Match) -> str:
        data = base64.b64decode(re.sub(r"\s", "", found[3]))
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{found[2]}"
        (folder / name).write_bytes(data)
        width, height = Image.open(io.BytesIO(data)).size
        return f'<img{found[1]}src="{up}/{name}" width="{width}" height="{height}"{found[4]}>'

    return EMBEDDED.sub(write, html)


def strips() -> dict[str, dict]:
    """Read the words of all strips, by the name of the explorer."""
    return json.loads((STRIPS / "strips.json").read_text(encoding="utf-8"))


def note_on(label: str, left_out: list[str]) -> str:
    """Return the sentence on what a strip lacks.

    Args:
        label: Label of the strip's slider.
        left_out: Labels of the controls that the explorer has in a notebook beside it.
    """
    if not left_out:
        return f"This page shows stills for some values of “{label}”; in JupyterLab the slider stops anywhere."
    return (f"This page shows stills of one control, “{label}”; tasks that name others ({'; '.join(left_out)}) "
            "need the lesson in JupyterLab.")


def strip(kind: str) -> str:
    """Return the HTML of an explorer as a strip: what it lacks, a window on its stills, a slider and a sentence."""
    words = strips()[kind]
    count, start = len(words["values"]), words["start"]
    stops = escape(json.dumps([words["values"], words["sentences"]], ensure_ascii=False))
    return (
        f'<figure class="strip" data-stops="{stops}">\n<figcaption>{escape(words["title"])}</figcaption>\n'
        f'<p class="note">{escape(note_on(words["label"], words["left_out"]))}</p>\n'
        f'<div class="sight">\n<div class="window" style="--full: {words["width"]}px; '
        f'aspect-ratio: {words["width"]} / {words["height"]}">'
        f'<img src="../_static/pictures/{kind}.webp" alt="{escape(words["alt"])}" width="{words["width"]}" '
        f'height="{words["height"] * count}" style="transform: translateY({-100 * start / count:.4f}%)"></div>\n'
        f'</div>\n<div class="bar"><label>{escape(words["label"])} <span><input type="range" min="0" max="{count - 1}" '
        f'value="{start}"><output>{escape(words["values"][start])}</output></span></label>\n'
        f'<button type="button" hidden>Enlarge</button></div>\n'
        f'<p class="words" role="status">{escape(words["sentences"][start])}</p>\n</figure>')


def without_still(outputs: list) -> list:
    """Leave out an explorer's stored still."""
    return [output for output in outputs if not STILL.search("".join(output.get("data", {}).get("text/html", "")))]


def with_formulas(html: str) -> str:
    """Draw the formulas of a folded outcome; in other outputs a dollar is a dollar."""
    from tools.web.formulas import mathml

    return re.sub(r"\$([^$]+)\$", lambda found: mathml(unescape(found[1]), "inline"), html)


def write_lesson(path: Path, folder: Path, pictures: Path, place: str) -> None:
    """Write a lesson's copy for the site.

    Args:
        path: The notebook.
        folder: Where the copy goes.
        pictures: Folder for its pictures.
        place: Lines to stand under the title.
    """
    notebook = nbformat.read(path, as_version=4)
    title, newline, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n{place}\n{newline}{rest}"
    link_terms([cell for cell in notebook.cells[1:] if cell.cell_type == "markdown"])
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = with_titles(cell.source)
            continue
        shown = SHOWN.search(cell.source)
        if shown and shown[1] in strips():
            cell.outputs = without_still(cell.outputs)
            cells.append(nbformat.v4.new_markdown_cell(strip(shown[1])))
        cell.outputs = [without_live_words(output) for output in cell.outputs]
        for output in cell.outputs:
            data = output.get("data", {})
            if "text/html" in data:
                data.pop("image/png", None)
                html = with_formulas(data["text/html"]) if is_folded(output) else "".join(data["text/html"])
                data["text/html"] = unpack_pictures(html, pictures, "../_static/pictures")
    notebook.cells = cells
    nbformat.write(notebook, folder / path.name)


def write_lessons(source: Path, pictures: Path, repository: str) -> None:
    """Copy lessons, solutions and the pages beside them.

    Args:
        source: Folder of the pages that Sphinx reads.
        pictures: Folder for the lessons' pictures.
        repository: OWNER/NAME of the public repository; without one there are no badges.
    """
    folder = source / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".*", "runs", "cache", "glossary.md"))
    (folder / "originals").mkdir()
    for path in lesson_files():
        shutil.copyfile(path, folder / "originals" / path.name)
        write_lesson(path, folder, pictures, place_of(path, repository))
