"""Every command that the lessons and pages print can be typed as it stands there."""
from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from semdepth_lite.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/*.md"), ROOT / "README.md", *ROOT.glob("docs/*.md")]


def texts(page: Path) -> list[str]:
    """The text of a page, or of a notebook's cells without code."""
    if page.suffix == ".md":
        return [page.read_text(encoding="utf-8")]
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def printed(page: Path) -> list[str]:
    """The commands of a page, in blocks of code, continued lines too, and within a line of text."""
    joined = (text.replace("\\\n", " ") for text in texts(page))
    found = [command for text in joined for command in re.findall(r"python -m semdepth_lite ([^`\n]+)", text)]
    return [re.sub(r"\s+#.*", "", command).strip() for command in found]


COMMANDS = sorted({(page.name, command) for page in PAGES for command in printed(page) if "..." not in command})


@pytest.mark.parametrize("page, command", COMMANDS)
def test_a_printed_command_is_taken(page, command):
    arguments = build_parser().parse_args(shlex.split(command))
    if command.startswith("train"):
        assert arguments.run or arguments.dry_run, "train wants a run folder"


def test_commands_are_found():
    assert len(COMMANDS) > 25 and any(page.startswith("09") for page, _ in COMMANDS)
