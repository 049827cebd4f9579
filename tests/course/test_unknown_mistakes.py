"""Wrong answers that no exercise lists: what the checks say by the kind of mistake, whatever the exercise."""
from __future__ import annotations

import pytest
import torch

from semdepth_lite import camera, losses
from semdepth_lite.course import checks
from semdepth_lite.course.checks.compare import same
from semdepth_lite.course.checks.inputs import CHANGES, changed_input
from semdepth_lite.course.checks.judge import judge
from semdepth_lite.course.checks.raised import CLASH, meaning
from semdepth_lite.course.checks.relations import relation, wrong_part
from semdepth_lite.course.checks.unknown import form
from semdepth_lite.warp import source_pixels, warp


def pixels(depth, T, K):
    """The right answer of one exercise, to be spoiled."""
    return source_pixels(depth, T, K)[0]


@pytest.mark.parametrize("name, answer, says", [
    ("backproject", lambda d, K: camera.backproject(d, K.mT), "`K` is transposed"),
    ("backproject", lambda d, K: camera.backproject(d, K.round()), "`K` is rounded to whole numbers"),
    ("backproject", lambda d, K: camera.backproject(torch.ones_like(d), K), "not depend on `depth`, as if it were 1"),
    ("backproject", lambda d, K: camera.backproject(d, K[:1].expand_as(K)), "`K` of the first image is used for all"),
    ("source_pixels", lambda d, T, K: pixels(d, T.mT, K), "`T_source_target` is transposed"),
    ("source_pixels", lambda d, T, K: pixels(1 / d, T, K), "you use 1 divided by `depth`"),
    ("median_scale", lambda p, g, m: checks.EXERCISES["median_scale"].reference(p.log(), g, m), "logarithm of `pred`"),
    ("warp", lambda s, d, T, K: warp(s, d, T, torch.linalg.inv(K)), "you use its inverse, or the other way round"),
    ("automask", lambda r, i, m=0.0: r < i - m, "the margin makes it harder"),  # its own sentence first
    ("paired_difference", lambda a, b: (a.abs() - b.square()).nanmean(), "`b` counts twice"),
    ("disp_to_depth", lambda d, near, far: camera.disp_to_depth(1 - d, near, far), "ends are exchanged"),
    ("disp_to_depth", lambda d, near, far: camera.disp_to_depth(d.clamp(min=0.1), near, far), "nothing below 0.1 is"),
    ("abs_rel", lambda p, g, m: checks.EXERCISES["abs_rel"].reference(p.clamp(max=80), g, m), "nothing above 80 is"),
    ("backproject", lambda d, K: camera.backproject(d + 1e-2, K), "to `depth` you add 0.01"),
])
def test_a_changed_input_is_named(name, answer, says):
    verdict = judge(checks.EXERCISES[name], answer, 3)
    assert verdict.outcome == "wrong" and says in verdict.text, verdict


def test_every_change_of_an_input_is_found_by_its_own_words():
    for fits, words, change in CHANGES:
        for exercise in checks.EXERCISES.values():
            if exercise.trial is not None:
                continue
            cases = exercise.cases()
            names = [f"argument{k}" for k in range(len(cases[0].args))]
            place = next((k for k in range(len(names)) if all(fits(case.args[k]) for case in cases)), None)
            if place is None:
                continue
            found = changed_input(exercise, cases, [None] * len(cases), names)
            assert found == "", "nothing given is nothing recognized"
            break
        else:
            pytest.fail(f"no exercise has an input for: {words} ({change})")


