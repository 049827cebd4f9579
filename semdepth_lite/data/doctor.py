"""The doctor of a clip: what self-supervision needs of it, looked at before an hour is spent on training.

Every finding has a verdict, a number, a remedy and a picture. The limits are experience, not law: they are written
here, once, and printed with the finding.
"""
from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from textwrap import fill

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..common.contracts import InputError
from .flow import RADIUS, CameraMotion, Tracks, find_motion, track

GOOD, LOOK, BAD = "good", "look", "bad"
WIDTH = 100  # characters of a line of the report

# (good up to, bad beyond); a limit in the other direction is written with its sign turned
LIMITS = {
    "parallax": (-1.0, -0.3),  # px the rotation leaves over; below, depth has nothing to learn from
    "static": (0.1, 0.4),  # share of pairs in which nothing moves
    "texture": (0.4, 0.7),  # share of windows without structure
    "exposure": (0.05, 0.2),  # share of pairs whose brightness jumps
    "movers": (0.1, 0.3),  # share of points that no camera motion explains
    "blur": (0.1, 0.4),  # share of blurred frames
    "tracking": (-0.35, -0.15),  # share of textured points found again
}
STANDING = 0.5  # px: in a pair whose median motion is smaller, the camera stands
JUMP = 0.1  # relative change of brightness between neighbors that is a jump
FAINT = 0.1  # px of parallax below which its size is an accident
OFF_LINE = 1.5  # px off the line of a static point
NAMED = 4  # frames in which the camera stands are named up to so many
PARALLAX_DRAWN = 3  # times as long as it is, so that its directions can be seen
DRAWN_WIDTH = 640  # px, about, of a picture with ways of points
BLURRED = 0.55  # blur of a frame, 0 sharp to 1


@dataclass
class Finding:
    """One thing the doctor looked at.

    Attributes:
        name: One of parallax, static, texture, exposure, movers, blur, tracking and intrinsics.
        verdict: One of good, look and bad.
        what: Finding, in a sentence with its number.
        remedy: Advice; empty where all is well.
        value: The number that was judged.
        picture: (H, W, 3) uint8, where it shows best.
        caption: Words on what the picture shows, also its text for those who cannot see it.
    """

    name: str
    verdict: str
    what: str
    remedy: str
    value: float
    picture: np.ndarray | None = field(default=None, repr=False)
    caption: str = ""

    def to_json(self) -> dict:
        """Return everything but the picture."""
        return {key: value for key, value in asdict(self).items() if key != "picture"}


@dataclass
class Pair:
    """A target, its next neighbor, and what was measured on them.

    Attributes:
        index: Position of the target in its source.
        first, second: (3, H, W) images.
        K: (3, 3), pixels.
        tracks: Points followed from first to second.
        motion: Motion of the camera; None where too few points were found or the camera stands.
    """

    index: int
    first: torch.Tensor
    second: torch.Tensor
    K: np.ndarray
    tracks: Tracks
    motion: CameraMotion | None


BLIND = ("what a look at pairs cannot tell: whether the intrinsics are right; whether something keeps pace with the "
         "camera, such as a car ahead, which then looks infinitely far; and how good depth will be, which the verdict "
         "after training tells")


def examine(source, pairs: int = 12, progress: bool = False) -> list[Finding]:
    """Look at a clip through some of its pairs of neighbors, spread evenly.

    Args:
        source: Source of triplets with a next neighbor, at the size meant for training.
        pairs: Number of pairs to look at.
        progress: Whether to show a progress bar.

    Returns:
        Findings, intrinsics first.

    Raises:
        InputError: if the clip has no pair or a frame cannot be read.
    """
    from tqdm.auto import tqdm

    if pairs < 1 or not len(source):
        raise InputError(f"{pairs} pairs of {len(source)} triplets cannot be examined; give a clip, and ask for "
                         f"1 pair or more.")
    chosen = np.unique(np.linspace(0, len(source) - 1, min(pairs, len(source))).round().astype(np.int64))
    looked = [look_at(source, int(i)) for i in tqdm(chosen, desc="doctor", unit="pair", disable=not progress)]
    native = getattr(source, "native", None)
    return [judge_intrinsics(looked, None if native is None else tuple(native[0])), judge_tracking(looked),
            judge_static(looked, source), judge_parallax(looked), judge_movers(looked),
            judge_texture(looked), judge_exposure(looked), judge_blur(looked)]


