"""Public names of a package that are loaded when they are first used, so that importing the package stays light."""
from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package whose public names lie in its modules (PEP 562).

    Args:
        package: Name of the package, its `__name__`.
        homes: Public name to the module that defines it, relative to the package.
    """
    def load(name: str) -> object:
        """Load a public name from its module."""
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{homes[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(homes)
