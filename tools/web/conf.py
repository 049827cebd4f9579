"""Sphinx's settings for the web site; `tools/site.py` makes the pages and calls Sphinx."""
from __future__ import annotations

import os
import sys
from pathlib import Path

from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("MPLBACKEND", "Agg")

import semdepth_lite  # noqa: E402

project = "semdepth_lite"
version = release = semdepth_lite.__version__
html_title = project
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_codeautolink"]

exclude_patterns = ["notebooks/originals"]
nb_execution_mode = "off"  # stored outputs are shown
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 4
codeautolink_concat_default = True  # imports of earlier cells count in later ones
codeautolink_search_css_classes = ["highlight-ipython3"]

napoleon_use_ivar = True  # attributes are described once, in their class
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False
toc_object_entries_show_parents = "hide"
# Docstrings are plain text with formulas in it, not markup. The glossary's anchors are HTML, which MyST does not know;
# tests/tools/test_site.py follows every link.
suppress_warnings = ["docutils", "myst.xref_missing"]

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("sort.js", {"defer": "defer"})]
html_show_sphinx = False
html_copy_source = False
html_math_renderer = "mathml"
# Text is at least 4.5 times as bright as its ground, in both themes.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def inline_math(self, node) -> None:
    """Write a formula of a line as MathML, which browsers draw without a script or a network."""
    self.body.append(convert(node.astext(), display="inline"))
    raise self.skip


def block_math(self, node) -> None:
    """Write a displayed formula as MathML."""
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise self.skip


def plain_text(app, what, name, thing, options, lines) -> None:
    """Keep the bars and stars of formulas in docstrings as they are."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((":", "..", "*")):
            lines[number] = line.replace("|", r"\|")


def setup(app) -> None:
    """Register the renderer of formulas."""
    app.connect("autodoc-process-docstring", plain_text, priority=900)  # after napoleon
    from docutils.nodes import SkipNode

    def renderer(visit):
        def call(self, node) -> None:
            self.skip = SkipNode
            visit(self, node)
        return call

    app.add_html_math_renderer("mathml", (renderer(inline_math), None), (renderer(block_math), None))
