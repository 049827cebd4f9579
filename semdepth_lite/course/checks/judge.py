"""The judge: runs an answer on random inputs beside the package's own function, and names the mistake it recognizes.

A wrong answer is recognized by computing every known wrong answer on the same inputs and comparing. Nothing here
raises because of what a reader wrote: Run All must go through, so each outcome is one line of words.
"""
from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from operator import attrgetter

import torch

from .compare import copies, describe, flat, leaves, parts, same, tensors
from .exercise import Case, Exercise, Unusable
from .raised import first_line, meaning
from .source import is_begun
from .unknown import form, sentence

MARKS = {"right": "OK", "open": "NOT YET", "wrong": "LOOK AGAIN"}
COLORS = {"right": "#00694a", "open": "#6b6b6b", "wrong": "#a84300"}  # behind white words: 5 to 1 and more
TORCHS = ("not implemented for", "is not supported")  # what torch raises NotImplementedError with
CUT = ".item(), .detach(), numpy and no_grad cut it off."


@dataclass(frozen=True)
class Verdict:
    """What the judge says; a notebook shows it as one line.

    Attributes:
        name: Name of the exercise.
        outcome: One of right, open (nothing was written yet) and wrong.
        text: Words of the verdict.
        mistake: Name of the recognized mistake, if any.
        seed: Seed of the inputs, to repeat the check with `seed=`.
        progress: Words on how far the reader is in the lesson; empty = not known.
    """

    name: str
    outcome: str
    text: str
    mistake: str | None
    seed: int
    progress: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.outcome == "right"

    def __repr__(self) -> str:
        return f"{MARKS[self.outcome]}  checks.{self.name}: {self.text}"

    def _repr_html_(self) -> str:
        """Show the verdict as a paragraph whose words stay whole, with a mark that needs no color to be read."""
        mark = (f'<b style="background: {COLORS[self.outcome]}; color: white; padding: 0 0.5em; border-radius: 3px">'
                f"{MARKS[self.outcome]}</b>")
        return (f'<div role="status" style="max-width: 60em; line-height: 1.5">{mark} <code>checks.{self.name}</code>: '
                f"{escape(self.text)}{f' <i>{escape(self.progress)}</i>' if self.progress else ''}</div>")


def judge(exercise: Exercise, answer: Callable, seed: int | None = None) -> Verdict:
    """Judge a reader's function on random inputs.

    Args:
        exercise: Exercise that was set.
        answer: The reader's function.
        seed: Seed of the inputs; None = new ones each time.

    Returns:
        The verdict; no error of the reader's function escapes.
    """
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed

    def end(outcome: str, text: str, mistake: str | None = None) -> Verdict:
        return Verdict(exercise.name, outcome, text, mistake, seed)

    if not callable(answer):
        return end("wrong", f"pass the function itself, {exercise.answer}, without calling it.", "not a function")
    tried = exercise.trial or (lambda function: function)
    handed_in = answer
    answer, reference = tried(answer), tried(exercise.reference)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cases = exercise.cases()
        expected = [case.expected if case.expected is not None else reference(*copies(case.args))
                    for case in cases]
        given, refused = [], False
        for case in cases:
            args = copies(case.args)
            try:
                given.append(answer(*args))
            except Unusable as error:
                return end("wrong", str(error), "another kind")
            except Exception as error:
                if isinstance(error, NotImplementedError) and not any(words in str(error) for words in TORCHS):
                    given.append(None)
                    refused = True
                    continue
                inputs = "" if exercise.trial else f" (inputs: {describe(case.args)})"  # a trial passes on others
                return end("wrong", _words_on(error, inputs), "raised")
            if not all(same(a, b) for a, b in zip(args, case.args)):
                return end("wrong", "your function changes its input in place, and whoever called it loses it; work "
                                    "on a copy (.clone()) or write the result to a new tensor.", "in place")
        if all(result is None for result in given):
            if not refused and is_begun(handed_in, exercise.stub):
                return end("wrong", "it computes something and returns nothing: `return` is missing.", "no return")
            return end("open", "the function returns nothing yet. Write its body, run the cell again, and open the "
                               "hint if you are stuck.")
        if all(same(result, right) for result, right in zip(given, expected)):
            if _is_the_package_s(handed_in, exercise):
                return end("wrong", f"this is semdepth_lite.{exercise.teaches} itself, and of course it is right; the "
                                    "exercise asks for a function that you wrote.", "the package's own")
            return _judge_form(exercise, given, expected, end) or _judge_gradient(exercise, answer, cases, end)
        for mistake in () if exercise.trial is None and _nothing_finite(given) else exercise.mistakes:
            if any(_makes(tried(wrong), cases, given) for wrong in mistake.forms):
                return end("wrong", mistake.says, mistake.name)
        if recognized := (_makes_part_by_part(exercise, cases, given, expected)
                          or _makes_where_finite(exercise, cases, given, expected, tried)
                          or _makes_but_for_nan(exercise, cases, given, expected)):
            return end("wrong", *recognized)
        return end("wrong", sentence(exercise, answer, cases, given, expected, seed))


