"""Depths of persons with 2D labels, by a lifting network."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from deephar.data import MPII, Subset
from deephar.data.sets.by_name import open_dataset
from deephar.data.synthetic.poses import DrawnPoses, random_joints
from deephar.data.targets import depth_mm, pose_target
from deephar.geometry import crop_affine
from deephar.inference import Predictions
from deephar.models import VARIANTS
from deephar.skeletons import convert, get_skeleton
from deephar.training import PoseStage, Recipe, Source
from deephar.training import data as training_data
from deephar.training.data import open_data
from deephar.training.lifting import Lifted, lift, train_lifting, with_lifted_depths

PELVIS, THORAX = 0, 1


@pytest.fixture(scope="module")
def network():
    return train_lifting(poses=800, epochs=20)


def error(depths, true):
    return np.abs(depths - true).mean()


def test_depths_of_new_poses_are_better_than_flat_ones(network):
    joints, true = random_joints(200, seed=9)
    depths = lift(network, joints)
    flat = error(0, true)
    assert error(depths, true) < 0.8 * flat
    # Another size and place of the person change nothing.
    np.testing.assert_allclose(lift(network, 3 * joints + 100), depths, atol=0.1)
    unknown = joints.copy()
    unknown[:, [PELVIS, THORAX]] = np.nan
    assert error(lift(network, unknown), true) < 0.85 * flat


def test_persons_without_depths_get_them(network, drawn_mpii):
    persons = Subset(MPII(drawn_mpii, "train"), range(3))
    lifted = Lifted(persons, network)
    assert (len(lifted), lifted.name, lifted.skeleton) == (3, "mpii", persons.skeleton)
    for index in range(3):
        before, after = persons[index], lifted[index]
        np.testing.assert_array_equal(after.joints, before.joints)
        assert np.isnan(after.joints_3d[:, :2]).all()
        depths = lift(network, convert(before.joints, before.skeleton, "pa16j")[None])[0]
        expected = convert(depths[:, None], "pa16j", before.skeleton)[:, 0]
        np.testing.assert_allclose(after.joints_3d[:, 2], expected, atol=0.1)


@pytest.mark.parametrize("skeleton", ["lsp14", "pa16j"])
def test_a_person_without_a_label_of_hip_or_pelvis_learns_the_other_depths(network, skeleton):
    sample = DrawnPoses("train", 1, image_size=64)[0]
    joints = convert(sample.joints, "pa16j", skeleton)
    joints[get_skeleton(skeleton).index("right_hip")] = np.nan
    if skeleton == "pa16j":
        joints[PELVIS] = np.nan
    sample = replace(sample, joints=joints, skeleton=skeleton, joints_3d=None)

    class One(list):
        name = "one"

    One.skeleton = skeleton
    depth = Lifted(One([sample]), network)[0].joints_3d[:, 2]
    affine = crop_affine(sample.center, 4 * sample.side)
    target = pose_target(joints, affine, source=skeleton, skeleton="pa16j", dim=3, depth=depth)
    labelled = target[:, 0] >= 0
    assert labelled.sum() == np.isfinite(joints[:, 0]).sum()
    np.testing.assert_array_equal(target[:, 2] >= 0, labelled)


def test_persons_with_depths_keep_them(network):
    drawn = DrawnPoses("train", 2, image_size=64)
    np.testing.assert_array_equal(Lifted(drawn, network)[1].joints_3d, drawn[1].joints_3d)


def test_recipes_lift_the_data_sets_that_say_so(network, drawn_mpii, monkeypatch):
    monkeypatch.setattr(training_data, "train_lifting", lambda: network)
    recipe = Recipe(
        network=VARIANTS["vgg16-light-64"],
        data={
            "mpii": Source("mpii", str(drawn_mpii), lifted=True),
            "plain": Source("mpii", str(drawn_mpii)),
            "drawn": Source("drawn-poses", None, {"persons": 2, "image_size": 64}),
        },
        stages=(PoseStage(shares={"mpii": 2, "plain": 1, "drawn": 1}),),
    )
    data = open_data(recipe)
    assert data.train[0].joints_3d is not None
    assert data.datasets["plain"][0].joints_3d is None
    assert data.validation[0].joints_3d is None
    assert np.isfinite(data.datasets["drawn"][0].joints_3d).all()


def test_lifting_is_not_divided_between_devices(network, drawn_mpii, monkeypatch):
    asked = []

    class Lifting:
        def predict(self, values, **options):
            asked.append(keras.distribution.distribution())
            return network.predict(values, **options)

    monkeypatch.setattr(training_data, "train_lifting", Lifting)
    recipe = Recipe(
        network=VARIANTS["vgg16-light-64"],
        data={"mpii": Source("mpii", str(drawn_mpii), lifted=True)},
        stages=(PoseStage(shares={"mpii": 2}),),
    )
    several = object()
    keras.distribution.set_distribution(several)
    try:
        open_data(recipe)
        assert keras.distribution.distribution() is several
    finally:
        keras.distribution.set_distribution(None)
    assert asked == [None]


def test_drawn_poses_have_backgrounds_of_mpii(drawn_mpii):
    options = {"persons": 2, "image_size": 64}
    dataset = open_dataset("drawn-poses", str(drawn_mpii), options=options)
    assert len(dataset) == 2
    assert dataset.name == "drawn-poses"
    assert len(dataset.dataset.photos) > 0


def test_predictions_get_the_depths_of_their_last_block(network):
    joints, _ = random_joints(3, seed=5)
    predictions = Predictions(
        joints=np.stack([joints + 50, joints]),
        visibility=np.ones((2, 3, 16)),
        names=("a", "b", "c"),
        skeleton="pa16j",
        crops_per_person=1,
    )
    lifted = with_lifted_depths(predictions, network)
    np.testing.assert_array_equal(lifted.joints, joints[None])
    np.testing.assert_allclose(depth_mm(lifted.depth), lift(network, joints)[None], atol=1e-6)
