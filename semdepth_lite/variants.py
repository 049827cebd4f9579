"""The variants of the method: the parts that each is made of, their names, and how a change is read from text."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .borders import RankingSettings
from .common.contracts import InputError, check_choices, check_types
from .common.registry import find_part
from .networks import DepthDecoder
from .semantics import output_count
from .semantics.modulation import NORMALIZATIONS

Value = bool | int | float | str | tuple[int, ...]


def _check_numbers(part: Any) -> None:
    """Refuse values of other types, and negative and infinite numbers, in a part of a variant."""
    check_types(part)
    for each in fields(part):
        value = getattr(part, each.name)
        if type(each.default) in (int, float) and not 0 <= value < math.inf:
            raise InputError(f"{each.name} {value} is not a number from 0 on; its default is {each.default}.")


def _check_levels(levels: tuple[int, ...]) -> None:
    if not isinstance(levels, (list, tuple)) or not all(level in range(DepthDecoder.LEVELS) for level in levels):
        raise InputError(f"levels {levels!r} are not all decoder levels; use some of 0 to 4.")


@dataclass(frozen=True)
class Branch:
    """A semantic decoder on the shared encoder, trained with labels.

    Attributes:
        classes: Classes to distinguish: all 19, or a group of `labels.GROUPS` against the rest (as in both papers).
        weight: Weight of the branch's cross-entropy (unknown; 0.1 to 1 inferred).
        class_weights: Weighting of classes by the inverse square root of their frequency.
        share: Share of the branch in the gradient at the shared encoder, depth has the rest; 0 = plain sum,
            0.1 [code: SGD].
    """

    classes: str = "foreground"
    weight: float = 0.1
    class_weights: bool = False
    share: float = 0.0

    def __post_init__(self) -> None:
        _check_numbers(self)
        output_count(self.classes)
        if not 0 <= self.share < 1:
            raise InputError(f"share {self.share} is outside [0, 1); use 0.1, for instance.")


@dataclass(frozen=True)
class Attention:
    """SEEDepth's fusion: the depth decoder attends to the semantic branch, see `semantics.MultiLevelAttention`.

    Attributes:
        levels: Decoder levels where semantics enters.
        form: A or B, see `semantics.SemanticGuidedAttention`.
        pool_keys: Averaging of keys and values over cells, which bounds the memory.
        residual: Adding to the depth feature, from zero on; False takes the form as drawn.
    """

    levels: tuple[int, ...] = (4, 3, 2, 1, 0)
    form: str = "B"
    pool_keys: bool = True
    residual: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        _check_levels(self.levels)
        check_choices(self, {"form": ("A", "B")})


@dataclass(frozen=True)
class SSFA:
    """SemDepth's fusion: a label map modulates the depth decoder's features, see `semantics.MultiscaleSSFA`.

    Attributes:
        levels: Decoder levels that are modulated.
        hidden: Channels of the label map's embedding, see `semantics.SSFA`.
        norm: Normalization: group, instance or none.
        residual: Adding to the depth feature, from zero on; False leaves out the feature that is added to.
    """

    levels: tuple[int, ...] = (2, 1, 0)
    hidden: int = 0
    norm: str = "group"
    residual: bool = True

    def __post_init__(self) -> None:
        _check_levels(self.levels)
        _check_numbers(self)
        check_choices(self, {"norm": NORMALIZATIONS})


@dataclass(frozen=True)
class OwnFusion:
    """A fusion of one's own, registered under a name; see `common.registry.register`.

    Attributes:
        name: Name under which it is registered.
    """

    name: str = ""


@dataclass(frozen=True)
class Seem:
    """SEEDepth's enhancement of depth at points on the semantic edges, see `borders.SEEM`.

    Attributes:
        points: Number of points in an image 640 pixels wide, scaled with the width; 2048 is [inferred], from the
            density of the scatter in SEEDepth's overview figure.
        important: Share of the points near edges while training; the others are uniform.
        edges: Origin of the edges while training: labels, or the prediction, as at test.
        residual: Adding to the depth feature, from zero on; False substitutes as drawn.
    """

    points: int = 2048
    important: float = 0.75
    edges: str = "labels"
    residual: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        check_choices(self, {"edges": ("labels", "prediction")})
        if not (0 < self.points < math.inf and 0 <= self.important <= 1):
            raise InputError(f"points {self.points} and important {self.important} do not fit; use a positive number "
                             "of points and a share in [0, 1].")


@dataclass(frozen=True)
class Ranking(RankingSettings):
    """SemDepth's ranking loss, and its place in the training.

    Attributes:
        weight: Weight of the ranking loss (unknown; 0.01 to 0.1 inferred).
        start: Share of the training after which it begins, for it sharpens only what is already roughly right.
    """

    weight: float = 0.02
    start: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_numbers(self)
        if not 0 <= self.start <= 1:
            raise InputError(f"start {self.start} is outside [0, 1]; use 0.7, for instance.")


@dataclass(frozen=True)
class FromSegmenter:
    """Masks of a segmenter of the model's own, trained before depth and frozen.

    Attributes:
        origin: Origin of the segmenter: given (trained on the street beforehand; it comes with the package), or made
            (in this run, before depth, its time counted).
        scale: Factor of the height and width of the image that it sees, against depth's.
        share_encoder: Depth starts from the weights of the segmenter's encoder.
    """

    origin: str = "given"
    scale: int = 2
    share_encoder: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        check_choices(self, {"origin": ("given", "made")})
        if self.scale not in (1, 2, 3, 4):
            raise InputError(f"scale {self.scale} is not a factor from 1 to 4; use 2, for instance.")


@dataclass(frozen=True)
class FromLabels:
    """Masks that come with the image, at test too, as drawn; exact ones are an upper bound."""


@dataclass(frozen=True)
class Variant:
    """A method as its parts; a part that is None is left out. With every part left out, it is Monodepth2.

    The papers leave most of this open; the docstrings of the modules tell what is stated and what is inferred.

    Attributes:
        branch: The semantic branch.
        masks: Origin of the class map that SSFA, SEEM and the ranking loss read; None is the branch's own prediction,
            without gradient.
        fusion: The way in which semantics enters the depth decoder.
        seem: Edge enhancement.
        ranking: The ranking loss.
    """

    branch: Branch | None = None
    masks: FromSegmenter | FromLabels | None = None
    fusion: Attention | SSFA | OwnFusion | None = None
    seem: Seem | None = None
    ranking: Ranking | None = None

    def __post_init__(self) -> None:
        if isinstance(self.fusion, Attention) and self.branch is None:
            raise InputError("attention reads the features of the semantic branch; add one with branch=yes.")
        reader = "ssfa" if isinstance(self.fusion, SSFA) else "seem" if self.seem else ""
        if self.ranking and self.ranking.certainty != "none":
            reader = reader or f"ranking.certainty={self.ranking.certainty}"
        if reader and self.branch is None and self.masks is None:
            raise InputError(f"{reader} reads a class map, and there is none; add branch=yes, masks=segmenter or "
                             "masks=labels.")

    @property
    def segmenter(self) -> FromSegmenter | None:
        """Settings of the segmenter that belongs to the model; None without one."""
        return self.masks if isinstance(self.masks, FromSegmenter) else None

    @property
    def reads_classes(self) -> bool:
        """Whether depth itself reads the class map."""
        return isinstance(self.fusion, SSFA | OwnFusion) or self.seem is not None

    @property
    def needs_labels(self) -> bool:
        """Whether training needs semantic labels; masks that are given do not."""
        given = self.segmenter is not None and self.segmenter.origin == "given"
        return self.branch is not None or self.ranking is not None or (self.masks is not None and not given)

    @property
    def classes(self) -> str:
        """Classes of the class map: all, or the group that the branch distinguishes."""
        return self.branch.classes if self.branch and self.masks is None else "all"


_ALL_CLASSES = Branch(classes="all", class_weights=True)
_EARLY = Ranking(signed=True, start=0.3)  # good masks tell early what stands in front

VARIANTS: dict[str, Variant] = {
    "baseline": Variant(),
    "multitask": Variant(Branch()),
    "attention": Variant(Branch(), fusion=Attention()),
    "ssfa": Variant(_ALL_CLASSES, fusion=SSFA()),
    "ssfa_segmenter": Variant(masks=FromSegmenter(), fusion=SSFA()),
    "ssfa_labels": Variant(masks=FromLabels(), fusion=SSFA()),
    "seem": Variant(Branch(), seem=Seem()),
    "ranking": Variant(Branch(), ranking=Ranking()),
    "seedepth": Variant(Branch(), fusion=Attention(), seem=Seem()),
    "semdepth": Variant(_ALL_CLASSES, fusion=SSFA(), ranking=Ranking()),
    "semdepth_segmenter": Variant(masks=FromSegmenter(), fusion=SSFA(), ranking=_EARLY),
    "combined": Variant(masks=FromSegmenter(), fusion=SSFA(), seem=Seem(), ranking=_EARLY),
}

# The ranking loss as printed, on pairs as drawn, as changes to a variant. It compares disparity over its mean where the
# figure draws depth itself; the balance of its two cases would hang on a unit [inferred]. Its start is SemDepth's first
# epoch of 20 [inferred].
AS_PRINTED = {"ranking.things": "foreground", "ranking.against": "rest", "ranking.variable": "disp",
              "ranking.floor": 0.0, "ranking.cap": 0.0, "ranking.start": 0.05}

# the words with which each part is chosen; the last one leaves it out
PARTS: dict[str, dict[str, type | None]] = {
    "branch": {"yes": Branch, "no": None},
    "masks": {"segmenter": FromSegmenter, "labels": FromLabels, "branch": None},
    "fusion": {"attention": Attention, "ssfa": SSFA, "none": None},
    "seem": {"yes": Seem, "no": None},
    "ranking": {"yes": Ranking, "no": None},
}


def find_variant(name: str, changes: Mapping[str, Value] | None = None) -> Variant:
    """Return the named variant with some changes.

    Args:
        name: Key of `VARIANTS`.
        changes: New values, also as text, such as {"ranking": True, "ranking.cap": 0.4, "fusion.levels": "2,1,0"}.

    Raises:
        InputError: If there is no such variant, part or setting, or a value does not fit.
    """
    if not isinstance(name, str) or name not in VARIANTS:
        raise InputError(f"variant {name!r} is unknown; use one of {', '.join(VARIANTS)}.")
    parts = {part: getattr(VARIANTS[name], part) for part in PARTS}
    for path, value in (changes or {}).items():
        part, _, setting = path.partition(".")
        if part not in PARTS:
            raise InputError(f"{path!r} names no part of a variant; use one of {', '.join(PARTS)}, or a setting of "
                             "one, such as ranking.cap.")
        parts[part] = _with_setting(parts[part], path, value) if setting else _chosen(parts[part], part, value)
    return Variant(**parts)


def _chosen(current: Any, part: str, value: Value) -> Any:
    """Return the part that a word chooses; one that is there already keeps its settings."""
    word = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    if part == "fusion" and find_part("fusion", word):
        return OwnFusion(word)
    if word not in PARTS[part]:
        own = ", or one of your own after `register`" if part == "fusion" else ""
        raise InputError(f"{part} is {value!r}, expected {', '.join(PARTS[part])}{own}.")
    kind = PARTS[part][word]
    return kind and (current if type(current) is kind else kind())


def _with_setting(current: Any, path: str, value: Value) -> Any:
    """Return a part with one setting changed; what its value may be follows from the setting's default."""
    part, _, setting = path.partition(".")
    if current is None:
        raise InputError(f"{path} changes a part that this variant does not have; choose it first, with {part}="
                         f"{next(iter(PARTS[part]))}.")
    defaults: dict[str, Any] = {each.name: each.default for each in fields(current)}
    if setting not in defaults:
        raise InputError(f"{path!r} names no setting of {part}; use one of {', '.join(defaults) or 'none'}.")
    try:
        return replace(current, **{setting: _read(setting, value, defaults[setting])})
    except InputError as error:  # its message begins with the name of the setting
        raise InputError(f"{part}.{error}") from None


