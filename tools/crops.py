"""The same crops of test images as every variant sees them, beside the truth.

`python -m tools.crops runs` draws figures/crops.png from the run folders that the experiment `variants` leaves;
a variant without a run folder is left out.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from semdepth_lite.course.showcase import DEPTHS, pick_crops
from semdepth_lite.evaluation.prediction import scaled_prediction
from semdepth_lite.experiments.results import ROOT
from semdepth_lite.figures import colorize_depth, image_grid, save
from semdepth_lite.labels import colorize_labels
from semdepth_lite.presets import street
from semdepth_lite.training.checkpoint import load_run
from tools import parser

# run folder of the first seed to the title of its row
SHOWN = {"baseline-1-learned-0": "baseline", "semantics-1-multitask-0": "multitask",
         "semantics-2-attention-0": "attention", "semantics-4-ssfa-0": "SSFA", "variants-1-seem-0": "SEEM",
         "variants-2-ranking-0": "ranking loss", "variants-3-seedepth-0": "SEEDepth",
         "variants-4-semdepth-0": "SemDepth", "masks-1-small-combined-0": "combined"}
SIDE = (64, 80)  # rows and columns of a crop, pixels


def draw_crops(work: Path, path: Path, preset: str = "lesson") -> list[str]:
    """Draw the crops of all variants that have a run folder, and return their names.

    Args:
        work: Folder of run folders.
        path: Picture to write.
        preset: Preset whose test scenes are drawn.
    """
    source = street("test", preset)
    crops = pick_crops(source, side=SIDE)
    items = [source.triplet([index]) for index, _, _ in crops]
    models = {title: load_run(work / name, "cpu") for name, title in SHOWN.items()
              if (work / name / "checkpoint.pt").exists()}
    rows = []
    for item, (_, down, along) in zip(items, crops):
        def painted(depth: torch.Tensor, down=down, along=along) -> np.ndarray:
            return colorize_depth(depth[0, 0, down, along].numpy(), DEPTHS)

        cells = [(item.target[0, :, down, along], "image"),
                 (colorize_labels(item.labels[0, down, along]).numpy(), "classes"), (painted(item.depth), "true depth")]
        cells += [(painted(scaled_prediction(model, item)), title) for title, model in models.items()]
        rows += [cells[:6], cells[6:]]
    save(image_grid(rows), path,
         alt=f"{len(crops)} crops of test images, each beside its classes, its true depth and the depth by "
             f"{', '.join(models)}.",
         caption="The same crops as every variant sees them; near is bright.")
    return list(models)


def main() -> None:
    """Draw figures/crops.png."""
    command = parser(__doc__)
    command.add_argument("work", type=Path, nargs="?", default=Path("runs"), help="folder of run folders (runs)")
    print("drawn:", ", ".join(draw_crops(command.parse_args().work, ROOT / "figures" / "crops.png")))


if __name__ == "__main__":
    main()
