"""A look at the machine before the first lesson, and the start of every lesson.

Notable: `start` is the first thing that a lesson calls. It sets threads that wait for work to sleep before torch is
loaded; two notebooks side by side would otherwise take each other's processor. The import alone changes nothing.
"""
from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
from importlib import metadata
from textwrap import fill

NEEDED = {"torch": "torch", "IPython": "ipython", "ipywidgets": "ipywidgets", "matplotlib": "matplotlib",
          "skimage": "scikit-image"}  # what a lesson imports, by the name under which it is installed
INSTALL = 'pip install -e ".[course]" in the project\'s folder'


def missing_packages() -> list[str]:
    """List what a lesson needs and this Python does not have, by the names under which it is installed."""
    return [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]


def start(preset: str) -> None:
    """Begin a lesson: stop in one sentence if something is missing, and show a banner if its numbers mean little.

    Args:
        preset: Name of the preset that the lesson runs with.

    Raises:
        SystemExit: If a package is missing; the sentence says which, and how to get it.
        InputError: If there is no preset of that name.
    """
    if missing := missing_packages():
        raise SystemExit(f"{', '.join(missing)} cannot be imported; run {INSTALL}, restart the kernel, run again.")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded: no import of it above this line
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    from IPython.core.display import Markdown
    from IPython.core.display_functions import display

    from ..presets import find_preset

    find_preset(preset)
    if preset == "quick":
        display(Markdown(
            "> **You run the preset `quick`.** It only proves that every cell runs, with a few scenes and a few steps. "
            "Its numbers mean little, and some pictures show nothing yet. For the lesson itself set "
            "`preset = \"lesson\"` above and run all cells again."))


def check_environment(need_gib: float = 2.0) -> list[str]:
    """Look at Python, packages, threads, memory, disk and GPU; return one line each that says OK or what to do."""
    import torch

    lines = [f"OK   Python {platform.python_version()} on {platform.system()}"]
    try:
        required = [name for name in metadata.requires("semdepth_lite") or ()
                    if "extra ==" not in name or 'extra == "course"' in name]
    except metadata.PackageNotFoundError:
        required = []
        lines.append(f"FIX  semdepth_lite is not installed: run {INSTALL}")
    versions = []
    for name in (re.split(r"[^\w-]", requirement, maxsplit=1)[0] for requirement in required):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"FIX  {name} is missing: run {INSTALL} again")
    lines += [f"FIX  {name} is missing: run {INSTALL}" for name in missing_packages()]
    lines.append(fill(f"OK   {', '.join(versions or [f'torch {torch.__version__}'])}", 100, subsequent_indent=" " * 5))
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    lines.append(f"OK   {cores} processor cores, {threads} of them used by torch" if threads <= cores else
                 f"FIX  torch uses {threads} threads on {cores} cores: set OMP_NUM_THREADS={cores} before you start")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        lines.append(f"{'OK ' if memory >= need_gib else 'FIX'}  {memory:.1f} GiB of memory"
                     + ("" if memory >= need_gib else f": close other programs, {need_gib:g} GiB are needed"))
    free = shutil.disk_usage(".").free / 2**30
    lines.append(f"{'OK ' if free >= need_gib else 'FIX'}  {free:.1f} GiB of free disk"
                 + ("" if free >= need_gib else f": free some space, {need_gib:g} GiB are needed for rendered street"))
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return [*lines, f"OK   GPU: {gpu}" if gpu else "OK   no CUDA GPU; the lessons do not need one"]
