"""`train --segmenter`: a segmenter of one's own, from images with label maps."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from ..common.contracts import InputError, check_divisible
from ..common.runtime import kept_randomness, pick_device, seed_everything
from ..common.storage import check_writable, sole_use, write_json
from .options import data_options, open_street, size_to_open

SHARE = 10       # one image of so many is kept back, as one unbroken part at the end
KEEPING = 20     # fewer images than these are all trained on, and judged on


def run_segmenter(args: argparse.Namespace) -> dict:
    """Train a segmenter on images with labels, judge it on images kept back, and keep its weights in the run folder."""
    from ..data.sources import batches, larger_targets
    from ..evaluation.segmentation import evaluate_segmentation
    from ..evaluation.verdict import Part
    from ..presets import recipe
    from ..semantics import GIVEN, Segmenter
    from ..training.batches import load_batch
    from ..training.preparation import count_classes, some_triplets
    from ..training.segmenter import pretrain_segmenter, save_segmenter
    from ..variants import FromSegmenter

    if args.run is None:
        raise InputError("the folder of the segmenter is missing; name one, such as runs/segmenter.")
    check_writable(args.run, "name another folder")
    scale, device = FromSegmenter().scale, pick_device(args.device)
    source = larger_targets(labeled_source(args), scale)
    first = len(source) - len(source) // SHARE if len(source) >= KEEPING else 0
    trained = Part(source, np.arange(first or len(source)))
    settings = recipe("lesson", batch=args.batch, seed=args.seed)
    with sole_use(args.run):
        with kept_randomness():
            seed_everything(settings.seed)
            segmenter = Segmenter(GIVEN, scale=scale).to(device)
        steps = args.steps or args.segmenter_steps or settings.segmenter_steps
        pretrain_segmenter(segmenter, lambda step: load_batch(trained, settings, step, device), steps,
                           count_classes(some_triplets(trained)), args.run / "segmenter.pt",
                           progress=not args.quiet)
        file = save_segmenter(segmenter, args.run)
    judged = Part(source, np.arange(first, len(source)))

    def predict(batch) -> torch.Tensor:
        return segmenter(batch.target.to(device)).argmax(1)

    scores = evaluate_segmentation(predict, batches(judged))
    where = f"{len(judged)} images {'kept back' if first else 'of the training, for there are few'}"
    classes = sum(name.startswith("iou_") for name in scores)
    write_json(Path(args.run) / "metrics.json", {"steps": steps, "trained": len(trained), "judged": len(judged),
                                                 **scores})
    return {"run": str(args.run), "steps": steps, "scores": scores, "text": "\n".join([
        f"trained {steps} steps on {len(trained)} images; the weights are in {file}",
        f"on {where}: mean IoU {scores['miou']:.3f} over {classes} classes, border F1 {scores['border_f1']:.3f}",
        f"use it: train RUN --variant semdepth_segmenter --masks {args.run} and the same --data"])}


def labeled_source(args: argparse.Namespace):
    """Open the images with their labels; neighbors in time are of no use here.

    Raises:
        InputError: If there are no labels.
    """
    from ..data.by_name import open_data
    from ..presets import find_preset

    if args.data == "street":
        preset = find_preset(args.preset or "quick")
        return open_street(args, "train", args.height or preset.height, args.width or preset.width)
    options = data_options(args, neighbors=False)
    height, width = size_to_open(args, args.data, options)
    check_divisible(height, width)
    source = open_data(args.data, height, width, options)
    if not source.has_labels:
        raise InputError(f"{source.name} has no labels to learn from; name a folder of label PNGs with --labels.")
    return source
