"""Frames of KITTI through the cache and the prefetching threads: what comes out are the decoded files, in order."""
from __future__ import annotations

import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kitti_files import DRIVE, HEIGHT, WIDTH, frame_picture, open_raw
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


def test_few_batches_are_alive_at_once(raw, tmp_path):
    """Counted, for the peak of a process's memory shows no leak that stays below what an earlier test once took."""
    source, pictures = open_raw(raw, cache=tmp_path / "cache"), []

    def noted(indices):
        batch = source.triplet(indices)
        pictures.append(weakref.ref(batch.sources))
        return batch

    workers, alive = 2, []
    for _ in prefetch(SimpleNamespace(triplet=noted), [[0, 1, 2]] * 40, workers):
        alive.append(sum(picture() is not None for picture in pictures))
    # up to workers + 1 wait, one is with the caller, and a thread may still hold the one that it has just delivered
    assert len(pictures) == 40 and max(alive) <= workers + 3


def test_a_store_checks_what_its_reader_returns(tmp_path):
    Image.fromarray(frame_picture(0, 2)).save(tmp_path / "a.png")
    store = FrameStore([tmp_path / "a.png"], PlanarImages(8, 8), (3, 8, 9), "x", None)
    with pytest.raises(InputError, match="a.png gives"):
        store.read([0])
    assert issubclass(kitti.KittiRaw, ClipSource)
