"""Named parts of KITTI, fetched, checked and unpacked; what is there already is not fetched again.

KITTI may be used for non-commercial purposes only (CC BY-NC-SA 3.0); see its site for the terms.
"""
from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from ...common.contracts import InputError
from ...common.storage import write_atomically

BASE_URL = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
ODOMETRY_PARTS = ("poses", "calib", "color", "velodyne")
GRAMMAR = ("raw:2011_09_26_drive_0001 (one drive), calib:2011_09_26 (the calibration of a day), odometry:poses (or "
           "calib, color, velodyne), annotated (improved depth of all drives)")
LARGEST_RATIO = 100  # unpacked to packed size beyond which an archive is a bomb; KITTI's stay under 10


def part_address(part: str) -> str:
    """Return where a part lies under the base address.

    Raises:
        InputError: if the part's name is not understood.
    """
    kind, _, name = part.partition(":")
    if kind == "raw" and re.fullmatch(r"\d{4}_\d{2}_\d{2}_drive_\d{4}", name):
        return f"raw_data/{name}/{name}_sync.zip"
    if kind == "calib" and re.fullmatch(r"\d{4}_\d{2}_\d{2}", name):
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
        parts: names, see `GRAMMAR`.
        root: folder to unpack into.
        base_url: address under which the parts lie; a mirror, for instance.
        md5: checksum of a part's archive by the part's name, where known.
        report: told in a line what happens.

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
        archive = fetch(f"{base_url}/{address}", root / ".downloads", (md5 or {}).get(part))
        count = unpack(archive, root)
        write_atomically(marker, lambda path, count=count: path.write_text(f"{count} files\n"))
        archive.unlink()
        report(f"{part}: {count} files unpacked into {root}")
    return markers


def fetch(url: str, folder: Path, md5: str | None = None) -> Path:
    """Fetch a file with torchvision's downloader; under its final name it is complete.

    Raises:
        InputError: if it cannot be fetched or its checksum differs.
    """
    from torchvision.datasets.utils import download_url

    path = Path(folder) / url.rsplit("/", 1)[1]
    if path.exists():
        return path
    partial = path.with_name(f"{path.name}.part")
    partial.unlink(missing_ok=True)
    try:
        download_url(url, str(folder), partial.name, md5)
    except (OSError, RuntimeError, RecursionError) as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{url} cannot be fetched whole ({error}); check the connection and the address, and call "
                         f"again.") from error
    return partial.replace(path)


def unpack(archive: Path, root: Path) -> int:
    """Unpack a zip archive whose members all stay under `root`; nothing is written if one does not.

    Args:
        archive: the file.
        root: folder to unpack into.

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
                raise InputError(f"{archive} would unpack to {total / 1e9:.1f} GB, more than {LARGEST_RATIO} times its "
                                 f"size; it is no archive of KITTI.")
            Path(root).mkdir(parents=True, exist_ok=True)
            if total > shutil.disk_usage(root).free:
                raise InputError(f"{archive} needs {total / 1e9:.1f} GB in {root}, which has less; free some space.")
            for member in members:
                write_atomically(Path(root) / member.filename, lambda path, m=member: _copy_member(packed, m, path))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{archive} is damaged ({error}); delete it and call again.") from error
    return len(members)


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse a member that would not become a plain file under the folder."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    drive = ":" in member.filename.split("/")[0]
    if not parts or parts[0] == "/" or ".." in parts or drive:
        raise InputError(f"{archive} holds {member.filename!r}, which leaves the folder; it is hostile, nothing was "
                         f"unpacked.")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise InputError(f"{archive} holds {member.filename!r}, which is a link or a device; it is hostile, nothing "
                         f"was unpacked.")


def _copy_member(packed: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with packed.open(member) as source, open(path, "wb") as target:  # reading to the end checks the checksum
        shutil.copyfileobj(source, target, 1 << 20)
