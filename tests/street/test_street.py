"""The street: geometry against formulas and brute force, determinism, statistics, corruption of labels."""
from __future__ import annotations

import numpy as np
import pytest

from semdepth_lite.classes import GROUPS, IGNORE, TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.street import (
    StreetSettings,
    corrupt_labels,
    default_intrinsics,
    export_kitti,
    load_street,
    make_scene,
    pace_car_scene,
    render_frame,
    render_scene,
    scene_seeds,
)
from semdepth_lite.street.noise import stripes
from semdepth_lite.street.raster import FIRST, camera_view, draw
from semdepth_lite.street.things import BALL, MATERIAL, POST, Stage

TINY = StreetSettings("validation", 2, 2, 24, 64)


@pytest.fixture(scope="module")
def frames():
    """Return one frame of each of 18 training scenes at the size of the lessons."""
    return [render_frame(seed, 3, 96, 320) for seed in scene_seeds("train", 18)]


def pixel_rays(frame) -> np.ndarray:
    """Return (H, W, 3) world rays whose camera z is 1."""
    height, width = frame.depth.shape
    v, u = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(frame.K).T @ frame.pose[:3, :3].T


@pytest.mark.slow
def test_a_frame_is_what_it_says(frames):
    frame = frames[0]
    assert frame.image.shape == (96, 320, 3) and frame.image.dtype == np.uint8
    assert frame.depth.shape == (96, 320) and frame.depth.dtype == np.float32
    assert frame.labels.dtype == np.uint8 and frame.moving.dtype == bool
    np.testing.assert_array_equal(frame.K, [[185.6, 0, 159.5], [0, 185.6, 47.5], [0, 0, 1]])
    np.testing.assert_array_equal(frame.depth == 0, frame.labels == TRAIN_ID["sky"])
    np.testing.assert_allclose(frame.pose[:3, :3] @ frame.pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert (frame.depth[frame.depth > 0] > .2).all() and np.isfinite(frame.depth).all()


def test_road_depth_is_the_formula_of_the_ground_plane(frames):
    for frame in frames[:4]:
        road = frame.labels == TRAIN_ID["road"]
        expected = -frame.pose[1, 3] / pixel_rays(frame)[..., 1][road]
        assert road.sum() > 1000
        np.testing.assert_allclose(frame.depth[road], expected, rtol=2e-4)


def _draw(stage: Stage, height: int = 60, width: int = 100):
    """Draw a stage from a camera 1.6 m above the road that looks straight ahead; return depth and ids."""
    pose = np.eye(4)
    pose[1, 3] = -1.6
    view = camera_view(default_intrinsics(height, width), pose, height, width)
    draw(stage.freeze(), view)
    return 1 / np.maximum(view.x[0, :height, :width], 1e-9), view.ids[0, :height, :width]


def test_a_box_a_ball_and_a_post_are_where_they_stand():
    stage = Stage()
    stage.solid("box", (-2., 0., 11.), (2., 3., 2.), "plain", "building", (.5, .5, .5))
    depth, ids = _draw(stage)
    face = ids >= FIRST
    f, cx, cy = 58., 49.5, 29.5
    front = face & (np.abs(depth - 10) < 1e-3)
    columns, rows = np.flatnonzero(front.any(0)), np.flatnonzero(front.any(1))
    assert columns[0] == np.ceil(-3 * f / 10 + cx) and columns[-1] == np.floor(-1 * f / 10 + cx)
    assert rows[0] == np.ceil(-1.4 * f / 10 + cy) and rows[-1] == np.floor(1.6 * f / 10 + cy)
    stage = Stage()
    stage.ball((0., 1.6, 8.), (.7, .7, .7), "plain", "building", (.5, .5, .5))
    stage.post((1., 0., 6.), (1., 3., 6.), .25, "plain", "pole", (.5, .5, .5))
    depth, ids = _draw(stage, 61, 101)
    assert depth[30, 50] == pytest.approx(7.3, rel=1e-5)
    ray = np.array([(60 - 50) / 58.58, 1.])  # the column at x = 1 for z about 5.86
    t = min(np.roots([ray @ ray, -2 * ray @ [1., 6.], 37 - .0625]).real)
    assert depth[30, 60] == pytest.approx(t, rel=1e-4)


def _brute_force(things, ray: np.ndarray, eye: np.ndarray) -> float:
    """Meet all things and the road with one ray, in float64, one by one; return the nearest z or infinity."""
    best = -eye[1] / ray[1] if ray[1] > 0 else np.inf
    for i in range(len(things)):
        if things.kind[i] >= 0:
            planes = things.planes[things.plane_start[i]:things.plane_start[i + 1]]
            toward, room = planes[:, :3] @ ray, planes[:, 3] - planes[:, :3] @ eye
            with np.errstate(divide="ignore"):
                t = room / toward
            enter, leave = t[toward < 0].max(initial=0), t[toward > 0].min(initial=np.inf)
            if 0 < enter < leave and not ((toward == 0) & (room < 0)).any():
                best = min(best, enter)
            continue
        rows = things.axes[i] / things.size[i][:, None]
        if things.kind[i] == POST:
            rows = rows[[0, 2]]
        p, q = rows @ (eye - things.origin[i]), rows @ ray
        a, b, c = q @ q, p @ q, p @ p - 1
        if b * b <= a * c or c <= 0:
            continue
        t = (-b - np.sqrt(b * b - a * c)) / a
        along = things.axes[i, 1] @ (eye + t * ray - things.origin[i])
        if t > 0 and (things.kind[i] == BALL or 0 <= along <= things.size[i, 1]):
            best = min(best, t)
    return best


@pytest.mark.slow
def test_visibility_agrees_with_brute_force():
    """Leaves are drawn without their holes here; a few rays may pass an edge on the other side by rounding."""
    scene = make_scene(7)
    things, pose = scene.things(2), scene.pose(2)
    things.material[things.material == MATERIAL["leaves"]] = MATERIAL["plain"]
    height, width = 60, 200
    K = default_intrinsics(height, width)
    view = camera_view(K, pose, height, width)
    draw(things, view)
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(150):
        v, u = int(rng.integers(height)), int(rng.integers(width))
        ray = pose[:3, :3] @ np.linalg.inv(K) @ np.array([u, v, 1.])
        expected = _brute_force(things, ray, pose[:3, 3])
        x = float(view.x[0, v, u])
        wrong += abs(x - (0 if expected > 4000 else 1 / expected)) > 1e-3 * x + 1e-6
    assert wrong <= 2


def test_three_times_the_resolution_shows_the_same_picture():
    """Every center sample is also one of a picture of three times the size; its colors average to the small one's."""
    small, large = render_frame(4, 1, 48, 160), render_frame(4, 1, 144, 480)
    same = large.labels[1::3, 1::3] == small.labels
    assert same.mean() > .98  # leaves that are too fine for the small picture differ
    close = np.isclose(large.depth[1::3, 1::3], small.depth, rtol=1e-3)
    assert close.mean() > .97
    blocks = large.image.astype(np.float64)
    errors = {}
    for shift in (-2, -1, 0, 1, 2):
        moved = np.roll(blocks, shift, axis=1)
        mean = moved.reshape(48, 3, 160, 3, 3).mean(axis=(1, 3))
        errors[shift] = np.abs(mean - small.image)[:, 2:-2].mean()
    assert min(errors, key=errors.get) == 0 and errors[0] < 5


@pytest.mark.slow
def test_labels_and_image_agree_at_borders_to_a_pixel(frames):
    """Where two plain areas of different labels meet in a row, the color crosses its middle within a pixel."""
    good = total = 0
    for frame in frames:
        labels, image = frame.labels, frame.image.astype(np.float64)
        for shift in range(4, 315):
            left, right = labels[:, shift - 4:shift], labels[:, shift:shift + 4]
            rows = np.flatnonzero((left == left[:, :1]).all(1) & (right == right[:, :1]).all(1)
                                  & (left[:, 0] != right[:, 0]))
            for row in rows:
                profile = image[row, shift - 4:shift + 4]
                a, b = profile[:3].mean(0), profile[5:].mean(0)
                step = b - a
                if np.abs(step).sum() < 90 or profile[:3].std(0).sum() > 20 or profile[5:].std(0).sum() > 20:
                    continue
                share = (profile - a) @ step / (step @ step)
                total += 1
                good += share[2] < .5 < share[5]
    assert total > 200
    assert good / total > .97


def test_statistics_hold_what_the_lessons_need(frames):
    labels = np.stack([frame.labels for frame in frames])
    thin = np.isin(labels, GROUPS["thin"])
    wide = thin & np.roll(thin, 1, axis=2) & np.roll(thin, -1, axis=2)
    assert thin.mean() >= .03 and wide.mean() >= .01
    assert np.mean([frame.moving.mean() for frame in frames]) >= .02
    shares = np.bincount(labels.ravel(), minlength=256) / labels.size
    assert shares.max() < .45
    for name in ("road", "sidewalk", "building", "pole", "traffic sign", "vegetation", "sky", "person", "car"):
        assert shares[TRAIN_ID[name]] > .005, name
    assert shares[19:].sum() == 0
    for frame in frames:
        assert set(np.unique(frame.labels[frame.moving])) <= {TRAIN_ID["person"], TRAIN_ID["car"]}


def test_a_pace_car_keeps_its_place_in_the_picture():
    scene = pace_car_scene(5)
    first, later = (render_scene(scene, k, 96, 320) for k in (0, 6))
    assert later.pose[2, 3] - first.pose[2, 3] > 2
    both = first.moving & later.moving & (first.labels == TRAIN_ID["car"]) & (first.depth < 16)
    both[:, :100] = False
    assert both.sum() > 150
    assert np.median(np.abs(first.depth - later.depth)[both]) < .1


def test_motion_is_gentle():
    for seed in scene_seeds("train", 6):
        scene = make_scene(seed)
        poses = [scene.pose(k) for k in range(9)]
        steps = [np.linalg.inv(a) @ b for a, b in zip(poses, poses[1:])]
        ahead = np.array([step[2, 3] for step in steps])
        angles = [np.arccos(np.clip((np.trace(step[:3, :3]) - 1) / 2, -1, 1)) for step in steps]
        assert (ahead > .4).all() and (ahead < 1.1).all()
        assert np.degrees(np.mean(angles)) < .35


def test_splits_share_no_scene():
    seeds = {split: set(scene_seeds(split, 500)) for split in ("train", "validation", "test")}
    assert all(len(some) == 500 for some in seeds.values())
    assert not seeds["train"] & seeds["validation"] and not seeds["train"] & seeds["test"]
    assert not seeds["validation"] & seeds["test"]
    assert scene_seeds("train", 3) == scene_seeds("train", 9)[:3]


@pytest.mark.slow
def test_corruption_is_monotone_and_reproducible(frames):
    labels = np.stack([frame.labels for frame in frames[:3]])
    assert (corrupt_labels(labels, 0., 1) == labels).all()
    before, shares = np.zeros(labels.shape, bool), []
    for strength in (.1, .3, .6, 1.):
        wrong = corrupt_labels(labels, strength, 1) != labels
        assert not (before & ~wrong).any()
        shares.append(wrong.mean())
        before = wrong
    assert np.all(np.diff(shares) > .005) and shares[-1] < .35
    np.testing.assert_array_equal(corrupt_labels(labels, .6, 1), corrupt_labels(labels, .6, 1))
    assert (corrupt_labels(labels, .6, 1) != corrupt_labels(labels, .6, 2)).any()
    np.testing.assert_array_equal(corrupt_labels(labels[0], .6, 1), corrupt_labels(labels, .6, 1)[0])


def test_corruption_errs_like_a_network(frames):
    """Thin things suffer more than large ones, and borders more than what is inside."""
    labels = np.stack([frame.labels for frame in frames[:8]])
    wrong = corrupt_labels(labels, .5, 0) != labels
    thin = np.isin(labels, GROUPS["thin"])
    assert wrong[thin].mean() > 2 * wrong[~thin].mean()
    border = np.zeros_like(thin)
    border[..., 1:] |= labels[..., 1:] != labels[..., :-1]
    border[..., :-1] |= labels[..., 1:] != labels[..., :-1]
    assert wrong[border].mean() > 3 * wrong[~border].mean()
    blank = np.full((20, 30), IGNORE, np.uint8)
    blank[:, 15:] = TRAIN_ID["car"]
    result = corrupt_labels(blank, 1., 0)
    assert (result[:, :15] == IGNORE).all() and (result[:, 15:] != IGNORE).all()


def test_stripes_keep_their_mean_at_every_footprint():
    s = np.linspace(0, 6, 6001)[:-1]
    for width in (.01, .1, .3, .6, 1., 3.):
        share = stripes(s, 1.0, .3, .12, np.full_like(s, width))
        assert share.min() >= 0 and share.max() <= 1
        assert share.mean() == pytest.approx(.24, abs=.05)
    assert np.ptp(stripes(s, 1.0, .3, .12, np.full_like(s, 3.))) < 1e-6


@pytest.mark.parametrize("call, words", [
    (lambda: StreetSettings("holiday"), "split 'holiday'"),
    (lambda: StreetSettings(scenes=0), "scenes 0"),
    (lambda: StreetSettings(height=4), "height 4"),
    (lambda: scene_seeds("all", 2), "split 'all'"),
    (lambda: scene_seeds("train", -1), "count -1"),
    (lambda: render_frame(-1, 0, 32, 64), "seed -1"),
    (lambda: render_frame(0, -2, 32, 64), "index -2"),
    (lambda: render_frame(0, 0, 4, 64), "4x64"),
    (lambda: load_street(TINY, workers=0), "workers 0"),
    (lambda: corrupt_labels(np.zeros((4, 4), np.uint8), 1.5, 0), "strength 1.5"),
    (lambda: corrupt_labels(np.zeros((4, 4)), .5, 0), "float64"),
    (lambda: corrupt_labels(np.zeros((4, 4), np.uint8), .5, -3), "seed -3"),
    (lambda: export_kitti(1, 0, 32, 64, "nowhere"), "frames 0"),
])
def test_bad_input_is_refused_in_one_sentence(call, words):
    with pytest.raises(InputError, match=words) as refusal:
        call()
    assert str(refusal.value).count(". ") == 0
