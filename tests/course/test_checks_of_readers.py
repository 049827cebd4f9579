"""What readers of the exercises wrote: answers that once passed, were misjudged or had no name, and right ones."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from semdepth_lite import camera, losses
from semdepth_lite.course import checks
from semdepth_lite.course.checks.judge import judge
from semdepth_lite.course.checks.relations import relation
from semdepth_lite.course.checks.unknown import form
from semdepth_lite.warp import warp

TRAINED = ("training_step", "mended_step")  # many mistakes, and each trains: one input is enough


def verdicts(name, answer):
    """Verdicts on two inputs, or on one where each takes long."""
    return [judge(checks.EXERCISES[name], answer, seed) for seed in (3, 20)[:1 if name in TRAINED else 2]]


def attention(of):
    """Attention from the scores."""
    return lambda query, keys: of(torch.einsum("bc,bchw->bhw", query, keys) / query.shape[1] ** 0.5)


def modulated(of):
    """A modulation from the maps of scale and shift."""
    return lambda depth, labels, scale, shift: of(depth, *(
        (table[None, :, :, None, None] * labels[:, None]).sum(2) for table in (scale, shift)))


def entropy(logs):
    """A cross-entropy from logarithms of probabilities."""
    def answer(logits, labels):
        known = labels != 255
        picked = logs(logits).gather(1, labels.masked_fill(~known, 0)[:, None])[:, 0]
        return -picked.masked_fill(~known, 0).sum() / known.sum().clamp(min=1)
    return answer


def ranked(apart=lambda a, b: torch.log(1 + torch.exp(-(a - b).abs())), together=lambda a, b: (a - b) ** 2):
    """A ranking loss of two formulas."""
    return lambda d0, d1, same: same * together(d0, d1) + ~same * apart(d0, d1)


def padded_borders(labels):
    """Borders by four comparisons with an image that was extended by zeros."""
    wide, border = F.pad(labels, (1, 1, 1, 1)), torch.zeros_like(labels, dtype=torch.bool)
    height, width = labels.shape[1:]
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        far = wide[:, down:down + height, right:right + width]
        border |= (labels != far) & (labels != 255) & (far != 255)
    return border


def paired_borders(counts):
    """Borders pair by pair, with a test of one's own for what counts."""
    def answer(labels):
        border = torch.zeros_like(labels, dtype=torch.bool)
        for near, far, first, second in (
                (labels[:, :, :-1], labels[:, :, 1:], border[:, :, :-1], border[:, :, 1:]),
                (labels[:, :-1], labels[:, 1:], border[:, :-1], border[:, 1:])):
            differs = (near != far) & counts(near, far)
            first |= differs
            second |= differs
        return border
    return answer


def iou_where(there):
    """The IoU where a class counts as there."""
    def answer(confusion):
        hits, true, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        return torch.where(there(hits, true), hits / (true + predicted - hits), torch.nan)
    return answer


