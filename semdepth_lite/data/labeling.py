"""Labels for real images: a folder goes through a segmenter, and trainId PNGs with a colored preview come out.

What a segmenter cannot name is 255 (ignore), so that a variant trained on such labels learns nothing from it.
"""
from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..classes import IGNORE, NUM_CLASSES
from ..common.contracts import InputError
from ..common.runtime import notice
from ..common.storage import check_outputs, fingerprint, is_ours, remove_leftovers
from ..labels import colorize_labels
from .image_files import check_image, find_images, read_image, read_label_map, write_image
from .label_maps import to_train_ids
from .label_tables import label_table

SEGMENTERS = ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what torchvision's networks were fed
LABELS = "labels"  # what stands in label maps beside the package's mark
CITYSCAPES_ENDINGS = {"labelId": "_labelIds", "trainId": "_labelTrainIds"}


@dataclass(frozen=True)
class LabelModel:
    """A network that names pixels: the one form into which every segmenter is brought.

    Attributes:
        name: Name for reports.
        network: (1, 3, h, w) RGB image, normalized by `mean` and `std`, to logits (1, C, h', w'), to class ids
            (1, h', w'), or to a dictionary with one of them under "out".
        table: (C,) uint8 trainId of each class of the network.
        height: Height to which images are resized, pixels, aspect kept; None feeds them as they are.
        identity: Fingerprint of its weights, so that its labels are known from another model's; empty for the name.
        mean, std: Mean and deviation of each color channel in [0, 1], for the network's input; ImageNet's unless named.
    """

    name: str
    network: Callable[[torch.Tensor], torch.Tensor]
    table: torch.Tensor
    height: int | None = None
    identity: str = ""
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @torch.no_grad()
    def label(self, image: np.ndarray, confidence: float = 0.5, device: torch.device | str = "cpu") -> np.ndarray:
        """Label an image.

        Args:
            image: (H, W, 3) uint8.
            confidence: Probability of the best class below which pixels become 255; a network that answers in ids
                gives no probabilities.
            device: Device of the network.

        Returns:
            (H, W) uint8 trainIds, 255 = unknown.

        Raises:
            InputError: if the network fails or its answer has another form.
        """
        pixels = torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float() / 255
        size = tuple(image.shape[:2])
        mean, std = (torch.tensor(value, device=device).view(1, 3, 1, 1) for value in (self.mean, self.std))
        fed = (pixels - mean) / std
        if self.height is not None:
            width = max(1, round(size[1] * self.height / size[0]))
            fed = F.interpolate(fed, (self.height, width), mode="bilinear", align_corners=False, antialias=True)
        try:
            answer = self.network(fed)
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            reason = str(error).strip().splitlines()[-1][:200] if str(error).strip() else type(error).__name__
            raise InputError(f"the segmenter {self.name} fails on an image of {tuple(fed.shape)} ({reason}); a model "
                             f"exported for one size needs images of that size.") from error
        if isinstance(answer, dict):
            answer = answer.get("out")
        return self._train_ids(answer, size, confidence).cpu().numpy()

    def _train_ids(self, answer: object, size: tuple[int, int], confidence: float) -> torch.Tensor:
        """Turn logits or ids into trainIds (H, W) at the image's size."""
        shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        table = self.table.to(answer.device) if isinstance(answer, torch.Tensor) else self.table
        if isinstance(answer, torch.Tensor) and answer.dim() == 3 and not answer.is_floating_point():
            ids = F.interpolate(answer[:, None].float(), size, mode="nearest-exact")[0, 0].long()
            known = (ids >= 0) & (ids < len(table))
            return torch.where(known, table[ids.clamp(0, len(table) - 1)], IGNORE)
        if not (isinstance(answer, torch.Tensor) and answer.dim() == 4 and answer.shape[1] == len(table)):
            raise InputError(f"the segmenter {self.name} answers {shape}, expected logits (1, {len(table)}, h, w) or "
                             f"whole ids (1, h, w).")
        logits = F.interpolate(answer.float(), size, mode="bilinear", align_corners=False)
        probability, best = logits.softmax(1)[0].max(0)
        return torch.where(probability >= confidence, table[best], IGNORE)


