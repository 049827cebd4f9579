"""The doctor: each trouble made on purpose is found, and a healthy clip has none."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from semdepth_lite.camera import axis_angle_to_matrix, intrinsics, rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.doctor import LIMITS, blur_of, examine, judge_movers, look_at, overall, report
from semdepth_lite.data.flow import find_motion, grid_points, track
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.warp import warp

HEIGHT, WIDTH = 96, 192
K = intrinsics(120, 120, 95.5, 47.5)


def texture(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> torch.Tensor:
    """Paint (3, H, W) of coarse and fine noise, which can be tracked at every level of a pyramid."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    for cells, weight in ((8, 0.5), (16, 0.3), (48, 0.2)):
        noise = torch.rand(1, 3, cells, 2 * cells, generator=generator)
        image += weight * F.interpolate(noise, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)
    return image[0]


def scene_depth() -> torch.Tensor:
    """A slanted plane with a near block, (1, 1, H, W) meters."""
    depth = torch.full((HEIGHT, WIDTH), 12.0)
    rows = torch.arange(HEIGHT).float()
    depth = torch.minimum(depth, (200 / (rows - 40).clamp(min=1))[:, None])
    depth[20:70, 120:160] = 5
    return depth[None, None]


def pair(rotation=(0.0, 0.0, 0.0), translation=(0.0, 0.0, 0.0), image: torch.Tensor | None = None):
    """Return a first and a second frame: the second is the texture, the first is the texture warped to it."""
    second = texture() if image is None else image
    T = rigid_transform(torch.tensor([rotation]), torch.tensor([translation]))
    first, _ = warp(second[None], scene_depth(), T, K[None])
    return first[0], second


@dataclass
class Clip:
    """A source of ready pairs."""

    pairs: list
    K: torch.Tensor = K

    def __len__(self):
        return len(self.pairs)

    def triplet(self, indices):
        first, second = self.pairs[indices[0]]
        return Triplet(target=first[None], sources=torch.stack((first, second))[None], K=self.K[None])


def verdicts(*pairs, **options) -> dict[str, str]:
    return {f.name: f.verdict for f in examine(Clip(list(pairs), **options))}


FORWARD = {"rotation": (0.0, 0.01, 0.0), "translation": (0.05, 0.0, -0.5)}


def test_points_are_tracked_to_a_tenth_of_a_pixel():
    image = texture(HEIGHT + 20, WIDTH + 20)
    v, u = torch.meshgrid(torch.arange(HEIGHT) + 10.0, torch.arange(WIDTH) + 10.0, indexing="ij")
    grid = torch.stack((2 * u / (WIDTH + 19) - 1, 2 * v / (HEIGHT + 19) - 1), -1)[None]
    shifted = grid + torch.tensor([2 * 5.3 / (WIDTH + 19), 2 * -3.7 / (HEIGHT + 19)])
    first, second = (F.grid_sample(image[None], g, align_corners=True)[0] for g in (grid, shifted))
    tracks = track(first, second)
    assert tracks.found.mean() > 0.7
    flow = (tracks.moved - tracks.points)[tracks.found]
    assert np.abs(np.median(flow, 0) - (-5.3, 3.7)).max() < 0.02
    assert np.quantile(np.abs(flow - (-5.3, 3.7)).max(1), 0.9) < 0.1


@pytest.mark.parametrize("size", [(64, 192), (96, 320), (192, 640), (375, 1242)])
def test_every_image_size_has_enough_points(size):
    points = grid_points(*size)
    assert 130 <= len(points) <= 420 and (points.max(0) < (size[1] - 8, size[0] - 8)).all() and points.min() >= 8


@pytest.fixture
def points():
    """Points of a scene in two views, some of which move by themselves, and the true motion."""
    random = np.random.RandomState(0)
    p = np.stack((random.uniform(5, 187, 200), random.uniform(5, 91, 200)), 1)
    depth = random.uniform(3, 30, 200)
    rays = np.concatenate((p, np.ones((200, 1))), 1) @ np.linalg.inv(K.double().numpy()).T
    R = axis_angle_to_matrix(torch.tensor([0.01, -0.03, 0.005], dtype=torch.float64)).numpy()
    t = np.array([0.1, 0.02, -0.6])
    return p, rays * depth[:, None], R, t, random


def seen(X: np.ndarray) -> np.ndarray:
    image = X @ K.double().numpy().T
    return image[:, :2] / image[:, 2:]


def test_rotation_and_direction_are_found_among_movers(points):
    p, X, R, t, random = points
    q = seen(X @ R.T + t) + random.normal(0, 0.05, p.shape)
    q[:40] += (6, -9)
    motion = find_motion(p, q, K.double().numpy())
    assert np.abs(motion.rotation - R.T).max() < 2e-3
    travel = -R.T @ t  # where the second camera stands, seen from the first
    assert motion.direction @ travel / np.linalg.norm(travel) > 0.999
    stray = (motion.off_line > 1.5) | motion.backward
    assert stray[:40].mean() > 0.7 and stray[40:].mean() < 0.02
    true_parallax = seen(X @ R.T + t) - seen(X @ R.T)
    assert np.median(np.abs(np.linalg.norm(motion.parallax, axis=1) - np.linalg.norm(true_parallax, axis=1))[40:]) < 0.1


