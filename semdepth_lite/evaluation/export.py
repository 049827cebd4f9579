"""A trained network as a file that runs without this package: ONNX, or a program of torch.export.

What is exported takes images (B, 3, H, W) in [0, 1] and gives depth (B, 1, H, W), up to scale for a monocular model.

Every runtime rounds in its own way. Where a network only computes, that is a matter of the sixth digit. Where it
chooses, rounding can decide: SEEM acts on the strongest edges, and a segmenter's masks are kept as bytes, so that a few
pixels may be chosen, or a byte rounded, otherwise than by torch, and depth around them differs visibly.
"""
from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from ..common.contracts import InputError, RunFailed, check_divisible
from ..common.storage import write_atomically
from ..model import Model

SUFFIXES = (".onnx", ".pt2")
TOLERANCE = 1e-5  # relative difference of depth that rounding explains
FEW = 0.02        # share of the pixels that may differ by more, around those where rounding decides


class Agreement(NamedTuple):
    """How well an exported file agrees with the model.

    Attributes:
        largest: Largest relative difference of depth.
        beyond: Share of the pixels that differ by more than `TOLERANCE`.
    """

    largest: float
    beyond: float


class DepthNetwork(nn.Module):
    """The part of a model that predicts depth from images alone: tensor in, tensor out."""

    def __init__(self, model: Model) -> None:
        """Wrap a model.

        Args:
            model: Model in any mode; it is set to evaluation mode.

        Raises:
            InputError: If the model wants a label map beside the image.
        """
        super().__init__()
        if model.variant.masks is not None and model.segmenter is None:
            raise InputError("this variant modulates depth by a label map that comes with each image, so images alone "
                             "are not enough to export it; use a variant that predicts its own classes.")
        self.model = model.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return depth (B, 1, H, W) of images (B, 3, H, W) in [0, 1]."""
        return self.model.predict(images).depth


@torch.no_grad()
def export_model(model: Model, path: Path, height: int, width: int, batch: int | None = None
                 ) -> Agreement | None:
    """Write a model as .onnx or .pt2, run the file, and compare it with the model.

    Args:
        model: Trained model.
        path: File to write; its suffix says the format.
        height: Image height, pixels, a multiple of 32.
        width: Image width, pixels, a multiple of 32.
        batch: Number of images in a batch; None leaves it free.

    Returns:
        How well file and model agree; None where onnxruntime is not installed.

    Raises:
        InputError: If the suffix is unknown, a package is missing, or the model or the size cannot be exported.
        RunFailed: If the file computes something else than the model.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path.name} ends in {path.suffix or 'nothing'}; use {' or '.join(SUFFIXES)}.")
    if batch is not None and batch < 1:
        raise InputError(f"batch {batch} holds no image; use 1 or more, or leave it free.")
    check_divisible(height, width)
    if path.suffix == ".onnx":
        need("onnx", "onnxscript")
    network = DepthNetwork(model.cpu())
    images = made_up_images(2 if batch is None else batch, height, width)
    free = {"images": {0: torch.export.Dim("batch", min=1)}} if batch is None else None
    program = torch.export.export(network, (images,), dynamic_shapes=free)
    write_atomically(path, lambda temporary: save_program(program, images, temporary, path.suffix))
    exported = run_file(path, images)
    if exported is None:
        return None
    difference = (exported / network(images) - 1).abs()
    found = Agreement(float(difference.max()), 1 - float((difference <= TOLERANCE).double().mean()))
    chooses = model.segmenter is not None or model.seem is not None
    if found.beyond > (FEW if chooses else 0):
        path.unlink()
        raise RunFailed(f"depth of the exported file differs from the model's by {found.largest:.1e}, and by more than "
                        f"{TOLERANCE:g} in {found.beyond:.1%} of the pixels, so it was deleted; write a .pt2 file, or "
                        "try another version of torch or onnxscript.")
    return found


def made_up_images(count: int, height: int, width: int) -> torch.Tensor:
    """Return smooth colors (B, 3, H, W) in [0, 1], alike every time."""
    coarse = torch.rand(count, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, scale_factor=8, mode="bilinear", align_corners=False)


def save_program(program: torch.export.ExportedProgram, images: torch.Tensor, path: Path, suffix: str) -> None:
    """Write a program in the format of a suffix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own exporter
        if suffix == ".onnx":
            onnx = torch.onnx.export(program, (images,), dynamo=True, verbose=False, input_names=["images"],
                                     output_names=["depth"])
            assert onnx is not None  # where no file is named
            onnx.save(str(path))
        else:
            with path.open("wb") as file:
                torch.export.save(program, file)


def run_file(path: Path, images: torch.Tensor) -> torch.Tensor | None:
    """Run an exported file on images; None for ONNX where onnxruntime is not installed."""
    if path.suffix == ".pt2":
        return torch.export.load(str(path)).module()(images)
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def need(*packages: str) -> None:
    """Refuse to go on without packages of the extra `export`."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise InputError(f"ONNX needs the package {package}; install the extra 'export' of this package, or write "
                             "a .pt2 file.") from error
