"""Predict, run, compare: a reader's prediction is written down before the outcome is seen, and shown beside it.

    guess = ask("02 depth factor", "Which hurts more?", ["half the depth", "twice the depth"])

    with guess.reveal():                            # the next cell; what it shows stays folded until then
        ...
        guess.compare("half the depth", because="pixels move in proportion to inverse depth.")

In a browser `ask` shows the choices (a field for a number) and under them how sure one is; when both are given, the
prediction is kept in `predictions.json` in the working folder, and the outcome opens. Elsewhere `answer=` takes the
prediction. Once its outcome was seen, a prediction stays as it is. What answers a question that only the text asks
waits for one click, `with guesses.reveal():`. Where no person is there to predict (papermill, nbval), every outcome
is open at once.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..common.contracts import InputError
from ..common.storage import read_json, write_json
from .folds import SUMMARY
from .prose import write

FILE = Path("predictions.json")
SURE = ("a guess", "rather sure", "sure")
CLOSE = 1.25  # a number within this factor of the outcome counts as right

_folded: dict[str, list[Callable[[], bool]]] = {}  # key of a guess to what opens its outcomes; whether it did
_seen: set[str] = set()  # keys of guesses whose outcome was shown without a prediction
_outcomes: dict[str, tuple[str | float, str]] = {}  # key of a guess to the outcome and reason that wait in a fold


@dataclass(frozen=True)
class Guess:
    """A question that waits for its outcome.

    Attributes:
        key: Name in the file.
        question: Words of the question.
        choices: Possible answers; empty = a number is asked for.
        unit: Unit of the number.
    """

    key: str
    question: str
    choices: tuple[str, ...] = ()
    unit: str = ""

    @property
    def answer(self) -> str | float | None:
        """Prediction of the reader; None = nothing, or nothing that fits the question as it is asked now."""
        kept = _read().get(self.key, {}).get("prediction")
        return kept if self._fits(kept) else None

    def _fits(self, answer) -> bool:
        if self.choices:
            return answer in self.choices
        return isinstance(answer, (int, float)) and not isinstance(answer, bool) and math.isfinite(answer)

    @property
    def sure(self) -> str | None:
        """How sure the reader was of that answer; None = no answer."""
        kept = _read().get(self.key, {}).get("sure")
        return kept if self.answer is not None and kept in SURE else None

    @property
    def is_settled(self) -> bool:
        """Whether the outcome of the prediction that is kept was seen."""
        return self.answer is not None and "outcome" in _read()[self.key]

    def predict(self, answer: str | float, sure: str = SURE[0]) -> None:
        """Write the prediction down, replacing an earlier one whose outcome was not seen.

        Args:
            answer: One of the choices, or a number.
            sure: How sure the reader is, one of `SURE`.

        Raises:
            InputError: If the answer is none of the choices, or no number where one is asked for, or another than the
                one whose outcome was seen.
        """
        if not self._fits(answer):
            if self.choices:
                raise InputError(f"prediction {answer!r} is none of the choices; use one of {', '.join(self.choices)}.")
            wanted = f"one in {self.unit}" if self.unit else "one"
            raise InputError(f"prediction {answer!r} is no number; give {wanted}.")
        if sure not in SURE:
            raise InputError(f"sure {sure!r} is unknown; use one of {', '.join(SURE)}.")
        if self.is_settled:
            if answer != self.answer:
                raise InputError(f"the outcome has been seen, so the prediction {self.answer!r} stays, not {answer!r}; "
                                 f"to begin again with all questions, delete {FILE}.")
            return
        known = _read()
        known[self.key] = {"question": self.question, "unit": self.unit,
                           "choices": len(self.choices), "prediction": answer, "sure": sure}
        write_json(FILE, known)

    def reveal(self) -> AbstractContextManager[None]:
        """Fold what the body of a `with` shows until the reader has predicted; it is computed all the same."""
        return reveal(self)

    def compare(self, outcome: str | float, because: str = "") -> None:
        """Show the prediction beside the outcome and its reason, and keep both if there was a prediction.

        Args:
            outcome: What happened: one of the choices, or a number.
            because: Sentence that says why, shown behind the outcome.

        Raises:
            InputError: If the outcome is none of the choices.
        """
        if self.choices and outcome not in self.choices:
            raise InputError(f"outcome {outcome!r} is none of the choices; use one of {', '.join(self.choices)}.")
        outcome = outcome if self.choices else float(outcome)
        if self.key in _folded:
            _outcomes[self.key] = outcome, because
        else:
            self._tell(outcome, because)

    def _tell(self, outcome: str | float, because: str) -> None:
        """Show the outcome beside the prediction."""
        known, predicted = _read(), self.answer
        happened = f"it happened: {self._words(outcome)}"
        reason = f" Because {because}" if because else ""
        if predicted is None:
            _seen.add(self.key)
            write(f"You predicted nothing; {happened}.{reason}")
            return
        known[self.key]["outcome"] = outcome
        write_json(FILE, known)
        write(f"You predicted: {self._words(predicted)}; {happened}.{self._judged(predicted, outcome)}{reason}")

    def _words(self, value: str | float) -> str:
        return str(value) if self.choices else f"{value:.3g} {self.unit}".strip()

    def _judged(self, predicted: str | float, outcome: str | float) -> str:
        if self.choices:
            return " As you predicted." if predicted == outcome else " Not as you predicted."
        predicted, outcome = float(predicted), float(outcome)
        if predicted * outcome > 0:
            ratio = max(predicted / outcome, outcome / predicted)
            return " Well estimated." if ratio < CLOSE else f" A factor of {ratio:.1f} lies between them."
        return ""


def ask(key: str, question: str, choices: Sequence[str] = (), unit: str = "", answer: str | float | None = None
        ) -> Guess:
    """Ask for a prediction, and return the question to compare with the outcome later.

    Args:
        key: Name in the file; it starts with the lesson's number.
        question: Words of the question.
        choices: Possible answers; empty = a number.
        unit: Unit of the number.
        answer: Prediction of a reader without a browser; None shows the buttons.

    Raises:
        InputError: As `Guess.predict`.
    """
    guess = Guess(key, question, tuple(choices), unit)
    _folded.pop(key, None)
    _seen.discard(key)
    if answer is not None:
        guess.predict(answer)
    elif (form := _form(guess)) is not None:
        from IPython.display import display

        display(form)
    return guess


@contextmanager
def reveal(*asked: Guess) -> Iterator[None]:
    """Fold what the body of a `with` shows until all that was asked is predicted; it is computed all the same.

    Args:
        asked: Questions that the body answers; none where only the text asks: then one click opens it.
    """
    waiting = [guess for guess in asked if guess.answer is None]
    if not a_person_is_there() or (asked and not waiting):
        yield
        return
    for guess in waiting:
        _folded.setdefault(guess.key, [])  # so that `compare` waits
        _outcomes.pop(guess.key, None)
    fold = _Fold("Show it without a prediction", "The outcome is folded. Predict with the form above, and it opens by "
                 "itself.") if asked else _Fold(SUMMARY)
    with fold.holding():
        yield
    fold.then = [partial(guess._tell, *_outcomes[guess.key]) for guess in waiting if guess.key in _outcomes]

    def open_if_all_is_predicted() -> bool:
        if any(guess.answer is None for guess in waiting):
            return False
        fold.open()
        return True

    for guess in waiting:
        _folded[guess.key].append(open_if_all_is_predicted)


def a_person_is_there() -> bool:
    """Tell whether the running cell was sent by a notebook's front end, which names the cell; a runner names none."""
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return "cellId" in ((kernel.get_parent("shell") or {}).get("metadata") or {})


