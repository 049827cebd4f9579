"""The experiment on real data: its list of runs, what it judges by, and a run where the data is there."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from semdepth_lite.common.contracts import InputError
from semdepth_lite.experiments import real
from semdepth_lite.experiments.results import Result


def test_every_run_has_a_file_and_every_row_three_seeds():
    trials = [*real.stereo_trials(), *real.mono_trials(), *real.street_trials()]
    assert len({trial.file for trial in trials}) == len(trials)
    rows = [(trial.name, trial.group) for trial in trials if trial.settings]
    assert all(rows.count(row) == real.SEEDS for row in rows)
    assert {trial.order for trial in trials if trial.settings is None} == {199, 209, 219}


def test_borders_of_things_leave_out_roads_and_what_has_no_label():
    labels = torch.full((1, 8, 12), 0)
    labels[:, :, 4:] = 1           # road and sidewalk: no edge of depth
    labels[:, 2:6, 8:] = 13        # a car
    labels[:, :, 11] = 255         # nobody knows
    borders = real.thing_borders(labels)[0]
    assert not borders[:, :7].any() and not borders[:, 11].any()
    assert borders[3, 7] and borders[3, 8] and borders[1, 9] and borders[2, 9] and not borders[4, 9]


def test_a_folder_without_either_clip_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds neither camvid_clip nor kitti_raw"):
        real.run_real(tmp_path)


@pytest.mark.skipif("SEMDEPTH_REAL_DATA" not in os.environ, reason="needs the folder of real data")
@pytest.mark.parametrize("name, metric", [("stereo", "band_abs_rel"), ("video", "band_abs_rel"),
                                          ("street", "border_recall")])
def test_a_short_run_leaves_numbers_alone(tmp_path, name, metric):
    clip = real.CLIPS[name][1](Path(os.environ["SEMDEPTH_REAL_DATA"]), tmp_path)
    trivial, trial = clip.trials[0], clip.trials[2]
    trial = replace(trial, settings=replace(trial.settings, steps=1, batch=1))
    assert real.execute_real(trivial, clip, tmp_path, tmp_path).settings is None
    real.execute_real(trial, clip, tmp_path, tmp_path)
    found = Result.load(trial.path(tmp_path))
    assert metric in found.metrics and len(found.values[metric]) == len(clip.judged)
