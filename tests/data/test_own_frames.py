"""A folder of one's own frames: order, intrinsics, step, labels, video, and a clear sentence for what is wrong."""
from __future__ import annotations

import math
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from semdepth_lite.camera import resize_intrinsics
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.image_files import read_image, write_depth_png
from semdepth_lite.data.intrinsics_file import parse_intrinsics, read_intrinsics_file, write_intrinsics
from semdepth_lite.data.own_frames import FrameFolder, find_frames
from semdepth_lite.data.video import unpack_video
from semdepth_lite.evaluation.prediction import scale_from_height

HEIGHT, WIDTH = 16, 32
LINE = "20 21 15.5 7.5"


def picture(frame: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), 10 * frame, np.uint8)


def make_folder(folder, names):
    folder.mkdir(parents=True)
    for frame, name in enumerate(names):
        Image.fromarray(picture(frame)).save(folder / name)
    return folder


@pytest.fixture
def clip(tmp_path):
    return make_folder(tmp_path / "clip", [f"shot_{i}.png" for i in range(12)])


def opened(folder, **options):
    return FrameFolder(folder, HEIGHT, WIDTH, **{"cache": None, "intrinsics": LINE, **options})


def brightness(image: torch.Tensor) -> float:
    return round(image.mean().item() * 25.5)


def test_frames_come_in_the_order_of_their_numbers(clip):
    source = opened(clip)  # names without leading zeros: shot_10 follows shot_9
    assert len(source) == 10 and source.name == "frames clip"
    batch = source.triplet(range(10))
    for item in range(10):
        previous, following = batch.sources[item]
        assert [brightness(image) for image in (previous, batch.target[item], following)] == [item, item + 1, item + 2]


def test_the_step_reaches_farther(clip):
    source = opened(clip, step=3)
    batch = source.triplet([0])
    assert len(source) == 6
    assert [brightness(x) for x in (batch.sources[0, 0], batch.target[0], batch.sources[0, 1])] == [0, 3, 6]


def test_intrinsics_in_pixels_and_as_a_field_of_view(clip):
    expected = torch.tensor([[20, 0, 15.5], [0, 21, 7.5], [0, 0, 1.0]])
    assert torch.equal(opened(clip).triplet([0]).K[0], expected)
    half = FrameFolder(clip, HEIGHT // 2, WIDTH // 2, LINE, cache=None).triplet([0]).K[0]
    assert torch.allclose(half, resize_intrinsics(expected, 0.5, 0.5))
    K = parse_intrinsics("fov 90", 10, 20)
    assert torch.allclose(K, torch.tensor([[10, 0, 9.5], [0, 10, 4.5], [0, 0, 1.0]]))
    right_rim = math.degrees(math.atan((19.5 - 9.5) / K[0, 0].item()))  # the rim, half a pixel beyond the last center
    assert abs(right_rim - 45) < 1e-4


def test_intrinsics_beside_the_frames_once_or_for_each(clip):
    write_intrinsics(clip, torch.tensor([[20, 0, 15.5], [0, 21, 7.5], [0, 0, 1.0]]))
    assert torch.equal(opened(clip, intrinsics=None).triplet([0]).K, opened(clip).triplet([0]).K)
    lines = [f"shot_{i}.png {20 + i} 21 15.5 7.5" for i in range(12)]
    (clip / "intrinsics.txt").write_text("# zoom\n" + "\n".join(lines))
    K = opened(clip, intrinsics=None).triplet([0, 9]).K
    assert K[:, 0, 0].tolist() == [21, 30]
    (clip / "intrinsics.txt").write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match="intrinsics.txt has no line for shot_11.png"):
        opened(clip, intrinsics=None)


@pytest.mark.parametrize("line, sentence", [
    ("20 21 15.5", "line 1 reads '20 21 15.5', expected 'fx fy cx cy'"), ("fov wide", "line 1 reads"),
    ("fov 200", "line 1 gives a field of view of 200 degrees"), ("a b c d", "line 1 reads"),
    ("0.58 1.92 0.5 0.5", "line 1: .*normalized"), ("700 700 600 170", "line 1: .*must belong to this image size"),
    (LINE + "\n" + LINE, "line 1 begins with '20', which is no frame")])
def test_bad_intrinsics_are_named_with_their_line(clip, line, sentence):
    (clip / "intrinsics.txt").write_text(line)
    with pytest.raises(InputError, match=f"intrinsics.txt {sentence}"):
        read_intrinsics_file(clip / "intrinsics.txt", find_frames(clip).files, HEIGHT, WIDTH)


def test_gaps_are_refused_or_cut_the_clip(tmp_path):
    folder = make_folder(tmp_path / "clip", [f"{i:04d}.jpg" for i in (0, 2, 4, 8, 10, 12)])
    with pytest.raises(InputError, match="lacks frame 6 after 0004.jpg .1 gaps."):
        opened(folder)
    source = opened(folder, allow_gaps=True)
    assert [source.target_file(i).name for i in range(len(source))] == ["0002.jpg", "0010.jpg"]


