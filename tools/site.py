"""The course as a web site: `python tools/site.py --output FOLDER`, with the packages of the extra `docs`.

Nothing is executed: lessons are shown with their stored outputs. The pages are copies of what is in the repository
(lessons, docs/, README), beside a reference that Sphinx makes from the docstrings. The site asks no other host for
anything: formulas are MathML, pictures and scripts lie beside the pages.
"""
from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.pages import exercise_minutes, reading_minutes  # noqa: E402
from tools.web import glossary, lessons, reference, source_pages  # noqa: E402

PAGES = ("results", "speed", "commands", "examples", "extend", "differences", "provenance")


def toctree(caption: str, entries: Sequence[str], options: str = ":hidden:\n:maxdepth: 1\n") -> str:
    """Return a table of contents in MyST."""
    return f"\n```{{toctree}}\n:caption: {caption}\n{options}\n" + "\n".join(entries) + "\n```\n"


def title_of(path: Path) -> str:
    """Return the title of a Markdown page."""
    return path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")


def versions_line(versions: Sequence[str]) -> str:
    """Return the line that leads to the sites of released versions, which lie beside this one."""
    return "" if not versions else "Versions: " + ", ".join(
        f'<a href="{name}/index.html">{name}</a>' for name in versions) + ".\n\n"


def lessons_list(paths: Sequence[Path]) -> str:
    """Write the list of lessons, each with the minutes that it takes a person, and the hours of all."""
    lines, total = [], [0, 0]
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        reading, exercises = reading_minutes(notebook), exercise_minutes(notebook)
        total = [total[0] + reading, total[1] + exercises]
        more = f", {exercises} more for the exercises" if exercises else ""
        lines.append(f"- {path.stem[:2]} [](notebooks/{path.name}): {reading} minutes to read{more}")
    hours = [f"{minutes / 60:.0f} hours" for minutes in total]
    return "\n".join(lines) + f"\n\nAll together: about {hours[0]} to read and {hours[1]} for the exercises.\n"


def start_page(versions: Sequence[str] = ()) -> str:
    """Return the first page: the README's picture, first words and commands, and the contents of the site."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = readme.split("Python 3.10 or newer is needed.")[0]
    paths = lessons.lesson_files()
    pages = [f"docs/{name}" for name in PAGES]
    titles = {page: title_of(ROOT / f"{page}.md") for page in pages}
    contents = {
        "Lessons": [f"notebooks/{path.stem}" for path in paths],
        "Beside the lessons": ["notebooks/glossary", "notebooks/for_instructors", "notebooks/solutions/index"],
        "Results and use": pages,
        "Reference": ["reference/index", *(f"reference/{name}" for name in reference.FOLDERS)],
        "Project": ["CONTRIBUTING", "CHANGELOG"],
    }
    return (f"{start}{versions_line(versions)}## Read\n\n{lessons_list(paths)}\nBeside them: the "
            "[glossary](notebooks/glossary.md), the [solutions](notebooks/solutions/index.md) and a page "
            "[for instructors](notebooks/for_instructors.md).\n\n"
            "## Look up\n\nThe [reference](reference/index.md) lists every function and class. Pages: "
            + ", ".join(f"[{title}]({page}.md)" for page, title in titles.items()) + ".\n"
            + "".join(toctree(caption, entries) for caption, entries in contents.items()))


def write_sources(source: Path, pictures: Path, repository: str = "", versions: Sequence[str] = ()) -> None:
    """Fill a folder with the pages that Sphinx reads, and another with the pictures of the lessons."""
    lessons.write_lessons(source, pictures, repository)
    copies = {path.stem: (source / "notebooks" / path.name).read_text(encoding="utf-8")
              for path in lessons.lesson_files()}
    (source / "notebooks" / "glossary.md").write_text(glossary.page(copies), encoding="utf-8")
    for name in ("docs", "figures"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("results", "explorers"))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copyfile(ROOT / name, source / name)
    (source / "index.md").write_text(start_page(versions), encoding="utf-8")
    solutions = [path.stem for path in sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))]
    listed = "# Solutions\n\nThe lessons with their exercises solved.\n" + toctree("Solutions", solutions, "")
    (source / "notebooks" / "solutions" / "index.md").write_text(listed, encoding="utf-8")
    (source / "reference").mkdir()
    (source / "reference" / "index.md").write_text(reference.index(), encoding="utf-8")
    for folder in reference.FOLDERS:
        (source / "reference" / f"{folder}.md").write_text(reference.page(folder), encoding="utf-8")


def build(output: Path, repository: str = "", versions: Sequence[str] = ()) -> None:
    """Build the site; a warning of Sphinx is an error.

    Args:
        output: New or empty folder.
        repository: OWNER/NAME of the public repository, for the badges.
        versions: Names of the versions whose sites lie beside this one.

    Raises:
        SystemExit: If the folder holds something, or Sphinx finds something to mend.
    """
    from sphinx.cmd.build import build_main

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise SystemExit(f"{output} is not empty; name a new folder.")
    with tempfile.TemporaryDirectory() as work:
        source, pictures = Path(work) / "source", Path(work) / "pictures"
        source.mkdir()
        shutil.copytree(lessons.STRIPS, pictures, ignore=shutil.ignore_patterns("*.json"))
        write_sources(source, pictures, repository, versions)
        settings = str(ROOT / "tools" / "web")
        status = build_main(["-q", "-W", "--keep-going", "-j", "2", "-b", "html", "-d", str(Path(work) / "trees"),
                             "-c", settings, str(source), str(output)])
        shutil.copytree(pictures, output / "_static" / "pictures")
        source_pages.write_source_pages(output)
    if status:
        raise SystemExit(f"Sphinx found something to mend; {output} is incomplete.")


def owner_and_name(text: str) -> str:
    """Read OWNER/NAME of a repository from the command line."""
    if text and not re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form OWNER/NAME")
    return text


def main() -> None:
    """Build the site in the folder that the command line names."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, required=True, help="new folder for the site")
    parser.add_argument("--repository", type=owner_and_name, default="", metavar="OWNER/NAME",
                        help="public repository that the badges of the lessons lead to; without it there are none")
    parser.add_argument("--versions", nargs="*", default=[], metavar="TAG",
                        help="released versions whose sites lie beside this one, in folders of their names")
    arguments = parser.parse_args()
    build(arguments.output, arguments.repository, arguments.versions)


if __name__ == "__main__":
    sys.exit(main())
