"""Exercises of lesson 05 on features: where a pixel looks, and modulation by class."""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ...semantics import ClassModulation, SemanticGuidedAttention
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "05_semantic_features"


@torch.no_grad()
def _correlation_cases() -> list[Case]:
    cases = []
    for count in (2, 2, 3):
        height, width = random_size()
        row, column = int(torch.randint(height, ())), int(torch.randint(width, ()))
        block = SemanticGuidedAttention(40, 12, form="A")
        depth, semantic = torch.randn(count, 40, height, width), 4 * torch.randn(count, 12, height, width)
        query, keys = block.query(semantic)[:, :, row, column], block.key(semantic)
        cases.append(Case((query, keys), expected=block.correlations(depth, semantic, row, column)))
    return cases


def _scores(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    return torch.einsum("bc,bchw->bhw", query, keys)


def _mixed_scores(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Score keys whose channels were moved to the end by a reshape, which leaves the numbers in their order."""
    count, channels, height, width = keys.shape
    return torch.einsum("bc,bhwc->bhw", query, keys.reshape(count, height, width, channels))


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    return scores.flatten(1).softmax(1).view_as(scores)


def _root(query: torch.Tensor) -> float:
    return math.sqrt(query.shape[1])


CORRELATIONS = Exercise(
    name="correlations", lesson=LESSON, title="See where a pixel looks", difficulty=2, minutes=12,
    statement="""\
One pixel asks with its `query` `(B, C)`; all pixels answer with their `keys` `(B, C, h, w)`. Return the attention
that the pixel pays to each of them, itself included: $\\operatorname{softmax}(q^\\top k / \\sqrt{C})$, as
`(B, h, w)`. Each image's attention sums to 1.""",
    stub='''def my_correlations(query, keys):
    ...  # your lines''',
    hint="""\
`torch.einsum("bc,bchw->bhw", ...)` gives the scores. The softmax must run over *all* pixels of an image at once:
flatten, softmax, bring the shape back.""",
    solution='''def my_correlations(query, keys):
    scores = torch.einsum("bc,bchw->bhw", query, keys) / query.shape[1] ** 0.5
    return scores.flatten(1).softmax(1).view_as(scores)''',
    teaches="semantics.SemanticGuidedAttention.correlations",
    reference=lambda query, keys: _softmax(_scores(query, keys) / _root(query)), cases=_correlation_cases, mistakes=(
        Mistake("not scaled", lambda q, k: _softmax(_scores(q, k)),
                "your attention is too sharp: a sum over many channels is large; what keeps it small?"),
        Mistake("scaled by C", lambda q, k: _softmax(_scores(q, k) / q.shape[1]),
                "your attention is too even; a sum of C random terms grows, but not as fast as C."),
        Mistake("softmax over each row", lambda q, k: (_scores(q, k) / _root(q)).softmax(-1),
                "each row of the picture sums to 1; the whole picture should."),
        Mistake("softmax over each column", lambda q, k: (_scores(q, k) / _root(q)).softmax(1),
                "each column of the picture sums to 1; over what do the pixels compete?"),
        Mistake("softmax over the batch", lambda q, k: (_scores(q, k) / _root(q)).softmax(0),
                "the images of the batch compete with one another; they should not know of each other."),
        Mistake("no softmax", lambda q, k: _scores(q, k) / _root(q),
                "these are scores: they can be negative and do not sum to anything."),
        Mistake("sigmoid", lambda q, k: (_scores(q, k) / _root(q)).sigmoid(),
                "each pixel gets a share of its own; attention has one unit to give to all."),
        Mistake("scaled after the softmax", lambda q, k: _softmax(_scores(q, k)) / _root(q),
                "you scale the result; what has to be tamed are the scores, before the softmax."),
        Mistake("scaled up", lambda q, k: _softmax(_scores(q, k) * _root(q)),
                "you multiply by the root where you should divide."),
        Mistake("scaled by the pixels", lambda q, k: _softmax(_scores(q, k) / math.sqrt(k[0, 0].numel())),
                "your root knows the number of pixels; a score is a sum over channels."),
        Mistake("scaled by the batch", lambda q, k: _softmax(_scores(q, k) / math.sqrt(len(q))),
                "your root knows the number of images; a score is a sum over channels."),
        Mistake("scaled by the width", lambda q, k: _softmax(_scores(q, k) / math.sqrt(k.shape[-1])),
                "your root knows the width of the image: the last axis of the keys is not that of the channels."),
        Mistake("scaled by the height", lambda q, k: _softmax(_scores(q, k) / math.sqrt(k.shape[-2])),
                "your root knows the height of the image; a score is a sum over channels."),
        Mistake("cosine", lambda q, k: _softmax(_scores(F.normalize(q, dim=1), F.normalize(k, dim=1))),
                "you bring query and keys to length 1 first; then long keys say no more than short ones.",
                (lambda q, k: _softmax(_scores(F.normalize(q, dim=1), F.normalize(k, dim=1)) / _root(q)),)),
        Mistake("distance", lambda q, k: _softmax(-(q[..., None, None] - k).square().sum(1)),
                "you compare by distance; the score is the product of query and key, summed over the channels.",
                (lambda q, k: _softmax(-(q[..., None, None] - k).square().sum(1) / _root(q)),
                 lambda q, k: _softmax(-(q[..., None, None] - k).norm(dim=1)))),
        Mistake("whole numbers", lambda q, k: _softmax(_scores(q, k) // _root(q)),
                "// cuts the scores to whole numbers; divide with /."),
        Mistake("absolute scores", lambda q, k: _softmax((_scores(q, k) / _root(q)).abs()),
                "you take the absolute value of the scores: a key that points the other way gets attention too."),
        Mistake("logarithm of the softmax", lambda q, k: _softmax(_scores(q, k) / _root(q)).log(),
                "these are logarithms of the attention, none above 0.", (
                    lambda q, k: (_scores(q, k) / _root(q)).flatten(1).log_softmax(1).view(len(q), *k.shape[2:]),)),
        Mistake("scaled by the square of C", lambda q, k: _softmax(_scores(q, k) / q.shape[1]**2),
                "your attention is nearly even: you divide by the square of C, and not by its root."),
        Mistake("not divided by the sum", lambda q, k: (_scores(q, k) / _root(q)).exp(),
                "your attention does not sum to 1: half of the softmax is missing."),
        Mistake("divided by the sum of the scores", lambda q, k: _scores(q, k) / _scores(q, k).sum((
            1, 2), keepdim=True),
                "your attention sums to 1, but it can be negative: an exponential is missing."),
        Mistake("softmax over everything", lambda q, k: (_scores(q, k) / _root(q)).flatten().softmax(0).view(
            len(q), *k.shape[2:]),
                "all images together sum to 1; each of them should."),
        Mistake("two softmaxes", lambda q, k: (_scores(q, k) / _root(q)).softmax(1).softmax(2),
                "two softmaxes, one after the other, are not one over all pixels: the rows compete twice."),
        Mistake("two softmaxes, rows first", lambda q, k: (_scores(q, k) / _root(q)).softmax(2).softmax(1),
                "two softmaxes, one after the other, are not one over all pixels: the columns compete twice."),
        Mistake("divided by the largest", lambda q, k: _softmax(_scores(q, k) / _root(q)) / _softmax(
            _scores(q, k) / _root(q)).amax((1, 2), keepdim=True),
                "you divide by the largest, so the largest is 1 and all together are more."),
        Mistake("view for transpose", lambda q, k: _softmax(_mixed_scores(q, k) / _root(q)),
                "view and reshape do not exchange axes: channels and pixels of the keys are mixed; transpose does.", (
                    lambda q, k: _softmax(_mixed_scores(q, k)),))))


def _modulation_cases() -> list[Case]:
    cases = []
    for count, channels, classes in ((1, 4, 3), (2, 5, 4), (2, 3, 5)):
        height, width = random_size()
        labels = (2 * torch.randn(count, classes, height, width)).softmax(1)
        cases.append(Case((torch.randn(count, channels, height, width), labels, torch.randn(channels, classes),
                           torch.randn(channels, classes))))
    return cases


def _modulate(depth: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    block = ClassModulation(*scale.shape)
    block.scale.weight.data, block.shift.weight.data = scale[..., None, None], shift[..., None, None]
    return block(depth, labels)


def _per_pixel(table: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.einsum("cn,bnhw->bchw", table, labels)


def _mixed_classes(labels: torch.Tensor) -> torch.Tensor:
    """Return the labels as one has them whose view, not a permute, moves the classes to the end."""
    count, classes, height, width = labels.shape
    return labels.reshape(count, height, width, classes).movedim(-1, 1)


def _mixed_channels(table: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the numbers of each pixel as one has them whose view, not a permute, moves the channels to the front."""
    found = _per_pixel(table, labels)
    return found.movedim(1, -1).reshape(found.shape)


def _normalized(feature: torch.Tensor, dims: tuple[int, ...], less: int) -> torch.Tensor:
    """Take off the mean over some axes, and divide by the standard deviation, whose count is that many less."""
    return (feature - feature.mean(dims, keepdim=True)) / feature.std(dims, correction=less, keepdim=True)


def _hard(labels: torch.Tensor) -> torch.Tensor:
    return F.one_hot(labels.argmax(1), labels.shape[1]).movedim(-1, 1).to(labels.dtype)


MODULATION = Exercise(
    name="class_modulation", lesson=LESSON, title="Let classes scale and shift a feature", difficulty=2, minutes=10,
    statement="""\
Every class has its own scale and shift for each channel: `scale` and `shift` are `(C, N)`. `labels`
`(B, N, h, w)` says with which probability a pixel belongs to each of $N$ classes, `depth` `(B, C, h, w)` is the
depth feature. Return the modulated feature $F' = (1 + \\gamma S)\\,F + \\beta S$, so that classes with nothing to
say (zeros in their column) change nothing.""",
    stub='''def my_class_modulation(depth, labels, scale, shift):
    ...  # your lines''',
    hint="""\
$\\gamma S$ is a number for each channel and pixel: sum over the classes, each one's scale times its probability.
`torch.einsum("cn,bnhw->bchw", ...)`.""",
    solution='''def my_class_modulation(depth, labels, scale, shift):
    gamma = torch.einsum("cn,bnhw->bchw", scale, labels)
    beta = torch.einsum("cn,bnhw->bchw", shift, labels)
    return (1 + gamma) * depth + beta''',
    teaches="semantics.ClassModulation", reference=_modulate, cases=_modulation_cases, gradient=0, mistakes=(
        Mistake("gamma without the 1 +", lambda d, s, g, b: _per_pixel(g, s) * d + _per_pixel(b, s),
                "a class whose scale is zero erases the feature; it should leave it as it is."),
        Mistake("brackets forgotten", lambda d, s, g, b: 1 + _per_pixel(g, s) * d + _per_pixel(b, s),
                "you add 1 to the result, and a scale of zero still erases the feature: what does the 1 belong to?"),
        Mistake("mean over the classes", lambda d, s, g, b: _modulate(d, s / s.shape[1], g, b),
                "you divide by the number of classes, but the probabilities sum to 1 already."),
        Mistake("mean of the scales alone", lambda d, s, g, b: _modulate(d, s, g / s.shape[1], b),
                "your shift is right; your scale is divided by the number of classes, though the probabilities sum to "
                "1 already."),
        Mistake("mean of the shifts alone", lambda d, s, g, b: _modulate(d, s, g, b / s.shape[1]),
                "your scale is right; your shift is divided by the number of classes, though the probabilities sum to "
                "1 already."),
        Mistake("shift multiplied", lambda d, s, g, b: (1 + _per_pixel(g, s)) * d * _per_pixel(b, s),
                "you multiply by the shift where it should be added.", (
                    lambda d, s, g, b: (1 + _per_pixel(g, s) + _per_pixel(b, s)) * d,)),
        Mistake("one table for both", lambda d, s, g, b: _modulate(d, s, g, g),
                "one table serves as scale and as shift; there are two.", (lambda d, s, g, b: _modulate(d, s, b, b),)),
        Mistake("brackets around the feature", lambda d, s, g, b: _per_pixel(g, s) * (1 + d) + _per_pixel(b, s),
                "the 1 belongs to the scale, and you add it to the feature."),
        Mistake("shift forgotten", lambda d, s, g, b: (1 + _per_pixel(g, s)) * d,
                "a feature of zero stays zero for every class: something is only multiplied."),
        Mistake("scale forgotten", lambda d, s, g, b: d + _per_pixel(b, s),
                "the classes move the feature but never amplify it."),
        Mistake("scale and shift exchanged", lambda d, s, g, b: _modulate(d, s, b, g),
                "the table that should multiply is added, and the other way round."),
        Mistake("shift scaled too", lambda d, s, g, b: (1 + _per_pixel(g, s)) * (d + _per_pixel(b, s)),
                "you shift first and scale afterwards, so the shift is scaled as well."),
        Mistake("likeliest class only", lambda d, s, g, b: _modulate(d, _hard(s), g, b),
                "you let the likeliest class decide alone; a doubtful pixel should get a mixture."),
        Mistake("one class map for the image", lambda d, s, g, b: _modulate(
            d, s.mean((2, 3), keepdim=True).expand_as(s), g, b),
                "all pixels of an image are modulated alike: the place got lost."),
        Mistake("feature counted twice", lambda d, s, g, b: d + (1 + _per_pixel(g, s)) * d + _per_pixel(b, s),
                "the feature is in twice: the 1 + brings it along already."),
        Mistake("scale as an exponential", lambda d, s, g, b: _per_pixel(g, s).exp() * d + _per_pixel(b, s),
                "your scale is an exponential; near zero it is alike, and the formula says 1 + gamma."),
        Mistake("view for permute", lambda d, s, g, b: _modulate(d, _mixed_classes(s), g, b),
                "view and reshape do not exchange axes: pixels are mixed with classes or channels; permute does.", (
                    lambda d, s, g, b: (1 + _mixed_channels(g, s)) * d + _mixed_channels(b, s),
                    lambda d, s, g, b: (1 + _mixed_channels(g, _mixed_classes(s))) * d + _mixed_channels(
                        b, _mixed_classes(s)))),
        Mistake("normalized first", lambda d, s, g, b: _modulate(_normalized(d, (2, 3), 1), s, g, b),
                "you normalize the feature first; at this level nothing is normalized.", tuple(
                    lambda d, s, g, b, dims=dims, less=less: _modulate(_normalized(d, dims, less), s, g, b)
                    for dims in ((2, 3), (0, 1, 2, 3), (1, 2, 3), (0, 2, 3), (1,)) for less in (0, 1))),
        Mistake("normalized first, gamma without the 1 +", lambda d, s, g, b: _per_pixel(g, s) * _normalized(
            d, (2, 3), 0) + _per_pixel(b, s),
                "two things: you normalize the feature first, and a scale of zero erases it.", tuple(
                    lambda d, s, g, b, dims=dims, less=less: _per_pixel(g, s) * _normalized(
                        d, dims, less) + _per_pixel(b, s)
                    for dims in ((2, 3), (0, 1, 2, 3), (1, 2, 3), (0, 2, 3), (1,)) for less in (0, 1))),
        Mistake("negative values cut", lambda d, s, g, b: _modulate(d, s, g, b).relu(),
                "you cut negative values (a relu?); a feature may be negative.", (
                    lambda d, s, g, b: _modulate(d.relu(), s, g, b),)),
        Mistake("softmax once more", lambda d, s, g, b: _modulate(d, s.softmax(1), g, b),
                "labels are probabilities already; a second softmax makes them nearly even."),
        Mistake("shifts of all classes", lambda d, s, g, b: (1 + _per_pixel(g, s)) * d + b.sum(1)[:, None, None],
                "your scale is right; your shift adds up all classes, and never asks the labels which one is there.", (
                    lambda d, s, g, b: (1 + _per_pixel(g, s)) * d + b.mean(1)[:, None, None],)),
        Mistake("scales of all classes", lambda d, s, g, b: (1 + g.sum(1)[:, None, None]) * d + _per_pixel(b, s),
                "your shift is right; your scale adds up all classes, and never asks the labels which one is there.", (
                    lambda d, s, g, b: (1 + g.mean(1)[:, None, None]) * d + _per_pixel(b, s),)),
        Mistake("scale alone", lambda d, s, g, b: 1 + _per_pixel(g, s),
                "this is the scale; the feature has to be multiplied with it.")))

EXERCISES = (CORRELATIONS, MODULATION)
