"""What a network starts from."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deephar import weights
from deephar.models import ModelConfig, ReceptionConfig, build_model
from deephar.training.start import load_start, require_depth_labels, require_same_network

CONFIG = ModelConfig(image_size=64, stem_features=8, growth=4, num_levels=2)


@pytest.mark.parametrize(
    ("pyramids", "message"),
    [(1, "start at random, dp1_pb"), (3, "are left out, up2_pb0_heatmaps_fw")],
)
def test_what_is_not_shared_with_the_start_is_told(tmp_path, capsys, pyramids, message):
    theirs = replace(CONFIG, num_pyramids=pyramids)
    weights.save(build_model(theirs), theirs, tmp_path / "start.h5")
    load_start(build_model(CONFIG), CONFIG, [tmp_path / "start.h5"])
    assert message in capsys.readouterr().out


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
