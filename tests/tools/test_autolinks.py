"""Links from the lessons to the reference: names of the package in the lesson's own namespace, and nothing else."""
from __future__ import annotations

import pytest

pytest.importorskip("nbformat", reason="the site needs the extra 'docs'")

from tools.web import lessons  # noqa: E402
from tools.web.autolinks import linked, meant, meant_in_prose  # noqa: E402

LESSON = next(path for path in lessons.lesson_files() if path.stem.startswith("02"))
WARP, CAMERA = "semdepth_lite.warp.warp", "semdepth_lite.camera"


@pytest.mark.parametrize("words, page, home", [
    ("warp", LESSON, WARP), ("warp", None, None), ("same", LESSON, None), ("start", LESSON, None),
    ("camera.backproject", LESSON, f"{CAMERA}.backproject"), ("ranking_loss()", None,
                                                              "semdepth_lite.borders.ranking.ranking_loss")])
def test_a_plain_word_is_a_name_only_where_it_is_imported(words, page, home):
    assert meant(words, page) == home


def test_a_module_s_plain_name_in_prose_is_a_word():
    assert meant("camera", LESSON) == CAMERA and meant_in_prose("camera", LESSON) is None


def code(*tokens: tuple[str, str]) -> str:
    """Code as Pygments writes it."""
    return '<div class="highlight"><pre>' + "".join(f'<span class="{kind}">{word}</span>' for kind, word in tokens)


@pytest.mark.parametrize("tokens, targets", [
    ([("n", "warp"), ("p", "(")], [WARP]),
    ([("n", "camera"), ("o", "."), ("n", "backproject"), ("p", "(")], [f"{CAMERA}.backproject"]),
    ([("nn", "semdepth_lite.camera")], [CAMERA]),
    ([("n", "same"), ("o", "="), ("n", "warp")], [WARP]),
    ([("n", "warp"), ("o", "="), ("n", "same"), ("p", ";"), ("n", "warp")], []),
    ([("k", "def "), ("nf", "mine"), ("p", "("), ("n", "camera"), ("p", "):"), ("k", "return "), ("n", "camera")], []),
    ([("n", "batch"), ("o", "."), ("n", "warp")], []),
    ([("n", "start")], []), ([("nn", "torch")], [])])
def test_code_is_linked_by_its_imports(tokens, targets):
    found = []
    linked(code(*tokens) + "</pre></div>", LESSON, lambda home: found.append(home) or "#")
    assert found == targets
