"""The shape check speaks of arrays and other things that are no tensors, wherever tensors go in."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from semdepth_lite.common.contracts import InputError, check_sizes
from semdepth_lite.losses import warp
from semdepth_lite.model import Model
from semdepth_lite.networks import NetworkSettings

IMAGE, DEPTH = torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
T, K = torch.eye(4)[None], torch.tensor([[[60.0, 0, 32], [0, 60, 32], [0, 0, 1]]])


def test_a_tensor_gives_its_sizes_and_anything_else_one_sentence():
    assert check_sizes(IMAGE, "image", "B3HW") == {"B": 1, "H": 64, "W": 64}
    with pytest.raises(InputError, match=r"^image is a numpy array, expected a tensor of shape Bx3xHxW; use "
                                         r"torch.from_numpy\.$"):
        check_sizes(IMAGE.numpy(), "image", "B3HW")
    for other in (None, "image.png", [1, 2], 7):
        with pytest.raises(InputError, match=r"^image is '.*', expected a tensor of shape Bx3xHxW\.$"):
            check_sizes(other, "image", "B3HW")


@pytest.mark.parametrize("position, name", list(enumerate(("source", "depth", "T_source_target", "K"))))
def test_arrays_are_refused_by_warp(position, name):
    given = [IMAGE, DEPTH, T, K]
    warp(*given)
    given[position] = given[position].numpy()
    with pytest.raises(InputError, match=f"^{name} is a numpy array, expected a tensor"):
        warp(*given)


def test_arrays_are_refused_by_a_model():
    with pytest.raises(InputError, match="^images is a numpy array, expected a tensor of shape Bx3xHxW"):
        Model(NetworkSettings("lite", 8)).predict(np.zeros((1, 3, 64, 64), np.float32))
