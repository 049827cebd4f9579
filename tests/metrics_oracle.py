"""The evaluation once more, one image at a time in NumPy and SciPy: oracle of the tests and reference for speed.

Written as one would write it without the package, which it does not import except for names and thresholds.
"""
from __future__ import annotations

import argparse

import numpy as np
from scipy import ndimage

THIN = (5, 6, 7, 11, 12, 17, 18)
CROPS = {"garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
         "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229), "none": (0, 1, 0, 1)}


def mean(values):
    return values.mean() if values.size else np.nan


def seven_errors(pred, gt):
    if not gt.size:
        return dict.fromkeys(("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3"), np.nan)
    ratio = np.maximum(pred / gt, gt / pred)
    return {"abs_rel": np.mean(np.abs(pred - gt) / gt), "sq_rel": np.mean((pred - gt) ** 2 / gt),
            "rmse": np.sqrt(np.mean((pred - gt) ** 2)), "rmse_log": np.sqrt(np.mean((np.log(pred) - np.log(gt)) ** 2)),
            "a1": np.mean(ratio < 1.25), "a2": np.mean(ratio < 1.25**2), "a3": np.mean(ratio < 1.25**3)}


def distance(mask, limit):
    if not mask.any():
        return np.full(mask.shape, limit)
    return np.minimum(ndimage.distance_transform_edt(~mask), limit)


def label_borders(labels):
    border = np.zeros(labels.shape, bool)
    differs = (labels[1:] != labels[:-1]) & (labels[1:] != 255) & (labels[:-1] != 255)
    border[1:] |= differs
    border[:-1] |= differs
    differs = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] != 255) & (labels[:, :-1] != 255)
    border[:, 1:] |= differs
    border[:, :-1] |= differs
    return border


def depth_edges(depth, known, jump):
    log = np.log(np.where(known, depth, 1))
    x, y = np.zeros_like(log), np.zeros_like(log)
    x[:, 1:-1] = np.abs(log[:, 2:] - log[:, :-2]) * (known[:, 2:] & known[:, 1:-1] & known[:, :-2])
    y[1:-1] = np.abs(log[2:] - log[:-2]) * (known[2:] & known[1:-1] & known[:-2])
    px, py = np.pad(x, ((0, 0), (1, 1))), np.pad(y, ((1, 1), (0, 0)))
    edge_x = (x > jump) & (x >= px[:, 2:]) & (x >= px[:, :-2])
    edge_y = (y > jump) & (y >= py[2:]) & (y >= py[:-2])
    return edge_x | edge_y


def edge_errors(pred_edges, gt_edges, radius, limit):
    names = ("edge_precision", "edge_recall", "edge_f", "dbe_acc", "dbe_comp")
    if not gt_edges.any():
        return dict.fromkeys(names, np.nan)
    to_true, to_pred = distance(gt_edges, limit), distance(pred_edges, limit)
    precision, recall = mean(to_true[pred_edges] <= radius), mean(to_pred[gt_edges] <= radius)
    f = 2 * precision * recall / (precision + recall) if recall > 0 else 0.0
    near = to_true[pred_edges & (to_true < limit)]
    accuracy = near.mean() if near.size else limit
    completeness = (to_true[pred_edges].sum() + to_pred[gt_edges].sum()) / (pred_edges.sum() + gt_edges.sum())
    return dict(zip(names, (precision, recall, f, accuracy, completeness)))


def region(name, pred, gt, mask):
    p, g = pred[mask], gt[mask]
    return {f"{name}_abs_rel": mean(np.abs(p - g) / g), f"{name}_a1": mean(np.maximum(p / g, g / p) < 1.25),
            f"{name}_pixels": mask.sum()}


