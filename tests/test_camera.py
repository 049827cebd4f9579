"""The camera: rules of K, back-projection and projection, rigid motion, disparity, against loops, scipy and gold."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from factories import camera, golden, poses
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck

from semdepth_lite.camera import (
    axis_angle_to_matrix,
    backproject,
    check_intrinsics,
    crop_intrinsics,
    disp_to_depth,
    flip_intrinsics,
    flip_transform,
    intrinsics,
    invert_transform,
    monodepth2_intrinsics,
    pixel_grid,
    project,
    resize_intrinsics,
    rigid_transform,
    skew,
    transform_points,
)
from semdepth_lite.common.contracts import InputError

vectors = st.lists(st.floats(-4, 4), min_size=3, max_size=3)


def project_point(K: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Textbook projection of one point."""
    return np.array([K[0, 0] * point[0] / point[2] + K[0, 2], K[1, 1] * point[1] / point[2] + K[1, 2]])


# Golden figures

def test_points_and_pixels_are_monodepth2s():
    K = golden("K")[:, :3, :3]
    points = backproject(golden("warp_depth"), K)
    assert torch.allclose(points.flatten(2), golden("cam_points")[:, :3], rtol=1e-6, atol=1e-5)
    pixels, z = project(transform_points(golden("warp_T"), points), K)
    normalized = 2 * pixels / torch.tensor([95.0, 63.0])[:, None, None] - 1
    assert (normalized.permute(0, 2, 3, 1) - golden("pix_coords")).abs().max() < 5e-6
    assert (z > 0).all()


def test_depth_is_monodepth2s():
    assert torch.allclose(disp_to_depth(golden("disp_in")), golden("depth"), rtol=1e-6)
    assert torch.allclose(1 / disp_to_depth(golden("disp_in")), golden("scaled_disp"), rtol=1e-6)


@pytest.mark.parametrize("invert, name", [(False, "pose_T"), (True, "pose_T_inverted")])
def test_pose_matrices_are_monodepth2s(invert, name):
    T = rigid_transform(golden("pose_axisangle")[:, 0], golden("pose_translation")[:, 0], invert)
    assert (T - golden(name)).abs().max() < 2e-6


# Intrinsics

def test_depth_range():
    assert disp_to_depth(torch.tensor(0.0)).item() == pytest.approx(100)
    assert disp_to_depth(torch.tensor(1.0)).item() == pytest.approx(0.1)
    assert disp_to_depth(torch.tensor(1.0), 2.0, 50.0).item() == pytest.approx(2)


@given(st.floats(0.2, 4), st.floats(0.2, 4), st.floats(-3, 3), st.floats(-2, 2), st.floats(1, 9))
def test_resize_then_project_equals_project_then_resize(scale_x, scale_y, x, y, z):
    K = camera(32, 48)[0]
    point = np.array([x, y, z])
    u, v = project_point(K.numpy(), point)
    resized = project_point(resize_intrinsics(K, scale_x, scale_y).numpy(), point)
    assert resized == pytest.approx([(u + 0.5) * scale_x - 0.5, (v + 0.5) * scale_y - 0.5], abs=1e-4)


@given(st.floats(-3, 3), st.floats(-2, 2), st.floats(1, 9))
def test_crop_and_flip_move_the_image_of_a_point(x, y, z):
    K, point = camera(32, 48)[0], np.array([x, y, z])
    u, v = project_point(K.numpy(), point)
    assert project_point(crop_intrinsics(K, 5, 7).numpy(), point) == pytest.approx([u - 5, v - 7], abs=1e-9)
    mirrored = project_point(flip_intrinsics(K, 48).numpy(), point * [-1, 1, 1])
    assert mirrored == pytest.approx([47 - u, v], abs=1e-9)


def test_flip_of_a_centered_camera_changes_nothing_and_twice_is_none():
    centered = intrinsics(50, 50, 23.5, 15.5)
    assert torch.equal(flip_intrinsics(centered, 48), centered)
    K = camera(32, 48)
    assert torch.allclose(flip_intrinsics(flip_intrinsics(K, 48), 48), K)
    assert K[0, 0, 2] == camera(32, 48)[0, 0, 2]  # the argument is left alone


