"""A trained network as a file that runs without this package: ONNX, or a program of torch.export.

What is exported takes images (B, 3, H, W) in [0, 1] and gives depth (B, 1, H, W), up to scale for a monocular model.
"""
from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import torch
from torch import nn

from ..common.contracts import InputError, RunFailed, check_divisible
from ..common.storage import write_atomically
from ..model import Model

SUFFIXES = (".onnx", ".pt2")
TOLERANCE = 1e-5  # largest relative difference of depth that passes


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
def export_model(model: Model, path: Path, height: int, width: int, batch: int | None = None) -> float | None:
    """Write a model as .onnx or .pt2, run the file, and compare it with the model.

    Args:
        model: Trained model.
        path: File to write; its suffix says the format.
        height: Image height, pixels, a multiple of 32.
        width: Image width, pixels, a multiple of 32.
        batch: Number of images in a batch; None leaves it free.

    Returns:
        The largest relative difference of depth between file and model; None where onnxruntime is not installed.

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
    images = torch.rand(2 if batch is None else batch, 3, height, width, generator=torch.Generator().manual_seed(0))
    free = {"images": {0: torch.export.Dim("batch", min=1)}} if batch is None else None
    program = torch.export.export(network, (images,), dynamic_shapes=free)
    write_atomically(path, lambda temporary: save_program(program, images, temporary, path.suffix))
    exported = run_file(path, images)
    if exported is None:
        return None
    difference = float((exported / network(images) - 1).abs().max())
    if not difference <= TOLERANCE:
        path.unlink()
        raise RunFailed(f"depth of the exported file differs from the model's by {difference:.1e}, more than "
                        f"{TOLERANCE:g}, so it was deleted; write a .pt2 file, or try another version of torch or "
                        "onnxscript.")
    return difference


def save_program(program: torch.export.ExportedProgram, images: torch.Tensor, path: Path, suffix: str) -> None:
    """Write a program in the format of a suffix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own exporter
        if suffix == ".onnx":
            onnx = torch.onnx.export(program, (images,), dynamo=True, verbose=False, input_names=["images"],
                                     output_names=["depth"])
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
