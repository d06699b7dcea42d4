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


def test_step_is_the_frame_rate_of_the_video_by_that_of_the_clip():
    config = replace(VARIANTS["vgg16-light-64"], num_frames=8, actions={"a": 2})
    spec = InputSpec.of(config, frame_rate=8)
    assert spec.step(30) == 3.75
    assert InputSpec.of(config).step(30) is None


@pytest.mark.parametrize("frame_rate", [0, -1, float("nan"), None])
def test_videos_on_a_time_base_need_a_frame_rate(frame_rate):
    with pytest.raises(ValueError, match="frame rate of a video must be above 0"):
        InputSpec(num_frames=8, frame_rate=8).step(frame_rate)


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
        ({"frame_rate": 0}, "frame_rate must be above 0 frames per second, got 0"),
        ({"frame_rate": float("nan")}, "frame_rate must be above 0"),
        ({"frame_rate": float("inf")}, "frame_rate must be above 0"),
        ({"frame_rate": "fast"}, "frame_rate must be above 0 frames per second, got 'fast'"),
        ({"frame_rate": 8, "subsampling": 2}, "not both"),
        ({"frame_rate": 8, "subsampling": "whole"}, "not both"),
    ],
)
def test_impossible_inputs_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        InputSpec(**fields)
