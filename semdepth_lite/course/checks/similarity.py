"""Exercises of lesson 03: how alike two images are, by structure (SSIM), and by structure and color."""
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ... import losses
from ...fused import SSIM_C1, SSIM_C2
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "03_photometric_self_supervision"


def _image_cases() -> list[Case]:
    cases = []
    for count, note in ((1, ""), (2, ""), (1, "images of one color, where every variance is zero")):
        shape = (count, 3, *random_size())
        x, y = torch.rand(shape), torch.rand(shape)
        if note:
            x, y = torch.full(shape, 0.25), torch.full(shape, 0.5)  # exact in binary: no rounding for a root
        if count > 1:  # an image and its negative; and one that is a little darker and of equal structure, where color
            y[0] = 1 - x[0]  # counts most, checkered so that any way to sum up a variance is exact enough
            x[1] = 0.2 + 0.5 * ((torch.arange(shape[2])[:, None] + torch.arange(shape[3])) % 2) + 0.3 * x[1]
            y[1] = x[1] - 0.1
        cases.append(Case((x, y.clone()), note))
    return cases


def _mean(image: torch.Tensor, mode: str = "reflect") -> torch.Tensor:
    return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode=mode), 3, 1)


def _ssim(x, y, mean=_mean, constants=(SSIM_C1, SSIM_C2), center=True, distance=lambda s: ((1 - s) / 2).clamp(0, 1)):
    a, b = mean(x), mean(y)
    xx, yy, xy = mean(x * x), mean(y * y), mean(x * y)
    if center:
        xx, yy, xy = xx - a**2, yy - b**2, xy - a * b
    one, two = constants
    return distance((2 * a * b + one) * (2 * xy + two) / ((a**2 + b**2 + one) * (xx + yy + two)))


