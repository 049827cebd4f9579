"""Triplets: flips that keep camera and motion right, color jitter against a loop, shares of a batch."""
from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from factories import TinySource, scene_triplet
from hypothesis import given
from hypothesis import strategies as st

from semdepth_lite.camera import flip_intrinsics
from semdepth_lite.data.augmentation import augment, draw_augmentation, flip, jitter
from semdepth_lite.data.triplet import Triplet
from semdepth_lite.warp import warp


def full_triplet(batch: int = 3, height: int = 6, width: int = 8) -> Triplet:
    """A batch with every optional field."""
    plain = TinySource(batch, height, width).triplet(list(range(batch)))
    return replace(plain, labels=torch.randint(0, 19, (batch, height, width), dtype=torch.uint8),
                   semantics=torch.randint(0, 255, (batch, 3, height, width), dtype=torch.uint8),
                   moving=torch.rand(batch, height, width) < 0.5)


def tensors(triplet: Triplet) -> dict[str, torch.Tensor]:
    found = {f.name: getattr(triplet, f.name) for f in fields(triplet)}
    assert all(value is not None for value in found.values())
    return found


# Flips

@pytest.mark.slow
@given(st.lists(st.booleans(), min_size=1, max_size=4))
def test_a_flip_twice_is_none(mask):
    batch, mask = full_triplet(len(mask)), torch.tensor(mask)
    twice = tensors(flip(flip(batch, mask), mask))
    for name, value in tensors(batch).items():
        assert twice[name].dtype == value.dtype
        assert torch.allclose(twice[name].double(), value.double(), atol=1e-5), name


def test_a_flip_changes_the_marked_items_alone_and_each_field_in_its_way():
    batch = full_triplet(3)
    found, before = tensors(flip(batch, torch.tensor([False, True, False]))), tensors(batch)
    for name, value in before.items():
        assert torch.equal(found[name][::2], value[::2]), name
    for name in ("target", "sources", "target_aug", "sources_aug", "depth", "labels", "semantics", "moving"):
        assert torch.equal(found[name][1], before[name][1].flip(-1)), name
    assert torch.equal(found["K"][1], flip_intrinsics(before["K"][1], 8))
    assert found["K"][1, 0, 2] == pytest.approx(7 - before["K"][1, 0, 2].item())
    mirror = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
    assert torch.allclose(found["T_source_target"][1], mirror @ before["T_source_target"][1] @ mirror)
    assert torch.equal(found["index"], before["index"])


def test_a_flipped_triplet_is_still_a_true_view_of_its_scene():
    """With the flipped depth, motion and camera the flipped sources paint the flipped target."""
    scene = scene_triplet(64, 96, pole=False)
    other = flip(scene, torch.tensor([True]))
    for s in range(2):
        warped, valid = warp(other.sources[:, s], other.depth, other.T_source_target[:, s], other.K)
        assert (warped - other.target).abs()[valid.expand_as(warped)].mean() < 0.005


def test_a_flip_works_without_truth():
    plain = Triplet(torch.rand(2, 3, 4, 6), torch.rand(2, 2, 3, 4, 6), torch.eye(3).expand(2, 3, 3))
    flipped = flip(plain, torch.tensor([True, True]))
    assert flipped.depth is None and flipped.labels is None and flipped.T_source_target is None
    assert torch.equal(flipped.target, plain.target.flip(-1)) and len(flipped) == 2


# Jitter

def test_jitter_equals_a_loop_over_pixels():
    batch = full_triplet(2, 3, 4)
    color = torch.tensor([[1.15, 0.85, 1.2], [0.8, 1.2, 0.8]])
    done = jitter(batch, color)
    for b in range(2):
        brightness, contrast, saturation = color[b].tolist()
        frames = torch.cat((batch.target[b][None], batch.sources[b]))
        mean = frames.mean()
        got = torch.cat((done.target_aug[b][None], done.sources_aug[b]))
        for s in range(3):
            for i in range(3):
                for j in range(4):
                    pixel = frames[s, :, i, j]
                    gray = pixel.mean()
                    saturated = gray + saturation * (pixel - gray)
                    expected = (brightness * (mean + contrast * (saturated - mean))).clamp(0, 1)
                    assert torch.allclose(got[s, :, i, j], expected, atol=1e-6)


