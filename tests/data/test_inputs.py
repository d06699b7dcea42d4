"""What the input of a network looks like."""

from dataclasses import replace

import pytest

from deephar.data import InputSpec
from deephar.models import VARIANTS


def test_spec_of_a_network_is_that_of_its_config():
    config = replace(VARIANTS["vgg16-light-64"], num_frames=8, actions={"a": 2})
    spec = InputSpec.of(config, "whole")
    assert spec == InputSpec(64, "pa16j", 2, num_frames=8, subsampling="whole")
    assert InputSpec.of(VARIANTS["vgg16-light-64"]) == InputSpec(64)


def test_spec_knows_the_joints_of_its_skeleton():
    assert InputSpec(skeleton="lsp14").num_joints == 14


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_size": 0}, "image_size must be at least 1 pixel, got 0"),
        ({"skeleton": "octopus"}, "octopus"),
        ({"dim": 4}, "dim must be 2 or 3, got 4"),
        ({"num_frames": 0}, "at least 1 frame, got 0"),
        ({"subsampling": 0}, "subsampling must be 1, 2"),
        ({"subsampling": 1.5}, "subsampling must be 1, 2"),
        ({"subsampling": float("inf")}, "subsampling must be 1, 2"),
        ({"subsampling": (1, 2)}, r"subsampling must be 1, 2, \.\.\. or .*, got \(1, 2\)"),
        ({"subsampling": "all"}, "subsampling must be 1, 2"),
    ],
)
def test_impossible_inputs_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        InputSpec(**fields)
