"""What all explorers share, driven from the kernel: moved controls, new pictures, words for who cannot see them."""
from __future__ import annotations

import html
import io
import math

import numpy as np
import pytest
from explorer_cases import HEIGHT, WIDTH, Brittle
from PIL import Image

from semdepth_lite import figures
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import explorers
from semdepth_lite.course.explorers import base, controls, pace_car, pixels
from semdepth_lite.course.explorers.controls import choice, factor_slider
from semdepth_lite.course.explorers.layout import Canvas

MOVES = {"warp": ("yaw", 1.0), "scale": ("factor", 3.0), "intrinsics": ("focal", 1.5), "pace": ("share", 1.0),
         "curve": ("ssim", False), "attention": ("u", 60), "border": ("noise", 0.6), "cloud": ("group", "thin"),
         "museum": ("strength", 0.5)}


def size(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_a_moved_control_changes_the_picture_and_reset_brings_it_back(made, name):
    explorer, (control, value) = made[name], MOVES[name]
    first, sentence = explorer.image.value, explorer.sentence
    explorer.controls[control].value = value
    assert explorer.image.value != first and explorer.sentence != sentence
    assert size(explorer.image.value) == size(first) and str(size(first)[0]) == explorer.image.width
    assert 'role="status"' in explorer.status.value and html.escape(explorer.sentence) in explorer.status.value
    assert explorer.image.tooltip is None  # an Image with one is not drawn by JupyterLab at all
    explorer._reset()
    assert explorer.sentence == sentence and explorer.values == explorer.first


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_the_still_picture_is_the_same_with_words(made, name):
    explorer = made[name]
    explorer._canvas.places.clear()  # the still picture finds places for its words on its own
    explorer.set(**explorer.moment)
    still = explorer.still()
    assert isinstance(still, figures.Picture) and explorer.sentence in still.alt and explorer.alt in still.alt
    assert explorer.caption in still.caption and "explorer" in still.caption.lower()
    live, still = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
                   for png in (explorer.image.value, still.png))
    assert np.array_equal(live, still)
    explorer._reset()


