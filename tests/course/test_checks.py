"""The exercises: stubs fail politely, solutions pass, and every known wrong answer is named with its own sentence."""
from __future__ import annotations

import json
import linecache
import re
from importlib import import_module

import pytest
import torch

from semdepth_lite import camera, losses
from semdepth_lite.borders import RankingSettings, ranking_loss, sample_pairs
from semdepth_lite.classes import TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import checks
from semdepth_lite.course.checks import record
from semdepth_lite.course.checks.ranking import ranking_case
from semdepth_lite.labels import label_borders
from semdepth_lite.semantics import semantic_loss

EXERCISES = list(checks.EXERCISES.values())
# Pairs of faults in `mended_step` are many, and each takes steps of training; the single faults are the fast tests.
MISTAKES = [pytest.param(exercise, mistake, marks=[pytest.mark.slow] if re.match("left: .*,", mistake.name) else [])
            for exercise in EXERCISES for mistake in exercise.mistakes]
SEEDS = (3, 20, 1001)
MISTAKE_SEEDS = SEEDS[1:]
TRAINED = ("training_step", "mended_step")  # many mistakes, and each trains: one input is enough


def named(value):
    """A readable test id."""
    return value.name.replace(" ", "-") if hasattr(value, "name") else None


def written(exercise, code: str):
    """The function that a piece of notebook code defines."""
    names = {"torch": torch, "camera": camera}
    exec(code, names)
    return names[exercise.answer]


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    """Each test starts with nothing solved."""
    monkeypatch.setattr(record, "_session", {})


@pytest.mark.slow
@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_solutions_pass(exercise):
    for seed in SEEDS:
        verdict = getattr(checks, exercise.name)(written(exercise, exercise.solution), seed=seed)
        assert verdict.passed, verdict
    assert repr(verdict).startswith(f"OK  checks.{exercise.name}: right on")
    assert "\n" not in repr(verdict)


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_stubs_fail_politely(exercise):
    def unwritten(*args):
        raise NotImplementedError

    for answer in (written(exercise, exercise.stub), unwritten):
        verdict = checks.check(exercise, answer)
        assert verdict.outcome == "open" and verdict.mistake is None
        assert repr(verdict).startswith("NOT YET") and "hint" in verdict.text


def in_a_cell(exercise, code: str):
    """The function that code defines in a notebook, where its text is kept."""
    linecache.cache["<cell>"] = (len(code), None, code.splitlines(True), "<cell>")
    names = {"torch": torch, "camera": camera}
    exec(compile(code, "<cell>", "exec"), names)
    return names[exercise.answer]


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_a_forgotten_return_is_no_empty_body(exercise):
    head = next(line for line in exercise.stub.splitlines() if line.startswith("def "))
    for body in ("...", "pass", "return", '"""Do it."""', '"""Do it."""\n    raise NotImplementedError("later")'):
        assert checks.check(exercise, in_a_cell(exercise, f"{head}\n    {body}\n"), 3).outcome == "open"
    assert checks.check(exercise, in_a_cell(exercise, exercise.stub), 3).outcome == "open"
    for body in ("found = 2 * 3", "found = 2 * 3\n    [found]", "str(2 * 3)"):
        verdict = checks.check(exercise, in_a_cell(exercise, f"{head}\n    {body}\n"), 3)
        assert (verdict.outcome, verdict.mistake) == ("wrong", "no return") and "`return` is missing" in verdict.text
    later = checks.check(exercise, in_a_cell(exercise, f"{head}\n    found = 6\n    raise NotImplementedError\n"), 3)
    assert later.outcome == "open"


