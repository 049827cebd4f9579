"""Numbers with enough digits: geometry, losses and metrics compute in float32 at least."""
from __future__ import annotations

import torch


def at_least_float32(*maps: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Bring tensors of any number types to one floating-point type that has at least the digits of float32.

    float16 and bfloat16 lose an error of a few percent, and float16 overflows where errors are summed.
    """
    dtype = torch.float32
    for values in maps:
        dtype = torch.promote_types(dtype, values.dtype)
    return tuple(values.to(dtype) for values in maps)
