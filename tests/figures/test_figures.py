"""Figures: words are mandatory, colors tell the truth, and nothing is cramped."""
from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from semdepth_lite import figures
from semdepth_lite.classes import CLASSES, IGNORE, TRAIN_ID
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course.methods_drawing import overview
from semdepth_lite.figures.pictures import LOSSLESS_LIMIT

ALT = 'Two cars <beside> a "pole", drawn in gray.'
CAPTION = "Near things are bright & far things are dark."


def made_up():
    """An image, its depth with sky above, and its labels, of 24x80 pixels."""
    rng = np.random.default_rng(0)
    image = rng.random((3, 24, 80)).astype(np.float32)
    depth = np.full((24, 80), 20.0)
    depth[:6] = 0
    depth[10:18, 20:40] = 5
    labels = np.full((24, 80), TRAIN_ID["road"], np.uint8)
    labels[:6] = TRAIN_ID["sky"]
    labels[10:18, 20:40] = TRAIN_ID["car"]
    return image, depth, labels


def curves():
    depths = np.geomspace(2, 80, 50)
    return depths, {"mean": np.abs(np.log(depths / 9)), "minimum": np.abs(np.log(depths / 12))}


def cloud():
    rng = np.random.default_rng(1)
    return rng.uniform((-10, -2, 2), (10, 2, 45), (300, 3)), rng.integers(0, 19, 300)


IMAGE, DEPTH, LABELS = made_up()
SAMPLES = {
    "image_grid": lambda: figures.image_grid([[(IMAGE, "left"), (LABELS == 13, "cars")], [(IMAGE[0], "red")]]),
    "contact_sheet": lambda: figures.contact_sheet([IMAGE] * 6, columns=3),
    "contact_sheet with titles": lambda: figures.contact_sheet([IMAGE] * 3, ["a", "b", "c"]),
    "depth_panel": lambda: figures.depth_panel(IMAGE, {"truth": DEPTH, "baseline": DEPTH * 1.1}),
    "map_panel": lambda: figures.map_panel({"baseline": DEPTH / 100}, label="relative error", image=IMAGE),
    "label_panel": lambda: figures.label_panel(IMAGE, {"truth": LABELS, "predicted": LABELS}),
    "photometric_curve": lambda: figures.photometric_curve(*curves(), truth=12.0, prediction=9.5, image=IMAGE,
                                                           pixel=(30, 12)),
    "learning_curve": lambda: figures.learning_curve(
        {"baseline": (np.arange(20), np.linspace(0.5, 0.2, 60).reshape(3, 20))}, xlabel="step", ylabel="abs_rel",
        references={"per-pixel median": 0.26}),
    "points_on_curves": lambda: figures.points_on_curves(
        {"AbsRel": [(0.4, -5.0), (1.0, -28.0)], "thin things": [(0.4, -9.0), (1.0, -54.0)]},
        {"AbsRel": [(0.65, -25.0)], "thin things": [(0.65, -35.0)]}, xlabel="mIoU", ylabel="percent"),
    "metric_dots": lambda: figures.metric_dots(
        {"baseline": {"abs_rel": [0.16, 0.17], "rmse": [6.1]}, "semdepth": {"abs_rel": [0.15, 0.14]}},
        better={"abs_rel": "lower"}),
    "border_profile": lambda: figures.border_profile(np.arange(80), {"truth": DEPTH[12], "baseline": DEPTH[12] * 1.2},
                                                     truth="truth", borders=[19.5, 39.5], names=("road", "car")),
    "difference_bars": lambda: figures.difference_bars(
        {"ranking loss": {"AbsRel": (-3.0, -5.0, -1.0), "edge F": (40.0, 10.0, 70.0), "thin": (1.0, -2.0, 4.0)},
         "attention and edge points": {"AbsRel": (2.0, 1.0, 3.0), "edge F": (9.0, -1.0, 20.0), "thin": None}},
        higher_is_better=("edge F",)),
    "overview": overview,
    "point_panel": lambda: figures.point_panel(
        {"training": (IMAGE, {"near edges": [(20, 10), (40, 17)], "anywhere": [(3, 3)]}),
         "test": (IMAGE, {"strongest edges": [(39, 12)]})}),
    "quadruplet_picture": lambda: figures.quadruplet_picture(
        IMAGE, [[(14, 12), (17, 12), (22, 12), (25, 12)]], rows=(4, 22), columns=(5, 60)),
    "birds_eye with labels": lambda: figures.birds_eye({"truth": cloud(), "predicted": cloud()}),
    "birds_eye with colors": lambda: figures.birds_eye(
        {"truth": (cloud()[0], np.full((300, 3), 90, np.uint8))}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_every_figure_has_space_for_its_words(name):
    figure = SAMPLES[name]()
    figure.draw_without_rendering()
    canvas = figure.bbox
    titles = [axis.title for axis in figure.axes if axis.get_title()] + [
        axis._left_title for axis in figure.axes if axis._left_title.get_text()]
    words = titles + [legend for axis in figure.axes if (legend := axis.get_legend())] + figure.legends
    boxes = [word.get_window_extent() for word in words]
    for box in boxes:
        assert box.x0 >= canvas.x0 - 1 and box.x1 <= canvas.x1 + 1, f"{name}: words leave the figure"
        assert box.y0 >= canvas.y0 - 1 and box.y1 <= canvas.y1 + 1, f"{name}: words leave the figure"
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1:]), f"{name}: words overlap"
    assert all(word.get_fontsize() >= 10 for word in titles)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_every_figure_becomes_a_picture_with_words(name):
    shown = figures.picture(SAMPLES[name](), alt=ALT, caption=CAPTION)
    width, height = Image.open(io.BytesIO(shown.png)).size
    assert 600 <= width <= 1300 and height <= 1100


