"""Steps of a training as readers of the puzzle of lesson 08 write them: with some of its faults or other changes."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, product

import torch
from torch import nn

from ... import camera
from ...losses import normalize_disp, photometric_error, smoothness_loss, ssim_distance
from ...warp import warp
from .exercise import Mistake
from .unmoved import UNMOVED, acts_of


def _depth(disp: torch.Tensor) -> torch.Tensor:
    return camera.disp_to_depth(disp, 0.5, 20.0)


def _mean(error: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return error[valid.expand_as(error)].mean()


def _everywhere(error: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return error.mean()


def _multiplied(error: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return (error * valid).mean()


def _same(value, *of):
    return value


@dataclass(frozen=True)
class Step:
    """A step of training without any of the puzzle's four faults, unless something is changed.

    Attributes:
        depth_of: Way from disparity to depth.
        looks, paints, goal: Image that the network looks at, the one that the warp reads, and the one that the painting
            is compared with.
        motion, lens: What is made of the motion, and of K.
        cover: What is made of the painting, and of its goal, with the mask.
        error: Error of a painting.
        join: What is made of the error, of the painting, of the target and of the source; None = the error as it is.
        share: Mean of the error over the mask.
        more: What is added to it, of the disparity and of the target; None = nothing.
        sign: Factor of the loss on the way back.
        order: What happens then, word by word.
        clip: What happens to the parameters at the word clip.
    """

    depth_of: Callable = _depth
    looks: str = "target"
    paints: str = "source"
    goal: str = "target"
    motion: Callable = _same
    lens: Callable = _same
    cover: Callable = _same
    error: Callable = photometric_error
    join: Callable | None = None
    share: Callable = _mean
    more: Callable | None = None
    sign: float = 1.0
    order: str = "zero backward step"
    clip: Callable = field(default=partial(nn.utils.clip_grad_norm_, max_norm=1.0))

    def __call__(self, network, optimizer, target, source, T_source_target, K) -> float:
        """Take the step, and return the loss."""
        images, order = {"target": target, "source": source}, self.order.split()
        if order[0] == "eval":
            network.eval()
        disp = network(images[self.looks])
        warped, valid = warp(images[self.paints], self.depth_of(disp), self.motion(T_source_target), self.lens(K))
        error = self.error(self.cover(warped, valid), self.cover(images[self.goal], valid))
        if self.join is not None:
            error = self.join(error, warped, target, source)
        loss = self.share(error, valid)
        if self.more is not None:
            loss = loss + self.more(disp, target)
        acts = {**acts_of(self.sign * loss, optimizer), "clip": lambda: self.clip(network.parameters()),
                "eval": network.eval}
        for word in order:
            acts[word]()
        return loss.item()


def _otherwise(name: str, says: str, *changes: dict) -> Mistake:
    """Make a mistake of a step without the four faults, with another thing changed in one way or in several."""
    first, *others = (Step(**change) for change in changes)
    return Mistake(name, first, says, tuple(others))


def _rough(disp: torch.Tensor, target: torch.Tensor, weight: float, of: Callable) -> torch.Tensor:
    return weight * smoothness_loss(of(disp), target)


def _at_depth(name: str, says: str, *ways: Callable) -> Mistake:
    return _otherwise(name, f"three faults are gone; {says}", *({"depth_of": way} for way in ways))


DEPTHS = (
    _at_depth("disparity divided into 1", "depth is 1 divided by the sigmoid now, so the two ends are not used.",
              lambda disp: 1 / disp, lambda disp: 1 / (disp + 1e-6), lambda disp: 1 / (disp + 1e-3)),
    _at_depth("disparity divided into 1, and cut", "you divide 1 by the sigmoid and cut: nothing comes nearer than "
              "1 m, and all small disparities mean the same depth.", lambda disp: (1 / disp).clamp(0.5, 20)),
    _at_depth("sigmoid cut to depths", "you cut the sigmoid to a range of depths, but it is a disparity from 0 to 1.",
              lambda disp: disp.clamp(0.5, 20)),
    _at_depth("linear in depth", "depth has the right ends, but you walk in equal steps of depth.",
              lambda disp: 20 - 19.5 * disp),
    _at_depth("linear in the sigmoid", "you stretch the sigmoid to the range of depth, but it is a disparity: large "
              "means near.", lambda disp: 0.5 + 19.5 * disp),
    _at_depth("far end times what is left", "you turn the sigmoid around and multiply it by the far end: you walk in "
              "equal steps of depth, and down to 0.", lambda disp: 20 * (1 - disp)),
    _at_depth("far end divided", "you divide the far end by the sigmoid: nothing comes nearer than that end.",
              lambda disp: 20 / disp),
    _at_depth("times the far end", "you multiply the sigmoid by the far end, but it is a disparity: large means near.",
              lambda disp: 20 * disp),
    _at_depth("in equal ratios", "depth has the right ends, but you walk in equal ratios of depth.",
              lambda disp: 20 * 0.025**disp),
    _at_depth("inverse depth", "you stop at inverse depth, and the warp takes meters.",
              lambda disp: 0.05 + 1.95 * disp),
    _at_depth("depths for inverse depths", "you invert at the end, but walk between the two depths, not between their "
              "inverses.", lambda disp: 1 / (0.5 + 19.5 * disp)),
    _at_depth("brackets forgotten", "on the way from disparity to depth brackets are missing: only one of the two ends "
              "is multiplied.", lambda disp: 1 / (0.05 + 2 - 0.05 * disp)),
    _at_depth("nothing taken off", "the far end is right, but at the near one you arrive too near: how long is the way "
              "between the two inverse depths?", lambda disp: 1 / (0.05 + 2 * disp)),
    _at_depth("no near end", "the far end is right, but nothing comes much nearer than 1 m: the near end is not used.",
              lambda disp: 1 / (0.05 + disp)),
    _at_depth("no far end", "the near end is about right, but nothing keeps the far one from infinity.",
              lambda disp: 0.5 / disp, lambda disp: 1 / (1.95 * disp)),
    _at_depth("ends exchanged", "the two ends of depth are exchanged.",
              lambda disp: camera.disp_to_depth(disp, 20.0, 0.5)),
    _at_depth("another range", "depth runs from end to end, but not over the range asked for.",
              *(partial(camera.disp_to_depth, min_depth=near, max_depth=far) for near, far in (
                  (0.1, 100.0), (0.5, 80.0), (0.1, 80.0), (0.1, 20.0), (0.5, 100.0), (1.0, 20.0)))),
    _at_depth("sigmoid twice", "the network ends in a sigmoid already; you take one more.",
              lambda disp: _depth(disp.sigmoid())))


def _still(error: torch.Tensor, warped: torch.Tensor, target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """The error of the source as it is, which an automask compares with."""
    return photometric_error(source, target)


def _moved(error: torch.Tensor, *of: torch.Tensor) -> torch.Tensor:
    """Put nan where the source as it is fits as well, so that a nanmean leaves these pixels out."""
    return error.masked_fill(error >= _still(error, *of), torch.nan)


PICTURES = (
    _otherwise("source and target exchanged", "source and target have changed places: depth belongs to the target, "
               "whose view is painted with the colors of the source.",
               {"looks": "source", "paints": "target", "goal": "source"}),
    _otherwise("looks at the source", "the network looks at the source; the depth of the target is wanted.",
               {"looks": "source"}),
    _otherwise("paints with the target", "the warp reads the target: it has to paint the target's view with the colors "
               "of the source.", {"paints": "target"}),
    _otherwise("paints with the target, for the source", "the warp reads the target, and its painting is compared with "
               "the source: these two have changed places.", {"paints": "target", "goal": "source"}),
    _otherwise("looks at the source, paints with the target", "network and warp have got each other's image.",
               {"looks": "source", "paints": "target"}),
    _otherwise("looks at the source, and compares with it", "two things: the network looks at the source, and the "
               "painting is still compared with it.", {"looks": "source", "goal": "source"}),
    _otherwise("motion inverted", "you turned the motion around; it took the target's points to the source already.",
               {"motion": camera.invert_transform}),
    _otherwise("motion transposed", "the motion is transposed on its way into the warp.",
               {"motion": lambda T: T.mT}),
    _otherwise("K inverted", "you invert K; the warp takes it as it is, and inverts it where it has to.",
               {"lens": torch.linalg.inv}),
    _otherwise("K transposed", "K is transposed on its way into the warp.", {"lens": lambda K: K.mT}),
    _otherwise("absolute colors", "you compare colors by their absolute difference, where the broken step took the "
               "photometric error.", {"error": lambda x, y: (x - y).abs()},
               {"error": lambda x, y: (x - y).abs().sum(1, keepdim=True)}),
    _otherwise("absolute colors, everywhere", "two things: you compare colors in the place of the photometric error, "
               "and pixels count that the source cannot show.",
               {"share": _everywhere, "error": lambda x, y: (x - y).abs()},
               {"share": _everywhere, "error": lambda x, y: (x - y).square()}),
    _otherwise("squared colors", "you compare colors by their squared difference, where the broken step took the "
               "photometric error.", {"error": lambda x, y: (x - y).square()}),
    _otherwise("structure alone", "you take the structure alone; the photometric error of the broken step was right.",
               {"error": lambda x, y: ssim_distance(x, y).mean(1, keepdim=True)}),
    _otherwise("automask", "you take the error of the unmoved source in as an automask would; that is a choice, and "
               "none of the four faults.", {"join": lambda error, *of: torch.minimum(error, _still(error, *of))},
               {"join": lambda error, *of: error * (error < _still(error, *of))},
               {"join": _moved, "share": lambda error, valid: error[valid].nanmean()}),
    _otherwise("automask, everywhere", "two things: you leave pixels out as an automask would, which is none of the "
               "four faults, and pixels count that the source cannot show.",
               {"join": _moved, "share": lambda error, valid: error.nanmean()}),
    _otherwise("the larger error", "you take the larger of two errors, so the unmoved source can only do harm.",
               {"join": lambda error, *of: torch.maximum(error, _still(error, *of))}),
    _otherwise("the smaller of two goals", "you take the smaller of two errors, and one of them compares the painting "
               "with the source: that makes the loss small when nothing moves.",
               {"join": lambda error, warped, _, source: torch.minimum(error, photometric_error(warped, source))}))

MEANS = (
    _otherwise("smoothness added", "you add a term of smoothness to the loss; that is a choice, and none of the four "
               "faults.", *({"more": partial(_rough, weight=weight, of=of)} for of in (normalize_disp, _same)
                            for weight in (1e-3, 1e-2, 0.1))),
    _otherwise("first image", "you use the first image of the batch alone.",
               {"share": lambda error, valid: error[0][valid[0].expand_as(error[0])].mean()}),
    _otherwise("mean of the images' means", "you average each image by itself first, so that a pixel of one with few "
               "counts more.", {"share": lambda error, valid: torch.stack([
                   each[mask.expand_as(each)].mean() for each, mask in zip(error, valid)]).mean()}),
    _otherwise("mask multiplied", "three faults are gone; you set to 0 what does not count and still divide by all.",
               {"share": _multiplied}),
    _otherwise("images blackened", "three faults are gone; you multiply the images by the mask, and black beside black "
               "still counts in the mean, as an error of 0.", {"cover": torch.mul, "share": _everywhere}),
    _otherwise("images blackened, then the mask", "you multiply the images by the mask first, and the windows of the "
               "structure see black at its rim; take the error, and then the mask.", {"cover": torch.mul},
               {"cover": torch.mul, "share": lambda error, valid: error.sum() / valid.sum()}),
    _otherwise("mask upside down", "three faults are gone; just the pixels count that the source cannot show.",
               {"share": lambda error, valid: error[~valid].mean()}),
    _otherwise("sum", "you add the errors up where the broken step averaged: the step grows with the image.",
               {"share": lambda error, valid: error[valid].sum()}),
    _otherwise("sum of all", "two things: you add the errors up, and pixels count that the source cannot show.",
               {"share": lambda error, valid: error.sum()}),
    _otherwise("median", "you take the median, which one pixel alone decides; the broken step averaged.",
               {"share": lambda error, valid: error[valid].median()}),
    _otherwise("largest", "you take the largest error, which one pixel alone decides; the broken step averaged.",
               {"share": lambda error, valid: error[valid].max()}),
    _otherwise("squared errors", "you square the photometric error, which the broken step averaged as it is.",
               {"share": lambda error, valid: error[valid].square().mean()},
               {"share": lambda error, valid: error[valid].square().mean().sqrt()}))

ORDERS = (
    *(_otherwise(f"weights stay, {k}", f"the loss is right, but {says}", {"order": order})
      for k, (says, order) in enumerate(UNMOVED.items(), 1)),
    _otherwise("step before backward", "the step comes before backward, and goes down the gradient of the last call.",
               {"order": "step zero backward"}),
    _otherwise("two steps", "you step twice down one gradient.", {"order": "zero backward step step"}),
    _otherwise("gradient doubled", "the gradient is twice as large as it should be: backward runs twice.",
               {"order": "zero backward backward step"}),
    _otherwise("clipped", "you clip the gradient; the broken step did not, and a clipped one is another step.",
               {"order": "zero backward clip step"},
               *({"order": "zero backward clip step", "clip": partial(nn.utils.clip_grad_norm_, max_norm=most)}
                 for most in (0.1, 0.5, 5.0, 10.0)),
               *({"order": "zero backward clip step", "clip": partial(nn.utils.clip_grad_value_, clip_value=most)}
                 for most in (0.1, 0.5, 1.0, 5.0, 10.0))),
    _otherwise("eval", "the network does not train: eval() switches off what batch normalization and dropout do in "
               "training.", {"order": "eval zero backward step"}, {"order": "zero backward step eval"}),
    _otherwise("uphill", "you climb: the loss grows with every step.", {"sign": -1.0}),
    _otherwise("uphill, minus returned", "you climb, and what you return is the negative of the loss.",
               {"share": lambda error, valid: -_mean(error, valid)}))

FAULTS = {"disparity": "where depth enters the warp", "rim": "at the pixels that the source cannot show",
          "goal": "in what the painting is compared with", "gradient": "from the second step on"}
USUAL = ("disparity divided into 1", "linear in depth", "linear in the sigmoid", "times the far end", "inverse depth")
WAYS = {  # how each of the four faults is left: first as it stood, then in other usual ways
    "disparity": ({"depth_of": _same}, *({"depth_of": mistake.wrong.depth_of} for mistake in DEPTHS
                                         if mistake.name in USUAL and isinstance(mistake.wrong, Step))),
    "rim": ({"share": _everywhere}, {"share": _multiplied}), "goal": ({"goal": "source"},),
    "gradient": ({"order": "backward step"},)}


def _left(faults: tuple[str, ...]) -> Mistake:
    """Leave some of the four faults; one alone as it stood, for the other ways have sentences of their own."""
    count = {1: "one fault is", 2: "two faults are", 3: "three faults are", 4: "all four faults are"}[len(faults)]
    ways = [WAYS[fault] if faults[1:] else WAYS[fault][:1] for fault in faults]
    return _otherwise(f"left: {', '.join(faults)}",
                      f"{count} still there, and can be felt {', '.join(FAULTS[fault] for fault in faults)}.",
                      *({key: value for change in each for key, value in change.items()} for each in product(*ways)))


LEFT = tuple(_left(faults) for count in (1, 2, 3, 4) for faults in combinations(FAULTS, count))
