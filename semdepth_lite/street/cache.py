"""A rendered set of street video on disk: one folder of memory-mapped arrays, keyed by its settings."""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..common.contracts import InputError, RunFailed, check_pixels
from ..common.runtime import keep_freed_memory
from ..common.small_files import check_regular
from ..common.storage import (
    ANOTHER_CACHE,
    cache_root,
    make_folder,
    read_json,
    reserve,
    temporary_folder,
    write_json,
)
from .render import RENDERER_VERSION, default_intrinsics, render_frame
from .scene import SPLITS, scene_seeds

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class StreetSettings:
    """What makes a set of street video; equal settings give equal bytes."""

    split: str = "train"
    scenes: int = 160
    frames_per_scene: int = 8
    height: int = 96
    width: int = 320

    def __post_init__(self) -> None:
        """Raise InputError for an unknown split, a count below 1, or a picture below 8 pixels or of too many."""
        if self.split not in SPLITS:
            raise InputError(f"split {self.split!r} is unknown; use one of {', '.join(SPLITS)}.")
        for name, least in (("scenes", 1), ("frames_per_scene", 1), ("height", 8), ("width", 8)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} {value!r} is not a whole number >= {least}; use {least} or more.")
        check_pixels(self.height, self.width)


@dataclass(frozen=True)
class StreetSet:
    """A rendered set, scene after scene; N = scenes * frames_per_scene. The arrays are read-only memory maps."""

    settings: StreetSettings
    images: np.ndarray  # (N, H, W, 3) uint8
    depth: np.ndarray  # (N, H, W) float32 meters, 0 = sky
    labels: np.ndarray  # (N, H, W) uint8 trainIds
    moving: np.ndarray  # (N, H, W) bool
    pose: np.ndarray  # (N, 4, 4) float64 camera-to-world
    K: np.ndarray  # (3, 3) float64 pixels

    def __len__(self) -> int:
        return len(self.images)

    def scene_of(self, i: int) -> int:
        """Return the number (0, 1, ...) of the scene that frame i belongs to."""
        return int(i) // self.settings.frames_per_scene


