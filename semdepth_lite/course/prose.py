"""Sentences that a lesson makes: they flow like its text, where JupyterLab breaks printed lines inside of words."""
from __future__ import annotations

from html import escape


class Prose:
    """A paragraph, as wide as the page; plain text where no page is.

    Args:
        text: Its sentences.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<p style="max-width: 60em; margin: 0.2em 0">{escape(self.text)}</p>'


def write(text: str) -> None:
    """Show a paragraph; outside of a notebook it is printed.

    Args:
        text: Its sentences.
    """
    from IPython.display import display

    display(Prose(text))
