"""The same crops of test images as every variant sees them, beside the truth.

`python -m tools.crops runs` draws figures/crops.png from the run folders that the experiment `variants` leaves;
a variant without a run folder is left out.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from semdepth_lite.data.sources import StreetSource
from semdepth_lite.evaluation.prediction import depth_predictor, to_scale
from semdepth_lite.experiments.results import ROOT
from semdepth_lite.figures import colorize_depth, image_grid, save
from semdepth_lite.labels import colorize_labels, group_mask, label_borders
from semdepth_lite.presets import street
from semdepth_lite.training.checkpoint import load_run
from tools import parser

# run folder of the first seed to the title of its row
SHOWN = {"baseline-1-learned-0": "baseline", "semantics-1-multitask-0": "multitask",
         "semantics-2-attention-0": "attention", "semantics-4-ssfa-0": "SSFA", "variants-1-seem-0": "SEEM",
         "variants-2-ranking-0": "ranking loss", "variants-3-seedepth-0": "SEEDepth",
         "variants-4-semdepth-0": "SemDepth", "variants-5-combined-0": "combined"}
SIDE = (64, 80)    # rows and columns of a crop, pixels
DEPTHS = (3.0, 60.0)  # ends of the color scale, meters


def pick_crops(source: StreetSource, count: int = 3, side: tuple[int, int] = SIDE) -> list[tuple[int, slice, slice]]:
    """Choose the crops with most foreground borders, each from a scene of its own: index, rows, columns.

    The choice looks at labels only, never at what a network makes of them.
    """
    height, width = (min(part, whole) for part, whole in zip(side, (source.height, source.width)))
    found: dict[int, tuple[int, int, int]] = {}  # scene to (pixels, index, first column)
    for index in range(len(source)):
        labels = source.triplet([index]).labels
        counts = (label_borders(labels) & group_mask(labels, "foreground_wide"))[0].sum(0)
        sums = counts.unfold(0, width, 1).sum(1)
        best = (int(sums.max()), index, int(sums.argmax()))
        scene = source.scene_of(index)
        found[scene] = max(found.get(scene, (0, 0, 0)), best)
    chosen = sorted(found.values(), reverse=True)[:count]
    return [(index, slice(0, height), slice(left, left + width)) for _, index, left in chosen]


def draw_crops(work: Path, path: Path, preset: str = "lesson") -> list[str]:
    """Draw the crops of all variants that have a run folder, and return their names.

    Args:
        work: folder of run folders.
        path: picture to write.
        preset: whose test scenes.
    """
    source = street("test", preset)
    crops = pick_crops(source)
    items = [source.triplet([index]) for index, _, _ in crops]
    models = {title: load_run(work / name, "cpu") for name, title in SHOWN.items()
              if (work / name / "checkpoint.pt").exists()}
    rows = []
    for item, (_, down, along) in zip(items, crops):
        def painted(depth: torch.Tensor, down=down, along=along) -> np.ndarray:
            return colorize_depth(depth[0, 0, down, along].numpy(), DEPTHS)

        cells = [(item.target[0, :, down, along], "image"),
                 (colorize_labels(item.labels[0, down, along]).numpy(), "classes"), (painted(item.depth), "true depth")]
        cells += [(painted(to_scale(depth_predictor(model)(item), item.depth)), title)
                  for title, model in models.items()]
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
