"""Frames of KITTI through the cache and the prefetching threads: what comes out are the decoded files, in order."""
from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kitti_files import (
    DRIVE,
    HEIGHT,
    WIDTH,
    frame_picture,
    open_raw,
)
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data import kitti
from semdepth_lite.data.clips import ClipSource
from semdepth_lite.data.frame_cache import FrameStore, PlanarImages
from semdepth_lite.data.sources import prefetch


def test_cached_frames_equal_decoded_ones_and_are_decoded_once(raw, tmp_path):
    cached, plain = open_raw(raw, cache=tmp_path / "cache"), open_raw(raw)
    batch = [0, 2, 1, 0]
    assert torch.equal(cached.triplet(batch).sources, plain.triplet(batch).sources)

    def refuse(path):
        raise AssertionError(f"{path} was decoded again")

    again = open_raw(raw, cache=tmp_path / "cache")
    again.frames.read_file = refuse
    assert torch.equal(again.triplet(batch).target, plain.triplet(batch).target)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_changed_files_and_sizes_get_a_cache_of_their_own(raw, tmp_path):
    cache = tmp_path / "cache"
    open_raw(raw, cache=cache).triplet([0])
    path = raw / DRIVE / "image_02" / "data" / f"{1:010d}.png"
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(path)
    assert open_raw(raw, cache=cache).triplet([0]).target.max() == 0
    kitti.KittiRaw(raw, HEIGHT, WIDTH // 2, cache=cache)
    assert len(list(cache.iterdir())) == 3


def test_a_cut_cache_is_made_again(raw, tmp_path):
    first = open_raw(raw, cache=tmp_path / "cache")
    expected = first.triplet([0]).target
    first.frames.path.write_bytes(first.frames.path.read_bytes()[:-3])
    assert torch.equal(open_raw(raw, cache=tmp_path / "cache").triplet([0]).target, expected)


def test_a_cache_that_does_not_fit_is_refused(raw, tmp_path, monkeypatch):
    monkeypatch.setattr("semdepth_lite.data.frame_cache.shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(InputError, match="the cache of 5 frames needs .* GB"):
        open_raw(raw, cache=tmp_path / "cache")


def test_prefetch_keeps_order_and_passes_errors_on(raw, tmp_path):
    source = open_raw(raw, cache=tmp_path / "cache")
    batches = [[0], [2, 1], [1], [0, 2]]
    for workers in (0, 2):
        assert [t.index.tolist() for t in prefetch(source, batches, workers)] == batches
    with pytest.raises(InputError, match="indices"):
        list(prefetch(source, [[0], [9], [1]], workers=2))


def test_memory_stays_flat_over_many_batches(raw, tmp_path):
    resource = pytest.importorskip("resource", reason="this system does not tell a process's peak memory")
    source = kitti.KittiRaw(raw, 96, 320, cache=tmp_path / "cache")
    unit = 1 if sys.platform == "darwin" else 1024

    def peak(batches: int) -> int:
        for _ in prefetch(source, [[0, 1, 2]] * batches, workers=2):
            pass
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    warm = peak(80)  # as long as what is judged: how many batches wait at once varies with the threads
    # a batch is 3.3 MB, and some 30 MB come and go with the threads: keeping every batch would take 265 MB
    assert peak(80) - warm < 80e6


def test_a_store_checks_what_its_reader_returns(tmp_path):
    Image.fromarray(frame_picture(0, 2)).save(tmp_path / "a.png")
    store = FrameStore([tmp_path / "a.png"], PlanarImages(8, 8), (3, 8, 9), "x", None)
    with pytest.raises(InputError, match="a.png gives"):
        store.read([0])
    assert issubclass(kitti.KittiRaw, ClipSource)
