"""Training on one photograph, with the package's functions and with a reader's, and the explorers that show it."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from semdepth_lite import camera, losses, warp
from semdepth_lite.camera import disp_to_depth
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import explorers, own_functions, photo_training
from semdepth_lite.course.checks import EXERCISES
from semdepth_lite.course.checks.record import KEPT
from semdepth_lite.data.photo import photo

HELPED = "HALF = 0.5\n\ndef helper(x):\n    return x\n\n" + EXERCISES["disp_to_depth"].solution.replace(
    "(disp, min_depth, max_depth):\n", "(disp, min_depth, max_depth):\n    disp = helper(disp)\n")


@pytest.fixture(scope="module")
def pair():
    """The photograph, small."""
    return photo(64, 96).triplet([0])


@pytest.fixture(scope="module")
def training(pair):
    """Six steps on it."""
    return photo_training.train(pair, steps=6, moments=4, seed=1)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Kept answers are looked for in the working folder."""
    monkeypatch.chdir(tmp_path)


def test_the_parts_put_together_are_the_package_s_warp_and_error(pair):
    parts, depth = photo_training.Parts(), torch.where(pair.depth > 0, pair.depth, 4.0)
    T = pair.T_source_target[:, 0]
    painted, seen = parts.warped(pair.sources[:, 0], depth, T, pair.K)
    expected, valid = warp.warp(pair.sources[:, 0], depth, T, pair.K)
    assert torch.equal(seen, valid)
    torch.testing.assert_close(painted[valid.expand_as(painted)], expected[valid.expand_as(painted)])
    torch.testing.assert_close(parts.error(painted, pair.target), losses.photometric_error(painted, pair.target))


def test_the_truth_costs_less_than_other_depths(pair):
    parts, level = photo_training.Parts(smoothness=lambda disp, image: 0.0), photo_training.levels_of(pair)[0]
    depth = torch.where(pair.depth > 0, pair.depth, 4.0)

    def cost(depth):
        inverse = (1 / depth - 1 / photo_training.FARTHEST) / (1 / photo_training.NEAREST - 1 / photo_training.FARTHEST)
        torch.testing.assert_close(disp_to_depth(inverse, photo_training.NEAREST, photo_training.FARTHEST), depth)
        return float(parts.loss(inverse, level, pair.T_source_target[:, 0]))

    assert cost(depth) < min(cost(0.7 * depth), cost(1.5 * depth), cost(torch.full_like(depth, 2.0)))


def test_a_training_keeps_its_moments_and_lowers_its_loss(training, pair):
    assert [moment.step for moment in training.moments] == [0, 1, 3, 6] and len(training.losses) == 6
    assert training.losses[-1] < training.losses[0] and training.moments[-1].loss == training.losses[-1]
    assert training.moments[-1].abs_rel < training.moments[0].abs_rel
    again = photo_training.train(pair, steps=2, moments=2, seed=1)
    assert again.losses[0] == training.losses[0]
    with pytest.raises(InputError, match="seed -1 is below 0"):
        photo_training.train(pair, seed=-1)


def test_what_the_reader_wrote_is_what_trains(pair):
    met = []

    def my_photometric(prediction, target):
        met.append(prediction.shape)
        return losses.photometric_error(prediction, target)

    parts = photo_training.Parts(photometric=my_photometric, own=("photometric",))
    photo_training.train(pair, parts, steps=1, moments=2)
    assert len(met) == 4, "once for each level"


