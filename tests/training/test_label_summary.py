"""What labels have to teach: classes that are counted, parts that find nothing in them, and ids that are doubtful."""
from __future__ import annotations

import numpy as np
import pytest

from semdepth_lite.common.contracts import InputError
from semdepth_lite.training.label_summary import check_guidance, idle_parts, summarize_labels
from semdepth_lite.variants import find_variant

ROAD, BUILDING, SKY, CAR, OTHER, NONE = 0, 2, 10, 13, 19, 255


def street(height: int = 64, width: int = 96) -> np.ndarray:
    """Sky over a building, road below, a car before the building."""
    labels = np.full((height, width), BUILDING, np.uint8)
    labels[:16], labels[48:] = SKY, ROAD
    labels[24:40, 30:60] = CAR
    return labels


def test_classes_are_counted():
    summary = summarize_labels([street(), street()])
    assert summary.images == 2 and summary.labeled == 1 and summary.counts[CAR] == 2 * 16 * 30
    assert "road 25.0%" in summary.text() and "car 7.8%" in summary.text() and "no label 0.0%" in summary.text()
    # both sides of the two lines across, and of the car's outline
    assert summary.borders * 64 * 96 == 4 * 96 + 2 * (2 * 16 + 2 * 30) - 4
    assert summary.anchors == 2 * (2 * 16 + 2 * 30) - 4 and summary.ranked == 2


@pytest.mark.parametrize("variant", ["multitask", "ssfa", "seedepth", "semdepth", "ssfa_labels", "ranking"])
def test_good_labels_leave_no_part_idle(variant):
    assert check_guidance(summarize_labels([street()]), find_variant(variant)) == []


@pytest.mark.parametrize("variant", ["multitask", "attention", "seedepth", "ranking", "ssfa", "seem"])
def test_labels_without_a_negative_are_refused(variant):
    """What the six classes of Pascal VOC gave before background was one: a car here and there, and 255."""
    labels = np.full((64, 96), NONE, np.uint8)
    labels[24:40, 30:60] = CAR
    with pytest.raises(InputError, match="these labels cannot guide this variant: nothing is learned by"):
        check_guidance(summarize_labels([labels]), find_variant(variant))


def test_background_guides_the_branch_and_every_border_of_a_thing():
    labels = np.full((64, 96), OTHER, np.uint8)
    labels[24:40, 30:60] = CAR
    for variant in ("multitask", "attention", "seedepth"):
        assert check_guidance(summarize_labels([labels]), find_variant(variant)) == []
    plain, wide = find_variant("ranking"), find_variant("ranking", {"ranking.against": "rest"})
    assert "ranking.against=rest" in idle_parts(summarize_labels([labels], plain.ranking), plain)[0]
    assert idle_parts(summarize_labels([labels], wide.ranking), wide) == []


def test_ids_of_other_data_sets_are_doubted():
    camvid = np.full((64, 96), 1, np.uint8)
    camvid[:20], camvid[44:] = 0, 3  # sky above, road below
    assert "--convert camvid" in summarize_labels([camvid]).doubt()
    assert not summarize_labels([street()]).doubt()
    mostly_void = np.where(np.arange(64)[:, None] < 60, NONE, ROAD).astype(np.uint8).repeat(8, 1)
    assert "trainIds read as labelIds" in summarize_labels([mostly_void]).text()


def test_no_map_is_refused():
    with pytest.raises(InputError, match="no label map"):
        summarize_labels([])