def summary() -> str:
    """Return a Markdown page of all predictions in the working folder: the outcomes, and how the reader did."""
    lines = ["| question | prediction | how sure | outcome | right |", "| --- | --- | --- | --- | --- |"]
    rows = list(_read().values())
    for row in rows:
        unit, right = f" {row['unit']}" if row.get("unit") else "", _right(row)
        lines.append(f"| {row['question']} | {_shown(row['prediction'])}{unit} | {row.get('sure', SURE[0])} "
                     f"| {_shown(row.get('outcome'))}{unit} | {'' if right is None else 'yes' if right else 'no'} |")
    if not rows:
        return "*No prediction is written down in this folder yet.*\n"
    return "\n".join(lines) + "\n\n" + calibration(rows) + "\n"


def calibration(rows: Sequence[dict]) -> str:
    """Say in sentences how many predictions came true, beside what chance would give, and by how sure one was."""
    judged = [(row, right) for row in rows if (right := _right(row)) is not None]
    if not judged:
        return "No outcome has been seen yet."
    chosen = [(row, right) for row, right in judged if row.get("choices")]
    numbers = [right for row, right in judged if not row.get("choices")]
    sentences = []
    if chosen:
        chance = sum(1 / row["choices"] for row, _ in chosen)
        sentences.append(f"You chose right in {sum(right for _, right in chosen)} of {len(chosen)} questions; blind "
                         f"choice would be right in about {chance:.1f}.")
    if numbers:
        sentences.append(f"Of {len(numbers)} numbers, {sum(numbers)} lay within a quarter of the outcome.")
    for sure in SURE:
        found = [right for row, right in judged if row.get("sure", SURE[0]) == sure]
        if found:
            sentences.append(f"Where you were at “{sure}”, {sum(found)} of {len(found)} came true.")
    return " ".join(sentences)


