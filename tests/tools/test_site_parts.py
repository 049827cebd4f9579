"""What the web site is put together from: badges, links to the glossary, strips of stills, words, the workflow."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import escape
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_output

from semdepth_lite.course import folds
from semdepth_lite.course.glossary import TERMS
from tools.web import glossary, lessons, live, names

ROOT = Path(__file__).resolve().parents[2]


def test_a_lesson_has_badges_only_where_there_is_an_address():
    path = lessons.lesson_files()[0]
    assert "http" not in lessons.place_of(path)
    line = lessons.place_of(path, "someone/something")
    assert f"https://colab.research.google.com/github/someone/something/blob/main/notebooks/{path.name}" in line
    assert f"https://mybinder.org/v2/gh/someone/something/main?labpath=notebooks/{path.name}" in line
    assert 'pip install "semdepth-lite[course] @ git+https://github.com/someone/something"' in line


@pytest.mark.parametrize("text, linked", [
    ("the ranking loss and `ranking loss`", 'the <a class="term" id="use-term-ranking-loss" '
     'href="glossary.html#term-ranking-loss">ranking loss</a> and `ranking loss`'),
    ("# Ranking loss\n\n`ranking loss` [ranking loss](x.md) $ranking loss$", None),
    ("no rankings", None)])
def test_the_first_plain_use_of_a_term_is_linked(text, linked):
    term = next(term for term in TERMS if term.name == "ranking loss")
    assert glossary.linked(text, term) == (linked or text)


def test_names_are_known_by_every_way_to_write_them():
    home = "semdepth_lite.borders.ranking.ranking_loss"
    assert {names.known_names()[name] for name in ("ranking_loss", "borders.ranking_loss", home)} == {home}


def test_every_explorer_of_the_lessons_has_a_strip_of_stills():
    from PIL import Image

    strips = json.loads((lessons.STRIPS / "strips.json").read_text(encoding="utf-8"))
    shown = {kind for path in lessons.lesson_files() for cell in nbformat.read(path, as_version=4).cells
             for kind in lessons.SHOWN.findall(cell.source)}
    assert shown == set(strips)
    for kind, words in strips.items():
        count = len(words["values"])
        with Image.open(lessons.STRIPS / f"{kind}.webp") as strip:
            assert strip.size == (words["width"], count * words["height"])
        assert count == len(words["sentences"]) == len(set(words["sentences"])) > 2 and 0 <= words["start"] < count
        assert words["title"] == getattr(import_module("semdepth_lite.course.explorers"), kind).title


@pytest.mark.slow
def test_a_strip_shows_what_its_explorer_says():
    from semdepth_lite.course.explorers import WarpExplorer
    from tools import strips

    words = json.loads(strips.WORDS.read_text(encoding="utf-8"))["WarpExplorer"]
    explorer = WarpExplorer(strips.street())
    explorer.set(yaw=strips.stops(explorer, "yaw")[-1])
    assert words["left_out"] == strips.left_out(explorer, "yaw")
    stored = float(re.search(r"error ([\d.]+)", words["sentences"][-1])[1])
    assert stored == pytest.approx(explorer.numbers["error"], rel=0.02)


@pytest.mark.slow
def test_the_workflow_puts_main_at_the_top_and_each_version_beside_it(tmp_path):
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8"))["jobs"]
    script = next(step["run"] for step in jobs["build"]["steps"] if step.get("name") == "build main and all versions")
    fake = "import sys, pathlib\np = pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\np.mkdir(parents=True)\n" \
           "(p / 'index.html').write_text(' '.join(sys.argv[1:]))\n"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    repository = tmp_path / "repository"
    (repository / "tools").mkdir(parents=True)
    commands = [["git", "init", "-q", "-b", "main"], [*git, "commit", "-q", "--allow-empty", "-m", "no site yet"],
                ["git", "tag", "v0.0.1"], ["git", "add", "tools"], [*git, "commit", "-q", "-m", "site"],
                ["git", "tag", "v0.1.0"]]
    for command in commands:
        (repository / "tools" / "site.py").write_text(fake, encoding="utf-8")
        subprocess.run(command, cwd=repository, check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "bin" / "pip").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "bin" / "pip").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "GITHUB_REPOSITORY": "some/thing"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=repository, env=environment, check=True)
    built = {path.parent.name: path.read_text() for path in (repository / "public").rglob("index.html")}
    assert set(built) == {"public", "v0.1.0"}
    assert "--repository some/thing" in built["public"] and "--versions v0.1.0" in built["public"]


def test_a_strip_names_the_controls_that_it_lacks():
    notes = {kind: lessons.note_on(words["label"], words["left_out"]) for kind, words in lessons.strips().items()}
    assert "in JupyterLab the slider stops anywhere" in notes["GhostExplorer"]
    assert "“pixel”; tasks that name others (column u; row v; a click on the picture)" in notes["AttentionExplorer"]
    for kind, note in notes.items():
        assert lessons.strip(kind).index(escape(note)) < lessons.strip(kind).index('class="window"')


def test_lessons_are_called_by_their_titles():
    path = lessons.lesson_files()[1]
    title = lessons.title_of(path.stem)
    text = f"[`{path.stem}`]({path.name}) and [{path.stem}]({path.name}), but [the museum](08_failure_museum.ipynb)"
    assert lessons.with_titles(text) == (f"[01 {title}]({path.name}) and [01 {title}]({path.name}), "
                                         "but [the museum](08_failure_museum.ipynb)")
    assert title == "The street and the camera"


def test_what_only_a_reader_at_the_keyboard_can_be_shown_is_replaced():
    printed = live.without_live_words(new_output("stream", text=f"u = 1\n{live.NOT_PREDICTED}59.5 pixels."))
    assert printed.text == f"u = 1\n{live.OUTCOME}59.5 pixels."
    html = folds.folded(f"<pre>{live.NOT_PREDICTED}2.</pre>", folds.SUMMARY)
    fold = live.without_live_words(new_output("display_data", {"text/html": html}))
    assert fold.data["text/html"] == html.replace(live.NOT_PREDICTED, live.OUTCOME) != html
    verdict = new_output("execute_result", {"text/plain": "NOT YET  checks.warp: the function returns nothing yet."})
    assert "<code>checks.warp</code> judges" in live.without_live_words(verdict).data["text/html"]
    passed = new_output("execute_result", {"text/plain": "OK  checks.warp: right."})
    assert live.without_live_words(passed) is passed