def look_at(source, index: int) -> Pair:
    """Track one pair and find the camera's motion in it."""
    batch = source.triplet([index])
    if batch.sources.shape[1] == 0:
        raise InputError("the clip was opened without neighbors; open it with the previous and the next frame.")
    first, second, K = batch.target[0], batch.sources[0, -1], batch.K[0].double().numpy()
    tracks = track(first, second)
    moving = tracks.found.sum() >= 20 and np.median(tracks.lengths) >= STANDING
    motion = find_motion(tracks.points[tracks.found], tracks.moved[tracks.found], K) if moving else None
    return Pair(index, first, second, K, tracks, motion)


def _verdict(name: str, value: float) -> str:
    good, bad = LIMITS[name]
    if good < 0:
        value = -value
    return GOOD if value <= good else BAD if value > bad else LOOK


def _finding(name: str, value: float, what: str, remedy: str, picture: np.ndarray, caption: str) -> Finding:
    verdict = _verdict(name, value)
    return Finding(name, verdict, what, "" if verdict == GOOD else remedy, value, picture, caption)


def judge_intrinsics(looked: list[Pair], native: tuple[int, int] | None = None) -> Finding:
    """Judge K by what cameras are like: a field of view of 30 to 120 degrees, square pixels, center in the middle.

    Args:
        looked: Pairs.
        native: Height and width of the files, pixels: a size of another shape stretches pixels, and K is not to blame.
    """
    pair = looked[0]
    height, width = pair.first.shape[-2:]
    fx, fy, cx, cy = pair.K[0, 0], pair.K[1, 1], pair.K[0, 2], pair.K[1, 2]
    view = math.degrees(2 * math.atan(width / (2 * fx)))
    off = max(abs(cx - (width - 1) / 2) / width, abs(cy - (height - 1) / 2) / height)
    rows, columns = native or (height, width)
    squeezed = (width / columns) / (height / rows)
    own = fx / fy / squeezed  # of the files' own pixels
    stretch, resized = max(own, 1 / own) - 1, max(squeezed, 1 / squeezed) - 1
    troubles = []
    if not 30 <= view <= 120:
        troubles.append("the field of view is unusual")
    if off > 0.15:
        troubles.append("the principal point is far from the middle")
    if stretch > 0.1:
        troubles.append("the camera's pixels are not square")
    verdict = GOOD if not troubles else BAD if not 10 <= view <= 150 or off > 0.3 else LOOK
    remedy = "" if verdict == GOOD else (f"{' and '.join(troubles)}: check that the line of intrinsics belongs to this "
                                         f"image size and camera")
    if resized > 0.1:
        verdict = LOOK if verdict == GOOD else verdict
        advice = f"{width}x{height} stretches pictures of {columns}x{rows}: take a size of their shape"
        remedy = f"{remedy}; {advice}" if remedy else advice
    image = to_picture(pair.first)
    draw = ImageDraw.Draw(image)
    draw.line((cx - 12, cy, cx + 12, cy), fill=(255, 60, 60), width=2)
    draw.line((cx, cy - 12, cx, cy + 12), fill=(255, 60, 60), width=2)
    what = (f"the camera sees {view:.0f} degrees across; its center lies {off:.0%} of the image off the middle, the "
            f"camera's pixels are stretched by {stretch:.0%}, and the size {width}x{height} stretches them by "
            f"{resized:.0%}")
    return Finding("intrinsics", verdict, what, remedy, view, np.asarray(image),
                   "A red cross marks the principal point that the intrinsics claim.")


def judge_tracking(looked: list[Pair]) -> Finding:
    """Judge whether neighbors show the same scene: the share of textured points that are found again."""
    shares = [p.tracks.found.sum() / max(p.tracks.textured.sum(), 1) for p in looked]
    worst = looked[int(np.argmin(shares))]
    value = float(np.median(shares))
    return _finding("tracking", value, f"{value:.0%} of the textured points are found again in the next frame",
                    "neighbors hardly overlap: take a smaller frame step, and cut the clip at scene changes",
                    draw_motion(worst, worst.tracks.moved[worst.tracks.found]),
                    "The pair that is hardest to follow; each line is the way of a point that was found again.")


