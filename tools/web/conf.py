"""Sphinx's settings for the web site; `tools/site.py` makes the pages and calls Sphinx."""
from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("MPLBACKEND", "Agg")

import semdepth_lite  # noqa: E402
from tools.web.autolinks import linked, meant_in_prose  # noqa: E402
from tools.web.formulas import displayed, mathml  # noqa: E402
from tools.web.source_pages import source_of  # noqa: E402

project = "semdepth_lite"
version = release = semdepth_lite.__version__
html_title = project
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.linkcode"]

exclude_patterns = ["notebooks/originals"]
nb_execution_mode = "off"  # stored outputs are shown
nb_render_markdown_format = "myst"  # the default knows no tables
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline", "deflist"]
myst_heading_anchors = 4

linkcode_resolve = source_of
napoleon_custom_sections = [("Attributes", "params_style")]  # described once, in their class, as arguments are
napoleon_use_rtype = False  # what is returned is described by name and shape; the type stands in the signature
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_use_type_comments = False  # there are none, and looking for them takes time
add_module_names = False
toc_object_entries_show_parents = "hide"
# Docstrings are plain text with formulas in it, not markup. Anchors that are HTML are unknown to MyST;
# tests/tools/test_site.py follows every link.
suppress_warnings = ["docutils", "myst.xref_missing"]

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["fade.css", "site.css"]
html_js_files = [("sort.js", {"defer": "defer"}), ("strip.js", {"defer": "defer"}), ("page.js", {"defer": "defer"})]
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_show_sphinx = html_show_copyright = False
html_copy_source = False  # each lesson offers its notebook; other sources are of no use to a reader
html_use_index = html_domain_indices = False  # the reference lists every name once
html_math_renderer = "mathml"
# Text is at least 4.5 times as bright as its ground, in both themes.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# a picture, with what it stands in: a link, or the window of a strip of stills
PICTURE = re.compile(r'(?P<around><(?:a|div class="window")[^>]*>\s*)?'
                     r'(?P<image><img\b[^>]*?src="(?P<source>[^"]+)"[^>]*>)')


def notebook_of(docname: str) -> Path | None:
    """Return the notebook that a page is made from; None = it is made from something else."""
    path = ROOT / f"{docname}.ipynb"
    return path if path.is_file() else None


def address_of(home: str, app, docname: str) -> str | None:
    """Return the address of a full name in the reference, seen from a page; None = it does not stand there."""
    domain = app.env.domains.python_domain
    place = domain.objects.get(home) or domain.modules.get(home)
    return f"{app.builder.get_relative_uri(docname, place.docname)}#{place.node_id}" if place else None


class NameLinks(SphinxPostTransform):
    """Lead a name of the package that stands as code in a text to its place in the reference.

    In docstrings code stands between single backquotes, which docutils takes for the title of a work.
    """

    default_priority = 20

    def run(self, **_) -> None:
        """Link the names of one page."""
        page = notebook_of(self.env.docname)
        for code in [*self.document.findall(nodes.literal), *self.document.findall(nodes.title_reference)]:
            literal = code
            if isinstance(code, nodes.title_reference):
                literal = nodes.literal("", code.astext())
                code.replace_self(literal)
            home = meant_in_prose(literal.astext(), page)
            address = address_of(home, self.app, self.env.docname) if home else None
            if not address or self.inside_link(literal):
                continue
            link = nodes.reference("", "", internal=True, refuri=address)
            literal.replace_self(link)
            link += literal

    @staticmethod
    def inside_link(node: nodes.Node) -> bool:
        """Tell whether a node belongs to a link or a title."""
        while node.parent is not None:
            node = node.parent
            if isinstance(node, (nodes.reference, nodes.title)):
                return True
        return False


def inline_math(self, node) -> None:
    """Write a formula of a line as MathML."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block_math(self, node) -> None:
    """Write a displayed formula as MathML."""
    self.body.append(displayed(node.astext()))
    raise nodes.SkipNode


def plain_text(app, what, name, thing, options, lines) -> None:
    """Keep the bars of formulas in docstrings as they are, and code between Markdown's fences as code."""
    kept, inside = [], False
    for line in lines:
        if line.startswith("```"):
            inside = not inside
            kept += ["", "::", ""] if inside else [""]
        elif inside:
            kept.append(f"    {line}")
        else:
            kept.append(line if line.lstrip().startswith((":", "..", "*")) else line.replace("|", r"\|"))
    lines[:] = kept


def with_large_picture(picture: re.Match) -> str:
    """Let a picture wait until a reader comes near it, and lead to its file, which is larger than a phone."""
    image = picture["image"].replace("<img ", '<img loading="lazy" ')
    if picture["around"]:
        return picture["around"] + image
    return f'<a class="picture" title="Full size" href="{picture["source"]}">{image}</a>'


def mend_page(app, pagename, templatename, context, doctree) -> None:
    """Mend a page's pictures, link its code, and keep the menu's captions out of the outline of headings."""
    if notebook := notebook_of(pagename):
        context["body"] = linked(context["body"], notebook, lambda home: address_of(home, app, pagename))
    if "body" in context:
        context["body"] = PICTURE.sub(with_large_picture, context["body"])
    context["furo_navigation_tree"] = context["furo_navigation_tree"].replace(' role="heading"', "")


def setup(app) -> None:
    """Register what this file adds to Sphinx."""
    app.add_post_transform(NameLinks)
    app.connect("autodoc-process-docstring", plain_text, priority=900)  # after napoleon
    app.connect("html-page-context", mend_page, priority=900)  # after the theme
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
