from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from deephar.models import (
    VARIANTS,
    ModelConfig,
    build_model,
    config_from_json,
    pose_model,
)

GOLDEN = Path(__file__).parents[1] / "golden"
VGG = ModelConfig(image_size=64, stem_features=16, growth=8, num_pyramids=2, num_levels=3)
TINY = replace(VGG, stem="vgg16-narrow")


def images(config=TINY, count=2, seed=0):
    shape = (count, config.image_size, config.image_size, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


@pytest.fixture(scope="module")
def tiny():
    return pose_model(TINY)


def test_images_with_their_channels_first_are_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    heads = replace(TINY, stem="none", streams=("pose",), actions={"penn": 3}, num_frames=4)
    for config in (TINY, VARIANTS["reception-mpii"], heads):
        with pytest.raises(ValueError, match=r"'channels_last'\. Change .*keras\.json"):
            build_model(config)


# Counted by Keras; of the default, 14.7 M are VGG-16's and 33.9 M the two pyramids'.
@pytest.mark.parametrize(
    ("variant", "parameters"),
    [("vgg16", 48_644_704), ("vgg16-medium", 16_575_520), ("vgg16-light", 16_575_520)],
)
def test_parameter_counts(variant, parameters):
    assert pose_model(VARIANTS[variant]).count_params() == parameters


@pytest.mark.parametrize("visibility", ["sigmoid_max", "window_mass"])
@pytest.mark.parametrize("image_size", [64, 128])
def test_output_has_one_entry_a_prediction_block_in_the_unit_crop(visibility, image_size):
    config = ModelConfig(
        stem="vgg16-narrow",
        image_size=image_size,
        stem_features=16,
        growth=8,
        visibility=visibility,
    )
    pose = pose_model(config).predict(images(config), verbose=0)["pose"]
    assert pose.shape == (2, 6, 16, 3)
    assert pose.min() >= 0
    assert pose.max() <= 1 + 1e-6  # rounding of a sum of probabilities


def test_peak_window_applies_at_inference_but_not_in_training(tiny):
    windowed = pose_model(replace(TINY, peak_window=1))
    windowed.set_weights(tiny.get_weights())
    whole, near = (model.predict(images(), verbose=0)["pose"] for model in (tiny, windowed))
    assert np.abs(whole - near)[..., :2].max() > 0.05
    np.testing.assert_allclose(whole[..., 2], near[..., 2], atol=1e-6)
    maps = keras.Model(windowed.input, windowed.get_layer("up2_pb0_probmaps").output)
    maps = maps.predict(images(), verbose=0)
    height, width = maps.shape[1:3]
    flat = maps.reshape(len(maps), height * width, -1).argmax(axis=1)
    peaks = np.stack([flat % width / (width - 1), flat // width / (height - 1)], axis=-1)
    assert np.abs(near[:, -1, :, :2] - peaks).max() < 1 / (width - 1)
    poses = (model(images(), training=True)["pose"] for model in (tiny, windowed))
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, poses), atol=1e-5)


def test_one_pyramid_of_two_levels_has_one_prediction():
    config = replace(TINY, num_pyramids=1, num_levels=2)
    assert pose_model(config).predict(images(), verbose=0)["pose"].shape == (2, 1, 16, 3)


@pytest.mark.parametrize("stride", [4, 8])
def test_projected_stem_adds_up_the_levels_of_vgg(stride):
    config = ModelConfig(
        image_size=64, stem_features=16, stem_stride=stride, growth=8, num_levels=2
    )
    model = pose_model(config)
    stem = keras.Model(model.input, model.get_layer("dp1_du1_pool").input)
    before = stem.predict(images(config), verbose=0)
    assert before.shape == (2, 64 // stride, 64 // stride, 16)
    blocks = [3, 4, 5] if stride == 4 else [4, 5]
    for block in blocks:
        layer = model.get_layer(f"stem_projection{block}")
        layer.set_weights([0 * layer.get_weights()[0]])
        after = stem.predict(images(config), verbose=0)
        assert np.abs(after - before).max() > 1e-3
        before = after


def test_stem_of_full_width_has_no_projection():
    names = [layer.name for layer in pose_model(ModelConfig(image_size=64)).layers]
    assert not any(name.startswith("stem_projection") for name in names)
    assert "block5_conv3" in names


def test_builds_twice_with_the_same_layer_names(tiny):
    again = pose_model(TINY)
    assert [layer.name for layer in again.layers] == [layer.name for layer in tiny.layers]
    assert len({layer.name for layer in tiny.layers}) == len(tiny.layers)


def test_saves_and_loads_as_keras_and_as_weights(tiny, tmp_path):
    expected = tiny.predict(images(), verbose=0)["pose"]
    tiny.save(tmp_path / "model.keras")
    tiny.save_weights(tmp_path / "model.weights.h5")
    from_keras = keras.saving.load_model(tmp_path / "model.keras")
    from_weights = pose_model(TINY)
    from_weights.load_weights(tmp_path / "model.weights.h5")
    for model in (from_keras, from_weights):
        np.testing.assert_array_equal(model.predict(images(), verbose=0)["pose"], expected)


def test_stem_reads_imagenet_files_and_refuses_others(tmp_path):
    path = tmp_path / "vgg.weights.h5"
    vgg = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    vgg.save_weights(path)
    model = pose_model(VGG, path)
    for name in ("block1_conv1", "block5_conv3"):
        for ours, theirs in zip(
            model.get_layer(name).get_weights(), vgg.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5: There is no such file"):
        pose_model(VGG, tmp_path / "nowhere.h5")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="not a VGG-16 weights file"):
        pose_model(VGG, path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_poses_stay_float32_under_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = pose_model(TINY)
    finally:
        keras.config.set_dtype_policy(before)
    pose = model.predict(images(), verbose=0)["pose"]
    assert pose.dtype == np.float32
    assert np.isfinite(pose).all()
    assert "16" in model.get_layer("block3_conv1").compute_dtype


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", 100),
        ("image_size", 0),
        ("stem", "resnet"),
        ("skeleton", "nobody"),
        ("visibility", "guess"),
        ("kernel_size", 4),
        ("num_levels", 1),
        ("num_pyramids", 0),
        ("stem_features", 0),
        ("image_size", 128.5),
        ("growth", "96"),
        ("peak_window", -1),
    ],
)
def test_config_refuses_bad_fields(field, value):
    with pytest.raises(ValueError, match=str(value)):
        ModelConfig(**{field: value})


def test_image_size_must_divide_down_to_the_coarsest_level():
    with pytest.raises(ValueError, match="multiple of 128 for num_levels=5"):
        ModelConfig(image_size=192, num_levels=5)


def test_config_survives_json_and_names_fields_it_does_not_know():
    assert config_from_json(TINY.to_json()) == TINY
    with pytest.raises(ValueError, match="novelty"):
        config_from_json('{"novelty": 1}')
    with pytest.raises(ValueError, match="Expected the fields"):
        config_from_json("null")