def test_all_frames_of_an_item_are_jittered_alike_and_items_differ():
    same = torch.rand(1, 3, 5, 6).expand(2, 3, 5, 6)
    batch = Triplet(same, same[:, None].expand(2, 2, 3, 5, 6), torch.eye(3).expand(2, 3, 3))
    done = jitter(batch, torch.tensor([[1.2, 0.9, 1.1], [0.9, 1.1, 1.2]]))
    for s in range(2):
        assert torch.equal(done.sources_aug[:, s], done.target_aug)
    assert (done.target_aug[0] - done.target_aug[1]).abs().max() > 0.01


def test_jitter_leaves_what_the_loss_sees():
    batch = full_triplet(2)
    kept = {name: value.clone() for name, value in tensors(batch).items()}
    done = tensors(jitter(batch, torch.tensor([[1.2, 0.9, 1.1], [0.9, 1.1, 1.2]])))
    for name, value in kept.items():
        changed = name in ("target_aug", "sources_aug")
        assert torch.equal(done[name], value) != changed, name
        assert torch.equal(getattr(batch, name), value), name
    assert 0 <= done["target_aug"].min() and done["target_aug"].max() <= 1


def test_factors_of_one_change_nothing():
    batch = full_triplet(2)
    assert torch.equal(jitter(batch, torch.ones(2, 3)).target_aug, batch.target)


# What is drawn

def test_augmentation_follows_from_the_generator_and_has_its_shares():
    drawn = [draw_augmentation(4000, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0].mirrored, drawn[1].mirrored) and torch.equal(drawn[0].color, drawn[1].color)
    assert not torch.equal(drawn[0].color, drawn[2].color)
    assert 0.45 < drawn[0].mirrored.float().mean() < 0.55
    plain = (drawn[0].color == 1).all(1)
    assert 0.45 < plain.float().mean() < 0.55
    jittered = drawn[0].color[~plain]
    assert 0.8 <= jittered.min() < 0.82 and 1.18 < jittered.max() <= 1.2


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_the_shares_of_all_processes_are_the_batch(count, each, seed):
    drawn = draw_augmentation(count * each, torch.Generator().manual_seed(seed))
    parts = [drawn.part(rank, count) for rank in range(count)]
    for name in ("mirrored", "color"):
        whole = getattr(drawn, name)
        assert all(len(getattr(part, name)) == each for part in parts)
        assert torch.equal(torch.stack([getattr(part, name) for part in parts], 1).flatten(0, 1), whole)


def test_augmenting_shares_equals_sharing_the_augmented():
    batch = full_triplet(4)
    drawn = draw_augmentation(4, torch.Generator().manual_seed(3))
    whole = tensors(augment(batch, drawn))
    for rank in range(2):
        share = Triplet(**{name: value[rank::2] for name, value in tensors(batch).items()
                           if not name.endswith("_aug")})
        for name, value in tensors(augment(share, drawn.part(rank, 2))).items():
            assert torch.allclose(value.double(), whole[name][rank::2].double(), atol=1e-6), name


# Moving

def test_moving_to_a_device_keeps_values_and_what_is_shared():
    batch = full_triplet(2)
    moved = batch.to(torch.device("cpu"))
    for name, value in tensors(batch).items():
        assert torch.equal(getattr(moved, name), value)
    assert moved.target_aug is moved.target and moved.sources_aug is moved.sources
    jittered = jitter(batch, torch.full((2, 3), 0.9))
    assert torch.equal(jittered.to(torch.device("cpu")).target_aug, jittered.target_aug)


def test_only_one_copy_goes_to_another_device():
    moved = full_triplet(2).to(torch.device("meta"))
    assert moved.target_aug is moved.target and all(value.device.type == "meta" for value in tensors(moved).values())
