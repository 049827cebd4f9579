"""Intrinsics as people write them: the right numbers, or a sentence; never other numbers."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from semdepth_lite.camera import intrinsics
from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.intrinsics_file import parse_intrinsics, read_intrinsics_file, write_intrinsics

FILES = [Path(f"{i:03d}.png") for i in range(5)]
EXPECTED = intrinsics(500, 510, 320, 96)


def read(tmp_path, content: str | bytes, files=FILES) -> torch.Tensor:
    (tmp_path / "intrinsics.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_intrinsics_file(tmp_path / "intrinsics.txt", list(files), 192, 640)


LINE = "500 510 320 96"
WRITTEN = {
    "plain": LINE, "commas": "500,510,320,96", "commas and spaces": "500, 510, 320, 96", "semicolons": "500;510;320;96",
    "byte order mark": b"\xef\xbb\xbf500 510 320 96\r\n", "UTF-16": "500 510 320 96\r\n".encode("utf-16"),
    "comment before": f"   # my camera\n\n{LINE}\n", "comment behind": f"{LINE}  # pixels",
    "K as lines": "500 0 320\n0 510 96\n0 0 1\n", "K with brackets": "[[500, 0, 320],\n [0, 510, 96],\n [0, 0, 1]]",
    "K as one line": "500 0 320 0 510 96 0 0 1", "P": "500 0 320 44.8 0 510 96 0.2 0 0 1 0.002",
    "P as lines": "500 0 320 44.8\n0 510 96 0.2\n0 0 1 0.002", "exponents": "5e2 5.1e2 3.2e2 9.6e1",
    "names": "fx=500 fy=510 cx=320 cy=96", "names in any order": '{"cx": 320, "cy": 96, "fx": 500, "fy": 510}',
    "decimal commas": "500,0 510,0 320,0 96,0", "decimal commas and commas": "500,0, 510,0, 320,0, 96,0",
    "distortion that is none": f"{LINE} 0 0 0 0",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_ways_to_write_them(tmp_path, name):
    assert torch.equal(read(tmp_path, WRITTEN[name]), EXPECTED.repeat(5, 1, 1))


@pytest.mark.parametrize("text", ["fov 80", "FOV 80", "fov=80", "fov: 80", "fov 80 deg", "fov 80,0"])
def test_ways_to_write_a_field_of_view(text):
    assert torch.equal(parse_intrinsics(text, 192, 640), parse_intrinsics("fov 80", 192, 640))


def test_a_frame_whose_name_is_a_number(tmp_path):
    files = [Path(f"{i}.png") for i in range(498, 502)]
    assert torch.equal(read(tmp_path, LINE, files), EXPECTED.repeat(4, 1, 1))
    each = read(tmp_path, "\n".join(f"{i} {i} 510 320 96" for i in range(498, 502)), files)
    assert each[:, 0, 0].tolist() == [498, 499, 500, 501]


def test_names_with_spaces(tmp_path):
    files = [Path(f"my frame {i}.png") for i in range(3)]
    each = read(tmp_path, "\n".join(f"my frame {i}.png {500 + i} 510 320 96" for i in range(3)), files)
    assert each[:, 0, 0].tolist() == [500, 501, 502]


REFUSED = {
    "fx normalized": ("0.58 510 320 96", "normalized"), "fy normalized": ("371.2 1.92 320 96", "normalized"),
    "cx normalized": ("371.2 368.6 0.5 96", "normalized"), "cy normalized": ("371.2 368.6 320 0.5", "normalized"),
    "center normalized": ("371.2 368.6 0.5 0.5", "normalized"), "decimal commas, two": ("721,5 609,5", "decimal comma"),
    "commas both ways": ("500,510 320,96", "decimal comma"), "distortion": (f"{LINE} -0.3 0.1 0 0", "undistort"),
    "another size": ("721 721 609 250", "must belong to this image size"), "skew": ("500 9 320 0 510 96 0 0 1", "no K"),
    "K by columns": ("500 0 0 0 510 0 320 96 1", "no K"), "empty": ("# nothing\n", "holds no line"),
    "twice": ("\n".join(f"{f.name} {LINE}" for f in [*FILES, FILES[0]]), "second one"),
    "not finite": ("nan 1 2 3", "finite"),
    "zero bytes": (b"500\0 510 320 96", "zero bytes"), "another code": (b"\xff500 510 320 96", "as text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_known_is_refused(tmp_path, name):
    content, sentence = REFUSED[name]
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, content)


def test_a_center_far_from_the_middle_is_named(caplog):
    with caplog.at_level("WARNING", "semdepth_lite"):
        parse_intrinsics("721.5377 721.5377 609.5593 172.854", 192, 640, "KITTI's own")
    assert "KITTI's own: the principal point (609.6, 172.9) lies far" in caplog.text and "1219x346" in caplog.text


def test_what_is_written_is_read_again(tmp_path):
    write_intrinsics(tmp_path, EXPECTED)
    assert torch.equal(read_intrinsics_file(tmp_path / "intrinsics.txt", FILES, 192, 640)[0], EXPECTED)
