"""How a wrong answer is related to the right one: a sign, a shift, an exchanged axis, or one part that alone is wrong.

Notable: nothing here knows an exercise. A relation is a function of the right answer that gives the wrong one on every
input; a part is a channel, an entry, an image, a rim, or the side of a mask outside of which everything is right.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from .compare import apart, same, tolerance

Pair = tuple[torch.Tensor, torch.Tensor]  # what was given and what is right, float64, of one shape

FACTORS = {-1.0: "a sign is wrong everywhere", 180 / math.pi: "degrees stand where radians are meant",
           math.pi / 180: "radians were taken for degrees", math.log(10): "which logarithm is meant?",
           1 / math.log(10): "which logarithm is meant?", 1 / math.log(2): "which logarithm is meant?",
           255.0: "colors run from 0 to 1 here, not to 255", 1 / 255: "colors run from 0 to 1 already",
           100.0: "a share is asked for, not a percentage", 3.0: "is something added up that should be averaged?",
           1 / 3: "is something averaged that should be added up?"}

FUNCTIONS: tuple[tuple[str, Callable], ...] = (
    ("you return 1 divided by what is asked for", torch.reciprocal),
    ("you return the square of what is asked for: a root is missing, or a square too many", torch.square),
    ("you return the root of what is asked for", torch.sqrt),
    ("you return the logarithm of what is asked for", torch.log),
    ("you return the exponential of what is asked for", torch.exp),
    ("you return the absolute value: a sign got lost", torch.abs),
    ("you return 1 minus what is asked for", lambda right: 1 - right),
    ("your values are rounded to whole numbers, and no gradient passes that", torch.round),
    ("your values are cut to whole numbers: look for integers, // or .long()", torch.trunc),
    ("your values are cut to whole numbers: look for integers, // or .long()", torch.floor))


def relation(pairs: Sequence[Pair]) -> str:
    """Say how what was given follows from what is right, the same way in every input; empty if nothing is known."""
    return _number(pairs) or _total(pairs) or _factors(pairs) or _function(pairs) or _order(pairs)


def _number(pairs: Sequence[Pair]) -> str:
    """Find one factor, or one number that was added."""
    a, b = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    known = a.isfinite() & b.isfinite()
    if int(known.sum()) < 2 or bool((a.isfinite() != b.isfinite()).any()):
        return ""
    difference = (a - b)[known]
    if float(difference.std(correction=0)) < 10 * tolerance(b) < 1e-2 * abs(float(difference.mean())):
        off = float(difference.mean())
        pixel = ", half a pixel if places are asked for" if abs(abs(off) - 0.5) < 1e-3 else ""
        return f"every value is off by the same {off:.3g}{pixel}"
    known &= b.abs() > 1e-6
    ratio = a[known] / b[known]
    if len(ratio) < 3:  # two numbers agree by chance
        return ""
    factor = float(ratio.mean())
    if abs(factor) < 1e-6 or not same(a[known] / factor, b[known]) or abs(factor - 1) <= 0.01:
        return ""
    why = next((words for value, words in FACTORS.items() if abs(factor / value - 1) < 2e-3),
               "a factor or a sign is off")
    return f"every value is {factor:.3g} times what it should be; {why}"


def constant(values: Sequence[torch.Tensor]) -> float | None:
    """Return the one number that stands everywhere in all of several tensors; None if there is more than one."""
    found = torch.cat([value.flatten() for value in values])
    return float(found[0]) if len(found) > 1 and bool((found - found[0]).abs().max() <= tolerance(found)) else None


def _total(pairs: Sequence[Pair]) -> str:
    """Find numbers that should sum to 1 in each image, and do not."""
    def sums(side: int) -> torch.Tensor:
        return torch.cat([pair[side].flatten(1).sum(1) for pair in pairs])

    if any(right.dim() < 2 for _, right in pairs) or not same(sums(1), torch.ones(len(sums(1)))):
        return ""
    found = sums(0)
    if not bool(found.isfinite().all()) or bool(((found - 1).abs() < 1e-3).any()):
        return ""
    low, high = float(found.min()), float(found.max())
    return ("in each image the numbers asked for sum to 1, and yours to "
            + (f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"between {low:.3g} and {high:.3g}"))


def _factors(pairs: Sequence[Pair]) -> str:
    """Find one factor for each image, another for each."""
    factors = []
    for given, right in pairs:
        if right.dim() < 2 or given.isfinite().logical_xor(right.isfinite()).any():
            return ""
        for one, other in zip(given, right):
            known = one.isfinite() & (other.abs() > 1e-6)
            ratio = one[known] / other[known]
            if len(ratio) < 3 or float(ratio.std()) >= 1e-3 * float(ratio.mean().abs()):
                return ""
            if bool((one[~known & one.isfinite()].abs() > 1e-4).any()):
                return ""
            factors.append(float(ratio.mean()))
    if max(abs(factor - 1) for factor in factors) <= 0.01:  # numbers that lie near 1 have such factors by themselves
        return ""
    return (f"each image has a factor of its own, from {min(factors):.3g} to {max(factors):.3g}, by which all of its "
            "values are off: by what do you divide or multiply?")


def _function(pairs: Sequence[Pair]) -> str:
    return next((words for words, function in FUNCTIONS if _gives(pairs, function)), "")


def _gives(pairs: Sequence[Pair], function: Callable[[torch.Tensor], torch.Tensor]) -> bool:
    """Tell whether a function of what is right gives what was given, and is not the same thing as right.

    A function that gives one number everywhere says nothing: whoever returns this number can have made any mistake.
    """
    return (all(same(given, function(right)) for given, right in pairs)
            and constant([function(right) for _, right in pairs]) is None
            and any(not same(function(right), right) for _, right in pairs))


def _order(pairs: Sequence[Pair]) -> str:
    """Find an exchanged, reversed or shifted axis, a copied image, or numbers that stand at the wrong places."""
    least = min(right.dim() for _, right in pairs)
    if least >= 2 and all(right.shape[-1] == right.shape[-2] for _, right in pairs) and _gives(
            pairs, lambda right: right.mT):
        return "your result is transposed"
    for axis in range(1, least):
        if _gives(pairs, lambda right, axis=axis: right.flip(axis)):
            return f"the right numbers stand in reverse order along axis {axis}: what comes first there?"
    for axis in range(max(1, least - 2), least):
        for step in (1, -1):
            if all(right.shape[axis] > 4 and _shifted(given, right, axis, step) for given, right in pairs):
                return f"your result is shifted by one place along axis {axis}"
    if least and _gives(pairs, lambda right: right[:1].expand_as(right)):
        return "every image of the batch got the answer of the first"
    if least >= 2 and _gives_sorted(pairs):
        return ("these are the right numbers at the wrong places: a reshape or a view does not move an axis, permute "
                "does")
    return ""


def _shifted(given: torch.Tensor, right: torch.Tensor, axis: int, step: int) -> bool:
    count = right.shape[axis] - 1
    here, there = (given.narrow(axis, 1, count), right.narrow(axis, 0, count)) if step > 0 else (
        given.narrow(axis, 0, count), right.narrow(axis, 1, count))
    return same(here, there) and not same(given, right)


def _gives_sorted(pairs: Sequence[Pair]) -> bool:
    return (all(same(given.flatten(1).sort().values, right.flatten(1).sort().values) for given, right in pairs)
            and all(len(right.unique()) > 3 for _, right in pairs))


def wrong_part(pairs: Sequence[Pair], cases: Sequence[tuple], names: Sequence[str],
               mixed: Callable[[], bool] = lambda: True) -> str:
    """Say which part alone is wrong: an entry, a channel, an image, a rim, or one side of a mask; empty if none is.

    Args:
        pairs: What was given and what is right, for each input.
        cases: Arguments of the reader's function, for each input.
        names: Names of these arguments.
        mixed: Function that tells whether an image alone gets another answer than in its batch.
    """
    wrong = [apart(given, right) | (given.isnan() != right.isnan()) | (given.isinf() != right.isinf())
             for given, right in pairs]
    return (_masked(wrong, pairs, cases, names) or _entries(wrong, pairs) or _channels(wrong, pairs)
            or _images(wrong, mixed) or _batches(wrong, cases) or _rim(wrong))


def _masked(wrong: Sequence[torch.Tensor], pairs: Sequence[Pair], cases: Sequence[tuple], names: Sequence[str]) -> str:
    """Name the mask on one side of which all is right, and what is known of the other side."""
    for place, name in enumerate(names):
        masks = [mask for mask in (args[place] for args in cases if place < len(args))
                 if isinstance(mask, torch.Tensor) and mask.dtype == torch.bool]
        if len(masks) == len(wrong) and all(mask.shape == bad.shape for mask, bad in zip(masks, wrong)):
            for side, where in ((True, masks), (False, [~mask for mask in masks])):
                if not any(bool((bad & ~at).any()) for bad, at in zip(wrong, where)):
                    inside = relation([(given[at], right[at]) for (given, right), at in zip(pairs, where)])
                    return (f"all is right where {name} is {not side}, and wrong where it is {side}"
                            + (f": {inside}" if inside else ""))
    return ""


def _entries(wrong: Sequence[torch.Tensor], pairs: Sequence[Pair]) -> str:
    """Name the entries of small matrices that are wrong."""
    if any(bad.dim() < 2 or max(bad.shape[-2:]) > 4 for bad in wrong):
        return ""
    bad = torch.stack([each.reshape(-1, *each.shape[-2:]).any(0) for each in wrong]).any(0)
    if 2 * int(bad.sum()) > bad.numel():  # then a list of them helps nobody
        return ""
    places = [f"[{row}, {column}]" for row, column in bad.nonzero().tolist()]
    inside = relation([(given[..., bad], right[..., bad]) for given, right in pairs])
    return (f"of the matrix only {' and '.join([', '.join(places[:-1]), places[-1]] if places[1:] else places)} "
            f"{'are' if places[1:] else 'is'} wrong" + (f": {inside}" if inside else ""))


def _channels(wrong: Sequence[torch.Tensor], pairs: Sequence[Pair]) -> str:
    """Name the one channel that is wrong, or the one that is right."""
    if any(bad.dim() != 4 or bad.shape[1] != wrong[0].shape[1] for bad in wrong) or wrong[0].shape[1] not in (2, 3):
        return ""
    share = torch.cat([each.movedim(1, 0).flatten(1) for each in wrong], 1).float().mean(1)
    bad = share > 0
    if bool(bad.all()) or float(share[bad].min()) < 0.2:  # a few wrong numbers miss a channel by chance
        return ""
    found = " and ".join(str(k) for k in bad.nonzero()[:, 0].tolist())
    inside = relation([(given[:, bad], right[:, bad]) for given, right in pairs])
    subject, verb = ("channels", "are") if int(bad.sum()) > 1 else ("channel", "is")
    return f"counted from 0, only {subject} {found} {verb} wrong" + (f", and there {inside}" if inside else "")


def _images(wrong: Sequence[torch.Tensor], mixed: Callable[[], bool]) -> str:
    """Tell whether one image is right and a batch of several is not, because these get mixed."""
    if any(bad.dim() < 1 or bad.shape[0] > 4 for bad in wrong) or max(bad.shape[0] for bad in wrong) < 2:
        return ""
    later, words = [bool(bad[1:].any()) for bad in wrong if bad.shape[0] > 1], ""
    if not any(bool(bad[:1].any()) for bad in wrong) and all(later):
        words = "the first image of a batch is right and the others are not: is something of the first used for all?"
    elif all(bool(bad.any()) == (bad.shape[0] > 1) for bad in wrong) and any(bad.shape[0] == 1 for bad in wrong):
        words = "a batch of one image is right, one of several is not: do the images get mixed?"
    return words if words and mixed() else ""  # by chance the mistake of each image can fall so


def _batches(wrong: Sequence[torch.Tensor], cases: Sequence[tuple]) -> str:
    """Tell whether one number for a batch is right where the batch is a single image, and nowhere else."""
    if any(bad.dim() for bad in wrong) or not all(args and isinstance(args[0], torch.Tensor) for args in cases):
        return ""
    one = [args[0].dim() > 2 and len(args[0]) == 1 for args in cases]
    if any(one) and not all(one) and all(bool(bad) != single for bad, single in zip(wrong, one)):
        return ("a batch of one image is right, one of several is not: does each image meet the others, because an "
                "axis is missing?")
    return ""


def _rim(wrong: Sequence[torch.Tensor]) -> str:
    if all(bad.dim() >= 3 and min(bad.shape[-2:]) > 3 and not bool(bad[..., 1:-1, 1:-1].any()) for bad in wrong):
        return "all is right but at the rim of the image"
    return ""
