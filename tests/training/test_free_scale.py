"""Why the preset clip holds depth's free scale: a clip that only turns drives depth to the near end of its range."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from factories import TinySource

from semdepth_lite.presets import recipe
from semdepth_lite.training.batches import load_batch
from semdepth_lite.training.run import Run


class Turning(TinySource):
    """Frames whose neighbors are the frame itself, moved sideways by three pixels as a turn moves it, and noise."""

    def triplet(self, indices):
        random = torch.Generator().manual_seed(int(indices[0]))
        coarse = torch.rand(len(indices), 3, self.height // 4, self.width // 4, generator=random)
        target = F.interpolate(coarse, (self.height, self.width), mode="bicubic").clamp(0, 1)
        moved = torch.stack((target.roll(3, -1), target.roll(-3, -1)), 1)
        noisy = (moved + 0.01 * torch.randn(moved.shape, generator=random)).clamp(0, 1)
        return replace(super().triplet(indices), target=target, sources=noisy)


@pytest.mark.slow  # some forty steps, twice: the fall takes that long
@pytest.mark.parametrize("loss, nearest", [("lesson", (0.0, 0.15)), ("clip", (0.3, 10.0))])
def test_depth_falls_to_the_near_end_unless_its_scale_is_held(tmp_path, loss, nearest):
    settings = recipe("lesson", batch=4, loss=loss)
    source = Turning(height=64, width=64)
    run = Run(source, settings, tmp_path, "cpu")
    depths = [run.train_step(load_batch(source, settings, step, run.device))[1].depth for step in range(50)]
    assert nearest[0] < float(depths[-1].detach().median()) < nearest[1]
