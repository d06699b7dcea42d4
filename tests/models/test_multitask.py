"""The clip network and its action heads."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from networks import CLIPS

from deephar import weights
from deephar.models import (
    ModelConfig,
    action_model,
    action_view,
    build_model,
    config_from_json,
    frame_view,
    multitask_model,
    pose_model,
)

TINY = replace(CLIPS, actions={"penn": 15, "synthetic": 12})
HEADS = ModelConfig(
    stem="none", streams=("pose",), num_frames=8, actions={"penn": 15}, pose_features=32
)


def clips(batch=2, frames=5):
    return np.random.default_rng(0).uniform(-1, 1, (batch, frames, 64, 64, 3)).astype(np.float32)


def poses(batch=3, frames=8, joints=16):
    return np.random.default_rng(1).uniform(0, 1, (batch, frames, joints, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def tiny():
    return multitask_model(TINY)


def test_predicts_poses_of_every_frame_and_scores_of_every_head(tiny):
    for batch, frames in ((2, 5), (1, 4), (3, 8)):
        outputs = tiny.predict(clips(batch, frames), verbose=0)
        assert outputs["pose"].shape == (batch, frames, 2, 16, 3)
        assert outputs["action_penn"].shape == (batch, 2, 15)
        assert outputs["action_synthetic"].shape == (batch, 2, 12)
        np.testing.assert_allclose(outputs["action_penn"].sum(-1), 1, atol=1e-5)


def test_poses_are_those_of_the_pose_network_with_the_same_weights(tiny, tmp_path):
    alone = pose_model(TINY)
    weights.save(tiny, TINY, tmp_path / "clip.h5")
    report = weights.load(alone, tmp_path / "clip.h5", partial=True)
    assert not report.missing
    assert not report.mismatched
    expected = alone.predict(clips()[:, 2], verbose=0)["pose"]
    actual = tiny.predict(clips(), verbose=0)["pose"][:, 2]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_views_share_the_weights_and_chain_to_the_whole_network(tiny):
    clip = clips(2, 4)
    frames = frame_view(tiny).predict(clip.reshape(8, 64, 64, 3), verbose=0)
    folded = {name: value.reshape(2, 4, *value.shape[1:]) for name, value in frames.items()}
    actions = action_view(tiny).predict(folded, verbose=0)
    whole = tiny.predict(clip, verbose=0)
    for name in ("action_penn", "action_synthetic"):
        np.testing.assert_allclose(actions[name], whole[name], atol=1e-5)


def test_graph_does_not_grow_with_the_clip():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("counts the nodes of TensorFlow graphs")
    import tensorflow as tf

    model = multitask_model(TINY)

    def nodes(frames):
        spec = tf.TensorSpec((1, frames, 64, 64, 3), tf.float32)
        graph = tf.function(model).get_concrete_function(spec).graph.as_graph_def()
        return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)

    assert nodes(16) == nodes(4)


@pytest.mark.parametrize("streams", [("pose",), ("appearance",)])
def test_each_stream_works_alone(streams):
    model = multitask_model(replace(TINY, streams=streams))
    assert model.predict(clips(1, 4), verbose=0)["action_penn"].shape == (1, 2, 15)
    names = {layer.name for layer in action_view(model).layers}
    assert ("act1_action_p_conv0a" in names) == ("pose" in streams)
    assert ("act1_action_v_conv0" in names) == ("appearance" in streams)


def test_action_gradients_reach_every_weight_of_the_heads():
    model = action_model(HEADS)
    outputs = [tensor for _, tensor in sorted(model.output.items())]
    assert len(outputs) == 1
    before = [weight.copy() for weight in model.get_weights()]
    # Two steps are faster than their graph is made.
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", run_eagerly=True)
    target = np.eye(15, dtype=np.float32)[[0, 5, 9]]
    target = np.repeat(target[:, None], HEADS.num_predictions, axis=1)
    model.fit(poses(), {"action_penn": target}, epochs=2, verbose=0)
    names = [weight.path for weight in model.weights]
    same = [
        name
        for name, old, new in zip(names, before, model.get_weights(), strict=True)
        if np.array_equal(old, new)
    ]
    assert not same


@pytest.mark.parametrize("last_pose", [False, True])
def test_heads_see_the_last_pose_or_that_of_their_block(last_pose):
    config = replace(TINY, streams=("pose",), last_pose=last_pose)
    heads = action_view(multitask_model(config))
    (name,) = heads.input
    poses = np.random.default_rng(0).uniform(0, 1, (1, 4, *heads.input[name].shape[2:]))
    other = poses.copy()
    other[:, :, :-1] = other[:, :, :-1][:, ::-1]
    answers = [heads.predict({name: x.astype("float32")}, verbose=0) for x in (poses, other)]
    for head in answers[0]:
        assert np.array_equal(answers[0][head], answers[1][head]) == last_pose


def test_heads_alone_classify_poses_of_any_length():
    model = build_model(HEADS)
    for frames in (4, 7, 32):
        outputs = model.predict(poses(frames=frames), verbose=0)
        assert outputs["action_penn"].shape == (3, 6, 15)


def test_hidden_joints_do_not_matter_to_the_heads():
    model = action_model(HEADS)
    pose = poses()
    pose[:, :, 3, 2] = 0
    moved = pose.copy()
    moved[:, :, 3, :2] = 0.9
    first, second = (model.predict(p, verbose=0)["action_penn"] for p in (pose, moved))
    np.testing.assert_array_equal(first, second)
    pose[:, :, 3, 2] = 1
    assert not np.array_equal(model.predict(pose, verbose=0)["action_penn"], first)


def test_saves_with_its_config_and_loads_back(tiny, tmp_path):
    for model, config, x in ((tiny, TINY, clips()), (action_model(HEADS), HEADS, poses())):
        weights.save(model, config, tmp_path / "w.h5")
        loaded, read = weights.load_model(tmp_path / "w.h5")
        assert read == config
        for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        expected, actual = model.predict(x, verbose=0), loaded.predict(x, verbose=0)
        for name, value in expected.items():  # threads may add numbers in another order
            np.testing.assert_allclose(actual[name], value, rtol=1e-5, atol=1e-6)


def test_saves_and_loads_as_keras(tiny, tmp_path):
    tiny.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = tiny.predict(clips(), verbose=0)
    for name, value in loaded.predict(clips(), verbose=0).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("depth", ["volumetric", "regression"])
@pytest.mark.parametrize("visibility", ["sigmoid_max", "window_mass"])
def test_predicts_depth(depth, visibility):
    config = replace(TINY, dim=3, depth=depth, visibility=visibility)
    outputs = multitask_model(config).predict(clips(1, 4), verbose=0)
    assert outputs["pose"].shape == (1, 4, 2, 16, 4)
    assert (outputs["pose"] >= 0).all()
    assert (outputs["pose"] <= 1).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dim": 3}, "does not go with dim=3"),
        ({"depth": "volumetric"}, "does not go with dim=2"),
        ({"dim": 3, "depth": "guess"}, "must be one of volumetric"),
        ({"dim": 4}, "must be 2 or 3"),
        ({"actions": {"penn": 1}}, "at least 2 classes"),
        ({"actions": {"penn": 15}, "num_frames": None}, "num_frames must be at least 4"),
        ({"num_frames": 2}, "num_frames must be at least 4"),
        ({"streams": ()}, "one or two streams"),
        ({"streams": ("sound",)}, "must be one of pose, appearance"),
        ({"pose_features": 20}, "multiple of 16"),
        ({"stem": "none"}, "predicts actions from poses"),
    ],
)
def test_config_refuses_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **fields)


def test_config_with_actions_survives_json():
    assert config_from_json(TINY.to_json()) == TINY


def test_action_network_needs_actions():
    with pytest.raises(ValueError, match="no actions"):
        action_model(ModelConfig())


def test_networks_without_parts_have_no_views():
    model = action_model(HEADS)
    for view in (frame_view, action_view):
        with pytest.raises(ValueError, match="is not a multitask_model"):
            view(model)


def test_a_readout_may_see_the_stem():
    readout = {"actions": {"mine": 2}, "readout_of": {"penn": 4}, "last_pose": True}
    config = replace(CLIPS, stem="vgg16", **readout, readout_stem=True)
    model = multitask_model(config)
    frames, images = frame_view(model), clips()[0]
    maps = keras.Model(frames.input, frames.get_layer("block4_conv3").output)
    expected = maps.predict(images, verbose=0).max(axis=(1, 2)) / 100
    np.testing.assert_allclose(frames.predict(images, verbose=0)["stem"], expected, rtol=1e-5)
    assert "stem" in [tensor.name for tensor in action_view(model).inputs]
    assert model.predict(clips(), verbose=0)["action_mine"].shape == (2, 1, 2)
    for changes in ({"stem": "vgg16-narrow"}, {"readout_of": {}}):
        with pytest.raises(ValueError, match="readout_stem is for a readout"):
            replace(config, **changes)
