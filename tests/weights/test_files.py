import hashlib
import json
import resource
import shlex
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from deephar import weights
from deephar.data.sets import ntu
from deephar.layers import DepthSoftArgmax
from deephar.models import (
    VARIANTS,
    ModelConfig,
    ReceptionConfig,
    build_model,
    config_from_json,
    pose_model,
)
from deephar.weights.__main__ import main

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


def test_a_longer_network_takes_what_it_shares_with_a_shorter_one(model, saved):
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
    with pytest.raises(ValueError, match=r"model\.h5: .*cut off"):
        weights.load(model, saved)


def test_a_file_that_lacks_a_listed_layer_names_it(model, saved):
    with h5py.File(saved, "a") as file:
        del file["block3_conv1"]
    with pytest.raises(ValueError, match="damaged, layer block3_conv1"):
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
    with pytest.raises(ValueError, match=r"model\.keras: a whole model .*save_weights"):
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
    with pytest.raises(ValueError, match=r"neither Keras 2 nor Keras 3.*written by Keras 4\.1\.0"):
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
        with pytest.raises(ValueError, match=f"depth_grid='{stored}', and this network's at"):
            weights.load(model, tmp_path / "depth.h5")


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


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1, 2]", r"its facts are damaged \(expected a dict, got \[1, 2\]"),
        ("{", r"its facts are damaged \(Expecting property name"),
        (3, "its facts are damaged"),
        ('{"actions": ["a"]}', "its facts are damaged .*lists of names by head"),
        ('{"actions": {"a": 3}}', "its facts are damaged .*lists of names by head"),
    ],
)
def test_damaged_facts_name_the_file(saved, value, message):
    with h5py.File(saved, "a") as file:
        file.attrs[weights.FACTS] = value
    with pytest.raises(ValueError, match=rf"model\.h5: {message}"):
        weights.read_facts(saved)
    with pytest.raises(ValueError, match=rf"model\.h5: {message}"):
        weights.describe(saved)


@pytest.mark.parametrize("value", ["{", "", 3, '{"actions": null}', '{"network": []}'])
def test_a_damaged_config_names_the_file(saved, value):
    with h5py.File(saved, "a") as file:
        file.attrs[weights.CONFIG] = value
    for read in (weights.read_config, weights.load_model, weights.describe):
        with pytest.raises(ValueError, match=r"model\.h5: its config is damaged \("):
            read(saved)


def test_text_in_place_of_a_weight_is_named(model, saved, spnet_file):
    bias = "block3_conv1/block3_conv1/bias:0"
    with h5py.File(saved, "a") as file:
        shape = file[bias].shape
        del file[bias]
        file[bias] = np.full(shape, b"text")
    for read in (lambda path: weights.load(model, path), weights.describe):
        with pytest.raises(ValueError, match=r"model\.h5: damaged, /block3\S*bias:0 holds no numb"):
            read(saved)
    with h5py.File(saved, "a") as file:
        del file[bias]
        file.create_group(bias)
    with pytest.raises(ValueError, match=r"model\.h5: damaged, /block3\S*bias:0 holds no numbers"):
        weights.load(model, saved)
    with h5py.File(spnet_file, "a") as file:
        group = file["dp1_pb1_xy_x/dp1_pb1_xy_x"]
        shape = group["depthwise_kernel:0"].shape
        del group["depthwise_kernel:0"]
        group["depthwise_kernel:0"] = np.full(shape, b"text")
    with pytest.raises(ValueError, match=r"spnet\.h5: the constant layer dp1_pb1_xy_x does not"):
        weights.load_model(spnet_file)


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


@pytest.mark.parametrize(
    "fields",
    [
        {"config": None},
        {"config": []},
        {"file": None},
        {"facts": []},
        {"facts": {"actions": ["walk"]}},
    ],
)
def test_an_entry_of_another_form_is_named(tmp_path, monkeypatch, fields):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    entry = {"file": "a.h5", "url": "https://there", "config": {}, **fields}
    (tmp_path / "index.json").write_text(json.dumps({"small": entry}))
    with pytest.raises(ValueError, match=r"index\.json: not a list of weights"):
        weights.load_model("small")


