import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy
from networks import POSES

from deephar.layers import (
    CaffePreprocessing,
    ChangeOverTime,
    ClipFilling,
    ClipPooling,
    ContextAggregation,
    ContextMaps,
    DepthSoftArgmax,
    GlobalMaxMinPooling,
    HeatMapPooling,
    MaximumVisibility,
    MaxMinPooling,
    PeakWindow,
    SoftArgmax,
    SpatialSoftmax,
    TimeDistributed,
    VisibleCoordinates,
    VolumetricMaps,
    VolumetricVisibility,
    WindowVisibility,
)
from deephar.models import pose_model


def clip(batch=2, frames=3, size=6, channels=4, seed=0):
    shape = (batch, frames, size, size, channels)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def nested_model():
    image = keras.Input((6, 6, 4))
    x = keras.layers.Conv2D(5, 3, name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    return keras.Model(image, x, name="nested")


def two_output_model():
    image = keras.Input((6, 6, 4))
    x = keras.layers.Conv2D(5, 3, name="conv")(image)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, {"map": x, "vector": pooled}, name="two_outputs")


# ------------------------------------------------------------------------------ TimeDistributed


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Dense(5),
        lambda: keras.layers.Conv2D(5, 3),
        lambda: keras.layers.BatchNormalization(),
        nested_model,
        two_output_model,
    ],
    ids=["dense", "conv", "batch_norm", "nested_model", "several_outputs"],
)
def test_every_frame_gets_what_the_layer_alone_gives_it(layer):
    layer = layer()
    x = clip()
    folded = TimeDistributed(layer)(x)
    frames = [layer(x[:, t]) for t in range(x.shape[1])]
    expected = keras.tree.map_structure(lambda *ys: ops.stack(ys, axis=1), *frames)
    keras.tree.map_structure(
        lambda y, z: np.testing.assert_allclose(
            convert_to_numpy(y), convert_to_numpy(z), atol=1e-5
        ),
        folded,
        expected,
    )


def test_batch_norm_in_training_takes_statistics_over_batch_and_time_once():
    layer = keras.layers.BatchNormalization(momentum=0.9)
    x = clip() * 3 + 1
    y = convert_to_numpy(TimeDistributed(layer)(x, training=True))
    moving_mean, moving_variance = map(convert_to_numpy, layer.non_trainable_weights)
    mean, variance = x.mean((0, 1, 2, 3)), x.var((0, 1, 2, 3))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    np.testing.assert_allclose(moving_mean, 0.1 * mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moving_variance, 0.9 + 0.1 * variance, rtol=1e-4)


def test_trains_as_the_layer_on_all_frames_at_once():
    keras.utils.set_random_seed(3)
    x, y = clip(4), np.random.default_rng(1).normal(size=(4, 3, 4, 4, 5)).astype("float32")
    model = keras.Sequential([keras.Input((3, 6, 6, 4)), TimeDistributed(nested_model())])
    alone = nested_model()
    alone.set_weights(model.get_weights())
    for network, inputs, targets in [
        (model, x, y),
        (alone, x.reshape(12, 6, 6, 4), y.reshape(12, 4, 4, 5)),
    ]:
        network.compile(keras.optimizers.SGD(0.1), "mse")
        network.fit(inputs, targets, batch_size=12, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_batch_and_frames_may_be_unknown_when_built():
    frames = keras.Input((None, 6, 6, 4))
    outputs = TimeDistributed(two_output_model())(frames)
    assert outputs["map"].shape == (None, None, 4, 4, 5)
    assert outputs["vector"].shape == (None, None, 5)
    model = keras.Model(frames, outputs)
    for batch, length in [(1, 2), (3, 5)]:
        y = model.predict(clip(batch, length), verbose=0)
        assert y["map"].shape == (batch, length, 4, 4, 5)
        assert y["vector"].shape == (batch, length, 5)


def test_saves_and_loads_with_its_layer(tmp_path):
    frames = keras.Input((3, 6, 6, 4))
    model = keras.Model(frames, TimeDistributed(nested_model(), name="frames")(frames))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = clip()
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts TensorFlow graph nodes")
def test_graph_nodes_do_not_grow_with_the_clip_length():
    import tensorflow as tf

    def nodes(length):
        layer = TimeDistributed(nested_model())
        clips = tf.TensorSpec((None, length, 6, 6, 4))
        graph = tf.function(layer).get_concrete_function(clips).graph.as_graph_def()
        return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)

    assert nodes(2) == nodes(32)


