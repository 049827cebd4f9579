"""What readers typed in lessons 05 to 08: each combination of the faults of a puzzle, and answers that had no name."""
from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F

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


def modulated(of):
    """A modulation from the maps of scale and shift."""
    return lambda depth, labels, scale, shift: of(depth, *(
        torch.einsum("cn,bnhw->bchw", table, labels) for table in (scale, shift)))


def mixed_entropy(logits, labels):
    """The cross-entropy of logits whose classes a reshape moves to the end."""
    total = F.cross_entropy(logits.reshape(-1, 19), labels.reshape(-1), ignore_index=255, reduction="sum")
    return total / (labels != 255).sum().clamp(min=1)


def mixed_known(logits, labels):
    """The same of the pixels that have a label."""
    known = labels.view(-1) != 255
    total = F.cross_entropy(logits.view(-1, 19)[known], labels.view(-1)[known], reduction="sum")
    return total / known.sum().clamp(min=1)


def one_side_mixed(depth, labels, scale, shift):
    """A modulation whose classes a reshape moves to the end."""
    mixed = labels.reshape(len(labels), -1, labels.shape[1])
    gamma, beta = ((mixed @ table.T).transpose(1, 2).reshape(depth.shape) for table in (scale, shift))
    return (1 + gamma) * depth + beta


def reshaped_back(depth, labels, scale, shift):
    """A modulation whose channels a reshape moves to the front."""
    gamma, beta = ((labels.permute(0, 2, 3, 1) @ table.T).reshape(depth.shape) for table in (scale, shift))
    return (1 + gamma) * depth + beta


def central(labels):
    """Borders by central differences."""
    x, known, border = labels, labels != 255, torch.zeros_like(labels, dtype=torch.bool)
    border[:, :, 1:-1] |= (x[:, :, 2:] != x[:, :, :-2]) & known[:, :, 2:] & known[:, :, :-2] & known[:, :, 1:-1]
    border[:, 1:-1] |= (x[:, 2:] != x[:, :-2]) & known[:, 2:] & known[:, :-2] & known[:, 1:-1]
    return border


def decided(by):
    """A ranking loss with one decision for all pairs."""
    return lambda d0, d1, same: (d0 - d1) ** 2 if by(same) else torch.log(1 + torch.exp(-(d0 - d1).abs()))


@pytest.mark.parametrize("name, answer, says", [
    *(("semantic_loss", answer, "view and reshape do not exchange axes") for answer in (
        mixed_entropy, mixed_known, lambda x, y: F.cross_entropy(
            x.reshape(-1, 19), y.reshape(-1), ignore_index=255))),
    ("semantic_loss", lambda x, y: mixed_entropy(x.transpose(1, 3).contiguous(), y), "the label of another"),
    ("class_modulation", one_side_mixed, "view and reshape do not exchange axes"),
    ("class_modulation", reshaped_back, "view and reshape do not exchange axes"),
    *(("class_modulation", modulated(lambda d, g, b, norm=norm: (1 + g) * norm(d) + b), "you normalize the feature") for
      norm in (F.instance_norm, lambda d: (d - d.mean()) / d.std(), lambda d: F.layer_norm(d, d.shape[1:]))),
    ("class_modulation", modulated(lambda d, g, b: g * F.instance_norm(d) + b), "two things: you normalize"),
    ("label_borders", central, "you compare the left with the right neighbor"),
    *(("ranking_loss", decided(by), "one decision is made for all pairs") for by in (torch.all, torch.any)),
    *(("abs_rel", lambda p, g, m, safe=safe: ((p - g).abs() / safe(g)).mean((1, 2)), "pixels that do not count") for
      safe in (lambda g: g + 1e-6, lambda g: g.clamp(min=1e-3))),
    ("rmse_log", lambda p, g, m: ((p.log() - (g + 1e-6).log()) ** 2).mean((1, 2)).sqrt(), "pixels that do not count"),
    ("scale_ratio", lambda a, b, m: (a / b).flatten(1).median(1).values, "pixels that do not count take part, and of"),
])
def test_what_a_reader_typed_is_named(name, answer, says):
    for seed in (3, 20):
        verdict = judge(checks.EXERCISES[name], answer, seed)
        assert verdict.mistake is not None and says in verdict.text, verdict