def upper_middle(moved, seen, mask):
    """The median that takes the upper of two."""
    found = []
    for a, b, keep in zip(moved, seen, mask):
        values = (a / b)[keep]
        found.append(values.sort().values[len(values) // 2])
    return torch.stack(found)


def mended(look=lambda target, source: target, counts=lambda valid: valid, motion=lambda T: T, ends=lambda x: x.item(),
           goes=True):
    """The mended step with one thing changed."""
    def answer(network, optimizer, target, source, T_source_target, K):
        depth = camera.disp_to_depth(network(look(target, source)), 0.5, 20.0)
        picture, valid = warp(source, depth, motion(T_source_target), K)
        loss = losses.photometric_error(picture, target)[counts(valid)].mean()
        optimizer.zero_grad()
        if goes:
            loss.backward()
        optimizer.step()
        return ends(loss)
    return answer


def trained(join=lambda each: sum(each) / len(each), back=lambda loss, network: loss.backward(),
            ends=lambda loss: loss.item()):
    """The training step with one thing changed."""
    def answer(network, optimizer, levels, loss_of):
        loss = join([loss_of(disp, level) for disp, level in zip(network(levels[0].target), levels)])
        optimizer.zero_grad()
        back(loss, network)
        optimizer.step()
        return ends(loss)
    return answer


def clipped(loss, network):
    """Go back, and clip."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)


def back_twice(loss, network):
    """Go back twice down one graph."""
    loss.backward(retain_graph=True)
    loss.backward()


def weights_stay(look=lambda network, image: network(image), join=lambda each: sum(each) / len(each),
                 back=lambda loss: loss.backward()):
    """The training step with the way of the gradient changed."""
    def answer(network, optimizer, levels, loss_of):
        loss = join([loss_of(disp, level) for disp, level in zip(look(network, levels[0].target), levels)])
        optimizer.zero_grad()
        back(loss)
        optimizer.step()
        return loss.item()
    return answer


def blindly(network, image):
    """Look without a gradient."""
    with torch.no_grad():
        return network(image)


def smooth(normalize=lambda disp: disp, differences=lambda x: (x.diff(dim=3), x.diff(dim=2)),
           change=lambda x: x.abs().mean(1, keepdim=True)):
    """The smoothness with one thing changed."""
    return lambda disp, image: sum((step.abs() * torch.exp(-change(edge))).mean() for step, edge in zip(
        differences(normalize(disp)), differences(image)))


def damped(by, dtype=torch.float32):
    """The six equations with a number on the diagonal."""
    def answer(J, r, w):
        J, r, w = J.to(dtype), r.to(dtype), w.to(dtype)
        return -torch.linalg.solve(torch.einsum("bpi,bp,bpj->bij", J, w, J) + by * torch.eye(6),
                                   torch.einsum("bpi,bp->bi", J, w * r))
    return answer


def depth_times_all(depth, T, K):
    """The place in the source with the translation times depth."""
    rays = camera.backproject(torch.ones_like(depth), K)
    moved = depth * (torch.einsum("bij,bjhw->bihw", T[:, :3, :3], rays) + T[:, :3, 3, None, None])
    seen = torch.einsum("bij,bjhw->bihw", K, moved)
    return seen[:, :2] / seen[:, 2:]


def structure(cover=lambda m, x, y: m(x * y) - m(x) * m(y), vary=lambda m, x: m(x * x) - m(x) ** 2,
              join=lambda a, b: a + b, square=torch.square, cut=True):
    """The distance of structure with one part changed."""
    def answer(x, y):
        def mean(image):
            return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)
        top = (2 * mean(x) * mean(y) + 0.01**2) * (2 * cover(mean, x, y) + 0.03**2)
        bottom = (square(mean(x)) + square(mean(y)) + 0.01**2) * (join(vary(mean, x), vary(mean, y)) + 0.03**2)
        distance = (1 - top / bottom) / 2
        return distance.clamp(0, 1) if cut else distance
    return answer


def mixed(color):
    """The photometric error with another difference of colors."""
    return lambda x, y: 0.85 * losses.ssim_distance(x, y).mean(1, keepdim=True) + 0.15 * color(x - y)


def resized(first, second=None, center=lambda c, s: (c + 0.5) * s - 0.5, focal=lambda f, s: f * s):
    """Resized intrinsics with a rule of one's own."""
    def answer(K, scale_x, scale_y):
        new = K.clone()
        for row, scale in enumerate((first(scale_x, scale_y), (second or first)(scale_x, scale_y))):
            new[row, row], new[row, 2] = focal(K[row, row], scale), center(K[row, 2], scale)
        return new
    return answer


def centered(depth, K):
    """Points around the middle of the image."""
    height, width = depth.shape[-2:]
    u, v = camera.pixel_grid(height, width, depth)
    x, y = (u - (width - 1) / 2) / K[:, 0, 0, None, None], (v - (height - 1) / 2) / K[:, 1, 1, None, None]
    return depth * torch.stack(torch.broadcast_tensors(x, y, torch.ones_like(x)), 1)


def relative(pred, gt):
    """The relative error of each pixel."""
    return (pred - gt).abs() / gt


def log_squares(pred, gt, mask):
    """The squared difference of logarithms, 0 outside of the mask."""
    return ((pred.log() - gt.log()) ** 2).masked_fill(~mask, 0)


NAMED = [
    ("class_iou", iou_where(lambda hits, true: hits > 0), "there and never found has an IoU of 0, not nan"),
    ("class_iou", lambda c: c.diagonal() / torch.minimum(c.sum(0), c.sum(1)), "the smaller of the two circles"),
    ("class_iou", lambda c: torch.where(c.sum(1) > 0, c.diagonal() / (c.sum(0) + c.diagonal()), torch.nan),
     "one circle and the overlap"),
    ("class_iou", lambda c: c.diagonal() / (c.sum(0) * c.sum(1)), "you multiply the two circles below"),
    ("class_modulation", modulated(lambda d, g, b: torch.relu((1 + g) * d + b)), "a feature may be negative"),
    ("class_modulation", modulated(lambda d, g, b: (1 + g) * F.relu(d) + b), "a feature may be negative"),
    ("class_modulation", modulated(lambda d, g, b: 1 + g * d + b), "what does the 1 belong to?"),
    ("class_modulation", lambda d, s, g, b: (1 + (g[None, :, :, None, None] * s[:, None]).mean(2)) * d + (
        b[None, :, :, None, None] * s[:, None]).mean(2), "you divide by the number of classes"),
    ("correlations", lambda q, k: (torch.einsum("bc,bchw->bhw", q, k) / k.shape[-1] ** 0.5).flatten(1).softmax(1).view(
        len(k), *k.shape[2:]), "your root knows the width"),
    ("correlations", attention(lambda scores: scores.softmax(-1).softmax(-2)), "the columns compete twice"),
    ("correlations", attention(lambda scores: scores.exp() / scores.exp().amax((1, 2), keepdim=True)),
     "you divide by the largest"),
    ("semantic_loss", entropy(lambda x: (1 - x.softmax(1)) ** 2 * x.log_softmax(1)), "this is the focal loss"),
    ("semantic_loss", entropy(lambda x: x.softmax(0).log()), "the images of the batch compete"),
    ("semantic_loss", entropy(lambda x: x.log_softmax(2)), "pixels of a column compete"),
    ("semantic_loss", entropy(lambda x: x.softmax(1).log2()), "1.44 times too large"),
    ("ranking_loss", lambda a, b, s: torch.cat([((a - b) ** 2)[s], F.softplus(-(a - b).abs())[~s]]), "another order"),
    ("ranking_loss", ranked(apart=lambda a, b: torch.log(1 + torch.exp(-(a - b) ** 2))), "square the difference"),
    ("ranking_loss", ranked(together=lambda a, b: a**2 - b**2), "the difference is squared, not each depth"),
    ("ranking_loss", lambda a, b, s: s * (a - b) ** 2, "pairs across a border cost nothing"),
    ("label_borders", padded_borders, "you extend the image by 0, which is a class"),
    ("label_borders", paired_borders(lambda near, far: near != 255), "only the left or the upper pixel for 255"),
    ("label_borders", paired_borders(lambda near, far: far != 255), "only the right or the lower pixel for 255"),
    ("paired_difference", lambda a, b: (a - b).nansum() / b.nansum(), "the change relative to b"),
    ("abs_rel", lambda p, g, m: (relative(p, g).masked_fill(~(g > 0), 0)).sum((1, 2)) / (g > 0).sum((1, 2)),
     "a mask of your own"),
    ("abs_rel", lambda p, g, m: (relative(p, g) * m).nanmean((1, 2)), "the zeros that the mask has made are not"),
    ("abs_rel", lambda p, g, m: (((p - g) / g).masked_fill(~m, 0).sum((1, 2)) / m.sum((1, 2))).abs(),
     "absolute value after the mean"),
    ("abs_rel", lambda p, g, m: (((p - g) / g * m).sum((1, 2)) / m.sum((1, 2))).abs(), "Besides, your result is nan"),
    ("rmse_log", lambda p, g, m: log_squares(p, g, m).sum((1, 2)).sqrt() / m.sum((1, 2)), "belongs under the root"),
    ("rmse_log", lambda p, g, m: ((((p - g) / g) ** 2).masked_fill(~m, 0).sum((1, 2)) / m.sum((1, 2))).sqrt(),
     "you square relative errors"),
    ("scale_ratio", lambda a, b, m: torch.quantile(((a / b) * m).flatten(1), 0.5, 1), "zeros, and they take part"),
    ("scale_ratio", upper_middle, "the upper of the two in the middle"),
    ("mended_step", mended(look=lambda target, source: source), "the network looks at the source"),
    ("mended_step", mended(counts=lambda valid: ~valid), "just the pixels count that the source cannot show"),
    ("mended_step", mended(motion=torch.linalg.inv), "you turned the motion around"),
    ("mended_step", mended(ends=lambda loss: loss), "keep the number, not the graph"),
    ("training_step", trained(ends=lambda loss: loss), "keep the number, not the graph"),
    ("training_step", trained(back=clipped), "you clip the gradient"),
    ("training_step", trained(back=back_twice), "twice as large as it should be"),
    ("training_step", trained(join=max), "the level with the largest loss"),
    ("training_step", trained(join=lambda each: -sum(each) / len(each)), "the negative of the loss"),
    ("ssim", structure(cover=lambda m, x, y: m(x * y)), "still in your covariance"),
    ("ssim", structure(vary=lambda m, x: m(x * x)), "still in your variances"),
    ("ssim", structure(vary=lambda m, x: m(x) ** 2 - m(x * x)), "your variances are negative"),
    ("ssim", structure(join=lambda a, b: a * b), "you multiply them"),
    ("photometric", mixed(lambda d: d.abs().sum(1, keepdim=True)), "the three colors are added up"),
    ("photometric", mixed(lambda d: d.norm(dim=1, keepdim=True)), "the length of the difference"),
    ("photometric_loss", lambda d, t, s, T, K: losses.photometric_error(warp(s, d, T, K)[0], t)[
        warp(s, d, T, K)[1]].median(), "you take the median"),
    ("minimum_over_sources", lambda e, v: e.masked_fill(~v, torch.inf).amin(1).nan_to_num(), "the largest number"),
    ("painted_trap", lambda a, b: lambda x: 0.5 + 0.5 * torch.sin(2 * torch.pi * x / round(abs(b - a))),
     "you round the period"),
    ("resize_intrinsics", resized(lambda x, y: x), "the width is used for the height too"),
    ("resize_intrinsics", lambda K, x, y: K * x, "the whole matrix by one number"),
    ("resize_intrinsics", resized(lambda x, y: x, lambda x, y: y, center=lambda c, s: c + 0.5 * s - 0.5),
     "you scale the half pixel"),
    ("resize_intrinsics", resized(lambda x, y: x, lambda x, y: y, focal=lambda f, s: f), "those of the old image"),
    ("relative_motion", lambda s, t: torch.linalg.inv(s) * t, "* multiplies number by number"),
    ("backproject", centered, "into the middle of the image"),
    ("training_step", weights_stay(back=lambda loss: None), "you never go back: `backward` is missing"),
    ("training_step", weights_stay(blindly, back=lambda loss: loss.requires_grad_().backward()), "does not reach"),
    ("training_step", weights_stay(join=lambda each: torch.tensor([x.item() for x in each], requires_grad=True).mean()),
     "the gradient does not reach the network"),
    ("training_step", weights_stay(lambda network, image: [d.detach().requires_grad_() for d in network(image)]),
     "the gradient does not reach the network"),
    ("mended_step", mended(goes=False), "you never go back"),
    ("smoothness", smooth(change=lambda x: x.mean(1, keepdim=True).abs()), "a rise in one color and a fall in another"),
    ("smoothness", smooth(differences=lambda x: torch.gradient(x, dim=(3, 2))), "you take central differences"),
    ("smoothness", smooth(lambda disp: disp.detach() / disp.mean()), "the gradient is another"),
    ("minimum_over_sources", lambda e, v: e.masked_fill(~v, torch.inf).min(dim=1).values * v.any(1),
     "infinity times 0 is nan"),
    ("minimum_over_sources", lambda e, v: e.masked_fill(~v, torch.inf).amin(1).masked_fill(v.any(1), 0),
     "it belongs where none does"),
    ("minimum_over_sources", lambda e, v: torch.where(v, e, -torch.inf).amin(1), "minus infinity"),
    ("minimum_over_sources", lambda e, v: torch.minimum(e[:, 0], e[:, 1]), "and a blind one can win"),
    ("normal_equations", damped(1e-3), "you add something to the diagonal"),
    ("normal_equations", damped(1e-2), "you add something to the diagonal"),
    ("source_pixels", depth_times_all, "or the translation is multiplied by it too"),
    ("hidden_turn", lambda b, c: camera.rigid_transform(torch.tensor([[0, -b * c, 0]]), torch.tensor([[b, 0, 0]]))[0],
     "turn and translation both have the wrong sign"),
    *(("ssim", structure(cut=cut, **part), says) for cut in (True, False) for part, says in (
        ({"square": torch.abs}, "you add the means as they are"), ({"join": torch.mul}, "you multiply them"))),
]


@pytest.mark.parametrize("name, answer, says", [
    pytest.param(*each, marks=[pytest.mark.slow] if each[0] == "mended_step" else []) for each in NAMED])
def test_what_a_reader_got_wrong_is_named(name, answer, says):
    for verdict in verdicts(name, answer):
        assert verdict.mistake is not None and says in verdict.text, verdict


@pytest.mark.parametrize("name, answer", [
    ("class_iou", iou_where(lambda hits, true: true > 0)),
    ("class_modulation", modulated(lambda d, g, b: d + g * d + b)),
    ("correlations", attention(lambda s: s.exp() / s.exp().sum((1, 2), keepdim=True))),
    ("semantic_loss", entropy(lambda x: x.softmax(1).log())), ("ranking_loss", ranked()), ("ssim", structure()),
    ("label_borders", paired_borders(lambda near, far: (near != 255) & (far != 255))),
    ("photometric", mixed(lambda d: d.norm(p=1, dim=1, keepdim=True) / 3)),
    ("resize_intrinsics", resized(lambda x, y: x, lambda x, y: y)),
    ("smoothness", smooth()), ("smoothness", smooth(torch.Tensor.double)),
    ("smoothness", smooth(lambda disp: disp / disp.mean((2, 3), keepdim=True))),
    ("smoothness", smooth(lambda disp: disp / disp.mean())), ("smoothness", smooth(losses.normalize_disp)),
    ("normal_equations", damped(0)), ("normal_equations", damped(0, torch.float64)), ("ssim", structure(cut=False)),
    ("training_step", weights_stay()), ("training_step", trained()), ("training_step", trained(ends=float)),
    ("training_step", trained(ends=lambda loss: loss.detach())), ("mended_step", mended())])
@pytest.mark.filterwarnings("ignore:Converting a tensor")
def test_the_right_answers_beside_them_pass(name, answer):
    assert all(verdict.passed for verdict in verdicts(name, answer))


@pytest.mark.parametrize("name", [name for name, exercise in checks.EXERCISES.items() if exercise.trial is None])
def test_of_an_answer_that_is_one_number_everywhere_no_more_is_claimed(name):
    exercise = checks.EXERCISES[name]
    verdict = judge(exercise, lambda *args: zeros_like(exercise.reference(*args)), 3)
    assert not any(word in verdict.text for word in ("cut to whole", "rounded", "1 minus", "does not depend on"))
    assert verdict.mistake or any(words in verdict.text for words in (
        "everywhere, whatever comes in", "mask marks", "no mistake that the check knows")), verdict


@pytest.mark.parametrize("name", [name for name, exercise in checks.EXERCISES.items() if exercise.trial is None])
def test_of_an_answer_that_is_nan_everywhere_no_mistake_is_named(name):
    exercise = checks.EXERCISES[name]
    verdict = judge(exercise, lambda *args: all_nan(exercise.reference(*args)), 3)
    assert verdict.mistake is None and ("nan" in verdict.text or "True and False" in verdict.text), verdict


def all_nan(value):
    """Nan in the shape of a result."""
    return tuple(map(all_nan, value)) if isinstance(value, tuple) else torch.full(value.shape, torch.nan)


def zeros_like(value):
    """Zeros in the shape of a result."""
    return tuple(map(zeros_like, value)) if isinstance(value, tuple) else torch.zeros_like(value)


def test_numbers_that_should_sum_to_one_and_a_factor_for_each_image_are_known():
    right = torch.rand(2, 4, 5, dtype=torch.float64).flatten(1).softmax(1).view(2, 4, 5)
    each = torch.tensor([2.0, 5.0], dtype=torch.float64).view(2, 1, 1)
    assert "sum to 1, and yours to between 2 and 5" in relation([(each * right, right)])
    other = 1 + torch.rand(2, 4, 5, dtype=torch.float64)
    assert "each image has a factor of its own, from 2 to 5" in relation([(each * other, other)])
    assert relation([(other.sin(), other)]) == ""


@pytest.mark.parametrize("given, right, says", [
    ((6, 8), (1, 1, 6, 8), "an axis of size 1 is missing"), ((1, 6, 8), (1, 1, 6, 8), "an axis of size 1 is missing"),
    ((3, 6, 8), (1, 3, 6, 8), "the axis of the images is missing"), ((2, 6, 8), (2, 3, 6, 8), "axis 1 is missing"),
    ((2, 6, 8), (2, 2, 6, 8), "an axis is missing"), ((1, 1, 6, 8), (1, 3, 6, 8), "axis 1 was averaged"),
    ((12,), (), "one number is asked for"), ((8,), (12,), "some are left out"),
    ((6,), (2, 6), "the axis of the images is missing"),
    ((2, 6, 8, 3), (2, 3, 6, 8), "the axis of the channels stands last; here it comes second"),
    ((2, 3, 8, 6), (2, 3, 6, 8), "two axes have changed places"), ((6, 8, 3, 2), (2, 3, 6, 8), "in another order"),
    ((2, 6, 6, 3), (2, 3, 6, 6), "in another order"), ((6, 8, 2), (2, 6, 8), "in another order")])
def test_the_axis_that_is_missing_is_named_only_where_it_is_known(given, right, says):
    assert says in form(torch.zeros(given), torch.zeros(right))


@pytest.mark.parametrize("name, answer, says, silent", [
    ("class_iou", lambda c: c.diagonal() / c.sum(0).clamp(min=1), "Besides, where there is no", "infinity"),
    ("class_iou", iou_where(lambda hits, true: hits > 0), "not nan", "Besides"),
    ("fattening", lambda p, g, n, f: ((p < n) & f).float().sum((1, 2)) / f.sum((1, 2)), "even nearer", "Besides"),
    ("apparent_depth", lambda d, c, o: d / (1 - o / c) ** 2, "you square the share", "nan")])
def test_a_second_thing_is_said_only_where_it_is_wrong(name, answer, says, silent):
    for verdict in verdicts(name, answer):
        assert says in verdict.text and silent not in verdict.text, verdict
