"""Exercises of lesson 04 about the motion: six numbers by least squares, and a turn that hides a wrong depth."""
from __future__ import annotations

from collections.abc import Callable

import torch

from ... import camera
from ...warp import source_pixels
from .exercise import Case, Exercise, Mistake
from .learning import LESSON

# Direct alignment

def _equation_cases() -> list[Case]:
    return [Case((size * torch.randn(count, points, 6), torch.randn(count, points), torch.rand(count, points)))
            for count, points, size in ((1, 40, 1.0), (2, 60, 1.0), (3, 50, 0.1))]  # the last shows a small damping


def _solved(J, r, w, sign=-1.0) -> torch.Tensor:
    weighted = J * w[..., None]
    return sign * torch.linalg.solve(weighted.mT @ J, weighted.mT @ r[..., None])[..., 0]


def _damped(by: float) -> Callable:
    """Build the solution with a number added to the diagonal."""
    def wrong(J, r, w):
        weighted = (J * w[..., None]).mT
        return -torch.linalg.solve(weighted @ J + by * torch.eye(6), weighted @ r[..., None])[..., 0]
    return wrong


EQUATIONS = Exercise(
    name="normal_equations", lesson=LESSON, title="Find six numbers by least squares", difficulty=2, minutes=12,
    statement="""\
A small change $\\xi$ of the motion, six numbers, changes the residual of pixel $p$ from $r_p$ to about
$r_p + J_p\\,\\xi$. Return the $\\xi$ that makes $\\sum_p w_p\\,(r_p + J_p\\,\\xi)^2$ smallest, for each image. `J` is
`(B, P, 6)`, the residuals `r` and their weights `w` are `(B, P)`; return `(B, 6)`.""",
    stub='''def my_normal_equations(J, r, w):
    ...  # your lines''',
    hint="""\
Set the derivative by $\\xi$ to zero: $\\sum_p w_p J_p^\\top (r_p + J_p\\,\\xi) = 0$. That is a system of six equations;
`torch.linalg.solve` takes a batch of them.""",
    solution='''def my_normal_equations(J, r, w):
    weighted = J * w[..., None]
    A = weighted.transpose(1, 2) @ J
    b = weighted.transpose(1, 2) @ r[..., None]
    return -torch.linalg.solve(A, b)[..., 0]''',
    teaches="alignment.twist_step", reference=_solved, cases=_equation_cases, mistakes=(
        Mistake("sign", lambda J, r, w: _solved(J, r, w, 1.0), "your step goes the wrong way, and just as far."),
        Mistake("weights ignored", lambda J, r, w: _solved(J, r, torch.ones_like(w)),
                "all residuals count alike; the weights are not used."),
        Mistake("weights squared", lambda J, r, w: _solved(J, r, w**2),
                "your weights count twice, once with J and once more with it or with r."),
        Mistake("weights on the right only", lambda J, r, w: -torch.linalg.solve(
            J.mT @ J, (J * w[..., None]).mT @ r[..., None])[..., 0],
                "the weights belong to both sides of the equations; yours stand on one."),
        Mistake("weights on the left only", lambda J, r, w: -torch.linalg.solve(
            (J * w[..., None]).mT @ J, J.mT @ r[..., None])[..., 0],
                "the residuals on the right side have lost their weights."),
        Mistake("gradient", lambda J, r, w: -((J * w[..., None]).mT @ r[..., None])[..., 0],
                "this is the direction of steepest descent, and not yet the minimum."),
        Mistake("weights twice on the left, once on the right", lambda J, r, w: -torch.linalg.pinv(
            J * w[..., None]).matmul(r[..., None])[..., 0],
                "of your six equations, the left side has the weights twice and the right side once; rows of J and "
                "their residuals need the same."),
        Mistake("weights once on the left, twice on the right", lambda J, r, w: -torch.linalg.solve(
            (J * w[..., None]).mT @ J, (J * w[..., None]).mT @ (w * r)[..., None])[..., 0],
                "of your six equations, the left side has the weights once and the right side twice."),
        Mistake("root of the weights", lambda J, r, w: _solved(J, r, w.sqrt()),
                "you weigh both sides of the six equations with the root of the weights; a root belongs where it is "
                "squared later."),
        Mistake("root of the weights on the right", lambda J, r, w: -torch.linalg.pinv(
            J * w.sqrt()[..., None]).matmul(r[..., None])[..., 0],
                "the left side of your six equations is right; on the right side stands only the root of the weights."),
        Mistake("one number at a time", lambda J, r, w: -(J * (w * r)[..., None]).sum(1) / (J * J * w[..., None]).sum(
            1),
                "you find each of the six numbers as if the others were zero; they have to be found together."),
        Mistake("downhill, twice as far", lambda J, r, w: -2 * (J * (w * r)[..., None]).sum(1),
                "this is the gradient, downhill; nothing says yet how far."),
        Mistake("uphill", lambda J, r, w: (J * (w * r)[..., None]).sum(1),
                "this is half of the gradient, which leads uphill; the minimum is asked for."),
        Mistake("the whole gradient, uphill", lambda J, r, w: 2 * (J * (w * r)[..., None]).sum(1),
                "this is the gradient, and it leads uphill; where is it zero?"),
        Mistake("damped by a tenth", _damped(0.1),
                "you add 0.1 to the diagonal; that is safer and no longer the smallest sum."),
        Mistake("diagonal doubled", lambda J, r, w: -torch.linalg.solve(
            (J * w[..., None]).mT @ J + torch.diag_embed((J * J * w[..., None]).sum(1)),
            (J * w[..., None]).mT @ r[..., None])[..., 0],
                "you double the diagonal, as a damped step does; the smallest sum is asked for."),
        Mistake("damped", _damped(1.0),
                "you add something to the diagonal; that is safer and no longer the smallest sum.",
                tuple(map(_damped, (1e-2, 1e-3, 1e-4, 1e-5))))))


