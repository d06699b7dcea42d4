"""Saving and loading weights: layouts, what does not fit, and damaged files."""

import resource
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from networks import SMALL

from deephar import Predictor, weights
from deephar.layers import DepthSoftArgmax
from deephar.models import ModelConfig, pose_model
from deephar.skeletons import skeleton_of

CONFIG = ModelConfig(**SMALL)


@pytest.fixture(scope="module")
def model():
    return pose_model(CONFIG)


@pytest.fixture
def saved(model, tmp_path):
    weights.save(model, CONFIG, tmp_path / "model.h5", data="nothing", score={"PCKh@0.5": 1.5})
    return tmp_path / "model.h5"


def outputs(model):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
    return model.predict(images, verbose=0)["pose"]


def test_load_model_gives_back_network_config_and_facts(model, saved):
    loaded, config = weights.load_model(saved)
    assert config == CONFIG
    assert weights.read_facts(saved) == {"data": "nothing", "score": {"PCKh@0.5": 1.5}}
    np.testing.assert_array_equal(outputs(loaded), outputs(model))


def texts_of(path):
    """Attributes of a file that are text: their HDF5 types, by group and name."""
    with h5py.File(path) as file:
        groups = [file, *filter(lambda item: isinstance(item, h5py.Group), file.values())]
        kinds = {
            (group.name, name): h5py.h5a.open(group.id, name.encode()).get_type()
            for group in groups
            for name in group.attrs
        }
    return {key: kind for key, kind in kinds.items() if isinstance(kind, h5py.h5t.TypeStringID)}


def test_text_has_a_fixed_length_that_damage_cannot_make_hdf5_follow_for_ever(model, saved):
    texts = texts_of(saved)
    assert {("/", weights.CONFIG), ("/", weights.FACTS), ("/", "layer_names")} < set(texts)
    assert not any(kind.is_variable_str() for kind in texts.values())


def test_a_header_that_would_fill_the_memory_is_refused(saved):
    content = bytearray(saved.read_bytes())
    content[48:56] = (5000).to_bytes(8, "little")  # where a driver has kept gigabytes, it says
    saved.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.h5 is not an HDF5 .*its header is damaged"):
        weights.describe(saved)


def test_long_facts_are_kept(model, tmp_path):
    names = [f"action {number}" for number in range(10_000)]
    weights.save(model, CONFIG, tmp_path / "long.h5", names=names)
    assert weights.read_facts(tmp_path / "long.h5") == {"names": names}


def test_files_with_text_of_variable_length_are_read(model, saved):
    with h5py.File(saved, "a") as file:  # as version 0.1 and Keras with h5py write them
        for group in (file, *filter(lambda item: isinstance(item, h5py.Group), file.values())):
            for name, value in group.attrs.items():
                if isinstance(value, bytes):
                    group.attrs[name] = value.decode()
                elif isinstance(value, np.ndarray):
                    group.attrs[name] = [text.decode() for text in value]
    assert any(kind.is_variable_str() for kind in texts_of(saved).values())
    loaded, config = weights.load_model(saved)
    assert config == CONFIG
    assert weights.read_facts(saved) == {"data": "nothing", "score": {"PCKh@0.5": 1.5}}
    np.testing.assert_array_equal(outputs(loaded), outputs(model))


def test_a_skeleton_of_your_own_travels_with_the_weights(tmp_path):
    cat = skeleton_of("cat", ["nose", "ear_a", "ear_b"], pairs=[("ear_a", "ear_b")])
    config = ModelConfig(**{**SMALL, "skeleton": cat})
    weights.save(pose_model(config), config, tmp_path / "cat.h5")
    loaded, config = weights.load_model(tmp_path / "cat.h5")
    assert config.skeleton == cat
    assert outputs(loaded).shape == (2, 1, 3, 3)
    predictor = Predictor(tmp_path / "cat.h5")
    person = predictor(np.zeros((80, 60, 3), np.uint8), box=(10, 10, 50, 70))
    assert predictor.skeleton.joints == ("nose", "ear_a", "ear_b")
    assert person.skeleton == cat
    assert "3 joints in cat" in repr(person)


