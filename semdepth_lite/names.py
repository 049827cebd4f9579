"""Names that the help of the command line and the refusals share: a light file, so that --help need not load torch."""
from __future__ import annotations

PRESETS = ("quick", "lesson", "photo", "clip", "showcase", "paper")
LOSSES = ("monodepth2", "lesson", "clip", "photo")
ENCODERS = ("lite", "resnet18", "resnet34", "resnet50")
PRETRAINED = ("baseline", "seedepth", "semdepth", "combined", "semdepth_segmenter", "showcase_baseline",
              "showcase_semantic")


def listed(names: tuple[str, ...]) -> str:
    """Return names as words: a, b or c."""
    return f"{', '.join(names[:-1])} or {names[-1]}"
