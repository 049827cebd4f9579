"""The package's files as plain pages, which the reference's links [source] lead to.

Sphinx's own extension for that passes each of them through the theme, which takes longer than all other pages together.
"""
from __future__ import annotations

import ast
import keyword
import re
from functools import cache
from html import escape
from pathlib import Path

from tools.web.reference import FOLDERS, PACKAGE, ROOT, files_of, module_of

# What is colored: strings, comments and keywords, under Pygments' names; its lexer takes ten times as long.
COLORED = re.compile(r'(?P<s>[rbf]{0,2}(?:""".*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'))'
                     rf'|(?P<c1>#[^\n]*)|\b(?P<k>{"|".join(keyword.kwlist)})\b', re.S)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<link rel="stylesheet" href="{up}_static/pygments.css">
<link rel="stylesheet" href="{up}_static/fade.css">
<link rel="stylesheet" href="{up}_static/source.css">
<script defer src="{up}_static/page.js"></script>
</head>
<body data-theme="auto">
<main>
<h1>{name}</h1>
<p><a href="{up}{back}">To the reference</a></p>
{code}
</main>
</body>
</html>
"""


def page_of(path: Path) -> str:
    """Return the address of a file's page, from the root of the site."""
    return "_modules/" + path.relative_to(ROOT).with_suffix(".html").as_posix()


@cache
def lines_of(path: Path) -> dict[str, int]:
    """Map what a file defines, methods as CLASS.METHOD, to its line."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node.lineno
        if isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            found.update((f"{node.name}.{inner.name}", inner.lineno) for inner in methods)
    return found


def source_of(domain: str, info: dict) -> str | None:
    """Return the address of what a page of the reference describes, seen from that page; Sphinx asks for it."""
    path = PACKAGE.parent.joinpath(*info.get("module", "").split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    line = lines_of(path).get(info.get("fullname", "")) if domain == "py" and path.is_file() else None
    return f"../{page_of(path)}#L-{line}" if line else None


def colored(code: str) -> str:
    """Write Python code as HTML in the colors of the theme, each line with its number as an anchor."""
    parts, at = [], 0
    for found in COLORED.finditer(code):
        words = escape(found[0]).replace("\n", f'</span>\n<span class="{found.lastgroup}">')
        parts += [escape(code[at:found.start()]), f'<span class="{found.lastgroup}">{words}</span>']
        at = found.end()
    lines = "".join([*parts, escape(code[at:])]).splitlines()
    numbered = "\n".join(f'<span id="L-{number}"></span>{line}' for number, line in enumerate(lines, 1))
    return f'<div class="highlight"><pre>{numbered}</pre></div>'


def write_source_pages(site: Path) -> None:
    """Write a page for each file that the reference describes."""
    for folder in FOLDERS:
        for path in files_of(folder):
            page, name = site / page_of(path), path.relative_to(ROOT).as_posix()
            page.parent.mkdir(parents=True, exist_ok=True)
            code = colored(path.read_text(encoding="utf-8"))
            page.write_text(PAGE.format(
                name=escape(name), up="../" * (len(page.relative_to(site).parts) - 1), code=code,
                back=f"reference/{folder}.html#module-{module_of(path)}"), encoding="utf-8")
