"""The public functions under what a stranger hands them: an InputError of one sentence, and nothing written."""
from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import TinySource

from semdepth_lite import camera, fused, labels, losses, metrics
from semdepth_lite.common.contracts import InputError, check_divisible, check_sizes
from semdepth_lite.common.runtime import pick_device
from semdepth_lite.common.storage import read_json
from semdepth_lite.course.notebooks import load
from semdepth_lite.course.reproduce import find_notebooks
from semdepth_lite.data import image_files as files
from semdepth_lite.data.by_name import open_data
from semdepth_lite.data.image_files import find_images
from semdepth_lite.data.kitti import read_list, read_oxts, read_scan
from semdepth_lite.data.label_maps import train_id_table
from semdepth_lite.data.sources import NoisyLabels
from semdepth_lite.evaluation.outside import read_array
from semdepth_lite.evaluation.prediction import predict_image, scale_from_height
from semdepth_lite.evaluation.protocol import Protocol, evaluate_batch
from semdepth_lite.evaluation.report import Report
from semdepth_lite.model import Model
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.presets import find_preset, recipe
from semdepth_lite.street import StreetSettings, render_frame
from semdepth_lite.training.checkpoint import load_checkpoint, load_run
from semdepth_lite.training.settings import TrainSettings
from semdepth_lite.variants import SSFA, Branch, find_variant
from semdepth_lite.warp import occluded, sample, warp
from semdepth_lite.weights import read_monodepth2

flat, image = torch.ones(1, 1, 4, 6), torch.rand(1, 3, 4, 6)
K, T = camera.intrinsics(6.0, 6.0, 2.5, 2.0)[None], torch.eye(4)[None]
photo = np.zeros((64, 96, 3), np.uint8)


def pyramid_loss(height: int, width: int, scales: int, *settings, dtype: torch.dtype = torch.float32, form=losses
                 ) -> torch.Tensor:
    """The loss of random frames, fused or readable, with intrinsics as `camera.intrinsics` gives them."""
    frames = torch.rand(3, 3, height, width, dtype=dtype)
    disps = [torch.rand(1, 1, height >> s, width >> s, dtype=dtype) for s in range(scales)]
    given = camera.intrinsics(width, width, width / 2, height / 2)[None]
    motion = torch.eye(4).repeat(1, 2, 1, 1)
    return form.self_supervised_loss(disps, frames[:1], frames[None, 1:], given, motion, *settings).total


def small_model(**options) -> Model:
    return Model(NetworkSettings(width=8), **options).eval()


