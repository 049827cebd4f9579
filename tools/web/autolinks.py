"""Links from the lessons' code to the reference: only from a name to the thing of that name."""
from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import nbformat

from tools.web.names import home_of, known_names

# sphinx_codeautolink also leads a variable to the class of what it holds, `nothing` to `Report`
LINK = re.compile(r'<a class="sphinx-codeautolink-a" href="[^"#]*#(?P<target>[^"]+)"[^>]*>(?P<words>.*?)</a>', re.S)


def last_part(name: str) -> str:
    """Return what stands behind the last dot."""
    return name.rsplit(".", 1)[-1].strip()


def keep_or_drop(link: re.Match) -> str:
    """Return a link as it is if it leads to what its last word names, else its words alone."""
    words = re.sub(r"<[^>]+>", "", link["words"])
    return link[0] if last_part(words) == last_part(link["target"]) else link["words"]


def drop_links_of_variables(site: Path) -> None:
    """Take the links from variables to their classes out of the pages with code."""
    for path in (site / "notebooks").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        path.write_text(LINK.sub(keep_or_drop, text), encoding="utf-8")


@cache
def imported(path: Path) -> dict[str, object]:
    """Map the names that a notebook imports from the package to what they are."""
    found: dict[str, object] = {}
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    trees = [ast.parse(source) for source in cells if not source.lstrip().startswith("%")]
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
        for alias in node.names if (node.module or "").startswith("semdepth_lite") else ():
            module = import_module(node.module)
            thing = getattr(module, alias.name, None) or import_module(f"{node.module}.{alias.name}")
            found[alias.asname or alias.name] = thing
    return found


def meant(words: str, page: Path | None) -> str | None:
    """Return the full name of what code in a text means; None = nothing of the package.

    A plain word, `same` or `start`, is a name only in a notebook that imports it. Dots, capitals, underscores and a
    call's parentheses make a name of the package wherever it stands.

    Args:
        words: The code.
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
