"""The explorers, driven from the kernel: moved controls, new pictures, numbers held to the package's functions."""
from __future__ import annotations

import html
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from semdepth_lite import figures, load_pretrained, losses, metrics, presets
from semdepth_lite.borders import snap_depth
from semdepth_lite.camera import backproject, intrinsics, rigid_transform
from semdepth_lite.classes import GROUPS, NAMES
from semdepth_lite.common.contracts import InputError
from semdepth_lite.course import demos, explorers, museum
from semdepth_lite.course.explorers import base, pixels
from semdepth_lite.course.explorers import borders as profiles
from semdepth_lite.course.explorers import pace_car as pace
from semdepth_lite.course.explorers.controls import choice, factor_slider, slider
from semdepth_lite.course.explorers.layout import Canvas
from semdepth_lite.data.sources import triplet_of
from semdepth_lite.evaluation.prediction import to_scale
from semdepth_lite.labels import group_mask
from semdepth_lite.losses import LossSettings
from semdepth_lite.street import corrupt_labels, make_scene, pace_car_scene, render_frame, render_scene
from semdepth_lite.warp import warp

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def batch():
    """One triplet of the street."""
    return triplet_of([render_frame(8, index, HEIGHT, WIDTH) for index in (2, 3, 4)])


@pytest.fixture(scope="module")
def model():
    """A network that has learned nothing."""
    return presets.recipe("quick").build().eval()


@pytest.fixture(scope="module")
def attentive():
    """A network with attention; its random keys and queries are made large, so that looks differ."""
    built = presets.recipe("quick", variant="attention").build().eval()
    for name, weight in built.fusion.named_parameters():
        if "query" in name or "key" in name:
            weight.data.mul_(20)
    return built


