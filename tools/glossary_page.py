"""Write notebooks/glossary.md from the glossary."""
from __future__ import annotations

from pathlib import Path

from semdepth_lite.common.storage import write_atomically
from semdepth_lite.course.glossary import PAPERS, TERMS, papers_of
from semdepth_lite.experiments.results import ROOT
from tools import parser

PAGE = ROOT / "notebooks" / "glossary.md"
HEAD = """# Glossary and bibliography

Made by `python -m tools.glossary_page`; change `semdepth_lite/course/glossary.py`, not this page. The last two
columns say which function implements the term (`help(semdepth_lite. ...)` explains it) and where it comes from.
"""


def page() -> str:
    """Return the page: the terms in alphabetical order, then the papers."""
    lines = [HEAD, "## Terms\n", "| term | what it is | symbol | in the package | source |",
             "| --- | --- | --- | --- | --- |"]
    for term in sorted(TERMS, key=lambda term: term.name.lower()):
        source = term.source
        for key in papers_of(term):
            source = source.replace(key, f"[{key}](#{key})")
        symbol = term.symbol.replace("|", "&#124;")
        lines.append(f"| **{term.name}** | {term.says} | {symbol} | `{term.function}` | {source} |")
    lines += ["\n## Papers\n"]
    lines += [f'- <a id="{key}"></a>**{key}**: {words}' for key, words in sorted(PAPERS.items())]
    return "\n".join(lines) + "\n"


def write_page(path: Path = PAGE) -> None:
    """Write the page."""
    write_atomically(path, lambda temporary: temporary.write_text(page(), encoding="utf-8"))


if __name__ == "__main__":
    parser(__doc__).parse_args()
    write_page()