def test_frames_of_other_sizes_are_refused(clip):
    Image.fromarray(np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8)).save(clip / "shot_7.png")
    with pytest.raises(InputError, match="shot_7.png has 34x16 pixels, but shot_0.png has 32x16"):
        opened(clip)


def test_labels_and_depth_of_the_same_names(clip, tmp_path):
    for kind in ("labels", "depth"):
        (tmp_path / kind).mkdir()
    for i in range(1, 11):
        Image.fromarray(np.full((HEIGHT, WIDTH), i, np.uint8)).save(tmp_path / "labels" / f"shot_{i}.png")
        write_depth_png(tmp_path / "depth" / f"shot_{i}.png", np.full((HEIGHT, WIDTH), float(i)))
    source = opened(clip, labels=tmp_path / "labels", depth=tmp_path / "depth")
    batch = source.triplet([4])
    assert source.has_labels and source.has_depth and (batch.labels == 5).all() and (batch.depth == 5).all()
    (tmp_path / "labels" / "shot_4.png").unlink()
    with pytest.raises(InputError, match="shot_4.png is missing; every target frame needs labels"):
        opened(clip, labels=tmp_path / "labels")


def test_folders_that_are_none_are_named(tmp_path, clip):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    two = make_folder(tmp_path / "two", ["a1.png", "b1.png", "c2.png"])
    few = make_folder(tmp_path / "few", ["1.png", "2.png"])
    for folder, options, sentence in (
            (tmp_path / "nowhere.mp4", {}, "nowhere.mp4 does not exist; name a folder of images or a video file"),
            (tmp_path / "empty", {}, "holds no image"),
            (tmp_path / "notes.txt", {}, "neither a folder nor a video"), (two, {}, "3 frames in 3 clips: too few"),
            (few, {}, "holds 2 frames in 1 clip, one every number: too few in a row"),
            (clip, {"step": 0}, "step 0 is no frame step"),
            (clip, {"intrinsics": None}, "has no intrinsics.txt"),
            (clip, {"intrinsics": torch.eye(4)}, r"K has shape \(4, 4\)")):
        with pytest.raises(InputError, match=sentence):
            opened(folder, **options)


def test_pictures_without_numbers_have_no_neighbors(tmp_path):
    folder = make_folder(tmp_path / "clip", ["one.png", "three.png", "two.png"])
    with pytest.raises(InputError, match="no image with a number in its name.*; number the frames"):
        opened(folder)
    assert len(opened(folder, neighbors=False)) == 3
    (folder / "2021_02_13" / "2021_02_13_drive_0000_sync").mkdir(parents=True)
    with pytest.raises(InputError, match="write kitti:.*clip, because it has KITTI's folders"):
        opened(folder)


def test_hidden_files_and_a_cover_are_left_out(clip, caplog):
    (clip / "._shot_3.png").write_bytes(b"\x00\x05\x16\x07" + bytes(60))
    Image.fromarray(picture(3)).save(clip / "cover.png")
    with caplog.at_level("INFO", "semdepth_lite"):
        source = opened(clip)
    assert [source.target_file(i).stem for i in range(len(source))] == [f"shot_{i}" for i in range(1, 11)]
    assert "12 frames in 1 clip, one every number; 1 left out" in caplog.text


@pytest.mark.parametrize("pitch", [-0.1, 0.0, 0.08])
def test_the_height_of_the_camera_gives_the_scale(pitch):
    K = parse_intrinsics("fov 80", 96, 320)
    v = torch.arange(96.0)[:, None].expand(96, 320)
    u = torch.arange(320.0).expand(96, 320)
    rays = torch.einsum("ij,jhw->ihw", torch.linalg.inv(K), torch.stack((u, v, torch.ones_like(u))))
    normal = torch.tensor([0.0, math.cos(pitch), math.sin(pitch)])  # the ground lies 1.6 m below, along the normal
    depth = 1.6 / torch.einsum("i,ihw->hw", normal, rays)
    depth = torch.where((depth > 0) & (depth < 80), depth, 80.0)[None, None]
    factor = scale_from_height(depth.repeat(2, 1, 1, 1) / 7, K.expand(2, 3, 3), 1.6)
    assert torch.allclose(factor, torch.full((2,), 7.0, dtype=torch.float64), rtol=1e-4)
    with pytest.raises(InputError, match="camera height 0 is not positive"):
        scale_from_height(depth, K[None], 0)