# Hide a wrong depth behind a turn of the camera

MOST = 100.0  # times the harm: no pixel counts as farther off, also where it is divided by a depth near 0

def hidden(answer: Callable) -> Callable:
    """Judge a motion by the pixels: zeros if the wrong depth leads them where the true one does.

    Otherwise a 1, the mean error to the side and downward, its mean length (all in units of the harm that the wrong
    depth does by itself), and what the matrix is: 1 = a rigid motion, 0 = no rotation, -1 = another last row. All are
    nan where no matrix came.
    """
    def trial(depth, K, baseline, offset):
        found = answer(baseline, offset)
        if found is None:
            return None
        T = _matrix(found)
        if T is None:
            return torch.full((5,), torch.nan)
        true = camera.rigid_transform(torch.zeros(1, 3), torch.tensor([[-baseline, 0.0, 0.0]]))
        wrong_depth = 1 / (1 / depth + offset)
        goal, _ = source_pixels(depth, true, K)
        lost, _ = source_pixels(wrong_depth, true, K)
        harm = (lost - goal).norm(dim=1).mean()  # lengths: the harm is all sideways
        off = ((source_pixels(wrong_depth, T[None], K)[0] - goal) / harm).clamp(-MOST, MOST)
        rest = off.norm(dim=1).mean()
        turns = torch.allclose(T[:3, :3] @ T[:3, :3].mT, torch.eye(3), atol=1e-4)
        kind = (1.0 if torch.allclose(T[3], torch.eye(4)[3], atol=1e-4) else -1.0) if turns else 0.0
        if rest < 0.15 and kind == 1:
            return torch.zeros(5)
        return torch.cat((torch.ones(1), off.mean((0, 2, 3)), torch.tensor([rest, kind])))
    return trial


