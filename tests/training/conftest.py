"""The data of short training runs."""
from __future__ import annotations

import pytest
from factories import TinySource


@pytest.fixture(scope="module")
def source() -> TinySource:
    return TinySource(5)
