"""The lessons' trials against loops, closed forms and the modules they ask."""
from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from semdepth_lite import labels
from semdepth_lite.camera import intrinsics
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import demos
from semdepth_lite.course.environment import check_environment
from semdepth_lite.data.sources import street_source, triplet_of
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.evaluation.prediction import to_scale
from semdepth_lite.evaluation.trajectories import motion_errors
from semdepth_lite.losses import LossSettings, reprojection_loss
from semdepth_lite.model import Prediction
from semdepth_lite.pretrained import load_pretrained
from semdepth_lite.street import render_frame, scene_seeds

HEIGHT, WIDTH = 32, 64


@pytest.fixture(scope="module")
def frames():
    """Four consecutive frames of a test scene."""
    return [render_frame(scene_seeds("test", 1)[0], i, HEIGHT, WIDTH) for i in range(4)]


def sideways(shift: float) -> Triplet:
    """A random picture and two copies moved by +-`shift` pixels at depth 8, the camera moving sideways by 1 m."""
    wide = torch.rand(1, 3, HEIGHT, WIDTH + 32, dtype=torch.float64)
    views = [wide[..., 16 + k:16 + k + WIDTH] for k in (0, int(shift), -int(shift))]
    K = intrinsics(8 * shift, 8 * shift, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)[None].double()
    T = torch.eye(4, dtype=torch.float64).repeat(1, 2, 1, 1)
    T[0, :, 0, 3] = torch.tensor([-1.0, 1.0])
    return Triplet(views[0], torch.stack(views[1:], 1), K, T_source_target=T)


@pytest.mark.slow
def test_triplet_of_frames_is_the_source_s(frames, tmp_path):
    source = street_source("test", 1, HEIGHT, WIDTH, cache=tmp_path, workers=1, progress=False)
    known, made = source.triplet(np.array([0])), triplet_of(frames[:3])
    for name in ("target", "sources", "K", "depth", "labels", "moving", "T_source_target"):
        assert torch.equal(getattr(made, name), getattr(known, name)), name
    with pytest.raises(InputError, match="4 frames make no triplet"):
        triplet_of(frames)


def test_sky_is_put_far_away():
    assert demos.far_sky(torch.tensor([0.0, 3.0]), 500.0).tolist() == [500.0, 3.0]


def test_the_sweep_finds_the_depth_of_a_plane():
    depths = torch.tensor([2.0, 4.0, 8.0, 16.0], dtype=torch.float64)
    errors = demos.depth_sweep(sideways(4.0), depths)
    assert errors.shape == (4, 2, HEIGHT, WIDTH)
    assert float(errors[2, :, :, 6:-6].max()) < 1e-9
    assert float(errors[1, :, :, 17:-17].min()) > 0.01
    # at 2 m the point lies 16 px aside: the previous frame has lost it at the left rim, the next at the right one
    assert bool(errors[0, 0, :, :15].isnan().all()) and not bool(errors[0, 1, :, :40].isnan().any())
    found = demos.best_depth(errors.nan_to_num(nan=torch.inf).amin(1), depths)
    assert bool((found[:, 17:-17] == 8).all())


def test_a_sweep_wants_one_item_with_its_motion():
    batch = sideways(4.0)
    batch.T_source_target = None
    with pytest.raises(InputError, match="with its motion"):
        demos.depth_sweep(batch, torch.ones(1))


def test_best_depth_against_a_loop():
    errors = torch.rand(5, 3, 4)
    errors[errors < 0.3] = torch.nan
    errors[:, 0, 0] = torch.nan
    depths = torch.arange(1.0, 6.0)
    found = demos.best_depth(errors, depths)
    for v in range(3):
        for u in range(4):
            known = [(float(e), float(d)) for e, d in zip(errors[:, v, u], depths) if not e.isnan()]
            assert float(found[v, u]) == (min(known)[1] if known else 0)