@pytest.fixture(scope="module")
def made(batch, model, attentive):
    """Every explorer, built once; a test leaves it as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "SHARES", (0.0, 0.5, 1.0))
        patch.setattr(pace, "DEPTHS", torch.logspace(0.5, 2, 16))
        yield {"warp": explorers.WarpExplorer(batch), "scale": explorers.ScaleExplorer(batch),
               "intrinsics": explorers.IntrinsicsExplorer(batch), "cloud": explorers.CloudExplorer(batch, model),
               "pace": explorers.PaceCarExplorer(pace_car_scene(4), 48, 144),
               "border": explorers.BorderExplorer(batch, model),
               "curve": explorers.CurveExplorer(batch, model, depths=torch.logspace(0.5, 2, 12)),
               "attention": explorers.AttentionExplorer(attentive, batch),
               "museum": explorers.MuseumExplorer(museum.shelf((0.5, 1.0), ("fattening", "scale_drift"),
                                                            museum.World(8, HEIGHT, WIDTH)))}


MOVES = {"warp": ("yaw", 1.0), "scale": ("factor", 3.0), "intrinsics": ("focal", 1.5), "pace": ("share", 1.0),
         "curve": ("ssim", False), "attention": ("u", 60), "border": ("noise", 0.6), "cloud": ("group", "thin"),
         "museum": ("strength", 1.0)}


def size(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


# What all share

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
def test_the_twin_is_the_same_picture_with_words(made, name):
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
def test_show_displays_the_explorer_and_its_twin(made, monkeypatch):
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
def test_a_slider_of_factors_says_its_value_in_words(made):
    explorer = made["scale"]
    explorer.controls["factor"].value = 4.0
    assert ">factor on the depth: 4. Depth times 4" in explorer.status.value
    explorer.controls["together"].value = False
    assert ">Depth times 4" in explorer.status.value
    explorer._reset()


class Brittle(explorers.Explorer):
    """Draws nothing but its number, and fails at seven."""

    title, alt, caption = "Brittle", "A blank picture that says nothing.", "this one fails on purpose, at seven."

    def __init__(self):
        self.drawn = 0
        super().__init__({"number": slider("number", 0, 10, 0, 1), "word": choice("word", ("a", "b"))})

    def draw(self, number, word):
        self.drawn += 1
        if number == 7:
            raise InputError("seven <is> out of range; use six.\nsecond line")
        return explorers.Drawing([figures.image_grid([[(np.full((4, 12), number / 10), word)]])], f"number {number:g}")


def test_an_error_is_told_and_raised_under_test(monkeypatch):
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
    for wrong, said in (({"size": 1}, "no control 'size'; it has number, word"), ({"number": 99}, "does not take 99"),
                        ({"word": "c"}, "does not take 'c'"), ({"number": "x"}, "does not take 'x'")):
        with pytest.raises(InputError, match=said):
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


# The numbers of each

def mean_error(batch, depth, T, K, source=0):
    view, valid = warp(batch.sources[:, source], depth, T, K)
    return float(losses.photometric_error(view, batch.target)[valid].mean())


@pytest.mark.slow
def test_warp(made, batch):
    explorer, depth, T = made["warp"], demos.far_sky(batch.depth), batch.T_source_target[:, 0]
    explorer.set(yaw=1.0, z=0.5, scale=2.0)
    extra = rigid_transform(torch.tensor([[0.0, math.pi / 180, 0.0]]), torch.tensor([[0.0, 0.0, 0.5]]))
    assert explorer.numbers["error"] == pytest.approx(mean_error(batch, 2 * depth, extra @ T, batch.K), rel=1e-5)
    explorer._reset()
    assert explorer.numbers["error"] == pytest.approx(mean_error(batch, depth, T, batch.K), rel=1e-5)
    assert f"{explorer.numbers['error']:.4f}" in explorer.sentence
    explorer.set(start="no motion")
    assert explorer.numbers["error"] == pytest.approx(explorer.numbers["unmoved"], abs=1e-5)
    explorer._reset()


@pytest.mark.slow
def test_scale_changes_nothing_unless_depth_is_scaled_alone(made, batch):
    explorer = made["scale"]
    truth = mean_error(batch, demos.far_sky(batch.depth), batch.T_source_target[:, 0], batch.K)
    for factor in (0.1, 10.0):
        explorer.set(factor=factor)
        assert explorer.numbers["error"] == pytest.approx(truth, abs=2e-5)
    explorer.set(factor=3.0, together=False)
    assert explorer.numbers["error"] > 1.05 * truth
    explorer._reset()


@pytest.mark.slow
def test_intrinsics(made, batch):
    explorer = made["intrinsics"]
    explorer.set(focal=0.5, right=4)
    K = intrinsics(0.5 * 0.58 * WIDTH, 0.5 * 0.58 * WIDTH, (WIDTH - 1) / 2 + 4, (HEIGHT - 1) / 2)[None]
    expected = mean_error(batch, demos.far_sky(batch.depth), batch.T_source_target[:, 0], K)
    assert explorer.numbers["error"] == pytest.approx(expected, rel=1e-4)
    assert explorer.numbers["field_of_view"] == pytest.approx(math.degrees(2 * math.atan(1 / 0.58)), abs=0.01)
    explorer._reset()


@pytest.mark.slow
def test_driving_straight_ahead_hides_the_focal_length(batch):
    straight = triplet_of([render_frame(8, index, HEIGHT, WIDTH) for index in (2, 3, 4)])
    straight.T_source_target[:] = rigid_transform(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 0.7]]))
    explorer = explorers.IntrinsicsExplorer(straight)
    errors = []
    for focal in (0.5, 1.0, 2.0):
        explorer.set(focal=focal)
        errors.append(explorer.numbers["error"])
    assert errors == pytest.approx([errors[1]] * 3, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("ssim", [True, False])
@pytest.mark.parametrize("minimum", [True, False])
@pytest.mark.parametrize("mask", [True, False])
def test_the_curve_is_the_loss_of_the_pixel(made, batch, ssim, minimum, mask):
    explorer, (u, v) = made["curve"], (WIDTH // 2 + 9, HEIGHT // 2 + 4)
    settings = LossSettings(ssim=0.85 if ssim else 0.0, minimum=minimum, automask=mask)
    known = [float(demos.pixel_loss(batch, torch.full_like(batch.depth, float(d)), settings)[0, v, u])
             for d in explorer.depths]
    explorer.set(u=u, v=v, ssim=ssim, minimum=minimum, mask=mask)
    assert explorer.numbers["best"] == pytest.approx(float(explorer.depths[int(np.argmin(known))]))
    error, _ = explorers.curves.as_the_loss_sees(
        explorers.curves.joined(explorer.sweeps[ssim][..., v:v + 1, u:u + 1], minimum)[:, 0, 0],
        explorer.identity[ssim, minimum][v, u], mask)
    assert error.tolist() == pytest.approx(known, abs=1e-5)


@pytest.mark.slow
def test_the_curve_names_truth_and_network(made, batch, model):
    explorer = made["curve"]
    explorer._reset()
    u, v = explorer.values["u"], explorer.values["v"]
    with torch.no_grad():
        answer = to_scale(model.predict(batch.target).depth, batch.depth)[0, 0, v, u]
    assert explorer.numbers["network"] == pytest.approx(float(answer), rel=1e-5)
    assert explorer.numbers["truth"] == float(batch.depth[0, 0, v, u])
    assert NAMES[int(batch.labels[0, v, u])] in explorer.sentence
    row, column = (batch.depth[0, 0] == 0).nonzero()[0].tolist()
    assert "the sky has no depth" in explorer.set(u=column, v=row)
    explorer._reset()


def test_pixels_are_chosen_by_marks_or_by_sliders(batch, monkeypatch):
    drawn = []
    monkeypatch.setattr(explorers.CurveExplorer, "draw", lambda self, **values: drawn.append(values) or Brittle.draw(
        type("", (), {"drawn": 0})(), 1, "a"))
    explorer = explorers.CurveExplorer(batch, marked={"here": (5, 6), "there": (7, 8)}, depths=torch.tensor([5.0, 9.0]))
    assert (explorer.values["u"], explorer.values["v"]) == (5, 6)
    explorer.controls["pixel"].value = "there"
    assert (explorer.values["u"], explorer.values["v"]) == (7, 8) and len(drawn) == 2
    explorer.controls["v"].value = 9
    assert explorer.values["pixel"] == pixels.BY_SLIDERS and explorer.values["u"] == 7 and len(drawn) == 3
    with pytest.raises(InputError, match=r"'out' is \(96, 0\), outside an image of 96x64"):
        explorers.CurveExplorer(batch, marked={"out": (WIDTH, 0)}, depths=torch.tensor([5.0]))


def test_marked_pixels_show_what_they_say(batch):
    marked = pixels.marked_pixels(batch)
    assert {"something thin", "the ground"} <= set(marked)
    for name, group in (("something thin", "thin"), ("something movable", "movable"), ("the ground", "ground")):
        if name in marked:
            u, v = marked[name]
            assert bool(group_mask(batch.labels[0], group)[v, u]) and float(batch.depth[0, 0, v, u]) > pixels.BEYOND


@pytest.mark.slow
def test_the_car_drives_at_its_share_of_the_pace():
    scene = pace_car_scene(4)
    movers = scene.movers
    frames = [render_scene(scene, index, 48, 144) for index in demos.FRAMES]
    at_pace, slow = (demos.at_share_of_pace(scene, share, 48, 144) for share in (1.0, 0.5))
    assert torch.equal(at_pace.target, triplet_of(frames).target) and scene.movers == movers
    assert torch.equal(slow.depth, at_pace.depth), "the target frame differs"
    assert not torch.equal(slow.sources, at_pace.sources)
    with pytest.raises(InputError, match="no car that keeps pace"):
        demos.at_share_of_pace(make_scene(8), 1.0, 48, 144)


@pytest.mark.slow
def test_the_faster_the_car_the_farther_it_seems(made):
    explorer, best, silent = made["pace"], [], []
    for share in (0.0, 0.5, 1.0):
        explorer.set(share=share, mask=True)
        best.append(explorer.numbers["car_best"])
        silent.append(explorer.numbers["silent_percent"])
        truth = explorer.numbers["truth"]
    assert best[0] == pytest.approx(truth, rel=0.35)
    assert best[1] == pytest.approx(2 * truth, rel=0.35) and best[2] > 4 * truth
    assert silent[0] < 30 < 50 < silent[2]
    car, name = explorer.batches[1.0], "reprojection_error"
    error, _ = getattr(losses, name)(demos.far_sky(car.depth), car.T_source_target, car.K, car.target, car.sources,
                                     LossSettings())
    unmoved = losses.identity_error(car.target, car.sources, LossSettings())
    expected = 100 * float((error >= unmoved)[0][explorer.car(1.0)].float().mean())
    assert silent[2] == pytest.approx(expected)
    explorer._reset()


@pytest.mark.slow
def test_attention_is_the_model_s(made, batch, attentive):
    explorer = made["attention"]
    explorer.set(u=60, v=40)
    for level in (4, 3, 2):
        look = attentive.attention_map(batch.target, level, 40 >> level, 60 >> level)
        assert explorer.numbers[f"most_{level}"] == pytest.approx(float(look.max()), rel=1e-6)
        assert f"level {level}: {100 * look.max():.1f} %" in explorer.sentence
    assert f"shows {NAMES[int(batch.labels[0, 40, 60])]}" in explorer.sentence
    explorer._reset()


def test_attention_needs_a_model_that_has_it(batch, model):
    with pytest.raises(InputError, match="no attention at level 4 of this model"):
        explorers.AttentionExplorer(model, batch)


@pytest.mark.slow
def test_border_numbers_are_those_of_the_metrics(made, batch, model):
    explorer = made["border"]
    explorer.set(noise=0.6, reach=2.5)
    with torch.no_grad():
        depth = to_scale(model.predict(batch.target).depth, batch.depth)
    wrong = torch.from_numpy(corrupt_labels(batch.labels.numpy(), 0.6, 0))
    snapped = snap_depth(depth, wrong, batch.target, reach=2.5, radius=3)
    band = metrics.border_band(batch.labels)[0] & (batch.depth[:, 0] > 1e-3) & (batch.depth[:, 0] < 80)
    for name, map_ in (("before", depth), ("after", snapped)):
        relative = ((map_ - batch.depth).abs() / batch.depth)[:, 0][band]
        assert explorer.numbers[name] == pytest.approx(float(relative.mean()), rel=1e-4)
    explorer._reset()


def test_offered_borders_are_borders_of_things(batch):
    for name, (u, v) in profiles.telling_borders(batch).items():
        left, right = (int(batch.labels[0, v, x]) for x in (u, u + 1))
        assert name.startswith(f"{NAMES[left]} | {NAMES[right]}, row {v}") and left != right
        assert (left in GROUPS["foreground_wide"]) != (right in GROUPS["foreground_wide"])
        assert profiles.RIM <= v < HEIGHT - profiles.RIM
    batch_of_road = triplet_of([render_frame(8, index, 16, 48) for index in (2, 3, 4)])
    batch_of_road.labels[:] = 0
    with pytest.raises(InputError, match="no upright border"):
        profiles.telling_borders(batch_of_road)


@pytest.mark.parametrize("seed", [8, 11])
def test_the_first_border_is_one_that_snapping_moves_visibly(seed):
    street = triplet_of([render_frame(seed, index, 64, 192) for index in (2, 3, 4)])
    explorer = explorers.BorderExplorer(street, load_pretrained("baseline", "cpu"))
    moves = []
    for u, v in explorer.marked.values():
        assert profiles.RIM <= v < 64 - profiles.RIM
        step, move = profiles.step_and_move(explorer.depth[0, 0], explorer.snapped(0.0, profiles.REACHES[0])[0, 0],
                                            street.depth[0, 0], u, v)
        moves.append((step >= profiles.CLEAR, move))
    assert moves[0][0] and moves[0][1] > 0.1 and moves[0] == max(moves)


def test_the_step_goes_the_way_of_the_truth_and_the_move_is_the_largest_change():
    truth = torch.where(torch.arange(40) < 20, 5.0, 20.0).expand(3, 40)
    snapped = truth.clone()
    snapped[1, 18:20] = 10.0
    assert profiles.step_and_move(truth, truth, truth, 19, 1) == pytest.approx((math.log(4), 0.0))
    assert profiles.step_and_move(truth.flip(1), truth.flip(1), truth, 19, 1)[0] == pytest.approx(-math.log(4))
    assert profiles.step_and_move(truth, snapped, truth, 19, 1)[1] == pytest.approx(math.log(2))


@pytest.mark.slow
def test_cloud_counts_what_it_draws(made, batch):
    explorer = made["cloud"]
    explorer.set(group="ground", top=0.5, ahead=30, side=8)
    x, y, z = backproject(batch.depth, batch.K)[0]
    kept = group_mask(batch.labels[0], "ground") & (z > 0) & (y > -0.5) & (z <= 30) & (x.abs() <= 8)
    assert explorer.numbers["true depth"] == int(kept.sum()) > 0
    explorer._reset()


@pytest.mark.slow
def test_the_museum_shows_what_is_on_its_shelf(made):
    explorer = made["museum"]
    for title, name in (("Scale drift", "scale_drift"), ("Fattening", "fattening")):
        explorer.set(exhibit=title, strength=1.0)
        expected = museum.failure(name, 1.0, museum.World(8, HEIGHT, WIDTH)).values
        assert explorer.numbers == expected and f"broken {expected['broken']:.1f}" in explorer.sentence
    explorer._reset()
    with pytest.raises(InputError, match="nothing to show"):
        explorers.MuseumExplorer({})


def test_a_menu_has_room_for_its_longest_entry():
    entries = ["short", "traffic light | vegetation, row 48, column 160"]
    widths = [float(choice("border", entries[:count]).layout.width.removesuffix("rem")) for count in (1, 2)]
    assert widths[0] == 25 and widths[1] > 11.5 + 0.42 * len(entries[1]) + 2


def test_a_batch_of_several_is_refused(batch):
    from dataclasses import replace

    for wrong in (replace(batch, T_source_target=None), replace(batch, depth=None)):
        with pytest.raises(InputError, match="one triplet with true depth and motion"):
            explorers.WarpExplorer(wrong)


def test_the_first_factor_is_a_whole_number_of_steps_from_both_ends():
    for low, high in ((0.25, 4), (0.1, 10)):
        control = factor_slider("factor", low, high)
        for end in (control.min, control.max):
            assert abs(end / control.step - round(end / control.step)) < 1e-9
        assert control.min <= math.log10(low) + 1e-9 and control.max >= math.log10(high) - 1e-9
