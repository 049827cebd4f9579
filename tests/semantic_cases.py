"""Small modules and random maps for the tests of semantics."""
from __future__ import annotations

import torch
from torch import nn

from semdepth_lite.networks import NetworkSettings

LITE = NetworkSettings(width=8)


def random(*shape: int, dtype: torch.dtype = torch.float64, grad: bool = False) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, requires_grad=grad)


def awake(module: nn.Module) -> nn.Module:
    """The module in float64 with every weight drawn anew, so that nothing is zero."""
    module = module.double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def conv(layer: nn.Conv2d, column: torch.Tensor) -> torch.Tensor:
    """A 1x1 convolution at one pixel (C,)."""
    out = layer.weight[:, :, 0, 0] @ column
    return out if layer.bias is None else out + layer.bias
