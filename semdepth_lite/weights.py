"""Published weights: Monodepth2's four files and ImageNet's ResNets, read without running anything that is in them."""
from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .common.contracts import InputError, check_divisible
from .common.small_files import check_folder
from .common.storage import read_json
from .networks import RESNETS, DepthDecoder, Encoder, NetworkSettings, build_pose_network

# name of the network, which is also the model's attribute, to its file
NETWORK_FILES = {"encoder": "encoder.pth", "depth": "depth.pth", "pose_encoder": "pose_encoder.pth", "pose": "pose.pth"}
EXTRAS = ("height", "width", "use_stereo")  # numbers that encoder.pth carries beside its tensors [code: MD2]
STEREO_SCALE = 5.4  # a stereo baseline of 0.54 m was trained as 0.1 units [code: MD2]


@dataclass(frozen=True)
class PublishedWeights:
    """Weights of Monodepth2's networks, and the size they were trained at.

    Attributes:
        networks: Networks they belong to.
        height, width: Size of the training images, pixels.
        stereo: Whether they were trained with stereo pairs, so that depth times `STEREO_SCALE` is in meters.
        states: Name of each network and its state_dict; depth always with encoder, pose only where its files are there.
    """

    networks: NetworkSettings
    height: int
    width: int
    stereo: bool
    states: dict[str, dict[str, torch.Tensor]]

    def load_into(self, model: nn.Module) -> None:
        """Copy the weights into a model that has the networks as attributes of the same names.

        Raises:
            InputError: if a network differs; its first differing key is named.
        """
        wanted = {name: getattr(model, name, None) for name in NETWORK_FILES}
        for name, network in wanted.items():
            if network is None:
                continue
            if name not in self.states:
                raise InputError(f"the weights hold no {NETWORK_FILES[name]}, but the model has that network; build it "
                                 "without a learned pose, or fetch the file.")
            check_state(self.states[name], network.state_dict(), NETWORK_FILES[name])
        for name, network in wanted.items():
            if network is not None:
                network.load_state_dict(self.states[name])


def load_tensors(path: Path) -> dict:
    """Read a dictionary from a weights file; nothing in the file is executed.

    Raises:
        InputError: if the file is missing, damaged, or holds more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a file of weights.")
    return unpickled(path, path)


def unpickled(file: Path | io.BytesIO, path: Path) -> dict:
    """Read a dictionary of tensors and plain values from a file, or from its bytes; nothing in them is executed.

    Raises:
        InputError: if they are damaged or hold more; `path` is named.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's, of foreign pickles
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler may raise anything on a stranger's bytes
        raise InputError(f"{path} is no file of plain weights ({type(error).__name__}); fetch it again.") from error
    if not isinstance(state, Mapping):
        raise InputError(f"{path} holds a {type(state).__name__}, expected a state_dict; save model.state_dict().")
    return dict(state)


FOLDER = Path(__file__).resolve().parent / "pretrained_weights"
CARD = {"sha256": str}  # what every card holds; `pretrained.CARD` asks for more


def read_card(name: str, folder: Path = FOLDER, fields: Mapping[str, type] = CARD) -> dict:
    """Read the card of weights that come with the package, and hold it against its schema.

    Raises:
        InputError: if it is missing, damaged or lacks something.
    """
    return read_json(Path(folder) / f"{name}.json", fields)


def read_shipped(name: str, folder: Path = FOLDER, fields: Mapping[str, type] = CARD
                 ) -> tuple[dict, dict[str, torch.Tensor]]:
    """Read weights that come with the package: their card, and the tensors in single precision.

    Args:
        name: Name of the files, without ending.
        folder: Folder of the weights.
        fields: What the card must hold, and its types.

    Raises:
        InputError: If there are none of that name, the card lacks something, or the file is not the one it describes.
    """
    card, path = read_card(name, folder, fields), Path(folder) / f"{name}.pt"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise InputError(f"{path} is not the file that its card describes; install the package again.")
    half = unpickled(io.BytesIO(content), path)
    return card, {key: value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
                  for key, value in half.items()}


SEGMENTER_FILE = "segmenter_weights.pt"  # in the folder of `train --segmenter`


def given_segmenter(place: Path | str = "") -> dict[str, torch.Tensor]:
    """Return the state_dict of a segmenter that was trained beforehand, see `Segmenter` and `GIVEN`.

    Args:
        place: Folder of `train --segmenter`, or the file of weights in it; empty takes the package's own.

    Raises:
        InputError: If there are no weights in that place.
    """
    if not place:
        return read_shipped("segmenter")[1]
    path = Path(place) / SEGMENTER_FILE if Path(place).is_dir() else Path(place)
    if not path.is_file():
        raise InputError(f"{path} does not exist, so the masks (--masks) have no weights; name the folder that "
                         "`train --segmenter` wrote, or the file of weights in it.")
    return load_tensors(path)