@pytest.mark.slow
def test_bundle_keeps_words_in_every_form():
    bundle = figures.picture(SAMPLES["depth_panel"](), alt=ALT, caption=CAPTION)._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert 'alt="Two cars &lt;beside&gt; a &quot;pole&quot;, drawn in gray."' in bundle["text/html"]
    assert "<figcaption" in bundle["text/html"] and "bright &amp; far" in bundle["text/html"]
    assert ALT in bundle["text/plain"] and CAPTION in bundle["text/plain"]
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).format == "PNG"


def test_a_caption_begins_where_its_picture_does():
    shown = figures.picture(figures.image_grid([[(np.zeros((20, 60, 3)), "black")]]), alt=ALT, caption=CAPTION)
    image = np.asarray(Image.open(io.BytesIO(shown.png)).convert("L"))
    first = int((image < 128).any(0).argmax())
    (indent,) = re.findall(r"padding-left: (\d+)px", shown.html())
    assert first == pytest.approx(int(indent), abs=1)


@pytest.mark.slow
def test_a_large_picture_is_stored_small():
    noise = np.random.default_rng(0).random((400, 800, 3))
    shown = figures.picture(figures.image_grid([[(noise, "noise")]]), alt=ALT, caption=CAPTION)
    plain = figures.picture(figures.image_grid([[(noise * 0, "black")]]), alt=ALT, caption=CAPTION)
    assert len(shown.png) > LOSSLESS_LIMIT
    assert len(shown.html()) < 0.5 * len(base64.b64encode(shown.png))
    assert len(plain.html()) < LOSSLESS_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("alt, caption, complaint", [
    ("", CAPTION, "alt text"), ("a figure", CAPTION, "alt text"), (ALT, "", "caption"), (ALT, " " * 40, "caption"),
    (ALT, ALT, "repeats its caption")])
def test_a_figure_without_words_is_refused(alt, caption, complaint):
    with pytest.raises(InputError, match=complaint):
        figures.picture(SAMPLES["depth_panel"](), alt=alt, caption=caption)


def test_show_displays_the_picture(capsys):
    figures.show(SAMPLES["learning_curve"](), alt=ALT, caption=CAPTION)
    assert ALT in capsys.readouterr().out


@pytest.mark.slow
def test_saved_file_carries_its_words(tmp_path):
    path = tmp_path / "folder" / "figure.png"
    figures.save(SAMPLES["depth_panel"](), path, alt="Überall Pfosten, in Grau gezeichnet.", caption=CAPTION)
    words = Image.open(path).text
    assert words["Description"] == "Überall Pfosten, in Grau gezeichnet." and words["Title"] == CAPTION
    with pytest.raises(InputError, match="png"):
        figures.save(SAMPLES["depth_panel"](), tmp_path / "figure.jpg", alt=ALT, caption=CAPTION)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
