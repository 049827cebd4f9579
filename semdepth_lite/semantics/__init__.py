"""Semantics in the network: the branch and its loss, SEEDepth's attention, SemDepth's modulation, a segmenter.

`SemanticDecoder` reads classes from the shared encoder; `MultiLevelAttention` (SEEDepth) and `MultiscaleSSFA`
(SemDepth) enhance the depth decoder's features with them; `Segmenter` is the alternative, trained first and frozen.
"""
from __future__ import annotations

from .attention import ConcatenationFusion, MultiLevelAttention, SemanticGuidedAttention
from .branch import SemanticDecoder, class_probabilities, predicted_labels, scale_gradient
from .guidance import Guidance
from .loss import class_weights, output_count, prior_logits, semantic_loss, targets
from .modulation import SSFA, ClassModulation, MultiscaleSSFA
from .segmenter import GIVEN, Segmenter

__all__ = ["ClassModulation", "ConcatenationFusion", "GIVEN", "Guidance", "MultiLevelAttention",
           "MultiscaleSSFA", "SSFA", "Segmenter", "SemanticDecoder", "SemanticGuidedAttention", "class_probabilities",
           "class_weights", "output_count", "predicted_labels", "prior_logits", "scale_gradient",
           "semantic_loss", "targets"]
