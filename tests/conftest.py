"""What every test shares: one thread, repeatable hypothesis runs, a canvas without a window, and the real data."""
from __future__ import annotations

import os
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


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same seed, whatever ran before it."""
    from semdepth_lite.common import seed_everything

    seed_everything(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with a little real KITTI; tests that ask for it are skipped where it is absent."""
    named = os.environ.get("SEMDEPTH_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "real"
    if not (folder / "kitti_raw").is_dir():
        pytest.skip("no real KITTI frames here; set SEMDEPTH_REAL_DATA to a folder that holds kitti_raw")
    return folder