@given(st.lists(st.floats(1, 100), min_size=2, max_size=20))
def test_nearer_is_never_darker(depths):
    colors = figures.colorize_depth(np.sort(np.array(depths))[None]).astype(float)
    luminance = colors @ (0.299, 0.587, 0.114)
    assert (np.diff(luminance[0]) <= 1.5).all()


def test_no_depth_is_gray_and_ends_are_the_ends():
    from matplotlib import colormaps

    colors = figures.colorize_depth(torch.tensor([[0.0, 2.0, 50.0]]), (2.0, 50.0))
    assert colors.dtype == np.uint8 and (colors[0, 0] == 219).all()
    assert np.allclose(colors[0, 1], np.array(colormaps["magma"](1.0)[:3]) * 255, atol=1)
    assert np.allclose(colors[0, 2], np.array(colormaps["magma"](0.0)[:3]) * 255, atol=1)
    with pytest.raises(InputError, match="nearest"):
        figures.colorize_depth(np.ones((2, 2)), (50.0, 2.0))


@pytest.mark.parametrize("maps, rows", [(1, 1), (2, 1), (3, 2), (5, 3), (8, 3)])  # with the image one more
def test_panels_leave_no_place_empty_that_could_be_filled(maps, rows):
    figure = figures.depth_panel(IMAGE, {str(i): DEPTH for i in range(maps)})
    assert figure.axes[0].get_gridspec().nrows == rows


def test_label_panel_names_the_classes_present():
    figure = figures.label_panel(None, {"truth": LABELS})
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["road", "sky", "car"]
    colors = [tuple(round(255 * c) for c in patch.get_facecolor()[:3]) for patch in figure.legends[0].get_patches()]
    assert colors == [CLASSES[name] for name in named]
    written = {text.get_text() for text in figure.axes[0].texts}
    assert written <= set(named) and "car" in written
    ignored = LABELS.copy()
    ignored[0, 0] = IGNORE
    assert "ignored" in [text.get_text() for text in figures.label_panel(None, {"a": ignored}).legends[0].get_texts()]
    with pytest.raises(InputError, match="trainIds"):
        figures.label_panel(None, {"truth": LABELS + 24})


def test_curve_marks_the_minimum_past_missing_values():
    depths, errors = curves()
    best = depths[errors["minimum"].argmin()]
    gappy = np.where(depths < 4, np.nan, errors["minimum"])
    axis = figures.photometric_curve(depths, {"minimum": gappy}, truth=12.0).axes[0]
    assert f"minimum at {best:.1f} m" in axis.get_legend().get_texts()[1].get_text()
    flat = figures.photometric_curve(depths, {"minimum": np.full_like(gappy, 0.1)}, truth=12.0).axes[0]
    assert "the same everywhere" in flat.get_legend().get_texts()[1].get_text()


def test_dots_say_mean_and_sample_deviation():
    axis = figures.metric_dots({"a": {"abs_rel": [0.1, 0.2, 0.3]}}).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0.200 ± 0.100"]
    assert [text.get_text() for text in figures.metric_dots({"a": {"x": [0.5]}}).axes[0].texts] == ["0.500"]


def test_profile_leaves_a_gap_where_there_is_no_depth():
    line = figures.border_profile([0, 1, 2], {"truth": [4.0, 0.0, 5.0]}, truth="truth").axes[0].lines[0]
    assert np.isnan(line.get_ydata()[1])


def test_overlay_tints_only_the_mask():
    image = np.zeros((2, 3, 3), np.uint8)
    mask = np.zeros((2, 3), bool)
    mask[1, 2] = True
    tinted = figures.overlay(image, mask, color=(1, 0, 0), strength=0.6)
    assert (tinted[1, 2] == (153, 0, 0)).all() and tinted.sum() == 153
    assert image.sum() == 0


def test_a_reader_s_own_settings_stay_as_they_are():
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.picture(SAMPLES["metric_dots"](), alt=ALT, caption=CAPTION)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("draw, complaint", [
    (lambda: figures.image_grid([[(torch.zeros(2, 3, 4, 5), "batch")]]), "one image of the batch"),
    (lambda: figures.image_grid([]), "nothing to draw"),
    (lambda: figures.contact_sheet([]), "nothing to draw"),
    (lambda: figures.depth_panel(None, {}), "nothing to draw"),
    (lambda: figures.depth_panel(None, {"truth": np.ones((2, 3, 4))}), "one map of the batch"),
    (lambda: figures.map_panel({"a": np.full((2, 3), np.nan)}, label="error"), "finite"),
    (lambda: figures.learning_curve({"a": ([1, 2], [1, 2, 3])}, xlabel="x", ylabel="y"), "curve 'a'"),
    (lambda: figures.metric_dots({}), "no metrics"),
])
def test_bad_input_is_named(draw, complaint):
    with pytest.raises(InputError, match=complaint):
        draw()


