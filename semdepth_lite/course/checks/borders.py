"""An exercise of lesson 06: the borders of a class map."""
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ...classes import IGNORE
from ...labels import label_borders
from .exercise import Case, Exercise, Mistake
from .geometry import random_size

LESSON = "06_border_refinement"


def _label_cases() -> list[Case]:
    cases = []
    for count in (2, 3, 1):
        height, width = random_size()
        coarse = torch.randint(0, 4, (count, 1, height, width // 2)).float()
        labels = F.interpolate(coarse, scale_factor=(3, 3)).long()[:, 0]
        labels[:, 3:5, 2:5] = IGNORE
        labels[:, -2, 6:], labels[:, :3, -3] = 4, 5  # stripes of one pixel
        labels[:, 0, :4], labels[:, -4:, -1] = 6, 7  # and borders beside the rim
        cases.append(Case((labels,), "pixels without a label (255)"))
    return cases


def _differs(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a != b) & (a != IGNORE) & (b != IGNORE)


def _along(labels: torch.Tensor, *dims: int, differs: Callable = _differs, sides: tuple[int, ...] = (0, 1)
           ) -> torch.Tensor:
    """Mark one or both of each pair of neighbors along some axes."""
    border = torch.zeros_like(labels, dtype=torch.bool)
    for dim in dims:
        size = labels.shape[dim] - 1
        found = differs(labels.narrow(dim, 0, size), labels.narrow(dim, 1, size))
        for side in sides:
            border.narrow(dim, side, size).logical_or_(found)
    return border


def _one_side(labels: torch.Tensor, differs=_differs, flat: bool = True, upright: bool = True) -> torch.Tensor:
    return _along(labels, *(1,) * flat, *(2,) * upright, differs=differs, sides=(0,))


def _second_only(labels: torch.Tensor, differs=_differs, flat: bool = True, upright: bool = True) -> torch.Tensor:
    return _along(labels, *(1,) * flat, *(2,) * upright, differs=differs, sides=(1,))


def _rows_begin_anew(labels: torch.Tensor) -> torch.Tensor:
    """Mark the columns' pairs, then those of the rows with `=` for the first `|=`, which wipes out what stood there."""
    border = _along(labels, 2)
    differs = _differs(labels[:, :-1], labels[:, 1:])
    border[:, :-1] = differs
    border[:, 1:] |= differs
    return border


def _overwritten(labels: torch.Tensor) -> torch.Tensor:
    """Mark the pairs as the solution does, with `=` for `|=`: each pair of directions wipes out what stood there."""
    border = torch.zeros_like(labels, dtype=torch.bool)
    for near, far in ((labels[:, :, :-1], labels[:, :, 1:]), (labels[:, :-1], labels[:, 1:])):
        differs = _differs(near, far)
        rows, columns = near.shape[1:]
        border[:, :rows, :columns] = differs
        border[:, -rows:, -columns:] = differs
    return border


def _all_known(before: torch.Tensor, after: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    return _differs(before, after) & (own != IGNORE)


ACROSS = (lambda before, after, own: _differs(before, after), lambda before, after, own: before != after,
          lambda before, after, own: (before != after) & (own != IGNORE))  # with fewer tests for 255


def _across(labels: torch.Tensor, *dims: int, differs: Callable = _all_known) -> torch.Tensor:
    """Mark a pixel where its two neighbors differ, as central differences do; the rim has only one."""
    border = torch.zeros_like(labels, dtype=torch.bool)
    for dim in dims:
        size = labels.shape[dim] - 2
        before, own, after = (labels.narrow(dim, start, size) for start in range(3))
        border.narrow(dim, 1, size).logical_or_(differs(before, after, own))
    return border


def _around(labels: torch.Tensor, steps: tuple[int, ...] = (1, -1), differs=_differs) -> torch.Tensor:
    """Compare with neighbors that wrap around the image, on one side or on both."""
    return torch.stack([differs(labels, labels.roll(by, dim)) for by in steps for dim in (1, 2)]).any(0)


def _pooled(labels: torch.Tensor) -> torch.Tensor:
    """Mark pixels in whose window of 3x3 the largest and the smallest number differ."""
    numbers = labels.float()
    return F.max_pool2d(numbers, 3, 1, 1) != -F.max_pool2d(-numbers, 3, 1, 1)


def _padded(labels: torch.Tensor, value: int, differs=_differs) -> torch.Tensor:
    """Compare with the four neighbors of an image that was extended by one number."""
    wide = F.pad(labels, (1, 1, 1, 1), value=value)
    return torch.stack([differs(labels, far) for far in (wide[:, 1:-1, 2:], wide[:, 1:-1, :-2], wide[:, 2:, 1:-1],
                                                         wide[:, :-2, 1:-1])]).any(0)


def _both(labels: torch.Tensor, differs: Callable) -> torch.Tensor:
    """Mark both pixels of each pair that differs."""
    return _along(labels, 1, 2, differs=differs)


def _eight(labels: torch.Tensor) -> torch.Tensor:
    border = label_borders(labels)
    for flip in (False, True):
        view = labels.flip(2) if flip else labels
        marked = torch.zeros_like(border)
        differs = _differs(view[:, :-1, :-1], view[:, 1:, 1:])
        marked[:, :-1, :-1] |= differs
        marked[:, 1:, 1:] |= differs
        border = border | (marked.flip(2) if flip else marked)
    return border


def _with_ignored(labels: torch.Tensor) -> torch.Tensor:
    return label_borders(torch.where(labels == IGNORE, 99, labels))


BORDERS = Exercise(
    name="label_borders", lesson=LESSON, title="Find the borders of a class map", difficulty=2, minutes=10,
    statement="""\
`labels` `(B, H, W)` holds class numbers. Mark **both** pixels of every pair of neighbors (left and right, above
and below) whose classes differ: a bool map `(B, H, W)`. A pixel with label 255 has no class, so a pair with it is
no border; and what lies beyond the rim is no neighbor.""",
    stub='''def my_label_borders(labels):
    ...  # your lines''',
    hint="""\
Compare `labels[:, :, :-1]` with `labels[:, :, 1:]`: one bool for each pair. Then mark the left pixels of the
pairs, and the right ones. The same for rows.""",
    solution='''def my_label_borders(labels):
    border = torch.zeros_like(labels, dtype=torch.bool)
    for near, far in ((labels[:, :, :-1], labels[:, :, 1:]), (labels[:, :-1], labels[:, 1:])):
        differs = (near != far) & (near != 255) & (far != 255)
        rows, columns = near.shape[1:]
        border[:, :rows, :columns] |= differs
        border[:, -rows:, -columns:] |= differs
    return border''',
    teaches="labels.label_borders", reference=label_borders, cases=_label_cases, mistakes=(
        Mistake("one pixel of each pair", _one_side,
                "you marked one pixel of each pair; a mirrored map would have other borders."),
        Mistake("pixels without a label count", _with_ignored,
                "the rim of what has no label is no border of anything."),
        Mistake("around the rim", _around,
                "the left column was compared with the right one: torch.roll goes around the image."),
        Mistake("around the rim, one side", lambda labels: _around(labels, (1,)),
                "two things: torch.roll goes around the image, and only one pixel of each pair is marked."),
        Mistake("around the rim, the other side", lambda labels: _around(labels, (-1,)),
                "two things: torch.roll goes around the image, and you mark the left and the upper pixel of each pair "
                "alone."),
        Mistake("around the rim, blind to 255", lambda labels: _around(labels, differs=torch.ne),
                "two things: torch.roll goes around the image, and 255 is no class."),
        Mistake("around the rim, 255 left out afterward", lambda labels: _around(
            labels, differs=torch.ne) & (labels != IGNORE),
                "two things: torch.roll goes around the image, and the neighbors of pixels without a label stay "
                "marked."),
        Mistake("a window of nine, blind to 255", _pooled,
                "a window also reaches pixels that meet at a corner only, and 255 counts as a class in it."),
        Mistake("a window of nine", lambda labels: _pooled(labels) & (labels != IGNORE),
                "your window reaches pixels that meet at a corner, and those beside a pixel without a class."),
        Mistake("along rows only", lambda labels: _along(labels, 2),
                "you compared left with right; borders that run from left to right are missing."),
        Mistake("along columns only", lambda labels: _along(labels, 1),
                "you compared above with below; upright borders, such as those of poles, are missing."),
        Mistake("neighbors of a pixel compared", lambda labels: _across(labels, 1, 2),
                "you compare the left with the right neighbor and leave the pixel itself out.", (
                    lambda labels: _across(labels, 2), *(
                        lambda labels, differs=differs, dims=dims: _across(labels, *dims, differs=differs)
                        for differs in ACROSS for dims in ((1, 2), (2,))))),
        Mistake("upper and lower neighbor compared", lambda labels: _across(labels, 1),
                "you compare the upper with the lower neighbor alone, and leave the pixel itself out.", tuple(
                    lambda labels, differs=differs: _across(labels, 1, differs=differs) for differs in ACROSS)),
        Mistake("eight neighbors", _eight,
                "pixels that meet at a corner only are no neighbors here."),
        Mistake("mask upside down", lambda labels: ~label_borders(labels),
                "you marked the inside of the classes."),
        Mistake("the other pixel of each pair", _second_only,
                "you marked the right and the lower pixel of each pair; the border has a left and an upper side too."),
        Mistake("one side, blind to 255", lambda labels: _one_side(labels, torch.ne),
                "two things: you mark the left and the upper pixel of each pair alone, and 255 is no class."),
        Mistake("the other side, blind to 255", lambda labels: _second_only(labels, torch.ne),
                "two things: you mark the right and the lower pixel of each pair alone, and 255 is no class."),
        Mistake("one side, around the rim, blind to 255", lambda labels: _around(labels, (1,), torch.ne),
                "three things: torch.roll goes around, one pixel of each pair is missing, and 255 is no class."),
        Mistake("the other side, around the rim, blind to 255", lambda labels: _around(labels, (-1,), torch.ne),
                "three things: torch.roll goes around, the right and lower pixels are missing, and 255 is no class."),
        Mistake("255 left out afterward", lambda labels: _with_ignored(labels) & (labels != IGNORE),
                "you take the pixels without a label out afterward; their neighbors are still marked."),
        Mistake("one pixel in one direction", lambda labels: _along(labels, 1) | _one_side(labels, flat=False),
                "in one of the two directions you mark both pixels of a pair, in the other only one.", (
                    lambda labels: _along(labels, 2) | _one_side(labels, upright=False),
                    lambda labels: _along(labels, 1) | _second_only(labels, flat=False),
                    lambda labels: _along(labels, 2) | _second_only(labels, upright=False))),
        Mistake("the first in one direction", lambda labels: _one_side(labels, flat=False) | _second_only(
            labels, upright=False),
                "you mark one pixel of each pair, the first in one direction and the second in the other.", (
                    lambda labels: _one_side(labels, upright=False) | _second_only(labels, flat=False),)),
        Mistake("one order of numbers", lambda labels: _both(labels, lambda a, b: (a > b) & _differs(a, b)),
                "you ask which class has the larger number; a border is where they differ.", (
                    lambda labels: _both(labels, lambda a, b: (a < b) & _differs(a, b)),
                    lambda labels: _both(labels, torch.gt), lambda labels: _both(labels, torch.lt))),
        Mistake("numbers side by side", lambda labels: _both(labels, lambda a, b: (a - b).abs() == 1),
                "you ask whether two numbers differ by 1; any two classes can meet."),
        Mistake("numbers far apart", lambda labels: _both(labels, lambda a, b: ((a - b).abs() > 1) & _differs(a, b)),
                "you ask whether two numbers differ by more than 1; neighbors in the list are two classes too."),
        Mistake("equal for different", lambda labels: _both(labels, lambda a, b: (a == b) & (a != IGNORE)),
                "you mark all that has a class, as == in place of != does; a border is where two classes differ."),
        Mistake("marked once", lambda labels: torch.stack([_one_side(labels, upright=False), _second_only(
            labels, upright=False), _one_side(labels, flat=False), _second_only(labels, flat=False)]).sum(0) % 2 == 1,
                "a pixel that lies at two borders is switched off again: ^ is no |."),
        Mistake("0 for no label", lambda labels: _both(labels, lambda a, b: (a != b) & (a != 0) & (b != 0)),
                "you take 0 for no label; 0 is a class, and 255 is none."),
        Mistake("rim of the unlabeled alone", lambda labels: _both(labels, lambda a, b: (a != b) & (
            (a == IGNORE) | (b == IGNORE))),
                "you mark the rim of what has no label, and nothing else."),
        Mistake("every pair", lambda labels: _both(labels, lambda a, b: (a != b) | (a != IGNORE) | (b != IGNORE)),
                "you mark every pixel: are conditions joined by | where all of them are meant?"),
        Mistake("brackets forgotten", lambda labels: _both(labels, lambda a, b: a != (b & (a != IGNORE) & (
            b != IGNORE))),
                "& binds more tightly than != in Python: each comparison needs brackets."),
        Mistake("widened", lambda labels: F.max_pool2d(label_borders(labels).float(), 3, 1, 1).bool(),
                "your border is too wide: pixels are marked that have no neighbor of another class.", (
                    lambda labels: F.max_pool2d(_one_side(labels).float(), 3, 1, 1).bool(),
                    lambda labels: F.max_pool2d(_second_only(labels).float(), 3, 1, 1).bool())),
        Mistake("one side, 255 left out afterward", lambda labels: _one_side(labels, torch.ne) & (labels != IGNORE),
                "two things: you mark one pixel of each pair alone, and test that one alone for 255.", (
                    lambda labels: _second_only(labels, torch.ne) & (labels != IGNORE),)),
        Mistake("overwritten", _overwritten,
                "each assignment with = wipes out what an earlier one had marked; what is marked has to stay marked.", (
                    _rows_begin_anew, lambda labels: _rows_begin_anew(labels.mT).mT)),
        Mistake("overwritten, columns first", lambda labels: _overwritten(labels.mT).mT,
                "each assignment with = wipes out what an earlier one had marked, rows wipe out what columns left."),
        Mistake("a rim of class 0", lambda labels: _padded(labels, 0),
                "you extend the image by 0, which is a class: what lies beyond the rim is no neighbor."),
        Mistake("a rim of class 0, blind to 255", lambda labels: _padded(labels, 0, torch.ne),
                "two things: you extend the image by 0, which is a class, and 255 is none."),
        Mistake("a rim of 255, blind to 255", lambda labels: _padded(labels, IGNORE, torch.ne),
                "beyond the rim you put 255, which is right if a pair with 255 is no border; to you it is."),
        Mistake("only the neighbor tested for 255", lambda labels: _padded(labels, IGNORE, lambda a, b: (a != b) & (
            b != IGNORE)),
                "you ask whether the neighbor has a class, and not whether the pixel itself has one."),
        Mistake("only the pixel tested for 255", lambda labels: _padded(labels, IGNORE, lambda a, b: (a != b) & (
            a != IGNORE)),
                "you ask whether the pixel has a class, and not whether its neighbor has one."),
        Mistake("a rim of class -1", lambda labels: _padded(labels, -1),
                "you extend the image by a number that no class has, so it differs from all: the whole rim is marked."),
        Mistake("only the first tested for 255", lambda labels: _both(labels, lambda a, b: (a != b) & (a != IGNORE)),
                "of each pair you test only the left or the upper pixel for 255; either can be without a class."),
        Mistake("only the second tested for 255", lambda labels: _both(labels, lambda a, b: (a != b) & (b != IGNORE)),
                "of each pair you test only the right or the lower pixel for 255; either can be without a class."),
        Mistake("along the images", lambda labels: _along(labels, 0, 1),
                "axis 0 counts images: you compare one image with the next.", tuple(
                    lambda labels, dims=dims, differs=differs, sides=sides: _along(
                        labels, *dims, differs=differs, sides=sides)
                    for dims in ((0, 1), (0, 2), (0, 1, 2)) for differs in (_differs, torch.ne)
                    for sides in ((0, 1), (0,), (1,)))),
        Mistake("0 for 255", lambda labels: label_borders(labels.masked_fill(labels == IGNORE, 0)),
                "you put 0 in the place of 255, and made a class of what has none: now it has borders.", (
                    lambda labels: _one_side(labels.masked_fill(labels == IGNORE, 0)),
                    lambda labels: _second_only(labels.masked_fill(labels == IGNORE, 0)))),
        Mistake("both directions", lambda labels: _along(labels, 1) & _along(labels, 2),
                "you want a border in both directions at once; one is enough.")))

EXERCISES = (BORDERS,)
