"""What is built and installed: the wheel, the sdist, a light installation, and nothing written where it lies."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COURSE = ("jupyterlab", "ipywidgets", "papermill", "IPython", "nbformat", "traitlets", "skimage")
NOT_PACKED = ("/.git/", "/build/", "/dist/", ".egg-info/", "/__pycache__/", "_cache/", "/runs/", "/cache/",
              "/reproduced/", "/.hypothesis/", "/.venv/")

LIGHT = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {COURSE!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import numpy, PIL.Image
import semdepth_lite.losses
from semdepth_lite.__main__ import main

assert main(["train", "run", "--steps", "2", "--quiet"]) == 0
PIL.Image.fromarray(numpy.zeros((64, 192, 3), numpy.uint8)).save("one.png")
assert main(["predict", "one.png", "--run", "run", "--output", "predicted", "--quiet"]) == 0
"""
FROM_THE_WHEEL = """
from semdepth_lite.__main__ import main
from semdepth_lite.experiments import find_results

assert main(["lessons", "mine"]) == 0
assert main(["reproduce", "--lessons", "mine", "--only", "01", "--quiet"]) == 0
assert find_results("baseline")
"""
FIRST_LESSON = """
import papermill

papermill.execute_notebook("00_start_here.ipynb", "out.ipynb", parameters={"preset": "quick"}, progress_bar=False)
"""


def run_python(code: str, folder: Path, path: Path = ROOT) -> None:
    """Run Python code in a folder, with the package from a path."""
    environment = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1", "HOME": str(folder),
                   "PYTHONDONTWRITEBYTECODE": "1", "SEMDEPTH_CACHE": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def checkout_files() -> list[Path]:
    """Files of the checkout that a release is made of: under version control, or all where there is no git."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True,
                                text=True, check=True)
        return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file()
            and not any(part in f"/{path.relative_to(ROOT).as_posix()}" for part in NOT_PACKED)]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The wheel and the sdist, built from a copy of the checkout without a warning."""
    pytest.importorskip("setuptools", minversion="77", reason="building needs a newer setuptools")
    folder = tmp_path_factory.mktemp("build")
    for path in checkout_files():
        copy = folder / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    code = "from setuptools import build_meta as b; b.build_sdist('../dist'); b.build_wheel('../dist')"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder / "source", capture_output=True, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
    assert done.returncode == 0, done.stderr
    warned = [line for line in (done.stdout + done.stderr).splitlines() if "warn" in line.lower()]
    assert not warned, warned
    return next(folder.glob("dist/*.whl")), next(folder.glob("dist/*.tar.gz"))


@pytest.mark.slow
def test_the_wheel_holds_package_lessons_and_results(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    files = {path.relative_to(ROOT).as_posix() for path in checkout_files()}
    package = {name for name in files if name.startswith("semdepth_lite/")}
    lessons = {name.replace("notebooks/", "semdepth_lite/course/lessons/", 1) for name in files
               if name.startswith("notebooks/")}
    results = {name.replace("figures/results/", "semdepth_lite/experiments/committed/", 1) for name in files
               if name.startswith("figures/results/")}
    assert {name for name in names if ".dist-info/" not in name} == package | lessons | results
    assert "semdepth_lite/py.typed" in names


@pytest.mark.slow
def test_the_sdist_is_the_checkout(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    missing = {path.relative_to(ROOT).as_posix() for path in checkout_files()} - names
    assert not missing, "MANIFEST.in leaves these out"


@pytest.mark.slow
def test_the_lessons_run_from_the_wheel_and_nothing_is_written_there(built, tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(site)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*")}
    run_python(FROM_THE_WHEEL, work, site)
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*")} == before
    assert list((work / "reproduced").glob("01*.json"))


@pytest.mark.slow
def test_the_first_lesson_runs_alone_where_the_wheel_is_installed(built, tmp_path):
    """What a service does that opens one notebook: install the wheel, and run the lesson in an empty folder."""
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site),
                    str(built[0])], check=True)
    shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", work)
    run_python(FIRST_LESSON, work, site)
    assert (work / "00_start_here.json").is_file()


@pytest.mark.slow
def test_a_light_installation_trains_and_predicts(tmp_path):
    run_python(LIGHT, tmp_path)
    assert any((tmp_path / "predicted").iterdir())


def test_reproducing_without_papermill_names_the_extra(monkeypatch, capsys):
    from semdepth_lite.__main__ import main
    from semdepth_lite.commands import reproduce

    monkeypatch.setattr(reproduce, "find_spec", lambda name: None)
    assert main(["reproduce"]) == 2
    assert "pip install 'semdepth-lite[course]'" in capsys.readouterr().err
