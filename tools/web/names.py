"""Names of the package and where the reference describes them."""
from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import lru_cache
from types import ModuleType

import semdepth_lite


def home_of(thing: object) -> str | None:
    """Return the full name under which the reference describes a module, function or class of the package."""
    if inspect.ismodule(thing):
        name = thing.__name__
    else:
        name = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
    return name if name.startswith("semdepth_lite.") else None


@lru_cache(maxsize=1)
def modules() -> dict[str, ModuleType]:
    """Import every module of the package: name to module."""
    found = {"semdepth_lite": semdepth_lite}
    for info in pkgutil.walk_packages(semdepth_lite.__path__, "semdepth_lite."):
        if not info.name.endswith("__main__"):
            found[info.name] = importlib.import_module(info.name)
    return found


@lru_cache(maxsize=1)
def known_names() -> dict[str, str]:
    """Map each way to write a name, `borders.ranking_loss` or `ranking_loss`, to its home; none where two share it."""
    homes: dict[str, set[str]] = {}
    for module, content in modules().items():
        public = [*getattr(content, "__all__", ()), *(name for name in vars(content) if not name.startswith("_"))]
        for name in public:
            thing = getattr(content, name, None)
            home = home_of(thing) if inspect.isfunction(thing) or inspect.isclass(thing) else None
            if home and home.endswith(f".{name}"):
                parts = f"{module}.{name}".split(".")
                for start in range(len(parts)):
                    homes.setdefault(".".join(parts[start:]), set()).add(home)
    return {name: next(iter(found)) for name, found in homes.items() if len(found) == 1}
