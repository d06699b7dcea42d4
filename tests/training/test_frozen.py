"""Frozen blocks that OpenVINO computes, and the rest of the network that learns from them."""

import keras
import numpy as np
import pytest
from networks import POSES

from deephar.data import MPII
from deephar.inference.quantization import calibration_crops
from deephar.models import VARIANTS, pose_model
from deephar.training.compile import compile_pose
from deephar.training.frozen import FrozenBlocks
from deephar.training.settings import PoseTraining

pytest.importorskip("nncf")
pytestmark = pytest.mark.usefixtures("op_by_op")

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return pose_model(POSES)


@pytest.mark.parametrize("heat_map_weight", [0.0, 0.3])
def test_the_rest_of_the_network_gives_the_same_poses(model, heat_map_weight):
    frozen = FrozenBlocks(model, 4)
    training = PoseTraining(freeze_stem=4, frozen_int8=True, heat_map_weight=heat_map_weight)
    trainer = compile_pose(model, training, 1, inputs=frozen.outputs)
    features = keras.Model(model.input, frozen.outputs)(IMAGES)
    assert not np.isnan(trainer(features)["pose"]).any()
    np.testing.assert_array_equal(trainer(features)["pose"], model(IMAGES)["pose"])
    assert {id(x) for x in model.weights} <= {id(x) for x in trainer.weights}


def test_blocks_in_int8_are_close_to_those_of_keras(model, drawn_mpii):
    persons = MPII(drawn_mpii, "train")
    images = calibration_crops(64, persons)
    frozen = FrozenBlocks(model, 4, dataset=persons)
    exact = keras.Model(model.input, frozen.outputs)(images)
    for values, expected in zip(frozen(images), exact, strict=True):
        assert values.shape == expected.shape
        error = np.abs(values - expected).mean() / np.abs(expected).mean()
        assert 0 < error < 0.2


def test_levels_of_the_stem_are_taken_besides_the_last_block():
    model = pose_model(VARIANTS["vgg16-medium"])
    layers = [model.get_layer(f"block{name}") for name in ("3_conv3", "4_conv3", "4_pool")]
    outputs = FrozenBlocks(model, 4).outputs
    assert [id(x) for x in outputs] == [id(layer.output) for layer in layers]
