"""Real data by name, and evaluation against LiDAR points where they are."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from factories import TinySource
from PIL import Image

from semdepth_lite.common import registry
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import read_log
from semdepth_lite.course.demos import write_clip
from semdepth_lite.data.by_name import KINDS, UNDERSTOOD, DataOptions, open_data, truth_batches
from semdepth_lite.data.image_files import read_depth_png, write_depth_png
from semdepth_lite.data.own_frames import FrameFolder
from semdepth_lite.evaluation.protocol import Protocol
from semdepth_lite.evaluation.report import evaluate
from semdepth_lite.street import render_frame
from semdepth_lite.training.run import Run
from semdepth_lite.training.settings import TrainSettings

HEIGHT, WIDTH = 60, 100


@pytest.fixture
def clip(tmp_path):
    """Six frames with sparse depth and labels, larger than the network's images."""
    for kind in ("images", "depth", "labels"):
        (tmp_path / kind).mkdir()
    random = np.random.RandomState(0)
    for frame in range(6):
        name = f"{frame:03d}.png"
        Image.fromarray(random.randint(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)).save(tmp_path / "images" / name)
        depth = random.uniform(2, 60, (HEIGHT, WIDTH)) * (random.rand(HEIGHT, WIDTH) < 0.1)
        write_depth_png(tmp_path / "depth" / name, depth)
        Image.fromarray(random.randint(0, 19, (HEIGHT, WIDTH)).astype(np.uint8)).save(tmp_path / "labels" / name)
    (tmp_path / "images" / "intrinsics.txt").write_text("fov 80\n")
    return tmp_path


def options(clip, **more) -> DataOptions:
    return DataOptions(**{"depth": str(clip / "depth"), "labels": clip / "labels", "cache": None, **more})


def test_frames_open_by_name(clip):
    source = open_data(f"frames:{clip / 'images'}", 32, 64, options(clip))
    assert isinstance(source, FrameFolder) and len(source) == 4 and source.has_depth and source.has_labels
    assert source.triplet([0]).target.shape == (1, 3, 32, 64)


@pytest.mark.parametrize("data", ["street", "kitti", "kitti:", "video:x", "", ":x"])
def test_unknown_data_is_refused_with_what_there_is(data):
    with pytest.raises(InputError, match="is unknown; use kitti:PLACE"):
        open_data(data, 32, 64)


@pytest.mark.parametrize("kind, name, value", [
    ("frames", "sequences", ("09",)), ("frames", "frames", Path("list.txt")), ("kitti", "step", 2),
    ("odometry", "allow_gaps", True), ("odometry", "path", Path("x")), ("odometry", "intrinsics", "fov 80")])
def test_an_option_without_use_is_refused(tmp_path, kind, name, value):
    with pytest.raises(InputError, match=f"data of kind {kind} has no use for {name}"):
        open_data(f"{kind}:{tmp_path}", 32, 64, DataOptions(**{name: value}))


@pytest.mark.parametrize("options, match", [
    ({"label_ids": "labelId"}, "label_ids 'labelId' tells what labels hold, and none are named"),
    ({"improved_root": Path("x"), "depth": "forward"}, "improved_root x is read for the depth 'improved', not 'for")])
def test_an_option_of_something_that_is_not_asked_for_is_refused(tmp_path, options, match):
    with pytest.raises(InputError, match=match):
        open_data(f"kitti:{tmp_path}", 32, 64, DataOptions(**options))


def test_every_option_is_understood_by_some_kind():
    assert set(UNDERSTOOD) == {*KINDS, "photo", "street"} and not UNDERSTOOD["street"]
    named = {name for names in UNDERSTOOD.values() for name in names}
    assert named | {"cache"} == set(DataOptions.__dataclass_fields__)


def test_a_registered_source_is_opened_by_name_and_judged_by_its_own_truth(monkeypatch):
    asked = []

    def mine(place, height, width):
        asked.append((place, height, width))
        return TinySource(3)

    monkeypatch.setitem(registry._PARTS, ("source", "mine"), mine)
    source = open_data("mine:some:where", 64, 96, DataOptions(neighbors=False, poses=True))
    assert asked == [("some:where", 64, 96)] and len(source) == 3
    judged = list(truth_batches(source))
    assert [len(batch) for batch in judged] == [1, 1, 1]
    assert torch.equal(judged[2].depth, source.triplet([2]).depth)
    with pytest.raises(InputError, match="data of kind mine has no use for labels"):
        open_data("mine:x", 64, 96, DataOptions(labels=Path("labels")))
    monkeypatch.setitem(registry._PARTS, ("source", "mine"), lambda *size: [1, 2])
    with pytest.raises(InputError, match="the source 'mine' makes list, which lacks name, height, .*triplet"):
        open_data("mine:x", 64, 96)


