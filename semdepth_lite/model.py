"""A variant of the method: what happens to one batch, top to bottom."""
from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import nn

from .alignment import align_motion
from .camera import disp_to_depth, invert_transform, rigid_transform
from .common import InputError, check_divisible
from .data import Triplet
from .labels import NUM_CLASSES
from .losses import LossSettings, LossTerms, self_supervised_loss, supervised_loss
from .networks import DepthDecoder, Encoder, NetworkSettings, build_pose_network
from .semantics import (Guidance, MultiLevelAttention, MultiscaleSSFA, Segmenter, SemanticDecoder, class_probabilities,
                        output_count, pack_labels, scale_gradient, semantic_loss, unpack)


@dataclass(frozen=True)
class Variant:
    """The switches of the method. With every switch off, it is Monodepth2.

    The papers leave most of these open; the docstrings of the modules say what is stated and what is inferred.

    Attributes:
        semantic_branch: a semantic decoder on the shared encoder, taught by labels.
        classes: what the branch tells apart: all 19, or a group of `labels.GROUPS` from the rest (both papers' way).
        semantic_weight: of the branch's cross-entropy (unknown; 0.1 to 1 inferred).
        class_weights: weight classes by the inverse square root of their frequency.
        semantic_share: share of the branch in the gradient at the shared encoder, depth has the rest; 0 = plain sum,
            0.1 [code: SGD].
        fusion: how semantics enters the depth decoder: none, attention (SEEDepth) or ssfa (SemDepth).
        levels: decoder levels where it does.
        residual: fusion adds to the depth feature and starts from zero; False takes attention as drawn.
        attention_form: A or B, see `SemanticGuidedAttention`.
        pool_keys: bound attention's memory by averaging keys and values over cells.
        semantic_source: where ssfa's label map comes from: branch (its own prediction, without gradient), segmenter
            (one trained first and frozen) or labels (given with the image, as drawn; exact ones are an upper bound).
        ssfa_hidden, ssfa_norm: see `SSFA`.
        encoder_from_segmenter: depth starts from the segmenter's encoder.
    """

    semantic_branch: bool = False
    classes: str = "foreground"
    semantic_weight: float = 0.1
    class_weights: bool = False
    semantic_share: float = 0.0
    fusion: str = "none"
    levels: tuple[int, ...] = (4, 3, 2, 1, 0)
    residual: bool = True
    attention_form: str = "B"
    pool_keys: bool = True
    semantic_source: str = "branch"
    ssfa_hidden: int = 0
    ssfa_norm: str = "group"
    encoder_from_segmenter: bool = False

    def __post_init__(self) -> None:
        output_count(self.classes)
        choices = {"fusion": ("none", "attention", "ssfa"), "semantic_source": ("branch", "segmenter", "labels")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} {getattr(self, name)!r} is unknown; use one of {', '.join(allowed)}.")
        if not set(self.levels) <= set(range(DepthDecoder.LEVELS)):
            raise InputError(f"levels {self.levels} are not all decoder levels; use some of 0 to 4.")
        if not 0 <= self.semantic_share < 1:
            raise InputError(f"semantic_share {self.semantic_share} is outside [0, 1); use 0.1, for instance.")
        if self.fusion == "attention" and self.semantic_source != "branch":
            raise InputError("attention reads the branch's features; use semantic_source branch with it.")
        if self.fusion != "none" and self.semantic_source == "branch" and not self.semantic_branch:
            raise InputError(f"fusion {self.fusion} reads the semantic branch; switch semantic_branch on, or take "
                             "another semantic_source for ssfa.")
        if self.encoder_from_segmenter and not self.has_segmenter:
            raise InputError("encoder_from_segmenter needs one; use fusion ssfa with semantic_source segmenter.")

    @property
    def has_segmenter(self) -> bool:
        """Whether a segmenter of its own belongs to the model."""
        return self.fusion == "ssfa" and self.semantic_source == "segmenter"

    @property
    def needs_labels(self) -> bool:
        """Whether training needs semantic labels."""
        return self.semantic_branch or self.fusion != "none"


_SSFA = Variant(fusion="ssfa", semantic_branch=True, levels=(2, 1, 0), classes="all", class_weights=True)

VARIANTS: dict[str, Variant] = {
    "baseline": Variant(),
    "multitask": Variant(semantic_branch=True),
    "attention": Variant(semantic_branch=True, fusion="attention"),
    "ssfa": _SSFA,
    "ssfa_segmenter": replace(_SSFA, semantic_branch=False, semantic_source="segmenter", encoder_from_segmenter=True),
    "ssfa_labels": replace(_SSFA, semantic_branch=False, semantic_source="labels"),
}


def find_variant(name: str, switches: str = "") -> Variant:
    """Return the named variant, with some of its switches set otherwise.

    Args:
        name: key of `VARIANTS`.
        switches: such as "classes=all levels=2,1,0 class_weights=yes".

    Raises:
        InputError: if there is none of that name, no such switch, or a value that does not fit it.
    """
    if name not in VARIANTS:
        raise InputError(f"variant {name!r} is unknown; use one of {', '.join(VARIANTS)}.")
    return replace(VARIANTS[name], **dict(read_switch(text) for text in switches.split()))