def judge_static(looked: list[Pair], source=None) -> Finding:
    """Judge how often the camera stands, and name the frames of the source in which it does."""
    motion = [float(np.median(p.tracks.lengths)) if p.tracks.found.any() else 0.0 for p in looked]
    value = float(np.mean([m < STANDING for m in motion]))
    still = looked[int(np.argmin(motion))]
    named = getattr(source, "target_file", None)
    names = [named(p.index).name for p, m in zip(looked, motion) if m < STANDING] if named else []
    where = f": {', '.join(names[:NAMED])}{' and others' if len(names) > NAMED else ''}" if names else ""
    return _finding("static", value, f"the camera stands in {value:.0%} of the pairs (median motion below "
                    f"{STANDING} px){where}",
                    "the preset clip leaves these frames out; elsewhere take a larger frame step, and keep the "
                    "automask on",
                    draw_motion(still, still.tracks.moved[still.tracks.found]),
                    "The pair that moves least; lines are the ways of its points.")


def judge_parallax(looked: list[Pair]) -> Finding:
    """Judge how much motion remains once the camera's rotation is undone: that alone carries depth."""
    sizes = [float(np.median(np.linalg.norm(p.motion.parallax, axis=1))) if p.motion else 0.0 for p in looked]
    value = float(np.median(sizes))
    best = looked[int(np.argmax(sizes))]
    ends = (best.tracks.points[best.tracks.found] + PARALLAX_DRAWN * best.motion.parallax if best.motion else
            np.zeros((0, 2)))
    # what a frame step multiplies is the way, and parallax with it
    times = math.ceil(-LIMITS["parallax"][0] / value) if value >= FAINT else 0
    step = f"a frame step {times} times as large" if times else "a much larger frame step"
    return _finding("parallax", value, f"half of the points move by more than {value:.2f} px beside what the camera's "
                    f"rotation explains",
                    f"the camera turns or stands but hardly travels: take {step}, or film while moving",
                    draw_motion(best, ends),
                    f"The pair with most parallax; lines are {PARALLAX_DRAWN} times what no rotation explains.")


def judge_movers(looked: list[Pair]) -> Finding:
    """Judge the share of points that no motion of the camera explains: off their line, or the wrong way along it."""
    strays = [(p.motion.off_line > OFF_LINE) | p.motion.backward if p.motion else np.zeros(0, dtype=bool)
              for p in looked]
    shares = [float(s.mean()) if s.size else 0.0 for s in strays]
    value, worst = float(np.mean(shares)), int(np.argmax(shares))
    pair, stray = looked[worst], strays[worst]
    ends = pair.tracks.moved[pair.tracks.found]
    marked = draw_motion(pair, ends, stray if stray.size else None)
    return _finding("movers", value, f"{value:.1%} of the points, on average over the pairs, move in a way that no "
                    f"camera motion explains, and {shares[worst]:.1%} in the pair where most do",
                    "many things move by themselves: keep minimum reprojection and automask on, or leave crowds out",
                    marked, "The pair with most of them; ways that no camera motion explains are thick and red.")


def judge_texture(looked: list[Pair]) -> Finding:
    """Judge the share of windows without structure, in which the photometric error says nothing."""
    shares = [float(1 - p.tracks.textured.mean()) for p in looked]
    value, worst = float(np.mean(shares)), looked[int(np.argmax(shares))]
    picture = np.array(to_picture(worst.first))
    blank = np.zeros(picture.shape[:2], dtype=bool)
    for u, v in worst.tracks.points[~worst.tracks.textured].astype(int):
        blank[v - RADIUS:v + RADIUS + 1, u - RADIUS:u + RADIUS + 1] = True
    picture[blank] //= 3
    return _finding("texture", value, f"{value:.0%} of the windows of {2 * RADIUS + 1} px have no texture",
                    "walls, sky or darkness fill the view: train longer with smoothness on, or film where and "
                    "when there is more to see",
                    picture, "The frame with least texture; windows without structure are darkened.")


