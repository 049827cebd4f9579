"""The course as a web site: `python tools/site.py --output FOLDER`, with the packages of the extra `docs`.

Nothing is executed: lessons are shown with their stored outputs. The pages are copies of what is in the repository
(lessons, docs/, README), beside a reference that Sphinx makes from the docstrings. The site asks no other host for
anything: formulas are MathML, pictures and scripts lie beside the pages.
"""
from __future__ import annotations

import argparse
import base64
import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "semdepth_lite"
REPOSITORY = ""  # address of the public repository, such as OWNER/NAME; badges appear when there is one
PAGES = ("results", "speed", "commands", "examples", "differences", "provenance", "extend")
FOLDERS = {
    "method": "The method", "semantics": "Semantics", "borders": "Borders", "street": "The street", "data": "Data",
    "metrics": "Metrics", "training": "Training", "evaluation": "Evaluation", "experiments": "Experiments",
    "figures": "Figures", "course": "The course", "common": "What all files share", "commands": "Command line",
}
EMBEDDED = re.compile(r'<img\b([^>]*?)src="data:image/png;base64,([^"]+)"')


def lesson_files() -> list[Path]:
    """List the lessons in their order."""
    return sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def place_of(number: int, path: Path) -> str:
    """Return the line under a lesson's title: its place in the sequence, and how to get or run it."""
    line = f"*Lesson {number} of {len(lesson_files())}.* {{download}}`Download this notebook <originals/{path.name}>`."
    if REPOSITORY:
        place = f"{REPOSITORY}/blob/main/notebooks/{path.name}"
        line += f" [Open in Colab](https://colab.research.google.com/github/{place})."
        line += f" [Open in Binder](https://mybinder.org/v2/gh/{REPOSITORY}/main?labpath=notebooks/{path.name})."
    return line


def copy_lessons(source: Path) -> None:
    """Copy lessons, solutions and the pages beside them, each lesson with its place in the sequence."""
    shutil.copytree(ROOT / "notebooks", source / "notebooks", ignore=shutil.ignore_patterns(".*", "runs", "cache"))
    (source / "notebooks" / "originals").mkdir()
    for number, path in enumerate(lesson_files(), 1):
        notebook = nbformat.read(path, as_version=4)
        title, newline, rest = notebook.cells[0].source.partition("\n")
        notebook.cells[0].source = f"{title}\n\n{place_of(number, path)}\n{newline}{rest}"
        nbformat.write(notebook, source / "notebooks" / path.name)
        shutil.copyfile(path, source / "notebooks" / "originals" / path.name)


def start_page() -> str:
    """Return the first page: the README up to the lessons, and the contents of the site."""
    start = (ROOT / "README.md").read_text(encoding="utf-8").split("## Read the lessons")[0]
    contents = {
        "Lessons": [f"notebooks/{path.stem}" for path in lesson_files()],
        "Beside the lessons": ["notebooks/glossary", "notebooks/for_instructors", "notebooks/solutions/index"],
        "Results and use": [f"docs/{name}" for name in PAGES if (ROOT / "docs" / f"{name}.md").is_file()],
        "Reference": [f"reference/{name}" for name in FOLDERS],
        "Project": ["CONTRIBUTING", "CHANGELOG"],
    }
    return start + "".join(toctree(caption, entries) for caption, entries in contents.items())


def toctree(caption: str, entries: list[str], options: str = ":hidden:\n:maxdepth: 1\n") -> str:
    """Return a table of contents in MyST."""
    return f"\n```{{toctree}}\n:caption: {caption}\n{options}\n" + "\n".join(entries) + "\n```\n"


def modules_of(folder: str) -> list[str]:
    """List the modules that a page of the reference describes; `method` stands for the files at the root."""
    paths = PACKAGE.glob("[!_]*.py") if folder == "method" else (PACKAGE / folder).rglob("*.py")
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths)


def reference_page(folder: str) -> str:
    """Return a page of the reference: each module with its public names, once."""
    parts = [f"# {FOLDERS[folder]}\n"]
    for module in modules_of(folder):
        name = module.removeprefix("semdepth_lite.")
        parts.append(f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n   :ignore-module-all:\n"
                     "```\n")
    return "\n".join(parts)


def write_sources(source: Path) -> None:
    """Fill a folder with the pages that Sphinx reads."""
    copy_lessons(source)
    for name in ("docs", "figures"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("results"))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copyfile(ROOT / name, source / name)
    (source / "index.md").write_text(start_page(), encoding="utf-8")
    solutions = [path.stem for path in sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))]
    listed = "# Solutions\n\nThe lessons with their exercises solved.\n" + toctree("Solutions", solutions, "")
    (source / "notebooks" / "solutions" / "index.md").write_text(listed, encoding="utf-8")
    (source / "reference").mkdir()
    for folder in FOLDERS:
        (source / "reference" / f"{folder}.md").write_text(reference_page(folder), encoding="utf-8")


def unpack_pictures(page: Path, site: Path) -> None:
    """Write the pictures inside a page beside it, so that the page is light and they load when they are scrolled to."""
    def write(found: re.Match) -> str:
        data = base64.b64decode(re.sub(r"\s", "", found[2]))
        name = hashlib.sha256(data).hexdigest()[:16] + ".png"
        (site / "_images").mkdir(exist_ok=True)
        (site / "_images" / name).write_bytes(data)
        up = "../" * (len(page.relative_to(site).parts) - 1)
        return f'<img loading="lazy"{found[1]}src="{up}_images/{name}"'

    text = page.read_text(encoding="utf-8")
    page.write_text(EMBEDDED.sub(write, text), encoding="utf-8")


def build(output: Path) -> None:
    """Build the site; a warning of Sphinx is an error.

    Args:
        output: New or empty folder.

    Raises:
        SystemExit: If the folder holds something, or Sphinx finds something to mend.
    """
    from sphinx.cmd.build import build_main

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise SystemExit(f"{output} is not empty; name a new folder.")
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "source"
        source.mkdir()
        write_sources(source)
        settings = str(ROOT / "tools" / "web")
        status = build_main(["-q", "-W", "--keep-going", "-b", "html", "-d", str(Path(work) / "trees"), "-c", settings,
                             str(source), str(output)])
    if status:
        raise SystemExit(f"Sphinx found something to mend; {output} is incomplete.")
    for page in output.rglob("*.html"):
        unpack_pictures(page, output)


def main() -> None:
    """Build the site in the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="new folder for the site")
    build(parser.parse_args().output)


if __name__ == "__main__":
    sys.exit(main())