def _ssim_of_deviations(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Compute the distance with standard deviations where variances belong."""
    a, b = _mean(x), _mean(y)
    xx, yy = ((_mean(i * i) - m**2).clamp(min=0).sqrt() for i, m in ((x, a), (y, b)))
    top = (2 * a * b + SSIM_C1) * (2 * (_mean(x * y) - a * b) + SSIM_C2)
    return ((1 - top / ((a**2 + b**2 + SSIM_C1) * (xx + yy + SSIM_C2))) / 2).clamp(0, 1)


def _ssim_unbiased(x: torch.Tensor, y: torch.Tensor, covariance: float = 9 / 8) -> torch.Tensor:
    """Compute the distance with sums of squares divided by 8 where the mean over 9 pixels belongs."""
    a, b = _mean(x), _mean(y)
    spread = 9 / 8 * (_mean(x * x) - a**2 + _mean(y * y) - b**2)
    top = (2 * a * b + SSIM_C1) * (2 * covariance * (_mean(x * y) - a * b) + SSIM_C2)
    return ((1 - top / ((a**2 + b**2 + SSIM_C1) * (spread + SSIM_C2))) / 2).clamp(0, 1)


def _ssim_from(covariance=lambda xy, ab: 2 * (xy - ab), variance=lambda xx, aa: xx - aa, join=torch.add,
               means=True) -> Callable:
    """Build the distance with one thing changed: covariance, variances, how these are joined, or no factor of means."""
    def wrong(x, y):
        a, b = _mean(x), _mean(y)
        spread = join(variance(_mean(x * x), a**2), variance(_mean(y * y), b**2))
        structure = (covariance(_mean(x * y), a * b) + SSIM_C2) / (spread + SSIM_C2)
        color = (2 * a * b + SSIM_C1) / (a**2 + b**2 + SSIM_C1) if means else 1.0
        return (1 - color * structure) / 2
    return wrong


def _ssim_of(formula: Callable, variance: Callable = lambda x: _mean(x * x) - _mean(x)**2,
             covariance: Callable = lambda x, y: _mean(x * y) - _mean(x) * _mean(y)) -> Callable:
    """Build the distance from a formula of both means, both variances and the covariance, by (a, b, xx, yy, xy)."""
    def wrong(x, y):
        return (1 - formula(_mean(x), _mean(y), variance(x), variance(y), covariance(x, y))) / 2
    return wrong


def _formula(name: str, wrong: Callable, says: str) -> Mistake:
    """Make a mistake of a formula, whose distance is left as it is or cut to the range from 0 to 1."""
    return Mistake(name, wrong, says, (lambda x, y: wrong(x, y).clamp(0, 1),))


def _fraction(a, b, xx, yy, xy, one=SSIM_C1, two=SSIM_C2, below=1.0):
    """Return SSIM, with other constants, which can count otherwise below the fraction."""
    return (2 * a * b + one) * (2 * xy + two) / ((a**2 + b**2 + below * one) * (xx + yy + below * two))


SSIM = Exercise(
    name="ssim", lesson=LESSON, title="Compare structure instead of color", difficulty=2, minutes=15,
    statement="""\
Return $(1 - \\mathrm{SSIM})/2$ of two images `x` and `y` `(B, C, H, W)` for every pixel and channel:

$$\\mathrm{SSIM} = \\frac{(2\\mu_x\\mu_y + C_1)(2\\sigma_{xy} + C_2)}
{(\\mu_x^2 + \\mu_y^2 + C_1)(\\sigma_x^2 + \\sigma_y^2 + C_2)} .$$

$\\mu$ is the mean over a window of $3 \\times 3$ pixels, $\\sigma_x^2 = \\mu(x^2) - \\mu_x^2$ and
$\\sigma_{xy} = \\mu(xy) - \\mu_x\\mu_y$; $C_1 = 0.01^2$, $C_2 = 0.03^2$. At the rim the image is extended by
reflection, so the result has the size of the images.""",
    stub='''import torch.nn.functional as F

def my_ssim(x, y):
    ...  # your lines''',
    hint="""\
Write a small function `mean(image)` first: `F.pad(image, (1, 1, 1, 1), mode="reflect")`, then an average pooling. The
rest are five calls of it and the formula.""",
    solution='''import torch.nn.functional as F

def my_ssim(x, y):
    def mean(image):
        return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)

    mu_x, mu_y = mean(x), mean(y)
    var_x, var_y, cov = mean(x * x) - mu_x**2, mean(y * y) - mu_y**2, mean(x * y) - mu_x * mu_y
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mu_x * mu_y + c1) * (2 * cov + c2)
    bottom = (mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2)
    return (1 - top / bottom) / 2''',
    teaches="losses.ssim_distance", reference=losses.ssim_distance, cases=_image_cases, gradient=0, mistakes=(
        Mistake("similarity", lambda x, y: _ssim(x, y, distance=lambda s: s),
                "you return the similarity; a loss needs the distance, small where the images agree."),
        Mistake("similarity, cut", lambda x, y: _ssim(x, y, distance=lambda s: s.clamp(0, 1)),
                "you return the similarity, cut to 0 and more; a loss needs the distance, small where the images "
                "agree."),
        Mistake("not halved", lambda x, y: _ssim(x, y, distance=lambda s: (1 - s).clamp(0, 1)),
                "SSIM runs from -1 to 1, so the distance has to be halved to run from 0 to 1."),
        Mistake("brackets forgotten", lambda x, y: _ssim(x, y, distance=lambda s: 1 - s / 2),
                "you halve the similarity alone: the brackets around 1 - SSIM are missing."),
        Mistake("one window", lambda x, y: _ssim(x, y, mean=lambda i: i.mean((2, 3), keepdim=True).expand_as(i)),
                "your window is the whole image; a pixel's window has three by three."),
        Mistake("colors mixed in the window", lambda x, y: _ssim(x, y, mean=lambda i: _mean(i).sum(
            1, keepdim=True).expand_as(i)),
                "your windows reach through all colors: a convolution adds up its channels unless it has groups.", (
                    lambda x, y: _ssim(x, y, mean=lambda i: _mean(i).mean(1, keepdim=True).expand_as(i)),
                    lambda x, y: _ssim(x, y, mean=lambda i: _mean(i).sum(1, keepdim=True).expand_as(i),
                                       distance=lambda s: (1 - s) / 2),
                    lambda x, y: _ssim(x, y, mean=lambda i: _mean(i).mean(1, keepdim=True).expand_as(i),
                                       distance=lambda s: (1 - s) / 2))),
        Mistake("zeros at the rim", lambda x, y: _ssim(x, y, mean=lambda i: _mean(i, "constant")),
                "all is right but the rim: there your windows reach into black; extend the image by reflection."),
        Mistake("rim repeated", lambda x, y: _ssim(x, y, mean=lambda i: _mean(i, "replicate")),
                "at the rim you repeat the last pixel; a reflection takes the one before it."),
        Mistake("means not subtracted", lambda x, y: _ssim(x, y, center=False),
                "your variances are means of squares; the square of the mean has to be taken off."),
        Mistake("constants exchanged", lambda x, y: _ssim(x, y, constants=(SSIM_C2, SSIM_C1)),
                "the two constants are exchanged; the small one belongs to the means."),
        Mistake("constants not squared", lambda x, y: _ssim(x, y, constants=(0.01, 0.03)),
                "the constants are squares, of 0.01 and 0.03, so yours are far too large."),
        Mistake("windows not centered", lambda x, y: _ssim(x, y, mean=lambda i: F.avg_pool2d(
            F.pad(i, (2, 0, 2, 0), mode="reflect"), 3, 1)),
                "your windows are not centered on their pixel; extend the image by one on every side."),
        Mistake("window of five", lambda x, y: _ssim(x, y, mean=lambda i: F.avg_pool2d(
            F.pad(i, (2, 2, 2, 2), mode="reflect"), 5, 1)), "your window has 5 x 5 pixels."),
        Mistake("no constants", lambda x, y: _ssim(x, y, constants=(0.0, 0.0)),
                "the two constants are missing: in a plain window you divide zero by zero."),
        Mistake("constants for 255", lambda x, y: _ssim(x, y, constants=(SSIM_C1 * 255**2, SSIM_C2 * 255**2)),
                "your constants belong to colors from 0 to 255; here they run from 0 to 1."),
        Mistake("sums for means", lambda x, y: _ssim(x, y, mean=lambda i: 9 * _mean(i)),
                "your windows add up where they should average.", (
                    lambda x, y: _ssim(x, y, mean=lambda i: 9 * _mean(i), distance=lambda s: (1 - s) / 2),)),
        Mistake("deviations for variances", _ssim_of_deviations,
                "below the fraction stand variances, not their roots."),
        Mistake("unbiased", _ssim_unbiased,
                "you divide by 8, as torch.var does unless it is asked otherwise; the mean over the 9 pixels of the "
                "window is meant."),
        Mistake("variances unbiased", lambda x, y: _ssim_unbiased(x, y, 1.0),
                "your covariance is a mean over 9 pixels and your variances are divided by 8, as torch.var does unless "
                "it is asked otherwise."),
        _formula("means multiplied", _ssim_of(lambda a, b, xx, yy, xy: (2 * a * b + SSIM_C1) * (2 * xy + SSIM_C2) / (
            (a**2 * b**2 + SSIM_C1) * (xx + yy + SSIM_C2))),
                 "below the fraction you multiply the squares of the means; they are added."),
        _formula("means left in the covariance", _ssim_from(covariance=lambda xy, ab: 2 * xy),
                "the product of the means is still in your covariance."),
        _formula("means left in the variances", _ssim_from(variance=lambda xx, aa: xx),
                "your covariance is right; the squares of the means are still in your variances."),
        _formula("variances negated", _ssim_from(variance=lambda xx, aa: aa - xx),
                "your variances are negative: which of the two numbers is the larger?"),
        _formula("variances multiplied", _ssim_from(join=torch.mul),
                "below the fraction the two variances are added; you multiply them."),
        _formula("structure alone", _ssim_from(means=False),
                "the factor of the means is missing: two plain images of different brightness would be alike."),
        _formula("brackets below", _ssim_of(lambda a, b, xx, yy, xy: (2 * a * b + SSIM_C1) * (2 * xy + SSIM_C2) / (
            a**2 + b**2 + SSIM_C1) * (xx + yy + SSIM_C2)),
                "you divide by the first bracket and multiply by the second: both stand below the fraction."),
        _formula("brackets around a factor below", _ssim_of(lambda a, b, xx, yy, xy: (2 * a * b + SSIM_C1) * (
            2 * xy + SSIM_C2) / (a**2 + b**2 + SSIM_C1 * (xx + yy + SSIM_C2))),
                "below the fraction only the constant is multiplied by the variances: a pair of brackets is missing."),
        _formula("brackets above", _ssim_of(lambda a, b, xx, yy, xy: (2 * a * b + SSIM_C1 * 2 * xy + SSIM_C2) / (
            (a**2 + b**2 + SSIM_C1) * (xx + yy + SSIM_C2))),
                "above the fraction two pairs of brackets are missing."),
        _formula("both factors of 2 forgotten", _ssim_of(lambda a, b, xx, yy, xy: (a * b + SSIM_C1) * (xy + SSIM_C2) / (
            (a**2 + b**2 + SSIM_C1) * (xx + yy + SSIM_C2))),
                "above the fraction, the products of the means and the covariance count twice; yours count once."),
        _formula("means counted once", _ssim_of(lambda a, b, xx, yy, xy: (a * b + SSIM_C1) * (2 * xy + SSIM_C2) / (
            (a**2 + b**2 + SSIM_C1) * (xx + yy + SSIM_C2))),
                "the product of the means counts twice above the fraction."),
        _formula("means not squared", _ssim_of(_fraction, lambda x: _mean(x * x) - _mean(x)),
                "your variances take the mean off, not its square."),
        _formula("means not squared, nor multiplied", _ssim_of(
            _fraction, lambda x: _mean(x * x) - _mean(x), lambda x, y: _mean(x * y) - _mean(x)),
                "your variances and your covariance take one mean off; a product of two is wanted."),
        _formula("deviations from each pixel's own mean", _ssim_of(
            _fraction, lambda x: _mean((x - _mean(x))**2), lambda x, y: _mean((x - _mean(x)) * (y - _mean(y)))),
                "each of the nine pixels is held against the mean of its own window; the mean is that of the middle "
                "pixel's window, for all nine."),
        _formula("variances from each pixel's own mean", _ssim_of(_fraction, lambda x: _mean((x - _mean(x))**2)),
                "your covariance is right; in your variances each of the nine pixels is held against a mean of its "
                "own."),
        _formula("means below not squared", _ssim_of(lambda a, b, xx, yy, xy: _fraction(a, b, xx, yy, xy) * (
            a**2 + b**2 + SSIM_C1) / (a + b + SSIM_C1)),
                "below the fraction you add the means as they are; each is squared first."),
        _formula("means doubled", _ssim_of(lambda a, b, xx, yy, xy: _fraction(a, b, xx, yy, xy) * (
            a**2 + b**2 + SSIM_C1) / (2 * a + 2 * b + SSIM_C1)),
                "below the fraction you double the means; they are squared."),
        _formula("sum of the means squared", _ssim_of(lambda a, b, xx, yy, xy: _fraction(a, b, xx, yy, xy) * (
            a**2 + b**2 + SSIM_C1) / ((a + b)**2 + SSIM_C1)),
                "you square the sum of the means; each is squared, and then they are added."),
        _formula("variances squared", _ssim_of(lambda a, b, xx, yy, xy: _fraction(a, b, xx**2, yy**2, xy)),
                "the variances are squares already; you square them once more."),
        _formula("means alone", _ssim_of(lambda a, b, xx, yy, xy: (2 * a * b + SSIM_C1) / (a**2 + b**2 + SSIM_C1)),
                "you compare the means alone; the factor of the structure is missing."),
        _formula("constants below alone", _ssim_of(lambda a, b, xx, yy, xy: 4 * a * b * xy / (
            (a**2 + b**2 + SSIM_C1) * (xx + yy + SSIM_C2))),
                "the two constants stand below the fraction only, so two equal plain images are not alike."),
        _formula("constants above alone", _ssim_of(lambda a, b, xx, yy, xy: _fraction(a, b, xx, yy, xy, below=0.0)),
                "the two constants stand above the fraction only: in a plain window you divide by zero."),
        _formula("small constant for both", _ssim_of(lambda a, b, xx, yy, xy: _fraction(
            a, b, xx, yy, xy, SSIM_C1, SSIM_C1)), "you use the constant of the means for the variances too."),
        _formula("large constant for both", _ssim_of(lambda a, b, xx, yy, xy: _fraction(
            a, b, xx, yy, xy, SSIM_C2, SSIM_C2)), "you use the constant of the variances for the means too."),
        _formula("constants squared twice", _ssim_of(lambda a, b, xx, yy, xy: _fraction(
            a, b, xx, yy, xy, SSIM_C1**2, SSIM_C2**2)), "you square the constants twice."),
        Mistake("similarity not negative", lambda x, y: _ssim(x, y, distance=lambda s: (1 - s.clamp(0, 1)) / 2),
                "you cut the similarity at 0; an image and its negative have less."),
        _formula("the pixel for the mean", _ssim_of(
            _fraction, lambda x: _mean(x * x) - x * x, lambda x, y: _mean(x * y) - x * y),
                "you take the square of the pixel off where the square of the window's mean belongs."),
        _formula("variance of x for both", _ssim_of(lambda a, b, xx, yy, xy: _fraction(a, b, xx, xx, xy)),
                "you take the variance of x twice; y has one of its own."),
        _formula("product of the variances", _ssim_of(lambda a, b, xx, yy, xy: _fraction(a, b, xx, yy, xx * yy)),
                "above the fraction stands the covariance, which is not the product of the variances."),
        _formula("sum of two fractions", _ssim_of(lambda a, b, xx, yy, xy: (
            (2 * a * b + SSIM_C1) / (a**2 + b**2 + SSIM_C1) + (2 * xy + SSIM_C2) / (xx + yy + SSIM_C2)) / 2),
                "you average the factor of the means and that of the structure; they are multiplied."),
        _formula("covariance counted once", _ssim_from(covariance=lambda xy, ab: xy - ab),
                "the covariance counts twice above the fraction.")))


def _error(x, y, alpha=0.85, color=lambda d: d.abs().mean(1, keepdim=True),
           structure=lambda d: d.mean(1, keepdim=True)) -> torch.Tensor:
    return alpha * structure(losses.ssim_distance(x, y)) + (1 - alpha) * color(x - y)


PHOTOMETRIC = Exercise(
    name="photometric", lesson=LESSON, title="Mix structure and color", difficulty=1, minutes=6,
    statement="""\
Return the photometric error of a painted image `prediction` against `target`, both `(B, 3, H, W)`: 0.85 times
$(1 - \\mathrm{SSIM})/2$ plus 0.15 times the absolute difference of the colors, each averaged over the three colors, as
`(B, 1, H, W)`. `losses.ssim_distance(prediction, target)` is the first part, and your own `my_ssim` does as well.""",
    stub='''from semdepth_lite import losses

def my_photometric(prediction, target):
    ...  # your lines''',
    hint="`mean(1, keepdim=True)` averages the colors and keeps the dimension. The two weights add up to 1.",
    solution='''from semdepth_lite import losses

def my_photometric(prediction, target):
    structure = losses.ssim_distance(prediction, target).mean(1, keepdim=True)
    color = (prediction - target).abs().mean(1, keepdim=True)
    return 0.85 * structure + 0.15 * color''',
    teaches="losses.photometric_error", reference=losses.photometric_error, cases=_image_cases, gradient=0, mistakes=(
        Mistake("weights exchanged", lambda x, y: _error(x, y, 0.15),
                "the weights are exchanged; structure should count most."),
        Mistake("color alone", lambda x, y: _error(x, y, 0.0), "you compare colors only; structure is missing."),
        Mistake("structure alone", lambda x, y: _error(x, y, 1.0), "you compare structure only; color is missing."),
        Mistake("squared difference", lambda x, y: _error(x, y, color=lambda d: d.square().mean(1, keepdim=True)),
                "you square the difference of the colors; its absolute value is wanted."),
        Mistake("sum over the colors", lambda x, y: 3 * _error(x, y),
                "you add the three colors up where they should be averaged."),
        Mistake("colors added up", lambda x, y: _error(x, y, color=lambda d: d.abs().sum(1, keepdim=True)),
                "your structure is right; the differences of the three colors are added up where they should be "
                "averaged."),
        Mistake("length of the difference", lambda x, y: _error(x, y, color=lambda d: d.norm(dim=1, keepdim=True)),
                "you take the length of the difference in the space of colors; average the three absolute values."),
        Mistake("absolute value forgotten", lambda x, y: _error(x, y, color=lambda d: d.mean(1, keepdim=True)),
                "too bright and too dark cancel in your difference of colors."),
        Mistake("mean over the image", lambda x, y: _error(x, y).mean(),
                "you average over the image; the loss still has to leave pixels out, so return a map."),
        Mistake("colors not averaged", lambda x, y: 0.85 * losses.ssim_distance(x, y) + 0.15 * (x - y).abs(),
                "your map has three channels; average over the colors."),
        Mistake("brackets too wide", lambda x, y: _error(x, y, color=lambda d: 0.85 * d.abs().mean(1, keepdim=True)),
                "your brackets are too wide: the difference of the colors gets both weights."),
        Mistake("structure added up", lambda x, y: _error(x, y, structure=lambda d: d.sum(1, keepdim=True)),
                "your colors are right; the structure of the three is added up where it should be averaged."),
        Mistake("structure without a weight", lambda x, y: _error(x, y, structure=lambda d: d.mean(
            1, keepdim=True) / 0.85),
                "the color has its weight, and the structure counts fully."),
        Mistake("no weights", lambda x, y: 2 * _error(x, y, 0.5),
                "structure and color count alike, and fully: the weights are missing."),
        Mistake("equal weights", lambda x, y: _error(x, y, 0.5),
                "structure and color count alike; structure should count most."),
        Mistake("similarity", lambda x, y: _error(x, y, structure=lambda d: (1 - d).mean(1, keepdim=True)),
                "your structure is a similarity: the error grows where the images agree."),
        Mistake("halved twice", lambda x, y: _error(x, y, structure=lambda d: d.mean(1, keepdim=True) / 2),
                "the distance of the structure is halved already; you halve it once more."),
        Mistake("strongest color", lambda x, y: _error(x, y, color=lambda d: d.abs().amax(1, keepdim=True),
                                                       structure=lambda d: d.amax(1, keepdim=True)),
                "you take the color that differs most; the average of the three is asked for."),
        Mistake("colors averaged before the absolute value", lambda x, y: _error(
            x, y, color=lambda d: d.mean(1, keepdim=True).abs()),
                "you average the colors before you take the absolute value, so too red and too green cancel."),
        Mistake("color subtracted", lambda x, y: _error(x, y, color=lambda d: -d.abs().mean(1, keepdim=True)),
                "you subtract the difference of the colors; add it."),
        Mistake("color forgotten", lambda x, y: _error(x, y, color=lambda d: 0 * d.mean(1, keepdim=True)),
                "the structure has its weight, and the color is missing."),
        Mistake("color without a weight", lambda x, y: _error(x, y, color=lambda d: d.abs().mean(
            1, keepdim=True) / 0.15),
                "the structure has its weight, and the color counts fully."),
        Mistake("similarity once more", lambda x, y: _error(x, y, structure=lambda d: (1 - d).mean(
            1, keepdim=True) / 2),
                "losses.ssim_distance is a distance already; you take it from 1 and halve it once more."),
        Mistake("back to similarity", lambda x, y: _error(x, y, structure=lambda d: (1 - 2 * d).mean(1, keepdim=True)),
                "you turn the distance back into the similarity, so the error grows where the images agree."),
        Mistake("root of the mean square", lambda x, y: _error(x, y, color=lambda d: d.square().mean(
            1, keepdim=True).sqrt()),
                "you take the root of the mean square of the three colors; average their absolute values."),
        Mistake("color of the whole image", lambda x, y: _error(x, y, color=lambda d: d.abs().mean()),
                "your color is one number for all pixels; each has its own."),
        Mistake("structure of the whole image", lambda x, y: _error(x, y, structure=lambda d: d.mean()),
                "your structure is one number for all pixels; each has its own."),
        Mistake("larger of both", lambda x, y: torch.maximum(_error(x, y, color=lambda d: 0 * d.mean(
            1, keepdim=True)), 0.15 * (x - y).abs().mean(1, keepdim=True)),
                "you take the larger of the two parts; add them."),
        Mistake("product", lambda x, y: _error(x, y, 1.0) * _error(x, y, 0.0),
                "you multiply structure and color; they are added, each with its weight."),

        Mistake("gray structure", lambda x, y: 0.85 * losses.ssim_distance(
            x.mean(1, keepdim=True), y.mean(1, keepdim=True)) + 0.15 * (x - y).abs().mean(1, keepdim=True),
                "you average the colors before the structure is compared; compare each color and average then.")))

EXERCISES = (SSIM, PHOTOMETRIC)
