"""Predictions: kept in a local file, shown beside the outcome, never in the way of Run All."""
from __future__ import annotations

import json

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import guesses
from semdepth_lite.course.folds import SUMMARY


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Each test has a working folder of its own."""
    monkeypatch.chdir(tmp_path)


def choice(answer=None):
    return guesses.ask("02 factor", "Which hurts more?", ["half", "twice"], answer=answer)


def test_a_choice_is_kept_and_compared(capsys, tmp_path):
    guess = choice("twice")
    guess.compare("half")
    assert capsys.readouterr().out == "You predicted: twice; it happened: half. Not as you predicted.\n"
    kept = json.loads((tmp_path / "predictions.json").read_text())
    assert kept == {"02 factor": {"question": "Which hurts more?", "unit": "", "choices": 2, "prediction": "twice",
                                  "sure": "a guess", "outcome": "half"}}
    assert list(tmp_path.iterdir()) == [tmp_path / "predictions.json"]


def test_a_prediction_may_change_until_its_outcome_is_seen(capsys):
    choice("twice")
    choice("half").compare("half")
    assert capsys.readouterr().out.endswith("half; it happened: half. As you predicted.\n")
    choice("half").compare("twice")  # the same lesson, run again at another preset
    assert capsys.readouterr().out.endswith("Not as you predicted.\n")
    with pytest.raises(InputError, match="'half' stays, not 'twice'"):
        choice("twice")
    assert choice().answer == "half"


@pytest.mark.parametrize("predicted, outcome, says", [
    (10, 40, "10 %; it happened: 40 %. A factor of 4.0 lies between them."), (38, 40, "40 %. Well estimated."),
    (-3, 40, "You predicted: -3 %; it happened: 40 %.\n"), (0, 40, "0 %; it happened: 40 %.\n")])
def test_a_number_is_compared(capsys, predicted, outcome, says):
    guesses.ask("03 share", "How many?", unit="%", answer=predicted).compare(outcome)
    assert says in capsys.readouterr().out


def test_without_a_prediction_the_outcome_is_shown_and_nothing_written(capsys, tmp_path):
    choice().compare("half")
    assert capsys.readouterr().out == "You predicted nothing; it happened: half.\n"
    assert list(tmp_path.iterdir()) == []


def test_summary_shows_what_was_seen():
    choice("half")
    guesses.ask("03 share", "How many?", unit="%", answer=12).compare(40)
    assert guesses.summary().splitlines()[2:4] == ["| Which hurts more? | half | a guess | not seen yet |  |",
                                                   "| How many? | 12 % | a guess | 40 % | no |"]


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
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: object())
    return guesses._form(guess)


def test_buttons_write_the_prediction_down(monkeypatch):
    guess = choice()
    form = form_of(guess, monkeypatch)
    question, buttons, sure, note = form.widget.children  # in the order in which they are read and reached by keys
    assert guess.question in question.value and buttons.value is None and sure.value is None
    buttons.value = "half"
    assert guess.answer is None and "how sure" in note.value
    sure.value = "sure"
    assert guess.answer == "half" and "half" in note.value
    assert json.loads(guesses.FILE.read_text())[guess.key]["sure"] == "sure"
    assert [form_of(guess, monkeypatch).widget.children[i].value for i in (1, 2)] == ["half", "sure"]


def test_how_sure_may_come_first(monkeypatch):
    guess = choice()
    _, buttons, sure, note = form_of(guess, monkeypatch).widget.children
    sure.value = "a guess"
    assert guess.answer is None and "what do you predict" in note.value
    buttons.value = "twice"
    assert guess.answer == "twice" and guess.sure == "a guess"


@pytest.mark.parametrize("now", [["third", "quarter"], []], ids=["other choices", "a number"])
def test_an_answer_that_fits_no_longer_is_none(monkeypatch, now):
    choice("half")
    guess = guesses.ask("02 factor", "Which hurts more?", now)
    assert guess.answer is None and guess.sure is None
    assert not form_of(guess, monkeypatch).widget.children[1].value


@pytest.mark.parametrize("typed, number", [("12.5", 12.5), ("12,5", 12.5), (" 0 ", 0.0), ("-3", -3.0), ("40 %", 40.0),
                                           ("40%", 40.0)])
def test_a_field_takes_numbers(monkeypatch, typed, number):
    guess = guesses.Guess("03 share", "How many?", unit="%")
    _, field, sure, _ = form_of(guess, monkeypatch).widget.children
    assert field.value == ""  # no number is anybody's prediction before it is typed
    sure.value = "sure"
    field.value = typed
    assert guess.answer == number


def test_a_field_refuses_words(monkeypatch):
    guess = guesses.Guess("03 share", "How many?", unit="%")
    _, field, sure, note = form_of(guess, monkeypatch).widget.children
    sure.value = "sure"
    with pytest.raises(InputError, match="'many' is no number"):
        field.value = "many"
    assert "give one in %" in note.value and guess.answer is None


def test_the_form_has_words_where_no_widget_is_shown(monkeypatch):
    form = form_of(choice(), monkeypatch)
    bundle = form._repr_mimebundle_()
    assert bundle["text/plain"] == "Which hurts more? Choose: half, twice." == repr(form)
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_an_error_in_a_callback_is_shown_and_raised(monkeypatch, tmp_path):
    form = form_of(choice(), monkeypatch)
    (tmp_path / "predictions.json").write_text("{")
    form.widget.children[1].value = "half"
    with pytest.raises(InputError, match="cannot be read"):
        form.widget.children[2].value = "sure"
    assert "cannot be read" in form.widget.children[3].value


# Outcomes that wait

def test_where_nobody_predicts_an_outcome_is_open_at_once(capsys):
    with choice().reveal():
        print("the picture")
        choice().compare("half", "pixels move with inverse depth.")
    assert capsys.readouterr().out == ("the picture\nYou predicted nothing; it happened: half. Because pixels move "
                                       "with inverse depth.\n")


@pytest.fixture
def shown(monkeypatch):
    """What a person at a notebook is shown, in order; an outcome is a button and the hidden place of the outputs."""
    monkeypatch.setattr(guesses, "a_person_is_there", lambda: True)
    widgets = []
    monkeypatch.setattr("IPython.display.display", lambda *some: widgets.extend(some))
    return widgets


def test_an_outcome_waits_for_the_prediction(monkeypatch, shown):
    guess = choice()
    with guess.reveal():
        guess.compare("half")
    waiting, place, *more = shown
    assert place.layout.display == "none" and more == [] and guess.key in guesses._folded
    _, buttons, sure, note = form_of(guess, monkeypatch).widget.children
    buttons.value = "half"
    assert guess.key in guesses._folded
    sure.value = "rather sure"
    assert guess.key not in guesses._folded and waiting.layout.display == "none" and place.layout.display is None
    assert repr(shown[2]) == "You predicted: half; it happened: half. As you predicted."
    buttons.value = "twice"  # too late
    assert buttons.disabled and "too late" in note.value
    kept = json.loads(guesses.FILE.read_text())[guess.key]
    assert (kept["outcome"], kept["prediction"]) == ("half", "half")
    again = form_of(choice(), monkeypatch).widget.children
    assert again[1].disabled and again[1].value == "half"


def test_two_cells_may_answer_one_question(monkeypatch, shown):
    guess = choice()
    with guess.reveal():
        guess.compare("half")
    with guess.reveal():
        pass
    _, buttons, sure, _ = form_of(guess, monkeypatch).widget.children
    buttons.value, sure.value = "half", "sure"
    assert [place.layout.display for place in shown[1:4:2]] == [None, None]
    assert [repr(words) for words in shown[4:]] == ["You predicted: half; it happened: half. As you predicted."]


def test_one_cell_may_answer_two_questions(monkeypatch, shown):
    first, second = choice(), guesses.ask("02 share", "How much?", unit="%")
    with guesses.reveal(first, second):
        first.compare("half")
        second.compare(20)
    waiting, place = shown
    _, buttons, sure, note = form_of(first, monkeypatch).widget.children
    buttons.value, sure.value = "half", "sure"
    assert place.layout.display == "none" and "waits for the other question" in note.value
    _, field, sure, note = form_of(second, monkeypatch).widget.children
    field.value, sure.value = "21", "sure"
    assert place.layout.display is None and waiting.layout.display == "none" and "is open" in note.value
    assert len(shown) == 4 and all("outcome" in kept for kept in json.loads(guesses.FILE.read_text()).values())


def test_who_looks_first_cannot_predict_afterward(monkeypatch, shown):
    guess = choice()
    _, buttons, sure, note = form_of(guess, monkeypatch).widget.children
    with guess.reveal():
        guess.compare("half")
    shown[0].children[1].click()
    buttons.value, sure.value = "half", "sure"
    assert guess.answer is None and "too late" in note.value and not guesses.FILE.exists()


def test_a_failure_in_what_waits_is_raised_and_opens_what_there_is(shown):
    with pytest.raises(InputError, match="broken"), guesses.reveal():
        raise InputError("broken")
    assert shown[0].layout.display == "none" and shown[1].layout.display is None


def test_what_only_the_text_asks_waits_for_a_click(shown):
    with guesses.reveal():
        seen = 1
    waiting, place = shown
    (button,) = waiting.children
    assert button.description == SUMMARY and place.layout.display == "none" and seen == 1  # computed all the same
    button.click()
    button.click()
    assert waiting.layout.display == "none" and place.layout.display is None and shown == [waiting, place]


def test_what_only_the_text_asks_is_open_where_nobody_clicks(capsys):
    with guesses.reveal():
        print("the picture")
    assert capsys.readouterr().out == "the picture\n"


def test_calibration_counts_what_came_true():
    rows = [{"question": "?", "unit": "", "choices": 4, "prediction": "a", "outcome": "a", "sure": "sure"},
            {"question": "?", "unit": "", "choices": 4, "prediction": "a", "outcome": "b", "sure": "a guess"},
            {"question": "?", "unit": "m", "choices": 0, "prediction": 10.0, "outcome": 11.0, "sure": "sure"}]
    words = guesses.calibration(rows)
    assert "right in 1 of 2 questions" in words and "about 0.5" in words
    assert "Of 1 numbers, 1 lay within" in words and "“sure”, 2 of 2 came true" in words
