"""The text of an answer, which later lessons and instructors run: it brings along what it needs of its notebook."""
from __future__ import annotations

import linecache
from types import SimpleNamespace

import torch
from torch import abs as absolute

from semdepth_lite.course import checks
from semdepth_lite.course.checks.source import lost_by, text_of

FACTOR = 2


def helper(x):
    """What the answer below uses."""
    return FACTOR * absolute(x) if len(x) else helper(x)


def my_answer(x):
    """An answer that needs a helper, a constant, a module and a function of another file."""
    return torch.stack([helper(part) for part in x])


def test_the_text_of_an_answer_brings_its_helpers_constants_and_imports():
    text, names = text_of(my_answer), {}
    exec(text, names)
    assert torch.equal(names["my_answer"](-torch.ones(2, 3)), 2 * torch.ones(2, 3))
    assert text.count("def helper") == 1 and text_of(len) == "" and not lost_by(my_answer)


CELL = """
from torch import nn
class Wide(nn.Module):
    pass
pool, rims = nn.AvgPool2d(3, 1), nn.ReflectionPad2d(1)
for edge in (rims,):
    pass
weights, image = [0.85, 0.15], torch.zeros(3)
half = lambda x: x / 2
third = lambda x: x / 3
thrice = third
def my_answer(x):
    return sum(weights) * half(third(pool(rims(x)).image)), thrice, Wide
def with_edge(x):
    return edge(x)
"""


def test_the_text_of_an_answer_brings_lists_lambdas_and_lines_of_other_cells(monkeypatch):
    linecache.cache["<cell>"] = (len(CELL), None, CELL.splitlines(True), "<cell>")
    names, alone = {"torch": torch, "__name__": "__main__"}, {}
    exec(compile(CELL, "<cell>", "exec"), names)
    assert lost_by(names["my_answer"]) == ["pool", "rims", "Wide"], "an attribute's name is nobody's"
    shell = SimpleNamespace(history_manager=SimpleNamespace(input_hist_parsed=["1 +", CELL, "print(rims)"]))
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    assert not lost_by(names["my_answer"]) and lost_by(names["with_edge"]) == ["edge"]
    exec(text_of(names["my_answer"]), alone)
    assert alone["half"](1.0) == 0.5 and alone["thrice"](3.0) == 1.0
    assert alone["rims"](torch.ones(1, 2, 2)).shape == (1, 4, 4)


def test_an_answer_that_cannot_be_kept_hears_why():
    reference, mark = checks.EXERCISES["abs_rel"].reference, object()
    code = "def my_abs_rel(pred, gt, mask):\n    return reference(pred, gt, mask) * (mark is not None)\n"
    linecache.cache["<cell>"] = (len(code), None, code.splitlines(True), "<cell>")
    names = {"reference": reference, "mark": mark}
    exec(compile(code, "<cell>", "exec"), names)
    verdict = checks.abs_rel(names["my_abs_rel"])
    assert verdict.passed and "be kept for later lessons, because it needs `mark` of this notebook" in verdict.text