def test_only_right_answers_are_taken(tmp_path):
    (tmp_path / KEPT).write_text(json.dumps({"disp_to_depth": HELPED, "ssim": "def my_ssim(x, y):\n    return oops("}))
    scope = {"my_sample": EXERCISES["sample"].mistakes[0].wrong, "my_smoothness": losses.smoothness_loss}
    parts = own_functions.yours(scope)
    assert parts.own == ("disp_to_depth",), "the package's own function is nobody's answer"
    torch.testing.assert_close(parts.disp_to_depth(torch.tensor(0.5), 1.0, 20.0),
                               disp_to_depth(torch.tensor(0.5), 1.0, 20.0))
    said = own_functions.made_by(parts, parts.own)
    assert "by 1 function of yours (disp_to_depth). Yours can take the place of the package's: backproject," in said
    every = photo_training.Parts(own=own_functions.EXERCISED)
    assert own_functions.made_by(every, every.own).endswith(": all of them.")


@pytest.mark.parametrize("kept", [True, False])
def test_the_lessons_own_solutions_work_together(kept, pair):
    """They name functions of the package, and call the reader's; whoever does another's work by itself is named."""
    texts = {name: EXERCISES[name].solution for name in own_functions.EXERCISED}
    scope = {"torch": torch, "camera": camera, "losses": losses, "F": torch.nn.functional}
    if kept:
        Path(KEPT).write_text(json.dumps(texts))
    else:
        exec("\n\n".join(texts.values()), scope)
    parts = own_functions.yours(scope)
    assert parts.own == own_functions.EXERCISED
    training = photo_training.train(pair, parts, steps=1, moments=2)
    assert training.used == tuple(name for name in parts.own if name not in ("source_pixels", "visible"))
    said = own_functions.made_by(parts, training.used)
    assert said.startswith("This depth map was made by 9 functions of yours (backproject, sample, warp, ssim,")
    assert said.endswith(" A larger one of yours does without source_pixels, visible.")
    assert training.losses == pytest.approx(photo_training.train(pair, steps=1, moments=2).losses, rel=1e-5)


def test_a_larger_answer_calls_what_is_composed_of_the_smaller_ones(pair):
    """Without a warp of the reader's own, the loss paints with the reader's pixels and sample."""
    scope = {"torch": torch, "camera": camera, "losses": losses, "F": torch.nn.functional}
    exec("\n\n".join(EXERCISES[name].solution for name in own_functions.EXERCISED if name not in (
        "warp", "photometric")), scope)
    parts = own_functions.yours(scope)
    training = photo_training.train(pair, parts, steps=1, moments=2)
    assert training.used == parts.own and len(parts.own) == 9
    assert training.losses == pytest.approx(photo_training.train(pair, steps=1, moments=2).losses, rel=1e-5)


def test_a_function_of_the_reader_s_that_nothing_calls_is_not_counted(pair):
    scope = {"torch": torch, "my_ssim": lambda x, y: losses.ssim_distance(x, y) + 0}
    exec("def my_photometric(x, y):\n    from semdepth_lite.losses import ssim_distance\n    return .85*ssim_distance("
         "x, y).mean(1, True) + .15 * (x - y).abs().mean(1, True)", scope)
    parts = own_functions.yours(scope)
    assert parts.own == ("ssim", "photometric")
    assert photo_training.train(pair, parts, steps=1, moments=2).used == ("photometric",)


# The explorers of the photograph

def test_one_depth_for_all_fits_what_stands_there(pair):
    explorer = explorers.GhostExplorer(pair)
    explorer.set(depth=2.5)
    assert explorer.numbers["share"] > 5
    there, elsewhere = (float(word.rstrip(",.")) for word in explorer.sentence.split() if word[:2] == "0.")
    assert there < elsewhere


def test_moments_are_shown_one_by_one(training, pair):
    explorer = explorers.MomentsExplorer(training.moments, pair.depth[0, 0])
    assert "before anything was learned" in explorer.sentence
    explorer.set(step=1)
    assert explorer.sentence.startswith("After 1 step, depth")
    explorer.set(step=3)
    assert explorer.sentence.startswith("After 6 steps, depth errs by ")
    assert explorer.numbers["abs_rel"] == training.moments[-1].abs_rel
    with pytest.raises(InputError, match="there are no moments to show"):
        explorers.MomentsExplorer([], pair.depth[0, 0])
