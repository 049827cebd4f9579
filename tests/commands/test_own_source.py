"""A source of one's own on the command line: trained on, judged, and looked at by the doctor."""
from __future__ import annotations

import json

import numpy as np
import pytest
from factories import TinySource

from semdepth_lite.__main__ import main
from semdepth_lite.common import registry
from semdepth_lite.presets import PRESETS, Preset
from semdepth_lite.training.settings import TrainSettings

CODE = """
import numpy as np
from semdepth_lite import register
from semdepth_lite.data import ArraySource


@register("source", "npz")
def npz_source(place, height, width):
    with np.load(place) as arrays:
        return ArraySource(arrays["images"], arrays["K"], depth=arrays["depth"] if "depth" in arrays else None)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a clip as arrays and the code that opens it; the quick preset is tiny."""
    monkeypatch.setattr(registry, "_PARTS", {})
    monkeypatch.setitem(PRESETS, "quick", Preset(64, 64, {"train": 1}, TrainSettings(width=8, steps=2, batch=2)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    clip = TinySource(6, 64, 64)
    images = (255 * clip.arrays["target"].movedim(1, -1)).round().byte().numpy()
    K = clip.arrays["K"][0].numpy()
    np.savez(tmp_path / "clip.npz", images=images, K=K, depth=clip.arrays["depth"][:, 0].numpy())
    np.savez(tmp_path / "blind.npz", images=images, K=K)
    return tmp_path


def ran(capsys, *words) -> tuple[int, str]:
    """Return status and what a command prints, or what it says of bad input."""
    status = main([*words, "--quiet", "--code", "mine.py"])
    read = capsys.readouterr()
    return status, read.err if status else read.out


@pytest.mark.slow  # five commands
def test_a_registered_source_is_trained_on_judged_and_examined(here, capsys):
    assert ran(capsys, "train", "run", "--data", "npz:clip.npz", "--device", "cpu")[0] == 0
    about = json.loads((here / "run" / "settings.json").read_text())
    assert (about["data"], about["triplets"], about["height"]) == ("arrays", 4, 64)
    status, text = ran(capsys, "evaluate", "--run", "run", "--data", "npz:clip.npz", "--device", "cpu", "--json")
    assert status == 0 and 0 < json.loads(text)["abs_rel"] < 10
    (here / "depth").mkdir()
    with np.load("clip.npz") as arrays:
        for i, truth in enumerate(arrays["depth"][1:-1]):
            np.save(f"depth/{i:06d}.npy", 3 * truth)
    status, text = ran(capsys, "evaluate", "--predictions", "depth", "--data", "npz:clip.npz", "--json", "--output",
                       "judged.json")
    assert status == 0 and json.loads(text)["abs_rel"] == pytest.approx(0, abs=1e-4)  # one scale for each image
    status, text = ran(capsys, "doctor", "npz:clip.npz", "--pairs", "2", "--json")
    assert status == 0 and json.loads(text)["verdict"] in ("good", "look", "bad")


JUDGE = ("evaluate", "--pretrained", "baseline", "--data")


@pytest.mark.parametrize(("words", "sentence"), [
    ([*JUDGE, "npz:blind.npz"], "without depth, so there is nothing to judge"),
    ([*JUDGE, "npz:clip.npz", "--poses"], "does not tell which frame of a clip"),
    ([*JUDGE, "npz:clip.npz", "--labels", "x"], "kind npz has no use for labels"),
    (["train", "run", "--data", "npz:clip.npz", "--frame-step", "2"], "kind npz has no use for step"),
    (["doctor", "npz:absent.npz"], "absent.npz"),
    (["train", "run", "--data", "other:clip.npz"], "or NAME:PLACE of a source of your own after `register`"),
    (["train", "run", "--loss", "mine"], "or one of your own after `register`"),
])
def test_what_a_registered_source_cannot_give_is_one_sentence(here, capsys, words, sentence):
    status, text = ran(capsys, *words)
    assert status == 2 and sentence in text and text.count("\n") == 1
    assert not (here / "run").exists()
