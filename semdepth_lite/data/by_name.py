"""Real data by name: what `--data` on the command line opens, and its ground truth at full size for evaluation."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..common.contracts import InputError
from ..common.registry import find_part
from ..labels import pack_labels
from .frame_cache import DEFAULT_CACHE
from .kitti import KittiOdometry, KittiRaw, frames_of_drives
from .own_frames import FrameFolder
from .photo import photo
from .sources import SegmentedSource, batches
from .stereo import STEREO, StereoSource
from .triplet import Triplet


@dataclass(frozen=True)
class DataOptions:
    """What may be said about real data beside its place; what a kind has no use for must stay unset.

    Attributes:
        frames: List file of KITTI raw, lines `folder frame side`.
        drives: Drives of KITTI raw, day/drive, where there is no list; none named takes all.
        neighbors: Whether the previous and the next frame are needed, as in training.
        intrinsics: `fx fy cx cy` or `fov D` for frames; calibration or monodepth2 for KITTI raw.
        step: Frame step, for frames.
        sequences: Sequences of KITTI odometry.
        camera: Camera of KITTI odometry: 0 and 1 are gray, 2 and 3 in color; None takes 2.
        stereo: One of alone (the other camera is the only source) and neighbors (it comes after the neighbors in time).
        depth: One of camera, forward and improved for KITTI; the folder of depth PNGs for frames.
        improved_root: Folder of KITTI's improved depth.
        labels: Folder of label PNGs.
        label_ids: Kind of the ids, one of `label_tables.LABEL_KINDS`.
        poses: Whether KITTI's true motion is read.
        path: File of the camera's poses, for frames.
        allow_gaps: Whether missing frame numbers only cut a clip of frames, or a drive.
        cache: Folder for decoded frames; None decodes at every request.
    """

    frames: Path | None = None
    drives: Sequence[str] = ()
    neighbors: bool = True
    intrinsics: str | None = None
    step: int = 1
    sequences: Sequence[str] = ()
    camera: int | None = None
    stereo: str | None = None
    depth: str | None = None
    improved_root: Path | None = None
    labels: Path | None = None
    label_ids: str = "trainId"
    poses: bool = False
    path: Path | None = None
    allow_gaps: bool = False
    cache: Path | None = DEFAULT_CACHE


def check_options(kind: str, options: DataOptions) -> None:
    """Refuse options that a kind of data has no use for, so that nothing said is silently ignored.

    Args:
        kind: A key of `UNDERSTOOD`, or the name of a registered source, which understands none.
        options: Options as given.

    Raises:
        InputError: naming the first such option.
    """
    default = DataOptions()
    for name in sorted({name for names in UNDERSTOOD.values() for name in names} - set(UNDERSTOOD.get(kind, ()))):
        if getattr(options, name) != getattr(default, name):
            raise InputError(f"data of kind {kind} has no use for {name}; leave it out, or name other data.")
    if options.label_ids != default.label_ids and options.labels is None:
        raise InputError(f"label_ids {options.label_ids!r} tells what labels hold, and none are named; name labels, or "
                         "leave it out.")
    if options.improved_root is not None and options.depth != "improved":
        raise InputError(f"improved_root {options.improved_root} is read for the depth 'improved', not "
                         f"{options.depth!r}; ask for that depth, or leave it out.")


def open_own(make: Callable[..., Any], data: str, height: int, width: int, options: DataOptions) -> Any:
    """Open a registered source, see `open_data`.

    Raises:
        InputError: if what it makes is no source, or an option was named; it understands none but neighbors and poses,
            which it gives as it does.
    """
    kind, _, place = data.partition(":")
    default = DataOptions()
    check_options(kind, replace(options, neighbors=default.neighbors, poses=default.poses))
    source = make(place, height, width)
    wanted = ("name", "height", "width", "has_labels", "has_depth", "triplet", "__len__")
    missing = [name for name in wanted if not hasattr(source, name)]
    if missing:
        raise InputError(f"the source {kind!r} makes {type(source).__name__}, which lacks {', '.join(missing)} and so "
                         "is no source of triplets; return a data.ArraySource, for instance.")
    return source


def _offsets(options: DataOptions) -> tuple[int, ...]:
    """Return the offsets of the neighbors in time that are wanted."""
    return (-1, 1) if options.neighbors and options.stereo != "alone" else ()


def _open_odometry(root: Path, height: int, width: int, options: DataOptions) -> KittiOdometry | StereoSource:
    """Open KITTI odometry, with the other camera of the pair where stereo is asked for."""
    camera = 2 if options.camera is None else options.camera
    source = KittiOdometry(root, height, width, options.sequences, camera, _offsets(options), options.poses,
                           options.depth, options.labels, options.label_ids, options.cache)
    if options.stereo is None:
        return source
    partner = camera ^ 1  # 0 and 1 are a pair, and 2 and 3
    other = KittiOdometry(root, height, width, options.sequences, partner, (), cache=options.cache)
    row = {item: i for i, item in enumerate(other.items)}
    motions = [source.calibrations[name].T_camera_camera(source=partner, target=camera) for name, _ in source.items]
    return StereoSource(source, other, [row[item] for item in source.items], np.stack(motions))


def _open_raw(root: Path, height: int, width: int, options: DataOptions) -> KittiRaw | StereoSource:
    """Open KITTI raw, with the other color camera where stereo is asked for."""
    frames, offsets = options.frames, _offsets(options)
    if frames is not None and options.drives:
        raise InputError(f"the list {frames} and drives were both named; name one of them.")
    if frames is None:
        frames = frames_of_drives(root, options.drives or None, neighbors=offsets, allow_gaps=options.allow_gaps)
    intrinsics = options.intrinsics or "calibration"
    source = KittiRaw(root, height, width, frames, offsets, intrinsics, options.depth, options.improved_root,
                      options.poses, options.labels, options.label_ids, options.cache)
    if options.stereo is None:
        return source
    beside = [replace(item, side="r" if item.side == "l" else "l") for item in source.items]
    other = KittiRaw(root, height, width, beside, (), intrinsics, cache=options.cache)
    motions = [source.calibration(i).T_camera_camera(source=there.camera, target=here.camera)
               for i, (here, there) in enumerate(zip(source.items, beside))]
    return StereoSource(source, other, range(len(source)), np.stack(motions))


def _open_frames(place: Path, height: int, width: int, options: DataOptions) -> FrameFolder:
    """Open a folder of images or a video."""
    return FrameFolder(place, height, width, options.intrinsics, options.step, options.labels, options.label_ids,
                       None if options.depth is None else Path(options.depth), options.allow_gaps, cache=options.cache,
                       neighbors=options.neighbors, path=options.path)


@dataclass(frozen=True)
class Kind:
    """A kind of real data that has a place.

    Attributes:
        place: What the place is.
        options: Names of the `DataOptions` that it understands, beside cache.
        open: Function of place, height and width in pixels, and options, that returns the source.
    """

    place: str
    options: tuple[str, ...]
    open: Callable[[Path, int, int, DataOptions], Any]


KINDS = {
    "kitti": Kind("the root of KITTI raw", ("frames", "drives", "neighbors", "intrinsics", "depth", "improved_root",
                                            "labels", "label_ids", "poses", "allow_gaps", "stereo"), _open_raw),
    "odometry": Kind("the root of KITTI odometry", ("neighbors", "sequences", "camera", "depth", "labels", "label_ids",
                                                    "poses", "stereo"), _open_odometry),
    "frames": Kind("a folder of images or a video", ("neighbors", "intrinsics", "step", "depth", "labels", "label_ids",
                                                     "path", "allow_gaps"), _open_frames)}
UNDERSTOOD = {name: kind.options for name, kind in KINDS.items()} | {"photo": ("neighbors", "poses"), "street": ()}


def open_data(data: str, height: int, width: int, options: DataOptions = DataOptions()) -> Any:
    """Open real data by name, or a source of one's own that is registered.

    Args:
        data: `photo` (see `photo.py`), `kitti:ROOT`, `odometry:ROOT` or `frames:FOLDER` (or a video file), or
            `NAME:PLACE` of a registered source.
        height, width: Size to yield, pixels.
        options: Further options.

    Raises:
        InputError: if the kind is unknown, has no use for an option, or the data is missing or wrong.
    """
    if data == "photo":
        check_options("photo", options)
        return photo(height, width)
    kind, colon, place = data.partition(":")
    own = find_part("source", kind)
    if own is not None:
        return open_own(own, data, height, width, options)
    if kind not in KINDS or not colon or not place:
        known = ", ".join(f"{name}:PLACE ({each.place})" for name, each in KINDS.items())
        raise InputError(f"data {data!r} is unknown; use {known}, photo (a stereo photograph with measured depth), or "
                         "NAME:PLACE of a source of your own after `register` (--code FILE).")
    check_options(kind, options)
    if options.stereo not in (None, *STEREO):
        raise InputError(f"stereo {options.stereo!r} is unknown; use {' or '.join(STEREO)}.")
    return KINDS[kind].open(Path(place), height, width, options)


def truth_batches(source: Any) -> Iterator[Triplet]:
    """Yield every target for evaluation: the image at the network's size, the truth at its file's own size.

    A source of one's own has no files here: its truth is that of its triplets.

    LiDAR points are judged where they are; it is the prediction that is resized. One target at a time, because KITTI's
    days differ in size.

    Args:
        source: Source with depth; its labels, where it has them, are given at the size of the depth, and once more at
            the network's size as what an outside segmenter says, unless the source has maps of its own.

    Raises:
        InputError: if the source has no depth, or a file cannot be read.
    """
    if not source.has_depth:
        raise InputError(f"{source.name} was opened without depth, so there is nothing to judge by; name its depth.")
    if not hasattr(source, "ground_truth"):
        yield from batches(source, 1)
        return
    for index in range(len(source)):
        depth = torch.from_numpy(source.ground_truth(index))[None, None]
        labels = torch.from_numpy(source.full_labels(index))[None] if source.has_labels else None
        target = source.frames.read([source.targets[index]])
        image = torch.from_numpy(target).float().div_(255)
        store = source.label_store
        seen = None if store is None else pack_labels(torch.from_numpy(store.read([index])))
        if isinstance(source, SegmentedSource):
            seen = source.maps(np.array([index]))
        yield Triplet(target=image, sources=image[:, None][:, :0], K=source.K[[index]], depth=depth, labels=labels,
                      semantics=seen, index=torch.tensor([index]))