def test_output_shapes_are_known_beforehand_for_several_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    added = keras.layers.Add()([a, b])
    for inputs in ([a, b], {"a": a, "b": b}):
        layer = TimeDistributed(keras.Model(inputs, {"sum": added, "a": a}))
        names = [(2, 3, 4), (2, 3, 4)]
        shapes = names if isinstance(inputs, list) else dict(zip("ab", names, strict=True))
        assert layer.compute_output_shape(shapes) == {"sum": (2, 3, 4), "a": (2, 3, 4)}
        x = [np.ones((2, 3, 4)), np.full((2, 3, 4), 2.0)]
        y = layer(x if isinstance(inputs, list) else dict(zip("ab", x, strict=True)))
        np.testing.assert_allclose(convert_to_numpy(y["sum"]), np.full((2, 3, 4), 3.0))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts TensorFlow graph nodes")
def test_a_pose_network_has_a_fifth_of_the_nodes_of_keras_own_layer():
    import tensorflow as tf

    network = pose_model(POSES)
    network = keras.Model(network.input, network.output["pose"])

    def nodes(wrapper):
        clips = tf.TensorSpec((None, 8, 64, 64, 3))
        frames = keras.Input((8, 64, 64, 3))
        model = keras.Model(frames, wrapper(network)(frames))
        return len(tf.function(model).get_concrete_function(clips).graph.as_graph_def().node)

    assert nodes(keras.layers.TimeDistributed) >= 5 * nodes(TimeDistributed)


# ------------------------------------------------------------------------------------ heat maps


@pytest.mark.parametrize("name", ["image", "clip", "square"])
@pytest.mark.parametrize(("alpha", "key"), [(1.0, "alpha1"), (2.5, "alpha2p5")])
def test_soft_argmax_agrees_with_the_reference(golden, name, alpha, key):
    reference = golden("fn_softargmax")
    probabilities = SpatialSoftmax()(reference[f"{name}_h"] * alpha)
    np.testing.assert_allclose(probabilities, reference[f"{name}_{key}_prob"], atol=1e-6)
    xy = SoftArgmax()(probabilities)
    np.testing.assert_allclose(xy, reference[f"{name}_{key}_xy"], atol=1e-5)


@pytest.mark.parametrize("name", ["image", "clip", "tiny"])
def test_window_visibility_agrees_with_the_reference(golden, name):
    reference = golden("fn_keypoint_confidence")
    mass = WindowVisibility()(reference[f"{name}_prob"])
    np.testing.assert_allclose(mass, reference[f"{name}_confidence"], atol=1e-6)


def test_maximum_visibility_agrees_with_the_reference(golden):
    reference = golden("fn_keypoint_confidence")
    visibility = MaximumVisibility()(reference["raw_h"])
    np.testing.assert_allclose(visibility, reference["raw_joint_probability_cvpr18"], atol=1e-6)


def test_soft_argmax_finds_the_corners():
    maps = np.full((1, 4, 5, 2), -50.0, "float32")
    maps[0, 0, 0, 0] = maps[0, 3, 4, 1] = 50
    xy = SoftArgmax()(SpatialSoftmax()(maps))
    np.testing.assert_allclose(xy, [[[0, 0], [1, 1]]], atol=1e-6)


def two_peaks():
    """(2, 9, 9, 1): 0.6 at column 1 and 0.4 at column 7 of row 4, the second image mirrored."""
    maps = np.zeros((2, 9, 9, 1), "float32")
    maps[0, 4, 1] = maps[1, 4, 7] = 0.6
    maps[0, 4, 7] = maps[1, 4, 1] = 0.4
    return maps


def test_a_peak_window_keeps_the_larger_of_two_maxima():
    whole = convert_to_numpy(SoftArgmax()(two_peaks()))
    np.testing.assert_allclose(whole[:, 0, 0], [3.4 / 8, 4.6 / 8], rtol=1e-6)
    xy = SoftArgmax()(PeakWindow(2)(two_peaks()))
    np.testing.assert_allclose(xy, [[[1 / 8, 0.5]], [[7 / 8, 0.5]]], atol=1e-6)


def test_a_peak_window_is_cut_off_at_the_border_and_sums_to_one():
    maps = np.random.default_rng(0).random((3, 4, 6, 5), dtype="float32")
    maps[:, 0, 5] = 2.0
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    kept = convert_to_numpy(PeakWindow(1)(maps))
    np.testing.assert_allclose(kept.sum(axis=(1, 2)), 1.0, rtol=1e-6)
    assert (kept[:, :2, 4:] > 0).all()
    assert np.count_nonzero(kept) == 3 * 2 * 2 * 5