def _read(setting: str, value: Any, default: Any) -> Value:
    """Read a setting's value, which may be text, as the type of its default."""
    try:
        if isinstance(default, bool):
            return {True: True, False: False, "yes": True, "no": False}[value]
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(int(part) for part in parts if part != "")
        found = type(default)(value)
        if isinstance(value, float) and found != value:
            raise ValueError
        return found
    except (KeyError, OverflowError, TypeError, ValueError):
        kind = {bool: "yes or no", tuple: "numbers such as 2,1,0", int: "a whole number"}.get(type(default), "a number")
        raise InputError(f"{setting} is {value!r}, expected {kind}.") from None


def spell_changes(variant: Variant, changes: Mapping[str, Value]) -> dict[str, bool | int | float | str | list[int]]:
    """Return changes as they are kept in files: typed values, lists for tuples, and the words that choose parts."""
    spelled = {}
    for path in changes:
        part, _, setting = path.partition(".")
        current = getattr(variant, part)
        if not setting:
            kind = None if current is None else type(current)
            own = current.name if isinstance(current, OwnFusion) else None
            spelled[path] = own or next(word for word, choice in PARTS[part].items() if choice is kind)
        elif current is not None:  # else the part was left out again
            value = getattr(current, setting)
            spelled[path] = list(value) if isinstance(value, tuple) else value
    return spelled


def read_changes(texts: list[str]) -> dict[str, str]:
    """Split changes to a variant as they are typed, "ranking.cap=0.6" each, into paths and values."""
    for text in texts:
        if "=" not in text:
            raise InputError(f"change {text!r} has no value; write it as PART.SETTING=VALUE, such as ranking.cap=0.6.")
    return dict(text.split("=", 1) for text in texts)
