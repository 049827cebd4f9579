"""Download: parts from a server on loopback, resumed, checked, and never unpacked outside their folder."""
from __future__ import annotations

import functools
import hashlib
import http.server
import stat
import threading
import zipfile
from contextlib import contextmanager

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.kitti.download import download_kitti, part_address, unpack

CALIB = "raw_data/2011_09_26_calib.zip"
DRIVE = "raw_data/2011_09_26_drive_0001/2011_09_26_drive_0001_sync.zip"


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self):
        Quiet.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@contextmanager
def serve(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Quiet.asked.clear()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_zip(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


@pytest.fixture
def site(tmp_path):
    make_zip(tmp_path / "site" / CALIB, {"2011_09_26/calib_cam_to_cam.txt": "P: 1\n"})
    make_zip(tmp_path / "site" / DRIVE, {"2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0.png": b"\0" * 99})
    return tmp_path / "site"


def gets():
    return [path for path in Quiet.asked if path.endswith(".zip")]


@pytest.fixture(autouse=True)
def no_bar(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def test_parts_are_fetched_unpacked_and_not_fetched_again(site, tmp_path):
    parts, root, lines = ["calib:2011_09_26", "raw:2011_09_26_drive_0001"], tmp_path / "kitti", []
    with serve(site) as url:
        markers = download_kitti(parts, root, base_url=url, report=lines.append)
        assert (root / "2011_09_26" / "calib_cam_to_cam.txt").read_text() == "P: 1\n"
        assert (root / "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0.png").read_bytes() == b"\0" * 99
        assert all(marker.exists() for marker in markers) and not list((root / ".downloads").glob("*.zip"))
        before = len(gets())
        download_kitti(parts, root, base_url=url, report=lines.append)
        assert len(gets()) == before and lines[-1].endswith("is there already")


def test_an_interrupted_part_is_fetched_anew_and_a_whole_one_is_kept(site, tmp_path):
    downloads = tmp_path / "kitti" / ".downloads"
    downloads.mkdir(parents=True)
    (downloads / "2011_09_26_calib.zip.part").write_bytes(b"half of it")
    (downloads / "2011_09_26_drive_0001_sync.zip").write_bytes((site / DRIVE).read_bytes())
    with serve(site) as url:
        download_kitti(["calib:2011_09_26", "raw:2011_09_26_drive_0001"], tmp_path / "kitti", base_url=url,
                       report=lambda line: None)
        assert all("calib" in path for path in gets())
    assert not list(downloads.glob("*.part"))


def test_checksums_are_held(site, tmp_path):
    right = hashlib.md5((site / CALIB).read_bytes()).hexdigest()
    with serve(site) as url:
        with pytest.raises(InputError, match="calib.zip cannot be fetched whole"):
            download_kitti(["calib:2011_09_26"], tmp_path / "a", url, {"calib:2011_09_26": "0" * 32}, lambda line: None)
        assert not (tmp_path / "a" / "2011_09_26").exists()
        download_kitti(["calib:2011_09_26"], tmp_path / "b", url, {"calib:2011_09_26": right}, lambda line: None)


def test_what_is_not_there_is_named(site, tmp_path):
    with serve(site) as url, pytest.raises(InputError, match="data_odometry_poses.zip cannot be fetched whole .*404"):
        download_kitti(["odometry:poses"], tmp_path, base_url=url, report=lambda line: None)
    with pytest.raises(InputError, match="cannot be fetched whole"):  # the server is gone
        download_kitti(["annotated"], tmp_path, base_url=url, report=lambda line: None)


@pytest.mark.parametrize("part", ["raw", "raw:../x", "calib:2011", "odometry:gray", "everything", "annotated:x", ""])
def test_unknown_parts_are_refused_before_anything_is_fetched(tmp_path, part):
    with pytest.raises(InputError, match="KITTI has no part"):
        download_kitti(["annotated", part], tmp_path / "kitti", base_url="http://127.0.0.1:9")
    assert not (tmp_path / "kitti").exists()


def test_addresses():
    assert part_address("odometry:color") == "data_odometry_color.zip"
    assert part_address("raw:2011_09_26_drive_0001") == DRIVE


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_members_that_leave_the_folder_are_refused_before_any_is_written(tmp_path, name):
    archive = make_zip(tmp_path / "bad.zip", {"good.txt": "x", name: "x"})
    with pytest.raises(InputError, match="bad.zip holds .*evil.txt', which leaves the folder"):
        unpack(archive, tmp_path / "root" / "deep")
    assert [path.name for path in tmp_path.rglob("*")] == ["bad.zip"]


def test_links_bombs_and_damage_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="link.zip holds 'link', which is a link"):
        unpack(tmp_path / "link.zip", tmp_path / "root")
    bomb = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(20_000_000)})
    with pytest.raises(InputError, match="bomb.zip would unpack to"):
        unpack(bomb, tmp_path / "root")
    cut = make_zip(tmp_path / "cut.zip", {"a.txt": "content"})
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(InputError, match="cut.zip is damaged"):
        unpack(cut, tmp_path / "root")
    flipped = make_zip(tmp_path / "flipped.zip", {"a.txt": "some content that is long enough to be flipped somewhere"})
    data = bytearray(flipped.read_bytes())
    data[50] ^= 0xFF
    flipped.write_bytes(data)
    with pytest.raises(InputError, match="flipped.zip is damaged"):
        unpack(flipped, tmp_path / "root")
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