def test_pick_pixel():
    score = torch.tensor([[1.0, 9.0, torch.nan], [3.0, 2.0, torch.inf]])
    assert demos.pick_pixel(score, torch.ones_like(score, dtype=torch.bool)) == (1, 0)
    assert demos.pick_pixel(score, score < 5) == (0, 1)
    with pytest.raises(InputError, match="no pixel is left"):
        demos.pick_pixel(score, score > 99)


def test_ring_mask_against_distances():
    ring = demos.ring_mask((7, 3), 12, 20, radius=5, thickness=2)
    for v in range(12):
        for u in range(20):
            assert bool(ring[v, u]) == (9 < (u - 7) ** 2 + (v - 3) ** 2 <= 25)


@pytest.mark.parametrize("switches", [{}, {"automask": False}, {"minimum": False}, {"mask_outside": True},
                                      {"gray": True, "ssim": 0.0}])
def test_pixel_loss_averages_to_the_loss(frames, switches):
    batch, settings = triplet_of(frames[1:]), LossSettings(**switches)
    depth = demos.far_sky(batch.depth)
    images = [image.mean(-3, keepdim=True) if settings.gray else image for image in (batch.target, batch.sources)]
    loss = reprojection_loss(*images, depth, batch.T_source_target, batch.K, settings)
    assert torch.allclose(demos.pixel_loss(batch, depth, settings).mean(), loss, rtol=1e-6)


@pytest.mark.parametrize("pixels", [-2, -1, 1, 2, 3])
def test_resize_foreground_against_a_loop(pixels):
    foreground = F.avg_pool2d(torch.rand(2, 1, 12, 15), 3, 1, 1)[:, 0] > 0.55
    depth = 1 + torch.rand(2, 1, 12, 15)
    found = demos.resize_foreground(depth, foreground, pixels)
    joined = foreground if pixels > 0 else ~foreground
    for b in range(2):
        places = joined[b].nonzero()
        for v in range(12):
            for u in range(15):
                squared = ((places - torch.tensor([v, u])) ** 2).sum(1)
                nearest = squared.min()
                if 0 < nearest <= pixels**2:
                    allowed = [float(depth[b, 0, y, x]) for y, x in places[squared == nearest]]
                    assert float(found[b, 0, v, u]) in allowed
                else:
                    assert float(found[b, 0, v, u]) == float(depth[b, 0, v, u])
    assert torch.equal(demos.resize_foreground(depth, torch.zeros_like(foreground), 1), depth)


def test_the_loss_at_borders_is_an_average_over_a_band(frames):
    batch = triplet_of(frames[1:])
    batch.labels[0] = labels.TRAIN_ID["road"]
    batch.labels[0, 4:20, 10:30] = labels.TRAIN_ID["car"]
    v, u = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    # border pixels are the outermost of the car and their 4-neighbors outside; distances go to the nearest of them
    rows, columns = torch.arange(4, 20), torch.arange(10, 30)
    border = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    for row in (3, 4, 19, 20):
        border[row, columns] = True
    for column in (9, 10, 29, 30):
        border[rows, column] = True
    places = border.nonzero()
    distance = ((v[..., None] - places[:, 0]) ** 2 + (u[..., None] - places[:, 1]) ** 2).amin(-1)
    band = distance <= 2.5**2
    expected = demos.pixel_loss(batch, demos.far_sky(batch.depth))[0][band].mean()
    assert torch.allclose(demos.loss_at_borders(batch, 0), expected[None])
    batch.labels[0] = labels.TRAIN_ID["road"]
    assert bool(demos.loss_at_borders(batch, 1).isnan().all())


def test_to_scale_gives_the_median_of_the_truth():
    truth = torch.tensor([2.0, 4.0, 10.0, 0.0]).view(1, 1, 2, 2)
    scaled = to_scale(torch.tensor([1.0, 0.5, 3.0, 99.0]).view(1, 1, 2, 2), truth)
    assert scaled.flatten().tolist() == [4.0, 2.0, 12.0, 396.0]