def test_keras_reads_our_files(model, saved):
    other = pose_model(CONFIG)
    other.load_weights(saved)
    np.testing.assert_array_equal(outputs(other), outputs(model))


def test_load_reads_weights_files_of_keras_3(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    other = pose_model(CONFIG)
    report = weights.load(other, tmp_path / "model.weights.h5")
    assert report == weights.LoadReport((), (), ())
    np.testing.assert_array_equal(outputs(other), outputs(model))


def test_half_precision_halves_the_file_and_keeps_the_joints(tmp_path):
    config = replace(CONFIG, stem="vgg16")  # so large that names hardly count
    model = pose_model(config)
    sizes = []
    for dtype in ("float32", "float16"):
        weights.save(model, config, tmp_path / "w.h5", dtype=dtype)
        sizes.append((tmp_path / "w.h5").stat().st_size)
    assert sizes[1] < 0.51 * sizes[0]
    loaded, _ = weights.load_model(tmp_path / "w.h5")
    np.testing.assert_allclose(outputs(loaded), outputs(model), atol=2e-3)


def test_half_precision_refuses_values_that_do_not_fit(tmp_path):
    model = pose_model(CONFIG)
    layer = model.get_layer("dp1_pb1_bn1")
    values = layer.get_weights()
    values[3][0] = 1e8  # a moving variance
    layer.set_weights(values)
    with pytest.raises(ValueError, match=r"dp1_pb1_bn1/moving_variance.*too large for float16"):
        weights.save(model, CONFIG, tmp_path / "half.h5", dtype="float16")
    assert not (tmp_path / "half.h5").exists()


def test_files_with_names_of_keras_1_go_by_the_order_in_each_layer(model, saved):
    with h5py.File(saved, "a") as file:
        for layer in map(bytes.decode, file.attrs["layer_names"]):
            group = file[layer]
            arrays = [group[name][()] for name in group.attrs["weight_names"]]
            del group[layer]
            names = [f"{layer}_W_{number}:0" for number in range(len(arrays))]
            group.attrs["weight_names"] = names
            for name, array in zip(names, arrays, strict=True):
                group[name] = array
    other = pose_model(CONFIG)
    assert weights.load(other, saved) == weights.LoadReport((), (), ())
    np.testing.assert_array_equal(outputs(other), outputs(model))


def test_weights_of_another_config_leave_the_model_unchanged(saved):
    other = pose_model(ModelConfig(**{**vars(CONFIG), "growth": 16}))
    before = outputs(other)
    with pytest.raises(
        ValueError, match=r"first mismatch: dp1_du1_r0_shortcut_conv/kernel.*24.*32"
    ):
        weights.load(other, saved)
    np.testing.assert_array_equal(outputs(other), before)
    report = weights.load(other, saved, partial=True)
    assert report.mismatched


def test_weights_of_a_smaller_network_name_a_missing_layer(saved):
    other = pose_model(ModelConfig(**{**vars(CONFIG), "num_levels": 3}))
    with pytest.raises(ValueError, match="lacks: dp1_pb1_heatmaps_fw_maps/kernel"):
        weights.load(other, saved)


def test_weights_of_a_larger_network_name_an_unexpected_layer(model, tmp_path):
    config = ModelConfig(**{**vars(CONFIG), "num_levels": 3})
    weights.save(pose_model(config), config, tmp_path / "larger.h5")
    with pytest.raises(ValueError, match="first weight that the network lacks: dp1_"):
        weights.load(model, tmp_path / "larger.h5")


def test_a_longer_network_takes_the_weights_of_a_shorter_one(model, saved):
    longer = pose_model(ModelConfig(**{**vars(CONFIG), "num_pyramids": CONFIG.num_pyramids + 1}))
    report = weights.load_shared(longer, saved)
    assert report.missing
    assert (report.unexpected, report.mismatched) == ((), ())
    for layer in model.layers:
        for ours, theirs in zip(longer.get_layer(layer.name).weights, layer.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_nothing_is_shared_with_another_network(saved, tmp_path):
    other = pose_model(ModelConfig(**{**vars(CONFIG), "growth": 16}))
    with pytest.raises(ValueError, match="first mismatch: dp1_du1"):
        weights.load_shared(other, saved)
    strange = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="strange")])
    with pytest.raises(ValueError, match="first weight that the file lacks: strange/kernel"):
        weights.load_shared(strange, saved)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.999])
