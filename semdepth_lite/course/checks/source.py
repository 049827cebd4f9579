"""The text of an answer, with all that it needs from its notebook: helpers, constants and imports."""
from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType

PLAIN = (bool, int, float, str, tuple, type(None))


def text_of(answer: Callable) -> str:
    """Return Python that defines the answer anywhere: what it uses of its notebook comes first.

    Args:
        answer: A function that was written in a notebook or in a file.

    Returns:
        The text; empty if the function has none, as one that was made by `exec` or in C.
    """
    if not isinstance(answer, FunctionType):
        return _source(answer)
    found: dict[str, str] = {}
    _gather(answer, found)
    return "\n\n".join(text.rstrip() for text in found.values() if text) + "\n" if found[answer.__name__] else ""


def _gather(function: FunctionType, found: dict[str, str]) -> None:
    """Put what a function needs, and then the function, into `found`, by name."""
    found[function.__name__] = ""  # a function that calls itself is met only once
    home, parts = function.__globals__, {}
    for name in _names(function.__code__):
        if name in found or name not in home:
            continue
        value = home[name]
        if isinstance(value, FunctionType) and value.__globals__ is home:
            _gather(value, found)
        elif isinstance(value, ModuleType):
            parts[name] = f"import {value.__name__} as {name}"
        elif isinstance(value, PLAIN):
            parts[name] = f"{name} = {value!r}"
        elif getattr(value, "__module__", None) and getattr(value, "__name__", "") and value.__module__ != "__main__":
            parts[name] = f"from {value.__module__} import {value.__name__} as {name}"
    found.pop(function.__name__)
    found.update(parts)
    found[function.__name__] = _source(function)


def _names(code: CodeType) -> Iterator[str]:
    """List the names that a function, and the functions within it, look up in the notebook."""
    yield from code.co_names
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