def test_truth_stays_at_its_own_size(clip):
    source = open_data(f"frames:{clip / 'images'}", 32, 64, options(clip))
    batches = list(truth_batches(source))
    assert len(batches) == 4 and batches[2].index.item() == 2
    assert batches[0].target.shape == (1, 3, 32, 64) and batches[0].depth.shape == (1, 1, HEIGHT, WIDTH)
    assert batches[0].labels.shape == (1, HEIGHT, WIDTH)
    assert torch.equal(batches[1].semantics[:, 0], source.triplet([1]).labels)
    assert np.array_equal(batches[0].depth[0, 0].numpy(), read_depth_png(clip / "depth" / "001.png"))
    assert torch.equal(batches[0].target, source.triplet([0]).target)
    with pytest.raises(InputError, match="opened without depth"):
        next(truth_batches(open_data(f"frames:{clip / 'images'}", 32, 64, options(clip, depth=None))))


def test_every_frame_is_judged_where_no_neighbor_is_needed(clip):
    source = open_data(f"frames:{clip / 'images'}", 32, 64, options(clip, neighbors=False))
    batches = list(truth_batches(source))
    assert len(batches) == 6 and batches[0].sources.shape[1] == 0
    assert np.array_equal(batches[5].depth[0, 0].numpy(), read_depth_png(clip / "depth" / "005.png"))


def test_sparse_truth_is_judged_where_it_is(clip):
    source = open_data(f"frames:{clip / 'images'}", 32, 64, options(clip))
    report = evaluate(lambda batch: torch.full((1, 1, 32, 64), 7.0), truth_batches(source),
                      Protocol(crop="garg", dense=False, scaling="none"))
    expected = []
    for frame in (1, 2, 3, 4):
        depth = read_depth_png(clip / "depth" / f"{frame:03d}.png")
        crop = np.zeros_like(depth, dtype=bool)
        crop[int(0.40810811 * HEIGHT):int(0.99189189 * HEIGHT), int(0.03594771 * WIDTH):int(0.96405229 * WIDTH)] = True
        truth = depth[crop & (depth > 1e-3) & (depth < 80)]
        expected.append(np.mean(np.abs(7 - truth) / truth))
    assert np.allclose(report.values["abs_rel"], expected, rtol=1e-5)
    assert (report.values["pixels"] > 100).all() and report.counts["band_abs_rel"] == 4


def test_a_street_becomes_a_plain_clip(tmp_path):
    images = write_clip(tmp_path / "street", 8, 3, 32, 96)
    source = open_data(f"frames:{images}", 32, 96, DataOptions(
        labels=tmp_path / "street" / "labels", depth=str(tmp_path / "street" / "depth"), cache=None))
    batch, frame = source.triplet([0]), render_frame(8, 1, 32, 96)
    assert len(source) == 1 and np.array_equal((batch.target[0] * 255).round().byte().permute(1, 2, 0), frame.image)
    assert np.array_equal(batch.labels[0], frame.labels)
    assert np.abs(batch.depth[0, 0].numpy() - frame.depth.clip(max=65535 / 256)).max() < 0.01
    assert np.allclose(batch.K[0], frame.K, atol=1e-4)
    written = (images / "000000.png").stat().st_mtime_ns
    assert write_clip(tmp_path / "street", 8, 3, 32, 96) == images
    assert (images / "000000.png").stat().st_mtime_ns == written


@pytest.mark.slow
def test_a_short_training_on_real_frames_lowers_the_photometric_loss(real_data, tmp_path):
    source = open_data(f"kitti:{real_data / 'kitti_raw'}", 64, 192, DataOptions(
        frames=_list(tmp_path), depth="improved", improved_root=real_data / "kitti_depth_annotated",
        cache=tmp_path / "c"))
    assert len(source) == 10
    run = Run(source, TrainSettings(steps=24, batch=2), tmp_path / "run", "cpu")
    model = run.train(progress=False, log_every=4)
    losses = [row["photometric"] for row in read_log(tmp_path / "run" / "log.jsonl")]
    assert np.mean(losses[-2:]) < 0.95 * losses[0]
    report = evaluate(lambda batch: model.predict(batch.target).depth, truth_batches(source),
                      Protocol(crop="garg", dense=False))
    assert report.means["abs_rel"] < 1 and report.counts["abs_rel"] == 10


def _list(folder: Path) -> Path:
    path = folder / "frames.txt"
    drive = "2011_09_26/2011_09_26_drive_0001_sync"
    path.write_text("".join(f"{drive} {frame} l\n" for frame in range(6, 16)))
    return path
