"""The street: procedural video with exact depth, labels, camera poses and moving-object masks.

`load_street(StreetSettings(...))` gives a cached set; `render_frame(seed, index, height, width)` one frame;
`corrupt_labels` errs like a segmentation network; `export_kitti` writes a drive in the layout of KITTI raw.
"""
from __future__ import annotations

from .cache import StreetSet, StreetSettings, cache_folder, load_street
from .corrupt import corrupt_labels
from .export import export_kitti
from .render import RENDERER_VERSION, Frame, default_intrinsics, render_frame, render_scene
from .scene import Scene, make_scene, pace_car_scene, scene_seeds

__all__ = ["Frame", "RENDERER_VERSION", "Scene", "StreetSet", "StreetSettings", "cache_folder", "corrupt_labels",
           "default_intrinsics", "export_kitti", "load_street", "make_scene", "pace_car_scene",
           "render_frame", "render_scene", "scene_seeds"]
