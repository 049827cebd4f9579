"""The depth of the baseline and of the best semantic network side by side, and what masks are worth.

`python -m tools.showcase` draws figures/showcase.png from two networks that come with the package, and
figures/masks.png from the committed results of the experiments `masks` and `noise`. `python -m tools.showcase --blind
FOLDER` writes pairs of unnamed crops for somebody who does not know which is which, and FOLDER_key.json, which does.
"""
from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from semdepth_lite.common.storage import write_json
from semdepth_lite.course.showcase import DEPTHS, PRESET, views
from semdepth_lite.data.image_files import write_image
from semdepth_lite.experiments.mask_quality import CAPTION, worth_of_masks
from semdepth_lite.experiments.results import ROOT
from semdepth_lite.figures import colorize_depth, image_grid, save
from semdepth_lite.presets import street
from tools import parser

PAIRS = 20  # of the blind test


def draw_showcase(path: Path, count: int = 4) -> None:
    """Draw crops of test images: image, classes as the segmenter sees them, baseline, semantic network, truth."""
    rows = [view.row() for view in views(street("test", PRESET), count)]
    save(image_grid(rows), path,
         alt=f"{count} crops of test images, each with the classes that the segmenter sees, the depth by the baseline, "
             "the depth by the best network with semantics, and the true depth.",
         caption="Depth before and after semantics; near is bright. The crops with most foreground borders, one a "
                 "scene.")


def draw_masks(path: Path) -> None:
    """Draw what masks are worth: differences to the baseline over the quality of the masks."""
    drawn = worth_of_masks()
    if drawn is not None:
        save(drawn[0], path, alt=drawn[1], caption=CAPTION)


def write_blind(folder: Path) -> None:
    """Write pairs of unnamed crops, a and b in random order, beside their image; the key names the semantic one."""
    order, key = random.Random(0), {}
    for number, view in enumerate(views(street("test", PRESET), PAIRS), start=1):
        semantic = order.choice("ab")
        key[f"{number:02d}"] = semantic
        plain, guided = (colorize_depth(depth.numpy(), DEPTHS) for depth in view.depths.values())
        shown = {"image": (255 * view.image).round().byte().permute(1, 2, 0).numpy(), semantic: guided,
                 "b" if semantic == "a" else "a": plain}
        for name, picture in shown.items():
            write_image(folder / f"{number:02d}_{name}.png", np.repeat(np.repeat(picture, 3, 0), 3, 1))
    write_json(folder.parent / f"{folder.name}_key.json", key)


def main() -> None:
    """Draw both pictures, or write the pairs of the blind test."""
    command = parser(__doc__)
    command.add_argument("--blind", type=Path, metavar="FOLDER", help="write the pairs of the blind test there instead")
    blind = command.parse_args().blind
    if blind is not None:
        write_blind(blind)
        return
    draw_showcase(ROOT / "figures" / "showcase.png")
    draw_masks(ROOT / "figures" / "masks.png")


if __name__ == "__main__":
    main()
