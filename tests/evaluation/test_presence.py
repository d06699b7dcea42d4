"""Telling persons from backgrounds."""

import numpy as np

from deephar.evaluation.presence import score_presence
from deephar.inference import Predictions
from deephar.inference.person import SEEN


def seen_with(*means):
    """Predictions of two blocks, of which the last counts, with these mean visibilities."""
    visibility = np.zeros((2, len(means), 16))
    visibility[1] = np.array(means)[:, None] + np.tile([0.05, -0.05], 8)
    joints = np.zeros((2, len(means), 16, 2))
    names = tuple(map(str, means))
    return Predictions(joints, visibility, names, "pa16j", crops_per_person=1)


def test_both_kinds_of_errors_are_counted_for_every_threshold():
    persons, others = seen_with(0.9, 0.6, 0.32, 0.12), seen_with(0.08, 0.42)
    low, middle, high = score_presence(persons, others, thresholds=[0.5, 0.1, 0.2])
    assert low == (0.1, 0.0, 50.0)
    assert middle == (0.2, 25.0, 50.0)
    assert high == (0.5, 50.0, 0.0)
    thresholds = [errors.threshold for errors in score_presence(persons, others)]
    assert SEEN in thresholds
    assert thresholds == sorted(set(thresholds))
