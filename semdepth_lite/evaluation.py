"""The evaluation protocol, the report it gives, trivial baselines, and how sure a difference is.

Every number of a table comes from `evaluate_batch`: one pass over a batch, one value an image. `Report` averages over
images, skips those a metric has nothing to say about, and says how many it kept.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .common import InputError, check_sizes, write_atomically
from .data import Triplet
from .labels import NAMES
from .metrics import (CROPS, DEPTH_METRICS, border_band, check_match_radius, class_errors, count, crop_mask,
                      depth_edges, depth_errors, discontinuity_sides, edge_agreement, error_maps, evaluation_mask,
                      fattening, masked_median, median_scale, region_errors, scale_spread, thin_structures)

Predictor = Callable[[Triplet], torch.Tensor]  # a batch to its predicted depth (B, 1, H, W)

HEADLINE: tuple[str, ...] = (
    "abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3", "band_abs_rel", "inner_abs_rel", "near_abs_rel",
    "far_abs_rel", "thin_abs_rel", "thin_a1", "moving_abs_rel", "static_abs_rel", "fat", "shr", "edge_f",
    "edge_precision", "edge_recall", "dbe_acc", "dbe_comp")
PER_CLASS: tuple[str, ...] = tuple(f"{name.replace(' ', '_')}_abs_rel" for name in NAMES)


@dataclass(frozen=True)
class Protocol:
    """How predictions are judged; printed with every table.

    Attributes:
        crop: "none", "garg" or "eigen".
        min_depth, max_depth: caps on the truth (left out beyond) and on the scaled prediction (clipped), m.
        scaling: "median" (each image by median(gt) / median(pred) over its whole mask), "none", or a fixed factor.
        dense: whether the truth is dense; if not (LiDAR), discontinuities and edges are left out.
        band_radius, inner_radius: label-border band and its inner complement, px (`metrics.border_band`).
        thin_range: thin structures are judged up to this distance, m.
        window: side of the window that finds discontinuities, px (`metrics.discontinuity_sides`).
        jump: difference of ln depth that makes a discontinuity or an edge.
        match_radius: largest distance at which edges match, px.
        edge_limit: where the depth boundary error is cut, px.
        flip: whether each prediction was blended with that of the mirrored image (`prediction.blend_flipped`).
    """

    crop: str = "none"
    min_depth: float = 1e-3
    max_depth: float = 80.0
    scaling: str | float = "median"
    dense: bool = True
    band_radius: float = 1.5
    inner_radius: float = 4.0
    thin_range: float = 40.0
    window: int = 5
    jump: float = 0.25
    match_radius: float = 1.5
    edge_limit: float = 10.0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise InputError(f"crop {self.crop!r} is unknown; use one of {', '.join(CROPS)}.")
        if not 0 < self.min_depth < self.max_depth:
            raise InputError(f"depth caps {self.min_depth} to {self.max_depth} m are no range; use 0.001 to 80.")
        if not 0 < self.band_radius <= self.inner_radius < float("inf"):
            raise InputError(f"a band of {self.band_radius} px and an inner part beyond {self.inner_radius} px do not "
                             "fit; use a positive band that is not wider.")
        check_match_radius(self.match_radius, self.edge_limit)
        if isinstance(self.scaling, str) and self.scaling not in ("median", "none"):
            raise InputError(f"scaling {self.scaling!r} is unknown; use 'median', 'none' or a positive factor.")
        if not isinstance(self.scaling, str) and not 0 < self.scaling < float("inf"):
            raise InputError(f"scaling factor {self.scaling} is not positive; use a factor such as 5.4.")

    def card(self) -> str:
        """Return the protocol as the lines that stand above a table."""
        scale = {"median": "median of each whole image", "none": "none"}.get(self.scaling, f"fixed x{self.scaling}")
        lines = [f"crop {self.crop}; truth from {self.min_depth:g} to {self.max_depth:g} m, prediction clipped to it "
                 f"after scaling; scale: {scale}; mean over images",
                 f"band <= {self.band_radius:g} px from a label border, inner > {self.inner_radius:g} px; "
                 f"thin structures < {self.thin_range:g} m"]
        if self.dense:
            lines.append(f"near and far side: ln depth spans > {self.jump:g} in {self.window}x{self.window} px; edges: "
                         f"jump > {self.jump:g} over 2 px, matched within {self.match_radius:g} px, boundary error "
                         f"cut at {self.edge_limit:g} px; sky left out")
        if self.flip:
            lines.append("each prediction blended with that of the mirrored image")
        return "\n".join(lines)


@torch.no_grad()
def evaluate_batch(depth_pred: torch.Tensor, depth_gt: torch.Tensor, labels: torch.Tensor | None = None,
                   moving: torch.Tensor | None = None, protocol: Protocol = Protocol()) -> dict[str, torch.Tensor]:
    """Compute every metric of every image of a batch.

    Args:
        depth_pred: (B, 1, H, W) predicted depth, any unit under median scaling, else m.
        depth_gt: (B, 1, H, W) true depth, m, 0 = none.
        labels: (B, H, W) true trainIds; without them label-border, thin and class errors are left out.
        moving: (B, H, W) bool; without it moving and static errors are left out.
        protocol: how to judge.

    Returns:
        name: (B,) float; nan where an image has nothing to judge. `pixels` and NAME_pixels are counts, `scale` is
        the factor the prediction was given.

    Raises:
        InputError: if shapes differ, there is no image, or a predicted depth is not a positive number.
    """
    sizes = check_sizes(depth_gt, "depth_gt", "B1HW")
    check_sizes(depth_pred, "depth_pred", "B1HW", **sizes)
    for name, extra in (("labels", labels), ("moving", moving)):
        if extra is not None:
            check_sizes(extra, name, "BHW", **sizes)
    if not depth_pred.numel():
        raise InputError(f"depth_pred has shape {tuple(depth_pred.shape)}, which holds no pixel; give an image.")
    lowest, highest = depth_pred.aminmax()
    if not (lowest > 0 and torch.isfinite(highest)):
        raise InputError(f"predicted depth runs from {float(lowest):g} to {float(highest):g}, expected positive finite "
                         f"numbers; look for a prediction that diverged or a disparity of zero.")
    p, gt = protocol, depth_gt[:, 0]
    mask = evaluation_mask(gt, p.crop, p.min_depth, p.max_depth)
    scale = _scale(depth_pred[:, 0], gt, mask, p.scaling)
    pred = (depth_pred[:, 0] * scale[:, None, None]).clamp(p.min_depth, p.max_depth)

    errors = error_maps(pred, gt, mask)
    results = {"scale": scale, "pixels": count(mask), **depth_errors(errors)}
    regions: dict[str, torch.Tensor] = {}
    if labels is not None:
        regions["band"], regions["inner"] = border_band(labels, p.band_radius, p.inner_radius)
        regions["thin"] = thin_structures(labels, gt, p.thin_range)
        results |= class_errors(errors, labels)
    if moving is not None:
        regions["moving"], regions["static"] = moving, ~moving
    if p.dense:
        # Depth beyond the cap is still depth: a pole before a tower at 100 m has an edge.
        known = (gt > 0) & crop_mask(*gt.shape[1:], p.crop, gt.device)
        log_pred, log_gt = pred.log(), gt.clamp(p.min_depth, p.max_depth).log()
        sides = discontinuity_sides(log_gt, known, p.window, p.jump)
        regions["near"], regions["far"] = sides.near, sides.far
        edges = depth_edges(log_pred, known, p.jump), depth_edges(log_gt, known, p.jump)
        agreement = edge_agreement(*edges, p.match_radius, p.edge_limit)
        results |= fattening(log_pred, log_gt, mask, sides)
        results |= {name: torch.where(scale.isfinite(), value, torch.nan) for name, value in agreement.items()}
    if regions:
        results |= region_errors(errors, regions)
    return results


def _scale(pred: torch.Tensor, gt: torch.Tensor, mask: torch.Tensor, scaling: str | float) -> torch.Tensor:
    if scaling == "median":
        return median_scale(pred, gt, mask)
    factor = torch.full_like(gt[:, 0, 0], 1.0 if scaling == "none" else float(scaling))
    return torch.where(mask.flatten(1).any(1), factor, torch.nan)


@dataclass
class Report:
    """What an evaluation found: one value an image and metric, and their means.

    Attributes:
        values: name: (N,) one value an image, nan where it has nothing to judge.
        means: name: mean over the images that have a value; nan if none has.
        counts: name: number of these images.
        scale_mean, scale_spread: of the per-image factors (`metrics.scale_spread`).
        protocol: how it was judged.
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

    def table(self, metrics: tuple[str, ...] = HEADLINE + PER_CLASS) -> str:
        """Return a text table under the protocol's card: metric, mean, images it was averaged over, and the pixels
        judged in them; classes that no image shows are left out."""
        rows = [f"{name:<24}{self.means[name]:>9.4f}{self.counts[name]:>8}{self._pixels(name):>12}" for name in metrics
                if name in self.means and (self.counts[name] or name not in PER_CLASS)]
        scale = f"scale mean {self.scale_mean:.4g}, spread {self.scale_spread:.3f}"
        return "\n".join([self.protocol.card(), scale, f"{'metric':<24}{'mean':>9}{'images':>8}{'pixels':>12}", *rows])

    def _pixels(self, metric: str) -> str:
        """Count the pixels behind a metric, over all images; metrics of edges and sides rest on other things."""
        region = metric.removesuffix("_abs_rel").removesuffix("_a1")
        counted = self.values.get("pixels" if metric in DEPTH_METRICS else f"{region}_pixels")
        return "" if counted is None else f"{np.nansum(counted):.0f}"

    def save(self, path: Path | str) -> None:
        """Write means in full and per-image values to five digits as JSON; metrics without a value keep no list."""
        content = {
            "protocol": asdict(self.protocol), "images": len(self.values["scale"]),
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
            content = json.loads(Path(path).read_text())
            protocol, nothing = Protocol(**content["protocol"]), [None] * content["images"]
            means = {name: _or_nan(mean) for name, mean in content["means"].items()}
            values = {name: np.array([_or_nan(v) for v in content["values"].get(name, nothing)]) for name in means}
            scale = _or_nan(content["scale_mean"]), _or_nan(content["scale_spread"])
            return cls(values, means, content["counts"], *scale, protocol)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path} is no readable evaluation report ({error}); run the evaluation again.") from error