@pytest.mark.slow
@pytest.mark.parametrize("exercise, mistake", MISTAKES, ids=named)
def test_known_wrong_answers_are_named(exercise, mistake):
    seeds = MISTAKE_SEEDS[:1] if exercise.name in TRAINED else MISTAKE_SEEDS
    for seed, wrong in [*((seed, mistake.wrong) for seed in seeds), *((seeds[0], wrong) for wrong in mistake.also)]:
        verdict = checks.check(exercise, wrong, seed)
        assert not verdict.passed
        assert (verdict.mistake, verdict.text) == (mistake.name, mistake.says), verdict
        assert repr(verdict).startswith("LOOK AGAIN")


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_sentences_differ_and_keep_the_answer_to_themselves(exercise):
    assert len(exercise.mistakes) >= 5
    for field in ("name", "says"):
        values = [getattr(mistake, field) for mistake in exercise.mistakes]
        assert len(set(values)) == len(values)
    for mistake in exercise.mistakes:
        assert mistake.says.endswith((".", "?")) and mistake.says.count(". ") == 0, "one sentence"
        for line in exercise.solution.splitlines()[1:]:
            assert len(line.strip()) < 12 or line.strip() not in mistake.says


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_words_and_numbers(exercise):
    assert 1 <= exercise.difficulty <= 3 and 3 <= exercise.minutes <= 20
    assert re.match(r"^[A-Z][^.]+$", exercise.title)
    assert len(exercise.statement) > 100 and len(exercise.hint) > 50
    assert exercise.statement[-1] in ".)" and exercise.hint[-1] in ".?*)"
    for code in (exercise.stub, exercise.solution):
        assert f"def {exercise.answer}(" in code
        assert all(len(line) <= 120 for line in code.splitlines())
    assert re.search(r"def .+", exercise.stub)[0] == re.search(r"def .+", exercise.solution)[0]


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_the_taught_function_exists(exercise):
    *path, name = exercise.teaches.split(".")
    home = import_module(f"semdepth_lite.{path[0]}")
    for part in [*path[1:], name]:
        home = getattr(home, part)
    assert callable(home) and home.__doc__


def test_inputs_vary_with_the_seed_and_leave_the_reader_s_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    seen = [checks.check(checks.EXERCISES["abs_rel"], lambda pred, gt, mask: None) for _ in range(4)]
    assert torch.equal(torch.get_rng_state(), before)
    assert len({verdict.seed for verdict in seen}) > 1
    inputs = []
    for seed in (1, 1, 2):
        checks.abs_rel(lambda pred, gt, mask: inputs.append(pred), seed=seed)
    assert torch.equal(inputs[0], inputs[3]) and not torch.equal(inputs[0], inputs[6])


def test_correlations_are_those_of_the_attention_block():
    exercise = checks.EXERCISES["correlations"]
    for case in exercise.cases():
        torch.testing.assert_close(exercise.reference(*case.args), case.expected)


def test_ranking_cases_are_those_of_the_package_s_loss():
    labels = torch.full((1, 24, 48), TRAIN_ID["building"])
    labels[:, 8:20, 14:30] = TRAIN_ID["car"]
    depth = 5 + torch.rand(1, 1, 24, 48)
    settings = RankingSettings(variable="depth", floor=0.0, cap=0.0, certainty="none")
    pairs = sample_pairs(labels, settings, torch.Generator().manual_seed(0))
    counted = pairs.push | pairs.pull
    assert pairs.push.any() and pairs.pull.any()
    ends = [depth.flatten(1).gather(1, points)[counted] for points in (pairs.first, pairs.second)]
    expected = (ranking_case(*ends, pairs.pull[counted]) * pairs.share[counted]).sum()
    torch.testing.assert_close(ranking_loss(depth, labels, torch.Generator().manual_seed(0), settings), expected)


@pytest.mark.parametrize("answer, says", [
    (camera.intrinsics(1, 1, 0, 0), "pass the function itself, my_backproject"),
    (lambda depth: depth, "raised TypeError"),
    (lambda depth, K: depth / 0 * torch.zeros(3, 1, 1), "holds nan"),
    (lambda depth, K: depth[:, 0], "has shape"),
    (lambda depth, K: "seven", "returns str"),
    (lambda depth, K: 2.5 * camera.backproject(depth, K), "2.5 times"),
    (lambda depth, K: camera.backproject(depth, K).sin(), "no mistake that the check knows"),
    (lambda depth, K: camera.backproject(depth, K) if len(depth) == 1 else None, "path without a return"),
    (lambda depth, K: camera.backproject(depth.add_(0.0).mul_(1.0).add_(1), K), "in place"),
    (lambda depth, K: camera.backproject(depth, K).detach(), "no gradient comes back"),
    (lambda depth, K: torch.tensor(camera.backproject(depth, K).numpy()), "could not learn through this: .item(), "),
    (lambda depth, K: refuse_gradients(depth) or camera.backproject(depth, K), "your function raised ValueError: no"),
    (lambda depth, K: list(camera.backproject(depth, K)), "returns a list of 1 values; return one tensor"),
    (camera.backproject, "this is semdepth_lite.camera.backproject itself"),
    (lambda depth, K: camera.backproject(depth, K) + depth.detach() - depth, "the gradient is another"),
])
def test_other_wrong_answers_get_a_useful_word(answer, says):
    verdict = checks.backproject(answer)
    assert verdict.outcome == "wrong" and says in verdict.text, verdict


