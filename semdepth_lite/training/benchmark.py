"""What a training step costs, and what of it: the step, its networks alone, data, loss, memory.

Notable: everything is timed in one run, the parts in turn, so that ratios hold even where a machine's speed drifts.
"Data" reads a batch whose frames lie in memory as bytes, as the street's do, and augments it; files come on top.
"Plain networks" are the same networks as commonly written: contiguous tensors, one pass of the pose network for each
pair. Dividing by them compares with other code on other machines. The "readable step" puts the readable loss on them:
what the step costs before anything is made fast.
"""
from __future__ import annotations

import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .. import fused, losses
from ..camera import intrinsics, rigid_transform
from ..common.contracts import InputError, check_divisible
from ..common.runtime import keep_freed_memory, peak_mib, pick_device
from ..common.stopwatch import Stopwatch
from ..data.augmentation import augment, draw_augmentation
from ..data.sources import StreetSource
from ..data.triplet import Triplet
from ..model import Model
from ..street import StreetSet, StreetSettings
from .optimizer import make_optimizer, update
from .settings import TrainSettings


@dataclass(frozen=True)
class Shape:
    """What is timed: image size in pixels, triplets in a batch, encoder, loss, variant, precision, alignment steps."""

    height: int = 192
    width: int = 640
    batch: int = 2
    encoder: str = "resnet18"
    loss: str = "monodepth2"
    variant: str = "baseline"
    precision: str = "fp32"
    alignment: int = 0


def made_up_batch(shape: Shape, device: torch.device) -> Triplet:
    """Make three smooth random frames that are shifted copies of each other; times do not depend on content."""
    generator = torch.Generator().manual_seed(0)
    size = (shape.height // 8 + 1, shape.width // 8 + 2)
    world = torch.rand(shape.batch, 3, *size, generator=generator)
    world = torch.nn.functional.interpolate(world, scale_factor=8, mode="bicubic").clamp(0, 1)
    previous, target, following = (world[..., :shape.height, x:x + shape.width].contiguous() for x in (0, 2, 4))
    K = intrinsics(0.58 * shape.width, 0.58 * shape.width, (shape.width - 1) / 2, (shape.height - 1) / 2)
    labels = torch.randint(0, 19, (shape.batch, *size), generator=generator, dtype=torch.uint8)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :shape.height, :shape.width].contiguous()
    batch = Triplet(target, torch.stack((previous, following), 1), K.expand(shape.batch, 3, 3), labels=labels)
    return batch.to(device)


def made_up_source(batch: Triplet) -> StreetSource:
    """Return frames as a rendered street keeps them, bytes in memory: the batch's own, as a street of three a scene."""
    images = torch.cat((batch.sources[:, :1], batch.target[:, None], batch.sources[:, 1:]), 1).flatten(0, 1).cpu()
    images = (255 * images).round().byte().movedim(1, -1).contiguous().numpy()
    size, count = images.shape[1:3], len(images)
    settings = StreetSettings(scenes=len(batch), frames_per_scene=3, height=size[0], width=size[1])
    plain = {name: np.zeros((count, *size), kind) for name, kind in
             (("depth", np.float32), ("labels", np.uint8), ("moving", bool))}
    pose = np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    return StreetSource(StreetSet(settings=settings, images=images, pose=pose, K=batch.K[0].cpu().numpy(), **plain))


