"""Persons with and without 3D labels in one batch: what the latter may teach about depth."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from networks import SMALL

from deephar.data import Batches, Frames, InMemory, InputSpec, Synthetic
from deephar.losses import PoseLoss
from deephar.models import ModelConfig, pose_model

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes gradients by TensorFlow"
)

# A single prediction block: an earlier one's depth maps are features of the next, so that x and y
# rest on them too.
TINY = ModelConfig(**SMALL)
DEPTH_LAYER = "dp1_pb1_depthmaps_conv1"


class Flat:
    """A data set of stills without its 3D labels."""

    def __init__(self, dataset):
        self.dataset, self.name, self.skeleton = dataset, "flat", dataset.skeleton

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return replace(self.dataset[index], joints_3d=None, camera=None)


def batch(**shares):
    """Images and targets of so many persons of each data set, ``deep=2, flat=2``."""
    deep = InMemory(Frames(Synthetic("train", videos=4, image_size=64, frames=1)))
    datasets = {"deep": deep, "flat": Flat(deep)}
    batches = Batches(
        {name: datasets[name] for name in shares}, shares, spec=InputSpec(64, dim=3), workers=0
    )
    images, targets = batches[0]
    return images, targets["pose"]


def gradients(model, images, targets):
    """Of the loss with respect to each layer's weights, and to the prediction."""
    import tensorflow as tf

    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        pose = model(images, training=False)["pose"]
        tape.watch(pose)
        loss = PoseLoss(visibility_weight=0.0)(targets, pose)
    *found, of_pose = tape.gradient(loss, [*weights, pose])
    paths = [weight.path for weight in model.trainable_weights]
    return {p: g.numpy() for p, g in zip(paths, found, strict=True) if g is not None}, of_pose


def of_depth(found):
    return {path: value for path, value in found.items() if path.startswith(DEPTH_LAYER)}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return pose_model(replace(TINY, dim=3, depth="regression"))


def test_persons_without_depth_give_depth_only_weights_no_gradient(model):
    found, _ = gradients(model, *batch(flat=4))
    depth = of_depth(found)
    assert depth
    for value in depth.values():
        np.testing.assert_array_equal(value, 0)
    others = [np.abs(value).max() for path, value in found.items() if path not in depth]
    assert max(others) > 0


def test_in_a_mixed_batch_depth_is_learned_from_the_others_alone(model):
    images, targets = batch(deep=2, flat=2)
    mixed = of_depth(gradients(model, images, targets)[0])
    known = (targets[..., 2] > -1e6).any(axis=-1)
    assert known.tolist() == [True, True, False, False]
    alone = of_depth(gradients(model, images[known], targets[known])[0])
    for path, value in alone.items():
        assert np.abs(value).max() > 0
        # The loss is the mean over the batch, twice as large.
        np.testing.assert_allclose(mixed[path], value / 2, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("depth", ["regression", "volumetric"])
def test_the_gradient_of_z_is_zero_where_depth_is_unknown(depth):
    keras.utils.set_random_seed(0)
    images, targets = batch(deep=2, flat=2)
    _, pose = gradients(pose_model(replace(TINY, dim=3, depth=depth)), images, targets)
    pose = pose.numpy()
    np.testing.assert_array_equal(pose[2:, ..., 2], 0)
    assert np.abs(pose[:2, ..., 2]).max() > 0
    assert np.abs(pose[2:, ..., :2]).max() > 0
