"""An explorer of a training: a slider over the moments that were kept while a network learned."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ...common.contracts import InputError
from ...figures import depth_panel, map_panel
from .base import Drawing, Explorer
from .controls import steps

if TYPE_CHECKING:
    from ..photo_training import Moment


class MomentsExplorer(Explorer):
    """Watch a network learn: depth, the painted view and its error at each moment that was kept.

    Args:
        moments: Of one training, in order.
        truth: (H, W) measured depth, 0 = none.
        depth_range: Meters, the color scale of all depths.

    Raises:
        InputError: If there are no moments.
    """

    title = "Watch it learn"
    alt = ("The measured depth of a photograph and the depth that the network has reached, near being bright; below "
           "them the view that this depth paints from the other photograph, and the photometric error, bright where it "
           "differs from the photograph.")
    caption = "where is the error still large when depth has nearly stopped changing?"
    answers = True

    def __init__(self, moments: Sequence[Moment], truth: torch.Tensor,
                 depth_range: tuple[float, float] = (2.0, 8.0)) -> None:
        if not moments:
            raise InputError("there are no moments to show; train with moments=30.")
        self.moments, self.truth, self.depth_range = list(moments), truth, depth_range
        self.moment = {"step": len(self.moments) - 1}
        super().__init__({"step": steps("steps taken", range(len(self.moments)),
                                        lambda index: str(self.moments[index].step))})

    def draw(self, step: int) -> Drawing:
        """Show one moment."""
        seen = self.moments[step]
        above = depth_panel(None, {"measured": self.truth, "the network": seen.depth[0, 0]},
                            depth_range=self.depth_range)
        below = map_panel({"photometric error": seen.error}, label="error", limits=(0, 0.5), image=seen.warped[0])
        below.axes[0].set_title("painted by this depth", loc="left")
        count = "1 step" if seen.step == 1 else f"{seen.step} steps"
        words = f"After {count}, depth errs by {100 * seen.abs_rel:.0f} % on average"
        words += f"; the loss is {seen.loss:.3f}." if step else ", before anything was learned."
        return Drawing([above, below], words, {"step": float(seen.step), "abs_rel": seen.abs_rel})