def test_points_that_go_the_wrong_way_are_found(points):
    p, X, R, t, _ = points
    q = seen(X @ R.T + t)
    away = q[:20] - seen(X @ R.T)[:20]
    q[:20] -= 2 * away * (3 / np.linalg.norm(away, axis=1))[:, None]  # on the line, but toward the epipole
    motion = find_motion(p, q, K.double().numpy())
    assert motion.backward[20:].mean() < 0.02 and motion.backward[:20].mean() > 0.5


def test_a_pure_rotation_leaves_no_parallax(points):
    p, X, R, _, _ = points
    motion = find_motion(p, seen(X @ R.T), K.double().numpy())
    assert np.linalg.norm(motion.parallax, axis=1).max() < 0.01


@pytest.mark.slow
def test_a_healthy_clip_has_no_findings():
    findings = examine(Clip([pair(**FORWARD)] * 3))
    assert [f.name for f in findings] == ["intrinsics", "tracking", "static", "parallax", "movers", "texture",
                                          "exposure", "blur"]
    assert overall(findings) == "good", report(findings)
    for f in findings:
        assert f.picture.dtype == np.uint8 and f.picture.shape[1:] in ((WIDTH, 3), (3 * WIDTH, 3))
        assert len(f.caption) > 20
        assert f.remedy == "" and "picture" not in f.to_json()


def test_a_standing_camera_is_found():
    still = pair()
    found = verdicts(still, still)
    assert found["static"] == "bad" and found["parallax"] == "bad"


def test_a_camera_that_hardly_travels_learns_by_how_much_more_it_should():
    short = {**FORWARD, "translation": tuple(0.08 * t for t in FORWARD["translation"])}
    finding = next(each for each in examine(Clip([pair(**short)])) if each.name == "parallax")
    assert finding.verdict != "good" and f"a frame step {math.ceil(1 / finding.value)} times as large" in finding.remedy


def test_a_turning_camera_is_found():
    found = verdicts(pair(rotation=(0.0, 0.03, 0.0)))
    assert found["static"] == "good" and found["parallax"] == "bad"


def test_blank_walls_are_found():
    image = texture() * 0.001 + 0.5
    assert verdicts(pair(**FORWARD, image=image))["texture"] == "bad"


@pytest.mark.slow
def test_exposure_jumps_are_found():
    first, second = pair(**FORWARD)
    findings = {f.name: f for f in examine(Clip([(first, second), (first, second * 0.8)]))}
    assert findings["exposure"].verdict == "bad" and "50%" in findings["exposure"].what


def test_blur_is_found_and_measured():
    first, second = pair(**FORWARD)
    soft = [F.avg_pool2d(F.pad(x[None], (6, 6, 6, 6), mode="replicate"), 13, 1)[0] for x in (first, second)]
    checks = (torch.arange(HEIGHT)[:, None] // 4 + torch.arange(WIDTH) // 4) % 2
    assert verdicts(tuple(soft))["blur"] == "bad"
    assert blur_of(checks.float().expand(3, -1, -1)) < 0.3 < blur_of(soft[0])


def test_cuts_between_scenes_are_found():
    assert verdicts((texture(seed=1), texture(seed=2)))["tracking"] == "bad"


def test_movers_are_found():
    first, second = pair(**FORWARD)
    second = second.clone()
    second[:, 20:80, 100:170] = first[:, 16:76, 104:174]  # a large thing that moves up and to the left
    assert verdicts((first, second))["movers"] != "good"


def test_the_words_on_movers_speak_of_the_pair_that_is_drawn_too():
    first, second = pair(**FORWARD)
    moved = second.clone()
    moved[:, 20:80, 100:170] = first[:, 16:76, 104:174]
    still, alone, both = (judge_movers([look_at(Clip(pairs), i) for i in range(len(pairs))])
                          for pairs in ([(first, second)], [(first, moved)], [(first, second), (first, moved)]))
    assert both.value == pytest.approx((still.value + alone.value) / 2)
    assert f"{both.value:.1%} of the points, on average" in both.what
    assert f"and {alone.value:.1%} in the pair" in both.what


@pytest.mark.slow
@pytest.mark.parametrize("camera, verdict", [
    (intrinsics(120, 120, 95.5, 47.5), "good"), (intrinsics(600, 600, 95.5, 47.5), "look"),
    (intrinsics(3000, 3000, 95.5, 47.5), "bad"), (intrinsics(120, 200, 95.5, 47.5), "look"),
    (intrinsics(120, 120, 140.0, 47.5), "look"), (intrinsics(120, 120, 190.0, 47.5), "bad")])
def test_strange_intrinsics_are_found(camera, verdict):
    finding = examine(Clip([pair(**FORWARD)], K=camera))[0]
    assert finding.verdict == verdict and bool(finding.remedy) == (verdict != "good")


def test_the_report_names_remedies():
    text = report(examine(Clip([pair()])))
    assert " bad  static: the camera stands in 100%" in text and "larger frame step" in text
    assert set(LIMITS) < {line.split()[1].rstrip(":") for line in text.splitlines() if not line.startswith("      ")}


def test_a_clip_without_pairs_is_refused():
    with pytest.raises(InputError, match="0 triplets cannot be examined"):
        examine(Clip([]))

    class Trial(Clip):
        def triplet(self, indices):
            batch = super().triplet(indices)
            return Triplet(target=batch.target, sources=batch.sources[:, :0], K=batch.K)

    with pytest.raises(InputError, match="without neighbors"):
        examine(Trial([pair()]))
