"""Small networks for tests."""

import keras
import pytest

from deephar import weights
from deephar.export import require_packages
from deephar.models import ModelConfig, build_model

SMALL = {
    "stem": "vgg16-narrow",
    "image_size": 64,
    "stem_features": 16,
    "growth": 8,
    "num_pyramids": 1,
    "num_levels": 2,
}
"""Fields of a config of a small network. VGG-16 itself would take 59 MB, and longer to train."""

SHORT_BLOCKS = ((32,),) * 5
"""What the blocks of narrow stems are in the tests: one narrow convolution each.

Those of VGG-16, 13 convolutions, would be half of such a network.
"""

HEADS = {"num_frames": 4, "pose_features": 16, "appearance_features": 16}
"""Fields of small action heads, for clips of 4 frames."""

CLIPS = ModelConfig(
    stem="vgg16-narrow",
    image_size=64,
    stem_features=16,
    num_levels=2,
    growth=8,
    num_frames=4,
    actions={"synthetic": 12},
    pose_features=16,
    appearance_features=8,
)
"""A network for clips of the built-in data set."""


POSES = ModelConfig(**SMALL)
"""A small network for poses."""


def save_untrained(path, config, **facts):
    """Writes an untrained network as a weights file; returns the path."""
    keras.utils.set_random_seed(0)
    weights.save(build_model(config), config, path, **facts)
    return path


def require_format(format):
    """Skips a test where a format of other runtimes cannot be written."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("networks are exported with the TensorFlow backend")
    try:
        require_packages(format)
    except ValueError as error:
        pytest.skip(str(error))
