"""The course: demonstrations, exercises and their checks, explorers, the museum of failures, running notebooks."""
from __future__ import annotations

from ..common.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {})
