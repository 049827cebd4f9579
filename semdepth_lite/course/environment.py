"""A look at the machine before the first lesson."""
from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import metadata

import torch


def check_environment(need_gib: float = 2.0) -> list[str]:
    """Look at Python, packages, threads, memory, disk and GPU; return one line each that says OK or what to do."""
    lines = [f"OK   Python {platform.python_version()} on {platform.system()}"]
    try:
        required = [name for name in metadata.requires("semdepth_lite") or ()
                    if "extra ==" not in name or 'extra == "course"' in name]
    except metadata.PackageNotFoundError:
        required = []
        lines.append("FIX  semdepth_lite is not installed: run the README's install command in its folder")
    versions = []
    for name in (re.match(r"[\w-]+", requirement)[0] for requirement in required):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"FIX  {name} is missing: run the README's install command again")
    lines.append(f"OK   {', '.join(versions or [f'torch {torch.__version__}'])}")
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    lines.append(f"OK   {cores} processor cores, {threads} of them used by torch" if threads <= cores else
                 f"FIX  torch uses {threads} threads on {cores} cores: set OMP_NUM_THREADS={cores} before you start")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        lines.append(f"{'OK ' if memory >= need_gib else 'FIX'}  {memory:.1f} GiB of memory"
                     + ("" if memory >= need_gib else f": close other programs, {need_gib:g} GiB are needed"))
    free = shutil.disk_usage(".").free / 2**30
    lines.append(f"{'OK ' if free >= need_gib else 'FIX'}  {free:.1f} GiB of free disk"
                 + ("" if free >= need_gib else f": make room, {need_gib:g} GiB are needed for rendered street"))
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return [*lines, f"OK   GPU: {gpu}" if gpu else "OK   no CUDA GPU; the lessons do not need one"]