def test_a_video_becomes_frames(tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed; it is in the extra 'video'")
    path = tmp_path / "drive.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for frame in range(5):
            image = np.full((32, 64, 3), 40 * frame, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    source = FrameFolder(path, HEIGHT, WIDTH, "fov 60", cache=tmp_path / "cache")
    assert len(source) == 3
    assert np.allclose(source.triplet([0, 2]).target.mean((1, 2, 3)) * 255, [40, 120], atol=4)
    again = FrameFolder(path, HEIGHT, WIDTH, "fov 60", cache=tmp_path / "cache")
    assert again.target_file(0) == source.target_file(0)
    path.write_bytes(b"no video")
    with pytest.raises(InputError, match="drive.mp4 cannot be decoded as a video"):
        FrameFolder(path, HEIGHT, WIDTH, "fov 60", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob(".video-*"))


def write_video(path, times, turned=0, aspect=1, size=(64, 32)):
    """A video whose frames appear at these times (ms), stored turned clockwise by some degrees, left half bright."""
    from fractions import Fraction

    av = pytest.importorskip("av", reason="PyAV is not installed; it is in the extra 'video'")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base, stream.codec_context.sample_aspect_ratio = Fraction(1, 1000), Fraction(aspect)
        for at in times:
            image = np.zeros((size[1], size[0], 3), np.uint8)
            image[:, :size[0] // 2] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if turned:
        content, one = bytearray(path.read_bytes()), 1 << 16
        identity = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
        matrix = {90: (0, one, 0, -one, 0, 0, 0, 0, 1 << 30), 180: (-one, 0, 0, 0, -one, 0, 0, 0, 1 << 30),
                  270: (0, -one, 0, one, 0, 0, 0, 0, 1 << 30)}[turned]
        at = content.index(identity, content.index(b"tkhd"))
        content[at:at + 36] = struct.pack(">9i", *matrix)
        path.write_bytes(content)


@pytest.mark.parametrize("turned, side", [(90, "top"), (180, "right"), (270, "bottom")])
def test_a_video_is_turned_as_players_show_it(tmp_path, turned, side):
    write_video(tmp_path / "phone.mp4", range(0, 500, 100), turned)
    folder = unpack_video(tmp_path / "phone.mp4", tmp_path / "cache")
    image = read_image(folder / "000001.jpg").mean(2)
    assert image.shape == ((32, 64) if turned == 180 else (64, 32))
    h, w = image.shape
    bright = {"top": image[:h // 2 - 4], "bottom": image[h // 2 + 4:], "right": image[:, w // 2 + 4:]}[side]
    assert bright.mean() > 200 and image.mean() < 140


def test_pauses_of_a_variable_frame_rate_cut_the_clip(tmp_path):
    write_video(tmp_path / "phone.mp4", [0, 100, 200, 300, 1300, 1400, 1500, 3500, 3600, 3700])
    source = FrameFolder(tmp_path / "phone.mp4", HEIGHT, WIDTH, "fov 60", cache=tmp_path / "cache")
    assert [source.target_file(i).stem for i in range(len(source))] == ["000001", "000002", "000005", "000008"]


def test_pixels_that_are_not_square_become_square(tmp_path):
    write_video(tmp_path / "old.mkv", range(0, 500, 100), aspect="3/2")
    assert read_image(unpack_video(tmp_path / "old.mkv", tmp_path / "cache") / "000000.jpg").shape == (32, 96, 3)


def test_only_the_containers_that_are_meant_are_opened(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed; it is in the extra 'video'")
    (tmp_path / "list.mp4").write_bytes(b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n")
    with pytest.raises(InputError, match="it is no MP4, QuickTime, AVI"):
        unpack_video(tmp_path / "list.mp4", tmp_path / "cache")


def test_a_missing_video_reader_is_named(tmp_path, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "drive.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="needs the video reader PyAV; install the extra 'video'"):
        FrameFolder(tmp_path / "drive.mp4", HEIGHT, WIDTH, "fov 60", cache=tmp_path / "cache")


@pytest.mark.parametrize("turned, degrees", [(1, 2 * math.atan(36 / 54)), (6, 2 * math.atan(18 / 54))])
def test_a_camera_that_wrote_its_focal_length_gives_a_guess_that_is_named(tmp_path, caplog, turned, degrees):
    """27 mm: 36 mm of film across the longer side, half of it across a picture twice as high as wide."""
    exif = Image.Exif()
    exif[0x0112] = turned
    exif.get_ifd(0x8769)[0xA405] = 27
    (tmp_path / "phone").mkdir()
    for frame in range(3):
        Image.fromarray(picture(frame)).save(tmp_path / "phone" / f"{frame}.jpg", exif=exif)
    source = FrameFolder(tmp_path / "phone", HEIGHT, WIDTH, cache=None)
    width = WIDTH if turned == 1 else HEIGHT
    assert source.native_K[0, 0, 0] == pytest.approx(width / 2 / math.tan(degrees / 2), rel=1e-5)
    assert "is a guess" in caplog.text and "EXIF" in caplog.text


def test_a_video_is_written_and_read_back(tmp_path):
    from semdepth_lite.data.video import frame_rate
    from semdepth_lite.data.video import write_video as write_pictures

    pytest.importorskip("av", reason="PyAV is not installed; it is in the extra 'video'")
    shades = [20, 90, 160, 230]
    write_pictures(tmp_path / "out.mp4", (np.full((33, 48, 3), shade, np.uint8) for shade in shades), 12.5)
    folder = unpack_video(tmp_path / "out.mp4", tmp_path / "cache")
    frames = [read_image(folder / f"{i:06d}.jpg") for i in range(4)]
    assert frame_rate(folder) == pytest.approx(12.5, rel=0.01) and len(list(folder.glob("*.jpg"))) == 4
    assert [abs(frame.mean() - shade) < 6 for frame, shade in zip(frames, shades)] == [True] * 4
    assert frames[0].shape == (32, 48, 3)
