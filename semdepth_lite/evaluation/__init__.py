"""Judging a model: protocol, reports, baselines, significance, prediction, camera paths."""
