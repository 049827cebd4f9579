"""The folder of KITTI that tests of sources share."""
from __future__ import annotations

from pathlib import Path

import pytest
from kitti_files import make_raw


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A little KITTI raw, made anew for each test."""
    return make_raw(tmp_path / "kitti")
