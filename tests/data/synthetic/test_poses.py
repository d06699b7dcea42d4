"""Drawn persons in random poses."""

import numpy as np
import pytest

from deephar.data import MPII
from deephar.data.backgrounds import backgrounds
from deephar.data.synthetic.body import SIDES, Body
from deephar.data.synthetic.poses import DrawnPoses, random_figure, random_joints


@pytest.fixture(scope="module")
def poses():
    return DrawnPoses("train", 12, image_size=64)


def test_pictures_have_exact_labels(poses):
    for index in range(len(poses)):
        sample = poses[index]
        assert sample.image.shape == (64, 64, 3)
        assert sample.image.dtype == np.uint8
        projected = sample.camera.project(sample.joints_3d)
        np.testing.assert_allclose(projected, sample.joints, atol=1e-9, rtol=0)
        assert 0 < sample.visible.sum() <= 16
        assert (sample.joints > -64).all()
        assert (sample.joints < 128).all()


def test_pictures_follow_from_seed_split_and_number(poses):
    again = DrawnPoses("train", 12, image_size=64)
    np.testing.assert_array_equal(again[5].image, poses[5].image)
    np.testing.assert_array_equal(again[5].joints_3d, poses[5].joints_3d)
    others = [DrawnPoses("test", 12, image_size=64), DrawnPoses("train", 12, seed=1)]
    for other in others:
        assert not np.allclose(other[5].joints_3d, poses[5].joints_3d)
    assert len({poses[index].name for index in range(12)}) == 12
    np.testing.assert_array_equal(poses[-1].joints, poses[11].joints)
    with pytest.raises(IndexError, match="has no picture 12"):
        poses[12]


def test_photos_are_behind_most_persons(drawn_mpii):
    photos = backgrounds(MPII(drawn_mpii, "train"))
    assert photos
    with_photos = DrawnPoses("train", 8, image_size=64, photos=photos)
    without = DrawnPoses("train", 8, image_size=64)
    same = []
    for index in range(8):
        np.testing.assert_array_equal(with_photos[index].joints, without[index].joints)
        same.append(np.array_equal(with_photos[index].image, without[index].image))
    assert sum(same) < 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "all"}, "has the splits train, validation, test, not 'all'"),
        ({"persons": 0}, "needs `persons` to be a whole number from 1"),
        ({"image_size": 8.5}, "needs `image_size` to be a whole number from 32"),
        ({"seed": -1}, "needs `seed` to be a whole number from 0"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DrawnPoses(**options)


def test_bodies_keep_their_lengths_and_stay_above_the_floor():
    body = Body.average()
    pitches = []
    for seed in range(200):
        points = random_figure(body, np.random.default_rng(seed)).points
        for side in SIDES:
            for start, end, length in (("knee", "ankle", "shank"), ("elbow", "wrist", "forearm")):
                bone = points[f"{side}_{end}"][0] - points[f"{side}_{start}"][0]
                assert np.linalg.norm(bone) == pytest.approx(body.lengths[length])
        assert min(point[0, 2] for point in points.values()) == pytest.approx(40)
        trunk = points["thorax"][0] - points["pelvis"][0]
        pitches.append(trunk[2] / np.linalg.norm(trunk))
    assert min(pitches) < -0.5  # upside down
    assert np.mean(np.array(pitches) > 0.7) > 0.4  # upright


def test_joints_without_pictures_are_those_of_cameras_at_all_sides():
    joints, depths = random_joints(300, seed=3)
    assert joints.shape == (300, 16, 2)
    assert np.isfinite(joints).all()
    assert (depths[:, 0] == 0).all()
    assert np.abs(depths).max() < 1500
    right_hip_behind = (depths[:, 10] > depths[:, 11]).mean()
    assert 0.4 < right_hip_behind < 0.6
    np.testing.assert_array_equal(random_joints(2, seed=3)[0], joints[:2])
