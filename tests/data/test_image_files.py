"""Files of single frames: round trips, and a clear sentence for every file that is not what it should be."""
from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.image_files import (
    find_images,
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
    image = Image.fromarray(picture()).convert("RGBA")
    image.putpixel((3, 4), (1, 2, 3, 0))
    image.save(path)


def cmyk(path):
    Image.fromarray(picture()).convert("CMYK").save(path, "JPEG")


def pipe(path):
    os.mkfifo(path)


DISGUISES = ("BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA", "SGI", "PCX", "GIF", "EPS")


def disguised(kind):
    """A file of another format under a name that ends in .png; an EPS would start Ghostscript."""
    return lambda path: Image.fromarray(picture(16, 16)).save(path, kind)


def truncated(path):
    Image.fromarray(picture(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:3000])


def nonsense(path):
    path.write_bytes(b"no image at all")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_16_bit_color(path):
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
    (gray_16, "16 bits"), (png_16_bit_color, "16 bits"), (transparent, "transparent pixels"), (cmyk, "mode CMYK"),
    (pipe, "is a pipe"), *[(disguised(kind), "cannot be read as PNG or JPEG") for kind in DISGUISES],
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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_photographs_are_read_as_they_are_shown(tmp_path, orientation, suffix):
    shown = np.zeros((32, 48, 3), np.uint8)
    shown[:16, :24], shown[:16, 24:], shown[16:, :24] = 255, 160, 80  # four quarters, so that every turn differs
    undone = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
              5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a), 8: lambda a: np.rot90(a, -1),
              7: lambda a: np.rot90(a, 2).transpose(1, 0, 2)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(np.ascontiguousarray(undone(shown))).save(path, exif=exif, quality=95)
    assert image_size(path) == (32, 48)
    for size in ((), (32, 48), (16, 24)):
        read = read_image(path, *size).astype(int)
        expected = shown[::2, ::2] if size == (16, 24) else shown
        assert read.shape == expected.shape and np.median(np.abs(read - expected)) <= 2


@pytest.mark.parametrize("convert", [lambda i: i.convert("L"), lambda i: i.convert("1"), lambda i: i.convert("P"),
                                     lambda i: i.convert("RGBA"), lambda i: i.convert("LA")])
def test_gray_palettes_and_opaque_alpha_become_rgb_with_a_word(tmp_path, convert, caplog):
    image = convert(Image.fromarray(picture()))
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), np.asarray(image.convert("RGB")))
    assert read_image(tmp_path / "a.png", 12, 20).shape == (12, 20, 3)
    assert "a.png first" in caplog.text


def write_gray_png(path, rows, bits):
    raw = b""
    for row in rows:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        raw += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], bits, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(raw))
                     + png_chunk(b"IEND", b""))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_labels_are_never_rescaled(tmp_path, bits):
    labels = np.random.RandomState(bits).randint(0, min(2**bits, 19), (6, 11))
    write_gray_png(tmp_path / "gray.png", labels, bits)
    assert np.array_equal(read_label_map(tmp_path / "gray.png"), labels)
    palette = Image.fromarray(labels.astype(np.uint8))
    palette.putpalette(list(range(256)) * 3)
    palette.save(tmp_path / "palette.png", bits=bits)
    assert np.array_equal(read_label_map(tmp_path / "palette.png"), labels)


def test_a_lossy_label_map_is_refused(tmp_path):
    Image.fromarray(picture()[..., 0]).save(tmp_path / "labels.png", "JPEG")
    with pytest.raises(InputError, match="cannot be read as PNG"):
        read_label_map(tmp_path / "labels.png")


def test_images_are_found_behind_links_and_not_in_hidden_files(tmp_path):
    for name in ("day1/a.png", "day1/deep/b.JPG", "day1/._a.png", "day1/.hidden/c.png", "day1/notes.txt"):
        path = tmp_path / "elsewhere" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture()).save(path, "PNG") if path.suffix != ".txt" else path.write_text("x")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "ring").symlink_to(tmp_path / "root")

    def names(pattern):
        return [path.relative_to(tmp_path / "root").as_posix() for path in find_images(tmp_path / "root", pattern)]

    assert names("**/*") == ["link/day1/a.png", "link/day1/deep/b.JPG"]
    assert names("**/*.JPG") == ["link/day1/deep/b.JPG"]
    assert names("*/day1/[a-c].*") == ["link/day1/a.png"]
    for bad in ("", "/etc/*", "../*", "a**/*"):
        with pytest.raises(InputError, match="cannot be looked for"):
            names(bad)
    write_image(tmp_path / "out" / "0.png", picture())
    write_image(tmp_path / "out" / "0_color.png", picture(), "color")
    assert [path.name for path in find_images(tmp_path / "out")] == ["0.png"]
    assert len(find_images(tmp_path / "out", outputs=True)) == 2


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros((4, 4, 3), np.int64), np.zeros((0, 4, 3), np.uint8),
                                 np.zeros((4, 4, 2), np.uint8), None])
def test_arrays_that_are_no_image_are_not_written(tmp_path, bad):
    with pytest.raises(InputError, match="cannot be written to"):
        write_image(tmp_path / "a.png", bad)


@pytest.mark.parametrize("kind", ["BMP", "WEBP", "TIFF"])
def test_pictures_of_other_kinds_are_to_be_converted(tmp_path, kind):
    Image.fromarray(picture()).save(tmp_path / "a.png", format=kind)
    with pytest.raises(InputError, match="a.png cannot be read as PNG or JPEG .*; convert it to one, or replace it"):
        read_image(tmp_path / "a.png")


def test_a_folder_of_outputs_alone_differs_from_an_empty_one(tmp_path):
    write_image(tmp_path / "photo_color.png", picture(), "color")
    with pytest.raises(InputError, match="holds no image but 1 that this package wrote, .* are left out"):
        find_images(tmp_path)
