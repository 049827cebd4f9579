"""What the tests of explorers share: a triplet, two untrained networks, and every explorer, built once for a file."""
from __future__ import annotations

import pytest
import torch
from explorer_cases import HEIGHT, WIDTH

from semdepth_lite import presets
from semdepth_lite.course import explorers, museum
from semdepth_lite.course.explorers import pace_car as pace
from semdepth_lite.data.sources import triplet_of
from semdepth_lite.street import pace_car_scene, render_frame


@pytest.fixture(scope="module")
def batch():
    """One triplet of the street."""
    return triplet_of([render_frame(8, index, HEIGHT, WIDTH) for index in (2, 3, 4)])


@pytest.fixture(scope="module")
def model():
    """A network that has learned nothing."""
    return presets.recipe("quick").build().eval()


@pytest.fixture(scope="module")
def attentive():
    """A network with attention; its random keys and queries are made large, so that looks differ."""
    built = presets.recipe("quick", variant="attention").build().eval()
    for name, weight in built.fusion.named_parameters():
        if "query" in name or "key" in name:
            weight.data.mul_(20)
    return built


@pytest.fixture(scope="module")
def made(batch, model, attentive):
    """Every explorer, built once; a test leaves it as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "SHARES", (0.0, 0.5, 1.0))
        patch.setattr(pace, "DEPTHS", torch.logspace(0.5, 2, 16))
        yield {"warp": explorers.WarpExplorer(batch), "scale": explorers.ScaleExplorer(batch),
               "intrinsics": explorers.IntrinsicsExplorer(batch), "cloud": explorers.CloudExplorer(batch, model),
               "pace": explorers.PaceCarExplorer(pace_car_scene(4), 48, 144),
               "border": explorers.BorderExplorer(batch, model),
               "curve": explorers.CurveExplorer(batch, model, depths=torch.logspace(0.5, 2, 12)),
               "attention": explorers.AttentionExplorer(attentive, batch),
               "museum": explorers.MuseumExplorer(museum.shelf((0.5, 1.0), ("fattening", "scale_drift"),
                                                            museum.World(8, HEIGHT, WIDTH)))}
