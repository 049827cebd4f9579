"""A clip of one's own on its way into a training: opened as it asks for, and the plan that is printed before."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..common.contracts import InputError, check_divisible
from ..common.runtime import notice
from ..data.by_name import open_data
from ..data.clip_plan import choose_step, fitting_size, names_of_runs, standing_targets
from ..data.stereo import StereoSource
from ..evaluation.verdict import Part


def open_clip(data: str, height: int | None, width: int | None, step: int | None, options, progress: bool):
    """Open a clip at a size of its own shape, with a step over which the camera moves, without the frames that stand.

    Args:
        data: Real data by name.
        height, width: Size that was asked for, pixels; None where the clip decides.
        step: Frame step that was asked for; None where the clip decides.
        options: Further options.
        progress: Whether to show a progress bar.

    Raises:
        InputError: If the camera stands in all frames.
    """
    height, width = fitting_size(data, options, height, width)
    check_divisible(height, width)
    if step is None and data.startswith("frames:"):
        options = replace(options, step=choose_step(data, height, width, options))
    source = open_data(data, height, width, options)
    if isinstance(source, StereoSource):
        return source
    standing = standing_targets(source, progress)
    if standing.all():
        raise InputError(f"the camera stands in all {len(source)} frames of {source.name} (points move less than "
                         f"half a pixel at {width}x{height}): depth cannot be learned from them; take a larger "
                         "--frame-step, or a clip in which the camera moves.")
    if not standing.any():
        return source
    notice(f"{int(standing.sum())} of {len(source)} frames are left out, because the camera stands in them: "
           f"{names_of_runs(source, standing)}.")
    return Part(source, np.flatnonzero(~standing))


def plan_of(source, settings) -> str:
    """Return what is about to be trained, in three lines."""
    native, fx = source.native[0], float(source.K[0, 0, 0])
    across = math.degrees(2 * math.atan(source.width / (2 * fx)))
    step = getattr(source, "step", 1)
    rounds = settings.steps * settings.batch / len(source)
    return "\n".join([
        f"clip: {len(source)} targets of {source.name}, neighbors {step} frame{'s' * (step > 1)} away; "
        f"{native[1]}x{native[0]} seen at {source.width}x{source.height}, {across:.0f} degrees across",
        f"training: {settings.variant}, {settings.steps} steps of {settings.batch}, {rounds:.0f} times through the "
        f"clip, learning rate {settings.learning_rate:g}; the automask's margin ends after "
        f"{round(settings.margin_until * settings.steps)} steps",
        "afterward: a verdict on frames that were kept back, and their picture; stop with Ctrl-C, and the same command "
        "goes on"])
