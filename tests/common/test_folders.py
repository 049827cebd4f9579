"""Folders that are written to or read from: one sentence for each reason why that cannot be."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.small_files import check_folder
from semdepth_lite.common.storage import check_outputs, check_writable, make_folder, sole_use, write_json

CANNOT = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is where even root cannot write")
WRITERS = {"make_folder": make_folder, "check_writable": check_writable,
           "sole_use": lambda path: sole_use(path).__enter__(),
           "write_json": lambda path: write_json(path / "a.json", {}),
           "check_outputs": lambda path: check_outputs([path / "a.json"], "")}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("place", ["file", "file/x", "file/x/y"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path, name, place):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match=r"file is no folder, so nothing can be written into .*; name another output"):
        WRITERS[name](tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "kept"


@CANNOT
@pytest.mark.parametrize("name", WRITERS)
def test_a_place_where_nobody_can_write_is_named(tmp_path, name):
    with pytest.raises(InputError, match=r"^/proc/x\S* cannot be made, because /proc cannot be written to \(.+\);"):
        WRITERS[name](Path("/proc/x"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_named(tmp_path):
    (tmp_path / "ro").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"x cannot be made, because .*ro cannot be written to \(Permission denied"):
        make_folder(tmp_path / "ro" / "x")


def test_what_can_be_written_leaves_no_trace(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(InputError, match=r"the folder .* cannot be made \(File name too long\); try again"):
        make_folder(tmp_path / ("x" * 300), "try again")


def test_a_folder_to_read_from_is_missing_or_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    check_folder(tmp_path, "name one")
    with pytest.raises(InputError, match=r"nowhere does not exist; name one\."):
        check_folder(tmp_path / "nowhere", "name one")
    with pytest.raises(InputError, match=r"file is no folder; name one\."):
        check_folder(tmp_path / "file", "name one")
