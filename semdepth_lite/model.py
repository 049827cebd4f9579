"""A variant of the method: what happens to one batch, top to bottom."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .camera import disp_to_depth, rigid_transform
from .common import InputError, check_divisible
from .data import Triplet
from .losses import LossSettings, LossTerms, self_supervised_loss, supervised_loss
from .networks import DepthDecoder, Encoder, NetworkSettings, build_pose_network


@dataclass(frozen=True)
class Variant:
    """The switches of the method. With every switch off, it is Monodepth2."""


VARIANTS: dict[str, Variant] = {"baseline": Variant()}


def find_variant(name: str) -> Variant:
    """Return the named variant.

    Raises:
        InputError: if there is none of that name.
    """
    if name not in VARIANTS:
        raise InputError(f"variant {name!r} is unknown; use one of {', '.join(VARIANTS)}.")
    return VARIANTS[name]


@dataclass
class Prediction:
    """What the networks say about a batch.

    Attributes:
        disps: sigmoid disparities (B, 1, H / 2^s, W / 2^s), finest first.
        depth: (B, 1, H, W), known up to one scale per image.
        T_source_target: (B, S, 4, 4) motion, on the same scale; None where it was not asked for.
    """

    disps: list[torch.Tensor]
    depth: torch.Tensor
    T_source_target: torch.Tensor | None = None


class Model(nn.Module):
    """Depth and pose networks, and the loss that teaches them.

    Args:
        networks: which networks.
        variant: which method.
        loss: which photometric loss.
        pose: learned, or given by the data; there is no pose network then.
        supervision: video (self-supervised), or depth (the true depth, as an upper bound; no pose network either).
    """

    def __init__(self, networks: NetworkSettings = NetworkSettings(), variant: Variant = Variant(),
                 loss: LossSettings = LossSettings(), pose: str = "learned", supervision: str = "video") -> None:
        super().__init__()
        self.variant, self.loss, self.supervision = variant, loss, supervision
        self.encoder = Encoder(networks)
        self.depth = DepthDecoder(self.encoder.channels, networks)
        moving = pose == "learned" and supervision == "video"
        self.pose_encoder, self.pose = build_pose_network(networks) if moving else (None, None)

    def predict(self, images: torch.Tensor) -> Prediction:
        """Predict depth.

        Args:
            images: (B, 3, H, W) in [0, 1]; H and W multiples of 32.
        """
        check_divisible(*images.shape[-2:])
        disps = self.depth(self.encoder(images))
        return Prediction(disps, disp_to_depth(disps[0], self.loss.min_depth, self.loss.max_depth))

    def motion(self, target: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
        """Predict T_source_target (B, 2, 4, 4) for the previous and the next frame.

        The pose network always sees the earlier frame first; for the previous frame its answer is inverted
        [code: MD2]. Both pairs go through it in one batch.
        """
        if self.pose is None:
            raise InputError("this model was built without a pose network; give the motion with the data.")
        previous, following = sources.unbind(1)
        pairs = torch.cat((torch.cat((previous, target), 1), torch.cat((target, following), 1)))
        axis_angle, translation = self.pose(self.pose_encoder(pairs))
        (a0, a1), (t0, t1) = axis_angle.chunk(2), translation.chunk(2)
        return torch.stack((rigid_transform(a0, t0, invert=True), rigid_transform(a1, t1)), 1)

    def forward(self, batch: Triplet) -> tuple[LossTerms, Prediction]:
        """Return the loss of a batch and what was predicted on the way."""
        prediction = self.predict(batch.target_aug)
        if self.supervision == "depth":
            if batch.depth is None:
                raise InputError("the data has no true depth to learn from; train with supervision video.")
            return supervised_loss(prediction.disps, batch.depth, self.loss), prediction
        if self.pose is not None:
            prediction.T_source_target = self.motion(batch.target_aug, batch.sources_aug)
        elif batch.T_source_target is not None:
            prediction.T_source_target = batch.T_source_target
        else:
            raise InputError("the data gives no camera motion; train with a learned pose.")
        terms = self_supervised_loss(prediction.disps, batch.target, batch.sources, batch.K,
                                     prediction.T_source_target, self.loss)
        return terms, prediction
