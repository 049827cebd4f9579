"""Several processes that share a batch: image i belongs to process i modulo their number, and gradients are averaged.

What is drawn at random, and what a mean over pixels divides by, goes through here, so that the averaged gradients are
those of one process with the joined batch. With one process nothing happens.
"""
from __future__ import annotations

import torch
from torch import distributed


def rank_and_world() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def draw(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> torch.Tensor:
    """Draw uniform numbers in [0, 1) on the CPU, alike for every device and for every number of processes.

    Each process draws for the joined batch and keeps the rows of its own images.

    Args:
        shape: Shape of the numbers; images come first.
        generator: Generator on the CPU, in the same state in every process.
        device: Device that the numbers are brought to, without waiting for it.

    Returns:
        Random numbers of that shape.
    """
    rank, world = rank_and_world()
    numbers = torch.rand((world * shape[0], *shape[1:]), generator=generator)
    return numbers[rank::world].to(device, non_blocking=True)


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """Average a number without gradient over the processes; every process has to call this."""
    _, world = rank_and_world()
    if world == 1:
        return value
    mean = value.detach().double() / world
    distributed.all_reduce(mean)
    return mean
