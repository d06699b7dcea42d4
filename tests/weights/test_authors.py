"""The authors' files: their configs from the layers, and their outputs from our networks."""

import h5py
import numpy as np
import pytest
from authors_configs import AUTHORS, SPNET

from deephar import weights
from deephar.models import ReceptionConfig, build_model


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
def test_the_config_is_inferred_from_the_layers(reference_network, name):
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


def test_load_model_takes_the_authors_files_as_they_are(golden, spnet_file):
    model, config = weights.load_model(spnet_file)
    assert config == SPNET
    assert weights.read_facts(spnet_file) == {}
    arrays = golden("spnet_pose2d")
    poses, _ = authors_outputs(arrays, config)
    result = model.predict(arrays["x"], verbose=0)["pose"]
    np.testing.assert_allclose(result, poses, atol=1e-4)


def test_the_config_is_inferred_from_a_whole_model(spnet_file, tmp_path):
    with h5py.File(spnet_file) as source, h5py.File(tmp_path / "whole.h5", "w") as target:
        source.copy(source["/"], target, "model_weights")
    assert weights.infer_config(tmp_path / "whole.h5") == SPNET


def test_the_config_of_the_authors_ntu_network_is_inferred(tmp_path):
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
        file.attrs["layer_names"] = [*file.attrs["layer_names"], b"sSAM", b"zSAM"]
    assert weights.infer_config(path, num_frames=4) == config
    with h5py.File(path, "a") as file:
        group = file["PoseAR_conv2d_1/PoseAR_conv2d_1"]
        del group["kernel:0"]
        group["kernel:0"] = np.zeros((3, 3, 3, 112))
    with pytest.raises(ValueError, match=r"begins with 112 channels\. .* 8 \(v1\)"):
        weights.infer_config(path, num_frames=4)


def test_action_heads_and_frames_can_be_named(clips_file):
    config = weights.infer_config(clips_file, num_frames=16, heads=["gym"])
    assert (config.num_frames, config.actions) == (16, {"gym": 15})
    with pytest.raises(ValueError, match=r"has 1 action heads \(15 classes\)"):
        weights.infer_config(clips_file, num_frames=16, heads=["gym", "penn"])
    with pytest.raises(
        ValueError, match=r"deephar convert \S*/clips\.h5 \S*/clips-converted\.h5 --frames 8$"
    ):
        weights.load_model(clips_file)
    with pytest.raises(ValueError, match=r"clips\.h5 .*num_frames must be at least 4"):
        weights.infer_config(clips_file, num_frames=2)
    for name in ("", "a/b c", "a b"):
        with pytest.raises(ValueError, match=rf"'{name}' cannot be the name of a head of"):
            weights.infer_config(clips_file, num_frames=16, heads=[name])


def test_an_authors_file_that_lacks_a_layer_names_it(spnet_file):
    with h5py.File(spnet_file, "a") as file:
        names = [name for name in file.attrs["layer_names"] if name != "dp1_pb1_xy_x"]
        del file.attrs["layer_names"], file["dp1_pb1_xy_x"]
        file.attrs["layer_names"] = names
    with pytest.raises(ValueError, match=r"spnet\.h5 lacks the grid .* \(dp1_pb1_xy_x\)"):
        weights.load_model(spnet_file)


def test_action_blocks_that_are_not_numbered_from_1_are_named(clips_file):
    with h5py.File(clips_file, "a") as file:
        names = [name for name in file.attrs["layer_names"] if not name.startswith("act1_")]
        del file.attrs["layer_names"]
        file.attrs["layer_names"] = names
    with pytest.raises(ValueError, match=r"clips\.h5 resembles .* but lacks the layer act1"):
        weights.infer_config(clips_file, num_frames=8)


def test_a_joint_layout_that_is_not_known_is_refused(spnet_file):
    with h5py.File(spnet_file, "a") as file:
        group = file["dp1_pb1_xy_x/dp1_pb1_xy_x"]
        grid = group["depthwise_kernel:0"][:, :, :5]
        del group["depthwise_kernel:0"], group["pointwise_kernel:0"]
        group["depthwise_kernel:0"] = grid
        group["pointwise_kernel:0"] = np.eye(5)[None, None]
    with pytest.raises(ValueError, match=r"a network of 5 joints\. .* have 16, 17, 20 joints"):
        weights.load_model(spnet_file)


def test_a_cut_off_file_of_the_authors_is_named(spnet_file):
    spnet_file.write_bytes(spnet_file.read_bytes()[:-5000])
    with pytest.raises(ValueError, match=r"spnet\.h5 is not an HDF5 weights file, or is cut off"):
        weights.load_model(spnet_file)


def with_layer(path, name, shape):
    """Adds a layer with a kernel to a file of the authors."""
    with h5py.File(path, "a") as file:
        file[f"{name}/{name}/kernel:0"] = np.zeros(shape)
        file[name].attrs["weight_names"] = [f"{name}/kernel:0"]
        file.attrs["layer_names"] = [*file.attrs["layer_names"], name]
    return path


def test_networks_of_the_authors_that_are_not_built_here_are_named(
    spnet_file, reference_network, tmp_path
):
    _, reception = reference_network("reception_pose2d_context")
    old = tmp_path / "old.h5"
    old.write_bytes(reception.read_bytes())
    with_layer(old, "sepconv1_conv", (1, 1, 4, 512))
    other = tmp_path / "other.h5"
    other.write_bytes(spnet_file.read_bytes())
    with_layer(other, "extra_conv", (1, 1, 4, 4))
    with_layer(spnet_file, "up2_uu0_convtrans1", (2, 2, 4, 4))
    for path, message in [
        (spnet_file, r"spnet\.h5 is an SPNet with downsampling_type='conv'"),
        (old, r"old\.h5 is a ReceptionNet with old_model=True"),
        (other, r"extra_conv.*has options that are not built here"),
    ]:
        for use in (weights.load_model, lambda path: weights.convert(path, tmp_path / "x.h5")):
            with pytest.raises(ValueError, match=message) as error:
                use(path)
            assert "load_model" not in str(error.value)
            assert "weights.load(" not in str(error.value)
