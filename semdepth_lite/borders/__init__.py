"""Depth at the borders of masks: SEEDepth's edge enhancement, SemDepth's ranking loss, and snapping."""
from __future__ import annotations

from .edges import edge_strength, point_count, strongest_points, training_points
from .ranking import RankingSettings, pair_costs, point_certainty, ranking_loss, ranking_variable, sample_pairs
from .seem import SEEM
from .snapping import snap_depth

__all__ = ["RankingSettings", "SEEM", "edge_strength", "pair_costs",
           "point_certainty", "point_count", "ranking_loss", "ranking_variable", "sample_pairs",
           "snap_depth", "strongest_points", "training_points"]