def _words_on(error: Exception, inputs: str) -> str:
    """Say what the reader's function raised, and what that usually means."""
    usual = meaning(error)
    return (f"your function raised {type(error).__name__}: {first_line(error)}{inputs}."
            + (f" Usually: {usual}." if usual else ""))


def _nothing_finite(given: list) -> bool:
    """Tell whether no number came back, but nan and infinity alone: then any mistake can be behind it."""
    with suppress(TypeError, ValueError, RuntimeError):  # no numbers at all
        return not any(bool(flat(result).isfinite().any()) for result in given)
    return False


def _is_the_package_s(answer: Callable, exercise: Exercise) -> bool:
    """Tell whether the package's own function was handed in."""
    import semdepth_lite

    taught = None
    with suppress(AttributeError):
        taught = attrgetter(exercise.teaches)(semdepth_lite)
    return answer is taught or answer is exercise.reference


def _judge_form(exercise: Exercise, given: list, expected: list, end: Callable) -> Verdict | None:
    """Say what is wrong with the kind of a result whose values are right; None if nothing is."""
    if exercise.trial is None and (kind := _no_mask(given, expected)):
        return end("wrong", f"the values are right, but a mask of True and False is asked for, and yours is {kind}: it "
                            "picks no pixels out and cannot be turned around with ~.", "no bool")
    if _keeps_graph(given, expected):
        return end("wrong", "the values are right, but you return a tensor with all that it was computed from, and "
                            "memory grows with every step: keep the number, not the graph.", "graph kept")
    return None


def _no_mask(given: list, expected: list) -> str:
    """Name the type of a result that is no bool map where one is asked for; empty if there is none."""
    for result, right in zip(given, expected):
        for part, mask in zip(parts(result), parts(right)):
            if mask.dtype == torch.bool != part.dtype:
                return str(part.dtype).removeprefix("torch.")
    return ""


def _keeps_graph(given: list, expected: list) -> bool:
    """Tell whether a number is asked for, and a tensor came that holds the graph by which it was computed."""
    return any(isinstance(right, float) and isinstance(result, torch.Tensor) and result.requires_grad
               for each, asked in zip(given, expected) for result, right in zip(leaves(each), leaves(asked)))


def _judge_gradient(exercise: Exercise, answer: Callable, cases: list[Case], end: Callable) -> Verdict:
    """Say that the values are right, once the gradient has been looked at where one is asked for."""
    praise = f"right on {len(cases)} random inputs, like semdepth_lite.{exercise.teaches}"
    if exercise.gradient is None:
        return end("right", praise + ".")
    gradients = []
    for function in (exercise.reference, answer):
        args = copies(cases[0].args)
        leaf = args[exercise.gradient].requires_grad_()
        if exercise.before is not None:
            args[exercise.gradient] = exercise.before(leaf)
        try:
            out = tensors(function(*args))[0]
        except Exception as error:
            if "requires grad" in str(error):  # numpy, and what else refuses a tensor that has to learn
                return end("wrong", f"the values are right, but a network could not learn through this: {CUT}",
                           "detached")
            return end("wrong", f"the values are right, but where a gradient is asked for, your function raised "
                                f"{type(error).__name__}: {first_line(error)}.", "raised")
        if not out.requires_grad:
            return end("wrong", "the values are right, but no gradient comes back to the input, so a network could not "
                                f"learn through this; {CUT}", "detached")
        gradients.append(torch.autograd.grad(out.sum(), leaf, allow_unused=True)[0])
    if not same(*gradients[::-1]):
        return end("wrong", "the values are right, but the gradient is another; look for a rounding, a comparison, a "
                            "part that is detached, or a small number that was added for safety.", "other gradient")
    for case in cases[1:]:
        args = copies(case.args)
        args[exercise.gradient].requires_grad_()
        if tensors(exercise.reference(*args))[0].requires_grad and not tensors(answer(*args))[0].requires_grad:
            return end("wrong", f"the values are right, but for {case.note or 'some inputs'} nothing comes back that "
                                "can be differentiated, and backward() would raise; a tensor is asked for that hangs "
                                "on the input, also where it is 0.", "detached")
    return end("right", praise + ", gradient included.")


