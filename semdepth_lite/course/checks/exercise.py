"""What an exercise is: its words, the function it is judged by, random inputs, and the wrong answers it recognizes."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


class Unusable(Exception):
    """What a trial raises about an answer that gives back another kind of thing than is asked for; in whole words."""


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer.

    Attributes:
        name: Short name, for reports.
        wrong: Function that somebody who makes the mistake writes; same arguments as the exercise's.
        says: One sentence that helps and does not give the answer away.
        also: The same mistake with other numbers or at another place, of which the sentence is as true.
    """

    name: str
    wrong: Callable
    says: str
    also: tuple[Callable, ...] = ()

    @property
    def forms(self) -> tuple[Callable, ...]:
        """All the functions that make this mistake."""
        return (self.wrong, *self.also)


@dataclass(frozen=True)
class Case:
    """One random input.

    Attributes:
        args: Arguments of the reader's function.
        note: Words on what is special about it, for the message; empty for an ordinary one.
        expected: The right answer, where the package computes it from more than `args`; None = ask the reference.
    """

    args: tuple
    note: str = ""
    expected: object = None


@dataclass(frozen=True)
class Exercise:
    """One exercise, from which its notebook cells, its check and its solution are made.

    Attributes:
        name: `checks.NAME` judges it.
        lesson: Stem of the notebook it belongs to.
        title: Phrase with a verb: what the reader does.
        difficulty: 1 to 3.
        minutes: Minutes that it takes.
        statement: Markdown: what is given, what is asked.
        stub: Python that defines the function `answer`, without its body.
        hint: Markdown.
        solution: Python that defines the function.
        teaches: Dotted path of the package's function that the answer is compared with.
        reference: That function, brought to the exercise's arguments.
        cases: Function that makes random inputs from torch's generator, which the judge has seeded.
        mistakes: The known wrong answers.
        gradient: Index of the argument that the answer must pass a gradient to; None = no gradient is asked for.
        before: Function by which that argument was made and which leaves it as it is, such as a division by the mean:
            the gradient is led back through it; None = it goes no further than the argument.
        trial: Function that turns an answer that is no function of tensors (a step, a puzzle) into one that can be
            compared; None = the answer is compared as it is.
        parts: Names of the several things that are compared; empty if it is one.
        tells: Function that says in a sentence what the numbers of a trial mean, empty if it has nothing to say; None =
            they are compared as they are.
    """

    name: str
    lesson: str
    title: str
    difficulty: int
    minutes: int
    statement: str
    stub: str
    hint: str
    solution: str
    teaches: str
    reference: Callable
    cases: Callable[[], list[Case]]
    mistakes: tuple[Mistake, ...]
    gradient: int | None = None
    before: Callable[[torch.Tensor], torch.Tensor] | None = None
    trial: Callable[[Callable], Callable] | None = None
    parts: tuple[str, ...] = ()
    tells: Callable[[torch.Tensor], str] | None = None

    @property
    def answer(self) -> str:
        """The name of the function that the reader writes."""
        return f"my_{self.name}"
