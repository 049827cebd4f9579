"""Tables of the lessons: intervals stay whole, and nothing else changes."""
from __future__ import annotations

from semdepth_lite.course import lesson_tables


def test_intervals_and_arrows_are_not_broken():
    row = "| a method | +3.0 % [-1.0, 7.0] | 0.2 ± 0.1 | AbsRel ↓ |"
    whole = lesson_tables.together(row)
    assert whole.replace("\u00a0", " ") == row
    assert [whole.count(f"\u00a0{sign}") for sign in "[±↓"] == [1, 1, 1] and ",\u00a07.0]" in whole
    assert "| a method |" in whole  # words may still be broken


def test_a_folded_table_is_behind_its_title(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.core.display_functions.display", shown.append)
    lesson_tables.show_folded("a < b", "| x |\n| --- |\n| 1, 2 |")
    assert shown[0].data == ("<details><summary>a &lt; b</summary>\n\n| x |\n| --- |\n| 1,\u00a02 |\n</details>")
