"""Named parts of KITTI, fetched, checked and unpacked; what is there already is not fetched again.

KITTI may be used for non-commercial purposes only (CC BY-NC-SA 3.0); see its site for the terms.
"""
from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import stat
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from ...common.contracts import InputError
from ...common.storage import make_folder, remove_leftovers, write_atomically

BASE_URL = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
ODOMETRY_PARTS = ("poses", "calib", "color", "velodyne")
GRAMMAR = ("raw:2011_09_26_drive_0001 (one drive), calib:2011_09_26 (the calibration of a day), odometry:poses (or "
           "calib, color, velodyne), annotated (improved depth of all drives)")
SILENCE = 30.0  # seconds without a byte after which a connection is given up
ATTEMPTS, PAUSE = 4, 0.5  # of a fetch that is cut; seconds before the second, doubled each time
LARGEST_RATIO = 100  # unpacked to packed size beyond which an archive is a bomb; KITTI's stay under 10


class BadArchive(InputError):
    """An archive that is damaged or hostile, which no second attempt to unpack would change."""


def part_address(part: str) -> str:
    """Return where a part lies under the base address.

    Raises:
        InputError: if the part's name is not understood.
    """
    kind, _, name = part.partition(":")
    if kind == "raw" and re.fullmatch(r"\d{4}_\d{2}_\d{2}_drive_\d{4}", name, re.ASCII):
        return f"raw_data/{name}/{name}_sync.zip"
    if kind == "calib" and re.fullmatch(r"\d{4}_\d{2}_\d{2}", name, re.ASCII):
        return f"raw_data/{name}_calib.zip"
    if kind == "odometry" and name in ODOMETRY_PARTS:
        return f"data_odometry_{name}.zip"
    if part == "annotated":
        return "data_depth_annotated.zip"
    raise InputError(f"KITTI has no part {part!r}; use {GRAMMAR}.")


def download_kitti(parts: Sequence[str], root: Path, base_url: str = BASE_URL, md5: dict[str, str] | None = None,
                   report: Callable[[str], None] = print) -> list[Path]:
    """Fetch and unpack parts of KITTI into a folder.

    Each part is fetched as a whole file, which is kept until it is unpacked, so that an interrupted call goes on with
    the part it was at. Archives are checked by `md5` where it is given, and by the checksums they carry.

    Args:
        parts: Names of the parts, see `GRAMMAR`.
        root: Folder to unpack into.
        base_url: Address under which the parts lie; a mirror, for instance.
        md5: Checksum of a part's archive by the part's name, where known.
        report: Function that is called with a line about each event.

    Returns:
        One marker file for each part, which says that it is complete.

    Raises:
        InputError: if a name is not understood, a part cannot be fetched, or its archive is damaged or hostile.
    """
    addresses = {part: part_address(part) for part in parts}  # all names are understood before anything is fetched
    root = Path(root)
    markers = []
    for part, address in addresses.items():
        marker = root / ".downloads" / f"{PurePosixPath(address).name}.done"
        markers.append(marker)
        if marker.exists():
            report(f"{part} is there already")
            continue
        report(f"fetching {part}")
        archive = fetch(f"{base_url}/{address}", root / ".downloads", (md5 or {}).get(part), report)
        try:
            count = unpack(archive, root)
        except BadArchive:
            archive.unlink()  # so that the next call fetches it anew
            raise
        write_atomically(marker, lambda path, count=count: path.write_text(f"{count} files\n"))
        archive.unlink()
        report(f"{part}: {count} files unpacked into {root}")
    return markers


