"""Links from the lessons to the reference, from the names that a lesson has imported."""
from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from functools import cache
from html import unescape
from importlib import import_module
from pathlib import Path

import nbformat

from tools.web.names import home_of, known_names

# a dotted name in highlighted code that is no argument's name and no attribute, and a module behind `from`
NAME = re.compile(r'(?<!<span class="o">\.</span>)<span class="n">\w+</span>(?:<span class="o">\.</span>'
                  r'<span class="n">\w+</span>)*(?!<span class="(?:o|p)">[=.])'
                  r'|<span class="nn">semdepth_lite[\w.]*</span>')
CODE = re.compile(r'(?<=<div class="highlight">)<pre>.*?</pre>', re.S)


@cache
def imported(path: Path) -> dict[str, object]:
    """Map the names that a notebook imports from the package to what they are."""
    found: dict[str, object] = {}
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    trees = [ast.parse(source) for source in cells if not source.lstrip().startswith("%")]
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
        for alias in node.names if (node.module or "").startswith("semdepth_lite") else ():
            module = import_module(str(node.module))
            thing = getattr(module, alias.name, None) or import_module(f"{node.module}.{alias.name}")
            found[alias.asname or alias.name] = thing
    return found


def rebound(block: str) -> set[str]:
    """Return the names that code gives another meaning: parameters of functions, and what is assigned to.

    Args:
        block: Highlighted code; nothing is rebound in what is not Python.
    """
    try:
        tree = ast.parse(unescape(re.sub(r"<[^>]+>", "", block)))
    except SyntaxError:
        return set()
    nodes = list(ast.walk(tree))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in nodes if isinstance(node, ast.arg)}


def meant(words: str, page: Path | None) -> str | None:
    """Return the full name of what code in a text means; None = nothing of the package.

    A plain word, `same` or `start`, is a name only in a notebook that imports it. Dots, capitals, underscores and a
    call's parentheses make a name of the package wherever it stands.

    Args:
        words: Code between words of a text, or a dotted name in code.
        page: The notebook that the text is from, if it is from one.
    """
    name = words.removesuffix("()")
    first, *rest = name.split(".")
    thing = imported(page).get(first) if page else None
    for part in rest:
        thing = getattr(thing, part, None)
    if thing is not None:
        return home_of(thing)
    return None if re.fullmatch("[a-z]+", words) else known_names().get(name)


def meant_in_prose(words: str, page: Path | None) -> str | None:
    """Return what `meant` returns, but nothing for a plain word that is a module: `labels` names an argument there."""
    home = meant(words, page)
    is_module = page is not None and inspect.ismodule(imported(page).get(words))
    return None if is_module else home


def linked(code: str, page: Path, address: Callable[[str], str | None]) -> str:
    """Link the names of the package in highlighted code, but those that a block of it gives another meaning.

    Args:
        code: HTML as Pygments writes it.
        page: The notebook that the code is from.
        address: Returns the address of a full name in the reference, seen from the page, if it stands there.
    """
    def link(found: re.Match, others: set[str]) -> str:
        words = re.sub(r"<[^>]+>", "", found[0])
        if words.split(".")[0] in others:
            return found[0]
        home = words if words.startswith("semdepth_lite.") else meant(words, page)
        place = address(home) if home else None
        return f'<a href="{place}">{found[0]}</a>' if place else found[0]

    def with_links(block: re.Match) -> str:
        others = rebound(block[0])
        return NAME.sub(lambda found: link(found, others), block[0])

    return CODE.sub(with_links, code)
