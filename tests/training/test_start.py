"""What a network starts from."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deephar import weights
from deephar.models import ModelConfig, ReceptionConfig, build_model
from deephar.skeletons import skeleton_of
from deephar.training.start import load_start, require_depth_labels, require_same_network

CONFIG = ModelConfig(stem="vgg16-narrow", image_size=64, stem_features=8, growth=4, num_levels=2)


@pytest.mark.parametrize(
    ("pyramids", "message"),
    [(1, "start at random, dp1_pb"), (3, "are left out, up2_pb0_heatmaps_fw")],
)
def test_what_is_not_shared_with_the_start_is_told(tmp_path, capsys, pyramids, message):
    theirs = replace(CONFIG, num_pyramids=pyramids)
    weights.save(build_model(theirs), theirs, tmp_path / "start.h5")
    load_start(build_model(CONFIG), CONFIG, [tmp_path / "start.h5"])
    assert message in capsys.readouterr().out


CAT = skeleton_of("cat", ["nose", "left_elbow", "right_elbow", "left_paw", "right_paw"])


@pytest.mark.parametrize("depth", [None, "volumetric", "regression"])
def test_joints_of_the_same_name_keep_their_heat_maps(tmp_path, capsys, depth):
    theirs = replace(CONFIG, dim=3 if depth else 2, depth=depth)
    config = replace(theirs, skeleton=CAT)
    source, model = build_model(theirs), build_model(config)
    weights.save(source, theirs, tmp_path / "start.h5")
    before = {layer.name: layer.get_weights() for layer in model.layers}
    load_start(model, config, [tmp_path / "start.h5"])
    said = capsys.readouterr().out
    assert "for left_elbow, right_elbow; at random for nose, left_paw, right_paw" in said
    # The same features give the same maps of shared joints, and these act on features alike.
    ours, elbows = [1, 2], [7, 6]  # in CAT, in pa16j
    for kind, axis in (("heatmaps_conv1", -1), ("heatmaps_fw_maps", -1), ("heatmaps_conv2", -2)):
        name = f"dp1_pb1_{kind}"
        parts = [
            np.moveaxis(kernel, axis, -1).reshape(-1, joints)
            for kernel, joints in (
                (model.get_layer(name).kernel.numpy(), 5),
                (before[name][0], 5),
                (source.get_layer(name).kernel.numpy(), 16),
            )
        ]
        after, at_random, stored = parts
        np.testing.assert_array_equal(after[:, ours], stored[:, elbows])
        np.testing.assert_array_equal(after[:, [0, 3, 4]], at_random[:, [0, 3, 4]])
    images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    found, expected = (network(images)["pose"].numpy()[:, 0] for network in (model, source))
    np.testing.assert_allclose(found[:, ours], expected[:, elbows], atol=1e-5)  # the first block


def test_a_start_without_a_shared_joint_or_of_another_width_is_refused(tmp_path):
    weights.save(build_model(CONFIG), CONFIG, tmp_path / "start.h5")
    config = replace(CONFIG, skeleton=skeleton_of("cat", ["left_paw", "right_paw"]))
    with pytest.raises(ValueError, match=r"'pa16j', which cannot become .* 'cat': none is shared"):
        load_start(build_model(config), config, [tmp_path / "start.h5"])
    config = replace(CONFIG, skeleton=CAT, stem_features=16)
    with pytest.raises(ValueError, match="weights of another network"):
        load_start(build_model(config), config, [tmp_path / "start.h5"])


def test_depth_is_learned_from_labels_only():
    config = ReceptionConfig(dim=3, context_maps=0)
    flat, deep = [SimpleNamespace(joints_3d=None)], [SimpleNamespace(joints_3d=np.zeros((17, 3)))]
    with pytest.raises(ValueError, match="data with 3D labels"):
        require_depth_labels(config, [flat, flat])
    require_depth_labels(config, [flat, deep])
    require_depth_labels(CONFIG, [flat])


def test_weights_of_another_pose_network_are_refused(tmp_path):
    path = tmp_path / "start.h5"
    weights.save(build_model(CONFIG), CONFIG, path)
    require_same_network(path, replace(CONFIG, image_size=128, num_frames=8, pose_features=32))
    with pytest.raises(ValueError, match=r"was trained with num_pyramids 2, but .* has 3"):
        require_same_network(path, replace(CONFIG, num_pyramids=3))
    with pytest.raises(ValueError, match="was trained with peak_window 0"):
        require_same_network(path, replace(CONFIG, peak_window=2))
    with pytest.raises(ValueError, match=r"ModelConfig, but .* has ReceptionConfig"):
        require_same_network(path, ReceptionConfig())