@pytest.mark.parametrize("spoil, says", [
    (lambda x: -x, "a sign is wrong everywhere"),
    (lambda x: x * 180 / torch.pi, "degrees stand where radians are meant"),
    (lambda x: 255 * x, "colors run from 0 to 1"),
    (lambda x: 100 * x, "not a percentage"),
    (lambda x: 7 * x, "7 times what it should be; a factor or a sign is off"),
    (lambda x: x + 0.5, "off by the same 0.5, half a pixel"),
    (lambda x: x - 2, "off by the same -2"),
    (lambda x: 1 / x, "1 divided by what is asked for"),
    (lambda x: x**2, "a root is missing, or a square too many"),
    (lambda x: 1 - x, "1 minus what is asked for"),
    (lambda x: x.round(), "rounded to whole numbers"),
    (lambda x: x.trunc(), "cut to whole numbers"),
    (lambda x: x.mT, "transposed"),
    (lambda x: x.flip(1), "in reverse order along axis 1"),
    (lambda x: x.roll(1, 2), "shifted by one place along axis 2"),
    (lambda x: x[:1].expand_as(x), "the answer of the first"),
    (lambda x: x.movedim(1, 2).reshape(x.shape)[..., torch.tensor([0, 2, 1, 4, 3])], "at the wrong places"),
    (lambda x: x.sin(), ""),
])
def test_a_relation_to_the_right_answer_is_named(spoil, says):
    generator = torch.Generator().manual_seed(3)
    right = [5 * torch.rand(2, 5, 5, generator=generator, dtype=torch.float64) + 0.1 for _ in range(2)]
    found = relation([(spoil(each), each) for each in right])
    assert says in found and bool(says) == bool(found), found


@pytest.mark.parametrize("name, answer, says", [
    ("resize_intrinsics", lambda K, x, y: torch.tensor([[x, 0, (x - 1) / 2], [0, y, (x - 1) / 2], [0, 0, 1.0]]) @ K,
     "of the matrix only [1, 2] is wrong"),
    ("backproject", lambda d, K: camera.backproject(d, K) * torch.tensor([1, -1, 1.0]).view(1, 3, 1, 1),
     "counted from 0, only channel 1 is wrong, and there every value is -1 times"),
    ("ranking_loss", lambda a, b, same: torch.where(same, (a - b).abs() ** 3, torch.nn.functional.softplus(
        -(a - b).abs())), "all is right where same is False, and wrong where it is True"),
    ("ranking_loss", lambda a, b, same: torch.where(same, 2 * (a - b) ** 2, torch.nn.functional.softplus(
        -(a - b).abs())), "wrong where it is True: every value is 2 times what it should be"),
    ("ssim", lambda x, y: losses.ssim_distance(x, y) * torch.nn.functional.pad(torch.ones_like(x[..., 1:-1, 1:-1]), (
        1, 1, 1, 1), value=0.5), "all is right but at the rim"),
    ("scale_ratio", lambda a, b, m: checks.EXERCISES["scale_ratio"].reference(a, b, m) * torch.tensor([1.0, 1.5]),
     "the first image of a batch is right"),
    ("warp", lambda s, d, T, K: (warp(s, d, T, K)[0], warp(s, d, T, K)[1] & (d > 3)),
     "the picture: right; the mask: wrong, your mask marks 0 places too many"),
    ("visible", lambda p, z, h, w: 2.0 * (z > 0), "holds other values than True and False"),
    ("class_iou", lambda c: c.diagonal() / c.sum(0).clamp(min=1),
     "missed ones cost nothing. Besides, where there is no answer"),
])
def test_the_part_that_is_wrong_is_named(name, answer, says):
    verdict = judge(checks.EXERCISES[name], answer, 3)
    assert verdict.outcome == "wrong" and says in verdict.text, verdict


@pytest.mark.parametrize("result, says", [
    (lambda right: right.mT, "two axes have changed places"),
    (lambda right: right[0], "the axis of the images is missing"),
    (lambda right: right[:, :1].squeeze(1), "has shape"),
    (lambda right: right.unsqueeze(1), "an axis of size 1 is too many"),
    (lambda right: right.mean(), "you averaged or added up over everything"),
    (lambda right: right.max(1), "take .values"),
    (lambda right: right.flatten(2), "as many numbers, but another shape"),
    (lambda right: right[..., 1:-1, 1:-1], "it ends before the rim"),
])
def test_a_wrong_shape_is_explained(result, says):
    verdict = judge(checks.EXERCISES["backproject"], lambda d, K: result(torch.cat([camera.backproject(d, K)] * 1)), 3)
    assert says in verdict.text, verdict