def test_a_truncated_file_is_named(model, saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"model\.h5 .*cut off"):
        weights.load(model, saved)


def test_a_file_that_lacks_a_listed_layer_names_it(model, saved):
    with h5py.File(saved, "a") as file:
        del file["block3_conv1"]
    with pytest.raises(ValueError, match=r"model\.h5 is damaged: layer block3_conv1 is listed"):
        weights.load(model, saved)


def test_a_whole_model_of_keras_2_is_read(model, saved, tmp_path):
    whole = tmp_path / "whole.h5"
    with h5py.File(saved) as source, h5py.File(whole, "w") as target:
        source.copy(source["/"], target, "model_weights")
        target.create_dataset("optimizer_weights/iterations", data=3)
    other = pose_model(CONFIG)
    assert weights.load(other, whole) == weights.LoadReport((), (), ())
    np.testing.assert_array_equal(outputs(other), outputs(model))


def test_a_keras_archive_given_by_mistake_is_named(model, tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"model\.keras is a whole model .*save_weights"):
        weights.load(model, tmp_path / "model.keras")


def test_keras_3_weights_of_another_network_name_a_layer_of_it(model, tmp_path):
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="fc")])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match=r"weights of another network .* lacks: block1_conv1/"):
        weights.load(model, tmp_path / "other.weights.h5")


def test_keras_3_weights_without_names_of_layers_are_refused(model, tmp_path):
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        file.visititems(lambda _, group: group.attrs.pop("name", None) and None)
    with pytest.raises(ValueError, match="does not tell the names of its layers"):
        weights.load(model, path)


def test_a_layout_of_a_later_keras_is_refused(model, tmp_path):
    with h5py.File(tmp_path / "later.h5", "w") as file:
        file.attrs["keras_version"] = "4.1.0"
        file["tensors/block1_conv1"] = np.zeros((3, 3, 3, 64))
    with pytest.raises(ValueError, match=r"written by Keras 4\.1\.0.*neither Keras 2 nor Keras 3"):
        weights.load(model, tmp_path / "later.h5")


@pytest.mark.parametrize(("stored", "ours"), [("inclusive", "centres"), ("centres", "inclusive")])
def test_another_depth_grid_is_refused(tmp_path, stored, ours):
    grids = {"inclusive": np.linspace(0, 1, 4), "centres": (np.arange(4) + 0.5) / 4}
    with h5py.File(tmp_path / "depth.h5", "w") as file:
        file.attrs["layer_names"] = ["zSAM"]
        file.create_group("zSAM").attrs["weight_names"] = ["conv1d/kernel:0"]
        file["zSAM/conv1d/kernel:0"] = grids[stored][:, None, None] * np.eye(3)
    maps = keras.Input((4, 3))
    for grid in (stored, ours):
        model = keras.Model(maps, DepthSoftArgmax(grid)(maps))
        if grid == stored:
            assert weights.load(model, tmp_path / "depth.h5") == weights.LoadReport((), (), ())
            continue
        with pytest.raises(ValueError, match=f"depth_grid='{stored}', and this network has"):
            weights.load(model, tmp_path / "depth.h5")


def test_other_files_are_refused(model, tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ValueError, match="not an HDF5 weights file"):
        weights.load(model, tmp_path / "text.h5")
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["table"] = np.zeros(3)
    with pytest.raises(ValueError, match="neither Keras 2 nor Keras 3"):
        weights.load(model, tmp_path / "table.h5")
    with pytest.raises(FileNotFoundError, match=r"none\.h5 does not exist"):
        weights.load(model, tmp_path / "none.h5")
    with pytest.raises(ValueError, match=r"does not end in \.h5"):
        weights.save(model, CONFIG, tmp_path / "model.npz")


