"""The museum's shelves: what each failure is called, why it happens, how to see it, what helps, and who met it.

The threads are public discussions in other projects' repositories, each with what was said there in our words.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from . import mechanisms
from .mechanisms import Failure, World


class Thread(NamedTuple):
    """A published discussion: repository, number of the thread, and what was said, in our words."""

    repository: str
    number: int
    says: str


@dataclass(frozen=True)
class Exhibit:
    """A failure and its words.

    Attributes:
        title: Name of the exhibit, a few words.
        make: The function that makes it from a world and a strength.
        dial: Quantity that the strength turns, from 0 to 1.
        cause: One formula, TeX without dollars.
        because: The formula in words.
        look: Hint at what to look for in a depth map.
        remedy: Remedy, as the museum shows it.
        measure: Meaning of the numbers, with their unit in brackets at the end.
        better: "lower" or "higher".
        threads: Discussions of people who met it.
    """

    title: str
    make: Callable[[World, float], Failure]
    dial: str
    cause: str
    because: str
    look: str
    remedy: str
    measure: str
    threads: tuple[Thread, ...]
    better: str = "lower"

    @property
    def measured(self) -> str:
        """Meaning of the numbers, without their unit."""
        return self.measure.rpartition(" (")[0]

    @property
    def unit(self) -> str:
        """Unit of the numbers."""
        return self.measure.rpartition("(")[2].rstrip(")")

    def said(self, values: Mapping[str, float], digits: int = 1) -> str:
        """Say the numbers of a failure with their unit: healthy 13.2 %, broken 38.4 %, mended 31.0 %."""
        return ", ".join(f"{state} {value:.{digits}f} {self.unit}" for state, value in values.items())

    def card(self) -> str:
        """Return the label beside the exhibit as Markdown: cause, what to look for, remedy, threads."""
        lines = [f"**Cause:** ${self.cause}$: {self.because}", f"**Look for:** {self.look}",
                 f"**Remedy shown:** {self.remedy}", "**Others who met it:**"]
        rows = [f"- [{thread.repository} #{thread.number}](https://github.com/{thread.repository}/issues/"
                f"{thread.number}): {thread.says}" for thread in self.threads]
        return "\n\n".join(lines) + "\n\n" + "\n".join(rows)


MONODEPTH2, SFMLEARNER = "nianticlabs/monodepth2", "tinghuiz/SfMLearner"

EXHIBITS: dict[str, Exhibit] = {
    "holes": Exhibit(
        "Holes on movers", mechanisms.holes, "speed of the car ahead, as a share of the camera's",
        r"d' = \frac{d}{1 - v_\mathrm{car} / v_\mathrm{camera}}",
        "what moves along has little parallax, and little parallax means far.",
        "dark holes in the shape of cars ahead of you, first on the rear of the car.",
        "the automask: pixels that the unmoved frame explains better are silent (gray).",
        "pixels of the car that are pulled 1.5 times too far or more (%)", (
            Thread(MONODEPTH2, 372, "asked why movers become holes; an author answers that what looks still is taken "
                   "for infinitely far."),
            Thread(MONODEPTH2, 310, "cars are holes on data of one's own, and for some also with the automask on."),
            Thread("TRI-ML/packnet-sfm", 132, "an author calls it expected of self-supervision, and the automask not "
                   "always enough."),
            Thread("bolianchen/pytorch_depth_from_videos_in_the_wild", 9, "the same in a method that models moving "
                   "things; still unsolved there."))),
    "texture_copy": Exhibit(
        "Texture copy", mechanisms.texture_copy, "error of the camera's rotation, from 0 to 1 degree",
        r"\frac{\partial pe}{\partial d} \propto \nabla I \cdot \frac{\partial p'}{\partial d}",
        "depth is pushed only where the image changes; if the motion is wrong, it is pushed wrongly just there.",
        "road markings, windows and shadows that appear in the depth of flat surfaces.",
        "the motion, aligned on the images again by least squares.",
        "correlation of depth steps with image steps inside surfaces (%)", (
            Thread(MONODEPTH2, 284, "a maintainer names the usual reasons: bad calibration, a pose network in trouble, "
                   "wrong intrinsics."),
            Thread(MONODEPTH2, 417, "stereo training on own data: worse without the automask and with less "
                   "smoothness."),
            Thread(MONODEPTH2, 325, "the image shows through in the depth, the more so the more data there is."))),
    "fattening": Exhibit(
        "Fattening", mechanisms.fattened, "how far the foreground runs over its border, from 0 to 3 pixels",
        r"pe(d_\mathrm{near}) \approx pe(d_\mathrm{far}) \ \text{beside the border}",
        "a strip of background beside an object is hidden in one frame or lies in the object's SSIM window, so the "
        "object's depth costs it nearly nothing.",
        "silhouettes larger than the object; poles twice as wide; a rim of road that sticks to a car.",
        "depth near a border taken from farther inside its own class (snapping to labels).",
        "far-side pixels that took the depth of the object (%)", (
            Thread(MONODEPTH2, 151, "an author says that the stereo model makes thin things too wide, and that depth "
                   "edges miss the image's."),
            Thread("yzcjtr/GeoNet", 4, "what makes edges sharp? The author points at SSIM beside L1 and at edge-aware "
                   "smoothness."))),
    "blank_walls": Exhibit(
        "Textureless walls", mechanisms.blank_walls, "how much of the walls' paint is gone, from 0 to 1",
        r"\nabla I = 0 \ \Rightarrow\ \frac{\partial pe}{\partial d} = 0 \ \text{for every } d",
        "where all pixels look alike, every depth explains them.",
        "blotches of any depth on plain walls, floors and sky; they change from frame to frame.",
        "what other streets have at this pixel, where the pixel itself is silent.",
        "median relative error on the walls (%)", (
            Thread(MONODEPTH2, 39, "offices with blank walls and floors: holes grow while training goes on."),
            Thread(MONODEPTH2, 436, "the plain background comes out much too near; a maintainer says it cannot be "
                   "triangulated."))),
    "scale_drift": Exhibit(
        "Scale drift", mechanisms.scale_drift, "how fast the scale wanders from frame to frame",
        r"pe(s\,d,\ s\,t) = pe(d,\ t) \ \text{for every } s > 0",
        "no image can tell the scale, so each prediction may choose its own.",
        "depth that breathes in a video; a path whose steps grow or shrink; a good score per image all the same.",
        "neighboring frames compared: points of one, moved into the next, must have the depth seen there.",
        "error of the length of the path (%)", (
            Thread("JiawangBian/SC-SfMLearner-Release", 19, "tells one unknown scale from scales that disagree between "
                   "snippets; only the second can be trained away."),
            Thread("Huangying-Zhan/DF-VO", 5, "drift and scale trouble on own data; the author advises a "
                   "depth-consistency term."),
            Thread("raulmur/ORB_SLAM2", 71, "the same in classical monocular mapping, and how to hold the scale "
                   "without an inertial sensor."))),
    "collapse": Exhibit(
        "Collapse", mechanisms.collapsed, "learning rate, from 1 to 1000 times the preset's",
        r"\sigma'(x) = \sigma(x)\,(1 - \sigma(x)) \to 0 \ \text{for}\ |x| \to \infty",
        "one step too large drives every pixel to an end of the sigmoid, where the gradient that could bring it back "
        "is zero.",
        "one color everywhere, or the same picture for every image; a loss that stands still.",
        "look after every step (`training.diagnose`), go back, and go on at a tenth of the learning rate.",
        "spread of disparity over the image, relative to its mean (%)", (
            Thread(SFMLEARNER, 53, "disparity all white on own data, while the loss falls."),
            Thread(SFMLEARNER, 39, "a pose network that does not learn; depth ends at the largest value or at zero."),
            Thread(MONODEPTH2, 343, "motion stays the identity for every pair of frames."),
            Thread(MONODEPTH2, 160, "the loss is no number; training the pose network from scratch helped.")),
        better="higher"),
    "wrong_intrinsics": Exhibit(
        "Wrong K", mechanisms.wrong_intrinsics, "K of an image larger by a factor of 1 to 2",
        r"p' \sim K R K^{-1} p + \frac{K t}{d} \ \text{with}\ K \ne K_\mathrm{true}",
        "the point that everything flows away from lies elsewhere, so near and far are told by the wrong flow.",
        "depth off by a factor that changes across the image; a cloud of points that is squeezed or sheared.",
        "resize K with the image (`camera.resize_intrinsics`).",
        "median relative error of what stands still (%)", (
            Thread(MONODEPTH2, 6, "K given in pixels where it has to be divided by the image's size; warped images "
                   "were a mess."),
            Thread(MONODEPTH2, 213, "width and height exchanged in that division."),
            Thread(MONODEPTH2, 308, "the center of KITTI's K was put into the middle, and it did not seem to "
                   "matter."))),
    "sampling": Exhibit(
        "Wrong sampling convention", mechanisms.misread, "share of the half-pixel mistake, from 0 to 1",
        r"u' = u\,\frac{W}{W - 1} - \frac12",
        "a grid made for pixel centers is read for pixel edges (`align_corners`).",
        "far things worse than before; no edge and no shape gives it away.",
        "one convention for making and reading grids; the warp by no motion must return the image.",
        "median relative error beyond 15 m (%)", (
            Thread("pytorch/pytorch", 20785, "shows that `grid_sample` and `interpolate` disagreed about where pixels "
                   "lie."),
            Thread("pytorch/pytorch", 23923, "the change of the default that followed, marked as breaking."),
            Thread("antabangun/DualRefine", 7, "why its projection differs from Monodepth2's: each fits one of the two "
                   "conventions."),
            Thread("TWJianNuo/EdgeDepth-Release", 12, "asks which one the published numbers used; the default, and "
                   "it is believed to matter little."))),
    "label_noise": Exhibit(
        "Label noise", mechanisms.label_noise, "strength of the label errors",
        r"\text{depth edge} = \text{label edge}, \quad \text{label edge} = \text{object edge} + \varepsilon",
        "whatever sharpens depth along labels puts the edge where the labels err.",
        "ragged depth edges that repeat the segmentation's; poles that are cut off.",
        "abstain where several guesses of the labels disagree.",
        "relative error at label borders (%)", (
            Thread("hyBlue/FSRE-Depth", 8, "pseudo-labels made anew did not fit: the class numbers were others."),
            Thread("bolianchen/pytorch_depth_from_videos_in_the_wild", 10, "masks of moving things that came out all "
                   "black."),
            Thread("tensorflow/models", 8430, "are boxes enough as masks of moving things? An author says they may "
                   "do."))),
}