def timed(functions: dict[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Call the functions in turn and return the seconds of each call; the first round is thrown away."""
    watch = Stopwatch(device)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats + 1):
        for name, function in functions.items():
            watch.lap()
            function()
            seconds[name].append(watch.lap().wall)
    return {name: values[1:] for name, values in seconds.items()}


def step_of(model: Model, forward: Callable[[], torch.Tensor]) -> Callable[[], None]:
    """Return forward, backward and the update, gradients clipped, as one function."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(parameters, 1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        forward().backward()
        update(optimizer, parameters, clip=5.0)

    return step


def reduce(disps: list[torch.Tensor], motion: torch.Tensor) -> torch.Tensor:
    """Reduce what the networks say to one number, so that they can be run backward without a loss."""
    return sum(disp.mean() for disp in disps) + motion.sum()


def trivial_loss(model: Model, batch: Triplet) -> torch.Tensor:
    """Run depth and pose networks, and reduce what they say to one number."""
    return reduce(model.predict(batch.target).disps, model.motion(batch.target, batch.sources))


def plain_networks(model: Model, batch: Triplet) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Run the networks the common way: contiguous tensors, and the pose network once for each pair."""
    images = [frame.contiguous() for frame in (batch.target, *batch.sources.unbind(1))]
    disps = model.depth(model.encoder(images[0], channels_last=False))
    pairs = ((images[1], images[0]), (images[0], images[2]))
    encoder, decoder = model.pose_networks()
    motion = [rigid_transform(*decoder(encoder(torch.cat(pair, 1), channels_last=False)), invert=not i)
              for i, pair in enumerate(pairs)]
    return disps, torch.stack(motion, 1)


def loss_alone(model: Model, batch: Triplet, loss: Callable) -> Callable[[], None]:
    """Return forward and backward of `loss`, fused or readable, for fixed predictions."""
    with torch.no_grad():
        disps, motion = model.predict(batch.target).disps, model.motion(batch.target, batch.sources)
    leaves = [x.detach().float().requires_grad_() for x in (*disps, motion)]

    def call() -> None:
        loss(leaves[:-1], batch.target, batch.sources, batch.K, leaves[-1], model.loss).total.backward()

    return call


def parts_of(model: Model, batch: Triplet, shape: Shape) -> dict[str, Callable[[], object]]:
    """Return a training step and its parts, to be called and timed."""
    cast = torch.autocast(batch.target.device.type, torch.bfloat16, enabled=shape.precision == "bf16")

    def whole() -> torch.Tensor:
        with cast:
            return model(batch)[0].total

    def networks() -> torch.Tensor:
        with cast:
            return trivial_loss(model, batch)

    def readable() -> torch.Tensor:
        disps, motion = plain_networks(model, batch)
        if model.alignment:
            motion = model.aligned(motion, batch, model.depth_of(disps))
        return losses.self_supervised_loss(disps, batch.target, batch.sources, batch.K, motion, model.loss).total

    generator, source = torch.Generator().manual_seed(0), made_up_source(batch)
    return {"step": step_of(model, whole), "networks": step_of(model, networks),
            "plain_networks": step_of(model, lambda: reduce(*plain_networks(model, batch))),
            "readable_step": step_of(model, readable),
            "loss": loss_alone(model, batch, fused.self_supervised_loss),
            "reference_loss": loss_alone(model, batch, losses.self_supervised_loss),
            "data": lambda: augment(source.triplet(np.arange(shape.batch)), draw_augmentation(shape.batch, generator)),
            "augmentation": lambda: augment(batch, draw_augmentation(shape.batch, generator))}


def benchmark(shape: Shape = Shape(), device: str = "auto", repeats: int = 5) -> dict:
    """Time a training step and its parts.

    Args:
        shape: Shape to time.
        device: Device to compute on.
        repeats: Number of calls of each part; the median counts.

    Returns:
        Seconds (medians), ratios, images per second, peak memory in MiB before anything was timed and after the step.

    Raises:
        InputError: if the shape is impossible.
    """
    if repeats < 1:
        raise InputError(f"repeats {repeats} is below 1; use 5, for instance.")
    check_divisible(shape.height, shape.width)
    where = pick_device(device)
    keep_freed_memory()
    settings = TrainSettings(variant=shape.variant, encoder=shape.encoder, loss=shape.loss, batch=shape.batch,
                             precision=shape.precision, alignment=shape.alignment)
    model = settings.build().to(where).train()
    batch = made_up_batch(shape, where)
    before = peak_mib(where)
    parts = parts_of(model, batch, shape)
    parts["step"]()
    peak = peak_mib(where)
    seconds = timed(parts, repeats, where)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    step_by = {name: statistics.median(np.divide(seconds["step"], seconds[name]).tolist())
               for name in ("networks", "plain_networks")}
    return {
        "shape": vars(shape), "device": str(where), "threads": torch.get_num_threads(), "torch": torch.__version__,
        "processor": platform.machine(), "repeats": repeats,
        "seconds": {name: round(value, 5) for name, value in medians.items()},
        "step_per_networks": round(step_by["networks"], 3),
        "step_per_plain_networks": round(step_by["plain_networks"], 3),
        "images_per_second": round(shape.batch / medians["step"], 2),
        "resident_before_mib": round(before), "peak_mib": round(peak)}


def table(found: dict, other: dict | None = None) -> str:
    """Return a benchmark as text, beside an earlier one where it is given."""
    def column(result: dict) -> dict[str, str]:
        rows = {f"{name.replace('_', ' ')} (s)": f"{value:.4f}" for name, value in result["seconds"].items()}
        rows |= {"step / networks": f"{result['step_per_networks']:.3f}",
                 "step / plain networks": f"{result['step_per_plain_networks']:.3f}",
                 "images per second": f"{result['images_per_second']:.2f}",
                 "peak memory (MiB)": str(result["peak_mib"])}
        return rows

    now, then = column(found), column(other) if other else {}
    shape = " ".join(str(value) for value in found["shape"].values())
    lines = [f"{shape}, {found['device']}, {found['threads']} threads, medians of {found['repeats']}"]
    lines += [f"{name:<24}{value:>10}" + (f"{then.get(name, '-'):>10}" if then else "") for name, value in now.items()]
    return "\n".join(lines)
