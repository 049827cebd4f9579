"""Predictions: kept in a local file, shown beside the outcome, never in the way of Run All."""
from __future__ import annotations

import json

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import guesses


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Each test has a working folder of its own."""
    monkeypatch.chdir(tmp_path)


def choice(answer=None):
    return guesses.ask("02 factor", "Which hurts more?", ["half", "twice"], answer=answer)


def test_a_choice_is_kept_and_compared(capsys, tmp_path):
    guess = choice("twice")
    guess.compare("half")
    assert capsys.readouterr().out == "you predicted: twice; it happened: half. Why not as you said?\n"
    kept = json.loads((tmp_path / "predictions.json").read_text())
    assert kept == {"02 factor": {"question": "Which hurts more?", "unit": "", "prediction": "twice",
                                  "outcome": "half"}}
    choice("half").compare("half")
    assert capsys.readouterr().out.endswith("half; it happened: half. As you said.\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "predictions.json"]


@pytest.mark.parametrize("predicted, outcome, says", [
    (10, 40, "10 %; it happened: 40 %. A factor of 4.0 between them."), (38, 40, "40 %. Well estimated."),
    (-3, 40, "you predicted: -3 %; it happened: 40 %\n"), (0, 40, "0 %; it happened: 40 %\n")])
def test_a_number_is_compared(capsys, predicted, outcome, says):
    guesses.ask("03 share", "How many?", unit="%", answer=predicted).compare(outcome)
    assert says in capsys.readouterr().out


def test_without_a_prediction_the_outcome_is_told_and_nothing_written(capsys, tmp_path):
    choice().compare("half")
    assert capsys.readouterr().out == "you predicted nothing; it happened: half\n"
    assert list(tmp_path.iterdir()) == []


def test_summary_shows_what_was_seen():
    choice("half")
    guesses.ask("03 share", "How many?", unit="%", answer=12).compare(40)
    assert guesses.summary().splitlines()[2:] == ["| Which hurts more? | half | not seen yet |",
                                                  "| How many? | 12 % | 40 % |"]


@pytest.mark.parametrize("answer", ["thrice", 3])
def test_bad_choices_are_refused(answer):
    with pytest.raises(InputError, match="none of the choices; use one of half, twice"):
        choice(answer)
    with pytest.raises(InputError, match="none of the choices"):
        choice().compare(answer)


@pytest.mark.parametrize("answer", ["many", float("nan"), float("inf"), True])
def test_bad_numbers_are_refused(answer):
    with pytest.raises(InputError, match="is no number; give one in %"):
        guesses.ask("03 share", "How many?", unit="%", answer=answer)


def test_a_torn_file_is_named(tmp_path):
    (tmp_path / "predictions.json").write_text("{")
    with pytest.raises(InputError, match="predictions.json cannot be read"):
        choice("half")


def form_of(guess, monkeypatch):
    """The widget that `ask` shows inside a notebook."""
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    return guesses._form(guess)


def test_buttons_write_the_prediction_down(monkeypatch):
    guess = choice()
    form = form_of(guess, monkeypatch)
    question, buttons, said = form.widget.children
    assert question.value == guess.question and buttons.value is None
    buttons.value = "half"
    assert guess.answer == "half" and "half" in said.value
    assert form_of(guess, monkeypatch).widget.children[1].value == "half"


def test_a_field_takes_numbers(monkeypatch):
    guess = guesses.Guess("03 share", "How many?", unit="%")
    form = form_of(guess, monkeypatch)
    form.widget.children[1].value = 12.5
    assert guess.answer == 12.5


def test_the_form_has_words_where_no_widget_is_shown(monkeypatch):
    form = form_of(choice(), monkeypatch)
    bundle = form._repr_mimebundle_()
    assert bundle["text/plain"] == "Which hurts more? Choose: half, twice." == repr(form)
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_an_error_in_a_callback_is_shown_and_raised(monkeypatch, tmp_path):
    form = form_of(choice(), monkeypatch)
    (tmp_path / "predictions.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        form.widget.children[1].value = "half"
    assert "cannot be read" in form.widget.children[2].value