def torchvision_segmenter(name: str = "lraspp_mobilenet_v3_large", weights: Path | None = None,
                          device: torch.device | str = "cpu") -> LabelModel:
    """Build one of torchvision's segmenters, trained on COCO with the classes of Pascal VOC.

    Of Cityscapes' classes it knows person, car, bus, train, motorcycle and bicycle. Where it is sure of none of its
    classes (road, buildings, poles), the label is 19, none of the others, so that there are negatives to learn from.

    Args:
        name: One of `SEGMENTERS`.
        weights: File as torchvision publishes it; None fetches it into torch's cache.
        device: Device to compute on.

    Raises:
        InputError: if the name is unknown or the weights cannot be had or belong to another network.
    """
    if name not in SEGMENTERS:
        raise InputError(f"segmenter {name!r} is unknown; use {', '.join(SEGMENTERS)}, or a model file of your own.")
    from torchvision.models import get_model, get_model_weights

    from ..weights import check_state, load_tensors

    if weights is not None:
        state = load_tensors(weights)
    else:
        try:
            with redirect_stdout(sys.stderr):  # torch announces a download where only the result belongs
                published = get_model_weights(name)["COCO_WITH_VOC_LABELS_V1"]
                state = published.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:
            raise InputError(f"the weights of {name} cannot be fetched ({error}); name a file of them.") from error
    table = torch.from_numpy(label_table("voc"))
    auxiliary = {} if name.startswith("lraspp") else {"aux_loss": any(key.startswith("aux") for key in state)}
    network = get_model(name, weights=None, weights_backbone=None, num_classes=len(table), **auxiliary)
    check_state(state, network.state_dict(), str(weights or f"the weights of {name}"))
    network.load_state_dict(state)
    identity = fingerprint(name, state, table.tolist())
    return LabelModel(name, network.to(device).eval(), table, height=520, identity=identity)


def user_segmenter(path: Path, device: torch.device | str = "cpu", height: int | None = None,
                   classes: str = "trainId", mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
                   ) -> LabelModel:
    """Take a segmenter of the user's own: TorchScript (.pt, .ts) or an exported program (.pt2).

    It gets (1, 3, h, w) RGB images in [0, 1], normalized, and answers with logits of its classes or with their ids.
    Such a file holds a program: load only what you trust.

    Args:
        path: Model file.
        device: Device to compute on.
        height: Height to which images are resized, pixels; None feeds them as they are.
        classes: Kind of its ids, one of `label_tables.LABEL_KINDS`.
        mean, std: Three numbers each, of the color channels in [0, 1]; 0 and 1 leave images as they are.

    Raises:
        InputError: if the file is missing or no such model.
    """
    path, table = Path(path), torch.from_numpy(label_table(classes))
    if classes == "trainId":
        table = table[:NUM_CLASSES]
    if len(mean) != 3 or len(std) != 3 or not all(value > 0 for value in std):
        raise InputError(f"mean {tuple(mean)} and std {tuple(std)} do not normalize three channels; give three numbers "
                         "each, std above 0.")
    if not path.is_file():
        raise InputError(f"{path} does not exist; name a TorchScript (.pt) or exported (.pt2) model.")
    try:
        if path.suffix == ".pt2":
            network = torch.export.load(path).module().to(device)
        else:
            with warnings.catch_warnings():
                # torch asks authors to export instead; whoever runs a model cannot follow that advice
                warnings.simplefilter("ignore")
                network = torch.jit.load(str(path), map_location=device).eval()
    except Exception as error:  # the loaders raise anything on a stranger's bytes
        raise InputError(f"{path} is no TorchScript and no exported model ({type(error).__name__}); save it with "
                         f"torch.jit.save, or with torch.export.save as .pt2.") from error
    identity = fingerprint(hashlib.sha256(path.read_bytes()).hexdigest(), classes, list(mean), list(std))
    return LabelModel(path.name, network, table, height, identity, tuple(mean), tuple(std))


def label_folder(root: Path, output: Path, segmenter: LabelModel, pattern: str = "**/*", confidence: float = 0.5,
                 preview: bool = True, device: torch.device | str = "cpu", progress: bool = True) -> list[Path]:
    """Label every image under a folder; labels that the same model made of the same image stay.

    Args:
        root: Folder of images.
        output: Folder of labels, which mirrors the images' paths; previews go to `preview` in it.
        segmenter: Model, see `torchvision_segmenter` and `user_segmenter`.
        pattern: Which images, a glob under `root`.
        confidence: Smallest probability of a class that counts.
        preview: Whether to write a preview, labels painted over the image, as JPEG.
        device: Where to compute.
        progress: Whether to show a progress bar.

    Returns:
        The label files, one for each image.

    Raises:
        InputError: If there is no image, one is damaged, the segmenter fails, or a file of another kind would be
            replaced.
    """
    from tqdm.auto import tqdm

    if not 0 <= confidence <= 1:
        raise InputError(f"confidence {confidence} is no probability; use 0 to 1.")
    files = find_images(root, pattern)
    targets = _label_targets(files, Path(root), Path(output), ".jpg" if preview else "")
    for file in files:
        check_image(file)
    for file, target in zip(tqdm(files, desc="label", unit="image", disable=not progress), targets):
        kind = _kind_of(file, segmenter.identity or segmenter.name, segmenter.height, confidence)
        if is_ours(target, kind):
            continue
        image = read_image(file)
        labels = segmenter.label(image, confidence, device)
        if preview:
            write_preview(target, Path(output), image, labels)
        write_image(target, labels, kind)
    return targets


