"""The authors' ReceptionNet: their weights give their outputs."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from deephar import weights
from deephar.models import (
    ModelConfig,
    ReceptionConfig,
    action_view,
    build_model,
    config_from_json,
    frame_view,
    reception_net,
)
from deephar.models.config import in_space

IMAGES = ReceptionConfig(image_size=64, num_blocks=2)
IN_SPACE = {"skeleton": "pa17j", "dim": 3, "context_maps": 0}
CLIPS = replace(IMAGES, num_frames=8, actions={"penn": 15})
TINY = replace(
    CLIPS, image_size=32, stem_features=32, num_frames=4, actions={"own": 3}, kernel_size=3
)

FULL_SIZE = {
    "reception_mpii": ReceptionConfig(),
    "reception_h36m": ReceptionConfig(**IN_SPACE),
    "merge_penn": ReceptionConfig(num_blocks=4, num_frames=16, actions={"penn": 15}),
    "merge_ntu": ReceptionConfig(
        **{**IN_SPACE, "skeleton": "pa20j"},
        depth_maps=8,
        num_blocks=4,
        num_frames=20,
        actions={"ntu": 60},
        action_version="v2",
    ),
}


def uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def clips(batch=2, frames=4, config=TINY):
    return uniform(batch, frames, config.image_size, config.image_size, 3)


@pytest.fixture(scope="module")
def tiny():
    return reception_net(TINY)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("reception_pose2d_context", IMAGES),
        ("reception_pose3d", replace(IMAGES, **IN_SPACE, depth_maps=8)),
    ],
)
def test_reproduces_the_authors_poses(reference_network, name, config):
    arrays, weights_file = reference_network(name)
    model = reception_net(config)
    assert weights.load(model, weights_file) == weights.LoadReport((), (), ())
    poses = model.predict(arrays["x"], verbose=0)["pose"]
    assert poses.shape == (2, 2, config.num_joints, config.dim + 1)
    for block in range(2):
        position, visibility = poses[:, block, :, :-1], poses[:, block, :, -1:]
        np.testing.assert_allclose(position, arrays[f"y{2 * block:02d}"], atol=1e-5)
        np.testing.assert_allclose(visibility, arrays[f"y{2 * block + 1:02d}"], atol=1e-5)


def test_reproduces_the_authors_actions(reference_network):
    arrays, weights_file = reference_network("merge2d")
    model = reception_net(CLIPS)
    assert weights.load(model, weights_file) == weights.LoadReport((), (), ())
    outputs = model.predict(arrays["x"], verbose=0)
    np.testing.assert_allclose(outputs["pose"][:, :, 0, :, :2], arrays["y00"], atol=1e-4)
    np.testing.assert_allclose(outputs["pose"][:, :, 0, :, 2:], arrays["y01"], atol=1e-4)
    assert outputs["action_penn"].shape == (2, 9, 15)
    for row in range(9):
        expected = arrays[f"y{2 + row:02d}"]
        np.testing.assert_allclose(outputs["action_penn"][:, row], expected, atol=1e-4)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_has_the_authors_number_of_parameters(golden_folder, name):
    """But for the constants that they store as weights."""
    sizes = json.loads((golden_folder / "full_size_params.json").read_text())
    expected = {model["name"]: model["number_of_parameters"] for model in sizes["models"]}[name]
    config = FULL_SIZE[name]
    joints, positions = config.num_joints, (config.image_size // 8) ** 2

    def soft_argmax(maps):  # two grids for each map, and two identities between maps
        return 2 * (positions * maps + maps * maps)

    constants = soft_argmax(joints)
    if config.dim == 3:
        constants += config.depth_maps * joints * joints  # the grid of depth
    else:
        contexts = config.context_maps * joints
        constants += soft_argmax(contexts) + contexts * joints  # and the sums of contexts
    assert reception_net(config).count_params() == expected - constants


def test_without_context_all_maps_are_specialised():
    config = replace(TINY, actions={}, num_frames=None, context_maps=0)
    model = build_model(config)
    assert model.get_layer("RegMap1_conv2d_1").kernel.shape[-1] == 16
    pose = model.predict(uniform(2, 32, 32, 3), verbose=0)["pose"]
    assert pose.shape == (2, 2, 16, 3)
    assert pose.min() >= 0
    assert pose.max() <= 1 + 1e-6


@pytest.mark.parametrize("grid", ["inclusive", "centres"])
def test_depth_grid_is_the_configs(grid):
    config = replace(TINY, **IN_SPACE, depth_maps=8, actions={}, num_frames=None, depth_grid=grid)
    model = reception_net(config)
    image = uniform(1, 32, 32, 3)
    depth = model.predict(image, verbose=0)["pose"][..., 2]
    assert ((depth > 0) & (depth < 1)).all()
    # All mass on the first depth map puts every joint where that map lies.
    kernel = np.zeros(model.get_layer("RegMap2_conv2d_1").kernel.shape, "float32")
    kernel[..., :17] = 1e4
    model.get_layer("RegMap2_conv2d_1").set_weights([kernel])
    depth = model.predict(image, verbose=0)["pose"][:, -1, :, 2]
    np.testing.assert_allclose(depth, {"inclusive": 0, "centres": 1 / 16}[grid], atol=1e-6)


@pytest.mark.parametrize(("joints", "version"), [("pa17j", "v1"), ("pa16j", "v2")])
def test_clips_may_have_any_number_of_frames_and_joints(joints, version):
    model = reception_net(replace(TINY, skeleton=joints, action_version=version))
    for frames in (4, 7):
        outputs = model.predict(clips(1, frames), verbose=0)
        assert outputs["pose"].shape == (1, frames, 1, int(joints[2:4]), 3)
        assert outputs["action_own"].shape == (1, 9, 3)
        np.testing.assert_allclose(outputs["action_own"].sum(-1), 1, atol=1e-5)


def test_poses_of_clips_are_those_of_the_pose_network(tiny, tmp_path):
    alone = reception_net(replace(TINY, actions={}, num_frames=None))
    weights.save(tiny, TINY, tmp_path / "clip.h5")
    weights.load_part(alone, tmp_path / "clip.h5")
    expected = alone.predict(clips()[:, 2], verbose=0)["pose"][:, -1]
    actual = tiny.predict(clips(), verbose=0)["pose"][:, 2, 0]
    np.testing.assert_allclose(actual[..., :2], expected[..., :2], atol=1e-5)
    logit = np.log(expected[..., 2] / (1 - expected[..., 2]))
    np.testing.assert_allclose(actual[..., 2], 1 / (1 + np.exp(-4 * logit)), atol=1e-4)


def test_views_share_the_weights_and_chain_to_the_whole_network(tiny):
    frames = frame_view(tiny).predict(clips().reshape(8, 32, 32, 3), verbose=0)
    folded = {name: value.reshape(2, 4, *value.shape[1:]) for name, value in frames.items()}
    assert folded["appearance_1"].shape == (2, 4, 16, 32)
    heads = action_view(tiny)
    assert {tensor.name for tensor in heads.inputs} == set(folded)
    actions = heads.predict(folded, verbose=0)
    whole = tiny.predict(clips(), verbose=0)
    np.testing.assert_allclose(actions["action_own"], whole["action_own"], atol=1e-5)
    np.testing.assert_allclose(folded["pose"], whole["pose"], atol=1e-5)


def test_action_gradients_reach_all_heads_and_no_frozen_pose():
    model = reception_net(TINY)
    heads, frames = action_view(model), frame_view(model)
    before, frozen = heads.get_weights(), frames.get_weights()
    frames.trainable = False
    losses = {"action_own": "categorical_crossentropy"}
    model.compile(keras.optimizers.SGD(0.1), losses, run_eagerly=True)
    targets = {"action_own": np.repeat(np.eye(3, dtype="float32")[:2, None], 9, axis=1)}
    model.fit(clips(), targets, epochs=2, verbose=0)
    same = [
        weight.path
        for weight, new, old in zip(heads.weights, heads.get_weights(), before, strict=True)
        if np.array_equal(new, old)
    ]
    assert not same
    for new, old in zip(frames.get_weights(), frozen, strict=True):
        np.testing.assert_array_equal(new, old)


def test_the_merge_starts_as_the_sum_of_both_streams(tiny):
    heads = action_view(tiny)
    for name in ("merge_pose", "merge_visual"):
        depthwise, pointwise = heads.get_layer(name).get_weights()
        assert (depthwise == 1).all()
        np.testing.assert_array_equal(pointwise[0, 0], np.eye(3))


def test_saves_with_its_config_and_loads_back(tiny, tmp_path):
    weights.save(tiny, TINY, tmp_path / "clip.h5")
    model, config = weights.load_model(tmp_path / "clip.h5")
    assert config == TINY == config_from_json(TINY.to_json())
    expected, actual = (network.predict(clips(), verbose=0) for network in (tiny, model))
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])


def test_saves_and_loads_as_keras(tiny, tmp_path):
    tiny.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected, actual = (network.predict(clips(), verbose=0) for network in (tiny, loaded))
    np.testing.assert_array_equal(actual["action_own"], expected["action_own"])


def test_builds_twice_with_the_same_layer_names(tiny):
    again = reception_net(TINY)
    for view in (frame_view, action_view):
        names = [layer.name for layer in view(tiny).layers]
        assert [layer.name for layer in view(again).layers] == names
        assert len(set(names)) == len(names)


def test_answers_stay_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = reception_net(TINY)
    finally:
        keras.config.set_dtype_policy(before)
    outputs = model.predict(clips(), verbose=0)
    assert all(value.dtype == np.float32 for value in outputs.values())
    assert all(np.isfinite(value).all() for value in outputs.values())
    assert frame_view(model).get_layer("Stem_conv2d_1").compute_dtype == "float16"


def test_stem_weights_are_refused():
    with pytest.raises(ValueError, match="no published weights"):
        build_model(TINY, "imagenet")


@pytest.mark.usefixtures("whole_stem")
@pytest.mark.parametrize("stem", ["vgg16-narrow", "residual", "inception"])
@pytest.mark.parametrize("depth", [None, "volumetric", "regression"])
def test_every_stem_goes_with_every_network(stem, depth):
    image = np.zeros((1, 64, 64, 3), np.float32)
    pyramids = ModelConfig(
        stem=stem, image_size=64, stem_features=24, growth=8, num_pyramids=1, num_levels=2
    )
    blocks = ReceptionConfig(stem=stem, image_size=64, stem_features=24, num_blocks=1)
    configs = [pyramids, blocks]
    if depth == "regression":
        configs = [pyramids]  # a ReceptionNet has no other depth than volumetric
    for config in configs:
        coordinates = 2
        if depth is not None:
            config, coordinates = in_space(config, depth), 3
        pose = build_model(config).predict(image, verbose=0)["pose"]
        assert pose.shape == (1, 1, 16, coordinates + 1)


def test_depth_of_a_reception_net_is_volumetric():
    with pytest.raises(ValueError, match="volumetric depth only"):
        in_space(ReceptionConfig(), "regression")
    with pytest.raises(ValueError, match="must be even"):
        ReceptionConfig(stem_features=25)
