"""Made-up things for tests: the golden figures, an analytic scene with exact depth, and a tiny source of triplets."""
from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from semdepth_lite.camera import intrinsics, invert_transform, pixel_grid, rigid_transform
from semdepth_lite.classes import IGNORE, TRAIN_ID
from semdepth_lite.data.triplet import Triplet

GOLDEN = Path(__file__).parent / "golden" / "monodepth2.npz"


@cache
def golden_arrays() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def golden(name: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A fresh copy of one of the arrays computed with Monodepth2's own code."""
    return torch.from_numpy(golden_arrays()[name].copy()).to(dtype)


def fill_as_prescribed(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Give a network the random weights that the golden figures were made with, and set it to evaluation."""
    random = np.random.RandomState(seed)
    for name, value in module.state_dict().items():
        if not value.is_floating_point():
            continue
        drawn = random.standard_normal(value.numel()).reshape(value.shape)
        if value.dim() >= 2:
            drawn *= np.sqrt(1 / value[0].numel())
        else:
            drawn *= 0.1
            drawn = 1 + np.abs(drawn) if name.endswith("running_var") else drawn + name.endswith("weight")
        value.copy_(torch.from_numpy(drawn))
    return module.eval()


def texture(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """A smooth color in [0, 1] for every point of the world: (..., 3, H, W)."""
    waves = [torch.sin(a * x + b * y + c * z + d) for a, b, c, d in
             ((2.1, 1.3, 0.4, 0.0), (-1.1, 2.3, 0.5, 1.0), (1.7, -1.9, 0.3, 2.0), (0.6, 3.1, -0.2, 0.5))]
    return torch.stack([0.5 + 0.22 * waves[i] + 0.22 * waves[i + 1] for i in range(3)], -3)


def camera(height: int, width: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Intrinsics (1, 3, 3) of a camera whose principal point is off center, so that mistakes with it show."""
    return intrinsics(0.9 * width, 1.1 * width, 0.46 * width, 0.53 * height)[None].to(dtype)


def pole_scene(pose: torch.Tensor, K: torch.Tensor, height: int, width: int, pole: bool = True
               ) -> tuple[torch.Tensor, torch.Tensor]:
    """Look at a slanted wall, and a pole before it, by intersecting rays: image (3, H, W) and depth (H, W).

    The wall is z = 6 + 0.3 x; the pole is the strip 0.2 < x < 0.7 of the plane z = 3. Pose is camera-to-world.
    """
    u, v = pixel_grid(height, width, K)
    pixels = torch.stack(torch.broadcast_tensors(u, v, torch.ones_like(u)))
    rays = torch.einsum("ij,jhw->ihw", pose[:3, :3] @ torch.linalg.inv(K), pixels)
    origin = pose[:3, 3]
    depth = (6 + 0.3 * origin[0] - origin[2]) / (rays[2] - 0.3 * rays[0])
    point = origin[:, None, None] + depth * rays
    image = texture(*point)
    if pole:
        near = (3 - origin[2]) / rays[2]
        at = origin[:, None, None] + near * rays
        hit = (at[0] > 0.2) & (at[0] < 0.7) & (near > 0) & (near < depth)
        depth = torch.where(hit, near, depth)
        image = torch.where(hit, 1 - texture(*at), image)
    return image, depth


def poses(count: int, seed: int = 0, size: float = 0.15) -> torch.Tensor:
    """Random camera-to-world poses (count, 4, 4) near the origin, float64; the first is the identity."""
    generator = torch.Generator().manual_seed(seed)
    axis_angle = 0.3 * size * torch.randn(count, 3, generator=generator, dtype=torch.float64)
    translation = size * torch.randn(count, 3, generator=generator, dtype=torch.float64)
    axis_angle[0], translation[0] = 0, 0
    return rigid_transform(axis_angle, translation)


def scene_triplet(height: int = 32, width: int = 48, seed: int = 0, pole: bool = True, size: float = 0.15) -> Triplet:
    """One float64 triplet of the pole scene, with true depth and motion."""
    K = camera(height, width)
    where = poses(3, seed, size)
    frames = [pole_scene(pose, K[0], height, width, pole) for pose in where]
    images = torch.stack([image for image, _ in frames])
    return Triplet(images[:1], images[None, 1:], K, depth=frames[0][1][None, None],
                   T_source_target=(invert_transform(where[1:]) @ where[:1])[None])


class TinySource:
    """Triplets of the pole scene: a source that costs nothing.

    Args:
        length: number of triplets.
        height, width: pixels.
    """

    has_labels, has_depth, name = False, True, "made up"

    def __init__(self, length: int = 6, height: int = 64, width: int = 96) -> None:
        self.height, self.width = height, width
        items = [scene_triplet(height, width, seed) for seed in range(length)]
        names = ("target", "sources", "K", "depth", "T_source_target")
        self.arrays = {name: torch.cat([getattr(item, name) for item in items]).float() for name in names}

    def __len__(self) -> int:
        return len(self.arrays["target"])

    def triplet(self, indices: np.ndarray) -> Triplet:
        chosen = torch.as_tensor(np.asarray(indices))
        return Triplet(**{name: array[chosen] for name, array in self.arrays.items()}, index=chosen)

    def targets_at(self, scale: int) -> TinySource:
        return type(self)(len(self), scale * self.height, scale * self.width)


class LabeledSource(TinySource):
    """The pole scene with labels: the pole is `thing`, the wall a building, and one corner has no label."""

    has_labels, thing = True, "pole"

    def triplet(self, indices: np.ndarray) -> Triplet:
        batch = super().triplet(indices)
        near = batch.require("depth")[:, 0] < 4
        batch.labels = torch.where(near, TRAIN_ID[self.thing], TRAIN_ID["building"]).to(torch.uint8)
        batch.labels[:, :4, :4] = IGNORE
        return batch
