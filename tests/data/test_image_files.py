"""Files of single frames: round trips, and a clear sentence for every file that is not what it should be."""
from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.image_files import (
    image_size,
    read_depth_png,
    read_image,
    read_label_map,
    write_depth_png,
    write_image,
    write_ply,
)


def picture(height: int = 24, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def test_png_returns_every_pixel(tmp_path):
    write_image(tmp_path / "a.png", picture())
    assert np.array_equal(read_image(tmp_path / "a.png"), picture())
    assert image_size(tmp_path / "a.png") == (24, 40)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_draft_of_a_large_jpeg_resembles_the_careful_reading(tmp_path):
    v, u = np.mgrid[0:256, 0:512]
    smooth = np.stack((u / 2, v, 128 + 60 * np.sin(u / 30)), -1).astype(np.uint8)
    write_image(tmp_path / "a.jpg", smooth)
    careful = np.asarray(Image.fromarray(read_image(tmp_path / "a.jpg")).resize((128, 64), Image.Resampling.LANCZOS))
    fast = read_image(tmp_path / "a.jpg", 64, 128)
    assert fast.shape == (64, 128, 3)
    assert np.abs(fast.astype(int) - careful).mean() < 1


def test_depth_png_keeps_meters_to_half_a_step(tmp_path):
    depth = np.random.RandomState(0).uniform(0.5, 250, (20, 30)).astype(np.float32)
    depth[0] = 0
    depth[1, :2] = (1e-4, 1000)
    write_depth_png(tmp_path / "d.png", depth)
    read = read_depth_png(tmp_path / "d.png")
    assert read.dtype == np.float32 and (read[0] == 0).all()
    assert np.abs(read[2:] - depth[2:]).max() <= 0.5 / 256 + 1e-6
    assert read[1, 0] == 1 / 256 and read[1, 1] == np.float32(65535 / 256)
    assert np.asarray(Image.open(tmp_path / "d.png")).dtype == np.uint16


@pytest.mark.parametrize("bad", [np.full((4, 4), np.nan), np.full((4, 4), -1.0), np.ones((1, 4, 4))])
def test_impossible_depth_is_not_written(tmp_path, bad):
    with pytest.raises(InputError, match="finite meters"):
        write_depth_png(tmp_path / "d.png", bad)
    assert not list(tmp_path.iterdir())


def test_ply_holds_the_points(tmp_path):
    points = np.random.RandomState(0).standard_normal((7, 3)).astype(np.float32)
    colors = picture(1, 7)[0]
    write_ply(tmp_path / "cloud.ply", points, colors)
    header, body = (tmp_path / "cloud.ply").read_bytes().split(b"end_header\n")
    assert b"element vertex 7\n" in header
    rows = list(struct.iter_unpack("<fffBBB", body))
    assert np.allclose([row[:3] for row in rows], points) and np.array_equal([row[3:] for row in rows], colors)
    with pytest.raises(InputError, match="point cloud"):
        write_ply(tmp_path / "cloud.ply", points, colors.astype(np.float32))


def gray(path):
    Image.fromarray(picture()[..., 0]).save(path)


def gray_16(path):
    Image.fromarray(picture()[..., 0].astype(np.uint16)).save(path)


def transparent(path):
    Image.fromarray(picture()).convert("RGBA").save(path)


def truncated(path):
    Image.fromarray(picture(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:3000])


def nonsense(path):
    path.write_bytes(b"no image at all")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    import zlib
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_16_bit_color(path):
    import zlib
    rows = b"".join(b"\0" + bytes(8 * 6) for _ in range(8))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
                     + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b""))


def gigantic_header(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0))
                     + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b""))


def monstrous_header(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 90000, 90000, 8, 2, 0, 0, 0))
                     + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b""))


def absent(path):
    pass


@pytest.mark.parametrize("make, reason", [
    (gray, "8-bit RGB"), (gray_16, "16 bits"), (png_16_bit_color, "16 bits"), (transparent, "RGBA"),
    (truncated, "damaged"), (nonsense, "cannot be read"), (gigantic_header, "claims 9000x9000"),
    (monstrous_header, "cannot be read"), (absent, "does not exist")])
def test_a_bad_image_is_refused_by_name(tmp_path, make, reason):
    make(tmp_path / "frame.png")
    with pytest.raises(InputError, match=f"frame.png.*{reason}"):
        read_image(tmp_path / "frame.png", 16, 32)


def test_label_maps_and_depth_refuse_the_wrong_kind(tmp_path):
    write_image(tmp_path / "color.png", picture())
    gray(tmp_path / "labels.png")
    with pytest.raises(InputError, match="color.png.*label map"):
        read_label_map(tmp_path / "color.png")
    with pytest.raises(InputError, match="labels.png.*16-bit"):
        read_depth_png(tmp_path / "labels.png")
    assert np.array_equal(read_label_map(tmp_path / "labels.png"), picture()[..., 0])