def test_monodepth2s_own_intrinsics_are_half_a_pixel_off_center():
    K = monodepth2_intrinsics(192, 640)
    assert [K[0, 0].item(), K[1, 1].item()] == pytest.approx([0.58 * 640, 1.92 * 192])
    assert [K[0, 2].item(), K[1, 2].item()] == [320, 96]
    assert torch.allclose(monodepth2_intrinsics(64, 96)[None].expand(2, 3, 3), golden("K")[:, :3, :3])


@pytest.mark.parametrize("K, reason", [
    (torch.eye(4), r"has shape \(4, 4\)"), (intrinsics(0.58, 1.92, 0.5, 0.5), "look normalized"),
    (torch.stack((intrinsics(50, 50, 24, 16), intrinsics(0.58, 1.92, 0.5, 0.5))), "look normalized"),
    (intrinsics(-50, 50, 24, 16), "focal lengths -50, 50"), (intrinsics(50, 0, 24, 16), "focal lengths 50, 0"),
    (intrinsics(float("nan"), 50, 24, 16), "focal lengths nan"), (intrinsics(700, 700, 600, 180), "outside an image"),
    (intrinsics(50, 50, 24, 40), "outside an image of 48x32"),
    (intrinsics(700, 700, 1.5, 16), r"principal point at \(1.5, 16\)"),
    (intrinsics(700, 700, -5, 16), r"principal point at \(-5, 16\)"),
    (intrinsics(700, 700, 0.5, 0.5), "look normalized"), (2 * intrinsics(50, 50, 12, 8), "divide a scaled matrix by"),
    (torch.tensor([[50.0, 5, 24], [0, 50, 16], [0, 0, 1]]), "expected fx, 0, cx, 0, fy, cy, 0, 0, 1"),
    (torch.tensor([[50.0, 0, 24], [0, 50, 16], [1, 0, 1]]), "expected fx, 0, cx, 0, fy, cy, 0, 0, 1"),
    (torch.stack((intrinsics(50, 50, 24, 16), intrinsics(-3, 50, 24, 16))), "focal lengths -3, 50"),
    (torch.stack((intrinsics(50, 50, 24, 16), intrinsics(50, 50, 90, 16))), r"principal point at \(90, 16\)")])
def test_impossible_intrinsics_are_refused(K, reason):
    with pytest.raises(InputError, match=reason):
        check_intrinsics(K, 32, 48)


def test_possible_intrinsics_are_accepted():
    check_intrinsics(camera(32, 48), 32, 48)
    check_intrinsics(camera(32, 48)[0], 32, 48)


# Back-projection and projection

def test_backprojection_equals_a_loop():
    K = torch.cat((camera(4, 6), camera(4, 6) * torch.tensor([1.2, 1.1, 1.0])[:, None].double()))
    depth = 1 + 5 * torch.rand(2, 1, 4, 6, dtype=torch.float64)
    points = backproject(depth, K)
    for b in range(2):
        for v in range(4):
            for u in range(6):
                ray = np.linalg.solve(K[b].numpy(), [u, v, 1])
                assert points[b, :, v, u].numpy() == pytest.approx(depth[b, 0, v, u].item() * ray, abs=1e-12)


@pytest.mark.slow
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**20))
def test_project_undoes_backproject(batch, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    depth = 0.1 + 80 * torch.rand(batch, 1, height, width, generator=generator, dtype=torch.float64)
    K = camera(height, width).expand(batch, 3, 3)
    pixels, z = project(backproject(depth, K), K)
    u, v = pixel_grid(height, width, depth)
    assert torch.allclose(pixels[:, 0], u.expand(batch, height, width), atol=1e-9)
    assert torch.allclose(pixels[:, 1], v.expand(batch, height, width), atol=1e-9)
    assert torch.allclose(z, depth)


def test_a_point_behind_the_camera_keeps_its_sign_of_z_and_stays_finite():
    points = torch.tensor([[0.3, 0.1, -2.0], [0.3, 0.1, 0.0]]).T.reshape(1, 3, 1, 2)
    pixels, z = project(points, torch.eye(3)[None])
    assert z.flatten().tolist() == [-2, 0]
    assert torch.isfinite(pixels).all() and (pixels[:, 0] > 1e5).all()


@pytest.mark.parametrize("call", [
    lambda: backproject(torch.ones(1, 4, 6), torch.eye(3)[None]),
    lambda: backproject(torch.ones(2, 1, 4, 6), torch.eye(3)[None]),
    lambda: backproject(torch.ones(1, 1, 4, 6), torch.eye(4)[None]),
    lambda: project(torch.ones(1, 4, 4, 6), torch.eye(3)[None]),
    lambda: project(torch.ones(1, 3, 4, 6), torch.eye(3))])
def test_wrong_shapes_are_refused(call):
    with pytest.raises(InputError, match="has shape"):
        call()


# Rigid motion

@given(vectors, vectors)
def test_skew_is_the_cross_product(a, b):
    got = skew(torch.tensor(a, dtype=torch.float64)) @ torch.tensor(b, dtype=torch.float64)
    assert got.numpy() == pytest.approx(np.cross(a, b), abs=1e-12)


@pytest.mark.slow
@given(vectors, st.sampled_from([1.0, 1e-2, 1e-3, 3e-4, 1e-5, 0.0]))
def test_rotations_are_scipys(vector, size):
    vector = size * np.array(vector)
    R = axis_angle_to_matrix(torch.tensor(vector)).numpy()
    assert R == pytest.approx(Rotation.from_rotvec(vector).as_matrix(), abs=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-4, 1e-2, 1.0])
