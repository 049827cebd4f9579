"""Videos as folders of frames: unpacked once, as players show them, with the time of each frame beside them; and a
video of pictures.
"""
from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..common.contracts import MAX_PIXELS, InputError
from ..common.runtime import notice
from ..common.small_files import check_regular
from ..common.storage import ANOTHER_CACHE, fingerprint, make_folder, temporary_folder, write_atomically
from .image_files import write_image

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
# the containers that are read, by their first bytes, whatever the file is called
_CONTAINERS = ((re.compile(rb"....(?:ftyp|moov|mdat|wide|free|skip|pnot)", re.DOTALL), "mov,mp4,m4a,3gp,3g2,mj2"),
               (re.compile(rb"RIFF....AVI ", re.DOTALL), "avi"), (re.compile(rb"\x1aE\xdf\xa3"), "matroska,webm"))
_UNPACKED = 2  # raised whenever unpacked frames would differ
TIMES_FILE = "times.txt"  # of an unpacked video: the time of each frame, seconds


def unpack_video(path: Path, cache: Path, step: int = 1) -> Path:
    """Write the frames of a video as JPEGs into a folder under `cache`; a folder that is there is used again.

    Frames come as players show them: turned as the video's display matrix asks, with square pixels. Their times lie
    beside them, so that pauses cut the clip.

    Args:
        path: Video file.
        cache: Folder to unpack into.
        step: Frame step; every so many-th frame is kept.

    Returns:
        The folder of frames, complete or absent.

    Raises:
        InputError: If the video reader is not installed or the file holds no readable video.
    """
    path = Path(path)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{path} is neither a folder nor a video ({', '.join(VIDEO_SUFFIXES)}); name one of them.")
    check_regular(path, "a video file")
    state = path.stat()
    described = fingerprint(_UNPACKED, os.path.abspath(path), state.st_size, state.st_mtime_ns, state.st_ctime_ns, step)
    folder = Path(cache) / f"video-{path.stem}-{described}"
    if folder.is_dir():
        return folder
    make_folder(folder.parent, ANOTHER_CACHE)
    with temporary_folder(folder) as temporary:
        times = _decode_video(path, temporary, step)
        if not times:
            raise InputError(f"{path} holds no video frame; convert the file.")
        (temporary / TIMES_FILE).write_text("".join(f"{seconds:.6f}\n" for seconds in times))
        os.replace(temporary, folder)
    return folder


def _container(path: Path) -> str:
    """Return which of the containers that are read a video is, by its first bytes."""
    with open(path, "rb") as file:
        head = file.read(16)
    for pattern, name in _CONTAINERS:
        if pattern.match(head):
            return name
    raise InputError(f"{path} cannot be decoded as a video (it is no MP4, QuickTime, AVI, Matroska or WebM file); "
                     "convert the file.")


def _decode_video(path: Path, folder: Path, step: int) -> list[float]:
    """Decode a video frame by frame and return the times of those written, seconds."""
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        raise InputError(f"{path} needs the video reader PyAV; install the extra 'video' of this package, or unpack "
                         f"the video into a folder of images.") from error
    times: list[float] = []
    try:
        with av.open(str(path), format=_container(path)) as container:
            stream = container.streams.video[0]
            rate, aspect = float(stream.average_rate or 30), float(stream.sample_aspect_ratio or 1)
            for i, frame in enumerate(container.decode(stream)):
                if i % step == 0:
                    write_image(folder / f"{len(times):06d}.jpg", _as_shown(frame, aspect, path))
                    times.append(i / rate if frame.time is None else float(frame.time))
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be decoded as a video ({error}); convert the file.") from error
    increasing = all(a < b for a, b in zip(times, times[1:]))
    return times if increasing else [i * step / rate for i in range(len(times))]


def _as_shown(frame, aspect: float, path: Path) -> np.ndarray:
    """Turn a decoded frame into the picture that players show: square pixels, upright."""
    if frame.width * frame.height > MAX_PIXELS:
        raise InputError(f"{path} has frames of {frame.width}x{frame.height} pixels, more than the {MAX_PIXELS} "
                         "accepted here; reduce the video.")
    if aspect != 1 and 0.1 < aspect < 10:
        notice(f"{path} has pixels {aspect:.3g} times as wide as high; its frames are resized to square ones, and "
               "intrinsics must belong to those.")
        frame = frame.reformat(width=round(frame.width * aspect))
    turn = getattr(frame, "rotation", 0) or 0  # degrees counterclockwise; absent before PyAV 13
    if turn % 90:
        raise InputError(f"{path} asks to be turned by {turn} degrees, expected a multiple of 90; convert the file.")
    if turn:
        notice(f"{path} is stored turned; its frames are turned by {turn} degrees counterclockwise to stand upright, "
               "and intrinsics must belong to those.")
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turn // 90))


def frame_rate(folder: Path) -> float:
    """Return the usual frames a second of an unpacked video; 25 where its times do not tell."""
    times = np.loadtxt(folder / TIMES_FILE, ndmin=1)
    steps = np.diff(times)
    return float(np.clip(1 / np.median(steps), 1, 120)) if len(steps) and np.median(steps) > 0 else 25.0


def write_video(path: Path, frames: Iterable[np.ndarray], rate: float) -> None:
    """Write pictures as an MP4 (H.264 where the reader has it, else MPEG-4), whole or not at all.

    Args:
        path: File to write.
        frames: (H, W, 3) uint8 pictures of one size; an odd last row or column is left out.
        rate: Frames a second.

    Raises:
        InputError: If PyAV is not installed.
    """
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        raise InputError(f"{path} needs PyAV; install the extra 'video' of this package.") from error
    codec = next(name for name in ("libx264", "mpeg4") if name in av.codecs_available)

    def write(temporary: Path) -> None:
        with av.open(str(temporary), "w", format="mp4") as container:
            stream = None
            for frame in frames:
                height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
                if stream is None:
                    stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1000))
                    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                whole = np.ascontiguousarray(frame[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(whole, format="rgb24")))
            if stream is not None:
                container.mux(stream.encode())

    write_atomically(path, write)