def _right(row: dict) -> bool | None:
    """Tell whether a prediction came true; None = its outcome was not seen."""
    predicted, outcome = row["prediction"], row.get("outcome")
    if outcome is None:
        return None
    if isinstance(outcome, str):
        return predicted == outcome
    return predicted * outcome > 0 and 1 / CLOSE < predicted / outcome < CLOSE


def _shown(value: str | float | None) -> str:
    return "not seen yet" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _read() -> dict:
    return read_json(FILE) if FILE.exists() else {}


class _Fold:
    """A button in the place of a cell's outputs, which a click opens, in the order in which they were made.

    Args:
        click: Words of the button.
        words: Sentence above it.

    Attributes:
        then: What shows more behind the outputs, one after another, when they open.
    """

    def __init__(self, click: str, words: str = "") -> None:
        import ipywidgets
        from IPython.display import display

        self.then: list[Callable[[], None]] = []
        self.place = ipywidgets.Output(layout={"display": "none"})
        button = ipywidgets.Button(description=click, layout={"width": "max-content"})
        button.on_click(self.open)
        self.waiting = ipywidgets.VBox([ipywidgets.HTML(f"<em>{words}</em>"), button] if words else [button])
        display(self.waiting, self.place)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep what the body of a `with` shows; where it fails, what there is opens."""
        failure = None
        with self.place:
            try:
                yield
            except BaseException as error:  # the place would show it, and let the next cells run on
                failure = error
        if failure is not None:
            self.open()
            raise failure

    def open(self, *_) -> None:
        """Show the outputs; the second time nothing happens."""
        if self.waiting.layout.display == "none":
            return
        self.waiting.layout.display, self.place.layout.display = "none", None
        with self.place:
            for tell in self.then:
                tell()


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
    from IPython.core.getipython import get_ipython

    if get_ipython() is None:
        return None
    import ipywidgets

    note = ipywidgets.Label("")
    sure = ipywidgets.ToggleButtons(options=SURE, value=guess.sure, description="how sure?",
                                    style={"button_width": "auto"})
    if guess.choices:
        field = ipywidgets.RadioButtons(options=guess.choices, value=guess.answer, layout={"width": "max-content"})
        words = f"{guess.question} Choose: {', '.join(guess.choices)}."
    else:
        field = ipywidgets.Text(value="" if guess.answer is None else str(guess.answer), description=guess.unit,
                                placeholder="a number", continuous_update=False)
        words = f"{guess.question} Give a number{' in ' * bool(guess.unit)}{guess.unit}."

    def settle(words: str) -> None:
        note.value, field.disabled, sure.disabled = words, True, True

    def keep(_) -> None:
        if not field.value or not sure.value:
            note.value = "And how sure are you? Then the outcome opens." if field.value else "And what do you predict?"
            return
        answer = field.value if guess.choices else _number(field.value, guess.unit)
        try:
            if guess.key in _seen or guess.is_settled:
                settle("The outcome has been seen, so a prediction comes too late; an earlier one stays as it was.")
                return
            guess.predict(answer, sure.value)
        except InputError as error:  # a callback's error is seen by nobody else
            note.value = str(error)
            raise
        opened = [unfold() for unfold in _folded.pop(guess.key, ())]
        note.value = f"Written down: {guess._words(answer)}. " + (
            "The outcome is open below the next cell." if any(opened) else
            "The outcome waits for the other question." if opened else "Now run the next cell.")

    if guess.is_settled:
        settle("You have seen the outcome of this prediction, so it stays.")
    field.observe(keep, "value")
    sure.observe(keep, "value")
    return _Form(ipywidgets.VBox([ipywidgets.HTML(f"<b>{guess.question}</b>"), field, sure, note]), words)


def _number(text: str, unit: str) -> float | str:
    """Return the number that a text holds, its unit or not, or the text, which `predict` refuses by name."""
    try:
        return float(text.strip().removesuffix(unit).replace(",", "."))
    except ValueError:
        return text
