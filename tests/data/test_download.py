"""Download: parts from a server on loopback, resumed, checked, and never unpacked outside their folder."""
from __future__ import annotations

import functools
import hashlib
import http.server
import stat
import threading
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.data.kitti import download
from semdepth_lite.data.kitti.download import download_kitti, part_address, unpack

CALIB = "raw_data/2011_09_26_calib.zip"
DRIVE = "raw_data/2011_09_26_drive_0001/2011_09_26_drive_0001_sync.zip"


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self):
        Quiet.asked.append(self.path)
        if "Range" in self.headers:  # as KITTI's own server
            content = (Path(self.directory) / self.path.lstrip("/")).read_bytes()
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start < len(content) else 416)
            self.send_header("Content-Length", str(max(0, len(content) - start)))
            self.end_headers()
            self.wfile.write(content[start:])
        else:
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
def hasty(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setattr(download, "SILENCE", 0.3)


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


def test_an_interrupted_part_is_gone_on_with_and_a_whole_one_is_kept(site, tmp_path):
    downloads = tmp_path / "kitti" / ".downloads"
    downloads.mkdir(parents=True)
    (downloads / "2011_09_26_calib.zip.part").write_bytes((site / CALIB).read_bytes()[:50])
    (downloads / "2011_09_26_drive_0001_sync.zip").write_bytes((site / DRIVE).read_bytes())
    lines = []
    with serve(site) as url:
        download_kitti(["calib:2011_09_26", "raw:2011_09_26_drive_0001"], tmp_path / "kitti", base_url=url,
                       report=lines.append)
        assert all("calib" in path for path in gets())
    assert not list(downloads.glob("*.part")) and any("of them are here" in line for line in lines)
    assert (tmp_path / "kitti" / "2011_09_26" / "calib_cam_to_cam.txt").read_text() == "P: 1\n"


def test_a_part_that_is_longer_than_the_file_begins_anew(site, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "2011_09_26_calib.zip.part").write_bytes(bytes(9999))
    with serve(site) as url:
        assert download.fetch(f"{url}/{CALIB}", tmp_path / "d").read_bytes() == (site / CALIB).read_bytes()


class Broken(http.server.BaseHTTPRequestHandler):
    """Spoils the first answers in one way, and then serves the content from where it was cut."""

    way, content, spoiled = "", b"", 0

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        bad = Broken.spoiled > 0
        Broken.spoiled -= 1
        rest = Broken.content[start:]
        if bad and Broken.way == "garbage":
            self.wfile.write(b"\0\1\2garbage")
            return
        if bad and Broken.way == "server error":
            self.send_error(503)
            return
        self.send_response(206 if start else 200)
        if bad and Broken.way == "many headers":
            for i in range(200):
                self.send_header(f"X-{i}", "y")
        if bad and Broken.way == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"zz\r\nnothing")
            return
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if not bad:
            self.wfile.write(rest)
        elif Broken.way == "short":
            self.wfile.write(rest[:len(rest) // 2])
        elif Broken.way == "silence":
            time.sleep(1)

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("way", ["short", "silence", "garbage", "server error", "many headers", "chunks"])
@pytest.mark.parametrize("times", [2, 99])
def test_a_connection_that_breaks(way, times, site, tmp_path, monkeypatch):
    Broken.way, Broken.content, Broken.spoiled = way, (site / CALIB).read_bytes(), times
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        if times == 2:
            download_kitti(["calib:2011_09_26"], tmp_path, base_url=address, report=lambda line: None)
            assert (tmp_path / "2011_09_26" / "calib_cam_to_cam.txt").read_text() == "P: 1\n"
        else:
            with pytest.raises(InputError, match="cannot be fetched whole") as error:
                download_kitti(["calib:2011_09_26"], tmp_path, base_url=address, report=lambda line: None)
            assert "\n" not in str(error.value)
            assert not list((tmp_path / ".downloads").glob("*.zip"))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("address", ["nowhere", "http://[::1", "http://127.0.0.1:9/\n", "file:///etc", ""])
def test_addresses_that_are_none(address, tmp_path):
    with pytest.raises(InputError, match="cannot be fetched whole"):
        download_kitti(["odometry:poses"], tmp_path, base_url=address, report=lambda line: None)


def test_a_bad_archive_is_removed_so_that_the_next_call_mends_it(site, tmp_path):
    good = (site / CALIB).read_bytes()
    for bad in (b"<html>busy</html>", good[:-30], good[:40] + bytes([good[40] ^ 255]) + good[41:]):
        (site / CALIB).write_bytes(bad)
        with serve(site) as url:
            with pytest.raises(InputError, match="is damaged .* and removed"):
                download_kitti(["calib:2011_09_26"], tmp_path / "kitti", base_url=url, report=lambda line: None)
            (site / CALIB).write_bytes(good)
            download_kitti(["calib:2011_09_26"], tmp_path / "kitti", base_url=url, report=lambda line: None)
        (tmp_path / "kitti" / ".downloads" / "2011_09_26_calib.zip.done").unlink()


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


@pytest.mark.parametrize("part", ["raw", "raw:../x", "raw:２０１１_09_26_drive_0001",
                                  "calib:2011", "odometry:gray", "everything", "annotated:x", ""])
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