def refuse_gradients(depth):
    """Raise where a gradient is asked for."""
    if depth.requires_grad:
        raise ValueError("no gradient today.")


@pytest.mark.parametrize("check, answer, says", [
    (checks.label_borders, lambda labels: label_borders(labels) | (labels == 0), "places too many and leaves out 0 of"),
    (checks.smoothness, lambda disp, image: 3 * losses.smoothness_loss(disp, image), "every value is 3 times"),
    (checks.smoothness, lambda disp, image: losses.smoothness_loss(disp.sin(), image),
     "no mistake that the check knows"),
    (checks.label_borders, lambda labels: label_borders(labels).float(), "asked for, and yours is float32"),
    (checks.semantic_loss, lambda logits, labels: 0.0 if bool((labels == 255).all()) else semantic_loss(logits, labels),
     "for a batch in which no pixel has a label nothing comes back that can be differentiated"),
    (checks.median_scale, lambda pred, gt, mask: [1.0] * len(pred), "returns a list of 2 values"),
])
def test_masks_factors_and_lists_are_kept_apart(check, answer, says):
    assert says in check(answer, seed=3).text


def test_a_verdict_is_shown_with_a_mark_and_the_progress():
    verdict = checks.rmse_log(lambda pred, gt, mask: "<b>", seed=3)
    page = verdict._repr_html_()
    assert "LOOK AGAIN</b>" in page and "&lt;b&gt;" not in verdict.text and 'role="status"' in page
    count = len(checks.names("07"))
    assert f"0 of {count} exercises of this lesson passed." in page
    checks.rmse_log(checks.EXERCISES["rmse_log"].mistakes[0].wrong)
    solve("abs_rel")
    assert f"1 of {count}" in checks.rmse_log(lambda pred, gt, mask: None)._repr_html_()


def test_an_exercise_of_one_s_own_is_checked_as_the_module_s_words_promise():
    words = checks.__doc__.split("that it names.\n\n")[1]
    names = {"checks": checks, "torch": torch}
    exec("\n".join(line[4:] for line in words.splitlines()[:-1]) + "\n", {**names, "my_double": lambda x: x * x}, names)
    assert checks.check(names["double"], lambda x: x * x).text == "you squared."
    assert checks.check(names["double"], lambda x: x + x).passed


def test_help_of_a_check_is_its_statement():
    for name in checks.names():
        check = getattr(checks, name)
        assert check.__doc__ == checks.EXERCISES[name].statement and check.__name__ == name


def test_an_answer_that_fails_on_a_special_input_learns_which():
    def fragile(pred, gt, mask):
        found = checks.EXERCISES["abs_rel"].reference(pred, gt, mask)
        return torch.where(found.isnan(), 7.0, found)

    verdict = checks.abs_rel(fragile, seed=4)
    assert "right on 2 of 3 inputs, but not for an image without a single true depth" in verdict.text


def test_unknown_checks_are_refused():
    with pytest.raises(AttributeError, match="no check 'backprojekt'; there are backproject, "):
        checks.backprojekt  # noqa: B018
    assert set(checks.EXERCISES) <= set(dir(checks))


def test_each_lesson_has_exercises():
    for lesson in ("01", "02", "03", "04", "05", "06"):
        assert len(checks.of_lesson(lesson)) >= 3
    assert checks.names("03") == ["minimum_over_sources", "automask", "smoothness", "ssim", "photometric",
                                  "painted_trap"]


