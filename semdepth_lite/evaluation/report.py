"""What an evaluation found: every metric of every image, and their means."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..common.contracts import InputError, check_sizes
from ..common.storage import MARK, read_json, write_atomically
from ..data.triplet import Triplet
from ..metrics import DEPTH_METRICS, scale_spread
from ..metrics.registry import METRICS
from .protocol import Protocol, evaluate_batch

Predictor = Callable[[Triplet], torch.Tensor]  # a batch to its predicted depth (B, 1, H, W)


@dataclass
class Report:
    """What an evaluation found: one value an image and metric, and their means.

    Attributes:
        values: One value an image, (N,), by metric; nan where it has nothing to judge.
        means: Mean over the images that have a value, by metric; nan if none has.
        counts: Number of these images, by metric.
        scale_mean, scale_spread: Mean and spread of the per-image factors (`metrics.scale_spread`).
        protocol: Protocol it was judged by.
    """

    values: dict[str, np.ndarray]
    means: dict[str, float]
    counts: dict[str, int]
    scale_mean: float
    scale_spread: float
    protocol: Protocol

    @classmethod
    def of(cls, values: dict[str, np.ndarray], protocol: Protocol) -> Report:
        """Average per-image values, skipping nan."""
        counts = {name: int(np.isfinite(value).sum()) for name, value in values.items()}
        means = {name: float(np.nanmean(value)) if counts[name] else float("nan") for name, value in values.items()}
        return cls(values, means, counts, *scale_spread(torch.from_numpy(values["scale"])), protocol)

    def summary(self) -> dict[str, float]:
        """Return the numbers a results file wants: every mean that exists, the scale's mean and spread, the images."""
        means = {name: mean for name, mean in self.means.items() if self.counts[name] and name != "scale"}
        scale = {"scale_mean": self.scale_mean, "scale_spread": self.scale_spread} if self.counts["scale"] else {}
        return means | scale | {"images": len(self.values["scale"])}

    def table(self) -> str:
        """Return a text table of the registered metrics under the protocol's card.

        A row gives metric, mean, images it was averaged over, and the pixels judged in them; classes that no image
        shows are left out.
        """
        shown = [metric.name for metric in METRICS.values() if metric.name in self.means
                 and (self.counts[metric.name] or not metric.per_class)]
        rows = [f"{name:<24}{self.means[name]:>9.4f}{self.counts[name]:>8}{self._pixels(name):>12}" for name in shown]
        scale = f"scale mean {self.scale_mean:.4g}, spread {self.scale_spread:.3f}"
        return "\n".join([self.protocol.card(), scale, f"{'metric':<24}{'mean':>9}{'images':>8}{'pixels':>12}", *rows])

    def _pixels(self, metric: str) -> str:
        """Count the pixels behind a metric, over all images; metrics of edges and sides rest on other things."""
        region = metric.removesuffix("_abs_rel").removesuffix("_a1")
        counted = self.values.get("pixels" if metric in DEPTH_METRICS else f"{region}_pixels")
        return "" if counted is None else f"{np.nansum(counted):.0f}"

    def save(self, path: Path | str, about: dict | None = None) -> None:
        """Write means in full and per-image values to five digits as JSON; metrics without a value keep no list.

        Args:
            path: File to write.
            about: Facts to keep beside them, such as fingerprints of model and data.
        """
        content = {
            MARK: "report", **(about or {}), "protocol": asdict(self.protocol), "images": len(self.values["scale"]),
            "scale_mean": _or_null(self.scale_mean), "scale_spread": _or_null(self.scale_spread),
            "means": {name: _or_null(mean) for name, mean in self.means.items()}, "counts": self.counts,
            "values": {name: [_or_null(float(f"{v:.{9 if name.endswith('pixels') else 5}g}")) for v in value]
                       for name, value in self.values.items() if self.counts[name]}}
        write_atomically(Path(path), lambda temporary: temporary.write_text(json.dumps(content)))

    @classmethod
    def load(cls, path: Path | str) -> Report:
        """Read a report that `save` wrote.

        Raises:
            InputError: if the file is missing or is no report.
        """
        try:
            content = read_json(Path(path))
            protocol, nothing = Protocol(**content["protocol"]), [None] * content["images"]
            means = {name: _or_nan(mean) for name, mean in content["means"].items()}
            values = {name: np.array([_or_nan(v) for v in content["values"].get(name, nothing)]) for name in means}
            scale = _or_nan(content["scale_mean"]), _or_nan(content["scale_spread"])
            return cls(values, means, content["counts"], *scale, protocol)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = str(error).partition("; ")[0]
            raise InputError(f"{path} is no readable evaluation report ({reason}); run the evaluation "
                             "again.") from error


def _or_null(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def evaluate(predict: Predictor, batches: Iterable[Triplet], protocol: Protocol = Protocol(),
             keep: Callable[[Triplet, torch.Tensor], None] | None = None) -> Report:
    """Judge a predictor on every image of some batches.

    A prediction of another size than the truth is resized as Monodepth2 does: its disparity, bilinearly [code: MD2].

    Args:
        predict: Function of a Triplet that returns depth (B, 1, h, w).
        batches: Triplets with true depth; labels and moving masks are used where they are there.
        protocol: How to judge.
        keep: Function that is given each batch with its depth as it was judged (B, 1, H, W), scaled and at the size
            of the truth.

    Returns:
        The report, images in the order of the batches.

    Raises:
        InputError: If there is no batch, a batch has no depth, or no image has a pixel to judge.
    """
    parts: list[dict[str, np.ndarray]] = []
    for triplet in batches:
        truth = triplet.require("depth")
        with torch.no_grad():
            depth = predict(triplet)
            check_sizes(depth, "predicted depth", "B1HW", B=len(triplet))
            if depth.shape[-2:] != truth.shape[-2:]:
                disparity = F.interpolate(1 / depth, truth.shape[-2:], mode="bilinear", align_corners=False)
                depth = 1 / disparity
        judged = evaluate_batch(depth, truth, triplet.labels, triplet.moving, protocol)
        parts.append({name: value.cpu().double().numpy() for name, value in judged.items()})
        if keep is not None:
            keep(triplet, depth * judged["scale"][:, None, None, None])
    if not parts:
        raise InputError("there is no image with true depth to evaluate; check the split, and the folders of "
                         "images and of depth.")
    if not any(part["pixels"].sum() for part in parts):
        raise InputError(f"no image has a pixel of true depth between {protocol.min_depth:g} and "
                         f"{protocol.max_depth:g} m (crop {protocol.crop}); check the depth files, their unit, the cap "
                         "and the crop.")
    return Report.of({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, protocol)
