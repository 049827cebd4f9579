"""Published weights: Monodepth2's files load, and any other file is refused with its first differing key."""
from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.model import Model
from semdepth_lite.networks import DepthDecoder, Encoder, NetworkSettings, build_pose_network
from semdepth_lite.weights import (
    NETWORK_FILES,
    imagenet_state,
    load_imagenet,
    load_tensors,
    read_monodepth2,
)

GOLDEN = Path(__file__).parent / "golden" / "monodepth2.npz"


def build(name: str = "resnet18", pose: bool = True, seed: int = 0) -> SimpleNamespace:
    """Build networks with small random weights, without the usual initialization, which would take most of the time."""
    settings = NetworkSettings(name)
    with torch.device("meta"):
        encoder = Encoder(settings).eval()
        pair = build_pose_network(settings) if pose else (None, None)
        model = SimpleNamespace(encoder=encoder, depth=DepthDecoder(encoder.channels, settings).eval(),
                                pose_encoder=pair[0], pose=pair[1])
    generator = torch.Generator().manual_seed(seed)
    for network in filter(None, vars(model).values()):
        network.to_empty(device="cpu")
        for tensor in network.state_dict().values():
            low, high = (-0.03, 0.03) if tensor.dim() > 1 else (0.5, 1.5)
            tensor.uniform_(low, high, generator=generator) if tensor.is_floating_point() else tensor.zero_()
    return model