def _makes(wrong: Callable, cases: list[Case], given: list) -> bool:
    """Tell whether a known wrong answer gives just what the reader's function gave."""
    for case, result in zip(cases, given):
        try:
            if not same(result, wrong(*copies(case.args))):
                return False
        except Exception:  # this wrong answer cannot even be computed here
            return False
    return True


def _makes_part_by_part(exercise: Exercise, cases: list[Case], given: list, expected: list) -> tuple[str, str] | None:
    """Recognize a known mistake in each of the two things that come back, such as a picture and its mask, or None."""
    if exercise.trial is not None or any(not isinstance(result, tuple) or len(result) != 2 or form(result, right)
                                         for result, right in zip(given, expected)):
        return None
    found = []
    for place in (0, 1):
        results = [result[place] for result in given]
        if all(same(result, right[place]) for result, right in zip(results, expected)):
            return None
        found += [mistake for mistake in exercise.mistakes if any(_makes(
            lambda *args, wrong=wrong, place=place: wrong(*args)[place], cases, results)
            for wrong in mistake.forms)][:1]
    if len(found) < 2:
        return None
    if found[0] is found[1]:
        return found[0].says, found[0].name
    first, second = (mistake.says.removeprefix("two things: ") for mistake in found)
    return f"more than one thing: {first} And {second}", "; ".join(mistake.name for mistake in found)


def _makes_where_finite(exercise: Exercise, cases: list[Case], given: list, expected: list,
                        tried: Callable) -> tuple[str, str] | None:
    """Recognize a known wrong answer that does another thing where nan or infinity is asked for, or None.

    If what was given is right there, nothing is added, and no sentence fits that speaks of two things.
    """
    if exercise.trial is not None or any(form(result, right) for result, right in zip(given, expected)):
        return None
    where = [[part.isfinite() for part in tensors(right)] for right in expected]
    if all(bool(part.all()) for each in where for part in each):
        return None

    def finite(value, known) -> list[torch.Tensor]:
        return [part.masked_fill(~at, 0.0) for part, at in zip(tensors(value), known)]

    if all(same(finite(result, known), finite(right, known)) for result, right, known in zip(given, expected, where)):
        return None  # wrong at those places alone
    elsewhere = [[~at for at in known] for known in where]
    right_there = all(same(finite(result, other), finite(right, other)) for result, right, other in zip(
        given, expected, elsewhere))
    asked = "infinity" if any(bool(part.isinf().any()) for right in expected for part in tensors(right)) else "nan"
    besides = "" if right_there else f" Besides, where there is no answer, {asked} is asked for."
    for mistake in exercise.mistakes:
        if right_there and mistake.says.startswith("two things"):
            continue
        for wrong in mistake.forms:
            with suppress(Exception):  # this wrong answer cannot even be computed here
                if all(same(finite(result, known), finite(tried(wrong)(*copies(case.args)), known))
                       for case, result, known in zip(cases, given, where)):
                    return mistake.says + besides, mistake.name
    return None


def _makes_but_for_nan(exercise: Exercise, cases: list[Case], given: list, expected: list) -> tuple[str, str] | None:
    """Recognize a known wrong answer that besides is nan for a special input; None if there is none."""
    if exercise.trial is not None or any(form(result, right) for result, right in zip(given, expected)):
        return None
    broken = [i for i, (result, right) in enumerate(zip(given, expected))
              if bool((flat(result).isnan() & ~flat(right).isnan()).any())]
    if not broken or len(broken) == len(cases) or not all(cases[i].note for i in broken):
        return None
    plain = [i for i in range(len(cases)) if i not in broken]
    if all(same(given[i], expected[i]) for i in plain):
        return None  # wrong for the special input alone
    for mistake in exercise.mistakes:
        if any(_makes(wrong, [cases[i] for i in plain], [given[i] for i in plain]) for wrong in mistake.forms):
            return f"{mistake.says} Besides, your result is nan for {cases[broken[0]].note}.", mistake.name
    return None
