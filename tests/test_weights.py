import json
import resource

import h5py
import numpy as np
import pytest

from deephar import weights
from deephar.models import ModelConfig, pose_model

CONFIG = ModelConfig(image_size=64, stem_features=16, growth=8, num_pyramids=1, num_levels=2)


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


def test_half_precision_halves_the_file_and_hardly_moves_the_joints(model, saved, tmp_path):
    weights.save(model, CONFIG, tmp_path / "half.h5", dtype="float16")
    assert (tmp_path / "half.h5").stat().st_size < 0.51 * saved.stat().st_size
    loaded, _ = weights.load_model(tmp_path / "half.h5")
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
        for layer in file.attrs["layer_names"]:
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


def test_weights_of_another_config_are_refused_and_nothing_is_changed(saved):
    other = pose_model(ModelConfig(**{**vars(CONFIG), "growth": 16}))
    before = outputs(other)
    with pytest.raises(
        ValueError, match=r"first mismatch: dp1_du1_r0_shortcut_conv/kernel.*24.*32"
    ):
        weights.load(other, saved)
    np.testing.assert_array_equal(outputs(other), before)
    report = weights.load(other, saved, partial=True)
    assert report.mismatched


def test_weights_of_a_smaller_network_name_the_first_missing_layer(saved):
    other = pose_model(ModelConfig(**{**vars(CONFIG), "num_levels": 3}))
    with pytest.raises(ValueError, match="lacks: dp1_pb1_heatmaps_fw_maps/kernel"):
        weights.load(other, saved)


def test_weights_of_a_larger_network_name_the_first_unexpected_layer(model, tmp_path):
    config = ModelConfig(**{**vars(CONFIG), "num_levels": 3})
    weights.save(pose_model(config), config, tmp_path / "larger.h5")
    with pytest.raises(ValueError, match="first that the network lacks: dp1_"):
        weights.load(model, tmp_path / "larger.h5")


@pytest.mark.parametrize("share", [0.0, 0.2, 0.999])
def test_a_truncated_file_is_named(model, saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"model\.h5: .*cut off"):
        weights.load(model, saved)


def test_a_file_that_lacks_a_listed_layer_names_it(model, saved):
    with h5py.File(saved, "a") as file:
        del file["block3_conv1"]
    with pytest.raises(ValueError, match="damaged, layer block3_conv1"):
        weights.load(model, saved)


def test_other_files_are_refused(model, tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ValueError, match="not an HDF5 weights file"):
        weights.load(model, tmp_path / "text.h5")
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["table"] = np.zeros(3)
    with pytest.raises(ValueError, match="neither Keras 2 nor Keras 3"):
        weights.load(model, tmp_path / "table.h5")
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        weights.load(model, tmp_path / "none.h5")
    with pytest.raises(ValueError, match=r"ends in \.h5"):
        weights.save(model, CONFIG, tmp_path / "model.npz")


def test_files_of_another_format_or_with_values_that_are_not_finite_are_refused(model, saved):
    with h5py.File(saved, "a") as file:
        file.attrs[weights.FORMAT] = 0
    with pytest.raises(ValueError, match=r"model\.h5: weights of format 0"):
        weights.load_model(saved)
    with h5py.File(saved, "a") as file:
        file["block3_conv1/block3_conv1/bias:0"][3] = np.nan
    with pytest.raises(ValueError, match="block3_conv1/bias:0 holds NaN"):
        weights.load(model, saved)


def test_files_of_others_have_no_config(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="holds no network config"):
        weights.load_model(tmp_path / "model.weights.h5")


def test_a_full_disk_leaves_the_previous_file(model, saved):
    content = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError, match="the previous version was kept"):
            weights.save(model, CONFIG, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved.read_bytes() == content
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_index_names_files_and_checks_their_content(saved, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(saved.parent))
    weights.register("small", saved, licence="research only")
    entry = json.loads((saved.parent / "index.json").read_text())["small"]
    assert entry["score"] == {"PCKh@0.5": 1.5}
    assert entry["config"]["stem_features"] == 16
    assert weights.load_model("small")[1] == CONFIG
    with h5py.File(saved, "a") as file:
        file["block1_conv1/block1_conv1/bias:0"][0] += 1
    with pytest.raises(ValueError, match="sha256 is another"):
        weights.load_model("small")
    with pytest.raises(FileNotFoundError, match="known names: small"):
        weights.load_model("large")


def test_a_damaged_index_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(ValueError, match=r"index\.json: not a list of weights"):
        weights.load_model("small")
    (tmp_path / "index.json").write_text('{"small": {}}')
    with pytest.raises(ValueError, match=r"index\.json: not a list of weights"):
        weights.load_model("small")


def test_index_takes_only_files_that_say_what_they_are(model, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    weights.save(model, CONFIG, tmp_path / "a.h5", data="nothing")
    with pytest.raises(ValueError, match="says nothing of its score"):
        weights.register("a", tmp_path / "a.h5", licence="none")
