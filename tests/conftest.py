"""What every test shares: one thread, repeatable hypothesis runs, a canvas without a window, no network beyond this
machine, and the real data."""
from __future__ import annotations

import atexit
import errno
import inspect
import ipaddress
import os
import shutil
import socket
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
# Jupyter otherwise announces a coming move of its folders as a warning, which is an error here.
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]


def is_loopback(host: str | bytes | None) -> bool:
    """Whether a host name or address is this machine's own; no name but localhost is looked up to find out."""
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False


def keep_to_loopback() -> None:
    """Let sockets of this process reach, listen on and look up nothing but loopback."""
    def guarded(name: str):
        plain = getattr(socket.socket, name)

        def call(self, address, *rest):
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
                raise OSError(errno.ENETUNREACH, f"tests keep to loopback, and {name} was asked for {address[0]!r}")
            return plain(self, address, *rest)
        return call

    for name in ("connect", "connect_ex", "bind"):
        setattr(socket.socket, name, guarded(name))
    send = socket.socket.sendto

    def guarded_send(self, content, *rest):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(rest[-1][0]):
            raise OSError(errno.ENETUNREACH, f"tests keep to loopback, and sendto was asked for {rest[-1][0]!r}")
        return send(self, content, *rest)

    socket.socket.sendto = guarded_send
    for name in ("gethostbyname", "gethostbyname_ex"):
        def guarded_name(host, plain=getattr(socket, name)):
            if not is_loopback(host):
                raise socket.gaierror(socket.EAI_NONAME, f"tests keep to loopback, and {host!r} was looked up")
            return plain(host)
        setattr(socket, name, guarded_name)
    look_up = socket.getaddrinfo

    def guarded_look_up(host, *rest, **options):
        if not is_loopback(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests keep to loopback, and {host!r} was looked up")
        return look_up(host, *rest, **options)

    socket.getaddrinfo = guarded_look_up


def keep_children_to_loopback() -> None:
    """Guard the Python processes and kernels that tests start: Python imports `sitecustomize` before anything else."""
    folder = Path(tempfile.mkdtemp(prefix="loopback-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    guard = "\n\n".join(inspect.getsource(part) for part in (is_loopback, keep_to_loopback))
    (folder / "sitecustomize.py").write_text(f"from __future__ import annotations\nimport errno, ipaddress, socket\n\n"
                                             f"{guard}\nkeep_to_loopback()\n")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


keep_to_loopback()
keep_children_to_loopback()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of the most slow tests, so that no worker is left with one when the others are done."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same seed, whatever ran before it."""
    from semdepth_lite.common.runtime import seed_everything

    seed_everything(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with a little real KITTI; tests that ask for it are skipped where it is absent."""
    named = os.environ.get("SEMDEPTH_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "real"
    if not (folder / "kitti_raw").is_dir():
        pytest.skip("no real KITTI frames here; set SEMDEPTH_REAL_DATA to a folder that holds kitti_raw")
    return folder


@pytest.fixture(autouse=True)
def nothing_noticed(monkeypatch):
    """A notice is given once in a process; each test begins without any."""
    monkeypatch.setattr("semdepth_lite.common.runtime._noticed", set())
