"""Files of the street: one process or many, caches that are damaged or of other settings, export as KITTI."""
from __future__ import annotations

import json
import os

import numpy as np
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data import sources
from semdepth_lite.street import (
    StreetSet,
    StreetSettings,
    cache_folder,
    default_intrinsics,
    export_kitti,
    load_street,
    render_frame,
    scene_seeds,
)
from semdepth_lite.street import cache as street_cache
from semdepth_lite.street import export as street_export

TINY = StreetSettings("validation", 2, 2, 24, 64)


@pytest.mark.slow
def test_one_process_or_two_and_any_order_give_the_same_bytes(tmp_path):
    one = load_street(TINY, tmp_path / "one", workers=1, progress=False)
    two = load_street(TINY, tmp_path / "two", workers=2, progress=False)
    for name in ("images", "depth", "labels", "moving", "pose"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name
    assert len(one) == 4 and one.images.shape == (4, 24, 64, 3) and [one.scene_of(i) for i in range(4)] == [0, 0, 1, 1]
    for row in (3, 0, 2, 1):  # another order, in this process
        frame = render_frame(scene_seeds("validation", 2)[row // 2], row % 2, 24, 64)
        np.testing.assert_array_equal(frame.image, one.images[row])
        np.testing.assert_array_equal(frame.depth, one.depth[row])
    np.testing.assert_array_equal(one.K, default_intrinsics(24, 64))


@pytest.fixture()
def cached(tmp_path):
    """Return settings of one tiny frame, its cache root and its folder, rendered."""
    settings = StreetSettings("test", 1, 1, 16, 32)
    load_street(settings, tmp_path, workers=1, progress=False)
    return settings, tmp_path, cache_folder(settings, tmp_path)


def test_a_sound_cache_is_not_rendered_again(cached, monkeypatch):
    settings, root, folder = cached
    monkeypatch.setattr(street_cache, "render_frame", lambda *a: pytest.fail("rendered again"))
    assert len(load_street(settings, root, workers=1, progress=False)) == 1
    assert [path.name for path in root.iterdir()] == [folder.name]


HARMS = {f"{name} bit {at}": (name, at) for name in ("images", "depth", "labels", "moving", "pose")
         for at in (0, 7, 20, 60, -5)}
HARMS |= {f"manifest {text}": text for text in ("[]", "null", "3", '{"settings": []}', '{"checksums": null}')}


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["truncate", "manifest", "missing", "endless", "pipe", *HARMS])
def test_a_damaged_cache_is_named_and_rendered_again(cached, harm, capsys):
    settings, root, folder = cached
    before = np.load(folder / "images.npy")
    if isinstance(HARMS.get(harm), tuple):
        name, at = HARMS[harm]
        content = bytearray((folder / f"{name}.npy").read_bytes())
        content[at] ^= 64
        (folder / f"{name}.npy").write_bytes(content)
    elif harm in HARMS:
        (folder / "manifest.json").write_text(HARMS[harm])
    elif harm == "truncate":
        (folder / "images.npy").write_bytes((folder / "images.npy").read_bytes()[:-7])
    elif harm == "manifest":
        (folder / "manifest.json").write_text("{half")
    else:
        (folder / "depth.npy").unlink()
        if harm == "endless":
            (folder / "depth.npy").symlink_to("/dev/zero")
        elif harm == "pipe":
            os.mkfifo(folder / "depth.npy")
    again = load_street(settings, root, workers=1, progress=False)
    np.testing.assert_array_equal(again.images, before)
    assert "damaged" in capsys.readouterr().out


def test_other_settings_or_another_renderer_have_another_folder(cached, monkeypatch):
    settings, root, folder = cached
    assert cache_folder(StreetSettings("test", 1, 1, 16, 48), root) != folder
    monkeypatch.setattr(street_cache, "RENDERER_VERSION", -1)
    assert cache_folder(settings, root) != folder


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_broken_rendering_leaves_nothing(tmp_path, monkeypatch, failure):
    def fail(*arguments):
        raise failure

    monkeypatch.setattr(street_cache, "render_frame", fail)
    with pytest.raises((InputError, KeyboardInterrupt)):
        load_street(StreetSettings("test", 1, 1, 16, 32), tmp_path, workers=1, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_holds_the_settings(cached):
    settings, _, folder = cached
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"]["height"] == 16 and len(manifest["checksums"]) == 5


def _read(path) -> np.ndarray:
    """Return the array of a picture file, closed again."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.array(picture)


@pytest.mark.slow
def test_export_reads_back(tmp_path):
    folder = tmp_path / "video"
    drive = export_kitti(1, 2, 48, 160, folder, progress=False)
    assert drive.name.endswith("_drive_0001_sync") and drive.parent.parent == folder
    for index in range(2):
        frame = render_frame(1, index, 48, 160)
        image = _read(drive / f"image_02/data/{index:010d}.png")
        np.testing.assert_array_equal(image, frame.image)
        stored = _read(drive / f"proj_depth/groundtruth/image_02/{index:010d}.png")
        assert stored.max() > 255  # 16 bit
        depth = stored.astype(np.float64) / 256
        near = (frame.depth > 0) & (frame.depth < 255)
        np.testing.assert_allclose(depth[near], frame.depth[near], atol=1 / 500)
        assert (depth[frame.depth == 0] == 0).all()
        labels = _read(drive / f"labels/image_02/{index:010d}.png")
        np.testing.assert_array_equal(labels, frame.labels)
        pose = np.loadtxt(drive / "poses.txt")[index].reshape(3, 4)
        np.testing.assert_allclose(pose, frame.pose[:3], atol=1e-9)
    lines = (drive.parent / "calib_cam_to_cam.txt").read_text().splitlines()
    calibration = dict(line.split(": ", 1) for line in lines)
    projection = np.array(calibration["P_rect_02"].split(), float).reshape(3, 4)
    np.testing.assert_allclose(projection[:, :3], default_intrinsics(48, 160), rtol=1e-6)
    np.testing.assert_allclose(np.array(calibration["S_rect_02"].split(), float), (160, 48))
    assert {"K_02", "D_02", "R_02", "T_02", "R_rect_00", "R_rect_02"} <= set(calibration)
    assert _read(folder / "preview.png").shape == (96, 480, 3)
    assert (folder / "preview.gif").read_bytes().count(b"\x21\xf9\x04") == 2  # one control block a frame
    with pytest.raises(InputError, match="not empty"):
        export_kitti(1, 1, 48, 160, folder, progress=False)


def test_a_broken_export_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(street_export, "_write_previews", fail)
    with pytest.raises(InputError, match="No space"):
        export_kitti(1, 1, 16, 32, tmp_path / "video", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_quiet_source_is_quiet_at_any_size(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(sources, "load_street", lambda settings, *cache, progress=True, **more: shown.append(progress)
                        or StreetSet(settings, *[np.zeros((8, 1, 1))] * 6))
    for progress in (False, True):
        source = sources.street_source("test", 1, 64, 96, tmp_path, progress=progress)
        source.targets_at(2).targets_at(2)
    assert shown == [False] * 3 + [True] * 3
