"""Two cameras that stand a known distance apart: the other camera's picture as one more source, and depth in meters.

A stereo pair needs no motion to be learned: T_source_target is the calibration's. Alone, the other camera's picture is
the only source (Godard et al. 2017); with the neighbors in time it comes last, after the previous and the next frame
(Godard et al. 2019), and fixes the unit of what the pose network learns for those.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..common.contracts import InputError
from .clips import ClipSource
from .sources import Wrapped
from .triplet import Indices, Triplet

STEREO = ("alone", "neighbors")


class StereoSource(Wrapped):
    """A source to whose triplets the other camera's picture is added, as the last of the sources.

    Where the neighbors in time have no known motion, T_source_target holds nan for them.
    """

    source: ClipSource

    def __init__(self, source: ClipSource, other: ClipSource, rows: Sequence[int], T_other_camera: np.ndarray) -> None:
        """Join two cameras.

        Args:
            source: One camera's frames, with or without neighbors in time.
            other: The other camera's frames, without neighbors.
            rows: (N,) position in `other` of the frame that belongs to each target.
            T_other_camera: (N, 4, 4) motion of each target's points into the other camera, meters.

        Raises:
            InputError: if the two cameras have different intrinsics, or do not stand beside each other.
        """
        super().__init__(source)
        self.other, self.rows = other, np.asarray(rows, dtype=np.int64)
        self.T_other_camera = torch.from_numpy(np.asarray(T_other_camera)).float()
        self.name = f"{source.name} stereo{'' if source.neighbors.shape[1] else ' alone'}"
        self._check()

    def _check(self) -> None:
        """Refuse a pair that is not rectified to one K and one orientation."""
        apart = float((self.source.K - self.other.K[self.rows]).abs().max())
        if apart > 0.1:
            raise InputError(f"the intrinsics of the two cameras of {self.source.name} differ by up to {apart:.2f} px; "
                             "stereo needs a rectified pair.")
        if not float(self.T_other_camera[:, :3, 3].norm(dim=1).min()) > 1e-3:
            raise InputError(f"the calibration of {self.source.name} puts both cameras of the pair at one place; "
                             "stereo needs a baseline.")

    def triplet(self, indices: Indices) -> Triplet:
        """Load the triplets at these positions as one batch."""
        batch = self.source.triplet(indices)
        chosen = np.asarray(indices, dtype=np.int64).reshape(-1)
        beside = self.other.triplet(self.rows[chosen]).target
        known = batch.T_source_target
        if known is None:
            known = torch.full((len(batch), batch.sources.shape[1], 4, 4), torch.nan)
        T = torch.cat((known, self.T_other_camera[chosen, None]), 1)
        return replace(batch, sources=torch.cat((batch.sources, beside[:, None]), 1), sources_aug=None,
                       T_source_target=T)
