"""The variants of the method: their switches, their names, and how a switch is read from text."""
from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from .borders import RankingSettings
from .common.contracts import InputError, check_choices
from .networks import DepthDecoder
from .semantics import output_count


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
        seem: enhance depth at points on the semantic edges (SEEDepth).
        seem_points: of an image 640 pixels wide, scaled with the width.
        seem_important: share of the points near edges while training, the others are uniform.
        seem_source: where the edges come from while training: labels, or the prediction as at test.
        ranking: the semantic-guided ranking loss (SemDepth).
        ranking_weight: of that loss (unknown; 0.01 to 0.1 inferred).
        ranking_start: share of the training after which it begins, for it sharpens only what is already roughly right.
        ranking_things, ranking_against, ranking_variable, ranking_floor, ranking_cap, ranking_certainty,
            ranking_robust: see `RankingSettings`.
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
    seem: bool = False
    seem_points: int = 2048
    seem_important: float = 0.75
    seem_source: str = "labels"
    ranking: bool = False
    ranking_weight: float = 0.02
    ranking_start: float = 0.7
    ranking_things: str = RankingSettings.things
    ranking_against: str = RankingSettings.against
    ranking_variable: str = RankingSettings.variable
    ranking_floor: float = RankingSettings.floor
    ranking_cap: float = RankingSettings.cap
    ranking_certainty: str = RankingSettings.certainty
    ranking_robust: bool = RankingSettings.robust

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(field.default) in (int, float) and not 0 <= value < math.inf:
                raise InputError(f"{field.name} {value} is not a number from 0 on; its default is {field.default}.")
        output_count(self.classes)
        check_choices(self, {
            "fusion": ("none", "attention", "ssfa"), "semantic_source": ("branch", "segmenter", "labels"),
            "seem_source": ("labels", "prediction")})
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
        self._check_borders()

    def _check_borders(self) -> None:
        """Refuse switches of SEEM and the ranking loss that do not fit."""
        knows_classes = self.semantic_branch or self.fusion == "ssfa"
        if self.seem and not knows_classes:
            raise InputError("seem looks for semantic edges; switch semantic_branch on, or use fusion ssfa.")
        if self.ranking and self.ranking_certainty != "none" and not knows_classes:
            raise InputError(f"ranking_certainty {self.ranking_certainty} needs predicted classes; switch "
                             "semantic_branch on, or use ranking_certainty none.")
        if not (self.seem_points > 0 and 0 <= self.seem_important <= 1):
            raise InputError(f"seem_points {self.seem_points} and seem_important {self.seem_important} do not fit; use "
                             "a positive number and a share in [0, 1].")
        if not 0 <= self.ranking_start <= 1:
            raise InputError(f"ranking_start {self.ranking_start} is outside [0, 1]; use 0.7, for instance.")
        self.ranking_settings  # noqa: B018, it checks itself

    @property
    def has_segmenter(self) -> bool:
        """Whether a segmenter of its own belongs to the model."""
        return self.fusion == "ssfa" and self.semantic_source == "segmenter"

    @property
    def needs_labels(self) -> bool:
        """Whether training needs semantic labels."""
        return self.semantic_branch or self.fusion != "none" or self.ranking

    @property
    def ranking_settings(self) -> RankingSettings:
        """The switches of the ranking loss, together."""
        return RankingSettings(self.ranking_things, self.ranking_against, self.ranking_variable, self.ranking_floor,
                               self.ranking_cap, self.ranking_certainty, self.ranking_robust)


_SSFA = Variant(fusion="ssfa", semantic_branch=True, levels=(2, 1, 0), classes="all", class_weights=True)

_SEGMENTER = replace(_SSFA, semantic_branch=False, semantic_source="segmenter", encoder_from_segmenter=True)

VARIANTS: dict[str, Variant] = {
    "baseline": Variant(),
    "multitask": Variant(semantic_branch=True),
    "attention": Variant(semantic_branch=True, fusion="attention"),
    "ssfa": _SSFA,
    "ssfa_segmenter": _SEGMENTER,
    "ssfa_labels": replace(_SSFA, semantic_branch=False, semantic_source="labels"),
    "seem": Variant(semantic_branch=True, seem=True),
    "ranking": Variant(semantic_branch=True, ranking=True),
    "seedepth": Variant(semantic_branch=True, fusion="attention", seem=True),
    "semdepth": replace(_SSFA, ranking=True),
    "combined": replace(_SEGMENTER, seem=True, ranking=True),
}

# The ranking loss as printed and drawn, to be given as switches; its start is SemDepth's first epoch of 20 [inferred].
AS_PRINTED = ("ranking_things=foreground ranking_against=rest ranking_variable=disp ranking_floor=0 ranking_cap=0 "
         "ranking_start=0.05")


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
