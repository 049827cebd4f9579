"""The text of an answer, with all that it needs from its notebook: helpers, constants and imports."""
from __future__ import annotations

import ast
import dis
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any

PLAIN = (bool, int, float, str, tuple, list, dict, set, type(None))


def text_of(answer: Callable) -> str:
    """Return Python that defines the answer anywhere: what it uses of its notebook comes first.

    Args:
        answer: A function that was written in a notebook or in a file.

    Returns:
        The text; empty if the function has none, as one that was made by `exec` or in C.
    """
    return _text_and_lost(answer)[0]


def lost_by(answer: Callable) -> list[str]:
    """Return the names that an answer uses of its notebook and that its text cannot bring along."""
    return _text_and_lost(answer)[1]


def _text_and_lost(answer: Callable) -> tuple[str, list[str]]:
    if not isinstance(answer, FunctionType):
        return _source(answer), []
    found: dict[str, str] = {}
    lost: list[str] = []
    _gather_function(answer, answer.__name__, found, lost)
    text = "\n\n".join(text.rstrip() for text in found.values() if text) + "\n" if found[answer.__name__] else ""
    return text, lost


def _gather_function(function: FunctionType, name: str, found: dict[str, str], lost: list[str]) -> None:
    """Put what a function needs, and then the function, into `found`, by the name that it has in its notebook."""
    found[name] = ""  # a function that calls itself is met only once
    _gather(_names(function.__code__), function.__globals__, found, lost)
    found.pop(name)
    text = _source(function)
    with suppress(SyntaxError):  # a piece of a line, as of a lambda
        made = [each for line in ast.parse(text).body for each in _made(line)]
        text += f"\n{name} = {made[0]}" if made and name not in made else ""
    found[name] = text


def _gather(names: Iterable[str], home: Mapping[str, Any], found: dict[str, str], lost: list[str]) -> None:
    """Put what stands behind some names of a notebook into `found`, and those that no text can bring into `lost`."""
    for name in names:
        if name in found or name not in home:
            continue
        value = home[name]
        if isinstance(value, FunctionType) and value.__globals__ is home:
            _gather_function(value, name, found, lost)
        elif isinstance(value, ModuleType):
            found[name] = f"import {value.__name__} as {name}"
        elif _is_literal(value):
            found[name] = f"{name} = {value!r}"
        elif getattr(value, "__module__", None) and getattr(value, "__name__", "") and value.__module__ != "__main__":
            found[name] = f"from {value.__module__} import {value.__name__} as {name}"
        elif line := _line_that_makes(name):
            found[name] = ""
            _gather(_loaded(line), home, found, lost)
            found.pop(name)
            found[name] = ast.unparse(line)
        else:
            lost.append(name)


def _is_literal(value: object) -> bool:
    """Tell whether a value is plain, and what its own words make."""
    with suppress(ValueError, SyntaxError):
        return isinstance(value, PLAIN) and ast.literal_eval(repr(value)) == value
    return False


def _line_that_makes(name: str) -> ast.stmt | None:
    """Find the last line of the notebook's cells that gives a name its value."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    for cell in reversed(shell.history_manager.input_hist_parsed if shell is not None else []):
        with suppress(SyntaxError):
            for line in reversed(ast.parse(cell).body):
                if name in _made(line):
                    return line
    return None


def _made(line: ast.stmt) -> list[str]:
    """List the names that a line gives a value: an assignment, a function or a class."""
    if isinstance(line, (ast.FunctionDef, ast.ClassDef)):
        return [line.name]
    targets = line.targets if isinstance(line, ast.Assign) else []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _loaded(line: ast.stmt) -> list[str]:
    """List the names that a line looks up."""
    return [node.id for node in ast.walk(line) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]


def _names(code: CodeType) -> Iterator[str]:
    """List the names that a function, and the functions within it, look up in the notebook."""
    yield from (step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def is_begun(answer: Callable, stub: str) -> bool:
    """Tell whether somebody has written more into a stub than a docstring, `...`, pass or NotImplementedError.

    Args:
        answer: A function that was written in a notebook or in a file.
        stub: The text that the function was made of.

    Returns:
        Whether it is; False where the text is not known.
    """
    given = set(map(ast.dump, _lines(stub)))
    with suppress(SyntaxError):  # a piece of a line, as of a lambda
        return not all(_is_empty(line) or ast.dump(line) in given for line in _lines(_source(answer)))
    return False


def _lines(text: str) -> list[ast.stmt]:
    """List the lines of the first function in a text."""
    return next((found.body for found in ast.parse(text).body if isinstance(found, ast.FunctionDef)), [])


def _is_empty(line: ast.stmt) -> bool:
    """Tell whether a line of a function does nothing."""
    if isinstance(line, ast.Raise):
        return "NotImplementedError" in ast.unparse(line)
    value = getattr(line, "value", None)
    return isinstance(line, ast.Pass) or isinstance(line, (ast.Expr, ast.Return)) and (
        value is None or isinstance(value, ast.Constant))


def _source(answer: Callable) -> str:
    try:
        return textwrap.dedent(inspect.getsource(answer))
    except (OSError, TypeError):
        return ""
