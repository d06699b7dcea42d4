"""Joints without jitter: the one-euro filter."""

import numpy as np
import pytest
from blobs import POSES, film

from deephar.inference import Person
from deephar.inference.smoothing import LONGEST_GAP, OneEuroFilter, Smoother

RATE = 30
SIZE = 100


def person(joints, time, *, visible=1.0, **options):
    box = np.array([0, 0, SIZE / 2, SIZE], float)
    visibility = np.full(len(joints), visible)
    options |= {"box": box, "crop": box, "skeleton": "pa16j"}
    return Person(joints=joints, visibility=visibility, time=time, **options)


def noisy(frames, speed, sigma=2.0):
    """Joints (F, 16, 2) that move to the right by `speed` pixels per second, true and seen."""
    rng = np.random.default_rng(0)
    true = rng.uniform(0, SIZE, (1, 16, 2)) + np.arange(frames)[:, None, None] / RATE * [speed, 0]
    return true, true + rng.normal(0, sigma, true.shape)


def smooth(seen):
    smoother = Smoother()
    return np.stack([smoother(person(j, n / RATE)).joints for n, j in enumerate(seen)])


def error(joints, true):
    return np.linalg.norm((joints - true)[15:], axis=-1).mean()


def test_a_person_at_rest_jitters_less():
    true, seen = noisy(90, speed=0)
    assert error(smooth(seen), true) < 0.65 * error(seen, true)


@pytest.mark.parametrize("speed", [50, 100, 300])
def test_the_lag_is_as_stated(speed):
    true, _ = noisy(150, speed)
    lag = (true - smooth(true))[-1, :, 0] / speed
    np.testing.assert_allclose(lag, 1 / (2 * np.pi * (1 + 20 * speed / SIZE)), rtol=0.15)


def test_a_limb_that_swings_is_not_trailed():
    true, seen = noisy(90, speed=0)
    swing = 0.25 * SIZE * np.sin(2 * np.pi * np.arange(90) / RATE)[:, None, None]  # at 1 Hz
    assert error(smooth(seen + swing), true + swing) < 1.1 * error(seen, true)


def test_the_first_value_of_a_filter_and_that_after_a_gap_stay():
    points = np.arange(6.0).reshape(2, 3)
    one_euro = OneEuroFilter()
    np.testing.assert_array_equal(one_euro(points, 0), points)
    assert (one_euro(points + 1, 0.1) < points + 1).all()
    np.testing.assert_array_equal(one_euro(points + 2, 0.2 + LONGEST_GAP), points + 2)


def test_a_joint_that_was_unknown_is_known_again():
    _, seen = noisy(10, speed=0)
    seen[0, 3], seen[4, 5] = np.nan, np.nan
    smoothed = smooth(seen)
    np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(seen))
    np.testing.assert_array_equal(smoothed[5, 5], seen[5, 5])


def test_each_person_is_smoothed_by_themselves():
    smoother, joints = Smoother(), np.zeros((16, 2))
    for n in range(3):
        here, there = (
            smoother(person(joints + x, n / RATE, track=track)) for track, x in ((1, 0), (2, 50))
        )
        np.testing.assert_array_equal(here.joints, joints)
        np.testing.assert_array_equal(there.joints, joints + 50)
    (back,) = (smoother(person(joints + 9, 2.0, track=1)),)  # after a gap
    np.testing.assert_array_equal(back.joints, joints + 9)


def test_frames_without_the_person_stay_as_they_are():
    smoother, joints = Smoother(), np.zeros((16, 2))
    smoother(person(joints, 0.0))
    unseen = person(joints + np.nan, 1 / RATE, visible=0.0)
    assert smoother(unseen) is unseen
    assert np.isfinite(smoother(person(joints, 2 / RATE)).joints).all()


def test_depth_is_smoothed_too():
    smoother, joints = Smoother(), np.zeros((16, 2))
    first = smoother(person(joints, 0.0, depth=np.zeros(16)))
    second = smoother(person(joints, 1 / RATE, depth=np.full(16, 90.0)))
    assert (first.depth == 0).all()
    assert ((second.depth > 5) & (second.depth < 85)).all()


def test_a_video_is_smoothed_if_asked_for(blobs):
    raw, calm = (list(blobs(POSES).stream(film(12), smooth=on)) for on in (False, True))
    np.testing.assert_array_equal(raw[0].joints, calm[0].joints)
    assert (calm[-1].joints[:, 0] < raw[-1].joints[:, 0]).all()  # it moves to the right
    np.testing.assert_allclose(calm[-1].joints, raw[-1].joints, atol=3)
    (last,) = list(blobs(POSES).track(film(12), smooth=True))[-1]
    assert (last.joints[:, 0] < raw[-1].joints[:, 0] + 0.5).all()
