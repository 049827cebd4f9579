"""Labels for real images: torchvision's classes and the user's own models become trainIds."""
from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from semdepth_lite.classes import CLASSES
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.image_files import read_label_map
from semdepth_lite.data.label_tables import LABEL_KINDS, label_table
from semdepth_lite.data.labeling import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LabelModel,
    convert_labels,
    label_folder,
    torchvision_segmenter,
    user_segmenter,
)
from semdepth_lite.semantics import targets


class Stripes(nn.Module):
    """A segmenter that reads the class from the red channel: class = red / 10, at half the size."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        red = image[:, 0, ::2, ::2] * 0.229 + 0.485
        wanted = torch.round(red * 25.5)
        classes = torch.arange(19.0).view(1, 19, 1, 1)
        return -30 * (wanted[:, None] - classes).abs()


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "clip" / "day"
    folder.mkdir(parents=True)
    for i, red in enumerate((0, 130)):  # road, car
        picture = np.zeros((8, 12, 3), np.uint8)
        picture[..., 0] = red
        Image.fromarray(picture).save(folder / f"{i}.png")
    return tmp_path / "clip"


def script(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out, and still what many have
        torch.jit.script(Stripes()).save(str(path))
    return path


def test_a_users_torchscript_labels_a_folder(images, tmp_path):
    written = label_folder(images, tmp_path / "labels", user_segmenter(script(tmp_path / "own.pt")), progress=False)
    assert [path.relative_to(tmp_path / "labels").as_posix() for path in written] == ["day/0.png", "day/1.png"]
    assert [np.unique(read_label_map(path)).tolist() for path in written] == [[0], [13]]
    preview = np.asarray(Image.open(tmp_path / "labels" / "preview" / "day" / "1.jpg"))
    assert np.abs(preview[4, 6].astype(int) - (130 // 2, 0, CLASSES["car"][2] // 2)).max() <= 4


@pytest.mark.slow
def test_an_exported_model_labels_too(images, tmp_path):
    exported = torch.export.export(Stripes(), (torch.zeros(1, 3, 8, 12),))
    torch.export.save(exported, tmp_path / "own.pt2")
    segmenter = user_segmenter(tmp_path / "own.pt2")
    written = label_folder(images, tmp_path / "labels", segmenter, preview=False, progress=False)
    assert np.unique(read_label_map(written[1])).tolist() == [13]
    with pytest.raises(InputError, match="own.pt2 fails on an image of .1, 3, 16, 12.*one size"):
        segmenter.label(np.zeros((16, 12, 3), np.uint8))


def test_labels_that_are_there_stay(images, tmp_path):
    calls = []

    def network(image):
        calls.append(1)
        return torch.zeros(1, 8, 12, dtype=torch.int64)

    segmenter = LabelModel("ids", network, torch.arange(19, dtype=torch.uint8))
    for _ in range(2):
        label_folder(images, tmp_path / "labels", segmenter, preview=False, progress=False)
    assert len(calls) == 2


def test_an_image_of_a_refused_kind_is_named_before_any_is_labeled(images, tmp_path):
    Image.new("CMYK", (12, 8)).save(images / "z.jpg")
    segmenter = LabelModel("x", lambda image: torch.zeros(1, 19, 8, 12), torch.arange(19, dtype=torch.uint8))
    with pytest.raises(InputError, match="z.jpg holds mode CMYK"):
        label_folder(images, tmp_path / "labels", segmenter, progress=False)
    assert not (tmp_path / "labels").exists()


def test_what_is_not_sure_is_unknown():
    logits = torch.zeros(1, 19, 2, 2)
    logits[:, 13, 0] = 10
    labels = LabelModel("x", lambda image: {"out": logits}, torch.arange(19, dtype=torch.uint8)).label(
        np.zeros((2, 2, 3), np.uint8))
    assert labels.tolist() == [[13, 13], [255, 255]]


def test_images_arrive_normalized_and_resized():
    seen = {}

    def network(image):
        seen["shape"], seen["values"] = image.shape, image[0, :, 0, 0]
        return torch.zeros(1, 19, 2, 2)

    LabelModel("x", network, torch.arange(19, dtype=torch.uint8), height=16).label(np.full((8, 12, 3), 255, np.uint8))
    assert seen["shape"] == (1, 3, 16, 24)
    assert torch.allclose(seen["values"], (1 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD), atol=1e-5)


@pytest.mark.slow
def test_torchvisions_classes_become_train_ids(tmp_path):
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=21)
    torch.save(network.state_dict(), tmp_path / "lraspp.pth")
    segmenter = torchvision_segmenter(weights=tmp_path / "lraspp.pth")
    labels = segmenter.label(np.zeros((40, 60, 3), np.uint8), confidence=0)
    assert labels.shape == (40, 60) and set(np.unique(labels)) <= {11, 13, 15, 16, 17, 18, 19, 255}
    with pytest.raises(InputError, match="lraspp.pth lacks 'backbone.0.0.weight'"):
        state = network.state_dict()
        state.pop("backbone.0.0.weight")
        torch.save(state, tmp_path / "lraspp.pth")
        torchvision_segmenter(weights=tmp_path / "lraspp.pth")


def test_torchvisions_class_list_is_this_one():
    from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights as weights

    table = dict(zip(weights.DEFAULT.meta["categories"], label_table("voc").tolist()))
    assert {name: i for name, i in table.items() if i != 255} == {
        "__background__": 19, "person": 11, "car": 13, "bus": 15, "train": 16, "motorbike": 17, "bicycle": 18}


def test_what_is_surely_none_of_the_classes_is_a_negative():
    """A pixel sure to be background is 19; one that is unsure between background and car is unknown."""
    logits = torch.zeros(1, 21, 1, 2)
    logits[0, 0, 0, 0], logits[0, [0, 7], 0, 1] = 9, 9
    logits[0, 0, 0, 1] -= 0.5
    model = LabelModel("x", lambda image: logits, torch.from_numpy(label_table("voc")))
    labels = model.label(np.zeros((1, 2, 3), np.uint8), confidence=0.7)
    assert labels.tolist() == [[19, 255]]
    assert targets(torch.from_numpy(labels)[None], "foreground").tolist() == [[[0, 255]]]
    assert targets(torch.from_numpy(labels)[None], "all").tolist() == [[[255, 255]]]


def test_a_models_own_classes_and_normalization(tmp_path):
    segmenter = user_segmenter(script(tmp_path / "own.pt"), classes="camvid", mean=(0, 0, 0), std=(1, 1, 1))
    assert segmenter.mean == (0, 0, 0) and segmenter.table.tolist() == [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12, 255]
    with pytest.raises(InputError, match="std above 0"):
        user_segmenter(tmp_path / "own.pt", std=(1, 0, 1))


def test_every_table_keeps_to_the_nineteen_classes():
    for kind in LABEL_KINDS:
        table = label_table(kind)
        assert set(table.tolist()) <= {*range(20), 255} and len(set(table.tolist()) & set(range(19))) >= 6
    assert label_table("labelId")[[7, 26, 33]].tolist() == [0, 13, 18] and label_table("ade20k")[[6, 20]].tolist() == [
        0, 13]
    with pytest.raises(InputError, match="label ids 'coco' are unknown"):
        label_table("coco")


def test_torchvision_weights_without_a_network_are_named(monkeypatch):
    import urllib.error

    import torchvision.models  # noqa: F401  the patch below must find it loaded

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(InputError, match="lraspp_mobilenet_v3_large cannot be fetched .*name a file"):
        torchvision_segmenter()


def test_label_ids_are_converted_with_a_preview(tmp_path):
    (tmp_path / "ids").mkdir()
    Image.fromarray(np.array([[7, 26], [0, 33]], np.uint8)).save(tmp_path / "ids" / "a.png")
    convert_labels(tmp_path / "ids", tmp_path / "out")
    assert read_label_map(tmp_path / "out" / "a.png").tolist() == [[0, 13], [255, 18]]
    preview = np.asarray(Image.open(tmp_path / "out" / "preview" / "a.png"))
    assert tuple(preview[0, 1]) == CLASSES["car"] and preview[1, 0].max() == 0
    Image.fromarray(np.full((2, 2), 77, np.uint8)).save(tmp_path / "ids" / "b.png")
    with pytest.raises(InputError, match="b.png holds the id 77"):
        convert_labels(tmp_path / "ids", tmp_path / "out")


def test_bad_input_is_named(images, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.pt").write_text("no model")
    ok = LabelModel("x", lambda image: torch.zeros(1, 19, 8, 12), torch.arange(19, dtype=torch.uint8))
    bad = LabelModel("x", lambda image: torch.zeros(1, 21, 8, 12), torch.arange(19, dtype=torch.uint8))
    for call, sentence in (
            (lambda: label_folder(tmp_path / "empty", tmp_path / "o", ok), "holds no image"),
            (lambda: label_folder(images, images, ok), "is an input and would be replaced"),
            (lambda: label_folder(images, tmp_path / "o", ok, confidence=2), "confidence 2 is no probability"),
            (lambda: label_folder(images, tmp_path / "o", bad, progress=False), r"answers \(1, 21, 8, 12\), expected"),
            (lambda: user_segmenter(tmp_path / "none.pt"), "none.pt does not exist"),
            (lambda: user_segmenter(tmp_path / "notes.pt"), "notes.pt is no TorchScript"),
            (lambda: torchvision_segmenter("unet"), "segmenter 'unet' is unknown")):
        with pytest.raises(InputError, match=sentence):
            call()