def test_marks_say_better_worse_and_unsure():
    figure = figures.difference_bars({"a": {"error": (-3.0, -5.0, -1.0), "score": (-3.0, -5.0, -1.0)},
                                      "b": {"error": (0.5, -1.0, 2.0), "score": None}}, higher_is_better=("score",))
    error, score = figure.axes
    points = [[line for line in axis.lines if line.get_marker() in "osD"] for axis in (error, score)]
    assert [line.get_marker() for line in points[0]] == ["o", "D"] and points[0][1].get_markerfacecolor() == "white"
    assert [line.get_marker() for line in points[1]] == ["s"]
    for axis in (error, score):
        low, high = axis.get_xlim()
        assert 2 <= sum(low <= tick <= high for tick in axis.get_xticks()) <= 3  # more numbers would touch
    assert [tuple(line.get_xdata()) for line in error.lines if line.get_linewidth() == 2.2][0] == (-5.0, -1.0)
    with pytest.raises(InputError, match="no differences"):
        figures.difference_bars({})


@pytest.mark.parametrize("count, columns", [(1, 2), (2, 2), (4, 2), (3, 1)])
@pytest.mark.parametrize("near", [1.0, 3.0, 5.5])
def test_numbers_beside_the_scale_of_depth_do_not_touch(count, columns, near):
    depth = np.full((64, 192), 10.0)
    figure = figures.depth_panel(np.zeros((64, 192, 3)), {str(i): depth for i in range(count)},
                                 depth_range=(near, 80.0), columns=columns)
    figure.draw_without_rendering()
    boxes = sorted((label.get_window_extent() for label in figure.axes[-1].get_yticklabels()), key=lambda box: box.y0)
    assert len(boxes) >= 3 and all(low.y1 < high.y0 for low, high in zip(boxes, boxes[1:]))


def test_only_quadruplets_inside_the_cut_out_are_drawn():
    inside, outside = [(14, 12), (17, 12), (22, 12), (25, 12)], [(2, 12), (17, 12), (22, 12), (25, 12)]
    axis, = figures.quadruplet_picture(IMAGE, [outside, inside], rows=(4, 22), columns=(5, 60)).axes
    drawn = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axis.lines
             if line.get_marker() == "o"]
    assert drawn == [(float(x), float(y)) for x, y in inside] and [text.get_text() for text in axis.texts] == [*"abcd"]
    with pytest.raises(InputError, match="do not lie in an image"):
        figures.quadruplet_picture(IMAGE, [inside], rows=(4, 30), columns=(5, 60))


def test_the_overview_names_every_part_of_both_methods():
    words = [text.get_text() for axis in overview().axes for text in axis.texts]
    for part, times in (("attention", 3), ("concat,\nconv", 2), ("SSFA", 3), ("SEEM", 1), ("ranking loss", 1),
                        ("snapping", 1), ("shared\nencoder", 2), ("level 0", 4)):
        assert sum(word.startswith(part) for word in words) == times, part


@pytest.mark.slow
def test_a_saved_picture_is_shown_again_with_its_words(tmp_path):
    saved = figures.save(SAMPLES["depth_panel"](), tmp_path / "figure.png", alt=ALT, caption=CAPTION)
    assert figures.stored(tmp_path / "figure.png") == saved
    with pytest.raises(InputError, match="no picture missing.png"):
        figures.stored(tmp_path / "missing.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "mute.png")
    with pytest.raises(InputError, match="mute.png keeps no alternative text"):
        figures.stored(tmp_path / "mute.png")


def test_what_has_shrunk_is_blue_and_what_has_grown_is_red():
    drawn = figures.map_panel({"a": np.array([[0.8, 1.0, 1.25]])}, label="ratio", limits=(0.75, 1.33), even=1.0
                              ).axes[0].images[0]
    shrunk, same, grown = drawn.to_rgba(drawn.get_array())[0, :, :3]
    assert shrunk[2] > shrunk[0] + 0.2 and grown[0] > grown[2] + 0.2 and same.min() > 0.9
