"""Exercises of lesson 05 on segmentation: the loss of the semantic branch, and its intersection over union."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from ...classes import IGNORE, NUM_CLASSES
from ...metrics import class_iou
from ...semantics import semantic_loss
from .exercise import Case, Exercise, Mistake
from .geometry import random_size
from .semantic import LESSON


def _loss_cases() -> list[Case]:
    cases = []
    for note in ("", "", "a batch in which no pixel has a label"):
        shape = (2, *random_size())
        labels = torch.randint(NUM_CLASSES, shape)
        labels[torch.rand(shape) < 0.2] = IGNORE
        labels[0, :2] = IGNORE  # images with unequal numbers of labels
        logits, label = 2 * torch.randn(2, NUM_CLASSES, *shape[1:]), int(torch.randint(NUM_CLASSES, ()))
        logits[1, label, -1, -1] = logits[1, :, -1, -1].logsumexp(0) - 16  # where the network is sure, and wrong
        labels[1, -1, -1] = label
        if note:
            labels[:] = IGNORE
        cases.append(Case((logits, labels), note))
    return cases


def _nll(logits: torch.Tensor, labels: torch.Tensor, dim: int = 1) -> torch.Tensor:
    """Return -log of the probability of each pixel's label, 0 without one."""
    known = labels != IGNORE
    picked = logits.log_softmax(dim).gather(1, torch.where(known, labels, 0)[:, None])[:, 0]
    return -(picked * known)


def _mixed(logits: torch.Tensor) -> torch.Tensor:
    """Return the logits as one has them whose view, not a permute, moves the classes to the end."""
    count, classes, height, width = logits.shape
    return logits.reshape(count, height, width, classes).movedim(-1, 1)


def _known(labels: torch.Tensor) -> torch.Tensor:
    return (labels != IGNORE).sum().clamp(min=1)


def _focal(logits: torch.Tensor, labels: torch.Tensor, power: int) -> torch.Tensor:
    cost = _nll(logits, labels)
    return ((1 - (-cost).exp())**power * cost).sum() / _known(labels)


