"""Predict, run, compare: a reader's prediction is written down before the outcome is seen, and shown beside it.

    guess = ask("02 depth factor", "Which hurts more?", ["half the depth", "twice the depth"])
    ...                                             # run what decides it
    guess.compare("half the depth")

In a browser `ask` shows buttons (a field for a number); elsewhere `answer=` takes the prediction. It is kept in
`predictions.json` in the working folder. Whoever predicts nothing is told the outcome all the same, so that Run All
goes through.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import read_json, write_json

FILE = Path("predictions.json")


@dataclass(frozen=True)
class Guess:
    """A question that waits for its outcome.

    Attributes:
        key: what it is called in the file.
        question: the words.
        choices: possible answers; empty = a number is asked for.
        unit: of the number.
    """

    key: str
    question: str
    choices: tuple[str, ...] = ()
    unit: str = ""

    @property
    def answer(self) -> str | float | None:
        """What the reader predicted; None = nothing."""
        return _read().get(self.key, {}).get("prediction")

    def predict(self, answer: str | float) -> None:
        """Write the prediction down, replacing an earlier one.

        Raises:
            InputError: if the answer is none of the choices, or no number where one is asked for.
        """
        if self.choices and answer not in self.choices:
            raise InputError(f"prediction {answer!r} is none of the choices; use one of {', '.join(self.choices)}.")
        number = isinstance(answer, (int, float)) and not isinstance(answer, bool) and math.isfinite(answer)
        if not self.choices and not number:
            wanted = f"one in {self.unit}" if self.unit else "one"
            raise InputError(f"prediction {answer!r} is no number; give {wanted}.")
        known = _read()
        known[self.key] = {**known.get(self.key, {}), "question": self.question, "unit": self.unit,
                           "prediction": answer}
        write_json(FILE, known)

    def compare(self, outcome: str | float) -> None:
        """Print the prediction beside the outcome, and keep both if there was a prediction.

        Raises:
            InputError: if the outcome is none of the choices.
        """
        if self.choices and outcome not in self.choices:
            raise InputError(f"outcome {outcome!r} is none of the choices; use one of {', '.join(self.choices)}.")
        known, predicted = _read(), self.answer
        happened = f"it happened: {self._words(outcome)}"
        if predicted is None:
            print(f"you predicted nothing; {happened}")
            return
        known[self.key]["outcome"] = outcome if self.choices else float(outcome)
        write_json(FILE, known)
        print(f"you predicted: {self._words(predicted)}; {happened}{self._judged(predicted, outcome)}")

    def _words(self, value: str | float) -> str:
        return str(value) if self.choices else f"{value:.3g} {self.unit}".strip()

    def _judged(self, predicted: str | float, outcome: str | float) -> str:
        if self.choices:
            return ". As you said." if predicted == outcome else ". Why not as you said?"
        if predicted * outcome > 0:
            ratio = max(predicted / outcome, outcome / predicted)
            return ". Well estimated." if ratio < 1.25 else f". A factor of {ratio:.1f} between them."
        return ""


def ask(key: str, question: str, choices: Sequence[str] = (), unit: str = "", answer: str | float | None = None
        ) -> Guess:
    """Ask for a prediction, and return the question to compare with the outcome later.

    Args:
        key: what it is called in the file; starts with the lesson's number.
        question: the words.
        choices: possible answers; empty = a number.
        unit: of the number.
        answer: the prediction, for who has no browser; None shows the buttons.

    Raises:
        InputError: as `Guess.predict`.
    """
    guess = Guess(key, question, tuple(choices), unit)
    if answer is not None:
        guess.predict(answer)
    elif (form := _form(guess)) is not None:
        from IPython.display import display

        display(form)
    return guess


def summary() -> str:
    """Return a Markdown table of all predictions in the working folder beside their outcomes."""
    lines = ["| question | prediction | outcome |", "| --- | --- | --- |"]
    for row in _read().values():
        unit = f" {row['unit']}" if row.get("unit") else ""
        lines.append(f"| {row['question']} | {row['prediction']}{unit} | {_shown(row.get('outcome'))}{unit} |")
    return "\n".join(lines) + "\n"


def _shown(value: str | float | None) -> str:
    return "not seen yet" if value is None else f"{value:.3g}" if isinstance(value, float) else value


def _read() -> dict:
    return read_json(FILE) if FILE.exists() else {}


class _Form:
    """The buttons or the field, with words in their place where no widget can be shown."""

    def __init__(self, widget, words: str) -> None:
        self.widget, self.words = widget, words

    def __repr__(self) -> str:
        return self.words

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {**self.widget._repr_mimebundle_(), "text/plain": self.words}


def _form(guess: Guess) -> _Form | None:
    """Build the form, or None outside of a notebook."""
    from IPython import get_ipython

    if get_ipython() is None:
        return None
    import ipywidgets

    said = ipywidgets.Label("")

    def keep(change) -> None:
        if change["new"] is not None:
            try:
                guess.predict(change["new"])
            except InputError as error:  # a callback's error is seen by nobody else
                said.value = str(error)
                raise
            said.value = f"Written down: {guess._words(change['new'])}. Now run the next cell."

    if guess.choices:
        field = ipywidgets.RadioButtons(options=guess.choices, value=guess.answer, layout={"width": "max-content"})
        words = f"{guess.question} Choose: {', '.join(guess.choices)}."
    else:
        field = ipywidgets.FloatText(value=guess.answer or 0.0, description=guess.unit, continuous_update=False)
        words = f"{guess.question} Give a number{' in ' * bool(guess.unit)}{guess.unit}."
    field.observe(keep, "value")
    return _Form(ipywidgets.VBox([ipywidgets.Label(guess.question), field, said]), words)