def evaluate_image(pred, gt, labels, moving, protocol, names):
    """Judge one image: (H, W) arrays, a Protocol, and the class names; returns a dict of floats."""
    p = protocol
    height, width = gt.shape
    top, bottom, left, right = CROPS[p.crop]
    crop = np.zeros(gt.shape, bool)
    crop[int(top * height):int(bottom * height), int(left * width):int(right * width)] = True
    mask = (gt > p.min_depth) & (gt < p.max_depth) & crop
    if not mask.any():
        return {}
    scale = np.median(gt[mask]) / np.median(pred[mask]) if p.scaling == "median" else \
        1.0 if p.scaling == "none" else p.scaling
    pred = np.clip(pred * scale, p.min_depth, p.max_depth)
    result = {"scale": scale, "pixels": mask.sum(), **seven_errors(pred[mask], gt[mask])}

    if labels is not None:
        to_border = distance(label_borders(labels), p.inner_radius + 1)
        labeled = labels != 255
        result |= region("band", pred, gt, mask & labeled & (to_border <= p.band_radius))
        result |= region("inner", pred, gt, mask & labeled & (to_border > p.inner_radius))
        result |= region("thin", pred, gt, mask & np.isin(labels, THIN) & (gt < p.thin_range))
        for i, name in enumerate(names):
            here = mask & (labels == i)
            result[f"{name.replace(' ', '_')}_abs_rel"] = mean(np.abs(pred[here] - gt[here]) / gt[here])
            result[f"{name.replace(' ', '_')}_pixels"] = here.sum()
    if moving is not None:
        result |= region("moving", pred, gt, mask & moving)
        result |= region("static", pred, gt, mask & ~moving)
    if p.dense:
        known = (gt > 0) & crop
        capped = np.clip(gt, p.min_depth, p.max_depth)
        log = np.log(np.where(known, capped, 1))
        nearest = ndimage.minimum_filter(np.where(known, log, np.inf), p.window, mode="constant", cval=np.inf)
        farthest = ndimage.maximum_filter(np.where(known, log, -np.inf), p.window, mode="constant", cval=-np.inf)
        with np.errstate(invalid="ignore"):
            broken = known & (farthest - nearest > p.jump)
            near = broken & (log - nearest < farthest - log)
        far = broken & ~near
        result |= region("near", pred, gt, mask & near) | region("far", pred, gt, mask & far)
        log_pred, log_gt = np.log(pred), np.log(np.where(mask, gt, 1))
        own = np.abs(log_pred - log_gt)
        there = mask & far
        result["fat"] = mean(np.abs(log_pred - nearest)[there] < own[there])
        there = mask & near
        result["shr"] = mean(np.abs(log_pred - farthest)[there] < own[there])
        result |= edge_errors(depth_edges(pred, known, p.jump), depth_edges(capped, known, p.jump),
                              p.match_radius, p.edge_limit)
    return result


def compare_speed(batch=16, height=96, width=320, repeats=15):
    """Print milliseconds an image of this loop and of `evaluate_batch`, on frames of the street."""
    import time

    import torch

    from semdepth_lite.classes import NAMES
    from semdepth_lite.evaluation.protocol import Protocol, evaluate_batch
    from semdepth_lite.street import render_frame, scene_seeds

    frames = [render_frame(seed, 3, height, width) for seed in scene_seeds("validation", batch)]
    depth = torch.from_numpy(np.stack([frame.depth for frame in frames]))[:, None]
    labels, moving = (torch.from_numpy(np.stack([getattr(frame, name) for frame in frames]))
                      for name in ("labels", "moving"))
    noise = torch.rand(depth.shape, generator=torch.Generator().manual_seed(0))
    pred, protocol = torch.where(depth > 0, depth, 80.0) * (0.9 + 0.2 * noise), Protocol()
    arrays = [tuple(x[b].numpy() for x in (pred[:, 0], depth[:, 0], labels, moving)) for b in range(batch)]
    runs = {"loop": lambda: [evaluate_image(*one, protocol, NAMES) for one in arrays],
            "batch": lambda: evaluate_batch(pred, depth, labels, moving, protocol)}
    times = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - start) / batch)
    loop, fast = (float(np.median(times[name])) for name in ("loop", "batch"))
    print(f"{torch.get_num_threads()} threads, batch {batch} at {height}x{width}: loop {loop:.2f} ms an image, "
          f"evaluate_batch {fast:.2f} ms, ratio {loop / fast:.1f}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    compare_speed()
