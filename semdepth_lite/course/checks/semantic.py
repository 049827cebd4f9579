"""Exercises of lesson 05: where a pixel looks, modulation by class, the loss of the semantic branch, and its IoU."""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ...classes import IGNORE, NUM_CLASSES
from ...metrics import class_iou
from ...semantics import ClassModulation, SemanticGuidedAttention, semantic_loss
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


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    return scores.flatten(1).softmax(1).view_as(scores)


def _root(query: torch.Tensor) -> float:
    return math.sqrt(query.shape[1])


CORRELATIONS = Exercise(
    name="correlations", lesson=LESSON, title="See where a pixel looks", difficulty=2, minutes=12,
    statement="""\
One pixel asks with its `query` `(B, C)`; all pixels answer with their `keys` `(B, C, h, w)`. Return the attention
that the pixel pays to every other, $\\operatorname{softmax}(q^\\top k / \\sqrt{C})$, as `(B, h, w)`. Each image's
attention sums to 1.""",
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
                "you bring query and keys to length 1 first; then long keys say no more than short ones."),
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
                "you divide by the largest, so the largest is 1 and all together are more.")))


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
        Mistake("normalized first", lambda d, s, g, b: (1 + _per_pixel(g, s)) * (
            d - d.mean((2, 3), keepdim=True)) / d.std((2, 3), keepdim=True) + _per_pixel(b, s),
                "you normalize the feature first; at this level nothing is normalized."),
        Mistake("softmax once more", lambda d, s, g, b: _modulate(d, s.softmax(1), g, b),
                "labels are probabilities already; a second softmax makes them nearly even."),
        Mistake("scale alone", lambda d, s, g, b: 1 + _per_pixel(g, s),
                "this is the scale; the feature has to be multiplied with it.")))


def _loss_cases() -> list[Case]:
    cases = []
    for note in ("", "", "a batch in which no pixel has a label"):
        shape = (2, *random_size())
        labels = torch.randint(NUM_CLASSES, shape)
        labels[torch.rand(shape) < 0.2] = IGNORE
        labels[0, :2] = IGNORE  # images with unequal numbers of labels
        if note:
            labels[:] = IGNORE
        cases.append(Case((2 * torch.randn(2, NUM_CLASSES, *shape[1:]), labels), note))
    return cases


def _nll(logits: torch.Tensor, labels: torch.Tensor, dim: int = 1) -> torch.Tensor:
    """Return -log of the probability of each pixel's label, 0 without one."""
    known = labels != IGNORE
    picked = logits.log_softmax(dim).gather(1, torch.where(known, labels, 0)[:, None])[:, 0]
    return -(picked * known)


def _known(labels: torch.Tensor) -> torch.Tensor:
    return (labels != IGNORE).sum().clamp(min=1)


