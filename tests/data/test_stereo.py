"""A second camera: its picture is the last source, its motion the calibration's, and depth comes out in meters."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import pole_scene, scene_triplet
from kitti_files import DRIVE, HEIGHT, WIDTH, frame_picture, make_odometry
from PIL import Image

from semdepth_lite.camera import invert_transform, rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.by_name import DataOptions, open_data
from semdepth_lite.data.stereo import StereoSource
from semdepth_lite.losses import photometric_error
from semdepth_lite.model import Model
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.training.batches import check_source
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.warp import warp


@pytest.fixture
def odometry(tmp_path):
    root = make_odometry(tmp_path)
    folder = root / "sequences" / "09" / "image_3"
    folder.mkdir()
    for frame in range(4):
        Image.fromarray(frame_picture(frame, 3)).save(folder / f"{frame:06d}.png")
    return root


def open_raw(root, **more) -> StereoSource:
    return open_data(f"kitti:{root}", HEIGHT, WIDTH, DataOptions(**{"cache": None, "stereo": "neighbors", **more}))


def pixels(image: torch.Tensor) -> np.ndarray:
    return (image * 255).round().byte().permute(1, 2, 0).numpy()


def test_the_second_camera_comes_after_the_neighbors_in_time(raw):
    source = open_raw(raw)
    batch = source.triplet([1, 0])  # frames 2 and 1
    assert batch.sources.shape == (2, 3, 3, HEIGHT, WIDTH) and len(source) == 3
    for row, frame in enumerate((2, 1)):
        assert np.array_equal(pixels(batch.target[row]), frame_picture(frame, 2))
        shown = [pixels(image) for image in batch.sources[row]]
        expected = [frame_picture(frame - 1, 2), frame_picture(frame + 1, 2), frame_picture(frame, 3)]
        assert all(map(np.array_equal, shown, expected))


def test_its_motion_is_the_baseline_and_the_others_are_unknown(raw):
    T = open_raw(raw).triplet([0]).T_source_target[0]
    assert torch.equal(T[2], rigid_transform(torch.zeros(1, 3), torch.tensor([[-0.5, 0, 0]]))[0])
    assert T[:2].isnan().all()
    known = open_raw(raw, poses=True).triplet([0]).T_source_target[0]
    assert known.isfinite().all() and float(known[0, 2, 3]) == pytest.approx(1, abs=1e-4)  # one meter a frame


def test_alone_every_frame_is_a_target_of_the_one_source(raw):
    source = open_raw(raw, stereo="alone")
    batch = source.triplet([0])
    assert len(source) == 5 and batch.sources.shape[1] == 1 and batch.T_source_target.shape == (1, 1, 4, 4)
    assert np.array_equal(pixels(batch.sources[0, 0]), frame_picture(0, 3))


def test_of_a_right_frame_the_left_one_is_the_source(raw, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{DRIVE} 2 r\n{DRIVE} 1 l\n")
    batch = open_raw(raw, stereo="alone", frames=listed).triplet([0, 1])
    assert np.array_equal(pixels(batch.sources[0, 0]), frame_picture(2, 2))
    assert batch.T_source_target[:, 0, 0, 3].tolist() == [0.5, -0.5]


def test_odometry_pairs_frames_by_their_number(odometry):
    options = DataOptions(sequences=("09",), stereo="neighbors", cache=None)
    batch = open_data(f"odometry:{odometry}", HEIGHT, WIDTH, options).triplet([1])
    assert np.array_equal(pixels(batch.target[0]), frame_picture(2, 2))
    assert np.array_equal(pixels(batch.sources[0, 2]), frame_picture(2, 3))
    assert batch.T_source_target[0, 2, :3, 3].tolist() == pytest.approx([0.1, 0, 0])  # as calib.txt has it


def test_a_missing_camera_is_named(odometry):
    (odometry / "sequences" / "09" / "calib.txt").write_text(
        "".join(line + "\n" for line in (odometry / "sequences" / "09" / "calib.txt").read_text().splitlines()[:2]))
    with pytest.raises(InputError, match="no projection P2"):
        open_data(f"odometry:{odometry}", HEIGHT, WIDTH, DataOptions(sequences=("09",), cache=None))
    with pytest.raises(InputError, match="image_1 holds no image; .* name another camera"):
        open_data(f"odometry:{odometry}", HEIGHT, WIDTH, DataOptions(sequences=("09",), camera=1, cache=None))


def test_a_pair_that_is_not_rectified_is_refused(raw):
    source = open_raw(raw, stereo="alone")
    source.other.K = source.other.K + torch.tensor([[0, 0, 1.0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(InputError, match="differ by up to 1.00 px; stereo needs a rectified pair"):
        StereoSource(source.source, source.other, source.rows, source.T_other_camera.numpy())
    source.other.K = source.source.K
    with pytest.raises(InputError, match="needs a baseline"):
        StereoSource(source.source, source.other, source.rows, np.tile(np.eye(4), (5, 1, 1)))


@pytest.mark.parametrize("kind, value, message", [
    ("kitti", "both", "stereo 'both' is unknown"), ("frames", "alone", "kind frames has no use for stereo")])
def test_stereo_where_there_is_none_is_refused(raw, kind, value, message):
    with pytest.raises(InputError, match=message):
        open_data(f"{kind}:{raw}", HEIGHT, WIDTH, DataOptions(stereo=value))


class Pair:
    """One triplet of the analytic scene with a camera 0.3 m to the right as third source."""

    name, height, width, has_labels, has_depth = "pair", 64, 96, False, True

    def __init__(self, motion_known: bool = False) -> None:
        batch = scene_triplet(64, 96, seed=3)
        beside = torch.eye(4, dtype=torch.float64)
        beside[0, 3] = 0.3
        image, _ = pole_scene(beside, batch.K[0], 64, 96)
        T = torch.cat((batch.T_source_target, invert_transform(beside)[None, None]), 1)
        if not motion_known:
            T[:, :2] = torch.nan
        arrays = {"target": batch.target, "sources": torch.cat((batch.sources, image[None, None]), 1), "K": batch.K,
                  "depth": batch.depth, "T_source_target": T}
        self.batch = type(batch)(**{name: array.float() for name, array in arrays.items()})

    def __len__(self) -> int:
        return 1

    def triplet(self, indices):
        return self.batch


def test_learned_motion_stands_beside_the_known_one():
    batch = Pair().triplet([0])
    torch.manual_seed(0)
    model = Model(NetworkSettings("lite", 8), alignment=1)
    terms, prediction = model(batch)
    terms.total.backward()
    assert torch.equal(prediction.T_source_target[:, 2], batch.T_source_target[:, 2])
    assert prediction.T_source_target.isfinite().all() and terms.total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.pose.parameters())


def test_two_sources_are_treated_as_before():
    """Whatever a second camera needs leaves the numbers of a plain triplet alone."""
    batch = Pair(motion_known=True).triplet([0])
    plain = replace(batch, sources=batch.sources[:, :2], sources_aug=None,
                    T_source_target=batch.T_source_target[:, :2])
    torch.manual_seed(0)
    model = Model(NetworkSettings("lite", 8), alignment=2).eval()
    both = model._motion_of(batch, batch.depth)
    alone = model.aligned(model.motion(plain.target, plain.sources), plain, plain.depth)
    assert torch.equal(both[:, :2], alone)


def test_what_cannot_be_trained_is_refused_in_one_sentence(raw):
    given = TrainSettings(pose="given", batch=1)
    with pytest.raises(InputError, match="motion of the second camera only"):
        check_source(Pair(), given)
    check_source(Pair(motion_known=True), given)
    check_source(Pair(), TrainSettings(batch=1))
    alone = Pair()
    alone.batch = replace(alone.batch, sources=alone.batch.sources[:, 2:], sources_aug=None,
                          T_source_target=alone.batch.T_source_target[:, 2:])
    check_source(alone, given)
    with pytest.raises(InputError, match="no neighbors in time"):
        check_source(alone, TrainSettings(batch=1))


def test_annotated_depth_explains_the_left_camera_by_the_right_one(real_data, tmp_path):
    """Meters are right: the error is least at the annotated depth itself, not at a multiple of it."""
    listed = tmp_path / "list.txt"
    listed.write_text(f"{DRIVE} 10 l\n")
    options = DataOptions(frames=listed, stereo="alone", depth="improved", cache=None,
                          improved_root=real_data / "kitti_depth_annotated")
    batch = open_data(f"kitti:{real_data / 'kitti_raw'}", 375, 1242, options).triplet([0])
    known, errors = batch.depth > 0, {}
    for factor in (0.9, 0.97, 1.0, 1.03, 1.1):
        depth = (factor * batch.depth).clamp(min=0.1)
        view, valid = warp(batch.sources[:, 0], depth, batch.T_source_target[:, 0], batch.K)
        errors[factor] = float(photometric_error(view, batch.target, ssim=0)[known & valid].mean())
    assert min(errors, key=errors.get) == 1.0 and errors[1.0] < 0.8 * errors[1.1]
