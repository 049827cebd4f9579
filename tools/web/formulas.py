"""Formulas as MathML, which browsers draw without a script or a network, in parts that fit a phone."""
from __future__ import annotations

import re
from itertools import accumulate
from xml.etree import ElementTree

from latex2mathml.converter import convert

SPACE = "http://www.w3.org/1998/Math/MathML"
PRIME = "\u2032"
SIGNS = {"~": "\u223c"}  # written as a letter by the translator
BELOW = {"min", "max"}  # what a displayed minimum runs over stands below it
BETWEEN = r"\qquad"
ElementTree.register_namespace("", SPACE)


def tag(name: str) -> str:
    """Return a MathML element's full name."""
    return f"{{{SPACE}}}{name}"


def raise_prime(element: ElementTree.Element) -> None:
    """Write a prime at full size behind its letter: as an exponent of an exponent's size it can hardly be seen.

    The sign itself already stands high. A subscript follows it.
    """
    base, mark = element[0], element[-1]
    with_prime = ElementTree.Element(tag("mrow"))
    sign = ElementTree.SubElement(with_prime, tag("mo"), {"lspace": "0", "rspace": "0"})
    sign.text = mark.text
    with_prime.insert(0, base)
    below = list(element)[1:-1]
    element[:] = [with_prime, *below]
    element.tag = tag("msub") if below else tag("mrow")


def join_letters(row: ElementTree.Element) -> None:
    """Make one word of upright letters that follow each other, which are set wide apart otherwise."""
    upright, last = {"mathvariant": "normal"}, None
    for child in list(row):
        is_letter = child.tag == tag("mi") and child.attrib == upright
        if is_letter and last is not None:
            last.text = (last.text or "") + (child.text or "")
            row.remove(child)
        else:
            last = child if is_letter else None


def mathml(latex: str, display: str) -> str:
    """Translate a formula.

    Args:
        latex: The formula.
        display: `inline` or `block`.
    """
    root = ElementTree.fromstring(convert(latex, display=display))
    for element in list(root.iter()):
        if element.tag in (tag("msup"), tag("msubsup")) and set(element[-1].text or "") == {PRIME}:
            raise_prime(element)
        join_letters(element)
        if element.text in SIGNS:
            element.tag, element.text = tag("mo"), SIGNS[element.text]
        if element.text == "|":
            element.attrib.update(lspace="0", rspace="0", stretchy="false")
        if display == "block" and element.tag == tag("msub") and element[0].text in BELOW:
            element.tag = tag("munder")
    return ElementTree.tostring(root, encoding="unicode")


def parts(latex: str) -> list[str]:
    r"""Split a displayed formula at each `\qquad` outside of braces and environments: one equation each."""
    pieces = re.split(r"(\\qquad|\\begin\b|\\end\b|\\left\b|\\right\b|(?<!\\)[{}])", latex)
    step = {r"\begin": 1, "{": 1, r"\left": 1, r"\end": -1, "}": -1, r"\right": -1}
    depths = accumulate(step.get(piece, 0) for piece in pieces)
    equations = [""]
    for piece, depth in zip(pieces, depths):
        if piece == BETWEEN and depth == 0:
            equations.append("")
        else:
            equations[-1] += piece
    return [equation.strip() for equation in equations]


def displayed(latex: str) -> str:
    """Write a displayed formula as HTML: its equations side by side, or below each other where that is too wide."""
    equations = "".join(f"<div>{mathml(equation, 'block')}</div>" for equation in parts(latex))
    return f'<div class="math">{equations}</div>'
