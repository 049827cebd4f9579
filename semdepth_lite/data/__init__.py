"""Where triplets come from: the street, KITTI, your own frames."""
from __future__ import annotations

from ..common.lazy import lazy_names

_HOMES = {
    "Triplet": "triplet", "Source": "sources", "StreetSource": "sources", "street_source": "sources",
    "triplet_of": "sources", "batches": "sources", "DataOptions": "by_name", "open_data": "by_name",
    "truth_batches": "by_name", "ArraySource": "adapters", "DatasetSource": "adapters",
}
__all__ = list(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
