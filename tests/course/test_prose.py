"""Sentences of a lesson: whole words on a page, plain text elsewhere, and no printed line too wide for a page."""
from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from semdepth_lite.course import notebooks
from semdepth_lite.course.prose import Prose, write

LESSONS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
WIDEST = 120  # characters of a printed line; JupyterLab breaks longer ones anywhere
ASKED_OF_PYTHON = {"00-25"}  # the help of a function, which is as wide as Python makes it


def test_a_sentence_flows_on_a_page_and_is_plain_elsewhere(capsys):
    write("a < b")
    assert capsys.readouterr().out == "a < b\n"
    assert Prose("a < b")._repr_html_().endswith(">a &lt; b</p>")


def printed(output) -> list[str]:
    """The lines that an output prints, open or in a fold."""
    if output.output_type == "stream":
        return output.text.splitlines()
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", "".join(output.get("data", {}).get("text/html", "")), re.S)
    return [line for block in blocks for line in unescape(re.sub("<[^>]+>", "", block)).splitlines()]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_printed_line_is_wider_than_a_page(path):
    wide = {(cell.id, line) for cell in notebooks.code_cells(notebooks.load(path)) if cell.id not in ASKED_OF_PYTHON
            for output in cell.outputs for line in printed(output) if len(line) > WIDEST}
    assert wide == set(), "show sentences by `course.prose.write`, or print shorter lines"
