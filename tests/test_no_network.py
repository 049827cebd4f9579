"""The test run itself keeps to this machine, and so does what the package opens."""
from __future__ import annotations

import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8", "2001:db8::1"])
def test_nothing_beyond_loopback_is_reached(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as plug, pytest.raises(OSError, match="keep to loopback"):
        plug.connect((address, 80))


@pytest.mark.parametrize("address", ["0.0.0.0", "", "192.0.2.1"])
def test_nothing_listens_beyond_loopback(address):
    with socket.socket() as plug, pytest.raises(OSError, match="keep to loopback"):
        plug.bind((address, 0))


def test_names_are_not_looked_up():
    with pytest.raises(socket.gaierror):
        socket.create_connection(("example.org", 80), timeout=1)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen("http://example.org/", timeout=1)


def test_loopback_works():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        caller = threading.Thread(target=lambda: socket.create_connection(server.getsockname()).close())
        caller.start()
        connection, (host, _) = server.accept()
        connection.close()
        caller.join()
    assert host == "127.0.0.1"


@pytest.mark.parametrize("call", ["socket.create_connection(('192.0.2.1', 80), 1)",
                                  "socket.gethostbyname('example.org')",
                                  "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))"])
def test_processes_that_tests_start_keep_to_loopback_too(call):
    done = subprocess.run([sys.executable, "-c", f"import socket; {call}"], capture_output=True, text=True)
    assert done.returncode == 1 and "tests keep to loopback" in done.stderr