def _or_null(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def evaluate(predict: Predictor, batches: Iterable[Triplet], protocol: Protocol = Protocol()) -> Report:
    """Judge a predictor on every image of some batches.

    A prediction of another size than the truth is resized as Monodepth2 does: its disparity, bilinearly [code: MD2].

    Args:
        predict: takes a Triplet, returns depth (B, 1, h, w).
        batches: Triplets with true depth; labels and moving masks are used where they are there.
        protocol: how to judge.

    Returns:
        The report, images in the order of the batches.

    Raises:
        InputError: if there is no batch or a batch has no depth.
    """
    parts: list[dict[str, np.ndarray]] = []
    for triplet in batches:
        if triplet.depth is None:
            raise InputError("the data has no true depth, so there is nothing to evaluate against; use the street or "
                             "a KITTI split with ground truth.")
        with torch.no_grad():
            depth = predict(triplet)
            check_sizes(depth, "predicted depth", "B1HW", B=len(triplet))
            if depth.shape[-2:] != triplet.depth.shape[-2:]:
                disparity = F.interpolate(1 / depth, triplet.depth.shape[-2:], mode="bilinear", align_corners=False)
                depth = 1 / disparity
        judged = evaluate_batch(depth, triplet.depth, triplet.labels, triplet.moving, protocol)
        parts.append({name: value.cpu().double().numpy() for name, value in judged.items()})
    if not parts:
        raise InputError("there is no image to evaluate; check the split and the folder.")
    return Report.of({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, protocol)


def constant_baseline(depths: Iterable[torch.Tensor]) -> Predictor:
    """Fit the simplest predictor: the median of all training depth, everywhere.

    Args:
        depths: (B, 1, H, W) batches of training depth, m, 0 = none.

    Raises:
        InputError: if there is no depth to fit.
    """
    everything = torch.cat([depth.flatten() for depth in _some(depths)])[None]
    value = float(masked_median(everything, everything > 0))
    return lambda triplet: torch.full_like(triplet.target[:, :1], value)


def pixel_median_baseline(depths: Iterable[torch.Tensor]) -> Predictor:
    """Fit the prior of a forward-looking camera: at each pixel the median of the training depth there.

    A pixel that never had depth (always sky) gets the median of all of it.

    Args:
        depths: (B, 1, H, W) batches of training depth, m, 0 = none.

    Raises:
        InputError: if there is no depth to fit.
    """
    stack = torch.cat([depth[:, 0] for depth in _some(depths)])     # (N, H, W)
    columns = stack.flatten(1).T.contiguous()                       # (H W, N): the median runs over images
    medians = masked_median(columns, columns > 0)
    medians = torch.where(medians.isnan(), masked_median(stack.view(1, -1), stack.view(1, -1) > 0), medians)
    picture = medians.view(1, 1, *stack.shape[1:])
    return lambda triplet: picture.to(triplet.target.device).expand(len(triplet), -1, -1, -1)


def _some(depths: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    depths = list(depths)
    for depth in depths:
        check_sizes(depth, "depth", "B1HW")
    if not any(bool((depth > 0).any()) for depth in depths):
        raise InputError("there is no training depth to fit a baseline to; give batches of depth above 0 m.")
    return depths


@dataclass(frozen=True)
class PairedDifference:
    """The mean of a - b with a 95 % interval, and the same as a share of b's mean.

    `images` pairs in `clusters` scenes over `seeds` seeds entered it.
    """

    difference: float
    low: float
    high: float
    relative: float
    relative_low: float
    relative_high: float
    images: int
    clusters: int
    seeds: int

    def __str__(self) -> str:
        return (f"{self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}], {self.relative:+.1%} "
                f"[{self.relative_low:+.1%}, {self.relative_high:+.1%}]")


def paired_bootstrap(a: np.ndarray, b: np.ndarray, clusters: np.ndarray, n: int = 10000, seed: int = 0
                     ) -> PairedDifference:
    """Bound the mean paired difference a - b by a cluster bootstrap.

    Images of one scene are alike, so whole scenes are drawn with replacement, and with them, independently, whole
    seeds (Owen 2007 calls it the pigeonhole bootstrap). Each draw's difference is the sum of a - b over its number of
    pairs; the interval runs from the 2.5 % to the 97.5 % quantile of `n` draws. Pairs with a nan on either side are
    left out. Three seeds say little about the spread over seeds; the interval cannot know what it has not seen.

    Args:
        a, b: (N,) values per image, or (S, N) per seed and image; the same images in the same order.
        clusters: (N,) scene of each image.
        n: draws.
        seed: of the draws.

    Returns:
        The difference and its interval.

    Raises:
        InputError: if shapes differ or no pair is left.
    """
    a, b = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (a, b))
    clusters = np.asarray(clusters)
    if a.shape != b.shape or clusters.shape != a.shape[1:]:
        raise InputError(f"a, b and clusters have shapes {a.shape}, {b.shape} and {clusters.shape}, expected (seeds, "
                         f"images) twice and (images,); evaluate both on the same images.")
    paired = np.isfinite(a) & np.isfinite(b)
    if not paired.any():
        raise InputError("no image has a value on both sides; choose a metric that both reports hold.")
    names, scene = np.unique(clusters, return_inverse=True)
    member = np.eye(len(names))[scene]                              # (N, C)
    gaps, base, pairs = (np.where(paired, x, 0.0) @ member for x in (a - b, b, np.ones_like(a)))  # (S, C) each
    generator = np.random.default_rng(seed)
    seeds, scenes = len(a), len(names)
    seed_draws = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=n)       # (n, S)
    scene_draws = generator.multinomial(scenes, np.full(scenes, 1 / scenes), size=n)   # (n, C)
    gap, level, count = (((seed_draws @ sums) * scene_draws).sum(1) for sums in (gaps, base, pairs))
    drawn = count > 0
    low, high = np.quantile(gap[drawn] / count[drawn], (0.025, 0.975))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = gaps.sum() / base.sum()
        relative_low, relative_high = np.quantile(gap[drawn] / level[drawn], (0.025, 0.975))
    return PairedDifference(float(gaps.sum() / pairs.sum()), float(low), float(high), float(relative),
                            float(relative_low), float(relative_high), int(paired.sum()), scenes, seeds)
