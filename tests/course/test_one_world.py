"""Two frames in one world: what stands falls on itself, what moved does not."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from semdepth_lite.classes import TRAIN_ID
from semdepth_lite.course import one_world
from semdepth_lite.street import render_frame
from semdepth_lite.street.render import Frame

K = np.array(((20.0, 0, 15.5), (0, 20.0, 7.5), (0, 0, 1)))


def plane(depth: float, ahead: float) -> Frame:
    """A wall of houses across the road, seen from a camera that has driven `ahead` meters."""
    pose = np.eye(4)
    pose[2, 3] = ahead
    shape = 16, 32
    return Frame(np.zeros((*shape, 3), np.uint8), np.full(shape, depth, np.float32),
                 np.full(shape, TRAIN_ID["building"], np.uint8), np.zeros(shape, bool), K, pose)


def test_a_wall_that_stands_is_at_its_place_and_one_that_drives_along_is_not():
    assert one_world.share_gone(plane(20, 0), plane(17, 3)) == {"houses": 0.0}
    assert one_world.share_gone(plane(20, 0), plane(20, 3)) == {"houses": 100.0}
    assert one_world.share_gone(plane(20, 0), plane(0, 3)) == {"houses": 100.0}  # only sky is left there
    assert one_world.share_gone(plane(20, 0), plane(5, 3)) == {}  # something nearer hides the place: nobody knows


def test_only_movers_have_gone_from_a_street():
    frames = [render_frame(8, index, 96, 320) for index in (0, 6)]
    gone = one_world.share_gone(*frames)
    assert gone["what moved by itself"] > 50 and max(gone["parked cars"], gone["houses"]) < 5
    assert one_world.share_gone(frames[0], frames[0]) == dict.fromkeys(gone, 0.0)


def test_clouds_come_together_in_one_world():
    first, last = plane(20, 0), replace(plane(17, 3), labels=np.full((16, 32), TRAIN_ID["road"], np.uint8))
    points, colors = one_world.clouds(first, plane(17, 3), True)
    assert torch.allclose(points[:, 2], torch.tensor(20.0)) and len(points) == len(colors)
    apart, _ = one_world.clouds(first, plane(17, 3), False)
    assert sorted(set(apart[:, 2].tolist())) == [17.0, 20.0]
    alone, paint = one_world.clouds(first, last, True)  # the ground is left out
    assert 0 < len(alone) == len(paint) < len(points)
    assert set(map(tuple, paint.tolist())) == {one_world.COLORS[0]}


def test_the_picture_shows_nothing_high_above_the_camera():
    points, _ = one_world.clouds(render_frame(8, 0, 48, 160), render_frame(8, 6, 48, 160), True)
    assert float(points[:, 1].min()) > one_world.LOW
