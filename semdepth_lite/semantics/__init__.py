"""Semantics in the network: the branch and its loss, SEEDepth's attention, SemDepth's modulation, a segmenter.

`SemanticDecoder` reads classes from the shared encoder; `MultiLevelAttention` (SEEDepth) and `MultiscaleSSFA`
(SemDepth) enhance the depth decoder's features with them; `Segmenter` is the alternative, trained first and frozen.
"""
from __future__ import annotations

from .attention import ConcatenationFusion, MultiLevelAttention, SemanticGuidedAttention
from .branch import SemanticDecoder, class_probabilities, predicted_labels, scale_gradient
from .guidance import Guidance, pack_labels, pack_probabilities, unpack
from .modulation import SSFA, ClassModulation, MultiscaleSSFA
from .probe import LinearProbe, hypercolumns
from .segmenter import Segmenter, pretrain_segmenter, segment_all
from .supervision import (class_weights, count_classes, evaluate_segmentation, output_count, prior_logits,
                          semantic_loss, targets)

__all__ = ["ClassModulation", "ConcatenationFusion", "Guidance", "LinearProbe", "MultiLevelAttention", "MultiscaleSSFA",
           "SSFA", "Segmenter", "SemanticDecoder", "SemanticGuidedAttention", "class_probabilities",
           "class_weights", "count_classes", "evaluate_segmentation", "hypercolumns", "output_count", "pack_labels",
           "pack_probabilities", "predicted_labels", "pretrain_segmenter", "prior_logits", "scale_gradient",
           "segment_all", "semantic_loss", "targets", "unpack"]