def test_a_peak_window_lies_around_the_first_of_equal_maxima():
    maps = np.random.default_rng(0).integers(1, 4, (3, 7, 5, 4)).astype("float32")
    kept = convert_to_numpy(PeakWindow(1)(maps))
    for image in range(3):
        for joint in range(4):
            row, column = divmod(int(maps[image, ..., joint].argmax()), 5)
            window = np.zeros((7, 5))
            window[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 1
            expected = window * maps[image, ..., joint]
            np.testing.assert_allclose(kept[image, ..., joint], expected / expected.sum())


def test_a_peak_window_lets_everything_through_while_it_is_trained():
    layer = PeakWindow(1)
    np.testing.assert_array_equal(layer(two_peaks(), training=True), two_peaks())
    layer.trainable = False
    frozen = convert_to_numpy(layer(two_peaks(), training=True))
    np.testing.assert_allclose(frozen, layer(two_peaks()))
    assert np.count_nonzero(frozen) == 2
    assert PeakWindow.from_config(layer.get_config()).radius == 1


def test_a_map_of_one_position_is_the_middle_of_the_crop():
    probabilities = SpatialSoftmax()(np.ones((2, 1, 1, 3), "float32"))
    np.testing.assert_allclose(SoftArgmax()(probabilities), np.full((2, 3, 2), 0.5))
    np.testing.assert_allclose(WindowVisibility()(probabilities), np.ones((2, 3, 1)))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_gradients_are_finite_for_saturated_logits(dtype):
    logits = np.zeros((2, 8, 8, 3), "float32")
    logits[0, 2, 3] = 6e4
    logits[1] = -6e4
    logits[1, 5, 5, 0] = 6e4
    maps = keras.Input((8, 8, 3), dtype=dtype)
    probabilities = SpatialSoftmax()(maps)
    outputs = [
        SoftArgmax()(probabilities),
        MaximumVisibility()(maps),
        WindowVisibility()(probabilities),
    ]
    assert all(output.dtype == "float32" for output in outputs)
    joined = keras.layers.Concatenate()(outputs)
    assert np.isfinite(gradient_to_input(keras.Model(maps, joined), logits, dtype)).all()


def gradient_to_input(model, values, dtype):
    """Gradient of the sum of the outputs, found with a trainable input: works on any backend."""
    scale = keras.layers.Dense(values.shape[-1], use_bias=False, dtype=dtype)
    inputs = keras.Input(values.shape[1:], dtype=dtype)
    network = keras.Model(inputs, model(scale(inputs)))
    scale.set_weights([np.eye(values.shape[-1])])
    network.compile(keras.optimizers.SGD(1.0), "mae")
    network.train_on_batch(values, np.ones(network.compute_output_shape(values.shape)))
    return convert_to_numpy(ops.cast(scale.kernel, "float32"))


def test_change_over_time_counts_seen_frames_and_has_finite_slopes_at_rest():
    features, poses = np.zeros((1, 3, 1, 2), "float32"), np.zeros((1, 3, 1, 3), "float32")
    features[0, :, 0, 0] = 1, 3, 50  # the other channel rests
    poses[0, :2, 0, -1] = 1  # nobody is seen in the last frame
    change = ChangeOverTime()
    np.testing.assert_allclose(change([features, poses]), [[1, 0]], atol=1e-5)
    inputs = keras.Input(features.shape[1:])
    model = keras.Model(inputs, change([inputs, ops.convert_to_tensor(poses)]))
    assert np.isfinite(gradient_to_input(model, features, "float32")).all()


def test_caffe_preprocessing_is_that_of_keras():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype("float32")
    expected = keras.applications.vgg16.preprocess_input(images.copy())
    np.testing.assert_allclose(CaffePreprocessing()(images / 127.5 - 1), expected, atol=1e-3)


def test_volumetric_depth_agrees_with_the_reference(golden):
    reference = golden("fn_pose_regression_3d")
    volume = VolumetricMaps(int(reference["depth_maps"]))(reference["h"])
    np.testing.assert_allclose(volume[0], reference["hxy"], atol=1e-5)
    xy = SoftArgmax()(SpatialSoftmax()(volume[0]))
    z = DepthSoftArgmax()(volume[1])
    pose = np.concatenate([xy, z], axis=-1)
    np.testing.assert_allclose(pose, reference["pose_full_grid"], atol=1e-5)
    by_centres = np.concatenate([xy, DepthSoftArgmax("centres")(volume[1])], axis=-1)
    np.testing.assert_allclose(by_centres, reference["pose_half_bin_grid"], atol=1e-5)
    visibility = VolumetricVisibility()(volume)
    np.testing.assert_allclose(visibility, reference["visible"], atol=1e-5)


def test_depth_grid_is_one_of_two_and_is_saved():
    layer = DepthSoftArgmax.from_config(DepthSoftArgmax("centres").get_config())
    assert layer.grid == "centres"
    with pytest.raises(ValueError, match="'edges'"):
        DepthSoftArgmax("edges")


@pytest.mark.parametrize("kind", ["image", "clip"])
def test_context_aggregation_agrees_with_the_reference(golden, kind):
    reference = golden("fn_context_aggregation")
    inputs = [reference[f"{kind}_{name}"] for name in ("ys", "yc", "pc")]
    layer = ContextAggregation(float(reference[f"{kind}_alpha"]))
    actual = layer(inputs)
    np.testing.assert_allclose(actual, reference[f"{kind}_out"], atol=1e-5)
    assert layer.compute_output_shape([x.shape for x in inputs]) == actual.shape


def test_contexts_without_any_confidence_count_alike():
    specialised = np.array([[[0.5, 0.5]]], np.float32)
    contextual = np.array([[[0.0, 0.2], [1.0, 0.4]]], np.float32)
    aggregated = ContextAggregation(0.8)([specialised, contextual, np.zeros((1, 2, 1))])
    np.testing.assert_allclose(aggregated, [[[0.5, 0.46]]], atol=1e-6)


def test_context_maps_follow_the_specialised_ones():
    maps = np.arange(12, dtype=np.float32).reshape(1, 1, 1, 12)
    layer = ContextMaps(4)
    specialised, contextual = layer(maps)
    np.testing.assert_array_equal(specialised, maps[..., :4])
    np.testing.assert_array_equal(contextual, maps[..., 4:])
    shapes = layer.compute_output_shape(maps.shape)
    assert shapes == (specialised.shape, contextual.shape)


def test_heat_map_pooling_agrees_with_the_reference(golden):
    reference = golden("fn_kronecker_prod")
    pooled = HeatMapPooling()([reference["h"], reference["f"]])
    np.testing.assert_allclose(pooled, reference["out"], rtol=1e-5, atol=2e-5)
    one_image = HeatMapPooling()([reference["h"][:, 0], reference["f"][:, 0]])
    np.testing.assert_allclose(one_image, reference["out"][:, 0], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("number", range(4))
def test_max_min_pooling_agrees_with_the_reference(golden, number):
    reference = golden("fn_max_min_pooling")
    x = reference[f"x{number}"]
    pooled = MaxMinPooling()(x)
    np.testing.assert_allclose(pooled, reference[f"pool_2x2_{number}"], atol=1e-6)
    assert pooled.shape == MaxMinPooling().compute_output_shape(x.shape)
    total = GlobalMaxMinPooling()(x)
    np.testing.assert_allclose(total, reference[f"global_{number}"], atol=1e-6)


@pytest.mark.parametrize(
    ("frames", "joints", "time_stride", "expected"),
    [(8, 16, 1, (8, 8)), (7, 17, 1, (8, 10)), (16, 16, 2, (8, 8)), (5, 18, 2, (4, 10))],
)
def test_clip_pooling_fills_up_with_zeros_around(frames, joints, time_stride, expected):
    x = -np.random.default_rng(0).uniform(1, 2, (2, frames, joints, 3)).astype(np.float32)
    layer = ClipPooling(time_stride)
    pooled = np.asarray(layer(x))
    assert pooled.shape == (2, *expected, 3)
    assert layer.compute_output_shape(x.shape) == pooled.shape
    # Where all is negative, the largest value of a window is 0 just where zeros were added.
    rows, columns = -frames % (2 * time_stride), -joints % 4
    assert (pooled[:, -1] == 0).all() == (rows > 0 and (rows + 1) // 2 > 0)
    assert (pooled[:, :, -1] == 0).all() == (columns > 0)
    filled = np.pad(
        x,
        (
            (0, 0),
            (rows // 2, (rows + 1) // 2 + 1),  # and one more, out of the windows' reach
            (columns // 2, (columns + 1) // 2),
            (0, 0),
        ),
        constant_values=[(0, 0), (0, -np.inf if not rows else 0), (0, 0), (0, 0)],
    )
    window = filled[:, time_stride : time_stride + 2, 2:4].max((1, 2))
    np.testing.assert_array_equal(pooled[:, 1, 1], window)


def test_clips_are_filled_up_to_multiples_of_4():
    x = np.ones((2, 5, 16, 3), np.float32)
    filled = np.asarray(ClipFilling()(x))
    assert filled.shape == (2, 8, 16, 3) == ClipFilling().compute_output_shape(x.shape)
    np.testing.assert_array_equal(filled[0, :, 0, 0], [0, 1, 1, 1, 1, 1, 0, 0])
    assert ClipFilling().compute_output_shape((None, None, 17, 3)) == (None, None, 20, 3)


def test_hidden_joints_lie_in_the_middle_or_in_the_corner():
    pose = np.array([[[0.25, 1.0, 0.5], [0.7, 0.2, 0.0]]], np.float32)
    np.testing.assert_allclose(VisibleCoordinates()(pose), [[[-0.25, 0.5], [0, 0]]])
    np.testing.assert_allclose(VisibleCoordinates(centred=False)(pose), [[[0.125, 0.5], [0, 0]]])
