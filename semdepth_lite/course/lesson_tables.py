"""Tables of differences as the lessons show them: intervals stay on one line, and what goes deeper is folded."""
from __future__ import annotations

from .folds import folded

STAYS = {", ": ",\u00a0", " [": "\u00a0[", " ±": "\u00a0±", "± ": "±\u00a0", " ↓": "\u00a0↓", " ↑": "\u00a0↑"}


def together(table: str) -> str:
    """Return a Markdown table whose intervals and arrows are never broken over two lines."""
    for broken, whole in STAYS.items():
        table = table.replace(broken, whole)
    return table


def show_folded(title: str, table: str) -> None:
    """Display a Markdown table behind a line that opens it."""
    from IPython.core.display import Markdown
    from IPython.core.display_functions import display

    display(Markdown(folded(f"\n{together(table)}\n", title)))
