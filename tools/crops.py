"""The same crops of test images by the lessons' networks, beside the truth: `python -m tools.crops` draws them.

They are networks that come with the package, each the first seed of its row in the tables.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from semdepth_lite import load_pretrained
from semdepth_lite.course.showcase import DEPTHS, pick_crops
from semdepth_lite.evaluation.prediction import scaled_prediction
from semdepth_lite.experiments.results import ROOT
from semdepth_lite.figures import colorize_depth, image_grid, save
from semdepth_lite.labels import colorize_labels
from semdepth_lite.presets import street
from semdepth_lite.training.segmenter import with_masks
from tools import parser

# name of the weights to the title of their depth maps
SHOWN = {"baseline": "baseline", "seedepth": "SEEDepth", "semdepth": "SemDepth",
         "combined": "combined, small masks", "semdepth_segmenter": "SemDepth, masks given"}
SIDE = (64, 80)  # rows and columns of a crop, pixels
COLUMNS = 4      # three pictures of the truth and the baseline, and below them the methods


def draw_crops(path: Path, preset: str = "lesson") -> None:
    """Draw the crops.

    Args:
        path: Picture to write.
        preset: Preset whose test scenes are drawn.
    """
    source = street("test", preset)
    models = {title: load_pretrained(name, "cpu") for name, title in SHOWN.items()}
    seen = {title: with_masks(source, model) for title, model in models.items()}
    rows = []
    for index, down, along in pick_crops(source, side=SIDE):
        def painted(depth: torch.Tensor, down=down, along=along) -> np.ndarray:
            return colorize_depth(depth[0, 0, down, along].numpy(), DEPTHS)

        item = source.triplet(np.array([index]))
        cells = [(item.target[0, :, down, along], "image"),
                 (colorize_labels(item.labels[0, down, along]).numpy(), "classes"), (painted(item.depth), "true depth")]
        cells += [(painted(scaled_prediction(model, seen[title].triplet(np.array([index])))), title)
                  for title, model in models.items()]
        rows += [cells[:COLUMNS], cells[COLUMNS:]]
    save(image_grid(rows), path,
         alt=f"{len(rows) // 2} crops of test images, each beside its classes, its true depth and the depth by "
             f"{'; '.join(models)}.",
         caption="The same crops as each method sees them; near is bright.")


def main() -> None:
    """Draw figures/crops.png."""
    parser(__doc__).parse_args()
    draw_crops(ROOT / "figures" / "crops.png")


if __name__ == "__main__":
    main()
