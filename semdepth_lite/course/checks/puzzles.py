"""Puzzles, the hardest exercises: fool the loss with a texture, and mend a broken training.

Many answers are right here, so an answer is judged by what it achieves: the trial returns zeros if it does what was
asked, and otherwise the numbers by which a known wrong answer is recognized.
"""
from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import torch
from torch import nn

from ... import camera
from ...losses import photometric_error
from ...warp import warp
from .exercise import Case, Exercise, Mistake
from .steps import UNMOVED

COLUMNS = 96


# Paint a wall that fools the loss

def wall_errors(paint: Callable, true_shift: float, wrong_shift: float) -> tuple[float, float, float]:
    """Measure a painted wall that two cameras see side by side.

    Args:
        paint: Brightness by position, in pixels of the target.
        true_shift: Pixels by which the wall moves between the two images.
        wrong_shift: Pixels by which it would move at the wrong depth.

    Returns:
        Mean error at the true depth, at the wrong depth, and the standard deviation of the brightness.
    """
    columns = torch.arange(COLUMNS, dtype=torch.float64)
    target = paint(columns)

    def error(shift: float) -> float:
        place = columns - shift  # where the warp reads the source, whose column v shows the paint at v + true_shift
        left = place.floor()
        share = place - left
        read = (1 - share) * paint(left + true_shift) + share * paint(left + 1 + true_shift)
        return float((read - target).abs().mean())
    return error(true_shift), error(wrong_shift), float(target.std())


def fooled(answer: Callable) -> Callable:
    """Judge a paint by what the loss makes of it: zeros if the wrong depth costs less than half of the true one.

    Otherwise a 1 and what was measured: a black wall measures 0 everywhere, and is no right answer.
    """
    def trial(true_shift, wrong_shift):
        paint = answer(true_shift, wrong_shift)
        if paint is None:
            return None
        values, again = (paint(torch.arange(COLUMNS, dtype=torch.float64)) for _ in range(2))
        if not torch.equal(values, again):
            return torch.full((6,), torch.nan)  # another wall at each look: whatever it measures is chance
        at_truth, at_wrong, contrast = wall_errors(paint, true_shift, wrong_shift)
        allowed = bool((values >= -1e-6).all() and (values <= 1 + 1e-6).all())
        if at_wrong < 0.5 * at_truth and contrast > 0.1 and allowed:
            return torch.zeros(6)
        return torch.tensor([1.0, at_truth, at_wrong, contrast, float(values.min()), float(values.max())])
    return trial


def tell_paint(found: torch.Tensor) -> str:
    """Say what the loss makes of a paint."""
    _, at_truth, at_wrong, contrast, lowest, highest = found.tolist()
    if lowest < -1e-6 or highest > 1 + 1e-6:
        return f"your brightness runs from {lowest:.2f} to {highest:.2f}; between 0 and 1 can be painted."
    return (f"the error is {at_truth:.3f} at the true depth and {at_wrong:.3f} at the wrong one, where less than half "
            f"is asked for; the standard deviation is {contrast:.2f}, and has to be above 0.1.")


def waves(period: float, low: float = 0.0, high: float = 1.0, turn: float = 2 * torch.pi) -> Callable:
    """Return a paint of smooth stripes, whose sine goes by `turn` in each period."""
    def paint(x: torch.Tensor) -> torch.Tensor:
        return low + (high - low) * (0.5 + 0.5 * torch.sin(turn * x / period))
    return paint


