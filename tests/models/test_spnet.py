"""The authors' SPNet: their weights give their outputs."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from deephar import weights
from deephar.models import (
    VARIANTS,
    ModelConfig,
    action_view,
    build_model,
    copy_to_replica,
    frame_view,
    spnet,
)
from deephar.models.pose import pyramid_levels

SMALL = ModelConfig(
    stem="residual",
    stem_features=48,
    image_size=64,
    growth=16,
    num_levels=3,
    visibility="window_mass",
    centred=False,
)
CLIPS = replace(SMALL, num_frames=8, actions={"penn": 15}, pose_features=32, appearance_features=32)
IN_SPACE = {"skeleton": "pa17j", "dim": 3, "depth": "regression"}
STRIDE_4 = {"stem_features": 32, "stem_stride": 4}
REFERENCES = {
    "spnet_pose2d": SMALL,
    "spnet_pose3d": replace(SMALL, **IN_SPACE),
    "spnet_multitask2d": replace(CLIPS, image_size=96),
    "spnet_multitask3d": replace(CLIPS, **IN_SPACE, **STRIDE_4, actions={"ntu": 12}),
    "spnet_multitask2d_replica": replace(
        CLIPS, **STRIDE_4, action_pyramids=(2,), pose_replica=True
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_reproduces_the_authors_outputs(reference_network, name):
    arrays, weights_file = reference_network(name)
    config = REFERENCES[name]
    model = spnet(replace(config, image_size=arrays["x"].shape[-2]))
    report = weights.load(model, weights_file)
    assert report == weights.LoadReport((), (), ())
    outputs = model.predict(arrays["x"], verbose=0)
    for block in range(config.num_predictions):
        expected = arrays[f"y{block:02d}"]
        np.testing.assert_allclose(outputs["pose"][..., block, :, :], expected, atol=1e-5)
    for head in config.actions:
        for block in range(config.num_action_predictions):
            expected = arrays[f"y{config.num_predictions + block:02d}"]
            np.testing.assert_allclose(outputs[f"action_{head}"][:, block], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("spnet_mpii", VARIANTS["spnet-mpii"]),
        ("spnet_penn_train", VARIANTS["spnet-penn"]),
        (
            "spnet_penn_eval",
            replace(
                VARIANTS["spnet-penn"], num_pyramids=6, action_pyramids=(5, 6), pose_replica=True
            ),
        ),
        ("spnet_penn_speed", replace(VARIANTS["spnet-penn"], num_pyramids=6, pose_replica=True)),
        ("spnet_ntu", VARIANTS["spnet-ntu"]),
    ],
)
def test_full_size_has_the_authors_number_of_parameters(golden_folder, name, config):
    """But for the grids of the soft-argmax, which they store as weights."""
    sizes = json.loads((golden_folder / "full_size_params.json").read_text())
    expected = {model["name"]: model["number_of_parameters"] for model in sizes["models"]}[name]
    assert spnet(config).count_params() + soft_argmax_weights(config) == expected


def soft_argmax_weights(config):
    """Of separable convolutions as large as the maps, for x and for y of every block."""

    def of_blocks(levels):
        sides = [config.image_size // config.stem_stride >> level for _, level in levels]
        return sum(2 * config.num_joints * (side**2 + config.num_joints) for side in sides)

    of_poses = of_blocks(pyramid_levels(config))
    if not config.actions:
        return of_poses
    return of_poses + of_blocks(pyramid_levels(config, config.pyramids_with_actions))


def test_replica_starts_as_a_copy_and_leaves_the_pose_alone():
    config = REFERENCES["spnet_multitask2d_replica"]
    model = build_model(config)
    frames = frame_view(model)
    image = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    before = frames.predict(image, verbose=0)
    ours = before["pose"][:, -config.num_action_predictions :]
    assert before["action_pose"].shape == ours.shape
    assert np.abs(before["action_pose"] - ours).max() > 1e-3
    copy_to_replica(model)
    after = frames.predict(image, verbose=0)
    np.testing.assert_array_equal(after["pose"], before["pose"])
    np.testing.assert_allclose(after["action_pose"], ours, atol=1e-6)


def test_copies_to_a_replica_only_where_there_is_one():
    with pytest.raises(ValueError, match="no replica"):
        copy_to_replica(build_model(CLIPS))


def test_actions_of_some_pyramids_only():
    config = replace(CLIPS, num_pyramids=3, action_pyramids=(2, 3))
    outputs = build_model(config).predict(np.zeros((1, 8, 64, 64, 3), np.float32), verbose=0)
    assert outputs["pose"].shape == (1, 8, 6, 16, 3)
    assert outputs["action_penn"].shape == (1, 4, 15)


def test_action_blocks_are_numbered_alike_in_every_model_of_a_process():
    names = [[layer.name for layer in action_view(build_model(CLIPS)).layers] for _ in range(2)]
    assert names[0] == names[1]


def test_saves_and_loads_with_its_config(tmp_path):
    config = REFERENCES["spnet_multitask2d_replica"]
    model = spnet(config)
    weights.save(model, config, tmp_path / "w.h5")
    loaded, read = weights.load_model(tmp_path / "w.h5")
    assert read == config
    clip = np.random.default_rng(0).uniform(-1, 1, (1, 8, 64, 64, 3)).astype(np.float32)
    expected = model.predict(clip, verbose=0)
    for name, value in loaded.predict(clip, verbose=0).items():
        np.testing.assert_array_equal(value, expected[name])


def test_learns_from_clips():
    model = spnet(CLIPS)
    loss = {"action_penn": "categorical_crossentropy"}
    model.compile(keras.optimizers.SGD(0.01), loss, run_eagerly=True)
    clip = np.random.default_rng(0).uniform(-1, 1, (2, 8, 64, 64, 3)).astype(np.float32)
    target = np.repeat(np.eye(15, dtype=np.float32)[[3, 7], None], 4, axis=1)
    losses = [model.train_on_batch(clip, {"action_penn": target}) for _ in range(3)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stem_stride": 6}, "must be one of 4, 8, 16"),
        ({"stem": "vgg16", "stem_stride": 16}, "must be one of 4, 8"),
        ({"stem": "vgg16-narrow", "stem_stride": 4}, "must be one of 8"),
        ({"stem_features": 50}, "multiple of 6"),
        ({"image_size": 80}, "multiple of 32"),
        ({"image_size": 32}, "from 64 up"),
        ({"action_pyramids": (1, 3)}, "neighbours"),
        ({"action_pyramids": (2, 3)}, "from 1 to num_pyramids=2"),
    ],
)
def test_config_refuses_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        replace(CLIPS, **fields)


def test_spnet_takes_its_own_configs_only():
    with pytest.raises(ValueError, match="residual"):
        spnet(ModelConfig())