def _matrix(found) -> torch.Tensor | None:
    """Bring a motion of shape (4, 4), or of a batch of one, to (4, 4); None if it is no such matrix."""
    try:
        T = torch.as_tensor(found, dtype=torch.float32).detach()
    except (TypeError, ValueError, RuntimeError):
        return None
    T = T[0] if T.dim() == 3 and len(T) == 1 else T
    return T if T.shape == (4, 4) else None


def tell_turn(found: torch.Tensor) -> str:
    """Say where a motion leads the pixels, beside the harm that the wrong depth does by itself."""
    _, u, v, rest, kind = found.tolist()
    if kind == -1:
        return "the last row of a rigid motion is (0, 0, 0, 1); yours is another."
    if kind == 0:
        return "this is no rigid motion: its rotation does not keep lengths."
    if rest > 10:
        return ("with your motion the pixels land more than ten times as far from their goal as the wrong depth leads "
                "them without a turn: it turns or moves by far too much.")
    return (f"with your motion the pixels land {100 * rest:.0f} % as far from their goal as the wrong depth leads them "
            f"without a turn, on average {100 * abs(u):.0f} % to the side and {100 * abs(v):.0f} % up or down; less "
            "than 15 % is asked for.")


def _turned(angle: float, axis: int = 1, move: float = 0.0) -> torch.Tensor:
    turn = torch.zeros(1, 3)
    turn[0, axis] = angle
    return camera.rigid_transform(turn, torch.tensor([[-move, 0.0, 0.0]]))[0]


def _turn_cases() -> list[Case]:
    cases = []
    for baseline, offset in ((0.2, 0.08), (0.5, 0.05), (0.3, -0.04)):
        depth = 3 + 7 * torch.rand(1, 1, 12, 20)
        cases.append(Case((depth, camera.intrinsics(60.0, 60.0, 9.5, 5.5)[None], baseline, offset)))
    return cases