def test_gradient_of_rotation_is_exact_also_where_there_is_none(scale):
    vector = (scale * torch.randn(2, 3, dtype=torch.float64)).requires_grad_()
    assert gradcheck(axis_angle_to_matrix, vector)
    # dR/dv at zero rotation is the generator of the axis
    zero = torch.zeros(3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(axis_angle_to_matrix, zero)
    assert torch.allclose(jacobian, torch.stack([skew(axis) for axis in torch.eye(3).double()], -1))


@pytest.mark.parametrize("invert", [False, True])
def test_gradient_of_rigid_transform(invert):
    axis_angle = torch.randn(3, 3, dtype=torch.float64)
    axis_angle[0] = 0
    inputs = axis_angle.requires_grad_(), torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda a, t: rigid_transform(a, t, invert), inputs)


@pytest.mark.slow
@given(st.integers(0, 2**20))
def test_inverse_undoes_motion(seed):
    T = poses(4, seed, size=2.0)
    assert torch.allclose(invert_transform(T), torch.linalg.inv(T), atol=1e-10)
    assert torch.allclose(invert_transform(invert_transform(T)), T, atol=1e-12)


def test_inner_names_cancel_when_motions_are_composed():
    where = poses(3, seed=5, size=1.0)  # camera-to-world of a, b, c
    T_a_b, T_b_c, T_a_c = (invert_transform(where[i]) @ where[j] for i, j in ((0, 1), (1, 2), (0, 2)))
    assert torch.allclose(T_a_b @ T_b_c, T_a_c, atol=1e-12)
    points = torch.randn(1, 3, 2, 5, dtype=torch.float64)  # in camera c
    through_b = transform_points(T_a_b[None], transform_points(T_b_c[None], points))
    assert torch.allclose(through_b, transform_points(T_a_c[None], points), atol=1e-12)


def test_flipped_motion_moves_mirrored_points():
    T, points = poses(2, seed=3, size=1.0)[1:], torch.randn(1, 3, 2, 5, dtype=torch.float64)
    mirror = torch.tensor([-1.0, 1, 1]).double().view(1, 3, 1, 1)
    moved = transform_points(flip_transform(T), mirror * points)
    assert torch.allclose(moved, mirror * transform_points(T, points), atol=1e-12)
    assert torch.equal(flip_transform(flip_transform(T)), T)


def test_points_and_intrinsics_of_different_number_types_meet():
    """Against double precision: integer and half-precision depth, K in double, and both ways round."""
    depth, K = torch.randint(1, 9, (1, 1, 4, 6)), intrinsics(6.0, 6.0, 2.5, 1.5)[None]
    exact = backproject(depth.double(), K.double())
    for meters, matrix in ((depth, K), (depth.half(), K), (depth.float(), K.double()),
                           (depth.bfloat16(), K.bfloat16())):
        points = backproject(meters, matrix)
        assert points.dtype in (torch.float32, torch.float64) and torch.allclose(points.double(), exact, atol=1e-6)
        pixels, z = project(transform_points(torch.eye(4, dtype=torch.float64)[None], points), matrix)
        assert torch.allclose(z[:, 0].double(), depth[:, 0].double(), atol=1e-5)
        assert torch.allclose(pixels[0, 0].double(), torch.arange(6.0).double().expand(4, 6), atol=1e-4)