# Reports

def solve(name: str) -> None:
    exercise = checks.EXERCISES[name]
    checks.check(exercise, exercise.mistakes[0].wrong)
    checks.check(exercise, written(exercise, exercise.solution))


def test_report_is_signed_and_adds_up(tmp_path, monkeypatch):
    path = tmp_path / "checks.json"
    solve("abs_rel")
    checks.automask(lambda *args: None)  # a stub is no try
    assert checks.report(path, "Ada") == f"1 of 1 tried exercises passed, written to {path}"
    assert checks.report(path, "Ada").startswith("1 of 1")
    assert checks.read_report(path)["checks"]["abs_rel"]["tries"] == 2
    monkeypatch.setattr(record, "_session", {})  # another kernel
    checks.check(checks.EXERCISES["visible"], checks.EXERCISES["visible"].mistakes[0].wrong)
    assert checks.report(path, "Ada").startswith("1 of 2")
    rows = checks.read_report(path)["checks"]
    assert rows["abs_rel"] == {"passed": True, "tries": 2, "mistakes": ["relative to the prediction"],
                               "passed_at": rows["abs_rel"]["passed_at"], "answer": rows["abs_rel"]["answer"]}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+00:00", rows["abs_rel"]["passed_at"])
    assert rows["visible"]["passed"] is False and rows["visible"]["mistakes"] == ["mask upside down"]
    assert list(tmp_path.iterdir()) == [path]


def test_report_keeps_the_text_of_the_answer(tmp_path):
    def my_rmse_log(pred, gt, mask):
        return checks.EXERCISES["rmse_log"].reference(pred, gt, mask)

    checks.rmse_log(my_rmse_log)
    checks.report(tmp_path / "checks.json", "Ada")
    assert "def my_rmse_log" in checks.read_report(tmp_path / "checks.json")["checks"]["rmse_log"]["answer"]


def test_edited_and_foreign_reports_are_refused(tmp_path):
    path = tmp_path / "checks.json"
    solve("abs_rel")
    checks.report(path, "Ada")
    with pytest.raises(InputError, match="the report of 'Ada', not of 'Bob'"):
        checks.report(path, "Bob")
    with pytest.raises(InputError, match="name is empty"):
        checks.report(path, " ")
    value = json.loads(path.read_text())
    value["checks"]["abs_rel"]["tries"] = 1
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="was changed after"):
        checks.read_report(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="is no report"):
        checks.read_report(path)


def test_a_class_is_collected_whatever_is_handed_in(tmp_path, monkeypatch):
    solve("abs_rel")
    checks.report(tmp_path / "b.json", "Bob")
    monkeypatch.setattr(record, "_session", {})  # another kernel
    solve("abs_rel")
    checks.check(checks.EXERCISES["visible"], checks.EXERCISES["visible"].mistakes[0].wrong)
    checks.report(tmp_path / "a.json", "Ada")
    (tmp_path / "c.json").write_text("{")
    lines = checks.collect(tmp_path.glob("*.json")).splitlines()
    assert lines[0] == "| name | passed of 2 | visible | abs_rel | mistakes met |"
    assert lines[2:4] == ["| Ada | 1 | - 1 | + 2 | abs_rel: relative to the prediction; visible: mask upside down |",
                          "| Bob | 1 |  | + 2 | abs_rel: relative to the prediction |"]
    assert lines[4].startswith("| c.json | 0 |  |  | ") and "cannot be read" in lines[4]


def test_a_class_is_held_against_what_was_set_and_written_as_csv(tmp_path):
    solve("abs_rel")
    checks.report(tmp_path / "a.json", "Ada")
    table = checks.collect([tmp_path / "a.json"], ["warp", "abs_rel"], tmp_path / "class.csv")
    assert "| Ada | 1 |  | + 2 |" in table
    assert (tmp_path / "class.csv").read_text().splitlines() == [
        "name,passed,warp,abs_rel,tries,mistakes met,problem", "Ada,1,,1,2,abs_rel: relative to the prediction,"]
    with pytest.raises(InputError, match="there is no exercise wrap; there are backproject, "):
        checks.collect([], ["wrap"])
