"""Every picture of the notebooks and the README: functions that draw and compute nothing.

Notable:
- A function returns a matplotlib `Figure`; `show` and `save` ask for alt text and caption. Figures are made without
  pyplot, so no backend is chosen and nothing stays open.
- Depth is drawn in magma (near is bright) with a scale in meters, gray where there is none; errors in cividis; labels
  in the Cityscapes palette with their names. No meaning rests on color alone: lines differ in dash and marker too,
  areas carry their names.
"""
from __future__ import annotations

from .charts import birds_eye, border_profile, learning_curve, metric_dots, photometric_curve, points_on_curves
from .comparisons import difference_bars
from .images import colorize_depth, contact_sheet, depth_panel, image_grid, label_panel, map_panel, overlay
from .marks import point_panel, quadruplet_picture
from .pictures import Picture, picture, save, show, stored

__all__ = ["Picture", "birds_eye", "border_profile", "colorize_depth", "contact_sheet", "depth_panel",
           "difference_bars", "image_grid", "label_panel", "learning_curve", "map_panel", "metric_dots", "overlay",
           "photometric_curve", "picture", "point_panel", "points_on_curves", "quadruplet_picture", "save", "show",
           "stored"]
