"""Steps that readers of the puzzle of lesson 08 typed: each combination of its four faults, and other changes."""
from __future__ import annotations

from itertools import product

import pytest
import torch

from semdepth_lite import camera, losses
from semdepth_lite.course import checks
from semdepth_lite.course.checks.compare import same
from semdepth_lite.course.checks.judge import judge
from semdepth_lite.course.checks.mending import mended
from semdepth_lite.warp import warp


def depth_of_puzzle(disp):
    """The depth that the puzzle asks for."""
    return camera.disp_to_depth(disp, 0.5, 20.0)


def broken(depth=depth_of_puzzle, mask=lambda error, valid: error[valid].mean(), goal=True, zero=True,
           more=lambda disp, target: 0):
    """The mended step with some of the four faults, each in any way, and something added to the loss."""
    def answer(network, optimizer, target, source, T_source_target, K):
        disp = network(target)
        picture, valid = warp(source, depth(disp), T_source_target, K)
        loss = mask(losses.photometric_error(picture, target if goal else source), valid) + more(disp, target)
        if zero:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()
    return answer


def everywhere(error, valid):
    """The mean over all pixels."""
    return error.mean()


def multiplied(error, valid):
    """The mean over all pixels, with the mask multiplied."""
    return (error * valid).mean()


def unpacked(disp):
    """Depth as those unpack it who know a function that returns two things."""
    _, depth = camera.disp_to_depth(disp, 0.5, 20.0)
    return depth


DEPTHS = {"": depth_of_puzzle, "disparity": lambda disp: disp, "disparity divided into 1": lambda disp: 1 / disp,
          "linear in the sigmoid": lambda disp: 0.5 + 19.5 * disp, "times the far end": lambda disp: 20 * disp,
          "linear in depth": lambda disp: 20 - 19.5 * disp, "inverse depth": lambda disp: 0.05 + 1.95 * disp}
MASKS = {"": lambda error, valid: error[valid].mean(), "rim": everywhere, "mask multiplied": multiplied}


@pytest.mark.slow  # a verdict takes up to a second
@pytest.mark.parametrize("answer, says", [
    *((broken(**step), f"{count} there") for count, step in (
        ("three faults are still", {"depth": DEPTHS["disparity divided into 1"], "goal": False, "zero": False}),
        ("three faults are still", {"mask": multiplied, "goal": False, "zero": False}),
        ("three faults are still", {"depth": DEPTHS["linear in the sigmoid"], "mask": everywhere, "zero": False}),
        ("all four faults are still", {
            "depth": DEPTHS["disparity"], "mask": multiplied, "goal": False, "zero": False}))),
    *((broken(depth), says) for depth, says in (
        (lambda disp: 1 / (1 / 20 + disp), "the near end is not used"), (lambda disp: 20 / disp, "than that end"),
        (lambda disp: 20 * (1 - disp), "you turn the sigmoid around"),
        (lambda disp: camera.disp_to_depth(disp, 0.1, 80), "not over the range asked for"))),
    *((broken(more=lambda disp, target, weight=weight: weight * losses.smoothness_loss(
        losses.normalize_disp(disp), target)), "you add a term of smoothness") for weight in (1e-3, 1e-2, 0.1)),
])
def test_what_a_reader_left_or_added_is_named(answer, says):
    verdict = judge(checks.EXERCISES["mended_step"], answer, 3)
    assert verdict.mistake is not None and says in verdict.text, verdict


def test_the_step_without_faults_passes():
    assert judge(checks.EXERCISES["mended_step"], broken(), 3).passed


@pytest.mark.slow  # 83 steps, and those that they are compared with
def test_each_combination_of_the_four_faults_is_one_known_mistake():
    exercise = checks.EXERCISES["mended_step"]
    torch.manual_seed(3)
    args = exercise.cases()[1].args

    def trial(answer):
        return mended(answer)(*(arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in args))

    known = [(mistake.name, [trial(form) for form in mistake.forms]) for mistake in exercise.mistakes
             if mistake.name.startswith("left: ") or mistake.name in {*DEPTHS, *MASKS}]
    for depth, mask, goal, gradient in product(DEPTHS, MASKS, ("", "goal"), ("", "gradient")):
        given = trial(broken(DEPTHS[depth], MASKS[mask], not goal, not gradient))
        found = [name for name, forms in known if any(same(given, form) for form in forms)]
        faults = [fault for fault in (depth and "disparity", mask and "rim", goal, gradient) if fault]
        alone = {depth or mask} if len(faults) == 1 else set()  # in another way it has a sentence of its own
        assert len(found) == bool(faults) and {*found} <= {f"left: {', '.join(faults)}", *alone}, (depth, mask, faults)


@pytest.mark.parametrize("depth, says", [
    (unpacked, "disp_to_depth returns one tensor"),
    (lambda disp: camera.disp_to_depth(disp, 0.5, 20.0)[1], "[1] is the second image")])
def test_a_function_of_one_result_that_is_taken_apart_is_explained(depth, says):
    text = judge(checks.EXERCISES["mended_step"], broken(depth), 3).text
    assert says in text and "255" not in text
