"""A few steps of a training run on its own data, and what the whole of it would take: time, memory, hours.

Nothing is kept: the run folder is a temporary one. The hours are arithmetic on the measured step, not a finished run.
"""
from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..common.contracts import InputError
from ..common.runtime import peak_mib
from ..common.stopwatch import Stopwatch
from ..data.sources import Source
from .run import Run
from .settings import TrainSettings

KITTI_TRIPLETS, KITTI_EPOCHS = 39810, 20  # Zhou's training list and Monodepth2's epochs [code: MD2]


@dataclass(frozen=True)
class DryRun:
    """What a dry run measured, and what follows from it.

    Attributes:
        settings: Settings of the run.
        height, width: Size of the images, pixels.
        data: Name of the source, and its number of triplets.
        device: Device it ran on, with the number of threads on a CPU.
        step_seconds: Seconds of each timed step, wait for data included; the first step, a warm-up, is left out.
        wait_seconds: Seconds that each timed step waited for its data.
        cpu_seconds: CPU seconds of each timed step, all threads; on a CPU that others use too, the hours follow
            from these.
        peak_mib: Peak memory, MiB: of the device, or resident.
        step_tflop: Floating-point operations of matrix products and convolutions in a step, forward and backward, in
            units of 10^12, as torch counts them.
    """

    settings: TrainSettings
    height: int
    width: int
    data: str
    device: str
    step_seconds: list[float]
    wait_seconds: list[float]
    cpu_seconds: list[float]
    peak_mib: float
    step_tflop: float

    @property
    def seconds(self) -> float:
        """The median step, s."""
        return statistics.median(self.step_seconds)

    @property
    def undisturbed(self) -> float:
        """The median step as it would be with the machine to itself, s: on one CPU thread, its processor time."""
        alone = self.device == "cpu, 1 thread"
        return min(self.seconds, statistics.median(self.cpu_seconds)) if alone else self.seconds

    def hours(self, tflops: float | None = None) -> float:
        """Estimate the whole run, h: on this device, or on one that sustains so many TFLOP/s."""
        return self.settings.steps * (self.undisturbed if tflops is None else self.step_tflop / tflops) / 3600

    def to_json(self, tflops: float) -> dict:
        """Return everything as numbers and words."""
        return {"encoder": self.settings.encoder, "height": self.height, "width": self.width,
                "batch": self.settings.batch, "data": self.data, "device": self.device,
                "timed_steps": len(self.step_seconds), "step_seconds": round(self.seconds, 4),
                "step_cpu_seconds": round(statistics.median(self.cpu_seconds), 4),
                "wait_seconds": round(statistics.median(self.wait_seconds), 5), "peak_mib": round(self.peak_mib),
                "step_tflop": round(self.step_tflop, 4), "steps": self.settings.steps,
                "hours_here": round(self.hours(), 1), "tflops_there": tflops,
                "hours_there": round(self.hours(tflops), 1), "completed": False}

    def text(self, tflops: float) -> str:
        """Return the dry run as text, with what a device of `tflops` sustained TFLOP/s would need."""
        s, waited = self.settings, statistics.median(self.wait_seconds)
        planned = KITTI_TRIPLETS * KITTI_EPOCHS / s.batch
        plan = f" = {KITTI_TRIPLETS} triplets / {s.batch} x {KITTI_EPOCHS} epochs" if s.steps == round(planned) else ""
        return "\n".join([
            f"dry run: {s.encoder}, loss {s.loss}, {s.variant}, {self.width}x{self.height}, batch {s.batch}, "
            f"{s.precision}, on {self.data}, {self.device}",
            f"step            {self.seconds:.3f} s, median of {len(self.step_seconds)} ({min(self.step_seconds):.3f} "
            f"to {max(self.step_seconds):.3f}), of which {waited:.4f} s waiting for data; "
            f"processor time {statistics.median(self.cpu_seconds):.3f} s",
            f"memory          {self.peak_mib:.0f} MiB at the peak",
            f"work            {self.step_tflop:.3f} TFLOP a step, {self.step_tflop / self.undisturbed:.3f} "
            "TFLOP/s sustained",
            f"whole run       {s.steps} steps{plan}",
            f"estimated here  {spelled(self.hours())} on this device",
            f"elsewhere       {self.hours(tflops):.1f} h on a device that sustains {tflops:g} TFLOP/s in such training "
            "(work / speed; inferred)",
            "Never completed here: only these steps were taken, and no result of such a run is claimed."])


def spelled(hours: float) -> str:
    """Write a time as hours, or as minutes where it is shorter than two hours."""
    return f"{hours:.0f} h" if hours >= 2 else f"{60 * hours:.0f} min"


def dry_run(source: Source, settings: TrainSettings, steps: int, device: str = "auto", workers: int = 2) -> DryRun:
    """Take the first steps of a run and throw it away.

    Args:
        source: Training triplets.
        settings: Settings of the whole run; its number of steps is what the estimate is for.
        steps: Number of steps to time, after one that warms up.
        device: Device to compute on.
        workers: Number of threads that read ahead.

    Raises:
        InputError: if there is no step to time, the variant trains a segmenter first, or the run cannot begin.
    """
    if steps < 1:
        raise InputError(f"a dry run of {steps} steps times nothing; use 20, for instance.")
    with tempfile.TemporaryDirectory() as folder:
        long_enough = replace(settings, steps=max(settings.steps, steps + 1))
        run = Run(source, long_enough, Path(folder), device)
        if run.model.segmenter is not None:
            raise InputError(f"variant {settings.variant} trains a segmenter first, which a dry run cannot foresee; "
                             "dry-run another variant.")
        run.model.train()
        stream = run.batches(workers)
        first = next(stream)  # the run's preparation comes with it, which is no work of a step
        with FlopCounterMode(display=False) as counter:
            run.train_step(first)
        taken, waited, worked = [], [], []
        watch = Stopwatch(run.device)
        for _ in range(steps):
            batch = next(stream)
            reading = watch.lap()
            run.train_step(batch)
            computing = watch.lap()
            waited.append(reading.wall)
            taken.append(reading.wall + computing.wall)
            worked.append(reading.cpu + computing.cpu)
        stream.close()
        threads = torch.get_num_threads()
        where = f"cpu, {threads} thread{'s' * (threads > 1)}" if run.device.type == "cpu" else str(run.device)
        return DryRun(settings, source.height, source.width, f"{source.name} ({len(source)} triplets)", where, taken,
                      waited, worked, peak_mib(run.device), counter.get_total_flops() / 1e12)
