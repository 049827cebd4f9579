"""Real data by name: what `--data` on the command line opens, and its ground truth at full size for evaluation; and a
street that is written like a clip of one's own."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..common.contracts import InputError
from ..labels import pack_labels
from .clips import ClipSource
from .frame_cache import DEFAULT_CACHE
from .kitti import KittiOdometry, KittiRaw, frames_of_drives
from .own_frames import FrameFolder
from .photo import photo
from .triplet import Triplet

KINDS = {"kitti": "the root of KITTI raw", "odometry": "the root of KITTI odometry",
         "frames": "a folder of images or a video"}


@dataclass(frozen=True)
class DataOptions:
    """What may be said about real data beside its place; what a kind has no use for must stay unset.

    Attributes:
        frames: list file of KITTI raw, lines `folder frame side`.
        drives: of KITTI raw, day/drive, where there is no list; none named takes all.
        neighbors: whether the previous and the next frame are needed, as in training.
        intrinsics: `fx fy cx cy` or `fov D` for frames; calibration or monodepth2 for KITTI raw.
        step: frame step, for frames.
        sequences: of KITTI odometry.
        depth: camera, forward or improved for KITTI; the folder of depth PNGs for frames.
        improved_root: folder of KITTI's improved depth.
        labels: folder of label PNGs.
        label_ids: trainId or labelId.
        poses: whether KITTI's true motion is read.
        allow_gaps: whether missing frame numbers only cut a clip of frames, or a drive.
        cache: folder for decoded frames; None decodes at every request.
    """

    frames: Path | None = None
    drives: Sequence[str] = ()
    neighbors: bool = True
    intrinsics: str | None = None
    step: int = 1
    sequences: Sequence[str] = ()
    depth: str | None = None
    improved_root: Path | None = None
    labels: Path | None = None
    label_ids: str = "trainId"
    poses: bool = False
    allow_gaps: bool = False
    cache: Path | None = DEFAULT_CACHE


# The options that each kind understands, beside cache; the street takes none.
UNDERSTOOD = {"kitti": ("frames", "drives", "neighbors", "intrinsics", "depth", "improved_root", "labels", "label_ids",
                        "poses", "allow_gaps"),
              "odometry": ("neighbors", "sequences", "depth", "poses"),
              "frames": ("neighbors", "intrinsics", "step", "depth", "labels", "label_ids", "allow_gaps"),
              "photo": ("neighbors", "poses"),
              "street": ()}


def check_options(kind: str, options: DataOptions) -> None:
    """Refuse options that a kind of data has no use for, so that nothing said is silently ignored.

    Args:
        kind: a key of `UNDERSTOOD`.
        options: what was said.

    Raises:
        InputError: naming the first such option.
    """
    default = DataOptions()
    for name in sorted({name for names in UNDERSTOOD.values() for name in names} - set(UNDERSTOOD[kind])):
        if getattr(options, name) != getattr(default, name):
            raise InputError(f"data of kind {kind} has no use for {name}; leave it out, or name other data.")


def open_data(data: str, height: int, width: int, options: DataOptions = DataOptions()) -> ClipSource:
    """Open real data by name.

    Args:
        data: `photo` (see `photo.py`), `kitti:ROOT`, `odometry:ROOT` or `frames:FOLDER` (or a video file).
        height, width: size to yield, pixels.
        options: what else is to be said.

    Raises:
        InputError: if the kind is unknown, has no use for an option, or the data is missing or wrong.
    """
    if data == "photo":
        check_options("photo", options)
        return photo(height, width)
    kind, colon, place = data.partition(":")
    if kind not in KINDS or not colon or not place:
        known = ", ".join(f"{name}:PLACE ({what})" for name, what in KINDS.items())
        raise InputError(f"data {data!r} is unknown; use {known}, or photo (a stereo photograph with measured depth).")
    check_options(kind, options)
    shared = {"cache": options.cache}
    if kind == "frames":
        return FrameFolder(place, height, width, options.intrinsics, options.step, options.labels, options.label_ids,
                           None if options.depth is None else Path(options.depth), options.allow_gaps,
                           neighbors=options.neighbors, **shared)
    offsets = (-1, 1) if options.neighbors else ()
    if kind == "odometry":
        return KittiOdometry(place, height, width, options.sequences, neighbors=offsets, poses=options.poses,
                             depth=options.depth, **shared)
    frames = options.frames
    if frames is not None and options.drives:
        raise InputError(f"the list {frames} and drives were both named; name one of them.")
    if frames is None:
        frames = frames_of_drives(place, options.drives or None, neighbors=offsets, allow_gaps=options.allow_gaps)
    return KittiRaw(place, height, width, frames, offsets, options.intrinsics or "calibration", options.depth,
                    options.improved_root, options.poses, options.labels, options.label_ids, **shared)


def truth_batches(source: ClipSource) -> Iterator[Triplet]:
    """Yield every target for evaluation: the image at the network's size, the truth at its file's own size.

    LiDAR points are judged where they are; it is the prediction that is resized. One target at a time, because KITTI's
    days differ in size.

    Args:
        source: opened with depth; its labels, where it has them, are given at the size of the depth, and once more at
            the network's size as what an outside segmenter says.

    Raises:
        InputError: if the source has no depth, or a file cannot be read.
    """
    if not source.has_depth:
        raise InputError(f"{source.name} was opened without depth, so there is nothing to judge by; name its depth.")
    for index in range(len(source)):
        depth = torch.from_numpy(source.ground_truth(index))[None, None]
        labels = torch.from_numpy(source.full_labels(index))[None] if source.has_labels else None
        target = source.frames.read([source.targets[index]])
        image = torch.from_numpy(target).float().div_(255)
        seen = None if labels is None else pack_labels(torch.from_numpy(source.label_store.read([index])))
        yield Triplet(target=image, sources=image[:, None][:, :0], K=source.K[[index]], depth=depth, labels=labels,
                      semantics=seen, index=torch.tensor([index]))
