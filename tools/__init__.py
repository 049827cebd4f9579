"""Tools that only work in a checkout; in no wheel."""
from __future__ import annotations

import argparse
from collections.abc import Collection


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that answers `--help` with a tool's own words, and takes no argument yet."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def chosen_names(doc: str | None, known: Collection[str]) -> list[str]:
    """Read names from the command line, and refuse one that is unknown; none named is an empty list."""
    command = parser(doc)
    command.add_argument("names", nargs="*", help=f"some of {', '.join(known)} (default: all)")
    names = command.parse_args().names
    for name in names:
        if name not in known:
            command.error(f"{name!r} is unknown; use some of {', '.join(known)}")
    return names