def _kind_of(file: Path, *maker: object) -> str:
    """Return what a label map is marked with: its kind, and what it was made of and by."""
    return f"{LABELS} {fingerprint(hashlib.sha256(file.read_bytes()).hexdigest(), *maker)}"


def _label_targets(files: Sequence[Path], root: Path, output: Path, preview: str) -> list[Path]:
    """Return where labels go, with leftovers of killed calls removed, or refuse what would replace other files."""
    targets = [output / file.relative_to(root).with_suffix(".png") for file in files]
    previews = [_preview_of(target, output, preview) for target in targets] if preview else []
    if len(set(targets)) < len(targets):
        raise InputError(f"{root} holds images that differ in their suffix only; keep one of each.")
    if clash := set(targets) & set(previews):
        raise InputError(f"{sorted(clash)[0]} would be a label map and a preview at once; rename the folder 'preview' "
                         f"in {root}.")
    check_outputs(targets, LABELS, files)
    check_outputs(previews, "preview", files)
    for folder in {path.parent for path in (*targets, *previews)}:
        if folder.is_dir():
            remove_leftovers(folder)
    return targets


def _preview_of(target: Path, output: Path, suffix: str) -> Path:
    return output / "preview" / target.relative_to(output).with_suffix(suffix)


def write_preview(target: Path, output: Path, image: np.ndarray, labels: np.ndarray) -> Path:
    """Write labels painted half over their image, and darkened where unknown, under `output`/preview."""
    color = colorize_labels(torch.from_numpy(labels)).numpy()
    mixed = (image.astype(np.uint16) + color) // 2
    path = _preview_of(target, output, ".jpg")
    write_image(path, mixed.astype(np.uint8), "preview")
    return path


def convert_labels(root: Path, output: Path, ids: str = "labelId", preview: bool = True,
                   pattern: str | None = None) -> list[Path]:
    """Convert a folder of Cityscapes labelId PNGs to trainId PNGs, each with a preview in the palette's colors.

    Where PNGs are called as Cityscapes calls them, only those of these ids are taken; what an earlier call converted
    stays.

    Args:
        root: Folder of label PNGs.
        output: Folder of trainId PNGs, which mirrors their paths.
        ids: What the PNGs hold, labelId or trainId.
        preview: Whether to write `preview/….png` in the palette's colors.
        pattern: Which PNGs, a glob under `root`; None takes all, or Cityscapes' own.

    Raises:
        InputError: If there is no PNG, one is no label map or has an unknown id, or a file of another kind would be
            replaced.
    """
    files = _label_files(Path(root), Path(output), ids, pattern)
    targets = _label_targets(files, Path(root), Path(output), ".png" if preview else "")
    for file, target in zip(files, targets):
        kind = _kind_of(file, "converted", ids)
        if is_ours(target, kind):
            continue
        labels = to_train_ids(read_label_map(file), ids, file)
        if preview:
            color = colorize_labels(torch.from_numpy(labels)).numpy()
            write_image(_preview_of(target, Path(output), ".png"), color, "preview")
        write_image(target, labels, kind)
    return targets


def _label_files(root: Path, output: Path, ids: str, pattern: str | None) -> list[Path]:
    """List the label PNGs to convert; those of an output inside of the input are none."""
    inside = output.resolve()
    found = [path for path in find_images(root, pattern or "**/*", (".png",), outputs=True)
             if inside == root.resolve() or inside not in path.resolve().parents]
    cityscapes = [path for path in found if path.stem.endswith(CITYSCAPES_ENDINGS[ids])]
    if pattern is None and cityscapes:
        if len(cityscapes) < len(found):
            notice(f"{root}: {len(cityscapes)} files that end in {CITYSCAPES_ENDINGS[ids]} are converted, "
                   f"{len(found) - len(cityscapes)} others are left out; name a pattern to choose.")
        return cityscapes
    if not found:
        raise InputError(f"{root} holds no label PNG outside of {output}; name another folder.")
    return found
