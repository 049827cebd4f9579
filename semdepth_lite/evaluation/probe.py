"""A linear probe: how well a single linear layer reads classes from features that were learned for something else."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F

from ..classes import NUM_CLASSES
from ..data.triplet import Triplet
from ..metrics import class_iou, confusion_matrix

Features = Callable[[torch.Tensor], torch.Tensor]  # images (B, 3, H, W) to one feature map (B, C, h, w)


def hypercolumns(features: list[torch.Tensor]) -> torch.Tensor:
    """Join an encoder's feature maps from stride 4 on, at stride 4 (Hariharan et al. 2015): (B, sum of C_i, H/4, W/4).

    Args:
        features: Five features of the encoder, (B, C_i, H / 2^(i+1), W / 2^(i+1)).
    """
    size = features[1].shape[-2:]
    return torch.cat([F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in features[1:]], 1)


class LinearProbe:
    """Balanced least squares from a feature map to classes, in closed form, so that nothing is trained or tuned.

    With x a feature vector and a 1 behind it, and y its class as a one-hot vector, every class counts alike:
        W = argmin_W sum_c 1/n_c sum_{p of class c} |W^T x_p - y_p|^2 + ridge |W|^2
    (after Alain and Bengio 2017, who probe with a trained linear classifier). The class with the largest W^T x wins.

    Args:
        features: Function from images to features, without gradient; a stage of an encoder, for instance.
        ridge: Weight that keeps features that hardly vary from being blown up.
    """

    def __init__(self, features: Features, ridge: float = 1e-3) -> None:
        self.features, self.ridge = features, ridge
        self.weight: torch.Tensor | None = None

    @torch.no_grad()
    def _samples(self, batch: Triplet) -> tuple[torch.Tensor, torch.Tensor]:
        """Return feature vectors ending in a 1 (B, h, w, C + 1), and the label at each cell's center (B, h, w)."""
        labels = batch.require("labels")
        x = self.features(batch.target).double().movedim(1, -1)
        step = labels.shape[-1] // x.shape[2]
        labels = labels[:, step // 2::step, step // 2::step]
        return torch.cat((x, torch.ones_like(x[..., :1])), -1), labels.to(x.device)

    def fit(self, batches: Iterable[Triplet]) -> LinearProbe:
        """Solve for W on batches with labels.

        Raises:
            InputError: if a batch has no labels.
        """
        products = sums = 0
        counts: Any = 0
        for batch in batches:
            x, labels = self._samples(batch)
            of_class = [x[labels == c] for c in range(NUM_CLASSES)]
            products = products + torch.stack([part.T @ part for part in of_class])  # (N, C + 1, C + 1)
            sums = sums + torch.stack([part.sum(0) for part in of_class])            # (N, C + 1)
            counts = counts + torch.tensor([len(part) for part in of_class], device=x.device)
        share = torch.where(counts > 0, 1 / counts.clamp(min=1), 0).double()
        system = (share[:, None, None] * products).sum(0)
        system += self.ridge * system.diagonal().mean() * torch.eye(len(system), dtype=system.dtype,
                                                                     device=system.device)
        self.weight = torch.linalg.solve(system, (share[:, None] * sums).T)      # (C + 1, N)
        return self

    def iou(self, batches: Iterable[Triplet]) -> torch.Tensor:
        """Return the intersection over union of each class (N,) on the probed cells; nan where the class is absent."""
        assert self.weight is not None, "fit comes before iou"
        total = torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.int64)
        for batch in batches:
            x, labels = self._samples(batch)
            total += confusion_matrix((x @ self.weight).argmax(-1), labels.long()).sum(0).cpu()
        return class_iou(total)
