"""Direct alignment: its derivative by autograd, its step beside a readable form, and a motion it must find."""
from __future__ import annotations

import torch
from factories import camera, scene_triplet

from semdepth_lite.alignment import align_motion, equations, twist_step, with_gradient
from semdepth_lite.camera import axis_angle_to_matrix, backproject, project, rigid_transform, transform_points
from semdepth_lite.warp import inside, sample


def problem(count: int = 3) -> tuple[torch.Tensor, ...]:
    """Motions, points (some behind the camera or outside), gray values, images and intrinsics, in float64."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    T = rigid_transform(0.05 * (draw(count, 3) - 0.5), draw(count, 3) - 0.5)
    T[-1, 2, 3] = -4
    K = camera(16, 24).expand(count, 3, 3)
    points = backproject(1 + 9 * draw(count, 1, 16, 24), K)
    source = torch.nn.functional.interpolate(draw(count, 1, 4, 6), (16, 24), mode="bicubic")
    return T, points, draw(count, 1, 16, 24), source, K


def readable_step(T, points, target, source, K) -> torch.Tensor:
    """The same Gauss-Newton step, one image and one equation after the other."""
    found = []
    du, dv = (torch.gradient(source, dim=dim)[0] for dim in (3, 2))
    du[..., [0, -1]], dv[..., [0, -1], :] = 0, 0
    for n, matrix in enumerate(T):
        Y = transform_points(matrix[None], points[n:n + 1])
        pixels, z = project(Y, K[n:n + 1])
        valid = (inside(pixels, *source.shape[2:]) & (z > 1e-3)).flatten()
        read, u, v = (sample(image[n:n + 1], pixels).flatten() for image in (source, du, dv))
        Y, residual = Y.flatten(2)[0].T, read - target[n].flatten()
        spread = residual[valid].abs().mean()
        A, y = torch.zeros(7, 7).double(), torch.zeros(7).double()
        for p in valid.nonzero().flatten():
            a, b = u[p] * K[n, 0, 0] / Y[p, 2], v[p] * K[n, 1, 1] / Y[p, 2]
            g = torch.stack((a, b, -(a * Y[p, 0] + b * Y[p, 1]) / Y[p, 2]))
            row = torch.cat((g, torch.linalg.cross(Y[p], g), torch.ones(1).double()))
            weight = 1 / (1 + (residual[p] / (2 * spread + 1e-4)) ** 2)
            A, y = A + weight * torch.outer(row, row), y + weight * residual[p] * row
        twist = -torch.linalg.solve(A + torch.diag(1e-3 * A.diagonal() + 1e-8), y)[:6]
        twist = twist * min(1.0, 0.02 / float(twist[3:].norm()))
        step = torch.eye(4).double()
        step[:3, :3], step[:3, 3] = axis_angle_to_matrix(twist[3:]), twist[:3]
        found.append(step @ matrix)
    return torch.stack(found)


def test_a_step_equals_the_readable_form():
    T, points, target, source, K = problem()
    found = twist_step(T, points.flatten(2), target.flatten(1), with_gradient(source), K)
    expected = readable_step(T, points, target, source, K)
    assert (expected - T).abs().amax((1, 2)).min() > 1e-3
    assert (found - expected).abs().max() < 1e-10


def test_the_equations_are_the_derivative_by_the_twist_and_the_residual():
    generator = torch.Generator().manual_seed(1)
    Y, g, residual = (torch.randn(2, size, 5, generator=generator).double() for size in (3, 3, 1))

    def change(twist: torch.Tensor) -> torch.Tensor:
        rotation = axis_angle_to_matrix(twist[3:6])
        return (g * (rotation @ Y + twist[:3, None])).sum(1) + twist[6]

    expected = torch.autograd.functional.jacobian(change, torch.zeros(7).double())               # (2, 5, 7)
    found = equations(g, Y, residual[:, 0])
    assert torch.allclose(found, torch.cat((expected.transpose(1, 2), residual), 1), atol=1e-12)


def test_the_motion_of_a_made_up_scene_is_found():
    scene = scene_triplet(64, 96, pole=False, size=0.03)
    off = rigid_transform(torch.tensor([[0.004, -0.003, 0.002]]).double(), torch.zeros(1, 3).double())
    start = off.to(scene.T_source_target) @ scene.T_source_target
    gray = scene.target.mean(1, keepdim=True), scene.sources.mean(2, keepdim=True)
    found = align_motion(start, scene.depth, *gray, scene.K, steps=4, every=1)
    before, after = ((T - scene.T_source_target)[..., :3, :3].norm() for T in (start, found))
    assert after < 0.5 * before