def cache_folder(settings: StreetSettings, cache_dir: str | Path | None = None) -> Path:
    """Return where a set with these settings and this version of the renderer lives."""
    key = json.dumps({**asdict(settings), "renderer": RENDERER_VERSION}, sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    root = Path(cache_dir) if cache_dir is not None else cache_root()
    return root / f"street_{settings.split}_{settings.scenes}x{settings.frames_per_scene}_{digest}"


def load_street(settings: StreetSettings, cache_dir: str | Path | None = None, workers: int | None = None,
                progress: bool = True) -> StreetSet:
    """Return a rendered set, from the cache or freshly rendered in `workers` processes.

    A set is written to a temporary folder and renamed when complete, so a half-written one is never used. The checksum
    of every file is held against the manifest each time a set is opened; one that is damaged is rendered again, with a
    word.

    Args:
        settings: What to render.
        cache_dir: Folder of all caches; None = `common.storage.cache_root()`.
        workers: Number of processes; None = the number of CPUs, 1 = render in this process.
        progress: Whether to show a progress bar.

    Raises:
        InputError: If workers is below 1 or the cache cannot be written.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers {workers} is below 1; use 1 or more processes.")
    folder = cache_folder(settings, cache_dir)
    trouble = damage(folder, settings)
    if trouble and folder.exists():
        tqdm.write(f"The cached street in {folder} is damaged ({trouble}); it is rendered again.")
    if trouble:
        _render_into(folder, settings, workers, progress)
    return _open(folder, settings)


def damage(folder: Path, settings: StreetSettings) -> str:
    """Describe in a few words what is wrong with a cached set; the empty string means that it is sound."""
    try:
        manifest = read_json(folder / MANIFEST, {"settings": dict, "renderer": int, "checksums": dict})
    except InputError:
        return "its manifest is missing or unreadable"
    if manifest["settings"] != asdict(settings) or manifest["renderer"] != RENDERER_VERSION:
        return "its manifest is of other settings"
    for name, (shape, kind) in _layout(settings).items():
        try:
            if _checksum(folder / f"{name}.npy") != manifest["checksums"].get(name):
                return f"{name}.npy is not the file that was written"
            array = np.load(folder / f"{name}.npy", mmap_mode="r")
        except Exception as error:  # numpy's reader of headers raises anything
            return f"{name}.npy cannot be read: {type(error).__name__}"
        if array.shape != shape or array.dtype != kind:
            return f"{name}.npy holds {array.dtype} {array.shape}"
    return ""


def _checksum(path: Path) -> int:
    """Return the CRC-32 of a file; a pipe or a device is refused, because it may have no end."""
    check_regular(path)
    value = 0
    with open(path, "rb") as file:
        while part := file.read(1 << 22):
            value = zlib.crc32(part, value)
    return value


def _layout(settings: StreetSettings) -> dict[str, tuple[tuple[int, ...], type]]:
    """Return shape and dtype of each array of a set."""
    n, size = settings.scenes * settings.frames_per_scene, (settings.height, settings.width)
    return {"images": ((n, *size, 3), np.uint8), "depth": ((n, *size), np.float32), "labels": ((n, *size), np.uint8),
            "moving": ((n, *size), np.bool_), "pose": ((n, 4, 4), np.float64)}


def _open(folder: Path, settings: StreetSettings) -> StreetSet:
    """Map the arrays of a sound set, read-only."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _layout(settings)}
    return StreetSet(settings, **arrays, K=default_intrinsics(settings.height, settings.width))


def _render_into(folder: Path, settings: StreetSettings, workers: int | None, progress: bool) -> None:
    """Render a whole set into a temporary folder beside `folder` and move it into place."""
    need = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in _layout(settings).values())
    make_folder(folder.parent, ANOTHER_CACHE)
    try:
        with temporary_folder(folder) as temporary:
            free = shutil.disk_usage(folder.parent).free
            if need > free:
                raise OSError(28, f"{need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
            for name, (shape, kind) in _layout(settings).items():
                np.lib.format.open_memmap(temporary / f"{name}.npy", mode="w+", dtype=kind, shape=shape).flush()
                reserve(temporary / f"{name}.npy")
            _render_scenes(temporary, settings, workers or os.cpu_count() or 1, progress)
            for name in _layout(settings):
                np.load(temporary / f"{name}.npy", mmap_mode="r+").flush()
            sums = {name: _checksum(temporary / f"{name}.npy") for name in _layout(settings)}
            write_json(temporary / MANIFEST, {"settings": asdict(settings), "renderer": RENDERER_VERSION,
                                              "checksums": sums})
            _install(temporary, folder, settings)
    except OSError as error:
        raise InputError(f"the street cache {folder} cannot be written ({error.strerror or error}); "
                         f"{ANOTHER_CACHE}.") from error


def _install(temporary: Path, folder: Path, settings: StreetSettings) -> None:
    """Rename a complete set into place; a sound one that another process installed meanwhile stays."""
    if folder.exists():
        if not damage(folder, settings):
            return
        shutil.rmtree(folder)
    try:
        temporary.rename(folder)
    except OSError:
        if damage(folder, settings):
            raise


def _render_scenes(folder: Path, settings: StreetSettings, workers: int, progress: bool) -> None:
    """Render all scenes, in this process or in several; each writes its own rows of the memory-mapped files."""
    seeds = scene_seeds(settings.split, settings.scenes)
    workers = min(workers, len(seeds))
    with tqdm(total=len(seeds) * settings.frames_per_scene, unit="frame", desc=f"render {settings.split} street",
              disable=not progress) as bar:
        if workers == 1:
            for k, seed in enumerate(seeds):
                bar.update(_render_scene(folder, settings, k, seed))
        else:
            _share_out(folder, settings, seeds, workers, bar)


def _share_out(folder: Path, settings: StreetSettings, seeds: list[int], workers: int, bar: tqdm) -> None:
    """Render scenes in processes of their own, which are commands: unlike `multiprocessing`, they never import the
    caller's script, so a script needs no `if __name__ == "__main__"` on any system.
    """
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "semdepth_lite.street.cache"]
    shares = [json.dumps([str(folder), asdict(settings), list(enumerate(seeds))[i::workers]]) for i in range(workers)]
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def follow(process: subprocess.Popen, share: str) -> None:
        entry, lines, errors = process.stdin, process.stdout, process.stderr
        assert entry and lines and errors  # they are pipes
        with entry:
            entry.write(share)
        for line in lines:
            bar.update(int(line))
        error = errors.read().strip()
        if process.wait():
            raise RunFailed(f"rendering the street failed: {error.splitlines()[-1] if error else process.returncode}.")

    with ExitStack() as stack, ThreadPoolExecutor(workers) as pool:
        running = [stack.enter_context(subprocess.Popen(command, env=environment, **pipe)) for _ in shares]
        try:
            list(pool.map(follow, running, shares))
        except BaseException:
            for process in running:
                process.kill()
            raise


def _render_scene(folder: Path, settings: StreetSettings, k: int, seed: int) -> int:
    """Render one scene into its rows of the set and return the number of frames.

    The rows are in the system's memory then; the disk is waited for once, when the set is complete.
    """
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _layout(settings)}
    for index in range(settings.frames_per_scene):
        frame = render_frame(seed, index, settings.height, settings.width)
        row = k * settings.frames_per_scene + index
        for name, value in (("images", frame.image), ("depth", frame.depth), ("labels", frame.labels),
                            ("moving", frame.moving), ("pose", frame.pose)):
            arrays[name][row] = value
    return settings.frames_per_scene


def main() -> None:
    """Render the share of scenes that stands on standard input, and print the frames of each when it is done."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    folder, settings, share = json.load(sys.stdin)
    keep_freed_memory()
    for k, seed in share:
        print(_render_scene(Path(folder), StreetSettings(**settings), k, seed), flush=True)


if __name__ == "__main__":
    main()
