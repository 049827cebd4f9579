"""View synthesis against Monodepth2's figures, loops, an analytic scene and finite differences."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from factories import camera, golden, pole_scene, poses, scene_triplet
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from semdepth_lite.camera import (
    backproject,
    flip_intrinsics,
    flip_transform,
    invert_transform,
    pixel_grid,
    project,
    resize_intrinsics,
    rigid_transform,
    transform_points,
)
from semdepth_lite.common.contracts import InputError
from semdepth_lite.warp import inside, occluded, sample, source_pixels, warp


def identity(batch: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.eye(4, dtype=dtype).expand(batch, 4, 4)


# Sampling

def test_the_warp_is_monodepth2s():
    warped, _ = warp(golden("image_1"), golden("warp_depth"), golden("warp_T"), golden("K")[:, :3, :3])
    assert (warped - golden("warped_align_true")).abs().max() < 2e-5
    assert (warped - golden("warped_align_false")).abs().max() > 0.02  # the half-pixel trap is another picture


@pytest.mark.slow
@given(st.integers(2, 6), st.integers(2, 7), st.integers(0, 2**20))
def test_sampling_equals_a_loop(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 2, height, width, generator=generator, dtype=torch.float64)
    size = torch.tensor([width, height]).view(1, 2, 1, 1)
    pixels = (1.6 * torch.rand(1, 2, 3, 4, generator=generator, dtype=torch.float64) - 0.3) * size
    got = sample(image, pixels)
    for i in range(3):
        for j in range(4):
            u = pixels[0, 0, i, j].clamp(0, width - 1).item()
            v = pixels[0, 1, i, j].clamp(0, height - 1).item()
            left, top = min(int(u), width - 2), min(int(v), height - 2)
            a, b = u - left, v - top
            corner = image[0, :, top:top + 2, left:left + 2]
            expected = ((1 - b) * ((1 - a) * corner[:, 0, 0] + a * corner[:, 0, 1])
                        + b * ((1 - a) * corner[:, 1, 0] + a * corner[:, 1, 1]))
            assert torch.allclose(got[0, :, i, j], expected, atol=1e-12)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-4), (torch.float64, 1e-10)])
def test_identity_motion_returns_the_image(dtype, tolerance):
    image = torch.rand(2, 3, 64, 96, dtype=dtype)
    depth = 0.1 + 99 * torch.rand(2, 1, 64, 96, dtype=dtype)
    warped, valid = warp(image, depth, identity(2, dtype), camera(64, 96, dtype).expand(2, 3, 3))
    assert (warped - image).abs().max() <= tolerance
    assert valid.all()


@pytest.mark.parametrize("du, dv", [(3, 0), (-2, 0), (0, 4), (-5, -1)])
def test_sideways_motion_before_a_wall_shifts_the_image(du, dv):
    height, width, z = 16, 24, 5.0
    image, K = torch.rand(1, 2, height, width, dtype=torch.float64), camera(height, width)
    T = identity(1).clone()
    T[0, 0, 3], T[0, 1, 3] = du * z / K[0, 0, 0], dv * z / K[0, 1, 1]
    warped, valid = warp(image, torch.full((1, 1, height, width), z, dtype=torch.float64), T, K)
    row, column = torch.arange(height)[:, None] + dv, torch.arange(width)[None, :] + du
    expected = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    assert torch.equal(valid[0, 0], expected)
    moved = image[..., row.clamp(0, height - 1), column.clamp(0, width - 1)]
    assert torch.allclose(warped, moved, atol=1e-10)


# Where there is evidence

def test_a_frame_ends_half_a_pixel_beyond_its_outer_centers():
    u = torch.tensor([-0.51, -0.5, 0.0, 9.5, 9.51, 5.0, 5.0, 5.0, 5.0])
    v = torch.tensor([3.0, 3.0, 3.0, 3.0, 3.0, -0.51, -0.5, 5.5, 5.51])
    pixels = torch.stack((u, v))[None, :, None]
    assert inside(pixels, 6, 10).flatten().tolist() == [False, True, True, True, False, False, True, True, False]


def test_what_lies_behind_the_source_camera_is_no_evidence():
    depth, K = torch.full((1, 1, 16, 24), 5.0, dtype=torch.float64), camera(16, 24)
    T = identity(1).clone()
    T[0, 2, 3] = -20  # the source camera stands far beyond the wall
    warped, valid = warp(torch.rand(1, 3, 16, 24, dtype=torch.float64), depth, T, K)
    _, z = source_pixels(depth, T, K)
    assert torch.allclose(z, torch.full_like(z, -15))
    assert not valid.any() and torch.isfinite(warped).all()


def test_the_camera_plane_itself_is_no_evidence():
    T = identity(1).clone()
    T[0, 2, 3] = -5
    depth = torch.full((1, 1, 16, 24), 5.0, dtype=torch.float64)
    _, valid = warp(torch.rand(1, 3, 16, 24, dtype=torch.float64), depth, T, camera(16, 24))
    assert not valid.any()


def test_gradients_behind_the_camera_are_finite():
    depth = torch.full((1, 1, 8, 12), 5.0, dtype=torch.float64, requires_grad=True)
    motion = torch.tensor([[0.0, 0.1, -20.0]], dtype=torch.float64, requires_grad=True)
    T = rigid_transform(torch.zeros(1, 3, dtype=torch.float64), motion)
    warp(torch.rand(1, 3, 8, 12, dtype=torch.float64), depth, T, camera(8, 12))[0].sum().backward()
    assert torch.isfinite(depth.grad).all() and torch.isfinite(motion.grad).all()


def test_true_depth_and_motion_paint_the_target():
    scene = scene_triplet(64, 96, pole=False)
    for source, T in zip(scene.sources.unbind(1), scene.T_source_target.unbind(1)):
        warped, valid = warp(source, scene.depth, T, scene.K)
        error = (warped - scene.target).abs().mean(1, keepdim=True)[valid].mean()
        unmoved = (source - scene.target).abs().mean(1, keepdim=True)[valid].mean()
        assert valid.float().mean() > 0.7 and error < 0.05 * unmoved


def test_what_is_no_number_paints_no_number():
    """torch reads some pixel at such a position, and its backward pass over it ends the process."""
    depth = torch.full((2, 1, 16, 24), 5.0)
    depth[1, 0, 3, 4] = torch.nan
    depth.requires_grad_()
    T, K = identity(2, torch.float32), camera(16, 24, torch.float32).expand(2, 3, 3)
    warped, valid = warp(torch.rand(2, 3, 16, 24), depth, T, K)
    lost = depth.isnan()
    assert torch.equal(warped.isnan(), lost.expand_as(warped)) and torch.equal(valid, ~lost)
    warped.sum().backward()


# Laws

def test_scaling_depth_and_translation_together_changes_nothing():
    scene = scene_triplet()
    T = scene.T_source_target[:, 0]
    scaled = T.clone()
    scaled[:, :3, 3] *= 7.3
    plain, valid = warp(scene.sources[:, 0], scene.depth, T, scene.K)
    large, also_valid = warp(scene.sources[:, 0], 7.3 * scene.depth, scaled, scene.K)
    assert (plain - large).abs().max() < 1e-10 and torch.equal(valid, also_valid)
    only_depth, _ = warp(scene.sources[:, 0], 7.3 * scene.depth, T, scene.K)
    assert (plain - only_depth).abs().max() > 0.05


def test_a_horizontal_flip_commutes_with_the_warp():
    scene = scene_triplet()
    source, T, K = scene.sources[:, 1], scene.T_source_target[:, 1], scene.K
    warped, valid = warp(source, scene.depth, T, K)
    mirrored, also_valid = warp(source.flip(-1), scene.depth.flip(-1), flip_transform(T), flip_intrinsics(K, 48))
    assert (mirrored.flip(-1) - warped).abs().max() < 1e-10 and torch.equal(also_valid.flip(-1), valid)
    forgotten, _ = warp(source.flip(-1), scene.depth.flip(-1), flip_transform(T), K)
    assert (forgotten.flip(-1) - warped).abs().max() > 0.01  # a flip that leaves cx alone is another camera


def test_resize_then_project_equals_project_then_resize():
    """A pixel center of the half-size image lies at (2u + 0.5, 2v + 0.5) of the full one."""
    K, T = camera(32, 48), poses(2, 4)[1:]
    depth = 3 + torch.rand(1, 1, 16, 24, dtype=torch.float64)
    small, _ = source_pixels(depth, T, resize_intrinsics(K, 0.5, 0.5))
    u, v = pixel_grid(16, 24, depth)
    between = torch.stack(torch.broadcast_tensors(2 * u + 0.5, 2 * v + 0.5, torch.ones_like(u)))
    points = depth * torch.einsum("bij,jhw->bihw", torch.linalg.inv(K), between)
    full, _ = project(transform_points(T, points), K)
    assert torch.allclose((full + 0.5) / 2 - 0.5, small, atol=1e-6)


def test_motions_compose_along_frames():
    """A point followed from c to b to a lands where the direct motion T_a_c sends it."""
    where = poses(3, seed=8)
    K, depth = camera(32, 48), pole_scene(where[2], camera(32, 48)[0], 32, 48)[1][None, None]
    T_a_b, T_b_c = invert_transform(where[0]) @ where[1], invert_transform(where[1]) @ where[2]
    direct, _ = source_pixels(depth, (T_a_b @ T_b_c)[None], K)
    in_b = transform_points(T_b_c[None], backproject(depth, K))
    stepwise, _ = project(transform_points(T_a_b[None], in_b), K)
    assert torch.allclose(direct, stepwise, atol=1e-9)
    wrong, _ = source_pixels(depth, (T_b_c @ T_a_b)[None], K)
    assert (direct - wrong).abs().max() > 1e-3


# Gradients

@pytest.mark.slow
def test_gradient_of_the_warp():
    source = torch.rand(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    depth = (3 + torch.rand(2, 1, 4, 5, dtype=torch.float64)).requires_grad_()
    axis_angle = (0.05 * torch.randn(2, 3, dtype=torch.float64)).requires_grad_()
    translation = (0.2 * torch.randn(2, 3, dtype=torch.float64)).requires_grad_()
    K = camera(4, 5).expand(2, 3, 3)
    assert gradcheck(lambda s, d, a, t: warp(s, d, rigid_transform(a, t), K)[0],
                     (source, depth, axis_angle, translation))


@pytest.mark.slow
def test_gradient_of_the_warp_at_zero_rotation():
    source, K = torch.rand(1, 2, 5, 6, dtype=torch.float64), camera(5, 6)
    depth = (3 + torch.rand(1, 1, 5, 6, dtype=torch.float64)).requires_grad_()
    axis_angle = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    translation = torch.tensor([[0.11, -0.07, 0.13]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda d, a, t: warp(source, d, rigid_transform(a, t), K)[0],
                     (depth, axis_angle, translation))


# Occlusion

def occluded_loop(depth, source_depth, T, K, tolerance):
    """One pixel at a time: lift, move, project, look up the nearest source pixel."""
    height, width = depth.shape
    found = torch.zeros(height, width, dtype=torch.bool)
    for v in range(height):
        for u in range(width):
            if depth[v, u] <= 0:
                continue
            ray = torch.linalg.solve(K, torch.tensor([u, v, 1.0], dtype=K.dtype))
            point = K @ (T[:3, :3] @ (depth[v, u] * ray) + T[:3, 3])
            if point[2] <= 0:
                continue
            column, row = round((point[0] / point[2]).item()), round((point[1] / point[2]).item())
            if 0 <= column < width and 0 <= row < height:
                seen = source_depth[row, column]
                found[v, u] = 0 < seen < point[2] * (1 - tolerance)
    return found


@pytest.mark.parametrize("holes", [False, True])
def test_occlusion_equals_a_loop_and_lies_beside_the_pole(holes):
    height, width, K = 24, 36, camera(24, 36)
    start = torch.eye(4, dtype=torch.float64)
    moved = start.clone()
    moved[:3, 3] = torch.tensor([0.4, 0.02, 0.1])
    depth, source_depth = (pole_scene(pose, K[0], height, width)[1] for pose in (start, moved))
    if holes:
        depth[torch.rand(height, width) < 0.2] = 0
        source_depth[torch.rand(height, width) < 0.2] = 0
    T = invert_transform(moved) @ start
    got = occluded(depth[None, None], source_depth[None, None], T[None], K)[0, 0]
    assert torch.equal(got, occluded_loop(depth, source_depth, T, K[0], 0.05))
    assert got.any() and not got[depth == 0].any()
    # a camera that moved to the right sees less of the wall left of the pole
    rows, columns = got.nonzero().T
    for row, column in zip(rows.tolist(), columns.tolist()):
        assert depth[row, column] > 4 and ((depth[row, column:] > 0) & (depth[row, column:] < 3.5)).any()


def test_nothing_is_hidden_without_motion():
    _, depth = pole_scene(torch.eye(4, dtype=torch.float64), camera(24, 36)[0], 24, 36)
    assert not occluded(depth[None, None], depth[None, None], identity(1), camera(24, 36)).any()


@pytest.mark.parametrize("change", [
    {"source": torch.rand(1, 3, 8, 13)}, {"depth": torch.ones(1, 2, 8, 12)}, {"depth": torch.ones(8, 12)},
    {"T": torch.eye(4)}, {"T": torch.eye(3)[None]}, {"K": torch.eye(3).expand(2, 3, 3)}, {"K": torch.eye(4)[None]}])
def test_wrong_shapes_are_refused(change):
    given_ = {"source": torch.rand(1, 3, 8, 12), "depth": torch.ones(1, 1, 8, 12), "T": torch.eye(4)[None],
              "K": camera(8, 12, torch.float32), **change}
    with pytest.raises(InputError, match="has shape"):
        warp(*given_.values())


# Number types, and depth that is none

def test_depth_that_is_none_is_no_evidence():
    """0 stands for no depth; its point is the camera itself, which a camera farther back sees at the epipole."""
    depth = torch.full((1, 1, 8, 12), 5.0)
    depth[0, 0, 0, :4] = torch.tensor([0.0, -5.0, torch.nan, torch.inf])
    T = torch.eye(4)[None].clone()
    T[0, 2, 3] = 1.0
    _, valid = warp(torch.rand(1, 3, 8, 12), depth, T, camera(8, 12, torch.float32))
    assert valid[0, 0, 0, :3].tolist() == [False] * 3 and valid[0, 0, 1:].all()


@pytest.mark.parametrize("image, depth, matrices", [
    (torch.bfloat16, torch.float32, torch.float32), (torch.float16, torch.float16, torch.float32),
    (torch.float32, torch.float64, torch.float64), (torch.float32, torch.int32, torch.float64),
    (torch.float64, torch.float32, torch.float32)], ids=str)
def test_the_warp_takes_every_number_type(image, depth, matrices):
    """Against double precision, from the very numbers that the types hold."""
    generator = torch.Generator().manual_seed(1)
    source = F.interpolate(torch.rand(1, 3, 2, 3, generator=generator), (16, 24), mode="bilinear").to(image)
    z = torch.randint(4, 9, (1, 1, 16, 24), generator=generator).to(depth)
    T, K = poses(2, 3)[1:].to(matrices), camera(16, 24, matrices)
    warped, valid = warp(source, z, T, K)
    exact, exactly_valid = warp(source.double(), z.double(), T.double(), K.double())
    assert warped.dtype == (torch.float64 if image == torch.float64 else torch.float32)
    assert (valid != exactly_valid).float().mean() < 0.01 and valid.any()
    assert (warped - exact).abs().max() < 1e-4
    hidden = occluded(z, z * 1, T, K)
    assert (hidden != occluded(z.double(), z.double(), T.double(), K.double())).float().mean() < 0.01