def test_other_formats_and_infinite_values_are_refused(model, saved):
    with h5py.File(saved, "a") as file:
        file.attrs[weights.FORMAT] = 0
    with pytest.raises(ValueError, match=r"model\.h5 has weights of format 0"):
        weights.load_model(saved)
    with h5py.File(saved, "a") as file:
        file["block3_bn1/block3_bn1/beta:0"][3] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinite values in .*block3_bn1/beta:0"):
        weights.load(model, saved)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1, 2]", r"damaged facts \(expected a dict, got \[1, 2\]"),
        ("{", r"damaged facts \(Expecting property name"),
        (3, "damaged facts"),
        ('{"actions": ["a"]}', "damaged facts .*lists of names by head"),
        ('{"actions": {"a": 3}}', "damaged facts .*lists of names by head"),
        ('{"frame_rate": 0}', "damaged facts .*a frame_rate above 0, got 0"),
        ('{"frame_rate": "fast"}', "damaged facts .*a frame_rate above 0, got 'fast'"),
        ('{"frame_rate": NaN}', "damaged facts .*a frame_rate above 0, got nan"),
    ],
)
def test_damaged_facts_name_the_file(saved, value, message):
    with h5py.File(saved, "a") as file:
        file.attrs[weights.FACTS] = value
    with pytest.raises(ValueError, match=rf"model\.h5 has {message}"):
        weights.read_facts(saved)
    with pytest.raises(ValueError, match=rf"model\.h5 has {message}"):
        weights.describe(saved)


@pytest.mark.parametrize("value", ["{", "", 3, '{"actions": null}', '{"network": []}'])
def test_a_damaged_config_names_the_file(saved, value):
    with h5py.File(saved, "a") as file:
        file.attrs[weights.CONFIG] = value
    for read in (weights.read_config, weights.load_model, weights.describe):
        with pytest.raises(ValueError, match=r"model\.h5 has a damaged config \("):
            read(saved)


def test_text_in_place_of_a_weight_is_named(model, saved, spnet_file):
    beta = "block3_bn1/block3_bn1/beta:0"
    with h5py.File(saved, "a") as file:
        shape = file[beta].shape
        del file[beta]
        file[beta] = np.full(shape, b"text")
    for read in (lambda path: weights.load(model, path), weights.describe):
        with pytest.raises(ValueError, match=r"model\.h5 is damaged: /block3\S*beta:0 holds"):
            read(saved)
    with h5py.File(saved, "a") as file:
        del file[beta]
        file.create_group(beta)
    with pytest.raises(ValueError, match=r"model\.h5 is damaged: /block3\S*beta:0 holds"):
        weights.load(model, saved)
    with h5py.File(spnet_file, "a") as file:
        group = file["dp1_pb1_xy_x/dp1_pb1_xy_x"]
        shape = group["depthwise_kernel:0"].shape
        del group["depthwise_kernel:0"]
        group["depthwise_kernel:0"] = np.full(shape, b"text")
    with pytest.raises(ValueError, match=r"spnet\.h5 has a constant layer dp1_pb1_xy_x that"):
        weights.load_model(spnet_file)


def test_files_of_others_have_no_config(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="holds no network config"):
        weights.load_model(tmp_path / "model.weights.h5")


def test_a_full_disk_leaves_the_previous_file(model, saved):
    content = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, hard))
    try:
        with pytest.raises(OSError, match="The previous version was kept"):
            weights.save(model, CONFIG, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved.read_bytes() == content
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_weights_of_an_authors_network_do_not_go_into_another(model, spnet_file):
    with pytest.raises(ValueError, match=r"spnet\.h5 has weights of another network .*load_model"):
        weights.load(model, spnet_file)