TURN = Exercise(
    name="hidden_turn", lesson=LESSON, title="Hide a wrong depth behind a turn", difficulty=3,
    minutes=20, statement="""\
A camera moves to the right by `baseline` meters, so the true `T_source_target` is a translation by $-b$ along $x$. A
depth network errs, and with system: its *inverse* depth is too large by `offset` $= c$ (1/m) at every pixel,
$1/d' = 1/d + c$. The loss would notice. Now cheat for it: return a `(4, 4)` rigid motion with which the **wrong** depth
leads nearly every pixel to where the true depth and the true motion lead it. (`(1, 4, 4)`, a batch of one, is taken
too.) A pose network that errs together with the
depth network can find this one too.""",
    stub='''def my_hidden_turn(baseline, offset):
    ...  # your lines''',
    hint="""\
With a motion along $x$, a pixel moves by $-f\\,b/d$. By how much more does it move with the wrong depth? That is one
number for all pixels. Which motion of the camera moves all pixels alike, near or far? (`camera.rigid_transform` takes
an axis times an angle, and a translation.)""",
    solution='''def my_hidden_turn(baseline, offset):
    turn = torch.tensor([[0.0, baseline * offset, 0.0]])
    return camera.rigid_transform(turn, torch.tensor([[-baseline, 0.0, 0.0]]))[0]''',
    teaches="camera.rigid_transform", reference=lambda b, c: _turned(b * c, move=b), trial=hidden, tells=tell_turn,
    cases=_turn_cases,
    mistakes=(
        Mistake("true motion", lambda b, c: _turned(0.0, move=b),
                "this is the true motion, and with the wrong depth it leads every pixel astray."),
        Mistake("turned the other way", lambda b, c: _turned(-b * c, move=b),
                "the size of the turn is right, but it doubles the harm."),
        Mistake("another axis", lambda b, c: _turned(b * c, 0, b),
                "your turn moves the pixels up and down; they have to move sideways."),
        Mistake("the offset alone", lambda b, c: _turned(c, move=b),
                "the angle has to know the baseline: without a motion, no depth does any harm."),
        Mistake("degrees", lambda b, c: _turned(b * c * 57.29578, move=b),
                "the angle is right in radians; you give degrees."),
        Mistake("turn without motion", lambda b, c: _turned(b * c),
                "you turn, but no longer move; then no depth at all can be seen."),
        Mistake("around the line of sight", lambda b, c: _turned(b * c, 2, b),
                "your turn is one about the line of sight, which spins the image about its middle; the pixels have to "
                "move sideways, all alike."),
        Mistake("motion the other way", lambda b, c: _turned(b * c, move=-b),
                "the turn is right, but you move to the other side: the true translation is by -b."),
        Mistake("both the other way", lambda b, c: _turned(-b * c, move=-b),
                "turn and translation both have the wrong sign."),
        Mistake("offset over baseline", lambda b, c: _turned(c / b, move=b),
                "the larger the baseline, the more harm is done; your angle shrinks where it should grow."),
        Mistake("baseline over offset", lambda b, c: _turned(b / c, move=b),
                "the larger the offset, the more harm is done; your angle shrinks where it should grow."),
        Mistake("half the turn", lambda b, c: _turned(b * c / 2, move=b),
                "you turn the right way and half as far: half of the harm is left."),
        Mistake("twice the turn", lambda b, c: _turned(2 * b * c, move=b),
                "you turn the right way and twice as far: what was harm to one side is harm to the other now."),
        Mistake("no 4 x 4 matrix", lambda b, c: _turned(b * c, move=b)[:3],
                "a motion is a 4 x 4 matrix here, and what you return is none: is its last row missing, or its "
                "translation?"),
        Mistake("neither turn nor motion", lambda b, c: torch.eye(4),
                "this camera neither turns nor moves; the true one moves by the baseline."),
        Mistake("the way back", lambda b, c: camera.invert_transform(_turned(b * c, move=b)[None])[0],
                "this is the motion the other way round, from the source to the target."),
        Mistake("turn and translation exchanged", lambda b, c: camera.rigid_transform(
            torch.tensor([[-b, 0.0, 0.0]]), torch.tensor([[0.0, b * c, 0.0]]))[0],
                "turn and translation are exchanged: which of them does `rigid_transform` take first?"),
        Mistake("motion ahead", lambda b, c: camera.rigid_transform(
            torch.tensor([[0.0, b * c, 0.0]]), torch.tensor([[0.0, 0.0, -b]]))[0],
                "the turn is right, but your camera moves along z; the true one moves along x."),
        Mistake("motion down", lambda b, c: camera.rigid_transform(
            torch.tensor([[0.0, b * c, 0.0]]), torch.tensor([[0.0, -b, 0.0]]))[0],
                "the turn is right, but your camera moves along y; the true one moves along x."),
        Mistake("sign of the offset lost", lambda b, c: _turned(abs(b * c), move=b),
                "right where the offset is positive; where it is negative, you turn the wrong way."),
        Mistake("sum", lambda b, c: _turned(b + c, move=b),
                "you add baseline and offset, which are meters and 1 divided by meters."),
        Mistake("a hundred times", lambda b, c: _turned(100 * b * c, move=b),
                "your angle is a hundred times too large: is something taken for a percentage?"),
        Mistake("ten thousand times", lambda b, c: _turned(10000 * b * c, move=b),
                "your angle is ten thousand times too large: are both numbers taken for percentages?"),
        Mistake("radians once more", lambda b, c: _turned(b * c / 57.29578, move=b),
                "your angle is 57 times too small: it was in radians already."),
        Mistake("another way", lambda b, c: _turned(0.0, move=b * (1 - c)),
                "a shorter or longer way helps at one distance only, because the offset is not a factor.",
                also=(lambda b, c: _turned(0.0, move=b / (1 + c)), lambda b, c: _turned(0.0, move=b * (1 + c)),
                      lambda b, c: _turned(0.0, move=b + c), lambda b, c: _turned(0.0, move=b - c)))))

EXERCISES = (EQUATIONS, TURN)