def test_motion_errors_know_the_truth(frames):
    class Truthful(torch.nn.Module):
        """Says twice the true depth and twice the true way, and forgets to turn."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def predict(self, images):
            return Prediction([], 2 * demos.far_sky(batch.depth))

        def motion(self, target, sources):
            T = torch.eye(4).repeat(1, 2, 1, 1)
            T[..., :3, 3] = 2 * batch.T_source_target[..., :3, 3]
            return T

    batch = triplet_of(frames[1:])
    found = motion_errors(Truthful(), [batch, batch])
    assert found["direction_deg"] == pytest.approx(0, abs=0.05) and found["length_ratio"] == pytest.approx(1)
    assert found["rotation_deg"] == found["rotation_deg_without"] > 0


@pytest.mark.slow
def test_each_run_has_a_folder_of_its_own(tmp_path):
    sources = [street_source("test", scenes, 8, 8, cache=tmp_path, workers=1, progress=False) for scenes in (1, 2)]
    folders = {demos.run_folder(lesson, LossSettings(ssim=ssim), source)
               for lesson in ("00", "03") for ssim in (0.0, 1.0) for source in sources}
    assert len(folders) == 8 and all(folder.parts[0] == "runs" for folder in folders)
    assert demos.run_folder("00", LossSettings(ssim=0.0), sources[0]) in folders


def test_misread_pixels_are_what_torch_reads():
    image = torch.rand(1, 2, 9, 13, dtype=torch.float64)
    pixels = torch.rand(1, 2, 9, 13, dtype=torch.float64) * torch.tensor([8.0, 5.0]).view(1, 2, 1, 1) + 2
    size = torch.tensor([12.0, 8.0], dtype=torch.float64)
    wrong = F.grid_sample(image, pixels.permute(0, 2, 3, 1) * 2 / size - 1, align_corners=False)
    right = F.grid_sample(image, demos.misread_pixels(pixels, 9, 13).permute(0, 2, 3, 1) * 2 / size - 1,
                          align_corners=True)
    assert torch.allclose(wrong, right, atol=1e-12)


def test_the_environment_is_reported_line_by_line():
    lines = check_environment()
    assert all(line.startswith(("OK   ", "FIX  ")) for line in lines) and "Python" in lines[0]
    assert any(line.startswith("FIX") and "1e+09 GiB" in line for line in check_environment(1e9))


def test_a_swapped_label_changes_depth_where_it_lies(frames):
    batch = triplet_of(frames[:3])
    where = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    where[20:28, 20:40] = True

    class Believer:
        def predict(self, image, packed):
            return Prediction([], packed[:, :1].float() + 1)  # its depth is its label

    changed = demos.swap_labels(Believer(), batch, where, ("car", "sky"))
    true = batch.labels[0].float() + 1
    for name, times in changed.items():
        expected = torch.where(where, labels.TRAIN_ID[name] + 1, true) / true
        assert torch.allclose(times, expected)


def test_points_of_seem_are_near_borders_while_training_and_the_given_ones_at_test(frames):
    batch, model = triplet_of(frames[:3]), load_pretrained("combined", "cpu")
    found = torch.tensor([0, WIDTH + 3, 5 * WIDTH + 7] * 20)
    sets = demos.seem_points(model, batch, found, torch.Generator().manual_seed(0))
    assert sets["strongest edges"][:3].tolist() == [[0, 0], [3, 1], [7, 5]]
    assert len(sets["near edges"]) + len(sets["anywhere"]) == 60 and len(sets["near edges"]) == 45
    band = labels.dilate(labels.label_borders(batch.labels), 4)[0]
    u, v = sets["near edges"].T
    assert float(band[v, u].float().mean()) > 0.9
    with pytest.raises(InputError, match="has no SEEM"):
        demos.seem_points(load_pretrained("baseline", "cpu"), batch, found, torch.Generator())


def test_processor_seconds_are_those_of_one_call():
    calls = []
    assert demos.processor_seconds(lambda: calls.append(sum(range(200_000))), 3) > 0 and len(calls) == 3
