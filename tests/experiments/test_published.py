"""Published numbers: every row says where it was read, and our own rows stand apart."""
from __future__ import annotations

import json

import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.experiments.published import MARKS, published_table, retraining_spread, retraining_table
from semdepth_lite.experiments.results import RESULTS

PUBLISHED = json.loads((RESULTS / "published-kitti.json").read_text(encoding="utf-8"))


def test_every_published_row_has_a_source_and_plausible_numbers():
    for row in PUBLISHED["peers"]:
        assert row["mark"] in MARKS and len(row["source"]) > 5, row["name"]
        assert 0.08 < row["metrics"]["abs_rel"] < 0.21 and 0.67 < row["metrics"]["a1"] < 0.93, row["name"]
        assert "SEEDepth" not in row["name"] and "SemDepth" not in row["name"]
        if "a3" in row["metrics"]:
            assert row["metrics"]["a1"] < row["metrics"]["a2"] < row["metrics"]["a3"] < 1


def test_our_rows_come_first_and_a_missing_number_is_a_dash():
    content = {"peers": [{"name": "theirs", "supervision": "M", "size": "640x192", "mark": "recalled",
                          "source": "there", "metrics": {"abs_rel": 0.115}}]}
    lines = published_table(content, {"kitti-mine": {"abs_rel": 0.2, "rmse": 6.0}}, ("abs_rel", "rmse")).splitlines()
    assert lines[2].startswith("| **mine** |") and lines[2].endswith("| 0.200 | 6.000 | measured here |")
    assert lines[3] == "| theirs | M | 640x192 | 0.115 | – | there **[recalled]** |"
    with pytest.raises(InputError, match="kitti-mine.json holds none of rmse"):
        published_table(content, {"kitti-mine": {"abs_rel": 0.2}}, ("rmse",))
    content["peers"][0]["mark"] = "sure"
    with pytest.raises(InputError, match="mark 'sure'"):
        published_table(content, {}, ("rmse",))


def test_retraining_tells_both_numbers():
    content = {"retrained": [
        {"name": name, "size": "640x192", "reported": {"abs_rel": before}, "retrained": {"abs_rel": after},
         "source": "x"} for name, before, after in (("a", 0.115, 0.113), ("b", 0.102, 0.105))]}
    assert retraining_table(content, ("abs_rel",)).splitlines()[2] == "| a, 640x192 | 0.115 → 0.113 | x |"
    assert retraining_spread(content) == pytest.approx(0.003)
