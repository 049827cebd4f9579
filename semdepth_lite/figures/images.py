"""Figures made of images: grids, depth, errors and labels, each with its scale or its names."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..classes import IGNORE, NAMES
from ..common.contracts import InputError
from ..labels import palette
from .style import NO_VALUE, TITLE_HEIGHT, WIDTH, as_array, as_image, as_map, columns_of, draw_image, image_axes, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEPTH_RANGE = (3.0, 80.0)  # meters
MARK_HEIGHT = 0.22  # inches of a number beside a scale, with the space around it


def _beside(image, contents: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, str]]:
    """Put an image, if there is one, in front of titled contents."""
    cells = [(content, title) for title, content in contents.items()]
    return cells if image is None else [(as_image(image), "image"), *cells]


@styled
def image_grid(rows: Sequence[Sequence[tuple[object, str]]]) -> Figure:
    """Draw rows of titled images; bool masks are black and white.

    Args:
        rows: Rows of (image, title); all images have one aspect, shorter rows end early.
    """
    columns = max((len(row) for row in rows), default=0)
    cells = [cell for row in rows for cell in [*row, *[None] * (columns - len(row))]]
    shape = next((as_image(cell[0]).shape for cell in cells if cell), (1, 1))
    figure, axes = image_axes(len(cells), columns or 1, shape)
    for axis, cell in zip(axes, cells):
        if cell is None:
            axis.remove()
        else:
            draw_image(axis, as_image(cell[0]), cell[1], smooth=as_array(cell[0]).dtype != bool)
    return figure


@styled
def contact_sheet(frames: Sequence[object], titles: Sequence[str] = (), columns: int = 4) -> Figure:
    """Draw many frames close together, as a photographer's contact sheet.

    Args:
        frames: Images of one aspect.
        titles: One for each frame, or for the first ones only, such as the names of the columns.
        columns: Frames in a row.
    """
    figure, axes = image_axes(len(frames), columns, as_image(frames[0]).shape if len(frames) else (1, 1))
    for axis, frame, title in zip(axes, frames, [*titles, *[""] * len(frames)]):
        draw_image(axis, as_image(frame), title)
    columns = min(columns, len(frames))
    untitled = -(-len(frames) // columns) - -(-len(titles) // columns)
    figure.set_figheight(figure.get_figheight() - untitled * 0.28)
    figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    return figure


def _brightness(depth, depth_range: tuple[float, float]):
    """Place depth on the color scale, from 0 (farthest) to 1 (nearest)."""
    near, far = depth_range
    if not 0 < near < far:
        raise InputError(f"depth_range {depth_range} is not 0 < nearest < farthest in meters; swap or change it.")
    return np.sqrt(np.clip((1 / depth - 1 / far) / (1 / near - 1 / far), 0, 1))


def colorize_depth(depth, depth_range: tuple[float, float] = DEPTH_RANGE) -> np.ndarray:
    """Paint depth in magma by the root of its inverse: near is bright, far is dark, no depth (0) is gray.

    Inverse depth is what a network predicts; its root leaves far things some contrast.

    Args:
        depth: (H, W) or (1, H, W) depth, meters; 0 where there is none.
        depth_range: Nearest and farthest depth of the scale, meters.

    Returns:
        (H, W, 3) uint8.
    """
    from matplotlib import colormaps

    depth = as_map(depth, "depth").astype(np.float64)
    valid = depth > 0
    colors = colormaps["magma"](_brightness(np.where(valid, depth, 1.0), depth_range))[..., :3]
    colors[~valid] = NO_VALUE
    return np.round(colors * 255).astype(np.uint8)


def _depth_bar(figure: Figure, axes: Sequence[Axes], depth_range: tuple[float, float]) -> None:
    """Draw the color scale of depth with marks in meters, left out where they would touch."""
    from matplotlib.cm import ScalarMappable

    near, far = depth_range
    bar = figure.colorbar(ScalarMappable(cmap="magma"), ax=list(axes), fraction=0.05, pad=0.015, aspect=28)
    apart = MARK_HEIGHT / (figure.get_figheight() - TITLE_HEIGHT)  # shares of the bar
    marks: dict[float, float] = {}
    for meters in (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 40, far):
        place = float(_brightness(meters, depth_range))
        if near <= meters <= far and all(abs(place - other) > apart for other in marks.values()):
            marks[meters] = place
    bar.set_ticks(list(marks.values()), labels=[f"{meters:g} m" for meters in marks])
    bar.outline.set_visible(False)


@styled
def depth_panel(image, depths: Mapping[str, object], *, depth_range: tuple[float, float] | None = None,
                columns: int | None = None) -> Figure:
    """Draw an image and depth maps with one color scale in meters.

    Args:
        image: Image the depth belongs to, or None to leave it out.
        depths: Title to (H, W) depth, meters; 0 where there is none (sky) is drawn gray.
        depth_range: Nearest and farthest depth of the scale, meters; by default the nearest percent of the first
            map, which should be the truth where there is one, and 80 m.
        columns: Pictures in a row; by default as many as leave no place empty, two or three.
    """
    if depth_range is None:
        known = np.concatenate([array[array > 0] for array in map(as_array, list(depths.values())[:1])] or [[]])
        near = float(np.percentile(known, 1)) if len(known) else DEPTH_RANGE[0]
        depth_range = (min(near, DEPTH_RANGE[1] / 2), DEPTH_RANGE[1])
    cells = _beside(image, {title: colorize_depth(depth, depth_range) for title, depth in depths.items()})
    figure, axes = image_axes(len(cells), columns, cells[0][0].shape if cells else (1, 1), bar=True)
    for axis, (content, title) in zip(axes, cells):
        draw_image(axis, content, title)
    _depth_bar(figure, axes, depth_range)
    return figure


@styled
def map_panel(maps: Mapping[str, object], *, label: str, limits: tuple[float, float] | None = None, image=None,
              columns: int | None = None, even: float | None = None) -> Figure:
    """Draw maps of an error or a weight with one scale from dark (small) to bright (large); NaN is gray.

    Args:
        maps: Title to (H, W) map.
        label: Quantity of the scale, with its unit.
        limits: Ends of the scale; default 0 and the 98th percentile of all maps.
        image: Image to draw first.
        columns: As for `depth_panel`.
        even: Value that means no change, inside of the limits: drawn white, what is below it blue, what is above it
            red.
    """
    from matplotlib.colors import TwoSlopeNorm

    arrays = {title: as_map(values, title).astype(np.float64) for title, values in maps.items()}
    known = np.concatenate([array[np.isfinite(array)] for array in arrays.values()] or [np.zeros(0)])
    if not known.size:
        raise InputError("No map has a finite value; pass at least one that has.")
    low, high = limits or (0.0, float(np.percentile(known, 98)) or 1.0)
    scale = {"cmap": "cividis", "vmin": low, "vmax": high} if even is None else {
        "cmap": "RdBu_r", "norm": TwoSlopeNorm(even, low, high)}
    cells = _beside(image, arrays)
    figure, axes = image_axes(len(cells), columns, cells[0][0].shape, bar=True)
    drawn = []
    for axis, (content, title) in zip(axes, cells):
        if image is not None and axis is axes[0]:
            draw_image(axis, content, title)
            continue
        axis.set_facecolor(NO_VALUE)
        axis.patch.set_visible(True)
        drawn.append(axis.imshow(content, interpolation="nearest", **scale))
        axis.set_title(title)
    above, below = known.max() > high, even is not None and known.min() < low
    beyond = "both" if above and below else "max" if above else "min" if below else "neither"
    bar = figure.colorbar(drawn[-1], ax=axes, fraction=0.05, pad=0.015, aspect=28, label=label, extend=beyond)
    bar.outline.set_visible(False)
    return figure


def overlay(image, mask, color: tuple[float, float, float] = (1.0, 0.55, 0.0), strength: float = 0.6) -> np.ndarray:
    """Tint the masked pixels of an image.

    Args:
        image: Any image of this file.
        mask: (H, W) bool.
        color: RGB in [0, 1].
        strength: Share of the color, 0 to 1.

    Returns:
        (H, W, 3) uint8.
    """
    base = as_image(image)
    base = base / 255.0 if base.dtype == np.uint8 else base
    base = np.repeat(base[..., None], 3, axis=2) if base.ndim == 2 else base.copy()
    mask = as_map(mask, "mask").astype(bool)
    base[mask] = (1 - strength) * base[mask] + strength * np.asarray(color)
    return np.round(base * 255).astype(np.uint8)


def _name_areas(axis: Axes, labels: np.ndarray, inches: float) -> None:
    """Write each class's name where its area is widest, if the word fits there and touches no other word.

    Args:
        axis: Axes of the label map.
        labels: (H, W) trainIds.
        inches: Drawn width of the map.
    """
    from matplotlib.patheffects import withStroke
    from scipy.ndimage import distance_transform_edt

    point = labels.shape[1] / inches / 72  # image pixels in a typographic point
    height = 10 * point
    placed: list[tuple[float, float, float]] = []
    inside = {int(i): np.asarray(distance_transform_edt(np.pad(labels == i, 1)))[1:-1, 1:-1]
              for i in np.unique(labels) if i < len(NAMES)}
    for index in sorted(inside, key=lambda i: -inside[i].max()):
        half = 0.31 * height * len(NAMES[index])
        row, column = map(int, np.unravel_index(inside[index].argmax(), labels.shape))
        column = float(np.clip(column, half, labels.shape[1] - half))
        touches = any(abs(row - r) < 1.3 * height and abs(column - c) < half + h for r, c, h in placed)
        if inside[index].max() < 0.6 * height or labels[row, round(column)] != index or touches:
            continue
        placed.append((row, column, half))
        axis.text(column, row, NAMES[index], color="white", fontsize=10, ha="center", va="center",
                  path_effects=[withStroke(linewidth=2.5, foreground="black")])


def _label_legend(figure: Figure, indices: Sequence[int], columns: int) -> None:
    from matplotlib.patches import Patch

    colors = palette().numpy() / 255
    names = [NAMES[i] if i < len(NAMES) else "ignored" for i in indices]
    patches = [Patch(facecolor=colors[i], edgecolor="#777777", linewidth=0.5, label=name)
               for i, name in zip(indices, names)]
    figure.legend(handles=patches, loc="outside lower left", ncols=columns, handlelength=1.3, handleheight=1.0,
                  columnspacing=1.4)


@styled
def label_panel(image, labels: Mapping[str, object], *, columns: int | None = None) -> Figure:
    """Draw an image and label maps in the Cityscapes palette, areas named, with a legend of the classes present.

    Args:
        image: Image the labels belong to, or None to leave it out.
        labels: Title to (H, W) trainIds; 255 (ignored) is black.
        columns: As for `depth_panel`.
    """
    maps = {title: as_map(values, title).astype(int) for title, values in labels.items()}
    present = sorted(set().union(*(np.unique(array) for array in maps.values())) if maps else [])
    if any(index >= len(NAMES) and index != IGNORE for index in present):
        raise InputError(f"labels hold the ids {[int(i) for i in present]}, expected trainIds 0 to {len(NAMES) - 1} "
                         f"or {IGNORE}; convert them to trainIds first.")
    cells = _beside(image, maps)
    legend_rows, columns = -(-len(present) // 6), columns or columns_of(len(cells))
    figure, axes = image_axes(len(cells), columns, cells[0][0].shape if cells else (1, 1), extra=0.3 * legend_rows)
    colors = palette().numpy()
    for axis, (content, title) in zip(axes, cells):
        if image is not None and axis is axes[0]:
            draw_image(axis, content, title)
        else:
            draw_image(axis, colors[content], title, smooth=False)
            _name_areas(axis, content, WIDTH / min(columns, len(cells)))
    _label_legend(figure, present, 6)
    return figure
