"""The kinds of faults that were mended as kinds: what was tried, where it is mended, and which tests hold it.

    python tests/kinds.py    writes tests/kinds.md
"""
from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# kind: (places that mend it, test files that hold it, what remains)
KINDS = {
    "Which frame follows which": ("data/frame_order.py", ["tests/data/test_frame_order.py"],
                                  "names that allow two readings become clips of one frame"),
    "What the pixels mean": ("data/image_files.py, data/video.py",
                             ["tests/data/test_image_files.py", "tests/data/test_own_frames.py"],
                             "16-bit color, CMYK and transparent pixels are refused; color profiles are not applied"),
    "Intrinsics": ("data/intrinsics_file.py", ["tests/data/test_intrinsics_file.py"],
                   "no lens distortion; the principal point must lie inside of the image"),
    "Caches": ("data/frame_cache.py, street/cache.py",
               ["tests/data/test_frame_cache.py", "tests/street/test_street_files.py"],
               "the label maps of a training that goes on carry no checksum"),
    "Runs know their data": ("common/storage.py, data/clips.py, training/run.py", ["tests/training/test_training.py"],
                             "of a large set the content of 64 files is sampled"),
    "Outputs replace only their own kind": ("common/storage.py", ["tests/data/test_labeling.py"],
                                            "files of earlier versions carry no mark and must be moved away"),
    "Small files": ("common/small_files.py", ["tests/commands/test_bad_input.py", "tests/test_every_input.py"], ""),
    "Downloads": ("data/kitti/download.py", ["tests/data/test_download.py"],
                  "KITTI publishes no checksums; lengths and the archives' own CRCs are held"),
    "The last line of defense": ("common/console.py, common/runtime.py", ["tests/test_console.py"],
                                 "SIGKILL loses the steps since the last checkpoint"),
    "Full disks and vanishing data": ("common/storage.py", ["tests/test_faults.py"], ""),
    "Shapes, types and ids of public functions": (
        "losses.py, camera.py, warp.py, labels.py",
        ["tests/test_refusals.py", "tests/test_every_input.py", "tests/test_labels.py"],
        "inner functions of metrics, borders and alignment take what their callers have checked; None for a path or a "
        "model is Python's own TypeError"),
    "Checkpoints, cards, results and records": (
        "training/checkpoint.py, weights.py, experiments/results.py, course/reproduce.py",
        ["tests/training/test_checkpoints.py", "tests/test_pretrained.py", "tests/experiments/test_results.py",
         "tests/course/test_reproduce.py"], "results older than their fingerprints of the data are taken"),
    "Deaths and calls at once": (
        "common/storage.py, experiments/runner.py, course/reproduce.py",
        ["tests/tools/test_kills.py", "tests/experiments/test_runner.py"], ""),
    "Memory": ("training/memory.py, common/runtime.py", ["tests/training/test_memory.py"],
               "what is foreseen is the depth network's share; beyond it the allocator's refusal becomes a sentence"),
    "Network of the tests": ("tests/conftest.py", ["tests/test_no_network.py"],
                             "children that are not Python are not guarded"),
}


def counted() -> dict[str, int]:
    """Return how many test functions each file has; many of them draw or list cases."""
    files = sorted({file for _, tests, _ in KINDS.values() for file in tests})
    return {file: (ROOT / file).read_text(encoding="utf-8").count("\ndef test_") for file in files}


def page() -> str:
    """Return the table."""
    cases = counted()
    rows = [f"| {kind} | {sum(cases[file] for file in tests)} | {mended} | {', '.join(tests)} | {remains or '-'} |"
            for kind, (mended, tests, remains) in KINDS.items()]
    head = "Written by `python tests/kinds.py`; `python tests/hostile.py` draws more."
    return "\n".join(["# Kinds of faults", "", head, "",
                      "| kind | tests | mended in | held by | what remains |", "| --- | --: | --- | --- | --- |", *rows,
                      ""])


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    (ROOT / "tests" / "kinds.md").write_text(page(), encoding="utf-8")