def write_monodepth2(folder: Path, model, height: int, width: int) -> None:
    """Write a model's networks as Monodepth2's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in NETWORK_FILES.items():
        if (network := getattr(model, name, None)) is not None:
            size = {"height": height, "width": width, "use_stereo": False} if name == "encoder" else {}
            torch.save(network.state_dict() | size, folder / file)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "mono"
    model = build(seed=1)
    write_monodepth2(folder, model, 192, 640)
    return folder, model


def copy_of(folder: Path, target: Path, pose: bool) -> Path:
    target.mkdir()
    for name in NETWORK_FILES.values():
        if pose or "pose" not in name:
            os.link(folder / name, target / name)
    return target


def rewrite(path: Path, change) -> None:
    state = torch.load(path, weights_only=True)
    change(state)
    path.unlink()  # the copy is a link
    torch.save(state, path)


@pytest.mark.slow
def test_a_model_takes_them(published):
    weights = read_monodepth2(published[0])
    with torch.device("meta"):
        model = Model(weights.networks)
    model = model.to_empty(device="cpu")
    weights.load_into(model)
    for name, network in vars(published[1]).items():
        ours = getattr(model, name).state_dict()
        assert all(torch.equal(tensor, ours[key]) for key, tensor in network.state_dict().items())


@pytest.mark.slow
@torch.no_grad()
def test_weights_come_back_with_their_size(published):
    folder, model = published
    weights = read_monodepth2(folder)
    assert (weights.height, weights.width, weights.stereo) == (192, 640, False)
    assert weights.networks == NetworkSettings("resnet18")
    other = build(seed=2)
    image = torch.rand(1, 3, 64, 96)
    before = other.depth(other.encoder(image))[0]
    weights.load_into(other)
    after, expected = (m.depth(m.encoder(image))[0] for m in (other, model))
    assert torch.equal(after, expected) and not torch.equal(before, expected)
    pair = torch.rand(1, 6, 64, 96)
    for m in (other, model):
        m.pose_encoder.eval()
    assert torch.equal(other.pose(other.pose_encoder(pair))[1], model.pose(model.pose_encoder(pair))[1])


@pytest.mark.slow
@pytest.mark.parametrize("suffix, name", [("", "resnet18"), ("_50", "resnet50")])
def test_files_with_monodepth2s_own_keys_and_shapes_load(tmp_path, suffix, name):
    shapes = json.loads(str(np.load(GOLDEN)["state_dicts"]))
    for network in ("encoder", "depth"):
        state = {key: torch.zeros(shape) for key, shape in shapes[network + suffix].items()}
        torch.save(state | ({"height": 192, "width": 640, "use_stereo": False} if network == "encoder" else {}),
                   tmp_path / NETWORK_FILES[network])
    assert read_monodepth2(tmp_path).networks == NetworkSettings(name)


@pytest.mark.slow
def test_stereo_weights_of_the_older_format_without_pose(published, tmp_path):
    folder, model = published
    (tmp_path / "stereo").mkdir()
    for network, file in (("encoder", "encoder.pth"), ("depth", "depth.pth")):
        state = dict(getattr(model, network).state_dict())
        if network == "encoder":
            state |= {"height": 320, "width": 1024, "use_stereo": True}
        torch.save(state, tmp_path / "stereo" / file, _use_new_zipfile_serialization=False)
    weights = read_monodepth2(tmp_path / "stereo")
    assert weights.stereo and (weights.height, weights.width) == (320, 1024) and list(weights.states) == [
        "encoder", "depth"]
    weights.load_into(build(pose=False))
    with pytest.raises(InputError, match="hold no pose_encoder.pth"):
        weights.load_into(build())


@pytest.mark.slow
def test_resnet50_is_recognized(tmp_path):
    write_monodepth2(tmp_path, build("resnet50", pose=False), 192, 640)
    assert read_monodepth2(tmp_path).networks == NetworkSettings("resnet50")
    with pytest.raises(InputError, match="encoder.pth has 'encoder.layer1.0.conv1.weight' with shape"):
        read_monodepth2(tmp_path).load_into(build(pose=False))


@pytest.mark.slow
@pytest.mark.parametrize("file, change, sentence", [
    ("encoder.pth", lambda s: s.pop("encoder.bn1.bias"), "encoder.pth lacks 'encoder.bn1.bias'"),
    ("depth.pth", lambda s: s.update({"decoder.3.conv.conv.bias": torch.zeros(7)}),
     r"depth.pth has 'decoder.3.conv.conv.bias' with shape \(7,\), expected \(128,\)"),
    ("pose.pth", lambda s: s.update({"net.9.weight": torch.zeros(1)}), "pose.pth has 'net.9.weight', which the"),
    ("pose_encoder.pth", lambda s: s.update({"encoder.conv1.weight": torch.zeros(64, 3, 7, 7)}),
     "pose_encoder.pth has 'encoder.conv1.weight' with shape"),
    ("encoder.pth", lambda s: s.pop("height"), "encoder.pth gives height None, expected a whole number"),
    ("encoder.pth", lambda s: s.update(width=641), "width 641 is not a positive multiple of 32"),
    ("encoder.pth", lambda s: s.pop("encoder.conv1.weight"), "encoder.pth begins with 'encoder.bn1.weight'"),
    ("depth.pth", lambda s: s["decoder.0.conv.conv.bias"].fill_(float("nan")),
     "has 'decoder.0.conv.conv.bias' with numbers"),
])
def test_other_weights_are_refused_with_the_first_differing_key(published, tmp_path, file, change, sentence):
    folder = copy_of(published[0], tmp_path / "copy", pose="pose" in file)
    rewrite(folder / file, change)
    with pytest.raises(InputError, match=sentence):
        read_monodepth2(folder)


class Hostile:
    def __reduce__(self):
        return os.system, ("echo hostile > hostile.txt",)


@pytest.mark.slow
def test_hostile_and_broken_files_are_not_executed(published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"weight": Hostile()}))
    torch.save({"weight": Hostile()}, tmp_path / "b.pth")
    (tmp_path / "c.pth").write_bytes((published[0] / "depth.pth").read_bytes()[:5000])
    (tmp_path / "d.pth").write_bytes(b"")
    for name in "abcd":
        with pytest.raises(InputError, match=f"{name}.pth is no file of plain weights"):
            load_tensors(tmp_path / f"{name}.pth")
    torch.save([torch.zeros(1)], tmp_path / "e.pth")
    with pytest.raises(InputError, match="e.pth holds a list, expected a state_dict"):
        load_tensors(tmp_path / "e.pth")
    with pytest.raises(InputError, match="f.pth does not exist"):
        load_tensors(tmp_path / "f.pth")
    with pytest.raises(InputError, match="does not exist; name the one that holds encoder.pth|is no folder"):
        read_monodepth2(tmp_path / "nowhere")
    assert not (tmp_path / "hostile.txt").exists()


@pytest.mark.slow
def test_imagenet_weights_from_a_file(tmp_path):
    source = build(pose=False, seed=3).encoder.encoder
    old = {key: value for key, value in source.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "resnet18.pth")
    one, two = Encoder(NetworkSettings("resnet18")), Encoder(NetworkSettings("resnet18"), images=2)
    for encoder in (one, two):
        load_imagenet(encoder, "resnet18", tmp_path / "resnet18.pth")
    assert torch.equal(one.encoder.conv1.weight, source.conv1.weight)
    image = torch.rand(1, 3, 32, 64)
    # the same image twice must give what one image gives
    doubled = two.encoder.conv1(torch.cat((image, image), 1))
    assert torch.allclose(doubled, one.encoder.conv1(image), atol=1e-5)
    with pytest.raises(InputError, match="resnet18.pth has 'layer1.0.conv1.weight' with shape"):
        load_imagenet(Encoder(NetworkSettings("resnet50")), "resnet50", tmp_path / "resnet18.pth")
    with pytest.raises(InputError, match="'lite' has no ImageNet weights"):
        imagenet_state("lite")


def test_imagenet_weights_without_a_network_are_named(monkeypatch):
    import urllib.error

    import torchvision.models  # noqa: F401  the patch below must find it loaded

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(InputError, match="resnet18 cannot be fetched .*no route.*name a file"):
        imagenet_state("resnet18")