def read_switch(text: str) -> tuple[str, bool | int | float | str | tuple[int, ...]]:
    """Read NAME=VALUE; what the value may be follows from the switch's default."""
    name, _, value = text.partition("=")
    defaults = {f.name: f.default for f in fields(Variant)}
    if name not in defaults:
        raise InputError(f"switch {name!r} is unknown; use one of {', '.join(defaults)}.")
    default = defaults[name]
    try:
        if isinstance(default, bool):
            return name, {"yes": True, "no": False}[value]
        if isinstance(default, tuple):
            return name, tuple(int(part) for part in value.split(",") if part)
        return name, type(default)(value)
    except (KeyError, ValueError):
        kind = {bool: "yes or no", tuple: "numbers such as 2,1,0", int: "a whole number"}.get(type(default), "a number")
        raise InputError(f"switch {name} is {value!r}, expected {kind}.") from None


@dataclass
class Prediction:
    """What the networks say about a batch.

    Attributes:
        disps: sigmoid disparities (B, 1, H / 2^s, W / 2^s), finest first.
        depth: (B, 1, H, W), known up to one scale per image.
        T_source_target: (B, S, 4, 4) motion, on the same scale; None where it was not asked for.
        semantic_logits: (B, N, H, W) of the semantic branch, see `predicted_labels`; None without a branch.
    """

    disps: list[torch.Tensor]
    depth: torch.Tensor
    T_source_target: torch.Tensor | None = None
    semantic_logits: torch.Tensor | None = None


