"""Depths of persons with 2D labels, as a lifting network guesses them.

No picture in the wild has 3D labels. A small network learns from random poses how deep joints are
that look as they do from a camera. What it says of labelled joints then trains the pose network on
the pictures, which show more than the joints.

J. Martinez, R. Hossain, J. Romero, J. Little, "A Simple yet Effective Baseline for 3D Human Pose
Estimation", ICCV 2017.
"""

from dataclasses import replace

import keras
import numpy as np
from keras import layers

from deephar.data.samples import Dataset, Sample, Subset
from deephar.data.synthetic.poses import DrawnPoses, random_joints
from deephar.data.targets import DEPTH_RANGE
from deephar.inference.poses import Predictions
from deephar.skeletons import convert, get_skeleton

_SKELETON = get_skeleton(DrawnPoses.skeleton)
_POSES, _EPOCHS, _BATCH = 20_000, 30, 128
_UNIT = 300.0  # mm; depths in this unit are about 1
_NOISE = 0.015  # of labels, as a part of the longer side of the box around them
_LOST = 0.05  # how often a joint has no label
_NOT_IN_LSP = ("pelvis", "thorax")


def train_lifting(*, poses: int = _POSES, epochs: int = _EPOCHS, seed: int = 0) -> keras.Model:
    """Trains a lifting network on random poses; takes two minutes on 2 CPU cores.

    Args:
        poses: number of random poses.
        epochs: how often each is seen.
        seed: seed of all random choices.

    Returns:
        A network for `lift`.
    """
    joints, depths = random_joints(poses, seed)
    keras.utils.set_random_seed(seed)
    values = keras.Input((3 * _SKELETON.num_joints,))
    x = layers.Dense(512, "relu")(values)
    for _ in range(2):
        y = layers.Dropout(0.1)(layers.Dense(512, "relu")(x))
        x = layers.Add()([x, layers.Dense(512, "relu")(y)])
    network = keras.Model(values, layers.Dense(_SKELETON.num_joints)(x), name="lifting")
    batches = _Batches(joints, depths, seed)
    rate = keras.optimizers.schedules.CosineDecay(0.001, epochs * len(batches))
    network.compile(keras.optimizers.Adam(rate), "mean_absolute_error")
    network.fit(batches, epochs=epochs, verbose=0, shuffle=False)
    return network


def lift(network: keras.Model, joints: np.ndarray) -> np.ndarray:
    """Depths of labelled joints.

    Args:
        network: from `train_lifting`.
        joints: (N, 16, 2), pixels, in the order of pa16j; NaN where unknown.

    Returns:
        float64 (N, 16), mm behind the pelvis, also of joints that are unknown.
    """
    return _UNIT * network.predict(_values(joints), verbose=0).astype(float)


def with_lifted_depths(predictions: Predictions, network: keras.Model) -> Predictions:
    """The x and y of predictions, with the depths of a lifting network.

    Args:
        predictions: of a 2D or 3D network; the last block is taken.
        network: from `train_lifting`.
    """
    joints = convert(predictions.joints[-1], predictions.skeleton, _SKELETON)
    depths = convert(lift(network, joints)[..., None], _SKELETON, predictions.skeleton)
    return replace(
        predictions,
        joints=predictions.joints[-1:],
        visibility=predictions.visibility[-1:],
        depth=depths[None, ..., 0] / DEPTH_RANGE + 0.5,
    )


class Lifted(Subset):
    """A data set of stills whose persons have depths by a lifting network, if they have none.

    Only z of `Sample.joints_3d` is known, but also of joints without a label: depths count from the
    pelvis or the hips.

    Args:
        dataset: a data set of stills.
        network: from `train_lifting`.
    """

    def __init__(self, dataset: Dataset, network: keras.Model):
        super().__init__(dataset, range(len(dataset)))
        joints = [
            convert(dataset[index].joints, dataset.skeleton, _SKELETON)
            for index in range(len(dataset))
        ]
        depths = lift(network, np.stack(joints))
        self._depths = convert(depths[..., None], _SKELETON, dataset.skeleton)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        if sample.joints_3d is not None:
            return sample
        unknown = np.full_like(sample.joints, np.nan)
        return replace(sample, joints_3d=np.concatenate([unknown, self._depths[index]], axis=-1))


class _Batches(keras.utils.PyDataset):
    """Random poses with noise, and without some joints."""

    def __init__(self, joints, depths, seed):
        super().__init__()
        self._joints, self._depths = joints, depths
        self._rng = np.random.default_rng(seed)

    def __len__(self):
        return len(self._joints) // _BATCH

    def __getitem__(self, index):
        rng = self._rng
        chosen = rng.integers(len(self._joints), size=_BATCH)
        joints = self._joints[chosen]
        extent = np.ptp(joints, axis=1).max(axis=-1)[:, None, None]
        joints = joints + _NOISE * extent * rng.normal(size=joints.shape)
        lost = rng.random(joints.shape[:2]) < _LOST
        as_in_lsp = rng.random(_BATCH) < 0.5
        for name in _NOT_IN_LSP:
            lost[as_in_lsp, _SKELETON.index(name)] = True
        joints[lost] = np.nan
        return _values(joints), (self._depths[chosen] / _UNIT).astype(np.float32)


def _values(joints):
    """What the network sees: x, y in the box around the joints and whether they are known."""
    known = ~np.isnan(joints).any(axis=-1, keepdims=True)
    low, high = np.nanmin(joints, axis=1, keepdims=True), np.nanmax(joints, axis=1, keepdims=True)
    extent = np.maximum((high - low).max(axis=-1, keepdims=True), 1.0)
    places = np.where(known, (joints - (low + high) / 2) / extent, 0.0)
    values = np.concatenate([places, known], axis=-1)
    return values.reshape(len(joints), -1).astype(np.float32)
