"""Explorers: sliders that move a picture, each with a still picture; see `base.Explorer` for what they share.

In a notebook: `WarpExplorer(triplet).show()`. They are given what to explore, a triplet of the street and where one is
needed a trained `Model`; nothing is trained here.
"""
from __future__ import annotations

from .attention import AttentionExplorer
from .base import STRICT, Drawing, Explorer
from .borders import BorderExplorer
from .clouds import CloudExplorer
from .curves import CurveExplorer
from .ghosts import GhostExplorer
from .moments import MomentsExplorer
from .museum import MuseumExplorer
from .pace_car import PaceCarExplorer
from .pixels import marked_pixels
from .warps import IntrinsicsExplorer, ScaleExplorer, WarpExplorer

__all__ = ["STRICT", "AttentionExplorer", "BorderExplorer", "CloudExplorer", "CurveExplorer", "Drawing", "Explorer",
           "GhostExplorer", "IntrinsicsExplorer", "MomentsExplorer", "MuseumExplorer", "PaceCarExplorer",
           "ScaleExplorer", "WarpExplorer", "marked_pixels"]
