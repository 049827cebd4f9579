"""`benchmark`: time a training step beside its networks alone."""
from __future__ import annotations

import argparse
from pathlib import Path

from ..common.contracts import InputError
from ..common.small_files import check_fields
from ..common.storage import MARK, check_outputs, read_json, write_json
from .options import add_device, whole

# what `training.benchmark.table` shows of an earlier benchmark
COMPARED = {"seconds": dict, "step_per_networks": float, "step_per_plain_networks": float, "images_per_second": float,
            "peak_mib": float}


def add_benchmark(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `benchmark`."""
    for name, default, text in (("height", 192, "pixels"), ("width", 640, "pixels"), ("batch", 2, "triplets in a step"),
                                ("repeats", 5, "timed calls of each part"),
                                ("alignment", 0, "Gauss-Newton steps of the pose; the lessons use 2")):
        command.add_argument(f"--{name}", type=whole, default=default, help=text)
    command.add_argument("--encoder", default="resnet18", help="lite, resnet18, resnet34 or resnet50")
    command.add_argument("--loss", default="monodepth2", help="monodepth2 or lesson")
    command.add_argument("--variant", default="baseline", help="name of the method")
    command.add_argument("--precision", default="fp32", help="fp32 or bf16")
    command.add_argument("--output", type=Path, help="JSON file to write")
    command.add_argument("--compare", type=Path, help="JSON file of an earlier benchmark to show beside")
    add_device(command)


def read_earlier(path: Path) -> dict:
    """Read an earlier benchmark to show beside, or refuse what is none."""
    found = read_json(path)
    try:
        check_fields(found, COMPARED, str(path))
        check_fields(found["seconds"], dict.fromkeys(found["seconds"], float), "its 'seconds'")
    except InputError as error:
        reason = str(error).partition("; ")[0]
        raise InputError(f"{path} is no benchmark ({reason}); name a file that benchmark --output wrote.") from error
    return found


def run_benchmark(args: argparse.Namespace) -> dict:
    """Time a training step and its parts."""
    from ..training.benchmark import Shape, benchmark, table

    if args.output:
        check_outputs([args.output], "benchmark", [args.compare] if args.compare else [])
    other = read_earlier(args.compare) if args.compare else None  # before anything is timed
    shape = Shape(args.height, args.width, args.batch, args.encoder, args.loss, args.variant, args.precision,
                  args.alignment)
    found = benchmark(shape, args.device, args.repeats)
    if args.output:
        write_json(args.output, {MARK: "benchmark", **found})
    return {**found, "text": table(found, other)}
