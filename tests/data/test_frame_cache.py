"""The cache of frames: whatever happens to the disk below it, what comes out are the frames."""
from __future__ import annotations

import builtins
import errno
import os
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from semdepth_lite.data.frame_cache import FrameStore, PlanarImages
from semdepth_lite.data.label_maps import LabelMaps

SHAPE, COUNT = (3, 20, 30), 6


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "clip" / f"{i}.png" for i in range(COUNT)]
    paths[0].parent.mkdir()
    for i, path in enumerate(paths):
        Image.fromarray(np.random.RandomState(i).randint(0, 256, (20, 30, 3)).astype(np.uint8)).save(path)
    return paths


def stored(files, folder):
    return FrameStore(files, PlanarImages(20, 30), SHAPE, "clip", folder)


@pytest.fixture
def expected(files):
    return stored(files, None).read(range(COUNT))


def test_the_second_reading_decodes_nothing(files, tmp_path, expected, monkeypatch):
    assert np.array_equal(stored(files, tmp_path / "cache").read([0, 3, 0]), expected[[0, 3, 0]])
    again = stored(files, tmp_path / "cache")
    monkeypatch.setattr(again, "_decode", None)
    assert np.array_equal(again.read([3, 0]), expected[[3, 0]])


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(0, 7), st.booleans())
def test_no_flipped_bit_and_no_cut_is_ever_used(files, tmp_path, expected, place, bit, cut):
    store = stored(files, tmp_path / "cache")
    store.read(range(COUNT))
    content = bytearray(store.path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    store.path.write_bytes(content[:place % len(content)] if cut else content)
    assert np.array_equal(store.read(range(COUNT)), expected)
    assert np.array_equal(stored(files, tmp_path / "cache").read(range(COUNT)), expected)


class Scanty:
    """A file that takes and gives at most so many bytes in a call, and no more than `space` in all."""

    def __init__(self, file, space):
        self.file, self.space = file, space

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, content):
        if self.space <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = min(len(content), 700, self.space)
        self.space -= count
        return self.file.write(bytes(content[:count]))

    def readinto(self, view):
        return self.file.readinto(view[:500])


@pytest.mark.parametrize("space", [10**9, 100, 2500])
def test_short_writes_and_a_full_disk(files, tmp_path, expected, monkeypatch, space):
    store = stored(files, tmp_path / "cache")
    plain = builtins.open
    monkeypatch.setattr(builtins, "open", lambda path, *rest, **options: Scanty(plain(path, *rest, **options), space)
                        if path == store.path else plain(path, *rest, **options))
    for _ in range(2):
        assert np.array_equal(store.read(range(COUNT)), expected)
    monkeypatch.undo()
    assert np.array_equal(stored(files, tmp_path / "cache").read(range(COUNT)), expected)


def test_a_read_only_mount(files, tmp_path, expected, monkeypatch):
    stored(files, tmp_path / "cache").read([0, 1])
    plain = builtins.open

    def read_only(path, mode="r", *rest, **options):
        if "cache" in str(path) and set(mode) & set("+wax"):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return plain(path, mode, *rest, **options)

    monkeypatch.setattr(builtins, "open", read_only)
    assert np.array_equal(stored(files, tmp_path / "cache").read(range(COUNT)), expected)


def test_a_cache_that_vanishes(files, tmp_path, expected):
    store = stored(files, tmp_path / "cache")
    store.read([0])
    store.path.unlink()
    assert np.array_equal(store.read(range(COUNT)), expected)


def test_a_frame_that_is_replaced_by_one_of_equal_size_and_time(files, tmp_path):
    stored(files, tmp_path / "cache").read([0])
    state, size = files[0].stat(), files[0].stat().st_size
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(files[0])
    with open(files[0], "ab") as file:
        file.truncate(size)
    os.utime(files[0], ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (stored(files, tmp_path / "cache").read([0]) == 0).all()


def test_labels_read_as_other_ids_are_other_frames(tmp_path):
    Image.fromarray(np.full((4, 6), 7, np.uint8)).save(tmp_path / "a.png")
    for ids, train_id in (("trainId", 7), ("labelId", 0)):
        store = FrameStore([tmp_path / "a.png"], LabelMaps(4, 6, None, ids), (4, 6), "labels", tmp_path / "cache")
        assert (store.read([0]) == train_id).all()


def test_two_writers_at_once(files, tmp_path, expected):
    results = [None] * 8

    def work(i):
        results[i] = stored(files, tmp_path / "cache").read(range(COUNT))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, expected) for result in results)