def check_state(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], where: str) -> None:
    """Refuse weights whose names or shapes differ, naming the first key that does.

    Args:
        state: Weights that were read.
        expected: State_dict of the network itself.
        where: Name of the file, for the message.

    Raises:
        InputError: if a name or a shape differs, or a number is not finite.
    """
    for key, tensor in expected.items():
        if key not in state:
            raise InputError(f"{where} lacks {key!r}, which the network has; it belongs to another network.")
        found = state[key]
        if not isinstance(found, torch.Tensor) or found.shape != tensor.shape:
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise InputError(f"{where} has {key!r} with shape {shape}, expected {tuple(tensor.shape)}; it belongs to "
                             "another network.")
        plain = found.layout == torch.strided and not (found.is_quantized or found.is_meta)
        if not plain or found.is_floating_point() < tensor.is_floating_point() or found.is_complex():
            raise InputError(f"{where} has {key!r} as {found.dtype} in the layout {found.layout} on {found.device}, "
                             f"expected plain numbers like {tensor.dtype}; save model.state_dict() of a dense model.")
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            raise InputError(f"{where} has {key!r} with numbers that are not finite; fetch the file again.")
    strange = next((key for key in state if key not in expected), None)
    if strange is not None:
        raise InputError(f"{where} has {strange!r}, which the network lacks; it belongs to another network.")


def recognize_encoder(state: Mapping[str, torch.Tensor], where: str) -> str:
    """Name the ResNet a state_dict belongs to: resnet50 has bottlenecks, resnet34 more blocks.

    Raises:
        InputError: if it is no ResNet.
    """
    if "encoder.conv1.weight" not in state:
        first = next(iter(state), "nothing")
        raise InputError(f"{where} begins with {first!r}, expected 'encoder.conv1.weight' of Monodepth2's encoder.")
    if "encoder.layer1.0.conv3.weight" in state:
        return "resnet50"
    return "resnet34" if "encoder.layer3.5.conv1.weight" in state else "resnet18"


def read_monodepth2(folder: Path) -> PublishedWeights:
    """Read a folder of Monodepth2's published weights.

    encoder.pth and depth.pth must be there; pose_encoder.pth and pose.pth are read together, if one of them is there.
    Other files, such as adam.pth, are left alone.

    Args:
        folder: Folder such as mono_640x192.

    Raises:
        InputError: if a file is missing, is no plain weights file, or differs from the network; the first differing
            key is named.
    """
    folder = Path(folder)
    check_folder(folder, "name the one that holds encoder.pth and depth.pth")
    encoder = load_tensors(folder / "encoder.pth")
    extras = {name: encoder.pop(name, None) for name in EXTRAS}
    height, width = (_training_size(extras[name], name, folder / "encoder.pth") for name in ("height", "width"))
    check_divisible(height, width)
    networks = NetworkSettings(recognize_encoder(encoder, str(folder / "encoder.pth")))
    states = {"encoder": encoder, "depth": load_tensors(folder / "depth.pth")}
    if (folder / "pose_encoder.pth").exists() or (folder / "pose.pth").exists():
        states |= {name: load_tensors(folder / NETWORK_FILES[name]) for name in ("pose_encoder", "pose")}
        for name in EXTRAS:  # some training scripts repeat them here
            states["pose_encoder"].pop(name, None)
    for name, network in _networks(networks, states).items():
        check_state(states[name], network.state_dict(), str(folder / NETWORK_FILES[name]))
    return PublishedWeights(networks, height, width, bool(extras["use_stereo"]), states)


def _training_size(value: object, name: str, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{path} gives {name} {value!r}, expected a whole number of pixels beside the weights.")
    return value


def _networks(settings: NetworkSettings, states: Mapping[str, object]) -> dict[str, nn.Module]:
    """Build the networks that `states` has weights for, without memory for their own."""
    with torch.device("meta"):
        encoder = Encoder(settings)
        built = {"encoder": encoder, "depth": DepthDecoder(encoder.channels, settings)}
        if "pose" in states:
            built["pose_encoder"], built["pose"] = build_pose_network(settings)
    return built


def imagenet_state(name: str, path: Path | None = None) -> dict[str, torch.Tensor]:
    """Return torchvision's ImageNet weights of a ResNet, from the network or from a file.

    Args:
        name: Name of the encoder: resnet18, resnet34 or resnet50.
        path: File as torchvision publishes it; None fetches it into torch's cache, checked by its hash.

    Raises:
        InputError: if the encoder has no such weights, or they cannot be fetched or read.
    """
    if name not in RESNETS:
        raise InputError(f"encoder {name!r} has no ImageNet weights; use {', '.join(RESNETS)}, or start from random "
                         "ones.")
    if path is not None:
        return load_tensors(path)
    from torchvision.models import get_model_weights

    try:
        return dict(get_model_weights(name)["IMAGENET1K_V1"].get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise InputError(f"the ImageNet weights of {name} cannot be fetched ({error}); name a file of them.") from error


def load_imagenet(encoder: nn.Module, name: str, path: Path | None = None) -> None:
    """Start an encoder from ImageNet weights.

    For an encoder of several images (the pose network's), the first layer is repeated along the input and divided by
    their number [code: MD2].

    Args:
        encoder: Encoder with a ResNet of 64 channels.
        name: Name of the encoder: resnet18, resnet34 or resnet50.
        path: File of weights, or None to fetch them.

    Raises:
        InputError: if the weights cannot be had or differ; the first differing key is named.
    """
    state = imagenet_state(name, path)
    assert isinstance(encoder, Encoder)  # of such a name
    images = encoder.encoder.conv1.in_channels // 3
    first = state.get("conv1.weight")
    if isinstance(first, torch.Tensor) and first.dim() == 4 and first.shape[1] == 3:
        state["conv1.weight"] = first.repeat(1, images, 1, 1) / images
    own = encoder.encoder.state_dict()
    # torchvision's files of 2016 lack the counters of BatchNorm, which nothing here reads
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}
    state = {**counters, **state}
    check_state(state, own, str(path or f"the ImageNet weights of {name}"))
    encoder.encoder.load_state_dict(state)