def fetch(url: str, folder: Path, md5: str | None = None, report: Callable[[str], None] = lambda line: None) -> Path:
    """Fetch a file; under its final name it is complete. What an earlier call has fetched is gone on with.

    The length that the server states is held, silence ends after 30 seconds, and a cut connection is taken up again.

    Args:
        url: Address, http or https.
        folder: Folder to fetch into.
        md5: Checksum, where it is known.
        report: Receiver of a line on the size before anything is fetched.

    Raises:
        InputError: If it cannot be fetched whole, does not fit on the disk, or its checksum differs.
    """
    path = Path(folder) / url.rsplit("/", 1)[1]
    if path.exists():
        return path
    make_folder(path.parent)
    partial, trouble = path.with_name(f"{path.name}.part"), ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2**attempt)
        try:
            _fetch_rest(url, partial, report)
            break
        except urllib.error.HTTPError as error:
            trouble = str(error)
            if error.code < 500:  # another attempt would hear the same
                partial.unlink(missing_ok=True)
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, InputError):
                raise
            trouble = str(error) or type(error).__name__
            if isinstance(error, (ValueError, http.client.InvalidURL)):
                break
        trouble = trouble.splitlines()[0]
    else:
        partial = path  # nothing whole came
    if not partial.exists() or partial == path:
        raise InputError(f"{url} cannot be fetched whole ({trouble}); check the connection and the address, and call "
                         "again: what was fetched is gone on with.")
    if md5 and _md5(partial) != md5:
        partial.unlink()
        raise InputError(f"{url} cannot be fetched whole (its checksum differs, so it was removed); call again.")
    return partial.replace(path)


def _fetch_rest(url: str, partial: Path, report: Callable[[str], None]) -> None:
    """Fetch what is missing of a file.

    Raises:
        OSError: If the connection is cut or silent, or fewer bytes come than were stated.
    """
    if not url.startswith(("http://", "https://")) or not url.isprintable():
        raise ValueError("the address is no http or https address")
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # there is nothing behind what is here, or it is of another file
            partial.unlink()
            return _fetch_rest(url, partial, report)
        raise
    with answer:
        if answer.status != 206:
            have = 0
        rest = answer.headers.get("Content-Length", "")
        rest = int(rest) if rest.isascii() and rest.isdecimal() else None
        report(f"{partial.name.removesuffix('.part')}: " + ("of unknown size" if rest is None else
               f"{(have + rest) / 1e6:.1f} MB" + f", {have / 1e6:.1f} MB of them are here" * bool(have)))
        if rest is not None and rest > shutil.disk_usage(partial.parent).free:
            raise InputError(f"{url} has {rest / 1e9:.1f} GB, more than is free in {partial.parent}; free some space.")
        with open(partial, "ab" if have else "wb") as file:
            shutil.copyfileobj(answer, file, 1 << 18)
        if rest is not None and partial.stat().st_size != have + rest:
            raise OSError(f"{partial.stat().st_size - have} of {rest} bytes came")


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while part := file.read(1 << 22):
            digest.update(part)
    return digest.hexdigest()


def unpack(archive: Path, root: Path) -> int:
    """Unpack a zip archive whose members all stay under `root`; nothing is written if one does not.

    Args:
        archive: The file.
        root: Folder to unpack into.

    Returns:
        The number of files.

    Raises:
        InputError: naming the archive, and the member, if it is damaged, leaves the folder, holds a link, unpacks to
            far more than its size, or does not fit on the disk.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            for member in members:
                _check_member(member, archive)
            total = sum(member.file_size for member in members)
            if total > LARGEST_RATIO * max(archive.stat().st_size, 1 << 16):
                raise BadArchive(f"{archive} would unpack to {total / 1e9:.1f} GB, more than {LARGEST_RATIO} times its "
                                 f"size; it is no archive of KITTI.")
            make_folder(root)
            if total > shutil.disk_usage(root).free:
                raise InputError(f"{archive} needs {total / 1e9:.1f} GB in {root}, which has less; free some space.")
            for folder in {(Path(root) / member.filename).parent for member in members}:
                if folder.is_dir():
                    remove_leftovers(folder)
            for member in members:
                write_atomically(Path(root) / member.filename, lambda path, m=member: _copy_member(packed, m, path))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise BadArchive(f"{archive} is damaged ({error}) and removed; call again.") from error
    return len(members)


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse a member that would not become a plain file under the folder."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    drive = ":" in member.filename.split("/")[0]
    if not parts or parts[0] == "/" or ".." in parts or drive:
        raise BadArchive(f"{archive} holds {member.filename!r}, which leaves the folder; it is hostile, nothing was "
                         f"unpacked.")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise BadArchive(f"{archive} holds {member.filename!r}, which is a link or a device; it is hostile, nothing "
                         f"was unpacked.")


def _copy_member(packed: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with packed.open(member) as source, open(path, "wb") as target:  # reading to the end checks the checksum
        shutil.copyfileobj(source, target, 1 << 20)
