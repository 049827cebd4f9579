"""Typical wrong answers to the exercises of lessons 05 to 08 as a student types them, and right ones beside them."""
from __future__ import annotations

import statistics

import pytest
import torch
import torch.nn.functional as F

from semdepth_lite import camera, losses
from semdepth_lite.course import checks
from semdepth_lite.course.checks import mending
from semdepth_lite.course.checks.judge import judge
from semdepth_lite.warp import warp


def step(before="", depth="camera.disp_to_depth(network(target), 0.5, 20.0)", read="warp(source, depth, T, K)",
         error="photometric_error(picture, target)", loss="error[valid].mean()",
         ways=("optimizer.zero_grad()", "loss.backward()", "optimizer.step()")):
    """The mended step, typed with one line changed."""
    lines = [before or "pass", f"depth = {depth}", f"picture, valid = {read}", f"error = {error}", f"loss = {loss}",
             *ways, "return loss.item()"]
    names = {"torch": torch, "camera": camera, "warp": warp, "photometric_error": losses.photometric_error}
    exec("def answer(network, optimizer, target, source, T, K):\n" + "".join(f"    {line}\n" for line in lines), names)
    return names["answer"]


def ways(*words):
    """A step whose last lines are these."""
    return step(ways=words)


ZERO, BACK, STEP = "optimizer.zero_grad()", "loss.backward()", "optimizer.step()"
CLIP = "torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)"

STEPS = [
    (step(before="network.eval()"), "eval() switches off"),
    (step(before="network.train(False)"), "eval() switches off"),
    (ways(ZERO, BACK, CLIP, STEP), "you clip the gradient"),
    (ways(ZERO, BACK, "torch.nn.utils.clip_grad_value_(network.parameters(), 0.1)", STEP), "you clip the gradient"),
    (ways(ZERO, STEP, BACK), "comes before backward, when no gradient is there yet"),
    (ways(BACK, ZERO, STEP), "zero_grad stands between"), (ways(ZERO, STEP), "`backward` is missing"),
    (ways(ZERO, BACK), "nobody takes the step"), (ways(STEP, ZERO, BACK), "the gradient of the last call"),
    (ways(ZERO, BACK, STEP, STEP), "step twice"),
    (step(read="warp(target, depth, T, K)"), "the warp reads the target: it has to paint"),
    (step(depth="camera.disp_to_depth(network(source), 0.5, 20.0)", read="warp(target, depth, T, K)"), "each other's"),
    (step(read="warp(source, depth, T, torch.linalg.inv(K))"), "you invert K"),
    (step(read="warp(source, depth, T, K.mT)"), "K is transposed"),
    (step(loss="-error[valid].mean()"), "you climb, and"),
    (step(loss="error[valid].sum()"), "you add the errors up"),
    (step(error="(picture - target).abs().mean(1, keepdim=True)"), "colors by their absolute difference"),
    (step(error="((picture - target) ** 2).mean(1, keepdim=True)"), "colors by their squared difference"),
    (step(depth="camera.disp_to_depth(torch.sigmoid(network(target)), 0.5, 20.0)"), "ends in a sigmoid already"),
    (step(depth="(1 / network(target)).clamp(0.5, 20.0)"), "nothing comes nearer than 1 m"),
    (step(depth="1 / network(target)"), "so the two ends are not used"),
    (step(error="torch.minimum(photometric_error(picture, target), photometric_error(source, target))"), "automask"),
    (step(error="torch.maximum(photometric_error(picture, target), photometric_error(source, target))"), "the larger"),
    (step(error="torch.minimum(photometric_error(picture, target), photometric_error(picture, source))"),
     "one of them compares the painting with the source")]


@pytest.mark.slow
@pytest.mark.parametrize("answer, says", STEPS)
def test_a_wrong_step_is_named(answer, says):
    verdict = judge(checks.EXERCISES["mended_step"], answer, 3)
    assert verdict.mistake is not None and says in verdict.text, verdict


@pytest.mark.parametrize("answer", [
    step(), step(before="network.train()"), ways("network.zero_grad()", BACK, STEP), ways(BACK, STEP, ZERO),
    step(loss="(error * valid).sum() / valid.sum()"),
    step(depth="1 / (1 / 20 + (1 / 0.5 - 1 / 20) * network(target))")])
def test_a_right_step_of_another_form_passes(answer):
    assert judge(checks.EXERCISES["mended_step"], answer, 3).passed


def test_in_the_trial_of_a_step_depth_runs_from_end_to_end_and_each_mask_has_two_sides():
    torch.manual_seed(3)
    for weight, target, source, T, K in (case.args for case in mending._plane_cases()):
        disp = mending.Slope(weight)(target)
        _, valid = warp(source, camera.disp_to_depth(disp, 0.5, 20.0), T, K)
        assert disp.min() < 0.1 and disp.max() > 0.9 and 0.1 < valid.float().mean() < 0.95