@pytest.mark.slow
def test_show_displays_the_explorer_and_its_still_picture(made, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    made["scale"].show()
    assert shown[0] is made["scale"].box and isinstance(shown[1], figures.Picture)
    monkeypatch.setattr("semdepth_lite.course.explorers.base.a_person_is_there", lambda: True)
    made["scale"].show()  # one picture is enough for a person, who has the live one
    assert shown[2] is made["scale"].box
    assert shown[3].data == f"<details><summary>{base.STILL}</summary>\n{shown[1].html()}</details>"


@pytest.mark.parametrize("name", MOVES)
def test_labels_are_whole_and_sliders_answer_while_they_move_as_wide_as_the_picture(made, name):
    for control in made[name].controls.values():
        assert 3 <= len(control.description) <= 36
        if hasattr(control, "continuous_update"):
            assert control.continuous_update and control.layout.flex.startswith("1 1 ")
    assert made[name]._row.layout.width == f"{made[name].image.width}px"


@pytest.mark.parametrize("name", MOVES)
def test_the_live_picture_has_its_description(made, name):
    assert f'role="img" aria-label="{html.escape(made[name].alt)}"' in made[name].cover.value
    assert ("onclick" in made[name].cover.value) == (name in ("curve", "attention"))


@pytest.mark.parametrize("name", MOVES)
def test_each_sentence_comes_with_names_for_the_handles_of_all_sliders(made, name):
    count = sum(hasattr(control, "continuous_update") for control in made[name].controls.values())
    script = html.unescape(made[name].status.value.split('onload="')[1].split('"')[0])
    assert f"handles.length < {count} " in script and "aria-label" in script and "aria-valuetext" in script
    assert made[name].status.value.endswith('">') and "{{" not in script


@pytest.mark.slow
def test_a_click_on_the_picture_chooses_the_pixel(made):
    explorer = made["curve"]
    left, top, right, bottom = explorer._canvas.pictures[0]
    rows, columns = explorer._canvas.size
    explorer.clicked.value = f"{(left + 0.255 * (right - left)) / columns} {(top + 0.505 * (bottom - top)) / rows}"
    assert (explorer.values["u"], explorer.values["v"]) == (WIDTH // 4, HEIGHT // 2)
    assert explorer.values["pixel"] == pixels.BY_SLIDERS and f"({WIDTH // 4}, {HEIGHT // 2})" in explorer.sentence
    before = explorer.values
    explorer.clicked.value = "0.999 0.999"  # beside the images
    assert explorer.values == before
    explorer._reset()


@pytest.mark.slow
def test_a_moved_slider_is_not_announced_twice(made):
    explorer = made["scale"]
    explorer.controls["factor"].value = 4.0
    assert ">Depth times 4" in explorer.status.value and "factor on the depth" not in explorer.status.value
    explorer._reset()


def test_steps_are_written_with_two_decimals_at_most():
    assert [name for name, _ in controls.steps("strength", (0.0, 1 / 3, 0.5, 1.0, 12)).options] == [
        "0", "0.33", "0.5", "1", "12"]


def test_the_end_of_the_search_is_no_best_depth():
    assert pace_car.in_words(100.0) == "the far end of what was tried (100 m)"
    assert pace_car.in_words(57.31) == "57.3 m"


def test_an_error_is_shown_and_raised_under_test(monkeypatch):
    explorer = Brittle()
    good = explorer.image.value
    monkeypatch.delenv(explorers.STRICT, raising=False)
    explorer.controls["number"].value = 7
    assert 'role="alert"' in explorer.status.value and explorer.image.value == good
    assert "seven &lt;is&gt; out of range; use six. The picture below" in explorer.status.value
    explorer.controls["number"].value = 6
    assert 'role="status"' in explorer.status.value and explorer.image.value != good
    monkeypatch.setenv(explorers.STRICT, "1")
    with pytest.raises(InputError, match="seven"):
        explorer.controls["number"].value = 7
    monkeypatch.delenv(explorers.STRICT)
    explorer.controls["number"].value = 6
    with pytest.raises(InputError, match="seven"):
        explorer.set(number=7)
    assert 'role="alert"' in explorer.status.value


def test_set_moves_several_controls_with_one_drawing_and_refuses_what_a_person_could_not_do():
    explorer = Brittle()
    assert explorer.set(number=3, word="b") == "number 3" and explorer.drawn == 2
    for wrong, words in (({"size": 1}, "no control 'size'; it has number, word"), ({"number": 99}, "does not take 99"),
                        ({"word": "c"}, "does not take 'c'"), ({"number": "x"}, "does not take 'x'")):
        with pytest.raises(InputError, match=words):
            explorer.set(**wrong)
    assert explorer.values == {"number": 3, "word": "b"} and explorer.drawn == 2


@pytest.mark.slow
def test_places_are_kept_while_all_words_fit():
    def drawn(label):
        return figures.learning_curve({"a": ([0, 1], [0, 0.5])}, xlabel="x", ylabel=label)

    canvas, fresh = Canvas(60), Canvas(60)
    first = canvas.raster([drawn("y")])
    assert np.array_equal(canvas.raster([drawn("y")]), first)
    (before,), = canvas.places.values()
    assert canvas.raster([drawn("a name\nof three\nlines")]).shape == first.shape
    fresh.raster([drawn("a name\nof three\nlines")])
    (after,), (expected,) = *canvas.places.values(), *fresh.places.values()
    assert after.x0 > before.x0 + 0.02, "a cut-off name was not given space"
    assert np.allclose(after.extents, expected.extents, atol=0.003)


def test_a_menu_is_wide_enough_for_its_longest_entry():
    entries = ["short", "traffic light | vegetation, row 48, column 160"]
    widths = [float(choice("border", entries[:count]).layout.width.removesuffix("rem")) for count in (1, 2)]
    assert widths[0] == 25 and widths[1] > 11.5 + 0.42 * len(entries[1]) + 2


def test_the_first_factor_is_a_whole_number_of_steps_from_both_ends():
    for low, high in ((0.25, 4), (0.1, 10)):
        control = factor_slider("factor", low, high)
        for end in (control.min, control.max):
            assert abs(end / control.step - round(end / control.step)) < 1e-9
        assert control.min <= math.log10(low) + 1e-9 and control.max >= math.log10(high) - 1e-9
