"""Outcomes in a stored notebook wait behind one line to click, so that a reader can predict before seeing them.

Notable: where a person runs a lesson, `guesses` folds what its `reveal` holds. A stored notebook comes from a run
without a person, and is read in Jupyter, on a page or in a repository's browser; HTML's own fold works in all of them.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

SUMMARY = "The outcome: predict first, then open"
REVEALED = re.compile(r"\.reveal\([\w, ]*\):")  # of a cell that answers a question, of a form or of the text
STILL = re.compile(r"<figcaption[^>]*>The explorer ")  # an explorer as it starts answers nothing


def folded(html: str, summary: str) -> str:
    """Return HTML behind a line that opens it.

    Args:
        html: What is folded.
        summary: Words of the line.
    """
    return f"<details><summary>{escape(summary)}</summary>\n{html}</details>"


def is_folded(output: NotebookNode) -> bool:
    """Tell whether a stored output is a folded outcome."""
    return f"<summary>{SUMMARY}</summary>" in "".join(output.get("data", {}).get("text/html", ""))


def fold_outcomes(notebook: NotebookNode) -> None:
    """Fold the outputs that answer a prediction; one fold for each cell, and nothing twice."""
    from nbformat.v4 import new_output

    for cell in outcome_cells(notebook):
        waiting = [output for output in cell.outputs if not is_folded(output) and not STILL.search(_html(output))]
        if waiting:
            words = {"text/html": folded("".join(map(_html, waiting)), SUMMARY),
                     "text/plain": "\n".join(map(_plain, waiting))}
            rest = [output for output in cell.outputs if output not in waiting]
            cell.outputs = [new_output("display_data", words), *rest]


def outcome_cells(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Yield the code cells that answer a prediction, which are those that reveal."""
    yield from (cell for cell in notebook.cells if cell.cell_type == "code" and REVEALED.search(cell.source))


def _html(output: NotebookNode) -> str:
    """Return an output as HTML; a table in Markdown is converted."""
    data = output.get("data", {})
    if "text/html" in data:
        return "".join(data["text/html"])
    if "text/markdown" in data:
        from nbconvert.filters.markdown_mistune import markdown2html_mistune

        return markdown2html_mistune("".join(data["text/markdown"]))
    return f'<pre style="white-space: pre-wrap; word-break: normal">{escape(_plain(output))}</pre>'


def _plain(output: NotebookNode) -> str:
    data = output.get("data", {})
    return "".join(output.get("text", data.get("text/markdown", data.get("text/plain", ""))))