def entropy(log):
    """A cross-entropy by a logarithm of one's own."""
    def answer(logits, labels):
        known = labels != 255
        picked = log(logits.softmax(1)).gather(1, labels.masked_fill(~known, 0)[:, None])[:, 0]
        return -picked[known].sum() / known.sum().clamp(min=1)
    return answer


def mean(error, wipe=lambda mask: ~mask, root=lambda x: x):
    """A mean over a mask by masked_fill."""
    return lambda p, g, m: root(error(p, g).masked_fill(wipe(m), 0).sum((1, 2)) / m.sum((1, 2)))


def relative(p, g):
    """The relative error of each pixel."""
    return (p - g).abs() / g


def each(of):
    """A number for each image from the ratios within its mask."""
    return lambda moved, seen, mask: torch.stack([of(a[k] / b[k]) for a, b, k in zip(moved, seen, mask)])


def middle(values):
    """The two in the middle."""
    values = values.sort().values
    return values[(len(values) - 1) // 2], values[len(values) // 2]


NAMED = [
    ("semantic_loss", lambda x, y: F.cross_entropy(x, y.masked_fill(y == 255, 0), ignore_index=0), "the road, are"),
    ("semantic_loss", entropy(lambda q: (q + 1e-6).log()), "you add a number to the probability"),
    ("semantic_loss", entropy(lambda q: (q + 1e-8).log()), "you add a number to the probability"),
    ("semantic_loss", entropy(lambda q: q.clamp(min=1e-5).log()), "or cut it from below"),
    ("abs_rel", lambda p, g, m: mean(relative)(p, g.clamp(min=1), m), "`gt` is cut on its way: nothing below 1"),
    ("abs_rel", lambda p, g, m: mean(relative)(p.clamp(max=80), g, m), "`pred` is cut on its way: nothing above 80"),
    ("abs_rel", lambda p, g, m: mean(relative)(p.clamp(1e-3, 80), g.clamp(1e-3, 80), m), "you cut both depths"),
    ("abs_rel", mean(lambda p, g: (p - g).abs() / g.clamp(min=1)), "you cut or shift the truth below"),
    ("abs_rel", lambda p, g, m: mean(relative)(p, g, m & (g < 80)), "you leave out near or far pixels"),
    ("abs_rel", mean(relative, wipe=lambda m: m), "you wiped out the pixels that count"),
    ("rmse_log", mean(lambda p, g: (torch.log(g**2) - torch.log(p**2)) ** 2, root=torch.sqrt), "twice too large"),
    ("rmse_log", mean(lambda p, g: ((p - g) ** 2).log(), root=torch.sqrt), "logarithm of a squared difference"),
    ("rmse_log", mean(lambda p, g: ((p**2).log()) ** 2, root=torch.sqrt), "the truth does not enter"),
    ("rmse_log", mean(lambda p, g: ((p**2).log() - (g**2).log()).abs(), root=torch.sqrt), "inside the logarithm"),
    ("scale_ratio", each(lambda r: r.log().quantile(0.5).exp()), "another mean of the two in the middle"),
    ("scale_ratio", each(lambda r: torch.stack(middle(r)).prod().sqrt()), "another mean of the two in the middle"),
    ("scale_ratio", lambda a, b, m: 1 / each(lambda r: r.quantile(0.5))(b, a, m), "another mean of the two in the"),
    ("paired_difference", lambda a, b: (a - b).nanmean().abs(), "the sign of the mean says who"),
    ("fattening", lambda p, g, n, f: torch.zeros(len(p)) / f.any(2).any(1), "no pixel is ever taken"),
]


@pytest.mark.parametrize("name, answer, says", NAMED)
def test_a_typical_wrong_answer_is_named(name, answer, says):
    for seed in (3, 20):
        assert says in judge(checks.EXERCISES[name], answer, seed).text


def by_hand(moved, seen, mask):
    """The median of Python's own library."""
    return torch.tensor([statistics.median((a[k] / b[k]).tolist()) for a, b, k in zip(moved, seen, mask)])


@pytest.mark.parametrize("name, answer", [
    ("semantic_loss", entropy(torch.log)), ("semantic_loss", entropy(lambda q: (q + 1e-12).log())),
    ("abs_rel", mean(relative)), ("abs_rel", lambda p, g, m: mean(relative)(p.double(), g.clamp(min=1e-3).double(), m)),
    ("abs_rel", lambda p, g, m: torch.where(m, (p / g - 1).abs(), torch.nan).nanmean((1, 2))),
    ("rmse_log", mean(lambda p, g: (p / g).log() ** 2, root=torch.sqrt)),
    ("scale_ratio", by_hand), ("scale_ratio", each(lambda r: sum(middle(r)) / 2)),
    ("paired_difference", lambda a, b: float((a.double() - b).nanmean()))])
def test_a_right_answer_of_another_idiom_passes(name, answer):
    for seed in (3, 20, 1001):
        verdict = judge(checks.EXERCISES[name], answer, seed)
        assert verdict.passed, verdict
