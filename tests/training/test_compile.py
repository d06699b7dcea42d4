"""What a stage trains, and how: frozen layers, learning rates, losses."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops
from networks import SMALL

from deephar.layers import PeakWindow, TimeDistributed
from deephar.losses import heat_map_cross_entropy
from deephar.models import (
    ModelConfig,
    ReceptionConfig,
    frame_view,
    multitask_model,
    pose_model,
    reception_net,
)
from deephar.training.compile import (
    HeatMapTraining,
    compile_action,
    compile_pose,
    freeze_stem,
    set_pose_trainable,
    set_statistics,
)
from deephar.training.settings import ActionTraining, PoseTraining

TINY = ModelConfig(**{**SMALL, "stem": "vgg16"})


def test_there_are_blocks_to_freeze_in_a_vgg_stem_only():
    model = pose_model(TINY)
    freeze_stem(model, 2)
    assert [layer.name for layer in model.layers if not layer.trainable and layer.weights] == [
        "block1_conv1",
        "block1_conv2",
        "block2_conv1",
        "block2_conv2",
    ]
    other = pose_model(replace(TINY, stem="residual", stem_features=12))
    freeze_stem(other, 0)
    with pytest.raises(ValueError, match="freeze_stem=1 is for the blocks of a VGG-16 stem"):
        freeze_stem(other, 1)


def crops_and_poses(count=2):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (count, 64, 64, 3)).astype(np.float32)
    return images, {"pose": rng.uniform(0, 1, (count, 16, 3)).astype(np.float32)}


@pytest.mark.parametrize("stem_stride", [8, 4])
def test_heat_maps_of_every_block_add_to_the_loss(stem_stride):
    config = replace(TINY, stem_stride=stem_stride, num_pyramids=2)
    model = pose_model(config)
    images, targets = crops_and_poses()
    # At inference, as the statistics of batch norm would differ otherwise.
    names = ["dp1_pb1_probmaps", "up2_pb0_probmaps"]
    maps = keras.Model(model.input, [model.get_layer(name).output for name in names])
    expected = sum(
        float(ops.mean(heat_map_cross_entropy(targets["pose"][..., :2], probabilities)))
        for probabilities in maps.predict(images, verbose=0)
    )
    losses = {}
    for weight in (0.0, 0.5):
        trainer = compile_pose(model, PoseTraining(heat_map_weight=weight), steps=1)
        trainer.run_eagerly = True  # a single step is faster than its graph is made
        losses[weight] = trainer.test_on_batch(images, targets, return_dict=True)["loss"]
    assert losses[0.5] - losses[0.0] == pytest.approx(0.5 * expected, rel=1e-4)


def test_a_rate_for_the_stem_needs_vgg():
    model = pose_model(replace(TINY, stem="residual", stem_features=12))
    with pytest.raises(ValueError, match=r"stem_rate=0\.1 is for the blocks of a VGG-16 stem"):
        compile_pose(model, PoseTraining(stem_rate=0.1), steps=1)


def test_contextual_maps_are_not_supervised():
    config = ReceptionConfig(image_size=64, num_blocks=1, stem_features=16, context_maps=1)
    trainer = HeatMapTraining(reception_net(config), 0.1)
    (maps,) = trainer.output["heat_maps"]
    assert maps.shape[-1] == 16


def test_the_rate_rises_in_the_warm_up_and_then_falls():
    training = PoseTraining(learning_rate=0.002, warmup=4)
    rate = compile_pose(pose_model(TINY), training, steps=20).optimizer._learning_rate
    rates = [float(rate(step)) for step in (0, 2, 4, 12, 20)]
    np.testing.assert_allclose(rates, [0, 0.001, 0.002, 0.00101, 0.00002], rtol=1e-5)


@pytest.mark.parametrize("stem_rate", [0.0, 1e-3])
def test_the_stem_learns_at_a_rate_of_its_own(stem_rate):
    keras.utils.set_random_seed(0)
    model = pose_model(TINY)
    names = ["block5_conv3", "stem_projection4"]
    before = {name: model.get_layer(name).get_weights()[0] for name in names}
    training = PoseTraining(stem_rate=stem_rate, learning_rate=0.001, schedule="constant")
    trainer = compile_pose(model, training, steps=1)
    trainer.run_eagerly = True
    trainer.train_on_batch(*crops_and_poses())
    changes = {
        name: np.abs(model.get_layer(name).get_weights()[0] - before[name]).max() for name in names
    }
    # The first step of RMSprop is rate / sqrt(1 - rho), whatever the gradient.
    step = 0.001 / np.sqrt(0.1)
    assert changes["stem_projection4"] == pytest.approx(step, rel=0.01)
    assert changes["block5_conv3"] == pytest.approx(step * stem_rate, rel=0.1)


@pytest.mark.parametrize("blocks", [0, 2, 5])
def test_freeze_stem_counts_blocks_from_the_input(blocks):
    model = pose_model(TINY)
    freeze_stem(model, blocks)
    frozen = {layer.name[:6] for layer in model.layers if not layer.trainable}
    assert frozen == {f"block{number}" for number in range(1, blocks + 1)}


def test_statistics_are_those_of_the_inputs():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="inner")])
    clip = keras.Input((None, 3))
    frozen = keras.layers.BatchNormalization(name="frozen", trainable=False)
    y = frozen(keras.layers.Dense(2, name="dense")(TimeDistributed(inner)(clip)))
    model = keras.Model(clip, keras.layers.BatchNormalization(name="last")(y))
    rng = np.random.default_rng(0)
    batches = [rng.normal(3, 2, (5, 4, 3)).astype(np.float32) for _ in range(3)]
    kernel = ops.convert_to_numpy(model.get_layer("dense").kernel)
    set_statistics(model, batches)

    def statistics(layer):
        return [ops.convert_to_numpy(it) for it in (layer.moving_mean, layer.moving_variance)]

    mean, variance = statistics(inner.layers[-1])
    np.testing.assert_allclose(mean, np.mean([b.mean((0, 1)) for b in batches], 0), rtol=1e-4)
    np.testing.assert_allclose(variance, np.mean([b.var((0, 1)) for b in batches], 0), rtol=1e-4)
    assert [it.tolist() for it in statistics(frozen)] == [[0, 0], [1, 1]]
    # The layer behind has seen batches that the first one has normalised with their own statistics.
    epsilon = frozen.epsilon
    assert np.abs(statistics(model.get_layer("last"))[0]).max() < 1e-4
    expected = np.sum(kernel**2, axis=0) / (1 + epsilon)
    np.testing.assert_allclose(statistics(model.get_layer("last"))[1], expected, rtol=0.5)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.get_layer("dense").kernel), kernel)


def test_fine_tuning_reads_joints_as_they_will_be_tested():
    fields = {"num_frames": 4, "actions": {"dots": 3}, "pose_features": 16, "peak_window": 1}
    model = multitask_model(replace(TINY, appearance_features=16, **fields))
    for trainable in (False, True):
        set_pose_trainable(model, trainable)
        network = frame_view(model)
        windows = [layer for layer in network.layers if isinstance(layer, PeakWindow)]
        assert windows
        assert not any(layer.trainable for layer in windows)
        assert network.get_layer("block5_conv3").trainable == trainable


@pytest.mark.parametrize("finetune", [False, True])
def test_the_first_step_of_stage_2_is_traced_once(finetune):
    config = replace(TINY, num_frames=4, actions={"penn": 3, "ntu": 2})
    model = multitask_model(config)
    set_pose_trainable(model, finetune)
    compile_action(model, ActionTraining(finetune=finetune), steps=1)
    traces, step = [], model.train_step
    model.train_step = lambda data: (traces.append(data), step(data))[1]
    images, targets = crops_and_poses(4)
    labels = {"action_penn": np.eye(3)[:1], "action_ntu": np.eye(2)[:1]}
    model.train_on_batch(images[None], {"pose": targets["pose"][None], **labels})
    assert len(traces) == 1