def test_an_error_is_explained_beside_its_own_words():
    for raising, says in ((lambda: bool(torch.rand(3) > 0) and 1, "join masks with & and |"),
                          (lambda: torch.rand(3) + torch.rand(4), CLASH),
                          (lambda: float(torch.rand(2)), "functions of math and float()"),
                          (lambda: torch.rand(2).mean(5), "fewer axes"),
                          (lambda: (1, 2).shape, "take them apart"),  # pyright: ignore[reportAttributeAccessIssue]
                          (lambda: torch.tensor([1]) // torch.tensor([0]), "/ can, and gives nan"),
                          (lambda: torch.rand(1, 3, 2)[torch.ones(1, 1, 2) > 0], CLASH),
                          (lambda: torch.rand(3) > 0.5 & torch.rand(3), "put brackets around each comparison"),  # pyright: ignore
                          (lambda: ~torch.rand(3), "turned around with ~"),
                          (lambda: torch.rand(3)[torch.ones(3)], ".bool() makes it so"),
                          (lambda: torch.rand(1, 3, 2)[torch.rand(1, 1, 2) > 0], CLASH),
                          (lambda: torch.exp(2.0), "for a plain number there is math"),  # pyright: ignore
                          (lambda: missing, "an import or the line that makes it"),  # noqa: F821  # pyright: ignore
                          (lambda: (lambda x: x)(), "more or fewer arguments"),  # pyright: ignore
                          (lambda: {}["a"], "")):
        with pytest.raises(Exception) as raised:  # noqa: B017
            raising()
        assert meaning(raised.value) == says if not says else says in meaning(raised.value)
    verdict = judge(checks.EXERCISES["visible"], lambda p, z, h, w: p[:, :1] >= 0 & z > 0, 3)
    assert verdict.outcome == "wrong" and "put brackets around each comparison" in verdict.text, verdict
    verdict = judge(checks.EXERCISES["visible"], lambda p, z, h, w: (p > 0) and (z > 0), 3)
    assert "ambiguous" in verdict.text and "Usually: `and`, `or`" in verdict.text


@pytest.mark.parametrize("name, answer, says", [
    ("painted_trap", lambda a, b: lambda x: 1 + torch.sin(2 * torch.pi * x / (b - a)), "runs from 0.02 to 1.98"),
    ("painted_trap", lambda a, b: lambda x: x % 2, "the standard deviation is 0.50"),
    ("hidden_turn", lambda b, c: camera.rigid_transform(torch.tensor([[0, 0.7 * b * c, 0]]), torch.tensor(
        [[-b, 0, 0]]))[0], "% to the side"),
    ("hidden_turn", lambda b, c: (1 + c) * torch.eye(4), "no rigid motion"),
])
def test_a_puzzle_is_answered_with_its_numbers(name, answer, says):
    assert says in judge(checks.EXERCISES[name], answer, 3).text


def test_parts_are_looked_at_only_where_shapes_agree():
    right = torch.arange(12.0, dtype=torch.float64).view(1, 3, 2, 2)
    given = right.clone()
    given[:, 2] += 1
    assert "only channel 2 is wrong" in wrong_part([(given, right)], [()], [])
    assert wrong_part([(right + 1, right)], [()], []) == "" and same(right, right)


@pytest.mark.parametrize("given, right, says, silent", [
    ((2, 2, 10), (2, 6, 10), "axis 1 should hold 6, and holds 2", "rim"),
    ((2, 2, 7), (2, 7, 14), "has shape", "pooling"), ((1, 3, 4, 8), (1, 3, 6, 10), "ends before the rim", "pooling"),
    ((1, 3, 2, 4), (1, 3, 6, 12), "unless its stride is set", "rim"),
    ((1, 3, 6, 10), (1, 2, 6, 10), "axis 1 should hold 2, and holds 3", "rim")])
def test_a_smaller_result_is_explained_only_as_far_as_is_known(given, right, says, silent):
    words = form(torch.zeros(given), torch.zeros(right))
    assert says in words and silent not in words


def test_what_lies_near_the_right_numbers_is_no_factor():
    right = torch.rand(2, 3, 6, 8, dtype=torch.float64) + 0.5
    assert relation([(right * (1 + 4e-3 * torch.rand_like(right)), right)]) == ""
    numbers = [(torch.tensor(1.0127), torch.tensor(1.0)), (torch.tensor(2.026), torch.tensor(2.0)),
               (torch.tensor(3.039), torch.tensor(3.0))]
    assert relation([(a.double(), b.double()) for a, b in numbers]) == ""
    few = right.clone()
    few[:, 0, 0, 0] += 1
    assert "channel" not in wrong_part([(few, right)], [()], [])


def test_a_rounding_is_no_change_of_an_input():
    exercise = checks.EXERCISES["ssim"]
    torch.manual_seed(3)
    cases = exercise.cases()
    for small, says in ((1e-6, ""), (1e-2, "to `x` you add 0.01")):
        given = [losses.ssim_distance(x + small, y) for x, y in (case.args for case in cases)]
        assert changed_input(exercise, cases, given, ["x", "y"]) == says


def test_a_number_that_is_right_for_one_image_alone_points_to_the_batch():
    right = [torch.tensor(float(k), dtype=torch.float64) for k in (1, 2, 3)]
    cases = [(torch.zeros(count, 1, 4, 4),) for count in (1, 2, 2)]
    mixed = [(value if len(args[0]) == 1 else value.sin(), value) for value, args in zip(right, cases)]
    assert "a batch of one image is right" in wrong_part(mixed, cases, [])
    assert wrong_part([(value.sin(), value) for value in right], cases, []) == ""


def test_what_is_infinite_is_no_difference_of_a_size():
    verdict = judge(checks.EXERCISES["minimum_over_sources"], lambda e, v: e.masked_fill(~v, torch.inf).sum(1), 3)
    assert "some are infinite where they should not be" in verdict.text and "e+308" not in verdict.text
    verdict = judge(checks.EXERCISES["abs_rel"], lambda p, g, m: p.mean((1, 2)).sin() + torch.tensor(torch.nan), 3)
    assert "infinity times zero" in verdict.text


def test_images_are_called_mixed_only_if_one_alone_gets_another_answer():
    exercise = checks.EXERCISES["backproject"]
    torch.manual_seed(3)
    spoiled = torch.cat([case.args[0][:, 0, 0, 0] for case in exercise.cases() if len(case.args[0]) > 1])
    for wrong, mixed in ((lambda d: torch.isin(d[:, 0, 0, 0], spoiled), False), (lambda d: torch.ones(
            len(d), dtype=torch.bool) & (len(d) > 1), True)):
        verdict = judge(exercise, lambda d, K, wrong=wrong: torch.where(
            wrong(d).view(-1, 1, 1, 1), camera.backproject(d, K).sin(), camera.backproject(d, K)), 3)
        assert verdict.outcome == "wrong" and ("do the images get mixed?" in verdict.text) == mixed, verdict
    right = torch.rand(2, 5, 6, dtype=torch.float64)
    pairs = [(right.sin(), right), (right[:1], right[:1])]
    assert "do the images get mixed?" in wrong_part(pairs, [(), ()], [])
    assert wrong_part(pairs, [(), ()], [], lambda: False) == ""
