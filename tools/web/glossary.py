"""The glossary on the web site, with links both ways: a term leads to the lessons, a lesson's first use to the term."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from semdepth_lite.course.glossary import PAPERS, TERMS, Term, find_function, papers_of
from tools.web.names import home_of

# what is not a lesson's running text: code, formulas, links, HTML, headings
PROTECTED = re.compile(r"```.*?```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|\[[^\]]*\]\([^)]*\)|<a\b.*?</a>|<[^>]+>"
                       r"|^#.*?$|^\s*\|.*?$", re.S | re.M)
PLAIN = {"depth", "source", "target", "pose", "hole", "crop", "preset", "variant"}  # everyday words: not linked


def anchor(term: Term) -> str:
    """Return a term's place in the glossary."""
    return "term-" + re.sub(r"[^a-z0-9]+", "-", term.name.lower()).strip("-")


def spellings(term: Term) -> list[str]:
    """List the words by which a lesson may call a term."""
    return [word for word in term.name.split(", ") if word not in PLAIN]


def linked(text: str, term: Term) -> str:
    """Link the first use of a term in a Markdown text to the glossary; without a use the text is the same."""
    words = "|".join(map(re.escape, spellings(term)))
    if not words:
        return text
    wanted = re.compile(rf"(?<![\w-])(?:{words})s?(?![\w-])", re.I)
    at = 0
    for kept in [*PROTECTED.finditer(text), None]:
        found = wanted.search(text, at, kept.start() if kept else len(text))
        if found:
            name = anchor(term)
            link = f'<a class="term" id="use-{name}" href="glossary.html#{name}">{found[0]}</a>'
            return text[:found.start()] + link + text[found.end():]
        at = kept.end() if kept else at
    return text


def link_terms(cells: Iterable) -> None:
    """Link the first use of each term in a lesson's Markdown cells to the glossary."""
    cells = list(cells)
    for term in TERMS:
        for cell in cells:
            text = linked(cell.source, term)
            if text != cell.source:
                cell.source = text
                break


def uses(lessons: Mapping[str, str]) -> dict[str, list[str]]:
    """List for each term's anchor the lessons, by name, that use it.

    Args:
        lessons: Text of each lesson's copy, by the name of its file without ending.
    """
    return {anchor(term): [name for name, text in lessons.items() if f'use-{anchor(term)}\\"' in text]
            for term in TERMS}


def entry(term: Term, lessons: Iterable[str]) -> str:
    """Write a term of the glossary in MyST."""
    name = anchor(term)
    symbol = f" {term.symbol}" if term.symbol else ""
    source = term.source
    for key in papers_of(term):
        source = source.replace(key, f"[{key}](#{key})")
    home = home_of(find_function(term.function))
    function = f"{{py:obj}}`{term.function} <{home}>`" if home else f"`{term.function}`"
    links = ", ".join(f'<a href="{lesson}.html#use-{name}">{lesson[:2]}</a>' for lesson in lessons)
    where = f" Lessons {links}." if links else ""
    words = f"{term.says}. In the package: {function}. Source: {source}.{where}"
    return f"[**{term.name}**]{{#{name}}}{symbol}\n: {words}\n"


def page(lessons: Mapping[str, str]) -> str:
    """Write the glossary in MyST: the terms in alphabetical order, then the papers.

    Args:
        lessons: Text of each lesson's copy, by the name of its file without ending.
    """
    used = uses(lessons)
    terms = sorted(TERMS, key=lambda term: term.name.lower())
    parts = ["# Glossary and bibliography\n", "## Terms\n", *(entry(term, used[anchor(term)]) for term in terms),
             "## Papers\n", *(f"[**{key}**]{{#{key}}}\n: {words}\n" for key, words in sorted(PAPERS.items()))]
    return "\n".join(parts)