@pytest.mark.parametrize("config", [{"growth": "x"}, {"actions": None}, {"skeleton": "none"}])
def test_an_entry_with_a_damaged_config_is_named(tmp_path, monkeypatch, saved, config):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    entry = {"file": saved.name, "url": "https://there", "config": config}
    (tmp_path / "index.json").write_text(json.dumps({"small": entry}))
    with pytest.raises(ValueError, match=r"index\.json: the config of 'small' is damaged"):
        weights.load_model("small")


def test_a_folder_without_an_index_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        weights.load_model("cvpr18-mpii")
    assert f"{tmp_path / 'index.json'} is not there" in str(error.value)
    assert "copy weights/index.json of the project into the folder" in str(error.value)


def test_index_takes_only_files_that_say_what_they_are(model, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    weights.save(model, CONFIG, tmp_path / "a.h5", data="nothing")
    with pytest.raises(ValueError, match="says nothing of its score"):
        weights.register("a", tmp_path / "a.h5", licence="none")


# ------------------------------------------------------------------------- the authors' files

SPNET = ModelConfig(
    stem="residual",
    stem_features=48,
    image_size=128,
    growth=16,
    num_levels=3,
    visibility="window_mass",
    centred=False,
)
SPNET_CLIPS = replace(SPNET, image_size=64, num_frames=8, pose_features=32, appearance_features=32)
SPNET_3D = {"skeleton": "pa17j", "dim": 3, "depth": "regression"}
STRIDE_4 = {"stem_stride": 4, "stem_features": 32}
RECEPTION = ReceptionConfig(image_size=64, num_blocks=2)
AUTHORS = {
    "spnet_pose2d": SPNET,
    "spnet_pose3d": replace(SPNET, **SPNET_3D, image_size=96),
    "spnet_multitask2d": replace(SPNET_CLIPS, image_size=96, actions={"penn": 15}),
    "spnet_multitask3d": replace(SPNET_CLIPS, **SPNET_3D, **STRIDE_4, actions={"actions": 12}),
    "spnet_multitask2d_replica": replace(
        SPNET_CLIPS, **STRIDE_4, actions={"penn": 15}, action_pyramids=(2,), pose_replica=True
    ),
    "reception_pose2d_context": RECEPTION,
    "reception_pose3d": replace(RECEPTION, skeleton="pa17j", dim=3, context_maps=0, depth_maps=8),
    "merge2d": replace(RECEPTION, num_frames=8, actions={"penn": 15}),
}
"""The configs of the reference files, as their descriptions say."""


def authors_outputs(arrays, config):
    """What our network is to give for ``arrays["x"]``: poses of all blocks, and actions of all."""
    values = [arrays[name] for name in sorted(arrays) if name.startswith("y")]
    if isinstance(config, ReceptionConfig):  # a pose, then its visibility
        count = 2 * config.num_predictions
        poses = [np.concatenate(values[i : i + 2], -1) for i in range(0, count, 2)]
    else:
        count = config.num_predictions
        poses = values[:count]
    return np.stack(poses, -3), np.stack(values[count:], 1) if config.actions else None


@pytest.mark.parametrize("name", AUTHORS)
def test_the_config_is_told_from_the_layers(reference_network, name):
    _, path = reference_network(name)
    assert weights.infer_config(path, num_frames=8) == AUTHORS[name]


@pytest.mark.parametrize("name", AUTHORS)
def test_converted_files_give_the_authors_outputs(reference_network, tmp_path, name):
    arrays, path = reference_network(name)
    expected = AUTHORS[name]
    frames = 8 if expected.actions else None
    assert weights.convert(path, tmp_path / "ours.h5", num_frames=frames) == expected
    model, config = weights.load_model(tmp_path / "ours.h5")
    assert config == expected
    result = model.predict(arrays["x"], verbose=0)
    poses, actions = authors_outputs(arrays, config)
    np.testing.assert_allclose(result["pose"], poses, atol=1e-4)
    for head in config.actions:
        np.testing.assert_allclose(result[f"action_{head}"], actions, atol=1e-4)


@pytest.fixture
def spnet_file(golden_folder, tmp_path):
    """A copy of an SPNet's file, to be changed."""
    path = tmp_path / "spnet.h5"
    path.write_bytes((golden_folder / "spnet_pose2d.weights.keras2.h5").read_bytes())
    return path


@pytest.fixture
def clips_file(golden_folder, tmp_path):
    """A copy of the file of an SPNet with actions, to be changed."""
    path = tmp_path / "clips.h5"
    source = golden_folder / "spnet_multitask2d_replica.weights.keras2.h5"
    path.write_bytes(source.read_bytes())
    return path


def test_load_model_takes_the_authors_files_as_they_are(golden, spnet_file):
    model, config = weights.load_model(spnet_file)
    assert config == SPNET
    assert weights.read_facts(spnet_file) == {}
    arrays = golden("spnet_pose2d")
    poses, _ = authors_outputs(arrays, config)
    result = model.predict(arrays["x"], verbose=0)["pose"]
    np.testing.assert_allclose(result, poses, atol=1e-4)


def test_the_config_is_told_from_a_whole_model_too(spnet_file, tmp_path):
    with h5py.File(spnet_file) as source, h5py.File(tmp_path / "whole.h5", "w") as target:
        source.copy(source["/"], target, "model_weights")
    assert weights.infer_config(tmp_path / "whole.h5") == SPNET


def test_the_config_of_the_authors_network_for_ntu_is_told(tmp_path):
    config = ReceptionConfig(
        skeleton="pa20j",
        dim=3,
        image_size=32,
        num_blocks=1,
        context_maps=0,
        depth_maps=8,
        depth_grid="centres",
        num_frames=4,
        actions={"ntu": 60},
        action_version="v2",
    )
    path = tmp_path / "ntu.h5"
    weights.save(build_model(config), config, path)
    with h5py.File(path, "a") as file:  # the constants, which our files do not have
        del file.attrs[weights.CONFIG]
        y, x = np.meshgrid(*[np.linspace(0, 1, 4)] * 2, indexing="ij")
        for layer, grid in [("separable_conv2d", x), ("separable_conv2d_1", y)]:
            group = file.create_group(f"sSAM/{layer}")
            group["depthwise_kernel:0"] = np.repeat(grid[..., None, None], 20, axis=2)
            group["pointwise_kernel:0"] = np.eye(20)[None, None]
        centres = (np.arange(8) + 0.5) / 8
        file["zSAM/conv1d/kernel:0"] = centres[:, None, None] * np.eye(20)
        for group in ("sSAM", "zSAM"):
            names = [f"{layer}/{name}" for layer in file[group] for name in file[group][layer]]
            file[group].attrs["weight_names"] = names
        file.attrs["layer_names"] = [*file.attrs["layer_names"], "sSAM", "zSAM"]
    assert weights.infer_config(path, num_frames=4) == config
    with h5py.File(path, "a") as file:
        group = file["PoseAR_conv2d_1/PoseAR_conv2d_1"]
        del group["kernel:0"]
        group["kernel:0"] = np.zeros((3, 3, 3, 112))
    with pytest.raises(ValueError, match=r"begins with 112 channels; known are .* 8 \(v1\)"):
        weights.infer_config(path, num_frames=4)


def test_action_heads_and_frames_can_be_named(clips_file):
    config = weights.infer_config(clips_file, num_frames=16, heads=["gym"])
    assert (config.num_frames, config.actions) == (16, {"gym": 15})
    with pytest.raises(ValueError, match=r"has 1 action heads \(15 classes\)"):
        weights.infer_config(clips_file, num_frames=16, heads=["gym", "penn"])
    with pytest.raises(
        ValueError, match=r"convert \S*/clips\.h5 \S*/clips-converted\.h5 --frames 8$"
    ):
        weights.load_model(clips_file)
    with pytest.raises(ValueError, match=r"clips\.h5: .*num_frames must be at least 4"):
        weights.infer_config(clips_file, num_frames=2)
    for name in ("", "a/b c", "a b"):
        with pytest.raises(ValueError, match=rf"clips\.h5: '{name}' cannot be the name of a head"):
            weights.infer_config(clips_file, num_frames=16, heads=[name])


def test_the_command_that_tells_the_frames_can_be_pasted(clips_file):
    path = clips_file.rename(clips_file.with_name("the clips.hdf5"))
    with pytest.raises(ValueError, match="--frames") as error:
        weights.load_model(path)
    command = str(error.value).split("with: ")[1]
    assert command.startswith("python -m deephar.weights convert ")
    assert main(shlex.split(command)[3:]) == 0
    out = path.with_name("the clips-converted.h5")
    assert weights.load_model(out)[1] == AUTHORS["spnet_multitask2d_replica"]


def test_an_authors_file_that_lacks_a_layer_names_it(spnet_file):
    with h5py.File(spnet_file, "a") as file:
        names = [name for name in file.attrs["layer_names"] if name != "dp1_pb1_xy_x"]
        del file.attrs["layer_names"], file["dp1_pb1_xy_x"]
        file.attrs["layer_names"] = names
    with pytest.raises(ValueError, match=r"spnet\.h5: lacks the grid .* \(dp1_pb1_xy_x\)"):
        weights.load_model(spnet_file)


def test_action_blocks_that_are_not_numbered_from_1_are_named(clips_file):
    with h5py.File(clips_file, "a") as file:
        names = [name for name in file.attrs["layer_names"] if not name.startswith("act1_")]
        del file.attrs["layer_names"]
        file.attrs["layer_names"] = names
    with pytest.raises(ValueError, match=r"clips\.h5: like .* of the authors, but lacks act1"):
        weights.infer_config(clips_file, num_frames=8)


def test_a_joint_layout_that_is_not_known_is_refused(spnet_file):
    with h5py.File(spnet_file, "a") as file:
        group = file["dp1_pb1_xy_x/dp1_pb1_xy_x"]
        grid = group["depthwise_kernel:0"][:, :, :5]
        del group["depthwise_kernel:0"], group["pointwise_kernel:0"]
        group["depthwise_kernel:0"] = grid
        group["pointwise_kernel:0"] = np.eye(5)[None, None]
    with pytest.raises(ValueError, match=r"a network of 5 joints; known are .* 16, 17, 20 joints"):
        weights.load_model(spnet_file)


def test_a_cut_off_file_of_the_authors_is_named(spnet_file):
    spnet_file.write_bytes(spnet_file.read_bytes()[:-5000])
    with pytest.raises(ValueError, match=r"spnet\.h5: not an HDF5 weights file, or cut off"):
        weights.load_model(spnet_file)


def test_weights_of_an_authors_network_do_not_go_into_another(model, spnet_file):
    with pytest.raises(ValueError, match=r"spnet\.h5: weights of another network .*load_model"):
        weights.load(model, spnet_file)


# ------------------------------------------------------------------ the authors' files, by name


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Makes an index that lists ``authors.h5`` as "authors", and gives the path where it goes."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(folder))

    def make(config, **fields):
        entry = {"file": "authors.h5", "url": "https://there/authors.h5", **fields}
        entry["config"] = json.loads(config.to_json())
        (folder / "index.json").write_text(json.dumps({"authors": entry}))
        return folder / "authors.h5"

    return make


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_a_listed_file_that_is_not_there_says_where_it_comes_from(listed):
    path = listed(SPNET, md5="0" * 32)
    with pytest.raises(FileNotFoundError) as error:
        weights.load_model("authors")
    assert "download it from https://there/authors.h5" in str(error.value)
    assert f"put it into {path.parent} as authors.h5" in str(error.value)


def test_a_listed_file_is_taken_by_name_and_by_path(listed, spnet_file):
    path = listed(SPNET, md5=md5(spnet_file), score={"PCKh": 89}, facts={"subsampling": 2})
    spnet_file.rename(path)
    assert weights.load_model("authors")[1] == weights.load_model(path)[1] == SPNET
    assert weights.read_facts(path) == {"score": {"PCKh": 89}, "subsampling": 2}


def test_a_listed_file_with_another_md5_is_refused(listed, spnet_file):
    path = listed(SPNET, md5="0" * 32)
    spnet_file.rename(path)
    with pytest.raises(ValueError, match=r"authors\.h5: differs .*md5 is another.*https://there"):
        weights.load_model("authors")
    assert weights.listed_as(path) is None


@pytest.mark.parametrize("hashed", [True, False])
def test_the_index_tells_what_the_layers_do_not(listed, clips_file, hashed):
    config = replace(AUTHORS["spnet_multitask2d_replica"], actions={"gym": 15}, num_frames=12)
    path = listed(config, **({"md5": md5(clips_file)} if hashed else {}))
    # A file without a published hash is known by its name.
    clips_file = clips_file.rename(clips_file.with_name("mine.h5" if hashed else path.name))
    assert weights.listed_as(clips_file) == "authors"
    assert weights.read_config(clips_file) == config


def test_without_a_hash_another_network_is_refused(listed, clips_file):
    config = AUTHORS["spnet_multitask2d_replica"]
    path = listed(replace(config, actions={"gym": 15}))
    clips_file.rename(path)
    assert weights.load_model("authors")[1].actions == {"gym": 15}
    listed(replace(config, actions={"penn": 12}, growth=24))
    with pytest.raises(ValueError, match=r"authors\.h5: its network is not that which") as error:
        weights.load_model("authors")
    assert "growth=16 in place of 24, actions=[15] in place of [12]; download" in str(error.value)
    assert weights.listed_as(path) is None
    listed(RECEPTION)
    with pytest.raises(ValueError, match="a ModelConfig in place of a ReceptionConfig"):
        weights.find("authors")


def test_without_a_hash_poses_are_not_taken_for_actions(listed, spnet_file):
    path = listed(AUTHORS["spnet_multitask2d_replica"])
    spnet_file.rename(path)
    with pytest.raises(ValueError, match=r"actions=\[\] in place of \[15\]"):
        weights.find("authors")


def test_without_a_hash_a_replica_of_the_heat_maps_is_no_other_network(listed, clips_file):
    config = AUTHORS["spnet_multitask2d_replica"]
    path = listed(replace(config, pose_replica=False))
    clips_file.rename(path)
    assert weights.load_model("authors")[1] == config


@pytest.mark.parametrize("name", ["cvpr18-ntu", "tpami20-ntu"])
def test_the_authors_networks_for_ntu_name_their_actions(name):
    assert tuple(weights.index()[name]["facts"]["actions"]["ntu"]) == ntu.ACTIONS


def test_the_index_of_the_project_lists_networks_that_can_be_built():
    for name, entry in weights.index().items():
        config = config_from_json(json.dumps(entry["config"]))
        assert entry["licence"], name
        if "url" in entry:
            assert config.image_size == 256
            assert "github.com/dluvizon/deephar" in entry["licence"]
        else:
            assert weights.read_config(weights.find(name)) == config
    assert len([entry for entry in weights.index().values() if "url" in entry]) == 6
    mpii = weights.index()["cvpr18-mpii"]
    assert mpii["file"] == "weights_PE_MPII_cvpr18_19-09-2017.h5"
    assert mpii["md5"] == "d6b85ba4b8a3fc9d05c8ad73f763d999"
    penn = config_from_json(json.dumps(weights.index()["tpami20-penn"]["config"]))
    assert penn.pyramids_with_actions == (5, 6)
    smaller = replace(penn, num_pyramids=2, action_pyramids=(), pose_replica=False)
    assert smaller == VARIANTS["spnet-penn"]
