"""What each explorer shows: its numbers are those of the package's functions."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from explorer_cases import HEIGHT, WIDTH, blank

from semdepth_lite import load_pretrained, losses, metrics
from semdepth_lite.borders import snap_depth
from semdepth_lite.camera import backproject, intrinsics, rigid_transform
from semdepth_lite.classes import GROUPS, NAMES
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import demos, explorers, museum
from semdepth_lite.course.explorers import borders as profiles
from semdepth_lite.course.explorers import pixels
from semdepth_lite.data.sources import triplet_of
from semdepth_lite.evaluation.prediction import to_scale
from semdepth_lite.labels import group_mask
from semdepth_lite.losses import LossSettings
from semdepth_lite.street import corrupt_labels, make_scene, pace_car_scene, render_frame, render_scene
from semdepth_lite.warp import warp


def mean_error(batch, depth, T, K, source=0):
    view, valid = warp(batch.sources[:, source], depth, T, K)
    return float(losses.photometric_error(view, batch.target)[valid].mean())


@pytest.mark.slow
def test_warp(made, batch):
    explorer, depth, T = made["warp"], demos.far_sky(batch.depth), batch.T_source_target[:, 0]
    explorer.set(yaw=1.0, z=0.5, scale=2.0)
    extra = rigid_transform(torch.tensor([[0.0, math.pi / 180, 0.0]]), torch.tensor([[0.0, 0.0, 0.5]]))
    assert explorer.numbers["error"] == pytest.approx(mean_error(batch, 2 * depth, extra @ T, batch.K), rel=1e-5)
    explorer._reset()
    assert explorer.numbers["error"] == pytest.approx(mean_error(batch, depth, T, batch.K), rel=1e-5)
    assert f"{explorer.numbers['error']:.4f}" in explorer.sentence
    explorer.set(start="no motion")
    assert explorer.numbers["error"] == pytest.approx(explorer.numbers["unmoved"], abs=1e-5)
    explorer._reset()


@pytest.mark.slow
def test_scale_changes_nothing_unless_depth_is_scaled_alone(made, batch):
    explorer = made["scale"]
    truth = mean_error(batch, demos.far_sky(batch.depth), batch.T_source_target[:, 0], batch.K)
    for factor in (0.1, 10.0):
        explorer.set(factor=factor)
        assert explorer.numbers["error"] == pytest.approx(truth, abs=2e-5)
    explorer.set(factor=3.0, together=False)
    assert explorer.numbers["error"] > 1.05 * truth
    explorer._reset()


@pytest.mark.slow
def test_intrinsics(made, batch):
    explorer = made["intrinsics"]
    explorer.set(focal=0.5, right=4)
    K = intrinsics(0.5 * 0.58 * WIDTH, 0.5 * 0.58 * WIDTH, (WIDTH - 1) / 2 + 4, (HEIGHT - 1) / 2)[None]
    expected = mean_error(batch, demos.far_sky(batch.depth), batch.T_source_target[:, 0], K)
    assert explorer.numbers["error"] == pytest.approx(expected, rel=1e-4)
    assert explorer.numbers["field_of_view"] == pytest.approx(math.degrees(2 * math.atan(1 / 0.58)), abs=0.01)
    explorer._reset()


@pytest.mark.slow
def test_driving_straight_ahead_hides_the_focal_length(batch):
    straight = triplet_of([render_frame(8, index, HEIGHT, WIDTH) for index in (2, 3, 4)])
    straight.T_source_target[:] = rigid_transform(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 0.7]]))
    explorer = explorers.IntrinsicsExplorer(straight)
    errors = []
    for focal in (0.5, 1.0, 2.0):
        explorer.set(focal=focal)
        errors.append(explorer.numbers["error"])
    assert errors == pytest.approx([errors[1]] * 3, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("ssim", [True, False])
@pytest.mark.parametrize("minimum", [True, False])
@pytest.mark.parametrize("mask", [True, False])
def test_the_curve_is_the_loss_of_the_pixel(made, batch, ssim, minimum, mask):
    explorer, (u, v) = made["curve"], (WIDTH // 2 + 9, HEIGHT // 2 + 4)
    settings = LossSettings(ssim=0.85 if ssim else 0.0, minimum=minimum, automask=mask)
    known = [float(demos.pixel_loss(batch, torch.full_like(batch.depth, float(d)), settings)[0, v, u])
             for d in explorer.depths]
    sentence = explorer.set(u=u, v=v, ssim=ssim, minimum=minimum, mask=mask)
    assert ("the same at every depth" in sentence) == (max(known) == min(known))
    if max(known) > min(known):
        assert explorer.numbers["best"] == pytest.approx(float(explorer.depths[int(np.argmin(known))]))
    error, _ = explorers.curves.as_the_loss_sees(
        explorers.curves.joined(explorer.sweeps[ssim][..., v:v + 1, u:u + 1], minimum)[:, 0, 0],
        explorer.identity[ssim, minimum][v, u], mask)
    assert error.tolist() == pytest.approx(known, abs=1e-5)


@pytest.mark.slow
def test_a_pixel_that_the_mask_leaves_out_at_every_depth_has_no_best_one(made, monkeypatch):
    explorer = made["curve"]
    monkeypatch.setattr(explorer, "identity", {key: torch.zeros_like(each) for key, each in explorer.identity.items()})
    sentence = explorer.set(u=WIDTH // 2, v=HEIGHT // 2, ssim=True, minimum=True, mask=True)
    assert "the loss is the same at every depth" in sentence and "leaves 0 %" in sentence
    assert np.isnan(explorer.numbers["best"]) and explorer.numbers["teaches_percent"] == 0


@pytest.mark.slow
def test_the_curve_names_truth_and_network(made, batch, model):
    explorer = made["curve"]
    explorer._reset()
    u, v = explorer.values["u"], explorer.values["v"]
    with torch.no_grad():
        answer = to_scale(model.predict(batch.target).depth, batch.depth)[0, 0, v, u]
    assert explorer.numbers["network"] == pytest.approx(float(answer), rel=1e-5)
    assert explorer.numbers["truth"] == float(batch.depth[0, 0, v, u])
    assert NAMES[int(batch.labels[0, v, u])] in explorer.sentence
    row, column = (batch.depth[0, 0] == 0).nonzero()[0].tolist()
    assert "the sky has no depth" in explorer.set(u=column, v=row)
    explorer._reset()


def test_pixels_are_chosen_by_marks_or_by_sliders(batch, monkeypatch):
    drawn = []
    monkeypatch.setattr(explorers.CurveExplorer, "draw",
                        lambda self, **values: drawn.append(values) or blank(1, "nothing"))
    explorer = explorers.CurveExplorer(batch, marked={"here": (5, 6), "there": (7, 8)}, depths=torch.tensor([5.0, 9.0]))
    assert (explorer.values["u"], explorer.values["v"]) == (5, 6)
    explorer.controls["pixel"].value = "there"
    assert (explorer.values["u"], explorer.values["v"]) == (7, 8) and len(drawn) == 2
    explorer.controls["v"].value = 9
    assert explorer.values["pixel"] == pixels.BY_SLIDERS and explorer.values["u"] == 7 and len(drawn) == 3
    with pytest.raises(InputError, match=r"'out' is \(96, 0\), outside an image of 96x64"):
        explorers.CurveExplorer(batch, marked={"out": (WIDTH, 0)}, depths=torch.tensor([5.0]))


def test_marked_pixels_show_what_they_say(batch):
    marked = pixels.marked_pixels(batch)
    assert {"something thin", "the ground"} <= set(marked)
    for name, group in (("something thin", "thin"), ("something movable", "movable"), ("the ground", "ground")):
        if name in marked:
            u, v = marked[name]
            assert bool(group_mask(batch.labels[0], group)[v, u]) and float(batch.depth[0, 0, v, u]) > pixels.BEYOND


@pytest.mark.slow
def test_the_car_drives_at_its_share_of_the_pace():
    scene = pace_car_scene(4)
    movers = scene.movers
    frames = [render_scene(scene, index, 48, 144) for index in demos.FRAMES]
    at_pace, slow = (demos.at_share_of_pace(scene, share, 48, 144) for share in (1.0, 0.5))
    assert torch.equal(at_pace.target, triplet_of(frames).target) and scene.movers == movers
    assert torch.equal(slow.depth, at_pace.depth), "the target frame differs"
    assert not torch.equal(slow.sources, at_pace.sources)
    with pytest.raises(InputError, match="no car that keeps pace"):
        demos.at_share_of_pace(make_scene(8), 1.0, 48, 144)


@pytest.mark.slow
def test_the_faster_the_car_the_farther_it_seems(made):
    explorer, best, silent = made["pace"], [], []
    for share in (0.0, 0.5, 1.0):
        explorer.set(share=share, mask=True)
        best.append(explorer.numbers["car_best"])
        silent.append(explorer.numbers["silent_percent"])
        truth = explorer.numbers["truth"]
    assert best[0] == pytest.approx(truth, rel=0.35)
    assert best[1] == pytest.approx(2 * truth, rel=0.35) and best[2] > 4 * truth
    assert silent[0] < 30 < 50 < silent[2]
    car, name = explorer.batches[1.0], "reprojection_error"
    error, _ = getattr(losses, name)(demos.far_sky(car.depth), car.T_source_target, car.K, car.target, car.sources,
                                     LossSettings())
    unmoved = losses.identity_error(car.target, car.sources, LossSettings())
    expected = 100 * float((error >= unmoved)[0][explorer.car(1.0)].float().mean())
    assert silent[2] == pytest.approx(expected)
    explorer._reset()


@pytest.mark.slow
def test_attention_is_the_model_s(made, batch, attentive):
    explorer = made["attention"]
    explorer.set(u=60, v=40)
    for level in (4, 3, 2):
        look = attentive.attention_map(batch.target, level, 40 >> level, 60 >> level)
        assert explorer.numbers[f"most_{level}"] == pytest.approx(float(look.max()), rel=1e-6)
        assert f"level {level}: {100 * look.max():.1f} %" in explorer.sentence
    assert f"shows {NAMES[int(batch.labels[0, 40, 60])]}" in explorer.sentence
    explorer._reset()


def test_attention_needs_a_model_that_has_it(batch, model):
    with pytest.raises(InputError, match="no attention at level 4 of this model"):
        explorers.AttentionExplorer(model, batch)


@pytest.mark.slow
def test_border_numbers_are_those_of_the_metrics(made, batch, model):
    explorer = made["border"]
    explorer.set(noise=0.6, reach=2.5)
    with torch.no_grad():
        depth = to_scale(model.predict(batch.target).depth, batch.depth)
    wrong = torch.from_numpy(corrupt_labels(batch.labels.numpy(), 0.6, 0))
    snapped = snap_depth(depth, wrong, batch.target, reach=2.5, radius=3)
    band = metrics.border_band(batch.labels)[0] & (batch.depth[:, 0] > 1e-3) & (batch.depth[:, 0] < 80)
    for name, map_ in (("before", depth), ("after", snapped)):
        relative = ((map_ - batch.depth).abs() / batch.depth)[:, 0][band]
        assert explorer.numbers[name] == pytest.approx(float(relative.mean()), rel=1e-4)
    explorer._reset()


def test_offered_borders_are_borders_of_things(batch):
    for name, (u, v) in profiles.telling_borders(batch).items():
        left, right = (int(batch.labels[0, v, x]) for x in (u, u + 1))
        assert name.startswith(f"{NAMES[left]} | {NAMES[right]}, row {v}") and left != right
        assert (left in GROUPS["foreground_wide"]) != (right in GROUPS["foreground_wide"])
        assert profiles.RIM <= v < HEIGHT - profiles.RIM
    batch_of_road = triplet_of([render_frame(8, index, 16, 48) for index in (2, 3, 4)])
    batch_of_road.labels[:] = 0
    with pytest.raises(InputError, match="no upright border"):
        profiles.telling_borders(batch_of_road)


@pytest.mark.parametrize("seed", [8, 11])
def test_the_first_border_is_the_one_that_snapping_mends_most(seed):
    street = triplet_of([render_frame(seed, index, 64, 192) for index in (2, 3, 4)])
    explorer = explorers.BorderExplorer(street, load_pretrained("baseline", "cpu"))
    after = explorer.snapped(0.0, profiles.REACHES[0])[0, 0]
    assert all(profiles.RIM <= v < 64 - profiles.RIM for _, v in explorer.marked.values())
    gains = [profiles.gain_by_snapping(explorer.depth[0, 0], after, street.depth[0, 0], u, v)
             for u, v in explorer.marked.values()]
    assert gains[0] > 0.03 and gains == sorted(gains, reverse=True)


def test_the_gain_by_snapping_is_a_mean_over_known_pixels_beside_the_border():
    truth = torch.where(torch.arange(40) < 20, 5.0, 20.0).repeat(3, 1)
    wrong = truth.clone()
    wrong[1, 18:20] = 10.0
    assert profiles.gain_by_snapping(truth, truth, truth, 19, 1) == 0
    assert profiles.gain_by_snapping(wrong, truth, truth, 19, 1) == pytest.approx(2 * math.log(2) / 12)
    assert profiles.gain_by_snapping(truth, wrong, truth, 19, 1) == pytest.approx(-2 * math.log(2) / 12)
    truth[1, 20:] = 0
    assert profiles.gain_by_snapping(wrong, truth, truth, 19, 1) == pytest.approx(2 * math.log(2) / 6)


@pytest.mark.slow
def test_cloud_counts_what_it_draws(made, batch):
    explorer = made["cloud"]
    explorer.set(group="ground", top=0.5, ahead=30, side=8)
    x, y, z = backproject(batch.depth, batch.K)[0]
    kept = group_mask(batch.labels[0], "ground") & (z > 0) & (y > -0.5) & (z <= 30) & (x.abs() <= 8)
    assert explorer.numbers["true depth"] == int(kept.sum()) > 0
    explorer._reset()


@pytest.mark.slow
def test_the_museum_shows_the_failures_that_it_was_given(made):
    explorer = made["museum"]
    assert explorer.first["strength"] == 1.0  # at none there would be nothing wrong to see
    for title, name in (("Scale drift", "scale_drift"), ("Fattening", "fattening")):
        explorer.set(exhibit=title, strength=1.0)
        expected = museum.failure(name, 1.0, museum.World(8, HEIGHT, WIDTH)).values
        assert explorer.numbers == expected and f"broken {expected['broken']:.1f}" in explorer.sentence
    explorer._reset()
    with pytest.raises(InputError, match="nothing to show"):
        explorers.MuseumExplorer({})


def test_a_batch_of_several_or_without_truth_is_refused(batch):
    two = replace(batch, target=batch.target.expand(2, -1, -1, -1))
    for wrong in (two, replace(batch, T_source_target=None), replace(batch, depth=None)):
        with pytest.raises(InputError, match="one triplet with true depth and motion"):
            explorers.WarpExplorer(wrong)
