"""Tools that only work in a checkout; in no wheel."""
from __future__ import annotations

import argparse


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that answers `--help` with a tool's own words, and takes no argument yet."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
