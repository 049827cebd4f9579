"""A variant of the method: what happens to one batch, top to bottom."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from . import fused, losses
from .alignment import align_motion
from .borders import SEEM, edge_strength, point_certainty, point_count, ranking_loss, strongest_points, training_points
from .camera import disp_to_depth, invert_transform, rigid_transform
from .common.contracts import InputError, check_divisible, check_sizes
from .common.part_checks import check_built, check_features, check_fused, check_range, check_terms
from .common.registry import find_part, get_part
from .data.triplet import Triplet
from .labels import label_borders, pack_labels, unpack
from .losses import LossSettings, LossTerms, supervised_loss
from .networks import DepthDecoder, Encoder, NetworkSettings, build_pose_network
from .semantics import (
    GIVEN,
    Guidance,
    MultiLevelAttention,
    MultiscaleSSFA,
    Segmenter,
    SemanticDecoder,
    SemanticGuidedAttention,
    class_probabilities,
    output_count,
    scale_gradient,
    semantic_loss,
    targets,
)
from .variants import SSFA, Attention, Branch, OwnFusion, Ranking, Seem, Variant


@dataclass
class Prediction:
    """What the networks say about a batch.

    Attributes:
        disps: Sigmoid disparities (B, 1, H / 2^s, W / 2^s), finest first.
        depth: (B, 1, H, W), known up to one scale per image.
        T_source_target: (B, S, 4, 4) motion, on the same scale; None where it was not asked for.
        semantic_logits: (B, N, H, W) of the semantic branch, see `predicted_labels`; None without a branch.
        probabilities: (B, N, H, W) of the classes that depth was given, without gradient; None where it was given none.
        points: (B, N) flat indices row * W + column where SEEM enhanced depth; None without it.
    """

    disps: list[torch.Tensor]
    depth: torch.Tensor
    T_source_target: torch.Tensor | None = None
    semantic_logits: torch.Tensor | None = None
    probabilities: torch.Tensor | None = None
    points: torch.Tensor | None = None


@dataclass(frozen=True)
class Step:
    """The place of a batch in the training.

    Attributes:
        progress: Share of the training that is done; it decides whether the ranking loss has begun.
        seed: Seed for sampling SEEM's points and the ranking pairs.
        loss: Settings of the photometric loss at this step; None takes the model's.
    """

    progress: float = 0.0
    seed: int = 0
    loss: LossSettings | None = None


OwnLoss = Callable[[Prediction, Triplet, LossSettings], LossTerms]


class Model(nn.Module):
    """Depth and pose networks, and the loss that teaches them.

    Args:
        networks: Settings of the networks.
        variant: Variant of the method.
        loss: Settings of the photometric loss.
        pose: Source of the motion: learned, or given by the data; there is no pose network then.
        supervision: Either video (self-supervised) or depth (the truth, as an upper bound; no pose network either).
        alignment: Gauss-Newton steps that improve the learned motion while training; Monodepth2 has none.
        fused: Whether the loss is taken from `fused.py`, or from `losses.py`, which is slower and can be read.
        own_loss: Loss of one's own, which takes the place of the photometric or supervised one.
    """

    semantic: SemanticDecoder | None
    segmenter: Segmenter | None
    fusion: nn.Module | None
    seem: SEEM | None
    class_weights: torch.Tensor | None

    def __init__(self, networks: NetworkSettings = NetworkSettings(), variant: Variant = Variant(),
                 loss: LossSettings = LossSettings(), pose: str = "learned", supervision: str = "video",
                 alignment: int = 0, fused: bool = True, own_loss: OwnLoss | None = None) -> None:
        super().__init__()
        self.variant, self.loss, self.supervision, self.alignment = variant, loss, supervision, alignment
        self.fused, self.own_loss = fused, own_loss
        encoder = find_part("encoder", networks.encoder)
        self.encoder = encoder() if encoder else Encoder(networks)
        check_built(self.encoder, "encoder", networks.encoder)
        self.depth = DepthDecoder(self.encoder.channels, networks)
        moving = pose == "learned" and supervision == "video"
        posing = NetworkSettings(width=networks.width) if encoder else networks
        self.pose_encoder, self.pose = build_pose_network(posing) if moving else (None, None)
        self._build_semantics(networks)

    def _build_semantics(self, networks: NetworkSettings) -> None:
        """Build what the variant adds. It comes last, so that all variants share the baseline's random weights."""
        variant, shared, depth = self.variant, self.encoder.channels, self.depth.channels
        self.semantic = self.fusion = self.segmenter = self.seem = None
        branch = variant.branch
        if branch is not None:
            outputs = output_count(branch.classes)
            self.semantic = SemanticDecoder(shared, depth, outputs, networks.lite)
        weighted = branch is not None and branch.class_weights
        self.register_buffer("class_weights", torch.ones(max(2, outputs)) if weighted else None)
        joined = self.semantic.channels if self.semantic is not None else None
        classes, fusion, seem = output_count(variant.classes), variant.fusion, variant.seem
        if isinstance(fusion, Attention):
            assert joined is not None, "a variant has no attention without a branch"
            self.fusion = MultiLevelAttention(depth, joined, fusion.levels, fusion.form, fusion.pool_keys,
                                              fusion.residual)
        if isinstance(fusion, SSFA):
            self.fusion = MultiscaleSSFA(depth, joined, classes, fusion.levels, fusion.hidden, fusion.norm,
                                         fusion.residual)
        if isinstance(fusion, OwnFusion):
            self.fusion = get_part("fusion", fusion.name)(depth, joined, classes)
            check_built(self.fusion, "fusion", fusion.name)
        if variant.segmenter is not None:
            given, scale = variant.segmenter.origin == "given", variant.segmenter.scale
            self.segmenter = Segmenter(GIVEN if given else networks, scale=scale).freeze()
        if seem is not None:
            self.seem = SEEM(shared, joined, depth, classes, seem.residual)

    def predict(self, images: torch.Tensor, semantics: torch.Tensor | None = None,
                labels: torch.Tensor | None = None, seed: int = 0) -> Prediction:
        """Predict depth, and classes if there is a semantic branch.

        Args:
            images: (B, 3, H, W) in [0, 1], of any number type; H and W multiples of 32.
            semantics: (B, 3, H, W) packed label map, see `semantics_of`; without one, a variant with a segmenter
                segments the images enlarged, which shows it less than a larger picture does.
            labels: (B, H, W) trainIds, for SEEM's points while training; without them the prediction's edges are taken.
            seed: Seed for sampling SEEM's points while training.

        Raises:
            InputError: if the shape or the size does not fit, the images are far from [0, 1] (not checked while
                training, as it would make a GPU wait), or the variant needs a label map and none is given.
        """
        check_sizes(images, "images", "B3HW")
        check_divisible(*images.shape[-2:])
        if not self.training:
            check_range(images)
        images = self._as_weights(images)
        features = self.encoder(images)
        check_features(features, self.encoder, images)
        for_depth, for_classes = self._shared(features)
        guidance = self._guidance(for_classes, images, semantics)
        seem = self.variant.seem
        points = self._points(seem, guidance.label_map, labels, seed) if seem is not None else None
        disps = self._decode(for_depth, guidance, points)
        depth = self.depth_of(disps)
        return Prediction(disps, depth, None, guidance.logits, guidance.probabilities, points)

    def depth_of(self, disps: list[torch.Tensor]) -> torch.Tensor:
        """Return the depth (B, 1, H, W) of the finest disparity."""
        return disp_to_depth(disps[0], self.loss.min_depth, self.loss.max_depth)

    def _as_weights(self, images: torch.Tensor) -> torch.Tensor:
        """Bring images to the number type of the weights."""
        return images.to(next(self.depth.parameters()).dtype)

    def _shared(self, features: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Hand the encoder's features to both decoders, their gradients weighed by the branch's share."""
        share = self.variant.branch.share if self.variant.branch else 0.0
        if not share:
            return features, features
        return scale_gradient(features, 1 - share), scale_gradient(features, share)

    def _guidance(self, features: list[torch.Tensor], images: torch.Tensor, semantics: torch.Tensor | None) -> Guidance:
        """Find out what is known of the classes before depth is decoded."""
        guidance, variant = Guidance(), self.variant
        if self.semantic is not None:
            guidance.levels, guidance.logits = self.semantic(features)
        if variant.masks is not None:
            if semantics is None and self.segmenter is not None:
                semantics = self.segmenter.packed_enlarged(images)
            if semantics is None:
                raise InputError("this variant modulates depth by a label map that comes with the image, and none was "
                                 "given; give labels, or use a variant that predicts its own.")
            guidance.probabilities = unpack(semantics).to(images.dtype)
        elif guidance.logits is not None and (variant.reads_classes or variant.ranking):
            guidance.probabilities = class_probabilities(guidance.logits.detach())
        return guidance

    def _points(self, seem: Seem, probabilities: torch.Tensor, labels: torch.Tensor | None, seed: int) -> torch.Tensor:
        """Choose where SEEM acts: while training at random near semantic edges, else at the strongest predicted edges.

        SEEDepth's figure draws the points from the labels; the prediction takes their place at test [inferred].
        """
        count = point_count(seem.points, *probabilities.shape[-2:])
        if not self.training:
            return strongest_points(edge_strength(probabilities), count)
        if labels is not None and seem.edges == "labels":
            masks = targets(labels, self.variant.classes)
        else:
            masks = (probabilities > 0.5)[:, 0].long() if probabilities.shape[1] == 1 else probabilities.argmax(1)
        return training_points(label_borders(masks), count, torch.Generator().manual_seed(seed), seem.important)

    def _decode(self, features: list[torch.Tensor], guidance: Guidance, points: torch.Tensor | None
                ) -> list[torch.Tensor]:
        """Climb the depth decoder; after each level semantics may act, and what it makes goes on."""
        x, disps, levels = features[-1], [], []
        for level in reversed(range(self.depth.LEVELS)):
            x = self.depth.level(level, x, features)
            if self.fusion is not None:
                joined = self.fusion(level, x, guidance)
                check_fused(joined, x, self.fusion, level)
                x = joined
            levels.insert(0, x)
            if level == 0 and self.seem is not None:
                x = self.seem(levels[:3], features, guidance.levels or [guidance.label_map], points)
            if level < self.depth.SCALES:
                disps.append(self.depth.head(level, x))
        return disps[::-1]

    def semantics_of(self, batch: Triplet) -> torch.Tensor | None:
        """Return the label map that `predict` wants with this batch, packed; None if it wants none.

        A segmenter's map comes with the batch (`training.segmenter.with_masks`), or else from the target enlarged.
        """
        if self.variant.masks is None:
            return None
        if batch.semantics is not None:
            return batch.semantics
        if self.segmenter is not None:
            return self.segmenter.packed_enlarged(batch.target)
        return None if batch.labels is None else pack_labels(batch.labels)

    @torch.no_grad()
    def attention_map(self, images: torch.Tensor, level: int, row: int, column: int) -> torch.Tensor:
        """Return where attention looks from one pixel of a decoder level.

        Args:
            images: (B, 3, H, W) in [0, 1].
            level: 4, 3 or 2.
            row, column: The pixel on the level's map of H / 2^level x W / 2^level.

        Returns:
            (B, h, w), each image sums to 1; coarser than the level's map where keys are pooled.

        Raises:
            InputError: if there is no attention at this level, or the pixel lies outside.
        """
        blocks = dict(self.fusion.blocks.items()) if isinstance(self.fusion, MultiLevelAttention) else {}
        block = blocks.get(str(level))
        if not isinstance(block, SemanticGuidedAttention):
            raise InputError(f"there is no attention at level {level} of this model; use variant attention and level "
                             "4, 3 or 2.")
        seen: list[torch.Tensor] = []
        handle = block.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
        try:
            self.predict(images)
        finally:
            handle.remove()
        depth, semantic = seen
        return block.correlations(depth, semantic, row, column)

    def pose_networks(self) -> tuple[nn.Module, nn.Module]:
        """Return the encoder and the decoder of the pose network.

        Raises:
            InputError: if the model has none.
        """
        if self.pose_encoder is None or self.pose is None:
            raise InputError("this model was built without a pose network; give the motion with the data.")
        return self.pose_encoder, self.pose

    def motion(self, target: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
        """Predict T_source_target (B, 2, 4, 4) for the previous and the next frame.

        The pose network always sees the earlier frame first; for the previous frame its answer is inverted
        [code: MD2]. Both pairs go through it in one batch.

        Args:
            target: (B, 3, H, W) in [0, 1].
            sources: (B, 2, 3, H, W), the previous and the next frame.

        Raises:
            InputError: if a shape differs, or the model has no pose network.
        """
        encoder, decoder = self.pose_networks()
        check_sizes(sources, "sources", "B23HW", **check_sizes(target, "target", "B3HW"))
        target, sources = self._as_weights(target), self._as_weights(sources)
        previous, following = sources.unbind(1)
        pairs = torch.cat((torch.cat((previous, target), 1), torch.cat((target, following), 1)))
        axis_angle, translation = decoder(encoder(pairs))
        (a0, a1), (t0, t1) = axis_angle.chunk(2), translation.chunk(2)
        with torch.autocast(target.device.type, enabled=False):  # geometry needs all digits
            return torch.stack((rigid_transform(a0, t0, invert=True), rigid_transform(a1, t1)), 1)

    def forward(self, batch: Triplet, step: Step = Step()) -> tuple[LossTerms, Prediction]:
        """Return the loss of a batch at a step of the training, and what was predicted on the way.

        Raises:
            InputError: if the batch is no `Triplet`, or lacks what the variant needs.
        """
        if not isinstance(batch, Triplet):
            raise InputError(f"a model is called with a Triplet, not with {type(batch).__name__}, and returns its "
                             "loss; for images alone use model.predict(images).")
        prediction = self.predict(batch.target_aug, self.semantics_of(batch), batch.labels, step.seed)
        terms = self._depth_terms(batch, prediction, step.loss or self.loss)
        branch, ranking, logits = self.variant.branch, self.variant.ranking, prediction.semantic_logits
        if branch is not None and logits is not None:
            terms = self._with_classes(terms, branch, logits, batch.require("labels"))
        if ranking is not None and step.progress >= ranking.start:
            terms = self._with_ranking(terms, ranking, prediction, batch.require("labels"), step.seed)
        return terms, prediction

    def _depth_terms(self, batch: Triplet, prediction: Prediction, settings: LossSettings) -> LossTerms:
        """Compare the predicted depth with the video, or with the truth; the motion is put into the prediction."""
        motion = self._motion_of(batch, prediction.depth) if self.supervision == "video" else None
        prediction.T_source_target = motion
        if self.own_loss is not None:
            terms = self.own_loss(prediction, batch, settings)
            check_terms(terms, LossTerms, self.own_loss)
            return terms
        if motion is None:
            return supervised_loss(prediction.disps, batch.require("depth"), settings)
        self_supervised_loss = (fused if self.fused else losses).self_supervised_loss
        terms = self_supervised_loss(prediction.disps, batch.target, batch.sources, batch.K, motion, settings)
        if not settings.scale_weight or self.pose is None or batch.sources.shape[1] > 2:  # a second camera has a scale
            return terms
        held = settings.scale_weight * losses.scale_loss(prediction.disps, settings)
        return replace(terms, total=terms.total + held)

    def _motion_of(self, batch: Triplet, depth: torch.Tensor) -> torch.Tensor:
        """Return T_source_target (B, S, 4, 4): learned for the two neighbors in time, known for a second camera."""
        if self.pose is None:
            return batch.require("T_source_target")
        motion = self.motion(batch.target_aug, batch.sources_aug[:, :2])
        if self.alignment:
            motion = self.aligned(motion, batch, depth)
        if batch.sources.shape[1] == 2:
            return motion
        return torch.cat((motion, batch.require("T_source_target")[:, 2:].to(motion)), 1)

    def aligned(self, motion: torch.Tensor, batch: Triplet, depth: torch.Tensor) -> torch.Tensor:
        """Improve the motion (B, S, 4, 4) of the first S sources by direct alignment with the depth (B, 1, H, W).

        The correction itself carries no gradient.
        """
        moved = batch.sources[:, :motion.shape[1]]
        target, sources = (image.mean(-3, keepdim=True) for image in (batch.target, moved))
        with torch.autocast(target.device.type, enabled=False):
            found = align_motion(motion.detach(), depth.detach(), target, sources, batch.K, self.alignment)
            return found @ invert_transform(motion.detach()) @ motion

    def _with_classes(self, terms: LossTerms, branch: Branch, logits: torch.Tensor, labels: torch.Tensor) -> LossTerms:
        """Add the cross-entropy of the semantic branch."""
        semantic = semantic_loss(logits, labels, branch.classes, self.class_weights)
        return replace(terms, total=terms.total + branch.weight * semantic, semantic=semantic)

    def _with_ranking(self, terms: LossTerms, settings: Ranking, prediction: Prediction, labels: torch.Tensor,
                      seed: int) -> LossTerms:
        """Add the ranking loss of the finest depth."""
        probabilities, certainty = prediction.probabilities, None
        if probabilities is not None and settings.certainty != "none":
            group = self.variant.classes if probabilities.shape[1] == 1 else settings.things
            certainty = point_certainty(probabilities, labels, group, settings.certainty)
        generator = torch.Generator().manual_seed(seed)
        ranking = ranking_loss(prediction.depth, labels, generator, settings, certainty)
        return replace(terms, total=terms.total + settings.weight * ranking, ranking=ranking)