def _image_means(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (_nll(logits, labels).sum((1, 2)) / (labels != IGNORE).sum((1, 2)).clamp(min=1)).mean()


SEMANTIC_LOSS = Exercise(
    name="semantic_loss", lesson=LESSON, title="Teach the semantic branch", difficulty=2, minutes=12,
    statement="""\
Return the cross-entropy of `logits` `(B, 19, H, W)` against `labels` `(B, H, W)`: the mean of
$-\\ln q_p[\\text{label}(p)]$ over all pixels of the batch that have a label, with $q$ the softmax over the
classes. A pixel with label 255 has none. A batch without any label costs 0, and must not stop a training.""",
    stub='''def my_semantic_loss(logits, labels):
    ...  # your lines''',
    hint="""\
`F.cross_entropy(..., ignore_index=255, reduction="sum")` gives the sum. By what do you divide it, and what if
that is zero?""",
    solution='''def my_semantic_loss(logits, labels):
    known = (labels != 255).sum()
    total = torch.nn.functional.cross_entropy(logits, labels, ignore_index=255, reduction="sum")
    return total / known.clamp(min=1)''',
    teaches="semantics.semantic_loss", reference=semantic_loss, cases=_loss_cases, gradient=0, mistakes=(
        Mistake("empty set", lambda x, y: F.cross_entropy(x, y, ignore_index=IGNORE),
                "right, until a batch has no label at all: the mean of nothing is nan, and one nan ends a training."),
        Mistake("divided by all pixels", lambda x, y: _nll(x, y).mean(),
                "you divide by the number of all pixels, also of those that have no label."),
        Mistake("another logarithm", lambda x, y: _nll(x, y).sum() / _known(y) / math.log(10),
                "every value is 2.3 times too small: which logarithm is meant?"),
        Mistake("logarithm of base 2", lambda x, y: _nll(x, y).sum() / _known(y) / math.log(2),
                "every value is 1.44 times too large: which logarithm is meant?"),
        Mistake("softmax over the batch", lambda x, y: _nll(x, y, dim=0).sum() / _known(y),
                "the images of the batch compete with one another; the classes of a pixel should."),
        Mistake("softmax over the rows", lambda x, y: _nll(x, y, dim=2).sum() / _known(y),
                "pixels of a column compete with one another; the classes of a pixel should."),
        Mistake("softmax over the columns", lambda x, y: _nll(x, y, dim=3).sum() / _known(y),
                "pixels of a row compete with one another; the classes of a pixel should."),
        Mistake("255 taken for a class", lambda x, y: F.cross_entropy(x, torch.where(y == IGNORE, 0, y)),
                "pixels without a label are taught to be road."),
        Mistake("255 in the sum alone", lambda x, y: F.cross_entropy(
            x, torch.where(y == IGNORE, 0, y), reduction="sum") / _known(y),
                "you divide by the pixels with a label, but those without one are in your sum, as road."),
        Mistake("one minus the probability", lambda x, y: ((y != IGNORE).sum() + F.nll_loss(x.softmax(
            1), y, ignore_index=IGNORE, reduction="sum")) / _known(y),
                "you average 1 - q; the negative logarithm of q is asked for."),
        Mistake("sum instead of mean", lambda x, y: _nll(x, y).sum(),
                "your loss grows with the number of pixels."),
        Mistake("sign forgotten", lambda x, y: -_nll(x, y).sum() / _known(y),
                "your loss falls when the network gets worse."),
        Mistake("mean of the images' means", _image_means,
                "you average image by image: a pixel of an image with few labels counts more than others."),
        Mistake("softmax twice", lambda x, y: F.cross_entropy(x.softmax(
            1), y, ignore_index=IGNORE, reduction="sum") / _known(y),
                "the cross-entropy of torch takes scores and applies the softmax itself; you applied one before."),
        Mistake("no logarithm", lambda x, y: F.nll_loss(x.softmax(
            1), y, ignore_index=IGNORE, reduction="sum") / _known(y),
                "you average probabilities; their logarithms are wanted."),
        Mistake("scores for logarithms", lambda x, y: F.nll_loss(x, y, ignore_index=IGNORE, reduction="sum") / _known(
            y),
                "you take the scores for logarithms of probabilities: a log_softmax is missing."),
        Mistake("255 taken for the last class", lambda x, y: F.cross_entropy(x, y.clamp(max=NUM_CLASSES - 1)),
                "pixels without a label are taught to be bicycles."),
        Mistake("divided by the classes", lambda x, y: _nll(x, y).sum() / _known(y) / x.shape[1],
                "you divide by the number of classes as well; only one of them is the label."),
        Mistake("divided by the images", lambda x, y: _nll(x, y).sum() / len(x),
                "you divide by the number of images, so the loss grows with their size."),
        Mistake("one pixel more", lambda x, y: _nll(x, y).sum() / ((y != IGNORE).sum() + 1),
                "you divide by one pixel too many; keep zero away only where it is zero."),
        Mistake("each class for itself", lambda x, y: F.binary_cross_entropy_with_logits(
            x, F.one_hot(y.clamp(max=NUM_CLASSES - 1), NUM_CLASSES).movedim(-1, 1).float()),
                "you ask each class for itself, yes or no; the classes of a pixel have one unit to share.")))


def _iou_cases() -> list[Case]:
    cases = []
    for classes in (3, 4, 6):
        counts = torch.randint(1, 90, (classes, classes)) + 100 * torch.eye(classes, dtype=torch.int64)
        counts[1] = 0
        cases.append(Case((counts,), "a class that the truth does not contain"))
    counts = torch.randint(1, 90, (5, 5))
    counts[:, 2] = 0  # true, but never predicted
    return [*cases, Case((counts,), "a class that is never predicted")]


def _hits(c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return c.diagonal(), c.sum(1), c.sum(0)


def _shares(c: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return torch.where(c.sum(1) > 0, share, torch.nan)


def _recall(c: torch.Tensor) -> torch.Tensor:
    hits, true, _ = _hits(c)
    return _shares(c, hits / true)


def _precision(c: torch.Tensor) -> torch.Tensor:
    hits, _, predicted = _hits(c)
    return _shares(c, hits / predicted.clamp(min=1))


def _counted_twice(c: torch.Tensor) -> torch.Tensor:
    hits, true, predicted = _hits(c)
    return _shares(c, hits / (true + predicted))


IOU = Exercise(
    name="class_iou", lesson=LESSON, title="Judge a segmentation", difficulty=1, minutes=8,
    statement="""\
`confusion` `(C, C)` counts pixels: rows are true classes, columns predicted ones. Return each class's
intersection over union, `(C,)`. A class that the truth does not contain has no IoU: return nan for it.""",
    stub='''def my_class_iou(confusion):
    ...  # your lines''',
    hint="""\
Draw two overlapping circles. What is the size of their union, if you know the size of each and of the overlap?""",
    solution='''def my_class_iou(confusion):
    hits = confusion.diagonal()
    true, predicted = confusion.sum(1), confusion.sum(0)
    iou = hits / (true + predicted - hits)
    return torch.where(true > 0, iou, torch.nan)''',
    teaches="metrics.class_iou", reference=class_iou, cases=_iou_cases, mistakes=(
        Mistake("hits counted twice", _counted_twice,
                "a perfect segmentation would get 1/2: how often are the hits in your union?"),
        Mistake("hits counted twice, absent classes too", lambda c: c.diagonal() / (c.sum(0) + c.sum(1)),
                "two things: how often are the hits in your union, and what becomes of a class that is never true?"),
        Mistake("hits added to the union", lambda c: _shares(c, c.diagonal() / (c.sum(0) + c.sum(1) + c.diagonal())),
                "your union is larger than both circles together: the overlap lies in each of them already."),
        Mistake("recall", _recall,
                "this is the share of the true pixels that were found; false alarms cost nothing."),
        Mistake("precision, absent classes too", lambda c: c.diagonal() / c.sum(0),
                "two things: column sums count what was predicted, and missed pixels cost nothing; and what of a "
                "class that is never true?"),
        Mistake("precision", _precision,
                "this is the share of the predicted pixels that are right; missed ones cost nothing."),
        Mistake("Dice instead of IoU", lambda c: 2 * _counted_twice(c),
                "this is the F score (Dice): it counts the overlap twice, above and below."),
        Mistake("absent class is zero", lambda c: class_iou(c).nan_to_num(0.0),
                "a class that does not occur gets 0 and would drag down the mean."),
        Mistake("absent class is perfect", lambda c: class_iou(c).nan_to_num(1.0),
                "a class that does not occur gets 1 and would flatter the mean."),
        Mistake("class never found left out", lambda c: torch.where(c.diagonal() > 0, class_iou(c), torch.nan),
                "a class that is there and never found has an IoU of 0, not nan: leaving it out flatters the mean."),
        Mistake("rows and columns exchanged", lambda c: class_iou(c.mT),
                "the numbers are right, but the wrong class is left out: which sum tells that a class is true "
                "somewhere?"),
        Mistake("share of all pixels", lambda c: _shares(c, c.diagonal() / c.sum()),
                "you divide by all pixels of the set, so rare classes look bad."),
        Mistake("whole numbers", lambda c: _shares(c, c.diagonal() // (c.sum(0) + c.sum(1) - c.diagonal())),
                "// throws the fraction away; divide with /."),
        Mistake("missed pixels alone below", lambda c: _shares(c, c.diagonal() / (c.sum(1) - c.diagonal())),
                "below stand only the missed pixels; the union holds the hits and the false alarms too."),
        Mistake("errors below", lambda c: _shares(c, c.diagonal() / (c.sum(0) + c.sum(1) - 2 * c.diagonal())),
                "below stand only the errors; the hits belong to the union as well."),
        Mistake("all others below", lambda c: _shares(c, c.diagonal() / (c.sum() - c.diagonal())),
                "your union holds pixels that have nothing to do with the class.")))

EXERCISES = (CORRELATIONS, MODULATION, SEMANTIC_LOSS, IOU)
