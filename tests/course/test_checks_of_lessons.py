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
     "one of them compares the painting with the source"),
    (step(loss="error[valid & (error < photometric_error(source, target))].mean()"), "none of the four faults."),
    (step(loss="error[error < photometric_error(source, target)].mean()"), "two things: you leave pixels out"),
    (step(loss="photometric_error(picture * valid, target * valid).mean()"), "black beside black"),
    (step(loss="photometric_error(picture * valid, target * valid)[valid].mean()"), "and then the mask"),
    (step(loss="error.mean()", ways=(BACK, STEP)), "two faults are still there, and can be felt at the pixels"),
    (step(loss="(error * valid).mean()", ways=(BACK, STEP)), "two faults are still there, and can be felt at the"),
    (step(depth="1 / network(target)", ways=(BACK, STEP)), "felt where depth enters the warp, from the second step"),
    (step(depth="1 / network(target)", loss="(error * valid).mean()"), "enters the warp, at the pixels"),
    (step(depth="0.5 + 19.5 * network(target)", error="photometric_error(picture, source)"), "the warp, in what"),
    (step(ways=(ZERO, BACK, STEP, "return")), "the step is right, but your function returns nothing")]


@pytest.mark.slow
@pytest.mark.parametrize("answer, says", STEPS)
def test_a_wrong_step_is_named(answer, says):
    verdict = judge(checks.EXERCISES["mended_step"], answer, 3)
    assert verdict.mistake is not None and says in verdict.text, verdict


def test_of_a_wrong_step_that_returns_nothing_no_loss_is_judged():
    answer = step(depth="(2 / network(target)).sqrt()", ways=(ZERO, BACK, STEP, "return"))
    verdict = judge(checks.EXERCISES["mended_step"], answer, 3)
    assert verdict.outcome == "wrong" and "returns nothing" in verdict.text and "is right" not in verdict.text


@pytest.mark.parametrize("answer", [
    step(), step(before="network.train()"), ways("network.zero_grad()", BACK, STEP), ways(BACK, STEP, ZERO),
    step(loss="(error * valid).sum() / valid.sum()"),
    step(depth="1 / (1 / 20 + (1 / 0.5 - 1 / 20) * network(target))")])
def test_a_right_step_of_another_form_passes(answer):
    assert judge(checks.EXERCISES["mended_step"], answer, 3).passed


def test_in_the_trial_of_a_step_depth_runs_from_end_to_end_and_each_mask_has_two_sides():
    torch.manual_seed(3)
    for weight, target, source, T, K, _ in (case.args for case in mending._plane_cases()):
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


def borders(*pairs, fill=None):
    """Borders by pairs of slices, with 255 replaced by another number, or left out."""
    def answer(labels):
        if fill is not None:
            labels = labels.masked_fill(labels == 255, fill)
        border = torch.zeros_like(labels, dtype=torch.bool)
        for near, far in pairs:
            differs = (labels[near] != labels[far]) & (labels[near] != 255) & (labels[far] != 255)
            border[near] |= differs
            border[far] |= differs
        return border
    return answer


FROM, TO, ALL = slice(1, None), slice(None, -1), slice(None)
IMAGES, ROWS, COLUMNS = ((TO,), (FROM,)), ((ALL, TO), (ALL, FROM)), ((ALL, ALL, TO), (ALL, ALL, FROM))


def viewed(query, keys):
    """Attention whose keys were brought to the other order of axes by a view."""
    count, channels, height, width = keys.shape
    scores = query.unsqueeze(1) @ keys.view(count, height * width, channels).transpose(1, 2) / channels**0.5
    return scores.softmax(-1).view(count, height, width)


def overlap(confusion):
    """Each class's intersection and union."""
    hits = confusion.diagonal()
    return hits, confusion.sum(0) + confusion.sum(1) - hits


def union_asked(confusion):
    """An IoU of every class that is true or predicted."""
    hits, union = overlap(confusion)
    return torch.where(union > 0, hits / union, torch.nan)


def normalized(d0, d1, same):
    """The ranking loss of depths divided by their mean."""
    gap = (d0 - d1) / torch.stack((d0, d1)).mean()
    return torch.where(same, gap**2, torch.log(1 + torch.exp(-gap.abs())))


def filled(error, root=lambda x: x):
    """A mean over a mask whose pixels outside got another truth, and stay in the sum."""
    return lambda p, g, m: root(error(p, g.masked_fill(~m, 1)).sum((1, 2)) / m.sum((1, 2)))


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
    ("label_borders", borders(IMAGES, ROWS), "axis 0 counts images: you compare one image with the next"),
    ("label_borders", borders(IMAGES, COLUMNS), "axis 0 counts images"),
    ("label_borders", borders(ROWS, COLUMNS, fill=0), "you put 0 in the place of 255"),
    ("correlations", viewed, "view and reshape do not exchange axes"),
    ("abs_rel", filled(relative), "the pixels there are still in your sum"),
    ("rmse_log", filled(lambda p, g: (p / g).log() ** 2, torch.sqrt), "the pixels there are still in your sum"),
    ("scale_ratio", lambda a, b, m: (a / b).masked_fill(~m, 1).flatten(1).quantile(0.5, 1), "you put a number"),
    ("class_iou", union_asked, "does not contain, but the prediction does, gets 0"),
    ("class_iou", lambda c: overlap(c)[0] / overlap(c)[1].clamp(min=1), "a class that does not occur gets 0"),
    ("class_iou", lambda c: (overlap(c)[0] / overlap(c)[1]).nan_to_num(), "a class that does not occur gets 0"),
    ("ranking_loss", normalized, "you divide the depths by their mean"),
    ("class_modulation", lambda d, s, g, b: (1 + torch.einsum("cn,bnhw->bchw", g, s)) * d + b.sum(1)[:, None, None],
     "your scale is right; your shift adds up all classes"),
]


@pytest.mark.parametrize("name, answer, says", NAMED)
def test_a_typical_wrong_answer_is_named(name, answer, says):
    for seed in (3, 20):
        assert says in judge(checks.EXERCISES[name], answer, seed).text


def by_hand(moved, seen, mask):
    """The median of Python's own library."""
    return torch.tensor([statistics.median((a[k] / b[k]).tolist()) for a, b, k in zip(moved, seen, mask)])


@pytest.mark.parametrize("name, answer", [
    ("label_borders", borders(ROWS, COLUMNS)),
    ("correlations", lambda q, k: (q.double()[:, None] @ k.double().flatten(2) / q.shape[1]**0.5).softmax(2).view(
        len(k), *k.shape[2:])),
    ("class_iou", lambda c: torch.where(c.sum(1) > 0, overlap(c)[0] / overlap(c)[1].clamp(min=1), torch.nan)),
    ("class_iou", lambda c: (overlap(c.double())[0] / overlap(c)[1]).masked_fill(c.sum(1) == 0, torch.nan)),
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
