import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy

from deephar.losses import (
    ActionLoss,
    PoseLoss,
    elastic_net,
    heat_map_cross_entropy,
    visibility_cross_entropy,
)
from deephar.skeletons import UNSUPERVISED

CASES = ["image2d", "image3d", "clip2d", "clip3d"]


def targets(true):
    """The reference's targets; it takes every coordinate <= 0 for invalid, we only -1e9."""
    return np.where(true > 0, true, UNSUPERVISED)


@pytest.mark.parametrize("case", CASES)
def test_elastic_net_agrees_with_the_reference(golden, case):
    reference = golden("fn_pose_losses")
    true, predicted = reference[f"{case}_true"][..., :-1], reference[f"{case}_pred"][..., :-1]
    ours = np.asarray(elastic_net(targets(true), predicted))
    # The reference divides by the number of valid coordinates, eq. 3 by that of joints.
    valid = true > 0
    per_coordinate = valid.sum((-2, -1)).clip(1) / valid.any(-1).sum(-1).clip(1)
    np.testing.assert_allclose(ours, reference[f"{case}_l1l2"] * per_coordinate, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_pose_loss_agrees_with_the_reference(golden, case):
    reference = golden("fn_pose_losses")
    true, predicted = reference[f"{case}_true"], reference[f"{case}_pred"]
    # full = pose term over the coordinates + w * visibility term, here told apart by two weights.
    small, large = reference[f"{case}_full_l1l2_w0.01"], reference[f"{case}_full_l1l2_w0.5"]
    reference_visibility = (large - small) / 0.49
    reference_position = small - 0.01 * reference_visibility

    coordinates = targets(true[..., :-1])
    valid = coordinates > 0
    factor = valid.sum((-2, -1)).clip(1) / valid.any(-1).sum(-1).clip(1)
    position = np.asarray(elastic_net(coordinates, predicted[..., :-1])) / factor
    visibility = np.asarray(visibility_cross_entropy(true[..., -1], predicted[..., -1]))
    if case.startswith("clip"):
        position, visibility = position.mean(-1), visibility.mean(-1)
    np.testing.assert_allclose(position, reference_position, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(visibility, reference_visibility, atol=1e-5, rtol=1e-4)


def test_loss_sums_over_blocks_and_averages_over_samples_and_frames():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.1, 0.9, (2, 3, 5, 3)).astype("float32")
    predicted = rng.uniform(0.1, 0.9, (2, 3, 4, 5, 3)).astype("float32")
    whole = float(PoseLoss()(true, predicted))
    blocks = [float(PoseLoss()(true, predicted[:, :, [block]])) for block in range(4)]
    assert whole == pytest.approx(sum(blocks), rel=1e-5)
    frames = [float(PoseLoss()(true[:, t], predicted[:, t])) for t in range(3)]
    assert whole == pytest.approx(np.mean(frames), rel=1e-5)


def gaussian(x, y, size=9, spread=1.0):
    """A heat map (1, size, size, 1) around a position of the grid from 0 to size - 1."""
    grid = np.arange(size)
    squares = (grid[:, None] - y) ** 2 + (grid[None] - x) ** 2
    mass = np.exp(-squares / (2 * spread**2))
    return (mass / mass.sum())[None, :, :, None].astype(np.float32)


def test_heat_maps_are_best_as_a_gaussian_at_the_joint():
    true = np.array([[[3 / 8, 5 / 8]]], np.float32)
    at_joint = gaussian(3, 5)
    entropy = -np.sum(at_joint * np.log(at_joint + 1e-6))
    assert float(heat_map_cross_entropy(true, at_joint)[0]) == pytest.approx(entropy, rel=1e-4)
    # The mean of two maxima is at the joint, too: the pose loss cannot tell it from one.
    two = (gaussian(1, 5) + gaussian(5, 5)) / 2
    others = [gaussian(4, 5), gaussian(3, 4), gaussian(3, 5, spread=2.0), two]
    assert all(float(heat_map_cross_entropy(true, m)[0]) > entropy + 0.1 for m in others)


def test_heat_maps_of_joints_that_are_not_supervised_do_not_count():
    rng = np.random.default_rng(0)
    maps = rng.uniform(size=(2, 4, 4, 3)).astype(np.float32)
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    true = rng.uniform(size=(2, 3, 2)).astype(np.float32)
    true[0], true[1, 2] = UNSUPERVISED, UNSUPERVISED
    losses = convert_to_numpy(heat_map_cross_entropy(true, maps))
    assert losses[0] == 0
    known = convert_to_numpy(heat_map_cross_entropy(true[1:, :2], maps[1:, ..., :2]))
    assert losses[1] == pytest.approx(known[0], rel=1e-5)


def test_nan_of_a_joint_that_is_not_supervised_does_not_reach_the_loss():
    maps = np.full((1, 4, 4, 2), 1 / 16, np.float32)
    maps[..., 1] = np.nan
    true = np.array([[[0.5, 0.5], [UNSUPERVISED, UNSUPERVISED]]], np.float32)
    assert np.isfinite(float(heat_map_cross_entropy(true, maps)[0]))


def test_a_confident_heat_map_at_another_place_has_a_finite_loss():
    maps = np.zeros((1, 5, 5, 1), np.float32)
    maps[0, 0, 0] = 1
    loss = float(heat_map_cross_entropy(np.ones((1, 1, 2), np.float32), maps)[0])
    assert 10 < loss < 14


def test_a_joint_on_the_border_of_the_crop_is_supervised():
    true = np.array([[[0.0, 0.5]]], "float32")
    assert float(elastic_net(true, true + 0.1)[0]) == pytest.approx(0.2 + 0.02, rel=1e-5)


def test_a_target_without_depth_trains_x_and_y_only():
    true = np.array([[[0.2, 0.3, UNSUPERVISED, 1.0]]], "float32")
    predicted = np.array([[[[0.2, 0.3, 0.9, 1.0]]]], "float32")
    assert float(PoseLoss()(true, predicted)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("supervised", [False, True])
def test_gradients_are_finite(dtype, supervised):
    """Without any supervised joint, and for predictions of exactly 0 and 1."""
    true = np.full((2, 4, 3), UNSUPERVISED, "float32")
    if supervised:
        true[:, 0] = [[0.5, 0.5, 1.0], [0.0, 1.0, 0.0]]
    gradient = loss_gradient(true, np.array([0.0, 1.0, 0.5, 1.0]).reshape(4, 1), dtype)
    assert np.isfinite(gradient).all()
    assert supervised == bool(np.any(gradient))


def loss_gradient(true, values, dtype):
    """Gradient of the loss in a variable that holds one prediction block for every sample."""
    inputs = keras.Input((1,), dtype=dtype)
    dense = keras.layers.Dense(12, use_bias=False, dtype=dtype)
    model = keras.Model(inputs, keras.layers.Reshape((1, 4, 3), dtype=dtype)(dense(inputs)))
    start = np.broadcast_to(values, (4, 3)).reshape(1, 12)
    dense.set_weights([start])
    model.compile(keras.optimizers.SGD(1.0), PoseLoss())
    model.train_on_batch(np.ones((len(true), 1)), true)
    return start - convert_to_numpy(ops.cast(dense.kernel, "float32"))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes gradients by TensorFlow")
@pytest.mark.parametrize("case", ["image2d", "image3d"])
def test_gradient_agrees_with_the_reference(golden, case):
    import tensorflow as tf

    reference = golden("fn_pose_losses")
    true = reference[f"{case}_true"]
    predicted = tf.constant(reference[f"{case}_pred"][:, None])
    target = true.copy()
    target[..., :-1] = targets(true[..., :-1])
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        loss = tf.reduce_sum(PoseLoss().call(tf.constant(target), predicted))
    ours = tape.gradient(loss, predicted)[:, 0].numpy()

    expected = reference[f"{case}_grad_l1l2_w0.01"].copy()
    valid = true[..., :-1] > 0
    factor = valid.sum((-2, -1)).clip(1) / valid.any(-1).sum(-1).clip(1)
    expected[..., :-1] *= factor[:, None, None]
    saturated = np.abs(reference[f"{case}_pred"][..., -1] - 0.5) > 0.499  # clipped: no gradient
    np.testing.assert_allclose(ours[..., :-1], expected[..., :-1], atol=1e-5)
    np.testing.assert_allclose(ours[~saturated][:, -1], expected[~saturated][:, -1], atol=1e-5)


def test_action_loss_is_the_cross_entropy_summed_over_the_blocks():
    predicted = np.array([[[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]]], np.float32)
    true = np.array([[0, 1, 0]], np.float32)
    loss = float(ActionLoss()(true, predicted))
    assert loss == pytest.approx(-np.log(0.2) - np.log(0.25), rel=1e-5)
    smoothed = float(ActionLoss(0.3)(true, predicted))
    target = np.array([0.1, 0.8, 0.1])
    assert smoothed == pytest.approx(-(target * np.log(predicted[0])).sum(), rel=1e-5)
    assert np.isfinite(float(ActionLoss()(true, np.array([[[1.0, 0.0, 0.0]]], np.float32))))