def judge_exposure(looked: list[Pair]) -> Finding:
    """Judge how often brightness jumps between neighbors, which the photometric error takes for motion."""
    jumps = [abs(float(p.second.mean() / p.first.mean().clamp(min=1e-3)) - 1) for p in looked]
    value = float(np.mean([j > JUMP for j in jumps]))
    worst = looked[int(np.argmax(jumps))]
    both = np.concatenate([np.asarray(to_picture(image)) for image in (worst.first, worst.second)])
    return _finding("exposure", value, f"brightness jumps by more than {JUMP:.0%} in {value:.0%} of the pairs (most: "
                    f"{max(jumps):.0%})", "lock the exposure while filming, or even the brightness out beforehand",
                    both,
                    "The pair whose brightness changes most, first frame above.")


def blur_of(image: torch.Tensor) -> float:
    """Return how blurred an image (3, H, W) is, 0 sharp to 1: what a further blur takes away of its differences.

    Differences between neighbors shrink when a sharp image is blurred by 9 pixels, and hardly when it was blurred
    before: 1 - sum max(0, |d| - |d of blurred|) / sum |d|, the worse of both directions (Crete et al. 2007).
    """
    gray = image.mean(0)[None, None]
    worst = 0.0
    for dim, size in ((-2, (9, 1)), (-1, (1, 9))):
        soft = torch.nn.functional.avg_pool2d(gray, size, 1)
        trimmed = gray.narrow(dim, 4, gray.shape[dim] - 8)
        sharp_d, soft_d = trimmed.diff(dim=dim).abs(), soft.diff(dim=dim).abs()
        kept = (sharp_d - soft_d).clamp(min=0).sum() / sharp_d.sum().clamp(min=1e-6)
        worst = max(worst, 1 - float(kept))
    return worst


def judge_blur(looked: list[Pair]) -> Finding:
    """Judge how many frames are blurred."""
    blurs = [blur_of(p.first) for p in looked]
    value = float(np.mean([b > BLURRED for b in blurs]))
    return _finding("blur", value, f"{value:.0%} of the frames are blurred (median blur {np.median(blurs):.2f}, limit "
                    f"{BLURRED})", "film with a shorter exposure or in better light, or train at a smaller image size",
                    np.asarray(to_picture(looked[int(np.argmax(blurs))].first)), "The most blurred of the frames.")


def to_picture(image: torch.Tensor) -> Image.Image:
    """Turn (3, H, W) in [0, 1] into a picture that can be drawn on."""
    return Image.fromarray((image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def draw_motion(pair: Pair, ends: np.ndarray, marked: np.ndarray | None = None) -> np.ndarray:
    """Draw the way of every found point of a pair, from a dot to its end; marked ones thick and red.

    A small image is drawn larger, so that the ways stand out from their dots.

    Args:
        pair: Pair with the image and the points.
        ends: (N, 2) u, v, pixels; none draws no line.
        marked: (N,) bool.

    Returns:
        (z H, z W, 3) uint8, z = 1 for an image of `DRAWN_WIDTH` or more.
    """
    image = to_picture(pair.first)
    zoom = max(1, round(DRAWN_WIDTH / image.width))
    image = image.resize((zoom * image.width, zoom * image.height), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    starts, ends = (zoom * (points + 0.5) - 0.5 for points in (pair.tracks.points[pair.tracks.found], ends))
    for i, (start, end) in enumerate(zip(starts, ends)):
        stray = marked is not None and bool(marked[i])
        color, dot = ((255, 60, 60), 3) if stray else ((90, 220, 255), 1.5)
        draw.line((*start, *end), fill=color, width=4 if stray else 2)
        draw.ellipse((*(start - dot), *(start + dot)), fill=color)
    return np.asarray(image)


def overall(findings: list[Finding]) -> str:
    """Return the worst verdict."""
    return max((f.verdict for f in findings), key=(GOOD, LOOK, BAD).index)


def report(findings: list[Finding]) -> str:
    """Return the findings as text, each with the remedy below where one is needed, and what none of them can tell."""
    rows = []
    for f in findings:
        rows.append(f"{f.verdict:>4}  {f.name}: {f.what}")
        if f.remedy:
            rows.append(f"      {f.remedy}")
    return "\n".join(fill(row, WIDTH, subsequent_indent="      ") for row in [*rows, BLIND])
