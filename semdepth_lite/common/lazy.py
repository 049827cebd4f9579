"""Public names of a package that are loaded when they are first used, so that importing the package stays light."""
from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package whose public names lie in its modules (PEP 562).

    Its modules are loaded at first use too, so `import semdepth_lite` is enough to write `semdepth_lite.losses`.

    Args:
        package: Name of the package, its `__name__`.
        homes: Public name to the module that defines it, relative to the package.
    """
    def load(name: str) -> object:
        """Load a public name from its module, or a module of the package."""
        if name in homes:
            value = getattr(import_module(f".{homes[name]}", package), name)
        elif not name.startswith("_") and find_spec(f"{package}.{name}"):
            value = import_module(f".{name}", package)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(homes)