TRAP = Exercise(
    name="painted_trap", lesson="03_photometric_self_supervision", title="Paint a wall that fools the loss",
    difficulty=3, minutes=20, statement="""\
Two cameras stand side by side before a wall. Between their images the wall moves by `true_shift` pixels (not a whole
number); at a certain *wrong* depth it would move by `wrong_shift` pixels (a whole number). Paint the wall so that the
loss **prefers the wrong depth**: its error there must be less than half of the error at the truth. Return a function
`paint(x)` that takes a tensor of positions in pixels and returns the brightness there, between 0 and 1, with a standard
deviation of at least 0.1. Remember that the warp reads *between* pixels by mixing two of them.""",
    stub='''def my_painted_trap(true_shift, wrong_shift):
    ...  # your lines: return a function paint(x)''',
    hint="""\
Two thoughts. A pattern that repeats looks the same when it is moved by how much? And why is the error at the *truth*
not zero when the shift is not a whole number?""",
    solution='''def my_painted_trap(true_shift, wrong_shift):
    period = abs(wrong_shift - true_shift)

    def paint(x):
        return 0.5 + 0.5 * torch.sin(2 * torch.pi * x / period)
    return paint''',
    teaches="course.demos.depth_sweep", reference=lambda a, b: waves(abs(b - a)), trial=fooled, tells=tell_paint,
    cases=lambda: [Case((a + 0.5, b)) for a, b in ((int(torch.randint(3, 6, ())), 9), (9, 5), (7, 12))], mistakes=(
        Mistake("blank wall", lambda a, b: lambda x: torch.full_like(x, 0.5),
                "a blank wall prefers nothing; the brightness has to vary."),
        Mistake("period of the wrong shift", lambda a, b: waves(b),
                "your pattern repeats after the wrong shift; moved by which distance must it look the same?"),
        Mistake("period of the true shift", lambda a, b: waves(a),
                "your pattern repeats after the true shift, so the truth looks like no motion at all."),
        Mistake("period twice as long", lambda a, b: waves(2 * abs(b - a)),
                "at the wrong depth your stripes lie exactly on the gaps; they repeat too seldom."),
        Mistake("ramp", lambda a, b: lambda x: x / COLUMNS,
                "a ramp is different at every place, so the truth fits best; something has to repeat."),
        Mistake("rounded", lambda a, b: waves(round(abs(b - a))),
                "you round the period to whole pixels, and a pattern need not repeat after whole ones."),
        Mistake("sum of the shifts", lambda a, b: waves(a + b),
                "your pattern repeats after the sum of both shifts; only what lies between them counts."),
        Mistake("a turn of 1", lambda a, b: waves(abs(b - a), turn=1.0),
                "your stripes are more than six times as wide as you mean them: after which angle does a sine repeat?"),
        Mistake("a turn of 1, backward", lambda a, b: waves(-abs(b - a), turn=1.0),
                "your sine runs backward, which does no harm, and repeats more than six times too seldom, which does."),
        Mistake("degrees", lambda a, b: waves(abs(b - a), turn=360.0),
                "torch.sin takes radians: with 360 for a turn, your stripes repeat 57 times in what you mean as one."),
        Mistake("noise", lambda a, b: torch.rand_like,
                "your paint is another at each look, and both cameras see one wall: the same position has to get the "
                "same brightness."),
        Mistake("too dark", lambda a, b: waves(abs(b - a), -1.0, 1.0),
                "the idea is right, but a brightness below 0 cannot be painted."),
        Mistake("black wall", lambda a, b: torch.zeros_like,
                "a black wall looks right at every depth; the brightness has to vary."),
        Mistake("rounded down", lambda a, b: waves(abs(b - a) // 1),
                "you cut the period to whole pixels, and a pattern need not repeat after whole ones."),
        Mistake("a turn of 1, by the signed shift", lambda a, b: waves(b - a, turn=1.0),
                "your stripes are more than six times too wide: after which angle does a sine look the same again?"),
        Mistake("times the period", lambda a, b: waves(1 / abs(b - a)),
                "you multiply the position by the period where you should divide."),
        Mistake("product of the shifts", lambda a, b: waves(a * b),
                "your pattern repeats after the product of both shifts; only what lies between them counts."),
        Mistake("too faint", lambda a, b: waves(abs(b - a), 0.45, 0.55),
                "the idea is right, but the contrast is too low to be seen.")))


# Mend a broken step

class Slope(nn.Module):
    """A network of three numbers: disparity by column and row, and by the brightness of the image it looks at."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) to (B, 1, H, W)."""
        height, width = image.shape[-2:]
        u, v = camera.pixel_grid(height, width, image)
        return torch.sigmoid(self.weight[0] * u / width + self.weight[1] * v / height
                             + self.weight[2] * image.mean(1, keepdim=True))


def mended(answer: Callable) -> Callable:
    """Let a step train a `Slope` twice, and return the losses it gave and the weights it left."""
    def trial(weight, target, source, T, K):
        network = Slope(weight)
        optimizer = torch.optim.SGD(network.parameters(), 0.5)
        given = [answer(network, optimizer, target, source, T, K) for _ in range(2)]
        after = network.weight.detach().clone()
        if given == [None, None] and torch.equal(after, weight):
            return None
        return [torch.nan if loss is None else loss for loss in given], after
    return trial


FAULTS = {"disparity": "where depth enters the warp", "rim": "at the pixels that the source cannot show",
          "goal": "in what the painting is compared with", "gradient": "from the second step on"}


def broken_step(faults: tuple[str, ...] = tuple(FAULTS),
                depth_of: Callable = lambda disp: camera.disp_to_depth(disp, 0.5, 20.0),
                share: Callable = lambda error, valid: error[valid].mean(), move: bool = True,
                exchanged: bool = False, look: int = 0, motion: Callable = lambda T: T,
                sign: float = 1.0) -> Callable:
    """Build the broken step of the puzzle, with some of its four faults, or one other thing changed.

    Args:
        faults: Those of the four that are left.
        depth_of: Way from disparity to depth.
        share: Mean of the error over the mask.
        move: Whether a step is taken.
        exchanged: Whether target and source have changed places.
        look: Image that the network looks at: 0 = target, 1 = source.
        motion: What is made of the motion.
        sign: Factor of the loss on the way back.
    """
    def step(network, optimizer, target, source, T_source_target, K):
        target, source = (source, target) if exchanged else (target, source)
        disp = network((target, source)[look])
        depth = disp if "disparity" in faults else depth_of(disp)
        warped, valid = warp(source, depth, motion(T_source_target), K)
        error = photometric_error(warped, source if "goal" in faults else target)
        loss = error.mean() if "rim" in faults else share(error, valid)
        if "gradient" not in faults:
            optimizer.zero_grad()
        (sign * loss).backward()
        if move:
            optimizer.step()
        return loss.item()
    return step


def whole_step(network, optimizer, target, source, T_source_target, K) -> float:
    """Take the step of the puzzle without any of its four faults, and return the loss."""
    return broken_step(())(network, optimizer, target, source, T_source_target, K)


def _plane_cases() -> list[Case]:
    cases = []
    for _ in range(3):
        K = camera.intrinsics(14.0, 14.0, 9.5, 5.5)[None]
        T = camera.rigid_transform(torch.zeros(1, 3), torch.tensor([[-0.4, 0.05, 0.1]]))
        cases.append(Case((torch.randn(3), torch.rand(1, 3, 12, 20), torch.rand(1, 3, 12, 20), T, K)))
    return cases


def _left(faults: tuple[str, ...]) -> Mistake:
    count = {1: "one fault is", 2: "two faults are", 3: "three faults are", 4: "all four faults are"}[len(faults)]
    return Mistake(f"left: {', '.join(faults)}", broken_step(faults),
                   f"{count} still there, and can be felt {', '.join(FAULTS[fault] for fault in faults)}.")


MEND = Exercise(
    name="mended_step", lesson="08_failure_museum", title="Mend a broken training", difficulty=3, minutes=20,
    statement="""\
Somebody trains with this step. The loss even falls, and the depth is worthless:

```python
def broken_step(network, optimizer, target, source, T_source_target, K):
    disp = network(target)                                   # sigmoid, (B, 1, H, W)
    warped, valid = warp(source, disp, T_source_target, K)
    error = photometric_error(warped, source)
    loss = error.mean()
    loss.backward()
    optimizer.step()
    return loss.item()
```

It has **four** faults. Write the step without them; depth runs from 0.5 to 20 m. The check says how many are left and
where they can be felt.""",
    stub='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_mended_step(network, optimizer, target, source, T_source_target, K):
    ...  # your lines''',
    hint="""\
Read every line with the question: what is this number, and what should it be? One fault is in a line that is not
there. One of them makes the loss small when nothing moves at all.""",
    solution='''from semdepth_lite.losses import photometric_error
from semdepth_lite.warp import warp

def my_mended_step(network, optimizer, target, source, T_source_target, K):
    depth = camera.disp_to_depth(network(target), 0.5, 20.0)
    warped, valid = warp(source, depth, T_source_target, K)
    loss = photometric_error(warped, target)[valid].mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()''',
    teaches="course.checks.puzzles.whole_step", reference=whole_step, trial=mended, cases=_plane_cases,
    parts=("the losses that you return", "the weights that your steps leave"),
    mistakes=(*(_left(faults) for count in (1, 2, 3, 4) for faults in combinations(FAULTS, count)),
              Mistake("disparity divided into 1", broken_step((), lambda disp: 1 / disp),
                      "three faults are gone; depth is 1 divided by the sigmoid now, so the two ends are not used."),
              Mistake("linear in depth", broken_step((), lambda disp: 20 - 19.5 * disp),
                      "three faults are gone; depth has the right ends, but you walk in equal steps of depth."),
              Mistake("linear in the sigmoid", broken_step((), lambda disp: 0.5 + 19.5 * disp),
                      "three faults are gone; you stretch the sigmoid to the range of depth, but it is a disparity: "
                      "large means near."),
              Mistake("source and target exchanged", broken_step((), exchanged=True),
                      "source and target have changed places: depth belongs to the target, whose view is painted with "
                      "the colors of the source."),
              Mistake("ends exchanged", broken_step((), lambda disp: camera.disp_to_depth(disp, 20.0, 0.5)),
                      "three faults are gone; the two ends of depth are exchanged."),
              Mistake("another range", broken_step((), lambda disp: camera.disp_to_depth(disp, 0.1, 100.0)),
                      "three faults are gone; your depth runs from 0.1 to 100 m, not over the range asked for."),
              Mistake("mask multiplied", broken_step((), share=lambda error, valid: (error * valid).mean()),
                      "three faults are gone; you multiply by the mask and still divide by all pixels."),
              Mistake("mask upside down", broken_step((), share=lambda error, valid: error[~valid].mean()),
                      "three faults are gone; just the pixels count that the source cannot show."),
              Mistake("looks at the source", broken_step((), look=1),
                      "the network looks at the source; the depth of the target is wanted."),
              Mistake("motion inverted", broken_step((), motion=camera.invert_transform),
                      "you turned the motion around; it took the target's points to the source already."),
              Mistake("uphill", broken_step((), sign=-1.0), "you climb: the loss grows with every step."),
              Mistake("no step", broken_step((), move=False), UNMOVED)))

EXERCISES = (TRAP, MEND)
