"""The last line of defense: streams that fail, letters that are lacking, signals, memory, the unexpected."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semdepth_lite import __main__ as command_line
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import interrupt_between_steps, process_rank

COMMAND = """
import sys
from semdepth_lite import __main__ as m
def work(args):
    {work}
    return {{"text": {text!r}, "found": 1}}
m.COMMANDS["train"] = (work, m.COMMANDS["train"][1], "")
sys.exit(m.main(["train", "run"]))
"""


def run(work: str = "pass", text: str = "done", environment: dict | None = None, shell: str = "{}", **options):
    """Run a command whose work is given, in a process of its own."""
    code = COMMAND.format(work=work, text=text)
    line = shell.format('"$PYTHON" -c "$CODE"')
    return subprocess.run(["bash", "-c", line], capture_output=True, timeout=120, **options,
                          env={**os.environ, "PYTHON": sys.executable, "CODE": code, **(environment or {})})


@pytest.mark.slow
@pytest.mark.parametrize("shell, status, sentence", [
    ("{} > /dev/full", 1, b"the work is done and kept, but its result cannot be printed (No space left"),
    ("{} 2>&-", 0, b""), ("{} 2> /dev/full", 0, b""), ("{} >&- 2>&-", 0, b""),
    ("{} | true; exit ${{PIPESTATUS[0]}}", 0, b"")])
def test_streams_that_fail(shell, status, sentence):
    done = run(shell=shell)
    assert done.returncode == status and sentence in done.stderr and b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= 1


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict"])
def test_letters_that_the_console_lacks(encoding):
    done = run(text="L\u00f6we \u72ee\u5b50 \udcff", environment={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert done.returncode == 0 and done.stdout.startswith(b"L") and done.stderr == b""


@pytest.mark.slow
@pytest.mark.parametrize("error, status, sentence", [
    ("KeyError('x')", 1, "something unexpected broke (KeyError: 'x')"), ("MemoryError()", 1, "memory is not enough"),
    ("RuntimeError(\"DefaultCPUAllocator: can't allocate memory: you tried\")", 1, "memory is not enough"),
    ("ImportError('libtorch_cpu.so: failed to map segment from shared object')", 1, "memory is not enough"),
    ("PermissionError(13, 'Permission denied', 'a')", 2,
     "a cannot be read or written (Permission denied); look at its name, its rights")])
def test_anything_else_is_one_sentence(error, status, sentence, tmp_path):
    done = run(work=f"raise {error}", environment={"SEMDEPTH_CACHE": str(tmp_path)})
    words = done.stderr.decode()
    assert done.returncode == status and words.count("\n") == 1 and sentence in words and done.stdout == b""
    if "details are in" in words:
        details = Path(words.rsplit("details are in ", 1)[1].strip().rstrip("."))
        assert details.parent == tmp_path / "errors" and "Traceback" in details.read_text()


def test_neither_home_nor_an_entry_of_the_user(tmp_path):
    done = run(work="from semdepth_lite.common.storage import cache_root; print(cache_root())", cwd=tmp_path,
               environment={"HOME": "", "SEMDEPTH_CACHE": ""}, shell="unset HOME; {}")
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name, status", [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
@pytest.mark.parametrize("stepwise", [False, True])
def test_signals_end_the_work_between_steps(name, status, stepwise, tmp_path):
    wait = "import time; open('began', 'w').close(); time.sleep(60)"
    if stepwise:
        wait = """
    import time
    from semdepth_lite.common.runtime import interrupt_between_steps
    with interrupt_between_steps() as stopped:
        for step in range(2000):
            open('began', 'w').close()
            time.sleep(0.02)
            if stop := stopped():
                open('saved', 'w').close()
                raise stop
"""
    process = subprocess.Popen([sys.executable, "-c", COMMAND.format(work=wait, text="")], cwd=tmp_path,
                               stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while not (tmp_path / "began").exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    words = process.communicate(timeout=60)[1].decode()
    assert process.returncode == status and words.count("\n") == 1
    assert ("Ctrl-C" if name == "SIGINT" else name) in words and (tmp_path / "saved").exists() == stepwise


def test_signals_are_as_before_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with interrupt_between_steps() as stopped:
        assert not stopped()
    assert command_line.main(["doctor", "/nowhere", "--quiet"]) == 2
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize("changes", [{"RANK": "abc"}, {"WORLD_SIZE": "abc"}, {"WORLD_SIZE": "2"},
                                     {"WORLD_SIZE": "0"}, {"WORLD_SIZE": "-1"},
                                     {"RANK": "3", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}])
def test_processes_that_are_none(changes, monkeypatch, capsys):
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="RANK|WORLD_SIZE"):
        process_rank()
    assert command_line.main(["doctor", "/nowhere", "--quiet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