class Model(nn.Module):
    """Depth and pose networks, and the loss that teaches them.

    Args:
        networks: which networks.
        variant: which method.
        loss: which photometric loss.
        pose: learned, or given by the data; there is no pose network then.
        supervision: video (self-supervised), or depth (the true depth, as an upper bound; no pose network either).
        alignment: Gauss-Newton steps that improve the learned motion while training; Monodepth2 has none.
    """

    def __init__(self, networks: NetworkSettings = NetworkSettings(), variant: Variant = Variant(),
                 loss: LossSettings = LossSettings(), pose: str = "learned", supervision: str = "video",
                 alignment: int = 0) -> None:
        super().__init__()
        self.variant, self.loss, self.supervision, self.alignment = variant, loss, supervision, alignment
        self.encoder = Encoder(networks)
        self.depth = DepthDecoder(self.encoder.channels, networks)
        moving = pose == "learned" and supervision == "video"
        self.pose_encoder, self.pose = build_pose_network(networks) if moving else (None, None)
        self._build_semantics(networks)

    def _build_semantics(self, networks: NetworkSettings) -> None:
        """Build what the variant adds. It comes last, so that all variants share the baseline's random weights."""
        variant, outputs = self.variant, output_count(self.variant.classes)
        self.semantic = self.fusion = self.segmenter = None
        if variant.semantic_branch:
            self.semantic = SemanticDecoder(self.encoder.channels, self.depth.channels, outputs, networks.lite)
        weighted = variant.semantic_branch and variant.class_weights
        self.register_buffer("class_weights", torch.ones(max(2, outputs)) if weighted else None)
        joined = self.semantic.channels if self.semantic is not None else None
        if variant.fusion == "attention":
            self.fusion = MultiLevelAttention(self.depth.channels, joined, variant.levels, variant.attention_form,
                                              variant.pool_keys, variant.residual)
        if variant.fusion == "ssfa":
            classes = outputs if variant.semantic_source == "branch" else NUM_CLASSES
            self.fusion = MultiscaleSSFA(self.depth.channels, joined, classes, variant.levels, variant.ssfa_hidden,
                                         variant.ssfa_norm, variant.residual)
        if variant.has_segmenter:
            self.segmenter = Segmenter(networks).freeze()

    def predict(self, images: torch.Tensor, semantics: torch.Tensor | None = None) -> Prediction:
        """Predict depth, and classes if there is a semantic branch.

        Args:
            images: (B, 3, H, W) in [0, 1]; H and W multiples of 32.
            semantics: (B, 3, H, W) packed label map, see `semantics_of`; a variant with a segmenter makes its own.

        Raises:
            InputError: if the size does not fit, or the variant needs a label map and none is given.
        """
        check_divisible(*images.shape[-2:])
        features = self.encoder(images)
        for_depth, for_classes = self._shared(features)
        guidance = self._guidance(for_classes, images, semantics)
        disps = self._decode(for_depth, guidance)
        depth = disp_to_depth(disps[0], self.loss.min_depth, self.loss.max_depth)
        return Prediction(disps, depth, semantic_logits=guidance.logits)

    def _shared(self, features: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Hand the encoder's features to both decoders, their gradients weighed against each other if so switched."""
        share = self.variant.semantic_share
        if not share:
            return features, features
        return scale_gradient(features, 1 - share), scale_gradient(features, share)

    def _guidance(self, features: list[torch.Tensor], images: torch.Tensor, semantics: torch.Tensor | None) -> Guidance:
        """Find out what is known of the classes before depth is decoded."""
        guidance = Guidance()
        if self.semantic is not None:
            guidance.levels, guidance.logits = self.semantic(features)
        if self.variant.fusion != "ssfa":
            return guidance
        if self.variant.semantic_source == "branch":
            guidance.probabilities = class_probabilities(guidance.logits.detach())
            return guidance
        if semantics is None and self.segmenter is not None:
            semantics = self.segmenter.packed(images)
        if semantics is None:
            raise InputError("this variant modulates depth by a label map that comes with the image, and none was "
                             "given; give labels, or use a variant that predicts its own.")
        guidance.probabilities = unpack(semantics)
        return guidance

    def _decode(self, features: list[torch.Tensor], guidance: Guidance) -> list[torch.Tensor]:
        """Climb the depth decoder; after each level semantics may act, and what it makes goes on."""
        x, disps = features[-1], []
        for level in reversed(range(self.depth.LEVELS)):
            x = self.depth.level(level, x, features)
            if self.fusion is not None:
                x = self.fusion(level, x, guidance)
            if level < self.depth.SCALES:
                disps.append(self.depth.head(level, x))
        return disps[::-1]

    def semantics_of(self, batch: Triplet) -> torch.Tensor | None:
        """Return the label map that `predict` wants with this batch, packed; None if it wants none."""
        if self.variant.fusion != "ssfa" or self.variant.semantic_source == "branch":
            return None
        if batch.semantics is not None:
            return batch.semantics
        if self.segmenter is not None:
            return self.segmenter.packed(batch.target)
        return None if batch.labels is None else pack_labels(batch.labels)

    @torch.no_grad()
    def attention_map(self, images: torch.Tensor, level: int, row: int, column: int) -> torch.Tensor:
        """Return where attention looks from one pixel of a decoder level.

        Args:
            images: (B, 3, H, W) in [0, 1].
            level: 4, 3 or 2.
            row, column: the pixel on the level's map of H / 2^level x W / 2^level.

        Returns:
            (B, h, w), each image sums to 1; coarser than the level's map where keys are pooled.

        Raises:
            InputError: if there is no attention at this level, or the pixel lies outside.
        """
        block = self.fusion.blocks[str(level)] if self.fusion and str(level) in self.fusion.blocks else None
        if not hasattr(block, "correlations"):
            raise InputError(f"there is no attention at level {level} of this model; use variant attention and level "
                             "4, 3 or 2.")
        seen: list[torch.Tensor] = []
        handle = block.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
        try:
            self.predict(images)
        finally:
            handle.remove()
        return block.correlations(*seen, row, column)

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
        prediction = self.predict(batch.target_aug, self.semantics_of(batch))
        terms = self._depth_terms(batch, prediction)
        if self.semantic is not None:
            terms = self._with_classes(terms, batch, prediction)
        return terms, prediction

    def _depth_terms(self, batch: Triplet, prediction: Prediction) -> LossTerms:
        """Compare the predicted depth with the video, or with the truth; the motion is put into the prediction."""
        if self.supervision == "depth":
            if batch.depth is None:
                raise InputError("the data has no true depth to learn from; train with supervision video.")
            return supervised_loss(prediction.disps, batch.depth, self.loss)
        if self.pose is not None:
            motion = self.motion(batch.target_aug, batch.sources_aug)
            prediction.T_source_target = self._aligned(motion, batch, prediction) if self.alignment else motion
        elif batch.T_source_target is not None:
            prediction.T_source_target = batch.T_source_target
        else:
            raise InputError("the data gives no camera motion; train with a learned pose.")
        return self_supervised_loss(prediction.disps, batch.target, batch.sources, batch.K,
                                    prediction.T_source_target, self.loss)

    def _aligned(self, motion: torch.Tensor, batch: Triplet, prediction: Prediction) -> torch.Tensor:
        """Improve the motion by direct alignment; the correction itself carries no gradient."""
        motion = motion.float()
        target, sources = (image.mean(-3, keepdim=True) for image in (batch.target, batch.sources))
        depth = prediction.depth.detach().float()
        found = align_motion(motion.detach(), depth, target, sources, batch.K, self.alignment)
        return found @ invert_transform(motion.detach()) @ motion

    def _with_classes(self, terms: LossTerms, batch: Triplet, prediction: Prediction) -> LossTerms:
        """Add the cross-entropy of the semantic branch."""
        if batch.labels is None:
            raise InputError("the data has no semantic labels to learn from; train the baseline, or add labels.")
        semantic = semantic_loss(prediction.semantic_logits, batch.labels, self.variant.classes, self.class_weights)
        return replace(terms, total=terms.total + self.variant.semantic_weight * semantic, semantic=semantic)