REFUSED = {
    "sizes": lambda: check_sizes(flat, "depth", "B3HW"),
    "dimensions": lambda: check_sizes(flat[0], "depth", "B1HW"),
    "height": lambda: check_divisible(100, 64),
    "height zero": lambda: check_divisible(0, 64),
    "beyond memory": lambda: check_divisible(2**20, 2**20),
    "device": lambda: pick_device("abacus"),
    "depth of three channels": lambda: camera.backproject(image, K),
    "K of two images": lambda: camera.backproject(flat, K.repeat(2, 1, 1)),
    "points of four numbers": lambda: camera.project(torch.ones(1, 4, 4, 6), K),
    "K of another shape": lambda: camera.check_intrinsics(torch.eye(4), 4, 6),
    "K normalized": lambda: camera.check_intrinsics(camera.intrinsics(0.58, 1.92, 0.5, 0.5), 192, 640),
    "K not finite": lambda: camera.check_intrinsics(camera.intrinsics(float("nan"), 6, 3, 2), 4, 6),
    "motion of three rows": lambda: warp(image, flat, T[:, :3], K),
    "source of another size": lambda: warp(image[..., 1:], flat, T, K),
    "group": lambda: labels.group_mask(torch.zeros(1, 2, 2, dtype=torch.uint8), "flying"),
    "void that is -1": lambda: labels.group_mask(torch.tensor([[[-1, 13]]]), "movable"),
    "ids of instances": lambda: labels.group_mask(torch.tensor([[[26001]]]), "movable"),
    "ids to paint": lambda: labels.colorize_labels(torch.tensor([[[300]]])),
    "ids to judge by": lambda: evaluate_batch(flat, flat, torch.full((1, 4, 6), 300)),
    "borders of no map": lambda: labels.label_borders(torch.zeros(4, 6)),
    "source depth of another size": lambda: occluded(flat, flat.mT, T, K),
    "four scales of 8 pixels": lambda: pyramid_loss(8, 8, 4),
    "four scales, 8 pixels high": lambda: pyramid_loss(8, 64, 4, losses.LOSSES["lesson"], form=fused),
    "photometric": lambda: losses.photometric_error(image, image[..., 1:]),
    "ssim of two sizes": lambda: losses.ssim_distance(image, image[..., 1:]),
    "ssim without colors": lambda: losses.ssim_distance(image[0], image[0]),
    "ssim of one row": lambda: losses.ssim_distance(image[..., :1, :], image[..., :1, :]),
    "views of another size": lambda: losses.source_errors(image[:, None, ..., 1:], image),
    "errors of two sizes": lambda: losses.automask(flat[0], flat[0, ..., 1:]),
    "no disparity": lambda: losses.supervised_loss([], flat),
    "disparity of another scale": lambda: losses.supervised_loss([flat, flat], flat),
    "points of two numbers": lambda: camera.transform_points(T, image[:, :2]),
    "motions of two images": lambda: camera.transform_points(T.repeat(2, 1, 1), image),
    "rotation of a batch without one": lambda: camera.rigid_transform(torch.zeros(3), torch.zeros(3)),
    "rotations and translations": lambda: camera.rigid_transform(torch.zeros(2, 3), torch.zeros(1, 3)),
    "positions of three numbers": lambda: sample(image, image),
    "image without a pixel": lambda: sample(image[..., :0, :], image[:, :2]),
    "device that holds nothing": lambda: pick_device("meta"),
    "cpu that is not there": lambda: pick_device("cpu:99"),
    "device of another build": lambda: pick_device("hpu"),
    "network beyond memory": lambda: NetworkSettings(width=10**6),
    "crop": lambda: metrics.crop_mask(4, 6, "half"),
    "scale of another shape": lambda: metrics.median_scale(flat, flat[..., 1:], flat > 0),
    "distance": lambda: metrics.squared_distance_to(flat[0] > 0, 0),
    "window": lambda: metrics.discontinuity_sides(flat[0], flat[0] > 0, window=4),
    "alignment": lambda: metrics.align_trajectory(T.repeat(5, 1, 1), T.repeat(5, 1, 1), dof=5),
    "paths differ": lambda: metrics.trajectory_ate(T.repeat(5, 1, 1), T.repeat(4, 1, 1)),
    "short path": lambda: metrics.snippet_ate(T, T),
    "edges that match anywhere": lambda: metrics.edge_agreement(flat[0] > 0, flat[0] > 0, radius=10.0, limit=10.0),
    "edges that match within no number": lambda: metrics.edge_agreement(flat[0] > 0, flat[0] > 0, float("nan")),
    "protocol": lambda: Protocol(crop="middle"),
    "caps": lambda: Protocol(min_depth=80.0, max_depth=1.0),
    "match beyond the limit": lambda: Protocol(match_radius=10.0),
    "edges cut nowhere": lambda: Protocol(edge_limit=float("inf")),
    "no image to judge": lambda: evaluate_batch(flat[:0], flat[:0]),
    "prediction not positive": lambda: evaluate_batch(-flat, flat),
    "prediction not finite": lambda: evaluate_batch(flat * float("nan"), flat),
    "gray image": lambda: predict_image(small_model(), photo[..., 0], 64, 96),
    "image of floats": lambda: predict_image(small_model(), photo / 255, 64, 96),
    "image in a batch": lambda: predict_image(small_model(), photo[None], 64, 96),
    "variant": lambda: find_variant("magic"),
    "part": lambda: find_variant("baseline", {"magic": 1}),
    "fusion": lambda: find_variant("multitask", {"fusion": "glue"}),
    "levels": lambda: SSFA(levels=(7,)),
    "levels that are none": lambda: SSFA(levels=3),
    "a weight in words": lambda: Branch(weight="x"),
    "a norm in numbers": lambda: SSFA(norm=3),
    "width in words": lambda: NetworkSettings(width="16"),
    "a variant in a list": lambda: find_variant(["baseline"]),
    "a preset in a list": lambda: find_preset(["quick"]),
    "a setting of nothing": lambda: recipe("quick", speed=3),
    "a band in words": lambda: Protocol(band_radius="x"),
    "no cap": lambda: Protocol(max_depth=None),
    "no scaling": lambda: Protocol(scaling=None),
    "a window without a middle": lambda: Protocol(window=4),
    "no device": lambda: pick_device(None),
    "no image at all": lambda: small_model().predict(None),
    "an image at no size": lambda: predict_image(small_model().eval(), np.zeros((8, 8, 3), np.uint8), 0, 96),
    "whole weight below zero": lambda: Branch(weight=-1),
    "hidden channels below zero": lambda: find_variant("ssfa", {"fusion.hidden": -5}),
    "share": lambda: Branch(share=1.5),
    "encoder": lambda: Model(NetworkSettings("vgg")),
    "image for the network": lambda: small_model().predict(torch.rand(1, 3, 50, 64)),
    "image of one channel": lambda: small_model().predict(torch.rand(1, 1, 64, 96)),
    "image without a batch": lambda: small_model().predict(torch.rand(3, 64, 96)),
    "motion to one source": lambda: small_model().motion(image, image[:, None]),
    "motion without a network": lambda: small_model(pose="given").motion(image, image[:, None]),
    "preset": lambda: find_preset("huge"),
    "setting": lambda: recipe("quick", learning_rate=-1.0),
    "noise": lambda: TrainSettings(label_noise=2.0),
    "gradient turned around": lambda: TrainSettings(clip=-1.0),
    "gradient of no length": lambda: TrainSettings(clip=float("nan")),
    "margin for no share": lambda: TrainSettings(margin_until=float("nan")),
    "margin beyond the end": lambda: TrainSettings(margin_until=1.5),
    "alignment steps below zero": lambda: TrainSettings(alignment=-3),
    "alignment steps and a half": lambda: TrainSettings(alignment=1.5),
    "split": lambda: StreetSettings(split="secret"),
    "scenes": lambda: StreetSettings(scenes=0),
    "street beyond memory": lambda: StreetSettings(height=100000, width=100000),
    "frame beyond memory": lambda: render_frame(0, 0, 100000, 100000),
    "data": lambda: open_data("mars:here", 64, 96),
    "label ids": lambda: train_id_table("gray"),
    "depth to write": lambda: files.write_depth_png(Path("never.png"), np.full((2, 2), np.inf)),
    "points to write": lambda: files.write_ply(Path("never.ply"), np.zeros((2, 3)), np.zeros((3, 3), np.uint8)),
    "ground seen by no camera": lambda: scale_from_height(flat, torch.zeros_like(K), 1.5),
    "ground that is not finite": lambda: scale_from_height(flat * float("nan"), K, 1.5),
    "camera height": lambda: scale_from_height(flat, K, 0.0),
    "run": lambda: load_run(Path("nowhere")),
    "weights": lambda: read_monodepth2(Path("nowhere")),
    "report": lambda: Report.load("nowhere.json"),
    "notebooks": lambda: find_notebooks("99"),
    "notebooks elsewhere": lambda: find_notebooks("/etc"),
    "a device for a notebook": lambda: load("/dev/zero"),
    "notebooks by half a pattern": lambda: find_notebooks("["),
    "pattern elsewhere": lambda: find_images(Path(), "/etc/*"),
    "pattern that climbs out": lambda: find_images(Path(), "../*"),
    "no pattern": lambda: find_images(Path(), ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_a_public_function_refuses_in_one_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"\A[^\n]{15,}\.\Z"):
        REFUSED[name]()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read", [Report.load, read_json, read_list, read_oxts, read_scan, load_checkpoint, read_array])
@pytest.mark.parametrize("place", ["/dev/zero", "."])
def test_devices_and_folders_are_no_files(read, place):
    with pytest.raises(InputError, match="is a (device|folder)|is a? ?no readable .* is a (device|folder)"):
        read(Path(place))


@pytest.mark.parametrize("kind", losses.LOSSES)
@pytest.mark.parametrize("form", [fused, losses])
def test_the_loss_takes_images_down_to_two_pixels_at_the_coarsest_scale(kind, form):
    assert torch.isfinite(pyramid_loss(16, 16, 4, losses.LOSSES[kind], form=form))


@pytest.mark.parametrize("form", [fused, losses])
def test_float64_images_meet_intrinsics_of_float32(form):
    assert pyramid_loss(16, 32, 3, form=form, dtype=torch.float64).dtype == torch.float64
    warped, _ = warp(image.double(), flat.double(), T, K)
    assert warped.dtype == torch.float64 and torch.allclose(warped, image.double())


def test_an_image_whose_channels_were_reversed_is_predicted():
    """OpenCV reads blue first, and `[..., ::-1]`, which mends that, makes a stride negative."""
    model, bgr = small_model(), np.random.RandomState(0).randint(0, 256, (50, 70, 3), np.uint8)
    expected = predict_image(model, bgr[..., ::-1].copy(), 64, 96)
    assert torch.equal(predict_image(model, bgr[..., ::-1], 64, 96), expected)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_wrapped_source_can_be_copied(copied):
    noisy = copied(NoisyLabels(TinySource(2), 0.5))
    assert (noisy.strength, noisy.height, len(noisy)) == (0.5, 64, 2)
