"""The glossary has no dead references and the committed page is the one that the terms make."""
from __future__ import annotations

import re

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import glossary
from tools import glossary_page


@pytest.mark.parametrize("term", glossary.TERMS, ids=lambda term: term.name.replace(" ", "-"))
def test_a_term_points_at_something_that_exists(term):
    found = glossary.find_function(term.function)
    assert found.__doc__ and callable(found)
    assert found.__module__.startswith("semdepth_lite.")
    keys = glossary.papers_of(term)
    assert keys or "ours" in term.source, "a source, or ours"
    assert set(re.findall(r"[a-z]+\d{4}", term.source)) <= set(keys), "a paper that is not listed"
    assert set(re.findall(r"\[([^\]]+)\]", term.source)) <= {
        "stated", "figure", "stated, figure", "code", "inferred", "measured"}
    assert 15 < len(term.says) <= 110 and "\n" not in term.says
    assert not term.symbol or re.fullmatch(r"\$[^$]+\$", term.symbol)


def test_terms_and_papers_are_whole():
    names = [term.name for term in glossary.TERMS]
    assert len(set(names)) == len(names) >= 50
    used = {key for term in glossary.TERMS for key in glossary.papers_of(term)}
    assert used == set(glossary.PAPERS), "a paper that no term names"
    assert all(words.endswith(".") and re.search(r"(19|20)\d\d", words) for words in glossary.PAPERS.values())


def test_the_page_is_fresh_and_its_links_lead_somewhere():
    text = glossary_page.PAGE.read_text(encoding="utf-8")
    assert text == glossary_page.page(), "run python -m tools.glossary_page"
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(re.findall(r'<a id="([^"]+)">', text))
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert len(rows) == len(glossary.TERMS) and all(row.count("|") == 6 for row in rows)


def test_dead_references_are_named():
    for path in ("warp.wrap", "wrap.warp", "semantics.SSFA.forwards"):
        with pytest.raises(InputError, match=f"semdepth_lite.{path}, which does not exist"):
            glossary.find_function(path)