def _image_means(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (_nll(logits, labels).sum((1, 2)) / (labels != IGNORE).sum((1, 2)).clamp(min=1)).mean()


def _with_small(log: Callable, share: Callable = lambda x: x.softmax(1)) -> Callable:
    """Make a loss of another share of the classes, or of another logarithm of it."""
    def wrong(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        known = labels != IGNORE
        picked = log(share(logits)).gather(1, labels.masked_fill(~known, 0)[:, None])[:, 0]
        return -(picked * known).sum() / _known(labels)
    return wrong


SEMANTIC_LOSS = Exercise(
    name="semantic_loss", lesson=LESSON, title="Teach the semantic branch", difficulty=2, minutes=12,
    statement="""\
Return the cross-entropy of `logits` `(B, 19, H, W)` against `labels` `(B, H, W)`: the mean of
$-\\ln q_p[\\text{label}(p)]$ over all pixels of the batch that have a label, with $q$ the softmax over the
classes. A pixel with label 255 has none. A batch without any label costs 0, and must not stop a training.""",
    stub='''def my_semantic_loss(logits, labels):
    ...  # your lines''',
    hint="""\
`torch.nn.functional.cross_entropy(..., ignore_index=255, reduction="sum")` gives the sum. By what do you divide it,
and what if that is zero?""",
    solution='''def my_semantic_loss(logits, labels):
    known = (labels != 255).sum()
    total = torch.nn.functional.cross_entropy(logits, labels, ignore_index=255, reduction="sum")
    return total / known.clamp(min=1)''',
    teaches="semantics.semantic_loss", reference=semantic_loss, cases=_loss_cases, gradient=0, mistakes=(
        Mistake("empty set", lambda x, y: F.cross_entropy(x, y, ignore_index=IGNORE),
                "right, until a batch has no label at all: the mean of nothing is nan, and one nan ends a training."),
        Mistake("view for permute", lambda x, y: _nll(_mixed(x), y).sum() / _known(y),
                "view and reshape do not exchange axes: classes and pixels of the logits are mixed; permute does.", (
                    lambda x, y: _nll(_mixed(x), y).mean(),
                    lambda x, y: F.cross_entropy(x.reshape(NUM_CLASSES, -1).T, y.flatten(), ignore_index=IGNORE,
                                                 reduction="sum") / _known(y))),
        Mistake("rows and columns exchanged", lambda x, y: _nll(x.mT.reshape(x.shape), y).sum() / _known(y),
                "rows and columns of the logits are exchanged (transpose(1, 3) does that), so each pixel meets the "
                "label of another."),
        Mistake("class 0 left out", lambda x, y: _nll(x, y.masked_fill(y == 0, IGNORE)).sum() / _known(
            y.masked_fill(y == 0, IGNORE)),
                "pixels of class 0, the road, are left out like those without a label: 255 means none, not 0.", (
                    lambda x, y: F.cross_entropy(x, y.masked_fill(y == IGNORE, 0), ignore_index=0),
                    lambda x, y: _nll(x, y.masked_fill(y == 0, IGNORE)).sum() / _known(y))),
        Mistake("last class left out", lambda x, y: _nll(x, y.masked_fill(y == NUM_CLASSES - 1, IGNORE)).sum() / _known(
            y.masked_fill(y == NUM_CLASSES - 1, IGNORE)),
                "pixels of the last class are left out: the classes are counted from 0.", (
                    lambda x, y: _nll(x, y.masked_fill(y == NUM_CLASSES - 1, IGNORE)).sum() / _known(y),)),
        Mistake("added in the logarithm", _with_small(lambda q: (q + 1e-6).log()),
                "you add a number to the probability, or cut it from below: then a wrong and sure network gets "
                "off lightly.", (
                    *(_with_small(lambda q, number=number: (q + number).log()) for number in (
                        1e-8, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 1.0)),
                    *(_with_small(lambda q, number=number: q.clamp(min=number).log()) for number in (
                        1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)))),
        Mistake("likeliest class", lambda x, y: -(x.log_softmax(1).amax(1) * (y != IGNORE)).sum() / _known(y),
                "you take the probability of the likeliest class, right or wrong; that of the label is asked for."),
        Mistake("entropy", lambda x, y: -((x.softmax(1) * x.log_softmax(1)).sum(1) * (y != IGNORE)).sum() / _known(y),
                "this is the entropy of the prediction: the labels do not enter."),
        Mistake("sigmoid", _with_small(torch.log, torch.sigmoid),
                "a sigmoid judges each class for itself; the softmax lets the classes of a pixel compete."),
        Mistake("one minus in the logarithm", _with_small(lambda q: (1 - q).log()),
                "you take the logarithm of 1 - q: the loss grows when the network gets better, or is nan."),
        Mistake("logarithm of the mean", lambda x, y: -(x.softmax(1).gather(1, y.masked_fill(y == IGNORE, 0)[:, None])[
            :, 0] * (y != IGNORE)).sum().div(_known(y)).log(),
                "you average probabilities and take one logarithm; each pixel has its own."),
        Mistake("divided by the unlabeled", lambda x, y: _nll(x, y).sum() / (y == IGNORE).sum().clamp(min=1),
                "you divide by the number of pixels without a label."),
        Mistake("focal loss", lambda x, y: _focal(x, y, 2),
                "this is the focal loss: you weigh each pixel by how unsure the network is; all labels count alike.", (
                    lambda x, y: _focal(x, y, 1),)),
        Mistake("smoothed labels", lambda x, y: F.cross_entropy(
            x, y, ignore_index=IGNORE, reduction="sum", label_smoothing=0.1) / _known(y),
                "you smooth the labels; the loss is asked for as it is."),
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
        Mistake("divided twice", lambda x, y: _nll(x, y).sum() / _known(y)**2,
                "you divide by the number of labels twice: the mean is a mean already, without reduction='sum'.", (
                    lambda x, y: F.cross_entropy(x, y, ignore_index=IGNORE) / _known(y),)),
        Mistake("every image beside every other", lambda x, y: -(x.log_softmax(1).gather(
            1, y.masked_fill(y == IGNORE, 0)[:, None]) * (y != IGNORE)).sum() / _known(y),
                "two shapes met that do not belong together, (B, 1, H, W) and (B, H, W), and every image was counted "
                "with the mask of every other: take the axis of gather away with [:, 0]."),
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
    nowhere = torch.randint(1, 90, (5, 5)).float()  # of whole numbers, // by an empty union would stop all
    nowhere[3] = nowhere[:, 3] = 0
    return [*cases, Case((counts,), "a class that is never predicted"),
            Case((nowhere,), "a class that is neither true nor predicted")]


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
        Mistake("absent class is predicted", lambda c: c.diagonal() / (c.sum(0) + c.sum(1) - c.diagonal()),
                "a class that the truth does not contain, but the prediction does, gets 0; ask what is true, not "
                "whether the union is empty."),
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
                "nothing is left but 0 and nan: does // throw the fractions away?"),
        Mistake("missed pixels alone below", lambda c: _shares(c, c.diagonal() / (c.sum(1) - c.diagonal())),
                "below stand only the missed pixels; the union holds the hits and the false alarms too."),
        Mistake("errors below", lambda c: _shares(c, c.diagonal() / (c.sum(0) + c.sum(1) - 2 * c.diagonal())),
                "below stand only the errors; the hits belong to the union as well."),
        Mistake("larger of the circles", lambda c: _shares(c, c.diagonal() / torch.maximum(c.sum(0), c.sum(1))),
                "you divide by the larger of the two circles, and the union is larger than either."),
        Mistake("smaller of the circles", lambda c: _shares(c, c.diagonal() / torch.minimum(c.sum(0), c.sum(1)).clamp(
            min=1)),
                "you divide by the smaller of the two circles, and the union is larger than either.", (
                    lambda c: c.diagonal() / torch.minimum(c.sum(0), c.sum(1)),)),
        Mistake("product of the circles", lambda c: _shares(c, c.diagonal() / (c.sum(0) * c.sum(1)).clamp(min=1)),
                "you multiply the two circles below; their union is a sum, less what would count twice.", (
                    lambda c: _shares(c, c.diagonal() / (c.sum(0) * c.sum(1)).clamp(min=1).sqrt()),
                    lambda c: c.diagonal() / (c.sum(0) * c.sum(1)))),
        Mistake("one circle and the hits below", lambda c: _shares(c, c.diagonal() / (c.sum(1) + c.diagonal())),
                "below stand one circle and the overlap; both circles belong there, and the overlap once.", (
                    lambda c: _shares(c, c.diagonal() / (c.sum(0) + c.diagonal()).clamp(min=1)),)),
        Mistake("brackets forgotten", lambda c: _shares(c, c.diagonal() / c.sum(1) + c.sum(0) - c.diagonal()),
                "only the first sum is below the fraction bar: brackets are missing."),
        Mistake("one more below", lambda c: _shares(c, c.diagonal() / (c.sum(0) + c.sum(1) - c.diagonal() + 1)),
                "you add something to the union for safety; it changes the result, and true classes need none.", (
                    lambda c: c.diagonal() / (c.sum(0) + c.sum(1) - c.diagonal() + 1),)),
        Mistake("rows twice", lambda c: _shares(c, c.diagonal() / (2 * c.sum(1) - c.diagonal())),
                "both of your sums run over the rows; one of the circles holds what was predicted.", (
                    lambda c: _shares(c, c.diagonal() / (2 * c.sum(0) - c.diagonal())),)),
        Mistake("mean of recall and precision", lambda c: (_recall(c) + _precision(c)) / 2,
                "this is the mean of recall and precision, which is no overlap over a union."),
        Mistake("accuracy", lambda c: (c.diagonal().sum() / c.sum()).expand(len(c)),
                "this is the share of all pixels that are right, one number for all classes.", (
                    lambda c: _shares(c, c.diagonal().sum() / c.sum()),)),
        Mistake("infinity for an absent class", lambda c: class_iou(c).nan_to_num(torch.inf),
                "infinity is no number to average: nan is asked for where a class is not there."),
        Mistake("all others below", lambda c: _shares(c, c.diagonal() / (c.sum() - c.diagonal())),
                "your union holds pixels that have nothing to do with the class.")))

EXERCISES = (SEMANTIC_LOSS, IOU)
