"""Formulas of the web site: well-formed MathML, primes that can be seen, equations that can stand below each other."""
from __future__ import annotations

import re
from xml.etree import ElementTree

import nbformat
import pytest

pytest.importorskip("latex2mathml", reason="the site needs the extra 'docs'")

from tools.web import lessons  # noqa: E402
from tools.web.formulas import displayed, mathml, parts, tag  # noqa: E402

FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+)\$(?!\$)", re.S)


@pytest.mark.parametrize("latex, equations", [
    (r"a = b", ["a = b"]),
    (r"a = b,\qquad c = d", ["a = b,", "c = d"]),
    (r"\begin{cases}a \qquad b\end{cases}\qquad c", [r"\begin{cases}a \qquad b\end{cases}", "c"]),
    (r"\{a \qquad \text{b \qquad c}", [r"\{a", r"\text{b \qquad c}"])])
def test_equations_are_split_where_nothing_encloses_them(latex, equations):
    assert parts(latex) == equations


@pytest.mark.parametrize("latex, words", [
    ("p'", ["p", "′"]), ("L'_{SR}", ["L", "′", "S", "R"]), ("F_D'", ["F", "′", "D"])])
def test_a_prime_is_no_exponent(latex, words):
    formula = ElementTree.fromstring(mathml(latex, "inline"))
    assert not [part for part in formula.iter() if part.tag in (tag("msup"), tag("msubsup"))]
    assert list(formula.itertext()) == words


def test_an_exponent_and_a_word_stay_what_they_are():
    formula = ElementTree.fromstring(mathml(r"\mathrm{SSIM}^2", "inline"))
    assert list(formula.itertext()) == ["SSIM", "2"] and formula.find(f".//{tag('msup')}") is not None


@pytest.mark.parametrize("path", lessons.lesson_files(), ids=lambda path: path.stem[:2])
def test_the_lessons_formulas_are_translated_whole(path):
    found = [match for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
             for match in FORMULA.finditer(re.sub(r"```.*?```|`[^`\n]+`", "", cell.source, flags=re.S))]
    for match in found:
        html = displayed(match[1]) if match[1] else mathml(match[2], "inline")
        assert "\\" not in html and "merror" not in html, match[0]
        ElementTree.fromstring(html)
