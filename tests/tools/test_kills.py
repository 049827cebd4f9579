"""Death at any moment costs nothing but the work since the last checkpoint: the short form of tools/kills.py."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.storage import remove_leftovers, sole_use, temporary_folder, write_atomically
from tools.kills import leftovers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")


@pytest.mark.slow
def test_killed_jobs_end_as_if_they_had_not_been():
    """In a process of its own, because it forks; an experiment, which takes longest, is left to the long form."""
    jobs = ["train", "street", "predict", "label", "download", "reproduce"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-m", "tools.kills", "--kills", "2", "--seed", "1", "--jobs", *jobs],
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == jobs
    assert all(": 2 kills" in line and "byte for byte" in line for line in lines)


def test_a_temporary_file_inside_a_temporary_folder_counts_once(tmp_path):
    half = tmp_path / "cache" / ".set.1.tmp"
    half.mkdir(parents=True)
    (half / ".manifest.json.2.tmp").write_text("half")
    (tmp_path / ".report.json.3.tmp").write_text("half")
    assert sorted(leftovers(tmp_path)) == [".report.json.3.tmp", "cache/.set.1.tmp"]


HOLD = """
import sys, time
from pathlib import Path
from semdepth_lite.common.storage import sole_use
with sole_use(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_in_a_folder_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="is in use by another run"), sole_use(tmp_path):
            pass
    finally:
        process.kill()
        process.communicate()
    with sole_use(tmp_path):
        pass


def test_leftovers_of_the_living_stay(tmp_path):
    (tmp_path / ".dead.1.tmp").write_text("half")
    (tmp_path / ".gone.1.tmp").mkdir()
    (tmp_path / ".gone.1.tmp" / "half").write_text("half")
    (tmp_path / "kept.tmp").write_text("not hidden, not ours")

    def write(temporary: Path) -> None:
        remove_leftovers(tmp_path)
        temporary.write_text("whole")

    write_atomically(tmp_path / "file", write)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "kept.tmp"]
    with temporary_folder(tmp_path / "place") as one:
        remove_leftovers(tmp_path)
        assert one.is_dir()
        with temporary_folder(tmp_path / "place") as other:  # two processes may render the same set
            assert one.is_dir() and other != one
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "kept.tmp"]
